//! Faults that are planted on purpose, to see whether the tests find them. Compiled only for that, with the feature
//! `planted-faults`, and never into a release; a fault has no effect unless `AZP_SCALER_PLANTED_FAULT` names it.
//!
//! ```text
//! .ci/planted ──names one──▶ [Fault] ──is it on?──▶ a site: planted!(Name) ──▶ some test fails, or a rule has no test
//! ```
//!
//! Not pure: it reads the environment, once. Any module may ask it, the core included, by the macro `planted!`, which is
//! `false` without the feature. Knows nothing of this crate.

mod faults;

use std::{env, fmt::Write, sync::OnceLock};

pub use self::faults::Fault;

/// Names the fault that is on.
pub const VARIABLE: &str = "AZP_SCALER_PLANTED_FAULT";

/// Whether the fault is on.
///
/// # Panics
///
/// When the environment names a fault that there is not.
#[must_use]
pub fn is_on(fault: Fault) -> bool {
    static ON: OnceLock<Option<Fault>> = OnceLock::new();
    *ON.get_or_init(|| env::var_os(VARIABLE).map(|name| named(&name.to_string_lossy()))) == Some(fault)
}

fn named(name: &str) -> Fault {
    let found = Fault::ALL.iter().find(|fault| fault.name() == name);
    *found.unwrap_or_else(|| panic!("{VARIABLE}: there is no fault `{name}`; there are:\n{}", list()))
}

/// All faults, a line each: the name, a tab, what goes wrong.
#[must_use]
pub fn list() -> String {
    Fault::ALL.iter().fold(String::new(), |mut list, fault| {
        // Writing to a string does not fail.
        let _ = writeln!(list, "{}\t{}", fault.name(), fault.description());
        list
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_have_one_name() {
        let names: BTreeSet<&str> = Fault::ALL.iter().map(|fault| fault.name()).collect();
        assert_eq!(names.len(), Fault::ALL.len());
    }

    #[test]
    #[should_panic(expected = "there is no fault `typo`; there are:\nvalues-not-compared\t")]
    fn an_unknown_name_is_refused() {
        named("typo");
    }
}
