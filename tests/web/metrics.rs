//! What Prometheus reads.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::world::{World, full, job, trigger};

/// Series by name and labels, as the text format writes them.
pub(crate) async fn scrape(world: &Arc<World>) -> BTreeMap<String, f64> {
    let answer = world.pages().get("/metrics").await;
    let series = answer.body.lines().filter(|line| !line.starts_with('#'));
    series
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        })
        .collect()
}

/// The project's own series whose names begin so.
pub(crate) fn named(series: &BTreeMap<String, f64>, name: &str) -> Vec<String> {
    let name = format!("azp_scaler_{name}");
    series
        .iter()
        .filter(|(series, _)| series.starts_with(&name))
        .map(|(series, value)| format!("{series} {value}"))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_known_world_in_numbers() {
    let world = World::new();
    full(&world).await;
    let series = scrape(&world).await;
    let of_pools: Vec<String> = named(&series, "").into_iter().filter(|line| line.contains("pool=")).collect();
    insta::assert_snapshot!(of_pools.join("\n"), @r#"
    azp_scaler_agents{organization="contoso",pool="build",state="busy"} 2
    azp_scaler_agents{organization="contoso",pool="build",state="disabled"} 1
    azp_scaler_agents{organization="contoso",pool="build",state="idle"} 1
    azp_scaler_agents{organization="contoso",pool="build",state="not-taking-jobs"} 0
    azp_scaler_agents{organization="contoso",pool="build",state="offline"} 1
    azp_scaler_agents{organization="contoso",pool="build",state="placeholder"} 0
    azp_scaler_agents{organization="contoso",pool="build",state="spent"} 1
    azp_scaler_agents{organization="contoso",pool="build",state="starting"} 0
    azp_scaler_oldest_queued_job_age_seconds{organization="contoso",pool="build"} 1290
    azp_scaler_placed_jobs{namespace="agents",organization="contoso",pool="build",scaled_job="docker-linux"} 1
    azp_scaler_placed_jobs{namespace="agents",organization="contoso",pool="build",scaled_job="java"} 1
    azp_scaler_placed_jobs{namespace="agents",organization="contoso",pool="build",scaled_job="python"} 0
    azp_scaler_queued_jobs{organization="contoso",pool="build"} 6
    azp_scaler_running_jobs{namespace="agents",organization="contoso",pool="build",scaled_job="docker-linux"} 1
    azp_scaler_running_jobs{namespace="agents",organization="contoso",pool="build",scaled_job="java"} 0
    azp_scaler_running_jobs{namespace="agents",organization="contoso",pool="build",scaled_job="python"} 0
    azp_scaler_snapshot_age_seconds{organization="contoso",pool="build"} 0
    azp_scaler_trigger_value{namespace="agents",organization="contoso",pool="build",scaled_job="docker-linux"} 3
    azp_scaler_trigger_value{namespace="agents",organization="contoso",pool="build",scaled_job="java"} 1
    azp_scaler_unmatched_jobs_served_elsewhere{organization="contoso",pool="build"} 0
    azp_scaler_unplaced_jobs{organization="contoso",pool="build",reason="held"} 0
    azp_scaler_unplaced_jobs{organization="contoso",pool="build",reason="not-understood"} 1
    azp_scaler_unplaced_jobs{organization="contoso",pool="build",reason="settling"} 0
    azp_scaler_unplaced_jobs{organization="contoso",pool="build",reason="start-failing"} 0
    azp_scaler_unplaced_jobs{organization="contoso",pool="build",reason="unmatched"} 1
    azp_scaler_unplaced_jobs{organization="contoso",pool="build",reason="waiting-for-capacity"} 1
    azp_scaler_unplaced_jobs{organization="contoso",pool="build",reason="waiting-for-parallel-job"} 0
    "#);
}

#[tokio::test(start_paused = true)]
async fn every_series_has_a_help_and_a_type_and_labels_hold_no_ids() {
    let world = World::new();
    full(&world).await;
    let text = world.pages().get("/metrics").await.body;
    let told = |what: &str| -> BTreeSet<&str> {
        text.lines().filter_map(|line| line.strip_prefix(what)?.split(' ').next()).collect()
    };
    assert_eq!(told("# HELP "), told("# TYPE "));
    assert!(told("# TYPE ").contains("azp_scaler_build_info"));
    for secretive in ["4801", "web shop", "7xk2p", "https"] {
        assert!(!text.contains(secretive), "`{secretive}` would make as many series as there are jobs");
    }
}

#[tokio::test(start_paused = true)]
async fn before_the_first_answer_nothing_is_said() {
    let world = World::new();
    let place = world.open(12, "build");
    assert_eq!(named(&scrape(&world).await, "queued_jobs"), [""; 0]);

    place.see(&[job(1, "web shop", 5, &[])], &[]);
    let series = scrape(&world).await;
    assert_eq!(named(&series, "queued_jobs"), [r#"azp_scaler_queued_jobs{organization="contoso",pool="build"} 1"#]);
    assert_eq!(named(&series, "unplaced_jobs"), [""; 0], "nobody has asked, so nothing is decided");
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_vanishes() {
    let world = World::new();
    let place = full(&world).await;
    assert_eq!(named(&scrape(&world).await, "placed_jobs").len(), 3);

    // KEDA goes on asking for one of three.
    let java = Arc::new(trigger("java", "docker, java=17, maven", 10));
    for _ in 0..30 {
        tokio::time::advance(std::time::Duration::from_secs(10)).await;
        place.see(&[], &[]);
        place.ask(std::slice::from_ref(&java));
    }
    let series = scrape(&world).await;
    let left = r#"{namespace="agents",organization="contoso",pool="build",scaled_job="java"} 0"#;
    assert_eq!(named(&series, "placed_jobs"), [format!("azp_scaler_placed_jobs{left}")]);
    assert_eq!(named(&series, "trigger_value"), [format!("azp_scaler_trigger_value{left}")]);

    world.desks.lock().unwrap().clear();
    let series = scrape(&world).await;
    assert!(series.keys().all(|series| !series.contains("pool=")), "{series:?}");
}

#[tokio::test(start_paused = true)]
async fn parallel_jobs_outlast_a_scrape_and_a_limit_that_is_gone_is_no_series() {
    let world = World::new();
    full(&world).await;
    let labels = ["contoso", "private"];
    world.metrics.parallel_jobs_limit.with_label_values(&labels).set(10);
    world.metrics.parallel_jobs_used.with_label_values(&labels).set(7);
    for _ in 0..2 {
        assert_eq!(
            named(&scrape(&world).await, "parallel_jobs"),
            [
                r#"azp_scaler_parallel_jobs_limit{organization="contoso",parallelism="private"} 10"#,
                r#"azp_scaler_parallel_jobs_used{organization="contoso",parallelism="private"} 7"#,
            ]
        );
    }
    world.metrics.parallel_jobs_limit.remove_label_values(&labels).unwrap();
    assert_eq!(named(&scrape(&world).await, "parallel_jobs_limit"), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn triggers_of_one_scaled_job_are_added_up() {
    let world = World::new();
    let triggers = [trigger("build", "docker", 10), trigger("build", "gpu", 10)].map(Arc::new);
    let place = world.settled(12, "build", &triggers).await;
    place.see(&[job(1, "a", 5, &["docker"]), job(2, "b", 4, &["gpu"]), job(3, "b", 3, &["gpu"])], &[]);
    place.ask(&triggers);
    let series = scrape(&world).await;
    let labels = r#"{namespace="agents",organization="contoso",pool="build",scaled_job="build"} 3"#;
    assert_eq!(named(&series, "trigger_value"), [format!("azp_scaler_trigger_value{labels}")]);
    assert_eq!(named(&series, "placed_jobs"), [format!("azp_scaler_placed_jobs{labels}")]);
}
