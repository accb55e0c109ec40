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
#[cfg(test)]
mod tests;

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

pub(super) use self::headers::Heard;

/// Azure looks back over this time, and so do we.
pub(super) const WINDOW: Duration = Duration::from_mins(5);
/// Requests in any five minutes: what 50 pools with 200 triggers polled every 10 s take when jobs wait in all of them, and a
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
        if let Some(wait) = self.wait(now) {
            return Err(wait);
        }
        self.sent.push_back(now);
        Ok(())
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
