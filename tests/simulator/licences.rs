//! Azure's licences in the simulated organisation: all pools share them, and no job is forgotten for want of one.

use std::time::Duration;

use azp_scaler::{
    job_request::Parallelism,
    parallel_jobs::Each,
    simulator::{Plan, World, demo, organization::SimulatedPool, virtual_run::VirtualRun},
};
use jiff::Timestamp;

use crate::{conditions, oracle};

/// The demo twice: two pools of one organisation, each with its ScaledJobs. Every fourth kind of job is a public project's.
fn two_pools(seed: u64, limit: Option<u32>) -> Plan {
    let mut plan = demo::plan(seed, Timestamp::UNIX_EPOCH);
    for kind in plan.pools[0].arrivals.kinds.iter_mut().step_by(4) {
        kind.parallelism = Parallelism::Public;
    }
    let mut second = plan.pools[0].clone();
    (second.id, second.name) = (demo::POOL_ID + 1, "second-pool".into());
    plan.pools.push(second);
    for scaled_job in plan.scaled_jobs.clone() {
        let mut scaled_job = scaled_job;
        scaled_job.pool = demo::POOL_ID + 1;
        scaled_job.id.name = format!("second-{}", scaled_job.id.name).into();
        plan.scaled_jobs.push(scaled_job);
    }
    *plan.parallel_jobs.of_mut(Parallelism::Private) = limit;
    plan
}

/// Jobs that have an agent, in all pools.
fn running(world: &World, parallelism: Parallelism) -> u32 {
    let requests = world.pools().flat_map(|pool| pool.requests.values());
    let running = requests.filter(|request| request.agent.is_some() && request.kind.parallelism == parallelism);
    u32::try_from(running.count()).unwrap()
}

/// Steps from event to event with a scaler that sees all, and looks at each moment.
fn step(world: &mut World, until: Duration, mut look: impl FnMut(&World)) {
    while let Some(next) = world.next_at().filter(|next| *next <= until) {
        world.run_until(next, |world, scaled_job| {
            let (reply, basis) = oracle(world, scaled_job);
            world.reply(scaled_job, reply, &basis);
        });
        look(world);
    }
}

#[test]
fn never_more_jobs_run_than_there_are_licences_and_all_of_them_run() {
    for seed in 0..10 {
        let mut world = World::new(two_pools(seed, Some(3)));
        let mut most = Each::<u32>::default();
        step(&mut world, Duration::from_mins(1), |world| {
            for parallelism in Parallelism::ALL {
                let runs = running(world, parallelism);
                assert_eq!(world.parallel_jobs(parallelism).1, runs, "seed {seed}: {parallelism:?}");
                *most.of_mut(parallelism) = runs.max(*most.of(parallelism));
            }
        });
        assert_eq!(*most.of(Parallelism::Private), 3, "seed {seed}");
        assert!(*most.of(Parallelism::Public) > 3, "seed {seed}: public jobs are not limited");
        world.stop_arrivals();
        step(&mut world, Duration::from_mins(20), |_| ());
        assert!(world.is_drained(), "seed {seed}:\n{}", world.story());
    }
}

#[test]
fn a_limit_may_change_while_jobs_run() {
    let private = Parallelism::Private;
    let mut world = World::new(two_pools(1, None));
    let mut unlimited = 0;
    step(&mut world, Duration::from_secs(40), |world| unlimited = unlimited.max(running(world, private)));
    assert!(unlimited > 4, "{unlimited}");

    world.set_parallel_jobs(private, Some(0));
    step(&mut world, Duration::from_mins(2), |_| ());
    assert_eq!(world.parallel_jobs(private), (Some(0), 0), "what ran has run, and nothing else");
    let waiting = world.pools().flat_map(SimulatedPool::queued).count();
    assert!(waiting > 20, "{waiting}");

    world.stop_arrivals();
    world.set_parallel_jobs(private, Some(2));
    let mut most = 0;
    step(&mut world, Duration::from_mins(3), |world| most = most.max(running(world, private)));
    assert_eq!(most, 2);
    world.set_parallel_jobs(private, None);
    step(&mut world, Duration::from_mins(6), |_| ());
    assert!(world.is_drained(), "{}", world.story());
}

#[test]
fn a_plan_without_limits_tells_the_story_it_always_told() {
    let tell = |limit| {
        let mut plan = demo::plan(3, Timestamp::UNIX_EPOCH);
        *plan.parallel_jobs.of_mut(Parallelism::Public) = limit;
        let mut run = VirtualRun::new(plan, conditions());
        run.run_until(Duration::from_mins(1));
        run.world.story()
    };
    assert_eq!(tell(None), tell(Some(0)), "the limit of what there is none of draws no chance");
}
