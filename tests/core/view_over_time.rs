//! What the cluster's view says at one moment and what holds at the next: triggers that never ask, ScaledJobs that are gone,
//! a view that is lost, and Azure silent for long while the cluster is seen.

use std::{collections::BTreeMap, sync::Arc};

use azp_scaler::{
    cluster_view::{JobState, KubernetesJob, StartFailure},
    parallel_jobs::{Headroom, Ledger},
    pool::{Pool, Rules},
    trigger::Strategy,
};

use super::{scene::*, view::*};

fn new_pool() -> Pool {
    Pool::new(7, Rules::default(), Arc::new(Ledger::new(Headroom::Quarter)))
}

/// Two ScaledJobs that both fit the jobs, of which KEDA asks about the second alone; what that is told at each of these seconds,
/// the first one having these Kubernetes Jobs from then on.
fn told_beside(seconds: &[i64], jobs_of_the_other: impl Fn(i64) -> Vec<KubernetesJob>) -> Vec<u64> {
    let (small, large) = (trigger("S", "docker"), trigger("L", "docker, java"));
    let mut pool = new_pool();
    pool.announce(vec![Arc::new(small.clone()), Arc::new(large.clone())], true);
    let ask = |pool: &mut Pool, second: &i64| {
        let small = shown(small.clone(), jobs_of_the_other(*second));
        pool.see(Some(view(&[small, shown(large.clone(), [])])));
        let look = snapshot(*second, &jobs(*second, 2, &["docker"]), &[]);
        pool.ask(&Arc::new(large.clone()), &look, at(*second)).unwrap().value
    };
    seconds.iter().map(|second| ask(&mut pool, second)).collect()
}

#[test]
fn a_scaled_job_for_which_keda_does_nothing_holds_its_jobs_for_five_minutes() {
    let seconds = [100, 200, 399, 400, 410, 500];
    assert_eq!(told_beside(&seconds, |_| Vec::new()), [0, 0, 0, 2, 2, 2], "from the first job on");
    let late =
        |second| if second < 500 { Vec::new() } else { vec![KubernetesJob { created_at: at(450), ..pending("S-a") }] };
    assert_eq!(told_beside(&seconds, late), [0, 0, 0, 2, 2, 2]);
    assert_eq!(told_beside(&[100, 400, 500, 510], late), [0, 2, 2, 0], "KEDA has begun to");
}

#[test]
fn a_scaled_job_that_another_replica_is_asked_about_keeps_its_jobs() {
    let created = |second| vec![KubernetesJob { created_at: at(second), ..running("S-a") }];
    assert_eq!(told_beside(&[100, 300, 500, 700, 900], created), [0; 5]);
}

#[test]
fn nothing_holds_of_what_was_decided_for_a_scaled_job_that_is_deleted() {
    let only = shown(trigger("T", ""), []);
    let mut scene = scene(&[only]);
    assert_eq!(scene.look(&jobs(1, 2, &[]), &[]).0, [2]);
    scene.pool.see(Some(view(&[])));
    assert!(scene.pool.current().is_none());
    scene.pool.refresh(&snapshot(5, &jobs(1, 2, &[]), &[]), at(5));
    assert!(scene.pool.current().is_none());
}

#[test]
fn what_the_scaled_job_says_of_itself_holds_while_the_view_is_lost_and_whatever_its_pods_are_called() {
    let declared = with(Strategy::Accurate);
    let (agents, mut queue): (Vec<_>, Vec<_>) =
        ["T-a", "T-b", "T-c"].into_iter().zip(5..).map(|(name, id)| busy(name, id)).unzip();
    queue.extend(jobs(1, 2, &[]));
    // The metadata say nothing of the strategy.
    let asks = || Scene::of(new_pool(), [trigger("T", "")]);
    let mut scene = asks();
    scene.pool.announce(Vec::new(), true);
    scene.pool.see(Some(view(&[shown(declared.clone(), ["T-a", "T-b", "T-c"].map(running))])));
    assert_eq!(scene.look(&queue, &agents).0, [2]);
    scene.pool.see(None);
    assert_eq!(scene.look_for(31, &queue, &agents).0, [2], "accurate, though nobody shows it");

    let mut scene = asks();
    scene.pool.announce(Vec::new(), true);
    scene.pool.see(Some(view(&[shown(declared, ["other-a", "other-b", "other-c"].map(running))])));
    assert_eq!(scene.look(&queue, &agents).0, [2], "accurate, though its pods don't bear the agents' names");
}

#[test]
fn a_scaled_job_that_is_edited_while_the_view_is_lost_goes_by_its_metadata() {
    let (mut narrow, mut wide) = (trigger("T", ""), trigger("T", ""));
    for (trigger, most) in [(&mut narrow, 1), (&mut wide, 5)] {
        trigger.max_replicas = most;
        trigger.id.metadata = Arc::new(BTreeMap::from([("maxReplicaCount".to_owned(), most.to_string())]));
    }
    let mut scene = Scene::of(new_pool(), [narrow.clone()]);
    scene.pool.announce(Vec::new(), true);
    scene.pool.see(Some(view(&[shown(narrow, [])])));
    let queue = jobs(1, 9, &[]);
    assert_eq!(scene.look(&queue, &[]).0, [1]);
    scene.pool.see(None);
    assert_eq!(scene.look_for(31, &queue, &[]).0, [1]);
    scene.triggers = vec![Arc::new(wide)];
    assert_eq!(scene.look_for(10, &queue, &[]).0, [5]);
}

#[test]
fn a_maximum_that_is_not_in_the_metadata_is_the_scaled_jobs_own() {
    let mut declared = trigger("T", "");
    declared.max_replicas = 150;
    let (mut silent, mut says) = (trigger("T", ""), trigger("T", ""));
    (silent.max_replicas, says.max_replicas) = (100, 100);
    says.id.metadata = Arc::new(BTreeMap::from([("maxReplicaCount".to_owned(), "100".to_owned())]));
    for (asks, value) in [(silent, 150), (says, 100)] {
        let mut scene = Scene::of(new_pool(), [asks]);
        scene.pool.announce(Vec::new(), true);
        scene.pool.see(Some(view(&[shown(declared.clone(), [])])));
        assert_eq!(scene.look(&jobs(1, 180, &[]), &[]).0, [value]);
    }
}

#[test]
fn an_outage_teaches_no_patience() {
    let mut slow = shown(trigger("T", ""), [pending("T-a")]);
    let mut scene = scene(std::slice::from_ref(&slow));
    let queue = [job(1, &[])];
    scene.look(&queue, &[]);
    // An hour in which Azure says nothing; the agent has come at some time in it.
    scene.seconds += 3_600;
    scene.look(&queue, &[agent("T-a", "")]);
    assert!(scene.pool.take_start_ups().is_empty(), "nobody knows how long it took");
    slow.jobs = vec![KubernetesJob { created_at: at(3_602), ..pending("T-b") }];
    scene.pool.see(Some(view(std::slice::from_ref(&slow))));
    scene.look_for(310, &queue, &[]);
    assert_eq!(scene.pool.take_start_failures(), BTreeMap::from([(StartFailure::NotRegistered, 1)]));
}

#[test]
fn a_list_of_agents_that_is_older_than_a_start_can_judge_it_by_says_nothing_of_it() {
    let started = shown(trigger("T", ""), [running("T-a")]);
    let mut scene = scene(std::slice::from_ref(&started));
    let queue = [job(1, &[])];
    scene.look(&queue, &[]);
    let old = snapshot(scene.seconds, &queue, &[]);
    // Azure is silent while a pod changes and somebody looks.
    let mut changed = started.clone();
    changed.jobs[0].state = JobState::Unfinished { is_pending: true };
    scene.pool.see(Some(view(&[changed])));
    scene.pool.note(&scene.triggers[0], at(999)).unwrap();
    scene.pool.refresh(&old, at(1_000));
    assert!(scene.pool.take_start_failures().is_empty());
    scene.pool.refresh(&snapshot(1_001, &queue, &[]), at(1_001));
    assert_eq!(scene.pool.take_start_failures().len(), 1, "it has not come, and that is known now");
}
