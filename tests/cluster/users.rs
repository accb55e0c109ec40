//! Who asks the API server: tokens, and a kubeconfig for each.

use std::{fs, path::PathBuf};

use serde_json::json;

use super::programs::Place;

/// One whom the API server knows by a token.
#[derive(Clone, Copy, Debug)]
pub(crate) enum User {
    /// May do anything: the cases themselves, and the controller manager.
    Admin,
    /// The scaler's service account. It may do what roles bound to it say, which is nothing until a case applies some.
    Scaler,
}

impl User {
    const ALL: [Self; 2] = [Self::Admin, Self::Scaler];

    /// Its name, as RBAC compares it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Scaler => "system:serviceaccount:azp-scaler:azp-scaler",
        }
    }

    fn token(self) -> &'static str {
        match self {
            Self::Admin => "the-token-of-the-admin",
            Self::Scaler => "the-token-of-the-scaler",
        }
    }

    fn groups(self) -> &'static str {
        match self {
            Self::Admin => "system:masters",
            Self::Scaler => "system:serviceaccounts,system:serviceaccounts:azp-scaler",
        }
    }

    /// Where its kubeconfig is.
    pub(crate) fn kubeconfig(self, place: &Place) -> PathBuf {
        place.file(match self {
            Self::Admin => "admin.kubeconfig",
            Self::Scaler => "scaler.kubeconfig",
        })
    }
}

/// Writes the API server's token file, and the kubeconfigs.
pub(crate) fn write(place: &Place) {
    let mut tokens = Vec::new();
    for (number, user) in User::ALL.into_iter().enumerate() {
        tokens.push(format!("{},{},{number},\"{}\"", user.token(), user.name(), user.groups()));
        let cluster = json!({
            "server": place.api_server_url(),
            "certificate-authority": place.file("certificates/apiserver.crt"),
        });
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{ "name": "tests", "cluster": cluster }],
            "users": [{ "name": user.name(), "user": { "token": user.token() } }],
            "contexts": [{ "name": "tests", "context": { "cluster": "tests", "user": user.name() } }],
            "current-context": "tests",
        });
        fs::write(user.kubeconfig(place), kubeconfig.to_string()).unwrap();
    }
    fs::write(place.file("tokens.csv"), tokens.join("\n")).unwrap();
}
