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
    if agent.capabilities.get(&MARK.into()).is_some() && !planted!(PlaceholdersCleaned) {
        return stays(Reason::Placeholder);
    }
    if !rules.own.iter().any(|pattern| pattern.matches(&agent.name)) && !planted!(ForeignCleaned) {
        return stays(Reason::Foreign);
    }
    if agent.online && !planted!(OnlineCleaned) {
        return stays(Reason::Online);
    }
    if agent.assigned.is_some() && !planted!(BusyCleaned) {
        return stays(Reason::Busy);
    }
    let unknown = planted!(UnknownCleaned).then_some(Timestamp::MIN);
    let Some(since) = agent.status_changed_at.or(unknown) else { return stays(Reason::UnknownSince) };
    let is_spent = agent.last_completed.is_some();
    let limit = if is_spent { SPENT_AFTER } else { rules.offline_for };
    match now.duration_since(since) {
        offline if offline < limit && !planted!(FlappingCleaned) => stays(Reason::JustOffline),
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
mod tests;
