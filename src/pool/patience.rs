//! For how long jobs of one parallelism could have begun: a clock that stands still while the organisation is at its limit.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

/// How many times the limit is reached or left are remembered; what was before the first of them counts as no time.
const MOST_MARKS: usize = 1_024;

/// The clock. It begins when it is first set.
#[derive(Clone, Debug, Default)]
pub(super) struct Patience {
    /// When the clock was stopped or went on, oldest first, and what it showed then.
    marks: VecDeque<Mark>,
}

#[derive(Clone, Copy, Debug)]
struct Mark {
    at: Timestamp,
    shows: SignedDuration,
    stands: bool,
}

impl Patience {
    /// Notes whether the organisation is at its limit from here on.
    pub(super) fn set(&mut self, at_limit: bool, at: Timestamp) {
        if self.marks.back().is_none_or(|last| last.stands != at_limit && last.at <= at) {
            self.marks.push_back(Mark { at, shows: self.shows(at), stands: at_limit });
            self.marks.drain(..self.marks.len().saturating_sub(MOST_MARKS));
        }
    }

    /// How much time it has counted between two moments.
    pub(super) fn between(&self, from: Timestamp, until: Timestamp) -> SignedDuration {
        self.shows(until) - self.shows(from)
    }

    fn shows(&self, at: Timestamp) -> SignedDuration {
        let after = self.marks.partition_point(|mark| mark.at <= at);
        let mark = self.marks.get(after.saturating_sub(1));
        mark.map_or(SignedDuration::ZERO, |mark| {
            let since = if mark.stands { SignedDuration::ZERO } else { at.duration_since(mark.at) };
            mark.shows + since.max(SignedDuration::ZERO)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
    }

    #[test]
    fn it_stands_still_at_the_limit_and_knows_nothing_of_before() {
        let mut patience = Patience::default();
        assert_eq!(patience.between(at(0), at(9)), SignedDuration::ZERO);
        patience.set(false, at(10));
        patience.set(false, at(15));
        patience.set(true, at(20));
        patience.set(false, at(50));
        for (from, until, seconds) in [(0, 15, 5), (0, 30, 10), (25, 40, 0), (15, 60, 15), (55, 60, 5)] {
            assert_eq!(patience.between(at(from), at(until)).as_secs(), seconds, "{from} to {until}");
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut patience = Patience::default();
        for second in 0..10_000 {
            patience.set(second % 2 == 0, at(second));
        }
        assert_eq!(patience.marks.len(), MOST_MARKS);
        assert_eq!(patience.between(at(0), at(10_000)).as_secs(), 512, "half of the time since the first mark");
    }
}
