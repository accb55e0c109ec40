//! What this program signs in with, and where it comes from.
//!
//! Secrets live in [`SecretString`]s, which no log, error or `Debug` output shows, and leave this edge only in the header
//! of a request, or in the form that asks for a token. May touch files; of this crate [`entra`](super::entra) alone.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use secrecy::{ExposeSecret, SecretString};

use super::entra::Entra;

/// How to sign in to one organisation.
#[derive(Clone, Debug)]
pub enum Credential {
    /// A personal access token in a file, read anew for each request, so that it can be replaced at any time.
    PersonalAccessTokenFile(PathBuf),
    /// A personal access token that stood in an environment variable at the start.
    PersonalAccessTokenVariable {
        /// The variable, for messages.
        name: String,
        /// Its value.
        token: SecretString,
    },
    /// A personal access token that triggers bring, in memory only.
    Brought(BroughtToken),
    /// A token of Microsoft Entra, asked for when it is needed.
    Entra(Entra),
}

/// The personal access token that triggers brought last.
#[derive(Clone, Debug)]
pub struct BroughtToken {
    token: Arc<Mutex<SecretString>>,
    /// Whether it goes outside only, as [`border`](super::border) has it; elsewhere, to an address that the operator has
    /// configured.
    pub(super) is_confined: bool,
}

/// There is no token to sign in with. The messages end in the mend.
#[derive(Debug, thiserror::Error)]
pub enum NoToken {
    /// The file can't be read.
    #[error("the {what}'s file `{}` can't be read ({reason}): create it, or mend its path or its permissions", .path.display())]
    Unreadable {
        /// What it should hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// There is nothing but white space.
    #[error("{place} holds no {what}: put {mend} there")]
    Empty {
        /// Where it should be.
        place: String,
        /// What it should be.
        what: &'static str,
        /// What to put there.
        mend: &'static str,
    },
}

impl BroughtToken {
    /// A token that may be replaced.
    pub(super) fn new(token: SecretString, is_confined: bool) -> Self {
        Self { token: Arc::new(Mutex::new(token)), is_confined }
    }

    /// The token at present.
    pub(super) fn get(&self) -> SecretString {
        self.token.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces it.
    pub(super) fn set(&self, token: SecretString) {
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = token;
    }
}

impl Credential {
    /// Whether it goes outside only.
    pub(super) fn is_confined(&self) -> bool {
        matches!(self, Self::Brought(token) if token.is_confined)
    }

    /// What Azure must be told that it doesn't accept, for people: why it may be so, and what to do.
    pub(super) fn mend(&self) -> String {
        match self {
            Self::Entra(entra) => format!(
                "it does not accept the Entra token of {entra}: add that identity to the organization (Organization \
                 settings, Users; access level Basic), and check that the organization is connected to its tenant"
            ),
            _ => format!(
                "it does not accept the token: expired, revoked, mistyped, of another organization, or without the scope \
                 Agent Pools (read); put a valid one into {self}"
            ),
        }
    }
}

/// What a secret's file holds, without the white space around it.
pub(super) async fn read(path: &Path, what: &'static str, mend: &'static str) -> Result<SecretString, NoToken> {
    let text = tokio::fs::read_to_string(path).await.map(SecretString::from).map_err(|reason| NoToken::Unreadable {
        what,
        path: path.to_owned(),
        reason,
    })?;
    trimmed(&text, || format!("the file `{}`", path.display()), what, mend)
}

/// A secret without the white space around it.
pub(super) fn trimmed(
    text: &SecretString,
    place: impl FnOnce() -> String,
    what: &'static str,
    mend: &'static str,
) -> Result<SecretString, NoToken> {
    match text.expose_secret().trim() {
        "" => Err(NoToken::Empty { place: place(), what, mend }),
        secret => Ok(secret.into()),
    }
}

/// Where the credential comes from, as messages name it.
impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PersonalAccessTokenFile(path) => write!(f, "the file `{}`", path.display()),
            Self::PersonalAccessTokenVariable { name, .. } => write!(f, "the environment variable `{name}`"),
            Self::Brought(_) => {
                f.write_str("the variable of the ScaledJob's container that `personalAccessTokenFromEnv` names")
            }
            Self::Entra(entra) => entra.fmt(f),
        }
    }
}
