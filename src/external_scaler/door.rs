//! Who comes in: connections, a bounded number of them, and their TLS handshakes, which must end in time.
//!
//! A handshake that hangs holds up nobody: each runs by itself, and of those that are under way the oldest makes room for a new
//! one. Who has come in has a place; where all are taken a connection is closed, so that what clients keep open costs no more
//! memory than that. A client that says nothing at all, in the clear too, does not come in.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
    time::{Instant, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_stream::{StreamExt as _, wrappers::ReceiverStream};
use tokio_util::either::Either;
use tonic::transport::server::{Connected, TcpIncoming};

use super::Came;
use crate::newcomers::{MOST, Newcomers};

/// KEDA needs one connection, or a few where several of its replicas or tools ask.
const CONNECTIONS: usize = 512;
/// From a connection to the end of its handshake, or in the clear to its first byte.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// How long the system waits until it asks whether a silent peer is still there.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// The log says no more often than this that clients can't come in.
const SAID_EVERY: Duration = Duration::from_mins(1);

/// A client that has come in. It holds its place until it is dropped.
pub(super) struct Connection {
    io: Either<TcpStream, Box<TlsStream<TcpStream>>>,
    _place: OwnedSemaphorePermit,
}

/// Lets clients in until the stream that it returns is dropped; under TLS with the certificates that are in use then.
pub(super) fn open(
    listener: TcpListener,
    certificates: Option<watch::Receiver<Arc<ServerConfig>>>,
) -> (impl Future<Output = ()> + Send, ReceiverStream<io::Result<Connection>>) {
    let (sender, receiver) = mpsc::channel(16);
    (accept(listener, certificates, sender), ReceiverStream::new(receiver))
}

async fn accept(
    listener: TcpListener,
    certificates: Option<watch::Receiver<Arc<ServerConfig>>>,
    entered: mpsc::Sender<io::Result<Connection>>,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut incoming = TcpIncoming::from(listener).with_nodelay(Some(true)).with_keepalive(Some(KEEPALIVE));
    let mut newcomers: Newcomers<Result<(), String>> = Newcomers::new();
    let mut turned_away = TurnedAway::default();
    loop {
        let tcp = tokio::select! {
            next = incoming.next() => match next {
                Some(Ok(tcp)) => tcp,
                Some(Err(error)) => {
                    turned_away.note(&error.to_string());
                    // Such as no file left to open: it does no good to ask again at once.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
                None => return,
            },
            Some(ended) = newcomers.next() => {
                match ended {
                    Ok(Ok(())) => {}
                    Ok(Err(why)) => turned_away.note(&why),
                    Err(_) => turned_away.note(&format!("more than {MOST} clients have not come in yet")),
                }
                continue;
            }
            () = entered.closed() => return,
        };
        let places = Arc::clone(&places);
        let acceptor = certificates.as_ref().map(|current| TlsAcceptor::from(Arc::clone(&current.borrow())));
        let entered = entered.clone();
        newcomers.push(async move {
            let io = match acceptor {
                None => Either::Left(first_byte(tcp).await?),
                Some(acceptor) => Either::Right(Box::new(shake_hands(acceptor, tcp).await?)),
            };
            let place = places.try_acquire_owned();
            let place = place.map_err(|_| format!("{CONNECTIONS} connections are open already"))?;
            // Nobody takes it where the server stops.
            let _ = entered.send(Ok(Connection { io, _place: place })).await;
            Ok(())
        });
    }
}

async fn shake_hands(acceptor: TlsAcceptor, tcp: TcpStream) -> Result<TlsStream<TcpStream>, String> {
    match timeout(HANDSHAKE, acceptor.accept(tcp)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(format!("the TLS handshake failed: {error}")),
        Err(_) => Err(format!("the TLS handshake took longer than {} s", HANDSHAKE.as_secs())),
    }
}

/// A client speaks first.
async fn first_byte(tcp: TcpStream) -> Result<TcpStream, String> {
    match timeout(HANDSHAKE, tcp.peek(&mut [0])).await {
        Ok(Ok(0)) => Err("the client went without a word".to_owned()),
        Ok(Ok(_)) => Ok(tcp),
        Ok(Err(error)) => Err(format!("the connection broke: {error}")),
        Err(_) => Err(format!("the client has said nothing within {} s", HANDSHAKE.as_secs())),
    }
}

/// Clients that were turned away and are not told of yet.
#[derive(Default)]
struct TurnedAway {
    said_at: Option<Instant>,
    untold: u64,
}

impl TurnedAway {
    fn note(&mut self, why: &str) {
        self.untold += 1;
        if self.said_at.is_none_or(|at| at.elapsed() >= SAID_EVERY) {
            tracing::warn!(clients = self.untold, why, "gRPC clients could not come in");
            (self.said_at, self.untold) = (Some(Instant::now()), 0);
        }
    }
}

impl Connected for Connection {
    /// Each call of the connection carries it.
    type ConnectInfo = Came;

    fn connect_info(&self) -> Came {
        match &self.io {
            Either::Left(_) => Came::InTheClear,
            Either::Right(_) => Came::Privately,
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, into)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, from)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
