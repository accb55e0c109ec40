//! One task for each kind: lists it, watches it, and begins anew after a failure.
//!
//! Every failure is followed by a new list: that is how the rest of the program knows that nothing was missed.

use std::{fmt::Debug, pin::pin, time::Duration};

use futures::{Stream, StreamExt as _};
use kube::{
    Api, Resource,
    runtime::watcher::{self, Event, watcher},
};
use serde::de::DeserializeOwned;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep, timeout_at},
};

use super::{
    Kind,
    failure::Failure,
    index::{Key, Object},
};

/// What is heard of the cluster.
#[derive(Debug)]
pub(super) enum Heard {
    /// An object is there, or has changed.
    Applied(Object),
    /// An object is gone.
    Deleted(Kind, Key),
    /// These are all of a kind, and it is watched from here on.
    Listed { kind: Kind, generation: u64, objects: Vec<Object> },
    /// A kind's watch failed.
    Failed { generation: u64, failure: Failure },
    /// What a heartbeat, begun then, has found.
    Beat { begun: Instant, outcome: Result<(), Failure> },
}

/// How long a kind may take to be listed whole.
const LISTS_WITHIN: Duration = Duration::from_secs(30);
/// How long one watch request lasts, in seconds, before the next goes on from there: a connection that has died alone, so
/// that heartbeats on others still get through, is noticed within that and 5 s.
const WATCHES_FOR: u32 = 30;
/// The pauses between attempts, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A watch that has held for so long was no failed attempt.
const HELD_FOR: Duration = Duration::from_secs(30);

/// What is watched, and how it is read.
pub(super) struct Source<K> {
    pub(super) kind: Kind,
    pub(super) api: Api<K>,
    pub(super) labels: Option<&'static str>,
    pub(super) read: fn(&K) -> Option<Object>,
}

impl<K> Source<K>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    /// Follows the kind until nobody listens. A new generation begins the list anew, at once.
    pub(super) async fn follow(self, heard: mpsc::Sender<Heard>, mut generations: watch::Receiver<u64>) {
        let mut attempts = 0;
        loop {
            let generation = *generations.borrow_and_update();
            let begun = Instant::now();
            let failure = tokio::select! {
                failure = self.attempt(generation, &heard) => failure,
                changed = generations.changed() => if changed.is_ok() { attempts = 0; continue } else { return },
            };
            let Some(failure) = failure else { return };
            if heard.send(Heard::Failed { generation, failure }).await.is_err() {
                return;
            }
            attempts = if begun.elapsed() >= HELD_FOR { 0 } else { attempts + 1 };
            tokio::select! {
                () = sleep(pause(attempts)) => {}
                changed = generations.changed() => if changed.is_ok() { attempts = 0 } else { return },
            }
        }
    }

    /// Lists and watches until that fails; none where nobody listens any more.
    async fn attempt(&self, generation: u64, heard: &mpsc::Sender<Heard>) -> Option<Failure> {
        let label_selector = self.labels.map(str::to_owned);
        let config = watcher::Config { label_selector, timeout: Some(WATCHES_FOR), ..watcher::Config::default() };
        let mut events = pin!(watcher(self.api.clone(), config));
        let mut deadline = Some(Instant::now() + LISTS_WITHIN);
        let mut listed = Vec::new();
        loop {
            let event = match next(events.as_mut(), deadline).await {
                Some(Some(Ok(event))) => event,
                Some(Some(Err(error))) => return Some(Failure::of_watch(self.kind, &error)),
                Some(None) | None => return Some(Failure::timed_out(self.kind, "list")),
            };
            let told = match event {
                Event::Init => {
                    listed.clear();
                    deadline = Some(Instant::now() + LISTS_WITHIN);
                    continue;
                }
                Event::InitApply(object) => {
                    listed.extend((self.read)(&object));
                    continue;
                }
                Event::InitDone => {
                    deadline = None;
                    Heard::Listed { kind: self.kind, generation, objects: std::mem::take(&mut listed) }
                }
                Event::Apply(object) => match (self.read)(&object) {
                    Some(read) => Heard::Applied(read),
                    None => continue,
                },
                Event::Delete(object) => match Key::of(object.meta()) {
                    Some(key) => Heard::Deleted(self.kind, key),
                    None => continue,
                },
            };
            heard.send(told).await.ok()?;
        }
    }
}

/// The next event; none where the deadline comes first.
async fn next<S: Stream + Unpin>(mut events: S, deadline: Option<Instant>) -> Option<Option<S::Item>> {
    match deadline {
        Some(deadline) => timeout_at(deadline, events.next()).await.ok(),
        None => Some(events.next().await),
    }
}

/// How long to wait before another attempt: longer each time, and never the same for all.
fn pause(attempts: u32) -> Duration {
    let full = FIRST_PAUSE.saturating_mul(1 << attempts.min(8)).min(LONGEST_PAUSE);
    full.mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_bound() {
        for attempts in 0..40 {
            let pause = pause(attempts);
            assert!(pause >= FIRST_PAUSE / 2 && pause <= LONGEST_PAUSE, "{pause:?}");
        }
        assert!(pause(40) >= LONGEST_PAUSE / 2);
    }
}
