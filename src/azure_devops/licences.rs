//! One organisation's task: it asks Azure how many parallel jobs may run and run, and notes it in the ledger that the
//! organisation's pools share.
//!
//! ```text
//! pollers ──turned──▶ Watch ──resourceusage──▶ Azure
//!                       └──limit, use──▶ Ledger, metrics
//! ```
//!
//! Nobody waits for it, and its failures are its own: what was known stays, and where nothing was there is no cap. May
//! touch the desks of [`pools`](crate::pools), [`metrics`](crate::metrics), the pure core and this edge.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    client::Client,
    decode::{Limit, ParallelJobs as Told},
    organization::ParallelJobs,
    pace::Pace,
    poller::{RAREST, ROUND_LIMIT},
};
use crate::{
    job_request::{JobRequest, Parallelism},
    metrics::Metrics,
    parallel_jobs::{Each, Ledger, Running, Usage},
    pools::{Desk, Failure, FailureClass},
};

/// How often Azure is asked while a job is queued, unless pools are looked at more often still.
const WHILE_QUEUED: Duration = Duration::from_secs(10);
/// How often Azure is asked where it has no such thing, as on premises.
const WHERE_ABSENT: Duration = Duration::from_hours(1);

/// The desks of all organisations.
pub(super) type Desks = Arc<Mutex<Vec<Arc<Desk>>>>;

/// What a watch over an organisation's licences needs.
pub(super) struct Watch {
    pub(super) client: Arc<Client>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) setting: ParallelJobs,
    pub(super) desks: Desks,
    /// Told by the organisation's pollers of their turns.
    pub(super) turned: Arc<Notify>,
    pub(super) background: Duration,
    pub(super) metrics: Metrics,
}

/// A watch that goes on.
pub(super) struct Watching {
    watch: Watch,
    pace: Pace,
    /// When Azure was asked last.
    asked_at: Option<Instant>,
    /// Whether Azure has no such thing.
    is_absent: bool,
    /// The last limits that were known.
    limits: Each<Option<u32>>,
    /// What the log says at present.
    reported: Option<FailureClass>,
}

impl Watch {
    /// Begins: a limit that is configured holds from now on, whatever Azure says.
    pub(super) fn begin(self) -> Watching {
        let mut watching = Watching {
            watch: self,
            pace: Pace::default(),
            asked_at: None,
            is_absent: false,
            limits: Each::default(),
            reported: None,
        };
        for parallelism in Parallelism::ALL {
            watching.note(parallelism, None);
        }
        watching
    }

    /// How often to ask while pools are used as they are; `None` while none is.
    fn interval(&self) -> Option<Duration> {
        let desks = self.desks.lock().unwrap_or_else(PoisonError::into_inner);
        let organization = self.client.organization();
        let own = desks.iter().filter(|desk| desk.organization == *organization);
        let mut in_use = own.filter(|desk| desk.is_in_use()).peekable();
        in_use.peek()?;
        Some(if in_use.any(|desk| has_queued_jobs(desk)) { self.background.min(WHILE_QUEUED) } else { self.background })
    }
}

fn has_queued_jobs(desk: &Desk) -> bool {
    desk.look().borrow().snapshot.as_ref().is_some_and(|snapshot| snapshot.jobs.iter().any(JobRequest::is_queued))
}

impl Watching {
    /// Asks until told to stop, whenever it is time.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let asking = async {
            loop {
                match self.due() {
                    Some(due) if due <= Instant::now() => self.turn().await,
                    due => self.wait(due).await,
                }
            }
        };
        stop.run_until_cancelled(asking).await;
    }

    /// Waits until then, or for something that may change when it is time.
    async fn wait(&self, due: Option<Instant>) {
        let time = async {
            match due {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.watch.turned.notified() => {}
            () = time => {}
        }
    }

    /// When Azure is to be asked next, as things stand; `None` while no pool is in use.
    fn due(&self) -> Option<Instant> {
        let client = &self.watch.client;
        // Nobody waits for it.
        let interval = self.watch.interval().filter(|_| !client.is_scarce())?;
        let interval = client.stretched(interval, interval * RAREST);
        let interval = if self.is_absent { interval.max(WHERE_ABSENT) } else { interval };
        let now = Instant::now();
        let patient_until = self.watch.client.patience_left().map(|left| now + left);
        let due = self.asked_at.map_or(now, |at| at + interval);
        [self.pace.pausing_until(), patient_until].into_iter().flatten().chain([due]).max()
    }

    async fn turn(&mut self) {
        self.asked_at = Some(Instant::now());
        let outcome = timeout(ROUND_LIMIT, self.ask())
            .await
            .unwrap_or_else(|_elapsed| Err(self.watch.client.request("the use of parallel jobs").overdue(ROUND_LIMIT)));
        let is_known = Parallelism::ALL.into_iter().any(|parallelism| self.has_told(parallelism));
        self.is_absent = !is_known && matches!(&outcome, Err(failure) if failure.class == FailureClass::NotFound);
        match &outcome {
            Err(_) if !self.is_absent => self.pace.failed(Instant::now()),
            _ => self.pace.succeeded(),
        }
        self.report(outcome.err());
    }

    async fn ask(&mut self) -> Result<(), Failure> {
        let mut absent = Vec::new();
        for parallelism in Parallelism::ALL {
            match self.ask_for(parallelism).await {
                Ok(told) => self.note(parallelism, Some(&told)),
                // A limit that Azure has told does not vanish with one odd answer.
                Err(failure) if failure.class == FailureClass::NotFound && !self.has_told(parallelism) => {
                    self.note(parallelism, None);
                    absent.push(failure);
                }
                Err(failure) => return Err(failure),
            }
        }
        match absent.pop() {
            Some(failure) if absent.len() + 1 == Parallelism::ALL.len() => Err(failure),
            _ => Ok(()),
        }
    }

    /// Whether Azure has told a limit.
    fn has_told(&self, parallelism: Parallelism) -> bool {
        self.watch.setting == ParallelJobs::Auto && self.limits.of(parallelism).is_some()
    }

    /// The use tells the limit, too; the limits are asked for where it does not.
    async fn ask_for(&self, parallelism: Parallelism) -> Result<Told, Failure> {
        let Watch { client, setting, .. } = &self.watch;
        let mut told = client.parallel_jobs(parallelism).await?;
        if told.limit.is_none() && *setting == ParallelJobs::Auto {
            told.limit = Some(client.parallel_job_limit(parallelism).await?);
        }
        Ok(told)
    }

    /// What is known of a parallelism from now on; nothing told where Azure has no such thing, or was not asked yet.
    fn note(&mut self, parallelism: Parallelism, told: Option<&Told>) {
        let known = self.limits.of_mut(parallelism);
        let limit = match (self.watch.setting, told.map(|told| told.limit)) {
            (ParallelJobs::Limit(jobs), _) => (parallelism == Parallelism::Private).then_some(jobs),
            (_, Some(Some(Limit::Jobs(jobs)))) => Some(jobs),
            (_, Some(Some(Limit::Unlimited)) | None) => None,
            (_, Some(Some(Limit::NotKnown) | None)) => *known,
        };
        let organization = &**self.watch.client.organization();
        if limit != *known {
            let limit = limit.map_or("none".to_owned(), |limit| limit.to_string());
            tracing::info!(organization, parallelism = parallelism.label(), limit, "the limit of parallel jobs");
        }
        *known = limit;

        let labels = [organization, parallelism.label()];
        let Metrics { parallel_jobs_limit, parallel_jobs_used, .. } = &self.watch.metrics;
        for (gauge, value) in [(parallel_jobs_limit, limit), (parallel_jobs_used, told.map(Told::used))] {
            match value {
                Some(value) => gauge.with_label_values(&labels).set(value.into()),
                None => {
                    // It may not be there.
                    let _ = gauge.remove_label_values(&labels);
                }
            }
        }
        let running = told.map_or(Running::Total(0), |told| told.running.clone());
        self.watch.ledger.learn(parallelism, Some(Usage { limit, running }));
    }

    /// Logs when failing begins, changes its kind, or ends.
    fn report(&mut self, failure: Option<Failure>) {
        let class = failure.as_ref().map(|failure| failure.class);
        if class == self.reported {
            return;
        }
        self.reported = class;
        let organization = &**self.watch.client.organization();
        match failure {
            None => tracing::info!(organization, "Azure DevOps tells the use of parallel jobs again"),
            Some(failure) if self.is_absent => {
                tracing::info!(organization, "Azure DevOps knows no limit of parallel jobs here: {failure}");
            }
            Some(failure) => {
                let class = failure.class.label();
                tracing::warn!(
                    organization,
                    class,
                    "{failure}; meanwhile the last known limit of parallel jobs holds; set `parallel_jobs` to a number, or to \
                     `off`, if it lasts"
                );
            }
        }
    }
}
