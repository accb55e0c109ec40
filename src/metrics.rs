//! Every metric of the program: its name, its labels and what it means, in one place.
//!
//! Labels are bounded: no ids, no names of jobs. What is counted as it happens lives here as counters and histograms, fed
//! by the edges; what can be read off a decision is written into the gauges when somebody scrapes.

mod cluster;
mod grpc;
mod starts;

use std::collections::HashMap;

use prometheus::{
    CounterVec, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry,
    core::{Collector, MetricVec, MetricVecBuilder},
};

pub use cluster::Cluster;
pub use grpc::Grpc;
pub use starts::Starts;

/// Labels of a pool.
const POOL: [&str; 2] = ["organization", "pool"];
/// Labels of a ScaledJob on a pool.
const SCALED_JOB: [&str; 4] = ["organization", "pool", "namespace", "scaled_job"];

/// Labels of an organisation's licences.
const PARALLEL_JOBS: [&str; 2] = ["organization", "parallelism"];

/// The program's metrics, registered.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    /// Job requests that wait for an agent.
    pub queued_jobs: IntGaugeVec,
    /// Queued job requests that no agent is on its way for, by decision.
    pub unplaced_jobs: IntGaugeVec,
    /// Unmatched job requests that are served all the same.
    pub unmatched_jobs_served_elsewhere: IntGaugeVec,
    /// Age of the job request that has waited longest.
    pub oldest_queued_job_age_seconds: GaugeVec,
    /// Jobs that a ScaledJob's triggers start agents for.
    pub placed_jobs: IntGaugeVec,
    /// Own agents of a ScaledJob that run a job.
    pub running_jobs: IntGaugeVec,
    /// What KEDA is told by the decision in force.
    pub trigger_value: GaugeVec,
    /// From queued to an agent reserved.
    pub job_wait_seconds: HistogramVec,
    /// Registered agents by state.
    pub agents: IntGaugeVec,
    /// Jobs that may run at once, where there is a limit.
    pub parallel_jobs_limit: IntGaugeVec,
    /// Jobs that run in the whole organisation.
    pub parallel_jobs_used: IntGaugeVec,
    /// How old the last good snapshot is.
    pub snapshot_age_seconds: GaugeVec,
    /// Requests to Azure DevOps by outcome.
    pub azure_requests_total: IntCounterVec,
    /// How long Azure DevOps took to answer.
    pub azure_request_duration_seconds: HistogramVec,
    /// What Azure DevOps lets an organisation still ask, where it says so.
    pub azure_rate_limit_remaining: IntGaugeVec,
    /// For how long Azure DevOps asked for patience.
    pub azure_throttled_seconds_total: CounterVec,
    /// Service hooks of Azure DevOps by what became of them.
    pub hooks_total: IntCounterVec,
    /// Until when a credential is valid, where that is known.
    pub credential_valid_until_timestamp_seconds: IntGaugeVec,
    /// Tasks of the program that have not ended.
    pub tasks: IntGaugeVec,
    /// KEDA's calls.
    pub grpc: Grpc,
    /// The cluster's view.
    pub cluster: Cluster,
    /// What becomes of started agents.
    pub starts: Starts,
}

impl Metrics {
    /// Registers all metrics in a registry of their own.
    ///
    /// # Panics
    ///
    /// When two metrics below have one name, which every test would show.
    #[must_use]
    pub fn new() -> Self {
        let registry = Registry::new();
        let gauge = |name, help, labels: &[&str]| gauge(&registry, name, help, labels);
        let float_gauge = |name, help, labels: &[&str]| float_gauge(&registry, name, help, labels);
        let counter = |name, help, labels: &[&str]| counter(&registry, name, help, labels);
        Self {
            queued_jobs: gauge("queued_jobs", "Job requests that wait for an agent.", &POOL),
            unplaced_jobs: gauge(
                "unplaced_jobs",
                "Queued job requests that no agent is there or on its way for, by reason.",
                &["organization", "pool", "reason"],
            ),
            unmatched_jobs_served_elsewhere: gauge(
                "unmatched_jobs_served_elsewhere",
                "Unmatched job requests that an online agent which belongs to no ScaledJob can take, or that a trigger with \
                 matching: builtin counts by what they demand.",
                &POOL,
            ),
            oldest_queued_job_age_seconds: float_gauge(
                "oldest_queued_job_age_seconds",
                "Age of the queued job request that has waited longest; 0 when none waits.",
                &POOL,
            ),
            placed_jobs: gauge("placed_jobs", "Queued jobs that a ScaledJob starts agents for.", &SCALED_JOB),
            running_jobs: gauge("running_jobs", "Own agents of a ScaledJob with a running job.", &SCALED_JOB),
            trigger_value: float_gauge(
                "trigger_value",
                "What KEDA is told by the decision in force, summed over the triggers.",
                &SCALED_JOB,
            ),
            job_wait_seconds: histogram(
                &registry,
                "job_wait_seconds",
                "Time from a job's queueing to an agent reserved for it.",
                &POOL,
                &[1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0],
            ),
            agents: gauge(
                "agents",
                "Agents by state: registered ones, and those that are starting, where the cluster shows them.",
                &["organization", "pool", "state"],
            ),
            parallel_jobs_limit: gauge(
                "parallel_jobs_limit",
                "Jobs that may run at once in the organization; absent where there is no limit, or none is known.",
                &PARALLEL_JOBS,
            ),
            parallel_jobs_used: gauge(
                "parallel_jobs_used",
                "Jobs that run in all pools of the organization, as Azure DevOps said last.",
                &PARALLEL_JOBS,
            ),
            snapshot_age_seconds: float_gauge(
                "snapshot_age_seconds",
                "Age of the last good answer about a pool's jobs.",
                &POOL,
            ),
            azure_requests_total: counter(
                "azure_requests_total",
                "Requests to Azure DevOps by endpoint and outcome.",
                &["organization", "endpoint", "outcome"],
            ),
            azure_request_duration_seconds: histogram(
                &registry,
                "azure_request_duration_seconds",
                "Time from a request to Azure DevOps to the end of its answer.",
                &["organization", "endpoint"],
                &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0],
            ),
            azure_rate_limit_remaining: gauge(
                "azure_rate_limit_remaining",
                "Units of Azure DevOps' rate limit that remain, as its last answer said.",
                &["organization"],
            ),
            azure_throttled_seconds_total: register(
                &registry,
                CounterVec::new(
                    options("azure_throttled_seconds_total", "Seconds of patience that Azure DevOps asked for."),
                    &["organization"],
                )
                .expect("names and labels are valid"),
            ),
            hooks_total: counter(
                "hooks_total",
                "Service hooks of Azure DevOps by outcome; without an organization where none is known to be meant.",
                &["organization", "outcome"],
            ),
            credential_valid_until_timestamp_seconds: gauge(
                "credential_valid_until_timestamp_seconds",
                "Until when the token of Microsoft Entra is valid that is used now; it is renewed ahead of that, as long as \
                 the organization is asked. Absent for personal access tokens, which don't tell.",
                &["organization"],
            ),
            tasks: of_the_program(&registry),
            grpc: Grpc::new(&registry),
            cluster: Cluster::new(&registry),
            starts: Starts::new(&registry),
            registry,
        }
    }

    /// Forgets an organisation that nobody asks about any more, in all that is counted as it happens.
    pub fn forget(&self, organization: &str) {
        forget(&self.job_wait_seconds, organization);
        forget(&self.parallel_jobs_limit, organization);
        forget(&self.parallel_jobs_used, organization);
        forget(&self.azure_requests_total, organization);
        forget(&self.azure_request_duration_seconds, organization);
        forget(&self.azure_rate_limit_remaining, organization);
        forget(&self.azure_throttled_seconds_total, organization);
        forget(&self.credential_valid_until_timestamp_seconds, organization);
        forget(&self.starts.failures_total, organization);
        forget(&self.starts.agent_start_seconds, organization);
    }

    /// The registry, for the page that Prometheus reads.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// Registers what the process and the build tell of themselves; the gauge of tasks.
fn of_the_program(registry: &Registry) -> IntGaugeVec {
    #[cfg(target_os = "linux")]
    registry
        .register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))
        .expect("no other metric is named like the process's");
    let build_info = gauge(registry, "build_info", "Always 1; the labels tell the build.", &["version", "commit"]);
    build_info.with_label_values(&[env!("CARGO_PKG_VERSION"), env!("AZP_SCALER_COMMIT")]).set(1);
    gauge(registry, "tasks", "Tasks of the program that have not ended; a number that grows is a leak.", &[])
}

/// Removes what is labelled with an organisation.
fn forget<T: MetricVecBuilder>(metric: &MetricVec<T>, organization: &str) {
    for family in metric.collect() {
        for labelled in family.get_metric() {
            let labels: HashMap<&str, &str> =
                labelled.get_label().iter().map(|label| (label.name(), label.value())).collect();
            if labels.get("organization") == Some(&organization) {
                // It is there, unless somebody else has just removed it.
                let _ = metric.remove(&labels);
            }
        }
    }
}

fn options(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("azp_scaler")
}

fn gauge(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    register(registry, IntGaugeVec::new(options(name, help), labels).expect("names and labels are valid"))
}

fn float_gauge(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> GaugeVec {
    register(registry, GaugeVec::new(options(name, help), labels).expect("names and labels are valid"))
}

fn counter(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    register(registry, IntCounterVec::new(options(name, help), labels).expect("names and labels are valid"))
}

fn histogram(registry: &Registry, name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> HistogramVec {
    let options = HistogramOpts { common_opts: options(name, help), buckets: buckets.to_vec() };
    register(registry, HistogramVec::new(options, labels).expect("names, labels and buckets are valid"))
}

fn register<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> C {
    registry.register(Box::new(collector.clone())).expect("each metric is registered once");
    collector
}
