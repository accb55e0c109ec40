//! What an agent offers: names with values, and whether they meet a job's demands.
//!
//! ```text
//! [DemandSet] --is met by--> [CapabilitySet] <--registered by-- agent
//!                                            <--declared by--- trigger
//! ```
//!
//! Pure. Knows [`demand`](crate::demand) and [`caseless`](crate::caseless).

use std::str::FromStr;

use crate::{
    caseless::Caseless,
    demand::{Demand, DemandSet},
};

/// Capabilities of one agent, or of the agents that one trigger starts. A name stands once; of two values the later wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CapabilitySet {
    /// Ordered by name as [`Caseless`] orders, that is by hash: look-ups compare numbers, not text.
    entries: Vec<(Caseless, Caseless)>,
}

/// The text of a trigger's `capabilities` can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCapabilities {
    /// A value without a name.
    #[error("`{0}` has no name before its `=`: write `name` or `name=value`")]
    NoName(String),
    /// No demand can ask for it.
    #[error("`{0}` has a blank in its name, which no demand can ask for: separate capabilities by commas or new lines")]
    BlankInName(String),
    /// Stands twice, with two values.
    #[error("`{name}` stands twice, as `{first}` and as `{second}`: keep the one that the agents offer")]
    Twice {
        /// The capability.
        name: String,
        /// The value that stands first.
        first: String,
        /// The value that stands later.
        second: String,
    },
}

impl CapabilitySet {
    /// Collects names and values; of two values for one name the later wins.
    pub fn new<N: AsRef<str>, V: AsRef<str>>(entries: impl IntoIterator<Item = (N, V)>) -> Self {
        let caseless = |(name, value): (N, V)| (Caseless::new(name.as_ref()), Caseless::new(value.as_ref()));
        Self::of(entries.into_iter().map(caseless).collect())
    }

    fn of(mut entries: Vec<(Caseless, Caseless)>) -> Self {
        // The sort is stable, so the last of a run of equal names is the one that came last.
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        entries.reverse();
        entries.dedup_by(|(later, _), (kept, _)| later == kept);
        entries.reverse();
        Self { entries }
    }

    /// The value of a capability, empty where it has none.
    #[must_use]
    pub fn get(&self, name: &Caseless) -> Option<&Caseless> {
        let at = self.entries.binary_search_by(|(have, _)| have.cmp(name)).ok()?;
        Some(&self.entries[at].1)
    }

    /// How many capabilities there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Names and values, in the order of the names as people sort them.
    #[must_use]
    pub fn sorted(&self) -> Vec<(&str, &str)> {
        let mut entries: Vec<_> = self.entries.iter().collect();
        entries.sort_by(|(one, _), (other, _)| one.cmp_by_text(other));
        entries.into_iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    /// These capabilities and those of `base`; where both name one, these win.
    #[must_use]
    pub fn over(&self, base: &Self) -> Self {
        Self::of(base.entries.iter().chain(&self.entries).cloned().collect())
    }

    /// These capabilities without some.
    #[must_use]
    pub fn without(&self, names: &[&str]) -> Self {
        let names: Vec<Caseless> = names.iter().map(|name| Caseless::new(name)).collect();
        Self { entries: self.entries.iter().filter(|(name, _)| !names.contains(name)).cloned().collect() }
    }

    /// Names that both sets have with different values.
    pub fn collisions<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a str> {
        let differs = |(name, value): &&(Caseless, Caseless)| other.get(name).is_some_and(|theirs| theirs != value);
        self.entries.iter().filter(differs).map(|(name, _)| name.as_str())
    }

    /// Whether an agent that registered with these meets one demand.
    #[must_use]
    pub fn meets(&self, demand: &Demand) -> bool {
        self.get(&demand.name).is_some_and(|value| demand.is_met_by(value.as_str()))
    }

    /// Whether an agent that registered with these can run the job: it meets all demands, and all are understood.
    #[must_use]
    pub fn satisfies(&self, demands: &DemandSet) -> bool {
        demands.not_understood().is_empty() && demands.demands().iter().all(|demand| self.meets(demand))
    }
}

impl FromStr for CapabilitySet {
    type Err = BadCapabilities;

    /// Reads the text of a trigger: `docker, java=17`, separated by commas or new lines.
    fn from_str(text: &str) -> Result<Self, BadCapabilities> {
        let mut entries: Vec<(Caseless, Caseless)> = Vec::new();
        for item in text.split([',', '\n']).map(str::trim).filter(|item| !item.is_empty()) {
            let (name, value) = item.split_once('=').unwrap_or((item, ""));
            let (name, value) = (name.trim(), value.trim());
            if name.is_empty() {
                return Err(BadCapabilities::NoName(item.to_owned()));
            }
            if name.contains(char::is_whitespace) {
                return Err(BadCapabilities::BlankInName(item.to_owned()));
            }
            let (name, value) = (Caseless::new(name), Caseless::new(value));
            match entries.iter().find(|(have, _)| *have == name) {
                Some((_, first)) if first.as_str() != value.as_str() => {
                    return Err(BadCapabilities::Twice {
                        name: name.to_string(),
                        first: first.to_string(),
                        second: value.to_string(),
                    });
                }
                Some(_) => {}
                None => entries.push((name, value)),
            }
        }
        Ok(Self::of(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn satisfies(capabilities: &str, demands: &[&str]) -> bool {
        capabilities.parse::<CapabilitySet>().unwrap().satisfies(&DemandSet::parse(demands))
    }

    #[test]
    fn all_demands_must_be_met_and_extra_capabilities_never_hurt() {
        assert!(satisfies("docker, JAVA=17\nmaven", &["java -equals 17", "DOCKER"]));
        assert!(!satisfies("docker", &["docker", "java"]));
        assert!(satisfies("docker", &[]));
        assert!(!satisfies("docker", &[" docker"]), "what is not understood is not met");
    }

    #[test]
    fn the_later_value_wins() {
        let set = CapabilitySet::new([("Java", "11"), ("docker", ""), ("JAVA", "17")]);
        assert_eq!(set.sorted(), [("docker", ""), ("JAVA", "17")]);
        let under = CapabilitySet::new([("java", "8"), ("gpu", "a100")]);
        assert_eq!(set.over(&under).sorted(), [("docker", ""), ("gpu", "a100"), ("JAVA", "17")]);
        assert_eq!(set.collisions(&under).collect::<Vec<_>>(), ["JAVA"]);
        assert_eq!(set.without(&["java"]).sorted(), [("docker", "")]);
    }

    #[test]
    fn faults_name_the_item() {
        let fault = |text: &str| text.parse::<CapabilitySet>().unwrap_err().to_string();
        assert!(fault("docker, =17").contains("`=17`"));
        assert!(fault("docker java").contains("`docker java`"));
        assert!(fault("java=11, Java=17").contains("`Java` stands twice, as `11` and as `17`"));
        assert_eq!("java, JAVA".parse::<CapabilitySet>().unwrap().len(), 1);
    }
}
