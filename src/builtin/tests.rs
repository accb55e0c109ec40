//! What the built-in scaler counts, a row for each oddity.

use std::sync::Arc;

use super::*;
use crate::{
    agent::Agent,
    job_request::{JobRequest, RequestId, ReservedAgent, Title},
    snapshot::Queue,
};
use jiff::Timestamp;

/// A job's demands, and what else there is to it.
type Job<'a> = (&'a [&'a str], fn(&mut JobRequest));

fn snapshot(jobs: &[Job<'_>], agents: Vec<Agent>) -> Snapshot {
    let mut queue = Queue::default();
    for (id, (demands, change)) in (1..).zip(jobs) {
        let mut job = JobRequest {
            id: RequestId(id),
            queued_at: None,
            assigned_at: None,
            priority: 0,
            demands: queue.intern(demands),
            agent: None,
            received: false,
            lists_matched_agents: true,
            parallelism: None,
            title: Title::default(),
        };
        change(&mut job);
        queue.jobs.push(job);
    }
    Snapshot::new(Timestamp::UNIX_EPOCH, queue, Timestamp::UNIX_EPOCH, Arc::new(agents))
}

fn agent(name: &str, capabilities: &str) -> Agent {
    Agent {
        id: 1,
        name: name.into(),
        online: false,
        enabled: true,
        status_changed_at: None,
        assigned: None,
        last_completed: None,
        capabilities: Arc::new(capabilities.parse().unwrap()),
    }
}

fn demanding(demands: &str, agreement: Agreement) -> Builtin {
    Builtin { demands: demands.to_owned(), agreement, ..Builtin::default() }
}

fn templated(parent: &str) -> Builtin {
    Builtin { parent: Some(parent.to_owned()), ..Builtin::default() }
}

fn received(job: &mut JobRequest) {
    job.received = true;
    job.agent = Some(ReservedAgent { id: 9, name: "vm-9".into(), offline: false });
}

fn unlisted(job: &mut JobRequest) {
    job.lists_matched_agents = false;
}

fn as_it_is(_: &mut JobRequest) {}

#[test]
fn demands_agree_as_whole_texts() {
    use Agreement::{Both, OfTheJob, OfTheTrigger};
    let version = "Agent.Version -gtVersion 2.163.1";
    let rows: &[(&str, Agreement, &[&str], bool, &str)] = &[
        ("docker,java", OfTheJob, &["docker"], true, "a job may ask for less than is listed"),
        ("docker", OfTheJob, &["docker", "java"], false, "and not for more"),
        ("docker", OfTheJob, &[], true, "a job that asks for nothing is everybody's"),
        ("java", OfTheJob, &["java -equals 17"], false, "values are not read"),
        ("java -equals 17", OfTheJob, &["java -equals 17"], true, "the whole text is compared"),
        ("docker, java", OfTheJob, &["java"], false, "nothing is trimmed"),
        ("docker, java", OfTheJob, &[" java"], true, "on either side"),
        ("docker", OfTheJob, &["Docker"], false, "case counts"),
        ("docker", OfTheJob, &["docker", version], true, "the agent's version is left out of the job's"),
        (version, OfTheJob, &[], true, "and of those listed"),
        ("docker", OfTheJob, &["Agent.VersionOfMine", "docker"], true, "with whatever begins like it"),
        ("docker", OfTheJob, &["agent.version", "docker"], false, "but for its case"),
        ("docker", OfTheJob, &["docker", "docker"], true, "a demand that the job repeats makes two pairs of two"),
        ("docker,docker", OfTheJob, &["docker"], false, "one that is listed twice makes two pairs of one"),
        ("docker,docker", OfTheJob, &["docker", "java"], true, "which stand in for one that is missing"),
        ("docker,", OfTheJob, &[""], true, "after the last comma stands an empty demand"),
        ("docker,java", Both, &["java", "docker", version], true, "in any order"),
        ("docker,java", Both, &["docker"], false, "no less"),
        ("docker", Both, &["docker", "java"], false, "and no more"),
        ("docker,", Both, &["docker"], false, "the empty demand is one that the job lacks"),
        (version, Both, &[version], true, "two lists of nothing are the same"),
        ("docker", Both, &["docker", "docker"], false, "two pairs are more than one that is listed"),
        ("docker", OfTheTrigger, &["docker", "java"], true, "a job may ask for more than is listed"),
        ("docker,java", OfTheTrigger, &["docker"], false, "and not for less"),
        ("docker", OfTheTrigger, &["docker", "docker"], false, "a demand that the job repeats is one pair too many"),
        (version, OfTheTrigger, &["docker"], true, "nothing is listed but the version, so every job has it all"),
    ];
    for (listed, agreement, asked, counts, why) in rows {
        let snapshot = snapshot(&[(asked, as_it_is)], Vec::new());
        let counted = demanding(listed, *agreement).count(&snapshot);
        assert_eq!(counted, u32::from(*counts), "`{listed}` and {asked:?}: {why}");
    }
}

#[test]
fn case_is_ignored_where_it_is_asked_for() {
    let snapshot =
        snapshot(&[(&["DOCKER"], as_it_is), (&["\u{212A}8s"], as_it_is), (&["AGENT.version"], as_it_is)], vec![]);
    let mut builtin = demanding("docker,k8s", Agreement::OfTheJob);
    assert_eq!(builtin.count(&snapshot), 0);
    builtin.ignores_case = true;
    assert_eq!(builtin.count(&snapshot), 2, "the agent's version is left out by its exact case still");
}

#[test]
fn without_parent_and_demands_every_job_counts() {
    let snapshot = snapshot(&[(&[], as_it_is), (&["gpu"], unlisted), (&[" docker"], received)], Vec::new());
    let builtin = Builtin { agreement: Agreement::Both, ..Builtin::default() };
    assert_eq!(builtin.count(&snapshot), 3, "whatever must agree");
    assert_eq!(Builtin { counts_in_flight: false, ..builtin }.count(&snapshot), 2, "received ones may be left out");
}

#[test]
fn a_parent_is_looked_for_among_the_agents_that_a_job_lists() {
    let jobs: [Job<'_>; 6] = [
        (&["Docker"], as_it_is),
        (&["docker"], unlisted),
        (&["docker"], received),
        (&["gpu"], as_it_is),
        (&["docker", "xcode -equal 16"], as_it_is),
        (&["docker", "Agent.Version -gtVersion 4.0"], as_it_is),
    ];
    let snapshot = snapshot(&jobs, vec![agent("template", "docker, Agent.Version=3.0"), agent("vm-1", "gpu")]);
    assert_eq!(templated("template").count(&snapshot), 3, "offline, without regard to what Azure does not understand");
    assert_eq!(templated("Template").count(&snapshot), 0, "its name counts to the letter");
    assert_eq!(templated("vm-1").count(&snapshot), 1);
    assert_eq!(templated("nobody").count(&snapshot), 0, "none is no error");
    let both = Builtin { demands: "gpu".to_owned(), ..templated("template") };
    assert_eq!(both.count(&snapshot), 3, "its demands are not asked about");
    assert_eq!(Builtin { counts_in_flight: false, ..templated("template") }.count(&snapshot), 2);
}

#[test]
fn what_the_agents_tell_of_jobs_is_heard() {
    let holder = Agent { assigned: Some(RequestId(1)), last_completed: Some(RequestId(2)), ..agent("vm-1", "") };
    let snapshot = snapshot(&[(&[], as_it_is), (&[], as_it_is), (&[], as_it_is)], vec![holder]);
    let queued = Builtin { counts_in_flight: false, ..Builtin::default() };
    assert_eq!(
        queued.count(&snapshot),
        2,
        "a job that is held counts until it is received; one that is finished is gone"
    );
}
