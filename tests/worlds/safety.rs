//! What must hold of everything that KEDA is told, judged by the snapshot and the world and not by how it was decided.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use azp_scaler::{
    agent::Agent,
    decision::{Answer, Decision, Placement, Starts},
    job_request::Parallelism,
    simulator::{World, virtual_run::Told},
    snapshot::Snapshot,
    trigger::{Strategy, Trigger},
};

/// A law that was broken, in words.
pub(crate) type Broken = String;

/// The last answer about each ScaledJob, to which later ones are compared, and what was counted.
#[derive(Default)]
pub(crate) struct Safety {
    last: BTreeMap<usize, Last>,
    /// Of each pool, the decision that was seen last.
    pools: BTreeMap<i64, Arc<Decision>>,
    pub(crate) decisions: u64,
    pub(crate) answers: u64,
    pub(crate) broken: Option<Broken>,
}

struct Last {
    snapshot: Arc<Snapshot>,
    answer: Option<Answer>,
    /// All that may change a decision about one snapshot.
    circumstances: Circumstances,
}

#[derive(PartialEq)]
struct Circumstances {
    triggers: Vec<*const Trigger>,
    settling: bool,
    starts: Vec<Starts>,
}

impl Safety {
    /// Looks at one answer.
    pub(crate) fn see(&mut self, world: &World, told: &Told<'_>) {
        self.answers += 1;
        let (Some(snapshot), Some(decision)) = (told.snapshot, told.decision) else { return };
        let pool = world.cluster().scaled_jobs[told.scaled_job].plan.pool;
        let is_new = self.pools.get(&pool).is_none_or(|known| !Arc::ptr_eq(known, decision));
        let checked = if is_new {
            self.decisions += 1;
            self.pools.insert(pool, Arc::clone(decision));
            places(decision).and_then(|()| maxima(decision)).and_then(|()| self.licences(pool, decision))
        } else {
            Ok(())
        };
        let checked = checked.and_then(|()| value(decision, told)).and_then(|()| self.steady(snapshot, decision, told));
        if let (None, Err(broken)) = (&self.broken, checked) {
            let name = &world.cluster().scaled_jobs[told.scaled_job].plan.id;
            self.broken = Some(format!("at {:.3} s, as {name} asks: {broken}", world.now().as_secs_f64()));
        }
    }

    /// Running plus wanted never exceeds what may run and be ready; over all pools, each as its last decision has it.
    fn licences(&self, pool: i64, decision: &Decision) -> Result<(), Broken> {
        for parallelism in Parallelism::ALL {
            let Some(jobs) = decision.parallel_jobs.of(parallelism) else { continue };
            let count = |decision: &Decision, wanted: fn(&Placement) -> bool| {
                let placed = decision.snapshot.jobs.iter().zip(&decision.jobs);
                placed.filter(|(job, placement)| job.parallelism == Some(parallelism) && wanted(placement)).count()
            };
            let takes =
                |placement: &Placement| matches!(placement, Placement::IdleAgent { .. } | Placement::Assigned { .. });
            let runs =
                |placement: &Placement| matches!(placement, Placement::Running { .. } | Placement::LostAgent { .. });
            let here = count(decision, takes);
            let known = self.pools.iter().filter(|(id, _)| **id != pool);
            let elsewhere: usize = known.map(|(_, other)| count(other, takes)).sum();
            let running = count(decision, runs);
            let most = (jobs.limit + jobs.headroom) as usize;
            if here > 0 && running.max(jobs.running as usize) + here > most {
                return Err(format!("{running} jobs run and {here} have or get an agent, where {most} may"));
            }
            if here > 0 && jobs.taken as usize > here + elsewhere {
                return Err(format!("{} are counted as taken, and the pools took {here} and {elsewhere}", jobs.taken));
            }
        }
        Ok(())
    }

    /// As long as nothing new is seen, a number neither falls nor rises.
    fn steady(&mut self, snapshot: &Arc<Snapshot>, decision: &Decision, told: &Told<'_>) -> Result<(), Broken> {
        let circumstances = Circumstances {
            triggers: decision.triggers.iter().map(|decided| Arc::as_ptr(&decided.trigger)).collect(),
            settling: decision.settling_until.is_some(),
            starts: decision.scaled_jobs.iter().map(|scaled_job| scaled_job.starts).collect(),
        };
        let this = Last { snapshot: Arc::clone(snapshot), answer: told.answer, circumstances };
        let before = self.last.insert(told.scaled_job, this);
        let this = &self.last[&told.scaled_job];
        let Some(before) = before
            .filter(|before| Arc::ptr_eq(&before.snapshot, snapshot) && before.circumstances == this.circumstances)
        else {
            return Ok(());
        };
        if before.answer == told.answer {
            return Ok(());
        }
        Err(format!("nothing new was seen, and {:?} became {:?}", before.answer, told.answer))
    }
}

/// Each job has one place; an agent is given one job, and one that it can take.
fn places(decision: &Decision) -> Result<(), Broken> {
    let snapshot = &decision.snapshot;
    let mut taken = BTreeSet::new();
    for (job, placement) in snapshot.jobs.iter().zip(&decision.jobs) {
        let demands = snapshot.demands_of(job);
        match placement {
            Placement::IdleAgent { agent } => {
                let Agent { name, online, enabled, assigned, capabilities, .. } = &snapshot.agents[*agent as usize];
                let is_free = *online && *enabled && assigned.is_none();
                if !taken.insert(agent) || !is_free || !capabilities.satisfies(demands) {
                    return Err(format!("job {} is to run on {name}, which can't take it", job.id));
                }
            }
            Placement::Assigned { trigger } => {
                let decided = &decision.triggers[*trigger as usize];
                if !decided.trigger.takes(&decided.capabilities, demands) {
                    return Err(format!(
                        "job {} is given to {}, which does not fit",
                        job.id, decided.trigger.id.scaled_job
                    ));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// No ScaledJob is to have more agents than it may, and one whose agents don't come starts at most one.
fn maxima(decision: &Decision) -> Result<(), Broken> {
    for (place, scaled_job) in (0..).zip(&decision.scaled_jobs) {
        let to_start = decision.to_start(place);
        let online = online_agents(decision, place);
        let own = decision.triggers.iter().filter(|trigger| trigger.scaled_job == place);
        let max = own.map(|trigger| trigger.trigger.max_replicas).min().unwrap_or(0);
        if to_start > 0 && online + to_start > max {
            return Err(format!("{}: {online} agents and {to_start} to start, where {max} may be", scaled_job.id));
        }
        let most = match scaled_job.starts {
            Starts::Working => continue,
            Starts::Failing { .. } => 0,
            Starts::Probing { .. } => 1,
        };
        if to_start > most {
            return Err(format!("{}: its agents don't come, and {to_start} are to be started", scaled_job.id));
        }
    }
    Ok(())
}

/// The value of a ScaledJob is its agents that KEDA subtracts and those to start, or nothing.
fn value(decision: &Decision, told: &Told<'_>) -> Result<(), Broken> {
    let Some(answer) = told.answer else { return Ok(()) };
    let Trigger { strategy, min_replicas, target, activation, id, .. } = &**told.trigger;
    if answer.active != (answer.value > u64::from(*activation)) {
        return Err(format!("{answer:?} is told where it is active above {activation}"));
    }
    let Some(place) = decision.scaled_jobs.iter().position(|scaled_job| scaled_job.id == id.scaled_job) else {
        return Ok(());
    };
    let place = u32::try_from(place).unwrap_or(u32::MAX);
    // An edited ScaledJob's old trigger is known for a poll more.
    if decision.triggers.iter().filter(|trigger| trigger.scaled_job == place).count() > 1 {
        return Ok(());
    }
    let to_start = decision.to_start(place);
    let (agents, rest) = (answer.value / u64::from(*target), answer.value % u64::from(*target));
    let online = online_agents(decision, place);
    let flapping = offline_with_job(decision, place);
    // Least and most agents that the value may stand for.
    let (least, most) = match strategy {
        Strategy::Accurate | Strategy::Eager => (to_start, to_start),
        Strategy::Default if *min_replicas > 0 => (to_start, to_start + online + flapping),
        _ if to_start == 0 => (0, 0),
        Strategy::Default => (to_start + online, to_start + online + flapping),
        Strategy::Custom { .. } => (0, to_start + online + flapping),
        Strategy::ScaledObject => (0, u32::MAX),
    };
    if rest == 0 && (u64::from(least)..=u64::from(most)).contains(&agents) {
        return Ok(());
    }
    Err(format!(
        "{} is told: {to_start} agents are to be started, {online} are online, {flapping} offline with a job",
        answer.value
    ))
}

fn online_agents(decision: &Decision, owner: u32) -> u32 {
    count(decision, |agent, theirs| theirs == Some(owner) && agent.online)
}

fn offline_with_job(decision: &Decision, owner: u32) -> u32 {
    let reserved: BTreeSet<i64> =
        decision.snapshot.jobs.iter().filter_map(|job| job.agent.as_ref()).map(|agent| agent.id).collect();
    let listed =
        count(decision, |agent, theirs| theirs == Some(owner) && !agent.online && reserved.contains(&agent.id));
    let known: BTreeSet<i64> = decision.snapshot.agents.iter().map(|agent| agent.id).collect();
    listed + u32::try_from(reserved.difference(&known).count()).unwrap_or(u32::MAX)
}

fn count(decision: &Decision, wanted: impl Fn(&Agent, Option<u32>) -> bool) -> u32 {
    let agents = decision.snapshot.agents.iter().zip(&decision.agents);
    u32::try_from(agents.filter(|(agent, standing)| wanted(agent, standing.owner)).count()).unwrap_or(u32::MAX)
}
