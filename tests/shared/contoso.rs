//! An organisation and polling as most tests of the edge want them.

use std::time::Duration;

use azp_scaler::{
    azure_devops::{
        credential::Credential,
        directory::Polling,
        organization::{Organization, ParallelJobs},
    },
    pools::Freshness,
};

/// The token that no message may show.
pub(crate) const TOKEN: &str = "tell-nobody";

/// The organisation `contoso` at a URL.
pub(crate) fn organization(url: &str) -> Organization {
    Organization {
        name: "contoso".into(),
        url: url.to_owned(),
        credential: Credential::PersonalAccessTokenVariable { name: "AZP_TOKEN".into(), token: TOKEN.into() },
        allow_plain_http: false,
        certificate_authority: None,
        proxy: None,
        parallel_jobs: ParallelJobs::Off,
    }
}

/// The times that a configuration has by default.
pub(crate) fn usual_polling() -> Polling {
    let freshness = Freshness {
        fresh_for: Duration::from_secs(1),
        answer_within: Duration::from_secs(2),
        first_answer_within: Duration::from_secs(4),
        tolerated_age: Duration::from_secs(10),
    };
    Polling { freshness, background: Duration::from_secs(30) }
}
