use std::sync::Arc;

use super::*;
use crate::{capability::CapabilitySet, job_request::RequestId};

const NOW: Timestamp = Timestamp::constant(1_790_000_000, 0);

/// An own agent that is offline for so many minutes and never had a job.
fn agent(minutes: i64) -> Agent {
    Agent {
        id: 1,
        name: "build-x7x9k".into(),
        online: false,
        enabled: true,
        status_changed_at: Some(NOW - SignedDuration::from_mins(minutes)),
        assigned: None,
        last_completed: None,
        capabilities: Arc::default(),
    }
}

fn label(agent: &Agent) -> &'static str {
    let rules = Rules { own: vec!["build-*".parse().unwrap()], offline_for: SignedDuration::from_hours(1) };
    judge(agent, &rules, NOW).label()
}

#[test]
fn dead_is_what_was_offline_for_long_enough_and_has_no_job() {
    let spent = |minutes| Agent { last_completed: Some(RequestId(3)), ..agent(minutes) };
    assert_eq!([59, 60].map(|minutes| label(&agent(minutes))), ["just-offline", "never-came-back"]);
    assert_eq!([9, 10].map(|minutes| label(&spent(minutes))), ["just-offline", "spent"]);
}

#[test]
fn whatever_else_there_is_stays() {
    let old = Agent { last_completed: Some(RequestId(3)), ..agent(1_000_000) };
    let marked = |value: &str| Arc::new(CapabilitySet::new([(MARK, value)]));
    for (stays, why) in [
        (Agent { online: true, ..old.clone() }, "online"),
        (Agent { assigned: Some(RequestId(4)), ..old.clone() }, "busy"),
        (Agent { name: "vm-1".into(), ..old.clone() }, "foreign"),
        (Agent { name: "rebuild-1".into(), ..old.clone() }, "foreign"),
        (Agent { status_changed_at: None, ..old.clone() }, "unknown-since"),
        (Agent { status_changed_at: Some(NOW + SignedDuration::from_mins(1)), ..old.clone() }, "just-offline"),
        (Agent { capabilities: marked("agents/build"), ..old.clone() }, "placeholder"),
        (Agent { capabilities: marked("agents/build by hand"), ..old.clone() }, "placeholder"),
        (Agent { capabilities: marked("?"), online: true, ..old.clone() }, "placeholder"),
    ] {
        assert_eq!(label(&stays), why, "{stays:?}");
    }
    assert_eq!(label(&old), "spent");
}
