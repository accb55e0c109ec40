//! The grammar of demands: a demand that is read is met, or not, by any value, and says what it is.

#![no_main]

use azp_scaler::demand::Demand;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (demand, value) = text.split_once('\n').unwrap_or((text, ""));
    match demand.parse::<Demand>() {
        Ok(read) => {
            assert!(demand.contains(read.name.as_str()), "{read} of {demand:?}");
            assert!(!read.to_string().is_empty());
            let _ = read.is_met_by(&value.into());
        }
        Err(fault) => assert!(!fault.to_string().is_empty()),
    }
});
