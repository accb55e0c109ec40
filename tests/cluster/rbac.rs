//! The roles that we ship, as a cluster's administrator applies them.

use kube::Client;
use serde_json::{Value, json};

use super::apply::apply;

/// The scaler's own namespace.
pub(crate) const NAMESPACE: &str = "azp-scaler";

/// What `manifests/scaler/rbac.yaml` holds.
pub(crate) fn shipped() -> Vec<Value> {
    serde_saphyr::from_multiple(include_str!("../../manifests/scaler/rbac.yaml")).unwrap()
}

/// `kubectl apply --namespace azp-scaler --filename manifests/scaler/rbac.yaml`.
pub(crate) async fn apply_shipped(client: &Client) {
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE } });
    apply(client, &namespace).await.unwrap();
    for mut object in shipped() {
        if object["kind"] == "ServiceAccount" {
            object["metadata"]["namespace"] = json!(NAMESPACE);
        }
        apply(client, &object).await.unwrap();
    }
}

/// A shipped role with one verb for one resource taken out.
pub(crate) struct Lacking {
    /// The resource as roles call it, with its group.
    pub(crate) resource: String,
    /// The verb that is taken out.
    pub(crate) verb: String,
    rules: Value,
}

/// The role `kind` once for each resource and verb that it grants, without those.
pub(crate) fn each_lacking_one(kind: &str) -> Vec<Lacking> {
    let role = shipped().into_iter().find(|object| object["kind"] == kind).unwrap();
    let mut granted = Vec::new();
    for rule in role["rules"].as_array().unwrap() {
        for resource in rule["resources"].as_array().unwrap() {
            for verb in rule["verbs"].as_array().unwrap() {
                let mut one = rule.clone();
                one["resources"] = json!([resource]);
                one["verbs"] = json!([verb]);
                granted.push(one);
            }
        }
    }
    let without = |left_out: usize| {
        let mut rules = granted.clone();
        let one = rules.remove(left_out);
        let (group, name) = (one["apiGroups"][0].as_str().unwrap(), one["resources"][0].as_str().unwrap());
        let resource = if group.is_empty() { name.to_owned() } else { format!("{name}.{group}") };
        Lacking { resource, verb: one["verbs"][0].as_str().unwrap().to_owned(), rules: json!(rules) }
    };
    (0..granted.len()).map(without).collect()
}

impl Lacking {
    /// Gives what is left, in the whole cluster, to an account of its own. The account's name.
    pub(crate) async fn grant(&self, client: &Client) -> String {
        let name = format!("lacks-{}-{}", self.verb, self.resource);
        let account = format!("system:serviceaccount:{NAMESPACE}:{name}");
        let group = "rbac.authorization.k8s.io";
        let version = format!("{group}/v1");
        let role = json!({
            "apiVersion": version, "kind": "ClusterRole", "metadata": { "name": name }, "rules": self.rules,
        });
        let binding = json!({
            "apiVersion": version, "kind": "ClusterRoleBinding", "metadata": { "name": name },
            "roleRef": { "apiGroup": group, "kind": "ClusterRole", "name": name },
            "subjects": [{ "apiGroup": group, "kind": "User", "name": account }],
        });
        for object in [role, binding] {
            apply(client, &object).await.unwrap();
        }
        account
    }
}
