//! What can be wrong with a configuration: each names the key, the value where it is no secret, and the mend.

use std::fmt;

/// Why the program doesn't start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A file that can't be read.
    #[error("{key}: can't read `{file}`: {reason}")]
    Unreadable {
        /// The key, or the argument, that names it.
        key: String,
        /// Where it should be.
        file: String,
        /// What the system says.
        reason: String,
    },
    /// The configuration's file is of no known kind.
    #[error("--config: `{0}` is neither TOML nor YAML by its name: call it `.toml`, `.yaml` or `.yml`")]
    UnknownKind(String),
    /// The file can't be parsed.
    #[error("--config: `{file}` can't be parsed: {reason}")]
    Syntax {
        /// The file.
        file: String,
        /// Where and why, without the text itself.
        reason: String,
    },
    /// Nothing is known by this key.
    #[error("{key}: unknown key, did you mean `{nearest}`?")]
    UnknownKey {
        /// The key with its path.
        key: String,
        /// The known key that is most like it.
        nearest: &'static str,
    },
    /// A value that can't be what the key needs.
    #[error("{key}: is {value}, but must be {needed}")]
    BadValue {
        /// The key with its path.
        key: String,
        /// The value as shown.
        value: String,
        /// What it must be.
        needed: &'static str,
    },
    /// Values that don't go together.
    #[error("{key}: is `{value}`, but {rule}")]
    Rule {
        /// The key with its path.
        key: String,
        /// Its value.
        value: String,
        /// What is asked of it.
        rule: &'static str,
    },
    /// A value that the program can't do without.
    #[error("{key}: is missing, {needed}")]
    Missing {
        /// The key with its path.
        key: String,
        /// What to write.
        needed: &'static str,
    },
    /// Two organisations that are one.
    #[error("{key}: `{value}` is already that of `{other}`: give each organization a name and a URL of its own")]
    Duplicate {
        /// The key with its path.
        key: String,
        /// What stands twice.
        value: String,
        /// Where it stands first.
        other: String,
    },
    /// An address that says more than who the organisation is.
    #[error("{key}: is `{url}`, but names a project, too: use `{organization}`")]
    Project {
        /// The key with its path.
        key: String,
        /// The address.
        url: String,
        /// The organisation's own.
        organization: String,
    },
    /// What should hold a token holds something else.
    #[error("{key}: `{place}` {found}")]
    BadToken {
        /// The key with its path.
        key: String,
        /// The file or the variable.
        place: String,
        /// What is there instead, and the mend.
        found: &'static str,
    },
    /// A token for no organisation.
    #[error(
        "{variable}: is given without AZP_URL: set AZP_URL, or write \
         credential = {{ kind = \"personal_access_token\", {entry} }} in the file"
    )]
    StrayToken {
        /// The variable.
        variable: &'static str,
        /// How a credential names the same token.
        entry: String,
    },
    /// A fault of a value that the environment gives.
    #[error("{fault} (from {variable})")]
    FromVariable {
        /// What is wrong.
        fault: Box<Fault>,
        /// The variable.
        variable: String,
    },
    /// A variable that should hold a token and doesn't.
    #[error("{key}: the environment has no `{variable}`, or it is empty: set it to the token")]
    NoVariable {
        /// The key with its path.
        key: String,
        /// The variable.
        variable: String,
    },
    /// A credential of no known kind.
    #[error("{key}: is `{kind}`, but must be {known}")]
    UnknownCredential {
        /// The key with its path.
        key: String,
        /// What is written.
        kind: String,
        /// The kinds there are.
        known: String,
    },
    /// A pod without the identity that its credential is.
    #[error(
        "{key}: is `workload_identity`, but the environment has no {variables}: label the pod \
         `azure.workload.identity/use: \"true\"`, and annotate its ServiceAccount with `azure.workload.identity/client-id`"
    )]
    NoIdentity {
        /// The key with its path.
        key: String,
        /// What the webhook of Azure Workload Identity would have set.
        variables: String,
    },
    /// Two ways of saying the same.
    #[error("{first} and {second} are both given: {mend}")]
    Both {
        /// One.
        first: String,
        /// The other.
        second: String,
        /// What to do.
        mend: &'static str,
    },
    /// There is nothing to ask.
    #[error(
        "no organization is configured: set `AZP_URL` and `AZP_TOKEN` (or `AZP_TOKEN_FILE`), or list `[[organizations]]` \
         in a file given with --config"
    )]
    NoOrganization,
}

impl Fault {
    /// The key that is at fault, with its path; none where it is no single one.
    pub(super) fn key(&self) -> Option<&str> {
        match self {
            Self::Unreadable { key, .. }
            | Self::UnknownKey { key, .. }
            | Self::BadValue { key, .. }
            | Self::Rule { key, .. }
            | Self::Missing { key, .. }
            | Self::Project { key, .. }
            | Self::BadToken { key, .. }
            | Self::Duplicate { key, .. }
            | Self::UnknownCredential { key, .. }
            | Self::NoIdentity { key, .. }
            | Self::NoVariable { key, .. } => Some(key),
            Self::UnknownKind(_)
            | Self::Syntax { .. }
            | Self::StrayToken { .. }
            | Self::FromVariable { .. }
            | Self::Both { .. }
            | Self::NoOrganization => None,
        }
    }
}

/// Every fault of a configuration, in the order of its sections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Faults {}
