//! What must hold of ScaledJobs whose agents don't come: not before its time, not after it, and ever more rarely.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use azp_scaler::{
    decision::{Decision, Placement, Starts},
    job_request::RequestId,
    pool::Rules,
    trigger::{ScaledJobId, TriggerId},
};
use jiff::{SignedDuration, Timestamp};

use super::safety::Broken;

/// The first probe's pause; each further one is twice as long, up to the longest.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(10);
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(10);
/// A question waits for no longer than this for Azure's answer, so gaps between answers differ from those between questions.
const JITTER: SignedDuration = SignedDuration::from_millis(2_500);
/// A shorter gap is no absence, and a longer one is, unless the ScaledJob asks so rarely.
const NO_ABSENCE: SignedDuration = SignedDuration::from_secs(25);
const ABSENCE: SignedDuration = SignedDuration::from_secs(90);
/// After so many decisions by which nobody was wanted, time has begun anew for certain.
const FOR_CERTAIN: u32 = 3;
/// How many gaps between questions may matter to the interval.
const GAPS: usize = 8;

/// What is known of the ScaledJobs of one pool.
#[derive(Default)]
pub(crate) struct Breakers {
    scaled_jobs: BTreeMap<ScaledJobId, Seen>,
    /// Agents that were listed, and whether they were online.
    agents: Option<(Timestamp, BTreeMap<i64, bool>)>,
    last: Option<Arc<Decision>>,
}

#[derive(Default)]
struct Seen {
    /// KEDA has been told to start agents and none came, from the one time to the other, for certain.
    told: Option<(Timestamp, Timestamp)>,
    /// The same where all that is in doubt counts as time, too.
    at_most: Option<(Timestamp, Timestamp)>,
    /// By how many decisions in a row nobody was wanted.
    unwanted: u32,
    interval: SignedDuration,
    answered: Option<Timestamp>,
    gaps: VecDeque<SignedDuration>,
    /// Since when starts fail, how often it was tried since, and when last.
    probes: Option<(Timestamp, u32, Timestamp)>,
}

impl Breakers {
    /// Looks at a decision that is new.
    pub(crate) fn decided(&mut self, decision: &Arc<Decision>, rules: Rules) -> Result<(), Broken> {
        let snapshot = &decision.snapshot;
        let listed: BTreeMap<i64, bool> = snapshot.agents.iter().map(|agent| (agent.id, agent.online)).collect();
        let came: BTreeSet<u32> = match &self.agents {
            Some((at, before)) if *at < snapshot.agents_at => {
                let agents = snapshot.agents.iter().zip(&decision.agents);
                let is_new = |id: &i64, online| before.get(id).is_none_or(|was| online && !was);
                let came = agents.filter(|(agent, _)| is_new(&agent.id, agent.online));
                came.filter_map(|(_, standing)| standing.owner).collect()
            }
            _ => BTreeSet::new(),
        };
        if self.agents.as_ref().is_none_or(|(at, _)| *at < snapshot.agents_at) {
            self.agents = Some((snapshot.agents_at, listed));
        }
        let traceless = self.last.as_ref().map(|last| traceless(last, decision)).unwrap_or_default();
        let gone = !traceless.is_empty();
        let lost = self.last.as_ref().map(|last| lost(last, decision)).unwrap_or_default();
        // An agent does not come, run a job and go in less.
        let far_apart = self.last.as_ref().is_some_and(|last| {
            snapshot.taken_at.duration_since(last.snapshot.taken_at) >= SignedDuration::from_secs(5)
        });
        let left: BTreeSet<ScaledJobId> = traceless.into_iter().flatten().collect();
        for (place, scaled_job) in (0..).zip(&decision.scaled_jobs) {
            let seen = self.scaled_jobs.entry(scaled_job.id.clone()).or_default();
            let starts = scaled_job.starts;
            if came.contains(&place) && starts != Starts::Working {
                return Err(format!("an agent of {} has come, and its agents are {starts:?}", scaled_job.id));
            }
            let opens = match starts {
                Starts::Failing { since, .. } => seen.probes.is_none_or(|(known, ..)| known != since).then_some(since),
                _ => None,
            };
            if let Some(since) = opens {
                let told = seen.at_most.map_or(SignedDuration::ZERO, |(first, last)| last.duration_since(first));
                if told < rules.start_timeout.max(seen.interval * 3 - JITTER * 2) {
                    return Err(format!("the agents of {} are given up after {told:#}", scaled_job.id));
                }
                seen.probes = Some((since, 0, since));
            }
            if starts == Starts::Working {
                seen.probes = None;
            }
            let wanted = decision.to_start(place) > 0;
            seen.unwanted = if wanted { 0 } else { seen.unwanted + 1 };
            if starts != Starts::Working || !wanted || came.contains(&place) || gone || lost.contains(&scaled_job.id) {
                seen.told = None;
            }
            if starts != Starts::Working || seen.unwanted >= FOR_CERTAIN || came.contains(&place) {
                seen.at_most = None;
            } else if left.contains(&scaled_job.id) && far_apart {
                seen.at_most = seen.at_most.map(|(_, last)| (last, last));
            }
        }
        self.last = Some(Arc::clone(decision));
        Ok(())
    }

    /// Looks at what KEDA is told about a trigger, whose ScaledJob asks at this interval.
    pub(crate) fn told(
        &mut self,
        decision: &Decision,
        trigger: &TriggerId,
        interval: Duration,
        rules: Rules,
        now: Timestamp,
    ) -> Result<(), Broken> {
        let id = &trigger.scaled_job;
        let seen = self.scaled_jobs.entry(id.clone()).or_default();
        let gap = seen.answered.replace(now).map_or(SignedDuration::ZERO, |before| now.duration_since(before));
        let slowest = seen.gaps.iter().max().copied().unwrap_or_default();
        seen.gaps.push_back(gap);
        seen.gaps.drain(..seen.gaps.len().saturating_sub(GAPS));
        let interval = SignedDuration::try_from(interval).unwrap_or_default();
        seen.interval = interval;
        let Some(place) = decision.scaled_jobs.iter().position(|scaled_job| scaled_job.id == *id) else {
            return Ok(());
        };
        let asks = decision.triggers.iter().find(|decided| decided.trigger.id == *trigger);
        let to_start = asks.map_or(0, |decided| decided.to_start);
        match decision.scaled_jobs[place].starts {
            Starts::Failing { next_probe, .. } if next_probe <= now => {
                Err(format!("{id} is to be tried again since {next_probe}, and is not"))
            }
            Starts::Probing { since } if to_start > 0 => {
                let (probes, last) = match seen.probes {
                    Some((known, probes, last)) if known == since => (probes, last),
                    _ => (0, since),
                };
                seen.probes = Some((since, probes + 1, now));
                let pause = (FIRST_PAUSE * (1 << probes.min(7))).min(LONGEST_PAUSE);
                if now.duration_since(last) >= pause {
                    return Ok(());
                }
                Err(format!(
                    "{id} is tried for the {}. time, {:#} after the last",
                    probes + 1,
                    now.duration_since(last)
                ))
            }
            Starts::Failing { .. } | Starts::Probing { .. } => Ok(()),
            Starts::Working if to_start == 0 => Ok(()),
            Starts::Working => {
                let absent = gap > ABSENCE.max(slowest * 3 + JITTER);
                let (first, last) = seen.at_most.filter(|_| !absent).map_or((now, now), |(first, _)| (first, now));
                seen.at_most = Some((first, last));
                let regular = gap <= NO_ABSENCE.max(interval);
                let (first, last) = seen.told.filter(|_| regular).map_or((now, now), |(first, _)| (first, now));
                seen.told = Some((first, last));
                let slowest = seen.gaps.iter().max().copied().unwrap_or_default() + JITTER;
                // It is judged when something new is seen, which may take a poll more.
                let patience = rules.start_timeout.max(slowest * 3) + slowest * 2;
                if last.duration_since(first) <= patience {
                    return Ok(());
                }
                Err(format!(
                    "{id} has been told to start agents for {:#}, and none has come",
                    last.duration_since(first)
                ))
            }
        }
    }
}

/// For each queued job of which there is no trace now the ScaledJob that it was given to.
fn traceless(before: &Decision, now: &Decision) -> Vec<Option<ScaledJobId>> {
    let listed = |id| now.snapshot.jobs.iter().any(|job| job.id == id);
    let finished = |id| now.snapshot.agents.iter().any(|agent| agent.last_completed == Some(id));
    let jobs = before.snapshot.jobs.iter().zip(&before.jobs).filter(|(job, _)| job.is_queued());
    let gone = jobs.filter(|(job, _)| !listed(job.id) && !finished(job.id));
    let given = gone.map(|(_, placement)| match placement {
        Placement::Assigned { trigger } => Some(before.triggers[*trigger as usize].trigger.id.scaled_job.clone()),
        _ => None,
    });
    given.collect()
}

/// The ScaledJobs that jobs were given to which are given to them no longer: for a moment they may have wanted nobody.
fn lost(before: &Decision, now: &Decision) -> BTreeSet<ScaledJobId> {
    let given = |decision: &Decision| -> BTreeSet<(RequestId, ScaledJobId)> {
        let placed = decision.snapshot.jobs.iter().zip(&decision.jobs);
        let given = placed.filter_map(|(job, placement)| match placement {
            Placement::Assigned { trigger } => {
                Some((job.id, decision.triggers[*trigger as usize].trigger.id.scaled_job.clone()))
            }
            _ => None,
        });
        given.collect()
    };
    given(before).difference(&given(now)).map(|(_, id)| id.clone()).collect()
}
