//! What the cluster's view adds: Kubernetes Jobs, agents that start, starts that fail and why, and that the view is lost.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use azp_scaler::{
    capability::CapabilitySet,
    cluster_view::{ClusterView, Doubt, JobState, KubernetesJob, Pod, ScaledJobView, Stages, StartFailure, Trouble},
    cluster_watch::View,
    job_waits,
    pools::Directory,
    trigger::{CapabilitiesFrom, Strategy, Trigger},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{
    metrics::{named, scrape},
    page::{check, page},
    world::{Place, START, World, agent, job, trigger},
};

/// A moment after the process started.
fn at(second: i64) -> Timestamp {
    START + SignedDuration::from_secs(second)
}

/// A Kubernetes Job created at a second, that KEDA counts as pending.
fn pending(agent: &str, created: i64) -> KubernetesJob {
    let pod = Pod { agent: agent.into(), stages: Stages::default(), has_ended: false, trouble: None };
    KubernetesJob {
        name: agent.into(),
        created_at: at(created),
        state: JobState::Unfinished { is_pending: true },
        pods: vec![pod],
        trouble: None,
    }
}

/// One that was scheduled, pulled and running after 1, 5 and 6 seconds.
fn running(agent: &str, created: i64) -> KubernetesJob {
    let mut job = pending(agent, created);
    job.state = JobState::Unfinished { is_pending: false };
    let [scheduled, pulled, running] = [1, 5, 6].map(|after| Some(at(created + after)));
    job.pods[0].stages = Stages { scheduled, pulled, running };
    job
}

fn failed(agent: &str, created: i64, message: &str) -> KubernetesJob {
    let mut job = KubernetesJob { state: JobState::Failed, ..running(agent, created) };
    job.pods[0].has_ended = true;
    job.pods[0].trouble = Some(Trouble { reason: StartFailure::ContainerFailed, message: message.into() });
    job
}

/// A cluster in which each trigger's ScaledJob has these Kubernetes Jobs.
fn cluster(shown: &[(&Trigger, &[KubernetesJob])]) -> ClusterView {
    let of = |(trigger, jobs): &(&Trigger, &[KubernetesJob])| {
        let view = ScaledJobView {
            strategy: trigger.strategy,
            max_replicas: trigger.max_replicas,
            min_replicas: trigger.min_replicas,
            jobs: jobs.to_vec(),
            ..ScaledJobView::default()
        };
        (trigger.id.scaled_job.clone(), Arc::new(view))
    };
    ClusterView { scaled_jobs: shown.iter().map(of).collect(), doubt: None }
}

/// A pool with one ScaledJob, `docker-linux`, that the cluster shows, without Kubernetes Jobs yet.
async fn shown(world: &World) -> (Place, Arc<Trigger>) {
    let docker = Arc::new(trigger("docker-linux", "docker", 10));
    let place = world.settled(12, "build", &[Arc::clone(&docker)]).await;
    look(&place, &docker, &[]);
    (place, docker)
}

/// The cluster shows these Kubernetes Jobs, Azure nothing, and KEDA asks.
fn look(place: &Place, trigger: &Arc<Trigger>, jobs: &[KubernetesJob]) {
    place.show(cluster(&[(trigger, jobs)]));
    place.see(&[], &[]);
    place.ask(std::slice::from_ref(trigger));
}

/// Three starts have failed.
async fn failing(world: &World, message: &str) -> (Place, Arc<Trigger>) {
    let (place, docker) = shown(world).await;
    let gone = ["docker-linux-a", "docker-linux-b", "docker-linux-c"].map(|name| failed(name, 31, message));
    for _ in 0..2 {
        tokio::time::advance(Duration::from_secs(1)).await;
        look(&place, &docker, &gone);
    }
    (place, docker)
}

async fn told(world: &Arc<World>) -> Value {
    world.pages().get("/api/v1/triggers").await.json()["triggers"][0].clone()
}

#[tokio::test(start_paused = true)]
async fn what_the_cluster_shows_of_a_scaled_job_is_told() {
    let world = World::new();
    let (place, docker) = shown(&world).await;
    let created = [pending("docker-linux-a", 20), pending("docker-linux-b", 20), running("docker-linux-c", 20)];
    let mut view = cluster(&[(&docker, &created)]);
    let own = view.scaled_jobs.get_mut(&docker.id.scaled_job).unwrap();
    let mut changed = (**own).clone();
    (changed.is_paused, changed.min_replicas) = (true, 2);
    *own = Arc::new(changed);
    place.show(view.clone());
    world.view.send_replace(View::Current(Arc::new(view)));
    let here = agent("docker-linux-c", "docker");
    place.see(&[], &[here]);
    place.ask(&[docker]);

    let paused = told(&world).await;
    assert_eq!(
        paused["cluster"],
        json!({ "kubernetes_jobs": 3, "pending": 2, "starting": 2, "kept_idle": 0, "paused": true })
    );
    assert_eq!(paused["start_failure"], Value::Null);
    let pools = world.pages().get("/api/v1/pools").await.json();
    assert_eq!(pools["cluster_view"], json!({ "state": "current", "since": null, "reason": null }));
    assert_eq!(
        (&pools["pools"][0]["agents"]["starting"], &pools["pools"][0]["agents"]["idle"]),
        (&json!(2), &json!(1))
    );
    let starting = r#"azp_scaler_agents{organization="contoso",pool="build",state="starting"} 2"#;
    assert!(named(&scrape(&world).await, "agents").iter().any(|line| line == starting));
    check(
        &page(&world, "cluster.html").await,
        &[
            "Cluster’s view current",
            "strategy default paused",
            "In the cluster: Kubernetes Jobs unfinished K 3, pending P 2; agents starting 2",
            "paused by `autoscaling.keda.sh/paused`",
        ],
    );
}

#[tokio::test(start_paused = true)]
async fn a_capability_that_is_not_declared_is_told_with_where_it_comes_from() {
    let world = World::new();
    let mut docker = trigger("docker-linux", "docker", 10);
    docker.capabilities_from = CapabilitiesFrom::Environment;
    let docker = Arc::new(docker);
    let place = world.settled(12, "build", &[Arc::clone(&docker)]).await;
    let environment = Arc::new(CapabilitySet::new([("JAVA_HOME", "/opt/java")]));
    let own = ScaledJobView { environment, max_replicas: 10, ..ScaledJobView::default() };
    place.show(ClusterView { scaled_jobs: [(docker.id.scaled_job.clone(), Arc::new(own))].into(), doubt: None });
    place.see(&[], &[]);
    place.ask(&[docker]);
    let told = told(&world).await;
    assert_eq!(told["capabilities"], json!({ "docker": "", "JAVA_HOME": "/opt/java" }));
    assert_eq!(told["capability_origins"], json!({ "JAVA_HOME": "environment" }));
    check(&page(&world, "origins.html").await, &["JAVA_HOME=/opt/java environment"]);
}

#[tokio::test(start_paused = true)]
async fn agents_that_keep_the_minimum_idle_are_told() {
    let world = World::new();
    let mut docker = trigger("docker-linux", "docker", 10);
    docker.min_replicas = 2;
    let docker = Arc::new(docker);
    let place = world.settled(12, "build", &[Arc::clone(&docker)]).await;
    look(&place, &docker, &[]);
    assert_eq!(told(&world).await["cluster"]["kept_idle"], 2);
    check(&page(&world, "minimum.html").await, &["agents starting 0, more to keep the minimum idle 2"]);
}

#[tokio::test(start_paused = true)]
async fn why_starts_fail_is_told_as_text() {
    let world = World::new();
    let hostile = "exit code 1: <script>alert(1)</script>";
    failing(&world, hostile).await;
    let told = told(&world).await;
    assert_eq!(told["starts"], "failing");
    assert_eq!(told["start_failure"], json!({ "reason": "Error", "message": hostile }));
    assert_eq!(told["hints"], json!([]), "the cluster shows it");
    let page = page(&world, "start-failing.html").await;
    assert!(!page.contains("<script"), "{page}");
    check(&page, &["Starts fail:", "Error: exit code 1: &#60;script&#62;alert(1)&#60;/script&#62;"]);
}

#[tokio::test(start_paused = true)]
async fn a_view_that_is_not_there_is_told_with_its_reason() {
    let world = World::new();
    world.settled(12, "build", &[Arc::new(trigger("docker-linux", "docker", 10))]).await;
    assert_eq!(told(&world).await["cluster"], Value::Null);
    check(&page(&world, "view-off.html").await, &["Cluster’s view off agents that start can’t be seen"]);

    world.view.send_replace(View::Starting);
    check(&page(&world, "view-starting.html").await, &["Cluster’s view starting the cluster has not been seen whole"]);

    let doubt = Some(Doubt { until: at(30), reason: "`jobs.batch` can't be watched".into() });
    world.view.send_replace(View::Current(Arc::new(ClusterView { doubt, ..ClusterView::default() })));
    let pools = world.pages().get("/api/v1/pools").await.json();
    let said = json!({ "state": "in-doubt", "since": null, "reason": "`jobs.batch` can't be watched" });
    assert_eq!(pools["cluster_view"], said);
    check(&page(&world, "view-in-doubt.html").await, &["Cluster’s view in-doubt `jobs.batch` can&#39;t be watched"]);

    let reason = "the watch over `pods` is <b>refused</b>: grant it";
    world.view.send_replace(View::Lost { since: at(20), reason: reason.into() });
    tokio::time::advance(Duration::from_mins(1)).await;
    let pools = world.pages().get("/api/v1/pools").await.json();
    assert_eq!(pools["cluster_view"], json!({ "state": "lost", "since": "2026-09-21T14:13:40Z", "reason": reason }));
    let page = page(&world, "view-lost.html").await;
    assert!(!page.contains("<b>refused"), "{page}");
    check(
        &page,
        &["view is lost, for 1 min 10 s now", "the watch over `pods` is &#60;b&#62;refused&#60;/b&#62;: grant it"],
    );
}

#[tokio::test(start_paused = true)]
async fn starts_are_counted_stage_by_stage_and_vanish_with_their_scaled_job() {
    let world = World::new();
    let (place, docker) = shown(&world).await;
    let stop = CancellationToken::new();
    let directory = Arc::clone(&world) as Arc<dyn Directory>;
    let task = tokio::spawn(job_waits::follow(directory, world.metrics.clone(), stop.clone()));

    // Created after 25 s, seen registered after 40 s, seen with a job after 50 s, whoever may have looked in between.
    let created = [running("docker-linux-a", 25)];
    let here = agent("docker-linux-a", "docker");
    tokio::time::advance(Duration::from_secs(10)).await;
    place.show(cluster(&[(&docker, &created)]));
    place.see(&[], std::slice::from_ref(&here));
    place.ask(&[Arc::clone(&docker)]);
    tokio::time::advance(Duration::from_secs(10)).await;
    place.see(&[job(1, "web shop", 0, &["docker"]).on(&here, 45)], std::slice::from_ref(&here));
    place.ask(&[Arc::clone(&docker)]);
    sleep(Duration::from_secs(2)).await;

    let series = scrape(&world).await;
    let sum = |stage: &str| {
        let labels = r#"namespace="agents",organization="contoso",pool="build",scaled_job="docker-linux""#;
        series[&format!("azp_scaler_agent_start_seconds_sum{{{labels},stage=\"{stage}\"}}")].to_string()
    };
    assert_eq!(["scheduled", "pulled", "running", "registered", "job"].map(sum), ["1", "4", "1", "9", "19"]);
    check(
        &page(&world, "start-times.html").await,
        &["Agents took to start, on average and 99 of 100: scheduled 1.0 s ≤ 1.0 s pulled 4.0 s ≤ 5.0 s running 1.0 s"],
    );

    // KEDA goes on asking about another ScaledJob only.
    let java = Arc::new(trigger("java", "java", 10));
    for _ in 0..30 {
        tokio::time::advance(Duration::from_secs(10)).await;
        look(&place, &java, &[]);
    }
    sleep(Duration::from_secs(2)).await;
    assert_eq!(named(&scrape(&world).await, "agent_start_seconds"), [""; 0]);
    stop.cancel();
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn starts_that_fail_are_counted_by_reason_from_zero_and_go_with_their_pool() {
    let world = World::new();
    let stop = CancellationToken::new();
    let directory = Arc::clone(&world) as Arc<dyn Directory>;
    let task = tokio::spawn(job_waits::follow(directory, world.metrics.clone(), stop.clone()));
    let (place, docker) = shown(&world).await;
    sleep(Duration::from_secs(2)).await;
    let all = named(&scrape(&world).await, "start_failures_total");
    assert_eq!(all.len(), StartFailure::ALL.len());
    assert!(all.iter().all(|line| line.ends_with(" 0")), "{all:?}");

    let gone = [failed("docker-linux-a", 31, "exit code 1"), failed("docker-linux-b", 31, "exit code 1")];
    for _ in 0..3 {
        sleep(Duration::from_secs(2)).await;
        look(&place, &docker, &gone);
    }
    sleep(Duration::from_secs(2)).await;
    let counted = named(&scrape(&world).await, "start_failures_total");
    let failed = r#"azp_scaler_start_failures_total{organization="contoso",pool="build",reason="Error"} 2"#;
    assert!(counted.iter().any(|line| line == failed), "{counted:?}");

    world.desks.lock().unwrap().clear();
    sleep(Duration::from_secs(2)).await;
    assert_eq!(named(&scrape(&world).await, "start_failures_total"), [""; 0]);
    stop.cancel();
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_log_says_once_that_starts_fail_and_why_and_once_that_they_work() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().json().flatten_event(true).with_writer(move || writer.clone());
    let _guard = tracing::subscriber::set_default(subscriber.finish());
    let world = World::new();
    let stop = CancellationToken::new();
    let directory = Arc::clone(&world) as Arc<dyn Directory>;
    let task = tokio::spawn(job_waits::follow(directory, world.metrics.clone(), stop.clone()));
    let (place, docker) = failing(&world, "exit code 1").await;
    sleep(Duration::from_secs(5)).await;
    let about = |level: &str| -> Vec<Value> {
        let lines = log.lines().into_iter().filter(|line| line["scaled_job"] == "docker-linux");
        lines.filter(|line| line["level"] == level).collect()
    };
    let told = about("WARN");
    assert_eq!(told.len(), 1, "{told:?}");
    let fields = ["organization", "pool", "namespace", "reason", "detail"].map(|field| told[0][field].as_str());
    assert_eq!(fields, ["contoso", "build", "agents", "Error", "exit code 1"].map(Some));
    assert_eq!(about("INFO"), Vec::<Value>::new());

    place.show(cluster(&[(&docker, &[running("docker-linux-d", 40)])]));
    place.see(&[], &[agent("docker-linux-d", "docker")]);
    place.ask(&[docker]);
    sleep(Duration::from_secs(5)).await;
    assert_eq!((about("WARN").len(), about("INFO").len()), (1, 1), "{:?}", log.lines());
    stop.cancel();
    task.await.unwrap();
}

/// What the log says, a line of JSON for each event.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn lines(&self) -> Vec<Value> {
        self.0
            .lock()
            .unwrap()
            .split(|byte| *byte == b'\n')
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn strategies_that_need_the_view_are_hinted_at() {
    for (strategy, seen, hint) in [
        (Strategy::Default, false, None),
        (Strategy::Accurate, false, Some("turn it on (`[kubernetes] view`)")),
        (Strategy::Accurate, true, None),
        (Strategy::Eager, false, Some("subtracts agents that are pending twice")),
        (Strategy::Eager, true, Some("subtracts agents that are pending twice")),
    ] {
        let world = World::new();
        let docker = Arc::new(Trigger { strategy, ..trigger("docker-linux", "docker", 10) });
        let place = world.settled(12, "build", &[Arc::clone(&docker)]).await;
        if seen {
            look(&place, &docker, &[]);
        }
        let hints = told(&world).await["hints"].clone();
        let hints: Vec<&str> = hints.as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert_eq!(hints.len(), usize::from(hint.is_some()), "{strategy:?}: {hints:?}");
        assert!(hint.is_none_or(|hint| hints[0].contains(hint)), "{strategy:?}: {hints:?}");
    }
}
