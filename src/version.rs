//! Versions as .NET reads them, which is how Azure Pipelines compares them.
//!
//! Two to four non-negative 32-bit numbers; a missing part is lower than 0, so `1.2 < 1.2.0 < 1.2.0.0`. Text is cut at its
//! first `-` beforehand (unless that is the first character). A single number is not a version.
//!
//! Pure. Knows nothing of this crate.

use std::{fmt, num::NonZeroU64};

/// A version: major and minor, then build and revision where written.
///
/// Two parts stand in one number, each as one more than it is, so that a missing part is lower than 0 and comparing
/// versions is comparing numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    major_minor: NonZeroU64,
    build_revision: u64,
}

impl Version {
    /// Reads a version, or `None` where .NET would find none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = match text.find('-') {
            Some(cut) if cut > 0 => &text[..cut],
            _ => text,
        };
        let mut parts = text.split('.');
        let mut part = || parts.next().map(|part| number(part).map(|number| u64::from(number) + 1));
        let (major, minor) = (part()??, part()??);
        let (build, revision) = (part().unwrap_or(Some(0))?, part().unwrap_or(Some(0))?);
        let major_minor = NonZeroU64::new(major << 32 | minor)?;
        parts.next().is_none().then_some(Self { major_minor, build_revision: build << 32 | revision })
    }

    /// Whether it is no lower than another.
    #[must_use]
    pub fn is_at_least(self, wanted: Self) -> bool {
        if planted!(VersionMustBeGreater) { self > wanted } else { self >= wanted }
    }

    /// The parts that are written.
    fn parts(self) -> impl Iterator<Item = u64> {
        let [major_minor, build_revision] = [self.major_minor.get(), self.build_revision];
        let parts = [major_minor >> 32, major_minor, build_revision >> 32, build_revision];
        parts.into_iter().filter_map(|part| (part & u64::from(u32::MAX)).checked_sub(1))
    }
}

/// One part: an `i32` that is not negative. .NET passes over blanks around it and a sign before it.
fn number(part: &str) -> Option<u32> {
    let value: i32 = part.trim_matches(|c: char| c == ' ' || ('\t'..='\r').contains(&c)).parse().ok()?;
    u32::try_from(value).ok()
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.parts().map(|part| part.to_string()).collect();
        f.write_str(&parts.join("."))
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_part_is_lower_than_zero() {
        let order =
            ["1.2", "1.2.0", "1.2.0.0", "1.2.0.1", "1.2.1", "1.10", "2.0"].map(|text| Version::parse(text).unwrap());
        assert!(order.is_sorted_by(|one, other| one < other), "{order:?}");
    }

    #[test]
    fn what_is_cut_and_what_is_no_version() {
        assert_eq!(Version::parse("4.275.0-rc.1"), Version::parse("4.275.0"));
        assert_eq!(Version::parse(" 1 . +2 "), Version::parse("1.2"));
        for text in ["0.0", "1.2", "1.2.0", "2147483647.0.2147483647.1"] {
            assert_eq!(Version::parse(text).unwrap().to_string(), text);
        }
        for text in ["10", "", "1.", ".1", "1.2.3.4.5", "1.x", "-1.2", "1.2147483648", "soon"] {
            assert_eq!(Version::parse(text), None, "{text:?}");
        }
    }
}
