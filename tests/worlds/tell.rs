//! Worlds in words.

use std::{fmt::Write as _, time::Duration};

use azp_scaler::{job_request::Parallelism, simulator::claims::Cause};

use super::{draw::Hostile, report::Totals};

/// Lines of a story that are shown.
const SHOWN: usize = 2_000;

pub(crate) fn word(passed: bool) -> &'static str {
    if passed { "ok" } else { "FAILED" }
}

/// Causes that no fault excuses, with how many of a thousand agents may be surplus by them.
const BOUNDS: [(&[Cause], f64); 3] = [
    (&[Cause::StartedTwice], 4.0),
    (&[Cause::WasIdle, Cause::ForeignCameFree, Cause::OtherScaledJob], 15.0),
    (&[Cause::StaleJob, Cause::StaleAgent], 40.0),
];

/// How many pods a minute may be started of a broken image that a job waits for.
const BROKEN_PER_MINUTE: f64 = 10.0;

/// Of a thousand agents, how many may be started twice where there are many of them: a scaler that forgets to whom it has
/// given jobs starts 0.4, ours less than 0.1.
const TWICE_OF_MANY: f64 = 0.25;
const MANY: u64 = 50_000;

/// With less time than this, a single world makes too much of a difference.
const ENOUGH: Duration = Duration::from_hours(20);

/// What there is too much of.
pub(crate) fn excessive(totals: &Totals) -> Option<String> {
    let broken = totals.broken_per_minute();
    if totals.broken >= ENOUGH && broken > BROKEN_PER_MINUTE {
        return Some(format!("{broken:.2} pods a minute of a broken image, {BROKEN_PER_MINUTE:.1} may be"));
    }
    let twice = (&[Cause::StartedTwice][..], TWICE_OF_MANY);
    let bounds = BOUNDS.iter().copied().chain((totals.started >= MANY).then_some(twice));
    let over = bounds.into_iter().find(|(causes, most)| totals.per_mille(causes) > *most)?;
    let names: Vec<&str> = over.0.iter().map(|cause| cause.text()).collect();
    Some(format!(
        "{:.2} of a thousand agents are surplus because: {}; at most {:.2} may be",
        totals.per_mille(over.0),
        names.join(", or "),
        over.1
    ))
}

/// A world before it begins.
pub(crate) fn world(hostile: &Hostile) -> String {
    let Hostile { plan, conditions } = hostile;
    let mut text = String::new();
    let names = |sorted: Vec<(&str, &str)>| {
        let written = sorted
            .into_iter()
            .map(|(name, value)| if value.is_empty() { name.to_owned() } else { format!("{name}={value}") });
        written.collect::<Vec<_>>().join(", ")
    };
    for pool in &plan.pools {
        let _ = writeln!(text, "{}:", pool.name);
        for agent in &pool.agents {
            let offers = names(agent.capabilities.sorted());
            let _ = writeln!(
                text,
                "  agent {} offers [{offers}], online {}, enabled {}",
                agent.name, agent.online, agent.enabled
            );
        }
        let arrivals = &pool.arrivals;
        let _ = writeln!(text, "  every {:?} ms {:?} jobs arrive of:", arrivals.every, arrivals.at_once);
        for kind in &arrivals.kinds {
            let parallelism = kind.parallelism.label();
            let _ = writeln!(text, "    {parallelism} {:?}, running for {:?} ms", kind.demands, kind.runs_for);
        }
        for (place, made) in plan.scaled_jobs.iter().enumerate().filter(|(_, made)| made.pool == pool.id) {
            let _ = writeln!(
                text,
                "  ScaledJob {place} offers [{}], {:?}, priority {}, target {}, polled every {} s",
                names(made.capabilities.sorted()),
                made.scaling,
                made.priority,
                made.target,
                made.polling_interval.as_secs()
            );
        }
    }
    for parallelism in Parallelism::ALL {
        if let Some(limit) = plan.parallel_jobs.of(parallelism) {
            let _ = writeln!(
                text,
                "{limit} {} jobs may run at once, headroom {:?}",
                parallelism.label(),
                conditions.headroom
            );
        }
    }
    let _ = writeln!(text, "{:?}, {:?}", conditions.rules, plan.delays);
    let _ = writeln!(text, "the storm lasts {} s", plan.faults.until.as_secs());
    if plan.faults.per_mille > 0 {
        let fates: Vec<&str> = plan.faults.fates.iter().map(|fate| fate.text()).collect();
        let _ = writeln!(text, "of a thousand pods {} meet one of: {}", plan.faults.per_mille, fates.join(", "));
    }
    for (at, disturbance) in &plan.faults.disturbances {
        let _ = writeln!(text, "at {} s: {disturbance}", at.as_secs());
    }
    for (at, lasts, trouble) in &conditions.troubles.0 {
        let _ = writeln!(text, "at {} s, for {} s: {}", at.as_secs(), lasts.as_secs(), trouble.text());
    }
    text
}

/// The last lines of a story.
pub(crate) fn end_of(story: &str) -> String {
    let lines: Vec<&str> = story.lines().collect();
    lines[lines.len().saturating_sub(SHOWN)..].join("\n")
}
