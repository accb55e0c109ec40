//! What machines are told.

use std::sync::Arc;

use azp_scaler::job_request::Parallelism;

use crate::world::{World, full, job, trigger};

/// The answers as they stand in `docs/api.md`, so that neither changes without the other.
#[tokio::test(start_paused = true)]
async fn the_documentation_shows_what_is_answered() {
    let documentation = include_str!("../../docs/api.md");
    let mut examples = documentation.split("\n```json\n").skip(1).map(|rest| rest.split_once("\n```").unwrap().0);
    let world = World::new();
    let docker = Arc::new(trigger("docker-linux", "docker, Agent.OS=Linux", 10));
    let triggers = [docker, Arc::new(trigger("java", "java=17", 10))];
    let place = world.settled(12, "build", &triggers).await;
    world.limit(Parallelism::Private, 10, 4);
    place.see(&[job(4805, "web shop", 95, &["docker"]), job(4808, "speech model", 64, &["gpu -equals a100"])], &[]);
    place.ask(&triggers);
    let mut pages = world.pages();
    for path in ["pools", "triggers", "jobs?decision=unmatched", "jobs?limit=many"] {
        let answer = pages.get(&format!("/api/v1/{path}")).await;
        let example: serde_json::Value = serde_json::from_str(examples.next().unwrap()).unwrap();
        assert_eq!(example, answer.json(), "{path} answers {}", answer.body);
    }
    assert_eq!(examples.next(), None);
}

#[tokio::test(start_paused = true)]
async fn a_known_world_in_json() {
    let world = World::new();
    full(&world).await;
    let mut pages = world.pages();
    for path in ["pools", "triggers", "jobs"] {
        let answer = pages.get(&format!("/api/v1/{path}")).await.json();
        insta::assert_json_snapshot!(path, answer);
    }
}

/// The numbers of the jobs that a query lists, and how many it finds.
async fn listed(world: &Arc<World>, query: &str) -> (Vec<i64>, u64) {
    let answer = world.pages().get(&format!("/api/v1/jobs?{query}")).await.json();
    let jobs = answer["jobs"].as_array().unwrap();
    (jobs.iter().map(|job| job["id"].as_i64().unwrap()).collect(), answer["total"].as_u64().unwrap())
}

#[tokio::test(start_paused = true)]
async fn jobs_can_be_filtered_and_counted() {
    let world = World::new();
    full(&world).await;
    assert_eq!(listed(&world, "decision=unmatched").await, (vec![4808], 1));
    assert_eq!(listed(&world, "pool=BUILD&organization=Contoso&decision=running").await, (vec![4801, 4802], 2));
    assert_eq!(listed(&world, "pool=elsewhere").await, (vec![], 0));
    assert_eq!(listed(&world, "limit=2").await, (vec![4808, 4803], 9));
    assert_eq!(listed(&world, "limit=0").await, (vec![], 9));
    assert_eq!(listed(&world, "").await.1, 9);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_jobs_are_listed_unless_more_are_asked_for() {
    let world = World::new();
    let triggers = [Arc::new(trigger("docker-linux", "docker", 10))];
    let place = world.settled(12, "build", &triggers).await;
    let jobs: Vec<_> = (1..=1500).map(|id| job(id, "web shop", 5, &["docker"])).collect();
    place.see(&jobs, &[]);
    place.ask(&triggers);
    let (first, total) = listed(&world, "").await;
    assert_eq!((first.len(), total), (1000, 1500));
    let (all, total) = listed(&world, "limit=10000").await;
    assert_eq!((all.len(), total), (1500, 1500));
}

#[tokio::test(start_paused = true)]
async fn a_bad_query_is_told_what_to_write_instead() {
    let mut pages = World::new().pages();
    for (query, parameter, value, mend) in [
        ("limit=many", "limit", "many", "`many` is no number from 0 to 10000; leave `limit` out for 1000"),
        ("limit=10001", "limit", "10001", "from 0 to 10000"),
        ("limit=-1", "limit", "-1", "from 0 to 10000"),
        ("decision=lost", "decision", "lost", "there are `running`, `lost-agent`"),
        ("pools=build", "pools", "build", "there are `organization`, `pool`, `decision` and `limit`"),
        ("pool=a&pool=b", "pool", "b", "`pool` stands twice"),
    ] {
        let answer = pages.get(&format!("/api/v1/jobs?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        let error = &answer.json()["error"];
        assert_eq!(error["parameter"], parameter);
        assert_eq!(error["value"], value);
        assert!(error["message"].as_str().unwrap().contains(mend), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_named() {
    let mut pages = World::new().pages();
    let answer = pages.get("/api/v1/job").await;
    assert_eq!(answer.status, 404);
    let message = "there is no `/api/v1/job`; there are `/api/v1/pools`, `/api/v1/triggers` and `/api/v1/jobs`";
    assert_eq!(answer.json()["error"]["message"], message);
    assert_eq!(pages.get("/apiary").await.headers["content-type"], "text/plain; charset=utf-8");
}

#[tokio::test(start_paused = true)]
async fn links_that_lead_elsewhere_than_the_web_are_left_out() {
    let world = World::new();
    let triggers = [Arc::new(trigger("docker-linux", "docker", 10))];
    let place = world.settled(12, "build", &triggers).await;
    place.see(
        &[
            job(1, "a", 9, &[]).titled("Build", "javascript:alert(1)"),
            job(2, "a", 8, &[]).titled("Build", "data:text/html,hello"),
            job(3, "a", 7, &[]).titled("Build", "/relative"),
            job(4, "a", 6, &[]).titled("Build", "http://azure.local/run/4"),
        ],
        &[],
    );
    place.ask(&triggers);
    let jobs = world.pages().get("/api/v1/jobs").await.json();
    let links: Vec<_> = (0..4).map(|place| jobs["jobs"][place]["link"].as_str()).collect();
    assert_eq!(links, [None, None, None, Some("http://azure.local/run/4")]);
}
