//! KEDA's calls over the wire: value and activity of one decision, errors that are not zeros, health and description.

use azp_scaler::{
    pools::FailureClass,
    protocol::{GetMetricsRequest, MetricSpec, MetricValue, ScaledObjectRef},
};
use tokio_stream::{StreamExt as _, once};
use tonic::{Code, Status, transport::Endpoint};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use crate::world::{World, reference};

fn metrics(reference: ScaledObjectRef) -> GetMetricsRequest {
    GetMetricsRequest { scaled_object_ref: Some(reference), metric_name: "azure-pipelines-linux".to_owned() }
}

#[tokio::test]
async fn a_poll_asks_for_the_spec_then_the_value_then_activity() {
    let world = World::new();
    world.queue(3);
    let (mut keda, ..) = world.serve().await;
    let asked = || reference(&[("targetPipelinesQueueLength", "1")]);

    let specs = keda.get_metric_spec(asked()).await.unwrap().into_inner().metric_specs;
    let name = "azure-pipelines-linux".to_owned();
    assert_eq!(specs, [MetricSpec { metric_name: name.clone(), target_size: 1, target_size_float: 1.0 }]);
    let values = keda.get_metrics(metrics(asked())).await.unwrap().into_inner().metric_values;
    assert_eq!(values, [MetricValue { metric_name: name, metric_value: 3, metric_value_float: 3.0 }]);
    assert!(keda.is_active(asked()).await.unwrap().into_inner().result);
    for method in ["GetMetricSpec", "GetMetrics", "IsActive"] {
        assert_eq!(world.counted(method, "OK"), 1, "{method}");
    }
}

#[tokio::test]
async fn activity_is_of_the_decision_that_gave_the_value() {
    let world = World::new();
    let (mut keda, ..) = world.serve().await;
    world.queue(2);
    keda.get_metrics(metrics(reference(&[]))).await.unwrap();
    world.queue(0);
    assert!(keda.is_active(reference(&[])).await.unwrap().into_inner().result, "the poll's value was 2");
    assert!(!keda.is_active(reference(&[])).await.unwrap().into_inner().result, "that poll is over");
}

#[tokio::test]
async fn the_target_is_in_the_integer_that_older_keda_reads() {
    let world = World::new();
    let (mut keda, ..) = world.serve().await;
    let asked = reference(&[("targetPipelinesQueueLength", "4")]);
    let specs = keda.get_metric_spec(asked).await.unwrap().into_inner().metric_specs;
    assert_eq!((specs[0].target_size, specs[0].target_size_float.to_string().as_str()), (4, "4"));
}

#[tokio::test]
async fn an_outage_is_an_error_and_specs_go_on() {
    let world = World::new();
    world.outage("pool `linux` of organization `contoso`: Azure DevOps answers 503");
    let (mut keda, ..) = world.serve().await;
    let status = keda.get_metrics(metrics(reference(&[]))).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(status.message(), "pool `linux` of organization `contoso`: Azure DevOps answers 503");
    assert_eq!(keda.is_active(reference(&[])).await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(keda.get_metric_spec(reference(&[])).await.unwrap().into_inner().metric_specs.len(), 1);
    assert_eq!(world.counted("GetMetrics", "UNAVAILABLE"), 1);
}

#[tokio::test]
async fn each_kind_of_failure_has_its_status() {
    let world = World::new();
    let (mut keda, ..) = world.serve().await;
    for (class, code) in [
        (FailureClass::NotSignedIn, Code::FailedPrecondition),
        (FailureClass::Forbidden, Code::FailedPrecondition),
        (FailureClass::NotFound, Code::NotFound),
        (FailureClass::Throttled, Code::Unavailable),
        (FailureClass::ServerError, Code::Unavailable),
        (FailureClass::Unreachable, Code::Unavailable),
        (FailureClass::BadAnswer, Code::Unavailable),
        (FailureClass::Stale, Code::Unavailable),
    ] {
        world.directory.fail(class, "what, and the mend");
        let status = keda.get_metrics(metrics(reference(&[]))).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (code, "what, and the mend"), "{class:?}");
    }
}

#[tokio::test]
async fn a_refusal_names_pool_reason_and_mend() {
    let world = World::new();
    world.queue(1);
    let (mut keda, ..) = world.serve().await;
    let asked = reference(&[("parent", "template")]);
    let status = keda.get_metrics(metrics(asked.clone())).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(
        status.message().starts_with("pool `linux` of organization `contoso`: `parent`: the pool has no agent"),
        "{}",
        status.message()
    );
    assert_eq!(keda.is_active(asked).await.unwrap_err().code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn bad_metadata_is_an_invalid_argument_of_every_method_but_has_specs_so_that_keda_asks_on() {
    let world = World::new();
    let (mut keda, ..) = world.serve().await;
    let bad = || reference(&[("maxReplicaCount", "many")]);
    let specs = keda.get_metric_spec(bad()).await.unwrap().into_inner().metric_specs;
    assert_eq!((specs.len(), &*specs[0].metric_name, specs[0].target_size), (1, "azure-pipelines-linux", 1));
    let faults: [Status; 4] = [
        keda.is_active(bad()).await.unwrap_err(),
        keda.get_metrics(metrics(bad())).await.unwrap_err(),
        keda.stream_is_active(bad()).await.unwrap_err(),
        keda.stream_metric_spec(bad()).await.unwrap_err(),
    ];
    for status in faults {
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().starts_with("`maxReplicaCount` is `many`: "), "{}", status.message());
    }
    for method in ["IsActive", "GetMetricSpec", "GetMetrics", "StreamIsActive", "StreamMetricSpec"] {
        assert_eq!(world.counted(method, "INVALID_ARGUMENT"), 1, "{method}");
    }
}

/// Keys and values of a reference.
type Entries = &'static [(&'static str, &'static str)];

/// What contradicts itself or is out of range, as KEDA is told it: the key, its value and the mend.
#[tokio::test]
async fn each_wrong_value_is_named_with_its_mend() {
    let world = World::new();
    let (mut keda, ..) = world.serve().await;
    let rows: [(Entries, &str, &str); 9] = [
        (&[("maxReplicaCount", "-1")], "`maxReplicaCount` is `-1`", "a whole number from 0 to 2147483647"),
        (&[("priority", "high")], "`priority` is `high`", "a whole number from -2147483648 to 2147483647"),
        (
            &[("minReplicaCount", "3"), ("maxReplicaCount", "2")],
            "`minReplicaCount` is `3` and `maxReplicaCount` is `2`",
            "can't be above the maximum",
        ),
        (&[("poolID", "7")], "`poolName` and `poolID` are both given", "keep one of them"),
        (&[("scalingStrategy", "custom")], "`scalingStrategy` is `custom`", "or write `scalingStrategy: default`"),
        (
            &[("customScalingQueueLengthDeduction", "1")],
            "`customScalingQueueLengthDeduction` is `1`",
            "or write `scalingStrategy: custom`, as in the ScaledJob",
        ),
        (
            &[("scalingStrategy", "custom"), ("customScalingRunningJobPercentage", "half")],
            "`customScalingRunningJobPercentage` is `half`",
            "such as `0.5`",
        ),
        (&[("matching", "builtin"), ("priority", "1")], "`priority` is `1`", "leave one of the two out"),
        (
            &[("matching", "builtin"), ("scaleOnInFlight", "yes")],
            "`scaleOnInFlight` is `yes`",
            "it must be `true` or `false`",
        ),
    ];
    for (entries, what, mend) in rows {
        let status = keda.get_metrics(metrics(reference(entries))).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{entries:?}");
        assert!(status.message().starts_with(what) && status.message().ends_with(mend), "{}", status.message());
    }
}

#[tokio::test]
async fn a_namespace_that_is_not_admitted_is_denied() {
    let world = World::new();
    let (mut keda, ..) = world.serve().await;
    let status = keda.get_metrics(metrics(reference(&[("organization", "fabrikam")]))).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn a_metric_of_another_trigger_is_refused_and_none_is_this_triggers() {
    let world = World::new();
    world.queue(1);
    let (mut keda, ..) = world.serve().await;
    let asked =
        |name: &str| GetMetricsRequest { scaled_object_ref: Some(reference(&[])), metric_name: name.to_owned() };
    let values = keda.get_metrics(asked("")).await.unwrap().into_inner().metric_values;
    assert_eq!(values[0].metric_name, "azure-pipelines-linux");
    let status = keda.get_metrics(asked("azure-pipelines-windows")).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(
        status.message().contains("`azure-pipelines-windows`") && status.message().contains("`azure-pipelines-linux`")
    );
    let nobody = GetMetricsRequest { scaled_object_ref: None, metric_name: String::new() };
    assert!(keda.get_metrics(nobody).await.unwrap_err().message().contains("`scaledObjectRef`"));
}

#[tokio::test]
async fn the_server_tells_its_health_and_what_there_is_to_call() {
    let world = World::new();
    let (_keda, address, _serving) = world.serve().await;
    let channel = Endpoint::from_shared(address).unwrap().connect().await.unwrap();
    let mut health = HealthClient::new(channel.clone());
    for service in ["", "externalscaler.ExternalScaler"] {
        let reply = health.check(HealthCheckRequest { service: service.to_owned() }).await.unwrap().into_inner();
        assert_eq!(reply.status(), ServingStatus::Serving, "{service}");
    }
    let mut reflection = ServerReflectionClient::new(channel);
    let list = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut replies = reflection.server_reflection_info(once(list)).await.unwrap().into_inner();
    let Some(MessageResponse::ListServicesResponse(listed)) = replies.next().await.unwrap().unwrap().message_response
    else {
        panic!("no list of services");
    };
    let names: Vec<&str> = listed.service.iter().map(|service| service.name.as_str()).collect();
    assert!(names.contains(&"externalscaler.ExternalScaler") && names.contains(&"grpc.health.v1.Health"), "{names:?}");
}
