//! How dear reading an answer is: 10,000 job requests from bytes to a queue, against a bare syntax check of the same bytes
//! in the same run.

use std::{
    fmt::Write,
    hint::black_box,
    time::{Duration, Instant},
};

use azp_scaler::azure_devops::decode;
use criterion::{Criterion, Throughput};
use serde::de::IgnoredAny;

const JOBS: u32 = 10_000;
const DEMAND_SETS: u32 = 200;
const PAIRS: usize = 31;

fn main() {
    let body = answer();
    let queue = decode::queue(body.as_bytes()).expect("the answer is a list");
    assert_eq!(queue.jobs.len(), JOBS as usize);
    report(&body);

    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Bytes(body.len() as u64)).sample_size(20);
    group.bench_function("queue", |bencher| bencher.iter(|| to_queue(&body)));
    group.bench_function("ignored", |bencher| bencher.iter(|| to_nothing(&body)));
    group.finish();
    criterion.final_summary();
}

/// Prints the ratio of the two, from runs that alternate so that both meet the same machine.
#[expect(clippy::print_stdout, reason = "the result of a benchmark")]
fn report(body: &str) {
    let pairs: Vec<(Duration, Duration)> =
        (0..PAIRS).map(|_| (timed(|| to_queue(body)), timed(|| to_nothing(body)))).collect();
    let ratio = median(pairs.iter().map(|(queue, nothing)| queue.as_secs_f64() / nothing.as_secs_f64()));
    let queue = median(pairs.iter().map(|(queue, _)| queue.as_secs_f64() * 1e3));
    let nothing = median(pairs.iter().map(|(_, nothing)| nothing.as_secs_f64() * 1e3));
    println!("body: {JOBS} job requests, {DEMAND_SETS} demand sets, {} kB", body.len() / 1000);
    println!(
        "wire bytes -> Queue {queue:.1} ms; serde_json::from_slice::<IgnoredAny> of the same bytes {nothing:.1} ms"
    );
    println!("ratio {ratio:.2} (median of {PAIRS} interleaved pairs; goal: at most 2.5)");
}

fn to_queue(body: &str) {
    black_box(decode::queue(black_box(body.as_bytes())).expect("the answer is a list"));
}

fn to_nothing(body: &str) {
    black_box(serde_json::from_slice::<IgnoredAny>(black_box(body.as_bytes())).expect("the answer is JSON"));
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the machine's clock")]
fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// An answer as a busy pool gives it: each job with its ids, links, demands and three matched agents; one in ten runs.
fn answer() -> String {
    let mut body = format!(r#"{{"count":{JOBS},"value":["#);
    for job in 0..JOBS {
        if job > 0 {
            body.push(',');
        }
        write_job(&mut body, job).expect("text has room");
    }
    body.push_str("]}");
    body
}

fn write_job(body: &mut String, job: u32) -> std::fmt::Result {
    let (pipeline, second, minute) = (job % 40, job % 60, job / 60 % 60);
    let id = |kind: u32| format!("{kind:08x}-5b1c-4d6e-9f00-{job:012x}");
    write!(
        body,
        r#"{{"requestId":{},"queueTime":"2026-11-01T08:{minute:02}:{second:02}.1234567Z","serviceOwner":"{}","hostId":"{}","scopeId":"{}","planType":"Build","planId":"{}","jobId":"{}","#,
        1_000_000 + job,
        id(1),
        id(2),
        id(3),
        id(4),
        id(5)
    )?;
    let (tool, version) = (job % DEMAND_SETS, job % DEMAND_SETS % 7);
    write!(
        body,
        r#""demands":["docker","tool-{tool} -equals {version}","Agent.Version -gtVersion 2.{}.0"],"#,
        160 + tool % 4
    )?;
    if job.is_multiple_of(10) {
        write!(
            body,
            r#""assignTime":"2026-11-01T09:{minute:02}:{second:02}.7654321Z","receiveTime":"2026-11-01T09:{minute:02}:{second:02}.87Z","lockedUntil":"2026-11-01T10:{minute:02}:{second:02}.5Z","reservedAgent":{},"#,
            agent(job)
        )?;
    } else {
        let matched: Vec<String> = (0..3).map(|place| agent(job + place)).collect();
        write!(body, r#""matchedAgents":[{}],"#, matched.join(","))?;
    }
    let link = |kind: &str, number: u32| {
        let address = format!("https://dev.azure.com/contoso/{}", id(3));
        format!(
            r#"{{"web":{{"href":"{address}/_build/{kind}?id={number}"}},"self":{{"href":"{address}/_apis/build/{kind}/{number}"}}}}"#
        )
    };
    write!(
        body,
        r#""definition":{{"_links":{},"id":{pipeline},"name":"service-{pipeline}"}},"owner":{{"_links":{},"id":{job},"name":"20261101.{job}"}},"#,
        link("definition", pipeline),
        link("results", job)
    )?;
    write!(
        body,
        r#""data":{{"ParallelismTag":"Private","IsScheduledKey":"False"}},"poolId":7,"queueId":31,"orchestrationId":"{}.build.__default","agentDelays":[],"matchesAllAgentsInPool":false,"jobName":"Build and test {}","planGroup":"Build:{}:{pipeline}","priority":0}}"#,
        id(4),
        job % 3,
        id(3)
    )
}

fn agent(number: u32) -> String {
    let number = number % 500;
    format!(
        r#"{{"_links":{{"self":{{"href":"https://dev.azure.com/contoso/_apis/distributedtask/pools/7/agents/{number}"}},"web":{{"href":"https://dev.azure.com/contoso/_settings/agentpools?view=jobs&poolId=7&agentId={number}"}}}},"id":{number},"name":"build-agent-{number}","version":"4.275.0","osDescription":"Linux 6.1.0-28-amd64 #1 SMP","enabled":true,"status":"online","provisioningState":"Provisioned"}}"#
    )
}
