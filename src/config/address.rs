//! What an organisation's address must be besides a URL: safe for a token, and no more than the organisation's.

use url::Url;

use super::{Fault, section::Section};
use crate::wording::shown_url;

/// A token over `http://` can be read by anybody on the way; `rule` says so and how to mend it.
pub(super) fn check_plain_http(section: &mut Section<'_>, key: &str, url: &Url, rule: &'static str) {
    let loopback = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if url.scheme() == "http" && !loopback {
        section.reject(key, url.as_str(), rule);
    }
}

/// In the cloud an address that goes on after the organisation is that of a project; on premises nobody can tell.
pub(super) fn check_project(section: &mut Section<'_>, key: &str, url: &Url) {
    let (Some(host), Some(segments)) = (url.host_str(), url.path_segments()) else { return };
    let segments: Vec<&str> = segments.filter(|segment| !segment.is_empty()).collect();
    let organization = match segments.as_slice() {
        [first, _, ..] if host == "dev.azure.com" => format!("https://{host}/{first}"),
        [first, rest @ ..]
            if host.ends_with(".visualstudio.com")
                && !(rest.is_empty() && first.eq_ignore_ascii_case("DefaultCollection")) =>
        {
            format!("https://{host}")
        }
        _ => return,
    };
    section.add(Fault::Project { key: section.key(key), url: shown_url(url.as_str()), organization });
}
