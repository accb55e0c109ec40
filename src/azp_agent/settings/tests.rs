//! What is taken, and what is refused in which words.

use azp_scaler::azure_devops::credential::Credential;

use super::{super::help, *};

fn read(mode: Mode, variables: &[(&str, &str)]) -> Result<Settings, String> {
    let variables = [("AZP_AGENT_DIRECTORY", "/"), ("AZP_AGENT_REGISTRATION_DIRECTORY", "/")]
        .into_iter()
        .chain(variables.iter().copied());
    let environment = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Settings::read(mode, environment).map_err(|faults| faults.join("\n"))
}

#[test]
fn every_setting_is_in_the_help() {
    for name in KNOWN {
        assert!(help::AFTER_HELP.contains(name), "{name} is missing");
    }
}

#[test]
fn the_usual_names_are_enough() {
    let given = [("AZP_URL", "https://dev.azure.com/contoso"), ("AZP_TOKEN", " hidden\n"), ("AZP_POOL", "linux")];
    let settings = read(Mode::Register, &given).unwrap();
    let organization = settings.organization.unwrap();
    assert_eq!((&*organization.name, &*settings.pool, &*settings.work), ("contoso", "linux", "_work"));
    assert!(!settings.name.is_empty(), "the host's name");
    assert!(read(Mode::Run, &[]).unwrap().organization.is_none(), "a sidecar signs in");
}

#[test]
fn every_fault_is_told_with_its_mend_and_without_secrets() {
    let given = [
        ("AZP_TOKEN", "hidden"),
        ("AZP_TOKEN_FILE", "/token"),
        ("AZP_AGENT_NAM", "x"),
        ("AZP_AGENT_IDLE_TIMEOUT", "soon"),
        ("AZP_AGENT_DIRECTORY", "/nowhere"),
    ];
    let faults = read(Mode::Register, &given).unwrap_err();
    for part in ["keep one of them", "`AZP_AGENT_NAME`", "`soon`", "`/nowhere`"] {
        assert!(faults.contains(part), "{part} is missing:\n{faults}");
    }
    assert!(!faults.contains("hidden"), "{faults}");
    let faults = read(Mode::Register, &[]).unwrap_err();
    assert!(faults.contains("AZP_TOKEN_FILE: is missing"), "{faults}");
    let faults = read(Mode::Run, &[("AZP_TOKEN", "hidden"), ("AZP_AGENT_ALLOW_PLAIN_HTTP", "yes")]).unwrap_err();
    assert!(faults.contains("AZP_URL: is missing"), "{faults}");
}

#[test]
fn identities_of_entra_come_from_the_environment() {
    let url = ("AZP_URL", "https://dev.azure.com/contoso");
    let credential = |variables: &[(&str, &str)]| {
        let settings = read(Mode::Register, &[&[url], variables].concat())?;
        Ok::<_, String>(settings.organization.unwrap().credential)
    };
    assert!(matches!(credential(&[("AZP_AGENT_CREDENTIAL", "managed_identity")]), Ok(Credential::Entra(_))));
    let fault = credential(&[("AZP_AGENT_CREDENTIAL", "workload_identity")]).unwrap_err();
    assert!(fault.contains("AZURE_FEDERATED_TOKEN_FILE"), "{fault}");
    let fault = credential(&[("AZP_AGENT_CREDENTIAL", "magic")]).unwrap_err();
    assert!(fault.contains("`magic`") && fault.contains("`workload_identity`"), "{fault}");
}

#[test]
fn switches_of_the_agent_and_services_of_the_cluster_are_no_slips() {
    let given =
        [("AZP_AGENT_DOWNGRADE_DISABLED", "true"), ("AZP_AGENT_PORT", "tcp://10.0.0.1:80"), ("AZP_AGENT_IMAGE", "x")];
    assert!(read(Mode::Run, &given).is_ok());
}
