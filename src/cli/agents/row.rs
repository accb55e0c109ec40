//! One agent as it is told, to people and to programs.

use jiff::Timestamp;
use serde::Serialize;

use crate::{agent::Agent, cleaning::Verdict};

/// An agent as it is told.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) id: i64,
    name: String,
    online: bool,
    enabled: bool,
    /// Since when it is online or offline.
    since: Option<Timestamp>,
    /// The job that it has.
    job: Option<i64>,
    verdict: &'static str,
    reason: String,
    /// What became of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) removed: Option<bool>,
}

/// What the cells are.
pub(super) const HEADER: [&str; 5] = ["ID", "NAME", "STATUS", "VERDICT", "REASON"];

impl Row {
    pub(super) fn of(agent: &Agent, verdict: Verdict) -> Self {
        Self {
            id: agent.id,
            name: agent.name.to_string(),
            online: agent.online,
            enabled: agent.enabled,
            since: agent.status_changed_at,
            job: agent.assigned.map(|job| job.0),
            verdict: verdict.label(),
            reason: verdict.to_string(),
            removed: None,
        }
    }

    pub(super) fn cells(&self) -> [String; 5] {
        let status = match (self.online, self.enabled) {
            (true, true) => "online",
            (true, false) => "online, disabled",
            (false, true) => "offline",
            (false, false) => "offline, disabled",
        };
        let reason = match self.removed {
            None => self.reason.clone(),
            Some(true) => format!("{}; removed", self.reason),
            Some(false) => format!("{}; not removed", self.reason),
        };
        [self.id.to_string(), self.name.clone(), status.to_owned(), self.verdict.to_owned(), reason]
    }
}
