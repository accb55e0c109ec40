//! Side by side with KEDA's built-in scaler under `accurate`, which subtracts only what is pending: an agent that runs and
//! has not registered yet is seen by nobody but by whoever watches the cluster.

use std::time::Duration;

use kube::api::DeleteParams;
use serde_json::{Value, json};

use super::operated::{A_WHILE, QUICK, started_no_more_than};
use crate::{
    installation::Installation,
    keda::scaled_jobs,
    nodes::Pace,
    organization::{POOL, TOKEN},
    world::World,
};

/// A name, and what its agents offer.
type Kind = (&'static str, &'static str);

/// How many jobs, and what they demand.
type Burst = (u32, &'static [&'static str]);

/// Runs the same jobs with both scalers, one after the other, and says how many agents each has started.
async fn side_by_side(installed: &Installation, kinds: &[Kind], bursts: &[Burst]) -> (usize, usize) {
    let jobs = bursts.iter().map(|(count, _)| *count as usize).sum();
    for (name, offers) in kinds {
        installed.apply(&accurate(installed, name, offers)).await;
    }
    queue(installed, bursts).await;
    installed.organization.has_run(jobs).await;
    started_no_more_than(installed, jobs).await;

    let all = scaled_jobs(installed.world.client.clone(), &installed.world.namespace);
    for (name, offers) in kinds {
        all.delete(name, &DeleteParams::background()).await.unwrap();
        installed.apply(&builtin(installed, &format!("builtin-{name}"), offers)).await;
    }
    queue(installed, bursts).await;
    installed.organization.has_run(2 * jobs).await;
    (jobs, installed.nodes.started() - jobs)
}

async fn queue(installed: &Installation, bursts: &[Burst]) {
    for (count, demands) in bursts {
        installed.organization.queue(*count, demands, A_WHILE).await;
    }
}

fn accurate(installed: &Installation, name: &str, offers: &str) -> Value {
    let mut manifest = installed.manifest(name, offers);
    manifest["spec"]["scalingStrategy"] = json!({ "strategy": "accurate" });
    manifest["spec"]["triggers"][0]["metadata"]["scalingStrategy"] = json!("accurate");
    manifest
}

/// The same with KEDA's own trigger, which finds address and token in the container's environment.
fn builtin(installed: &Installation, name: &str, offers: &str) -> Value {
    let mut manifest = accurate(installed, name, offers);
    manifest["spec"]["triggers"] = json!([{ "type": "azure-pipelines", "metadata": {
        "organizationURLFromEnv": "AZP_URL", "personalAccessTokenFromEnv": "AZP_TOKEN", "poolName": POOL,
        "demands": offers.replace(' ', ""), "fetchUnfinishedJobsOnly": "true",
    }}]);
    let variables =
        manifest["spec"]["jobTargetRef"]["template"]["spec"]["containers"][0]["env"].as_array_mut().unwrap();
    variables.retain(|variable| variable["name"] != "AZP_URL" && variable["name"] != "AZP_TOKEN");
    variables.push(json!({ "name": "AZP_URL", "value": installed.organization.url() }));
    variables.push(json!({ "name": "AZP_TOKEN", "value": TOKEN }));
    manifest
}

pub(crate) async fn keda_starts_each_agent_once_while_registration_takes_5_s(world: World) {
    let slow = Pace { registration: Duration::from_secs(5), ..QUICK };
    let installed = Installation::new(world, slow).await;
    let (ours, builtin) = side_by_side(&installed, &[("linux", "docker")], &[(8, &["docker"])]).await;
    println!("  `accurate`, registration after 5 s, 8 jobs: {ours} agents; with the built-in scaler {builtin}");
    assert!(builtin > ours, "{builtin}");
}

pub(crate) async fn keda_starts_each_agent_once_though_three_scaled_jobs_fit(world: World) {
    let installed = Installation::new(world, QUICK).await;
    let kinds = [("small", "docker"), ("java", "docker, java"), ("large", "docker, java, gpu")];
    let bursts: [Burst; 3] = [(2, &["gpu"]), (4, &["java"]), (8, &["docker"])];
    let (ours, builtin) = side_by_side(&installed, &kinds, &bursts).await;
    println!("  `accurate`, three ScaledJobs fit, 14 jobs: {ours} agents; with the built-in scaler {builtin}");
    assert!(builtin > ours, "{builtin}");
}
