//! Streams that KEDA holds open, and how they end.

use std::{sync::Arc, time::Duration};

use azp_scaler::{pools::FailureClass, protocol::IsActiveResponse, snapshot::Snapshot};
use tokio::{net::TcpStream, time::timeout};
use tonic::Streaming;

use crate::world::{World, reference};

/// Until the stream has asked about this snapshot.
async fn asked_about(world: &World, snapshot: &Arc<Snapshot>) {
    let asked = || world.desk.pool().current().is_some_and(|decision| Arc::ptr_eq(&decision.snapshot, snapshot));
    while !asked() {
        tokio::task::yield_now().await;
    }
}

async fn next(stream: &mut Streaming<IsActiveResponse>) -> bool {
    timeout(Duration::from_secs(10), stream.message()).await.unwrap().unwrap().unwrap().result
}

#[tokio::test]
async fn activity_is_sent_on_opening_and_on_change_only() {
    let world = World::new();
    world.queue(1);
    let (mut keda, ..) = world.serve().await;
    let mut stream = keda.stream_is_active(reference(&[])).await.unwrap().into_inner();
    assert!(next(&mut stream).await);

    // Still active, not known, still active: nothing to send.
    asked_about(&world, &world.queue(2)).await;
    world.outage("Azure DevOps answers 503");
    asked_about(&world, &world.queue(3)).await;
    asked_about(&world, &world.queue(0)).await;
    assert!(!next(&mut stream).await);
    asked_about(&world, &world.queue(1)).await;
    assert!(next(&mut stream).await);
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_cannot_be_opened_yet_does_not_end_the_stream() {
    use azp_scaler::protocol::external_scaler_server::ExternalScaler;
    use tokio_stream::StreamExt;

    let world = World::new();
    world.queue(1);
    world.directory.fail(FailureClass::Unreachable, "no connection");
    let service = world.service();
    let call = tonic::Request::new(reference(&[]));
    let mut stream = service.stream_is_active(call).await.unwrap().into_inner();
    let silence = timeout(Duration::from_mins(1), stream.next()).await;
    assert!(silence.is_err(), "a failure of Azure sends nothing");
    world.directory.mend();
    assert!(stream.next().await.unwrap().unwrap().result);
}

#[tokio::test(start_paused = true)]
async fn an_open_stream_keeps_the_desk_fresh() {
    use azp_scaler::protocol::external_scaler_server::ExternalScaler;
    use tokio_stream::StreamExt;

    let mut world = World::new();
    world.queue_as_of(world.clock.now() - jiff::SignedDuration::from_secs(601), 1);
    world.queue(1);
    let service = world.service();
    let mut stream = service.stream_is_active(tonic::Request::new(reference(&[]))).await.unwrap().into_inner();
    assert!(stream.next().await.unwrap().unwrap().result);
    let began = world.clock.now();
    world.publisher.questions.mark_unchanged();
    world.publisher.questions.changed().await.unwrap();
    let waited = world.clock.now().duration_since(began);
    assert!(
        (600..=606).contains(&waited.as_secs()),
        "asked anew after {waited}: when the snapshot was no longer fresh"
    );
}

#[tokio::test]
async fn specs_are_sent_once_and_the_stream_stays_open() {
    let world = World::new();
    let (mut keda, _, serving) = world.serve().await;
    let mut stream = keda.stream_metric_spec(reference(&[])).await.unwrap().into_inner();
    let specs = stream.message().await.unwrap().unwrap().metric_specs;
    assert_eq!(specs[0].metric_name, "azure-pipelines-linux");
    world.stop.cancel();
    assert!(stream.message().await.unwrap().is_none(), "the next thing is the end");
    serving.await.unwrap();
}

#[tokio::test]
async fn stopping_ends_streams_and_the_server() {
    let world = World::new();
    world.queue(1);
    let (mut keda, _, serving) = world.serve().await;
    let mut stream = keda.stream_is_active(reference(&[])).await.unwrap().into_inner();
    assert!(next(&mut stream).await);
    world.stop.cancel();
    assert!(stream.message().await.unwrap().is_none());
    timeout(Duration::from_secs(5), serving).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_client_that_says_nothing_does_not_hold_up_the_stop() {
    let world = World::new();
    let (_keda, address, serving) = world.serve().await;
    let _mute = TcpStream::connect(address.trim_start_matches("http://")).await.unwrap();
    tokio::time::pause();
    world.stop.cancel();
    serving.await.unwrap();
}

#[tokio::test]
async fn a_client_that_goes_ends_its_stream() {
    let world = World::new();
    world.queue(1);
    let (mut keda, _, serving) = world.serve().await;
    let mut stream = keda.stream_is_active(reference(&[])).await.unwrap().into_inner();
    assert!(next(&mut stream).await);
    let followers = world.publisher.look.receiver_count();
    drop((stream, keda));
    while world.publisher.look.receiver_count() == followers {
        tokio::task::yield_now().await;
    }
    assert!(!serving.is_finished());
}
