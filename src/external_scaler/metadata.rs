//! KEDA's reference, read once into what the core understands.
//!
//! ```text
//! ScaledObjectRef ──keys──▶ known, none secret ──▶ [Request]: organisation, pool, trigger, metric name
//!                     └──a token of its own──▶ beside them, never in the trigger
//! ```
//!
//! Neither a trigger nor a fault holds a value of a key that may be a secret. Reading is cheap enough to be done at every call, so nothing is remembered.

mod fault;
mod keys;
mod matching;
mod own_token;
mod strategy;

use std::{
    collections::{BTreeMap, HashMap},
    ops::RangeInclusive,
    str::FromStr,
    sync::Arc,
};

pub use fault::BadMetadata;
pub(super) use keys::TOKEN_KEY;
use keys::URL_FROM_ENV_KEY;
use keys::{KEYS, Role, role};
use secrecy::SecretString;
use url::Url;

use super::{Came, Organizations};
use crate::{
    agent::AgentNamePattern,
    capability::CapabilitySet,
    caseless::Caseless,
    pools::{Brought, PoolSelector},
    protocol::ScaledObjectRef,
    trigger::{CapabilitiesFrom, JobsWithoutDemands, MAX_REPLICAS, ScaledJobId, Trigger, TriggerId},
    wording::{list, nearest, shown},
};

/// KEDA counts replicas in 32 bits with a sign.
const MOST: u32 = i32::MAX as u32;
/// Kubernetes allows no longer name.
const LONGEST_NAME: usize = 253;
/// Characters of a pool's name in a metric's name: with everything KEDA puts before it, a label's 63 are not passed.
const LONGEST_SLUG: usize = 40;

/// One trigger's reference, read.
#[derive(Clone, Debug)]
pub struct Request {
    /// Where the pool is.
    pub place: Place,
    /// The pool as the trigger names it.
    pub pool: PoolSelector,
    /// What the pool's decision is asked about.
    pub trigger: Arc<Trigger>,
    /// The metric's name.
    pub metric_name: String,
}

/// Where a trigger's pool is.
#[derive(Clone, Debug)]
pub enum Place {
    /// In a configured organisation, by its name.
    Configured(Arc<str>),
    /// Where the trigger's own token is for.
    Own(Arc<Brought>),
}

impl Request {
    /// Reads a reference that came so.
    ///
    /// # Errors
    ///
    /// The first fault, with its mend: unsuitable keys in the order of their names, then values.
    pub fn read(reference: ScaledObjectRef, came: Came, organizations: &Organizations) -> Result<Self, BadMetadata> {
        let ScaledObjectRef { name, namespace, scaler_metadata } = reference;
        let scaled_job = ScaledJobId { name: object("name", &name)?, namespace: object("namespace", &namespace)? };
        let mut metadata = Metadata::sift(scaler_metadata.into_iter().collect())?;

        let whose = metadata.whose(&namespace, came, organizations)?;
        let (pool, metric_name) = metadata.pool()?;
        let builtin = metadata.builtin()?;
        let capabilities_from = metadata.choice(
            "capabilitiesFrom",
            &[
                ("declared", CapabilitiesFrom::Declared),
                ("learned", CapabilitiesFrom::Learned),
                ("environment", CapabilitiesFrom::Environment),
            ],
        )?;
        let min_replicas = metadata.number("minReplicaCount", 0..=MOST, 0)?;
        // Where no maximum is written KEDA takes its own, or a minimum above that.
        let max_replicas = metadata.number("maxReplicaCount", 0..=MOST, MAX_REPLICAS.max(min_replicas))?;
        if min_replicas > max_replicas {
            return Err(BadMetadata::MinimumAboveMaximum { least: min_replicas, most: max_replicas });
        }
        let capabilities: CapabilitySet =
            metadata.given("capabilities").unwrap_or_default().parse().map_err(BadMetadata::Capabilities)?;
        let strategy = metadata.strategy()?;
        let parent = match builtin {
            Some(_) => None,
            None => metadata.text("parent")?.map(Caseless::from),
        };
        let hints = std::mem::take(&mut metadata.hints);
        let trigger = Trigger {
            capabilities: Arc::new(capabilities),
            parent,
            capabilities_from,
            jobs_without_demands: metadata.choice(
                "jobsWithoutDemands",
                &[
                    ("take", JobsWithoutDemands::Take),
                    ("leave", JobsWithoutDemands::Leave),
                    ("last", JobsWithoutDemands::Last),
                ],
            )?,
            strategy,
            builtin,
            agent_names: match metadata.given("agentNamePattern") {
                Some(pattern) => pattern.parse().map_err(BadMetadata::Pattern)?,
                None => AgentNamePattern::of_scaled_job(&name),
            },
            max_replicas,
            min_replicas,
            priority: metadata.number("priority", i32::MIN..=i32::MAX, 100)?,
            target: metadata.number("targetPipelinesQueueLength", 1..=MOST, 1)?,
            activation: metadata.number("activationTargetPipelinesQueueLength", 0..=MOST, 0)?,
            keeps_placeholder: metadata.placeholder()?,
            hints,
            id: TriggerId { scaled_job, metadata: Arc::new(metadata.entries) },
        };
        let place = match whose {
            Whose::Configured(name) => Place::Configured(name),
            Whose::Own(url, token) => Place::Own(Arc::new(Brought { url, token, by: trigger.id.clone() })),
        };
        Ok(Self { place, pool, trigger: Arc::new(trigger), metric_name })
    }
}

/// Whose the pool is, before the trigger is known.
enum Whose {
    Configured(Arc<str>),
    Own(Url, SecretString),
}

/// The entries that make a trigger: known, and no secrets.
struct Metadata {
    entries: BTreeMap<String, String>,
    hints: Vec<String>,
    token: Option<SecretString>,
}

impl Metadata {
    /// Keeps what makes a trigger.
    fn sift(written: BTreeMap<String, String>) -> Result<Self, BadMetadata> {
        let mut sifted = Self { entries: BTreeMap::new(), hints: Vec::new(), token: None };
        for (key, value) in written {
            match role(&key) {
                Some(Role::Read) => {}
                Some(Role::PassedOver) => continue,
                Some(Role::Ignored(hint)) => sifted.hints.push(hint.to_owned()),
                Some(Role::Token) => {
                    sifted.token = Some(value.into());
                    continue;
                }
                Some(Role::Secret(mend)) => return Err(BadMetadata::SecretNotTaken { key, mend }),
                None => {
                    let nearest = nearest(&key, KEYS.iter().map(|(known, _)| *known)).unwrap_or_default();
                    return Err(BadMetadata::UnknownKey { key: shown(&key), nearest });
                }
            }
            sifted.entries.insert(key, value);
        }
        Ok(sifted)
    }

    /// The value of a key, empty or not.
    fn given(&self, key: &'static str) -> Option<&str> {
        self.entries.get(key).map(|value| value.trim())
    }

    /// The value of a key that means nothing without one.
    fn text(&self, key: &'static str) -> Result<Option<&str>, BadMetadata> {
        match self.given(key) {
            Some("") => Err(BadMetadata::Empty { key }),
            value => Ok(value),
        }
    }

    fn number<T>(&self, key: &'static str, allowed: RangeInclusive<T>, default: T) -> Result<T, BadMetadata>
    where
        T: Copy + PartialOrd + FromStr + Into<i64>,
    {
        let Some(value) = self.text(key)? else { return Ok(default) };
        value.parse().ok().filter(|number| allowed.contains(number)).ok_or_else(|| BadMetadata::NotANumber {
            key,
            value: shown(value),
            least: (*allowed.start()).into(),
            most: (*allowed.end()).into(),
        })
    }

    /// Refuses a key that another one makes meaningless.
    fn refuse(&self, key: &'static str, beside: &'static str, mend: &'static str) -> Result<(), BadMetadata> {
        let Some(value) = self.given(key) else { return Ok(()) };
        Err(BadMetadata::Contradiction { key, value: shown(value), beside, mend })
    }

    /// One of some words, the first where none is written.
    fn choice<T: Copy>(&self, key: &'static str, words: &[(&str, T)]) -> Result<T, BadMetadata> {
        let written = self.text(key)?.unwrap_or(words[0].0);
        words.iter().find(|(word, _)| *word == written).map(|(_, meaning)| *meaning).ok_or_else(|| {
            let allowed = list(words.iter().map(|(word, _)| word), "or");
            BadMetadata::NotAChoice { key, value: shown(written), allowed }
        })
    }

    /// Whether a placeholder is to be kept.
    fn placeholder(&self) -> Result<bool, BadMetadata> {
        match self.text("placeholder")? {
            None => Ok(false),
            Some(_) => self.choice("placeholder", &[("managed", true)]),
        }
    }

    /// Yes or no, in the words that KEDA takes; like KEDA, an empty one is as good as none.
    fn flag(&self, key: &'static str, default: bool) -> Result<bool, BadMetadata> {
        match self.given(key) {
            None | Some("") => Ok(default),
            Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
            Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
            Some(value) => {
                Err(BadMetadata::NotAChoice { key, value: shown(value), allowed: list(["true", "false"], "or") })
            }
        }
    }

    /// At most one of some keys, with its value.
    fn at_most_one(&self, keys: &[&'static str]) -> Result<Option<(&'static str, &str)>, BadMetadata> {
        let mut found = None;
        for &key in keys {
            match (self.text(key)?, found) {
                (Some(_), Some((first, _))) => return Err(BadMetadata::Both { first, second: key }),
                (Some(value), None) => found = Some((key, value)),
                (None, _) => {}
            }
        }
        Ok(found)
    }

    fn pool(&self) -> Result<(PoolSelector, String), BadMetadata> {
        let (key, written) = self.at_most_one(&["poolName", "poolID"])?.ok_or(BadMetadata::NoPool)?;
        let pool = if key == "poolName" {
            PoolSelector::Name(written.into())
        } else {
            PoolSelector::Id(self.number("poolID", 1..=i32::MAX, 1)?.into())
        };
        Ok((pool, metric_name(written)))
    }
}

/// The name or namespace of an object.
fn object(field: &'static str, value: &str) -> Result<Arc<str>, BadMetadata> {
    if value.is_empty() || value.len() > LONGEST_NAME || value.contains(char::is_control) {
        return Err(BadMetadata::NotAnObject { field, value: shown(value) });
    }
    Ok(value.into())
}

/// The metric's name of metadata that may be refused: that of the pool, as far as one is named.
pub(super) fn metric_name_at_least(metadata: &HashMap<String, String>) -> String {
    let pool = ["poolName", "poolID"].into_iter().find_map(|key| metadata.get(key));
    metric_name(pool.map_or("", String::as_str).trim())
}

/// A metric's name that Kubernetes takes: lower-case letters, digits and single dashes.
fn metric_name(pool: &str) -> String {
    let mut slug = String::new();
    for character in pool.chars().map(|character| character.to_ascii_lowercase()) {
        if slug.len() == LONGEST_SLUG {
            break;
        }
        match character {
            'a'..='z' | '0'..='9' => slug.push(character),
            _ if slug.ends_with('-') || slug.is_empty() => {}
            _ => slug.push('-'),
        }
    }
    match slug.trim_end_matches('-') {
        "" => "azure-pipelines-pool".to_owned(),
        slug => format!("azure-pipelines-{slug}"),
    }
}
