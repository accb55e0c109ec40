//! The growing pauses between attempts, up to a deadline.
//!
//! Pure: `now` is an argument.

use std::time::Duration;

use tokio::time::Instant;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

/// Attempts at one thing.
pub(crate) struct Pauses {
    next: Duration,
    by: Instant,
}

impl Pauses {
    pub(crate) fn until(by: Instant) -> Self {
        Self { next: FIRST, by }
    }

    /// How long to wait before the next attempt, longer where Azure asks for patience; none where no time is left for one.
    pub(crate) fn next(&mut self, now: Instant, patience: Option<Duration>) -> Option<Duration> {
        let pause = self.next.max(patience.unwrap_or_default());
        self.next = (self.next * 2).min(LONGEST);
        (now + pause < self.by).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_and_end() {
        let now = Instant::now();
        let mut pauses = Pauses::until(now + Duration::from_secs(40));
        let mut pause = |patience| pauses.next(now, patience).map(|pause| pause.as_secs());
        assert_eq!([pause(None), pause(None), pause(None)], [Some(1), Some(2), Some(4)]);
        assert_eq!(pause(Some(Duration::from_secs(20))), Some(20), "Azure asks for more");
        assert_eq!([pause(None), pause(None), pause(None)], [Some(16), Some(30), Some(30)]);
        assert_eq!(pauses.next(now + Duration::from_secs(10), None), None, "too late for another");
    }
}
