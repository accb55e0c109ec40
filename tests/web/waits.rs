//! Waits are counted by a task of their own, whether anybody scrapes or not.

use std::{sync::Arc, time::Duration};

use azp_scaler::{job_waits, pools::Directory};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::world::{World, agent, job};

#[tokio::test(start_paused = true)]
async fn each_wait_counts_once() {
    let world = World::new();
    let place = world.open(12, "build");
    place.see(&[job(1, "web shop", 0, &[])], &[]);
    let stop = CancellationToken::new();
    let directory = Arc::clone(&world) as Arc<dyn Directory>;
    let task = tokio::spawn(job_waits::follow(directory, world.metrics.clone(), stop.clone()));
    let histogram = world.metrics.job_wait_seconds.with_label_values(&["contoso", "build"]);

    // With time paused, these are looks of the task and not seconds of the test.
    sleep(Duration::from_secs(7)).await;
    let busy = agent("docker-linux-1", "");
    for _ in 0..3 {
        place.see(&[job(1, "web shop", 0, &[]).on(&busy, 7)], std::slice::from_ref(&busy));
        sleep(Duration::from_secs(2)).await;
    }
    assert_eq!((histogram.get_sample_count(), histogram.get_sample_sum()), (1, 7.0));

    world.desks.lock().unwrap().clear();
    sleep(Duration::from_secs(2)).await;
    stop.cancel();
    task.await.unwrap();
}
