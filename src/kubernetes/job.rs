//! A Kubernetes Job as the API tells it, read as KEDA reads it.

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;

use super::trouble;
use crate::cluster_view::Trouble;

/// What is kept of a Kubernetes Job.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub(super) created_at: Timestamp,
    pub(super) outcome: Outcome,
}

/// What became of it: the first of its conditions that says so.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    Unfinished,
    Succeeded,
    Failed(Trouble),
}

impl Record {
    pub(super) fn of(job: &Job) -> Self {
        let conditions = job.status.as_ref().and_then(|status| status.conditions.as_ref()).into_iter().flatten();
        let outcome = conditions.filter(|condition| condition.status == "True").find_map(|condition| {
            match condition.type_.as_str() {
                "Complete" => Some(Outcome::Succeeded),
                "Failed" => Some(Outcome::Failed(trouble::of_job(condition))),
                _ => None,
            }
        });
        Self {
            created_at: job.metadata.creation_timestamp.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0),
            outcome: outcome.unwrap_or(Outcome::Unfinished),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::cluster_view::StartFailure;

    fn outcome(conditions: &Value) -> Outcome {
        Record::of(&serde_json::from_value(json!({"metadata": {}, "status": {"conditions": conditions}})).unwrap())
            .outcome
    }

    #[test]
    fn it_is_finished_when_a_condition_says_so() {
        assert_eq!(outcome(&json!([])), Outcome::Unfinished);
        assert_eq!(outcome(&json!([{"type": "Complete", "status": "False"}])), Outcome::Unfinished);
        assert_eq!(outcome(&json!([{"type": "Suspended", "status": "True"}])), Outcome::Unfinished);
        assert_eq!(outcome(&json!([{"type": "FailureTarget", "status": "True"}])), Outcome::Unfinished);
        assert_eq!(outcome(&json!([{"type": "Complete", "status": "True"}])), Outcome::Succeeded);
        let failed = json!([{"type": "Failed", "status": "True", "reason": "DeadlineExceeded", "message": "too long"}]);
        let trouble = Trouble { reason: StartFailure::DeadlineExceeded, message: "DeadlineExceeded: too long".into() };
        assert_eq!(outcome(&failed), Outcome::Failed(trouble));
    }
}
