//! `serve` where the organization is behind a proxy that the environment names, and has its certificate from a private
//! authority.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
    sync::{Arc, Mutex},
};

use axum::{Router, http::Uri};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::{program, serve::ask_for_metrics};
use crate::{certificates::Authority, private::Private};

/// A proxy that leads every connection to one port of this machine; what it was asked for.
async fn proxy(port: u16) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let noted = Arc::clone(&noted);
            tokio::spawn(async move {
                let mut tcp = tokio::io::BufReader::new(tcp);
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") {
                    tcp.read_line(&mut head).await.unwrap();
                }
                noted.lock().unwrap().push(head);
                let mut beyond = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                tcp.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut tcp, &mut beyond).await;
            });
        }
    });
    (address, asked)
}

/// An organisation with the pool `linux`, at a name that nobody resolves; its port.
async fn organization(authority: &Authority) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = async |uri: Uri| {
        let is_of_pools = uri.path().ends_with("/pools");
        if is_of_pools { r#"{"count":1,"value":[{"id":7,"name":"linux"}]}"# } else { r#"{"count":0,"value":[]}"# }
    };
    let private = Private::new(listener, authority, "tfs.contoso.invalid");
    tokio::spawn(async move { axum::serve(private, Router::new().fallback(answer)).await });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_names_the_proxy_and_who_goes_without() {
    const TOKEN: &str = "hush-nobody-may-see";
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let (proxy, asked) = proxy(organization(&authority).await).await;
    std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
    let file = folder.path().join("azp-scaler.toml");
    let text = format!(
        "[grpc]\nlisten = \"127.0.0.1:0\"\n[http]\nlisten = \"127.0.0.1:0\"\n[decisions]\nsettle = \"0s\"\n[[organizations]]\n\
         name = \"contoso\"\nurl = \"https://tfs.contoso.invalid/tfs/Default Collection/\"\nparallel_jobs = \"off\"\n\
         certificate_authority = {:?}\ncredential = {{ kind = \"personal_access_token\", env = \"TOKEN\" }}\n",
        folder.path().join("ca.pem")
    );
    std::fs::write(&file, text).unwrap();
    for (without, is_proxied) in [("other.invalid", true), ("contoso.invalid", false)] {
        let mut child = program(&["serve", "--config", file.to_str().unwrap()])
            .envs([("HTTPS_PROXY", &*proxy), ("NO_PROXY", without), ("TOKEN", TOKEN)])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let grpc = log.find_map(|line| {
            let said: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
            (said["message"] == "serving").then(|| format!("http://{}", said["grpc"].as_str().unwrap()))
        });
        let outcome = ask_for_metrics(&grpc.unwrap(), &[("poolName", "linux")]).await;
        child.kill().unwrap();
        child.wait().unwrap();
        let heads = std::mem::take(&mut *asked.lock().unwrap());
        if is_proxied {
            outcome.unwrap();
            assert!(heads.iter().all(|head| head.starts_with("CONNECT tfs.contoso.invalid:443 ")), "{heads:?}");
            assert!(!heads.is_empty() && !heads.concat().to_lowercase().contains("authorization"), "{heads:?}");
        } else {
            let status = outcome.unwrap_err();
            assert!(status.message().contains("`contoso`"), "the name is nobody's: {status}");
            assert!(heads.is_empty(), "{heads:?}");
        }
    }
}
