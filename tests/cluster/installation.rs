//! All of it together: KEDA's operator, the scaler, an organisation and nodes, on one namespace.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    apply::apply,
    kubelet::Kubelet,
    nodes::{Nodes, Pace},
    organization::{Organization, POOL},
    process::Process,
    rbac,
    replica::{Replica, Service},
    world::World,
};

/// One that runs.
pub(crate) struct Installation {
    pub(crate) world: World,
    pub(crate) organization: Arc<Organization>,
    pub(crate) nodes: Nodes,
    pub(crate) service: Service,
    pub(crate) scaler: Replica,
    pub(crate) operator: Process,
}

impl Installation {
    /// The scaler is ready and KEDA starts.
    pub(crate) async fn new(world: World, pace: Pace) -> Self {
        rbac::apply_shipped(&world.client).await;
        let token = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "azp-token", "namespace": world.namespace },
            "stringData": { "token": "a-token-of-agents" },
        });
        apply(&world.client, &token).await.unwrap();
        let organization = Arc::new(Organization::new().await);
        let kubelet = Kubelet::new(world.client.clone(), &world.namespace);
        let nodes = Nodes::new(kubelet, Arc::clone(&organization), pace);
        let service = Service::new().await;
        let scaler = Replica::start(&world, &organization, &service.address, 1).await;
        service.leads_to(&scaler);
        let operator = world.control_plane.operator(&world.namespace);
        Self { world, organization, nodes, service, scaler, operator }
    }

    /// Starts another scaler for the same address, ready, that nobody is led to yet.
    pub(crate) async fn another_scaler(&self, number: u32) -> Replica {
        Replica::start(&self.world, &self.organization, &self.service.address, number).await
    }

    /// The ScaledJob of `manifests/scaledjob.yaml` under another name, for this scaler, polled every second.
    pub(crate) fn manifest(&self, name: &str, capabilities: &str) -> Value {
        let mut manifest: Value = serde_saphyr::from_str(include_str!("../../manifests/scaledjob.yaml")).unwrap();
        manifest["metadata"] = json!({ "name": name, "namespace": self.world.namespace });
        let spec = &mut manifest["spec"];
        spec["pollingInterval"] = json!(1);
        let trigger = &mut spec["triggers"][0]["metadata"];
        trigger["scalerAddress"] = json!(self.service.address);
        trigger["poolName"] = json!(POOL);
        trigger["capabilities"] = json!(capabilities);
        let variables = &mut spec["jobTargetRef"]["template"]["spec"]["containers"][0]["env"];
        variables.as_array_mut().unwrap().push(json!({ "name": "CAPABILITIES", "value": capabilities }));
        manifest
    }

    pub(crate) async fn apply(&self, manifest: &Value) {
        self.world.keda.apply(manifest).await;
    }
}
