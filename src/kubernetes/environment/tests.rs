//! Containers as people write them, and what KEDA and the agent take from them.

use serde_json::{Value, json};

use super::*;

fn environment(env: &Value) -> Environment {
    let pod = json!({"containers": [{"name": "sidecar"}, {"name": "agent", "env": env}]});
    Environment::of(&serde_json::from_value(pod).unwrap(), Some("agent")).unwrap()
}

#[test]
fn what_is_written_and_no_secret_is_a_capability() {
    let environment = environment(&json!([
        {"name": "JAVA_HOME", "value": "/opt/java"},
        {"name": "EMPTY"},
        {"name": "BIN", "value": "$(JAVA_HOME)/bin:$$(JAVA_HOME):$(NOWHERE)"},
        {"name": "AZP_TOKEN", "value": "hidden"},
        {"name": "Nuget_Password", "value": "hidden"},
        {"name": "GIT_URL", "value": "https://me:$(AZP_TOKEN)@git"},
        {"name": "HTTP_PROXY", "value": "http://me:hidden@proxy:3128"},
        {"name": "HTTPS_PROXY", "value": "http://proxy:3128/a@b:c"},
        {"name": "POOL", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "b"}}},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "LONG", "value": "x".repeat(1024)},
        {"name": "FITS", "value": "x".repeat(1023)},
        {"name": "TERM", "value": "xterm"},
        {"name": "noise", "value": "1"},
        {"name": "NOISE", "value": "2"},
        {"name": "VSO_AGENT_IGNORE", "value": "HUSH, noise,,"},
        {"name": "HUSH", "value": "1"},
    ]));
    let capabilities = environment.capabilities();
    let names: Vec<&str> = capabilities.sorted().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["BIN", "EMPTY", "FITS", "HTTPS_PROXY", "JAVA_HOME", "NOISE"]);
    let value = |name: &str| capabilities.get(&name.into()).unwrap().to_string();
    assert_eq!(value("BIN"), "/opt/java/bin:$(JAVA_HOME):$(NOWHERE)");
    assert!(!format!("{environment:?}").contains("hidden"));
}

#[test]
fn references_are_resolved_as_keda_does() {
    let environment = environment(&json!([{"name": "A", "value": "a"}]));
    for (written, resolved) in [
        ("$(A)", "a"),
        ("$(A", "$(A"),
        ("$A$(A)", "$Aa"),
        ("$$", "$$"),
        ("a$$b$$", "a$b$$"),
        ("$$(A)", "$(A)"),
        ("$()", "$()"),
        ("ä$(A)ö", "äaö"),
    ] {
        assert_eq!(environment.resolved(written).as_deref(), Some(resolved), "{written}");
    }
}

#[test]
fn without_such_a_container_there_is_nothing() {
    let pod: PodSpec = serde_json::from_value(json!({"containers": [{"name": "agent"}]})).unwrap();
    assert!(Environment::of(&pod, Some("other")).is_none());
    assert!(Environment::of(&pod, Some("")).is_some());
    assert!(Environment::of(&PodSpec::default(), None).is_none());
}

#[test]
fn what_may_come_from_elsewhere_is_hidden() {
    let container =
        json!({"name": "agent", "envFrom": [{"secretRef": {"name": "a"}}], "env": [{"name": "A", "value": "$(B)"}]});
    let environment = Environment::of_container(&serde_json::from_value(container).unwrap(), false);
    assert_eq!(environment.get("B"), Variable::Hidden);
    assert_eq!(environment.get("A"), Variable::Hidden);
}
