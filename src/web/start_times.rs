//! How long agents took to start, read back from the metric, for people.
//!
//! Since the process started. Knows the metric and nothing of pools.

use std::{collections::BTreeMap, time::Duration};

use prometheus::core::Collector;

use crate::{metrics::Starts, pool::Stage};

/// In the order in which agents come to them.
const STAGES: [Stage; 5] = [Stage::Scheduled, Stage::Pulled, Stage::Running, Stage::Registered, Stage::Job];

/// How long one stage took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct StageTook {
    /// Its name.
    pub(super) stage: &'static str,
    /// On average.
    pub(super) mean: Duration,
    /// What 99 of 100 took at most, as far as is known: the bound of a bucket. Nothing where it is past the last.
    pub(super) most: Option<Duration>,
}

/// By organisation, pool, namespace and ScaledJob, each stage by its place among all.
#[derive(Debug, Default)]
pub(super) struct StartTimes(BTreeMap<[String; 4], BTreeMap<usize, StageTook>>);

impl StartTimes {
    pub(super) fn of(starts: &Starts) -> Self {
        let mut times = Self::default();
        for family in starts.agent_start_seconds.collect() {
            for series in family.get_metric() {
                let label = |name: &str| {
                    let pair = series.get_label().iter().find(|pair| pair.name() == name);
                    pair.map(|pair| pair.value().to_owned()).unwrap_or_default()
                };
                let stage = label("stage");
                let Some(place) = STAGES.iter().position(|known| known.label() == stage) else { continue };
                let histogram = series.get_histogram();
                let count = histogram.get_sample_count();
                // Counts of starts are far below where a float leaves whole numbers out.
                #[expect(clippy::cast_precision_loss, reason = "far below 2⁵³")]
                let mean = seconds(histogram.get_sample_sum() / count.max(1) as f64);
                let rank = count - count / 100;
                let bucket = histogram.get_bucket().iter().find(|bucket| bucket.cumulative_count() >= rank);
                let most = bucket.and_then(|bucket| Duration::try_from_secs_f64(bucket.upper_bound()).ok());
                let took = StageTook { stage: STAGES[place].label(), mean, most };
                let key = ["organization", "pool", "namespace", "scaled_job"].map(label);
                times.0.entry(key).or_default().insert(place, took);
            }
        }
        times
    }

    /// The stages of one ScaledJob on a pool, in order.
    pub(super) fn took(&self, of: [&str; 4]) -> Vec<StageTook> {
        self.0.get(&of.map(str::to_owned)).into_iter().flat_map(BTreeMap::values).copied().collect()
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn what_most_took_is_the_bound_of_a_bucket() {
        let starts = Metrics::new().starts;
        let observe = |scaled_job: &str, stage: Stage, took: f64, times: u32| {
            let labels = ["contoso", "build", "agents", scaled_job, stage.label()];
            let histogram = starts.agent_start_seconds.with_label_values(&labels);
            for _ in 0..times {
                histogram.observe(took);
            }
        };
        observe("linux", Stage::Registered, 4.0, 198);
        observe("linux", Stage::Registered, 106.0, 2);
        observe("linux", Stage::Scheduled, 700.0, 1);
        observe("windows", Stage::Job, 0.25, 1);
        let times = StartTimes::of(&starts);
        let said = |scaled_job| -> Vec<(&str, f64, Option<u64>)> {
            let took = times.took(["contoso", "build", "agents", scaled_job]);
            let said = |took: StageTook| (took.stage, took.mean.as_secs_f64(), took.most.map(|most| most.as_secs()));
            took.into_iter().map(said).collect()
        };
        assert_eq!(said("linux"), [("scheduled", 700.0, None), ("registered", 5.02, Some(5))]);
        assert_eq!(said("windows"), [("job", 0.25, Some(0))]);
        assert_eq!(said("mac"), []);
        observe("linux", Stage::Registered, 106.0, 1);
        let registered = StartTimes::of(&starts).took(["contoso", "build", "agents", "linux"])[1];
        assert_eq!(registered.most, Some(Duration::from_mins(2)), "three of 201 are more than one of 100");
    }
}
