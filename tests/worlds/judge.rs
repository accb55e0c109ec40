//! One world from its beginning to its end, and what is wrong with it, if anything.

use std::time::Duration;

use azp_scaler::{
    explain::explain,
    simulator::{
        Summary,
        claims::Cause,
        virtual_run::{Trouble, VirtualRun},
    },
};

use super::{draw::Hostile, excuses::Excused, liveness::Liveness, safety::Safety};

/// After the storm the world goes on for so long with jobs that arrive.
const CALM: Duration = Duration::from_mins(2);
/// Then it has so long until all jobs have run.
const DRAINED_WITHIN: Duration = Duration::from_hours(2);
/// Agents that died in the storm seem online for up to a minute, and their jobs' leases last for up to 150 s.
const AFTERMATH: Duration = Duration::from_secs(160);
/// How many waiting jobs of each pool a story ends with.
const MOST_TOLD: usize = 10;
/// How often liveness looks.
const LOOK: Duration = Duration::from_secs(1);

/// How a world went.
pub(crate) struct Verdict {
    pub(crate) summary: Summary,
    pub(crate) decisions: u64,
    pub(crate) answers: u64,
    pub(crate) outdated: u64,
    pub(crate) compared: u64,
    /// For how long images were broken of ScaledJobs that some waiting job fits.
    pub(crate) broken: Duration,
    pub(crate) longest_wait: Duration,
    /// Jobs that waited for longer than is allowed in the calm, in the storm, too.
    pub(crate) starved: u64,
    pub(crate) wrong: Option<Wrong>,
    pub(crate) story: String,
}

/// A law that was broken.
pub(crate) struct Wrong {
    pub(crate) law: &'static str,
    /// How, in words.
    pub(crate) how: String,
}

pub(crate) fn judge(hostile: &Hostile) -> Verdict {
    let mut run = VirtualRun::new(hostile.plan.clone(), hostile.conditions.clone());
    let mut safety = Safety::new(&hostile.conditions);
    let mut liveness = Liveness::default();
    // In the storm jobs may wait for long; how many do that need not is counted, to be compared.
    let mut in_storm = Liveness::default();
    let until = hostile.plan.faults.until;
    let mut broken = Duration::ZERO;
    while run.world.now() < until {
        run.watch_until(until.min(run.world.now() + LOOK), &mut |world, told| safety.see(world, told));
        let excused = Excused::now(&run, &hostile.conditions.troubles);
        let _ = in_storm.look(&run.world, LOOK, |pool| run.decision(pool), |job| excused.contains(job));
        let waits = u32::try_from(liveness.broken_and_wanted(&run.world)).unwrap_or(u32::MAX);
        broken += LOOK * waits;
    }

    let counts_from = until + AFTERMATH + Duration::try_from(hostile.conditions.rules.settle).unwrap_or_default();
    let mut starved = None;
    while starved.is_none() && run.world.now() < until + CALM + DRAINED_WITHIN {
        let now = run.world.now() + LOOK;
        run.watch_until(now, &mut |world, told| safety.see(world, told));
        if now >= until + CALM {
            run.world.stop_arrivals();
        }
        if now > counts_from {
            starved = liveness.look(&run.world, LOOK, |pool| run.decision(pool), |_| false).err();
        }
        if run.world.is_drained() && now > counts_from {
            break;
        }
    }
    let mut summary = run.world.summary();
    // Restarts and lists that leave some out are counted by the world, each time.
    for (.., trouble) in &hostile.conditions.troubles.0 {
        if !matches!(trouble, Trouble::Restart | Trouble::Wrong) {
            *summary.faults.entry(trouble.text()).or_default() += 1;
        }
    }
    let unsafe_answer = safety.broken.take().map(|how| Wrong { law: "safety", how });
    let starved = starved.map(|how| Wrong { law: "liveness", how });
    let wrong = unsafe_answer.or(starved).or_else(|| odd(&summary, hostile, run.world.is_drained()));
    let story = if wrong.is_some() { run.world.story() + &waiting(&run) } else { String::new() };
    let Safety { decisions, answers, outdated, compared, .. } = safety;
    let longest_wait = liveness.longest;
    let starved = (in_storm.starved.len() + liveness.starved.len()) as u64;
    Verdict { summary, decisions, answers, outdated, compared, broken, longest_wait, starved, wrong, story }
}

/// Why the jobs wait that still do, as the scaler sees it.
fn waiting(run: &VirtualRun) -> String {
    let mut lines = Vec::new();
    for pool in run.world.pools() {
        let Some(decision) = run.decision(pool.id) else { continue };
        let now = run.world.timestamp(run.world.now());
        for (place, job) in decision.snapshot.jobs.iter().enumerate().filter(|(_, job)| job.is_queued()).take(MOST_TOLD)
        {
            let told = explain(&decision, place, now);
            lines.push(format!("job {} of {} is {}: {}", job.id, pool.name, told.decision, told.summary));
            lines.extend(told.reasons.into_iter().map(|reason| format!("  {reason}")));
        }
    }
    lines.join("\n")
}

/// What does not add up at the end.
fn odd(summary: &Summary, hostile: &Hostile, drained: bool) -> Option<Wrong> {
    let wrong = |law, how| Some(Wrong { law, how });
    if !drained {
        return wrong("drained", "two hours after the storm some jobs that a ScaledJob fits have not run".to_owned());
    }
    if summary.unexplained() > 0 {
        return wrong("causes", format!("{} surplus agents have no cause", summary.unexplained()));
    }
    let Summary { agents_started, agents_used, surplus_agents, agents_on_their_way, .. } = *summary;
    if agents_started != agents_used + surplus_agents + agents_on_their_way {
        return wrong(
            "sums",
            format!(
                "{agents_started} agents were started, {agents_used} have run jobs, {surplus_agents} are surplus and \
             {agents_on_their_way} on their way"
            ),
        );
    }
    let conditions = &hostile.conditions;
    let oldest = conditions.tolerated_age + Duration::from_millis(*conditions.latency.end());
    let stale = summary.stalest_decision > oldest.as_secs_f64();
    if stale && summary.surplus_by_cause.keys().any(|cause| matches!(cause, Cause::StaleJob | Cause::StaleAgent)) {
        return wrong("staleness", format!("KEDA acted on what was seen {:.1} s before", summary.stalest_decision));
    }
    None
}
