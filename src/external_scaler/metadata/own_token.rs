//! Whose the pool is: a configured organisation's, or that of a URL that the trigger brings a token for.

use secrecy::ExposeSecret as _;
use url::Url;

use super::{BadMetadata, Came, Metadata, Organizations, TOKEN_KEY, URL_FROM_ENV_KEY, Whose};
use crate::wording::shown_url;

const NAME: &str = "organization";
const PLACES: [&str; 3] = [NAME, "organizationURL", URL_FROM_ENV_KEY];

impl Metadata {
    /// What is configured is for the namespaces that the operator lets use it; whoever brings a token uses nothing of that.
    pub(super) fn whose(
        &self,
        namespace: &str,
        came: Came,
        organizations: &Organizations,
    ) -> Result<Whose, BadMetadata> {
        let named = self.at_most_one(&PLACES)?;
        if let Some(token) = &self.token {
            if !organizations.take_tokens(came) {
                return Err(BadMetadata::TokenInTheClear);
            }
            let token = token.expose_secret().trim();
            if token.is_empty() {
                return Err(BadMetadata::Empty { key: TOKEN_KEY });
            }
            return match named {
                None => Err(BadMetadata::TokenForNowhere),
                Some((NAME, _)) => Err(BadMetadata::Both { first: NAME, second: TOKEN_KEY }),
                Some((key, url)) => address(key, url).map(|url| Whose::Own(url, token.into())),
            };
        }
        let organization = match named {
            None => organizations.only(),
            Some((NAME, name)) => organizations.named(name),
            Some((key, url)) => organizations.at(key, url),
        }?;
        if !organization.admits(namespace) {
            let organization = organization.name.to_string();
            return Err(BadMetadata::NamespaceNotAdmitted { namespace: namespace.to_owned(), organization });
        }
        Ok(Whose::Configured(organization.name.clone()))
    }
}

/// An address that a token may be for; whether it may go there is not for this edge to say.
fn address(key: &'static str, written: &str) -> Result<Url, BadMetadata> {
    let is_plain = |url: &Url| {
        let parts = [url.query(), url.fragment(), url.password()];
        url.has_host() && url.username().is_empty() && parts.iter().all(Option::is_none)
    };
    let url = Url::parse(written).ok().filter(|url| is_plain(url) && ["http", "https"].contains(&url.scheme()));
    url.ok_or_else(|| BadMetadata::NotAnAddress { key, url: shown_url(written) })
}
