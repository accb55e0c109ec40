//! Parallel jobs: who takes those that are left, and how the pools of an organisation share them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use azp_scaler::{
    assignment::{self, World},
    decision::Placement,
    job_request::Parallelism,
    parallel_jobs::{Cap, Caps, Each, Headroom, Ledger, Usage},
    pool::{Pool, Rules},
    snapshot::Snapshot,
    trigger::Trigger,
};
use jiff::SignedDuration;
use proptest::{collection::vec, prelude::*};

use super::scene::*;

fn with_max(mut trigger: Trigger, max: u32) -> Trigger {
    trigger.max_replicas = max;
    trigger
}

fn public(job: Job) -> Job {
    Job { parallelism: Some(Parallelism::Public), ..job }
}

#[test]
fn case_12_no_more_agents_than_licences() {
    let agents = [agent("vm-1", ""), agent("vm-2", "")];
    let running = (11..).zip(&agents).map(|(id, agent)| job(id, &[]).on(agent));
    let queue: Vec<Job> = jobs(1, 10, &[]).into_iter().chain(running).collect();
    let (values, decision) = Scene::under(&limited(5, 0, 0), [trigger("T", "")]).look(&queue, &agents);
    assert_eq!(values, [3]);
    assert_eq!(count(&decision, "waiting-for-parallel-job"), 7);
    assert_eq!(starter(&decision, 3), Some("T"));
    assert_eq!(starter(&decision, 4), None, "the oldest go first");
}

#[test]
fn case_31_a_job_without_a_licence_takes_no_slot() {
    let queue = [job(1, &[]), public(job(2, &[]))];
    let (values, decision) = Scene::under(&limited(2, 2, 0), [with_max(trigger("T", ""), 1)]).look(&queue, &[]);
    assert_eq!(values, [1]);
    assert_eq!(placement(&decision, 1), Placement::WaitingForParallelJob);
    assert_eq!(starter(&decision, 2), Some("T"));
}

#[test]
fn a_job_without_a_slot_takes_no_licence() {
    let queue = [jobs(1, 9, &["gpu"]), jobs(10, 2, &["java"])].concat();
    let triggers = [with_max(trigger("G", "gpu"), 1), trigger("J", "java")];
    let (values, decision) = Scene::under(&limited(3, 0, 0), triggers).look(&queue, &[]);
    assert_eq!(values, [1, 2], "{:#?}", decision.jobs);
    assert_eq!(count(&decision, "waiting-for-capacity"), 8);
    let (values, _) = Scene::under(&limited(3, 0, 0), [trigger("J", "java")]).look(&queue, &[]);
    assert_eq!(values, [2], "jobs that nobody can run take none either");
}

#[test]
fn headroom_keeps_agents_ready_while_jobs_wait() {
    let scene = |headroom| Scene::under(&limited(8, 8, headroom), [trigger("T", "")]);
    assert_eq!(scene(0).look(&jobs(1, 5, &[]), &[]).0, [0]);
    assert_eq!(scene(2).look(&jobs(1, 5, &[]), &[]).0, [2]);
    assert_eq!(scene(2).look(&[], &[]).0, [0]);
}

#[test]
fn a_job_with_an_agent_takes_a_licence_too_and_none_has_an_agent_without_one() {
    let idle = [agent("vm-1", "docker"), agent("T-a", "docker")];
    let (values, decision) =
        Scene::under(&limited(1, 0, 0), [trigger("T", "docker")]).look(&jobs(1, 3, &["docker"]), &idle);
    assert_eq!(values, [0]);
    assert_eq!(count(&decision, "idle-agent"), 1);
    assert_eq!(count(&decision, "waiting-for-parallel-job"), 2);
}

#[test]
fn an_idle_agent_serves_the_job_that_has_a_licence() {
    let queue = [job(1, &[]), public(job(2, &[]))];
    let (values, decision) = Scene::under(&limited(1, 1, 0), [trigger("T", "")]).look(&queue, &[agent("vm-1", "")]);
    assert_eq!(values, [0]);
    assert_eq!(placement(&decision, 2), Placement::IdleAgent { agent: 0 });
}

#[test]
fn pools_share_what_there_is_and_the_older_job_goes_first() {
    let ledger = limited(3, 0, 0);
    let rules = Rules { settle: SignedDuration::from_secs(5), ..Rules::default() };
    let pool = |id| Scene::of(Pool::new(id, rules, Arc::clone(&ledger)), [trigger("T", "")]);
    let (mut one, mut other) = (pool(1), pool(2));
    assert_eq!(one.look(&jobs(10, 2, &[]), &[]).0, [2]);
    assert_eq!(other.look(&jobs(20, 2, &[]), &[]).0, [1]);
    // A licence more: the job of the other pool has waited longer than the new one of the first.
    limit_to(&ledger, 4, 0);
    assert_eq!(one.look(&jobs(10, 20, &[])[..2].iter().cloned().chain([job(30, &[])]).collect::<Vec<_>>(), &[]).0, [2]);
    assert_eq!(other.look(&jobs(20, 2, &[]), &[]).0, [2]);
    assert_eq!(one.look(&[job(30, &[])], &[]).0, [1]);
}

#[test]
fn a_pool_whose_triggers_are_forgotten_gives_back_what_it_took() {
    let ledger = limited(3, 0, 0);
    let rules = Rules { settle: SignedDuration::from_secs(5), ..Rules::default() };
    let pool = |id| Scene::of(Pool::new(id, rules, Arc::clone(&ledger)), [trigger("T", "")]);
    let (mut left, mut asked) = (pool(1), pool(2));
    assert_eq!(left.look_for(9, &jobs(1, 2, &[]), &[]).0, [2]);
    assert_eq!(asked.look_for(9, &jobs(11, 9, &[]), &[]).0, [1]);
    // Nobody asks about the first any more; somebody looks at it.
    left.pool.refresh(&snapshot(100, &jobs(1, 2, &[]), &[]), at(100));
    assert_eq!(asked.look(&jobs(11, 9, &[]), &[]).0, [3]);
}

#[test]
fn what_is_not_known_or_not_limited_caps_nothing() {
    let ledger = Arc::new(Ledger::new(Headroom::Quarter));
    let mut scene = Scene::under(&ledger, [trigger("T", "")]);
    assert_eq!(scene.look(&jobs(1, 9, &[]), &[]).0, [9]);
    let usage = Usage { limit: None, running: azp_scaler::parallel_jobs::Running::Total(50) };
    ledger.learn(Parallelism::Private, Some(usage));
    assert_eq!(scene.look(&jobs(1, 9, &[]), &[]).0, [9]);
    limit_to(&ledger, 2, 0);
    assert_eq!(scene.look(&jobs(1, 9, &[]), &[]).0, [3], "a quarter of two, rounded up, is one more");
}

/// What one job of a small world asks for, and whether it is public.
type Asked = (usize, bool);

const NAMES: [&str; 3] = ["docker", "java", "gpu"];

fn look(asked: &[Asked], idle: &[usize]) -> Arc<Snapshot> {
    let queue: Vec<Job> = (1..)
        .zip(asked)
        .map(|(id, (name, is_public))| {
            let made = job(id, &[NAMES[*name]]);
            if *is_public { public(made) } else { made }
        })
        .collect();
    let agents: Vec<_> =
        idle.iter().enumerate().map(|(place, name)| agent(&format!("vm-{place}"), NAMES[*name])).collect();
    snapshot(0, &queue, &agents)
}

fn decide(look: &Arc<Snapshot>, maxima: &[u32], homes: &[Option<u32>], caps: &Caps) -> Vec<Placement> {
    let triggers: Vec<Arc<Trigger>> =
        NAMES.iter().zip(maxima).map(|(name, max)| Arc::new(with_max(trigger(name, name), *max))).collect();
    let mut triggers = triggers;
    triggers.sort_by(|one, other| one.id.cmp(&other.id));
    let world = World {
        snapshot: look,
        triggers: &triggers,
        homes,
        settling: None,
        caps,
        distrusted: &BTreeSet::new(),
        held: &BTreeMap::new(),
        starts: &[],
        cluster: &[],
        written: &[],
        learned: &[],
        now: at(1),
    };
    assignment::decide(&world).0.jobs
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Where each job asks for one of three things, what must come out can be said without any matching: walk the jobs in
    /// order; each takes an idle agent or a slot of its kind and a licence of its own, if both are left.
    #[test]
    fn in_order_each_takes_a_place_and_a_licence_or_neither(
        asked in vec((0..3_usize, any::<bool>()), 0..14),
        idle in vec(0..3_usize, 0..4),
        maxima in vec(0..4_u32, 3),
        limit in 0..8_u32,
        elsewhere in 0..4_u32,
        headroom in 0..3_u32,
        picks in vec(0..4_u32, 14),
    ) {
        let look = look(&asked, &idle);
        let cap = Cap { limit, headroom, running_elsewhere: elsewhere, ..Cap::default() };
        let caps: Caps = Each::new(|parallelism| (parallelism == Parallelism::Private).then(|| cap.clone()));
        let homes: Vec<Option<u32>> = picks.iter().take(asked.len()).map(|pick| Some(*pick).filter(|home| *home < 3)).collect();
        for homes in [&[][..], &homes] {
            let decided = decide(&look, &maxima, homes, &caps);
            let mut places: Vec<u32> = NAMES.iter().enumerate().map(|(name, _)| {
                maxima[name] + u32::try_from(idle.iter().filter(|agent| **agent == name).count()).unwrap()
            }).collect();
            let mut licences = (limit + headroom).saturating_sub(elsewhere);
            for ((name, is_public), placement) in asked.iter().zip(&decided) {
                let (no_place, no_licence) = (places[*name] == 0, !is_public && licences == 0);
                match placement.label() {
                    "waiting-for-capacity" => prop_assert!(no_place, "{:?}", decided),
                    "waiting-for-parallel-job" => prop_assert!(no_licence, "{:?}", decided),
                    _ => {
                        prop_assert!(!no_place && !no_licence, "{:?}", decided);
                        places[*name] -= 1;
                        licences -= u32::from(!is_public);
                    }
                }
            }
        }
    }
}
