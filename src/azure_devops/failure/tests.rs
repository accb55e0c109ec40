//! Classes, and words of others.

use super::*;

#[test]
fn every_status_has_its_class() {
    let class = |status: u16| class_of(StatusCode::from_u16(status).unwrap(), false, false);
    assert_eq!(class(200), None);
    for status in [203, 302, 307, 401] {
        assert_eq!(class(status), Some(FailureClass::NotSignedIn), "{status}");
    }
    assert_eq!(class(403), Some(FailureClass::Forbidden));
    assert_eq!(class(404), Some(FailureClass::NotFound));
    assert_eq!(class(429), Some(FailureClass::Throttled));
    for status in [408, 500, 502, 503, 504] {
        assert_eq!(class(status), Some(FailureClass::ServerError), "{status}");
    }
    assert_eq!(class(400), Some(FailureClass::BadAnswer));
}

#[test]
fn a_page_is_a_sign_in_page_only_where_an_answer_was_due() {
    assert_eq!(class_of(StatusCode::OK, true, false), Some(FailureClass::NotSignedIn));
    assert_eq!(class_of(StatusCode::BAD_GATEWAY, true, false), Some(FailureClass::ServerError));
    assert_eq!(class_of(StatusCode::SERVICE_UNAVAILABLE, false, true), Some(FailureClass::Throttled));
    assert_eq!(class_of(StatusCode::OK, false, true), None);
}

#[test]
fn foreign_text_is_one_bounded_line() {
    assert_eq!(quoted(" a\r\n\u{1b}[31mb\0 "), "a   [31mb");
    assert_eq!(quoted(&"ä".repeat(LONGEST_QUOTE)).chars().count(), LONGEST_QUOTE);
    let cut = quoted(&"ä".repeat(10_000));
    assert_eq!(cut.chars().count(), LONGEST_QUOTE + 1);
    assert!(cut.ends_with('…'));
}
