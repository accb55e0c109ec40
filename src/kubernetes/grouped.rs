//! Objects by key, each in the group of what it belongs to.

use std::collections::{BTreeSet, HashMap};

use super::index::Key;

/// Objects of one kind and their owners.
#[derive(Debug)]
pub(super) struct Grouped<T> {
    objects: HashMap<Key, (Key, T)>,
    members: HashMap<Key, BTreeSet<Key>>,
}

impl<T> Default for Grouped<T> {
    fn default() -> Self {
        Self { objects: HashMap::new(), members: HashMap::new() }
    }
}

impl<T: PartialEq> Grouped<T> {
    pub(super) fn len(&self) -> usize {
        self.objects.len()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.objects.keys()
    }

    /// Puts an object in, in place of what had its key. The owners that see a change.
    pub(super) fn insert(&mut self, key: Key, owner: Key, object: T) -> Vec<Key> {
        if self.objects.get(&key).is_some_and(|(had, old)| *had == owner && *old == object) {
            return Vec::new();
        }
        let before = self.remove(&key).filter(|before| *before != owner);
        self.members.entry(owner.clone()).or_default().insert(key.clone());
        self.objects.insert(key, (owner.clone(), object));
        before.into_iter().chain([owner]).collect()
    }

    /// Takes an object out. Its owner, if it was there.
    pub(super) fn remove(&mut self, key: &Key) -> Option<Key> {
        let (owner, _) = self.objects.remove(key)?;
        if let Some(members) = self.members.get_mut(&owner) {
            members.remove(key);
            if members.is_empty() {
                self.members.remove(&owner);
            }
        }
        Some(owner)
    }

    /// What an object belongs to.
    pub(super) fn owner(&self, key: &Key) -> Option<&Key> {
        self.objects.get(key).map(|(owner, _)| owner)
    }

    /// The objects that belong to an owner, by key.
    pub(super) fn of<'a>(&'a self, owner: &Key) -> impl Iterator<Item = (&'a Key, &'a T)> {
        let members = self.members.get(owner).into_iter().flatten();
        members.filter_map(|key| self.objects.get(key).map(|(_, object)| (key, object)))
    }
}
