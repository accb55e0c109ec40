//! How much one organisation may still be asked: by Azure's own word, and by a cap of ours that is never exceeded.
//!
//! ```text
//! requests sent in the last 5 minutes ──┐
//!                                       ├──▶ what is left, 0 to 1 ──▶ how long a snapshot stays fresh, how rare background looks are
//! X-RateLimit headers ──────────────────┘
//! ```
//!
//! Azure counts in units of load (200 in 5 minutes for a user), of which a request costs a part that nobody outside knows,
//! so the cap is a number of requests, and the headers have the last word. Pure: `now` is an argument.

mod headers;

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

pub(super) use self::headers::Heard;

/// Azure looks back over this time, and so do we.
pub(super) const WINDOW: Duration = Duration::from_mins(5);
/// Requests in any [`WINDOW`]: what 50 pools with 200 triggers polled every 10 s take when jobs wait in all of them, and a
/// fifth more; two thirds of what KEDA's built-in scaler sends for as many.
pub const CAP: usize = 4_000;
/// While more than this part is left, nothing is saved.
const AMPLE: f64 = 0.5;
/// Below this part, only what somebody waits for is asked.
const SCARCE: f64 = 0.1;

/// What one organisation may still be asked.
#[derive(Debug)]
pub(super) struct Budget {
    cap: usize,
    /// When the requests of the last window were sent, oldest first.
    sent: VecDeque<Instant>,
    told: Option<Told>,
}

/// What Azure has said is left.
#[derive(Clone, Copy, Debug)]
struct Told {
    left: f64,
    until: Instant,
}

impl Default for Budget {
    fn default() -> Self {
        Self::capped(CAP)
    }
}

impl Budget {
    fn capped(cap: usize) -> Self {
        Self { cap, sent: VecDeque::new(), told: None }
    }

    /// Takes a request out of the budget.
    ///
    /// # Errors
    ///
    /// When none is left: the time until there is one again.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        while self.sent.front().is_some_and(|at| now.duration_since(*at) >= WINDOW) {
            self.sent.pop_front();
        }
        match self.wait(now) {
            Some(wait) => Err(wait),
            None => {
                self.sent.push_back(now);
                Ok(())
            }
        }
    }

    /// How long there is none left; nothing where there is one.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        let place = self.sent.len().checked_sub(self.cap)?;
        let free_at = *self.sent.get(place)? + WINDOW;
        Some(free_at.saturating_duration_since(now)).filter(|wait| !wait.is_zero())
    }

    /// Azure has said that this part is left, for this time.
    pub(super) fn hear(&mut self, left: f64, lasts: Duration, now: Instant) {
        self.told = Some(Told { left: left.clamp(0.0, 1.0), until: now + lasts.min(WINDOW) });
    }

    /// The part that is left, by whichever of the two says less.
    pub(super) fn left(&self, now: Instant) -> f64 {
        let told = self.told.filter(|told| now < told.until).map_or(1.0, |told| told.left);
        let old = self.sent.partition_point(|at| now.duration_since(*at) >= WINDOW);
        #[expect(clippy::cast_precision_loss, reason = "thousands")]
        let own = 1.0 - (self.sent.len() - old) as f64 / self.cap as f64;
        own.min(told)
    }

    /// Whether only what somebody waits for is to be asked.
    pub(super) fn is_scarce(&self, now: Instant) -> bool {
        self.left(now) < SCARCE
    }
}

/// A time that grows from the usual to the longest as the part that is left shrinks.
pub(super) fn stretched(usual: Duration, longest: Duration, left: f64) -> Duration {
    let want = ((AMPLE - left) / (AMPLE - SCARCE)).clamp(0.0, 1.0);
    usual + longest.saturating_sub(usual).mul_f64(want)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SMALL: usize = 20;

    proptest! {
        /// Whatever is asked when: no window has more than the cap, and who waits as long as he is told gets through.
        #[test]
        fn the_cap_holds_in_every_window(gaps in prop::collection::vec(0_u64..40_000, 1..300)) {
            let mut budget = Budget::capped(SMALL);
            let mut now = Instant::now();
            let mut sent: Vec<Instant> = Vec::new();
            for gap in gaps {
                now += Duration::from_millis(gap);
                prop_assert_eq!(budget.wait(now).is_some(), budget.left(now) <= 0.0);
                if let Err(wait) = budget.take(now) {
                    prop_assert!(wait <= WINDOW && budget.wait(now) == Some(wait));
                    prop_assert!(budget.take(now + wait - Duration::from_millis(1)).is_err(), "no longer than needed");
                    now += wait;
                    prop_assert!(budget.take(now).is_ok());
                }
                sent.push(now);
            }
            for (place, first) in sent.iter().enumerate() {
                let within = sent[place..].iter().take_while(|at| at.duration_since(*first) < WINDOW).count();
                prop_assert!(within <= SMALL, "{} in one window", within);
            }
        }

        /// The less is left, the longer; never beyond its bounds, and never shorter than usual.
        #[test]
        fn times_stretch_as_the_budget_shrinks(usual in 0_u64..100_000, longest in 0_u64..100_000, left in -1.0..2.0_f64, less in 0.0..1.0_f64) {
            let (usual, longest) = (Duration::from_millis(usual), Duration::from_millis(longest));
            let time = stretched(usual, longest, left);
            prop_assert!(time >= usual && time <= longest.max(usual));
            prop_assert!(stretched(usual, longest, left - less) >= time);
            prop_assert_eq!(stretched(usual, longest, AMPLE), usual);
            prop_assert_eq!(stretched(usual, longest, 0.0), longest.max(usual));
        }

        /// Azure's word counts where it says less, for as long as it is good.
        #[test]
        fn azure_has_the_last_word(own in 0..SMALL, told in 0.0..1.0_f64, lasts in 1_u64..300) {
            let mut budget = Budget::capped(SMALL);
            let now = Instant::now();
            for _ in 0..own {
                prop_assert!(budget.take(now).is_ok());
            }
            let before = budget.left(now);
            budget.hear(told, Duration::from_secs(lasts), now);
            prop_assert_eq!(budget.left(now), before.min(told));
            prop_assert_eq!(budget.left(now + WINDOW), 1.0);
            let end = now + Duration::from_secs(lasts);
            prop_assert_eq!(budget.left(end), if lasts < 300 { before } else { 1.0 });
        }
    }
}
