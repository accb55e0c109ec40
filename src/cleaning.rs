//! Which registrations of agents are dead, and why the others stay.
//!
//! An agent that runs one job and ends leaves its registration behind where it was killed before it could remove it. Only such
//! ones are dead: of names that are said to be one's own, offline for long enough that it is no link that flaps, without a
//! job. Whatever is not known speaks for the agent. Pure.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use crate::{
    agent::{Agent, AgentNamePattern},
    placeholder::MARK,
};

/// An agent that has run a job and has been offline for so long is not coming back: it runs one job only.
pub const SPENT_AFTER: SignedDuration = SignedDuration::from_mins(10);

/// Whose agents are judged, and how long one that never had a job may be offline.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The names of own agents.
    pub own: Vec<AgentNamePattern>,
    /// One that never had a job is dead after this time offline.
    pub offline_for: SignedDuration,
}

/// What becomes of a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is dead.
    Dead(Cause),
    /// It stays.
    Stays(Reason),
}

/// Why a registration is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It has run a job, and is offline since then.
    Spent {
        /// Since when it is offline.
        since: Timestamp,
    },
    /// It never had a job, and is offline for longer than is allowed.
    NeverCameBack {
        /// Since when it is offline.
        since: Timestamp,
    },
}

/// Why a registration stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It stands for agents that do not run.
    Placeholder,
    /// Its name is none of one's own.
    Foreign,
    /// It has a session.
    Online,
    /// It has a job.
    Busy,
    /// Nobody knows since when it is offline.
    UnknownSince,
    /// It has not been offline for long enough.
    JustOffline,
}

/// Judges an agent.
#[must_use]
pub fn judge(agent: &Agent, rules: &Rules, now: Timestamp) -> Verdict {
    let stays = |reason| Verdict::Stays(reason);
    // A mark is a mark, even one that can't be read.
    if agent.capabilities.get(&MARK.into()).is_some() {
        return stays(Reason::Placeholder);
    }
    if !rules.own.iter().any(|pattern| pattern.matches(&agent.name)) {
        return stays(Reason::Foreign);
    }
    if agent.online {
        return stays(Reason::Online);
    }
    if agent.assigned.is_some() {
        return stays(Reason::Busy);
    }
    let Some(since) = agent.status_changed_at else { return stays(Reason::UnknownSince) };
    let is_spent = agent.last_completed.is_some();
    let limit = if is_spent { SPENT_AFTER } else { rules.offline_for };
    match now.duration_since(since) {
        offline if offline < limit => stays(Reason::JustOffline),
        _ if is_spent => Verdict::Dead(Cause::Spent { since }),
        _ => Verdict::Dead(Cause::NeverCameBack { since }),
    }
}

impl Verdict {
    /// The verdict's name, for programs.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Dead(Cause::Spent { .. }) => "spent",
            Self::Dead(Cause::NeverCameBack { .. }) => "never-came-back",
            Self::Stays(Reason::Placeholder) => "placeholder",
            Self::Stays(Reason::Foreign) => "foreign",
            Self::Stays(Reason::Online) => "online",
            Self::Stays(Reason::Busy) => "busy",
            Self::Stays(Reason::UnknownSince) => "unknown-since",
            Self::Stays(Reason::JustOffline) => "just-offline",
        }
    }
}

/// For people.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dead(Cause::Spent { since }) => write!(f, "has run its job, offline since {since:.0}"),
            Self::Dead(Cause::NeverCameBack { since }) => write!(f, "never had a job, offline since {since:.0}"),
            Self::Stays(Reason::Placeholder) => f.write_str("a placeholder"),
            Self::Stays(Reason::Foreign) => f.write_str("its name is not one of your own"),
            Self::Stays(Reason::Online) => f.write_str("online"),
            Self::Stays(Reason::Busy) => f.write_str("has a job"),
            Self::Stays(Reason::UnknownSince) => f.write_str("offline, nobody knows since when"),
            Self::Stays(Reason::JustOffline) => f.write_str("offline, but not for long enough"),
        }
    }
}

#[cfg(test)]
mod tests {
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
}
