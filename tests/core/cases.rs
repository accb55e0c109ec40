//! The cases of the specification by their numbers, but for those that need the cluster's view. Some are held elsewhere,
//! where they happen: 12 and 31 (parallel jobs) in `licences.rs`, 24, 37 and 38 (trust) in `trust.rs`, 17 (an outage is an error) in `tests/desk.rs` and `tests/azure_devops`, 20 (jobs
//! of any plan count) where answers are decoded.

use azp_scaler::{decision::Placement, trigger::Strategy};

use super::scene::*;

/// One look at a settled pool gives these values.
#[track_caller]
fn check(
    triggers: Vec<azp_scaler::trigger::Trigger>,
    jobs: &[Job],
    agents: &[azp_scaler::agent::Agent],
    values: &[u64],
) {
    let (told, decision) = Scene::new(triggers).look(jobs, agents);
    assert_eq!(told, values, "{:#?}", decision.jobs);
}

fn with_max(mut trigger: azp_scaler::trigger::Trigger, max: u32) -> azp_scaler::trigger::Trigger {
    trigger.max_replicas = max;
    trigger
}

fn with_target(mut trigger: azp_scaler::trigger::Trigger, target: u32) -> azp_scaler::trigger::Trigger {
    trigger.target = target;
    trigger
}

fn scaled_object(mut trigger: azp_scaler::trigger::Trigger) -> azp_scaler::trigger::Trigger {
    trigger.strategy = Strategy::ScaledObject;
    trigger
}

#[test]
fn case_1_each_queued_job_is_worth_one() {
    check(vec![trigger("T", "")], &jobs(1, 5, &[]), &[], &[5]);
}

#[test]
fn case_2_jobs_go_where_their_demands_are_met() {
    let queue = [jobs(1, 2, &[]), jobs(3, 3, &["gpu"])].concat();
    check(vec![trigger("T", ""), trigger("G", "gpu")], &queue, &[], &[2, 3]);
}

#[test]
fn case_3_a_maximum_makes_jobs_wait() {
    let queue = [jobs(1, 2, &[]), jobs(3, 3, &["gpu"])].concat();
    let (values, decision) = Scene::new([trigger("T", ""), with_max(trigger("G", "gpu"), 1)]).look(&queue, &[]);
    assert_eq!(values, [2, 1]);
    assert_eq!(count(&decision, "waiting-for-capacity"), 2);
    assert_eq!(starter(&decision, 3), Some("G"), "the oldest goes first");
}

#[test]
fn case_4_the_tightest_fit_wins() {
    let triggers = vec![trigger("S", "docker"), trigger("L", "docker, java, gpu")];
    check(triggers, &jobs(1, 3, &["docker"]), &[], &[3, 0]);
}

#[test]
fn case_5_overflow_does_not_return_while_it_is_queued() {
    let small = with_max(trigger("S", "docker"), 2);
    let mut scene = Scene::new([small, trigger("L", "docker, java, gpu")]);
    let queue = jobs(1, 3, &["docker"]);
    assert_eq!(scene.look(&queue, &[]).0, [2, 1]);
    let [first, second] = ["S-a", "S-b"].map(|name| agent(name, "docker"));
    let running = [queue[0].clone().on(&first), queue[1].clone().on(&second), queue[2].clone()];
    assert_eq!(scene.look(&running, &[first, second.clone()]).0[1], 1);
    let (values, decision) = scene.look(&[queue[1].clone().on(&second), queue[2].clone()], &[second]);
    assert_eq!(values, [0, 1]);
    assert_eq!(starter(&decision, 3), Some("L"));
}

#[test]
fn case_6_only_own_running_jobs_count() {
    let agents = [agent("T-abc", ""), agent("vm-1", ""), agent("vm-2", "")];
    let running = (5..).zip(&agents).map(|(id, agent)| job(id, &[]).on(agent));
    check(vec![trigger("T", "")], &jobs(1, 4, &[]).into_iter().chain(running).collect::<Vec<_>>(), &agents, &[5]);
}

#[test]
fn case_7_an_idle_foreign_agent_takes_a_job() {
    check(vec![trigger("T", "")], &jobs(1, 4, &[]), &[agent("vm-1", "")], &[3]);
}

#[test]
fn case_8_an_idle_own_agent_is_subtracted_by_keda() {
    check(vec![trigger("T", "")], &jobs(1, 4, &[]), &[agent("T-abc", "")], &[4]);
}

#[test]
fn case_9_offline_agents_are_nothing() {
    let agents = ["T-abc", "T-def"].map(|name| offline(agent(name, ""), 30));
    check(vec![trigger("T", "")], &jobs(1, 4, &[]), &agents, &[4]);
}

#[test]
fn case_10_a_spent_agent_that_is_online_is_still_a_kubernetes_job() {
    check(vec![trigger("T", "")], &jobs(2, 2, &[]), &[finished_one(agent("T-abc", ""))], &[3]);
}

#[test]
fn case_11_a_spent_agent_that_is_offline_is_a_dead_registration() {
    check(vec![trigger("T", "")], &jobs(2, 2, &[]), &[offline(finished_one(agent("T-abc", "")), 600)], &[2]);
}

#[test]
fn case_13_values_are_compared() {
    let triggers = vec![trigger("T", "java=11"), trigger("U", "JAVA=17")];
    check(triggers, &jobs(1, 1, &["java -equals 17"]), &[], &[0, 1]);
}

#[test]
fn case_14_an_unknown_agent_version_is_good_enough() {
    let triggers = vec![trigger("T", "Agent.Version=4.275.0"), trigger("U", "docker")];
    check(triggers, &jobs(1, 1, &["Agent.Version -gtVersion 4.300.0"]), &[], &[0, 1]);
}

#[test]
fn case_15_what_is_not_understood_is_not_placed() {
    let (values, decision) =
        Scene::new([trigger("T", "docker")]).look(&jobs(1, 1, &[" docker"]), &[agent("vm-1", "docker")]);
    assert_eq!(values, [0]);
    assert_eq!(placement(&decision, 1), Placement::NotUnderstood);
}

#[test]
fn case_16_an_older_job_moves_where_only_that_places_both() {
    let small = with_max(trigger("S", "docker"), 1);
    let mut large = with_max(trigger("L", "docker, gpu"), 1);
    large.priority = 1;
    let queue = [job(1, &["docker"]), job(2, &["docker", "gpu"])];
    let (values, decision) = Scene::new([large, small]).look(&queue, &[]);
    assert_eq!(values, [1, 1]);
    assert_eq!(starter(&decision, 1), Some("S"));
}

#[test]
fn case_18_the_value_stops_at_the_maximum() {
    check(vec![trigger("T", "")], &jobs(1, 12, &[]), &[], &[10]);
}

#[test]
fn case_19_running_jobs_start_nothing() {
    let agents = [agent("T-abc", ""), agent("T-def", "")];
    let queue = [job(1, &[]).on(&agents[0]), job(2, &[]).on(&agents[1])];
    check(vec![trigger("T", "")], &queue, &agents, &[0]);
    check(vec![scaled_object(trigger("T", ""))], &queue, &agents, &[2]);
}

#[test]
fn case_21_an_agent_that_flaps_is_up_and_one_that_is_long_gone_is_not() {
    for (offline_for, value) in [(600, 3), (30, 4)] {
        let agents = [agent("T-a", ""), agent("T-b", ""), offline(agent("T-c", ""), offline_for)];
        let running = (2..).zip(&agents).map(|(id, agent)| job(id, &[]).on(agent));
        let queue: Vec<Job> = [job(1, &[])].into_iter().chain(running).collect();
        let (values, decision) = Scene::new([trigger("T", "")]).look(&queue, &agents);
        assert_eq!(values, [value]);
        assert_eq!(placement(&decision, 4).label(), if value == 3 { "lost-agent" } else { "running" });
    }
}

#[test]
fn case_22_spent_agents_take_room() {
    let agents = [agent("T-a", ""), agent("T-b", ""), finished_one(agent("T-c", ""))];
    let running = (5..).zip(&agents[..2]).map(|(id, agent)| job(id, &[]).on(agent));
    let queue: Vec<Job> = jobs(2, 3, &[]).into_iter().chain(running).collect();
    check(vec![with_max(trigger("T", ""), 4)], &queue, &agents, &[4]);
}

#[test]
fn case_25_where_an_idle_agent_takes_the_job_nothing_is_asked_for() {
    check(vec![trigger("T", "")], &jobs(1, 1, &[]), &[agent("T-abc", "")], &[0]);
}

#[test]
fn case_27_one_agent_for_two_jobs_keeps_running_agents_apart() {
    let agents = ["T-a", "T-b", "T-c", "T-d"].map(|name| agent(name, ""));
    let running = (5..).zip(&agents).map(|(id, agent)| job(id, &[]).on(agent));
    let queue: Vec<Job> = jobs(1, 4, &[]).into_iter().chain(running).collect();
    check(vec![with_target(trigger("T", ""), 2)], &queue, &agents, &[12]);
}

#[test]
fn case_28_agents_of_a_scaled_object_are_never_spent() {
    let (values, decision) =
        Scene::new([scaled_object(trigger("W", ""))]).look(&jobs(2, 2, &[]), &[finished_one(agent("W-1", ""))]);
    assert_eq!(values, [2]);
    assert_eq!(count(&decision, "idle-agent"), 1, "I 1 + A 1");
}

#[test]
fn case_30_custom_gets_what_its_author_takes_away() {
    let agents = ["T-a", "T-b", "T-c"].map(|name| agent(name, ""));
    let running = (5..).zip(&agents).map(|(id, agent)| job(id, &[]).on(agent));
    let queue: Vec<Job> = jobs(1, 1, &[]).into_iter().chain(running).collect();
    for (deduction, percentage, value) in [(0, 1.0, 4), (0, 0.5, 2), (2, 0.5, 4), (-1, 0.0, 1), (0, 0.0, 1)] {
        let mut custom = trigger("T", "");
        custom.strategy = Strategy::Custom { deduction, percentage };
        check(vec![custom.clone()], &queue, &agents, &[value]);
        check(vec![custom], &queue[1..], &agents, &[0]);
    }
}

#[test]
fn accurate_and_eager_get_the_agents_that_are_missing() {
    let (busy, idle) = (agent("T-a", ""), agent("T-b", ""));
    let queue = [jobs(1, 3, &[]), vec![job(9, &[]).on(&busy)]].concat();
    for strategy in [Strategy::Accurate, Strategy::Eager] {
        let mut subtracting_little = trigger("T", "");
        subtracting_little.strategy = strategy;
        check(vec![subtracting_little.clone()], &queue, &[busy.clone(), idle.clone()], &[2]);
        check(vec![with_max(subtracting_little, 3)], &queue, &[busy.clone(), idle.clone()], &[1]);
    }
}

#[test]
fn a_trigger_that_counts_as_the_builtin_scaler_does_takes_no_part_in_sharing_out_jobs() {
    let mut builtin = trigger("B", "");
    builtin.builtin = Some(azp_scaler::builtin::Builtin { demands: "docker".to_owned(), ..Default::default() });
    let foreign = agent("vm-1", "docker");
    let queue = [jobs(1, 3, &["docker"]), jobs(4, 2, &["java"]), vec![job(9, &["docker"]).on(&foreign)]].concat();
    let (values, decision) = Scene::new([builtin.clone(), trigger("T", "docker")]).look(&queue, &[foreign]);
    assert_eq!(values, [4, 3], "it counts jobs that others serve, and those that run elsewhere");
    assert_eq!(count(&decision, "unmatched"), 2);
    let mut settling = pool(jiff::SignedDuration::from_secs(30));
    let answer = settling.ask(&std::sync::Arc::new(builtin), &snapshot(0, &queue[..3], &[]), at(0));
    assert_eq!(answer.unwrap().value, 3, "and at once");
}

#[test]
fn case_34_the_job_whose_agent_was_taken_inherits_the_place() {
    let mut scene = Scene::new([with_max(trigger("S", "docker"), 1), trigger("L", "docker, gpu")]);
    let queue = jobs(1, 2, &["docker"]);
    assert_eq!(scene.look(&queue, &[]).0, [1, 1]);
    let large = agent("L-a", "docker, gpu");
    let (values, decision) = scene.look(&[queue[0].clone().on(&large), queue[1].clone()], &[large]);
    assert_eq!(values, [1, 0]);
    assert_eq!(starter(&decision, 2), Some("S"));
}

#[test]
fn case_35_an_agent_that_holds_a_job_makes_it_run() {
    let mut holder = agent("T-a", "");
    holder.assigned = Some(azp_scaler::job_request::RequestId(1));
    let (values, decision) = Scene::new([trigger("T", "")]).look(&jobs(1, 1, &[]), &[holder]);
    assert_eq!(values, [0]);
    assert_eq!(placement(&decision, 1), Placement::Running { owner: Some(0) });
}

#[test]
fn case_36_an_agent_with_two_jobs_is_one_agent() {
    let holder = agent("T-a", "");
    let queue = [job(1, &[]), job(2, &[]).on(&holder), job(3, &[]).on(&holder)];
    check(vec![trigger("T", "")], &queue, &[holder], &[2]);
}

#[test]
fn triggers_that_share_a_maximum_round_up_within_it() {
    let with = |offers: &str| {
        let mut trigger = with_target(with_max(trigger("T", offers), 1), 2);
        trigger.agent_names = azp_scaler::agent::AgentNamePattern::of_scaled_job("T");
        trigger
    };
    let queue = [job(1, &["docker"]), job(2, &["java"])];
    check(vec![with("docker"), with("java")], &queue, &[], &[2, 0]);
}

#[test]
fn a_scaled_job_that_is_edited_keeps_to_the_smaller_maximum() {
    let (old, new) = (with_max(trigger("T", "docker"), 5), with_max(trigger("T", "docker, java"), 2));
    let (values, _) = Scene::new([old, new]).look(&jobs(1, 9, &["docker"]), &[]);
    assert_eq!(values.iter().sum::<u64>(), 2, "{values:?}");
}

#[test]
fn case_41_the_maximum_counts_agents_not_jobs() {
    check(vec![with_target(with_max(trigger("T", ""), 4), 2)], &jobs(1, 12, &[]), &[], &[8]);
}

#[test]
fn a_declared_minimum_is_kept_idle_by_keda_on_top() {
    let with_min = |min| {
        let mut warm = trigger("T", "");
        warm.min_replicas = min;
        warm
    };
    let idle = agent("T-idle", "");
    let (busy, spent) = (agent("T-busy", ""), finished_one(agent("T-spent", "")));
    let queue = |waiting| [jobs(2, waiting, &[]), vec![job(9, &[]).on(&busy)]].concat();
    let all = [idle, busy.clone(), spent];
    // Nothing queued: R 1 + U 1, so that KEDA tops the idle ones up to the minimum; without a minimum nothing is started.
    check(vec![with_min(2)], &queue(0), &all, &[2]);
    check(vec![with_min(0)], &queue(0), &all, &[0]);
    // Three queued, one of them for the idle agent: A 2 + I 1 + R 1 + U 1.
    check(vec![with_min(2)], &queue(3), &all, &[5]);
    check(vec![with_min(0)], &queue(3), &all, &[5]);
    // An idle agent that nobody needs is part of the minimum, and of what KEDA subtracts without one.
    let gpu = [vec![job(2, &["gpu"])], vec![job(9, &[]).on(&busy)]].concat();
    let mut fitting = trigger("T", "gpu");
    fitting.min_replicas = 2;
    check(vec![fitting.clone()], &gpu, &all, &[3]);
    fitting.min_replicas = 0;
    check(vec![fitting], &gpu, &all, &[4]);
}

#[test]
fn what_an_older_list_says_of_agents_starts_nobody_where_a_minimum_is_declared() {
    // Nothing is queued, so the agents were asked for a while ago; all but one of their jobs have ended since.
    let agents: Vec<_> = (0..10).map(|place| agent(&format!("T-{place}"), "")).collect();
    let listed: Vec<_> = (0..10)
        .map(|place| azp_scaler::agent::Agent {
            assigned: Some(azp_scaler::job_request::RequestId(place)),
            ..agents[usize::try_from(place).unwrap()].clone()
        })
        .collect();
    let running = [job(9, &[]).on(&agents[9])];
    let mut warm = trigger("T", "");
    warm.min_replicas = 1;
    let mut scene = Scene::new([warm]);
    let look = with_older_agents(&running, &listed);
    let told = scene.pool.ask(&scene.triggers[0].clone(), &look, at(1)).unwrap();
    assert_eq!(told.value, 1, "the one that runs");
}

#[test]
fn a_job_that_an_agent_has_finished_is_gone() {
    let mut done = agent("T-a", "");
    done.last_completed = Some(azp_scaler::job_request::RequestId(1));
    let (_, decision) = Scene::new([trigger("T", "")]).look(&jobs(1, 2, &[]), &[done]);
    assert_eq!(decision.snapshot.jobs.len(), 1);
}

#[test]
fn jobs_without_demands_are_taken_left_or_taken_last() {
    use azp_scaler::trigger::JobsWithoutDemands::{Last, Leave, Take};
    for (choice, alone, beside) in [(Take, 3, [3, 0]), (Leave, 0, [0, 3]), (Last, 3, [0, 3])] {
        let mut choosy = trigger("A", "docker");
        choosy.jobs_without_demands = choice;
        let queue = [jobs(1, 2, &[]), jobs(3, 1, &["Agent.Version -gtVersion 2.0"])].concat();
        check(vec![choosy.clone()], &queue, &[], &[alone]);
        check(vec![choosy, trigger("B", "docker, java")], &queue, &[], &beside);
    }
}

#[test]
fn a_parent_lends_its_capabilities_but_not_its_name() {
    let mut child = trigger("T", "java=17");
    child.parent = Some("template".into());
    let parent = offline(agent("Template", "docker, java=11, Agent.Name=Template"), 600);
    let queue = [job(1, &["docker", "java -equals 17"]), job(2, &["Agent.Name -equals template"])];
    let (values, decision) = Scene::new([child.clone()]).look(&queue, &[parent]);
    assert_eq!(values, [1]);
    assert_eq!(placement(&decision, 2), Placement::Unmatched);

    let mut pool = pool(jiff::SignedDuration::ZERO);
    let refusal = pool.ask(&std::sync::Arc::new(child), &snapshot(0, &queue, &[]), at(1)).unwrap_err();
    assert!(refusal.to_string().contains("`template`"), "{refusal}");
}

#[test]
fn scaled_jobs_that_claim_the_same_agents_are_both_refused() {
    let mut other = trigger("T", "");
    other.id.scaled_job.namespace = "elsewhere".into();
    let mut pool = pool(jiff::SignedDuration::ZERO);
    let look = snapshot(0, &jobs(1, 1, &[]), &[]);
    assert_eq!(pool.ask(&std::sync::Arc::new(trigger("T", "")), &look, at(1)).unwrap().value, 1);
    let refusal = pool.ask(&std::sync::Arc::new(other), &look, at(1)).unwrap_err();
    assert!(refusal.to_string().contains("agents/T") && refusal.to_string().contains("agentNamePattern"), "{refusal}");
    assert!(pool.ask(&std::sync::Arc::new(trigger("T", "")), &look, at(2)).is_err());
}

#[test]
fn priority_goes_before_tightness_and_names_break_ties() {
    let mut first = trigger("Z", "docker, java, gpu");
    first.priority = 1;
    check(vec![trigger("A", "docker"), first], &jobs(1, 2, &["docker"]), &[], &[0, 2]);
    check(vec![trigger("B", "docker"), trigger("A", "docker")], &jobs(1, 2, &["docker"]), &[], &[0, 2]);
}

#[test]
fn among_idle_agents_the_one_that_few_jobs_can_use_goes_first() {
    let agents = [agent("a-large", "docker, gpu"), agent("b-small", "docker")];
    let queue = [job(1, &["docker"]), job(2, &["docker", "gpu"])];
    let (values, decision) = Scene::new([trigger("T", "docker")]).look(&queue, &agents);
    assert_eq!(values, [0]);
    assert_eq!(placement(&decision, 1), Placement::IdleAgent { agent: 1 });
}

#[test]
fn age_goes_before_the_number() {
    let late = Job { queued: 9, ..job(1, &[]) };
    let (_, decision) = Scene::new([with_max(trigger("T", ""), 1)]).look(&[late, job(2, &[])], &[]);
    assert_eq!(starter(&decision, 2), Some("T"));
    assert_eq!(placement(&decision, 1), Placement::WaitingForCapacity);
}

#[test]
fn jobs_that_fill_no_whole_agent_get_one_too() {
    check(vec![with_target(trigger("T", ""), 2)], &jobs(1, 3, &[]), &[], &[4]);
    // Q 4, of which an idle agent has one: two agents for four jobs, and that is one of them.
    check(vec![with_target(trigger("T", ""), 3)], &jobs(1, 4, &[]), &[agent("T-a", "")], &[6]);
}

#[test]
fn azures_priority_goes_before_age() {
    let urgent = Job { priority: -1, ..job(2, &[]) };
    let (_, decision) = Scene::new([with_max(trigger("T", ""), 1)]).look(&[job(1, &[]), urgent], &[]);
    assert_eq!(starter(&decision, 2), Some("T"));
    assert_eq!(placement(&decision, 1), Placement::WaitingForCapacity);
}
