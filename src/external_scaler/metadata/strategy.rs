//! How the ScaledJob's metadata say that KEDA turns a value into Kubernetes Jobs.
//!
//! Knows the metadata's own room and what a strategy is.

use super::{BadMetadata, Metadata};
use crate::{trigger::Strategy, wording::shown};

const STRATEGY: &str = "scalingStrategy";
const DEDUCTION: &str = "customScalingQueueLengthDeduction";
const PERCENTAGE: &str = "customScalingRunningJobPercentage";

impl Metadata {
    /// Reads the strategy. Where the built-in scaler's number is asked for, it is told whatever the strategy, and nothing
    /// is to be said about that.
    pub(super) fn strategy(&mut self) -> Result<Strategy, BadMetadata> {
        let custom = Strategy::Custom { deduction: 0, percentage: 0.0 };
        let strategy = self.choice(
            STRATEGY,
            &[
                ("default", Strategy::Default),
                ("accurate", Strategy::Accurate),
                ("eager", Strategy::Eager),
                ("custom", custom),
                ("none", Strategy::ScaledObject),
            ],
        )?;
        if strategy == custom {
            let deduction = self.number(DEDUCTION, i32::MIN..=i32::MAX, 0)?;
            let percentage = self.fraction(PERCENTAGE)?.ok_or(BadMetadata::CustomWithoutPercentage)?;
            return Ok(Strategy::Custom { deduction, percentage });
        }
        for key in [DEDUCTION, PERCENTAGE] {
            let mend = "leave it out, or write `scalingStrategy: custom`, as in the ScaledJob";
            self.refuse(key, "unless `scalingStrategy` is `custom`", mend)?;
        }
        Ok(strategy)
    }

    /// A finite number, as Go writes the usual ones.
    fn fraction(&self, key: &'static str) -> Result<Option<f64>, BadMetadata> {
        let Some(value) = self.text(key)? else { return Ok(None) };
        let number = value.parse().ok().filter(|number: &f64| number.is_finite());
        number.map(Some).ok_or_else(|| BadMetadata::NotAFraction { key, value: shown(value) })
    }
}
