//! Agents of a pool as Azure Pipelines lists them, and the names by which a ScaledJob knows its own.
//!
//! Pure. Knows [`capability`](crate::capability) and [`caseless`](crate::caseless).

use std::{str::FromStr, sync::Arc};

use jiff::Timestamp;

use crate::{
    capability::CapabilitySet,
    caseless::{Caseless, folded},
    job_request::RequestId,
};

/// A registered agent.
#[derive(Clone, Debug)]
pub struct Agent {
    /// Azure's number for it.
    pub id: i64,
    /// Unique in its pool.
    pub name: Caseless,
    /// Whether it has a session with Azure now.
    pub online: bool,
    /// Whether an administrator lets it take jobs.
    pub enabled: bool,
    /// When `online` last changed.
    pub status_changed_at: Option<Timestamp>,
    /// The job request it has been given and has not finished.
    pub assigned: Option<RequestId>,
    /// The job request it finished last.
    pub last_completed: Option<RequestId>,
    /// System capabilities and, over them, those an administrator added.
    pub capabilities: Arc<CapabilitySet>,
}

/// Which agents are a ScaledJob's own: `*` stands for anything, case is ignored.
#[derive(Clone, Debug)]
pub struct AgentNamePattern {
    written: String,
    /// The literal parts between the stars, folded.
    parts: Vec<String>,
}

/// The pattern can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a pattern of agents' names is empty: write names with `*` for anything, such as `build-*`")]
pub struct EmptyPattern;

impl AgentNamePattern {
    /// The names that pods of a ScaledJob have: its own, a dash, anything.
    #[must_use]
    pub fn of_scaled_job(name: &str) -> Self {
        Self::new(format!("{name}-*"))
    }

    fn new(written: String) -> Self {
        let mut parts: Vec<String> = written.split('*').map(|part| folded(part).collect()).collect();
        // Two stars in a row stand for no more than one.
        let last = parts.len() - 1;
        let mut place = 0;
        parts.retain(|part| {
            place += 1;
            !part.is_empty() || place == 1 || place == last + 1
        });
        Self { written, parts }
    }

    /// The pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// The literal parts between the stars, without regard to case: equal for patterns that cover the same names.
    #[must_use]
    pub fn parts(&self) -> &[String] {
        &self.parts
    }

    /// Whether the pattern covers a name.
    #[must_use]
    pub fn matches(&self, name: &Caseless) -> bool {
        self.matches_folded(&folded(name.as_str()).collect::<String>())
    }

    /// Whether the pattern covers a name that is folded already.
    #[must_use]
    pub fn matches_folded(&self, name: &str) -> bool {
        let [first, middle @ .., last] = self.parts.as_slice() else {
            return self.parts.first().is_some_and(|only| only == name);
        };
        let Some(mut rest) = name.strip_prefix(first.as_str()).and_then(|rest| rest.strip_suffix(last.as_str())) else {
            return false;
        };
        middle.iter().all(|part| match rest.find(part.as_str()) {
            Some(at) => {
                rest = &rest[at + part.len()..];
                true
            }
            None => false,
        })
    }

    /// Whether there is a name that both patterns cover.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let ends = |pattern: &'_ Self| {
            let [first, .., last] = pattern.parts.as_slice() else { return None };
            Some((first.clone(), last.clone()))
        };
        match (ends(self), ends(other)) {
            // What stands between can be put one after the other.
            (Some((first, last)), Some((other_first, other_last))) => {
                (first.starts_with(&other_first) || other_first.starts_with(&first))
                    && (last.ends_with(&other_last) || other_last.ends_with(&last))
            }
            (Some(_), None) => self.covers(other),
            (None, _) => other.covers(self),
        }
    }

    /// Whether this pattern covers every name that another covers.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        // A character that no pattern has can only be covered by a star.
        self.matches_folded(&other.parts.join("\u{ffff}"))
    }

    /// Whether there is a star in it: without one it covers a single name.
    #[must_use]
    pub fn has_star(&self) -> bool {
        self.parts.len() > 1
    }
}

impl FromStr for AgentNamePattern {
    type Err = EmptyPattern;

    fn from_str(text: &str) -> Result<Self, EmptyPattern> {
        let text = text.trim();
        if text.is_empty() { Err(EmptyPattern) } else { Ok(Self::new(text.to_owned())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(pattern: &str, name: &str) -> bool {
        pattern.parse::<AgentNamePattern>().unwrap().matches(&name.into())
    }

    #[test]
    fn a_star_stands_for_anything() {
        assert!(covers("build-*", "BUILD-x7x9k"));
        assert!(covers("build-*", "build-"));
        assert!(!covers("build-*", "rebuild-1"));
        assert!(covers("*-gpu-*", "a-gpu-b-gpu-c"));
        assert!(!covers("*-gpu-*", "a-gpu"));
        assert!(covers("a*b*c", "abc") && !covers("a*b*c", "acb"));
        assert!(covers("vm-1", "VM-1") && !covers("vm-1", "vm-12"));
        assert!(!covers("ab*ba", "aba"), "a character is not both ends");
    }

    #[test]
    fn stars_in_a_row_are_one() {
        let parts = |text: &str| text.parse::<AgentNamePattern>().unwrap().parts().to_vec();
        assert_eq!(parts("build-**"), parts("build-*"));
        assert_eq!(parts("***"), parts("*"));
        assert!(covers("**a**", "xay") && !covers("**a**", "xy"));
    }

    #[test]
    fn patterns_overlap_and_cover_each_other() {
        let pattern = |text: &str| text.parse::<AgentNamePattern>().unwrap();
        let [overlaps, covers] = [AgentNamePattern::overlaps, AgentNamePattern::covers];
        for (one, other, overlap, first_covers, second_covers) in [
            ("a-*x*", "a-*y*", true, false, false),
            ("a-*", "A-*", true, true, true),
            ("a-*", "a-*-arm", true, true, false),
            ("a-*-x86", "a-*-arm", false, false, false),
            ("a*b*c", "a*bc", true, true, false),
            ("a-*", "b-*", false, false, false),
            ("a-*", "a-1", true, true, false),
            ("a-1", "a-2", false, false, false),
            ("*", "ab*ba", true, true, false),
            ("ab*ba", "aba", false, false, false),
        ] {
            let (one, other) = (pattern(one), pattern(other));
            assert_eq!([overlaps(&one, &other), overlaps(&other, &one)], [overlap; 2], "{one:?} {other:?}");
            assert_eq!(
                [covers(&one, &other), covers(&other, &one)],
                [first_covers, second_covers],
                "{one:?} {other:?}"
            );
        }
    }

    #[test]
    fn an_empty_pattern_is_none() {
        assert!("  ".parse::<AgentNamePattern>().is_err());
    }
}
