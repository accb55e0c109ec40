//! Versions as .NET reads them, which is how Azure Pipelines compares them.
//!
//! Two to four non-negative 32-bit numbers; a missing part is lower than 0, so `1.2 < 1.2.0 < 1.2.0.0`. Text is cut at its
//! first `-` beforehand (unless that is the first character). A single number is not a version.
//!
//! Pure. Knows nothing of this crate.

use std::fmt;

/// A version: major and minor, then build and revision where written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    major: u32,
    minor: u32,
    build: Option<u32>,
    revision: Option<u32>,
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
        let major = number(parts.next()?)?;
        let minor = number(parts.next()?)?;
        let build = parts.next().map(|part| number(part).ok_or(())).transpose().ok()?;
        let revision = parts.next().map(|part| number(part).ok_or(())).transpose().ok()?;
        parts.next().is_none().then_some(Self { major, minor, build, revision })
    }
}

/// One part: an `i32` that is not negative. .NET passes over blanks around it and a sign before it.
fn number(part: &str) -> Option<u32> {
    let value: i32 = part.trim_matches(|c: char| c == ' ' || ('\t'..='\r').contains(&c)).parse().ok()?;
    u32::try_from(value).ok()
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)?;
        for part in [self.build, self.revision].into_iter().flatten() {
            write!(f, ".{part}")?;
        }
        Ok(())
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
        for text in ["10", "", "1.", ".1", "1.2.3.4.5", "1.x", "-1.2", "1.2147483648", "soon"] {
            assert_eq!(Version::parse(text), None, "{text:?}");
        }
    }
}
