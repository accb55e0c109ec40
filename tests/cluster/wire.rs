//! The wire between one client and the API server: it can be cut while everybody else goes on.

use std::net::SocketAddr;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
    time::timeout,
};

use super::within::PATIENCE;

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It carries everything.
    Whole,
    /// What is connected stays so; who connects now waits.
    Held,
    /// It drops what is connected, and who connects.
    Cut,
}

/// A wire; it is cut for good with this.
pub(crate) struct Wire {
    /// Where it begins.
    pub(crate) url: String,
    state: watch::Sender<State>,
    waiting: watch::Sender<usize>,
    task: JoinHandle<()>,
}

impl Wire {
    /// To a server on loopback, at `https://`.
    pub(crate) async fn to(url: &str) -> Self {
        let server: SocketAddr = url.trim_start_matches("https://").parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let (state, states) = watch::channel(State::Whole);
        let waiting = watch::Sender::new(0);
        let counted = waiting.clone();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if *states.borrow() == State::Held {
                    counted.send_modify(|count| *count += 1);
                }
                tokio::spawn(carry(client, server, states.clone()));
            }
        });
        Self { url, state, waiting, task }
    }

    /// Cuts it.
    pub(crate) fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    /// Lets new connections wait.
    pub(crate) fn hold(&self) {
        self.state.send_replace(State::Held);
    }

    /// Waits until so many connections wait, or have waited.
    pub(crate) async fn waiting(&self, count: usize) {
        let mut waiting = self.waiting.subscribe();
        timeout(PATIENCE, waiting.wait_for(|waiting| *waiting >= count)).await.expect("they come in time").unwrap();
    }

    /// Makes it whole again.
    pub(crate) fn mend(&self) {
        self.state.send_replace(State::Whole);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.cut();
        self.task.abort();
    }
}

async fn carry(mut client: TcpStream, server: SocketAddr, mut states: watch::Receiver<State>) {
    // An error means that one of the ends is gone, or the case is over.
    let Ok(State::Whole) = states.wait_for(|state| *state != State::Held).await.map(|state| *state) else { return };
    let Ok(mut server) = TcpStream::connect(server).await else { return };
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        _ = states.wait_for(|state| *state == State::Cut) => {}
    }
}
