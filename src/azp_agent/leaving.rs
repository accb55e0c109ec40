//! How an idle agent leaves: first Azure gives it no further job, then it is looked whether it was given one in that moment.
//!
//! ```text
//! [supervision] ──[ask]──▶ address in the shared directory ──▶ sidecar: [Door] ──▶ [registration]: disabled, and has it a job?
//!               ◀── free, or has a job ──
//! ```
//!
//! The address is an abstract one, which all containers of a pod reach and nobody else. A job can ask, too: it gets nothing but its
//! own agent disabled, which has no other job before it.

use std::{
    fs, io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixListener as Listener, UnixStream as Stream},
    },
    path::Path,
    process,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
    time::timeout,
};

/// In the shared directory: where the sidecar is asked.
const ADDRESS: &str = "leave-at";
/// Longer than Azure takes to answer twice.
const ANSWERED_WITHIN: Duration = Duration::from_secs(15);
const FREE: &[u8] = b"free";
const HAS_A_JOB: &[u8] = b"has a job";

/// What is known of an agent that is to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leave {
    /// It has no job, and gets none.
    Free,
    /// It has a job that its listener has not begun.
    HasAJob,
    /// Nobody can say.
    Unknown,
}

/// The sidecar's side.
pub(crate) struct Door(UnixListener);

impl Door {
    /// Opens it, and tells where.
    pub(crate) fn open(registration: &Path) -> io::Result<Self> {
        let name = format!("azp-agent/{}/{}", process::id(), registration.display());
        let listener = Listener::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
        listener.set_nonblocking(true)?;
        let listener = UnixListener::from_std(listener)?;
        fs::write(registration.join(ADDRESS), name)?;
        Ok(Self(listener))
    }

    /// Answers whoever asks, one after the other, for ever.
    pub(crate) async fn answer(&self, leave: impl AsyncFn() -> Leave) {
        loop {
            let Ok((mut asker, _)) = self.0.accept().await else {
                // Such as no file left to open: it does no good to ask again at once.
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            };
            let said = match leave().await {
                Leave::Free => FREE,
                Leave::HasAJob => HAS_A_JOB,
                Leave::Unknown => b"",
            };
            // Whoever asked may be gone.
            let _ = asker.write_all(said).await;
        }
    }
}

/// Asks the sidecar.
pub(crate) async fn ask(registration: &Path) -> Leave {
    let asking = async {
        let name = fs::read(registration.join(ADDRESS))?;
        let stream = Stream::connect_addr(&SocketAddr::from_abstract_name(name)?)?;
        stream.set_nonblocking(true)?;
        let mut said = Vec::new();
        UnixStream::from_std(stream)?.read_to_end(&mut said).await?;
        io::Result::Ok(said)
    };
    match timeout(ANSWERED_WITHIN, asking).await {
        Ok(Ok(said)) if said == FREE => Leave::Free,
        Ok(Ok(said)) if said == HAS_A_JOB => Leave::HasAJob,
        Ok(Err(error)) => {
            tracing::warn!("the sidecar can't be asked whether there is a job ({error})");
            Leave::Unknown
        }
        Ok(Ok(_)) | Err(_) => Leave::Unknown,
    }
}
