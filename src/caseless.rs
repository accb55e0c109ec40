//! Text that compares as Azure Pipelines compares names and values: .NET's `OrdinalIgnoreCase`.
//!
//! Each character is taken to its simple upper case, without any culture: `ä` equals `Ä`, `ß` does not equal `SS`, and a
//! character beyond ASCII never becomes an ASCII one (`ı` is not `I`).
//!
//! Pure. Knows nothing of this crate.

use std::{
    cmp::Ordering,
    collections::HashMap,
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

/// A text as written, with the hash of its folded form, so that unequal ones are told apart by one comparison of numbers.
#[derive(Clone)]
pub struct Caseless {
    written: Arc<str>,
    hash: u64,
}

impl Caseless {
    /// Takes the text as written; nothing is trimmed.
    #[must_use]
    pub fn new(written: &str) -> Self {
        let hash = if written.is_ascii() {
            hash(written.bytes().map(|byte| u32::from(byte.to_ascii_uppercase())))
        } else {
            hash(folded(written).map(u32::from))
        };
        Self { written: written.into(), hash }
    }

    /// The text as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// The hash of the folded text: what is equal has the same.
    #[must_use]
    pub fn own_hash(&self) -> u64 {
        self.hash
    }

    /// Whether the two are one text in memory: see [`Texts`].
    #[must_use]
    pub fn is_shared_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.written, &other.written)
    }

    /// Whether the texts are equal to the letter; where they are shared, without reading them.
    fn is_written_like(&self, other: &Self) -> bool {
        self.is_shared_with(other) || self.written == other.written
    }

    /// Compares as people sort names: by folded characters. [`Ord`] is quicker and sorts by hash first.
    #[must_use]
    pub fn cmp_by_text(&self, other: &Self) -> Ordering {
        folded(&self.written).cmp(folded(&other.written))
    }
}

impl PartialEq for Caseless {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && (self.is_written_like(other) || same(&self.written, &other.written))
    }
}

impl Eq for Caseless {}

impl Ord for Caseless {
    fn cmp(&self, other: &Self) -> Ordering {
        self.hash
            .cmp(&other.hash)
            .then_with(|| if self.written == other.written { Ordering::Equal } else { self.cmp_by_text(other) })
    }
}

impl PartialOrd for Caseless {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Caseless {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl fmt::Debug for Caseless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.written, f)
    }
}

impl fmt::Display for Caseless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.written, f)
    }
}

impl From<&str> for Caseless {
    fn from(written: &str) -> Self {
        Self::new(written)
    }
}

/// Keeps texts that repeat once: a thousand agents have the same few hundred names and values between them.
#[derive(Debug, Default)]
pub struct Texts {
    known: HashMap<Arc<str>, u64>,
    /// How many there were when those that nobody uses were last dropped.
    kept: usize,
}

impl Texts {
    /// The text, shared with all who asked for it before.
    pub fn share(&mut self, written: &str) -> Caseless {
        if let Some((written, hash)) = self.known.get_key_value(written) {
            return Caseless { written: Arc::clone(written), hash: *hash };
        }
        let new = Caseless::new(written);
        self.known.insert(Arc::clone(&new.written), new.hash);
        new
    }

    /// Drops the texts that nobody uses any more, once they may be half of all.
    pub fn tidy(&mut self) {
        if self.known.len() > 2 * self.kept {
            self.known.retain(|written, _| Arc::strong_count(written) > 1);
            self.kept = self.known.len();
        }
    }
}

/// Whether two texts are the same but for case.
#[must_use]
pub fn same(one: &str, other: &str) -> bool {
    one == other || folded(one).eq(folded(other))
}

/// The text's characters, each in its simple upper case.
pub fn folded(text: &str) -> impl Iterator<Item = char> {
    text.chars().map(fold)
}

/// FNV-1a over characters. It need not withstand attacks: texts of one hash are still told apart, a little slower.
fn hash(characters: impl Iterator<Item = u32>) -> u64 {
    characters
        .fold(0xcbf2_9ce4_8422_2325, |hash, character| (hash ^ u64::from(character)).wrapping_mul(0x0100_0000_01b3))
}

/// A character's simple upper case.
fn fold(character: char) -> char {
    if character.is_ascii() {
        return character.to_ascii_uppercase();
    }
    let mut upper = character.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(one), None) if !one.is_ascii() => one,
        (_, None) => character,
        // The only letters whose full upper case is several characters while their simple one is another single one.
        (_, Some(_)) => match character {
            '\u{1F80}'..='\u{1F87}' | '\u{1F90}'..='\u{1F97}' | '\u{1FA0}'..='\u{1FA7}' => {
                char::from_u32(u32::from(character) + 8).unwrap_or(character)
            }
            '\u{1FB3}' => '\u{1FBC}',
            '\u{1FC3}' => '\u{1FCC}',
            '\u{1FF3}' => '\u{1FFC}',
            _ => character,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_is_ignored_beyond_ascii_too() {
        for (one, other) in [("Docker", "dOCKER"), ("jäva", "JÄVA"), ("straße", "STRAßE"), ("ᾳ", "ᾼ"), ("ÿ", "Ÿ")]
        {
            assert!(same(one, other), "{one} and {other}");
            assert_eq!(Caseless::new(one), Caseless::new(other));
        }
    }

    #[test]
    fn shared_texts_go_when_nobody_uses_them() {
        let mut texts = Texts::default();
        let kept = texts.share("docker");
        assert!(Arc::ptr_eq(&kept.written, &texts.share("docker").written));
        assert_eq!(texts.share("Docker").as_str(), "Docker", "as written, though equal");
        texts.tidy();
        assert_eq!(texts.known.len(), 1);
    }

    #[test]
    fn what_only_a_culture_or_a_longer_form_makes_equal_is_not() {
        for (one, other) in [("straße", "STRASSE"), ("ı", "I"), ("ſ", "S"), ("docker", "docker ")] {
            assert!(!same(one, other), "{one} and {other}");
            assert_ne!(Caseless::new(one), Caseless::new(other));
        }
    }
}
