//! What answers of Entra are read as.

use secrecy::ExposeSecret as _;

use super::*;

fn read(body: &str) -> Option<(String, u64)> {
    grant(body.as_bytes()).map(|grant| (grant.token.expose_secret().to_owned(), grant.valid_for.as_secs()))
}

#[test]
fn the_time_is_a_number_or_a_text() {
    assert_eq!(read(r#"{"token_type":"Bearer","expires_in":3599,"access_token":"a"}"#), Some(("a".into(), 3599)));
    assert_eq!(read(r#"{"expires_in":"86399","expires_on":"1","access_token":"b"}"#), Some(("b".into(), 86_399)));
    for body in ["", "{}", r#"{"access_token":"a"}"#, r#"{"access_token":"a","expires_in":0}"#, "<html>"] {
        assert_eq!(read(body), None, "{body}");
    }
}

#[test]
fn a_refusal_quotes_entra_without_the_secret_and_what_helps_nobody() {
    let body =
        r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret hush.\r\nTrace ID: 1"}"#;
    let refusal = Refusal::read(StatusCode::UNAUTHORIZED, body.as_bytes(), "hush");
    assert_eq!(
        refusal.to_string(),
        r#"it answered 401 invalid_client, saying "AADSTS7000215: Invalid client secret ….""#
    );
    assert_eq!(refusal.class(), FailureClass::NotSignedIn);
}

#[test]
fn only_a_refusal_of_the_identity_is_one() {
    let class =
        |status: u16, body: &str| Refusal::read(StatusCode::from_u16(status).unwrap(), body.as_bytes(), "").class();
    assert_eq!(class(400, r#"{"error":"invalid_request"}"#), FailureClass::NotSignedIn);
    assert_eq!(class(429, ""), FailureClass::Throttled);
    for (status, body) in [(503, ""), (500, "<html>"), (410, ""), (404, "")] {
        assert_eq!(class(status, body), FailureClass::ServerError, "{status}");
    }
    assert_eq!(class(302, ""), FailureClass::BadAnswer);
}
