//! The REST interface's answers as they stand on the wire: only the fields this program uses, text borrowed from the
//! answer.
//!
//! Azure leaves out what is null, false or 0, and so do these types when they are written; when they are read, null and
//! missing are alike and unknown fields are passed over. May touch nothing of this crate: [`decode`](super::decode) makes
//! domain types of these, and the simulator writes them.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use jiff::{Timestamp, civil, tz::TimeZone};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, MapAccess, Visitor},
};
use serde_json::value::{RawValue, to_raw_value};

/// The envelope of every list.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct List<T> {
    /// How many items there are; not relied upon.
    #[serde(default, deserialize_with = "or_default")]
    pub count: usize,
    /// The items. An answer without them is no list.
    pub value: Vec<T>,
}

impl<T> From<Vec<T>> for List<T> {
    fn from(value: Vec<T>) -> Self {
        Self { count: value.len(), value }
    }
}

/// A text, borrowed from the answer unless it holds an escape.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text))
    }
}

impl AsRef<str> for Text<'_> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// An item of `pools/{id}/jobrequests`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobRequest<'a> {
    /// Its number.
    pub request_id: i64,
    /// When it was queued.
    #[serde(default, deserialize_with = "time", skip_serializing_if = "Option::is_none")]
    pub queue_time: Option<Timestamp>,
    /// When an agent was reserved for it.
    #[serde(default, deserialize_with = "time", skip_serializing_if = "Option::is_none")]
    pub assign_time: Option<Timestamp>,
    /// When it ended.
    #[serde(default, deserialize_with = "time", skip_serializing_if = "Option::is_none")]
    pub finish_time: Option<Timestamp>,
    /// How it ended.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Text<'a>>,
    /// What it asks of an agent.
    #[serde(borrow, default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub demands: Vec<Demand<'a>>,
    /// The agent that is reserved for it.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub reserved_agent: Option<AgentReference<'a>>,
    /// Azure's own priority.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_zero")]
    pub priority: i32,
    /// The job's name.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub job_name: Option<Text<'a>>,
    /// The pipeline.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<Reference<'a>>,
    /// The run.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Reference<'a>>,
}

/// One demand: a text, or (rarely) an object of name and value, which is kept as the text that says the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Demand<'a>(pub Cow<'a, str>);

impl AsRef<str> for Demand<'_> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Demand<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;

        impl<'de> Visitor<'de> for Written {
            type Value = Demand<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a demand, as text or as an object with a name")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Demand(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Demand(Cow::Owned(text.to_owned())))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                #[derive(Deserialize)]
                struct Object<'a> {
                    #[serde(borrow)]
                    name: Cow<'a, str>,
                    #[serde(borrow, default)]
                    value: Option<Text<'a>>,
                }
                let Object { name, value } = Object::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(match value {
                    Some(value) if !value.0.is_empty() => Demand(format!("{name} -equals {}", value.0).into()),
                    _ => Demand(name),
                })
            }
        }

        deserializer.deserialize_any(Written)
    }
}

/// An agent as a job request names it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct AgentReference<'a> {
    /// Its number.
    #[serde(default, deserialize_with = "or_default")]
    pub id: i64,
    /// Its name.
    #[serde(borrow, default, deserialize_with = "or_default")]
    pub name: Text<'a>,
    /// `online` or `offline`.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Text<'a>>,
}

/// A pipeline or a run as a job request names it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Reference<'a> {
    /// Its name.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Text<'a>>,
    /// Where it can be looked at.
    #[serde(borrow, default, rename = "_links", skip_serializing_if = "Option::is_none")]
    pub links: Option<Links<'a>>,
}

/// Links of a reference.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Links<'a> {
    /// The page for people.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub web: Option<Link<'a>>,
}

/// One link.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Link<'a> {
    /// Its address.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub href: Option<Text<'a>>,
}

/// An item of `pools`, and the whole answer of `pools/{id}`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Pool<'a> {
    /// Its number.
    pub id: i64,
    /// Its name.
    #[serde(borrow)]
    pub name: Text<'a>,
}

/// An item of `pools/{id}/agents`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Agent<'a> {
    /// Its number.
    pub id: i64,
    /// Its name.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// `online` or `offline`.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Text<'a>>,
    /// Whether an administrator lets it take jobs.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_false")]
    pub enabled: bool,
    /// When `status` last changed.
    #[serde(default, deserialize_with = "time", skip_serializing_if = "Option::is_none")]
    pub status_changed_on: Option<Timestamp>,
    /// The job request it works on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assigned_request: Option<RequestReference>,
    /// The job request it finished last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_completed_request: Option<RequestReference>,
    /// What it found on its machine.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub system_capabilities: Option<Capabilities<'a>>,
    /// What an administrator added.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub user_capabilities: Option<Capabilities<'a>>,
}

/// A job request as an agent names it.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestReference {
    /// Its number.
    pub request_id: i64,
}

/// A map of names to values, left as JSON: it is large and rarely changes, so it is compared before it is read.
#[derive(Clone, Debug)]
pub enum Capabilities<'a> {
    /// A part of an answer.
    Read(&'a RawValue),
    /// Made to be written.
    Made(Box<RawValue>),
}

impl Capabilities<'_> {
    /// Makes the map out of names and values.
    ///
    /// # Panics
    ///
    /// Never: a map of texts is always JSON.
    #[must_use]
    pub fn new(entries: &BTreeMap<String, String>) -> Self {
        Self::Made(to_raw_value(entries).expect("a map of texts is JSON"))
    }

    /// The map's JSON.
    #[must_use]
    pub fn json(&self) -> &str {
        match self {
            Self::Read(raw) => raw.get(),
            Self::Made(raw) => raw.get(),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Capabilities<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&RawValue>::deserialize(deserializer).map(Self::Read)
    }
}

impl Serialize for Capabilities<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Read(raw) => raw.serialize(serializer),
            Self::Made(raw) => raw.serialize(serializer),
        }
    }
}

/// What Azure says when it refuses.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Refusal<'a> {
    /// For people.
    #[serde(borrow, default)]
    pub message: Option<Text<'a>>,
}

/// Reads null as the type's default.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Reads a time of any number of fraction digits, in UTC where it names no zone. A text that is no time counts as none:
/// an answer is not thrown away for the sake of a date.
fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<Text<'de>>::deserialize(deserializer)?;
    Ok(text.and_then(|Text(text)| {
        text.parse()
            .ok()
            .or_else(|| Some(text.parse::<civil::DateTime>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp()))
    }))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks in this way")]
fn is_zero(number: &i32) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks in this way")]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(json: &str) -> JobRequest<'_> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn null_missing_and_unknown_are_alike() {
        let nulls = job(
            r#"{"requestId":1,"queueTime":null,"result":null,"demands":null,"reservedAgent":null,"priority":null,
            "jobName":null,"definition":{"name":null,"_links":null},"owner":null,"planId":"free text","matchedAgents":[{}]}"#,
        );
        let missing = job(r#"{"requestId":1,"definition":{}}"#);
        let written = serde_json::to_string(&nulls).unwrap();
        assert_eq!(written, r#"{"requestId":1,"definition":{}}"#, "what is none is left out");
        assert_eq!(written, serde_json::to_string(&missing).unwrap());
    }

    #[test]
    fn times_have_up_to_seven_fraction_digits() {
        let read = |text: &str| job(&format!(r#"{{"requestId":1,"queueTime":"{text}"}}"#)).queue_time;
        let second: Timestamp = "2026-11-01T08:00:00Z".parse().unwrap();
        assert_eq!(read("2026-11-01T08:00:00Z"), Some(second));
        assert_eq!(read("2026-11-01T08:00:00"), Some(second));
        assert_eq!(read("2026-11-01T09:00:00+01:00"), Some(second));
        for digits in 1..=7 {
            let fraction = &"1234567"[..digits];
            let nanoseconds: i32 = format!("{fraction:0<9}").parse().unwrap();
            let read = read(&format!("2026-11-01T08:00:00.{fraction}Z")).unwrap();
            assert_eq!(read.subsec_nanosecond(), nanoseconds, "{digits} digits");
        }
        assert_eq!(read("soon"), None);
    }

    #[test]
    fn demands_are_text_or_objects() {
        let job =
            job(r#"{"requestId":1,"demands":["docker","a -equals \"b\"",{"name":"java"},{"name":"gpu","value":null},
            {"value":"17","name":"jdk","more":[1]}]}"#);
        let demands: Vec<&str> = job.demands.iter().map(AsRef::as_ref).collect();
        assert_eq!(demands, ["docker", "a -equals \"b\"", "java", "gpu", "jdk -equals 17"]);
        assert!(matches!(job.demands[0].0, Cow::Borrowed(_)));
    }

    #[test]
    fn a_list_needs_its_items() {
        for json in ["{}", "[]", r#"{"count":0}"#, r#"{"count":0,"value":null}"#, r#"{"value":[{"name":"x"}]}"#] {
            assert!(serde_json::from_str::<List<Pool<'_>>>(json).is_err(), "{json}");
        }
        let pools: List<Pool<'_>> = vec![Pool { id: 7, name: "Linux".into() }].into();
        assert_eq!(serde_json::to_string(&pools).unwrap(), r#"{"count":1,"value":[{"id":7,"name":"Linux"}]}"#);
    }

    #[test]
    fn capabilities_stay_json() {
        let made = Agent {
            id: 3,
            name: "vm-1".into(),
            enabled: true,
            system_capabilities: Some(Capabilities::new(&BTreeMap::from([("java".to_owned(), "17".to_owned())]))),
            assigned_request: Some(RequestReference { request_id: 9 }),
            ..Agent::default()
        };
        let written = serde_json::to_string(&made).unwrap();
        let expected = r#"{"id":3,"name":"vm-1","enabled":true,"assignedRequest":{"requestId":9},"systemCapabilities":{"java":"17"}}"#;
        assert_eq!(written, expected);
        let read: Agent<'_> = serde_json::from_str(&written).unwrap();
        assert_eq!(read.system_capabilities.unwrap().json(), r#"{"java":"17"}"#);
    }
}
