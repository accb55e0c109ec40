//! One pool between questions: which triggers exist, which jobs each was given, and the decision in force.
//!
//! ```text
//! question ──▶ [known] triggers ─┐
//! snapshot ──────────────────────┼──▶ assignment ──▶ Decision ──▶ answer
//! [memory], [trust], [starts] ────┘       └──▶ memory, trust, starts
//! ```
//!
//! A decision is made when something has changed, not when somebody asks: two hundred triggers that ask about one snapshot
//! are answered from one decision.
//!
//! Pure: `now` is an argument and must not go back.

mod known;
mod memory;
mod patience;
mod sightings;
mod starts;
mod trust;

use std::{collections::BTreeSet, sync::Arc};

use jiff::{SignedDuration, Timestamp};

pub use self::known::MOST_TRIGGERS;
use self::{known::Known, memory::Memory, sightings::Sightings, starts::Breakers, trust::Trust};
use crate::{
    assignment::{self, World},
    decision::{Answer, Decision, Placement, Refusal},
    job_request::RequestId,
    parallel_jobs::Ledger,
    snapshot::Snapshot,
    trigger::{Strategy, Trigger, TriggerId},
};

/// The section `[decisions]`: how long things may take before they are no longer believed.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// How long a pool waits for all its triggers to have asked.
    pub settle: SignedDuration,
    /// How long an idle agent may let a job wait that it satisfies.
    pub idle_agent_grace: SignedDuration,
    /// How long the first agent of a ScaledJob that wants some may take to register.
    pub start_timeout: SignedDuration,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            settle: SignedDuration::from_secs(30),
            idle_agent_grace: SignedDuration::from_secs(60),
            start_timeout: SignedDuration::from_mins(5),
        }
    }
}

/// Triggers, memory and decision of one pool.
#[derive(Debug)]
pub struct Pool {
    id: i64,
    rules: Rules,
    ledger: Arc<Ledger>,
    settling_until: Option<Timestamp>,
    known: Known,
    memory: Memory,
    sightings: Sightings,
    trust: Trust,
    breakers: Breakers,
    decision: Option<Arc<Decision>>,
    /// Whether the decision must be made anew though nothing was seen: a probe was told.
    outdated: bool,
    newest: Option<Arc<Snapshot>>,
}

impl Pool {
    /// A pool, by Azure's number, that nobody has asked about. Pools of one organisation share its ledger.
    #[must_use]
    pub fn new(id: i64, rules: Rules, ledger: Arc<Ledger>) -> Self {
        Self {
            id,
            rules,
            ledger,
            settling_until: None,
            known: Known::default(),
            memory: Memory::default(),
            sightings: Sightings::default(),
            trust: Trust::new(rules.idle_agent_grace),
            breakers: Breakers::new(rules.start_timeout),
            decision: None,
            outdated: false,
            newest: None,
        }
    }

    /// Notes that a question was asked, whether or not it can be answered: what KEDA asks about exists.
    ///
    /// # Errors
    ///
    /// When there are more triggers than are kept.
    pub fn note(&mut self, trigger: &Arc<Trigger>, now: Timestamp) -> Result<(), Refusal> {
        self.expire(now);
        if self.known.is_empty() {
            self.settling_until = now.checked_add(self.rules.settle).ok();
        }
        if self.known.ask(trigger, now)? {
            self.decision = None;
        }
        Ok(())
    }

    /// Answers a question that was noted, from a snapshot, or from the one in force where that is newer.
    ///
    /// # Errors
    ///
    /// When the trigger can't be served, with the reason and the mend.
    pub fn answer(&mut self, trigger: &TriggerId, snapshot: &Arc<Snapshot>, now: Timestamp) -> Result<Answer, Refusal> {
        self.refresh(snapshot, now);
        let decided = self.decision.as_ref().and_then(|decision| {
            let place = decision.triggers.binary_search_by(|decided| decided.trigger.id.cmp(trigger)).ok()?;
            Some((place, decision))
        });
        let Some((place, decision)) = decided else { return Err(Refusal::Forgotten) };
        let told = &decision.triggers[place];
        let answer = told.answer.clone();
        // A ScaledObject's pods are started again by others, at their own pace.
        if told.to_start > 0 && told.trigger.strategy != Strategy::ScaledObject {
            let interval = self.known.interval(&trigger.scaled_job);
            let jobs = || given(decision, place);
            self.outdated |= self.breakers.told(&trigger.scaled_job, interval, now, jobs);
        }
        self.known.keep_answer(trigger, answer.clone(), now);
        answer
    }

    /// Notes a question about a trigger and answers it.
    ///
    /// # Errors
    ///
    /// When the trigger can't be served, with the reason and the mend.
    pub fn ask(&mut self, trigger: &Arc<Trigger>, snapshot: &Arc<Snapshot>, now: Timestamp) -> Result<Answer, Refusal> {
        self.note(trigger, now)?;
        self.answer(&trigger.id, snapshot, now)
    }

    /// Takes the last answer to a trigger, so that activity and value of one poll agree; `None` where it was taken
    /// already, or is older than a poll lasts.
    pub fn take_answer(&mut self, trigger: &TriggerId, now: Timestamp) -> Option<Result<Answer, Refusal>> {
        self.known.take_answer(trigger, now)
    }

    /// The decision in force, if anybody has asked.
    #[must_use]
    pub fn current(&self) -> Option<&Arc<Decision>> {
        self.decision.as_ref()
    }

    /// Brings the decision in force up to date without a question, for people who look. Where nobody asks, there is none.
    pub fn refresh(&mut self, snapshot: &Arc<Snapshot>, now: Timestamp) {
        self.expire(now);
        // Two who ask at once may bring their snapshots in the wrong order.
        let newer = self.newest.take().filter(|newest| newest.taken_at > snapshot.taken_at && !planted!(OlderLookWins));
        let snapshot = newer.unwrap_or_else(|| Arc::clone(snapshot));
        self.newest = Some(Arc::clone(&snapshot));
        let in_force = self.decision.as_ref().is_some_and(|decision| {
            !self.outdated
                && Arc::ptr_eq(&decision.snapshot, &snapshot)
                && decision.valid_until.is_none_or(|until| now < until || planted!(DecisionNeverExpires))
        });
        if !in_force && !self.known.is_empty() {
            self.decide(&snapshot, now);
        }
    }

    fn expire(&mut self, now: Timestamp) {
        if self.known.expire(now) {
            self.decision = None;
            if self.known.is_empty() && !planted!(ForgottenPoolHolds) {
                self.ledger.forget(self.id);
            }
        }
    }

    fn decide(&mut self, snapshot: &Arc<Snapshot>, now: Timestamp) {
        let Self { id, settling_until, known, memory, sightings, trust, breakers, .. } = self;
        let triggers = known.triggers();
        let scaled_jobs = assignment::scaled_jobs(&triggers);
        let mut homes = memory.homes(snapshot, &scaled_jobs);
        let came = sightings.look(snapshot);
        let left = if breakers.are_idle() { BTreeSet::new() } else { memory.left(snapshot) };
        trust.forgive(snapshot, sightings);
        let decision = self.ledger.decide(*id, now, known.kept_until(), |caps| {
            let decide = |homes: &[_], trust: &Trust, breakers: &Breakers| {
                assignment::decide(&World {
                    snapshot,
                    triggers: &triggers,
                    homes,
                    settling_until: *settling_until,
                    caps: &caps,
                    distrusted: trust.distrusted(),
                    held: trust.held(),
                    starts: &breakers.starts(&scaled_jobs, now),
                    now,
                })
            };
            let (decision, report) = decide(&homes, trust, breakers);
            let inherited = memory.inherit(&decision, &mut homes);
            let judged = trust.judge(&decision, sightings);
            let tripped = breakers.judge(&decision, &came, &left, |id| known.interval(id), now);
            if inherited || judged || tripped { decide(&homes, trust, breakers) } else { (decision, report) }
        });
        memory.keep(&decision, &homes);
        self.outdated = false;
        let valid_until = decision.valid_until.into_iter().chain(breakers.next_change(now)).min();
        self.decision = Some(Arc::new(Decision { valid_until, ..decision }));
    }
}

/// The jobs that a trigger starts agents for.
fn given(decision: &Decision, trigger: usize) -> Vec<RequestId> {
    let jobs = decision.snapshot.jobs.iter().zip(&decision.jobs);
    let given = jobs.filter(
        |(_, placement)| matches!(placement, Placement::Assigned { trigger: starter } if *starter as usize == trigger),
    );
    given.map(|(job, _)| job.id).collect()
}
