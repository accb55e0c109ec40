//! The triggers that the chart renders, as `tests/chart` has them, are what the scaler takes.

use std::{collections::HashMap, fs, path::Path};

use azp_scaler::{
    external_scaler::{Came, Organization, Organizations, Request},
    protocol::ScaledObjectRef,
};
use serde_json::{Value, json};

/// How many ScaledJobs the value set renders, each of which is taken with these organizations.
fn taken(values: &str, organizations: &[&str]) -> usize {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/chart").join(values);
    let objects: Vec<Value> = serde_saphyr::from_multiple(&fs::read_to_string(path).unwrap()).unwrap();
    let organization = |name: &&str| Organization {
        name: (*name).into(),
        url: format!("https://dev.azure.com/{name}").parse().unwrap(),
        namespaces: vec!["agents".to_owned(), "agents-restricted".to_owned()],
    };
    let organizations = Organizations::new(organizations.iter().map(organization).collect());
    let jobs: Vec<Value> = objects.into_iter().filter(|object| object["kind"] == "ScaledJob").collect();
    for job in &jobs {
        let text = |pointer: &str| job.pointer(pointer).unwrap().as_str().unwrap().to_owned();
        let metadata = job.pointer("/spec/triggers/0/metadata").unwrap().clone();
        let scaler_metadata: HashMap<String, String> = serde_json::from_value(metadata).unwrap();
        let reference =
            ScaledObjectRef { name: text("/metadata/name"), namespace: text("/metadata/namespace"), scaler_metadata };
        let trigger = Request::read(reference, Came::Privately, &organizations).unwrap().trigger;
        assert_eq!(json!(trigger.max_replicas), job["spec"]["maxReplicaCount"]);
        assert_eq!(json!(trigger.min_replicas), job["spec"]["minReplicaCount"]);
        assert!(!trigger.capabilities.is_empty());
    }
    jobs.len()
}

#[test]
fn each_trigger_of_the_chart_is_taken() {
    assert_eq!(taken("full.yaml", &["contoso", "fabrikam"]), 5);
    assert_eq!(taken("workload-identity.yaml", &["contoso"]), 1);
    assert_eq!(taken("on-premises.yaml", &["collection"]), 1);
}
