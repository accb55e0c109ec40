//! How requests fail: one table from Azure's answer to a class, and the sentence that tells a person what to mend.
//!
//! A message has four parts: what was asked for, of which organisation, what came instead (with Azure's own words where
//! it has any), and the mend. None holds a secret: what Azure says is checked for the token it was sent. May touch
//! [`pools`](crate::pools).

use std::{error::Error, fmt, io, iter, time::Duration};

use reqwest::StatusCode;
use rustls::CertificateError;

use super::{
    budget::{CAP, WINDOW},
    credential::Credential,
    entra::Denial,
};
use crate::pools::{Failure, FailureClass};

/// Azure's own words are cut after this many characters.
const LONGEST_QUOTE: usize = 300;

/// What a request asks for, as its failure names it.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    /// For instance "the job requests of pool `Linux` (7)".
    pub(super) what: &'a str,
    /// The organisation's name.
    pub(super) organization: &'a str,
    /// The organisation's address.
    pub(super) url: &'a str,
    /// Where the credential comes from.
    pub(super) credential: &'a Credential,
    /// Whether it changes anything, for which reading is not right enough.
    pub(super) manages: bool,
}

/// The class of an answer, by its status; `None` where it is what was asked for.
pub(super) fn class_of(status: StatusCode, is_html: bool, asks_for_patience: bool) -> Option<FailureClass> {
    Some(match status.as_u16() {
        // Azure shows its sign-in page with 203 to whom it does not know, or redirects to it.
        203 | 300..=399 | 401 => FailureClass::NotSignedIn,
        200..=299 if is_html => FailureClass::NotSignedIn,
        200..=299 => return None,
        403 => FailureClass::Forbidden,
        404 | 410 => FailureClass::NotFound,
        409 => FailureClass::Taken,
        429 => FailureClass::Throttled,
        503 if asks_for_patience => FailureClass::Throttled,
        408 | 500..=599 => FailureClass::ServerError,
        _ => FailureClass::BadAnswer,
    })
}

/// Whether an answer that was refused is one that says all is well, so that only its kind gave it away.
fn is_page_instead(status: StatusCode) -> bool {
    status.is_success() && status != StatusCode::NON_AUTHORITATIVE_INFORMATION
}

impl Request<'_> {
    /// Azure refused. `said` is its own explanation.
    pub(super) fn refused(&self, class: FailureClass, status: StatusCode, said: Option<&str>) -> Failure {
        let Self { url, credential, .. } = self;
        if class == FailureClass::NotSignedIn && is_page_instead(status) {
            let found = format!("Azure DevOps answered {} with a web page instead of data", status.as_u16());
            let mend = format!(
                "the URL is not an organization's, a proxy answered, or the token is not accepted: check `url`, which is \
                 `{url}`, `proxy` and the credential, {credential}"
            );
            return self.failure(class, &found, &mend);
        }
        let (scope, role) = if self.manages {
            ("Agent Pools (read & manage)", "Administrator")
        } else {
            ("Agent Pools (read)", "Reader")
        };
        let mend = match class {
            FailureClass::Taken if self.manages => {
                "another agent has that name: look at the pool's agents".to_owned()
            }
            _ if self.manages && status == StatusCode::BAD_REQUEST => {
                "an agent that is to be removed may still have a job, until Azure DevOps gives that up some 10 minutes after it lost sight of the agent"
                    .to_owned()
            }
            FailureClass::NotSignedIn if self.manages => {
                format!("{}; this needs the scope {scope}", credential.mend())
            }
            FailureClass::NotSignedIn => credential.mend(),
            FailureClass::Forbidden => format!(
                "the token is accepted but not allowed this: give it the scope {scope}, and its user the role {role} on the \
                 pool (Organization settings, Agent pools, Security)"
            ),
            FailureClass::NotFound => format!(
                "there is no such thing, or the token's user may not see it: check the pool, and that `{url}` is the \
                 organization's or collection's own address"
            ),
            FailureClass::Throttled => {
                "too many requests are made with this token's user: the scaler waits as long as \
                                        Azure asks; give it a user of its own, or raise `background` and `fresh_for`"
                    .to_owned()
            }
            FailureClass::ServerError => {
                "the fault is on its side: the scaler asks again; look at Azure DevOps' status page if it lasts"
                    .to_owned()
            }
            _ => format!("check that `{url}` is the organization's or collection's own address"),
        };
        let said = said.map(quoted).filter(|said| !said.is_empty()).map(|said| format!(", saying \"{said}\""));
        self.failure(class, &format!("Azure DevOps answered {}{}", status.as_u16(), said.unwrap_or_default()), &mend)
    }

    /// The answer is good JSON of another kind, or none at all.
    pub(super) fn misread(&self, reason: &str) -> Failure {
        let mend = format!(
            "check that `{}` is the organization's or collection's own address, and what a proxy between may change",
            self.url
        );
        let found = format!("the answer is not what was asked for ({})", quoted(reason));
        self.failure(FailureClass::BadAnswer, &found, &mend)
    }

    /// The answer is larger than any that is read.
    pub(super) fn too_large(&self, limit: usize) -> Failure {
        let found = format!("the answer is larger than {} MiB", limit >> 20);
        self.failure(FailureClass::BadAnswer, &found, "that many job requests or agents are not supported in one pool")
    }

    /// No answer came.
    pub(super) fn unanswered(&self, error: reqwest::Error) -> Failure {
        if let Some(fault) = certificate_fault(&error) {
            return self.not_trusted(fault);
        }
        let timed_out = error.is_timeout();
        let not_resolved = error.is_dns();
        let broken_off = error.is_body() || error.is_decode();
        let reason = root_cause(&error.without_url());
        let Self { url, .. } = self;
        let (found, mend) = if timed_out {
            ("no answer in time".to_owned(), format!("check the network, the firewall and the proxy to `{url}`"))
        } else if not_resolved {
            (
                format!("the host's name is not resolved ({reason})"),
                format!("check the host in `{url}` and the cluster's DNS"),
            )
        } else if broken_off {
            (format!("the answer broke off ({reason})"), "the scaler asks again".to_owned())
        } else {
            (
                format!("no connection ({reason})"),
                format!("check `{url}`, the network, the firewall and the proxy between"),
            )
        };
        self.failure(FailureClass::Unreachable, &found, &mend)
    }

    /// The server shows a certificate that can't be believed.
    fn not_trusted(&self, fault: &CertificateError) -> Failure {
        let Self { url, .. } = self;
        let (found, mend) = match fault {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
                "the server's certificate has expired".to_owned(),
                format!(
                    "renew it where `{url}` is served, or on the proxy that answers for it; check this machine's clock"
                ),
            ),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
                "the server's certificate is for another name".to_owned(),
                format!("check the host in `{url}`, and whether a proxy answers for it"),
            ),
            _ => (
                format!("the server's certificate is not trusted ({})", quoted(&fault.to_string())),
                format!("set `certificate_authority` to the authority that `{url}` has its certificate from"),
            ),
        };
        self.failure(FailureClass::Unreachable, &found, &mend)
    }

    /// There is nothing to sign in with; the reason ends in its mend.
    pub(super) fn unsigned(&self, Denial { class, message, .. }: &Denial) -> Failure {
        Failure { class: *class, message: format!("{self}: {message}") }
    }

    /// No pool has that name.
    pub(super) fn no_such_pool(&self) -> Failure {
        let mend = "check the name under Organization settings, Agent pools, and that the token's user has the role Reader \
                    on the pool";
        self.failure(FailureClass::NotFound, "there is no such pool, or the token's user may not see it", mend)
    }

    /// Azure has asked for patience before.
    pub(super) fn too_early(&self, left: Duration) -> Failure {
        let found = format!("Azure DevOps asks for patience for another {} s", left.as_secs().max(1));
        let mend = "the scaler asks again afterwards; give it a user of its own, or raise `background` and `fresh_for`, if \
                    that happens often";
        self.failure(FailureClass::Throttled, &found, mend)
    }

    /// As many requests have been made as may be.
    pub(super) fn over_budget(&self, wait: Duration) -> Failure {
        let found = format!(
            "the scaler has made the {CAP} requests that it makes in {} minutes, and makes the next in {} s",
            WINDOW.as_secs() / 60,
            wait.as_secs().max(1)
        );
        let mend = "poll less often, or divide the pools among scalers with tokens of different users";
        self.failure(FailureClass::Throttled, &found, mend)
    }

    /// A round of requests took too long.
    pub(super) fn overdue(&self, limit: Duration) -> Failure {
        let found = format!("Azure DevOps has not answered within {limit:?}");
        let mend = "the scaler asks again; check the network, the firewall and the proxy if it lasts";
        self.failure(FailureClass::Unreachable, &found, mend)
    }

    fn failure(&self, class: FailureClass, found: &str, mend: &str) -> Failure {
        Failure { class, message: format!("{self}: {found}; {mend}") }
    }
}

impl fmt::Display for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of organization `{}`", self.what, self.organization)
    }
}

/// Why no answer came, in a few words.
pub(super) fn why_unanswered(error: reqwest::Error) -> String {
    let timed_out = error.is_timeout();
    if timed_out { "no answer in time".to_owned() } else { format!("no answer ({})", root_cause(&error.without_url())) }
}

/// Foreign text made fit for a message: on one line, and bounded.
pub(super) fn quoted(text: &str) -> String {
    let mut line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_QUOTE + 1).collect();
    if line.chars().count() > LONGEST_QUOTE {
        line.pop();
        line.push('…');
    }
    line.trim().to_owned()
}

/// What is wrong with the server's certificate, if that is why there is no answer.
fn certificate_fault<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a CertificateError> {
    let mut causes = iter::successors(Some(error), |&cause: &&'a (dyn Error + 'static)| {
        // What an I/O error holds is not its source, but what it stands for.
        let held = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        held.map(|held| held as &(dyn Error + 'static)).or_else(|| cause.source())
    });
    causes.find_map(|cause| match cause.downcast_ref()? {
        rustls::Error::InvalidCertificate(fault) => Some(fault),
        _ => None,
    })
}

fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    quoted(&cause.to_string())
}

#[cfg(test)]
mod tests;
