//! Which replica leads, by a Lease on a real API server.

use std::time::Duration;

use azp_scaler::{kubernetes::lease, pools::Clock};
use futures::future::join_all;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api, Client,
    api::{DeleteParams, PostParams},
};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    containers, rbac,
    users::User,
    within::{PATIENCE, within},
    world::World,
};

/// The 15 s of a Lease after it was seen to change, which may be 5 s after it did, and what requests take.
const TAKEN_WITHIN: Duration = Duration::from_millis(20_500);
/// How soon one that can leads: it looks at once and every 5 s.
const LOOKS_WITHIN: Duration = Duration::from_secs(6);

struct Candidate {
    leads: watch::Receiver<bool>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Candidate {
    fn new(client: Client, identity: &str) -> Self {
        Self::at(rbac::NAMESPACE, client, identity)
    }

    fn at(namespace: &str, client: Client, identity: &str) -> Self {
        let (sender, leads) = watch::channel(false);
        let stop = CancellationToken::new();
        let candidate = lease::Candidate {
            namespace: namespace.to_owned(),
            identity: identity.to_owned(),
            clock: Clock::starting_at(containers::now().parse().unwrap()),
        };
        let task = tokio::spawn(lease::run(client, candidate, sender, stop.clone()));
        Self { leads, stop, task }
    }

    fn leads(&self) -> bool {
        *self.leads.borrow()
    }

    /// How long it takes until it leads, or does not.
    async fn comes_to(&self, leading: bool) -> Duration {
        let (begun, mut leads) = (Instant::now(), self.leads.clone());
        timeout(PATIENCE, leads.wait_for(|leads| *leads == leading)).await.expect("it comes to that in time").unwrap();
        begun.elapsed()
    }
}

impl Drop for Candidate {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn candidates(world: &World) -> [Candidate; 2] {
    rbac::apply_shipped(&world.client).await;
    let one = Candidate::new(world.control_plane.client(User::Scaler).await, "azp-scaler-0");
    let other = Candidate::new(world.control_plane.client(User::Scaler).await, "azp-scaler-1");
    [one, other]
}

fn leases(world: &World) -> Api<Lease> {
    Api::namespaced(world.client.clone(), rbac::NAMESPACE)
}

/// Who holds the Lease, and how often it has been renewed.
async fn held(world: &World) -> (Option<String>, Option<String>) {
    let found = leases(world).get_opt(lease::NAME).await.unwrap();
    let version = found.as_ref().and_then(|lease| lease.metadata.resource_version.clone());
    (found.and_then(|lease| lease.spec?.holder_identity), version)
}

/// The one that leads first, and the other, which doesn't over two renewals.
async fn elected([one, other]: [Candidate; 2], world: &World) -> (Candidate, Candidate) {
    tokio::select! { _ = one.comes_to(true) => {}, _ = other.comes_to(true) => {} }
    let (leader, other) = if one.leads() { (one, other) } else { (other, one) };
    for _ in 0..2 {
        let (_, before) = held(world).await;
        within("a renewal", async || {
            assert!(leader.leads() && !other.leads(), "exactly one leads");
            (held(world).await.1 != before).then_some(())
        })
        .await;
    }
    (leader, other)
}

pub(crate) async fn one_leads_and_hands_over_when_it_stops(world: World) {
    let (leader, other) = elected(candidates(&world).await, &world).await;
    leader.stop.cancel();
    let after = other.comes_to(true).await;
    assert!(!leader.leads());
    // It looks every 5 s.
    assert!(after < LOOKS_WITHIN, "{after:?}");
    println!("  handed over in {after:.1?}");
    // It goes away in good order, too, so that the next case finds the Lease free.
    other.stop.cancel();
    other.comes_to(false).await;
    within("the release", async || (held(&world).await.0.as_deref() == Some("")).then_some(())).await;
}

pub(crate) async fn another_leads_when_one_is_killed(world: World) {
    let (leader, other) = elected(candidates(&world).await, &world).await;
    leader.task.abort();
    let after = other.comes_to(true).await;
    assert!(after < TAKEN_WITHIN, "{after:?}");
    println!("  taken after {after:.1?}");
}

pub(crate) async fn no_rule_of_the_lease_is_idle(world: World) {
    rbac::apply_shipped(&world.client).await;
    leases(&world).delete(lease::NAME, &DeleteParams::default()).await.ok();
    let lacking = rbac::each_lacking_one("Role");
    let verbs: Vec<_> = lacking.iter().map(|lacking| lacking.verb.as_str()).collect();
    assert_eq!(verbs, ["get", "update", "create"]);
    join_all(lacking.iter().map(async |lacking| {
        let account = lacking.grant(&world.client).await;
        let api: Api<Lease> = Api::namespaced(world.control_plane.client_as(&account).await, rbac::NAMESPACE);
        let mut lease = Lease::default();
        lease.metadata.name = Some(lease::NAME.to_owned());
        // What an election asks for, with what is left: exactly the one is refused.
        let refused = async |verb: &str| {
            let error = match verb {
                "get" => api.get_opt(lease::NAME).await.err(),
                "update" => api.replace(lease::NAME, &PostParams::default(), &lease).await.err(),
                _ => api.create(&PostParams::default(), &lease).await.err(),
            };
            matches!(error, Some(kube::Error::Api(status)) if status.is_forbidden())
        };
        for verb in ["get", "update", "create"] {
            within(verb, async || (refused(verb).await == (verb == lacking.verb)).then_some(())).await;
        }
        // There is a Lease now, which is nobody's. Where one is created there is none.
        let namespace = if lacking.verb == "create" { &world.namespace } else { rbac::NAMESPACE };
        let candidate = Candidate::at(namespace, world.control_plane.client_as(&account).await, &lacking.verb);
        assert!(timeout(LOOKS_WITHIN, candidate.comes_to(true)).await.is_err(), "it leads without {}", lacking.verb);
    }))
    .await;
}
