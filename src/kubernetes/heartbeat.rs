//! Whether the API server answers at all: a watch whose connection has died in silence says nothing for minutes.

use std::time::Duration;

use futures::future::join_all;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, ListParams},
};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval, timeout},
};

use super::{Kind, failure::Failure, follow::Heard, watch::resource};

/// How often it is asked.
const EVERY: Duration = Duration::from_secs(5);
/// How long it may take to answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// Asks for one object of each kind, again and again, until nobody listens. Only names are asked for, so that nothing
/// comes that is not needed.
pub(super) async fn run(client: Client, heard: mpsc::Sender<Heard>) {
    let kinds = Kind::ALL.map(|kind| (kind, resource(kind)));
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let begun = Instant::now();
        let answers = join_all(kinds.iter().map(|(kind, resource)| ask(&client, *kind, resource))).await;
        let outcome = answers.into_iter().collect();
        if heard.send(Heard::Beat { begun, outcome }).await.is_err() {
            return;
        }
    }
}

async fn ask(client: &Client, kind: Kind, resource: &ApiResource) -> Result<(), Failure> {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), resource);
    let one = ListParams::default().limit(1);
    match timeout(ANSWERS_WITHIN, api.list_metadata(&one)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(Failure::of_request(kind, "list", &error)),
        Err(_) => Err(Failure::timed_out(kind, "list")),
    }
}
