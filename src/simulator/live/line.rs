//! The wire under the simulated organisation: connections that are refused, reset or terribly slow.
//!
//! A fault befalls the connection of a request to Azure's interface and no other: the [`control`](super::control) API on
//! the same port goes on.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{Sleep, sleep},
};

use super::traffic::{Traffic, Trouble};

/// The pause after each byte of a slow answer.
pub(super) const TRICKLE: Duration = Duration::from_millis(500);
/// The pause before a port that somebody else holds is tried again, or another connection is waited for after a fault.
const AGAIN: Duration = Duration::from_millis(50);

const SOUND: u8 = 0;
const TRICKLING: u8 = 1;
const RESET: u8 = 2;

/// A connection, for whoever answers on it.
#[derive(Clone, Debug)]
pub(super) struct Line(Arc<AtomicU8>);

impl Line {
    /// The next that is written goes over byte by byte, and so on from then on.
    pub(super) fn trickle(&self) {
        self.0.store(TRICKLING, Ordering::Relaxed);
    }

    /// The connection is reset instead of anything being written.
    pub(super) fn reset(&self) {
        self.0.store(RESET, Ordering::Relaxed);
    }
}

impl Connected<IncomingStream<'_, Door>> for Line {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        stream.io().line.clone()
    }
}

/// Where connections come in; closed while they are refused.
pub(super) struct Door {
    listener: Option<TcpListener>,
    address: SocketAddr,
    traffic: Arc<Traffic>,
}

impl Door {
    pub(super) fn new(listener: TcpListener, traffic: Arc<Traffic>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        Ok(Self { listener: Some(listener), address, traffic })
    }
}

impl Listener for Door {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        loop {
            let Some(listener) = &self.listener else {
                self.traffic.over().await;
                self.listener = TcpListener::bind(self.address).await.ok();
                if self.listener.is_none() {
                    sleep(AGAIN).await;
                }
                continue;
            };
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((tcp, peer)) => return (Wire::new(tcp, self.traffic.watch()), peer),
                    Err(_) => sleep(AGAIN).await,
                },
                () = self.traffic.refuses() => self.listener = None,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// A connection that may go wrong.
pub(super) struct Wire {
    tcp: TcpStream,
    line: Line,
    trouble: watch::Receiver<Trouble>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Wire {
    fn new(tcp: TcpStream, trouble: watch::Receiver<Trouble>) -> Self {
        Self { tcp, line: Line(Arc::new(AtomicU8::new(SOUND))), trouble, pause: None }
    }

    /// Writes one byte at a time, until the trouble is another.
    fn trickle(&mut self, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.pause {
            None => self.trouble.mark_unchanged(),
            Some(pause) => ready!(pause.as_mut().poll(cx)),
        }
        if self.trouble.has_changed().unwrap_or(true) {
            return self.reset();
        }
        let written = ready!(Pin::new(&mut self.tcp).poll_write(cx, &from[..from.len().min(1)]))?;
        self.pause = Some(Box::pin(sleep(TRICKLE)));
        Poll::Ready(Ok(written))
    }

    fn reset(&self) -> Poll<io::Result<usize>> {
        self.tcp.set_zero_linger()?;
        Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        match self.line.0.load(Ordering::Relaxed) {
            SOUND => Pin::new(&mut self.tcp).poll_write(cx, from),
            TRICKLING => self.trickle(cx, from),
            _ => self.reset(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, into)
    }
}
