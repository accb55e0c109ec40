//! How messages for people name what is wrong: the value as shown, the nearest known word, never a secret.
//!
//! Pure. Knows nothing of this crate.

/// Characters of a value that a message shows.
const SHOWN: usize = 80;
/// Characters without a blank; Azure's tokens have 52 or 84, Entra's more.
const LIKE_A_TOKEN: usize = 40;
/// Stands for what is not shown.
const HIDDEN: &str = "(not shown, may hold a secret)";

/// The known word that is most like this one, if any is known.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    known.into_iter().min_by_key(|candidate| strsim::damerau_levenshtein(&word, &candidate.to_lowercase()))
}

/// A value as a message shows it: bounded, on one line, and not at all where it looks like a token that somebody put in
/// the wrong place.
#[must_use]
pub fn shown(value: &str) -> String {
    let of_tokens = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'=');
    let has = |kind: fn(&u8) -> bool| value.as_bytes().iter().any(kind);
    let is_mixed = has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic);
    let like_a_token = value.len() >= LIKE_A_TOKEN && is_mixed && value.bytes().all(of_tokens);
    if like_a_token { HIDDEN.to_owned() } else { shortened(value, SHOWN) }
}

/// A text that should be a URL as a message shows it: like [`shown`], and not at all where it may hold a secret.
#[must_use]
pub fn shown_url(value: &str) -> String {
    if value.contains(['@', '?', '#']) { HIDDEN.to_owned() } else { shown(value) }
}

/// Whether what bears such a name holds a secret, or may: a variable, a capability, a key.
#[must_use]
pub fn names_a_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let parts = ["TOKEN", "PASSWORD", "PASSWD", "SECRET", "CREDENTIAL", "PRIVATE_KEY", "CONNECTION_STRING"];
    name.ends_with("_KEY") || name.ends_with("_PAT") || parts.iter().any(|part| name.contains(part))
}

/// Whether a URL in the text has a password before its host.
#[must_use]
pub fn has_password(text: &str) -> bool {
    text.split("://").skip(1).any(|rest| {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
    })
}

/// At most so many characters, the last a `…` where some are left out, without control characters.
#[must_use]
pub fn shortened(text: &str, characters: usize) -> String {
    let plain = |character: char| if character.is_control() { ' ' } else { character };
    if text.chars().count() <= characters {
        return text.chars().map(plain).collect();
    }
    text.chars().take(characters.saturating_sub(1)).map(plain).chain(['…']).collect()
}

/// Words as a list for people: `` `a`, `b` and `c` ``.
#[must_use]
pub fn list<T: AsRef<str>>(words: impl IntoIterator<Item = T>, last: &str) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("`{}`", word.as_ref())).collect();
    match words.as_slice() {
        [] => "none".to_owned(),
        [only] => only.clone(),
        [first @ .., end] => format!("{} {last} {end}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_ignores_case() {
        assert_eq!(nearest("POOLNAME", ["poolID", "poolName"]), Some("poolName"));
        assert_eq!(nearest("maxReplicas", ["minReplicaCount", "maxReplicaCount", "parent"]), Some("maxReplicaCount"));
        assert_eq!(nearest("x", []), None);
    }

    #[test]
    fn what_is_shown_is_bounded_and_on_one_line() {
        assert_eq!(shown("a\nb"), "a b");
        let long = shown(&"ä".repeat(200));
        assert_eq!(long.chars().count(), SHOWN);
        assert!(long.ends_with('…'));
    }

    #[test]
    fn a_url_that_may_hold_a_secret_is_not_shown() {
        assert_eq!(shown_url("dev.azure.com/contoso"), "dev.azure.com/contoso");
        for text in ["https://me:hidden@dev.azure.com/contoso", "https://dev.azure.com/contoso?token=hidden"] {
            assert!(!shown_url(text).contains("hidden"));
        }
    }

    #[test]
    fn what_looks_like_a_token_is_not_shown() {
        assert_eq!(shown(&"a1".repeat(26)), HIDDEN);
        assert_eq!(
            shown("linux-agents-of-the-platform-team-in-europe-west"),
            "linux-agents-of-the-platform-team-in-europe-west"
        );
    }

    #[test]
    fn lists_read_as_people_write_them() {
        assert_eq!(list(["a", "b", "c"], "or"), "`a`, `b` or `c`");
        assert_eq!(list(["a"], "or"), "`a`");
        assert_eq!(list::<&str>([], "and"), "none");
    }
}
