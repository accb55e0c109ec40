//! A world made by hand: desks with snapshots, triggers that have asked, and the pages that tell of them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode},
};
use azp_scaler::{
    agent::{Agent, AgentNamePattern},
    cluster_view::ClusterView,
    cluster_watch::View,
    job_request::{JobRequest, Parallelism, RequestId, ReservedAgent, Title},
    metrics::Metrics,
    parallel_jobs::{Headroom, Ledger, Running, Usage},
    pool::{Pool, Rules},
    pools::{
        Brought, Clock, Desk, Directory, Failure, FailureClass, Freshness, Look, Opening, PoolSelector, Publisher,
    },
    snapshot::{Queue, Snapshot},
    trigger::{CapabilitiesFrom, JobsWithoutDemands, ScaledJobId, Strategy, Trigger, TriggerId},
    web::{Readiness, Site, router},
};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tower::Service;

/// Noon of some day, when the process starts.
pub(crate) const START: Timestamp = Timestamp::constant(1_790_000_000, 0);
const SETTLE: Duration = Duration::from_secs(30);

/// A directory of desks that are laid by hand.
pub(crate) struct World {
    pub(crate) clock: Clock,
    /// Of the one organisation.
    ledger: Arc<Ledger>,
    pub(crate) metrics: Metrics,
    pub(crate) readiness: watch::Sender<Readiness>,
    pub(crate) leads: watch::Sender<bool>,
    pub(crate) view: watch::Sender<View>,
    pub(crate) desks: Mutex<Vec<Arc<Desk>>>,
}

impl Directory for World {
    fn open<'a>(&'a self, _: &'a str, _: &'a PoolSelector) -> Opening<'a> {
        unreachable!("who looks opens nothing")
    }

    fn open_with<'a>(&'a self, _: &'a Brought, _: &'a PoolSelector) -> Opening<'a> {
        unreachable!("who looks opens nothing")
    }

    fn desks(&self) -> Vec<Arc<Desk>> {
        self.desks.lock().unwrap().clone()
    }
}

/// An answer as a client sees it.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        assert_eq!(self.headers["content-type"], "application/json");
        serde_json::from_str(&self.body).unwrap()
    }
}

impl World {
    pub(crate) fn new() -> Arc<Self> {
        let readiness = watch::Sender::new(Readiness::Ready);
        let (leads, view) = (watch::Sender::new(true), watch::Sender::new(View::Off));
        let clock = Clock::starting_at(START);
        let ledger = Arc::new(Ledger::new(Headroom::Quarter));
        Arc::new(Self { clock, ledger, metrics: Metrics::new(), readiness, leads, view, desks: Mutex::default() })
    }

    pub(crate) fn site(self: &Arc<Self>) -> Site {
        let directory = Arc::clone(self) as Arc<dyn Directory>;
        Site {
            directory,
            metrics: self.metrics.clone(),
            readiness: self.readiness.subscribe(),
            leads: self.leads.subscribe(),
            view: self.view.subscribe(),
            hooks: None,
            clock: self.clock,
        }
    }

    pub(crate) fn pages(self: &Arc<Self>) -> Pages {
        Pages(router(self.site()))
    }

    /// Azure says how many jobs may run at once, and do.
    pub(crate) fn limit(&self, parallelism: Parallelism, limit: u32, running: u32) {
        let usage = Usage { limit: Some(limit), running: Running::Total(running) };
        self.ledger.learn(parallelism, Some(usage));
    }

    /// A pool, settled but for its first question.
    pub(crate) fn open(&self, id: i64, name: &str) -> Place {
        let freshness = Freshness {
            fresh_for: Duration::from_secs(1),
            answer_within: Duration::from_secs(2),
            first_answer_within: Duration::from_secs(4),
            tolerated_age: Duration::from_secs(10),
        };
        let pool = Pool::new(
            7,
            Rules { settle: SignedDuration::try_from(SETTLE).unwrap(), ..Rules::default() },
            Arc::clone(&self.ledger),
        );
        let shown = watch::Sender::new(View::Off);
        let (desk, publisher) =
            Desk::new("contoso".into(), id, name.into(), self.clock, freshness, pool, shown.subscribe());
        self.desks.lock().unwrap().push(Arc::clone(&desk));
        Place { desk, publisher, shown }
    }

    /// A pool whose triggers have asked long enough ago for it to have settled.
    pub(crate) async fn settled(&self, id: i64, name: &str, triggers: &[Arc<Trigger>]) -> Place {
        let place = self.open(id, name);
        place.see(&[], &[]);
        place.ask(triggers);
        tokio::time::advance(SETTLE).await;
        place
    }
}

/// The pages, asked without a connection between.
pub(crate) struct Pages(Router);

impl Pages {
    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.ask("GET", path).await
    }

    pub(crate) async fn ask(&mut self, method: &str, path: &str) -> Answer {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let response = self.0.call(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        Answer { status: head.status, headers: head.headers, body: String::from_utf8(body.to_vec()).unwrap() }
    }
}

/// A pool's desk and the poller's side of it.
pub(crate) struct Place {
    pub(crate) desk: Arc<Desk>,
    pub(crate) publisher: Publisher,
    /// What the pool sees of the cluster.
    shown: watch::Sender<View>,
}

impl Place {
    /// Azure answers with this.
    pub(crate) fn see(&self, jobs: &[Job], agents: &[Agent]) {
        let mut queue = Queue::default();
        for job in jobs {
            let demands = queue.intern(&job.demands);
            queue.jobs.push(JobRequest { demands, ..job.request.clone() });
        }
        let mut agents = agents.to_vec();
        agents.sort_by(|one, other| one.name.cmp_by_text(&other.name));
        let now = self.desk.now();
        let snapshot = Arc::new(Snapshot::new(now, queue, now, Arc::new(agents)));
        let look = Look { snapshot: Some(snapshot), rounds_ended: 1, ..Look::default() };
        self.publisher.look.send_replace(look);
    }

    /// Azure fails.
    pub(crate) fn fail(&self, class: FailureClass, message: &str) {
        let failure = Arc::new(Failure { class, message: message.to_owned() });
        self.publisher.look.send_modify(|look| look.failure = Some(failure));
    }

    /// The cluster shows this from now on.
    pub(crate) fn show(&self, view: ClusterView) {
        self.shown.send_replace(View::Current(Arc::new(view)));
    }

    /// KEDA asks for each of these.
    pub(crate) fn ask(&self, triggers: &[Arc<Trigger>]) {
        let snapshot = self.desk.look().borrow().snapshot.clone().unwrap();
        let mut pool = self.desk.pool();
        for trigger in triggers {
            // A refusal is an answer, too.
            let _ = pool.ask(trigger, &snapshot, self.desk.now());
        }
    }
}

/// A trigger of a ScaledJob with that name, offering that.
pub(crate) fn trigger(name: &str, offers: &str, max_replicas: u32) -> Trigger {
    let scaled_job = ScaledJobId { name: name.into(), namespace: "agents".into() };
    let metadata = BTreeMap::from([("capabilities".to_owned(), offers.to_owned())]);
    Trigger {
        id: TriggerId { scaled_job, metadata: Arc::new(metadata) },
        capabilities: Arc::new(offers.parse().unwrap()),
        parent: None,
        capabilities_from: CapabilitiesFrom::Declared,
        jobs_without_demands: JobsWithoutDemands::Take,
        strategy: Strategy::Default,
        builtin: None,
        agent_names: AgentNamePattern::of_scaled_job(name),
        max_replicas,
        min_replicas: 0,
        priority: 100,
        target: 1,
        activation: 0,
        keeps_placeholder: false,
        hints: Vec::new(),
    }
}

/// A job request before its snapshot is made.
#[derive(Clone)]
pub(crate) struct Job {
    request: JobRequest,
    demands: Vec<String>,
}

/// A job of a pipeline that has waited for some seconds when the process starts; 0 is the start, less is later.
pub(crate) fn job(id: i64, pipeline: &str, waited: i64, demands: &[&str]) -> Job {
    let title = Title {
        pipeline: Some(pipeline.into()),
        job: Some("Build".into()),
        link: Some(format!("https://dev.azure.com/contoso/shop/_build/results?buildId={id}").into()),
    };
    let request = JobRequest {
        received: false,
        lists_matched_agents: true,
        parallelism: Some(Parallelism::Private),
        id: RequestId(id),
        queued_at: Some(START - SignedDuration::from_secs(waited)),
        assigned_at: None,
        priority: 0,
        demands: 0,
        agent: None,
        title,
    };
    Job { request, demands: demands.iter().map(|&demand| demand.to_owned()).collect() }
}

impl Job {
    pub(crate) fn titled(mut self, job: &str, link: &str) -> Self {
        self.request.title.job = Some(job.into());
        self.request.title.link = Some(link.into());
        self
    }

    /// Reserved for an agent since some seconds after it was queued.
    pub(crate) fn on(mut self, agent: &Agent, after: i64) -> Self {
        self.request.agent = Some(ReservedAgent { id: agent.id, name: agent.name.clone(), offline: !agent.online });
        self.request.assigned_at = self.request.queued_at.map(|queued| queued + SignedDuration::from_secs(after));
        self
    }
}

/// An online, enabled, idle agent. Its number follows from its name.
pub(crate) fn agent(name: &str, capabilities: &str) -> Agent {
    Agent {
        id: name.bytes().fold(7, |id, byte| (id * 31 + i64::from(byte)) % 1_000_003),
        name: name.into(),
        online: true,
        enabled: true,
        status_changed_at: Some(START - SignedDuration::from_mins(10)),
        assigned: None,
        last_completed: None,
        capabilities: Arc::new(capabilities.parse().unwrap()),
    }
}

/// One pool in which every decision that can be made is made, and agents are in every state there is.
pub(crate) async fn full(world: &World) -> Place {
    let mut python = trigger("python", "", 10);
    python.parent = Some("python-template".into());
    let mut docker = trigger("docker-linux", "docker, Agent.OS=Linux", 3);
    docker.hints.push("`jobsToFetch` has no effect here: leave it out, all jobs are looked at".to_owned());
    let triggers = [docker, trigger("java", "docker, java=17, maven", 10), python].map(Arc::new);
    let place = world.settled(12, "build", &triggers).await;

    let busy = agent("docker-linux-7xk2p", "docker");
    let foreign = agent("vm-1", "docker, java=11");
    let lost = Agent { online: false, ..agent("java-q8d4c", "docker, java=17") };
    let idle = agent("vm-2", "windows, msbuild, Agent.Version=4.275.0");
    let spent = Agent { last_completed: Some(RequestId(4711)), ..agent("docker-linux-d5j9s", "docker") };
    let disabled = Agent { enabled: false, ..agent("vm-3", "windows") };
    let jobs = [
        job(4801, "web shop", 340, &["docker"]).on(&busy, 21),
        job(4802, "web shop", 320, &["java"]).on(&foreign, 2),
        job(4803, "payments", 610, &["java -equals 17"]).on(&lost, 35),
        job(4804, "installer", 4, &["msbuild", "Agent.Version -gtVersion 2.163.1"]),
        job(4805, "web shop", 95, &["docker", "Agent.OS -equals Linux"]),
        job(4806, "web shop", 64, &["docker", "Agent.OS -equals Linux"]),
        job(4807, "payments", 12, &["java -equals 17", "maven"]),
        job(4808, "speech model", 1260, &["docker", "gpu -equals a100"]),
        job(4809, "mobile app", 200, &["xcode -equal 16"]),
    ];
    place.see(&jobs, &[busy, foreign, lost, idle, spent, disabled]);
    place.ask(&triggers);
    place
}
