//! The triggers that the cluster shows, whether or not KEDA has asked about them: they will take part, so they take part.
//!
//! KEDA may ask another replica about one. But where it creates no Kubernetes Job for long, though the ScaledJob is to start
//! agents, it doesn't ask: it is not let, or can't reach a scaler with that. Then others take the jobs.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;

use super::{
    known::{Known, LONGEST_KEPT, MOST_TRIGGERS},
    own,
};
use crate::{
    cluster_view::ClusterView,
    decision::Decision,
    trigger::{ScaledJobId, Strategy, Trigger, TriggerId},
};

/// What was announced last.
#[derive(Debug, Default)]
pub(super) struct Announced {
    /// By ScaledJob; nothing before the first time.
    scaled_jobs: Option<BTreeMap<ScaledJobId, Vec<Announcement>>>,
    /// Whether these are all that will ask.
    pub(super) shows_all: bool,
}

#[derive(Debug)]
struct Announcement {
    trigger: Arc<Trigger>,
    /// Since when it is to start agents and nothing is done.
    idle_since: Option<Timestamp>,
}

impl Announced {
    fn announcements(&self) -> impl Iterator<Item = &Announcement> {
        self.scaled_jobs.iter().flat_map(BTreeMap::values).flatten()
    }

    /// Takes in what is announced now. Says whether that is something else than before.
    pub(super) fn take_in(&mut self, triggers: Vec<Arc<Trigger>>, shows_all: bool) -> bool {
        let before: BTreeMap<&TriggerId, Option<Timestamp>> =
            self.announcements().map(|announcement| (&announcement.trigger.id, announcement.idle_since)).collect();
        let mut scaled_jobs: BTreeMap<ScaledJobId, Vec<Announcement>> = BTreeMap::new();
        let mut is_same = self.scaled_jobs.is_some() && self.shows_all == shows_all;
        for trigger in triggers.into_iter().take(MOST_TRIGGERS) {
            let idle_since = before.get(&trigger.id).copied();
            is_same &= idle_since.is_some();
            let announcement = Announcement { idle_since: idle_since.flatten(), trigger };
            scaled_jobs.entry(announcement.trigger.id.scaled_job.clone()).or_default().push(announcement);
        }
        is_same &= before.len() == scaled_jobs.values().map(Vec::len).sum::<usize>();
        *self = Self { scaled_jobs: Some(scaled_jobs), shows_all };
        !is_same
    }

    /// Those that KEDA has not asked about here, and will; `asked` are the others, in the order of their ids.
    pub(super) fn missing(&self, asked: &[Arc<Trigger>], view: &ClusterView, now: Timestamp) -> Vec<Arc<Trigger>> {
        let mut missing = Vec::new();
        for (id, announced) in self.scaled_jobs.iter().flatten().filter(|(id, _)| view.scaled_jobs.contains_key(*id)) {
            let asked = own(asked, id);
            let is_announced = |asked: &Trigger| announced.iter().any(|new| new.trigger.id == asked.id);
            // What KEDA asks about is what it has; where that is something else, the ScaledJob has just been edited.
            if !asked.iter().all(|asked| is_announced(asked)) || planted!(AnnouncedIgnored) {
                continue;
            }
            let will_ask = |new: &&Announcement| {
                let is_idle = new.idle_since.is_some_and(|since| now.duration_since(since) >= LONGEST_KEPT);
                !is_idle && asked.iter().all(|asked| asked.id != new.trigger.id)
            };
            missing.extend(announced.iter().filter(will_ask).map(|new| Arc::clone(&new.trigger)));
        }
        missing
    }

    /// Learns from a decision which of them are to start agents, and from the cluster whether anything is done.
    pub(super) fn judge(&mut self, decision: &Decision, known: &Known, view: &ClusterView, now: Timestamp) {
        for announcement in self.scaled_jobs.iter_mut().flat_map(BTreeMap::values_mut).flatten() {
            let id = &announcement.trigger.id;
            let shown = view.scaled_jobs.get(&id.scaled_job);
            let newest = shown.and_then(|shown| shown.jobs.iter().map(|job| job.created_at).max());
            let is_done = known.has(id) || announcement.idle_since.is_some_and(|since| newest > Some(since));
            let decided = decision.triggers.binary_search_by(|decided| decided.trigger.id.cmp(id));
            announcement.idle_since = match decided.map(|place| &decision.triggers[place]) {
                _ if is_done => None,
                // Of a ScaledObject's pods the cluster tells nothing.
                Ok(decided) if decided.to_start > 0 && decided.trigger.strategy != Strategy::ScaledObject => {
                    announcement.idle_since.or(Some(now))
                }
                Ok(_) => None,
                Err(_) => announcement.idle_since,
            };
        }
    }
}
