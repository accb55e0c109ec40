//! The same worlds without the cluster's view, with it, and with one that flaps.

use std::fmt::Write as _;

use azp_scaler::simulator::claims::Cause;

use super::report::Totals;

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
    row("jobs that waited too long beside a ScaledJob with room", &|totals| totals.starved.to_string());
    (text, true)
}
