//! Idle agents that let jobs wait: when they are believed no more, and what is learned from what comes next.

use azp_scaler::{
    agent::Agent,
    decision::{AgentState, Decision, Placement},
    job_request::RequestId,
};

use super::scene::*;

fn state(decision: &Decision, name: &str) -> AgentState {
    let place = decision.snapshot.agents.iter().position(|agent| agent.name == name.into()).unwrap();
    decision.agents[place].state
}

fn busy(agent: &Agent, id: i64) -> Agent {
    Agent { assigned: Some(RequestId(id)), ..agent.clone() }
}

#[test]
fn case_24_an_agent_that_lets_a_job_wait_is_not_believed_for_ever() {
    let mut scene = Scene::new([trigger("T", "")]);
    let (queue, agents) = (jobs(1, 1, &[]), [agent("T-abc", "")]);
    assert_eq!(scene.look_for(60, &queue, &agents).0, [0]);
    let (values, decision) = scene.look_for(240, &queue, &agents);
    assert_eq!(values, [2], "A 1 + X 1");
    assert_eq!(state(&decision, "T-abc"), AgentState::NotTakingJobs);
    assert_eq!(placement(&decision, 1).label(), "assigned");
}

#[test]
fn case_37_at_the_limit_the_clock_stands_still() {
    let ledger = limited(2, 2, 1);
    let mut scene = Scene::under(&ledger, [trigger("T", "")]);
    let (queue, agents) = (jobs(1, 1, &[]), [agent("T-c", "")]);
    let (values, decision) = scene.look_for(300, &queue, &agents);
    assert_eq!(values, [0]);
    assert_eq!(state(&decision, "T-c"), AgentState::Idle);
    // What was counted before the limit was reached and after it was left adds up.
    limit_to(&ledger, 3, 2);
    assert_eq!(scene.look_for(40, &queue, &agents).0, [0]);
    limit_to(&ledger, 2, 2);
    assert_eq!(scene.look_for(300, &queue, &agents).0, [0]);
    limit_to(&ledger, 3, 2);
    assert_eq!(scene.look_for(10, &queue, &agents).0, [0]);
    assert_eq!(scene.look_for(20, &queue, &agents).0, [2]);
}

#[test]
fn case_38_one_at_a_time_is_on_probation() {
    let mut scene = Scene::new([trigger("T", "")]);
    let agents: Vec<Agent> = (1..=9).map(|place| agent(&format!("vm-{place}"), "")).collect();
    let (values, decision) = scene.look_for(300, &jobs(1, 9, &[]), &agents);
    assert_eq!(values, [1]);
    assert_eq!(decision.agents.iter().filter(|agent| agent.state == AgentState::NotTakingJobs).count(), 1);
}

#[test]
fn a_replacement_that_idles_too_shows_that_the_job_is_held() {
    let mut scene = Scene::new([trigger("T", "")]);
    let (queue, old) = (jobs(1, 1, &[]), agent("T-old", ""));
    assert_eq!(scene.look_for(70, &queue, std::slice::from_ref(&old)).0, [2]);
    let agents = [agent("T-new", ""), old.clone()];
    assert_eq!(scene.look_for(60, &queue, &agents).0, [0], "the replacement can take it");
    let (values, decision) = scene.look_for(5, &queue, &agents);
    assert_eq!(values, [0]);
    assert_eq!(placement(&decision, 1), Placement::Held { agent: 0 });
    assert_eq!(state(&decision, "T-old"), AgentState::Idle, "it was not the agent's fault");
    assert_eq!(scene.look_for(600, &queue, &agents).0, [0], "and nothing more is started for it");
    // Other jobs are served by those who wait.
    let (values, decision) = scene.look(&[queue[0].clone(), job(2, &[])], &agents);
    assert_eq!((values, placement(&decision, 2).label()), (vec![0], "idle-agent"));
    // The witness has left: the job is one like any other, and waits beside an agent that has let it wait for too long.
    let (values, decision) = scene.look(&queue, &[offline(agent("T-new", ""), 1), old]);
    assert_eq!((values, placement(&decision, 1).label()), (vec![2], "assigned"));
}

#[test]
fn a_newcomer_that_takes_the_job_quickly_proves_the_agent_bad_and_frees_the_place() {
    let mut scene = Scene::new([trigger("T", "")]);
    let hung: Vec<Agent> = ["T-1", "T-2", "T-3", "T-4"].map(|name| agent(name, "")).to_vec();
    let queue = jobs(1, 3, &[]);
    assert_eq!(scene.look_for(60, &queue, &hung).0, [0]);
    let (values, decision) = scene.look_for(5, &queue, &hung);
    assert_eq!(state(&decision, "T-1"), AgentState::NotTakingJobs);
    assert_eq!(state(&decision, "T-2"), AgentState::NotTakingJobs, "three others for three jobs would tell nothing");
    assert_eq!(state(&decision, "T-3"), AgentState::Idle, "what is started will tell");
    assert_eq!(values, [5], "A 1 + I 2 + X 2");
    // An agent comes and takes the first: what is left still waits beside agents that hang.
    let helper = agent("vm-1", "");
    let first = [queue[0].clone().on(&helper), queue[1].clone(), queue[2].clone()];
    let with_helper = [hung.clone(), vec![busy(&helper, 1)]].concat();
    scene.look(&first, &with_helper);
    let (values, decision) = scene.look(&first, &with_helper);
    assert_eq!(state(&decision, "T-3"), AgentState::NotTakingJobs, "the place is free for the next");
    assert_eq!(values, [5], "A 1 + I 1 + X 3");
    let second = agent("vm-2", "");
    let jobs = [queue[0].clone().on(&helper), queue[1].clone().on(&second), queue[2].clone()];
    let agents = [with_helper, vec![busy(&second, 2)]].concat();
    scene.look(&jobs, &agents);
    let (values, decision) = scene.look(&jobs, &agents);
    assert_eq!(state(&decision, "T-4"), AgentState::NotTakingJobs);
    assert_eq!(values, [5], "A 1 + X 4");
}

#[test]
fn two_agents_that_hang_beside_one_job_do_not_starve_it() {
    let mut scene = Scene::new([trigger("T", "")]);
    let (values, decision) = scene.look_for(65, &jobs(1, 1, &[]), &[agent("T-1", ""), agent("T-2", "")]);
    assert_eq!(placement(&decision, 1).label(), "assigned");
    assert_eq!(values, [3]);
}

#[test]
fn a_proof_frees_the_place_though_other_jobs_are_on_trial() {
    let mut scene = Scene::new([trigger("T", "docker, gpu")]);
    let (docker, gpu) = (agent("vm-1", "docker"), agent("vm-2", "gpu"));
    let queue = [job(1, &["docker"]), job(2, &["docker"]), job(3, &["gpu"])];
    let (_, decision) = scene.look_for(65, &queue, &[docker.clone(), gpu.clone()]);
    assert_eq!(state(&decision, "vm-1"), AgentState::NotTakingJobs);
    assert_eq!(placement(&decision, 3).label(), "idle-agent");
    let newcomer = agent("T-new", "docker, gpu");
    let jobs = [queue[0].clone().on(&newcomer), queue[1].clone(), queue[2].clone()];
    let (_, decision) = scene.look_for(2, &jobs, &[docker, gpu, busy(&newcomer, 1)]);
    assert_eq!(state(&decision, "vm-2"), AgentState::NotTakingJobs);
    assert_eq!(placement(&decision, 3).label(), "assigned");
}

#[test]
fn an_agent_whose_jobs_others_take_does_not_keep_the_place_for_ever() {
    let mut scene = Scene::new([trigger("T", "docker, gpu")]);
    let (slow, runner, gpu) = (agent("vm-1", "docker"), agent("vm-2", "docker"), agent("vm-3", "gpu"));
    let all = [slow.clone(), busy(&runner, 90), gpu.clone()];
    let running = job(90, &["docker"]).on(&runner);
    let (_, decision) = scene.look_for(70, &[running, job(1, &["docker"])], &all);
    assert_eq!(state(&decision, "vm-1"), AgentState::NotTakingJobs);
    // An old agent takes the job, so nobody knows; then another agent hangs beside another job.
    let taken = [slow, busy(&runner, 1), gpu];
    let (_, decision) = scene.look_for(70, &[job(1, &["docker"]).on(&runner), job(2, &["gpu"])], &taken);
    assert_eq!(placement(&decision, 2).label(), "assigned");
}

#[test]
fn an_agent_that_takes_a_job_is_believed_again() {
    let mut scene = Scene::new([trigger("T", "")]);
    let (queue, slow) = (jobs(1, 2, &[]), agent("vm-1", ""));
    let (_, decision) = scene.look_for(70, &queue, std::slice::from_ref(&slow));
    assert_eq!(state(&decision, "vm-1"), AgentState::NotTakingJobs);
    scene.look(&[queue[0].clone().on(&slow), queue[1].clone()], &[busy(&slow, 1)]);
    let (values, decision) = scene.look(&queue[1..], &[finished_one(slow)]);
    assert_eq!(state(&decision, "vm-1"), AgentState::Idle);
    assert_eq!(values, [0]);
}

#[test]
fn an_agent_that_runs_a_job_between_two_looks_is_believed_again() {
    let mut scene = Scene::new([trigger("T", "")]);
    let (queue, slow) = (jobs(1, 3, &[]), agent("vm-1", ""));
    scene.look_for(70, &queue, std::slice::from_ref(&slow));
    let (_, decision) = scene.look(&queue[1..], &[finished_one(slow)]);
    assert_eq!(state(&decision, "vm-1"), AgentState::Idle);
}

#[test]
fn an_agent_is_not_blamed_for_jobs_that_come_and_go() {
    let mut scene = Scene::new([trigger("T", "")]);
    let (idle, runner) = (agent("vm-1", ""), agent("vm-2", ""));
    for id in (1..200).step_by(2) {
        // Each job waits for a moment, then another agent takes it.
        let young = Job { queued: 1_000_000 + scene.seconds, ..job(id, &[]) };
        scene.look_for(5, std::slice::from_ref(&young), &[idle.clone(), runner.clone()]);
        let (_, decision) = scene.look(&[young.on(&runner)], &[idle.clone(), busy(&runner, id)]);
        assert_eq!(state(&decision, "vm-1"), AgentState::Idle);
    }
}

#[test]
fn a_newcomer_that_takes_the_job_late_proves_nothing() {
    let mut scene = Scene::new([trigger("T", "")]);
    let hung = ["vm-1", "vm-2"].map(|name| agent(name, ""));
    let queue = jobs(1, 4, &[]);
    let (_, decision) = scene.look_for(65, &queue, &hung);
    assert_eq!(state(&decision, "vm-1"), AgentState::NotTakingJobs);
    // It came for the job, and took it only after more than half a grace: who knows what held it.
    let newcomer = agent("T-new", "");
    let all = [hung.to_vec(), vec![newcomer.clone()]].concat();
    scene.look_for(40, &queue, &all);
    let taken = [hung.to_vec(), vec![busy(&newcomer, 1)]].concat();
    let left = [vec![queue[0].clone().on(&newcomer)], queue[1..].to_vec()].concat();
    let (_, decision) = scene.look_for(20, &left, &taken);
    assert_eq!(state(&decision, "vm-1"), AgentState::NotTakingJobs);
    assert_eq!(state(&decision, "vm-2"), AgentState::Idle, "the place on probation is taken");
}

#[test]
fn an_agent_that_runs_a_job_between_two_looks_has_not_idled() {
    let mut scene = Scene::new([trigger("T", "")]);
    for job in 0..20 {
        let quick = Agent { last_completed: Some(RequestId(1_000 + job)), ..agent("vm-1", "") };
        let (_, decision) = scene.look_for(20, &jobs(1, 1, &[]), &[quick]);
        assert_eq!(state(&decision, "vm-1"), AgentState::Idle);
    }
}

#[test]
fn an_agent_whose_job_only_the_job_tells_of_has_not_idled() {
    let mut scene = Scene::new([trigger("T", "")]);
    let (queue, agents) = ([job(1, &[]), job(2, &[])], [agent("vm-1", "")]);
    scene.look_for(50, &queue, &agents);
    scene.look(&[queue[0].clone(), queue[1].clone().on(&agents[0])], &agents);
    let (_, decision) = scene.look_for(30, &queue, &agents);
    assert_eq!(state(&decision, "vm-1"), AgentState::Idle);
}

#[test]
fn an_agent_is_blamed_for_the_job_that_could_begin() {
    let public = Job { parallelism: Some(azp_scaler::job_request::Parallelism::Public), ..job(2, &[]) };
    let mut scene = Scene::under(&limited(1, 1, 0), [trigger("T", "")]);
    let (_, decision) = scene.look_for(70, &[job(1, &[]), public], &[agent("vm-1", "")]);
    assert_eq!(state(&decision, "vm-1"), AgentState::NotTakingJobs);
}

#[test]
fn on_probation_the_next_job_tells_where_the_first_is_gone() {
    let mut scene = Scene::new([trigger("T", "")]);
    let old = agent("T-old", "");
    let (_, decision) = scene.look_for(70, &jobs(1, 1, &[]), std::slice::from_ref(&old));
    assert_eq!(state(&decision, "T-old"), AgentState::NotTakingJobs);
    let next = jobs(2, 1, &[]);
    scene.look(&next, std::slice::from_ref(&old));
    let (_, decision) = scene.look_for(70, &next, &[agent("T-new", ""), old]);
    assert_eq!(placement(&decision, 2).label(), "held");
}

#[test]
fn a_limit_that_nobody_knows_of_costs_few_agents() {
    for names in [1, 7_919] {
        let mut many = trigger("T", "");
        many.max_replicas = 100;
        let mut scene = Scene::new([many]);
        let queue = jobs(1, 9, &[]);
        // In the order of their coming, or scattered.
        let named = |number: usize| agent(&format!("T-{:03}", number * names % 1_000), "");
        let mut agents: Vec<_> = (0..9).map(named).collect();
        let mut starting: Vec<i64> = Vec::new();
        for second in 0..1_800 {
            let come = starting.iter().filter(|at| **at <= second).count();
            starting.drain(..come);
            agents.extend((agents.len()..).take(come).map(named).collect::<Vec<_>>());
            let told = usize::try_from(scene.look(&queue, &agents).0[0]).unwrap();
            // As KEDA creates what the value says beyond those that there are.
            let missing = told.saturating_sub(agents.len() + starting.len());
            starting.extend(std::iter::repeat_n(second + 15, missing));
        }
        assert!(agents.len() <= 11, "{} agents for 9 jobs that Azure holds", agents.len());
    }
}
