//! Lists that end: what is read of one is bounded by its number of items too, since an item can be far shorter on the wire
//! than it is in memory.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{self, SeqAccess, Visitor},
};

/// Longer lists are refused: several times as many jobs or agents as a pool has been seen with.
const MOST: usize = 50_000;

/// Reads a list of a bounded number of items.
pub(super) fn bounded<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    struct Items<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Items<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of {MOST} items at most")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut items = Vec::new();
            while let Some(item) = list.next_element()? {
                if items.len() == MOST {
                    return Err(de::Error::invalid_length(MOST + 1, &self));
                }
                items.push(item);
            }
            Ok(items)
        }
    }

    deserializer.deserialize_seq(Items(PhantomData))
}

#[cfg(test)]
mod tests {
    use crate::azure_devops::wire::List;

    #[test]
    fn a_list_that_does_not_end_is_refused() {
        let list = |length: usize| format!("{{\"value\":[{}]}}", vec!["1"; length].join(","));
        let read = |length| serde_json::from_str::<List<u8>>(&list(length));
        assert_eq!(read(super::MOST).unwrap().value.len(), super::MOST);
        let refused = read(super::MOST + 1).unwrap_err().to_string();
        assert!(refused.starts_with("invalid length 50001, expected a list of 50000 items at most"), "{refused}");
    }
}
