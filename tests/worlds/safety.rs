//! What must hold of everything that KEDA is told, judged by the snapshot and the world and not by how it was decided.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use azp_scaler::{
    decision::{Answer, Decision, Starts},
    simulator::{
        World,
        organization::SimulatedPool,
        virtual_run::{Conditions, Told, Trouble},
    },
    snapshot::Snapshot,
    trigger::Trigger,
};
use jiff::Timestamp;

use super::{
    askers::{Askers, JITTER, SHORTEST_KEPT},
    breakers::Breakers,
    doubts::Doubts,
    licences,
    numbers::{self, Seen},
    places,
};

/// A law that was broken, in words.
pub(crate) type Broken = String;

/// What was told about each ScaledJob and decided about each pool, to which later answers are compared, and what was
/// counted.
pub(crate) struct Safety {
    conditions: Conditions,
    /// When the scaler is restarted, and how often it was.
    restarts: Vec<Duration>,
    restarted: usize,
    last: BTreeMap<usize, Last>,
    pools: BTreeMap<i64, Pool>,
    pub(crate) decisions: u64,
    pub(crate) answers: u64,
    /// Answers from a look that was no longer fresh: no newer one was to be had in time.
    pub(crate) outdated: u64,
    /// Answers that were compared with one from the same look.
    pub(crate) compared: u64,
    pub(crate) broken: Option<Broken>,
}

#[derive(Default)]
struct Pool {
    decision: Option<Arc<Decision>>,
    decided_at: Timestamp,
    askers: Askers,
    breakers: Breakers,
    doubts: Doubts,
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
    pub(crate) fn new(conditions: &Conditions) -> Self {
        let troubles = conditions.troubles.0.iter();
        let mut restarts: Vec<Duration> =
            troubles.filter(|(.., trouble)| *trouble == Trouble::Restart).map(|(at, ..)| *at).collect();
        restarts.sort_unstable();
        Self {
            conditions: conditions.clone(),
            restarts,
            restarted: 0,
            last: BTreeMap::new(),
            pools: BTreeMap::new(),
            decisions: 0,
            answers: 0,
            outdated: 0,
            compared: 0,
            broken: None,
        }
    }

    /// Looks at one answer.
    pub(crate) fn see(&mut self, world: &World, told: &Told<'_>) {
        self.answers += 1;
        let restarted = self.restarts.iter().filter(|at| **at <= world.now()).count();
        if restarted > self.restarted {
            // It knows nothing any more.
            self.restarted = restarted;
            self.last.clear();
            self.pools.clear();
        }
        if self.restarts.contains(&world.now()) {
            // Nobody can tell which came first.
            return;
        }
        let now = world.timestamp(world.now());
        let pool = world.cluster().scaled_jobs[told.scaled_job].plan.pool;
        self.pools.entry(pool).or_default().askers.note(&told.trigger.id, now);
        let (Some(snapshot), Some(decision)) = (told.snapshot, told.decision) else { return };
        let fresh_for = self.conditions.fresh_for;
        self.outdated += u64::from(world.now().saturating_sub(world.moment(snapshot.taken_at)) > fresh_for);
        let checked = self
            .decided(world, told, decision, now)
            .and_then(|()| numbers::check(world, self.view(world.now()), decision, told, now))
            .and_then(|()| if self.conditions.view { Ok(()) } else { self.steady(snapshot, decision, told) });
        if let (None, Err(broken)) = (&self.broken, checked) {
            let name = &world.cluster().scaled_jobs[told.scaled_job].plan.id;
            self.broken = Some(format!("at {:.3} s, as {name} asks: {broken}", world.now().as_secs_f64()));
        }
    }

    /// What is seen of the cluster.
    fn view(&self, now: Duration) -> Seen {
        let of_view = |trouble: &&(Duration, Duration, Trouble)| {
            [Trouble::ViewLost, Trouble::ViewStale, Trouble::ViewBroken].contains(&trouble.2)
        };
        let lasting = |trouble: &&(Duration, Duration, Trouble)| trouble.0 <= now && now <= trouble.0 + trouble.1;
        let mut troubles = self.conditions.troubles.0.iter().filter(of_view).filter(lasting);
        match troubles.next() {
            _ if !self.conditions.view => Seen::Nothing,
            None => Seen::All,
            Some(_) => Seen::Old,
        }
    }

    /// Looks at the decision behind an answer.
    fn decided(
        &mut self,
        world: &World,
        told: &Told<'_>,
        decision: &Arc<Decision>,
        now: Timestamp,
    ) -> Result<(), Broken> {
        let Conditions { rules, headroom, .. } = self.conditions;
        let plan = &world.cluster().scaled_jobs[told.scaled_job].plan;
        let began = self.restarts.get(self.restarted.wrapping_sub(1)).copied().unwrap_or_default();
        let settles_until = began + Duration::try_from(rules.settle).unwrap_or_default();
        let Pool { decision: known, decided_at, askers, breakers, doubts } = self.pools.entry(plan.pool).or_default();
        let is_new = known.as_ref().is_none_or(|known| !Arc::ptr_eq(known, decision));
        // With the view those exist that the cluster shows, whoever asks.
        if !self.conditions.view {
            askers.see(world, told, decision, settles_until)?;
        }
        if is_new {
            self.decisions += 1;
            (*known, *decided_at) = (Some(Arc::clone(decision)), now);
            if !self.conditions.view {
                breakers.decided(decision, rules)?;
            }
            doubts.decided(decision, rules.idle_agent_grace)?;
        }
        if !self.conditions.view {
            breakers.told(decision, &told.trigger.id, plan.polling_interval, rules, now)?;
        }
        if is_new {
            places::check(decision)?;
            let others = || self.pools.iter().filter(|(id, _)| **id != plan.pool);
            let may_hold: Vec<&Decision> = others()
                .filter(|(_, other)| other.askers.may_hold(now))
                .filter_map(|(_, other)| other.decision.as_deref())
                .collect();
            let hold: Vec<&Decision> = others()
                .filter(|(_, other)| now.duration_since(other.decided_at) < SHORTEST_KEPT - JITTER)
                .filter_map(|(_, other)| other.decision.as_deref())
                .collect();
            let queued = world.pools().flat_map(SimulatedPool::queued).map(|request| request.id).collect();
            licences::check(decision, headroom, &may_hold, &hold, &queued)?;
        }
        Ok(())
    }

    /// As long as nothing new is seen, a number neither falls nor rises.
    fn steady(&mut self, snapshot: &Arc<Snapshot>, decision: &Decision, told: &Told<'_>) -> Result<(), Broken> {
        let circumstances = Circumstances {
            triggers: decision.triggers.iter().map(|decided| Arc::as_ptr(&decided.trigger)).collect(),
            settling: decision.settling.is_some(),
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
        self.compared += 1;
        if before.answer == told.answer {
            return Ok(());
        }
        Err(format!("nothing new was seen, and {:?} became {:?}", before.answer, told.answer))
    }
}
