//! `demo` from beginning to end.

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
