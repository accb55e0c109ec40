//! Defaults, file, environment, and the short way in.

use std::time::Duration;

use azp_scaler::{
    azure_devops::credential::Credential,
    azure_devops::organization::ParallelJobs,
    config::{KubernetesSettings, LogFormat, Settings},
    parallel_jobs::Headroom,
};
use jiff::SignedDuration;
use secrecy::ExposeSecret as _;

use crate::{Folder, LEAST, pairs};

#[test]
fn what_is_left_out_is_as_the_contract_says() {
    let settings = Folder::new().load("azp-scaler.toml", LEAST, &[]).unwrap();
    assert_eq!(settings.grpc_listen, "0.0.0.0:6000".parse().unwrap());
    assert_eq!(settings.http_listen, "0.0.0.0:8080".parse().unwrap());
    assert_eq!(settings.hooks_secret, None);
    assert_eq!(settings.log_format, LogFormat::Json);
    let seconds = Duration::from_secs;
    assert_eq!(settings.freshness.fresh_for, seconds(1));
    assert_eq!(settings.freshness.answer_within, seconds(2));
    assert_eq!(settings.freshness.first_answer_within, seconds(4));
    assert_eq!(settings.freshness.tolerated_age, seconds(10));
    assert_eq!(settings.background, seconds(30));
    assert_eq!(settings.rules.settle, SignedDuration::from_secs(30));
    assert_eq!(settings.rules.idle_agent_grace, SignedDuration::from_secs(60));
    assert_eq!(settings.rules.start_timeout, SignedDuration::from_mins(5));
    assert_eq!(settings.headroom, Headroom::Quarter);
    assert_eq!(settings.kubernetes, KubernetesSettings::default());
    let [organization] = settings.organizations.as_slice() else { panic!("one") };
    assert_eq!(&*organization.name, "contoso");
    assert_eq!(organization.url.as_str(), "https://dev.azure.com/contoso");
    assert_eq!(organization.namespaces, ["*"]);
    assert!(matches!(&organization.credential, Credential::PersonalAccessTokenFile(file) if file.ends_with("token")));
    assert!(organization.certificate_authority.is_none() && organization.proxy.is_none());
    assert!(!organization.allow_plain_http);
    assert_eq!(organization.parallel_jobs, ParallelJobs::Auto);
}

/// Every setting, in TOML.
const TOML: &str = r#"
[grpc]
listen = "127.0.0.1:6001"
allow_tokens_without_tls = false
[http]
listen = "[::1]:8081"
hooks = { secret_file = "FOLDER/token" }
[log]
format = "text"
[polling]
fresh_for = "500ms"
answer_within = "4500ms"
tolerated_age = "1m30s"
background = "1h30m"
[decisions]
settle = "0s"
idle_agent_grace = "1s"
start_timeout = "1h"
parallel_job_headroom = 3
[kubernetes]
view = "auto"
leader_election = false
addresses = ["azp-scaler:6000", "azp-scaler.azp-scaler.svc:6000"]
[[organizations]]
name = "premises"
url = "http://azure.contoso.local:8080/tfs/Default Collection/"
credential = { kind = "personal_access_token", env = "TOKEN" }
namespaces = ["ci", "builds"]
parallel_jobs = "off"
certificate_authority = "FOLDER/token"
proxy = "http://proxy:3128"
allow_plain_http = true
"#;

/// The same, in YAML.
const YAML: &str = r#"
grpc: { listen: "127.0.0.1:6001", allow_tokens_without_tls: false }
http: { listen: "[::1]:8081", hooks: { secret_file: FOLDER/token } }
log: { format: text }
polling:
  fresh_for: 500ms
  answer_within: 4500ms
  tolerated_age: 1m30s
  background: 1h30m
decisions:
  settle: 0s
  idle_agent_grace: 1s
  start_timeout: 1h
  parallel_job_headroom: 3
kubernetes: { view: auto, leader_election: false, addresses: ["azp-scaler:6000", "azp-scaler.azp-scaler.svc:6000"] }
organizations:
- name: premises
  url: http://azure.contoso.local:8080/tfs/Default Collection/
  credential: { kind: personal_access_token, env: TOKEN }
  namespaces: [ci, builds]
  parallel_jobs: "off"
  certificate_authority: FOLDER/token
  proxy: http://proxy:3128
  allow_plain_http: true
"#;

#[test]
fn toml_and_yaml_say_the_same() {
    let folder = Folder::new();
    let environment = [("TOKEN", " hidden-token ")];
    let toml = folder.load("a.toml", TOML, &environment).unwrap();
    let yaml = folder.load("b.yaml", YAML, &environment).unwrap();
    assert_eq!(format!("{toml:?}"), format!("{yaml:?}"));

    assert_eq!(toml.grpc_listen, "127.0.0.1:6001".parse().unwrap());
    assert_eq!(toml.http_listen, "[::1]:8081".parse().unwrap());
    assert!(toml.hooks_secret.as_ref().is_some_and(|file| file.ends_with("token")));
    assert_eq!(toml.log_format, LogFormat::Text);
    assert_eq!(toml.freshness.fresh_for, Duration::from_millis(500));
    assert_eq!(toml.freshness.answer_within, Duration::from_millis(4500));
    assert_eq!(toml.freshness.first_answer_within, Duration::from_millis(4500), "the first is never the faster one");
    assert_eq!(toml.freshness.tolerated_age, Duration::from_secs(90));
    assert_eq!(toml.background, Duration::from_mins(90));
    assert_eq!(toml.rules.settle, SignedDuration::ZERO);
    assert_eq!(toml.rules.idle_agent_grace, SignedDuration::from_secs(1));
    assert_eq!(toml.rules.start_timeout, SignedDuration::from_hours(1));
    assert_eq!(toml.headroom, Headroom::Jobs(3));
    assert!(!toml.kubernetes.view, "not in a cluster");
    assert_eq!(toml.kubernetes.addresses, ["azp-scaler:6000", "azp-scaler.azp-scaler.svc:6000"]);
    let organization = &toml.organizations[0];
    assert_eq!(organization.url.as_str(), "http://azure.contoso.local:8080/tfs/Default%20Collection/");
    assert_eq!(organization.namespaces, ["ci", "builds"]);
    assert_eq!(organization.parallel_jobs, ParallelJobs::Off);
    assert!(
        matches!(&organization.credential, Credential::PersonalAccessTokenVariable { token, .. } if token.expose_secret() == "hidden-token")
    );
    assert!(organization.certificate_authority.is_some() && organization.allow_plain_http);
    assert_eq!(organization.proxy.as_ref().unwrap().as_str(), "http://proxy:3128/");
    assert!(!format!("{toml:?}").contains("hidden-token"));
}

#[test]
fn parallel_jobs_may_be_a_number() {
    for (written, means) in [
        ("0", ParallelJobs::Limit(0)),
        ("2147483647", ParallelJobs::Limit(2_147_483_647)),
        ("\"auto\"", ParallelJobs::Auto),
    ] {
        let settings = Folder::new().load("a.toml", &format!("{LEAST}parallel_jobs = {written}\n"), &[]).unwrap();
        assert_eq!(settings.organizations[0].parallel_jobs, means);
    }
}

#[cfg(feature = "kubernetes")]
#[test]
fn the_cluster_is_watched_where_there_is_one() {
    let watched = |written: &str, environment: &[(&str, &str)]| {
        let text = format!("[kubernetes]\n{written}\n{LEAST}");
        Folder::new().load("a.toml", &text, environment).unwrap().kubernetes.view
    };
    let in_cluster = [("KUBERNETES_SERVICE_HOST", "10.0.0.1")];
    for (written, outside, inside) in [
        ("", false, true),
        ("view = \"auto\"", false, true),
        ("view = \"on\"", true, true),
        ("view = \"off\"", false, false),
    ] {
        assert_eq!((watched(written, &[]), watched(written, &in_cluster)), (outside, inside), "{written}");
    }
    let yaml = |written: &str| {
        let text = format!("kubernetes: {{ view: {written} }}");
        let environment = [("AZP_URL", "https://dev.azure.com/contoso"), ("AZP_TOKEN", "hidden-token"), in_cluster[0]];
        Folder::new().load("a.yaml", &text, &environment).unwrap().kubernetes.view
    };
    assert!(yaml("on") && yaml("auto") && !yaml("off"), "without quotation marks, too");
    assert!(!watched("view = \"on\"", &[("AZP_SCALER__KUBERNETES__VIEW", "off")]));
}

#[test]
fn the_environment_wins() {
    let text = format!("{LEAST}\n[polling]\nfresh_for = \"3s\"\ntolerated_age = \"20s\"\n");
    let environment = [
        ("AZP_SCALER__POLLING__FRESH_FOR", "5s"),
        ("AZP_SCALER__LOG__FORMAT", "text"),
        ("AZP_SCALER__DECISIONS__PARALLEL_JOB_HEADROOM", "2"),
        ("AZP_SCALER_PORT", "tcp://10.0.0.1:6000"),
        ("AZP_SCALER_SERVICE_HOST", "10.0.0.1"),
        ("HOME", "/root"),
    ];
    let settings = Folder::new().load("azp-scaler.toml", &text, &environment).unwrap();
    assert_eq!(settings.freshness.fresh_for, Duration::from_secs(5));
    assert_eq!(settings.freshness.tolerated_age, Duration::from_secs(20), "what it doesn't say stays");
    assert_eq!(settings.log_format, LogFormat::Text);
    assert_eq!(settings.headroom, Headroom::Jobs(2));
}

#[test]
fn the_short_way_needs_no_file() {
    for (url, name) in [
        ("https://dev.azure.com/contoso", "contoso"),
        ("https://dev.azure.com/contoso/", "contoso"),
        ("https://fabrikam.visualstudio.com", "fabrikam"),
        ("https://fabrikam.visualstudio.com/DefaultCollection", "fabrikam"),
        ("https://azure.contoso.local/tfs/Builds", "Builds"),
        ("http://127.0.0.1:8000/demo", "demo"),
    ] {
        let settings = Settings::load(None, pairs(&[("AZP_URL", url), ("AZP_TOKEN", "hidden-token")])).unwrap();
        let [organization] = settings.organizations.as_slice() else { panic!("one") };
        assert_eq!(&*organization.name, name, "{url}");
        assert!(
            matches!(&organization.credential, Credential::PersonalAccessTokenVariable { token, .. } if token.expose_secret() == "hidden-token")
        );
        assert!(!format!("{settings:?}").contains("hidden-token"));
    }
}

#[test]
fn the_short_way_takes_a_token_file_and_a_file_without_organizations() {
    let folder = Folder::new();
    let token = folder.file("other", "hidden-token");
    let environment = [("AZP_URL", "https://dev.azure.com/contoso"), ("AZP_TOKEN_FILE", token.to_str().unwrap())];
    let settings = folder.load("azp-scaler.yml", "log: { format: text }", &environment).unwrap();
    assert_eq!(settings.log_format, LogFormat::Text);
    assert!(
        matches!(&settings.organizations[0].credential, Credential::PersonalAccessTokenFile(file) if *file == token)
    );
}
