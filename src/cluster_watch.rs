//! Where the cluster's view is handed on: whether there is one, and which ScaledJobs KEDA has asked about.
//!
//! ```text
//! kubernetes (watches) ──[View]──▶ external_scaler, pools, web
//!                      ◀─[Asked]── external_scaler
//! ```
//!
//! It is there whether or not the program can watch a cluster: without one the view is [`View::Off`], and nobody reads
//! what was asked. Knows the core.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;
use tokio::sync::{Notify, watch};

use crate::{cluster_view::ClusterView, trigger::ScaledJobId};

/// What is known of the cluster, now.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum View {
    /// Nobody watches the cluster, nor will.
    #[default]
    Off,
    /// It has not been seen whole yet.
    Starting,
    /// As it stands.
    Current(Arc<ClusterView>),
    /// It was seen, or should have been, and isn't any more: what was known is not to be relied on.
    Lost {
        /// Since when.
        since: Timestamp,
        /// Why, with the mend; no secret is in it.
        reason: Arc<str>,
    },
}

impl View {
    /// The view to be relied on, if there is one.
    #[must_use]
    pub fn current(&self) -> Option<&Arc<ClusterView>> {
        match self {
            Self::Current(view) => Some(view),
            Self::Off | Self::Starting | Self::Lost { .. } => None,
        }
    }
}

/// A view that is off for good.
#[must_use]
pub fn off() -> watch::Receiver<View> {
    watch::channel(View::Off).1
}

/// How many are remembered: more ScaledJobs than one scaler serves. Whoever can reach the scaler can make names up.
const MOST: usize = 4096;

/// The ScaledJobs and ScaledObjects that KEDA has asked about: those are ours, whatever address they ask at.
#[derive(Debug, Default)]
pub struct Asked {
    told: Mutex<Told>,
    is_new: Notify,
}

#[derive(Debug, Default)]
struct Told {
    known: HashSet<ScaledJobId>,
    new: Vec<ScaledJobId>,
}

impl Asked {
    /// Notes that KEDA has asked about it. It costs next to nothing to say so again.
    pub fn asked(&self, id: &ScaledJobId) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.known.contains(id) || told.new.len() >= MOST {
            return;
        }
        // Whoever is forgotten here is told again when KEDA asks next.
        if told.known.len() >= MOST {
            told.known.clear();
        }
        told.known.insert(id.clone());
        told.new.push(id.clone());
        drop(told);
        self.is_new.notify_one();
    }

    /// Waits for some that were not known, and takes them. One reader only.
    pub async fn next(&self) -> Vec<ScaledJobId> {
        loop {
            let new = std::mem::take(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner).new);
            if !new.is_empty() {
                return new;
            }
            self.is_new.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> ScaledJobId {
        ScaledJobId { name: name.into(), namespace: "ci".into() }
    }

    #[tokio::test]
    async fn each_is_told_once() {
        let asked = Asked::default();
        for name in ["build", "test", "build"] {
            asked.asked(&id(name));
        }
        assert_eq!(asked.next().await, [id("build"), id("test")]);
        asked.asked(&id("test"));
        asked.asked(&id("deploy"));
        assert_eq!(asked.next().await, [id("deploy")]);
    }

    #[tokio::test]
    async fn made_up_names_fill_no_memory_and_keep_nobody_out() {
        let asked = Asked::default();
        for number in 0..3 * MOST {
            asked.asked(&id(&number.to_string()));
        }
        assert_eq!(asked.next().await.len(), MOST);
        asked.asked(&id("build"));
        assert_eq!(asked.next().await, [id("build")]);
    }

    #[test]
    fn only_a_current_view_is_relied_on() {
        let view = Arc::new(ClusterView::default());
        assert_eq!(View::Current(Arc::clone(&view)).current(), Some(&view));
        for other in
            [View::Off, View::Starting, View::Lost { since: Timestamp::UNIX_EPOCH, reason: "it is gone".into() }]
        {
            assert_eq!(other.current(), None);
        }
    }
}
