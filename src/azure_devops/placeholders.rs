//! One pool's placeholders: kept at what its triggers offer, for those that want it.
//!
//! ```text
//! [Desk] ──decision, agents──▶ [steps](crate::placeholder::steps) ──one after the other──▶ Azure
//!    ◀── why it can't be done
//! ```
//!
//! Where no trigger wants a placeholder and none is registered, nothing is ever sent. A placeholder that nobody wants any more is
//! removed after a grace, since after a restart not every trigger has asked yet, and only as it is at that moment. Not knowing is
//! not wanting it gone: where nobody asks about the pool, only the cluster can say that a ScaledJob is no more. And a pool may
//! have several desks, one for each token: what another one wants stays, and one that a trigger's token has opened removes
//! nothing but its own. May touch the desks, and this edge's [`client`](super::client).

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Weak},
    time::Duration,
};

use jiff::Timestamp;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{client::Client, decode::PoolReference, directory::locked, guests::Guests, licences::Desks};
use crate::{
    agent::Agent,
    capability::CapabilitySet,
    decision::{Decision, TriggerDecision},
    placeholder::{Keeper, Mark, Step, Wanted, steps},
    pools::{Desk, Failure, FailureClass},
    trigger::ScaledJobId,
};

/// How long a placeholder that nobody wants is left alone: longer than KEDA takes to ask again after a restart.
const GRACE: Duration = Duration::from_mins(15);
/// How long a ScaledJob that has a placeholder is to want another before it gets it: when a trigger is edited, both the old and
/// the new one are known for a poll.
const SECOND_AFTER: Duration = Duration::from_mins(2);
/// Between two requests that change something.
const PACE: Duration = Duration::from_secs(1);
/// Without news, it is looked whether a grace has ended.
const TICK: Duration = Duration::from_mins(1);
/// After a failure nothing is tried for so long.
const PAUSE: Duration = Duration::from_mins(1);
/// After a refusal that a person must mend, nothing is tried for so long.
const LONG_PAUSE: Duration = Duration::from_mins(10);

/// The task of one pool.
pub(super) struct Placeholders {
    client: Arc<Client>,
    pool: PoolReference,
    /// It ends with the desk.
    desk: Weak<Desk>,
    /// Others may be of the same pool.
    desks: Desks,
    guests: Arc<Guests>,
    /// Whose placeholders may be removed, where not everybody's: the ScaledJobs that have wanted one here.
    own: Option<HashSet<ScaledJobId>>,
    /// Since when nobody wants a placeholder, by Azure's number.
    unwanted: HashMap<i64, Instant>,
    /// Since when another one is wanted, by its name.
    second: HashMap<String, Instant>,
    /// What a placeholder was replaced with: Azure may say other things of it than it was told, and must not be told for ever.
    replaced: HashMap<i64, CapabilitySet>,
    /// Names that were taken when they were to be registered.
    taken: HashSet<String>,
    /// A list of agents must be newer than this to be believed.
    changed_at: Option<Timestamp>,
    /// Whether this replica is the one that answers KEDA; another leaves all as it is.
    leads: watch::Receiver<bool>,
}

impl Placeholders {
    /// Of the pool at a desk, which is a guest's where a trigger's own token has opened it.
    pub(super) fn new(
        client: Arc<Client>,
        pool: PoolReference,
        (desk, is_guest): (&Arc<Desk>, bool),
        (desks, guests): (Desks, Arc<Guests>),
        leads: watch::Receiver<bool>,
    ) -> Self {
        let desk = Arc::downgrade(desk);
        Self {
            client,
            pool,
            desk,
            desks,
            guests,
            own: is_guest.then(HashSet::new),
            unwanted: HashMap::new(),
            second: HashMap::new(),
            replaced: HashMap::new(),
            taken: HashSet::new(),
            changed_at: None,
            leads,
        }
    }

    /// Keeps them until told to stop, or until the desk is gone.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let Some(mut look) = self.desk.upgrade().map(|desk| desk.look()) else { return };
        let keeping = async {
            loop {
                // Whether there is news or not.
                if let Ok(Err(_gone)) = timeout(TICK, look.changed()).await {
                    return;
                }
                let Some(desk) = self.desk.upgrade() else { return };
                let planned = self.planned(&desk);
                drop(desk);
                let pause = self.carry_out(planned).await;
                sleep(pause).await;
            }
        };
        stop.run_until_cancelled(keeping).await;
    }

    /// What is to be done now.
    fn planned(&mut self, desk: &Desk) -> Vec<Step> {
        let pool = desk.pool();
        let Some(snapshot) = desk.look().borrow().snapshot.clone() else { return Vec::new() };
        let asked = pool.current().cloned();
        let wanting = asked.iter().flat_map(|decision| wanting(decision));
        let wanted: Vec<Wanted> = wanting
            .map(|decided| Wanted {
                scaled_job: decided.trigger.id.scaled_job.clone(),
                capabilities: decided.answer.is_ok().then(|| Arc::clone(&decided.capabilities)),
            })
            .collect();
        let mut planned = steps(&wanted, &snapshot.agents, Keeper::Scaler);
        let is_unwanted = |mark: &Mark| asked.is_some() || pool.shows(&mark.scaled_job) == Some(false);
        planned.retain(|step| !matches!(step, Step::Remove { mark, .. } if !is_unwanted(mark)));
        drop(pool);
        if let Some(own) = &mut self.own {
            own.extend(wanted.into_iter().map(|one| one.scaled_job));
            let marks: HashSet<ScaledJobId> = marked(&snapshot.agents);
            own.retain(|id| marks.contains(id));
        }
        planned.retain(|step| match step {
            Step::Remove { mark: Mark { scaled_job, .. }, .. } => {
                self.own.as_ref().is_none_or(|own| own.contains(scaled_job)) && !self.others_want(desk, scaled_job)
            }
            Step::Register { .. } | Step::Replace { .. } => true,
        });
        if self.changed_at.is_some_and(|changed| snapshot.agents_at <= changed) || !*self.leads.borrow() {
            return Vec::new();
        }
        let now = Instant::now();
        let unwanted: HashSet<i64> = planned.iter().filter_map(removed).collect();
        self.unwanted.retain(|id, _| unwanted.contains(id));
        self.replaced.retain(|id, _| snapshot.agents.iter().any(|agent| agent.id == *id));
        let is_known =
            |wanted: &str| planned.iter().any(|step| matches!(step, Step::Register { name, .. } if name == wanted));
        self.second.retain(|name, _| is_known(name));
        let has_one = marked(&snapshot.agents);
        planned.retain(|step| match step {
            Step::Register { name, mark, .. } if has_one.contains(&mark.scaled_job) => {
                now.duration_since(*self.second.entry(name.clone()).or_insert(now)) >= SECOND_AFTER
            }
            Step::Register { .. } => true,
            Step::Replace { id, capabilities, .. } => self.replaced.get(id) != Some(capabilities),
            Step::Remove { id, .. } => now.duration_since(*self.unwanted.entry(*id).or_insert(now)) >= GRACE,
        });
        if planned.is_empty() {
            self.taken.clear();
            desk.note_placeholder_trouble(None);
        }
        planned
    }

    /// Whether a trigger wants a placeholder at another desk of this pool.
    fn others_want(&self, desk: &Desk, scaled_job: &ScaledJobId) -> bool {
        let names = self.guests.names_at(self.client.base());
        let is_neighbour = |other: &&Arc<Desk>| {
            other.id == desk.id && other.organization != desk.organization && names.contains(&other.organization)
        };
        let desks = locked(&self.desks).clone();
        desks.iter().filter(is_neighbour).any(|other| {
            let asked = other.pool().current().cloned();
            asked.iter().flat_map(|asked| wanting(asked)).any(|decided| decided.trigger.id.scaled_job == *scaled_job)
        })
    }

    /// Does it, one after the other; how long to wait then.
    async fn carry_out(&mut self, planned: Vec<Step>) -> Duration {
        for step in planned {
            self.client.wait_patiently().await;
            let outcome = self.carry_out_one(&step).await;
            let Some(desk) = self.desk.upgrade() else { return PACE };
            self.changed_at = Some(desk.now());
            if let Err(failure) = outcome.or_else(|failure| match (failure.class, &step) {
                // Another replica was quicker: the next look shows it, or nobody will.
                (FailureClass::Taken, Step::Register { name, .. }) if self.taken.insert(name.clone()) => Ok(()),
                _ => Err(failure),
            }) {
                tracing::warn!(
                    pool = &*self.pool.name,
                    class = failure.class.label(),
                    "a placeholder is not kept: {failure}"
                );
                desk.note_placeholder_trouble(Some(failure.message.as_str().into()));
                return match failure.class {
                    FailureClass::Forbidden | FailureClass::NotSignedIn => LONG_PAUSE,
                    _ => PAUSE,
                };
            }
            drop(desk);
            sleep(PACE).await;
        }
        PACE
    }

    async fn carry_out_one(&mut self, step: &Step) -> Result<(), Failure> {
        let (client, pool) = (&self.client, &self.pool);
        let (did, name, mark) = match step {
            Step::Register { name, mark, capabilities } => {
                client.register_agent(pool, name, capabilities).await?;
                ("a placeholder is registered", name, mark)
            }
            Step::Replace { id, name, mark, capabilities } => {
                if !client.is_placeholder(pool, *id, mark).await? {
                    return Ok(());
                }
                client.replace_agent(pool, (*id, name), capabilities).await?;
                self.replaced.insert(*id, capabilities.clone());
                ("a placeholder has other capabilities", name, mark)
            }
            Step::Remove { id, name, mark } => {
                if !client.is_placeholder(pool, *id, mark).await? {
                    return Ok(());
                }
                client.remove_agent(pool, (*id, name)).await?;
                ("a placeholder is removed: no trigger wants it any more", name, mark)
            }
        };
        tracing::info!(organization = &**client.organization(), pool = &*pool.name, name, scaled_job = %mark, "{did}");
        Ok(())
    }
}

/// The triggers that want a placeholder.
fn wanting(decision: &Decision) -> impl Iterator<Item = &TriggerDecision> {
    decision.triggers.iter().filter(|decided| decided.trigger.keeps_placeholder)
}

/// The ScaledJobs that have one.
fn marked(agents: &[Agent]) -> HashSet<ScaledJobId> {
    agents.iter().filter_map(Mark::of).map(|mark| mark.scaled_job).collect()
}

fn removed(step: &Step) -> Option<i64> {
    if let Step::Remove { id, .. } = step { Some(*id) } else { None }
}
