//! The queued jobs of a snapshot, sorted into classes of the same demands, and what a class prefers.

use std::collections::{BTreeMap, HashMap};

use crate::{
    caseless::Caseless,
    decision::TriggerDecision,
    demand::{AGENT_VERSION, DemandSet},
    job_request::RequestId,
    snapshot::Snapshot,
    trigger::JobsWithoutDemands,
};

/// Queued jobs in the order of service.
pub(super) struct WaitingJobs<'a> {
    /// Their places in the snapshot.
    pub(super) places: Vec<usize>,
    /// The class of each.
    pub(super) classes: Vec<u32>,
    /// Where each was given to last; for all or for none.
    pub(super) homes: Vec<Option<u32>>,
    /// What each class asks for.
    pub(super) demand_sets: Vec<&'a DemandSet>,
}

impl<'a> WaitingJobs<'a> {
    /// The queued jobs, but for those that are held. Classes are numbered as they first come up in the order of service, whatever the order in which
    /// Azure listed the jobs.
    pub(super) fn of(snapshot: &'a Snapshot, homes: &[Option<u32>], held: &BTreeMap<RequestId, i64>) -> Self {
        let mut by_content: HashMap<&DemandSet, u32> = HashMap::new();
        let mut by_place: Vec<Option<u32>> = vec![None; snapshot.demand_sets.len()];
        let mut waiting = Self { places: Vec::new(), classes: Vec::new(), homes: Vec::new(), demand_sets: Vec::new() };
        for (place, job) in snapshot.jobs.iter().enumerate().filter(|(_, job)| job.is_queued()) {
            if held.contains_key(&job.id) && !planted!(HeldIsStarted) {
                continue;
            }
            let class = *by_place[job.demands as usize].get_or_insert_with(|| {
                let demands = snapshot.demands_of(job);
                *by_content.entry(demands).or_insert_with(|| {
                    waiting.demand_sets.push(demands);
                    u32::try_from(waiting.demand_sets.len() - 1).expect("fewer than 2³² demand sets")
                })
            });
            waiting.places.push(place);
            waiting.classes.push(class);
            if !homes.is_empty() {
                waiting.homes.push(homes[place]);
            }
        }
        waiting
    }

    /// Only some of them, by their places in this order.
    pub(super) fn only(&self, keep: impl Fn(usize) -> bool) -> Self {
        let kept: Vec<usize> = (0..self.places.len()).filter(|at| keep(*at)).collect();
        Self {
            places: kept.iter().map(|at| self.places[*at]).collect(),
            classes: kept.iter().map(|at| self.classes[*at]).collect(),
            homes: if self.homes.is_empty() { Vec::new() } else { kept.iter().map(|at| self.homes[*at]).collect() },
            demand_sets: self.demand_sets.clone(),
        }
    }

    /// How many jobs each class has.
    pub(super) fn count_by_class(&self) -> Vec<u32> {
        let mut counts = vec![0; self.demand_sets.len()];
        self.classes.iter().for_each(|class| counts[*class as usize] += 1);
        counts
    }
}

/// What makes one class order the triggers otherwise than another.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    without_demands: bool,
    on_agent_version: bool,
}

/// The kinds there are.
pub(super) const KINDS: [Kind; 4] = [
    Kind { without_demands: false, on_agent_version: false },
    Kind { without_demands: false, on_agent_version: true },
    Kind { without_demands: true, on_agent_version: false },
    Kind { without_demands: true, on_agent_version: true },
];

/// The place of a demand set's kind among [`KINDS`].
pub(super) fn kind_of(demands: &DemandSet) -> usize {
    usize::from(demands.is_without_demands()) * 2 + usize::from(demands.is_on_agent_version())
}

impl Kind {
    /// The triggers in the order of preference: those that take such jobs only as the last, last; then priority, the
    /// tightest fit, and the name, by which triggers come already.
    ///
    /// A trigger that fits has a capability for each demand, so the one with the fewest capabilities has the fewest beyond
    /// them; only `Agent.Version` can be asked for and not be there.
    pub(super) fn preference(self, triggers: &[TriggerDecision]) -> Vec<u32> {
        let agent_version = Caseless::new(AGENT_VERSION);
        let rank = |place: &u32| {
            let TriggerDecision { trigger, capabilities, .. } = &triggers[*place as usize];
            let last = self.without_demands && trigger.jobs_without_demands == JobsWithoutDemands::Last;
            let last = last && !planted!(LastIgnored);
            let priority = match trigger.priority {
                _ if planted!(TriggerPriorityIgnored) => 0,
                priority if planted!(TriggerPriorityReversed) => -priority,
                priority => priority,
            };
            let asked = self.on_agent_version && capabilities.get(&agent_version).is_some();
            let beyond = capabilities.len() - usize::from(asked);
            (last, priority, if planted!(NameBeforeTightness) { 0 } else { beyond })
        };
        let mut places: Vec<u32> = (0..).take(triggers.len()).collect();
        places.sort_by_cached_key(rank);
        places
    }
}
