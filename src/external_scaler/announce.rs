//! Tells the desks which triggers will ask, as the cluster shows them: a pool that knows all its triggers at once need not
//! wait until each has asked.
//!
//! ```text
//! [View] ──metadata of our triggers──▶ [Request]s ──by pool──▶ Desk
//! ```
//!
//! Metadata that can't be read is passed over here: KEDA will ask about it, and be told what is wrong. So is a trigger with a
//! token of its own, and one that a Secret or a ConfigMap says something of, which KEDA alone knows: pools settle beside that.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{Came, Organizations, Place, Request, metadata::TOKEN_KEY};
use crate::{
    cluster_view::ClusterView,
    cluster_watch::View,
    pools::{Desk, Directory, FailureClass, PoolSelector},
    protocol::ScaledObjectRef,
    trigger::{ScaledJobId, Trigger},
};

/// A pool that could not be opened is tried again after this.
const TRIED_AGAIN_AFTER: Duration = Duration::from_secs(30);

/// A ScaledJob that asks this scaler.
#[derive(PartialEq)]
struct Asking {
    id: ScaledJobId,
    /// The metadata of each of its triggers.
    triggers: Vec<Arc<BTreeMap<String, String>>>,
    /// Whether there is one more that is not shown.
    hides_a_trigger: bool,
}

/// Announces until it is told to stop. `shows_all` says whether the view knows our ScaledJobs by their addresses, and so
/// before KEDA has asked about them.
pub async fn announce(
    mut view: watch::Receiver<View>,
    shows_all: bool,
    directory: Arc<dyn Directory>,
    organizations: Organizations,
    stop: CancellationToken,
) {
    let mut announced: Option<Vec<Asking>> = None;
    // Where a pool could not be opened. Pods come and go many times a second, and it is no use to try as often.
    let mut try_again_at: Option<Instant> = None;
    let following = async {
        loop {
            let asking = view.borrow_and_update().current().map(|view| asking(view));
            let is_due = try_again_at.is_some_and(|at| at <= Instant::now());
            if let Some(asking) = asking.filter(|asking| is_due || announced.as_ref() != Some(asking)) {
                let all_opened = tell(&asking, shows_all, &directory, &organizations).await;
                announced = Some(asking);
                try_again_at = (!all_opened).then(|| Instant::now() + TRIED_AGAIN_AFTER);
            }
            tokio::select! {
                changed = view.changed() => if changed.is_err() { return },
                () = sleep_until(try_again_at.unwrap_or_else(Instant::now)), if try_again_at.is_some() => {
                    // Without a view there is nothing to try; its return is a change.
                    if view.borrow().current().is_none() { try_again_at = None; announced = None; }
                }
            }
        }
    };
    stop.run_until_cancelled(following).await;
}

fn asking(view: &ClusterView) -> Vec<Asking> {
    let asking = view.scaled_jobs.iter().map(|(id, shown)| Asking {
        id: id.clone(),
        triggers: shown.triggers.clone(),
        hides_a_trigger: shown.hides_a_trigger,
    });
    asking.collect()
}

/// What KEDA will ask, as far as it can be read.
fn requests(asking: &[Asking], organizations: &Organizations) -> Vec<Request> {
    let mut requests = Vec::new();
    for Asking { id, triggers, .. } in asking {
        for metadata in triggers.iter().filter(|metadata| !metadata.contains_key(TOKEN_KEY)) {
            let reference = ScaledObjectRef {
                name: id.name.to_string(),
                namespace: id.namespace.to_string(),
                scaler_metadata: metadata.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            };
            requests.extend(Request::read(reference, Came::InTheClear, organizations));
        }
    }
    requests
}

/// Tells each pool who asks about it. Says whether all of them could be opened.
async fn tell(
    asking: &[Asking],
    shows_all: bool,
    directory: &Arc<dyn Directory>,
    organizations: &Organizations,
) -> bool {
    let mut named: BTreeMap<(Arc<str>, PoolSelector), Vec<Arc<Trigger>>> = BTreeMap::new();
    for Request { place, pool, trigger, .. } in requests(asking, organizations) {
        let Place::Configured(organization) = place else { continue };
        named.entry((organization, pool)).or_default().push(trigger);
    }
    // Beside each other: one organisation that is silent holds up no other.
    let mut opening = JoinSet::new();
    for ((organization, pool), triggers) in named {
        let directory = Arc::clone(directory);
        opening.spawn(async move {
            let opened = directory.open(&organization, &pool).await;
            (organization, triggers, opened)
        });
    }
    let mut all_opened = true;
    // Organisations of which some pool may be any of those that there are.
    let mut unclear: BTreeSet<Arc<str>> = BTreeSet::new();
    let mut pools: Vec<(Arc<Desk>, Vec<Arc<Trigger>>)> = Vec::new();
    for (organization, mut triggers, opened) in opening.join_all().await {
        match opened {
            Ok(desk) => match pools.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &desk)) {
                Some((_, known)) => known.append(&mut triggers),
                None => pools.push((desk, triggers)),
            },
            Err(failure) => {
                all_opened = false;
                if failure.class != FailureClass::NotFound {
                    unclear.insert(organization);
                }
            }
        }
    }
    let shows_all = shows_all && !asking.iter().any(|asking| asking.hides_a_trigger);
    for desk in directory.desks().into_iter().filter(|desk| organizations.has(&desk.organization)) {
        let triggers = pools.iter().find(|(known, _)| Arc::ptr_eq(known, &desk)).map(|(_, triggers)| triggers.clone());
        let shows_all = shows_all && !unclear.contains(&desk.organization);
        desk.pool().announce(triggers.unwrap_or_default(), shows_all);
    }
    all_opened
}
