//! One pool between questions: which triggers exist, which jobs each was given, and the decision in force.
//!
//! ```text
//! question ──▶ [known] triggers ─┐
//! snapshot ──────────────────────┼──▶ assignment ──▶ Decision ──▶ answer
//! [memory], [trust], [starts] ────┘       └──▶ memory, trust, starts
//! ```
//!
//! A decision is made when something has changed, not when somebody asks: two hundred triggers that ask about one snapshot
//! are answered from one decision.
//!
//! Pure: `now` is an argument and must not go back.

mod announced;
mod known;
mod learned;
mod memory;
mod patience;
mod sightings;
mod start_times;
mod starts;
mod trust;
mod watched;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};

use self::{
    announced::Announced,
    known::Known,
    learned::Learned,
    memory::Memory,
    sightings::Sightings,
    starts::Breakers,
    trust::Trust,
    watched::{Outcome, Watched},
};
pub use self::{
    known::MOST_TRIGGERS,
    start_times::{Stage, StartUp},
};
use crate::{
    assignment::{self, World},
    cluster_view::{ClusterView, InCluster, ScaledJobView, StartFailure, Written},
    decision::{Answer, Decision, Placement, Refusal, Settling},
    job_request::RequestId,
    parallel_jobs::Ledger,
    snapshot::Snapshot,
    trigger::{ScaledJobId, Strategy, Trigger, TriggerId},
};

/// The section `[decisions]`: how long things may take before they are no longer believed.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// How long a pool waits for all its triggers to have asked.
    pub settle: SignedDuration,
    /// How long an idle agent may let a job wait that it satisfies.
    pub idle_agent_grace: SignedDuration,
    /// How long the first agent of a ScaledJob that wants some may take to register.
    pub start_timeout: SignedDuration,
    /// After how many failed starts in a row a ScaledJob is probed, not fed.
    pub failed_starts: u32,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            settle: SignedDuration::from_secs(30),
            idle_agent_grace: SignedDuration::from_secs(60),
            start_timeout: SignedDuration::from_mins(5),
            failed_starts: 3,
        }
    }
}

/// Triggers, memory and decision of one pool.
#[derive(Debug)]
pub struct Pool {
    id: i64,
    rules: Rules,
    ledger: Arc<Ledger>,
    settling_until: Option<Timestamp>,
    known: Known,
    memory: Memory,
    sightings: Sightings,
    trust: Trust,
    breakers: Breakers,
    watched: Watched,
    learned: Learned,
    start_failures: BTreeMap<StartFailure, u64>,
    /// What each ScaledJob has said of itself when the cluster was seen last, and its triggers then: while they are the same,
    /// its author has not touched it.
    written: BTreeMap<ScaledJobId, (Written, Vec<TriggerId>)>,
    /// What the cluster shows now, where it does.
    view: Option<Arc<ClusterView>>,
    announced: Announced,
    decision: Option<Arc<Decision>>,
    /// Whether the decision must be made anew though nothing was seen: a probe was told.
    outdated: bool,
    newest: Option<Arc<Snapshot>>,
}

impl Pool {
    /// A pool, by Azure's number, that nobody has asked about. Pools of one organisation share its ledger.
    #[must_use]
    pub fn new(id: i64, rules: Rules, ledger: Arc<Ledger>) -> Self {
        Self {
            id,
            rules,
            ledger,
            settling_until: None,
            known: Known::default(),
            memory: Memory::default(),
            sightings: Sightings::default(),
            trust: Trust::new(rules.idle_agent_grace),
            breakers: Breakers::new(rules.start_timeout, rules.failed_starts),
            watched: Watched::default(),
            learned: Learned::default(),
            start_failures: BTreeMap::new(),
            written: BTreeMap::new(),
            view: None,
            announced: Announced::default(),
            decision: None,
            outdated: false,
            newest: None,
        }
    }

    /// Takes in what the cluster shows now; nothing where its view is lost.
    pub fn see(&mut self, view: Option<Arc<ClusterView>>) {
        let is_same = match (&self.view, &view) {
            (Some(old), Some(new)) => Arc::ptr_eq(old, new),
            (None, None) => true,
            _ => false,
        };
        if is_same || planted!(FirstViewKept) && self.view.is_some() && view.is_some() {
            return;
        }
        if let (Some(old), Some(new)) = (&self.view, &view) {
            let deleted = old.scaled_jobs.keys().filter(|id| !new.scaled_jobs.contains_key(id));
            deleted.for_each(|id| self.known.forget_all(id));
            self.leave_if_forgotten();
        }
        self.outdated |= self.concerns(view.as_deref());
        self.view = view;
    }

    /// Whether another view of the cluster would change anything here.
    fn concerns(&self, view: Option<&ClusterView>) -> bool {
        let (Some(old), Some(view)) = (&self.view, view) else { return true };
        let Some(decision) = &self.decision else { return true };
        if old.doubt != view.doubt {
            return true;
        }
        decision.scaled_jobs.iter().any(|scaled_job| {
            match (old.scaled_jobs.get(&scaled_job.id), view.scaled_jobs.get(&scaled_job.id)) {
                (Some(old), Some(new)) => !Arc::ptr_eq(old, new),
                (old, new) => old.is_some() != new.is_some(),
            }
        })
    }

    /// Takes in which triggers ask about this pool, as the cluster shows them, and whether they are all that will.
    pub fn announce(&mut self, triggers: Vec<Arc<Trigger>>, shows_all: bool) {
        self.outdated |= self.announced.take_in(triggers, shows_all);
    }

    /// How long agents took to start that the metrics were not told of yet.
    pub fn take_start_ups(&mut self) -> Vec<StartUp> {
        self.watched.take_untold()
    }

    /// The starts that failed and that the metrics were not told of yet, by their reasons.
    pub fn take_start_failures(&mut self) -> BTreeMap<StartFailure, u64> {
        std::mem::take(&mut self.start_failures)
    }

    /// Notes that a question was asked, whether or not it can be answered: what KEDA asks about exists.
    ///
    /// # Errors
    ///
    /// When there are more triggers than are kept.
    pub fn note(&mut self, trigger: &Arc<Trigger>, now: Timestamp) -> Result<(), Refusal> {
        self.expire(now);
        if self.known.is_empty() {
            self.settling_until = now.checked_add(self.rules.settle).ok();
        }
        if self.known.ask(trigger, now)? {
            self.decision = None;
        }
        Ok(())
    }

    /// Answers a question that was noted, from a snapshot, or from the one in force where that is newer.
    ///
    /// # Errors
    ///
    /// When the trigger can't be served, with the reason and the mend.
    pub fn answer(&mut self, trigger: &TriggerId, snapshot: &Arc<Snapshot>, now: Timestamp) -> Result<Answer, Refusal> {
        self.refresh(snapshot, now);
        let decided = self.decision.as_ref().and_then(|decision| {
            let place = decision.triggers.binary_search_by(|decided| decided.trigger.id.cmp(trigger)).ok()?;
            Some((place, decision))
        });
        let Some((place, decision)) = decided else { return Err(Refusal::Forgotten) };
        let told = &decision.triggers[place];
        let answer = told.answer.clone();
        // What is not active starts nothing. A ScaledObject's pods are started again by others, at their own pace.
        let starts = told.to_start > 0 && answer.as_ref().is_ok_and(|answer| answer.active);
        if starts && told.trigger.strategy != Strategy::ScaledObject {
            let interval = self.known.interval(&trigger.scaled_job);
            let jobs = || given(decision, place);
            self.outdated |= self.breakers.told(&trigger.scaled_job, interval, now, jobs);
        }
        self.known.keep_answer(trigger, answer.clone(), now);
        answer
    }

    /// Notes a question about a trigger and answers it.
    ///
    /// # Errors
    ///
    /// When the trigger can't be served, with the reason and the mend.
    pub fn ask(&mut self, trigger: &Arc<Trigger>, snapshot: &Arc<Snapshot>, now: Timestamp) -> Result<Answer, Refusal> {
        self.note(trigger, now)?;
        self.answer(&trigger.id, snapshot, now)
    }

    /// Takes the last answer to a trigger, so that activity and value of one poll agree; `None` where it was taken
    /// already, or is older than a poll lasts.
    pub fn take_answer(&mut self, trigger: &TriggerId, now: Timestamp) -> Option<Result<Answer, Refusal>> {
        self.known.take_answer(trigger, now)
    }

    /// Whether the cluster shows a ScaledJob; nothing where it is not seen.
    #[must_use]
    pub fn shows(&self, id: &ScaledJobId) -> Option<bool> {
        self.view.as_ref().map(|view| view.scaled_jobs.contains_key(id))
    }

    /// The decision in force, if anybody has asked.
    #[must_use]
    pub fn current(&self) -> Option<&Arc<Decision>> {
        self.decision.as_ref()
    }

    /// Brings the decision in force up to date without a question, for people who look. Where nobody asks, there is none.
    pub fn refresh(&mut self, snapshot: &Arc<Snapshot>, now: Timestamp) {
        self.expire(now);
        // Two who ask at once may bring their snapshots in the wrong order.
        let newer = self.newest.take().filter(|newest| newest.taken_at > snapshot.taken_at && !planted!(OlderLookWins));
        let snapshot = newer.unwrap_or_else(|| Arc::clone(snapshot));
        self.newest = Some(Arc::clone(&snapshot));
        let in_force = self.decision.as_ref().is_some_and(|decision| {
            !self.outdated
                && Arc::ptr_eq(&decision.snapshot, &snapshot)
                && decision.valid_until.is_none_or(|until| now < until || planted!(DecisionNeverExpires))
        });
        if !in_force && !self.known.is_empty() {
            self.decide(&snapshot, now);
        }
    }

    fn expire(&mut self, now: Timestamp) {
        if self.known.expire(now) {
            self.decision = None;
            self.leave_if_forgotten();
        }
    }

    /// Where nobody is left who asks, nothing holds that was decided.
    fn leave_if_forgotten(&mut self) {
        if self.known.is_empty() && !planted!(ForgottenPoolHolds) {
            self.decision = None;
            self.ledger.forget(self.id);
        }
    }

    /// Whether Kubernetes Jobs may have come or ended unseen. KEDA counts those that there are, so that an agent that is
    /// asked for beside one that has ended is one too many.
    fn in_doubt(&self) -> Option<Settling> {
        let doubt = self.view.as_ref()?.doubt.as_ref().filter(|_| !planted!(DoubtIgnored))?;
        Some(Settling { until: doubt.until, doubt: Some(Arc::clone(&doubt.reason)) })
    }

    /// The triggers there are, in the order of their ids: those that KEDA asks about, and those that it will.
    fn triggers(&self, now: Timestamp) -> Vec<Arc<Trigger>> {
        let mut triggers = self.known.triggers();
        if let Some(view) = &self.view {
            triggers.extend(self.announced.missing(&triggers, view, now));
            triggers.sort_by(|one, other| one.id.cmp(&other.id));
        }
        triggers
    }

    /// What each ScaledJob says of itself, as far as that is known.
    fn written(&mut self, triggers: &[Arc<Trigger>], ids: &[ScaledJobId]) -> Vec<Option<Written>> {
        let trigger_ids = |id| own(triggers, id).iter().map(|trigger| trigger.id.clone());
        if let Some(view) = &self.view {
            let shown = ids.iter().filter_map(|id| Some((id, view.scaled_jobs.get(id)?)));
            self.written =
                shown.map(|(id, shown)| (id.clone(), (shown.written(), trigger_ids(id).collect()))).collect();
        }
        let known = |id| {
            let (written, before) = self.written.get(id)?;
            trigger_ids(id).all(|trigger| before.contains(&trigger)).then_some(*written)
        };
        ids.iter().map(known).collect()
    }

    /// What the cluster shows of each ScaledJob, and what has become of its starts since the last look.
    fn look_at_cluster(
        &mut self,
        triggers: &[Arc<Trigger>],
        ids: &[ScaledJobId],
        snapshot: &Snapshot,
        now: Timestamp,
    ) -> Vec<Option<InCluster>> {
        let Some(view) = self.view.clone() else { return Vec::new() };
        self.breakers.retain(|id| view.scaled_jobs.contains_key(id));
        let outcomes = self.watched.look(&view, ids, snapshot, self.rules.start_timeout, now);
        for (id, outcome) in outcomes {
            match outcome {
                Outcome::Came => self.breakers.came(&id),
                Outcome::Failed { trouble, is_overtaken } => {
                    *self.start_failures.entry(trouble.reason).or_default() += 1;
                    if !is_overtaken && self.breakers.failed(&id, &trouble, now) {
                        self.watched.give_up(&id);
                    }
                }
            }
        }
        let mut cluster = self.watched.in_cluster(&view, ids);
        for (id, shown) in ids.iter().zip(&mut cluster) {
            *shown = shown.take().filter(|shown| is_told_by_pods(&shown.view, own(triggers, id)));
        }
        cluster
    }

    fn decide(&mut self, snapshot: &Arc<Snapshot>, now: Timestamp) {
        let triggers = self.triggers(now);
        let scaled_jobs = assignment::scaled_jobs(&triggers);
        let written = self.written(&triggers, &scaled_jobs);
        let cluster = self.look_at_cluster(&triggers, &scaled_jobs, snapshot, now);
        // Where the cluster shows all that will ask, there is nobody to wait for.
        let shown = self.view.is_some() && self.announced.shows_all && !planted!(SettlesInSpiteOfTheView);
        let asked = self.settling_until.filter(|_| !shown).map(|until| Settling { until, doubt: None });
        let settling = asked.into_iter().chain(self.in_doubt()).max_by_key(|settling| settling.until);
        let Self { id, known, memory, sightings, trust, breakers, learned, .. } = self;
        let on_its_way = |place: usize| matches!(&cluster.get(place), Some(Some(shown)) if shown.starting > 0);
        let mut homes = memory.homes(snapshot, &scaled_jobs);
        let came = sightings.look(snapshot);
        let left = if breakers.are_idle() { BTreeSet::new() } else { memory.left(snapshot) };
        trust.forgive(snapshot, sightings);
        let decision = self.ledger.decide(*id, now, known.kept_until(), |caps| {
            let decide = |homes: &[_], trust: &Trust, breakers: &Breakers, learned: &Learned| {
                assignment::decide(&World {
                    snapshot,
                    triggers: &triggers,
                    homes,
                    settling: settling.as_ref(),
                    caps: &caps,
                    distrusted: trust.distrusted(),
                    held: trust.held(),
                    starts: &breakers.starts(&scaled_jobs, on_its_way, now),
                    cluster: &cluster,
                    written: &written,
                    learned: &learned.of(&scaled_jobs, &triggers, &snapshot.agents),
                    now,
                })
            };
            let (decision, report) = decide(&homes, trust, breakers, learned);
            let has_learned = learned.look(&decision);
            let inherited = memory.inherit(&decision, &mut homes);
            let judged = trust.judge(&decision, sightings);
            let tripped = breakers.judge(&decision, &came, &left, |id| known.interval(id), now);
            if inherited || judged || tripped || has_learned {
                decide(&homes, trust, breakers, learned)
            } else {
                (decision, report)
            }
        });
        memory.keep(&decision, &homes);
        if let Some(view) = &self.view {
            self.announced.judge(&decision, known, view, now);
        }
        self.outdated = false;
        let valid_until = decision.valid_until.into_iter().chain(breakers.next_change(now)).min();
        self.decision = Some(Arc::new(Decision { valid_until, ..decision }));
    }
}

/// The jobs that a trigger starts agents for.
fn given(decision: &Decision, trigger: usize) -> Vec<RequestId> {
    let jobs = decision.snapshot.jobs.iter().zip(&decision.jobs);
    let given = jobs.filter(
        |(_, placement)| matches!(placement, Placement::Assigned { trigger: starter } if *starter as usize == trigger),
    );
    given.map(|(job, _)| job.id).collect()
}

/// The triggers of one ScaledJob, of all in the order of their ids.
fn own<'a>(triggers: &'a [Arc<Trigger>], id: &ScaledJobId) -> &'a [Arc<Trigger>] {
    let from = triggers.partition_point(|trigger| trigger.id.scaled_job < *id);
    let to = triggers.partition_point(|trigger| trigger.id.scaled_job <= *id);
    &triggers[from..to]
}

/// Whether a ScaledJob's agents can be told by its pods: they bear their names, and none of them works for another pool.
fn is_told_by_pods(view: &ScaledJobView, own: &[Arc<Trigger>]) -> bool {
    let mut agents = view.jobs.iter().flat_map(|job| &job.pods).map(|pod| &pod.agent).peekable();
    let bear_their_names = agents.peek().is_none()
        || agents.any(|agent| own.iter().any(|trigger| trigger.agent_names.matches(agent)))
        || planted!(NamelessPodsCounted);
    bear_their_names && view.triggers.len() <= own.len().max(1)
}
