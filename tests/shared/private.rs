//! A server behind which clients speak TLS.

use std::{net::SocketAddr, sync::Arc};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::certificates::Authority;

/// A listener for axum behind which clients speak TLS.
pub(crate) struct Private {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Private {
    /// Shows a certificate for this name.
    pub(crate) fn new(listener: TcpListener, authority: &Authority, name: &str) -> Self {
        let (certificate, key) = authority.signs(name);
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
        Self { listener, acceptor: Arc::new(config).into() }
    }
}

impl axum::serve::Listener for Private {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            // A client that does not trust the certificate goes away.
            if let Ok((tcp, address)) = self.listener.accept().await
                && let Ok(tls) = self.acceptor.accept(tcp).await
            {
                return (tls, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}
