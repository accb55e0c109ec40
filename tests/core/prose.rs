//! What a person reads about each job.

use azp_scaler::{
    builtin::Builtin,
    decision::Decision,
    explain::{explain, served_elsewhere},
    job_request::RequestId,
    pool::{Pool, Rules},
    trigger::Trigger,
};
use jiff::SignedDuration;

use super::scene::*;

/// The summary and the reasons for the job with this number, a line each.
fn told(decision: &Decision, id: i64) -> String {
    told_at(3, decision, id)
}

/// The same for who asks at another time.
fn told_at(seconds: i64, decision: &Decision, id: i64) -> String {
    let place = decision.snapshot.jobs.iter().position(|job| job.id == RequestId(id)).unwrap();
    let explanation = explain(decision, place, at(seconds));
    let lines = [explanation.decision.to_owned(), explanation.summary].into_iter().chain(explanation.reasons);
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_decision_says_why() {
    let mut small = trigger("small", "docker");
    small.max_replicas = 2;
    let java = trigger("java", "docker, java=11");
    let own = agent("java-x1", "docker, java=11");
    let lost = offline(agent("small-x2", "docker"), 600);
    let idle = agent("vm-1", "gpu");
    let queue = [
        job(1, &["java"]).on(&own),
        job(2, &["docker"]).on(&lost),
        job(3, &["gpu"]),
        job(4, &["docker"]),
        job(5, &["java -equals 17", "docker"]),
        job(6, &["docker "]),
    ];
    let (_, decision) = Scene::new([small, java]).look(&queue, &[own, lost, idle]);
    insta::assert_snapshot!((1..=6).map(|id| told(&decision, id)).collect::<Vec<_>>().join("\n\n"), @r"
    running
    agent `java-x1` of agents/java has it

    lost-agent
    agent `small-x2` of agents/small has it, and is offline or without its pod: if it does not come back, Azure gives the job up when its lease runs out, usually within 10 minutes

    idle-agent
    agent `vm-1` is online and idle and can take it, so none is started

    assigned
    agents/small starts an agent for it
    agents/java fits, too; it comes later by priority, tightness of fit or name, or the job was given away before

    unmatched
    no ScaledJob offers what it demands: add the capabilities to one whose agents have them
    agents/java lacks `java = 17` (offers `11`)
    agents/small lacks `java = 17`

    not-understood
    it carries a demand that Azure Pipelines can't read, so what it needs is not known: mend the pipeline
    `docker ` is not a demand: expected `NAME`, `NAME -equals VALUE` or `NAME -gtVersion VERSION`
    ");
}

#[test]
fn a_job_that_waits_is_told_who_is_full() {
    let mut only = trigger("small", "docker");
    only.max_replicas = 1;
    let mut other = trigger("other", "docker, gpu");
    other.jobs_without_demands = azp_scaler::trigger::JobsWithoutDemands::Leave;
    let (_, decision) = Scene::new([only, other]).look(&[job(1, &[]), job(2, &[])], &[]);
    insta::assert_snapshot!(told(&decision, 2), @r"
    waiting-for-capacity
    every ScaledJob that fits is at its maximum; it gets an agent when one of theirs ends, or when a `maxReplicaCount` is raised
    agents/other leaves jobs without demands to others (`jobsWithoutDemands: leave`)
    agents/small fits and is at its maximum of 1 (agents up: 0, jobs given to it: 1)
    ");
}

#[test]
fn a_job_of_a_settling_pool_is_told_how_long() {
    let mut pool = pool(SignedDuration::from_secs(30));
    let look = snapshot(0, &jobs(1, 1, &[]), &[]);
    pool.ask(&std::sync::Arc::new(trigger("small", "docker")), &look, at(0)).unwrap();
    insta::assert_snapshot!(told(pool.current().unwrap(), 1), @r"
    settling
    the scaler has just begun to serve this pool and waits 27 s more for all ScaledJobs to have asked; as things stand agents/small would start an agent for it
    ");
}

#[test]
fn a_job_that_only_a_static_agent_can_run_is_told_which() {
    let busy = agent("vm-1", "warehouse");
    let queue = [job(1, &["warehouse"]).on(&busy), job(2, &["warehouse"])];
    let (_, decision) = Scene::new([trigger("small", "docker")]).look(&queue, &[busy]);
    insta::assert_snapshot!(told(&decision, 2), @r"
    unmatched
    no ScaledJob offers what it demands; it waits for agent `vm-1`, which is busy
    agents/small lacks `warehouse`
    ");
}

#[test]
fn a_job_that_a_trigger_counts_as_the_builtin_scaler_does_is_told_which() {
    let builtin = |name: &str, demands: &str| {
        let counts = Builtin { demands: demands.to_owned(), ..Builtin::default() };
        Trigger { builtin: Some(counts), ..trigger(name, "") }
    };
    // One without demands counts everything, which does not mean that its agents could run it.
    let triggers = || [builtin("all", ""), builtin("old", "java"), builtin("other", "gpu"), trigger("small", "docker")];
    let queue = [job(1, &["java"]), job(2, &["warehouse"]), job(3, &["docker"]), job(4, &["java"])];
    let (_, decision) = Scene::new(triggers()).look(&queue, &[]);
    insta::assert_snapshot!([1, 2].map(|id| told(&decision, id)).join("\n\n"), @r"
    unmatched
    no ScaledJob among which jobs are shared out offers what it demands; agents/old counts it as KEDA's built-in scaler does (`matching: builtin`), and starts agents by that number
    agents/all takes no part in sharing out jobs (`matching: builtin`)
    agents/old takes no part in sharing out jobs (`matching: builtin`)
    agents/other takes no part in sharing out jobs (`matching: builtin`)
    agents/small lacks `java`

    unmatched
    no ScaledJob offers what it demands: add the capabilities to one whose agents have them
    agents/all takes no part in sharing out jobs (`matching: builtin`)
    agents/old takes no part in sharing out jobs (`matching: builtin`)
    agents/other takes no part in sharing out jobs (`matching: builtin`)
    agents/small lacks `warehouse`
    ");
    assert_eq!(served_elsewhere(&decision), 2, "both that demand java");

    let busy = agent("vm-1", "warehouse");
    let queue = [queue.as_slice(), &[job(5, &["warehouse"]).on(&busy)]].concat();
    let (_, decision) = Scene::new(triggers()).look(&queue, &[busy]);
    assert_eq!(served_elsewhere(&decision), 3, "one waits for an agent");
}

#[test]
fn a_long_list_of_reasons_is_cut_and_counted() {
    let many = (0..30).map(|place| trigger(&format!("t{place:02}"), "docker"));
    let (_, decision) = Scene::new(many).look(&jobs(1, 1, &["gpu"]), &[]);
    let told = told(&decision, 1);
    assert_eq!(told.lines().count(), 2 + 20 + 1);
    assert!(told.ends_with("and 10 more"), "{told}");
}

#[test]
fn a_job_that_waits_for_a_parallel_job_is_told_how_many_there_are() {
    let told_under = |limit, running, headroom, queue: &[Job]| {
        let (_, decision) = Scene::under(&limited(limit, running, headroom), [trigger("T", "")]).look(queue, &[]);
        told(&decision, 9)
    };
    let waits = [jobs(1, 7, &[]), vec![job(9, &[])]].concat();
    insta::assert_snapshot!(told_under(15, 12, 4, &waits), @r"
    waiting-for-parallel-job
    the organization may run 15 jobs of private projects at once on self-hosted agents: 12 run, 7 more have or get an agent, 4 of them to be ready when a job ends; this one gets an agent when a job ends, or when more parallel jobs are bought
    ");
    insta::assert_snapshot!(told_under(1, 1, 0, &waits[6..]), @r"
    waiting-for-parallel-job
    the organization may run 1 job of private projects at once on self-hosted agents: 1 runs; this one gets an agent when a job ends, or when more parallel jobs are bought
    ");
    let rules = Rules { settle: SignedDuration::from_secs(60), ..Rules::default() };
    let mut scene = Scene::of(Pool::new(7, rules, limited(2, 1, 0)), [trigger("T", "")]);
    let (_, decision) = scene.look(&waits, &[]);
    insta::assert_snapshot!(told(&decision, 9), @r"
    waiting-for-parallel-job
    the organization may run 2 jobs of private projects at once on self-hosted agents: 1 runs, the rest is for jobs that stand in front of it; this one gets an agent when a job ends, or when more parallel jobs are bought
    ");
}

#[test]
fn a_job_whose_agent_does_not_come_is_told_when_the_next_is_tried() {
    let failing = trigger("T", "docker, gpu");
    let mut scene = Scene::new([failing, trigger("java", "java")]);
    let (queue, seconds) = (jobs(1, 5, &["docker"]), 305);
    let (_, decision) = scene.look_for(seconds, &queue, &[]);
    insta::assert_snapshot!(told_at(seconds, &decision, 1), @r"
    start-failing
    agents/T fits, but the agents that KEDA starts for it don't register; one at a time is tried, the next in 7 s. See what becomes of its pods: `kubectl get pods -n agents`
    agents/java lacks `docker`
    ");
    let probing = (seconds..).find_map(|_| {
        let look = snapshot(scene.seconds, &queue, &[]);
        scene.seconds += 1;
        scene.pool.refresh(&look, at(scene.seconds));
        let decision = scene.pool.current().unwrap();
        (count(decision, "assigned") > 0).then(|| std::sync::Arc::clone(decision))
    });
    insta::assert_snapshot!(told_at(scene.seconds, &probing.unwrap(), 2), @r"
    start-failing
    agents/T fits, but the agents that KEDA starts for it don't register; one at a time is tried, now for another job. See what becomes of its pods: `kubectl get pods -n agents`
    agents/java lacks `docker`
    ");
}

#[test]
fn a_job_beside_a_scaled_job_that_fails_is_told_why_that_does_not_take_it() {
    let mut scene = Scene::new([trigger("small", "docker"), trigger("large", "docker, gpu")]);
    let queue = jobs(1, 1, &["docker"]);
    let (_, decision) = scene.look_for(305, &queue, &[]);
    insta::assert_snapshot!(told(&decision, 1), @r"
    assigned
    agents/large starts an agent for it
    agents/small fits, but the agents that KEDA starts for it don't register; since 2026-09-21T14:18:22Z one at a time is tried
    ");
}

#[test]
fn a_job_that_is_held_is_told_which_agent_does_not_take_it() {
    let mut scene = Scene::new([trigger("T", "")]);
    let (queue, old) = (jobs(1, 1, &[]), agent("T-old", ""));
    scene.look_for(70, &queue, std::slice::from_ref(&old));
    let (_, decision) = scene.look_for(65, &queue, &[agent("T-new", ""), old]);
    insta::assert_snapshot!(told(&decision, 1), @r"
    held
    idle agents can take it and don't, `T-new` among them, so something in Azure DevOps holds it, such as a limit of parallel jobs that is not known here, an approval or a check: look at the run there; no further agent is started for it while they idle
    ");
}
