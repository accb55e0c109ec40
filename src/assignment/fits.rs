//! Which columns (agents or triggers, by their capabilities) satisfy which demand sets, all at once.
//!
//! Ten thousand jobs have a few hundred demand sets with a few dozen names between them, so each name is looked up once
//! in each column's capabilities; a demand is a row of bits over the columns, and a demand set the intersection of its
//! demands' rows.

use std::collections::BTreeMap;

use super::bits::BitMatrix;
use crate::{
    capability::{CapabilitySet, Value},
    caseless::Caseless,
    demand::{AGENT_VERSION, Condition, Demand, DemandSet},
    version::Version,
};

/// What a column offers.
pub(super) struct Column<'a> {
    pub(super) capabilities: &'a CapabilitySet,
    /// Whether any demand on `Agent.Version` is met where the capabilities do not tell it.
    pub(super) version_may_be_unknown: bool,
}

/// Demands on one name.
#[derive(Default)]
struct Asked<'a> {
    /// Rows that are met by any value.
    any: Vec<usize>,
    /// Rows by the value they want, in the order of [`Caseless`].
    equal: Vec<(&'a Caseless, usize)>,
    /// Rows by the least version they want, lowest first.
    at_least: Vec<(Version, usize)>,
}

/// For each demand set, the columns that satisfy it. A set with a demand that is not understood is satisfied by none.
pub(super) fn fits(demand_sets: &[&DemandSet], columns: &[Column<'_>]) -> BitMatrix {
    let mut demands: Vec<&Demand> = demand_sets.iter().flat_map(|set| set.demands()).collect();
    demands.sort_unstable();
    demands.dedup();
    let met = met_demands(&demands, columns);
    let mut fits = BitMatrix::filled(demand_sets.len(), columns.len(), true);
    for (place, set) in demand_sets.iter().enumerate() {
        let row = fits.row_mut(place);
        if !set.not_understood().is_empty() {
            row.fill(0);
            continue;
        }
        for demand in set.demands() {
            let demand = demands.binary_search(&demand).expect("every demand of every set is listed");
            row.iter_mut().zip(met.row(demand)).for_each(|(word, met)| *word &= met);
        }
    }
    fits
}

/// For each demand, the columns that meet it.
fn met_demands(demands: &[&Demand], columns: &[Column<'_>]) -> BitMatrix {
    let mut asked: BTreeMap<&Caseless, Asked<'_>> = BTreeMap::new();
    for (row, demand) in demands.iter().enumerate() {
        let asked = asked.entry(&demand.name).or_default();
        match &demand.condition {
            Condition::Exists | Condition::AtLeast(None) => asked.any.push(row),
            // Demands are sorted, so these and those below are in the order of what they want.
            Condition::Equals(value) => asked.equal.push((value, row)),
            Condition::AtLeast(Some(version)) => asked.at_least.push((*version, row)),
        }
    }
    let agent_version = Caseless::new(AGENT_VERSION);
    let agent_version = asked.keys().position(|name| **name == agent_version);
    // Columns share the texts of their names, so names as the columns write them are compared without being read.
    let as_written = |name| columns.iter().find_map(|offer| offer.capabilities.name(name)).unwrap_or(name);
    let names: Vec<&Caseless> = asked.keys().map(|name| as_written(*name)).collect();

    let mut offered: Vec<Offered<'_>> = asked.keys().map(|_| Offered::default()).collect();
    for (column, offer) in columns.iter().enumerate() {
        for (place, value) in offer.capabilities.get_all(&names) {
            match value {
                Some(value) => offered[place].add(value, column, columns.len()),
                None if agent_version == Some(place) && offer.version_may_be_unknown => {
                    offered[place].unknown.push(column);
                }
                None => {}
            }
        }
    }

    let mut met = BitMatrix::filled(demands.len(), columns.len(), false);
    for (asked, offered) in asked.values().zip(&offered) {
        for Shared { value, have, .. } in &offered.values {
            asked.met_by(value, |row| met.row_mut(row).iter_mut().zip(have).for_each(|(met, have)| *met |= have));
        }
        for column in &offered.unknown {
            asked.all(|row| met.set(row, *column));
        }
    }
    met
}

/// What the columns offer under one name.
#[derive(Default)]
struct Offered<'a> {
    values: Vec<Shared<'a>>,
    /// By their hashes, places of values met before.
    at_hand: Vec<u32>,
    /// Columns for which any value counts as met.
    unknown: Vec<usize>,
}

/// A value, its hash at hand, and the columns that have it.
struct Shared<'a> {
    hash: u64,
    value: &'a Value,
    have: Vec<u64>,
}

/// How many values of a name are found again at once. Missing one costs time, nothing else.
const VALUES_AT_HAND: usize = 64;

impl<'a> Offered<'a> {
    #[expect(clippy::cast_possible_truncation, reason = "any bits of a hash will do")]
    fn add(&mut self, value: &'a Value, column: usize, columns: usize) {
        let hash = value.text().own_hash();
        let at_hand = hash as usize % VALUES_AT_HAND;
        let is_this = |known: &Shared<'_>| known.hash == hash && known.value.is_shared_with(value);
        if self.at_hand.is_empty() {
            self.at_hand = vec![0; VALUES_AT_HAND];
        }
        if !self.values.get(self.at_hand[at_hand] as usize).is_some_and(is_this) {
            self.at_hand[at_hand] = u32::try_from(self.values.len()).expect("columns are counted in u32");
            self.values.push(Shared { hash, value, have: vec![0; columns.div_ceil(64)] });
        }
        self.values[self.at_hand[at_hand] as usize].have[column / 64] |= 1 << (column % 64);
    }
}

impl Asked<'_> {
    /// Tells the rows that a value meets.
    fn met_by(&self, value: &Value, mut tell: impl FnMut(usize)) {
        self.any.iter().for_each(|row| tell(*row));
        if let Ok(place) = self.equal.binary_search_by(|(wanted, _)| (*wanted).cmp(value.text())) {
            tell(self.equal[place].1);
        }
        if let Some(have) = value.version() {
            self.at_least.iter().take_while(|(wanted, _)| have.is_at_least(*wanted)).for_each(|(_, row)| tell(*row));
        }
    }

    /// Tells all rows.
    fn all(&self, mut tell: impl FnMut(usize)) {
        self.any.iter().for_each(|row| tell(*row));
        self.equal.iter().for_each(|(_, row)| tell(*row));
        self.at_least.iter().for_each(|(_, row)| tell(*row));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names() -> impl Strategy<Value = String> {
        prop::sample::select(vec![
            "docker",
            "Docker",
            "java",
            "JAVA",
            "gpu",
            "Agent.Version",
            "agent.version",
            "ä",
            "Ä",
        ])
        .prop_map(str::to_owned)
    }

    fn values() -> impl Strategy<Value = String> {
        prop::sample::select(vec!["", "17", "11", "1.2", "1.2.0", "4.275.0", "x Y", "X y", "soon"])
            .prop_map(str::to_owned)
    }

    fn demands() -> impl Strategy<Value = String> {
        prop_oneof![
            names(),
            (names(), values()).prop_map(|(name, value)| format!("{name} -equals {value}")),
            (names(), values()).prop_map(|(name, value)| format!("{name} -gtVersion {value}")),
        ]
    }

    proptest! {
        /// All at once gives what one by one gives.
        #[test]
        fn the_matrix_says_what_the_rule_says(
            sets in prop::collection::vec(prop::collection::vec(demands(), 0..4), 0..12),
            offers in prop::collection::vec((prop::collection::vec((names(), values()), 0..5), any::<bool>()), 0..70),
        ) {
            let sets: Vec<DemandSet> = sets.iter().map(DemandSet::parse).collect();
            let offers: Vec<(CapabilitySet, bool)> = offers
                .into_iter()
                .map(|(entries, unknown)| (CapabilitySet::new(entries.iter().map(|(n, v)| (n.as_str(), v.as_str()))), unknown))
                .collect();
            let columns: Vec<_> = offers
                .iter()
                .map(|(capabilities, unknown)| Column { capabilities, version_may_be_unknown: *unknown })
                .collect();
            let fits = fits(&sets.iter().collect::<Vec<_>>(), &columns);
            for (row, set) in sets.iter().enumerate() {
                for (column, (capabilities, unknown)) in offers.iter().enumerate() {
                    let version_unknown = *unknown && capabilities.get(&AGENT_VERSION.into()).is_none();
                    let expected = set.not_understood().is_empty() && set.demands().iter().all(|demand| {
                        capabilities.meets(demand) || version_unknown && demand.is_on_agent_version()
                    });
                    prop_assert_eq!(fits.get(row, column), expected, "{:?} and {:?}", set, capabilities);
                }
            }
        }
    }
}
