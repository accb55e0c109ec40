//! The grammar of demands: a demand that is read is met, or not, by any value, and says what it is.

#![no_main]

use azp_scaler::{
    capability::CapabilitySet,
    demand::{Condition, Demand, DemandSet},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (demand, value) = text.split_once('\n').unwrap_or((text, ""));
    match demand.parse::<Demand>() {
        Ok(read) => {
            assert!(demand.contains(read.name.as_str()), "{read} of {demand:?}");
            assert!(!read.to_string().is_empty());
            let offers = CapabilitySet::new([(read.name.as_str(), value)]);
            let is_met = offers.satisfies(&DemandSet::parse([demand]));
            assert!(is_met || read.condition != Condition::Exists, "{read}");
        }
        Err(fault) => assert!(!fault.to_string().is_empty()),
    }
});
