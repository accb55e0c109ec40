//! The cases, in the order in which they run: first what the others stand on.

#[path = "cases/ground.rs"]
mod ground;
#[path = "cases/lives.rs"]
mod lives;

use futures::future::LocalBoxFuture;

use super::world::World;

/// One case.
pub(crate) struct Case {
    /// What it holds; also its namespace.
    pub(crate) name: &'static str,
    /// Panics where it does not hold.
    pub(crate) run: fn(World) -> LocalBoxFuture<'static, ()>,
}

macro_rules! cases {
    ($($room:ident: $($name:ident),+;)+) => {
        /// All of them.
        pub(crate) const CASES: &[Case] =
            &[$($(Case { name: stringify!($name), run: |world| Box::pin($room::$name(world)) }),+),+];
    };
}

cases! {
    ground:
        it_is_the_release_we_asked_for,
        a_scaled_job_is_taken,
        an_unknown_field_is_refused,
        the_service_account_may_nothing_by_itself,
        the_api_server_comes_back_where_it_was,
        a_frozen_api_server_is_silent_and_goes_on,
        a_watch_from_before_a_compaction_is_gone;
    lives:
        a_job_succeeds,
        a_job_fails,
        an_evicted_pod_is_replaced,
        pods_that_cannot_start_are_pending,
        a_kill_for_memory_fails_the_job,
        conditions_say_what_is_pending,
        a_deleted_pod_fails_its_job,
        a_scaled_job_takes_its_jobs_along;
}
