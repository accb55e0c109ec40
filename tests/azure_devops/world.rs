//! The edge with one organisation behind it, on the fake server.

use std::{future::Future, sync::Arc, time::Duration};

use azp_scaler::{
    azure_devops::{
        client::Client,
        directory::{AzureDevOps, Polling},
        organization::Organization,
    },
    metrics::Metrics,
    parallel_jobs::Headroom,
    pool::Rules,
    pools::{Clock, Desk, Directory, Failure, Freshness, Look, PoolSelector},
};
use jiff::{SignedDuration, Timestamp};

pub(crate) use crate::contoso::{TOKEN, organization};
use crate::{contoso::usual_polling, fake::Fake};

/// How the token travels.
pub(crate) const TOKEN_SENT: &str = "OnRlbGwtbm9ib2R5";

pub(crate) fn rules() -> Rules {
    Rules { settle: SignedDuration::ZERO, ..Rules::default() }
}

pub(crate) struct World {
    pub(crate) fake: Fake,
    pub(crate) azure: Arc<AzureDevOps>,
    pub(crate) metrics: Metrics,
}

pub(crate) fn client(url: &str) -> Client {
    Client::new(&organization(url), Clock::starting_at(Timestamp::UNIX_EPOCH), Metrics::new()).unwrap()
}

/// Every question wants a new snapshot, and has long to wait for it.
pub(crate) fn polling() -> Polling {
    let (minute, usual) = (Duration::from_mins(1), usual_polling());
    let (answer_within, first_answer_within) = (minute, minute);
    Polling {
        freshness: Freshness { fresh_for: Duration::ZERO, answer_within, first_answer_within, ..usual.freshness },
        ..usual
    }
}

pub(crate) fn edge(organizations: &[Organization], metrics: &Metrics) -> AzureDevOps {
    let clock = Clock::starting_at(Timestamp::UNIX_EPOCH);
    AzureDevOps::new(organizations, polling(), rules(), Headroom::Quarter, clock, metrics).unwrap()
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(|_| ()).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Organization)) -> Self {
        let (fake, metrics) = (Fake::start().await, Metrics::new());
        let mut organization = organization(&fake.url);
        change(&mut organization);
        Self { azure: Arc::new(edge(&[organization], &metrics)), fake, metrics }
    }

    pub(crate) async fn open(&self, selector: &PoolSelector) -> Result<Arc<Desk>, Arc<Failure>> {
        self.azure.open("contoso", selector).await
    }

    /// The desk of the pool `Linux`, after its first round.
    pub(crate) async fn desk(&self) -> Arc<Desk> {
        let desk = self.open(&named("Linux")).await.unwrap();
        until(&desk, |look| look.rounds_ended > 0).await;
        desk
    }
}

pub(crate) fn named(name: &str) -> PoolSelector {
    PoolSelector::Name(name.into())
}

/// Waits for a look.
pub(crate) async fn until(desk: &Desk, is_it: impl FnMut(&Look) -> bool) -> Look {
    desk.look().wait_for(is_it).await.unwrap().clone()
}

/// Lets time pass that nothing happens in.
pub(crate) async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// Runs what needs no server, while time stands still.
pub(crate) async fn in_no_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::pause();
    let result = work.await;
    tokio::time::resume();
    result
}

/// Runs what asks servers while time stands still, however long they take. Paused time jumps to the next deadline whenever nothing
/// is left to do, so something always is.
pub(crate) async fn standing_still<T>(work: impl Future<Output = T>) -> T {
    let never_idle = async {
        loop {
            tokio::task::yield_now().await;
        }
    };
    in_no_time(async {
        tokio::select! {
            result = work => result,
            () = never_idle => unreachable!("it has no end"),
        }
    })
    .await
}
