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
mod tests;
