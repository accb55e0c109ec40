//! TLS in front of the organisation, with a certificate that can go bad.

use std::{path::PathBuf, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, pem::PemObject as _},
};
use tempfile::TempDir;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_rustls::TlsAcceptor;

/// What certificate the server shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    Good,
    Expired,
    OfAnotherName,
    OfAnotherAuthority,
}

/// A server that ends TLS and passes all on.
pub(crate) struct Terminator {
    pub(crate) port: u16,
    files: TempDir,
    shown: watch::Sender<Shown>,
}

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn shows(&self, name: &str, expired: bool) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        if expired {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        }
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        Arc::new(config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap())
    }
}

impl Terminator {
    /// In front of a port of this machine.
    pub(crate) async fn start(behind: u16) -> Self {
        let (authority, other) = (Authority::new("ours"), Authority::new("another"));
        let files = tempfile::tempdir().unwrap();
        std::fs::write(files.path().join("ca.pem"), authority.0.pem()).unwrap();
        let certificates = [
            (Shown::Good, authority.shows("127.0.0.1", false)),
            (Shown::Expired, authority.shows("127.0.0.1", true)),
            (Shown::OfAnotherName, authority.shows("tfs.example", false)),
            (Shown::OfAnotherAuthority, other.shows("127.0.0.1", false)),
        ];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (shown, showing) = watch::channel(Shown::Good);
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let mut showing = showing.clone();
                let now = *showing.borrow_and_update();
                let (_, config) = certificates.iter().find(|(shown, _)| *shown == now).unwrap();
                let acceptor = TlsAcceptor::from(Arc::clone(config));
                tokio::spawn(async move {
                    let passing_on = async {
                        let (Ok(mut front), Ok(mut back)) =
                            (acceptor.accept(tcp).await, TcpStream::connect(("127.0.0.1", behind)).await)
                        else {
                            return;
                        };
                        // Either end may go.
                        let _ = copy_bidirectional(&mut front, &mut back).await;
                    };
                    // With another certificate come other connections.
                    tokio::select! {
                        () = passing_on => {}
                        _ = showing.changed() => {}
                    }
                });
            }
        });
        Self { port, files, shown }
    }

    pub(crate) fn authority(&self) -> PathBuf {
        self.files.path().join("ca.pem")
    }

    pub(crate) fn show(&self, shown: Shown) {
        self.shown.send_replace(shown);
    }
}
