//! Which triggers exist: those that KEDA asks about.
//!
//! KEDA never says that a ScaledJob is gone; it stops asking. So a trigger is kept for a few of its own polling intervals,
//! which are learned from the questions.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};

use crate::{
    decision::{Answer, Refusal},
    trigger::{ScaledJobId, Trigger, TriggerId},
};

/// How many triggers of one pool are kept.
pub const MOST_TRIGGERS: usize = 2_000;
/// How long a trigger is kept whose interval is not known yet, and at most.
pub(super) const LONGEST_KEPT: SignedDuration = SignedDuration::from_mins(5);
/// How long a trigger is kept at least.
const SHORTEST_KEPT: SignedDuration = SignedDuration::from_secs(30);
/// How many gaps between questions the interval is learned from.
const GAPS: usize = 4;
/// KEDA polls no faster.
const SHORTEST_INTERVAL: SignedDuration = SignedDuration::from_secs(1);
/// A longer gap is an absence, not an interval.
const LONGEST_INTERVAL: SignedDuration = SignedDuration::from_hours(24);
/// How many intervals of forgotten triggers are kept.
const MOST_REMEMBERED: usize = 1_000;
/// A poll asks for the value and for the activity within this time.
const ONE_POLL: SignedDuration = SignedDuration::from_secs(5);

/// The triggers that exist.
#[derive(Debug, Default)]
pub(super) struct Known {
    triggers: BTreeMap<TriggerId, Asker>,
    /// Nobody is forgotten before this. None where it must be worked out.
    quiet_until: Option<Timestamp>,
    /// Those that were forgotten, oldest first.
    forgotten: VecDeque<(TriggerId, Forgotten)>,
}

/// What is left of one that was forgotten.
#[derive(Debug)]
struct Forgotten {
    asked: Timestamp,
    /// Whether there was a second poll. If not its interval is longer than it was kept for.
    asked_again: bool,
    gaps: Gaps,
}

/// The last gaps between questions.
type Gaps = VecDeque<SignedDuration>;

#[derive(Debug)]
struct Asker {
    trigger: Arc<Trigger>,
    first_asked: Timestamp,
    asked: Timestamp,
    /// Whether there was a second poll.
    asked_again: bool,
    gaps: Gaps,
    answer: Option<(Timestamp, Result<Answer, Refusal>)>,
}

impl Asker {
    /// Until when it is kept if nobody asks: three intervals within bounds, and never less than one and a half.
    fn kept_until(&self) -> Timestamp {
        let kept = self.gaps.iter().max().map_or(LONGEST_KEPT, |interval| {
            (*interval * if planted!(ForgottenTooEarly) { 2 } else { 3 })
                .clamp(SHORTEST_KEPT, LONGEST_KEPT)
                .max(*interval + *interval / 2)
        });
        self.asked.checked_add(kept).unwrap_or(Timestamp::MAX)
    }
}

impl Known {
    pub(super) fn is_empty(&self) -> bool {
        self.triggers.is_empty()
    }

    pub(super) fn has(&self, id: &TriggerId) -> bool {
        self.triggers.contains_key(id)
    }

    /// The triggers in the order of their ids.
    pub(super) fn triggers(&self) -> Vec<Arc<Trigger>> {
        self.triggers.values().map(|asker| Arc::clone(&asker.trigger)).collect()
    }

    /// When the last trigger would be forgotten if nobody asked any more.
    pub(super) fn kept_until(&self) -> Timestamp {
        self.triggers.values().map(Asker::kept_until).max().unwrap_or(Timestamp::MIN)
    }

    /// The interval at which KEDA polls a ScaledJob, as far as it is known.
    pub(super) fn interval(&self, id: &ScaledJobId) -> SignedDuration {
        self.of(id).filter_map(|(_, asker)| asker.gaps.iter().max()).max().copied().unwrap_or_default()
    }

    /// The triggers of a ScaledJob.
    fn of(&self, id: &ScaledJobId) -> impl Iterator<Item = (&TriggerId, &Asker)> {
        let first = TriggerId { scaled_job: id.clone(), metadata: Arc::default() };
        self.triggers.range(first..).take_while(move |(trigger, _)| trigger.scaled_job == *id)
    }

    /// Notes a question. Says whether the triggers that exist are others than before.
    pub(super) fn ask(&mut self, trigger: &Arc<Trigger>, now: Timestamp) -> Result<bool, Refusal> {
        let outdated = self.outdated_by(trigger, now);
        for id in &outdated {
            self.forget(id);
        }
        if let Some(asker) = self.triggers.get_mut(&trigger.id) {
            learn(&mut asker.gaps, asker.asked, now);
            asker.asked_again |= now.duration_since(asker.asked) >= SHORTEST_INTERVAL;
            asker.asked = now;
            // What was just learned can make it be kept for less long than before.
            self.quiet_until = self.quiet_until.map(|until| until.min(asker.kept_until()));
            return Ok(!outdated.is_empty());
        }
        if self.triggers.len() >= MOST_TRIGGERS {
            return Err(Refusal::TooMany(MOST_TRIGGERS));
        }
        let learned = self.forgotten.iter().position(|(id, _)| *id == trigger.id);
        let mut gaps = Gaps::new();
        if let Some((_, forgotten)) = learned.and_then(|place| self.forgotten.remove(place)) {
            gaps = forgotten.gaps;
            // One absence is none, but where nothing is known yet this may be an interval, and the second in a row is.
            let may_be_an_interval = gaps.is_empty() || !forgotten.asked_again;
            if may_be_an_interval && !planted!(LongIntervalUnlearned) {
                learn(&mut gaps, forgotten.asked, now);
            }
        }
        let asker = Asker {
            trigger: Arc::clone(trigger),
            first_asked: now,
            asked: now,
            asked_again: false,
            gaps,
            answer: None,
        };
        self.quiet_until = None;
        self.triggers.insert(trigger.id.clone(), asker);
        Ok(true)
    }

    /// Older variants of the trigger's ScaledJob that were not asked about around the time when this one was asked about
    /// last: the ScaledJob was edited, and they missed a whole poll.
    fn outdated_by(&self, trigger: &Trigger, now: Timestamp) -> Vec<TriggerId> {
        let Some(this) = self.triggers.get(&trigger.id) else { return Vec::new() };
        let around = now.duration_since(this.asked) / 2;
        let missed = |other: &Asker| {
            let before_last_poll = this.asked.duration_since(other.asked);
            let is_later = around.is_positive() || planted!(SameMomentIsAPoll);
            let missed_a_poll = before_last_poll > around && is_later || planted!(SiblingsTakenForOld);
            other.first_asked < this.first_asked && missed_a_poll && !planted!(OldVariantsKept)
        };
        let outdated = self.of(&trigger.id.scaled_job).filter(|(id, other)| **id != trigger.id && missed(other));
        outdated.map(|(id, _)| id.clone()).collect()
    }

    /// Forgets those that nobody has asked about for too long. Says whether there were any.
    pub(super) fn expire(&mut self, now: Timestamp) -> bool {
        if self.quiet_until.is_some_and(|until| now < until) || planted!(NeverForgotten) {
            return false;
        }
        self.quiet_until = self.triggers.values().map(Asker::kept_until).min();
        if self.quiet_until.is_none_or(|until| now < until) {
            return false;
        }
        self.quiet_until = None;
        let late: Vec<TriggerId> =
            self.triggers.iter().filter(|(_, asker)| asker.kept_until() <= now).map(|(id, _)| id.clone()).collect();
        for id in &late {
            self.forget(id);
        }
        !late.is_empty()
    }

    /// Forgets a ScaledJob's triggers: it was deleted.
    pub(super) fn forget_all(&mut self, id: &ScaledJobId) {
        let triggers: Vec<TriggerId> = self.of(id).map(|(trigger, _)| trigger.clone()).collect();
        for trigger in &triggers {
            self.forget(trigger);
        }
    }

    fn forget(&mut self, id: &TriggerId) {
        if let Some(Asker { asked, asked_again, gaps, .. }) = self.triggers.remove(id) {
            self.forgotten.push_back((id.clone(), Forgotten { asked, asked_again, gaps }));
            self.forgotten.keep_newest(MOST_REMEMBERED);
        }
    }

    /// Keeps what a trigger was told, for the rest of the poll.
    pub(super) fn keep_answer(&mut self, id: &TriggerId, answer: Result<Answer, Refusal>, now: Timestamp) {
        if let Some(asker) = self.triggers.get_mut(id) {
            asker.answer = Some((now, answer));
        }
    }

    /// Takes what a trigger was told in this poll.
    pub(super) fn take_answer(&mut self, id: &TriggerId, now: Timestamp) -> Option<Result<Answer, Refusal>> {
        let (told, answer) = self.triggers.get_mut(id)?.answer.take()?;
        (now.duration_since(told) <= ONE_POLL || planted!(ActivityOfAnOlderPoll)).then_some(answer)
    }
}

/// Learns from the gap between two questions.
fn learn(gaps: &mut Gaps, asked: Timestamp, now: Timestamp) {
    let gap = now.duration_since(asked);
    if gap <= LONGEST_INTERVAL || planted!(AbsenceLearned) {
        gaps.push_back(gap);
        gaps.keep_newest(GAPS);
    }
}

/// Keeps the newest entries of a queue.
trait KeepNewest {
    fn keep_newest(&mut self, most: usize);
}

impl<T> KeepNewest for VecDeque<T> {
    fn keep_newest(&mut self, most: usize) {
        self.drain(..self.len().saturating_sub(most));
    }
}
