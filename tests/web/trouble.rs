//! A pool in which Azure and the cluster don't do what they are asked: agents that don't come, a job that is held, an agent
//! that takes none, and no parallel jobs left.

use std::{sync::Arc, time::Duration};

use azp_scaler::{job_request::Parallelism, trigger::Trigger};
use serde_json::{Value, json};

use crate::{
    page::{check, page},
    world::{Place, World, agent, job, trigger},
};

const STEP: Duration = Duration::from_secs(5);

/// Six minutes of trouble; ends while KEDA is not asked for another agent of `gpu`, after a first try.
async fn troubled(world: &World) -> (Place, Vec<Arc<Trigger>>) {
    let triggers = [
        trigger("docker-linux", "docker, Agent.OS=Linux", 10),
        trigger("gpu", "docker, gpu=a100", 4),
        trigger("mac", "xcode=16", 4),
        trigger("windows", "msbuild, Agent.OS=Windows_NT", 4),
    ]
    .map(Arc::new);
    let place = world.settled(12, "build", &triggers).await;
    let busy = agent("docker-linux-7xk2p", "docker, Agent.OS=Linux");
    let mut queue = vec![
        job(4801, "web shop", 340, &["docker"]).on(&busy, 21),
        job(4808, "speech model", 1260, &["docker", "gpu -equals a100"]),
        job(4811, "speech model", 1100, &["docker", "gpu -equals a100"]),
        job(4809, "mobile app", 200, &["xcode"]),
    ];
    let mut agents = vec![busy, agent("mac-p5r8t", "xcode=16"), agent("vm-2", "msbuild, Agent.OS=Windows_NT")];
    for round in 1..=65 {
        tokio::time::advance(STEP).await;
        match round {
            15 => agents.push(agent("mac-w2z6n", "xcode=16")),
            45 => queue.push(job(4815, "installer", -195, &["msbuild"])),
            65 => {
                let docker = |id| job(id, "web shop", 4500 - id, &["docker", "Agent.OS -equals Linux"]);
                queue.extend((4820..4825).map(docker));
                world.limit(Parallelism::Private, 4, 3);
                world.limit(Parallelism::Public, 10, 0);
            }
            _ => {}
        }
        place.see(&queue, &agents);
        place.ask(&triggers);
    }
    (place, triggers.to_vec())
}

async fn asked(world: &Arc<World>, what: &str) -> Vec<Value> {
    let answer = world.pages().get(&format!("/api/v1/{what}")).await.json();
    answer[what].as_array().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn parallel_jobs_are_counted_for_machines() {
    let world = World::new();
    let place = world.open(12, "build");
    assert_eq!(asked(&world, "pools").await[0]["parallel_jobs"], Value::Null);
    place.see(&[], &[]);
    place.ask(&[Arc::new(trigger("docker-linux", "docker", 10))]);
    assert_eq!(asked(&world, "pools").await[0]["parallel_jobs"], json!({ "private": null, "public": null }));

    let world = World::new();
    troubled(&world).await;
    let pool = &asked(&world, "pools").await[0];
    let private = json!({ "limit": 4, "headroom": 1, "running": 3, "taken": 2 });
    let public = json!({ "limit": 10, "headroom": 3, "running": 0, "taken": 0 });
    assert_eq!(pool["parallel_jobs"], json!({ "private": private, "public": public }));
    assert_eq!(pool["jobs"]["waiting-for-parallel-job"], 4);
    assert_eq!(pool["jobs"]["start-failing"], 2);
    assert_eq!(pool["jobs"]["held"], 1);
    assert_eq!(pool["agents"]["not-taking-jobs"], 1);
}

#[tokio::test(start_paused = true)]
async fn starts_that_fail_are_told_to_machines() {
    let world = World::new();
    troubled(&world).await;
    let of = |triggers: &[Value], name: &str| {
        let trigger = triggers.iter().find(|trigger| trigger["scaled_job"]["name"] == name).unwrap();
        ["placed", "starting", "starts", "starts_failing_since", "next_probe"].map(|field| trigger[field].clone())
    };
    let since = "2026-09-21T14:19:00Z";
    let triggers = asked(&world, "triggers").await;
    assert_eq!(
        of(&triggers, "gpu"),
        [json!(0), json!(0), json!("failing"), json!(since), json!("2026-09-21T14:19:30Z")]
    );
    let gpu = triggers.iter().find(|trigger| trigger["scaled_job"]["name"] == "gpu").unwrap();
    assert_eq!(gpu["start_failure"], Value::Null, "only the cluster tells");
    assert!(
        gpu["hints"][0].as_str().unwrap().starts_with("without the cluster's view, starts that fail are noticed late")
    );
    assert_eq!(of(&triggers, "windows"), [json!(1), json!(1), json!("working"), Value::Null, Value::Null]);

    tokio::time::advance(Duration::from_secs(15)).await;
    let triggers = asked(&world, "triggers").await;
    assert_eq!(of(&triggers, "gpu"), [json!(1), json!(1), json!("probing"), json!(since), Value::Null]);
}

#[tokio::test(start_paused = true)]
async fn trouble_is_told_to_people() {
    let world = World::new();
    troubled(&world).await;
    check(
        &page(&world, "trouble.html").await,
        &[
            "3 of 4 private parallel jobs of contoso run, 2 more have or get an agent",
            "0 of 10 public parallel jobs of contoso run",
            "Starts fail: the agents that KEDA starts for it don’t register, noticed",
            "`kubectl get pods -n agents`",
            "waiting-for-parallel-job the organization may run 4",
            "start-failing agents/gpu fits, but",
            "held ",
            "vm-2 not-taking-jobs",
        ],
    );
}
