//! How long a task lets Azure alone after rounds that failed.
//!
//! Pure: `now` is an argument.

use std::time::Duration;

use tokio::time::Instant;

/// The pause after the first failure; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// No pause is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The growing pause between rounds that fail. There is one task per pool or organisation, so nothing is gained by chance
/// in it.
#[derive(Debug, Default)]
pub(super) struct Pace {
    pause: Option<Duration>,
    until: Option<Instant>,
}

impl Pace {
    /// A round has failed.
    pub(super) fn failed(&mut self, now: Instant) {
        let pause = self.pause.map_or(FIRST_PAUSE, |pause| (pause * 2).min(LONGEST_PAUSE));
        self.pause = Some(pause);
        self.until = Some(now + pause);
    }

    /// A round has brought a snapshot.
    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// Until when there is to be no other round; none after one that went well.
    pub(super) fn pausing_until(&self) -> Option<Instant> {
        self.until
    }

    /// Whether a failure is too young for another round.
    pub(super) fn is_pausing(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_double_up_to_a_bound_and_end_with_success() {
        let mut pace = Pace::default();
        let now = Instant::now();
        assert!(!pace.is_pausing(now));
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            pace.failed(now);
            let end = now + Duration::from_secs(seconds);
            assert!(pace.is_pausing(end - Duration::from_millis(1)) && !pace.is_pausing(end), "{seconds} s");
        }
        pace.succeeded();
        assert!(!pace.is_pausing(now));
        pace.failed(now);
        assert!(!pace.is_pausing(now + FIRST_PAUSE), "it begins anew");
    }
}
