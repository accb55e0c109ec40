//! `demo` from beginning to end.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read as _},
    process::{Command, Stdio},
};

use serde_json::Value;

use super::{program, stderr, stdout};

#[test]
fn it_drains_and_sums_up() {
    let output = program(&["demo", "--duration", "5s", "--output", "json"]).output().unwrap();
    let (summary, said) = (stdout(&output), stderr(&output));
    assert!(output.status.success(), "{said}\n{summary}");
    assert!(said.contains("status page: http://127.0.0.1:"), "{said}");
    let summary: Value = serde_json::from_str(&summary).unwrap();
    let number = |key: &str| summary[key].as_f64().unwrap_or_else(|| panic!("{key} in {summary}"));
    assert!(number("jobs_run") > 0.0, "{summary}");
    assert!(number("agents_started") <= number("jobs_on_started_agents") + number("surplus_agents"), "{summary}");
    assert_eq!(summary["failed_polls"], 0, "{summary}");
}

#[test]
fn whoever_ends_it_early_gets_a_summary_and_no_reproach_but_for_a_promise_not_kept() {
    // All at once: agents take their time to start.
    let for_ever: &[&str] = &["demo"];
    let for_a_while = &["demo", "--duration", "10m"];
    let demos = [("-INT", for_ever, 0), ("-TERM", for_ever, 0), ("-HUP", for_ever, 0), ("-INT", for_a_while, 1)];
    let demos = demos.map(|(signal, arguments, code)| {
        (signal, code, program(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    });
    for (signal, code, mut demo) in demos {
        let mut printed = BufReader::new(demo.stdout.take().unwrap());
        let started = loop {
            let mut line = String::new();
            assert!(printed.read_line(&mut line).unwrap() > 0, "{signal}: it ended by itself");
            let started = line.trim_end().rsplit_once("  started ");
            if let Some((_, started)) = started.filter(|(_, started)| *started != "0") {
                break started.parse::<u64>().unwrap();
            }
        };
        let killed = Command::new("kill").args([signal, &demo.id().to_string()]).status().unwrap();
        assert!(killed.success());
        let mut rest = String::new();
        printed.read_to_string(&mut rest).unwrap();
        let output = demo.wait_with_output().unwrap();
        let said = rest + &stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{signal}: {said}");
        assert!(started > 0 && said.contains("stopped before the rest had drained"), "{signal}: {said}");
        assert!(said.contains("agents started") && !said.contains("UNEXPLAINED"), "{signal}: {said}");
    }
}

#[test]
fn it_ends_quietly_when_nobody_reads_on() {
    let mut demo = program(&["demo"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(demo.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("status page: "), "{line}");
    let output = demo.wait_with_output().unwrap();
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
}

#[test]
fn it_says_why_it_can_not_print() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = program(&["demo"]).stdout(full).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.starts_with("can't print: ") && said.lines().count() == 1, "{said}");
}

#[test]
fn no_time_at_all_is_no_duration() {
    let output = program(&["demo", "--duration", "0s"]).output().unwrap();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("`0s`") || said.contains("'0s'"), "{said}");
    assert!(said.contains("expected a time above 0, such as `30s`"), "{said}");
}
