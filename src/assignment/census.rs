//! The agents of a pool, counted: what each is, whose it is, and which jobs run on it.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    mem,
};

use jiff::{SignedDuration, Timestamp};

use super::ownership::Owners;
use crate::{
    agent::Agent,
    decision::{AgentStanding, AgentState, Placement},
    job_request::{JobRequest, ReservedAgent},
    placeholder::is_placeholder,
    snapshot::Snapshot,
};

/// An agent that has just gone offline with its job may be back in a moment: links flap.
const OFFLINE_GRACE: SignedDuration = SignedDuration::from_secs(120);

/// What there is, before anything is decided.
pub(super) struct Census {
    /// What each agent is.
    pub(super) agents: Vec<AgentStanding>,
    /// Where the jobs are that have an agent, in the order of the snapshot's jobs; nothing for the queued ones.
    pub(super) running_jobs: Vec<Option<Placement>>,
    /// For each ScaledJob.
    pub(super) own: Vec<Own>,
    /// When the first grace ends.
    pub(super) valid_until: Option<Timestamp>,
}

/// A ScaledJob's own agents.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Own {
    /// Distinct agents with a running job (R).
    pub(super) running: u32,
    /// Every other online one (X), those included that a queued job will be matched to.
    pub(super) others: u32,
    /// Those of `others` that could never serve a job (U); of an older list none, since they may have left.
    pub(super) unusable: u32,
    /// Those of `others` that are idle.
    pub(super) idle: u32,
    /// All that are online.
    pub(super) online: u32,
}

/// A job's agent, as far as the two lists tell.
enum Whereabouts {
    Up,
    /// Offline for so short a time that it counts as up until then.
    Flapping(Timestamp),
    Down,
}

impl Census {
    /// Counts. `takes_jobs_on` says of each ScaledJob whether its agents take job after job; `distrusted` are the numbers
    /// of idle agents that are not believed any more.
    pub(super) fn take(
        snapshot: &Snapshot,
        owners: &Owners<'_>,
        takes_jobs_on: &[bool],
        distrusted: &BTreeSet<i64>,
        now: Timestamp,
    ) -> Self {
        let mut census = Self {
            agents: Vec::with_capacity(snapshot.agents.len()),
            running_jobs: vec![None; snapshot.jobs.len()],
            own: vec![Own::default(); takes_jobs_on.len()],
            valid_until: None,
        };
        let owner: Vec<Option<u32>> =
            snapshot.agents.iter().map(|agent| owners.of(&agent.name).filter(|_| !is_placeholder(agent))).collect();
        let place: HashMap<i64, usize> =
            snapshot.agents.iter().enumerate().map(|(place, agent)| (agent.id, place)).collect();
        let mut holds_job = vec![false; snapshot.agents.len()];
        let mut running = vec![false; snapshot.agents.len()];
        let mut running_unlisted = HashSet::new();

        for (job, request) in snapshot.jobs.iter().enumerate() {
            let JobRequest { agent: Some(reserved), .. } = request else { continue };
            let listed = place.get(&reserved.id).copied();
            let owner = listed.map_or_else(|| owners.of(&reserved.name), |place| owner[place]);
            if let Some(place) = listed {
                holds_job[place] = !planted!(ReservedIsIdle);
            }
            let name = listed.map_or(&reserved.name, |place| &snapshot.agents[place].name);
            let up = !owners.is_dead(name, owner)
                && match whereabouts(snapshot, reserved, listed.map(|place| &snapshot.agents[place]), now) {
                    Whereabouts::Up => true,
                    Whereabouts::Flapping(until) => {
                        census.valid_until = Some(census.valid_until.map_or(until, |earlier| earlier.min(until)));
                        true
                    }
                    Whereabouts::Down => false,
                };
            census.running_jobs[job] =
                Some(if up { Placement::Running { owner } } else { Placement::LostAgent { owner } });
            let counted_already = match listed {
                Some(place) if up => mem::replace(&mut running[place], true) && !planted!(TwoJobsTwoAgents),
                None if up => !running_unlisted.insert(reserved.id) && !planted!(UnlistedCountedTwice),
                _ => true,
            };
            let counted_for = owner.or(planted!(ForeignJobsCounted).then_some(0));
            if let (false, Some(owner)) = (counted_already, counted_for) {
                census.own[owner as usize].running += 1;
            }
        }

        let is_new = snapshot.agents_are_as_new_as_jobs() || planted!(OldAgentsCounted);
        for (place, agent) in snapshot.agents.iter().enumerate() {
            // What an older list says of an agent's jobs is over: no job is queued, and the jobs that run name their agents.
            let busy = holds_job[place] || agent.assigned.is_some() && is_new;
            let one_job_only = owner[place].is_some_and(|owner| !takes_jobs_on[owner as usize]);
            let is_dead = owners.is_dead(&agent.name, owner[place]);
            let state = match agent {
                _ if is_dead => AgentState::Offline,
                _ if is_placeholder(agent) => AgentState::Placeholder,
                Agent { online: false, .. } if !planted!(OfflineIsCapacity) => AgentState::Offline,
                _ if busy => AgentState::Busy,
                Agent { last_completed, assigned, .. }
                    if last_completed.or(*assigned).is_some() && one_job_only && !planted!(SpentIsCapacity) =>
                {
                    AgentState::Spent
                }
                Agent { enabled: false, .. } if !planted!(DisabledIsCapacity) => AgentState::Disabled,
                Agent { id, .. } if distrusted.contains(id) && !planted!(DistrustedIsCapacity) => {
                    AgentState::NotTakingJobs
                }
                _ => AgentState::Idle,
            };
            census.agents.push(AgentStanding { state, owner: owner[place], lets_wait: None });
            let Some(owner) = owner[place].filter(|_| agent.online && !is_dead || planted!(OfflineTakesRoom)) else {
                continue;
            };
            let own = &mut census.own[owner as usize];
            own.online += 1;
            match state {
                AgentState::Busy if running[place] => {}
                AgentState::Busy => own.running += 1,
                AgentState::Spent | AgentState::Disabled | AgentState::NotTakingJobs => {
                    own.others += 1;
                    own.unusable += u32::from(is_new);
                }
                AgentState::Idle => {
                    own.others += 1;
                    own.idle += 1;
                }
                AgentState::Offline | AgentState::Placeholder => own.others += 1,
            }
        }
        census
    }
}

/// Whether a job's agent is up. An agent that an equally new list does not know is gone: counting it would start an agent
/// for nothing, while leaving it out is made good by the next look.
fn whereabouts(snapshot: &Snapshot, reserved: &ReservedAgent, agent: Option<&Agent>, now: Timestamp) -> Whereabouts {
    let Some(agent) = agent else {
        let down = reserved.offline || snapshot.agents_are_as_new_as_jobs();
        return if down { Whereabouts::Down } else { Whereabouts::Up };
    };
    let older = !snapshot.agents_are_as_new_as_jobs() && !planted!(OlderListBelieved);
    // What the request itself says is newer than an older list.
    if agent.online || older && !reserved.offline || planted!(LostAgentIsUp) {
        return Whereabouts::Up;
    }
    let grace = if planted!(NoFlapGrace) { SignedDuration::ZERO } else { OFFLINE_GRACE };
    let until = agent.status_changed_at.and_then(|since| since.checked_add(grace).ok());
    until
        .filter(|until| now < *until || planted!(FlapGraceInclusive) && now == *until)
        .map_or(Whereabouts::Down, Whereabouts::Flapping)
}
