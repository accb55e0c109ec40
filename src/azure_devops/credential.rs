//! What this program signs in with, and where it comes from.
//!
//! Secrets live in [`SecretString`]s, which no log, error or `Debug` output shows, and leave this room only for the
//! header of a request. May touch files; nothing of this crate.

use std::{fmt, io, path::PathBuf};

use secrecy::{ExposeSecret, SecretString};

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
}

/// There is no token to sign in with. The messages end in the mend.
#[derive(Debug, thiserror::Error)]
pub enum NoToken {
    /// The file can't be read.
    #[error("the token's file `{}` can't be read ({reason}): create it, or mend its path or its permissions", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// There is nothing but white space.
    #[error("{0} holds no token: put a personal access token with the scope Agent Pools (read) there")]
    Empty(String),
}

impl Credential {
    /// The personal access token, without the white space around it.
    ///
    /// # Errors
    ///
    /// When the file can't be read, or there is no token.
    pub async fn token(&self) -> Result<SecretString, NoToken> {
        let text = match self {
            Self::PersonalAccessTokenFile(path) => tokio::fs::read_to_string(path)
                .await
                .map(SecretString::from)
                .map_err(|reason| NoToken::Unreadable { path: path.clone(), reason })?,
            Self::PersonalAccessTokenVariable { token, .. } => token.clone(),
        };
        match text.expose_secret().trim() {
            "" => Err(NoToken::Empty(self.to_string())),
            token => Ok(token.into()),
        }
    }
}

/// Where the credential comes from, as messages name it.
impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PersonalAccessTokenFile(path) => write!(f, "the file `{}`", path.display()),
            Self::PersonalAccessTokenVariable { name, .. } => write!(f, "the environment variable `{name}`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_token_is_trimmed_and_its_file_reread() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        let credential = Credential::PersonalAccessTokenFile(path.clone());
        for token in ["first", "second"] {
            std::fs::write(&path, format!(" {token}\r\n")).unwrap();
            assert_eq!(credential.token().await.unwrap().expose_secret(), token);
        }
    }

    #[tokio::test]
    async fn without_a_token_the_place_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        let credential = Credential::PersonalAccessTokenFile(path.clone());
        let missing = credential.token().await.unwrap_err().to_string();
        assert!(missing.contains(&format!("`{}` can't be read", path.display())), "{missing}");
        std::fs::write(&path, "\n").unwrap();
        let empty = credential.token().await.unwrap_err().to_string();
        assert!(empty.contains(&format!("`{}` holds no token", path.display())), "{empty}");
        let variable = Credential::PersonalAccessTokenVariable { name: "AZP_TOKEN".into(), token: " ".into() };
        let empty = variable.token().await.unwrap_err().to_string();
        assert!(empty.contains("environment variable `AZP_TOKEN` holds no token"), "{empty}");
    }

    #[test]
    fn debug_output_hides_the_token() {
        let credential = Credential::PersonalAccessTokenVariable { name: "T".into(), token: "tell-nobody".into() };
        assert!(!format!("{credential:?} {credential}").contains("tell-nobody"));
    }
}
