//! The organisations that triggers may name, and which namespaces may use each.
//!
//! Knows nothing of credentials.

use std::sync::Arc;

use url::Url;

use super::BadMetadata;
use crate::{
    pools::same_place,
    wording::{list, shown, shown_url},
};

/// How a call came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Came {
    /// Anybody on the way could read it.
    #[default]
    InTheClear,
    /// Over TLS.
    Privately,
}

/// An organisation as this edge needs to know it.
#[derive(Clone, Debug)]
pub struct Organization {
    /// What triggers call it; case is ignored.
    pub name: Arc<str>,
    /// Its address, or that of a collection on premises.
    pub url: Url,
    /// The Kubernetes namespaces whose ScaledJobs may use it; `*` is every one.
    pub namespaces: Vec<String>,
}

impl Organization {
    /// Whether ScaledJobs of a namespace may use it.
    #[must_use]
    pub fn admits(&self, namespace: &str) -> bool {
        self.namespaces.iter().any(|admitted| admitted == "*" || admitted == namespace)
    }
}

/// All configured organisations, and whether triggers may bring tokens for others.
#[derive(Clone, Debug)]
pub struct Organizations {
    configured: Vec<Organization>,
    allow_tokens_without_tls: bool,
}

impl Organizations {
    /// These and no others.
    #[must_use]
    pub fn new(organizations: Vec<Organization>) -> Self {
        Self { configured: organizations, allow_tokens_without_tls: false }
    }

    /// As `[grpc] allow_tokens_without_tls` says.
    #[must_use]
    pub fn allowing_tokens_without_tls(self, allow: bool) -> Self {
        Self { allow_tokens_without_tls: allow, ..self }
    }

    /// Whether a token that came so may be used.
    pub(super) fn take_tokens(&self, came: Came) -> bool {
        came == Came::Privately || self.allow_tokens_without_tls
    }

    /// Whether one of this name is configured.
    pub(super) fn has(&self, name: &str) -> bool {
        self.configured.iter().any(|it| &*it.name == name)
    }

    /// The one that a trigger means that names none.
    pub(super) fn only(&self) -> Result<&Organization, BadMetadata> {
        match self.configured.as_slice() {
            [only] => Ok(only),
            several => Err(BadMetadata::NoOrganization { configured: list(several.iter().map(|it| &it.name), "and") }),
        }
    }

    /// The one of this name.
    pub(super) fn named(&self, name: &str) -> Result<&Organization, BadMetadata> {
        self.configured.iter().find(|it| it.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
            BadMetadata::UnknownOrganization {
                name: shown(name),
                configured: list(self.configured.iter().map(|it| &it.name), "and"),
            }
        })
    }

    /// The one at this address. A slash at its end and letter case don't matter, as they don't to Azure DevOps.
    pub(super) fn at(&self, key: &'static str, written: &str) -> Result<&Organization, BadMetadata> {
        let meant = Url::parse(written).ok();
        let same = |it: &&Organization| meant.as_ref().is_some_and(|meant| same_place(meant, &it.url));
        self.configured.iter().find(same).ok_or_else(|| BadMetadata::UnknownUrl {
            key,
            url: shown_url(written),
            configured: list(self.configured.iter().map(|it| it.url.as_str()), "and"),
        })
    }
}
