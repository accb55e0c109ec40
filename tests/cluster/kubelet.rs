//! A stand-in for the scheduler and the kubelet: pods live as a case says. What it writes is what real ones write, as far as
//! anybody reads it: the binding, the phase, the conditions and the containers' states.
//!
//! Each pod has one container, and its name is the pod's host name.

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use super::{
    containers::{self, Life},
    within::within,
};

/// The node that takes all pods; there is no object for it.
const NODE: &str = "node-1";

/// The kubelet of a namespace.
pub(crate) struct Kubelet {
    pods: Api<Pod>,
}

impl Kubelet {
    /// With the rights of `client`.
    pub(crate) fn new(client: Client, namespace: &str) -> Self {
        Self { pods: Api::namespaced(client, namespace) }
    }

    /// The pods.
    pub(crate) fn pods(&self) -> &Api<Pod> {
        &self.pods
    }

    /// The name of the pod that the Job controller made for a Job, as soon as there is one that has not ended.
    pub(crate) async fn pod_of(&self, job: &str) -> String {
        let of_job = ListParams::default().labels(&format!("batch.kubernetes.io/job-name={job}"));
        within("the Job's pod", async || {
            let pods = self.pods.list(&of_job).await.unwrap();
            pods.iter().find(|pod| is_alive(pod)).map(ResourceExt::name_any)
        })
        .await
    }

    /// No node takes it: it stays pending.
    pub(crate) async fn unschedulable(&self, pod: &str) {
        let message = "0/3 nodes are available: 3 Insufficient cpu. preemption: 0/3 nodes are available.";
        let scheduled = json!({
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message,
            "lastTransitionTime": containers::now(),
        });
        self.set(pod, &json!({ "phase": "Pending", "conditions": [scheduled] })).await.unwrap();
    }

    /// A node was found and its container is being made: it stays pending.
    pub(crate) async fn hang(&self, pod: &str) {
        self.live(pod, "Pending", Life::Waits { reason: "ContainerCreating", message: None }).await;
    }

    /// Its image can't be pulled: it stays pending.
    pub(crate) async fn image_pull_back_off(&self, pod: &str) {
        let message = Some("Back-off pulling image \"registry.example.com/azp-agent:1\"");
        self.live(pod, "Pending", Life::Waits { reason: "ImagePullBackOff", message }).await;
    }

    /// Its container can't be made, since a Secret is missing: it stays pending.
    pub(crate) async fn create_container_config_error(&self, pod: &str) {
        let message = Some("secret \"azp-token\" not found");
        self.live(pod, "Pending", Life::Waits { reason: "CreateContainerConfigError", message }).await;
    }

    /// It runs.
    pub(crate) async fn run(&self, pod: &str) {
        self.live(pod, "Running", Life::Runs).await;
    }

    /// It has done its work.
    pub(crate) async fn succeed(&self, pod: &str) {
        self.live(pod, "Succeeded", Life::Ended { reason: "Completed", exit_code: 0 }).await;
    }

    /// Its container has ended with an error.
    pub(crate) async fn fail(&self, pod: &str, exit_code: i32) {
        self.live(pod, "Failed", Life::Ended { reason: "Error", exit_code }).await;
    }

    /// Its container needed more memory than it may have.
    pub(crate) async fn oom_killed(&self, pod: &str) {
        self.live(pod, "Failed", Life::Ended { reason: "OOMKilled", exit_code: 137 }).await;
    }

    /// The node puts it out.
    pub(crate) async fn evict(&self, pod: &str) {
        self.bind(pod).await.unwrap();
        let seen = self.pods.get(pod).await.unwrap();
        let mut status = containers::status(&seen, "Failed", Life::Ended { reason: "Error", exit_code: 137 });
        let message = "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi.";
        status["reason"] = json!("Evicted");
        status["message"] = json!(message);
        let disrupted = json!({
            "type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet", "message": message,
            "lastTransitionTime": containers::now(),
        });
        status["conditions"].as_array_mut().unwrap().push(disrupted);
        self.set(pod, &status).await.unwrap();
    }

    /// Somebody deletes it, and it may go on for as long as its grace lasts: it is terminating, until [`gone`](Self::gone).
    pub(crate) async fn delete(&self, pod: &str) {
        self.pods.delete(pod, &DeleteParams::default()).await.unwrap();
    }

    /// Its containers have ended after it was deleted: the object goes away. One that is gone already is fine.
    pub(crate) async fn gone(&self, pod: &str) {
        match self.pods.delete(pod, &DeleteParams::default().grace_period(0)).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            other => drop(other.unwrap()),
        }
    }

    async fn live(&self, pod: &str, phase: &str, life: Life) {
        self.try_live(pod, phase, life).await.unwrap();
    }

    /// A pod lives so from now on, if the API server takes it.
    pub(crate) async fn try_live(&self, pod: &str, phase: &str, life: Life) -> kube::Result<()> {
        self.bind(pod).await?;
        let status = containers::status(&self.pods.get(pod).await?, phase, life);
        self.set(pod, &status).await
    }

    /// What the scheduler does with a pod that has no node yet.
    async fn bind(&self, pod: &str) -> kube::Result<()> {
        if self.pods.get(pod).await?.spec.unwrap().node_name.is_some() {
            return Ok(());
        }
        let binding = json!({
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": { "name": pod },
            "target": { "apiVersion": "v1", "kind": "Node", "name": NODE },
        });
        let _: Value = self.pods.create_subresource("binding", pod, &PostParams::default(), &binding).await?;
        Ok(())
    }

    async fn set(&self, pod: &str, status: &Value) -> kube::Result<()> {
        let patch = Patch::Merge(json!({ "status": status }));
        self.pods.patch_status(pod, &PatchParams::default(), &patch).await.map(drop)
    }
}

fn is_alive(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    !matches!(phase, Some("Succeeded" | "Failed")) && pod.metadata.deletion_timestamp.is_none()
}
