//! The same worlds without the cluster's view, with it, and with one that flaps.

use std::fmt::Write as _;

use azp_scaler::simulator::claims::Cause;

use super::report::Totals;

/// So many times fewer agents must be surplus with the view, and so many times fewer jobs must wait too long.
const AT_LEAST: f64 = 5.0;
/// In fewer worlds than this, chance has too large a part.
pub(crate) const ENOUGH: u64 = 2_000;

/// The table, and whether the view is worth what it must be.
pub(crate) fn table(without: &Totals, with: &Totals, flapping: &Totals) -> (String, bool) {
    let mut text = format!("{:<66}{:>9}{:>9}{:>9}\n", "", "without", "with", "flapping");
    let mut row = |what: &str, of: &dyn Fn(&Totals) -> String| {
        let _ = writeln!(text, "{what:<66}{:>9}{:>9}{:>9}", of(without), of(with), of(flapping));
    };
    row("agents started", &|totals| totals.started.to_string());
    for cause in Cause::OF_THE_SCALER {
        row(cause.text(), &|totals| totals.surplus_by(&[cause]).to_string());
    }
    row("surplus by what the scaler did not know, in all", &|totals| {
        totals.surplus_by(&Cause::OF_THE_SCALER).to_string()
    });
    row("jobs that waited too long and for nothing else", &|totals| totals.starved.to_string());
    let surplus = |totals: &Totals| totals.surplus_by(&Cause::OF_THE_SCALER) as f64 / totals.started.max(1) as f64;
    let starved = |totals: &Totals| totals.starved as f64 / totals.jobs.max(1) as f64;
    let mut is_better = true;
    for (what, part) in [("surplus", &surplus as &dyn Fn(&Totals) -> f64), ("waited too long", &starved)] {
        is_better &= part(without) >= AT_LEAST * part(with);
        let times = part(without) / part(with).max(1e-9);
        let _ = writeln!(text, "{what}: {times:.1} times fewer with the view than without");
    }
    (text, is_better)
}
