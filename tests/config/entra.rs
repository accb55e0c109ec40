//! Credentials of Microsoft Entra: what the file and the environment of the pod say together.

use azp_scaler::azure_devops::{
    credential::Credential,
    entra::{Entra, Proof},
};
use insta::assert_snapshot;

use crate::{Folder, LEAST};

const POD: [(&str, &str); 2] = [("AZURE_TENANT_ID", "tenant-1"), ("AZURE_CLIENT_ID", "identity-1")];

fn with(credential: &str) -> String {
    LEAST.replace("{ kind = \"personal_access_token\", file = \"FOLDER/token\" }", credential)
}

fn read(credential: &str, environment: &[(&str, &str)]) -> Result<Entra, String> {
    let folder = Folder::new();
    let token = folder.0.path().join("token").display().to_string();
    let environment = [environment, &[("AZURE_FEDERATED_TOKEN_FILE", &token)]].concat();
    let settings = folder.load("azp-scaler.toml", &with(credential), &environment)?;
    match &settings.organizations[0].credential {
        Credential::Entra(entra) => Ok(entra.clone()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_workload_identity_is_what_the_environment_says() {
    let Entra::Application { authority, tenant_id, client_id, proof, file } =
        read(r#"{ kind = "workload_identity" }"#, &POD).unwrap()
    else {
        panic!("it is no machine's")
    };
    assert_eq!(authority.as_str(), "https://login.microsoftonline.com/");
    assert_eq!((&*tenant_id, &*client_id, proof), ("tenant-1", "identity-1", Proof::Assertion));
    assert!(file.ends_with("token"));
}

#[test]
fn a_client_secret_is_in_a_file_and_its_authority_may_be_another_clouds() {
    let written =
        r#"{ kind = "client_secret", tenant_id = "contoso.com", client_id = "app-1", secret_file = "FOLDER/token" }"#;
    let cloud = [("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.us")];
    let Entra::Application { authority, tenant_id, client_id, proof, .. } = read(written, &cloud).unwrap() else {
        panic!("it is no machine's")
    };
    assert_eq!(authority.as_str(), "https://login.microsoftonline.us/");
    assert_eq!((&*tenant_id, &*client_id, proof), ("contoso.com", "app-1", Proof::Secret));
}

#[test]
fn a_managed_identity_is_the_machines_or_one_of_several() {
    let read = |written: &str, environment: &[(&str, &str)]| match read(written, environment).unwrap() {
        Entra::ManagedIdentity { endpoint, client_id } => (endpoint.to_string(), client_id),
        other => panic!("{other:?}"),
    };
    let machine = "http://169.254.169.254/".to_owned();
    assert_eq!(read(r#"{ kind = "managed_identity" }"#, &[]), (machine, None));
    let elsewhere = [("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:40342")];
    assert_eq!(
        read(r#"{ kind = "managed_identity", client_id = "app-1" }"#, &elsewhere),
        ("http://127.0.0.1:40342/".to_owned(), Some("app-1".to_owned()))
    );
}

#[test]
fn each_fault_names_the_key_and_the_mend() {
    let faults = |written: &str, environment: &[(&str, &str)]| {
        Folder::new().load("azp-scaler.toml", &with(written), environment).unwrap_err()
    };
    let told = [
        faults(r#"{ kind = "workload_identity" }"#, &POD),
        faults(
            r#"{ kind = "workload_identity", client_id = "app-1" }"#,
            &[("AZURE_TENANT_ID", "a/../b"), ("AZURE_CLIENT_ID", "x"), ("AZURE_FEDERATED_TOKEN_FILE", "/no/such/file")],
        ),
        faults(r#"{ kind = "client_secret", client_secret = "hidden" }"#, &[]),
        faults(r#"{ kind = "managed_identity", client_id = "" }"#, &[("AZURE_POD_IDENTITY_AUTHORITY_HOST", "ftp://x")]),
        faults(
            r#"{ kind = "client_secret", tenant_id = "t", client_id = "c", secret_file = "FOLDER/none" }"#,
            &[("AZURE_AUTHORITY_HOST", "http://login.example")],
        ),
    ];
    assert_snapshot!(told.join("\n\n"), @"");
}
