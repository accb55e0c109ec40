//! Applying manifests as `kubectl apply --server-side --validate=strict` does: a field that the API does not know is an
//! error, not a warning.

use kube::{
    Api, Client, Result,
    api::{DynamicObject, Patch, PatchParams},
    core::{GroupVersionKind, TypeMeta},
    discovery::{Scope, pinned_kind},
};
use serde_json::Value;

/// Applies each object of a YAML file that the API's own discovery knows.
pub(crate) async fn apply_yaml(client: &Client, yaml: &str) -> Result<Vec<DynamicObject>> {
    let objects: Vec<Value> = serde_saphyr::from_multiple(yaml).unwrap();
    let mut applied = Vec::new();
    for object in objects {
        applied.push(apply(client, &object).await?);
    }
    Ok(applied)
}

/// Applies one object.
pub(crate) async fn apply(client: &Client, object: &Value) -> Result<DynamicObject> {
    send(client, object, &PatchParams::apply("tests").force().validation_strict()).await
}

/// Lets the API server judge one object as if it were applied, and keep nothing: `--dry-run=server`.
pub(crate) async fn try_out(client: &Client, object: &Value) -> Result<DynamicObject> {
    send(client, object, &PatchParams::apply("tests").force().validation_strict().dry_run()).await
}

async fn send(client: &Client, object: &Value, parameters: &PatchParams) -> Result<DynamicObject> {
    let types: TypeMeta = serde_json::from_value(object.clone()).unwrap();
    let kind = GroupVersionKind::try_from(types).unwrap();
    let (resource, capabilities) = pinned_kind(client, &kind).await?;
    let metadata = &object["metadata"];
    let api: Api<DynamicObject> = match (capabilities.scope, metadata["namespace"].as_str()) {
        (Scope::Namespaced, Some(namespace)) => Api::namespaced_with(client.clone(), namespace, &resource),
        (Scope::Namespaced, None) => Api::default_namespaced_with(client.clone(), &resource),
        (Scope::Cluster, _) => Api::all_with(client.clone(), &resource),
    };
    api.patch(metadata["name"].as_str().unwrap(), parameters, &Patch::Apply(object)).await
}
