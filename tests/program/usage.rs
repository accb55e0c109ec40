//! What the program says when it can't start, and of itself.

use std::{fs, net::TcpListener, process::Command};

use super::{program, stderr, stdout};

#[test]
fn help_names_the_commands_and_the_shortest_way_in() {
    let output = program(&["--help"]).output().unwrap();
    assert!(output.status.success());
    let help = stdout(&output);
    for word in ["serve", "demo", "simulate", "AZP_URL=", "Exit codes"] {
        assert!(help.contains(word), "{word} is missing:\n{help}");
    }
}

#[test]
fn help_of_serve_is_the_manual_of_the_configuration() {
    let help = stdout(&program(&["serve", "--help"]).output().unwrap());
    for word in
        ["[grpc]", "[[organizations]]", "fresh_for", "tolerated_age", "settle", "AZP_SCALER__", "RUST_LOG", "SIGTERM"]
    {
        assert!(help.contains(word), "{word} is missing:\n{help}");
    }
}

#[test]
fn the_version_is_the_packages_and_a_releases_names_its_commit() {
    let version = stdout(&program(&["--version"]).output().unwrap());
    let version = version.trim_end().strip_prefix(concat!("azp-scaler ", env!("CARGO_PKG_VERSION"))).unwrap();
    let commit = version.strip_prefix(" (").and_then(|rest| rest.strip_suffix(')'));
    assert!(version.is_empty() || commit.is_some_and(|commit| !commit.is_empty()), "{version}");
}

#[test]
fn completions_are_what_a_shell_reads() {
    let output = program(&["completions", "bash"]).output().unwrap();
    assert!(output.status.success());
    assert!(stdout(&output).contains("placeholder"), "{}", stdout(&output));
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(&file, &output.stdout).unwrap();
    assert!(Command::new("bash").arg("-n").arg(file.path()).status().unwrap().success());
}

#[test]
fn the_manual_has_a_page_for_each_command() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man1");
    assert!(program(&["man", pages.to_str().unwrap()]).status().unwrap().success());
    for (page, word) in
        [("azp-scaler", "Exit codes"), ("azp-scaler-serve", "fresh_for"), ("azp-scaler-agents-clean", "yes")]
    {
        let text = fs::read_to_string(pages.join(format!("{page}.1"))).unwrap();
        assert!(text.contains(word), "{page} says nothing of {word}:\n{text}");
    }

    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let output = program(&["man", file.to_str().unwrap()]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains(file.to_str().unwrap()), "{}", stderr(&output));
}

#[test]
fn wrong_usage_exits_with_2() {
    let output = program(&["demo", "--duration", "soon"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("`30s`"), "{}", stderr(&output));
}

#[test]
fn a_mistyped_level_does_not_silence_the_log() {
    let output = program(&["serve"])
        .env("AZP_URL", "https://127.0.0.1:1/contoso")
        .env("AZP_TOKEN", "hidden")
        .env("RUST_LOG", "loud")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("RUST_LOG: is `loud`"), "{}", stderr(&output));
}

#[test]
fn without_an_organisation_it_says_how_to_name_one() {
    let output = program(&["serve"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("AZP_URL"), "{}", stderr(&output));
}

#[test]
fn every_fault_of_the_configuration_is_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("azp-scaler.toml");
    fs::write(
        &file,
        r#"
        [grpc]
        lissten = "0.0.0.0:6000"
        [polling]
        fresh_for = "soon"
        [[organizations]]
        name = "contoso"
        url = "https://dev.azure.com/contoso"
        credential = { kind = "personal_access_token", file = "/nowhere/token" }
        "#,
    )
    .unwrap();
    let output = program(&["serve", "--config", file.to_str().unwrap()]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let faults = stderr(&output);
    for word in ["lissten", "`listen`", "polling.fresh_for", "`soon`", "/nowhere/token"] {
        assert!(faults.contains(word), "{word} is missing:\n{faults}");
    }
}

#[test]
fn a_port_that_is_taken_is_named_with_its_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = program(&["serve"])
        .env("AZP_URL", "https://127.0.0.1:1/contoso")
        .env("AZP_TOKEN", "secret-token-of-a-test")
        .env("AZP_SCALER__GRPC__LISTEN", &address)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains(&address) && said.contains("grpc.listen") && said.contains("another"), "{said}");
    assert!(!said.contains("secret-token-of-a-test"));
}
