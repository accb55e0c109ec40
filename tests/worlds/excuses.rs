//! For which jobs no scaler can do more: in the storm, the time that they wait is not held against it.
//!
//! While Azure is down or late, or KEDA is, that is all of them. Else it is a job for which an agent is on its way, whatever
//! becomes of that; one that awaits an idle agent which hangs, and which nobody can tell from one that works; and one that
//! is to share an agent with others, because the user wants fewer agents than jobs.

use std::collections::BTreeSet;

use azp_scaler::{
    decision::{Decision, Placement},
    job_request::RequestId,
    simulator::{
        World,
        virtual_run::{Trouble, Troubles, VirtualRun},
    },
};

/// The jobs that are excused now.
pub(crate) enum Excused {
    All,
    These(BTreeSet<RequestId>),
}

impl Excused {
    pub(crate) fn now(run: &VirtualRun, troubles: &Troubles) -> Self {
        let world = &run.world;
        let is_on = |trouble: Trouble| troubles.is(trouble, world.now());
        if world.keda_is_down() || is_on(Trouble::Outage) || is_on(Trouble::Late) {
            return Self::All;
        }
        let started = world.cluster().jobs.values().filter(|job| !job.is_finished() && job.is_unused());
        let mut these: BTreeSet<RequestId> = started.filter_map(|job| job.claim.request()).collect();
        for decision in world.pools().filter_map(|pool| run.decision(pool.id)) {
            let jobs = decision.snapshot.jobs.iter().zip(&decision.jobs);
            these.extend(jobs.filter(|(_, placement)| awaits(world, &decision, placement)).map(|(job, _)| job.id));
        }
        Self::These(these)
    }

    pub(crate) fn contains(&self, job: RequestId) -> bool {
        match self {
            Self::All => true,
            Self::These(these) => these.contains(&job),
        }
    }
}

/// Whether a job awaits an agent that hangs, or that it is to share.
fn awaits(world: &World, decision: &Decision, placement: &Placement) -> bool {
    match *placement {
        Placement::IdleAgent { agent } => {
            let id = decision.snapshot.agents[agent as usize].id;
            world.pools().any(|pool| pool.agents.get(&id).is_some_and(|agent| agent.hung))
        }
        Placement::Assigned { trigger } | Placement::StartingAgent { trigger } => {
            decision.triggers[trigger as usize].trigger.target > 1
        }
        _ => false,
    }
}
