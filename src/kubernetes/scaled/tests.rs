//! ScaledJobs and ScaledObjects as people write them, and what KEDA makes of them.

use serde_json::json;

use super::*;

fn scaled_job(spec: &Value) -> Record {
    Record::of_scaled_job(None, spec)
}

#[track_caller]
fn check_strategy(written: &Value, expected: Strategy) {
    assert_eq!(scaled_job(&json!({"scalingStrategy": written})).strategy, expected, "{written}");
}

#[test]
fn strategies_are_kedas() {
    check_strategy(&json!({}), Strategy::Default);
    check_strategy(&json!({"strategy": "default"}), Strategy::Default);
    check_strategy(&json!({"strategy": "accurate"}), Strategy::Accurate);
    check_strategy(&json!({"strategy": "eager"}), Strategy::Eager);
    check_strategy(&json!({"strategy": "Accurate"}), Strategy::Default);
    let custom = |percentage: &str| json!({"strategy": "custom", "customScalingQueueLengthDeduction": 2, "customScalingRunningJobPercentage": percentage});
    check_strategy(&custom("0.5"), Strategy::Custom { deduction: 2, percentage: 0.5 });
    check_strategy(&custom("1e999"), Strategy::Default);
    check_strategy(&custom("50%"), Strategy::Default);
    check_strategy(&custom(""), Strategy::Default);
    check_strategy(&json!({"strategy": "custom"}), Strategy::Default);
}

#[test]
fn bounds_are_kedas() {
    let bounds = |spec: Value| {
        let record = scaled_job(&spec);
        (record.min_replicas, record.max_replicas)
    };
    assert_eq!(bounds(json!({})), (0, 100));
    assert_eq!(bounds(json!({"minReplicaCount": 2, "maxReplicaCount": 7})), (2, 7));
    assert_eq!(bounds(json!({"minReplicaCount": 9, "maxReplicaCount": 7})), (7, 7));
    assert_eq!(bounds(json!({"minReplicaCount": 200})), (200, 200), "KEDA compares with a written maximum only");
    let object = Record::of_scaled_object(None, &json!({"maxReplicaCount": 5}));
    assert_eq!((object.strategy, object.min_replicas, object.max_replicas), (Strategy::ScaledObject, 0, 5));
}

#[test]
fn annotations_pause() {
    let with = |name: &str, value: &str| Some(BTreeMap::from([(name.to_owned(), value.to_owned())]));
    for (value, is_paused) in [("true", true), ("1", true), ("false", false), ("F", false), ("yes", true), ("", true)] {
        let annotations = with(PAUSED, value);
        assert_eq!(Record::of_scaled_job(annotations.as_ref(), &json!({})).is_paused, is_paused, "{value}");
        assert_eq!(Record::of_scaled_object(annotations.as_ref(), &json!({})).is_paused, is_paused, "{value}");
    }
    let replicas = with(PAUSED_REPLICAS, "0");
    assert!(Record::of_scaled_object(replicas.as_ref(), &json!({})).is_paused);
    assert!(!Record::of_scaled_job(replicas.as_ref(), &json!({})).is_paused, "a ScaledJob has no such annotation");
}

fn ours(env: &Value, metadata: &Value) -> Option<Vec<(String, String)>> {
    let record = scaled_job(&json!({
        "jobTargetRef": {"template": {"spec": {"containers": [{"name": "agent", "env": env}]}}},
        "triggers": [{"type": "external", "metadata": metadata}],
    }));
    let triggers = record.ours(&BTreeSet::from(["scaler:6000".to_owned()]), false);
    triggers.first().map(|metadata| metadata.iter().map(|(key, value)| (key.clone(), value.clone())).collect())
}

#[test]
fn metadata_is_what_keda_sends_without_what_secrets_say() {
    let metadata = json!({"scalerAddress": "scaler:6000", "poolName": "Default", "organizationURLFromEnv": "AZP_URL",
        "personalAccessTokenFromEnv": "AZP_TOKEN", "personalAccessToken": "hidden", "otherFromEnv": "NOWHERE"});
    let token = json!({"name": "AZP_TOKEN", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}});
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let expected = vec![
        pair("organizationURLFromEnv", "https://dev.azure.com/contoso"),
        pair("personalAccessToken", ""),
        pair("personalAccessTokenFromEnv", ""),
        pair("poolName", "Default"),
        pair("scalerAddress", "scaler:6000"),
    ];
    let url = json!([{"name": "ORG", "value": "contoso"}, {"name": "AZP_URL", "value": "https://dev.azure.com/$(ORG)"}, token]);
    assert_eq!(ours(&url, &metadata), Some(expected));
    let without_token: Vec<String> =
        ours(&json!([{"name": "AZP_URL", "value": "https://dev.azure.com/contoso"}]), &metadata)
            .unwrap()
            .into_iter()
            .map(|(key, _)| key)
            .collect();
    assert!(
        !without_token.contains(&"personalAccessTokenFromEnv".to_owned()),
        "KEDA sends no variable that is not there"
    );
    let hidden = json!([{"name": "AZP_URL", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "b"}}}, token]);
    assert_eq!(ours(&hidden, &metadata), None, "only a ConfigMap tells");
}

#[test]
fn a_trigger_that_a_config_map_says_something_of_is_known_to_be_there() {
    let addresses = BTreeSet::from(["scaler:6000".to_owned()]);
    let hides = |metadata: Value| {
        let spec = json!({"jobTargetRef": {"template": {"spec": {"containers": [{"name": "agent", "env": [
            {"name": "AZP_URL", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "b"}}},
        ]}]}}}, "triggers": [{"type": "external", "metadata": metadata}]});
        Record::of_scaled_job(None, &spec).hides_a_trigger(&addresses, false)
    };
    assert!(hides(json!({"scalerAddress": "scaler:6000", "poolName": "Default", "organizationURLFromEnv": "AZP_URL"})));
    assert!(!hides(json!({"scalerAddress": "scaler:6000", "poolName": "Default"})));
    assert!(!hides(json!({"scalerAddress": "other:6000", "poolName": "Default", "organizationURLFromEnv": "AZP_URL"})));
}

#[test]
fn ours_ask_at_our_address_or_were_asked_about() {
    let trigger = |kind: &str, address: &str, pool: &str| json!({"type": kind, "metadata": {"scalerAddress": address, pool: "1"}});
    let record = scaled_job(&json!({
        "jobTargetRef": {"template": {"spec": {"containers": [{"name": "agent"}]}}},
        "triggers": [trigger("external", "scaler:6000", "poolID"), trigger("external-push", "alias:6000", "poolName"),
            trigger("external", "other:1", "queue"), trigger("azure-pipelines", "scaler:6000", "poolID")],
    }));
    let addresses = BTreeSet::from(["scaler:6000".to_owned()]);
    assert!(record.asks_at(&addresses) && !record.asks_at(&BTreeSet::new()));
    assert_eq!(record.ours(&addresses, false).len(), 1);
    assert_eq!(record.ours(&addresses, true).len(), 2);
    assert_eq!(record.ours(&BTreeSet::new(), false).len(), 0);
}

#[test]
fn what_cannot_be_read_asks_nobody() {
    let record = scaled_job(&json!({"triggers": "none"}));
    assert!(record.triggers.is_empty());
    assert_eq!(record.max_replicas, 100);
}
