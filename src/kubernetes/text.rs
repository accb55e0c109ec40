//! What the cluster says in words, cut to what a page can show.

use std::sync::Arc;

/// How long a message may be, in characters.
const LONGEST: usize = 300;

/// The text in one line and not too long.
pub(super) fn one_line(text: &str) -> Arc<str> {
    let blank = |character: char| character.is_whitespace() || character.is_control();
    let words: Vec<&str> = text.split(blank).filter(|word| !word.is_empty()).collect();
    let line = words.join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()).into(),
        None => line.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_short_line() {
        assert_eq!(&*one_line(" Back-off\r\n\tpulling\u{1b}image "), "Back-off pulling image");
        let long = one_line(&"ä".repeat(1000));
        assert_eq!(long.chars().count(), LONGEST + 1);
        assert!(long.ends_with('…'));
    }
}
