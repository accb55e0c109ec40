//! How many requests Azure gets: 50 pools with 200 triggers that are polled every 10 s, through the real edge over real
//! sockets, in virtual time. Ten minutes idle and ten with jobs waiting everywhere (two each in a debug build, which is many
//! times slower), or with `PACING_HOURS=24` a day of which a third is busy.

#![expect(clippy::unwrap_used, reason = "what helpers of tests can't do fails the test")]
#![expect(clippy::print_stdout, reason = "the figures are for people")]

#[path = "shared/contoso.rs"]
mod contoso;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};

use azp_scaler::{
    azure_devops::{
        budget::CAP,
        directory::AzureDevOps,
        organization::{Organization, ParallelJobs},
    },
    metrics::Metrics,
    parallel_jobs::Headroom,
    pool::Rules,
    pools::{Clock, Desk, Directory as _, PoolSelector},
};
use jiff::Timestamp;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    task::{JoinSet, spawn_blocking},
    time::{Instant, advance},
};

use contoso::{organization, usual_polling};

/// Seconds, where nothing is said.
const USUAL: [u64; 2] = if cfg!(debug_assertions) { [120, 120] } else { [600, 600] };
const POOLS: u64 = 50;
const TRIGGERS: u64 = 200;
const POLLED_EVERY: Duration = Duration::from_secs(10);
const STEP: Duration = Duration::from_millis(250);
const WINDOW: Duration = Duration::from_mins(5);

/// An organisation that counts.
#[derive(Default)]
struct Azure {
    is_busy: AtomicBool,
    asked: Mutex<Vec<Instant>>,
}

impl Azure {
    async fn start() -> (Arc<Self>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/contoso", listener.local_addr().unwrap());
        let azure = Arc::new(Self::default());
        let serving = Arc::clone(&azure);
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&serving).serve(tcp));
            }
        });
        (azure, url)
    }

    /// Answers one connection's requests. Ends when the client goes, which may break off anything.
    async fn serve(self: Arc<Self>, tcp: TcpStream) -> std::io::Result<()> {
        let mut tcp = BufReader::new(tcp);
        loop {
            let mut asked = String::new();
            while !asked.ends_with("\r\n\r\n") {
                if tcp.read_line(&mut asked).await? == 0 {
                    return Ok(());
                }
            }
            self.asked.lock().unwrap().push(Instant::now());
            let body = self.answer(asked.split_whitespace().nth(1).unwrap());
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
            tcp.write_all((head + &body).as_bytes()).await?;
        }
    }

    fn answer(&self, path: &str) -> String {
        let list = |item: &str| format!(r#"{{"count":1,"value":[{item}]}}"#);
        let path = path.split_once("/distributedtask/").unwrap().1;
        match path.strip_prefix("pools/").map(|rest| rest.split_once('/').unwrap_or((rest, ""))) {
            None => r#"{"usedCount":0,"resourceLimit":{"totalCount":null}}"#.to_owned(),
            Some((id, "")) => format!(r#"{{"id":{id},"name":"pool-{id}"}}"#),
            Some((_, rest)) if rest.starts_with("agents") => {
                list(r#"{"id":5,"name":"vm","status":"online","enabled":true}"#)
            }
            Some(_) if self.is_busy.load(Ordering::Relaxed) => {
                list(r#"{"requestId":1,"queueTime":"2026-11-01T08:00:00Z","demands":["docker"]}"#)
            }
            Some(_) => list("").replace('1', "0"),
        }
    }

    /// Requests from then on: all, and the most in any window.
    fn count(&self, since: Instant) -> (usize, usize) {
        let asked = self.asked.lock().unwrap();
        let asked = &asked[asked.partition_point(|at| *at < since)..];
        let within = |first: usize| asked.partition_point(|at| at.duration_since(asked[first]) < WINDOW) - first;
        (asked.len(), (0..asked.len()).map(within).max().unwrap_or_default())
    }
}

fn edge(url: &str) -> AzureDevOps {
    let organization = Organization { parallel_jobs: ParallelJobs::Auto, ..organization(url) };
    let polling = usual_polling();
    let clock = Clock::starting_at(Timestamp::UNIX_EPOCH);
    AzureDevOps::new(&[organization], polling, Rules::default(), Headroom::Quarter, clock, &Metrics::new()).unwrap()
}

/// What became of the polls of a time.
#[derive(Default)]
struct Polls {
    all: u32,
    failed: u32,
    ages: Duration,
    oldest: Duration,
}

/// KEDA polls for so long.
async fn poll(desks: &[Arc<Desk>], time: Duration) -> Polls {
    let mut polls = Polls::default();
    let steps = POLLED_EVERY.as_millis() / STEP.as_millis();
    for step in 0..time.as_millis() / STEP.as_millis() {
        advance(STEP).await;
        let mut asking = JoinSet::new();
        // Each at its own place in the ten seconds, those of a pool anywhere in them.
        for trigger in (0..TRIGGERS).filter(|trigger| u128::from(trigger * 7_919 % 1_009) % steps == step % steps) {
            let desk = Arc::clone(&desks[usize::try_from(trigger % POOLS).unwrap()]);
            asking.spawn(
                async move { desk.snapshot().await.map(|snapshot| desk.now().duration_since(snapshot.taken_at)) },
            );
        }
        for answer in asking.join_all().await {
            polls.all += 1;
            match answer {
                Ok(age) => {
                    let age = Duration::try_from(age).unwrap();
                    polls.ages += age;
                    polls.oldest = polls.oldest.max(age);
                }
                Err(failure) => {
                    polls.failed += 1;
                    println!("{failure}");
                }
            }
        }
        // What goes on in the background ends in the same moment.
        for desk in desks {
            desk.look().wait_for(|look| look.asking_since.is_none()).await.unwrap();
        }
    }
    polls
}

#[tokio::test(start_paused = true)]
async fn fifty_pools_and_two_hundred_triggers_stay_within_the_cap() {
    // While a blocking task runs, paused time does not jump to the next timer whenever a socket is waited for.
    let (_still, until_dropped) = mpsc::channel::<()>();
    spawn_blocking(move || until_dropped.recv());
    let hours: Option<u64> = std::env::var("PACING_HOURS").ok().map(|hours| hours.parse().unwrap());
    let times = hours.map_or(USUAL, |hours| [hours * 2_400, hours * 1_200]).map(Duration::from_secs);

    let (azure, url) = Azure::start().await;
    let edge = edge(&url);
    let mut desks = Vec::new();
    for pool in 1..=POOLS {
        desks.push(edge.open("contoso", &PoolSelector::Id(i64::try_from(pool).unwrap())).await.unwrap());
    }
    println!(
        "| | requests in 5 minutes | most in any 5 minutes | built-in scaler | snapshot's age, mean and greatest | polls that failed |"
    );
    println!("|---|--:|--:|--:|--:|--:|");
    for (name, is_busy, time) in [("idle", false, times[0]), ("jobs wait in every pool", true, times[1])] {
        azure.is_busy.store(is_busy, Ordering::Relaxed);
        let began = Instant::now();
        let Polls { all, failed, ages, oldest } = poll(&desks, time).await;
        let (requests, most) = azure.count(began);
        let windows = time.as_secs_f64() / WINDOW.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "thousands")]
        let mean = requests as f64 / windows;
        let builtin = f64::from(all) / windows;
        let mean_age = (ages / (all - failed)).as_secs_f64();
        println!(
            "| {name} | {mean:.0} | {most} | {builtin:.0} | {mean_age:.1} s, {:.1} s | {failed} of {all} |",
            oldest.as_secs_f64()
        );
        assert!(oldest <= Duration::from_secs(10), "{oldest:?}");
        assert_eq!(failed, 0, "polls that failed");
        assert!(mean <= builtin, "{mean} requests where the built-in scaler sends {builtin}");
    }
    let first = azure.asked.lock().unwrap()[0];
    let (_, most) = azure.count(first);
    assert!(most <= CAP, "{most} requests in 5 minutes");
}
