//! One pool's task: it owns the requests for the pool and lays what it learns on the pool's desk.
//!
//! ```text
//! questions, background timer ──▶ round: jobs (and, now and then, the pool itself), then agents ──▶ Look
//! ```
//!
//! A round that may not begin, because Azure asks for patience or has just failed, ends at once with the reason, so that
//! nobody waits for it. May touch the desk's other side in [`pools`](crate::pools), and this edge's
//! [`client`](super::client).

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    client::Client,
    decode::{AgentReader, PoolReference},
    directory::Polling,
    pace::Pace,
};
use crate::{
    agent::Agent,
    job_request::JobRequest,
    pools::{Clock, Failure, FailureClass, Freshness, PoolSelector, Publisher},
    snapshot::Snapshot,
};

/// A round that takes longer has failed.
pub(super) const ROUND_LIMIT: Duration = Duration::from_secs(10);

/// Where the budget is nearly spent, the background is so many times as long.
pub(super) const RAREST: u32 = 10;
/// The part of `tolerated_age` that a snapshot may be fresh for at most; the rest is for the next one to come.
const FRESH_AT_MOST: f64 = 0.8;

/// The task of one pool.
pub(super) struct Poller {
    client: Arc<Client>,
    pool: PoolReference,
    publisher: Publisher,
    /// Told of every turn: the organisation's parallel jobs are asked for while its pools are in use.
    turned: Arc<Notify>,
    clock: Clock,
    polling: Polling,
    /// How long the pool is let alone, and its agents and itself are believed to be there, without a question; drawn anew
    /// each time, so that pools and replicas don't beat together.
    background: Duration,
    pace: Pace,
    reader: AgentReader,
    agents: Option<KnownAgents>,
    /// When the last round began, or would have.
    last_turn: Instant,
    /// When the round began in which the pool itself was looked up.
    pool_seen: Instant,
    /// How often Azure had said that there is news when the last round began.
    wakes: u64,
    /// What the log says of this pool at present.
    reported: Option<FailureClass>,
}

/// The last list of agents.
struct KnownAgents {
    /// When the round began that brought them.
    round: Instant,
    asked_at: Timestamp,
    list: Arc<Vec<Agent>>,
}

impl Poller {
    /// A poller of a pool that has just been looked up.
    pub(super) fn new(
        client: Arc<Client>,
        pool: PoolReference,
        publisher: Publisher,
        turned: Arc<Notify>,
        clock: Clock,
        polling: Polling,
    ) -> Self {
        let now = Instant::now();
        Self {
            client,
            pool,
            publisher,
            turned,
            clock,
            polling,
            background: polling.background,
            pace: Pace::default(),
            reader: AgentReader::default(),
            agents: None,
            last_turn: now,
            pool_seen: now,
            wakes: 0,
            reported: None,
        }
    }

    /// Polls until told to stop, or until the desk is gone. The first round begins at once.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let polling = async {
            loop {
                self.turn().await;
                if !self.is_asked().await {
                    break;
                }
            }
        };
        stop.run_until_cancelled(polling).await;
    }

    /// Waits for a reason to ask; false when the desk is gone. News is a reason as often as a question would be, and while
    /// the budget is not nearly used up.
    async fn is_asked(&mut self) -> bool {
        let mut woken = false;
        loop {
            let news_at = self.last_turn + self.fresh_for();
            let before = *self.publisher.questions.borrow();
            let is_looked_at = before.is_in_use(self.clock.now()) && !self.client.is_scarce();
            tokio::select! {
                changed = self.publisher.questions.changed() => {
                    let now = *self.publisher.questions.borrow();
                    let is_woken = now.wakes != self.wakes && now.last == before.last;
                    // Whoever asks is told why there is no round; who wakes wants nothing told.
                    if changed.is_err() || !is_woken {
                        return changed.is_ok();
                    }
                    woken = true;
                }
                () = sleep_until(news_at), if woken => {
                    if !self.client.is_scarce() && self.obstacle(Instant::now()).await.is_none() {
                        return true;
                    }
                    woken = false;
                }
                () = sleep_until(self.last_turn + self.background), if is_looked_at => return true,
            }
        }
    }

    /// For how long a snapshot is fresh: longer while little of the budget is left.
    fn fresh_for(&self) -> Duration {
        let Freshness { fresh_for, tolerated_age, .. } = self.polling.freshness;
        self.client.stretched(fresh_for, tolerated_age.mul_f64(FRESH_AT_MOST))
    }

    /// One round, or the reason why there is none.
    async fn turn(&mut self) {
        self.last_turn = Instant::now();
        self.wakes = self.publisher.questions.borrow().wakes;
        let outcome = match self.obstacle(self.last_turn).await {
            Some(failure) => Err(failure),
            None => self.timed_round().await.map_err(Arc::new),
        };
        self.report(&outcome);
        let (fresh_for, client, background) = (self.fresh_for(), &self.client, self.polling.background);
        self.background = client.stretched(background, background * RAREST).mul_f64(0.8 + 0.2 * fastrand::f64());
        let Publisher { look, questions } = &mut self.publisher;
        look.send_modify(|look| {
            // Before anybody can see that the round has ended: a question that comes afterwards wants another, and so does
            // news that came after the round began, since Azure may have answered before.
            if questions.borrow().wakes == self.wakes {
                questions.mark_unchanged();
            }
            look.asking_since = None;
            look.rounds_ended += 1;
            look.fresh_for = fresh_for;
            match outcome {
                Ok(snapshot) => {
                    look.snapshot = Some(snapshot);
                    look.failure = None;
                }
                Err(failure) => look.failure = Some(failure),
            }
        });
        self.turned.notify_one();
    }

    /// Why no round may begin now.
    async fn obstacle(&self, now: Instant) -> Option<Arc<Failure>> {
        let what = format!("pool `{}` ({})", self.pool.name, self.pool.id);
        if let Some(failure) = self.client.too_early(&what) {
            return Some(Arc::new(failure));
        }
        let failure = self.publisher.look.borrow().failure.clone()?;
        let is_refused = failure.class == FailureClass::NotSignedIn;
        if !(self.pace.is_pausing(now) || is_refused && self.client.is_let_be()) {
            return None;
        }
        // A token that was replaced is worth trying at once; the same one is not.
        let is_mended = is_refused && self.client.has_another_token().await;
        (!is_mended).then_some(failure)
    }

    async fn timed_round(&mut self) -> Result<Arc<Snapshot>, Failure> {
        self.publisher.look.send_modify(|look| look.asking_since = Some(self.last_turn));
        let outcome = timeout(ROUND_LIMIT, self.round()).await.unwrap_or_else(|_elapsed| {
            let what = format!("pool `{}` ({})", self.pool.name, self.pool.id);
            Err(self.client.request(&what).overdue(ROUND_LIMIT))
        });
        match &outcome {
            Ok(_) => self.pace.succeeded(),
            Err(_) => self.pace.failed(Instant::now()),
        }
        outcome.map(Arc::new)
    }

    async fn round(&mut self) -> Result<Snapshot, Failure> {
        let (client, round, background) = (Arc::clone(&self.client), self.last_turn, self.background);
        let is_due = |since: Instant| round.duration_since(since) >= background;
        let taken_at = self.clock.now();
        // A pool that was deleted looks empty, so its existence is asked for as well.
        let pool_is_due = is_due(self.pool_seen);
        let look_up = async { if pool_is_due { self.still_there().await } else { Ok(()) } };
        // Both to their ends: where one may not show a credential again, the other does, and its answer counts.
        let (queue, is_there) = tokio::join!(client.job_requests(&self.pool), look_up);
        let queue = queue?;
        is_there?;
        if pool_is_due {
            self.pool_seen = round;
        }

        let is_queued = queue.jobs.iter().any(JobRequest::is_queued);
        let agents = match self.agents.take() {
            Some(known) if !is_queued && !is_due(known.round) => known,
            known => {
                self.agents = known;
                let asked_at = self.clock.now();
                let list = Arc::new(client.agents(&self.pool, &mut self.reader).await?);
                KnownAgents { round, asked_at, list }
            }
        };
        let snapshot = Snapshot::new(taken_at, queue, agents.asked_at, Arc::clone(&agents.list));
        self.agents = Some(agents);
        Ok(snapshot)
    }

    /// Asks whether the pool is there, under its name.
    async fn still_there(&self) -> Result<(), Failure> {
        let found = self.client.pool(&PoolSelector::Id(self.pool.id)).await?;
        if found.name == self.pool.name {
            return Ok(());
        }
        let message = format!(
            "pool `{}` ({}) of organization `{}` is named `{}` now: it is found by that name, or by its number",
            self.pool.name,
            self.pool.id,
            self.client.organization(),
            found.name
        );
        Err(Failure { class: FailureClass::NotFound, message })
    }

    /// Logs when failing begins, changes its kind, or ends.
    fn report(&mut self, outcome: &Result<Arc<Snapshot>, Arc<Failure>>) {
        let (organization, pool) = (&**self.client.organization(), &*self.pool.name);
        let class = outcome.as_ref().err().map(|failure| failure.class);
        if class == self.reported {
            return;
        }
        self.reported = class;
        match outcome {
            Ok(_) => tracing::info!(organization, pool, "Azure DevOps answers again"),
            Err(failure) => {
                tracing::warn!(organization, pool, class = failure.class.label(), "{failure}");
            }
        }
    }
}
