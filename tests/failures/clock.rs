//! Time that goes on a tenth of a second at a time, so that sockets keep up with it.
//!
//! Paused time jumps to the next timer whenever a runtime waits, for a socket, too: half an exchange can take seconds then.
//! While a blocking task runs it does not, so one runs all the time, and the clock is moved by hand.

use std::{cell::Cell, convert::Infallible, sync::mpsc, thread, time::Duration};

use azp_scaler::pools::Directory as _;
use tokio::{task::spawn_blocking, time::advance};

use crate::world::Scaler;

const STEP: Duration = Duration::from_millis(100);
const REAL_STEP: Duration = Duration::from_millis(1);

/// Time does not move by itself until this is dropped.
pub(crate) struct Still(#[expect(dead_code, reason = "its end is what counts")] mpsc::Sender<()>);

pub(crate) fn stand_still() -> Still {
    let (sender, receiver) = mpsc::channel::<()>();
    spawn_blocking(move || receiver.recv());
    Still(sender)
}

/// Moves time for as long as this is polled. It stands still while a round of requests is under way: for long, but
/// not at all where they may hang. While only a question is, which may wait for time, it does so for a moment.
pub(crate) async fn tick(scaler: &Scaler, question: &Cell<bool>, may_hang: bool) -> Infallible {
    let mut stood_for = 0;
    loop {
        spawn_blocking(|| thread::sleep(REAL_STEP)).await.unwrap();
        let desks = scaler.azure_devops.desks();
        let asks = desks.iter().any(|desk| desk.look().borrow().asking_since.is_some());
        let patience = match (may_hang, asks, question.get()) {
            (true, ..) | (_, false, false) => 0,
            (_, true, _) => 1_000,
            (_, false, true) => 50,
        };
        if stood_for < patience {
            stood_for += 1;
        } else {
            stood_for = if patience > 0 { stood_for } else { 0 };
            advance(STEP).await;
        }
    }
}
