//! The server's certificate and, for mutual TLS, the authority of its clients: read from files, and read again whenever their
//! content changes, as it does when Kubernetes renews a mounted Secret.
//!
//! ```text
//! files ──read──▶ [Certificates] ──watch channel──▶ each new connection
//!                   ▲ content changed │ can't be used: the old ones stay, and the log says why
//!                   └─────────────────┘
//! ```
//!
//! No key is in any message.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use tokio::{fs, sync::watch, time::sleep};

use crate::metrics::Metrics;

/// The settings, as messages name them.
const CERTIFICATE: &str = "grpc.tls.certificate";
const KEY: &str = "grpc.tls.key";
const CLIENT_CA: &str = "grpc.tls.client_ca";
/// How often the files are looked at. Kubernetes itself takes up to a minute to renew them.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Where they are, as PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate, and those between it and its authority: `[grpc] tls.certificate`.
    pub certificate: PathBuf,
    /// Its private key: `[grpc] tls.key`.
    pub key: PathBuf,
    /// Who vouches for clients, which then must show a certificate: `[grpc] tls.client_ca`.
    pub client_ca: Option<PathBuf>,
}

/// They can't be used. The messages end in the mend.
#[derive(Debug, thiserror::Error)]
pub enum BadCertificates {
    /// A file can't be read.
    #[error("`{key}`: can't read `{}`: {reason}; mount the file, and let the program's user read it", path.display())]
    Unreadable {
        /// The setting.
        key: &'static str,
        /// Its value.
        path: PathBuf,
        /// What the system says.
        #[source]
        reason: io::Error,
    },
    /// A file holds something else.
    #[error("`{key}`: `{}` holds no {needed} as PEM; write one into it", path.display())]
    Empty {
        /// The setting.
        key: &'static str,
        /// Its value.
        path: PathBuf,
        /// What it should hold.
        needed: &'static str,
    },
    /// They are there and don't go together, or are nothing that can be used.
    #[error("`{key}`: `{}` can't be used: {reason}; {mend}", path.display())]
    Unusable {
        /// The setting.
        key: &'static str,
        /// Its value.
        path: PathBuf,
        /// What is wrong.
        reason: String,
        /// What to do.
        mend: &'static str,
    },
}

/// Certificates that are in use.
#[derive(Debug)]
pub struct Certificates {
    files: TlsFiles,
    /// What the content came to that was last judged; none where it could not be read.
    seen: Option<u64>,
    current: watch::Sender<Arc<ServerConfig>>,
}

/// What the files hold.
#[derive(Hash)]
struct Content {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

impl Certificates {
    /// Reads them for the first time.
    ///
    /// # Errors
    ///
    /// When they can't be used.
    pub async fn load(files: TlsFiles) -> Result<Self, BadCertificates> {
        let content = Content::read(&files).await?;
        let current = watch::Sender::new(Arc::new(content.judge(&files)?));
        Ok(Self { files, seen: Some(content.mark()), current })
    }

    /// Those in use, as they change.
    pub(super) fn current(&self) -> watch::Receiver<Arc<ServerConfig>> {
        self.current.subscribe()
    }

    /// Looks at the files for ever. What can't be used is told once, and changes nothing.
    pub(super) async fn keep_fresh(mut self, metrics: Metrics) {
        let count = |outcome: &str| metrics.grpc.tls_reloads_total.with_label_values(&[outcome]).inc();
        loop {
            sleep(LOOK_EVERY).await;
            // A file that is not there for a moment is about to be replaced; one that stays away is told once, too.
            let read = Content::read(&self.files).await;
            let mark = read.as_ref().ok().map(Content::mark);
            if mark == self.seen {
                continue;
            }
            self.seen = mark;
            match read.and_then(|content| content.judge(&self.files)) {
                Ok(config) => {
                    self.current.send_replace(Arc::new(config));
                    count("ok");
                    tracing::info!(certificate = %self.files.certificate.display(), "new certificates are in use");
                }
                Err(error) => {
                    count("failed");
                    tracing::error!(%error, "the certificates have changed and can't be used: the old ones stay in use");
                }
            }
        }
    }
}

impl Content {
    async fn read(files: &TlsFiles) -> Result<Self, BadCertificates> {
        let read = async |key, path: &PathBuf| {
            fs::read(path).await.map_err(|reason| BadCertificates::Unreadable { key, path: path.clone(), reason })
        };
        Ok(Self {
            certificate: read(CERTIFICATE, &files.certificate).await?,
            key: read(KEY, &files.key).await?,
            client_ca: match &files.client_ca {
                Some(path) => Some(read(CLIENT_CA, path).await?),
                None => None,
            },
        })
    }

    /// Tells contents apart.
    fn mark(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }

    fn judge(&self, files: &TlsFiles) -> Result<ServerConfig, BadCertificates> {
        let chain = certificates(CERTIFICATE, &files.certificate, &self.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|_| BadCertificates::Empty {
            key: KEY,
            path: files.key.clone(),
            needed: "private key",
        })?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("the provider knows the versions that are safe");
        let builder = match (&files.client_ca, &self.client_ca) {
            (Some(path), Some(pem)) => {
                let unusable = |reason: String| BadCertificates::Unusable {
                    key: CLIENT_CA,
                    path: path.clone(),
                    reason,
                    mend: "write the certificates of the authorities of the clients into it",
                };
                let mut roots = RootCertStore::empty();
                for certificate in certificates(CLIENT_CA, path, pem)? {
                    roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().map_err(|error| unusable(error.to_string()))?)
            }
            _ => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(chain, key).map_err(|error| BadCertificates::Unusable {
            key: KEY,
            path: files.key.clone(),
            reason: error.to_string(),
            mend: "it must be the private key of the first certificate in `grpc.tls.certificate`",
        })?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(config)
    }
}

fn certificates(key: &'static str, path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, BadCertificates> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certificates = read.unwrap_or_default();
    if certificates.is_empty() {
        return Err(BadCertificates::Empty { key, path: path.to_owned(), needed: "certificate" });
    }
    Ok(certificates)
}
