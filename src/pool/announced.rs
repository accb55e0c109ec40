//! The triggers that the cluster shows, whether or not KEDA has asked about them: they will take part, so they take part.
//!
//! Of what KEDA has not asked about for long, though it asks about others, it never will: it is not let, or can't reach this
//! scaler with that.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;

use super::{
    known::{LONGEST_KEPT, MOST_TRIGGERS},
    own,
};
use crate::{
    cluster_view::ClusterView,
    trigger::{ScaledJobId, Trigger, TriggerId},
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
    since: Timestamp,
}

impl Announced {
    fn announcements(&self) -> impl Iterator<Item = &Announcement> {
        self.scaled_jobs.iter().flat_map(BTreeMap::values).flatten()
    }

    /// Takes in what is announced now. Says whether that is something else than before.
    pub(super) fn take_in(&mut self, triggers: Vec<Arc<Trigger>>, shows_all: bool, now: Timestamp) -> bool {
        let before: BTreeMap<&TriggerId, Timestamp> =
            self.announcements().map(|announcement| (&announcement.trigger.id, announcement.since)).collect();
        let mut scaled_jobs: BTreeMap<ScaledJobId, Vec<Announcement>> = BTreeMap::new();
        let mut is_same = self.scaled_jobs.is_some() && self.shows_all == shows_all;
        for trigger in triggers.into_iter().take(MOST_TRIGGERS) {
            let since = before.get(&trigger.id).copied();
            is_same &= since.is_some();
            let announcement = Announcement { since: since.unwrap_or(now), trigger };
            scaled_jobs.entry(announcement.trigger.id.scaled_job.clone()).or_default().push(announcement);
        }
        is_same &= before.len() == scaled_jobs.values().map(Vec::len).sum::<usize>();
        *self = Self { scaled_jobs: Some(scaled_jobs), shows_all };
        !is_same
    }

    /// Those that KEDA has not asked about and will; `asked` are the others, in the order of their ids, and `since` is when
    /// KEDA has begun to ask about any.
    pub(super) fn missing(
        &self,
        asked: &[Arc<Trigger>],
        view: &ClusterView,
        since: Option<Timestamp>,
        now: Timestamp,
    ) -> Vec<Arc<Trigger>> {
        let mut missing = Vec::new();
        for (id, announced) in self.scaled_jobs.iter().flatten().filter(|(id, _)| view.scaled_jobs.contains_key(*id)) {
            let asked = own(asked, id);
            let is_announced = |asked: &Trigger| announced.iter().any(|new| new.trigger.id == asked.id);
            // What KEDA asks about is what it has; where that is something else, the ScaledJob has just been edited.
            if !asked.iter().all(|asked| is_announced(asked)) || planted!(AnnouncedIgnored) {
                continue;
            }
            let will_ask = |new: &&Announcement| {
                let waits_since = since.map_or(new.since, |since| since.max(new.since));
                now.duration_since(waits_since) < LONGEST_KEPT && asked.iter().all(|asked| asked.id != new.trigger.id)
            };
            missing.extend(announced.iter().filter(will_ask).map(|new| Arc::clone(&new.trigger)));
        }
        missing
    }
}
