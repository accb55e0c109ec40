//! How single fields stand on the wire: texts, demands, times, capabilities, and what counts as missing.
//!
//! May touch nothing of this crate.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use jiff::{Timestamp, civil, tz::TimeZone};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, MapAccess, Visitor},
};
use serde_json::value::{RawValue, to_raw_value};

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

/// Reads null as the type's default.
pub(super) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Reads a time of any number of fraction digits, in UTC where it names no zone. A text that is no time counts as none:
/// an answer is not thrown away for the sake of a date.
pub(super) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<Text<'de>>::deserialize(deserializer)?;
    Ok(text.and_then(|Text(text)| {
        text.parse()
            .ok()
            .or_else(|| Some(text.parse::<civil::DateTime>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp()))
    }))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks in this way")]
pub(super) fn is_zero(number: &i32) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks in this way")]
pub(super) fn is_false(flag: &bool) -> bool {
    !flag
}

/// A value that is there, whatever it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Listed;

impl<'de> Deserialize<'de> for Listed {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        de::IgnoredAny::deserialize(from).map(|_| Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_up_to_seven_fraction_digits() {
        let read = |text: &str| time(&mut serde_json::Deserializer::from_str(&format!("{text:?}"))).unwrap();
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
        let written = r#"["docker","a -equals \"b\"",{"name":"java"},{"name":"gpu","value":null},
            {"value":"17","name":"jdk","more":[1]}]"#;
        let read: Vec<Demand<'_>> = serde_json::from_str(written).unwrap();
        let demands: Vec<&str> = read.iter().map(AsRef::as_ref).collect();
        assert_eq!(demands, ["docker", "a -equals \"b\"", "java", "gpu", "jdk -equals 17"]);
        assert!(matches!(read[0].0, Cow::Borrowed(_)));
    }
}
