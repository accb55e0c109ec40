//! Who asks, and what each was last refused for: a fault that stays is spoken of once and not at every poll.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Mutex, PoisonError},
};

use super::Fault;
use crate::protocol::ScaledObjectRef;

/// Faults that are remembered. Past that all are forgotten, and those that stay are spoken of once more.
const REMEMBERED: usize = 1_024;

/// A trigger before its metadata is read.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    name: String,
    namespace: String,
    /// Tells the triggers of one object apart; says nothing of the metadata it is made from.
    mark: u64,
}

/// What each trigger was last refused for.
#[derive(Debug, Default)]
pub(super) struct FaultLog {
    hasher: RandomState,
    last: Mutex<HashMap<u64, &'static str>>,
}

impl FaultLog {
    /// Who asks by a reference.
    pub(super) fn asker(&self, reference: Option<&ScaledObjectRef>) -> Asker {
        let Some(ScaledObjectRef { name, namespace, scaler_metadata }) = reference else {
            return Asker { name: String::new(), namespace: String::new(), mark: 0 };
        };
        // The order in which a map lists its entries must not count.
        let entries = scaler_metadata.iter().fold(0, |sum: u64, entry| sum.wrapping_add(self.hasher.hash_one(entry)));
        let mark = self.hasher.hash_one((name, namespace, entries));
        Asker { name: name.clone(), namespace: namespace.clone(), mark }
    }

    /// Writes a fault to the log where it is a new one for this trigger, and the end of one.
    pub(super) fn note<T>(&self, asker: &Asker, outcome: &Result<T, Fault>) {
        let Asker { name, namespace, mark } = asker;
        match outcome {
            Ok(_) => {
                if self.known().remove(mark).is_some() {
                    tracing::info!(namespace = &**namespace, scaled_job = &**name, "the trigger is answered again");
                }
            }
            Err(fault) if self.is_new(*mark, fault.kind()) => {
                tracing::warn!(
                    namespace = &**namespace,
                    scaled_job = &**name,
                    kind = fault.kind(),
                    "{}",
                    fault.message()
                );
            }
            Err(_) => {}
        }
    }

    fn is_new(&self, mark: u64, kind: &'static str) -> bool {
        let mut last = self.known();
        if last.len() >= REMEMBERED && !last.contains_key(&mark) {
            last.clear();
        }
        last.insert(mark, kind) != Some(kind)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<u64, &'static str>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
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
}
