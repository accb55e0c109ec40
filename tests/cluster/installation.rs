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
    replica::{Options, Replica, Service},
    within::within,
    world::World,
};

/// One that runs.
pub(crate) struct Installation {
    pub(crate) world: World,
    pub(crate) organization: Arc<Organization>,
    pub(crate) nodes: Nodes,
    pub(crate) service: Service,
    /// Another for the same scaler, which leads nowhere at first.
    pub(crate) other_service: Service,
    pub(crate) scaler: Replica,
    pub(crate) operator: Process,
    options: Options,
}

impl Installation {
    /// The scaler is ready and KEDA starts.
    pub(crate) async fn new(world: World, pace: Pace) -> Self {
        Self::with(world, pace, Options::default()).await
    }

    /// The same, of a scaler that finds the API server at another address.
    pub(crate) async fn through(world: World, pace: Pace, api_server: &str) -> Self {
        let api_server = Some(api_server.to_owned());
        Self::with(world, pace, Options { api_server, ..Options::default() }).await
    }

    /// The same, of a scaler whose replicas elect one of them.
    pub(crate) async fn electing(world: World, pace: Pace) -> Self {
        Self::with(world, pace, Options { leader_election: true, ..Options::default() }).await
    }

    async fn with(world: World, pace: Pace, options: Options) -> Self {
        rbac::apply_shipped(&world.client).await;
        let token = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "azp-token", "namespace": world.namespace },
            "stringData": { "token": "a-token-of-agents" },
        });
        apply(&world.client, &token).await.unwrap();
        let organization = Arc::new(Organization::new().await);
        let kubelet = Kubelet::new(world.client.clone(), &world.namespace);
        let nodes = Nodes::new(kubelet, Arc::clone(&organization), pace);
        let (service, other_service) = (Service::new().await, Service::new().await);
        let addresses = [&service, &other_service].map(|service| service.address.clone()).to_vec();
        let options = Options { addresses, ..options };
        let scaler = Replica::start(&world, &organization, &options, 1).await;
        within("the scaler to be ready", async || scaler.is_ready().await.then_some(())).await;
        service.leads_to(&scaler);
        let operator = world.control_plane.operator(&world.namespace);
        Self { world, organization, nodes, service, other_service, scaler, operator, options }
    }

    /// Starts another replica, that nobody is led to yet. It is ready, unless another one leads.
    pub(crate) async fn another_scaler(&self, number: u32) -> Replica {
        Replica::start(&self.world, &self.organization, &self.options, number).await
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

    /// What KEDA counted and created, and what the scaler said, for whoever looks for the reason of a failure.
    pub(crate) fn story(&self) -> String {
        let keda = self.operator.said(&["Scaling Jobs", "Creating jobs", "Created jobs", "ERROR"]);
        format!("KEDA:\n{keda}\nthe scaler:\n{}", self.scaler.said())
    }

    /// How many Jobs KEDA has created a second time, since it did not see yet those that it had just created. It counts what
    /// its watch has brought it, which can be seconds old after the API server was away: then no number that it is told would
    /// be right.
    pub(crate) fn started_twice(&self) -> usize {
        let said = self.operator.said(&["Number of running Jobs", "Created jobs"]);
        let (mut running, mut created, mut twice) = (0, 0, 0);
        let mut saw_none = false;
        for line in said.lines() {
            let Ok(line) = serde_json::from_str::<Value>(line) else { continue };
            if let Some(seen) = line["Number of running Jobs"].as_u64() {
                saw_none = created > 0 && seen <= running;
                (running, created) = (seen, 0);
            } else if let Some(count) = line["Number of jobs"].as_u64() {
                created = count;
                twice += if saw_none { count } else { 0 };
            }
        }
        usize::try_from(twice).unwrap()
    }

    pub(crate) async fn apply(&self, manifest: &Value) {
        self.world.keda.apply(manifest).await;
    }
}
