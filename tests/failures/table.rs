//! The table of `docs/failures.md`, row by row.

use std::{fmt::Write as _, path::Path};

use azp_scaler::{azure_devops::organization::Organization, simulator::live::Shape};
use serde_json::json;
use tonic::Status;

use crate::{
    certificates::{Shown, Terminator},
    contoso::organization,
    course::{Course, observe},
    world::{Azure, Scaler},
};

const HEAD: &str = "\
| failure | outcome in the metric | the last value is told for | then KEDA is told | asked again after |
|---|---|---|---|---|
";

/// The table, and below it what KEDA is told.
#[derive(Default)]
struct Page {
    rows: String,
    messages: String,
}

impl Page {
    fn add(&mut self, name: &str, course: &Course, address: &str) {
        let Course { outcome, error, bridged, pauses } = course;
        let told = |status: &Status| format!("{:?}", status.code());
        let pauses: Vec<String> = pauses.iter().map(u64::to_string).collect();
        let (bridged, then, pauses) = match error {
            Some(status) => (format!("{bridged} s"), told(status), format!("{} s", pauses.join(", "))),
            None => ("all the time".to_owned(), "its value".to_owned(), "as ever".to_owned()),
        };
        writeln!(self.rows, "| `{name}` | {outcome} | {bridged} | {then} | {pauses} |").unwrap();
        self.say(name, error.as_ref(), address);
    }

    fn say(&mut self, name: &str, error: Option<&Status>, address: &str) {
        if let Some(status) = error {
            let message = status.message().replace(address, "https://dev.azure.com/contoso");
            let (message, seconds) = counted(&message);
            assert!(seconds.is_none_or(|seconds| seconds <= 20), "{message}");
            assert!(message.contains("of organization `contoso`"), "where? {message}");
            assert!(message.contains("; "), "the mend? {message}");
            writeln!(self.messages, "- `{name}`: {message}").unwrap();
        }
    }
}

/// A message without the seconds that it counts down.
fn counted(message: &str) -> (String, Option<u64>) {
    let Some((before, (count, after))) =
        message.split_once("patience for another ").and_then(|(before, rest)| Some((before, rest.split_once(' ')?)))
    else {
        return (message.to_owned(), None);
    };
    (format!("{before}patience for another … {after}"), count.parse().ok())
}

/// The word of a shape in the control API.
fn name(shape: Shape) -> String {
    json!(shape).as_str().unwrap().to_owned()
}

async fn shape(shape: Shape, page: &mut Page) {
    let azure = Azure::start().await;
    let scaler = Scaler::start(&organization(&azure.url()));
    let fault = match shape {
        // The control API is gone, too.
        Shape::ConnectionRefused => json!({"shape": shape, "for_ms": 45_500}),
        _ => json!({"shape": shape}),
    };
    let may_hang = matches!(shape, Shape::HalfOpen | Shape::SlowHeaders | Shape::SlowBody);
    let mends = async || {
        if shape != Shape::ConnectionRefused {
            azure.fails(&json!({})).await;
        }
    };
    let course = observe(&scaler, may_hang, async || azure.fails(&fault).await, mends).await;
    page.add(&name(shape), &course, &azure.url());
}

async fn certificate(shown: Shown, called: &str, page: &mut Page) {
    let azure = Azure::start().await;
    let terminator = Terminator::start(azure.port()).await;
    let url = format!("https://127.0.0.1:{}/contoso", terminator.port);
    let mut organization = organization(&url);
    organization.certificate_authority = Some(terminator.authority());
    let scaler = Scaler::start(&organization);
    let course = observe(&scaler, false, async || terminator.show(shown), async || terminator.show(Shown::Good)).await;
    page.add(called, &course, &url);
}

/// A name that can't be a host's, so that nobody is asked for it.
async fn not_resolved(page: &mut Page) {
    let url = format!("http://{}.invalid/contoso", "x".repeat(64));
    let scaler = Scaler::start(&Organization { allow_plain_http: true, ..organization(&url) });
    let status = scaler.value().await.unwrap_err();
    assert_eq!(scaler.ended("unreachable"), 1);
    writeln!(page.rows, "| name not resolved | unreachable | | {:?} | 10 s |", status.code()).unwrap();
    page.say("name not resolved", Some(&status), &url);
    for second in 1..=10 {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        scaler.value().await.unwrap_err();
        assert_eq!(scaler.ended("unreachable"), 1 + second / 10, "a look-up is repeated after 10 s");
    }
}

#[tokio::test(start_paused = true)]
async fn each_failure_is_as_the_docs_say() {
    let mut page = Page::default();
    for one in Shape::ALL {
        shape(one, &mut page).await;
    }
    certificate(Shown::OfAnotherAuthority, "certificate of another authority", &mut page).await;
    certificate(Shown::Expired, "certificate expired", &mut page).await;
    certificate(Shown::OfAnotherName, "certificate of another name", &mut page).await;
    not_resolved(&mut page).await;

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/failures.md");
    let docs = std::fs::read_to_string(&path).unwrap();
    let found = format!("{HEAD}{}\n## What KEDA is told\n\n{}", page.rows, page.messages);
    let written = docs.split_once(HEAD).map(|(_, rest)| format!("{HEAD}{rest}"));
    assert!(written.as_deref() == Some(&found), "{} should end in:\n\n{found}", path.display());
}
