//! How long it takes to answer a trigger again from an unchanged decision, without gRPC: 200 triggers of a pool with 1,000
//! queued jobs, in turn; against finding each trigger's id in an ordered map, in the same run.

use std::{collections::BTreeMap, hint::black_box, sync::Arc, time::Instant};

use azp_scaler::{
    agent::AgentNamePattern,
    job_request::{JobRequest, RequestId, Title},
    parallel_jobs::{Headroom, Ledger},
    pool::{Pool, Rules},
    snapshot::{Queue, Snapshot},
    trigger::{CapabilitiesFrom, JobsWithoutDemands, ScaledJobId, Strategy, Trigger, TriggerId},
};
use jiff::{SignedDuration, Timestamp};

const JOBS: i64 = 1_000;
const TRIGGERS: usize = 200;
const ROUNDS: usize = 2_000;
const NOW: Timestamp = Timestamp::constant(1_790_000_000, 0);

fn trigger(place: usize) -> Arc<Trigger> {
    let name = format!("agents-of-team-{place}");
    let scaled_job = ScaledJobId { name: name.as_str().into(), namespace: "builds".into() };
    let capabilities = format!("docker, tool-{place}, java=17");
    let metadata = [
        ("organization", "contoso"),
        ("poolName", "linux"),
        ("capabilities", capabilities.as_str()),
        ("maxReplicaCount", "20"),
    ];
    let metadata: BTreeMap<String, String> =
        metadata.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    Arc::new(Trigger {
        id: TriggerId { scaled_job, metadata: Arc::new(metadata) },
        capabilities: Arc::new(capabilities.parse().expect("they can be read")),
        parent: None,
        capabilities_from: CapabilitiesFrom::Declared,
        jobs_without_demands: JobsWithoutDemands::Take,
        strategy: Strategy::Default,
        builtin: None,
        agent_names: AgentNamePattern::of_scaled_job(&name),
        max_replicas: 20,
        min_replicas: 0,
        priority: 100,
        target: 1,
        activation: 0,
        keeps_placeholder: false,
        hints: Vec::new(),
    })
}

fn snapshot() -> Arc<Snapshot> {
    let mut queue = Queue::default();
    for id in 0..JOBS {
        let demands = queue.intern(&["docker".to_owned(), format!("tool-{}", id % 150)]);
        queue.jobs.push(JobRequest {
            id: RequestId(id),
            queued_at: Some(NOW),
            assigned_at: None,
            priority: 0,
            demands,
            agent: None,
            received: false,
            lists_matched_agents: true,
            parallelism: None,
            title: Title::default(),
        });
    }
    Arc::new(Snapshot::new(NOW, queue, NOW, Arc::default()))
}

#[expect(clippy::print_stdout, reason = "a benchmark prints what it found")]
#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn main() {
    let triggers: Vec<_> = (0..TRIGGERS).map(trigger).collect();
    let rules = Rules { settle: SignedDuration::ZERO, ..Rules::default() };
    let mut pool = Pool::new(7, rules, Arc::new(Ledger::new(Headroom::Quarter)));
    let look = snapshot();
    for trigger in &triggers {
        let answered = pool.ask(trigger, &look, NOW).expect("every trigger is served");
        assert!(answered.value <= 20, "no trigger is over its maximum");
    }
    let known: BTreeMap<TriggerId, usize> = triggers.iter().map(|trigger| trigger.id.clone()).zip(0..).collect();

    let answers = u32::try_from(ROUNDS * TRIGGERS).expect("a small number");
    let (mut best, mut reference) = (f64::MAX, f64::MAX);
    for _ in 0..5 {
        let start = Instant::now();
        for _ in 0..ROUNDS {
            for trigger in &triggers {
                black_box(pool.ask(black_box(trigger), &look, NOW).is_ok());
            }
        }
        best = best.min((start.elapsed() / answers).as_secs_f64());
        let start = Instant::now();
        for _ in 0..ROUNDS {
            for trigger in &triggers {
                black_box(known.get(black_box(&trigger.id)));
            }
        }
        reference = reference.min((start.elapsed() / answers).as_secs_f64());
    }
    println!(
        "answering again: {:.0} ns, {:.1} times finding the trigger's id in an ordered map ({:.0} ns); best of 5 times {answers}",
        best * 1e9,
        best / reference,
        reference * 1e9
    );
    assert!(best < 1e-6, "an answer from an unchanged decision takes over 1 µs");
}
