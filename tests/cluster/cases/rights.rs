//! What the scaler may do in the cluster: with `manifests/scaler/rbac.yaml` what it must, and no more.

use azp_scaler::{
    cluster_view::{JobState, ScaledJobView},
    cluster_watch::View,
    trigger::Strategy,
};
use futures::future::join_all;
use k8s_openapi::api::{
    authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec},
    rbac::v1::ClusterRoleBinding,
};
use kube::{
    Api, Client,
    api::{DeleteParams, PostParams},
};
use serde_json::json;

use crate::{
    keda, rbac,
    scaler::{ADDRESS, Scaler},
    users::User,
    within::becomes,
    world::World,
};

pub(crate) async fn the_shipped_rbac_is_enough(world: World) {
    rbac::apply_shipped(&world.client).await;
    let scaler = Scaler::new(&world).await;
    scaler.current().await;
    let mut manifest = keda::manifest(&world.namespace, "linux");
    manifest["metadata"]["annotations"] = json!({ "autoscaling.keda.sh/paused": "true" });
    manifest["spec"]["minReplicaCount"] = json!(2);
    manifest["spec"]["scalingStrategy"] = json!({ "strategy": "accurate" });
    world.keda.apply(&manifest).await;
    let seen = scaler.counts(&world, "linux", (0, 0)).await;
    let ScaledJobView { strategy, max_replicas, min_replicas, is_paused, triggers, .. } = &*seen;
    assert_eq!((*strategy, *max_replicas, *min_replicas, *is_paused), (Strategy::Accurate, 20, 2, true));
    assert_eq!((triggers.len(), triggers[0]["scalerAddress"].as_str()), (1, ADDRESS));

    let jobs = world.keda.create_jobs("linux", 4).await;
    let mut pods = Vec::new();
    for job in &jobs {
        pods.push(world.kubelet.pod_of(job).await);
    }
    scaler.counts(&world, "linux", (4, 4)).await;
    world.kubelet.unschedulable(&pods[0]).await;
    scaler.counts(&world, "linux", (4, 4)).await;
    for (pod, pending) in pods.iter().zip([3, 2, 1, 0]) {
        world.kubelet.run(pod).await;
        scaler.counts(&world, "linux", (4, pending)).await;
    }
    world.kubelet.succeed(&pods[0]).await;
    scaler.counts(&world, "linux", (3, 0)).await;
    world.kubelet.fail(&pods[1], 1).await;
    scaler.counts(&world, "linux", (2, 0)).await;
    world.kubelet.evict(&pods[2]).await;
    let seen = scaler.counts(&world, "linux", (1, 0)).await;
    let state = |job: &str| seen.jobs.iter().find(|seen| &*seen.name == job).unwrap().state;
    let states: Vec<_> = jobs.iter().map(|job| state(job)).collect();
    let unfinished = JobState::Unfinished { is_pending: false };
    assert_eq!(states, [JobState::Succeeded, JobState::Failed, JobState::Failed, unfinished]);
}

pub(crate) async fn no_rule_of_the_shipped_rbac_is_idle(world: World) {
    rbac::apply_shipped(&world.client).await;
    let lacking = rbac::each_lacking_one("ClusterRole");
    assert_eq!(lacking.len(), 8);
    join_all(lacking.iter().map(async |lacking| {
        let account = lacking.grant(&world.client).await;
        let client = world.control_plane.client_as(&account).await;
        // A role that was just made is heard of a moment later.
        let others = ["pods", "jobs.batch", "scaledjobs.keda.sh", "scaledobjects.keda.sh"];
        let mut others = others.into_iter().filter(|other| *other != lacking.resource);
        for resource in [others.next().unwrap(), others.next().unwrap(), others.next().unwrap()] {
            becomes(resource, (true, true), async || {
                (may(&client, "list", resource, "").await, may(&client, "watch", resource, "").await)
            })
            .await;
        }
        let reason = Scaler::of(client).lost().await;
        let words = format!("can't {} `{}`: the role doesn't allow it", lacking.verb, lacking.resource);
        assert!(reason.starts_with(&words), "{reason}");
        assert!(!reason.contains("nor"), "{reason}");
    }))
    .await;
}

pub(crate) async fn the_service_account_may_do_nothing_else(world: World) {
    rbac::apply_shipped(&world.client).await;
    let client = world.control_plane.client(User::Scaler).await;
    let seen = ["pods", "jobs.batch", "scaledjobs.keda.sh", "scaledobjects.keda.sh"];
    becomes("what is allowed", true, async || may(&client, "watch", "pods", "").await).await;
    for resource in seen {
        for verb in ["get", "create", "update", "patch", "delete", "deletecollection"] {
            assert!(!may(&client, verb, resource, "").await, "{verb} {resource}");
        }
        for verb in ["list", "watch"] {
            assert!(may(&client, verb, resource, "").await, "{verb} {resource}");
        }
    }
    for resource in ["secrets", "configmaps", "pods/log", "pods/exec", "serviceaccounts/token", "nodes", "events"] {
        for verb in ["get", "list", "watch", "create"] {
            for namespace in ["", rbac::NAMESPACE] {
                assert!(!may(&client, verb, resource, namespace).await, "{verb} {resource} in `{namespace}`");
            }
        }
    }
    // The lease is one, in one namespace.
    let leases = "leases.coordination.k8s.io";
    assert!(may(&client, "create", leases, rbac::NAMESPACE).await);
    for (verb, namespace) in
        [("list", rbac::NAMESPACE), ("delete", rbac::NAMESPACE), ("get", "kube-system"), ("get", "")]
    {
        assert!(!may(&client, verb, leases, namespace).await, "{verb} in `{namespace}`");
    }
    // And what is asked is what happens.
    world.keda.apply(&keda::manifest(&world.namespace, "linux")).await;
    let scaled_jobs = keda::scaled_jobs(client, &world.namespace);
    let refused = scaled_jobs.delete("linux", &DeleteParams::default()).await.unwrap_err();
    assert!(matches!(&refused, kube::Error::Api(status) if status.is_forbidden()), "{refused}");
}

pub(crate) async fn rights_taken_away_are_a_loss_until_they_are_back(world: World) {
    rbac::apply_shipped(&world.client).await;
    world.keda.apply(&keda::manifest(&world.namespace, "linux")).await;
    let scaler = Scaler::new(&world).await;
    scaler.counts(&world, "linux", (0, 0)).await;
    let bindings: Api<ClusterRoleBinding> = Api::all(world.client.clone());
    bindings.delete("azp-scaler", &DeleteParams::default()).await.unwrap();
    let reason = scaler.lost().await;
    assert!(
        reason.contains("can't list `") && reason.contains("install the chart with `kubernetes.view: true`"),
        "{reason}"
    );
    // What happens meanwhile is seen afterwards.
    let jobs = world.keda.create_jobs("linux", 2).await;
    world.kubelet.run(&world.kubelet.pod_of(&jobs[0]).await).await;
    assert!(matches!(scaler.view(), View::Lost { .. }));
    rbac::apply_shipped(&world.client).await;
    scaler.counts(&world, "linux", (2, 1)).await;
}

/// Whether `client` may do so to a resource, in a namespace or, without one, in all.
async fn may(client: &Client, verb: &str, resource: &str, namespace: &str) -> bool {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
    let asked = ResourceAttributes {
        verb: Some(verb.to_owned()),
        group: Some(group.to_owned()),
        resource: Some(resource.to_owned()),
        subresource: Some(subresource.to_owned()),
        namespace: Some(namespace.to_owned()),
        ..ResourceAttributes::default()
    };
    let spec = SelfSubjectAccessReviewSpec { resource_attributes: Some(asked), ..Default::default() };
    let review = SelfSubjectAccessReview { spec, ..Default::default() };
    let reviewed = Api::all(client.clone()).create(&PostParams::default(), &review).await.unwrap();
    reviewed.status.unwrap().allowed
}
