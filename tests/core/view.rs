//! The cases of the specification that need the cluster's view, and what else the view makes exact.

use std::{collections::BTreeMap, sync::Arc};

use azp_scaler::{
    agent::Agent,
    cluster_view::{ClusterView, Doubt, JobState, KubernetesJob, Pod, ScaledJobView, Stages, StartFailure, Trouble},
    decision::{AgentState, Placement, Starts},
    explain::explain,
    parallel_jobs::{Headroom, Ledger},
    pool::{Pool, Rules},
    trigger::{ScaledJobId, Strategy, Trigger},
};
use jiff::SignedDuration;

use super::scene::*;

/// A ScaledJob as the cluster shows it, beside its trigger.
#[derive(Clone)]
pub(super) struct Shown {
    pub(super) trigger: Trigger,
    pub(super) jobs: Vec<KubernetesJob>,
    pub(super) is_paused: bool,
}

/// A ScaledJob with these Kubernetes Jobs.
pub(super) fn shown(trigger: Trigger, jobs: impl IntoIterator<Item = KubernetesJob>) -> Shown {
    Shown { trigger, jobs: jobs.into_iter().collect(), is_paused: false }
}

/// An unfinished Kubernetes Job whose pod bears this name and runs.
pub(super) fn running(agent: &str) -> KubernetesJob {
    KubernetesJob {
        name: format!("job-of-{agent}").into(),
        created_at: at(0),
        state: JobState::Unfinished { is_pending: false },
        pods: vec![Pod { agent: agent.into(), stages: Stages::default(), has_ended: false, trouble: None }],
        trouble: None,
    }
}

/// One whose pod does not run yet.
pub(super) fn pending(agent: &str) -> KubernetesJob {
    KubernetesJob { state: JobState::Unfinished { is_pending: true }, ..running(agent) }
}

fn failed(agent: &str, reason: StartFailure) -> KubernetesJob {
    let mut job = KubernetesJob { state: JobState::Failed, ..running(agent) };
    job.pods[0].has_ended = true;
    job.pods[0].trouble = Some(Trouble { reason, message: "exit code 1".into() });
    job
}

pub(super) fn view(scaled_jobs: &[Shown]) -> Arc<ClusterView> {
    let of = |shown: &Shown| {
        let view = ScaledJobView {
            strategy: shown.trigger.strategy,
            max_replicas: shown.trigger.max_replicas,
            min_replicas: shown.trigger.min_replicas,
            is_paused: shown.is_paused,
            jobs: shown.jobs.clone(),
            ..ScaledJobView::default()
        };
        (shown.trigger.id.scaled_job.clone(), Arc::new(view))
    };
    Arc::new(ClusterView { scaled_jobs: scaled_jobs.iter().map(of).collect(), doubt: None })
}

/// A pool whose ScaledJobs the cluster shows.
pub(super) fn scene(scaled_jobs: &[Shown]) -> Scene {
    scene_under(&Arc::new(Ledger::new(Headroom::Quarter)), scaled_jobs)
}

fn scene_under(ledger: &Arc<Ledger>, scaled_jobs: &[Shown]) -> Scene {
    let mut pool = Pool::new(7, Rules::default(), Arc::clone(ledger));
    pool.announce(Vec::new(), true);
    pool.see(Some(view(scaled_jobs)));
    Scene::of(pool, scaled_jobs.iter().map(|shown| shown.trigger.clone()))
}

/// One look gives these values.
#[track_caller]
pub(super) fn check(scaled_jobs: &[Shown], jobs: &[Job], agents: &[Agent], values: &[u64]) {
    let (told, decision) = scene(scaled_jobs).look(jobs, agents);
    assert_eq!(told, values, "{:#?}", decision.jobs);
}

pub(super) fn with(strategy: Strategy) -> Trigger {
    Trigger { strategy, ..trigger("T", "") }
}

pub(super) fn busy(name: &str, id: i64) -> (Agent, Job) {
    let agent = agent(name, "");
    let job = job(id, &[]).on(&agent);
    (agent, job)
}

#[test]
fn case_23_every_strategy_is_exact() {
    let (agent, job) = busy("T-c", 9);
    let queue = [jobs(1, 3, &[]), vec![job]].concat();
    let created = [pending("T-a"), pending("T-b"), running("T-c")];
    let half = Strategy::Custom { deduction: 1, percentage: 0.5 };
    for (strategy, value) in [(Strategy::Default, 4), (Strategy::Accurate, 3), (Strategy::Eager, 1), (half, 1 + 1 + 1)]
    {
        check(&[shown(with(strategy), created.clone())], &queue, std::slice::from_ref(&agent), &[value]);
    }
}

#[test]
fn case_26_the_minimum_is_a_number_of_idle_agents() {
    let (busy, job) = busy("T-a", 1);
    let warm = Trigger { min_replicas: 2, ..trigger("T", "") };
    check(&[shown(warm, [running("T-a"), running("T-b")])], &[job], &[busy, agent("T-b", "")], &[1]);
}

#[test]
fn an_agent_that_starts_counts_for_the_minimum() {
    let warm = Trigger { min_replicas: 2, ..trigger("T", "") };
    check(&[shown(warm.clone(), [running("T-a"), pending("T-b")])], &[], &[agent("T-a", "")], &[0]);
    check(&[shown(warm, [running("T-a"), pending("T-b")])], &[job(1, &[])], &[agent("T-a", "")], &[1 + 2 - 2]);
}

#[test]
fn case_29_one_agent_for_several_jobs() {
    let created = ["T-a", "T-b", "T-c"].map(pending);
    check(&[shown(Trigger { target: 2, ..with(Strategy::Accurate) }, created)], &jobs(1, 7, &[]), &[], &[8]);
}

#[test]
fn case_32_an_agent_that_was_seen_is_not_starting() {
    let mut scene = scene(&[shown(trigger("T", ""), [running("T-3")])]);
    let (agent, running) = busy("T-3", 7);
    scene.look(&[running], &[agent]);
    assert_eq!(scene.look(&[job(8, &[])], &[]).0, [2]);
}

#[test]
fn case_33_an_agent_whose_kubernetes_job_is_gone_is_dead() {
    let (told, decision) = scene(&[shown(trigger("T", ""), [])]).look(&[job(1, &[])], &[agent("T-3", "")]);
    assert_eq!(told, [1]);
    assert_eq!(decision.agents[0].state, AgentState::Offline);
}

#[test]
fn a_job_on_an_agent_whose_kubernetes_job_is_gone_is_lost() {
    let (agent, running) = busy("T-3", 1);
    let (told, decision) = scene(&[shown(trigger("T", ""), [])]).look(&[running, job(2, &[])], &[agent]);
    assert_eq!((told, placement(&decision, 1).label()), (vec![1], "lost-agent"));
}

#[test]
fn case_39_an_agent_that_starts_goes_to_the_oldest_that_it_fits() {
    let three = Trigger { max_replicas: 1, ..trigger("T3", "a, b") };
    let five = trigger("T5", "a, c, d");
    let queue = [job(1, &["a"]), job(2, &["b"])];
    let mut scene = scene(&[shown(three, [pending("T3-x")]), shown(five, [])]);
    let (told, decision) = scene.look(&queue, &[]);
    assert_eq!(told, [0, 0]);
    assert_eq!(placement(&decision, 1).label(), "assigned");
    assert_eq!(placement(&decision, 2).label(), "waiting-for-capacity");
}

#[test]
fn case_40_agents_without_a_licence_keep_the_pool_warm() {
    let warm = Trigger { min_replicas: 2, max_replicas: 100, ..trigger("T", "") };
    let scaled_jobs = [shown(warm, [running("T-a"), running("T-b")])];
    let (told, _) =
        scene_under(&limited(2, 2, 0), &scaled_jobs).look(&jobs(1, 60, &[]), &[agent("T-a", ""), agent("T-b", "")]);
    assert_eq!(told, [0]);
}

#[test]
fn case_42_an_agent_of_a_paused_scaled_job_takes_its_job() {
    let mut paused = shown(trigger("T", "a"), [pending("T-x")]);
    paused.is_paused = true;
    let other = shown(trigger("U", "a, b"), []);
    let queue = [job(1, &["a"])];
    assert_eq!(scene(&[paused.clone(), other.clone()]).look(&queue, &[]).0, [0, 0]);
    paused.jobs.clear();
    assert_eq!(scene(&[paused, other]).look(&queue, &[]).0, [0, 1], "a paused ScaledJob starts nothing");
}

#[test]
fn a_paused_scaled_job_is_not_kept_warm() {
    let (agent, job) = busy("T-a", 1);
    let mut warm = shown(Trigger { min_replicas: 1, ..trigger("T", "") }, [running("T-a")]);
    check(&[warm.clone()], std::slice::from_ref(&job), std::slice::from_ref(&agent), &[1]);
    warm.is_paused = true;
    check(&[warm], &[job], &[agent], &[0]);
}

#[test]
fn kubernetes_jobs_without_agents_take_room() {
    let limited = Trigger { max_replicas: 3, ..trigger("T", "") };
    let mut ended = running("T-c");
    ended.pods[0].has_ended = true;
    check(&[shown(limited, [pending("T-a"), pending("T-b"), ended])], &jobs(1, 9, &[]), &[], &[0]);
}

#[test]
fn the_scaled_job_itself_says_strategy_and_minimum_and_the_smaller_maximum_counts() {
    let mut declared = shown(Trigger { strategy: Strategy::Accurate, ..trigger("T", "") }, [pending("T-a")]);
    declared.trigger.max_replicas = 4;
    let mut metadata = BTreeMap::from([("scalingStrategy".to_owned(), "default".to_owned())]);
    metadata.insert("maxReplicaCount".to_owned(), "9".to_owned());
    let mut asks = Trigger { max_replicas: 9, ..trigger("T", "") };
    asks.id.metadata = Arc::new(metadata);
    let mut pool = Pool::new(7, Rules::default(), Arc::new(Ledger::new(Headroom::Quarter)));
    pool.announce(Vec::new(), true);
    pool.see(Some(view(&[declared])));
    let (told, decision) = Scene::of(pool, [asks]).look(&jobs(1, 9, &[]), &[]);
    assert_eq!(told, [3 + 1], "room for three, and one pending");
    let hints = &decision.triggers[0].trigger.hints;
    assert_eq!(hints.len(), 2, "{hints:?}");
    assert!(hints[0].contains("scalingStrategy") && hints[1].contains("maxReplicaCount"), "{hints:?}");
}

#[test]
fn one_name_in_two_namespaces_is_told_apart_by_pods() {
    let mut other = trigger("T", "");
    other.id.scaled_job = ScaledJobId { namespace: "other".into(), ..other.id.scaled_job };
    let (one_agent, one) = busy("T-a", 8);
    let (other_agent, two) = busy("T-b", 9);
    let scaled_jobs = [shown(trigger("T", ""), [running("T-a")]), shown(other, [running("T-b")])];
    let (told, decision) = scene(&scaled_jobs).look(&[one, two, job(10, &[])], &[one_agent, other_agent]);
    assert_eq!(told, [2, 0]);
    assert_eq!(decision.agents.iter().map(|agent| agent.owner).collect::<Vec<_>>(), [Some(0), Some(1)]);
}

#[test]
fn agents_that_do_not_bear_their_pods_names_are_counted_as_without_the_view() {
    let pattern = Trigger { agent_names: "build-*".parse().unwrap(), ..trigger("T", "") };
    let (told, decision) = scene(&[shown(pattern, [running("T-a")])]).look(&jobs(1, 2, &[]), &[agent("build-1", "")]);
    assert_eq!((told, decision.agents[0].state), (vec![2], AgentState::Idle));
}

#[test]
fn without_the_view_again_the_form_without_holds() {
    let mut scene = scene(&[shown(trigger("T", ""), [running("T-a"), pending("T-b")])]);
    let queue = jobs(1, 3, &[]);
    assert_eq!(scene.look(&queue, &[agent("T-a", "")]).0, [1 + 2]);
    scene.pool.see(None);
    assert_eq!(scene.look_for(31, &queue, &[agent("T-a", "")]).0, [2 + 1]);
}

#[test]
fn the_view_is_read_when_the_question_is_answered() {
    let first = shown(trigger("T", ""), []);
    let mut scene = scene(std::slice::from_ref(&first));
    let look = snapshot(0, &jobs(1, 2, &[]), &[]);
    let trigger = Arc::clone(&scene.triggers[0]);
    assert_eq!(scene.pool.ask(&trigger, &look, at(1)).unwrap().value, 2);
    scene.pool.see(Some(view(&[Shown { jobs: vec![pending("T-a"), pending("T-b")], ..first }])));
    assert_eq!(scene.pool.ask(&trigger, &look, at(1)).unwrap().value, 0, "KEDA has started both meanwhile");
}

#[test]
fn while_jobs_may_have_ended_unseen_no_agent_is_started() {
    let names = ["T-a", "T-b", "T-c", "T-d"];
    let shown = shown(trigger("T", ""), names.map(running));
    let mut scene = scene(std::slice::from_ref(&shown));
    assert_eq!(scene.look(&[], &names.map(|name| agent(name, ""))).0, [0]);
    // The watch breaks, and all four end: KEDA knows, and would start 5 - 0 for one job.
    let doubt = |seconds| Some(Doubt { until: at(seconds), reason: "`jobs.batch` can't be watched".into() });
    let doubted = |seconds| ClusterView { doubt: doubt(seconds), ..(*view(std::slice::from_ref(&shown))).clone() };
    scene.pool.see(Some(Arc::new(doubted(9))));
    let (told, decision) = scene.look(&jobs(1, 1, &[]), &[]);
    assert_eq!((told, placement(&decision, 1).label()), (vec![0], "settling"));
    let why = explain(&decision, 0, at(4)).summary;
    assert!(why.contains("waits 5 s more at most to see the cluster again (`jobs.batch` can't be watched)"), "{why}");
    // It is back.
    scene.pool.see(Some(view(&[Shown { jobs: Vec::new(), ..shown }])));
    assert_eq!(scene.look(&jobs(1, 1, &[]), &[]).0, [1]);
}

#[test]
fn triggers_that_have_not_asked_yet_are_known() {
    let (small, large) = (trigger("S", "docker"), trigger("L", "docker, java"));
    let mut pool = Pool::new(7, Rules::default(), Arc::new(Ledger::new(Headroom::Quarter)));
    pool.see(Some(view(&[shown(small.clone(), []), shown(large.clone(), [])])));
    pool.announce(vec![Arc::new(small), Arc::new(large.clone())], true);
    let answer = pool.ask(&Arc::new(large), &snapshot(0, &jobs(1, 2, &["docker"]), &[]), at(0)).unwrap();
    assert_eq!(answer.value, 0, "S will ask, and it fits more tightly; there is no need to settle");
}

#[test]
fn failed_starts_in_a_row_open_the_breaker_with_the_pods_own_reason() {
    let mut broken = shown(trigger("T", ""), []);
    let queue = jobs(1, 4, &[]);
    let mut scene = scene(std::slice::from_ref(&broken));
    assert_eq!(scene.look(&queue, &[]).0, [4]);
    broken.jobs = ["T-a", "T-b", "T-c"].map(|name| failed(name, StartFailure::ContainerFailed)).into();
    broken.jobs.push(pending("T-d"));
    scene.pool.see(Some(view(std::slice::from_ref(&broken))));
    assert_eq!(scene.look(&queue, &[]).0, [3 + 1], "the agents may have come since they were last listed");
    let (told, decision) = scene.look(&queue, &[]);
    assert_eq!(told, [0]);
    assert!(decision.jobs.iter().all(|job| matches!(job, Placement::StartFailing { .. })), "what started is given up");
    assert!(matches!(decision.scaled_jobs[0].starts, Starts::Failing { .. }));
    assert_eq!(decision.scaled_jobs[0].trouble.as_ref().unwrap().reason, StartFailure::ContainerFailed);
    assert_eq!(scene.pool.take_start_failures(), BTreeMap::from([(StartFailure::ContainerFailed, 3)]));

    // One is probed, and while it is on its way no other.
    broken.jobs.remove(3);
    scene.pool.see(Some(view(std::slice::from_ref(&broken))));
    assert_eq!(scene.look_for(12, &queue, &[]).0, [0], "the probe was asked for on the way here");
    broken.jobs.push(pending("T-e"));
    scene.pool.see(Some(view(std::slice::from_ref(&broken))));
    let (told, decision) = scene.look_for(60, &queue, &[]);
    assert_eq!((told, placement(&decision, 1).label()), (vec![0], "assigned"));
    assert_eq!(placement(&decision, 2).label(), "start-failing");
    for _ in 0..90 {
        assert_eq!(scene.look(&queue, &[]).0, [0], "the next pause ends, but the probe may still come");
    }

    // It comes, and all is well again.
    broken.jobs[3] = running("T-e");
    scene.pool.see(Some(view(std::slice::from_ref(&broken))));
    let (told, decision) = scene.look(&queue, &[agent("T-e", "")]);
    assert_eq!((told, decision.scaled_jobs[0].starts), (vec![3 + 1], Starts::Working));
}

#[test]
fn a_registration_between_two_failures_begins_the_count_anew() {
    let mut flaky = shown(trigger("T", ""), []);
    let mut scene = scene(std::slice::from_ref(&flaky));
    let queue = jobs(1, 4, &[]);
    scene.look(&queue, &[]);
    for (second, job) in (1..).zip([
        failed("T-a", StartFailure::Evicted),
        failed("T-b", StartFailure::Evicted),
        running("T-c"),
        failed("T-d", StartFailure::Evicted),
        failed("T-e", StartFailure::Evicted),
    ]) {
        flaky.jobs.push(KubernetesJob { created_at: at(second), ..job });
    }
    scene.pool.see(Some(view(&[flaky])));
    let (told, decision) = scene.look_for(3, &queue, &[agent("T-c", "")]);
    assert_eq!((told, decision.scaled_jobs[0].starts), (vec![3 + 1], Starts::Working));
}

#[test]
fn a_pod_that_hangs_has_failed_in_the_end() {
    let mut hanging = shown(trigger("T", ""), ["T-a", "T-b", "T-c"].map(pending));
    for job in &mut hanging.jobs {
        job.pods[0].trouble = Some(Trouble { reason: StartFailure::ImagePull, message: "no such image".into() });
    }
    let mut scene = scene(&[hanging]);
    let queue = jobs(1, 3, &[]);
    let (told, decision) = scene.look_for(290, &queue, &[]);
    assert_eq!((told, count(&decision, "assigned")), (vec![0], 3), "agents are on their way");
    let (_, decision) = scene.look_for(12, &queue, &[]);
    assert_eq!(count(&decision, "start-failing"), 3);
    assert_eq!(decision.scaled_jobs[0].trouble.as_ref().unwrap().reason, StartFailure::ImagePull);
}

#[test]
fn what_had_failed_before_the_first_look_does_not_count() {
    let old = ["T-a", "T-b", "T-c", "T-d"].map(|name| failed(name, StartFailure::ContainerFailed));
    let (told, decision) = scene(&[shown(trigger("T", ""), old)]).look_for(5, &jobs(1, 2, &[]), &[]);
    assert_eq!((told, decision.scaled_jobs[0].starts), (vec![2], Starts::Working));
}

#[test]
fn a_broken_image_is_not_kept_warm() {
    let warm = Trigger { min_replicas: 2, ..trigger("T", "") };
    let mut broken = shown(warm, []);
    let mut scene = scene(std::slice::from_ref(&broken));
    assert_eq!(scene.look(&[], &[]).0, [0], "KEDA itself fills up to the minimum");
    broken.jobs = ["T-a", "T-b", "T-c"].map(|name| failed(name, StartFailure::ContainerFailed)).into();
    broken.jobs.extend(["T-d", "T-e"].map(running));
    scene.pool.see(Some(view(&[broken])));
    let (told, decision) = scene.look_for(3, &[job(1, &[])], &[]);
    assert_eq!((told, placement(&decision, 1).label()), (vec![0], "start-failing"));
    assert_eq!(scene.look_for(60, &[], &[]).0, [0], "one may be tried, for a job");
}

#[test]
fn a_slow_start_teaches_the_breaker_patience() {
    let mut slow = shown(trigger("T", ""), [pending("T-a")]);
    let mut scene = scene(std::slice::from_ref(&slow));
    let queue = [job(1, &[])];
    scene.look_for(200, &queue, &[]);
    scene.look(&queue, &[agent("T-a", "")]);
    let took = scene.pool.take_start_ups();
    assert_eq!(took.len(), 1, "{took:?}");
    // Three times 201 s are longer than five minutes.
    slow.jobs = vec![KubernetesJob { created_at: at(201), ..pending("T-b") }];
    scene.pool.see(Some(view(std::slice::from_ref(&slow))));
    let (_, decision) = scene.look_for(590, &queue, &[]);
    assert_eq!(placement(&decision, 1).label(), "assigned", "{:?}", scene.pool.take_start_failures());
    scene.look_for(20, &queue, &[]);
    assert_eq!(scene.pool.take_start_failures(), BTreeMap::from([(StartFailure::NotRegistered, 1)]));
}

#[test]
fn settling_is_for_pools_that_nobody_shows() {
    let mut pool = pool(SignedDuration::from_secs(30));
    let asks = trigger("T", "");
    assert_eq!(pool.ask(&Arc::new(asks.clone()), &snapshot(0, &jobs(1, 2, &[]), &[]), at(0)).unwrap().value, 0);
    pool.see(Some(view(&[shown(asks.clone(), [])])));
    pool.announce(vec![Arc::new(asks.clone())], true);
    assert_eq!(pool.ask(&Arc::new(asks), &snapshot(1, &jobs(1, 2, &[]), &[]), at(1)).unwrap().value, 2);
}

#[test]
fn a_scaled_job_that_is_deleted_is_no_trigger_any_more() {
    let (small, large) = (shown(trigger("S", "docker"), []), shown(trigger("L", "docker, java"), []));
    let mut scene = scene(&[small, large.clone()]);
    let queue = jobs(1, 2, &["docker"]);
    assert_eq!(scene.look(&queue, &[]).0, [2, 0]);
    scene.pool.see(Some(view(&[large])));
    let large = Arc::clone(&scene.triggers[1]);
    assert_eq!(scene.pool.ask(&large, &snapshot(2, &queue, &[]), at(2)).unwrap().value, 2);
}
