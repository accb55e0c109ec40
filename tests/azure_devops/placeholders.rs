//! Placeholders that are kept for triggers, in a simulated organisation over real sockets.

use std::{sync::Arc, time::Duration};

use azp_scaler::{
    agent::{Agent, AgentNamePattern},
    azure_devops::{
        client::Client,
        decode::{AgentReader, PoolReference},
        directory::AzureDevOps,
    },
    metrics::Metrics,
    placeholder::{Keeper, Mark},
    pools::{Brought, Clock, Desk, Directory, FailureClass},
    simulator::live::{LiveWorld, control},
    trigger::{CapabilitiesFrom, JobsWithoutDemands, ScaledJobId, Strategy, Trigger, TriggerId},
};
use jiff::Timestamp;
use tokio::sync::watch;

use crate::world::{TOKEN, client, edge, named, organization, pass, until};

/// An organisation with the pool `linux`, and the edge with that pool in use.
struct Place {
    world: LiveWorld,
    azure: AzureDevOps,
    client: Client,
    desk: Arc<Desk>,
    pool: PoolReference,
}

impl Place {
    async fn start(leads: bool) -> Self {
        let clock = Clock::starting_at(Timestamp::UNIX_EPOCH);
        let plan = control::plan(1, "contoso", &["linux".to_owned()]);
        let world = LiveWorld::start(plan, "127.0.0.1:0".parse().unwrap(), TOKEN.into(), clock).await.unwrap();
        let url = world.organization_url();
        let azure = edge(&[organization(&url)], &Metrics::new());
        let azure = azure.seeing(azp_scaler::cluster_watch::off(), watch::channel(leads).1);
        let desk = azure.open("contoso", &named("linux")).await.unwrap();
        until(&desk, |look| look.rounds_ended > 0).await;
        let client = client(&url);
        let pool = client.pool(&named("linux")).await.unwrap();
        Self { world, azure, client, desk, pool }
    }

    /// KEDA asks for this trigger, and a round of requests ends.
    async fn ask(&self, trigger: &Arc<Trigger>) {
        let snapshot = self.desk.snapshot().await.unwrap();
        self.desk.pool().ask(trigger, &snapshot, self.desk.now()).unwrap();
        self.desk.snapshot().await.unwrap();
    }

    async fn agents(&self) -> Vec<Agent> {
        self.client.agents(&self.pool, &mut AgentReader::default()).await.unwrap()
    }

    /// Time passes, in which KEDA asks and agents are looked at.
    async fn a_minute(&self, trigger: &Arc<Trigger>) {
        for _ in 0..2 {
            let before = self.desk.look().borrow().snapshot.clone().unwrap().agents_at;
            pass(Duration::from_secs(31)).await;
            self.ask(trigger).await;
            until(&self.desk, |look| look.snapshot.as_ref().is_some_and(|seen| seen.agents_at > before)).await;
        }
    }

    /// Waits until the agents are so.
    async fn until_agents(&self, are_so: impl Fn(&[Agent]) -> bool) -> Vec<Agent> {
        loop {
            let agents = self.agents().await;
            if are_so(&agents) {
                return agents;
            }
        }
    }

    async fn stop(self) {
        assert!(self.azure.stop(Duration::from_secs(3)).await);
        self.world.stop().await;
    }
}

fn trigger(offers: &str, keeps_placeholder: bool) -> Arc<Trigger> {
    let scaled_job = id("java");
    let metadata = [("capabilities".to_owned(), format!("{offers} {keeps_placeholder}"))].into();
    Arc::new(Trigger {
        id: TriggerId { scaled_job, metadata: Arc::new(metadata) },
        capabilities: Arc::new(offers.parse().unwrap()),
        parent: None,
        capabilities_from: CapabilitiesFrom::Declared,
        jobs_without_demands: JobsWithoutDemands::Take,
        strategy: Strategy::Default,
        builtin: None,
        agent_names: AgentNamePattern::of_scaled_job("java"),
        max_replicas: 10,
        min_replicas: 0,
        priority: 100,
        target: 1,
        activation: 0,
        keeps_placeholder,
        hints: Vec::new(),
    })
}

fn id(name: &str) -> ScaledJobId {
    ScaledJobId { name: name.into(), namespace: "agents".into() }
}

fn java(agents: &[Agent]) -> Option<&str> {
    let [placeholder] = agents else { return None };
    Some(placeholder.capabilities.get(&"java".into())?.text().as_str())
}

#[tokio::test]
async fn a_placeholder_follows_its_trigger_and_goes_after_a_grace() {
    let place = Place::start(true).await;
    place.ask(&trigger("java=17", false)).await;
    assert!(place.agents().await.is_empty(), "nobody has asked for one");

    place.ask(&trigger("java=17", true)).await;
    let agents = place.until_agents(|agents| !agents.is_empty()).await;
    assert_eq!((java(&agents), agents[0].name.as_str()), (Some("17"), "placeholder.agents.java"));
    let mark = Mark::of(&agents[0]).unwrap();
    assert_eq!((mark.to_string(), mark.keeper), ("agents/java".to_owned(), Keeper::Scaler));

    let changed = trigger("java=21", true);
    for _ in 0..3 {
        place.a_minute(&changed).await;
        assert_eq!(place.agents().await.len(), 1, "never two for one trigger");
    }
    assert_eq!(java(&place.agents().await), Some("21"));

    let without = trigger("java=21", false);
    for _ in 0..13 {
        place.a_minute(&without).await;
    }
    assert_eq!(place.agents().await.len(), 1, "its trigger may just have been edited");
    for _ in 0..4 {
        place.a_minute(&without).await;
    }
    place.until_agents(<[Agent]>::is_empty).await;
    place.stop().await;
}

#[tokio::test]
async fn a_token_that_may_only_read_is_a_hint_and_not_a_failure() {
    let place = Place::start(true).await;
    place.world.set_read_only(true);
    let wants = trigger("java=17", true);
    place.ask(&wants).await;
    let trouble = loop {
        tokio::task::yield_now().await;
        if let Some(trouble) = place.desk.placeholder_trouble() {
            break trouble;
        }
    };
    for words in ["`placeholder.agents.java`", "Access denied", "Agent Pools (read & manage)", "role Administrator"] {
        assert!(trouble.contains(words), "{words}: {trouble}");
    }
    assert!(place.desk.snapshot().await.is_ok());
    let asked = || place.world.summary().azure_requests.values().sum::<u64>();
    place.world.set_read_only(false);
    let before = asked();
    place.ask(&wants).await;
    assert!(place.agents().await.is_empty() && asked() < before + 10, "it is not tried again at once");
    for _ in 0..11 {
        place.a_minute(&wants).await;
    }
    place.until_agents(|agents| agents.len() == 1).await;
    place.a_minute(&wants).await;
    place.a_minute(&wants).await;
    assert_eq!(place.desk.placeholder_trouble(), None);
    place.stop().await;
}

#[tokio::test]
async fn a_replica_that_does_not_lead_changes_nothing() {
    let place = Place::start(false).await;
    let wants = trigger("java=17", true);
    for _ in 0..3 {
        place.a_minute(&wants).await;
    }
    assert!(place.agents().await.is_empty());
    place.stop().await;
}

#[tokio::test]
async fn what_nobody_asks_about_is_not_what_nobody_wants() {
    let place = Place::start(true).await;
    place.ask(&trigger("java=17", true)).await;
    place.until_agents(|agents| !agents.is_empty()).await;
    // KEDA is gone: triggers are forgotten, and agents still looked at, as somebody reads the page.
    for _ in 0..40 {
        let before = place.desk.look().borrow().rounds_ended;
        pass(Duration::from_secs(61)).await;
        let snapshot = place.desk.snapshot().await.unwrap();
        place.desk.pool().refresh(&snapshot, place.desk.now());
        until(&place.desk, |look| look.rounds_ended > before).await;
    }
    assert!(place.desk.pool().current().is_none_or(|decision| decision.triggers.is_empty()), "it is forgotten");
    assert_eq!(place.agents().await.len(), 1);
    place.stop().await;
}

/// Whether the placeholder that one of two desks of a pool wants outlives twenty minutes in which the other is asked, too.
async fn outlives(guest_wants: bool) {
    let place = Place::start(true).await;
    let (wants, go) = (trigger("java=17", true), trigger("go", false));
    let go = Arc::new(Trigger { id: TriggerId { scaled_job: id("go"), ..go.id.clone() }, ..(*go).clone() });
    let (at_configured, at_guest) = if guest_wants { (&go, &wants) } else { (&wants, &go) };
    let url = place.world.organization_url().parse().unwrap();
    let brought = Brought { url, token: TOKEN.into(), by: at_guest.id.clone() };
    let guest = place.azure.open_with(&brought, &named("linux")).await.unwrap();
    assert_ne!(guest.organization, place.desk.organization);
    let ask_guest = async || {
        let snapshot = guest.snapshot().await.unwrap();
        guest.pool().ask(at_guest, &snapshot, guest.now()).unwrap();
        guest.snapshot().await.unwrap();
    };
    ask_guest().await;
    place.ask(at_configured).await;
    let first = place.until_agents(|agents| !agents.is_empty()).await[0].id;
    for _ in 0..20 {
        place.a_minute(at_configured).await;
        ask_guest().await;
    }
    let agents = place.agents().await;
    assert_eq!(agents.iter().map(|agent| agent.id).collect::<Vec<_>>(), [first], "it was never removed");
    place.stop().await;
}

#[tokio::test]
async fn a_desk_of_a_token_leaves_placeholders_of_the_configured_one_alone() {
    outlives(false).await;
}

#[tokio::test]
async fn the_configured_desk_leaves_placeholders_of_a_token_s_alone() {
    outlives(true).await;
}

#[tokio::test]
async fn agents_are_registered_once_and_removed_unless_they_have_a_job() {
    let place = Place::start(true).await;
    let (client, pool) = (&place.client, &place.pool);
    let offers = "java=17".parse().unwrap();
    client.register_agent(pool, "p-1", &offers).await.unwrap();
    let taken = client.register_agent(pool, "P-1", &offers).await.unwrap_err();
    assert!(taken.message.contains("another agent has that name") && taken.message.contains("`P-1`"), "{taken}");
    let id = place.agents().await[0].id;
    let found = client.agent(pool, id).await.unwrap().unwrap();
    assert_eq!((found.online, found.name.as_str(), java(std::slice::from_ref(&found))), (false, "p-1", Some("17")));
    client.replace_agent(pool, (id, "p-1"), &"java=21".parse().unwrap()).await.unwrap();
    assert_eq!(java(&place.agents().await), Some("21"));
    for _ in 0..2 {
        client.remove_agent(pool, (id, "p-1")).await.unwrap();
    }
    assert!(client.agent(pool, id).await.unwrap().is_none());
    let gone = client.replace_agent(pool, (id, "p-1"), &offers).await.unwrap_err();
    assert_eq!(gone.class, FailureClass::NotFound);
    place.stop().await;
}
