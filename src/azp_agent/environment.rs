//! The environment: what this program is given, and what it hands on to the agent.
//!
//! The agent's processes get no variable with a credential, and Azure is not told of variables that are no capability.

use std::{env, ffi::OsString, process::Command};

/// Variables with a credential, or with the way to one.
const CREDENTIALS: [&str; 4] = ["AZP_TOKEN", "AZP_TOKEN_FILE", "AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE"];
/// What the names begin with that say where and how the agent signs in.
const OWN: [&str; 5] = ["AZP_", "AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_AUTHORITY_HOST", "VSTS_HTTP_PROXY"];
const PROXIES: [&str; 4] = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"];
/// What `config.sh` is told, begins like this; nobody else is to be told it.
pub(crate) const INPUT: &str = "VSTS_AGENT_INPUT_";
/// The variable with the names that the agent does not offer as capabilities.
const IGNORE: &str = "VSO_AGENT_IGNORE";

/// Gives a command what the agent may have of this process's environment.
pub(crate) fn hand_on(command: &mut Command) {
    let names: Vec<String> = env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect();
    for name in names.iter().filter(|name| is_secret(name)) {
        command.env_remove(name);
    }
    command.env(IGNORE, ignored(&names, env::var_os(IGNORE)));
}

fn is_secret(name: &str) -> bool {
    CREDENTIALS.contains(&name) || name.starts_with(INPUT)
}

/// The names that are no capabilities: those that the image says, this program's own, those of the proxy and its password, and
/// what Kubernetes tells each container of the services around it.
fn ignored(names: &[String], said: Option<OsString>) -> String {
    let said = said.and_then(|said| said.into_string().ok()).unwrap_or_default();
    let is_ours = |name: &str| OWN.iter().any(|own| name.starts_with(own)) || is_proxy(name) || is_kubernetes(name);
    let others = names.iter().map(String::as_str).filter(|name| is_ours(name));
    let all = said.split(',').map(str::trim).chain(others).chain([IGNORE]);
    let mut list: Vec<&str> = all.filter(|name| !name.is_empty()).collect();
    list.sort_unstable();
    list.dedup();
    list.join(",")
}

/// `HTTPS_PROXY` and its like, in both cases.
fn is_proxy(name: &str) -> bool {
    PROXIES.iter().any(|proxy| name.eq_ignore_ascii_case(proxy))
}

/// `NAME_SERVICE_HOST`, `NAME_SERVICE_PORT…`, `NAME_PORT`, `NAME_PORT_80_TCP…`.
pub(crate) fn is_kubernetes(name: &str) -> bool {
    let protocol = |rest: &str| {
        let (port, rest) = rest.split_once('_').unwrap_or((rest, ""));
        !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) && !rest.is_empty()
    };
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT")
        || name.split_once("_PORT_").is_some_and(|(_, rest)| protocol(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_capability_is_ignored() {
        let names = [
            "AZP_URL",
            "JAVA_HOME",
            "KUBERNETES_SERVICE_HOST",
            "WEB_PORT_80_TCP_ADDR",
            "WEB_PORT",
            "PORT_OF_CALL",
            "https_proxy",
            "VSTS_HTTP_PROXY_PASSWORD",
            "PROXY",
        ];
        let said = Some(OsString::from("LICENSE, JAVA_HOME"));
        assert_eq!(
            ignored(&names.map(str::to_owned), said),
            "AZP_URL,JAVA_HOME,KUBERNETES_SERVICE_HOST,LICENSE,VSO_AGENT_IGNORE,VSTS_HTTP_PROXY_PASSWORD,WEB_PORT,\
             WEB_PORT_80_TCP_ADDR,https_proxy"
        );
    }

    #[test]
    fn credentials_are_not_handed_on() {
        for name in ["AZP_TOKEN", "AZP_TOKEN_FILE", "AZURE_FEDERATED_TOKEN_FILE", "VSTS_AGENT_INPUT_TOKEN"] {
            assert!(is_secret(name), "{name}");
        }
        assert!(!is_secret("AZURE_CLIENT_ID"), "no secret, and a job may need it");
    }
}
