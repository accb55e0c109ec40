//! TLS: who is let in, with which certificate, and that certificates are replaced while the server runs.

use std::{fs, path::PathBuf, time::Duration};

use azp_scaler::external_scaler::{Certificates, OLDEST_CONNECTION, TlsFiles, serve};
use azp_scaler::protocol::external_scaler_client::ExternalScalerClient;
use tempfile::TempDir;
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpListener, TcpStream},
    task::yield_now,
    time::{self, Instant, timeout},
};
use tonic::{
    Status,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};

use crate::{
    certificates::Authority,
    world::{World, reference},
};

/// Files that are mounted, and replaced.
pub(crate) struct Mounted(TempDir);

impl Mounted {
    pub(crate) fn new((certificate, key): &(String, String)) -> Self {
        let mounted = Self(tempfile::tempdir().unwrap());
        mounted.replace(certificate, key);
        mounted
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn replace(&self, certificate: &str, key: &str) {
        fs::write(self.path("tls.crt"), certificate).unwrap();
        fs::write(self.path("tls.key"), key).unwrap();
    }

    pub(crate) fn files(&self, client_ca: Option<&Authority>) -> TlsFiles {
        let client_ca = client_ca.map(|authority| {
            fs::write(self.path("ca.crt"), authority.pem()).unwrap();
            self.path("ca.crt")
        });
        TlsFiles { certificate: self.path("tls.crt"), key: self.path("tls.key"), client_ca }
    }
}

/// The real server with these files; its port.
pub(crate) async fn served(world: &World, files: TlsFiles) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let certificates = Certificates::load(files).await.unwrap();
    let service = world.service();
    tokio::spawn(async move { serve(listener, service, Some(certificates), OLDEST_CONNECTION).await.unwrap() });
    port
}

/// A client that trusts an authority, and shows a certificate.
pub(crate) async fn client(
    port: u16,
    trusts: &Authority,
    shows: Option<&(String, String)>,
) -> Result<ExternalScalerClient<Channel>, tonic::transport::Error> {
    let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(trusts.pem())).domain_name("azp-scaler");
    if let Some((certificate, key)) = shows {
        tls = tls.identity(Identity::from_pem(certificate, key));
    }
    let endpoint = Endpoint::from_shared(format!("https://127.0.0.1:{port}")).unwrap().tls_config(tls).unwrap();
    Ok(ExternalScalerClient::new(endpoint.connect().await?))
}

/// Whether it is answered.
async fn ask(client: &mut ExternalScalerClient<Channel>) -> Result<bool, Status> {
    client.is_active(reference(&[])).await.map(|reply| reply.into_inner().result)
}

#[tokio::test]
async fn who_trusts_the_authority_is_answered_and_who_speaks_plainly_is_not() {
    let (world, authority, stranger) = (World::new(), Authority::new(), Authority::new());
    world.queue(1);
    let port = served(&world, Mounted::new(&authority.signs("azp-scaler")).files(None)).await;
    assert!(ask(&mut client(port, &authority, None).await.unwrap()).await.unwrap());
    assert!(client(port, &stranger, None).await.is_err(), "the server's certificate is not the stranger's");
    let mut plain = ExternalScalerClient::connect(format!("http://127.0.0.1:{port}")).await.unwrap();
    assert!(ask(&mut plain).await.is_err());
}

#[tokio::test]
async fn with_an_authority_of_clients_only_they_are_answered() {
    let (world, authority, stranger) = (World::new(), Authority::new(), Authority::new());
    world.queue(1);
    let mounted = Mounted::new(&authority.signs("azp-scaler"));
    let port = served(&world, mounted.files(Some(&authority))).await;
    let keda = authority.signs("keda");
    assert!(ask(&mut client(port, &authority, Some(&keda)).await.unwrap()).await.unwrap());
    // Under TLS 1.3 a client learns only with its first answer that it was turned away.
    for shows in [None, Some(&stranger.signs("keda"))] {
        let refused = match client(port, &authority, shows).await {
            Ok(mut client) => ask(&mut client).await.is_err(),
            Err(_) => true,
        };
        assert!(refused);
    }
}

#[tokio::test]
async fn certificates_that_change_are_used_and_bad_ones_change_nothing() {
    let (world, old, new) = (World::new(), Authority::new(), Authority::new());
    world.queue(1);
    let mounted = Mounted::new(&old.signs("azp-scaler"));
    let port = served(&world, mounted.files(None)).await;
    let mut before = client(port, &old, None).await.unwrap();
    assert!(ask(&mut before).await.unwrap());

    // Half of a replacement: the certificate is there, its key is not.
    let (certificate, key) = new.signs("azp-scaler");
    fs::write(mounted.path("tls.crt"), &certificate).unwrap();
    counted(&world, "failed", 1).await;
    assert!(ask(&mut client(port, &old, None).await.unwrap()).await.unwrap(), "the old one stays in use");

    mounted.replace(&certificate, &key);
    counted(&world, "ok", 1).await;
    assert!(ask(&mut client(port, &new, None).await.unwrap()).await.unwrap());
    assert!(client(port, &old, None).await.is_err());
    assert!(ask(&mut before).await.unwrap(), "an old connection goes on");
    assert_eq!(world.metrics.grpc.tls_reloads_total.with_label_values(&["failed"]).get(), 1, "told once");
}

/// Lets the time pass after which the files are looked at again, and waits until they were read with this outcome so often.
async fn counted(world: &World, outcome: &str, times: u64) {
    time::pause();
    time::advance(Duration::from_secs(5)).await;
    time::resume();
    let count = || world.metrics.grpc.tls_reloads_total.with_label_values(&[outcome]).get();
    let deadline = Instant::now() + Duration::from_mins(1);
    while count() < times {
        assert!(Instant::now() < deadline, "never read again with `{outcome}`");
        yield_now().await;
    }
    assert_eq!(count(), times);
}

#[tokio::test]
async fn a_handshake_that_hangs_ends_in_time_and_holds_up_nobody() {
    let (world, authority) = (World::new(), Authority::new());
    world.queue(1);
    let port = served(&world, Mounted::new(&authority.signs("azp-scaler")).files(None)).await;
    let mut silent = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    assert!(ask(&mut client(port, &authority, None).await.unwrap()).await.unwrap());
    let closed = timeout(Duration::from_secs(20), silent.read(&mut [0; 1])).await;
    assert!(matches!(closed, Ok(Ok(0) | Err(_))), "{closed:?}");
}

#[tokio::test]
async fn connections_are_bounded_and_there_is_room_again_when_one_ends() {
    let world = World::new();
    world.queue(1);
    let (mut keda, address, _) = world.serve().await;
    let address = address.trim_start_matches("http://").to_owned();
    let mut open = Vec::new();
    for _ in 0..511 {
        open.push(TcpStream::connect(&address).await.unwrap());
    }
    // Each is let in before the next one comes, so the 513th is closed at once.
    let mut one_too_many = TcpStream::connect(&address).await.unwrap();
    let closed = timeout(Duration::from_secs(20), one_too_many.read(&mut [0; 1])).await;
    assert!(matches!(closed, Ok(Ok(0) | Err(_))), "{closed:?}");
    assert!(ask(&mut keda).await.unwrap(), "whoever is in is answered");
    drop(open);
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let again = ExternalScalerClient::connect(format!("http://{address}")).await;
        if let Ok(mut again) = again
            && ask(&mut again).await.is_ok()
        {
            break;
        }
        assert!(Instant::now() < deadline, "there is never room again");
    }
}

#[tokio::test]
async fn what_can_not_be_used_is_told_with_the_setting_the_file_and_the_mend() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let mounted = Mounted::new(&authority.signs("azp-scaler"));
    let said = async || Certificates::load(mounted.files(None)).await.unwrap_err().to_string();
    let (certificate, _) = authority.signs("azp-scaler");
    let (_, foreign) = stranger.signs("azp-scaler");

    mounted.replace(&certificate, &foreign);
    let told = said().await;
    assert!(told.starts_with("`grpc.tls.key`: `") && told.ends_with("certificate in `grpc.tls.certificate`"), "{told}");
    mounted.replace(&certificate, "secret-words");
    let told = said().await;
    assert!(told.ends_with("tls.key` holds no private key as PEM; write one into it"), "{told}");
    assert!(!told.contains("secret-words"), "{told}");
    mounted.replace("nothing", &foreign);
    assert!(said().await.contains("tls.crt` holds no certificate as PEM"));
    fs::remove_file(mounted.path("tls.crt")).unwrap();
    assert!(said().await.starts_with("`grpc.tls.certificate`: can't read `"), "{}", said().await);
}
