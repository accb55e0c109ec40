//! Holds the direction of the modules: what a file may import, and what the pure core must not touch.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// The pure core, in order: a module knows only those before it.
const PURE: [&str; 19] = [
    "wording",
    "caseless",
    "version",
    "demand",
    "capability",
    "job_request",
    "parallel_jobs",
    "agent",
    "snapshot",
    "builtin",
    "trigger",
    "placeholder",
    "cleaning",
    "cluster_view",
    "decision",
    "scaling",
    "assignment",
    "pool",
    "explain",
];

/// Where edges meet: these know the core and each other.
const MEETING: [&str; 6] = ["protocol", "metrics", "pools", "cluster_watch", "job_waits", "newcomers"];

/// The edges: these know the core and where they meet, and never each other.
const EDGES: [&str; 5] = ["azure_devops", "external_scaler", "kubernetes", "web", "simulator"];

/// What stands above the edges, in order: each knows all below it.
const ABOVE: [&str; 4] = ["config", "telemetry", "app", "cli"];

/// For tests of the tests only: faults to be found. It reads the environment, so it is not pure, and it knows nobody; any
/// module may ask it, the core included, by the macro `planted!`, which is `false` without the feature.
const PLANTED: &str = "planted";

/// The agent's entrypoint, a program of its own: what it may know of the library. Nothing there knows it, since it can't be
/// imported; what this program calls `crate` is its own.
const AZP_AGENT: &str = "azp_agent";
const KNOWN_TO_AZP_AGENT: [&str; 8] =
    ["app", "azure_devops", "caseless", "config", "metrics", "pools", "telemetry", "wording"];

/// What the pure core must not name: async, I/O, clocks, wire formats.
const IMPURE: [&str; 14] = [
    "async ",
    ".await",
    "tokio",
    "reqwest",
    "tonic",
    "axum",
    "serde",
    "prometheus",
    "tracing",
    "std::fs",
    "std::net",
    "std::env",
    "Timestamp::now",
    "std::time",
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect();
    found.sort();
    found
}

/// Each file of `src` with the top-level module it belongs to and its code without comments and tests.
fn rooms() -> Vec<(String, String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    sources(&root)
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            let module = name.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            let code: Vec<&str> = code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
            (name, module, code.join("\n"))
        })
        .collect()
}

/// Top-level modules of this crate that a piece of code imports or names, with what follows the name.
fn imports(code: &str, library: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices(library) {
        let rest = &code[at + library.len()..];
        if let Some(group) = rest.strip_prefix('{') {
            found.extend(group_members(group));
        } else {
            found.push(name_and_rest(rest));
        }
    }
    found
}

/// The members of `{a, b::{c, d}, e}`, the opening brace already taken off, at the first depth only.
fn group_members(group: &str) -> Vec<(String, String)> {
    let (mut depth, mut start, mut members) = (0, 0, Vec::new());
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                members.push(name_and_rest(group[start..at].trim()));
                start = at + 1;
                if character == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    members.retain(|(name, _)| !name.is_empty());
    members
}

fn name_and_rest(path: &str) -> (String, String) {
    let end = path.find(|character: char| !character.is_alphanumeric() && character != '_').unwrap_or(path.len());
    let rest: String = path[end..].chars().take_while(|character| !matches!(character, ';' | '\n')).collect();
    (path[..end].to_owned(), rest)
}

/// Why a module may not import another, if it may not.
fn objection(module: &str, imported: &str, rest: &str) -> Option<String> {
    let place = |list: &[&str], name: &str| list.iter().position(|member| *member == name);
    if module == imported || imported == PLANTED || matches!(module, "lib" | "main") {
        return None;
    }
    if module == AZP_AGENT {
        let known = KNOWN_TO_AZP_AGENT.contains(&imported);
        return (!known).then(|| format!("`{module}` must not know `{imported}`"));
    }
    let allowed = match (place(&PURE, module), place(&ABOVE, module)) {
        _ if module == PLANTED => false,
        (Some(own), _) => place(&PURE, imported).is_some_and(|other| other < own),
        (_, Some(own)) => place(&ABOVE, imported).is_none_or(|other| other < own),
        _ if MEETING.contains(&module) => PURE.contains(&imported) || MEETING.contains(&imported),
        _ if EDGES.contains(&module) => {
            let wire_of_the_simulator = module == "simulator" && imported == "azure_devops";
            let wire_of_the_simulator =
                wire_of_the_simulator && (rest.starts_with("::wire") || rest.starts_with("::decode"));
            PURE.contains(&imported) || MEETING.contains(&imported) || wire_of_the_simulator
        }
        _ => {
            return Some(format!(
                "`{module}` has no place in the order: give it one in this test and in docs/architecture.md"
            ));
        }
    };
    (!allowed).then(|| format!("`{module}` must not know `{imported}`"))
}

#[test]
fn imports_run_in_one_direction() {
    let mut objections = BTreeMap::new();
    for (file, module, code) in rooms() {
        let library = if module == AZP_AGENT { "azp_scaler::" } else { "crate::" };
        for (imported, rest) in imports(&code, library) {
            if let Some(objection) = objection(&module, &imported, &rest) {
                objections.insert(file.clone(), objection);
            }
        }
    }
    assert!(objections.is_empty(), "{objections:#?}");
}

#[test]
fn the_core_has_no_async_no_io_no_clock_and_no_wire_formats() {
    for (file, module, code) in rooms() {
        if PURE.contains(&module.as_str()) {
            for word in IMPURE {
                assert!(!code.contains(word), "src/{file} names `{}`, and the core is pure", word.trim());
            }
        }
    }
}

#[test]
fn planted_faults_are_off_by_default_and_each_has_its_place() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let default = manifest.lines().find(|line| line.starts_with("default = "));
    assert_eq!(
        default,
        Some(r#"default = ["kubernetes"]"#),
        "a default feature must not bring `planted-faults` into a release"
    );
    let rooms = rooms();
    let code = |wanted: fn(&str) -> bool| -> String {
        rooms.iter().filter(|(_, module, _)| wanted(module)).map(|(_, _, code)| code.as_str()).collect()
    };
    let (list, sites) = (code(|module| module == PLANTED), code(|module| module != PLANTED));
    let faults = list.split_once("faults! {").unwrap().1.split_once("\n}").unwrap().0;
    let names: Vec<&str> = faults.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.len() > 36, "{names:?}");
    for name in names {
        assert!(
            sites.contains(&format!("planted!({name})")),
            "`{name}` is listed in src/planted/faults.rs and planted nowhere"
        );
    }
}

#[test]
fn rooms_are_small() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut lengths: Vec<(usize, PathBuf)> =
        sources(&root).into_iter().map(|path| (fs::read_to_string(&path).unwrap().lines().count(), path)).collect();
    lengths.sort();
    let (longest, path) = lengths.last().unwrap();
    assert!(*longest <= 500, "{} has {longest} lines: find the second idea in it and give that a room", path.display());
    let median = lengths[lengths.len() / 2].0;
    assert!(median < 150, "the median file has {median} lines");
}

#[test]
fn this_test_sees_what_it_is_for() {
    let seen = imports(
        "use crate::{\n    agent::{Agent, Name},\n    web,\n};\nlet x = crate::metrics::Metrics::new();",
        "crate::",
    );
    let names: Vec<&str> = seen.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["agent", "web", "metrics"]);
    assert!(objection("demand", "capability", "").is_some(), "capabilities know demands, not the other way round");
    assert!(objection("web", "azure_devops", "").is_some(), "edges never know each other");
    assert!(objection("simulator", "azure_devops", "::wire::Agent").is_none());
    assert!(objection("simulator", "azure_devops", "::decode").is_none(), "a virtual run reads as the client does");
    assert!(objection("simulator", "azure_devops", "::client").is_some());
    assert!(objection("pool", "pools", "").is_some(), "the core knows nobody outside");
    assert!(objection("nowhere", "agent", "").is_some());
    assert!(objection("demand", "planted", "").is_none(), "any place may have a fault");
    assert!(objection("planted", "demand", "").is_some());
    assert!(objection("azp_agent", "azure_devops", "").is_none());
    assert!(objection("azp_agent", "kubernetes", "").is_some());
}
