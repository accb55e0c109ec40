//! What is known of the cluster's objects, and the view of it: plain objects in, a [`ClusterView`] out.
//!
//! ```text
//! [Pod] --job-name--> [Job] --scaledjob.keda.sh/name--> [ScaledJob] --triggers--> ours?
//! ```
//!
//! Only ScaledJobs that a change touches are looked at again. No client, no clock, no tasks.

mod build;
mod object;

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

pub(super) use object::SCALED_JOB_LABEL;
pub use object::{Key, Object};

use super::{Kind, grouped::Grouped, job, pod, scaled};
use crate::{cluster_view::ClusterView, trigger::ScaledJobId};

/// How many ScaledJobs are known to have been asked about: whoever can reach the scaler can make names up.
const MOST_ASKED: usize = 4096;

/// All objects that are watched, as far as they are seen.
#[derive(Debug, Default)]
pub struct Index {
    addresses: BTreeSet<String>,
    asked: BTreeSet<Key>,
    scaled_jobs: BTreeMap<Key, scaled::Record>,
    scaled_objects: BTreeMap<Key, scaled::Record>,
    jobs: Grouped<job::Record>,
    pods: Grouped<pod::Record>,
    touched: BTreeSet<Key>,
    view: Arc<ClusterView>,
}

impl Index {
    /// An empty one. Triggers whose `scalerAddress` is one of these are ours.
    #[must_use]
    pub fn new(addresses: impl IntoIterator<Item = String>) -> Self {
        Self { addresses: addresses.into_iter().collect(), ..Self::default() }
    }

    /// An object is there, or has changed.
    pub fn apply(&mut self, object: Object) {
        match object {
            Object::ScaledJob(key, record) => {
                if self.scaled_jobs.get(&key) != Some(&record) {
                    self.scaled_jobs.insert(key.clone(), record);
                    self.touched.insert(key);
                }
            }
            Object::ScaledObject(key, record) => {
                if self.scaled_objects.get(&key) != Some(&record) {
                    self.scaled_objects.insert(key.clone(), record);
                    self.touched.insert(key);
                }
            }
            Object::Job { key, owner, record } => self.touched.extend(self.jobs.insert(key, owner, record)),
            Object::Pod { key, job, record } => {
                let jobs = self.pods.insert(key, job, record);
                self.touch_owners(&jobs);
            }
        }
    }

    /// An object is gone.
    pub fn delete(&mut self, kind: Kind, key: &Key) {
        match kind {
            Kind::ScaledJob if self.scaled_jobs.remove(key).is_some() => _ = self.touched.insert(key.clone()),
            Kind::ScaledObject if self.scaled_objects.remove(key).is_some() => _ = self.touched.insert(key.clone()),
            Kind::ScaledJob | Kind::ScaledObject => {}
            Kind::Job => self.touched.extend(self.jobs.remove(key)),
            Kind::Pod => {
                let job: Vec<Key> = self.pods.remove(key).into_iter().collect();
                self.touch_owners(&job);
            }
        }
    }

    /// These are all objects of a kind.
    pub fn replace_all(&mut self, kind: Kind, objects: Vec<Object>) {
        let there: HashSet<Key> = objects.iter().map(|object| object.key().clone()).collect();
        let known: Box<dyn Iterator<Item = &Key>> = match kind {
            Kind::ScaledJob => Box::new(self.scaled_jobs.keys()),
            Kind::ScaledObject => Box::new(self.scaled_objects.keys()),
            Kind::Job => Box::new(self.jobs.keys()),
            Kind::Pod => Box::new(self.pods.keys()),
        };
        let gone: Vec<Key> = known.filter(|key| !there.contains(*key)).cloned().collect();
        for key in gone {
            self.delete(kind, &key);
        }
        for object in objects.into_iter().filter(|object| object.kind() == kind) {
            self.apply(object);
        }
    }

    /// KEDA has asked about it: it is ours.
    pub fn asked(&mut self, id: &ScaledJobId) {
        let key = Key::from(id);
        if self.asked.contains(&key) {
            return;
        }
        if self.asked.len() >= MOST_ASKED {
            let (jobs, objects) = (&self.scaled_jobs, &self.scaled_objects);
            self.asked.retain(|key| jobs.contains_key(key) || objects.contains_key(key));
        }
        if self.asked.len() < MOST_ASKED {
            self.asked.insert(key.clone());
            self.touched.insert(key);
        }
    }

    /// How many objects of a kind are known.
    #[must_use]
    pub fn count(&self, kind: Kind) -> usize {
        match kind {
            Kind::ScaledJob => self.scaled_jobs.len(),
            Kind::ScaledObject => self.scaled_objects.len(),
            Kind::Job => self.jobs.len(),
            Kind::Pod => self.pods.len(),
        }
    }

    /// Whether something has happened since the last [`view`](Self::view).
    #[must_use]
    pub fn is_touched(&self) -> bool {
        !self.touched.is_empty()
    }

    /// The view as it is now: the same one in memory where nothing of ours has changed.
    pub fn view(&mut self) -> Arc<ClusterView> {
        for key in std::mem::take(&mut self.touched) {
            let built = self.build(&key);
            let id = ScaledJobId::from(&key);
            if self.view.scaled_jobs.get(&id).map(AsRef::as_ref) == built.as_ref() {
                continue;
            }
            // The map is copied once where somebody holds the last view; the ScaledJobs in it are shared.
            let scaled_jobs = &mut Arc::make_mut(&mut self.view).scaled_jobs;
            match built {
                Some(built) => _ = scaled_jobs.insert(id, Arc::new(built)),
                None => _ = scaled_jobs.remove(&id),
            }
        }
        Arc::clone(&self.view)
    }

    fn touch_owners(&mut self, jobs: &[Key]) {
        self.touched.extend(jobs.iter().filter_map(|job| self.jobs.owner(job).cloned()));
    }
}

#[cfg(test)]
mod tests;
