//! One table of the configuration: hands out values by key, and knows at the end which keys nobody asked for.

use serde_json::{Map, Value};

use super::{Fault, values::Needed};
use crate::wording::{nearest, shown, shown_url};

/// A table under judgement. The keys it is asked for are those that exist; there is no second list of them.
pub(super) struct Section<'a> {
    path: String,
    entries: Map<String, Value>,
    asked: Vec<&'static str>,
    faults: &'a mut Vec<Fault>,
}

impl<'a> Section<'a> {
    pub(super) fn new(path: String, entries: Map<String, Value>, faults: &'a mut Vec<Fault>) -> Self {
        Self { path, entries, asked: Vec::new(), faults }
    }

    /// A key with its path.
    pub(super) fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Whether a key has a value.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.get(key).is_some_and(|value| !value.is_null())
    }

    /// The raw value of a key. One without a value is as good as left out.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Value> {
        self.asked.push(key);
        self.entries.remove(key).filter(|value| !value.is_null())
    }

    /// The value of a key; none where it is left out or wrong.
    pub(super) fn read<T>(&mut self, key: &'static str, convert: fn(&Value) -> Result<T, Needed>) -> Option<T> {
        let value = self.take(key)?;
        convert(&value).map_err(|needed| self.bad(key, &value, needed)).ok()
    }

    /// The value of a key that can't be left out.
    pub(super) fn need<T>(
        &mut self,
        key: &'static str,
        convert: fn(&Value) -> Result<T, Needed>,
        needed: &'static str,
    ) -> Option<T> {
        if !self.has(key) {
            self.asked.push(key);
            self.add(Fault::Missing { key: self.key(key), needed });
            return None;
        }
        self.read(key, convert)
    }

    /// Judges the table at a key, an empty one where it is left out.
    pub(super) fn section<T>(&mut self, key: &'static str, judge: impl FnOnce(&mut Section<'_>) -> T) -> T {
        let table = self.take(key).unwrap_or_else(|| Map::new().into());
        self.table(key, table, judge)
    }

    /// Judges a table. Where it is something else, that is the fault, and what an empty one lacks is not told.
    pub(super) fn table<T>(&mut self, key: &str, table: Value, judge: impl FnOnce(&mut Section<'_>) -> T) -> T {
        let key = self.key(key);
        let mut untold = Vec::new();
        let mut section = match table {
            Value::Object(entries) => Section::new(key, entries, self.faults),
            other => {
                let value = if other.is_string() { "text".to_owned() } else { told("", &other) };
                self.add(Fault::BadValue { key: key.clone(), value, needed: "a table" });
                Section::new(key, Map::new(), &mut untold)
            }
        };
        let judged = judge(&mut section);
        section.finish();
        judged
    }

    /// Lets the keys be that nobody has asked for: what they mean depends on something that is wrong itself.
    pub(super) fn pass_over_the_rest(&mut self) {
        self.entries.clear();
    }

    /// A value of the wrong kind.
    pub(super) fn bad(&mut self, key: &str, value: &Value, Needed(needed): Needed) {
        self.add(Fault::BadValue { key: self.key(key), value: told(key, value), needed });
    }

    /// Values that don't go together.
    pub(super) fn reject(&mut self, key: &str, value: impl Into<String>, rule: &'static str) {
        self.add(Fault::Rule { key: self.key(key), value: value.into(), rule });
    }

    pub(super) fn add(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Every key that is left is an unknown one.
    pub(super) fn finish(self) {
        for key in self.entries.keys() {
            let nearest = nearest(key, self.asked.iter().copied()).unwrap_or_default();
            let key = self.key(&shown(key));
            self.faults.push(Fault::UnknownKey { key, nearest });
        }
    }
}

/// A value as a fault tells it, but for what may hold a secret.
fn told(key: &str, value: &Value) -> String {
    match value {
        Value::String(text) if ["url", "proxy", "AZP_URL"].contains(&key) => format!("`{}`", shown_url(text)),
        Value::String(text) => format!("`{}`", shown(text)),
        Value::Array(items) if items.is_empty() => "an empty list".to_owned(),
        Value::Array(items) if key == "namespaces" && items.iter().all(Value::is_string) => {
            let items: Vec<String> =
                items.iter().filter_map(Value::as_str).map(|item| format!("\"{}\"", shown(item))).collect();
            format!("`[{}]`", items.join(", "))
        }
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a table".to_owned(),
        other => format!("`{other}`"),
    }
}
