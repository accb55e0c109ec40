//! What must hold of the licences that a decision takes: no more than there are, and none left over while jobs wait for one.

use std::collections::BTreeSet;

use azp_scaler::{
    decision::{Decision, Placement},
    job_request::{Order, Parallelism, RequestId},
    parallel_jobs::Headroom,
};

use super::safety::Broken;

/// `may_hold` and `hold` are the last decisions of other pools: of all that may hold licences, and of those that certainly
/// do, as far as their jobs are `queued` still: Azure may have told of those that have begun since.
pub(crate) fn check(
    decision: &Decision,
    headroom: Headroom,
    may_hold: &[&Decision],
    hold: &[&Decision],
    queued: &BTreeSet<RequestId>,
) -> Result<(), Broken> {
    for parallelism in Parallelism::ALL {
        let Some(jobs) = decision.parallel_jobs.of(parallelism) else { continue };
        let ready = match headroom {
            Headroom::Quarter => jobs.limit.div_ceil(4),
            Headroom::Jobs(jobs) => jobs,
        };
        let most = (jobs.limit + ready) as usize;
        let here = orders(decision, parallelism, takes);
        let at = |others: &[&Decision], wanted: fn(&Placement) -> bool| -> Vec<Order> {
            others.iter().flat_map(|other| orders(other, parallelism, wanted)).collect()
        };
        let running = orders(decision, parallelism, runs).len().max(jobs.running as usize);
        let elsewhere = at(hold, takes).iter().filter(|(.., id)| queued.contains(id)).count();
        let youngest = here.iter().max();
        let in_front = at(hold, waits)
            .iter()
            .filter(|other| queued.contains(&other.2) && youngest.is_some_and(|youngest| *other < youngest))
            .count();
        if !here.is_empty() && running + here.len() + elsewhere + in_front > most {
            return Err(format!(
                "{running} jobs run, {} have or get an agent, {elsewhere} in other pools, and {in_front} there wait in \
                 front of them, where {most} may",
                here.len()
            ));
        }
        let taken = here.len() + at(may_hold, takes).len();
        if !here.is_empty() && jobs.taken as usize > taken {
            return Err(format!("{} are counted as taken, and the pools took {taken}", jobs.taken));
        }
        if decision.settling.is_some() {
            continue;
        }
        let refused = orders(decision, parallelism, waits);
        let Some(oldest) = refused.iter().min() else { continue };
        let waiting = at(may_hold, waits).iter().filter(|other| *other < oldest).count();
        if (jobs.running + jobs.taken) as usize + waiting < most {
            return Err(format!(
                "{} jobs run and {} have or get an agent, {waiting} wait in front, and a job waits though {most} may",
                jobs.running, jobs.taken
            ));
        }
    }
    Ok(())
}

fn takes(placement: &Placement) -> bool {
    matches!(placement, Placement::IdleAgent { .. } | Placement::StartingAgent { .. } | Placement::Assigned { .. })
}

fn waits(placement: &Placement) -> bool {
    *placement == Placement::WaitingForParallelJob
}

fn runs(placement: &Placement) -> bool {
    matches!(placement, Placement::Running { .. } | Placement::LostAgent { .. })
}

fn orders(decision: &Decision, parallelism: Parallelism, wanted: impl Fn(&Placement) -> bool) -> Vec<Order> {
    let placed = decision.snapshot.jobs.iter().zip(&decision.jobs);
    let chosen = placed.filter(|(job, placement)| job.parallelism == Some(parallelism) && wanted(placement));
    chosen.map(|(job, _)| job.order()).collect()
}
