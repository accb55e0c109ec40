//! Parallel jobs from the wire: how many may run at once in an organisation, and where how many run.
//!
//! May touch [`wire`](super::super::wire) and the pure core.

use std::collections::BTreeMap;

use super::{NotTheAnswer, is, object};
use crate::{azure_devops::wire, job_request::Parallelism, parallel_jobs::Running};

/// What Azure says of one parallelism.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParallelJobs {
    /// What may run; none where the answer says nothing about it.
    pub limit: Option<Limit>,
    /// What runs.
    pub running: Running,
}

/// How many jobs may run at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// So many.
    Jobs(u32),
    /// Any number.
    Unlimited,
    /// Azure itself could not find out.
    NotKnown,
}

impl ParallelJobs {
    /// How many jobs run in the whole organisation.
    #[must_use]
    pub fn used(&self) -> u32 {
        match &self.running {
            Running::Total(total) => *total,
            Running::ByPool(by_pool) => by_pool.values().sum(),
        }
    }
}

/// Reads the answer of `resourceusage`.
///
/// # Errors
///
/// When the body is something else.
pub fn usage(body: &[u8]) -> Result<ParallelJobs, NotTheAnswer> {
    object(body).map(usage_of)
}

/// What an answer of `resourceusage` tells.
#[must_use]
pub fn usage_of(usage: wire::ResourceUsage<'_>) -> ParallelJobs {
    let mut running = usage.running_requests;
    running.retain(|request| request.result.is_none() && request.finish_time.is_none());
    let listed = count(running.len());
    let used = usage.used_count.map_or(0, |used| count(used.max(0)));
    let pools: Option<Vec<i64>> = running.iter().map(|request| request.pool_id).collect();
    let running = match pools {
        // Where more run than are listed, the list is no guide to where.
        Some(pools) if listed >= used && !pools.is_empty() => {
            let mut by_pool = BTreeMap::new();
            for pool in pools {
                *by_pool.entry(pool).or_default() += 1;
            }
            Running::ByPool(by_pool)
        }
        _ => Running::Total(used.max(listed)),
    };
    ParallelJobs { limit: usage.resource_limit.as_ref().map(limit_of), running }
}

/// Reads the answer of `resourcelimits`: the limit of one parallelism on agents of one's own.
///
/// # Errors
///
/// When the body is no list of limits.
pub fn limit(body: &[u8], parallelism: Parallelism) -> Result<Limit, NotTheAnswer> {
    let limits: wire::List<wire::ResourceLimit<'_>> = object(body)?;
    let mut own = limits.value.iter().filter(|limit| !limit.is_hosted);
    let limit = own.find(|limit| is(limit.parallelism_tag.as_ref(), parallelism.tag()));
    Ok(limit.map_or(Limit::NotKnown, limit_of))
}

fn limit_of(limit: &wire::ResourceLimit<'_>) -> Limit {
    match limit.total_count {
        _ if limit.failed_to_reach_all_providers => Limit::NotKnown,
        None | Some(..0) => Limit::Unlimited,
        Some(total) => Limit::Jobs(count(total)),
    }
}

/// A number of jobs, whatever it is counted in.
fn count<T>(number: T) -> u32
where
    u32: TryFrom<T>,
{
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> ParallelJobs {
        usage(body.as_bytes()).unwrap()
    }

    #[test]
    fn jobs_that_run_are_told_by_pool_where_azure_says_where() {
        let told = read(
            r#"{"usedCount":3,"usedMinutes":null,"resourceLimit":{"hostId":"x","parallelismTag":"Private","isHosted":false,
            "totalCount":5,"isPremium":true,"failedToReachAllProviders":false,"resourceLimitsData":{"FreeCount":"1"}},
            "runningRequests":[{"requestId":1,"poolId":7},{"requestId":2,"poolId":9},{"poolId":7},
            {"poolId":7,"result":"succeeded"}]}"#,
        );
        assert_eq!(told.limit, Some(Limit::Jobs(5)));
        assert_eq!(told.running, Running::ByPool(BTreeMap::from([(7, 2), (9, 1)])));
        assert_eq!(told.used(), 3);
    }

    #[test]
    fn else_their_number_is_told() {
        for (body, total) in [
            (r#"{"usedCount":3}"#, 3),
            (r#"{"usedCount":3,"runningRequests":null}"#, 3),
            (r#"{"usedCount":3,"runningRequests":[{"poolId":7}]}"#, 3),
            (r#"{"usedCount":null,"runningRequests":[{"poolId":7},{"poolId":null}]}"#, 2),
            (r#"{"usedCount":0,"runningRequests":[]}"#, 0),
            ("{}", 0),
        ] {
            assert_eq!(read(body).running, Running::Total(total), "{body}");
        }
    }

    #[test]
    fn a_limit_is_a_number_or_none_or_not_known() {
        let told = |limit: &str| read(&format!(r#"{{"resourceLimit":{limit}}}"#)).limit;
        assert_eq!(told(r#"{"totalCount":0}"#), Some(Limit::Jobs(0)));
        assert_eq!(told("{}"), Some(Limit::Unlimited));
        assert_eq!(told(r#"{"totalCount":null,"failedToReachAllProviders":null}"#), Some(Limit::Unlimited));
        assert_eq!(told(r#"{"totalCount":1,"failedToReachAllProviders":true}"#), Some(Limit::NotKnown));
        assert_eq!(told("null"), None);
    }

    #[test]
    fn the_list_of_limits_is_looked_through_for_own_agents() {
        let body = br#"{"count":3,"value":[{"parallelismTag":"Private","isHosted":true,"totalCount":1},
            {"parallelismTag":"private","totalCount":4},{"parallelismTag":null}]}"#;
        assert_eq!(limit(body, Parallelism::Private).unwrap(), Limit::Jobs(4));
        assert_eq!(limit(body, Parallelism::Public).unwrap(), Limit::NotKnown);
        assert!(limit(b"{}", Parallelism::Private).is_err());
    }
}
