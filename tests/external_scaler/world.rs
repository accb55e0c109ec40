//! A pool that a test drives by hand, and the real server in front of it.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use azp_scaler::{
    cluster_watch::View,
    external_scaler::{OLDEST_CONNECTION, Organization, Organizations, Service, serve},
    job_request::{JobRequest, RequestId, Title},
    metrics::Metrics,
    parallel_jobs::{Headroom, Ledger},
    pool::{Pool, Rules},
    pools::{Brought, Clock, Desk, Directory, Failure, FailureClass, Freshness, Opening, PoolSelector, Publisher},
    protocol::{ScaledObjectRef, external_scaler_client::ExternalScalerClient},
    snapshot::{Queue, Snapshot},
};
use jiff::{SignedDuration, Timestamp};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

pub(crate) fn organizations() -> Organizations {
    let organization = |name: &str, namespaces: &[&str]| Organization {
        name: name.into(),
        url: format!("https://dev.azure.com/{name}").parse().unwrap(),
        namespaces: namespaces.iter().map(|&name| name.to_owned()).collect(),
    };
    Organizations::new(vec![organization("contoso", &["*"]), organization("fabrikam", &["secret-projects"])])
}

/// A reference of the ScaledJob `ci/build` to the pool `linux` of `contoso`, with further entries.
pub(crate) fn reference(entries: &[(&str, &str)]) -> ScaledObjectRef {
    let usual = [("organization", "contoso"), ("poolName", "linux"), ("scalerAddress", "azp-scaler:6000")];
    let mut reference = bare(&usual);
    reference.scaler_metadata.extend(entries.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())));
    reference
}

/// A reference of the ScaledJob `ci/build` with these entries only.
pub(crate) fn bare(entries: &[(&str, &str)]) -> ScaledObjectRef {
    ScaledObjectRef {
        name: "build".to_owned(),
        namespace: "ci".to_owned(),
        scaler_metadata: entries.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect(),
    }
}

/// Knows one pool, or fails.
#[derive(Default)]
pub(crate) struct OnePool {
    desk: Mutex<Option<Arc<Desk>>>,
    failure: Mutex<Option<Arc<Failure>>>,
    hangs: bool,
    /// What was brought.
    pub(crate) brought: Mutex<Vec<Brought>>,
    /// How often it was asked.
    pub(crate) asked: AtomicUsize,
}

impl OnePool {
    /// Never answers.
    pub(crate) fn hanging() -> Arc<Self> {
        Arc::new(Self { hangs: true, ..Self::default() })
    }

    pub(crate) fn fail(&self, class: FailureClass, message: &str) {
        *self.failure.lock().unwrap() = Some(Arc::new(Failure { class, message: message.to_owned() }));
    }

    pub(crate) fn mend(&self) {
        *self.failure.lock().unwrap() = None;
    }
}

impl Directory for OnePool {
    fn open_with<'a>(&'a self, brought: &'a Brought, pool: &'a PoolSelector) -> Opening<'a> {
        self.brought.lock().unwrap().push(brought.clone());
        self.open("", pool)
    }

    fn open<'a>(&'a self, _: &'a str, _: &'a PoolSelector) -> Opening<'a> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Box::pin(async {
            if self.hangs {
                std::future::pending::<()>().await;
            }
            match &*self.failure.lock().unwrap() {
                Some(failure) => Err(Arc::clone(failure)),
                None => Ok(Arc::clone(self.desk.lock().unwrap().as_ref().unwrap())),
            }
        })
    }

    fn desks(&self) -> Vec<Arc<Desk>> {
        self.desk.lock().unwrap().iter().cloned().collect()
    }
}

pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) desk: Arc<Desk>,
    pub(crate) publisher: Publisher,
    pub(crate) directory: Arc<OnePool>,
    pub(crate) metrics: Metrics,
    pub(crate) stop: CancellationToken,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::watching(azp_scaler::cluster_watch::off(), SignedDuration::ZERO)
    }

    /// One whose pool sees a cluster, and settles for so long.
    pub(crate) fn watching(view: watch::Receiver<View>, settle: SignedDuration) -> Self {
        let clock = Clock::starting_at("2026-11-22T10:00:00Z".parse().unwrap());
        let freshness = Freshness {
            fresh_for: Duration::from_mins(10),
            answer_within: Duration::from_millis(1),
            first_answer_within: Duration::from_millis(1),
            tolerated_age: Duration::from_mins(10),
        };
        let pool = Pool::new(7, Rules { settle, ..Rules::default() }, Arc::new(Ledger::new(Headroom::Quarter)));
        let (desk, publisher) = Desk::new("contoso".into(), 7, "linux".into(), clock, freshness, pool, view);
        let directory = Arc::new(OnePool { desk: Mutex::new(Some(Arc::clone(&desk))), ..OnePool::default() });
        let metrics = Metrics::new();
        Self { clock, desk, publisher, directory, metrics, stop: CancellationToken::new() }
    }

    pub(crate) fn service(&self) -> Service {
        let directory: Arc<dyn Directory> = Arc::clone(&self.directory) as _;
        Service::new(directory, organizations(), self.metrics.clone(), Arc::default(), self.stop.clone())
    }

    /// The same, with tokens taken in the clear.
    pub(crate) fn trusting_service(&self) -> Service {
        let directory: Arc<dyn Directory> = Arc::clone(&self.directory) as _;
        let organizations = organizations().allowing_tokens_without_tls(true);
        Service::new(directory, organizations, self.metrics.clone(), Arc::default(), self.stop.clone())
    }

    /// The real server on a free port, and a client of it.
    pub(crate) async fn serve(&self) -> (ExternalScalerClient<Channel>, String, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let service = self.service();
        let serving = tokio::spawn(async move { serve(listener, service, None, OLDEST_CONNECTION).await.unwrap() });
        (ExternalScalerClient::connect(address.clone()).await.unwrap(), address, serving)
    }

    /// A round of requests ends with so many queued jobs that ask for nothing.
    pub(crate) fn queue(&self, jobs: i64) -> Arc<Snapshot> {
        self.queue_as_of(self.clock.now(), jobs)
    }

    pub(crate) fn queue_as_of(&self, now: Timestamp, jobs: i64) -> Arc<Snapshot> {
        let mut queue = Queue::default();
        let demands = queue.intern::<&str>(&[]);
        queue.jobs = (1..=jobs)
            .map(|id| JobRequest {
                id: RequestId(id),
                queued_at: Some(now),
                assigned_at: None,
                priority: 0,
                demands,
                agent: None,
                received: false,
                lists_matched_agents: true,
                parallelism: None,
                title: Title::default(),
            })
            .collect();
        let snapshot = Arc::new(Snapshot::new(now, queue, now, Arc::default()));
        self.publisher.look.send_modify(|look| {
            look.snapshot = Some(Arc::clone(&snapshot));
            look.failure = None;
            look.rounds_ended += 1;
        });
        snapshot
    }

    /// A round of requests ends badly; what was known before is forgotten.
    pub(crate) fn outage(&self, message: &str) {
        self.publisher.look.send_modify(|look| {
            look.snapshot = None;
            look.failure = Some(Arc::new(Failure { class: FailureClass::ServerError, message: message.to_owned() }));
            look.rounds_ended += 1;
        });
    }

    /// How often a method was answered with a status.
    pub(crate) fn counted(&self, method: &str, code: &str) -> u64 {
        self.metrics.grpc.requests_total.with_label_values(&[method, code]).get()
    }
}
