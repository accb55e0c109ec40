//! The simulated world from outside: its laws, its stories, and the real decision core in it.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]
#![expect(clippy::cast_precision_loss, reason = "counts of jobs are small")]
#![expect(clippy::print_stdout, reason = "the totals by cause are for people")]

#[path = "simulator/licences.rs"]
mod licences;
#[path = "simulator/live.rs"]
mod live;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use azp_scaler::{
    demand::DemandSet,
    job_request::RequestId,
    pool::Rules,
    simulator::{
        World,
        claims::{Basis, Cause},
        demo,
        keda::Reply,
        organization::SimulatedRequest,
        virtual_run::{Conditions, VirtualRun},
    },
};
use jiff::{SignedDuration, Timestamp};

const SEEDS: u64 = 200;

fn conditions() -> Conditions {
    let rules = Rules { settle: SignedDuration::from_secs(1), ..Rules::default() };
    Conditions { rules, ..Conditions::default() }
}

/// A minute of arrivals with the real core, then all that waits is run.
fn run_demo(seed: u64, conditions: Conditions) -> VirtualRun {
    let mut run = VirtualRun::new(demo::plan(seed, Timestamp::UNIX_EPOCH), conditions);
    run.run_until(Duration::from_mins(1));
    let drained = run.drain(Duration::from_mins(10));
    assert!(drained, "seed {seed}: some jobs never ran\n{}", run.world.story());
    run
}

#[test]
fn the_core_runs_every_job_and_every_surplus_agent_has_a_cause() {
    let mut causes: BTreeMap<Cause, u64> = BTreeMap::new();
    let (mut jobs, mut started, mut needed) = (0, 0, 0);
    for seed in 0..SEEDS {
        let run = run_demo(seed, conditions());
        let summary = run.world.summary();
        assert_eq!(summary.unexplained(), 0, "seed {seed}:\n{summary}\n{}", run.world.story());
        assert_eq!(summary.failed_polls, 0, "seed {seed}");
        jobs += summary.jobs_run;
        started += summary.agents_started;
        needed += summary.jobs_on_started_agents;
        for (cause, count) in summary.surplus_by_cause {
            *causes.entry(cause).or_default() += count;
        }
    }
    assert!(jobs > SEEDS * 50, "only {jobs} jobs ran");
    println!("{jobs} jobs, {started} agents started, {needed} jobs needed one; surplus by cause: {causes:?}");
}

#[test]
fn a_scaler_that_answers_at_once_from_what_is_there_is_never_too_late() {
    for seed in 0..20 {
        let run = run_demo(seed, Conditions { fresh_for: Duration::ZERO, latency: 0..=0, ..conditions() });
        let summary = run.world.summary();
        let stale = [Cause::StaleJob, Cause::StaleAgent].map(|cause| summary.surplus_by_cause.contains_key(&cause));
        assert_eq!(stale, [false, false], "seed {seed}:\n{summary}\n{}", run.world.story());
        assert_eq!(summary.unexplained(), 0, "seed {seed}:\n{summary}\n{}", run.world.story());
    }
}

#[test]
fn the_same_seed_tells_the_same_story() {
    let tell = |seed| {
        let run = run_demo(seed, conditions());
        (run.world.story(), serde_json::to_string(&run.world.summary()).unwrap())
    };
    assert_eq!(tell(1), tell(1));
    assert_ne!(tell(1).0, tell(2).0);
}

/// A scaler that sees the world itself: each queued job counts for the first ScaledJob that fits it, and so does each
/// unfinished Kubernetes Job whose agent has had its job.
fn oracle(world: &World, scaled_job: usize) -> (Reply, Basis) {
    let cluster = world.cluster();
    let served = cluster.scaled_jobs[scaled_job].plan.pool;
    let fits = |place: usize, demands: &DemandSet| {
        let scaled_job = &cluster.scaled_jobs[place];
        scaled_job.plan.pool == served && scaled_job.registers_with.capabilities.satisfies(demands)
    };
    let pool = world.pool(served).unwrap();
    let wanted: Vec<RequestId> = pool
        .queued()
        .filter(|request| {
            let demands = DemandSet::parse(request.kind.demands.iter());
            (0..cluster.scaled_jobs.len()).find(|place| fits(*place, &demands)) == Some(scaled_job)
        })
        .map(|request| request.id)
        .collect();
    let used =
        cluster.jobs.values().filter(|job| job.scaled_job == scaled_job && !job.is_unused() && !job.is_finished());
    let value = wanted.len() + used.count();
    let reply = Reply { value: value as f64, target: 1.0, active: value > 0 };
    (reply, Basis { seen_at: world.now(), wanted, ..Basis::default() })
}

/// A minute of arrivals and three to run what waits, with a scaler of the test's own.
fn run_with(seed: u64, scaler: impl Fn(&World, usize) -> (Reply, Basis)) -> World {
    let mut world = World::new(demo::plan(seed, Timestamp::UNIX_EPOCH));
    let poll = |world: &mut World, scaled_job| {
        let (reply, basis) = scaler(world, scaled_job);
        world.reply(scaled_job, reply, &basis);
    };
    world.run_until(Duration::from_mins(1), poll);
    world.stop_arrivals();
    world.run_until(Duration::from_mins(4), poll);
    world
}

#[test]
fn a_scaler_that_sees_all_runs_every_job() {
    for seed in 0..20 {
        let world = run_with(seed, oracle);
        let summary = world.summary();
        assert!(world.is_drained(), "seed {seed}:\n{}", world.story());
        assert_eq!(summary.unexplained(), 0, "seed {seed}:\n{summary}\n{}", world.story());
    }
}

#[test]
fn a_scaler_that_asks_for_one_too_many_is_found_out() {
    for seed in 0..5 {
        let world = run_with(seed, |world, scaled_job| {
            let (reply, basis) = oracle(world, scaled_job);
            let one_too_many = usize::from(reply.active);
            (Reply { value: reply.value + one_too_many as f64, ..reply }, basis)
        });
        let summary = world.summary();
        assert!(summary.unexplained() > 0, "seed {seed}:\n{summary}");
    }
}

#[test]
fn a_scaler_that_counts_a_job_for_each_scaled_job_it_fits_starts_agents_twice() {
    let mut twice = 0;
    for seed in 0..20 {
        let world = run_with(seed, |world, scaled_job| {
            let cluster = world.cluster();
            let registers_with = &cluster.scaled_jobs[scaled_job].registers_with;
            let fits = |request: &&SimulatedRequest| {
                registers_with.capabilities.satisfies(&DemandSet::parse(request.kind.demands.iter()))
            };
            let queued = world.pool(demo::POOL_ID).unwrap().queued();
            let wanted: Vec<RequestId> = queued.filter(fits).map(|request| request.id).collect();
            let (perfect, basis) = oracle(world, scaled_job);
            let value = perfect.value - basis.wanted.len() as f64 + wanted.len() as f64;
            (Reply { value, active: value > 0.0, ..perfect }, Basis { wanted, ..basis })
        });
        let summary = world.summary();
        assert_eq!(summary.unexplained(), 0, "seed {seed}:\n{summary}\n{}", world.story());
        let count = |cause| summary.surplus_by_cause.get(&cause).copied().unwrap_or(0);
        twice += count(Cause::StartedTwice) + count(Cause::WasIdle);
    }
    assert!(twice > 2, "only {twice}");
}

#[test]
fn azure_gives_the_oldest_job_to_an_agent_that_satisfies_it_and_one_at_a_time() {
    for seed in 0..10 {
        let mut world = World::new(demo::plan(seed, Timestamp::UNIX_EPOCH));
        let mut before: BTreeMap<RequestId, (bool, DemandSet)> = BTreeMap::new();
        let mut assignments = 0;
        while world.now() < Duration::from_mins(1) {
            let next = world.next_at().unwrap();
            world.run_until(next, |world, scaled_job| {
                let (reply, basis) = oracle(world, scaled_job);
                world.reply(scaled_job, reply, &basis);
            });
            let pool = world.pool(demo::POOL_ID).unwrap();
            let mut holders = BTreeSet::new();
            for request in pool.requests.values() {
                let Some(agent) = request.agent else { continue };
                assert!(holders.insert(agent), "agent {agent} holds two jobs");
                let agent = &pool.agents[&agent];
                let demands = DemandSet::parse(request.kind.demands.iter());
                assert!(agent.online && agent.enabled && agent.registered.capabilities.satisfies(&demands));
                assert_eq!(agent.assigned, Some(request.id));
                assert_eq!(agent.last_completed.filter(|_| agent.ephemeral), None, "one job each");
                if request.assigned_at == Some(world.now())
                    && before.get(&request.id).is_some_and(|(queued, _)| *queued)
                {
                    assignments += 1;
                    let older = before.range(..request.id).filter(|(id, (queued, _))| *queued && pool.is_queued(**id));
                    for (id, (_, demands)) in older {
                        assert!(
                            !agent.registered.capabilities.satisfies(demands),
                            "job {id} is older and fits {}",
                            agent.name
                        );
                    }
                }
            }
            let known = |request: &SimulatedRequest| {
                (request.id, (request.agent.is_none(), DemandSet::parse(request.kind.demands.iter())))
            };
            before = pool.requests.values().map(known).collect();
        }
        assert!(assignments > 20, "seed {seed}: {assignments} assignments seen");
    }
}
