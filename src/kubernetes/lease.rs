//! Which replica leads: whoever holds the Lease, and nobody when in doubt.
//!
//! ```text
//! Lease ──observed──▶ [Election]: renew, take or wait ──▶ watch::Receiver<bool>
//! ```
//!
//! No clock of another machine is believed: a Lease is free when this replica has seen no change of it for as long as it
//! lasts. Whoever can't renew gives up before others may take it. Released on the way out.

mod election;

use std::time::Duration;

use election::{Election, LASTS, Step};
use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, Client, api::PostParams};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::pools::Clock;

/// The Lease's name.
pub const NAME: &str = "azp-scaler";
/// How often it is looked at, and renewed.
const EVERY: Duration = Duration::from_secs(5);
/// How long a request may take: two fit between two looks.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// Who stands for election, and where.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The namespace of the Lease: the pod's own.
    pub namespace: String,
    /// What tells this replica from all others: the pod's name.
    pub identity: String,
    /// What time it is: written for people, never compared.
    pub clock: Clock,
}

/// Stands for election until it is told to stop, then lets go.
pub async fn run(client: Client, candidate: Candidate, leads: watch::Sender<bool>, stop: CancellationToken) {
    let api: Api<Lease> = Api::namespaced(client, &candidate.namespace);
    let mut election = Election::new(&candidate.identity);
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let frees_at = election.frees_at.take();
        let told = tokio::select! {
            () = stop.cancelled() => true,
            _ = ticks.tick() => false,
            () = sleep_until(frees_at.unwrap_or_else(Instant::now)), if frees_at.is_some() => false,
            () = election.lapses() => {
                tell(&leads, false);
                continue;
            }
        };
        if told {
            break;
        }
        let begun = Instant::now();
        tell(&leads, election.leads(begun));
        match turn(&api, &mut election, &candidate).await {
            Ok(true) => election.renewed(begun),
            Ok(false) => election.lost(),
            Err(error) => tracing::warn!(
                %error,
                "can't get or update the Lease `{NAME}`; where it is forbidden, install the chart with \
                 `kubernetes.leaderElection: true`, or your kustomization with the Role of `manifests/scaler/rbac.yaml`"
            ),
        }
        tell(&leads, election.leads(Instant::now()));
    }
    let led = *leads.borrow();
    tell(&leads, false);
    if led && let Err(error) = release(&api, &candidate).await {
        tracing::warn!(%error, "the Lease `{NAME}` was not released; another replica takes it in {} s", LASTS.as_secs());
    }
}

fn tell(leads: &watch::Sender<bool>, leading: bool) {
    if leads.send_if_modified(|known| std::mem::replace(known, leading) != leading) {
        tracing::info!(leading, "leadership changed");
    }
}

/// Something went wrong on the way to the Lease.
#[derive(Debug, thiserror::Error)]
enum CantTell {
    #[error("{0}")]
    Request(#[from] kube::Error),
    #[error("no answer in time")]
    TimedOut,
}

async fn within<T>(request: impl Future<Output = kube::Result<T>>) -> Result<T, CantTell> {
    timeout(ANSWERS_WITHIN, request).await.map_err(|_| CantTell::TimedOut)?.map_err(CantTell::from)
}

/// Looks at the Lease and does what is to be done. Whether it is ours now.
async fn turn(api: &Api<Lease>, election: &mut Election, candidate: &Candidate) -> Result<bool, CantTell> {
    let found = within(api.get_opt(NAME)).await?;
    let now = candidate.clock.now();
    let written = match election.step(found.as_ref(), Instant::now()) {
        Step::Wait => return Ok(false),
        Step::Create => {
            let metadata = ObjectMeta { name: Some(NAME.to_owned()), ..ObjectMeta::default() };
            let lease = Lease { metadata, spec: Some(held(None, &candidate.identity, now, true)) };
            within(api.create(&PostParams::default(), &lease)).await
        }
        Step::Renew | Step::Take if found.is_none() => return Ok(false),
        step => {
            // The version that was read goes with it: whoever was quicker wins.
            let mut lease = found.unwrap_or_default();
            lease.spec = Some(held(lease.spec.take(), &candidate.identity, now, step == Step::Take));
            within(api.replace(NAME, &PostParams::default(), &lease)).await
        }
    };
    match written {
        Ok(_) => Ok(true),
        Err(CantTell::Request(kube::Error::Api(status))) if status.code == 409 => Ok(false),
        Err(error) => Err(error),
    }
}

fn held(before: Option<LeaseSpec>, identity: &str, now: Timestamp, is_new: bool) -> LeaseSpec {
    let mut spec = before.unwrap_or_default();
    if is_new {
        spec.lease_transitions = Some(spec.lease_transitions.map_or(0, |count| count.saturating_add(1)));
        spec.acquire_time = Some(MicroTime(now));
    }
    spec.holder_identity = Some(identity.to_owned());
    spec.lease_duration_seconds = i32::try_from(LASTS.as_secs()).ok();
    spec.renew_time = Some(MicroTime(now));
    spec
}

async fn release(api: &Api<Lease>, candidate: &Candidate) -> Result<(), CantTell> {
    let Some(mut lease) = within(api.get_opt(NAME)).await? else { return Ok(()) };
    let Some(spec) = lease.spec.as_mut() else { return Ok(()) };
    if spec.holder_identity.as_deref() != Some(&candidate.identity) {
        return Ok(());
    }
    spec.holder_identity = Some(String::new());
    spec.lease_duration_seconds = Some(1);
    spec.renew_time = Some(MicroTime(candidate.clock.now()));
    within(api.replace(NAME, &PostParams::default(), &lease)).await.map(drop)
}

#[cfg(test)]
mod tests;
