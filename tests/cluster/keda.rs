//! What KEDA 2.21.0 does with a ScaledJob, as far as a cluster shows it: the Jobs that it creates and how it counts them. Both
//! read like its `pkg/scaling/executor/scale_jobs.go`, with a list for each question, and know nothing of the scaler.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{
    api::{
        batch::v1::{Job, JobSpec},
        core::v1::Pod,
    },
    apimachinery::pkg::apis::meta::v1::OwnerReference,
};
use kube::{
    Api, Client, ResourceExt as _,
    api::{ApiResource, DynamicObject, ListParams, ObjectMeta, PostParams},
    core::GroupVersionKind,
};
use serde_json::{Value, json};

use super::apply::apply;

/// The label that ties Jobs and pods to their ScaledJob.
pub(crate) const NAME_LABEL: &str = "scaledjob.keda.sh/name";

/// KEDA on one namespace.
pub(crate) struct Keda {
    client: Client,
    namespace: String,
}

/// A ScaledJob with one external trigger, as a start: a case adds to it what it is about.
pub(crate) fn manifest(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledJob",
        "metadata": { "name": name, "namespace": namespace },
        "spec": {
            "maxReplicaCount": 20,
            "triggers": [{
                "type": "external",
                "metadata": {
                    "scalerAddress": "azp-scaler.azp-scaler.svc.cluster.local:6000",
                    "organization": "contoso",
                    "poolName": "linux",
                },
            }],
            "jobTargetRef": {
                "backoffLimit": 0,
                "template": {
                    "spec": {
                        "restartPolicy": "Never",
                        "containers": [{ "name": "agent", "image": "registry.example.com/azp-agent:1" }],
                    },
                },
            },
        },
    })
}

/// The ScaledJobs of a namespace.
pub(crate) fn scaled_jobs(client: Client, namespace: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("keda.sh", "v1alpha1", "ScaledJob");
    Api::namespaced_with(client, namespace, &ApiResource::from_gvk(&kind))
}

impl Keda {
    /// With the rights of `client`.
    pub(crate) fn new(client: Client, namespace: &str) -> Self {
        Self { client, namespace: namespace.to_owned() }
    }

    /// Makes or changes a ScaledJob, as its author does.
    pub(crate) async fn apply(&self, manifest: &Value) -> DynamicObject {
        apply(&self.client, manifest).await.unwrap()
    }

    /// Its Jobs.
    pub(crate) fn jobs(&self) -> Api<Job> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Creates so many Jobs for a ScaledJob; their names.
    pub(crate) async fn create_jobs(&self, scaled_job: &str, count: usize) -> Vec<String> {
        let owner = scaled_jobs(self.client.clone(), &self.namespace).get(scaled_job).await.unwrap();
        let job = self.job(&owner);
        let mut names = Vec::new();
        for _ in 0..count {
            names.push(self.jobs().create(&PostParams::default(), &job).await.unwrap().name_any());
        }
        names
    }

    /// `generateJobs`.
    fn job(&self, owner: &DynamicObject) -> Job {
        let name = owner.name_any();
        let mut spec: JobSpec = serde_json::from_value(owner.data["spec"]["jobTargetRef"].clone()).unwrap();
        let template = spec.template.metadata.get_or_insert_default();
        template.generate_name = Some(format!("{name}-"));
        template.labels.get_or_insert_default().insert(NAME_LABEL.to_owned(), name.clone());
        if let Some(pod) = &mut spec.template.spec {
            pod.restart_policy.get_or_insert_with(|| "OnFailure".to_owned());
        }
        let mut annotations = BTreeMap::from([(
            "scaledjob.keda.sh/generation".to_owned(),
            owner.metadata.generation.unwrap().to_string(),
        )]);
        annotations.extend(owner.annotations().clone());
        let metadata = ObjectMeta {
            generate_name: Some(format!("{name}-")),
            namespace: Some(self.namespace.clone()),
            labels: Some(labels(owner)),
            annotations: Some(annotations),
            owner_references: Some(vec![OwnerReference {
                api_version: "keda.sh/v1alpha1".to_owned(),
                kind: "ScaledJob".to_owned(),
                name,
                uid: owner.uid().unwrap(),
                controller: Some(true),
                block_owner_deletion: Some(true),
            }]),
            ..ObjectMeta::default()
        };
        Job { metadata, spec: Some(spec), status: None }
    }

    /// `getRunningJobCount`.
    pub(crate) async fn running(&self, scaled_job: &str) -> usize {
        self.unfinished(scaled_job).await.len()
    }

    /// `getPendingJobCount`.
    pub(crate) async fn pending(&self, scaled_job: &str) -> usize {
        let owner = scaled_jobs(self.client.clone(), &self.namespace).get(scaled_job).await.unwrap();
        let wanted = owner.data["spec"]["scalingStrategy"]["pendingPodConditions"].as_array();
        let wanted: Vec<&str> = wanted.into_iter().flatten().filter_map(Value::as_str).collect();
        let mut pending = 0;
        for job in self.unfinished(scaled_job).await {
            let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
            let of_job = ListParams::default().labels(&format!("job-name={}", job.name_any()));
            let pods = pods.list(&of_job).await.unwrap();
            if !pods.iter().any(|pod| has_come(pod, &wanted)) {
                pending += 1;
            }
        }
        pending
    }

    async fn unfinished(&self, scaled_job: &str) -> Vec<Job> {
        let of_scaled_job = ListParams::default().labels(&format!("{NAME_LABEL}={scaled_job}"));
        let mut jobs = self.jobs().list(&of_scaled_job).await.unwrap().items;
        jobs.retain(|job| !is_finished(job));
        jobs
    }
}

fn labels(owner: &DynamicObject) -> BTreeMap<String, String> {
    let name = owner.name_any();
    let fixed = [
        ("app.kubernetes.io/name", name.as_str()),
        ("app.kubernetes.io/version", "2.21.0"),
        ("app.kubernetes.io/part-of", &name),
        ("app.kubernetes.io/managed-by", "keda-operator"),
        (NAME_LABEL, &name),
    ];
    let mut labels: BTreeMap<String, String> = fixed.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let excluded = owner.annotations().get("scaledjob.keda.sh/job-excluded-labels");
    let excluded: Vec<&str> = excluded.iter().flat_map(|keys| keys.split(',')).collect();
    let own = owner.labels().iter().filter(|(key, _)| !excluded.contains(&key.as_str()));
    labels.extend(own.map(|(key, value)| (key.clone(), value.clone())));
    labels
}

/// `isJobFinished`.
fn is_finished(job: &Job) -> bool {
    let conditions = job.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|one| ["Complete", "Failed"].contains(&one.type_.as_str()) && one.status == "True")
}

/// `isAnyPodRunningOrCompleted`, or `areAllPendingPodConditionsFulfilled` where the ScaledJob lists conditions.
fn has_come(pod: &Pod, wanted: &[&str]) -> bool {
    let Some(status) = &pod.status else { return false };
    if wanted.is_empty() {
        return matches!(status.phase.as_deref(), Some("Succeeded" | "Running"));
    }
    // KEDA holds the number of kinds against the length of the list, so a kind that is listed twice never holds.
    let holds = |kind: &&str| status.conditions.iter().flatten().any(|one| one.type_ == **kind && one.status == "True");
    let held: BTreeSet<_> = wanted.iter().filter(|kind| holds(kind)).collect();
    held.len() == wanted.len()
}
