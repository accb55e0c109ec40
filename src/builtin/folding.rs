//! Go's `strings.EqualFold`: texts that are equal under Unicode's simple case folding.
//!
//! Not what Azure calls equal ([`caseless`](crate::caseless)): here `ſ` is an `s` and the Kelvin sign is a `k`.
//!
//! Pure. Knows nothing of this crate.

/// Whether two texts are equal but for case. Letters that Unicode has gained since version 15, which Go 1.26 knows, fold
/// here and not yet there.
pub(super) fn equal_fold(one: &str, other: &str) -> bool {
    one.chars().map(fold).eq(other.chars().map(fold))
}

/// The lower case of the upper case: for every character of Unicode 15 the same classes as Go's.
fn fold(character: char) -> char {
    if character == 'ı' {
        // Its upper case is `I`, which folds to `i` only.
        return character;
    }
    let upper = only(character.to_uppercase()).unwrap_or(character);
    only(upper.to_lowercase()).unwrap_or(upper)
}

/// The one character, where there is just one.
fn only(mut characters: impl Iterator<Item = char>) -> Option<char> {
    characters.next().filter(|_| characters.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_are_the_texts_that_go_calls_equal() {
        for (one, other) in [
            ("Docker", "dOCKER"),
            ("ÄÖ", "äö"),
            ("\u{212A}8s", "k8s"),
            ("ſ", "S"),
            ("ß", "ẞ"),
            ("µ", "Μ"),
            ("σ", "ς"),
            ("ᾳ", "ᾼ"),
            ("ǆ", "ǅ"),
            ("Ω", "\u{2126}"),
        ] {
            assert!(equal_fold(one, other), "{one} and {other}");
        }
    }

    #[test]
    fn unequal_are_the_others() {
        for (one, other) in [("ß", "ss"), ("ı", "I"), ("İ", "i"), ("İ", "I"), ("docker", "docker "), ("a", "")] {
            assert!(!equal_fold(one, other), "{one} and {other}");
        }
    }
}
