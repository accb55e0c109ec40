//! Queued jobs to idle agents, and the rest to triggers with room.
//!
//! What does not depend on which jobs take part is worked out once: under a licence cap jobs are placed more than once.

use jiff::Timestamp;

use super::{
    bits::{self, BitMatrix},
    census::Census,
    fits::{Column, fits},
    matching::{Problem, matching},
    queue::{self, WaitingJobs},
};
use crate::{
    decision::{AgentState, Placement, ScaledJobDecision, Starts, TriggerDecision},
    snapshot::Snapshot,
    trigger::JobsWithoutDemands,
};

/// Who can take which class of jobs.
pub(super) struct Takers {
    /// Agents that are idle, by their places in the snapshot: first those that are believed.
    idle: Vec<u32>,
    believed: usize,
    agents_fit: BitMatrix,
    triggers_fit: BitMatrix,
    /// Which triggers' agents, once they have come, would be given which jobs by Azure, whatever the trigger leaves to others.
    starting_fit: BitMatrix,
    /// For each ScaledJob, its agents that are starting.
    starting: Vec<u32>,
    /// The kind of each class, and how each kind prefers the triggers.
    kinds: Vec<usize>,
    preferences: Vec<Vec<u32>>,
    rooms: Vec<u32>,
    capacity: Vec<u32>,
    /// What becomes of each class's jobs that find no place.
    unplaced: Vec<Placement>,
}

impl Takers {
    pub(super) fn of(
        snapshot: &Snapshot,
        waiting: &WaitingJobs<'_>,
        census: &Census,
        triggers: &[TriggerDecision],
        scaled_jobs: &[ScaledJobDecision],
    ) -> Self {
        let in_state = |state: AgentState| {
            let places = (0..).zip(&census.agents);
            places.filter(move |(_, agent)| agent.state == state).map(|(place, _)| place)
        };
        let mut idle: Vec<u32> = in_state(AgentState::Idle).collect();
        let believed = idle.len();
        idle.extend(in_state(AgentState::NotTakingJobs));
        let columns: Vec<_> = idle
            .iter()
            .map(|place| &snapshot.agents[*place as usize].capabilities)
            .map(|capabilities| Column { capabilities, version_may_be_unknown: false })
            .collect();
        let agents_fit = fits(&waiting.demand_sets, &columns);

        let columns: Vec<_> = triggers
            .iter()
            .map(|trigger| Column {
                capabilities: &trigger.capabilities,
                version_may_be_unknown: !planted!(UnknownVersionNotMet),
            })
            .collect();
        let mut triggers_fit = fits(&waiting.demand_sets, &columns);
        let mut starting_fit = triggers_fit.clone();
        for (column, trigger) in triggers.iter().enumerate() {
            let shares = trigger.answer.is_ok() && trigger.trigger.builtin.is_none();
            let is_paused = scaled_jobs[trigger.scaled_job as usize].is_paused();
            let leaves = trigger.trigger.jobs_without_demands == JobsWithoutDemands::Leave && !planted!(LeaveIgnored);
            for (class, demands) in waiting.demand_sets.iter().enumerate() {
                if !shares || leaves && demands.is_without_demands() || is_paused {
                    triggers_fit.clear(class, column);
                }
                if !shares {
                    starting_fit.clear(class, column);
                }
            }
        }
        let kinds: Vec<usize> = waiting.demand_sets.iter().map(|demands| queue::kind_of(demands)).collect();
        let preferences: Vec<Vec<u32>> = queue::KINDS.iter().map(|kind| kind.preference(triggers)).collect();
        let failing =
            |trigger: &u32| scaled_jobs[triggers[*trigger as usize].scaled_job as usize].starts != Starts::Working;
        let unplaced = waiting.demand_sets.iter().enumerate().map(|(class, demands)| {
            let fits = |trigger: &u32| triggers_fit.get(class, *trigger as usize);
            let mut fitting = preferences[kinds[class]].iter().copied().filter(fits).peekable();
            match fitting.peek() {
                _ if !demands.not_understood().is_empty() => Placement::NotUnderstood,
                None => Placement::Unmatched,
                Some(_) => fitting
                    .find(failing)
                    .map_or(Placement::WaitingForCapacity, |trigger| Placement::StartFailing { trigger }),
            }
        });
        Self {
            unplaced: unplaced.collect(),
            idle,
            believed,
            agents_fit,
            kinds,
            preferences,
            rooms: triggers.iter().map(|trigger| trigger.scaled_job).collect(),
            capacity: scaled_jobs.iter().map(|scaled_job| scaled_job.room).collect(),
            triggers_fit,
            starting_fit,
            starting: scaled_jobs
                .iter()
                .map(|scaled_job| scaled_job.cluster.as_ref().map_or(0, |cluster| cluster.starting))
                .map(|starting| if planted!(StartingIgnored) { 0 } else { starting })
                .collect(),
        }
    }

    /// Whether nobody can take a job of this class: no agent that is believed fits it, and no trigger with room.
    pub(super) fn nobody_takes(&self, class: usize) -> bool {
        let fitting = |fits: &BitMatrix| bits::ones(fits.row(class).iter().copied()).collect::<Vec<_>>();
        let has_room = |trigger: &usize| self.capacity[self.rooms[*trigger] as usize] > 0;
        !fitting(&self.agents_fit).iter().any(|column| *column < self.believed)
            && !fitting(&self.triggers_fit).iter().any(has_room)
            && !fitting(&self.starting_fit).iter().any(|trigger| self.starting[self.rooms[*trigger] as usize] > 0)
    }

    /// What becomes of a job of this class that finds no place.
    pub(super) fn unplaced(&self, class: u32) -> Placement {
        self.unplaced[class as usize]
    }

    /// Where each of the waiting jobs goes, in their order; none where it finds no place.
    pub(super) fn place(&self, waiting: &WaitingJobs<'_>) -> Vec<Option<Placement>> {
        let mut placed: Vec<Option<Placement>> = self
            .to_agents(waiting)
            .into_iter()
            .map(|agent| agent.map(|agent| Placement::IdleAgent { agent }))
            .collect();
        self.to_starting(waiting, &mut placed);
        let (rest, jobs) = without_place(&placed, waiting);
        let homes: Vec<Option<u32>> =
            if waiting.homes.is_empty() { Vec::new() } else { rest.iter().map(|at| waiting.homes[*at]).collect() };
        let takers = matching(&Problem {
            jobs: &jobs,
            homes: &homes,
            fits: &self.triggers_fit,
            preferences: &self.preferences,
            kinds: &self.kinds,
            rooms: &self.rooms,
            capacity: self.capacity.clone(),
        });
        for (at, taker) in rest.into_iter().zip(takers) {
            placed[at] = taker.map(|trigger| Placement::Assigned { trigger });
        }
        placed
    }

    /// Gives jobs that no idle agent takes to agents that are starting: the first of them that comes is given the oldest.
    fn to_starting(&self, waiting: &WaitingJobs<'_>, placed: &mut [Option<Placement>]) {
        if self.starting.iter().all(|starting| *starting == 0) {
            return;
        }
        let (rest, jobs) = without_place(placed, waiting);
        let takers = matching(&Problem {
            jobs: &jobs,
            homes: &[],
            fits: &self.starting_fit,
            preferences: &[fewest_wanted_first(&self.starting_fit, &waiting.count_by_class(), self.rooms.len())],
            kinds: &vec![0; self.kinds.len()],
            rooms: &self.rooms,
            capacity: self.starting.clone(),
        });
        for (at, taker) in rest.into_iter().zip(takers) {
            placed[at] = taker.map(|trigger| Placement::StartingAgent { trigger });
        }
    }

    /// The idle agent that each waiting job is matched to, by its place in the snapshot.
    fn to_agents(&self, waiting: &WaitingJobs<'_>) -> Vec<Option<u32>> {
        if self.believed == 0 {
            return vec![None; waiting.classes.len()];
        }
        let preference = fewest_wanted_first(&self.agents_fit, &waiting.count_by_class(), self.idle.len());
        let capacity = (0..self.idle.len()).map(|column| u32::from(column < self.believed)).collect();
        let takers = matching(&Problem {
            jobs: &waiting.classes,
            homes: &[],
            fits: &self.agents_fit,
            preferences: &[preference],
            kinds: &vec![0; self.kinds.len()],
            rooms: &(0..).take(self.idle.len()).collect::<Vec<_>>(),
            capacity,
        });
        takers.into_iter().map(|taker| taker.map(|taker| self.idle[taker as usize])).collect()
    }

    /// For each idle agent, by its place in the snapshot, the oldest job that it satisfies and that `could_begin`.
    pub(super) fn let_wait(
        &self,
        snapshot: &Snapshot,
        waiting: &WaitingJobs<'_>,
        could_begin: impl Fn(usize) -> bool,
    ) -> Vec<(u32, u32)> {
        if self.idle.is_empty() {
            return Vec::new();
        }
        let age = |place: usize| (snapshot.jobs[place].queued_at.unwrap_or(Timestamp::MAX), snapshot.jobs[place].id);
        let mut oldest: Vec<Option<usize>> = vec![None; waiting.demand_sets.len()];
        for (place, class) in waiting.places.iter().zip(&waiting.classes).filter(|(place, _)| could_begin(**place)) {
            let oldest = &mut oldest[*class as usize];
            *oldest = Some(oldest.map_or(*place, |other| if age(*place) < age(other) { *place } else { other }));
        }
        let mut classes: Vec<(usize, usize)> =
            oldest.into_iter().enumerate().filter_map(|(class, place)| Some((class, place?))).collect();
        classes.sort_by_key(|(_, place)| age(*place));
        let mut open = BitMatrix::filled(1, self.idle.len(), true);
        let mut found = Vec::new();
        for (class, place) in classes {
            let place = u32::try_from(place).expect("jobs are counted in u32");
            for (word, fit) in self.agents_fit.row(class).iter().enumerate() {
                let new = fit & open.row(0)[word];
                found.extend(bits::ones([new]).map(|column| (self.idle[word * 64 + column], place)));
                open.row_mut(0)[word] &= !new;
            }
        }
        found
    }
}

/// The jobs that have no place yet, by their places among the waiting ones, and the class of each.
fn without_place(placed: &[Option<Placement>], waiting: &WaitingJobs<'_>) -> (Vec<usize>, Vec<u32>) {
    let rest: Vec<usize> = (0..placed.len()).filter(|at| placed[*at].is_none()).collect();
    let jobs = rest.iter().map(|at| waiting.classes[*at]).collect();
    (rest, jobs)
}

/// Takers in the order in which they are to be used: one that few jobs can use goes first. They come by name, and the sort is
/// stable.
fn fewest_wanted_first(fits: &BitMatrix, jobs_by_class: &[u32], takers: usize) -> Vec<u32> {
    let mut wanted = vec![0_u32; takers];
    for (class, jobs) in jobs_by_class.iter().enumerate().filter(|(_, jobs)| **jobs > 0) {
        for column in bits::ones(fits.row(class).iter().copied()) {
            wanted[column] += jobs;
        }
    }
    let mut preference: Vec<u32> = (0..).take(takers).collect();
    preference.sort_by_key(|column| if planted!(AgentsByNameOnly) { 0 } else { wanted[*column as usize] });
    preference
}
