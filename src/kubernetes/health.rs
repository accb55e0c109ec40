//! Whether what is seen of the cluster is all there is.
//!
//! ```text
//! starting ──all kinds listed──▶ current ──a watch fails, or no heartbeat──▶ in doubt ──for too long──▶ lost
//!                                   ▲───────────────the watch holds──────────────┘                        │
//!                                   └─────────────────────────all kinds listed since──────────────────────┘
//! ```
//!
//! A generation is one round of listing everything: when the view is lost, or the server answers again, a new one begins,
//! and what an older one says no longer counts. No I/O; the time is an argument.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{Kind, failure::Failure};

/// How long a watch may fail before the view is lost: an API server that restarts is back by then.
const WATCH_GRACE: Duration = Duration::from_secs(5);
/// How long the server may be silent.
const SILENCE_GRACE: Duration = Duration::from_secs(10);
/// How long a kind that failed must be watched without a failure: a server that lists and refuses the watch says so at once.
const HOLDS_FOR: Duration = Duration::from_secs(1);

/// What is to be told.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    Starting,
    Current,
    Lost { since: Instant, reason: Arc<str> },
}

/// The state of all watches.
#[derive(Debug)]
pub(super) struct Health {
    generation: u64,
    kinds: [Watched; 4],
    /// The first heartbeat that got no answer since the last that did.
    silent: Option<(Instant, Failure)>,
    verdict: Verdict,
}

#[derive(Debug, Default)]
struct Watched {
    /// When it was listed whole, in this generation and since its last failure.
    listed_at: Option<Instant>,
    /// Since when it fails, and how.
    failing: Option<(Instant, Failure)>,
}

impl Default for Health {
    fn default() -> Self {
        Self { generation: 0, kinds: Default::default(), silent: None, verdict: Verdict::Starting }
    }
}

impl Health {
    /// Which round of listing is under way.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// A kind has been listed whole, and is being watched.
    pub(super) fn listed(&mut self, kind: Kind, generation: u64, now: Instant) {
        if generation == self.generation {
            self.kinds[kind as usize].listed_at = Some(now);
        }
    }

    /// A kind's watch has failed; it will be listed again.
    pub(super) fn failed(&mut self, failure: Failure, generation: u64, now: Instant) {
        if generation == self.generation {
            let watched = &mut self.kinds[failure.kind as usize];
            watched.settle(now);
            watched.listed_at = None;
            let since = watched.failing.take().map_or(now, |(since, _)| since);
            watched.failing = Some((since, failure));
        }
    }

    /// A heartbeat, begun at `begun`, had this outcome.
    pub(super) fn beat(&mut self, outcome: Result<(), Failure>, begun: Instant) {
        match outcome {
            Ok(()) => {
                // Whatever hangs on a dead connection is begun anew.
                if self.silent.take().is_some() && matches!(self.verdict, Verdict::Lost { .. }) {
                    self.begin_anew();
                }
            }
            Err(failure) => {
                let since = self.silent.take().map_or(begun, |(since, _)| since);
                self.silent = Some((since, failure));
            }
        }
    }

    /// How it stands now. A view that gets lost begins a new generation.
    pub(super) fn judge(&mut self, now: Instant) -> Verdict {
        self.kinds.iter_mut().for_each(|watched| watched.settle(now));
        let is_lost = matches!(self.verdict, Verdict::Lost { .. });
        if let Some((since, reason)) = self.loss(now) {
            if !is_lost {
                self.begin_anew();
            }
            self.verdict = Verdict::Lost { since, reason };
        } else if self.is_whole() {
            self.verdict = Verdict::Current;
        }
        self.verdict.clone()
    }

    /// By when a view that is current is whole again or lost, and why that is so, where it may not be whole.
    pub(super) fn doubt(&self) -> Option<(Instant, &Failure)> {
        self.losses().map(|(at, _, failure)| (at, failure)).min_by_key(|(at, _)| *at)
    }

    /// When [`judge`](Self::judge) may say something else though nothing is heard.
    pub(super) fn changes_at(&self) -> Option<Instant> {
        let is_lost = matches!(self.verdict, Verdict::Lost { .. });
        let settles = self.kinds.iter().filter(|watched| watched.failing.is_some());
        let settles = settles.filter_map(|watched| watched.listed_at).map(|at| at + HOLDS_FOR);
        let losses = self.losses().map(|(at, ..)| at).filter(|_| !is_lost);
        settles.chain(losses).min()
    }

    /// What will be a loss, from when on, since when, and why.
    fn losses(&self) -> impl Iterator<Item = (Instant, Instant, &Failure)> {
        let failing = self.kinds.iter().filter_map(|watched| watched.failing.as_ref());
        let failing = failing.map(|(since, failure)| (*since + WATCH_GRACE, *since, failure));
        failing.chain(self.silent.iter().map(|(since, failure)| (*since + SILENCE_GRACE, *since, failure)))
    }

    fn loss(&self, now: Instant) -> Option<(Instant, Arc<str>)> {
        let losses: Vec<_> = self.losses().filter(|(at, ..)| *at <= now).collect();
        let (_, since, failure) = losses.iter().min_by_key(|(_, since, _)| *since)?;
        let others = losses.iter().map(|(.., other)| *other).filter(|other| other.kind != failure.kind);
        let mut others: Vec<&str> = others.map(|other| other.kind.resource()).collect();
        others.sort_unstable();
        others.dedup();
        let reason =
            if others.is_empty() { failure.to_string() } else { format!("{failure} (nor `{}`)", others.join("`, `")) };
        // A loss is one, however its causes change.
        let since = match &self.verdict {
            Verdict::Lost { since: before, .. } => *before.min(since),
            Verdict::Starting | Verdict::Current => *since,
        };
        Some((since, reason.into()))
    }

    /// Whether every kind is listed and watched, and the server answers.
    fn is_whole(&self) -> bool {
        let whole = |watched: &Watched| watched.listed_at.is_some() && watched.failing.is_none();
        // What fails for a moment only does not unmake a view that was whole.
        self.kinds.iter().all(whole) && (self.silent.is_none() || self.verdict == Verdict::Current)
    }

    fn begin_anew(&mut self) {
        self.generation += 1;
        self.kinds.iter_mut().for_each(|watched| watched.listed_at = None);
    }
}

impl Watched {
    /// A failure is over when the watch that was begun after it holds.
    fn settle(&mut self, now: Instant) {
        if self.listed_at.is_some_and(|listed_at| now >= listed_at + HOLDS_FOR) {
            self.failing = None;
        }
    }
}

#[cfg(test)]
mod tests;
