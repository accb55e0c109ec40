//! What the README shows is what the repository has, and what the scaler takes.

use std::{fs, path::Path};

use azp_scaler::{
    external_scaler::{BadMetadata, Came, Organization, Organizations, Request},
    protocol::ScaledObjectRef,
};

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[test]
fn the_scaled_job_of_the_readme_is_the_one_of_the_manifests() {
    let readme = read("README.md");
    let after = readme.split("<!-- manifests/scaledjob.yaml -->\n```yaml\n").nth(1).unwrap();
    assert_eq!(after.split("```").next().unwrap(), read("manifests/scaledjob.yaml"));
}

/// Reads a trigger's metadata with these keys and values.
fn take(metadata: impl IntoIterator<Item = (String, String)>) -> Result<Request, BadMetadata> {
    let scaler_metadata = metadata.into_iter().collect();
    let reference = ScaledObjectRef { name: "linux".into(), namespace: "agents".into(), scaler_metadata };
    let organization = Organization {
        name: "contoso".into(),
        url: "https://dev.azure.com/contoso".parse().unwrap(),
        namespaces: vec!["*".to_owned()],
    };
    Request::read(reference, Came::InTheClear, &Organizations::new(vec![organization]))
}

#[test]
fn the_scaler_takes_the_trigger_of_the_manifest() {
    let manifest = read("manifests/scaledjob.yaml");
    let trigger = manifest.split("- type: external\n      metadata:\n").nth(1).unwrap();
    let metadata = trigger.lines().take_while(|line| line.starts_with("        ")).map(str::trim);
    let entries = metadata.filter(|line| !line.starts_with('#')).map(|line| line.split_once(": ").unwrap());
    let request = take(entries.map(|(key, value)| (key.to_owned(), value.trim_matches('"').to_owned()))).unwrap();
    assert_eq!(request.trigger.max_replicas, 20);
    assert_eq!(request.trigger.capabilities.len(), 3);
}

#[test]
fn every_key_of_the_table_is_known() {
    let readme = read("README.md");
    let table = readme.split("### Metadata of the trigger").nth(1).unwrap().split("An unknown key").next().unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `")).map(|line| line.split('|').nth(1).unwrap());
    let keys: Vec<&str> = rows.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    assert!(keys.len() >= 15, "{keys:?}");
    let refusal = |key: &str| {
        let metadata = [("poolName".to_owned(), "linux".to_owned()), (key.to_owned(), String::new())];
        take(metadata).map_or_else(|fault| fault.to_string(), |_| String::new())
    };
    let unknown =
        |key: &str| matches!(refusal(key), message if message.contains("unknown key") && message.contains(key));
    assert!(unknown("poolNam"), "{}", refusal("poolNam"));
    for key in keys {
        assert!(!unknown(key), "{}", refusal(key));
    }
}
