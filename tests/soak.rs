//! The real program against `azp-scaler simulate`, polled hard while everything fails at random: 10 pools, 100 triggers, polls every
//! second. No number may be wrong, and memory, threads, tasks and open files must not grow.
//!
//! `cargo test --release --test soak -- --seconds 60`; without it, ten seconds.

#![expect(clippy::unwrap_used, reason = "what can't be done fails the test")]
#![expect(clippy::print_stdout, reason = "the figures are for people")]

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use azp_scaler::{
    protocol::{GetMetricsRequest, ScaledObjectRef, external_scaler_client::ExternalScalerClient},
    simulator::live::Shape,
};
use serde_json::{Value, json};
use tokio::time::{Instant, interval, sleep};
use tonic::transport::Channel;

const TOKEN: &str = "the-token-of-the-soak";
const POOLS: u64 = 10;
const TRIGGERS: u64 = 100;
/// What may come and go with connections and allocators: the part of the beginning, and MiB.
const GROWTH: (u64, u64) = (5, 24);
/// After the last failure.
const SETTLED_WITHIN: Duration = Duration::from_secs(30);

/// A process that ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a process holds.
#[derive(Clone, Copy, Debug)]
struct Holds {
    memory_mib: u64,
    files: u64,
    threads: u64,
    tasks: u64,
}

impl Process {
    /// What it holds, its tasks as its metrics tell.
    async fn holds(&self, client: &reqwest::Client, metrics: &str) -> Holds {
        let told = client.get(metrics).send().await.unwrap().text().await.unwrap();
        let tasks = told.lines().find_map(|line| line.strip_prefix("azp_scaler_tasks ")).unwrap().parse().unwrap();
        let folder = format!("/proc/{}", self.0.id());
        let status = fs::read_to_string(format!("{folder}/status")).expect("it runs");
        let number = |key: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
            line.split_whitespace().next().unwrap().parse().unwrap()
        };
        let files = u64::try_from(fs::read_dir(format!("{folder}/fd")).unwrap().count()).unwrap();
        Holds { memory_mib: number("VmRSS:") / 1024, files, threads: number("Threads:"), tasks }
    }
}

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_azp-scaler"));
    command.args(arguments).env_clear().env("AZP_TOKEN", TOKEN);
    command
}

/// The first line of JSON that tells of this.
fn ready(lines: impl std::io::Read, tells: &str) -> Value {
    let lines = BufReader::new(lines).lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap_or(Value::Null));
    let mut told = lines.filter(|line: &Value| line.get(tells).is_some());
    told.next().expect("it says when it is ready")
}

/// How many jobs a trigger has.
fn jobs(trigger: u64) -> u64 {
    trigger % 4
}

/// What became of polls.
#[derive(Default)]
struct Polls {
    right: AtomicU64,
    failed: AtomicU64,
    slowest_ms: AtomicU64,
}

/// The question of a trigger.
fn question(trigger: u64) -> GetMetricsRequest {
    let metadata = [
        ("poolName", format!("pool-{}", trigger % POOLS)),
        ("capabilities", format!("cap-{trigger}")),
        ("maxReplicaCount", "100".to_owned()),
    ];
    let scaler_metadata = metadata.map(|(key, value)| (key.to_owned(), value)).into();
    let reference = ScaledObjectRef { name: format!("kind-{trigger}"), namespace: "ci".to_owned(), scaler_metadata };
    GetMetricsRequest { scaled_object_ref: Some(reference), metric_name: String::new() }
}

/// Asks until all triggers of the pool have been heard, so that the number is the right one.
async fn hear(mut keda: ExternalScalerClient<Channel>, trigger: u64) {
    loop {
        if let Ok(reply) = keda.get_metrics(question(trigger)).await
            && u64::try_from(reply.into_inner().metric_values[0].metric_value) == Ok(jobs(trigger))
        {
            return;
        }
        sleep(Duration::from_millis(500)).await;
    }
}

async fn poll(mut keda: ExternalScalerClient<Channel>, trigger: u64, until: Instant, polls: Arc<Polls>) {
    sleep(Duration::from_millis(trigger * 10)).await;
    let mut second = interval(Duration::from_secs(1));
    while Instant::now() < until {
        second.tick().await;
        let asked = Instant::now();
        let answer = keda.get_metrics(question(trigger)).await;
        polls.slowest_ms.fetch_max(u64::try_from(asked.elapsed().as_millis()).unwrap(), Ordering::Relaxed);
        match answer {
            Ok(reply) => {
                let value = reply.into_inner().metric_values[0].metric_value;
                assert_eq!(u64::try_from(value), Ok(jobs(trigger)), "trigger {trigger}: a wrong number");
                polls.right.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => drop(polls.failed.fetch_add(1, Ordering::Relaxed)),
        }
    }
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let place = arguments.iter().position(|argument| argument == "--seconds");
    let seconds: u64 = place.map_or(10, |place| arguments[place + 1].parse().unwrap());

    let mut azure = program(&["simulate", "--listen", "127.0.0.1:0"]);
    let mut azure = Process(azure.stdout(Stdio::piped()).spawn().unwrap());
    let told = ready(azure.0.stdout.take().unwrap(), "control");
    let (url, control) = (told["organization_url"].as_str().unwrap(), told["control"].as_str().unwrap());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let call = async |method: &str, path: &str, body: Value| {
        let request = client.request(method.parse().unwrap(), format!("{control}/{path}")).basic_auth("", Some(TOKEN));
        request.header("content-type", "application/json").body(body.to_string()).send().await
    };
    for trigger in 0..TRIGGERS {
        let demands = [format!("cap-{trigger}")];
        let pool = format!("pool-{}", trigger % POOLS);
        let job = json!({"pool": pool, "demands": demands, "count": jobs(trigger), "duration_ms": 1000});
        assert!(call("POST", "jobs", job).await.unwrap().status().is_success());
    }
    let mut scaler = program(&["serve"]);
    // Nobody starts an agent, and that is not what is tried here.
    scaler.env("AZP_SCALER__DECISIONS__START_TIMEOUT", "1h");
    scaler.env("AZP_URL", url).env("AZP_SCALER__DECISIONS__SETTLE", "2s").env("RUST_LOG", "error,azp_scaler::app=info");
    scaler.env("AZP_SCALER__GRPC__LISTEN", "127.0.0.1:0").env("AZP_SCALER__HTTP__LISTEN", "127.0.0.1:0");
    let mut scaler = Process(scaler.stderr(Stdio::piped()).spawn().unwrap());
    let mut log = scaler.0.stderr.take().unwrap();
    let serving = ready(&mut log, "grpc");
    let [grpc, metrics] = ["grpc", "http"].map(|door| format!("http://{}", serving[door].as_str().unwrap()));
    let metrics = metrics + "/metrics";
    let logging = std::thread::spawn(move || std::io::read_to_string(log).unwrap());

    // All triggers are heard before any number counts.
    let keda = ExternalScalerClient::connect(grpc).await.unwrap();
    let heard = (0..TRIGGERS).map(|trigger| tokio::spawn(hear(keda.clone(), trigger)));
    for heard in heard.collect::<Vec<_>>() {
        heard.await.unwrap();
    }
    let began = Instant::now();
    let until = began + Duration::from_secs(seconds);
    let polls: Arc<Polls> = Arc::default();
    let polling: Vec<_> =
        (0..TRIGGERS).map(|trigger| tokio::spawn(poll(keda.clone(), trigger, until, Arc::clone(&polls)))).collect();

    // A refused credential is not shown again for minutes, and nothing would happen meanwhile.
    let refusals =
        [Shape::SignInPage, Shape::SignInRedirect, Shape::PageInstead, Shape::Unauthorized, Shape::BearerRefused];
    let shapes: Vec<Shape> = Shape::ALL.into_iter().filter(|shape| !refusals.contains(shape)).collect();
    let mut chance = fastrand::Rng::with_seed(seconds);
    let mut played: BTreeMap<String, u32> = BTreeMap::new();
    let (mut greedy, mut warm) = (vec![Shape::Bomb, Shape::Huge], None);
    while Instant::now() < until {
        // The greedy ones first, so that what they take once is there from the beginning.
        let shape = greedy.pop().unwrap_or_else(|| *chance.choice(&shapes).unwrap());
        *played.entry(json!(shape).as_str().unwrap().to_owned()).or_default() += 1;
        let lasts = chance.u64(200..4_000);
        // Nobody may be there to take it.
        let _ = call("PUT", "faults", json!({"shape": shape, "for_ms": lasts})).await;
        sleep(Duration::from_millis(lasts)).await;
        let _ = call("PUT", "faults", json!({})).await;
        sleep(Duration::from_millis(chance.u64(200..4_000))).await;
        if warm.is_none() && began.elapsed() > Duration::from_secs(seconds / 3) {
            warm = Some(scaler.holds(&client, &metrics).await);
        }
    }
    for polling in polling {
        polling.await.unwrap();
    }
    let warm = warm.unwrap();
    let grew = |before: u64, after: u64| after > before + before / GROWTH.0 + GROWTH.1;
    let is_more = |end: &Holds| {
        let both = |of: fn(&Holds) -> u64| (of(&warm), of(end));
        let all = [both(|it| it.memory_mib), both(|it| it.files), both(|it| it.threads), both(|it| it.tasks)];
        all.into_iter().any(|(before, after)| grew(before, after))
    };
    // What was asked during the last failure is still read, one large answer after the other.
    let (mut end, quiet) = (scaler.holds(&client, &metrics).await, Instant::now());
    while is_more(&end) && quiet.elapsed() < SETTLED_WITHIN {
        sleep(Duration::from_millis(500)).await;
        end = scaler.holds(&client, &metrics).await;
    }
    let Polls { right, failed, slowest_ms } = &*polls;
    println!("{seconds} s, {} of {} failures played: {played:?}", played.len(), shapes.len());
    println!(
        "polls: {right:?} with the right number, {failed:?} with an error, none with another; the slowest took {slowest_ms:?} ms"
    );
    println!("after a third: {warm:?}\nat the end:    {end:?}");
    assert!(right.load(Ordering::Relaxed) > seconds * TRIGGERS / 4, "too few answers");
    assert!(slowest_ms.load(Ordering::Relaxed) < 6_000, "an answer took longer than 5 s");
    assert!(!is_more(&end), "that is more than after a third");
    drop(scaler);
    let log = logging.join().unwrap();
    assert!(!log.contains("panicked"), "{log}");
}
