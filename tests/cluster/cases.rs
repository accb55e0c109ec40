//! The cases, in the order in which they run: first what the others stand on.

#[path = "cases/accurate.rs"]
mod accurate;
#[path = "cases/edits.rs"]
mod edits;
#[path = "cases/ground.rs"]
mod ground;
#[path = "cases/leases.rs"]
mod leases;
#[path = "cases/lives.rs"]
mod lives;
#[path = "cases/manifests.rs"]
mod manifests;
#[path = "cases/many.rs"]
mod many;
#[path = "cases/operated.rs"]
mod operated;
#[path = "cases/outages.rs"]
mod outages;
#[path = "cases/replicas.rs"]
mod replicas;
#[path = "cases/replicated.rs"]
mod replicated;
#[path = "cases/rights.rs"]
mod rights;
#[path = "cases/troubles.rs"]
mod troubles;

use futures::future::LocalBoxFuture;

use super::world::World;

/// One case.
pub(crate) struct Case {
    /// What it holds; also its namespace.
    pub(crate) name: &'static str,
    /// Panics where it does not hold.
    pub(crate) run: fn(World) -> LocalBoxFuture<'static, ()>,
    /// How it bears others.
    pub(crate) company: Company,
}

/// How a case bears others at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Company {
    /// It does something to the control plane, or to what all cases have in common, or measures.
    Alone,
    /// It keeps to its namespace, and mostly waits.
    Together,
}

macro_rules! cases {
    ($($company:ident $room:ident: $($name:ident),+;)+) => {
        /// All of them.
        pub(crate) const CASES: &[Case] = &[$($(Case {
            name: stringify!($name),
            run: |world| Box::pin($room::$name(world)),
            company: Company::$company,
        }),+),+];
    };
}

cases! {
    Alone ground:
        it_is_the_release_we_asked_for,
        a_scaled_job_is_taken,
        an_unknown_field_is_refused,
        the_service_account_may_nothing_by_itself,
        the_api_server_comes_back_where_it_was,
        a_frozen_api_server_is_silent_and_goes_on,
        a_watch_from_before_a_compaction_is_gone;
    Alone manifests:
        every_published_object_is_taken,
        pods_are_admitted_at_the_level_that_their_page_claims,
        agents_are_as_free_by_chart_as_by_kustomization;
    Alone lives:
        a_job_succeeds,
        a_job_fails,
        an_evicted_pod_is_replaced,
        pods_that_cannot_start_are_pending,
        a_kill_for_memory_fails_the_job,
        conditions_say_what_is_pending,
        a_deleted_pod_fails_its_job,
        a_scaled_job_takes_its_jobs_along;
    Alone rights:
        the_shipped_rbac_is_enough,
        no_rule_of_the_shipped_rbac_is_idle,
        the_service_account_may_do_nothing_else,
        rights_taken_away_are_a_loss_until_they_are_back;
    Alone troubles:
        each_trouble_has_its_reason,
        a_job_out_of_time_says_so_after_its_pods_are_gone;
    Alone edits:
        an_edited_scaled_job_is_followed_amid_a_burst,
        a_scaled_job_that_asks_another_scaler_is_not_ours,
        a_deleted_scaled_job_is_gone_with_its_jobs;
    Alone replicas:
        two_replicas_show_the_same,
        a_scaler_that_restarts_amid_a_burst_misses_nothing;
    Alone outages:
        an_api_server_that_is_away_is_a_loss,
        an_api_server_that_restarts_is_followed,
        what_happens_while_the_wire_is_cut_is_seen_after_it,
        a_short_cut_is_no_loss_and_hides_nothing,
        a_compacted_history_is_listed_again,
        a_frozen_api_server_is_a_loss_within_15_s;
    Alone leases:
        no_rule_of_the_lease_is_idle,
        one_leads_and_hands_over_when_it_stops,
        another_leads_when_one_is_killed;
    Alone many:
        five_hundred_jobs_are_counted_as_keda_counts_them;
    Alone operated:
        keda_goes_on_when_the_api_server_is_restarted;
    Together operated:
        keda_starts_an_agent_for_each_job,
        keda_starts_one_agent_for_a_job_that_three_scaled_jobs_fit,
        keda_keeps_idle_agents_beside_those_that_work,
        keda_starts_nothing_for_jobs_that_end_unseen,
        keda_goes_on_when_its_operator_is_restarted,
        keda_goes_on_when_the_scaler_is_restarted,
        keda_is_led_from_one_replica_to_the_next_in_a_burst,
        keda_lets_agents_work_when_their_scaled_job_is_edited,
        keda_starts_nothing_while_a_scaled_job_is_paused,
        jobs_of_a_scaled_job_that_is_deleted_go_to_the_next;
    Together accurate:
        keda_starts_each_agent_once_while_registration_takes_5_s,
        keda_starts_each_agent_once_though_three_scaled_jobs_fit;
    Together replicated:
        keda_gets_one_answer_from_two_replicas,
        keda_is_led_to_the_replica_that_leads;
}
