//! What the repository shows to be applied is what a cluster takes.

use std::collections::BTreeSet;

use serde_json::json;

use crate::{
    apply::{apply, try_out},
    published::{self, Published},
    world::World,
};

/// From what admits everything to what admits the least.
const LEVELS: [&str; 3] = ["privileged", "baseline", "restricted"];

pub(crate) async fn every_published_object_is_taken(world: World) {
    let published = published::all();
    let mut taken = BTreeSet::new();
    for Published { at, objects, .. } in &published {
        for object in objects {
            let (kind, name) = (object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap());
            if let Some(namespace) = object["metadata"]["namespace"].as_str() {
                make_namespace(&world, namespace, "privileged").await;
            }
            let answer = try_out(&world.client, object).await;
            assert!(answer.is_ok(), "{at}: {kind} {name}: {}", answer.unwrap_err());
            taken.insert(kind.to_owned());
        }
    }
    // Those that there are for certain.
    for kind in ["Certificate", "ClusterRole", "Deployment", "PrometheusRule", "Role", "ScaledJob", "ServiceMonitor"] {
        assert!(taken.contains(kind), "no {kind} among {taken:?}");
    }
    println!("  {} pieces with {taken:?}", published.len());
}

pub(crate) async fn pods_are_admitted_at_the_level_that_their_page_claims(world: World) {
    let mut pods = 0;
    for published in published::all() {
        for pod in published.pods() {
            let at = &published.at;
            let claimed =
                published.level.as_deref().unwrap_or_else(|| panic!("{at}: no Pod Security level is claimed"));
            let claimed =
                LEVELS.iter().position(|level| *level == claimed).unwrap_or_else(|| panic!("{at}: {claimed}"));
            for (number, level) in LEVELS.iter().enumerate() {
                let mut pod = pod.clone();
                let namespace = format!("pods-{level}");
                make_namespace(&world, &namespace, level).await;
                pod["metadata"]["namespace"] = json!(namespace);
                let answer = try_out(&world.client, &pod).await;
                // A page that claims less than is true is put right, too.
                assert_eq!(answer.is_ok(), number <= claimed, "{at}: at `{level}`: {answer:?}");
            }
            pods += 1;
        }
    }
    assert!(pods > 0, "no pod is published");
}

/// The agents of each variant in the chart's full value set.
const VARIANTS: [(&str, &str); 5] = [
    ("user-namespace", "linux-podman"),
    ("without-sys-admin", "linux-baseline"),
    ("restricted", "linux-restricted"),
    ("host-users", "linux-older"),
    ("privileged", "linux-privileged"),
];

pub(crate) async fn agents_are_as_free_by_chart_as_by_kustomization(_world: World) {
    let published = published::all();
    let freedom = |at: &str, name: Option<&str>| {
        let pieces = published.iter().filter(|piece| piece.at.starts_with(at)).flat_map(Published::pods);
        let pods: Vec<_> = pieces.filter(|pod| name.is_none_or(|name| pod["metadata"]["name"] == name)).collect();
        let [pod] = &pods[..] else { panic!("{at}: {} pods", pods.len()) };
        ["/hostUsers", "/securityContext", "/containers/0/securityContext", "/initContainers/0/securityContext"]
            .map(|pointer| pod["spec"].pointer(pointer).cloned())
    };
    for (variant, name) in VARIANTS {
        let kustomized = freedom(&format!("manifests/scaledjob/{variant}/kustomization.yaml"), None);
        assert_eq!(freedom("tests/chart/full.yaml", Some(name)), kustomized, "{variant}");
    }
}

/// A namespace in which Pod Security admission enforces a level.
async fn make_namespace(world: &World, name: &str, level: &str) {
    let labels = json!({ "pod-security.kubernetes.io/enforce": level });
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "labels": labels } });
    apply(&world.client, &namespace).await.unwrap();
}
