//! One organisation's settings, and the HTTP client that they make.
//!
//! The address is opaque: `https://dev.azure.com/NAME`, `https://NAME.visualstudio.com` or a collection on premises. May
//! touch files; of this edge [`credential`](super::credential) and `border`.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use reqwest::{
    Certificate, Proxy,
    header::{HeaderMap, HeaderName, HeaderValue},
    redirect,
};
use url::{Host, Url};

use super::{
    border::{self, Outside},
    credential::Credential,
};

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);
/// How long a request may take altogether; a round of them has a little longer.
const TIMEOUT: Duration = Duration::from_secs(9);

/// An organisation, or a collection on premises, as configured.
#[derive(Clone)]
pub struct Organization {
    /// What triggers and metrics call it.
    pub name: Arc<str>,
    /// Its address, with or without a slash at the end; blanks are encoded.
    pub url: String,
    /// How to sign in.
    pub credential: Credential,
    /// Whether the token may travel unencrypted beyond this machine.
    pub allow_plain_http: bool,
    /// A PEM file with authorities to trust besides the system's.
    pub certificate_authority: Option<PathBuf>,
    /// A proxy instead of the environment's.
    pub proxy: Option<String>,
    /// How many jobs may run at once in it.
    pub parallel_jobs: ParallelJobs,
}

/// Where the limit of an organisation's parallel jobs comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ParallelJobs {
    /// Azure is asked for it.
    #[default]
    Auto,
    /// There is none, and Azure is not asked.
    Off,
    /// So many jobs of private projects; Azure is asked for what runs.
    Limit(u32),
}

/// The proxy's address may hold a password, so it is not shown.
impl fmt::Debug for Organization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, credential, .. } = self;
        f.debug_struct("Organization").field("name", name).field("credential", credential).finish_non_exhaustive()
    }
}

/// An organisation can't be used as configured.
#[derive(Debug, thiserror::Error)]
#[error("organization `{organization}`: {fault}")]
pub struct BadOrganization {
    /// Its name.
    pub organization: Arc<str>,
    /// What is wrong.
    #[source]
    pub fault: BadSetting,
}

/// One setting is wrong. The messages end in the mend.
#[derive(Debug, thiserror::Error)]
pub enum BadSetting {
    /// The address can't be read.
    #[error("`url` is no address ({0}): write it like `https://dev.azure.com/contoso`")]
    NoAddress(url::ParseError),
    /// Neither http nor https.
    #[error("`url` begins with `{0}:`: write it like `https://dev.azure.com/contoso`")]
    Scheme(String),
    /// A user or password stands in the address. It is not repeated here.
    #[error("`url` holds a user name or password: leave it out, and put the token into `credential`")]
    UserInfo,
    /// Something stands behind the path.
    #[error("`url` holds a `?` or `#`: end it with the organization's or collection's name")]
    NotABase,
    /// The token would travel unencrypted.
    #[error("`{0}` would send the token unencrypted: use https, or set `allow_plain_http` if the network is safe")]
    PlainHttp(Url),
    /// The file of authorities can't be read.
    #[error("`certificate_authority` `{}` can't be read ({reason}): name a readable PEM file", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: std::io::Error,
    },
    /// The file of authorities holds none.
    #[error("`certificate_authority` `{}` holds no certificate: name a PEM file with at least one", .0.display())]
    NoCertificate(PathBuf),
    /// The proxy's address can't be read. It may hold a password, so it is not repeated.
    #[error("`proxy` is no address: write it like `http://proxy.example:3128`")]
    Proxy,
    /// A token that a trigger brings would not go outside.
    #[error("`{0}` {1}: no trigger's token is sent there; use a configured organization, or its public address")]
    NotOutside(Url, &'static str),
    /// The client can't be made of these settings.
    #[error("no HTTPS client can be made ({0}): check the system's certificates and `certificate_authority`")]
    Client(reqwest::Error),
}

impl Organization {
    /// The address to which paths are added.
    ///
    /// # Errors
    ///
    /// When it is no address of an organisation, or not a safe one.
    pub fn base(&self) -> Result<Url, BadSetting> {
        let url = Url::parse(self.url.trim()).map_err(BadSetting::NoAddress)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BadSetting::UserInfo);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(BadSetting::NotABase);
        }
        if self.credential.is_confined()
            && let Some(objection) = border::objection(&url)
        {
            return Err(BadSetting::NotOutside(url, objection));
        }
        match url.scheme() {
            "https" => Ok(url),
            "http" if self.allow_plain_http || is_loopback(&url) => Ok(url),
            "http" => Err(BadSetting::PlainHttp(url)),
            other => Err(BadSetting::Scheme(other.to_owned())),
        }
    }

    /// The client for [`base`](Self::base): it follows no redirect, since Azure redirects to its sign-in page.
    pub(super) fn http_client(&self, base: &Url) -> Result<reqwest::Client, BadSetting> {
        let suppress = HeaderName::from_static("x-tfs-fedauthredirect");
        let headers = HeaderMap::from_iter([(suppress, HeaderValue::from_static("Suppress"))]);
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("azp-scaler/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .redirect(redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT);
        if let Some(path) = &self.certificate_authority {
            let unreadable = |reason| BadSetting::Unreadable { path: path.clone(), reason };
            let pem = std::fs::read(path).map_err(unreadable)?;
            let certificates = Certificate::from_pem_bundle(&pem).unwrap_or_default();
            if certificates.is_empty() {
                return Err(BadSetting::NoCertificate(path.clone()));
            }
            builder = builder.tls_certs_merge(certificates);
        }
        if self.credential.is_confined() {
            builder = builder.dns_resolver(Outside::of(base));
        }
        if let Some(proxy) = &self.proxy {
            builder = builder.proxy(Proxy::all(proxy).map_err(|_| BadSetting::Proxy)?);
        } else if is_loopback(base) {
            builder = builder.no_proxy();
        }
        builder.build().map_err(BadSetting::Client)
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests;
