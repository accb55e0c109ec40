//! What the headers of an answer say of Azure's own budget.

use std::time::Duration;

use jiff::{Timestamp, fmt::rfc2822};
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

use super::WINDOW;

/// Units in a window, where Azure says how many are left and not of how many.
const UNITS: f64 = 200.0;

/// What an answer said.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in super::super) struct Heard {
    /// For how long Azure asks to be let alone.
    pub(in super::super) patience: Option<Duration>,
    /// Units that are left.
    pub(in super::super) remaining: Option<f64>,
    /// The part that is left; none where the answer was delayed.
    pub(in super::super) left: Option<f64>,
    /// How long that holds.
    pub(in super::super) lasts: Duration,
}

impl Heard {
    pub(in super::super) fn read(headers: &HeaderMap) -> Self {
        let number = |name: &str| -> Option<f64> {
            let number: f64 = headers.get(name)?.to_str().ok()?.trim().parse().ok()?;
            (number.is_finite() && number >= 0.0).then_some(number)
        };
        let remaining = number("x-ratelimit-remaining");
        let limit = number("x-ratelimit-limit").filter(|limit| *limit > 0.0).unwrap_or(UNITS);
        let is_delayed = number("x-ratelimit-delay").is_some_and(|delay| delay > 0.0);
        Self {
            patience: number(RETRY_AFTER.as_str()).map(|seconds| Duration::from_secs_f64(seconds.min(86_400.0))),
            remaining,
            left: if is_delayed { Some(0.0) } else { remaining.map(|remaining| remaining / limit) },
            lasts: number("x-ratelimit-reset").and_then(|reset| until(reset, headers)).unwrap_or(WINDOW),
        }
    }
}

/// The time from when the answer was made to then, both by Azure's clock.
fn until(reset: f64, headers: &HeaderMap) -> Option<Duration> {
    let date = headers.get(DATE)?.to_str().ok()?;
    let date: Timestamp = rfc2822::DateTimeParser::new().parse_timestamp(date).ok()?;
    #[expect(clippy::cast_precision_loss, reason = "seconds")]
    let left = reset - date.as_second() as f64;
    Some(Duration::from_secs_f64(left.clamp(0.0, 86_400.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(headers: &[(&'static str, &'static str)]) -> Heard {
        Heard::read(&headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect())
    }

    #[test]
    fn headers_say_what_is_left_and_for_how_long() {
        assert_eq!(heard(&[]), Heard { lasts: WINDOW, ..Heard::default() });
        let told = heard(&[
            ("date", "Thu, 26 Nov 2026 16:00:00 GMT"),
            ("x-ratelimit-limit", "400"),
            ("x-ratelimit-remaining", "100"),
            ("x-ratelimit-reset", "1795708830"),
        ]);
        assert_eq!((told.left, told.lasts, told.patience), (Some(0.25), Duration::from_secs(30), None));
        assert_eq!(heard(&[("x-ratelimit-remaining", "50")]).left, Some(0.25), "of 200");
        assert_eq!(heard(&[("x-ratelimit-remaining", "50"), ("x-ratelimit-delay", "0.5")]).left, Some(0.0));
        assert_eq!(heard(&[("retry-after", "20")]).patience, Some(Duration::from_secs(20)));
    }

    #[test]
    fn nonsense_is_passed_over() {
        for value in ["", "soon", "-1", "inf", "NaN", "1e999"] {
            let told = heard(&[("x-ratelimit-remaining", value), ("retry-after", value), ("x-ratelimit-limit", value)]);
            assert_eq!(told, Heard { lasts: WINDOW, ..Heard::default() }, "{value:?}");
        }
        assert_eq!(heard(&[("x-ratelimit-reset", "99"), ("date", "now")]).lasts, WINDOW);
    }
}
