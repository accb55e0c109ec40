//! How parallel jobs, Azure's licences, stand on the wire. Every field is read where it is there: the interface is a
//! preview, and what it leaves out is made sense of in [`decode`](super::super::decode).
//!
//! May touch nothing of this crate but its neighbours here.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Text,
    field::{is_false, or_default, time},
};

/// The answer of `resourceusage`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceUsage<'a> {
    /// Jobs that run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_count: Option<i64>,
    /// What may run.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub resource_limit: Option<ResourceLimit<'a>>,
    /// The jobs that run, where they are asked for.
    #[serde(borrow, default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub running_requests: Vec<RunningRequest<'a>>,
}

/// A limit; an item of `resourcelimits`, too.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceLimit<'a> {
    /// `Private` or `Public`.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub parallelism_tag: Option<Text<'a>>,
    /// Whether it is about Microsoft's own agents.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_false")]
    pub is_hosted: bool,
    /// Jobs that may run at once; none where there is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_count: Option<i64>,
    /// Whether Azure could not ask everybody who sells licences.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_false")]
    pub failed_to_reach_all_providers: bool,
}

/// A job request as `resourceusage` lists it: of all that it says, where it runs.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunningRequest<'a> {
    /// The number of its pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool_id: Option<i64>,
    /// When it ended.
    #[serde(default, deserialize_with = "time", skip_serializing_if = "Option::is_none")]
    pub finish_time: Option<Timestamp>,
    /// How it ended.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Text<'a>>,
}
