//! To which ScaledJob each queued job was given last.
//!
//! A job that overflowed to another ScaledJob must not return to its first choice while the agent started for it elsewhere
//! is on its way. And since Azure gives an agent to the oldest job that it satisfies, not to the one it was started for,
//! jobs inherit: when a job given to S runs on an agent of L, the oldest queued job given to L that fits S takes over S's.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::{
    decision::{Decision, Placement},
    job_request::RequestId,
    snapshot::Snapshot,
    trigger::ScaledJobId,
};

/// An agent does not come, run a job and go in less.
const LEAST_LIFE: SignedDuration = SignedDuration::from_secs(5);

/// Queued jobs and the ScaledJobs they were given to. Holds no more than the last decision's queue.
#[derive(Debug, Default)]
pub(super) struct Memory {
    scaled_jobs: Vec<ScaledJobId>,
    /// In the order of the ids.
    given: Vec<Given>,
    seen_at: Option<Timestamp>,
}

/// A queued job, the ScaledJob it was given to, and whether an agent was to be started for it.
type Given = (RequestId, u32, bool);

impl Memory {
    /// Where each of the snapshot's jobs is at home, by places in `scaled_jobs` (which are sorted).
    pub(super) fn homes(&self, snapshot: &Snapshot, scaled_jobs: &[ScaledJobId]) -> Vec<Option<u32>> {
        let place = |id: &ScaledJobId| u32::try_from(scaled_jobs.binary_search(id).ok()?).ok();
        let places: Vec<Option<u32>> = self.scaled_jobs.iter().map(place).collect();
        let home = |id: RequestId| self.given_to(id).and_then(|scaled_job| places[scaled_job as usize]);
        let home = |id: RequestId| home(id).filter(|_| !planted!(MemoryDropped));
        snapshot.jobs.iter().map(|job| home(job.id)).collect()
    }

    fn given_to(&self, id: RequestId) -> Option<u32> {
        let place = self.given.binary_search_by_key(&id, |(known, ..)| *known).ok()?;
        Some(self.given[place].1)
    }

    /// Hands the places of jobs that others' agents have taken to the jobs that those agents were started for. `homes` are
    /// those of the decision's jobs. Says whether any place changed hands.
    pub(super) fn inherit(&self, decision: &Decision, homes: &mut [Option<u32>]) -> bool {
        let mut changed = false;
        if planted!(InheritanceDropped) {
            return changed;
        }
        for (given_to, taken_by) in self.taken_by_others(decision) {
            let own = decision.triggers.iter().filter(|trigger| trigger.scaled_job == given_to);
            let fits = |place: &usize| {
                let demands = decision.snapshot.demands_of(&decision.snapshot.jobs[*place]);
                own.clone().any(|trigger| trigger.trigger.takes(&trigger.capabilities, demands))
            };
            let queued = (0..homes.len()).filter(|place| decision.snapshot.jobs[*place].is_queued());
            let mut heirs = queued.filter(|place| homes[*place] == Some(taken_by));
            if let Some(heir) = heirs.find(|place| fits(place) || planted!(HeirNeedNotFit)) {
                homes[heir] = Some(given_to);
                changed = true;
            }
        }
        changed
    }

    /// Jobs that were given to one ScaledJob and that an agent of another has taken since, oldest first: by the places of
    /// the two among the decision's ScaledJobs.
    fn taken_by_others(&self, decision: &Decision) -> Vec<(u32, u32)> {
        let running =
            decision.snapshot.jobs.iter().zip(&decision.jobs).filter_map(|(job, placement)| match placement {
                Placement::Running { owner } | Placement::LostAgent { owner } => Some((job.id, (*owner)?)),
                _ => None,
            });
        let agents = decision.snapshot.agents.iter().zip(&decision.agents);
        let finished = agents.filter_map(|(agent, standing)| Some((agent.last_completed?, standing.owner?)));
        let mut taken: Vec<(RequestId, u32, u32)> = finished
            .filter(|_| !planted!(InheritOnlyRunning))
            .chain(running)
            .filter_map(|(id, taken_by)| {
                let given_to = &self.scaled_jobs[self.given_to(id)? as usize];
                let place = decision.scaled_jobs.binary_search_by(|scaled_job| scaled_job.id.cmp(given_to)).ok()?;
                Some((id, u32::try_from(place).ok()?, taken_by))
            })
            .filter(|(_, given_to, taken_by)| given_to != taken_by)
            .collect();
        taken.sort_unstable();
        taken.dedup_by_key(|(id, ..)| *id);
        taken.into_iter().map(|(_, given_to, taken_by)| (given_to, taken_by)).collect()
    }

    /// The ScaledJobs that an agent was to be started for a job of which is gone since the last look, and which nobody is
    /// known to have run. None where the looks were so close that no agent can have come and gone between them.
    pub(super) fn left(&self, snapshot: &Snapshot) -> BTreeSet<&ScaledJobId> {
        let long_ago = |seen_at: Timestamp| snapshot.taken_at.duration_since(seen_at) >= LEAST_LIFE;
        if !self.seen_at.is_some_and(long_ago) {
            return BTreeSet::new();
        }
        let gone = gone(snapshot);
        let left = self.given.iter().filter(|(id, _, to_be_started)| *to_be_started && gone(*id));
        left.map(|(_, scaled_job, _)| &self.scaled_jobs[*scaled_job as usize]).collect()
    }

    /// Keeps what was decided. A job that has no place now keeps the one it had.
    pub(super) fn keep(&mut self, decision: &Decision, homes: &[Option<u32>]) {
        let queued =
            decision.snapshot.jobs.iter().zip(&decision.jobs).zip(homes).filter(|((job, _), _)| job.is_queued());
        let given = queued.filter_map(|((job, placement), home)| {
            let given = match placement {
                Placement::Assigned { trigger } => Some(decision.triggers[*trigger as usize].scaled_job),
                _ => home.filter(|_| !planted!(MemoryOfPlacedOnly)),
            };
            Some((job.id, given?, matches!(placement, Placement::Assigned { .. })))
        });
        self.seen_at = Some(decision.snapshot.taken_at);
        self.given = given.collect();
        self.given.sort_unstable();
        self.scaled_jobs = decision.scaled_jobs.iter().map(|scaled_job| scaled_job.id.clone()).collect();
    }
}

/// Whether a job is in a look's lists no more, and no agent is known to have run it.
pub(super) fn gone(snapshot: &Snapshot) -> impl Fn(RequestId) -> bool + use<> {
    let listed = snapshot.jobs.iter().map(|job| job.id);
    let known: BTreeSet<RequestId> =
        listed.chain(snapshot.agents.iter().filter_map(|agent| agent.last_completed)).collect();
    move |id| !known.contains(&id)
}
