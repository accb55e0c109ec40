//! All organisations and their pools in use: whoever names a pool is led to its desk.
//!
//! ```text
//! (organisation, name or number) ──looked up once──▶ pool ──one each──▶ desk ◀── poller
//! ```
//!
//! Owns the tasks, a poller for each pool and a watch over the licences for each organisation, and stops
//! them. May touch [`pools`](crate::pools) and this edge.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, Once, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::{Instant, timeout},
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use super::{
    client::Client,
    decode::PoolReference,
    guests::Guests,
    licences::{Desks, Watch},
    organization::{BadOrganization, Organization, ParallelJobs},
    placeholders::Placeholders,
    poller::Poller,
};
use crate::{
    cluster_watch::{self, View},
    metrics::Metrics,
    parallel_jobs::{Headroom, Ledger},
    pool::{Pool, Rules},
    pools::{Brought, Clock, Desk, Directory, Failure, FailureClass, Freshness, Opening, PoolSelector},
};

/// A look-up that failed is not repeated before this.
const FAILURE_KEPT_FOR: Duration = Duration::from_secs(10);
/// How many names and numbers of pools are remembered.
const MOST_SELECTORS: usize = 1_000;

/// The section `[polling]`.
#[derive(Clone, Copy, Debug)]
pub struct Polling {
    /// How long answers may take and how old they may be.
    pub freshness: Freshness,
    /// Pools in use are looked at this often anyway, agents and the pools' existence too.
    pub background: Duration,
}

/// The organisations of Azure DevOps that are configured, with a poller for each of their pools in use.
pub struct AzureDevOps {
    members: Vec<Member>,
    polling: Polling,
    rules: Rules,
    pub(super) clock: Clock,
    pub(super) lookups: Arc<Lookups>,
    pub(super) desks: Desks,
    pub(super) guests: Arc<Guests>,
    pub(super) headroom: Headroom,
    view: watch::Receiver<View>,
    leads: watch::Receiver<bool>,
    pub(super) metrics: Metrics,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
    _stops_when_dropped: DropGuard,
}

/// An organisation: how it is asked, and what its pools share.
pub(super) struct Member {
    pub(super) client: Arc<Client>,
    ledger: Arc<Ledger>,
    parallel_jobs: ParallelJobs,
    /// Told by the pollers of their turns.
    turned: Arc<Notify>,
    /// The licences are watched from the first pool on.
    watched: Once,
    /// Ends its tasks.
    pub(super) stop: CancellationToken,
}

/// An organisation and a pool's name or number.
type AskedFor = (Arc<str>, PoolSelector);

/// What is known of all names and numbers of pools.
pub(super) type Lookups = Mutex<HashMap<AskedFor, Arc<Lookup>>>;

/// What is known of one name or number of a pool. Whoever asks while it is being looked up waits at the lock.
pub(super) type Lookup = tokio::sync::Mutex<Option<LookedUp>>;

/// The result of a look-up.
pub(super) struct LookedUp {
    at: Instant,
    result: Result<Arc<Desk>, Arc<Failure>>,
}

impl AzureDevOps {
    /// Makes the organisations' clients; nothing is sent. Pools that are opened decide by the rules.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with any organisation.
    pub fn new(
        organizations: &[Organization],
        polling: Polling,
        rules: Rules,
        headroom: Headroom,
        clock: Clock,
        metrics: &Metrics,
    ) -> Result<Self, Vec<BadOrganization>> {
        let stop = CancellationToken::new();
        let mut members = Vec::new();
        let mut faults = Vec::new();
        for organization in organizations {
            match Client::new(organization, clock, metrics.clone()) {
                Ok(client) => members.push(Member::new(client, organization.parallel_jobs, headroom, stop.clone())),
                Err(fault) => faults.push(fault),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self {
            members,
            polling,
            rules,
            clock,
            lookups: Arc::default(),
            desks: Arc::default(),
            guests: Arc::new(Guests::new(organizations)),
            headroom,
            view: cluster_watch::off(),
            leads: watch::channel(true).1,
            metrics: metrics.clone(),
            tasks: TaskTracker::new(),
            _stops_when_dropped: stop.clone().drop_guard(),
            stop,
        })
    }

    /// Stops all tasks; false when one has not stopped in time.
    pub async fn stop(&self, deadline: Duration) -> bool {
        self.stop.cancel();
        self.tasks.close();
        timeout(deadline, self.tasks.wait()).await.is_ok()
    }

    async fn find(&self, organization: &str, selector: &PoolSelector) -> Result<Arc<Desk>, Arc<Failure>> {
        self.find_at(self.member(organization)?, selector).await
    }

    /// The desk of a pool of this organisation.
    pub(super) async fn find_at(&self, member: &Member, selector: &PoolSelector) -> Result<Arc<Desk>, Arc<Failure>> {
        let lookup = self.lookup(&member.client, selector)?;
        let mut known = lookup.lock().await;
        if let Some(known) = known.as_ref().filter(|known| known.is_valid()) {
            return known.result.clone();
        }
        let found = self.look_up(member, selector).await.map_err(Arc::new);
        let result = match (found, known.as_ref().map(|known| &known.result)) {
            // It may be out of sight for a while only. Its desk tells why, and notes who asks meanwhile.
            (Err(_), Some(Ok(desk))) if is_polled(desk) => Ok(Arc::clone(desk)),
            (found, _) => found,
        };
        *known = Some(LookedUp { at: Instant::now(), result: result.clone() });
        result
    }

    fn member(&self, organization: &str) -> Result<&Member, Arc<Failure>> {
        let name = |member: &Member| Arc::clone(member.client.organization());
        self.members.iter().find(|member| *name(member) == *organization).ok_or_else(|| {
            let known: Vec<String> = self.members.iter().map(|member| format!("`{}`", name(member))).collect();
            let message = format!(
                "organization `{organization}` is not configured: use one of {}, or add it to the scaler's \
                 `[[organizations]]`",
                known.join(", ")
            );
            Arc::new(Failure { class: FailureClass::NotFound, message })
        })
    }

    /// The place for what is known of a pool's name or number.
    fn lookup(&self, client: &Client, selector: &PoolSelector) -> Result<Arc<Lookup>, Arc<Failure>> {
        let mut lookups = locked(&self.lookups);
        let key = (Arc::clone(client.organization()), selector.clone());
        if let Some(lookup) = lookups.get(&key) {
            return Ok(Arc::clone(lookup));
        }
        if lookups.len() >= MOST_SELECTORS {
            lookups.retain(|_, lookup| {
                lookup.try_lock().map_or(true, |known| known.as_ref().is_some_and(LookedUp::is_valid))
            });
        }
        if lookups.len() >= MOST_SELECTORS {
            let message = format!(
                "pool {selector} of organization `{}`: {MOST_SELECTORS} names and numbers of pools are in use, and no more \
                 are kept; restart the scaler if most of them are old, or spread the triggers over several scalers",
                client.organization()
            );
            return Err(Arc::new(Failure { class: FailureClass::TooMany, message }));
        }
        Ok(Arc::clone(lookups.entry(key).or_default()))
    }

    async fn look_up(&self, member: &Member, selector: &PoolSelector) -> Result<Arc<Desk>, Failure> {
        let client = &member.client;
        let what = format!("pool {selector}");
        if let Some(failure) = client.too_early(&what) {
            return Err(failure);
        }
        let limit = self.polling.freshness.first_answer_within;
        let answer = timeout(limit, client.pool(selector)).await;
        let pool = answer.unwrap_or_else(|_elapsed| Err(client.request(&what).overdue(limit)))?;
        Ok(self.desk(member, pool))
    }

    /// Shows the cluster, and whether this replica leads, to the pools that will be opened.
    #[must_use]
    pub fn seeing(self, view: watch::Receiver<View>, leads: watch::Receiver<bool>) -> Self {
        Self { view, leads, ..self }
    }

    /// The desk of a pool that exists, opened where there is none yet.
    fn desk(&self, member: &Member, pool: PoolReference) -> Arc<Desk> {
        let Member { client, ledger, turned, .. } = member;
        let organization = client.organization();
        let mut desks = locked(&self.desks);
        // A pool that was made anew has another number, one that was renamed another name; a poller ends with its desk. One
        // that was out of sight for a while has both, and goes on with all that is known of it.
        desks.retain(|desk| {
            let (same_id, same_name) = (desk.id == pool.id, desk.name == pool.name);
            let is_this = desk.organization == *organization && (same_id || same_name);
            !is_this || is_polled(desk) && (same_id && same_name || !is_gone(desk))
        });
        if let Some(desk) = desks.iter().find(|desk| desk.organization == *organization && desk.id == pool.id) {
            return Arc::clone(desk);
        }
        let freshness = self.polling.freshness;
        let (organization, name) = (Arc::clone(organization), Arc::clone(&pool.name));
        let state = Pool::new(pool.id, self.rules, Arc::clone(ledger));
        let (desk, publisher) = Desk::new(organization, pool.id, name, self.clock, freshness, state, self.view.clone());
        self.watch_licences(member);
        let is_guest = !self.members.iter().any(|known| Arc::ptr_eq(&known.client, client));
        let (others, leads) = ((Arc::clone(&self.desks), Arc::clone(&self.guests)), self.leads.clone());
        let placeholders = Placeholders::new(Arc::clone(client), pool.clone(), (&desk, is_guest), others, leads);
        self.tasks.spawn(placeholders.run(member.stop.clone()));
        let poller = Poller::new(Arc::clone(client), pool, publisher, Arc::clone(turned), self.clock, self.polling);
        self.tasks.spawn(poller.run(member.stop.clone()));
        desks.push(Arc::clone(&desk));
        desks.sort_by(|one, other| {
            (&one.organization, &one.name, one.id).cmp(&(&other.organization, &other.name, other.id))
        });
        desk
    }

    /// Watches over an organisation's licences from now on, unless it is done or not wanted.
    fn watch_licences(&self, member: &Member) {
        if member.parallel_jobs == ParallelJobs::Off {
            return;
        }
        member.watched.call_once(|| {
            let (client, ledger, turned) = (Arc::clone(&member.client), Arc::clone(&member.ledger), &member.turned);
            let watch = Watch {
                client,
                ledger,
                setting: member.parallel_jobs,
                desks: Arc::clone(&self.desks),
                turned: Arc::clone(turned),
                background: self.polling.background,
                metrics: self.metrics.clone(),
            };
            self.tasks.spawn(watch.begin().run(member.stop.clone()));
        });
    }
}

impl Directory for AzureDevOps {
    fn open<'a>(&'a self, organization: &'a str, pool: &'a PoolSelector) -> Opening<'a> {
        Box::pin(self.find(organization, pool))
    }

    fn open_with<'a>(&'a self, brought: &'a Brought, pool: &'a PoolSelector) -> Opening<'a> {
        Box::pin(self.receive(brought, pool))
    }

    fn desks(&self) -> Vec<Arc<Desk>> {
        locked(&self.desks).clone()
    }

    /// Pools that triggers reach with tokens of their own have the same news.
    fn wake(&self, organization: &str) {
        let names = self.guests.at(organization);
        self.desks().iter().filter(|desk| names.contains(&desk.organization)).for_each(|desk| desk.wake());
    }
}

impl Member {
    /// An organisation whose tasks end with `stop`.
    pub(super) fn new(
        client: Client,
        parallel_jobs: ParallelJobs,
        headroom: Headroom,
        stop: CancellationToken,
    ) -> Self {
        Self {
            client: Arc::new(client),
            ledger: Arc::new(Ledger::new(headroom)),
            parallel_jobs,
            turned: Arc::default(),
            watched: Once::new(),
            stop,
        }
    }
}

impl LookedUp {
    /// Whether there is no need to look again yet. A desk whose pool is gone is no better than a failure.
    fn is_valid(&self) -> bool {
        self.result.as_ref().is_ok_and(|desk| !is_gone(desk)) || self.at.elapsed() < FAILURE_KEPT_FOR
    }
}

/// Whether the desk's poller has not ended.
fn is_polled(desk: &Desk) -> bool {
    desk.look().has_changed().is_ok()
}

/// Whether the poller has found that the pool does not exist any more, or has ended itself.
fn is_gone(desk: &Desk) -> bool {
    let is_not_found = |failure: &Arc<Failure>| failure.class == FailureClass::NotFound;
    !is_polled(desk) || desk.look().borrow().failure.as_ref().is_some_and(is_not_found)
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
