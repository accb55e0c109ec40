//! How long it takes from a job's queueing until the scaler knows of it, and until KEDA does, with and without service hooks:
//! for a ScaledJob that is polled every 5 s or every 30 s, and for an open stream (`external-push`).
//!
//! Six scalers run beside each other for four minutes of real time, each on a simulated organization of its own, on loopback.
//! The hook is sent when the job is queued: what Azure DevOps takes to send it comes on top.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a program for people; what fails here ends it")]

use std::{collections::HashMap, sync::Arc, time::Duration};

use azp_scaler::{
    app::{self, Scaler},
    config::Settings,
    job_request::RequestId,
    pools::Desk,
    protocol::{GetMetricsRequest, ScaledObjectRef, external_scaler_client::ExternalScalerClient},
    simulator::live::{LiveWorld, control},
};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::time::{Instant, interval, sleep, timeout};
use tonic::transport::Channel;

const LASTS: Duration = Duration::from_mins(4);
const TOKEN: &str = "the-token";
const SECRET: &str = "the-secret";

/// How KEDA asks.
#[derive(Clone, Copy)]
enum Asks {
    Every(Duration),
    Stream,
}

/// A scaler, its organization, and what was measured.
struct Setup {
    world: LiveWorld,
    scaler: Scaler,
    desk: Arc<Desk>,
    keda: ExternalScalerClient<Channel>,
    http: Client,
    sends_hooks: bool,
}

fn main() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), SECRET).unwrap();
    let secret = secret.path().to_str().unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        println!("asked by            hooks  jobs  the scaler knows after, ms   KEDA knows after, ms");
        println!("                                median     90 %      most    median     90 %      most");
        let setups = [Asks::Stream, Asks::Every(Duration::from_secs(5)), Asks::Every(Duration::from_secs(30))];
        let runs = setups.into_iter().flat_map(|asks| [false, true].map(|hooks| (asks, hooks)));
        let running: Vec<_> = runs.map(|(asks, hooks)| tokio::spawn(run(asks, hooks, secret.to_owned()))).collect();
        for run in running {
            println!("{}", run.await.unwrap());
        }
    });
}

async fn run(asks: Asks, sends_hooks: bool, secret: String) -> String {
    let setup = Setup::start(sends_hooks, secret).await;
    let mut told = Vec::new();
    let _ = timeout(LASTS, async {
        match asks {
            Asks::Stream => setup.stream(&mut told).await,
            Asks::Every(interval) => setup.poll(interval, &mut told).await,
        }
    })
    .await;
    setup.world.stop().await;
    setup.scaler.stop().await;
    let name = match asks {
        Asks::Stream => "an open stream".to_owned(),
        Asks::Every(interval) => format!("a poll every {} s", interval.as_secs()),
    };
    let (scaler, keda): (Vec<_>, Vec<_>) = told.iter().copied().unzip();
    let hooks = if sends_hooks { "yes" } else { "no" };
    format!("{name:19} {hooks:>5} {:>5}  {}  {}", told.len(), summed_up(scaler), summed_up(keda))
}

fn summed_up(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |part: usize| times.get((times.len() * part / 10).min(times.len() - 1)).map_or(0, Duration::as_millis);
    if times.is_empty() { String::new() } else { format!("{:>8} {:>8} {:>9}", at(5), at(9), at(10)) }
}

fn reference() -> ScaledObjectRef {
    let metadata = [("poolName", "linux"), ("maxReplicaCount", "1000")];
    let scaler_metadata: HashMap<String, String> =
        metadata.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    ScaledObjectRef { name: "build".to_owned(), namespace: "agents".to_owned(), scaler_metadata }
}

impl Setup {
    async fn start(sends_hooks: bool, secret: String) -> Self {
        let plan = control::plan(1, "contoso", &["linux".to_owned()]);
        let loopback = ([127, 0, 0, 1], 0).into();
        let world = LiveWorld::start_with_control(plan, loopback, TOKEN.into(), app::clock()).await.unwrap();
        let environment = [
            ("AZP_URL", world.organization_url()),
            ("AZP_TOKEN", TOKEN.to_owned()),
            ("AZP_SCALER__GRPC__LISTEN", "127.0.0.1:0".to_owned()),
            ("AZP_SCALER__HTTP__LISTEN", "127.0.0.1:0".to_owned()),
            ("AZP_SCALER__HTTP__HOOKS__SECRET_FILE", secret),
            ("AZP_SCALER__DECISIONS__SETTLE", "0s".to_owned()),
        ];
        let settings = Settings::load(None, environment.map(|(name, value)| (name.to_owned(), value))).unwrap();
        let scaler = Scaler::start(&settings, app::clock()).await.unwrap();
        let mut keda = ExternalScalerClient::connect(format!("http://{}", scaler.grpc)).await.unwrap();
        let question = GetMetricsRequest { scaled_object_ref: Some(reference()), metric_name: String::new() };
        keda.get_metrics(question).await.unwrap();
        let desk = Arc::clone(&scaler.directory().desks()[0]);
        let http = Client::builder().no_proxy().build().unwrap();
        Self { world, scaler, desk, keda, http, sends_hooks }
    }

    /// Queues a job, and says so where hooks are sent; its number, and when that was.
    async fn queue(&self) -> (i64, Instant) {
        let job = json!({ "pool": "linux", "duration_ms": 1 });
        let ids = self.control("jobs", &job).await;
        let queued = Instant::now();
        if self.sends_hooks {
            let hook = self.http.post(format!("http://{}/hooks/azure-devops", self.scaler.http));
            let answer = hook.basic_auth("azure", Some(SECRET)).body("{}").send().await.unwrap();
            assert_eq!(answer.status(), 202);
        }
        (ids["ids"][0].as_i64().unwrap(), queued)
    }

    async fn control(&self, path: &str, body: &Value) -> Value {
        let request = self.http.post(format!("http://{}/_control/{path}", self.world.address()));
        let request = request.basic_auth("", Some(TOKEN)).header("content-type", "application/json");
        let answer = request.body(body.to_string()).send().await.unwrap().error_for_status().unwrap();
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    }

    /// Waits until the scaler knows of a job.
    async fn known(&self, id: i64, queued: Instant) -> Duration {
        let mut look = self.desk.look();
        let is_known = |job: &azp_scaler::job_request::JobRequest| job.id == RequestId(id);
        look.wait_for(|look| look.snapshot.as_ref().is_some_and(|snapshot| snapshot.jobs.iter().any(is_known)))
            .await
            .unwrap();
        queued.elapsed()
    }

    /// Job after job waits, each queued at some moment between two polls.
    async fn poll(&self, every: Duration, told: &mut Vec<(Duration, Duration)>) {
        let (mut keda, mut polls) = (self.keda.clone(), interval(every));
        polls.tick().await;
        for jobs in 1.. {
            sleep(every.mul_f64(fastrand::f64() * 0.95)).await;
            let (id, queued) = self.queue().await;
            let polled = async {
                loop {
                    polls.tick().await;
                    let question =
                        GetMetricsRequest { scaled_object_ref: Some(reference()), metric_name: String::new() };
                    let reply = keda.get_metrics(question).await.unwrap().into_inner();
                    if reply.metric_values[0].metric_value >= jobs {
                        return queued.elapsed();
                    }
                }
            };
            told.push(tokio::join!(self.known(id, queued), polled));
        }
    }

    /// Job after job is queued and run by an agent while a stream is open.
    async fn stream(&self, told: &mut Vec<(Duration, Duration)>) {
        let mut stream = self.keda.clone().stream_is_active(reference()).await.unwrap().into_inner();
        assert!(!stream.message().await.unwrap().unwrap().result);
        for agent in 0.. {
            sleep(Duration::from_millis(fastrand::u64(1_000..6_000))).await;
            let (id, queued) = self.queue().await;
            let active = async {
                assert!(stream.message().await.unwrap().unwrap().result);
                queued.elapsed()
            };
            told.push(tokio::join!(self.known(id, queued), active));
            self.control("agents", &json!({ "pool": "linux", "name": format!("a-{agent}"), "ephemeral": true })).await;
            assert!(!stream.message().await.unwrap().unwrap().result);
        }
    }
}
