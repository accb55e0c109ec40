//! What is sent on a stream that KEDA holds open: a first message, then one at each change.
//!
//! A failure of Azure neither ends a stream nor sends anything: not knowing is not inactivity. A stream ends when the
//! client goes, when the scaler stops, or when the pool or its poller is gone; KEDA then opens another.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{
        mpsc::Sender,
        watch::{Receiver, error::RecvError},
    },
    time::{MissedTickBehavior, interval, sleep},
};
use tonic::Status;

use super::{
    Fault, Request,
    asker::Asker,
    questions::{Questions, answer, note},
};
use crate::{
    pools::{Desk, FailureClass, Look},
    protocol::IsActiveResponse,
};

/// How often a stream looks whether there is news, where nobody else asks.
const PACE: Duration = Duration::from_secs(5);

/// Sends a trigger's activity on opening and at each change, for as long as there is news to come.
pub(super) async fn follow_activity(
    questions: &Questions,
    asker: &Asker,
    request: &Request,
    sender: &Sender<Result<IsActiveResponse, Status>>,
) {
    let desk = open(questions, asker, request).await;
    let mut look = desk.look();
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = None;
    loop {
        let seen = look.borrow_and_update().rounds_ended;
        tokio::select! {
            biased;
            _ = pace.tick() => {
                // A trigger that can't be kept is refused below.
                drop(note(&desk, request));
                drop(desk.snapshot().await);
            }
            ended = round_after(&mut look, seen) => if ended.is_err() { return },
        }
        let outcome = answer(&desk, request);
        questions.faults.note(asker, &outcome);
        if matches!(&outcome, Err(Fault::Pool(failure)) if failure.class == FailureClass::NotFound) {
            // The pool is gone, and may be made anew under its name: KEDA opens the stream again.
            return;
        }
        if let Ok(answer) = outcome
            && told != Some(answer.active)
        {
            if sender.send(Ok(IsActiveResponse { result: answer.active })).await.is_err() {
                return;
            }
            told = Some(answer.active);
        }
    }
}

/// The desk, however often it takes to get at it.
async fn open(questions: &Questions, asker: &Asker, request: &Request) -> Arc<Desk> {
    loop {
        let outcome = questions.desk(request).await;
        questions.faults.note(asker, &outcome);
        if let Ok(desk) = outcome {
            return desk;
        }
        sleep(PACE).await;
    }
}

/// Waits for a round of requests to end that had not ended when `seen` had.
async fn round_after(look: &mut Receiver<Look>, seen: u64) -> Result<(), RecvError> {
    look.wait_for(|look| look.rounds_ended != seen).await.map(|_| ())
}
