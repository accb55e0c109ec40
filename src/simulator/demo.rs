//! The demo's world: one pool, three ScaledJobs whose capabilities overlap, a few static agents, and jobs that keep
//! arriving with all kinds of demands.
//!
//! Quick on purpose: what takes minutes in a real cluster takes seconds here, so that a person can watch it.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{
    keda::{Scaling, Strategy},
    plan::{AgentPlan, Arrivals, Delays, JobKind, Millis, Plan, PoolPlan, ScaledJobPlan},
};
use crate::{capability::CapabilitySet, job_request::Parallelism, parallel_jobs::Each, trigger::ScaledJobId};

/// The demo organisation's name.
pub const ORGANIZATION: &str = "contoso";
/// The demo pool's name.
pub const POOL: &str = "linux-pool";
/// Azure's number for the demo pool.
pub const POOL_ID: i64 = 7;

/// The demo's plan.
#[must_use]
pub fn plan(seed: u64, begins_at: Timestamp) -> Plan {
    Plan {
        seed,
        begins_at,
        organization: ORGANIZATION.into(),
        parallel_jobs: Each::default(),
        pools: vec![PoolPlan { id: POOL_ID, name: POOL.into(), agents: static_agents(), arrivals: arrivals() }],
        scaled_jobs: vec![
            scaled_job("linux-small", &[("docker", "")], 8),
            scaled_job("linux-java", &[("docker", ""), ("java", "17"), ("maven", "")], 6),
            scaled_job("linux-gpu", &[("docker", ""), ("java", "17"), ("cuda", "12")], 3),
        ],
        delays: Delays {
            assignment: 20..=150,
            receipt: 50..=300,
            pod_start: 1_000..=3_000,
            registration: 500..=1_000,
            leaving: 100..=400,
            job_end: 100..=400,
            linger: 200..=2_000,
        },
    }
}

fn scaled_job(name: &str, capabilities: &[(&str, &str)], max_replicas: u32) -> ScaledJobPlan {
    ScaledJobPlan {
        id: ScaledJobId { name: name.into(), namespace: "builds".into() },
        pool: POOL_ID,
        capabilities: CapabilitySet::new(capabilities.iter().copied()),
        scaling: Scaling { strategy: Strategy::Default, min_replicas: 0, max_replicas },
        polling_interval: Duration::from_secs(1),
    }
}

/// Three placeholders let Azure accept jobs while no agent runs; the others are machines of the old days.
fn static_agents() -> Vec<AgentPlan> {
    let agent = |name: &str, capabilities: &[(&str, &str)], online, enabled| AgentPlan {
        name: name.into(),
        capabilities: CapabilitySet::new(capabilities.iter().copied()),
        online,
        enabled,
    };
    vec![
        agent("placeholder-small", &[("docker", "")], false, true),
        agent("placeholder-java", &[("docker", ""), ("java", "17"), ("maven", "")], false, true),
        agent("placeholder-gpu", &[("docker", ""), ("java", "17"), ("cuda", "12")], false, true),
        agent("build-vm-1", &[("docker", ""), ("java", "17"), ("warehouse", "")], true, true),
        agent("build-vm-2", &[("docker", ""), ("java", "11")], true, false),
        agent("old-mac", &[("xcode", "15.2")], false, true),
    ]
}

fn arrivals() -> Arrivals {
    let kind = |pipeline: &str, job: &str, demands: &[&str], weight, runs_for: Millis| JobKind {
        pipeline: pipeline.into(),
        job: job.into(),
        demands: demands.iter().map(|demand| Box::from(*demand)).collect::<Arc<[Box<str>]>>(),
        parallelism: Parallelism::Private,
        weight,
        runs_for,
        cancelled_after: None,
    };
    let nobody_fits = kind("shop-ios", "archive", &["xcode"], 1, 3_000..=6_000);
    Arrivals {
        every: 300..=2_500,
        at_once: 1..=3,
        kinds: vec![
            kind("docs", "spelling", &[], 12, 1_500..=4_000),
            kind("shop-web", "lint", &["Agent.Version -gtVersion 2.163.1"], 8, 1_500..=4_000),
            kind("shop-web", "image", &["docker", "Agent.Version -gtVersion 2.182.1"], 20, 2_000..=6_000),
            kind("shop-api", "compile", &["java -equals 17", "docker"], 14, 3_000..=8_000),
            kind("shop-api", "verify", &["maven", "java"], 10, 3_000..=8_000),
            kind("forecast", "train", &["cuda -equals 12"], 6, 4_000..=10_000),
            kind("stock", "nightly-import", &["warehouse"], 3, 12_000..=25_000),
            JobKind { cancelled_after: Some(15_000..=40_000), ..nobody_fits },
        ],
    }
}
