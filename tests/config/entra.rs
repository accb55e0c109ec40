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
        other @ Entra::Application { .. } => panic!("{other:?}"),
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
    assert_snapshot!(told.join("\n\n"), @r#"
    organizations[0].credential.kind: is `workload_identity`, but the environment has no `AZURE_FEDERATED_TOKEN_FILE`: label the pod `azure.workload.identity/use: "true"`, and annotate its ServiceAccount with `azure.workload.identity/client-id`

    organizations[0].credential.AZURE_TENANT_ID: is `a/../b`, but must be an id such as `00000000-0000-0000-0000-000000000000`, or a tenant's domain
    organizations[0].credential.AZURE_FEDERATED_TOKEN_FILE: can't read `/no/such/file`: No such file or directory (os error 2)
    organizations[0].credential.client_id: unknown key, did you mean `kind`?

    organizations[0].credential.tenant_id: is missing, write the tenant's id (Entra, Overview)
    organizations[0].credential.client_id: is missing, write the application's id (Entra, App registrations)
    organizations[0].credential.secret_file: is missing, name a file that holds the application's secret
    organizations[0].credential.client_secret: unknown key, did you mean `client_id`?

    organizations[0].credential.client_id: is ``, but must be an id such as `00000000-0000-0000-0000-000000000000`, or a tenant's domain
    organizations[0].credential.AZURE_POD_IDENTITY_AUTHORITY_HOST: is `ftp://x`, but must be a URL without a user, a password or a query, such as `http://169.254.169.254`

    organizations[0].credential.AZURE_AUTHORITY_HOST: is `http://login.example`, but must be an `https://` URL without a user, a password or a query, such as `https://login.microsoftonline.com`
    organizations[0].credential.secret_file: can't read `FOLDER/none`: No such file or directory (os error 2)
    "#);
}
