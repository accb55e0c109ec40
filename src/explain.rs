//! A decision told in prose, made only when somebody reads it.
//!
//! Pure. Knows [`decision`](crate::decision) and what it points to.

use crate::decision::Decision;

/// Why one job is where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The decision's name: `assigned`, `unmatched`, …
    pub decision: &'static str,
    /// One sentence.
    pub summary: String,
    /// One line for each trigger that matters: what it lacks, or that it is at its maximum.
    pub reasons: Vec<String>,
}

/// Tells why the job at `place` in the snapshot's list is where it is.
#[must_use]
pub fn explain(decision: &Decision, place: usize) -> Explanation {
    let placement = decision.jobs[place];
    Explanation { decision: placement.label(), summary: String::new(), reasons: Vec::new() }
}
