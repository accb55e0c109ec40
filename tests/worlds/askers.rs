//! What must hold of who is thought to ask: whoever asks is known, whoever is gone is forgotten, and until all have asked
//! nobody is given anything.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use azp_scaler::{
    decision::Decision,
    simulator::{World, virtual_run::Told},
    trigger::{ScaledJobId, TriggerId},
};
use jiff::{SignedDuration, Timestamp};

use super::safety::Broken;

/// A ScaledJob is kept for so long at least and at most, and for three of its intervals in between.
pub(crate) const SHORTEST_KEPT: SignedDuration = SignedDuration::from_secs(30);
const LONGEST_KEPT: SignedDuration = SignedDuration::from_mins(5);
/// From a question to its answer, and a little more.
pub(crate) const JITTER: SignedDuration = SignedDuration::from_secs(3);
/// An old variant of a trigger is gone after so many polls of the new one.
const POLLS_UNTIL_GONE: u32 = 8;

/// Who has asked about one pool.
#[derive(Default)]
pub(crate) struct Askers(BTreeMap<ScaledJobId, Asker>);

#[derive(Clone)]
struct Asker {
    trigger: TriggerId,
    /// All variants of the trigger that have asked, and whether the last edit was undone: the variant in between is then
    /// forgotten only when it has been silent for long enough.
    variants: BTreeSet<TriggerId>,
    undone: bool,
    polls: u32,
    asked: Timestamp,
    slowest: SignedDuration,
    /// Since when it is known though it should be forgotten: it may have asked and not been answered yet.
    overdue: Option<Timestamp>,
}

impl Askers {
    /// Notes that a question was answered, if only by an error.
    pub(crate) fn note(&mut self, id: &TriggerId, now: Timestamp) {
        let asker = self.0.entry(id.scaled_job.clone()).or_insert_with(|| Asker {
            trigger: id.clone(),
            variants: BTreeSet::from([id.clone()]),
            undone: false,
            polls: 0,
            asked: now,
            slowest: SignedDuration::ZERO,
            overdue: None,
        });
        if asker.trigger != *id {
            (asker.trigger, asker.polls) = (id.clone(), 0);
            asker.undone = !asker.variants.insert(id.clone());
        }
        asker.polls += 1;
        asker.slowest = asker.slowest.max(now.duration_since(asker.asked));
        (asker.asked, asker.overdue) = (now, None);
    }

    /// Looks at the decision behind an answer. `settles_until` is the earliest end of settling.
    pub(crate) fn see(
        &mut self,
        world: &World,
        told: &Told<'_>,
        decision: &Decision,
        settles_until: Duration,
    ) -> Result<(), Broken> {
        let now = world.timestamp(world.now());
        let id = &told.trigger.id;
        if world.now() < settles_until && decision.triggers.iter().any(|decided| decided.to_start > 0) {
            return Err("agents are to be started before all have asked".to_owned());
        }
        let polls = self.0.get(&id.scaled_job).filter(|asker| !asker.undone).map_or(0, |asker| asker.polls);
        let variants =
            decision.triggers.iter().filter(|decided| decided.trigger.id.scaled_job == id.scaled_job).count();
        if variants > 1 && polls >= POLLS_UNTIL_GONE {
            return Err(format!("{} was edited {polls} polls ago, and its old trigger is known", id.scaled_job));
        }
        for (id, asker) in &mut self.0 {
            let silent = now.duration_since(asker.asked);
            let is_known = decision.scaled_jobs.iter().any(|scaled_job| scaled_job.id == *id);
            let longest = (asker.slowest * 3).clamp(SHORTEST_KEPT, LONGEST_KEPT) + JITTER * 4;
            if !is_known || silent <= longest || asker.polls == 1 {
                asker.overdue = None;
            } else if now.duration_since(*asker.overdue.get_or_insert(now)) > JITTER {
                return Err(format!("{id} has not asked for {silent:#}, and is not forgotten"));
            }
            let interval = world.cluster().scaled_jobs.iter().find(|made| made.plan.id == *id);
            let interval = interval.map_or(Duration::ZERO, |made| made.plan.polling_interval);
            let least = (SignedDuration::try_from(interval).unwrap_or_default() * 3).max(SHORTEST_KEPT) - JITTER;
            if !is_known && silent < least {
                return Err(format!("{id} has asked {silent:#} ago, and is forgotten"));
            }
        }
        Ok(())
    }

    /// Whether the pool may still be known.
    pub(crate) fn may_hold(&self, now: Timestamp) -> bool {
        let longest = |asker: &Asker| match asker.polls {
            0 | 1 => LONGEST_KEPT,
            _ => (asker.slowest * 3).clamp(SHORTEST_KEPT, LONGEST_KEPT),
        };
        self.0.values().any(|asker| now.duration_since(asker.asked) < longest(asker) + JITTER * 4)
    }
}
