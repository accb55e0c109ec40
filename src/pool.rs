//! One pool's memory between questions: which triggers exist, which jobs each was given, and the decision in force.
//!
//! ```text
//! question ──▶ [known] triggers ─┐
//! snapshot ──────────────────────┼──▶ assignment ──▶ Decision ──▶ answer
//! memory   ──────────────────────┘        └──▶ memory
//! ```
//!
//! Pure: `now` is an argument and must not go back.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::{
    decision::{Answer, Decision, Refusal},
    snapshot::Snapshot,
    trigger::{Trigger, TriggerId},
};

/// Triggers, memory and decision of one pool.
#[derive(Debug)]
pub struct Pool {
    settle: SignedDuration,
}

impl Pool {
    /// A pool that nobody has asked about. It waits for `settle` after the first question before it asks for agents.
    #[must_use]
    pub fn new(settle: SignedDuration) -> Self {
        Self { settle }
    }

    /// Answers a question about a trigger from a snapshot.
    ///
    /// # Errors
    ///
    /// When the trigger can't be served, with the reason and the mend.
    pub fn ask(&mut self, trigger: &Arc<Trigger>, snapshot: &Arc<Snapshot>, now: Timestamp) -> Result<Answer, Refusal> {
        let _ = (trigger, snapshot, now, self.settle);
        unreachable!("being written")
    }

    /// Takes the last answer to a trigger, so that activity and value of one poll agree; `None` where it was taken
    /// already, or is older than a poll lasts.
    pub fn take_answer(&mut self, trigger: &TriggerId, now: Timestamp) -> Option<Result<Answer, Refusal>> {
        let _ = (trigger, now);
        unreachable!("being written")
    }

    /// The decision in force, if anybody has asked.
    #[must_use]
    pub fn current(&self) -> Option<&Arc<Decision>> {
        None
    }

    /// Brings the decision in force up to date without a question, for people who look.
    pub fn refresh(&mut self, snapshot: &Arc<Snapshot>, now: Timestamp) {
        let _ = (snapshot, now);
    }
}
