//! The organisations that triggers may name, and which namespaces may use each.
//!
//! Knows nothing of credentials.

use std::sync::Arc;

use url::Url;

use super::BadMetadata;
use crate::wording::{list, shown, shown_url};

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

/// All configured organisations.
#[derive(Clone, Debug)]
pub struct Organizations(Vec<Organization>);

impl Organizations {
    /// These and no others.
    #[must_use]
    pub fn new(organizations: Vec<Organization>) -> Self {
        Self(organizations)
    }

    /// The one that a trigger means that names none.
    pub(super) fn only(&self) -> Result<&Organization, BadMetadata> {
        match self.0.as_slice() {
            [only] => Ok(only),
            several => Err(BadMetadata::NoOrganization { configured: list(several.iter().map(|it| &it.name), "and") }),
        }
    }

    /// The one of this name.
    pub(super) fn named(&self, name: &str) -> Result<&Organization, BadMetadata> {
        self.0.iter().find(|it| it.name.eq_ignore_ascii_case(name)).ok_or_else(|| BadMetadata::UnknownOrganization {
            name: shown(name),
            configured: list(self.0.iter().map(|it| &it.name), "and"),
        })
    }

    /// The one at this address. A slash at its end and letter case don't matter, as they don't to Azure DevOps.
    pub(super) fn at(&self, key: &'static str, written: &str) -> Result<&Organization, BadMetadata> {
        let meant = Url::parse(written).ok();
        let same = |it: &&Organization| meant.as_ref().is_some_and(|meant| same_place(meant, &it.url));
        self.0.iter().find(same).ok_or_else(|| BadMetadata::UnknownUrl {
            key,
            url: shown_url(written),
            configured: list(self.0.iter().map(|it| it.url.as_str()), "and"),
        })
    }
}

/// Whether two addresses are one organisation's. One with a name, a password, a query or a fragment is nobody's.
#[must_use]
pub fn same_place(one: &Url, other: &Url) -> bool {
    let place = |url: &Url| {
        let bare =
            url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
        bare.then(|| (url.origin(), url.path().trim_end_matches('/').to_ascii_lowercase()))
    };
    place(one).is_some_and(|one| place(other) == Some(one))
}
