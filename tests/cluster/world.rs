//! What a case gets: a namespace of its own on the control plane, with a kubelet and KEDA.

use std::sync::Arc;

use kube::Client;
use serde_json::json;

use super::{apply::apply, control_plane::ControlPlane, keda::Keda, kubelet::Kubelet, users::User};

/// A case's part of the cluster.
pub(crate) struct World {
    /// All of the cluster, for what a case does to it.
    pub(crate) control_plane: Arc<ControlPlane>,
    /// The case's own.
    pub(crate) namespace: String,
    /// May do anything.
    pub(crate) client: Client,
    /// Runs the namespace's pods.
    pub(crate) kubelet: Kubelet,
    /// Makes and counts the namespace's Jobs.
    pub(crate) keda: Keda,
}

impl World {
    /// Makes one, in a namespace called after the case.
    pub(crate) async fn new(control_plane: Arc<ControlPlane>, case: &str) -> Self {
        let client = control_plane.client(User::Admin).await;
        let namespace = case.replace('_', "-");
        let object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
        apply(&client, &object).await.unwrap();
        let kubelet = Kubelet::new(client.clone(), &namespace);
        let keda = Keda::new(client.clone(), &namespace);
        Self { control_plane, namespace, client, kubelet, keda }
    }
}
