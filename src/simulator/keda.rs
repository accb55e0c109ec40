//! KEDA's arithmetic: how many Kubernetes Jobs one poll of a ScaledJob creates.
//!
//! Pure, and on purpose a copy of what KEDA does, oddities included: the scaler's own formulas are tested against it.

/// The parts of a ScaledJob that the arithmetic reads.
#[derive(Clone, Debug, PartialEq)]
pub struct Scaling {
    /// `scalingStrategy.strategy`.
    pub strategy: Strategy,
    /// `minReplicaCount`.
    pub min_replicas: u32,
    /// `maxReplicaCount`.
    pub max_replicas: u32,
}

/// `scalingStrategy.strategy`. A `custom` one without a readable percentage is [`Strategy::Default`] to KEDA.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Strategy {
    /// Subtracts every unfinished Job.
    Default,
    /// Subtracts only Jobs whose pods have not started.
    Accurate,
    /// Subtracts nothing until the maximum is near.
    Eager,
    /// Subtracts what its author says.
    Custom {
        /// `customScalingQueueLengthDeduction`.
        deduction: i32,
        /// `customScalingRunningJobPercentage`.
        percentage: f64,
    },
}

/// What a scaler answered in one poll.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reply {
    /// The metric's value.
    pub value: f64,
    /// The metric's target, from its specification.
    pub target: f64,
    /// Whether the trigger is active.
    pub active: bool,
}

/// A ScaledJob's Kubernetes Jobs as KEDA counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobCount {
    /// Unfinished ones, whether their pods run or not.
    pub running: u32,
    /// Those of them without a pod that runs or has succeeded.
    pub pending: u32,
}

/// How many Jobs KEDA creates in a poll that was answered so.
#[must_use]
pub fn jobs_to_create(scaling: &Scaling, reply: Reply, count: JobCount) -> u32 {
    let min = i64::from(scaling.min_replicas);
    let running = i64::from(count.running);
    if running < min {
        return whole(min - running);
    }
    if !reply.active && min == 0 {
        return 0;
    }
    let max = i64::from(scaling.max_replicas) - min;
    let running = running - min;
    let pending = i64::from(count.pending);
    let queue_length = rounded_up(reply.value);
    let wanted = rounded_up(reply.value / reply.target).min(max);
    let create = match scaling.strategy {
        Strategy::Default => wanted - running,
        Strategy::Accurate if wanted + running - pending > max => max - running,
        Strategy::Accurate => wanted - pending,
        Strategy::Eager => (max - running - pending).min(wanted),
        Strategy::Custom { deduction, percentage } => {
            (wanted - i64::from(deduction) - share(running, percentage)).min(max)
        }
    };
    whole(create.min(queue_length))
}

fn whole(count: i64) -> u32 {
    u32::try_from(count.max(0)).unwrap_or(u32::MAX)
}

#[expect(clippy::cast_possible_truncation, reason = "a cast from a float saturates, which is what is wanted")]
fn rounded_up(number: f64) -> i64 {
    number.ceil() as i64
}

/// The part of the running Jobs that `custom` subtracts, cut to a whole number as KEDA does.
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "counts of Jobs are far below 2⁵²")]
fn share(running: i64, percentage: f64) -> i64 {
    (running as f64 * percentage) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Strategy, minimum, maximum, value, running, pending, then what KEDA creates.
    type Row = (Strategy, u32, u32, f64, u32, u32, u32);

    #[track_caller]
    fn check(rows: &[Row]) {
        for &(strategy, min_replicas, max_replicas, value, running, pending, created) in rows {
            let scaling = Scaling { strategy, min_replicas, max_replicas };
            let reply = Reply { value, target: 1.0, active: value > 0.0 };
            let count = JobCount { running, pending };
            assert_eq!(jobs_to_create(&scaling, reply, count), created, "{scaling:?} {reply:?} {count:?}");
        }
    }

    #[test]
    fn default_subtracts_every_unfinished_job() {
        use Strategy::Default;
        check(&[
            (Default, 0, 10, 5.0, 0, 0, 5),
            (Default, 0, 10, 5.0, 3, 3, 2),
            (Default, 0, 10, 5.0, 3, 0, 2),
            (Default, 0, 10, 5.0, 7, 0, 0),
            (Default, 0, 10, 25.0, 4, 0, 6),
            (Default, 0, 10, 0.0, 0, 0, 0),
            (Default, 0, 10, 1.2, 0, 0, 2),
        ]);
    }

    #[test]
    fn accurate_subtracts_pending_ones_until_the_maximum_is_near() {
        use Strategy::Accurate;
        check(&[
            (Accurate, 0, 10, 5.0, 0, 0, 5),
            (Accurate, 0, 10, 5.0, 3, 3, 2),
            (Accurate, 0, 10, 5.0, 3, 0, 5),
            (Accurate, 0, 10, 5.0, 8, 0, 2),
            (Accurate, 0, 10, 5.0, 8, 3, 2),
            (Accurate, 0, 10, 12.0, 10, 0, 0),
        ]);
    }

    #[test]
    fn eager_fills_up_to_the_maximum() {
        use Strategy::Eager;
        check(&[
            (Eager, 0, 10, 5.0, 0, 0, 5),
            (Eager, 0, 10, 5.0, 4, 0, 5),
            (Eager, 0, 10, 5.0, 4, 3, 3),
            (Eager, 0, 10, 5.0, 10, 0, 0),
        ]);
    }

    #[test]
    fn custom_subtracts_what_its_author_says() {
        let custom = |deduction, percentage| Strategy::Custom { deduction, percentage };
        check(&[
            (custom(0, 0.0), 0, 10, 5.0, 4, 0, 5),
            (custom(2, 0.0), 0, 10, 5.0, 4, 0, 3),
            (custom(1, 0.5), 0, 10, 8.0, 5, 0, 5),
            (custom(0, 1.0), 0, 10, 4.0, 5, 0, 0),
            (custom(-9, 0.0), 0, 10, 30.0, 0, 0, 10),
        ]);
    }

    #[test]
    fn the_minimum_is_filled_first_and_then_stands_outside_the_sum() {
        use Strategy::{Accurate, Default, Eager};
        check(&[
            (Default, 3, 10, 8.0, 1, 0, 2),
            (Default, 3, 10, 0.0, 0, 0, 3),
            (Default, 3, 10, 5.0, 3, 0, 5),
            (Default, 3, 10, 9.0, 5, 0, 5),
            (Default, 3, 10, 0.0, 3, 0, 0),
            (Accurate, 2, 10, 4.0, 5, 1, 3),
            (Eager, 2, 10, 9.0, 4, 1, 5),
        ]);
    }

    #[test]
    fn no_more_than_the_queue_length_is_created() {
        let generous = Strategy::Custom { deduction: -5, percentage: 0.0 };
        check(&[(generous, 0, 10, 2.0, 0, 0, 2), (Strategy::Accurate, 0, 10, 1.0, 9, 0, 1)]);
    }

    #[test]
    fn a_target_divides_the_value_and_inactivity_creates_nothing() {
        let scaling = Scaling { strategy: Strategy::Default, min_replicas: 0, max_replicas: 10 };
        let reply = Reply { value: 7.0, target: 2.0, active: true };
        assert_eq!(jobs_to_create(&scaling, reply, JobCount { running: 1, pending: 0 }), 3);
        let inactive = Reply { active: false, ..reply };
        assert_eq!(jobs_to_create(&scaling, inactive, JobCount::default()), 0);
        let kept_warm = Scaling { min_replicas: 1, ..scaling };
        assert_eq!(jobs_to_create(&kept_warm, inactive, JobCount { running: 1, pending: 0 }), 4);
    }
}
