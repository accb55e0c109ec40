//! What settings are refused.

use super::*;

fn organization(url: &str) -> Organization {
    Organization {
        name: "contoso".into(),
        url: url.to_owned(),
        credential: Credential::PersonalAccessTokenVariable { name: "T".into(), token: "tell-nobody".into() },
        allow_plain_http: false,
        certificate_authority: None,
        proxy: None,
        parallel_jobs: ParallelJobs::Auto,
    }
}

fn fault(url: &str) -> String {
    organization(url).base().unwrap_err().to_string()
}

#[test]
fn addresses_of_all_kinds_are_taken() {
    let base = |url: &str| organization(url).base().unwrap().to_string();
    assert_eq!(base("https://dev.azure.com/contoso"), "https://dev.azure.com/contoso");
    assert_eq!(base(" https://contoso.visualstudio.com "), "https://contoso.visualstudio.com/");
    assert_eq!(base("https://tfs:8443/tfs/Default Collection/"), "https://tfs:8443/tfs/Default%20Collection/");
    for url in ["http://localhost:1/x", "http://127.0.0.9/x", "http://[::1]/x"] {
        assert_eq!(base(url), url);
    }
}

#[test]
fn faults_name_the_mend() {
    assert!(fault("contoso").contains("write it like"));
    assert!(fault("ftp://contoso").contains("begins with `ftp:`"));
    assert!(fault("https://dev.azure.com/contoso?x=1").contains("end it with"));
    for url in ["http://tfs/x", "http://10.0.0.1/x", "http://localhost.example/x"] {
        assert!(fault(url).contains("use https"), "{url}");
    }
    let allowed = Organization { allow_plain_http: true, ..organization("http://tfs/x") };
    assert!(allowed.base().is_ok());
}

#[test]
fn passwords_in_addresses_are_not_repeated() {
    let fault = fault("https://me:tell-nobody@dev.azure.com/contoso");
    assert!(fault.contains("user name or password") && !fault.contains("tell-nobody"), "{fault}");
    let behind = Organization { proxy: Some("http://me:tell-nobody@ [".into()), ..organization("https://x/y") };
    let fault = behind.http_client(&behind.base().unwrap()).unwrap_err();
    assert!(fault.to_string().contains("`proxy`"), "{fault}");
    assert!(!format!("{fault:?} {behind:?}").contains("tell-nobody"));
}

#[test]
fn authorities_must_be_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.pem");
    let organization = Organization { certificate_authority: Some(path.clone()), ..organization("https://tfs/x") };
    let fault = || organization.http_client(&organization.base().unwrap()).unwrap_err().to_string();
    assert!(fault().contains("can't be read"));
    std::fs::write(path, "-----").unwrap();
    assert!(fault().contains("holds no certificate"));
}
