//! The signals that ask a command to end.

use std::{future::poll_fn, io, task::Poll};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Failed;

/// Some that are listened for.
pub(super) struct Signals(Vec<Signal>);

impl Signals {
    /// From now on none of these ends the program by itself.
    pub(super) fn listen(kinds: impl IntoIterator<Item = SignalKind>) -> Result<Self, Failed> {
        let signals: io::Result<Vec<Signal>> = kinds.into_iter().map(signal).collect();
        signals.map(Self).map_err(|error| Failed::Run(format!("can't listen for signals: {error}")))
    }

    /// Waits for one of them.
    pub(super) async fn any(mut self) {
        poll_fn(|cx| {
            let came = self.0.iter_mut().any(|signal| signal.poll_recv(cx).is_ready());
            if came { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
