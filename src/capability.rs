//! What an agent offers: names with values, and whether they meet a job's demands.
//!
//! ```text
//! [DemandSet] --is met by--> [CapabilitySet] <--registered by-- agent
//!                                            <--declared by--- trigger
//! ```
//!
//! Pure. Knows [`demand`](crate::demand), [`caseless`](crate::caseless) and [`wording`](crate::wording).

use std::{fmt, str::FromStr};

use crate::{
    caseless::Caseless,
    demand::{Condition, Demand, DemandSet},
    version::Version,
    wording::{has_password, names_a_secret},
};

/// Capabilities of one agent, or of the agents that one trigger starts. A name stands once; of two values the later wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CapabilitySet {
    /// Ordered by name as [`Caseless`] orders, that is by hash.
    entries: Vec<(Caseless, Value)>,
}

/// A capability's value, empty where it has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    text: Caseless,
    /// The version that the text is, if it is one: read once, compared at every decision.
    version: Option<Version>,
}

impl Value {
    fn new(text: Caseless) -> Self {
        Self { version: Version::parse(text.as_str()), text }
    }

    /// The value as text.
    #[must_use]
    pub fn text(&self) -> &Caseless {
        &self.text
    }

    /// Whether it is the very same text in memory, which is quick to know; equal ones need not be.
    #[must_use]
    pub fn is_shared_with(&self, other: &Self) -> bool {
        self.text.is_shared_with(&other.text)
    }

    /// The value as a version.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        self.version
    }

    /// Whether it is what a demand wants.
    #[must_use]
    pub fn meets(&self, condition: &Condition) -> bool {
        match condition {
            Condition::Exists | Condition::AtLeast(None) => true,
            Condition::Equals(wanted) => self.text == *wanted,
            Condition::AtLeast(Some(wanted)) => self.version.is_some_and(|have| have.is_at_least(*wanted)),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
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
    pub fn new<N: Into<Caseless>, V: Into<Caseless>>(entries: impl IntoIterator<Item = (N, V)>) -> Self {
        Self::of(entries.into_iter().map(|(name, value)| (name.into(), Value::new(value.into()))).collect())
    }

    fn of(mut entries: Vec<(Caseless, Value)>) -> Self {
        // The sort is stable, so the last of a run of equal names is the one that came last.
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        entries.reverse();
        entries.dedup_by(|(earlier, _), (kept, _)| earlier == kept);
        entries.reverse();
        Self { entries }
    }

    fn entry(&self, name: &Caseless) -> Option<&(Caseless, Value)> {
        let at = self.entries.binary_search_by(|(have, _)| have.cmp(name)).ok()?;
        Some(&self.entries[at])
    }

    /// The value of a capability.
    #[must_use]
    pub fn get(&self, name: &Caseless) -> Option<&Value> {
        self.entry(name).map(|(_, value)| value)
    }

    /// The capability's name as it is written here.
    #[must_use]
    pub fn name(&self, name: &Caseless) -> Option<&Caseless> {
        self.entry(name).map(|(name, _)| name)
    }

    /// The values of many capabilities at once, with the names' places; `names` are in the order of [`Caseless`].
    pub fn get_all<'a>(&'a self, names: &'a [&Caseless]) -> impl Iterator<Item = (usize, Option<&'a Value>)> {
        let mut entries = self.entries.iter().peekable();
        names.iter().enumerate().map(move |(place, name)| {
            while entries.next_if(|(have, _)| have < name).is_some() {}
            (place, entries.next_if(|(have, _)| have == *name).map(|(_, value)| value))
        })
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
        let mut entries: Vec<&(Caseless, Value)> = self.entries.iter().collect();
        entries.sort_by(|(one, _), (other, _)| one.cmp_by_text(other));
        entries.into_iter().map(|(name, value)| (name.as_str(), value.text.as_str())).collect()
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

    /// These capabilities without what may be a secret: agents register with every variable that they are not told to leave out.
    /// The names stay, and a demand that one exists is met.
    #[must_use]
    pub fn without_secrets(&self) -> Self {
        let shown = |(name, value): &(Caseless, Value)| {
            let is_secret = names_a_secret(name.as_str()) || has_password(value.text.as_str());
            (name.clone(), if is_secret { Value::new("".into()) } else { value.clone() })
        };
        Self { entries: self.entries.iter().map(shown).collect() }
    }

    /// What is true of one agent and would be of no other.
    pub const OF_ONE_AGENT_ONLY: [&str; 2] = ["Agent.Name", "Agent.ComputerName"];

    /// What two agents have in common: names that both have, with their value where it is the same.
    #[must_use]
    pub fn in_common_with(&self, other: &Self) -> Self {
        let common = self.entries.iter().filter_map(|(name, value)| {
            let theirs = other.get(name)?;
            let same = value.text == theirs.text || planted!(ValuesLearnedFromTheFirst);
            Some((name.clone(), if same { value.clone() } else { Value::new("".into()) }))
        });
        Self { entries: common.collect() }
    }

    /// Names that both sets have with different values.
    pub fn collisions<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a str> {
        let differs =
            |(name, value): &&(Caseless, Value)| other.get(name).is_some_and(|theirs| theirs.text != value.text);
        self.entries.iter().filter(differs).map(|(name, _)| name.as_str())
    }

    /// Whether an agent that registered with these meets one demand.
    #[must_use]
    pub fn meets(&self, demand: &Demand) -> bool {
        self.get(&demand.name).is_some_and(|value| value.meets(&demand.condition))
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
        let mut entries: Vec<(Caseless, Value)> = Vec::new();
        for item in text.split([',', '\n']).map(str::trim).filter(|item| !item.is_empty()) {
            let (name, value) = item.split_once('=').unwrap_or((item, ""));
            let (name, value) = (name.trim(), value.trim());
            if name.is_empty() {
                return Err(BadCapabilities::NoName(item.to_owned()));
            }
            if name.contains(char::is_whitespace) {
                return Err(BadCapabilities::BlankInName(item.to_owned()));
            }
            let (name, value) = (Caseless::new(name), Value::new(value.into()));
            match entries.iter().find(|(have, _)| *have == name) {
                Some((_, first)) if first.text.as_str() != value.text.as_str() => {
                    let (first, second) = (first.to_string(), value.to_string());
                    return Err(BadCapabilities::Twice { name: name.to_string(), first, second });
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

    /// Reads like the table in Azure's rules: a demand, then values that meet it, then values that do not.
    #[track_caller]
    fn check(demand: &str, meets: &[&str], fails: &[&str]) {
        let demand: Demand = demand.parse().unwrap();
        for value in meets {
            assert!(Value::new((*value).into()).meets(&demand.condition), "{demand} should be met by {value:?}");
        }
        for value in fails {
            assert!(!Value::new((*value).into()).meets(&demand.condition), "{demand} should not be met by {value:?}");
        }
    }

    #[test]
    fn exists_is_met_by_any_value() {
        check("docker", &["", "/usr/bin/docker"], &[]);
    }

    #[test]
    fn equals_compares_the_whole_value_without_case() {
        check("java -equals 17", &["17"], &["17.0", " 17", ""]);
        check("foo -equals bar baz", &["Bar BAZ"], &["bar"]);
        check("tier -equals  Gold ", &["gold "], &["gold"]);
        check("agent.name -equals 'x'", &["'X'"], &["x"]);
        check("stadt -equals Köln", &["KÖLN"], &["KOELN"]);
    }

    #[test]
    fn at_least_reads_versions_as_dotnet_does() {
        check("node -gtVersion 18.2", &["18.2", "18.2.0", "18.10-rc.1"], &["18.1.9", "18", "soon"]);
        check("node -gtVersion 18.2.0", &["18.2.0"], &["18.2"]);
        check("node -gtVersion 18", &["anything", ""], &[]);
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
