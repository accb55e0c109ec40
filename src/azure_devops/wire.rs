//! The REST interface's answers as they stand on the wire: only the fields this program uses, text borrowed from the
//! answer.
//!
//! Azure leaves out what is null, false or 0, and so do these types when they are written; when they are read, null and
//! missing are alike and unknown fields are passed over. May touch nothing of this crate: [`decode`](super::decode) makes
//! domain types of these, and the simulator writes them.

mod field;
mod items;
mod usage;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::field::{Capabilities, Demand, Listed, Text};
use self::field::{is_false, is_zero, or_default, time};
pub use self::usage::{ResourceLimit, ResourceUsage, RunningRequest};

/// The envelope of every list.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
pub struct List<T> {
    /// How many items there are; not relied upon.
    #[serde(default, deserialize_with = "or_default")]
    pub count: usize,
    /// The items. An answer without them is no list.
    #[serde(deserialize_with = "items::bounded")]
    pub value: Vec<T>,
}

impl<T> From<Vec<T>> for List<T> {
    fn from(value: Vec<T>) -> Self {
        Self { count: value.len(), value }
    }
}

/// An item of `pools/{id}/jobrequests`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobRequest<'a> {
    /// Its number.
    pub request_id: i64,
    /// When it was queued.
    #[serde(default, deserialize_with = "time", skip_serializing_if = "Option::is_none")]
    pub queue_time: Option<Timestamp>,
    /// When an agent was reserved for it.
    #[serde(default, deserialize_with = "time", skip_serializing_if = "Option::is_none")]
    pub assign_time: Option<Timestamp>,
    /// When that agent had received it.
    #[serde(default, deserialize_with = "time", skip_serializing_if = "Option::is_none")]
    pub receive_time: Option<Timestamp>,
    /// When it ended.
    #[serde(default, deserialize_with = "time", skip_serializing_if = "Option::is_none")]
    pub finish_time: Option<Timestamp>,
    /// How it ended.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Text<'a>>,
    /// What it asks of an agent.
    #[serde(borrow, default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub demands: Vec<Demand<'a>>,
    /// The agent that is reserved for it.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub reserved_agent: Option<AgentReference<'a>>,
    /// The agents that satisfy it, offline ones included: read only as far as that they are listed.
    #[serde(default, skip_serializing)]
    pub matched_agents: Option<Listed>,
    /// Whose licences it needs.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Data<'a>>,
    /// Azure's own priority.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_zero")]
    pub priority: i32,
    /// The job's name.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub job_name: Option<Text<'a>>,
    /// The pipeline.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<Reference<'a>>,
    /// The run.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Reference<'a>>,
}

/// What a job request says of its kind.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Data<'a> {
    /// `Private` or `Public`.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub parallelism_tag: Option<Text<'a>>,
}

/// An agent as a job request names it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct AgentReference<'a> {
    /// Its number.
    #[serde(default, deserialize_with = "or_default")]
    pub id: i64,
    /// Its name.
    #[serde(borrow, default, deserialize_with = "or_default")]
    pub name: Text<'a>,
    /// `online` or `offline`.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Text<'a>>,
}

/// A pipeline or a run as a job request names it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Reference<'a> {
    /// Its name.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Text<'a>>,
    /// Where it can be looked at.
    #[serde(borrow, default, rename = "_links", skip_serializing_if = "Option::is_none")]
    pub links: Option<Links<'a>>,
}

/// Links of a reference.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Links<'a> {
    /// The page for people.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub web: Option<Link<'a>>,
}

/// One link.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Link<'a> {
    /// Its address.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub href: Option<Text<'a>>,
}

/// An item of `pools`, and the whole answer of `pools/{id}`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Pool<'a> {
    /// Its number.
    pub id: i64,
    /// Its name.
    #[serde(borrow)]
    pub name: Text<'a>,
}

/// An item of `pools/{id}/agents`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Agent<'a> {
    /// Its number.
    pub id: i64,
    /// Its name.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// `online` or `offline`.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Text<'a>>,
    /// Whether an administrator lets it take jobs.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_false")]
    pub enabled: bool,
    /// When `status` last changed.
    #[serde(default, deserialize_with = "time", skip_serializing_if = "Option::is_none")]
    pub status_changed_on: Option<Timestamp>,
    /// The job request it works on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assigned_request: Option<RequestReference>,
    /// The job request it finished last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_completed_request: Option<RequestReference>,
    /// What it found on its machine.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub system_capabilities: Option<Capabilities<'a>>,
    /// What an administrator added.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub user_capabilities: Option<Capabilities<'a>>,
}

/// What is changed of an agent.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct AgentUpdate<'a> {
    /// Its number.
    pub id: i64,
    /// Its name.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// Whether it is to get jobs.
    pub enabled: bool,
}

/// What registers an agent, or replaces one.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewAgent<'a> {
    /// Its number, where there is one already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    /// Its name.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// The agent's program.
    #[serde(borrow)]
    pub version: Text<'a>,
    /// What it runs on.
    #[serde(borrow)]
    pub os_description: Text<'a>,
    /// Whether an administrator lets it take jobs.
    pub enabled: bool,
    /// `online` or `offline`.
    #[serde(borrow)]
    pub status: Text<'a>,
    /// `Provisioned`.
    #[serde(borrow)]
    pub provisioning_state: Text<'a>,
    /// What it offers.
    #[serde(borrow)]
    pub system_capabilities: Capabilities<'a>,
}

/// A job request as an agent names it.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestReference {
    /// Its number.
    pub request_id: i64,
}

/// What Azure says when it refuses.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Refusal<'a> {
    /// For people.
    #[serde(borrow, default)]
    pub message: Option<Text<'a>>,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn job(json: &str) -> JobRequest<'_> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn null_missing_and_unknown_are_alike() {
        let nulls = job(
            r#"{"requestId":1,"queueTime":null,"result":null,"demands":null,"reservedAgent":null,"priority":null,
            "jobName":null,"definition":{"name":null,"_links":null},"owner":null,"planId":"free text","matchedAgents":[{}]}"#,
        );
        let missing = job(r#"{"requestId":1,"definition":{}}"#);
        let written = serde_json::to_string(&nulls).unwrap();
        assert_eq!(written, r#"{"requestId":1,"definition":{}}"#, "what is none is left out");
        assert_eq!(written, serde_json::to_string(&missing).unwrap());
    }

    #[test]
    fn a_list_needs_its_items() {
        for json in ["{}", "[]", r#"{"count":0}"#, r#"{"count":0,"value":null}"#, r#"{"value":[{"name":"x"}]}"#] {
            assert!(serde_json::from_str::<List<Pool<'_>>>(json).is_err(), "{json}");
        }
        let pools: List<Pool<'_>> = vec![Pool { id: 7, name: "Linux".into() }].into();
        assert_eq!(serde_json::to_string(&pools).unwrap(), r#"{"count":1,"value":[{"id":7,"name":"Linux"}]}"#);
    }

    #[test]
    fn capabilities_stay_json() {
        let made = Agent {
            id: 3,
            name: "vm-1".into(),
            enabled: true,
            system_capabilities: Some(Capabilities::new(&BTreeMap::from([("java".to_owned(), "17".to_owned())]))),
            assigned_request: Some(RequestReference { request_id: 9 }),
            ..Agent::default()
        };
        let written = serde_json::to_string(&made).unwrap();
        let expected = r#"{"id":3,"name":"vm-1","enabled":true,"assignedRequest":{"requestId":9},"systemCapabilities":{"java":"17"}}"#;
        assert_eq!(written, expected);
        let read: Agent<'_> = serde_json::from_str(&written).unwrap();
        assert_eq!(read.system_capabilities.unwrap().json(), r#"{"java":"17"}"#);
    }
}
