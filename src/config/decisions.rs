//! The section `[decisions]`: how long things may take before they are no longer believed, and what is kept ready.

use jiff::SignedDuration;

use super::{section::Section, values};
use crate::{parallel_jobs::Headroom, pool::Rules};

/// Pools do not wait longer than this for their triggers.
const LONGEST_SETTLE: SignedDuration = SignedDuration::from_mins(10);
/// Nothing that is given time is given less.
const SHORTEST: SignedDuration = SignedDuration::from_secs(1);
/// Nothing that is given time is given more.
const LONGEST: SignedDuration = SignedDuration::from_hours(1);

/// What the section says, defaults where it says nothing.
pub(super) fn read(section: &mut Section<'_>) -> (Rules, Headroom) {
    let default = Rules::default();
    let settle = time(section, "settle", SignedDuration::ZERO..=LONGEST_SETTLE, "must be at most `10m`");
    let mut bounded = |key| time(section, key, SHORTEST..=LONGEST, "must be from `1s` to `1h`");
    let rules = Rules {
        settle: settle.unwrap_or(default.settle),
        idle_agent_grace: bounded("idle_agent_grace").unwrap_or(default.idle_agent_grace),
        start_timeout: bounded("start_timeout").unwrap_or(default.start_timeout),
        failed_starts: section.read("failed_starts", values::starts).unwrap_or(default.failed_starts),
    };
    let headroom = section.read("parallel_job_headroom", values::headroom);
    (rules, headroom.unwrap_or(Headroom::Quarter))
}

/// A length of time within bounds, if it is written.
fn time(
    section: &mut Section<'_>,
    key: &'static str,
    bounds: std::ops::RangeInclusive<SignedDuration>,
    rule: &'static str,
) -> Option<SignedDuration> {
    let time = SignedDuration::try_from(section.read(key, values::duration)?).ok()?;
    if !bounds.contains(&time) {
        section.reject(key, format!("{time:#}"), rule);
    }
    Some(time)
}
