//! What agents are, and what the two answers of Azure say of them together: cases beside those of the specification.

use std::sync::Arc;

use azp_scaler::{
    agent::Agent,
    decision::{AgentState, Placement},
    job_request::RequestId,
    snapshot::Snapshot,
};

use super::scene::*;

#[test]
fn disabled_agents_take_no_jobs() {
    let disabled = |name| Agent { enabled: false, ..agent(name, "") };
    let (values, decision) = Scene::new([trigger("T", "")]).look(&jobs(1, 4, &[]), &[disabled("vm-1")]);
    assert_eq!(values, [4]);
    assert_eq!(decision.agents[0].state, AgentState::Disabled);
    let (values, _) = Scene::new([trigger("T", "")]).look(&jobs(1, 4, &[]), &[disabled("T-a")]);
    assert_eq!(values, [5], "A 4 + X 1: its Kubernetes Job runs on, and KEDA subtracts it");
}

#[test]
fn a_grace_ends_in_the_moment_it_says() {
    // The look is decided about a second after it was taken.
    for (offline_for, label) in [(118, "running"), (119, "lost-agent")] {
        let gone = offline(agent("T-a", ""), offline_for);
        let queue = [job(1, &[]), job(2, &[]).on(&gone)];
        let (_, decision) = Scene::new([trigger("T", "")]).look(&queue, &[gone]);
        assert_eq!(placement(&decision, 2).label(), label);
    }
}

#[test]
fn a_job_leaves_the_agent_that_others_need_more() {
    let agents = [agent("a-large", "docker, gpu"), agent("b-large", "docker, gpu"), agent("c-small", "docker")];
    let queue = [job(1, &["docker"]), job(2, &["docker", "gpu"])];
    let (_, decision) = Scene::new([trigger("T", "docker")]).look(&queue, &agents);
    assert_eq!(placement(&decision, 1), Placement::IdleAgent { agent: 2 });
    assert_eq!(placement(&decision, 2), Placement::IdleAgent { agent: 0 });
}

#[test]
fn an_older_list_of_agents_does_not_overrule_a_newer_list_of_jobs() {
    let holder = Agent { assigned: Some(RequestId(1)), ..agent("T-a", "") };
    let done = Agent { last_completed: Some(RequestId(2)), ..agent("T-b", "") };
    let newer = snapshot(10, &jobs(1, 2, &[]), &[]);
    let queue = || {
        let mut queue = azp_scaler::snapshot::Queue::default();
        queue.intern::<&str>(&[]);
        queue.jobs.clone_from(&newer.jobs);
        queue
    };
    let agents = Arc::new(vec![holder, done]);
    let queued = |agents_at| {
        let together = Snapshot::new(at(10), queue(), at(agents_at), Arc::clone(&agents));
        together.jobs.iter().map(|job| (job.id.0, job.is_queued())).collect::<Vec<_>>()
    };
    assert_eq!(queued(9), [(1, true), (2, true)], "the agent has given the job back since");
    assert_eq!(queued(10), [(1, false)]);
}

#[test]
fn an_agent_that_no_list_knows_yet_is_one_agent_whatever_it_runs() {
    let new = agent("T-new", "");
    let queue = [job(1, &[]), job(2, &[]).on(&new), job(3, &[]).on(&new)];
    let mut scene = Scene::new([trigger("T", "")]);
    let told = scene.pool.ask(&scene.triggers[0], &with_older_agents(&queue, &[]), at(1)).unwrap();
    assert_eq!(told.value, 2, "A 1 + R 1");
}

#[test]
fn what_a_new_job_says_of_its_agent_goes_before_an_older_list() {
    let back = offline(agent("T-a", ""), 600);
    let queue = [job(1, &[]), job(2, &[]).on(&back)];
    let mut scene = Scene::new([trigger("T", "")]);
    let told = scene.pool.ask(&scene.triggers[0], &with_older_agents(&queue, &[back]), at(1)).unwrap();
    assert_eq!(told.value, 2, "A 1 + R 1");
}

#[test]
fn a_grace_ends_though_nothing_else_changes() {
    let gone = offline(agent("T-a", ""), 30);
    let look = snapshot(0, &[job(1, &[]), job(2, &[]).on(&gone)], &[gone]);
    let mut scene = Scene::new([trigger("T", "")]);
    let mut told = |seconds| scene.pool.ask(&scene.triggers[0], &look, at(seconds)).unwrap().value;
    assert_eq!([1, 31, 61, 89, 90].map(&mut told), [2, 2, 2, 2, 1]);
}
