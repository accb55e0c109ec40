//! Which faults are spoken of.

use std::{
    io::{self, Write},
    sync::Arc,
};

use super::*;

fn reference(name: &str, entries: &[(&str, &str)]) -> ScaledObjectRef {
    ScaledObjectRef {
        name: name.to_owned(),
        namespace: "ci".to_owned(),
        scaler_metadata: entries.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect(),
    }
}

#[test]
fn a_fault_is_new_once_and_again_when_its_kind_changes() {
    let log = FaultLog::default();
    let mark = log.asker(Some(&reference("build", &[("poolName", "p")]))).mark;
    assert!(log.is_new(mark, "metadata"));
    assert!(!log.is_new(mark, "metadata"));
    assert!(log.is_new(mark, "stale"));
}

#[test]
fn an_answer_ends_a_fault() {
    let log = FaultLog::default();
    let asker = log.asker(Some(&reference("build", &[])));
    assert!(log.is_new(asker.mark, "stale"));
    log.note(&asker, &Ok(()));
    assert!(log.is_new(asker.mark, "stale"));
}

/// What the log says of a fault, as JSON.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn names_stand_in_the_log_as_they_are() {
    let page = Page::default();
    let writer = page.clone();
    let subscriber = tracing_subscriber::fmt().json().flatten_event(true).with_writer(move || writer.clone());
    tracing::subscriber::with_default(subscriber.finish(), || {
        let log = FaultLog::default();
        let asker = log.asker(Some(&reference("build", &[])));
        assert!(log.is_new(asker.mark, "stale"));
        log.note(&asker, &Ok(()));
    });
    let line: serde_json::Value = serde_json::from_slice(&page.0.lock().unwrap()).unwrap();
    assert_eq!((&line["namespace"], &line["scaled_job"]), (&"ci".into(), &"build".into()));
}

#[test]
fn triggers_of_one_object_are_told_apart_and_the_order_of_entries_is_not() {
    let log = FaultLog::default();
    let mark = |entries: &[(&str, &str)]| log.asker(Some(&reference("build", entries))).mark;
    assert_ne!(mark(&[("poolName", "a")]), mark(&[("poolName", "b")]));
    assert_eq!(mark(&[("poolName", "a"), ("parent", "x")]), mark(&[("parent", "x"), ("poolName", "a")]));
}

#[test]
fn what_is_remembered_is_bounded_and_holds_no_value() {
    let log = FaultLog::default();
    for mark in 0..10 * REMEMBERED as u64 {
        log.is_new(mark, "stale");
    }
    assert!(log.known().len() <= REMEMBERED);
    let asker = log.asker(Some(&reference("build", &[("personalAccessTokenFromEnv", "hidden")])));
    assert!(!format!("{asker:?}").contains("hidden"));
}
