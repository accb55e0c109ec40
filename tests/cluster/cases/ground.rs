//! What the other cases stand on: this is Kubernetes, and it knows KEDA's kinds.

use std::time::Duration;

use kube::api::{ListParams, WatchEvent, WatchParams};
use serde_json::json;
use tokio::time::timeout;

use crate::{apply::apply, keda, users::User, within::within, world::World};

pub(crate) async fn it_is_the_release_we_asked_for(world: World) {
    let version = world.client.apiserver_version().await.unwrap();
    assert_eq!((version.major.as_str(), version.minor.as_str()), ("1", "36"), "{version:?}");
}

pub(crate) async fn a_scaled_job_is_taken(world: World) {
    let taken = world.keda.apply(&keda::manifest(&world.namespace, "linux")).await;
    assert_eq!(taken.metadata.generation, Some(1));
    assert_eq!(taken.data["spec"]["maxReplicaCount"], 20);
    assert_eq!(world.keda.running("linux").await, 0);
}

pub(crate) async fn an_unknown_field_is_refused(world: World) {
    let mut manifest = keda::manifest(&world.namespace, "linux");
    manifest["spec"]["maxReplicaCuont"] = json!(1);
    let error = apply(&world.client, &manifest).await.unwrap_err().to_string();
    assert!(error.contains("maxReplicaCuont"), "{error}");
}

pub(crate) async fn the_service_account_may_nothing_by_itself(world: World) {
    let client = world.control_plane.client(User::Scaler).await;
    let refused = keda::scaled_jobs(client, &world.namespace).list(&ListParams::default()).await.unwrap_err();
    let kube::Error::Api(status) = refused else { panic!("{refused}") };
    assert!(status.is_forbidden() && status.message.contains(User::Scaler.name()), "{status:?}");
}

pub(crate) async fn the_api_server_comes_back_where_it_was(world: World) {
    world.keda.apply(&keda::manifest(&world.namespace, "linux")).await;
    world.control_plane.kill_api_server().await;
    let scaled_jobs = keda::scaled_jobs(world.client.clone(), &world.namespace);
    assert!(matches!(scaled_jobs.get("linux").await, Err(kube::Error::HyperError(_) | kube::Error::Service(_))));
    world.control_plane.start_api_server().await;
    assert!(scaled_jobs.get("linux").await.is_ok());
    // The controller manager finds it again by itself.
    let [job] = world.keda.create_jobs("linux", 1).await.try_into().unwrap();
    world.kubelet.pod_of(&job).await;
}

pub(crate) async fn a_frozen_api_server_is_silent_and_goes_on(world: World) {
    world.keda.apply(&keda::manifest(&world.namespace, "linux")).await;
    let scaled_jobs = keda::scaled_jobs(world.client.clone(), &world.namespace);
    world.control_plane.freeze_api_server().await;
    let mut answer = Box::pin(scaled_jobs.get("linux"));
    // Thousands of times what an answer takes.
    assert!(timeout(Duration::from_millis(500), &mut answer).await.is_err());
    world.control_plane.thaw_api_server().await;
    assert_eq!(answer.await.unwrap().metadata.name.as_deref(), Some("linux"));
}

pub(crate) async fn a_watch_from_before_a_compaction_is_gone(world: World) {
    let scaled_jobs = keda::scaled_jobs(world.client.clone(), &world.namespace);
    let before = scaled_jobs.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    world.keda.apply(&keda::manifest(&world.namespace, "linux")).await;
    world.control_plane.kill_api_server().await;
    world.control_plane.compact().await;
    world.control_plane.start_api_server().await;
    within("the watch to be refused", async || {
        let answer = scaled_jobs.watch(&WatchParams::default(), &before).await;
        match answer {
            Err(kube::Error::Api(status)) => (status.code == 410).then_some(()),
            Ok(events) => {
                let first = futures::StreamExt::next(&mut Box::pin(events)).await;
                matches!(first, Some(Ok(WatchEvent::Error(status))) if status.code == 410).then_some(())
            }
            Err(_) => None,
        }
    })
    .await;
}
