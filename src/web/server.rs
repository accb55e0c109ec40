//! The connections behind the pages: each has an owner, bounds and an end.
//!
//! What hyper offers and `axum::serve` leaves off: a deadline for a request's head, which idle connections fall under
//! too; a bound on its size; a bound on how many connections there are; and a shutdown that waits for answers under way,
//! for idle connections never, and for nothing longer than [`ANSWER_WITHIN`].
//!
//! Knows sockets and a router, nothing of pools.

use std::{pin::pin, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::newcomers::Newcomers;

/// Connections at a time; more wait in the listener's own queue. HTTP/1 has one request under way on each.
const CONNECTIONS: usize = 256;
/// A client that has said nothing by then does not keep its place.
const FIRST_BYTE_WITHIN: Duration = Duration::from_secs(5);
/// Time for a request's head, from the connection or the last answer on.
const HEAD_WITHIN: Duration = Duration::from_secs(65);
/// A request's head may be this long.
const HEAD_BYTES: usize = 32 * 1024;
/// A connection takes no new requests after this, so that a reader that never reads does not keep its place.
const CONNECTION_AGE: Duration = Duration::from_mins(5);
/// Time for the answer under way when a connection or the program ends.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Pause after the listener failed, as it does when there are no more file descriptors.
const PAUSE: Duration = Duration::from_millis(250);

/// Answers requests until it is stopped; returns when the last connection has ended.
pub(super) async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    // Those that have not said anything yet.
    let mut silent = Newcomers::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_ended) = connections.join_next() => {}
            Some(spoke) = silent.next(), if connections.len() < CONNECTIONS => {
                if let Ok(Some(stream)) = spoke {
                    connections.spawn(converse(stream, router.clone(), stop.clone()));
                }
            }
            accepted = listener.accept(), if !silent.is_full() => match accepted {
                Ok((stream, _)) => silent.push(spoken(stream)),
                Err(fault) => {
                    tracing::warn!(%fault, "the HTTP listener could not take a connection");
                    tokio::time::sleep(PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// A connection on which the client has begun to speak.
async fn spoken(stream: TcpStream) -> Option<TcpStream> {
    let first = timeout(FIRST_BYTE_WITHIN, stream.peek(&mut [0])).await;
    matches!(first, Ok(Ok(1))).then_some(stream)
}

/// One connection from beginning to end. A client that breaks off or talks nonsense is its own affair.
async fn converse<S>(stream: S, router: Router, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stop.cancelled() => {}
        () = tokio::time::sleep(CONNECTION_AGE) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(ANSWER_WITHIN, connection).await;
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
        time::Instant,
    };

    use super::*;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

    /// A connection to a server with one page, and the way to stop it.
    fn connect() -> (DuplexStream, tokio::task::JoinHandle<()>, CancellationToken) {
        let (client, server) = tokio::io::duplex(1024);
        let never = || async { std::future::pending::<&str>().await };
        let large = || async { "x".repeat(1 << 20) };
        let router =
            Router::new().route("/", get(|| async { "hello" })).route("/never", get(never)).route("/large", get(large));
        let stop = CancellationToken::new();
        (client, tokio::spawn(converse(server, router, stop.clone())), stop)
    }

    async fn read_until(client: &mut DuplexStream, end: &str) {
        let mut seen = String::new();
        while !seen.ends_with(end) {
            seen.push(char::from(client.read_u8().await.unwrap()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_does_not_hold_up_the_end() {
        let (mut client, server, stop) = connect();
        client.write_all(REQUEST).await.unwrap();
        read_until(&mut client, "hello").await;
        let begun = Instant::now();
        stop.cancel();
        server.await.unwrap();
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn neither_does_one_that_has_said_nothing_or_half_a_head() {
        for said in [&b""[..], b"GET / HT"] {
            let (mut client, server, stop) = connect();
            client.write_all(said).await.unwrap();
            tokio::task::yield_now().await;
            let begun = Instant::now();
            stop.cancel();
            server.await.unwrap();
            assert!(begun.elapsed() <= ANSWER_WITHIN);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_never_comes_is_given_up() {
        let (mut client, server, stop) = connect();
        client.write_all(b"GET /never HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        tokio::task::yield_now().await;
        let begun = Instant::now();
        stop.cancel();
        server.await.unwrap();
        assert_eq!(begun.elapsed(), ANSWER_WITHIN);
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_does_not_come_closes_the_connection() {
        let (_client, server, _stop) = connect();
        let begun = Instant::now();
        server.await.unwrap();
        assert_eq!(begun.elapsed().as_secs(), HEAD_WITHIN.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_is_too_long_is_refused() {
        let (mut client, server, _stop) = connect();
        let (mut answers, mut asks) = tokio::io::split(&mut client);
        let long = format!("GET / HTTP/1.1\r\nhost: a\r\nlong: {}\r\n\r\n", "x".repeat(2 * HEAD_BYTES));
        let mut answer = [0; 12];
        let (_, read) = tokio::join!(asks.write_all(long.as_bytes()), answers.read_exact(&mut answer));
        read.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 431");
        drop(client);
        server.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_never_reads_loses_its_place() {
        let (mut client, server, _stop) = connect();
        client.write_all(b"GET /large HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let begun = Instant::now();
        server.await.unwrap();
        assert_eq!(begun.elapsed(), CONNECTION_AGE + ANSWER_WITHIN);
    }
}
