//! Since when each agent of the pool has been seen, and since when it has been idle: Azure tells neither.
//!
//! Whoever was there at the first look is taken to have come then. Holds no more than the last list of agents.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::{agent::Agent, job_request::RequestId, snapshot::Snapshot};

/// What was seen of the agents of a pool.
#[derive(Debug, Default)]
pub(super) struct Sightings {
    seen_at: Option<Timestamp>,
    agents: BTreeMap<i64, Sighting>,
}

/// What was seen of one agent.
#[derive(Clone, Copy, Debug)]
struct Sighting {
    registered: Timestamp,
    online: bool,
    idle_since: Option<Timestamp>,
    last_completed: Option<RequestId>,
}

impl Sightings {
    /// Takes in a look; one that is no newer changes nothing. Gives the numbers of the agents that have registered or come
    /// online since the last one, at the first look none.
    pub(super) fn look(&mut self, snapshot: &Snapshot) -> Vec<i64> {
        let at = snapshot.agents_at;
        let first = self.seen_at.is_none();
        if self.seen_at.is_some_and(|seen_at| at <= seen_at) {
            return Vec::new();
        }
        self.seen_at = Some(at);
        let known = std::mem::take(&mut self.agents);
        let reserved: BTreeSet<i64> =
            snapshot.jobs.iter().filter_map(|job| job.agent.as_ref()).map(|agent| agent.id).collect();
        let mut came = Vec::new();
        for agent in snapshot.agents.iter() {
            let before = known.get(&agent.id);
            // One that is kept registered, and comes online again, has come, too.
            if before.is_none_or(|before| agent.online && !before.online) && !first {
                came.push(agent.id);
            }
            let is_idle = is_idle(agent) && (!reserved.contains(&agent.id) || planted!(ReservedHasIdled));
            let ran_none = |before: &&Sighting| before.last_completed == agent.last_completed;
            let stayed_idle = before.filter(|before| ran_none(before) || planted!(JobBetweenLooksMissed));
            let sighting = Sighting {
                registered: before.map_or(at, |before| before.registered),
                online: agent.online,
                idle_since: is_idle.then(|| stayed_idle.and_then(|before| before.idle_since).unwrap_or(at)),
                last_completed: agent.last_completed,
            };
            self.agents.insert(agent.id, sighting);
        }
        came
    }

    /// Since when an agent has been seen.
    pub(super) fn registered(&self, agent: i64) -> Option<Timestamp> {
        self.agents.get(&agent).map(|sighting| sighting.registered)
    }

    /// Whether an agent has idled before the last look, too: not one that has run a job since the look before.
    pub(super) fn has_stayed_idle(&self, agent: i64) -> bool {
        self.idle_since(agent).is_some_and(|since| Some(since) != self.seen_at)
    }

    /// Since when an agent has been up, enabled and without a job, where it is.
    pub(super) fn idle_since(&self, agent: i64) -> Option<Timestamp> {
        self.agents.get(&agent)?.idle_since
    }
}

fn is_idle(agent: &Agent) -> bool {
    agent.online && agent.enabled && agent.assigned.is_none()
}
