//! How long one decision takes: 10,000 queued jobs, 1,000 agents with 60 capabilities each, 200 triggers, by the number
//! of distinct demand sets; against asking the rule one job and one taker at a time, in the same run. Then the peak memory
//! of this program, which holds all of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    hint::black_box,
    sync::Arc,
};

use azp_scaler::{
    agent::{Agent, AgentNamePattern},
    assignment::{World, decide},
    capability::CapabilitySet,
    caseless::Texts,
    job_request::{JobRequest, RequestId, Title},
    parallel_jobs::Caps,
    snapshot::{Queue, Snapshot},
    trigger::{CapabilitiesFrom, JobsWithoutDemands, ScaledJobId, Strategy, Trigger, TriggerId},
};
use criterion::{BenchmarkId, Criterion};
use jiff::{SignedDuration, Timestamp};

const JOBS: usize = 10_000;
const AGENTS: usize = 1_000;
const TRIGGERS: usize = 200;
const NAMES: usize = 60;
const NOW: Timestamp = Timestamp::constant(1_790_000_000, 0);

/// Names and values are shared between agents, as the reader of Azure's answers shares them.
fn capabilities(random: &mut fastrand::Rng, texts: &mut Texts, chance: f32, own_name: &str) -> Arc<CapabilitySet> {
    let offered: Vec<usize> = (0..NAMES).filter(|_| random.f32() < chance).collect();
    let entries =
        offered.into_iter().map(|name| (format!("tool-{name}"), format!("{}.{}", random.u8(1..4), random.u8(0..4))));
    let own = [("Agent.Name".to_owned(), own_name.to_owned()), ("Agent.Version".to_owned(), "4.275.0".to_owned())];
    Arc::new(CapabilitySet::new(entries.chain(own).map(|(name, value)| (texts.share(&name), texts.share(&value)))))
}

fn demands(random: &mut fastrand::Rng) -> Vec<String> {
    let mut demands = vec!["Agent.Version -gtVersion 2.163.1".to_owned()];
    for _ in 0..random.u8(1..4) {
        let name = random.usize(0..NAMES);
        demands.push(match random.u8(0..4) {
            0 => format!("tool-{name} -equals {}.{}", random.u8(1..4), random.u8(0..4)),
            1 => format!("tool-{name} -gtVersion {}.{}", random.u8(1..3), random.u8(0..4)),
            _ => format!("tool-{name}"),
        });
    }
    demands
}

fn snapshot(random: &mut fastrand::Rng, distinct: usize) -> Arc<Snapshot> {
    let mut queue = Queue::default();
    let mut sets: BTreeSet<Vec<String>> = BTreeSet::new();
    while sets.len() < distinct {
        sets.insert(demands(random));
    }
    let sets: Vec<Vec<String>> = sets.into_iter().collect();
    for id in 0..JOBS {
        let demands = queue.intern(&sets[id % distinct]);
        queue.jobs.push(JobRequest {
            id: RequestId(i64::try_from(id).expect("small")),
            queued_at: Some(NOW - SignedDuration::from_millis(random.i64(0..3_600_000))),
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
    let mut texts = Texts::default();
    let mut agent = |id: usize, random: &mut fastrand::Rng| {
        let name = format!("vm-{id:04}");
        Agent {
            id: i64::try_from(id).expect("small"),
            name: name.as_str().into(),
            online: true,
            enabled: true,
            status_changed_at: None,
            assigned: None,
            last_completed: None,
            capabilities: capabilities(random, &mut texts, 0.97, &name),
        }
    };
    let agents = (0..AGENTS).map(|id| agent(id, random)).collect();
    Arc::new(Snapshot::new(NOW, queue, NOW, Arc::new(agents)))
}

fn triggers(random: &mut fastrand::Rng) -> Vec<Arc<Trigger>> {
    let mut texts = Texts::default();
    let mut trigger = |place: usize, random: &mut fastrand::Rng| {
        let name = format!("agents-{place:03}");
        let scaled_job = ScaledJobId { name: name.as_str().into(), namespace: "build".into() };
        Arc::new(Trigger {
            id: TriggerId { scaled_job, metadata: Arc::default() },
            capabilities: capabilities(random, &mut texts, 0.5, &name),
            parent: None,
            capabilities_from: CapabilitiesFrom::Declared,
            jobs_without_demands: JobsWithoutDemands::Take,
            strategy: Strategy::Default,
            builtin: None,
            agent_names: AgentNamePattern::of_scaled_job(&name),
            max_replicas: 50,
            min_replicas: 0,
            priority: 100,
            target: 1,
            activation: 0,
            keeps_placeholder: false,
            hints: Vec::new(),
        })
    };
    (0..TRIGGERS).map(|place| trigger(place, random)).collect()
}

/// The rule itself, asked for each job and each taker.
fn one_by_one(snapshot: &Snapshot, triggers: &[Arc<Trigger>]) -> usize {
    let fits = snapshot.jobs.iter().map(|job| {
        let demands = snapshot.demands_of(job);
        let agents = snapshot.agents.iter().filter(|agent| agent.capabilities.satisfies(demands)).count();
        agents + triggers.iter().filter(|trigger| trigger.takes(&trigger.capabilities, demands)).count()
    });
    fits.sum()
}

fn peak_memory_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.split_whitespace().next()?.parse().ok()
}

#[expect(clippy::print_stdout, reason = "a benchmark prints what it found")]
#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut lines = Vec::new();
    for distinct in [20, 200, 2_000, 10_000] {
        let mut random = fastrand::Rng::with_seed(7);
        let (snapshot, triggers) = (snapshot(&mut random, distinct), triggers(&mut random));
        let mut world = World {
            snapshot: &snapshot,
            triggers: &triggers,
            homes: &[],
            settling: None,
            caps: &Caps::default(),
            distrusted: &BTreeSet::new(),
            held: &BTreeMap::new(),
            starts: &[],
            cluster: &[],
            written: &[],
            learned: &[],
            now: NOW,
        };
        let (first, _) = decide(&world);
        let count = |label| first.jobs.iter().filter(|placement| placement.label() == label).count();
        let [idle, assigned, waiting, unmatched] =
            ["idle-agent", "assigned", "waiting-for-capacity", "unmatched"].map(count);
        // Every later decision remembers the one before.
        let homes: Vec<Option<u32>> = first
            .jobs
            .iter()
            .map(|placement| match placement {
                azp_scaler::decision::Placement::Assigned { trigger } => {
                    Some(first.triggers[*trigger as usize].scaled_job)
                }
                _ => None,
            })
            .collect();
        let mut group = criterion.benchmark_group("decide");
        group.bench_function(BenchmarkId::new("first", distinct), |bencher| bencher.iter(|| decide(black_box(&world))));
        world.homes = &homes;
        group.bench_function(BenchmarkId::new("again", distinct), |bencher| bencher.iter(|| decide(black_box(&world))));
        group.finish();

        let mut times: Vec<_> = (0..15)
            .map(|_| {
                let start = std::time::Instant::now();
                black_box(decide(black_box(&world)));
                start.elapsed()
            })
            .collect();
        times.sort();
        let start = std::time::Instant::now();
        black_box(one_by_one(&snapshot, &triggers));
        let reference = start.elapsed();
        let ratio = times[7].as_secs_f64() / reference.as_secs_f64();
        lines.push(format!(
            "{distinct:>6} distinct demand sets: {:>8.2?} a decision, {ratio:.4} of asking one by one ({reference:.2?}); {idle} jobs to \
             idle agents, {assigned} to triggers, {waiting} wait, {unmatched} unmatched",
            times[7]
        ));
    }
    println!("\n{JOBS} queued jobs × {AGENTS} agents × {TRIGGERS} triggers, median of 15:");
    for line in lines {
        println!("{line}");
    }
    if let Some(peak) = peak_memory_kib() {
        println!("peak resident memory of this program: {} MiB", peak.div_ceil(1024));
    }
    criterion.final_summary();
}
