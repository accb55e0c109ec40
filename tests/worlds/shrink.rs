//! A world that goes wrong, made smaller: what can be left out without its going right is left out.

use std::time::Duration;

use super::{draw::Hostile, judge::judge};

/// How many smaller worlds are tried.
const TRIES: usize = 400;

/// The smallest world found that goes wrong, too.
pub(crate) fn shrink(hostile: &Hostile) -> Hostile {
    let Some(law) = judge(hostile).wrong.map(|wrong| wrong.law) else { return hostile.clone() };
    let mut smallest = hostile.clone();
    let mut tries = 0;
    loop {
        let smaller = simplifications(&smallest).into_iter().find(|smaller| {
            tries += 1;
            tries <= TRIES && judge(smaller).wrong.is_some_and(|wrong| wrong.law == law)
        });
        match smaller {
            Some(smaller) => smallest = smaller,
            None => return smallest,
        }
    }
}

/// Worlds with one thing less.
fn simplifications(hostile: &Hostile) -> Vec<Hostile> {
    let mut smaller = Vec::new();
    let mut without = |change: &dyn Fn(&mut Hostile)| {
        let mut changed = hostile.clone();
        change(&mut changed);
        smaller.push(changed);
    };
    let plan = &hostile.plan;
    if plan.faults.until > Duration::from_mins(1) {
        without(&|world| {
            world.plan.faults.until /= 2;
            let until = world.plan.faults.until;
            world.plan.faults.disturbances.retain(|(at, _)| *at < until);
            world.conditions.troubles.0.retain(|(at, ..)| *at < until);
        });
    }
    for place in 0..plan.pools.len() {
        // ScaledJobs keep their places, which disturbances name.
        let id = plan.pools[place].id;
        if plan.pools.len() > 1 && plan.scaled_jobs.iter().all(|made| made.pool != id) {
            without(&|world| {
                world.plan.pools.remove(place);
            });
        }
        if !plan.pools[place].agents.is_empty() {
            without(&|world| {
                world.plan.pools[place].agents.pop();
            });
        }
        if !plan.pools[place].arrivals.kinds.is_empty() {
            without(&|world| {
                world.plan.pools[place].arrivals.kinds.pop();
            });
            without(&|world| world.plan.pools[place].arrivals.kinds.truncate(1));
        }
    }
    if plan.scaled_jobs.len() > 1 {
        without(&|world| {
            world.plan.scaled_jobs.pop();
            let count = world.plan.scaled_jobs.len();
            world
                .plan
                .faults
                .disturbances
                .retain(|(_, disturbance)| disturbance.place().is_none_or(|place| place < count));
        });
    }
    for place in 0..plan.faults.disturbances.len() {
        without(&|world| {
            world.plan.faults.disturbances.remove(place);
        });
    }
    for place in 0..hostile.conditions.troubles.0.len() {
        without(&|world| {
            world.conditions.troubles.0.remove(place);
        });
    }
    if plan.faults.per_mille > 0 {
        without(&|world| world.plan.faults.per_mille = 0);
        for place in 0..plan.faults.fates.len() {
            without(&|world| {
                world.plan.faults.fates.remove(place);
            });
        }
    }
    for parallelism in azp_scaler::job_request::Parallelism::ALL {
        if plan.parallel_jobs.of(parallelism).is_some() {
            without(&|world| *world.plan.parallel_jobs.of_mut(parallelism) = None);
        }
    }
    smaller
}
