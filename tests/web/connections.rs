//! The pages over a real connection, from the first to the last.

use std::time::Duration;

use azp_scaler::web::serve;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::world::World;

#[tokio::test]
async fn an_idle_client_does_not_hold_up_the_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let server = tokio::spawn(serve(listener, World::new().site(), stop.clone()));

    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET /livez HTTP/1.1\r\nhost: azp-scaler\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\nalive\n") {
        answer.push(client.read_u8().await.unwrap());
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));

    stop.cancel();
    server.await.unwrap();
    assert_eq!(client.read_to_end(&mut answer).await.unwrap(), 0, "the connection is closed");
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn clients_that_say_nothing_keep_no_probe_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let server = tokio::spawn(serve(listener, World::new().site(), stop.clone()));
    let mut silent = Vec::new();
    for _ in 0..300 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET /livez HTTP/1.1\r\nhost: azp-scaler\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    // A kubelet has no more patience than that.
    timeout(Duration::from_secs(1), client.read_to_string(&mut answer)).await.expect("soon").unwrap();
    assert!(answer.ends_with("alive\n"), "{answer}");
    stop.cancel();
    server.await.unwrap();
}
