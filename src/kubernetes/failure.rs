//! Why the API server does not show us something: what was asked, and the mend.

use std::{fmt, sync::Arc};

use kube::{core::Status, runtime::watcher};

use super::{Kind, text::one_line};

/// A request that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    verb: &'static str,
    pub(super) cause: Cause,
    /// What the server or the connection says; may be empty.
    said: Arc<str>,
}

/// The ways in which it fails: few, since they are a metric's labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The role doesn't allow it.
    Forbidden,
    /// The server doesn't know who asks.
    Unauthorized,
    /// The server knows no such resource.
    Missing,
    /// What was seen last is too long ago.
    Gone,
    /// No answer in time.
    TimedOut,
    /// The server answers with another error.
    Refused,
    /// There is no connection.
    Unreachable,
}

impl Cause {
    /// Its name as a metric's label.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Forbidden => "forbidden",
            Self::Unauthorized => "unauthorized",
            Self::Missing => "missing",
            Self::Gone => "gone",
            Self::TimedOut => "timed-out",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
        }
    }

    fn of(status: &Status) -> Self {
        match status.code {
            401 => Self::Unauthorized,
            403 => Self::Forbidden,
            404 => Self::Missing,
            410 => Self::Gone,
            408 | 504 => Self::TimedOut,
            _ => Self::Refused,
        }
    }
}

impl Failure {
    /// Of a watch, or of the list that it begins with.
    pub(super) fn of_watch(kind: Kind, error: &watcher::Error) -> Self {
        match error {
            watcher::Error::InitialListFailed(error) => Self::of_request(kind, "list", error),
            watcher::Error::WatchStartFailed(error) | watcher::Error::WatchFailed(error) => {
                Self::of_request(kind, "watch", error)
            }
            watcher::Error::WatchError(status) => Self::of_status(kind, "watch", status),
            watcher::Error::NoResourceVersion => {
                Self { kind, verb: "watch", cause: Cause::Refused, said: one_line(&error.to_string()) }
            }
        }
    }

    /// Of one request.
    pub(super) fn of_request(kind: Kind, verb: &'static str, error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::of_status(kind, verb, status),
            other => Self { kind, verb, cause: Cause::Unreachable, said: one_line(&innermost(other)) },
        }
    }

    /// Of a request that is not answered.
    pub(super) fn timed_out(kind: Kind, verb: &'static str) -> Self {
        Self { kind, verb, cause: Cause::TimedOut, said: Arc::default() }
    }

    fn of_status(kind: Kind, verb: &'static str, status: &Status) -> Self {
        Self { kind, verb, cause: Cause::of(status), said: one_line(&status.message) }
    }
}

/// What the last error in the chain says, with the first: a connection's error tells why only there.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, verb, cause, said } = self;
        write!(f, "can't {verb} `{}`: ", kind.resource())?;
        match cause {
            Cause::Forbidden => write!(
                f,
                "the role doesn't allow it; install the chart with `kubernetes.view: true`, or your kustomization, again"
            ),
            Cause::Unauthorized => write!(
                f,
                "the API server doesn't accept the token; see that the pod has a service account and \
                 `automountServiceAccountToken` is not off"
            ),
            Cause::Missing if matches!(kind, Kind::ScaledJob | Kind::ScaledObject) => {
                write!(f, "the cluster has no such resource; install KEDA, or set `kubernetes.view` to `off`")
            }
            Cause::Missing => write!(f, "the cluster has no such resource"),
            Cause::Gone => write!(f, "what was seen last is too long ago; it is listed again"),
            Cause::TimedOut => {
                write!(f, "the API server doesn't answer in time; see that the network lets the pod reach it")
            }
            Cause::Refused => write!(f, "the API server answers with an error: {said}"),
            Cause::Unreachable => {
                write!(f, "the API server can't be reached: {said}; see that the network lets the pod reach it")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16) -> Box<Status> {
        Box::new(Status { code, message: "no\nway".to_owned(), ..Status::default() })
    }

    #[test]
    fn a_failure_names_resource_verb_and_mend() {
        let told = |kind, verb, code| Failure::of_request(kind, verb, &kube::Error::Api(status(code))).to_string();
        assert_eq!(
            told(Kind::Job, "list", 403),
            "can't list `jobs.batch`: the role doesn't allow it; install the chart with `kubernetes.view: true`, or your kustomization, again"
        );
        assert!(told(Kind::ScaledObject, "list", 404).contains("install KEDA"));
        assert!(told(Kind::Pod, "watch", 500).ends_with("an error: no way"));
    }

    #[test]
    fn a_watch_tells_whether_it_was_the_list() {
        let of = |error: watcher::Error| Failure::of_watch(Kind::Pod, &error);
        let listed = of(watcher::Error::InitialListFailed(kube::Error::Api(status(401))));
        assert_eq!((listed.verb, listed.cause.label()), ("list", "unauthorized"));
        let watched = of(watcher::Error::WatchError(status(410)));
        assert_eq!((watched.verb, watched.cause.label()), ("watch", "gone"));
    }
}
