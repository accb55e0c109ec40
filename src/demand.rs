//! What a job asks of an agent, as Azure Pipelines reads it.
//!
//! A demand is one string: `NAME`, `NAME -equals VALUE` or `NAME -gtVersion VERSION`. Names and values compare without
//! regard to case, opcodes with. A string of any other shape is *not a demand*: Azure ignores it, and we can't know what
//! its author meant, so the job that carries it is never placed and its reader is told why.
//!
//! Pure. Knows [`version`](crate::version) and [`caseless`](crate::caseless); capabilities know demands, not the other
//! way round.

use std::{
    fmt,
    hash::{Hash, Hasher},
    str::FromStr,
};

use crate::{
    caseless::{Caseless, same},
    version::Version,
};

/// The capability that every agent has and that most jobs put a minimum on.
pub const AGENT_VERSION: &str = "Agent.Version";

/// One demand of a job.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Demand {
    /// The capability asked for.
    pub name: Caseless,
    /// What its value must be.
    pub condition: Condition,
}

/// What the capability's value must be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Condition {
    /// There at all, even with an empty value.
    Exists,
    /// The whole value, without regard to case, blanks included.
    Equals(Caseless),
    /// At least this version, despite the opcode's name. `None` where the demand's own version can't be read: Azure then
    /// accepts any value.
    AtLeast(Option<Version>),
}

/// The string has none of the three shapes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[error("`{0}` is not a demand: expected `NAME`, `NAME -equals VALUE` or `NAME -gtVersion VERSION`")]
pub struct NotADemand(pub String);

impl FromStr for Demand {
    type Err = NotADemand;

    fn from_str(text: &str) -> Result<Self, NotADemand> {
        let refuse = || NotADemand(text.to_owned());
        let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        if name.is_empty() {
            return Err(refuse());
        }
        let condition = if name.len() == text.len() {
            Condition::Exists
        } else {
            let (opcode, value) = rest.trim_start().split_once(char::is_whitespace).ok_or_else(refuse)?;
            let value = value.trim_start();
            match opcode {
                _ if value.is_empty() => return Err(refuse()),
                "-equals" if planted!(ValuesNotCompared) => Condition::Exists,
                "-equals" => Condition::Equals(value.into()),
                "-gtVersion" if planted!(VersionsNotCompared) => Condition::AtLeast(None),
                "-gtVersion" => Condition::AtLeast(Version::parse(value)),
                _ => return Err(refuse()),
            }
        };
        Ok(Self { name: name.into(), condition })
    }
}

impl Demand {
    /// Whether this is on the agent's own version.
    #[must_use]
    pub fn is_on_agent_version(&self) -> bool {
        same(self.name.as_str(), AGENT_VERSION)
    }
}

impl fmt::Display for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.condition {
            Condition::Exists => write!(f, "{}", self.name),
            Condition::Equals(value) => write!(f, "{} = {value}", self.name),
            Condition::AtLeast(Some(version)) => write!(f, "{} ≥ {version}", self.name),
            Condition::AtLeast(None) => write!(f, "{} of any version", self.name),
        }
    }
}

/// All that one job asks for. Azure repeats demands and has no order for them: two lists with the same demands are equal,
/// however they are [written](Self::written).
#[derive(Clone, Debug, Default)]
pub struct DemandSet {
    demands: Vec<Demand>,
    not_understood: Vec<NotADemand>,
    on_agent_version: bool,
    written: Box<[Box<str>]>,
}

impl PartialEq for DemandSet {
    fn eq(&self, other: &Self) -> bool {
        self.demands == other.demands && self.not_understood == other.not_understood
    }
}

impl Eq for DemandSet {}

impl Hash for DemandSet {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.demands.hash(state);
        self.not_understood.hash(state);
    }
}

impl DemandSet {
    /// Reads the demands of one job.
    pub fn parse<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Self {
        let written: Box<[Box<str>]> = texts.into_iter().map(|text| text.as_ref().into()).collect();
        let mut set = Self::default();
        for text in &written {
            match text.parse() {
                Ok(demand) => set.demands.push(demand),
                Err(_) if planted!(BadDemandsDropped) => {}
                Err(fault) => set.not_understood.push(fault),
            }
        }
        set.written = written;
        set.demands.sort_unstable();
        set.demands.dedup();
        set.not_understood.sort_unstable();
        set.not_understood.dedup();
        set.on_agent_version = set.demands.iter().any(Demand::is_on_agent_version);
        set
    }

    /// The demands, each once.
    #[must_use]
    pub fn demands(&self) -> &[Demand] {
        &self.demands
    }

    /// The strings that are not demands: a job with any of these is never placed.
    #[must_use]
    pub fn not_understood(&self) -> &[NotADemand] {
        &self.not_understood
    }

    /// The texts as Azure wrote them, in its order, repeated ones too: what KEDA's built-in scaler compares.
    #[must_use]
    pub fn written(&self) -> &[Box<str>] {
        &self.written
    }

    /// Whether one of the demands is on `Agent.Version`.
    #[must_use]
    pub fn is_on_agent_version(&self) -> bool {
        self.on_agent_version
    }

    /// Whether the job asks for nothing, or only for a version of the agent.
    #[must_use]
    pub fn is_without_demands(&self) -> bool {
        self.not_understood.is_empty() && self.demands.iter().all(Demand::is_on_agent_version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_shapes_are_not_demands() {
        for text in ["", " docker", "docker ", "a -equals", "a -equals ", "a -Equals b", "a -exists b", "a b"] {
            assert_eq!(text.parse::<Demand>(), Err(NotADemand(text.to_owned())));
        }
    }

    #[test]
    fn the_shapes_are_read_as_the_sdk_reads_them() {
        let read = |text: &str| text.parse::<Demand>().unwrap().condition;
        assert_eq!(read("docker"), Condition::Exists);
        assert_eq!(read("foo -equals bar baz"), Condition::Equals("bar baz".into()));
        assert_eq!(read("foo  -equals  bar "), Condition::Equals("bar ".into()));
        assert_eq!(read("Agent.Version -gtVersion 2.163.1"), Condition::AtLeast(Version::parse("2.163.1")));
        assert_eq!(read("node -gtVersion soon"), Condition::AtLeast(None));
    }

    #[test]
    fn order_and_repetition_do_not_matter() {
        assert_eq!(DemandSet::parse(["Docker", "java", "docker"]), DemandSet::parse(["JAVA", "docker"]));
    }

    #[test]
    fn what_was_written_is_kept_as_it_was() {
        let texts = ["java -equals 17", " docker", "Docker", "docker", "docker"];
        assert!(DemandSet::parse(texts).written().iter().map(|text| &**text).eq(texts));
    }

    #[test]
    fn a_minimum_version_alone_is_no_demand() {
        assert!(DemandSet::parse(["agent.version -gtVersion 2.163.1"]).is_without_demands());
        assert!(!DemandSet::parse(["Agent.Version -gtVersion 2.163.1", "docker"]).is_without_demands());
        assert!(!DemandSet::parse([" docker"]).is_without_demands());
    }
}
