//! Capabilities that the agents themselves, or the environment of their container, say.

use std::sync::Arc;

use azp_scaler::{
    capability::CapabilitySet,
    cluster_view::{ClusterView, ScaledJobView},
    decision::{AgentState, Origin},
    explain::explain,
    trigger::{CapabilitiesFrom, Trigger},
};
use proptest::prelude::*;

use super::scene::*;

fn learning(offers: &str) -> Trigger {
    Trigger { capabilities_from: CapabilitiesFrom::Learned, ..trigger("T", offers) }
}

#[test]
fn what_own_agents_have_in_common_is_offered() {
    let mut scene = Scene::new([learning("docker")]);
    let queue = [job(2, &["java"]), job(3, &["java -equals 17"]), job(4, &["maven"])];
    assert_eq!(scene.look(&queue, &[]).0, [0], "nobody has come yet");
    let first = finished_one(agent("T-a", "java=17, maven, Agent.Name=T-a"));
    assert_eq!(scene.look(&queue, &[offline(first.clone(), 600)]).0, [3]);
    let second = finished_one(agent("T-b", "java=21, gpu"));
    let (told, decision) = scene.look(&queue, &[offline(first, 600), offline(second, 600)]);
    assert_eq!(told, [1], "both have a java, and not the same");
    let offered = &decision.triggers[0];
    assert_eq!(offered.capabilities.sorted(), [("docker", ""), ("java", "")]);
    assert_eq!(offered.origin(&"JAVA".into()), Some(Origin::Learned));
    assert_eq!(offered.origin(&"docker".into()), None);
}

#[test]
fn what_may_be_a_secret_is_offered_without_its_value() {
    let all = "java=17, NPM_TOKEN=hidden, MIRROR=https://a:hidden@b.example.com, Agent.OS=Linux";
    let shown = [("Agent.OS", "Linux"), ("java", "17"), ("MIRROR", ""), ("NPM_TOKEN", "")];
    let own = offline(finished_one(agent("T-a", all)), 600);
    let lends = Trigger { parent: Some("static".into()), ..trigger("U", "") };
    let stands = Trigger { capabilities_from: CapabilitiesFrom::Learned, ..trigger("V", "") };
    let agents = [own, agent("static", all), placeholder("V", all)];
    let (told, decision) = Scene::new([learning(""), lends, stands]).look(&[job(2, &["NPM_TOKEN"])], &agents);
    for offered in &decision.triggers {
        assert_eq!(offered.capabilities.sorted(), shown, "{:?}", offered.trigger.id);
    }
    assert_eq!(told.iter().sum::<u64>(), 0, "the static agent takes it");
}

#[test]
fn only_the_last_few_agents_count() {
    let mut scene = Scene::new([learning("")]);
    let old = azp_scaler::agent::Agent { id: 1, ..finished_one(agent("T-old", "python2")) };
    scene.look(&[], &[offline(old, 600)]);
    let new = ["T-a", "T-b", "T-c", "T-d"].map(|name| offline(finished_one(agent(name, "python3")), 600));
    let queue = [job(2, &["python3"])];
    assert_eq!(scene.look(&queue, &new).0, [0], "the first five");
    let sixth = offline(finished_one(agent("T-e", "python3")), 600);
    assert_eq!(scene.look(&queue, &[sixth]).0, [1]);
}

#[test]
fn what_is_declared_goes_before_what_is_learned_and_that_before_the_parent() {
    let parent = offline(agent("template", "java=8, node=1, Agent.Version=4.0.0"), 600);
    let own = offline(finished_one(agent("T-a", "java=11, node=2")), 600);
    let learning = Trigger { parent: Some("template".into()), ..learning("java=17") };
    let (_, decision) = Scene::new([learning]).look(&[], &[parent, own]);
    let offered = &decision.triggers[0];
    assert_eq!(offered.capabilities.sorted(), [("Agent.Version", "4.0.0"), ("java", "17"), ("node", "2")]);
    assert_eq!(
        ["Agent.Version", "java", "node"].map(|name| offered.origin(&name.into())),
        [Some(Origin::Parent), None, Some(Origin::Learned)]
    );
}

#[test]
fn a_job_is_told_where_the_value_comes_from_that_does_not_meet_it() {
    let own = offline(finished_one(agent("T-a", "java=11")), 600);
    let (_, decision) = Scene::new([learning("")]).look(&[job(2, &["java -equals 17"])], &[own]);
    let told = explain(&decision, 0, at(1));
    assert_eq!(told.reasons, ["agents/T lacks `java = 17` (offers `11`, learned from its agents)"]);
}

/// A placeholder of `agents/NAME`, offline.
fn placeholder(name: &str, offers: &str) -> azp_scaler::agent::Agent {
    let mark = format!("azp-scaler.placeholder=agents/{name}");
    offline(agent(&format!("T-placeholder-{name}"), &format!("{offers}, Agent.Version=999.0.0, {mark}")), 600)
}

#[test]
fn a_placeholder_says_what_agents_offer_until_one_has_been_seen() {
    let mut scene = Scene::new([learning("docker"), trigger("U", "")]);
    let queue = [job(2, &["java"]), job(3, &["java -equals 17"]), job(4, &["maven"])];
    let stands = [placeholder("T", "java=17"), placeholder("U", "maven")];
    let (told, decision) = scene.look(&queue, &stands);
    assert_eq!(told, [2, 0], "at the first look, and only to who learns");
    let offered = &decision.triggers[0];
    assert_eq!(offered.capabilities.sorted(), [("docker", ""), ("java", "17")], "neither the mark nor the version");
    assert_eq!(offered.origin(&"java".into()), Some(Origin::Placeholder));
    let told = explain(&decision, 2, at(1)).reasons;
    assert_eq!(told, ["agents/T lacks `maven`", "agents/U lacks `maven`"]);

    let seen = offline(finished_one(agent("T-a", "java=11")), 600);
    let (told, decision) = scene.look(&queue, &[stands.to_vec(), vec![seen]].concat());
    assert_eq!(told, [1, 0]);
    assert_eq!(decision.triggers[0].origin(&"java".into()), Some(Origin::Learned));
}

#[test]
fn a_placeholder_is_no_agent_of_anybody_unless_it_is_online() {
    let stands = placeholder("T", "java=17");
    let (told, decision) = Scene::new([trigger("T", "java")]).look(&[job(1, &["java"])], std::slice::from_ref(&stands));
    assert_eq!(told, [1]);
    assert_eq!((decision.agents[0].state, decision.agents[0].owner), (AgentState::Placeholder, None));
    let up = azp_scaler::agent::Agent { online: true, ..stands };
    let (told, decision) = Scene::new([trigger("T", "java")]).look(&[job(1, &["java"])], &[up]);
    assert_eq!((decision.agents[0].state, decision.agents[0].owner), (AgentState::Idle, Some(0)));
    assert_eq!(told, [0], "an agent took its name over, and the job waits for it");
}

#[test]
fn the_environment_is_offered_while_the_cluster_is_seen() {
    let asks = Trigger { capabilities_from: CapabilitiesFrom::Environment, ..trigger("T", "docker") };
    let mut scene = Scene::new([asks.clone()]);
    let queue = [job(1, &["JAVA_HOME"])];
    assert_eq!(scene.look(&queue, &[]).0, [0]);
    let environment = Arc::new(CapabilitySet::new([("JAVA_HOME", "/opt/java")]));
    let shown = ScaledJobView { environment, max_replicas: 10, ..ScaledJobView::default() };
    let view = ClusterView { scaled_jobs: [(asks.id.scaled_job, Arc::new(shown))].into(), doubt: None };
    scene.pool.see(Some(Arc::new(view)));
    let (told, decision) = scene.look(&queue, &[]);
    assert_eq!((told, decision.triggers[0].origin(&"java_home".into())), (vec![1], Some(Origin::Environment)));
    scene.pool.see(None);
    assert_eq!(scene.look(&queue, &[]).0, [0]);
}

#[test]
fn what_is_learned_does_not_depend_on_which_agents_are_listed_first_nor_on_how_often() {
    let many = ["T-a", "T-b", "T-c", "T-d", "T-e", "T-f", "T-g"];
    let agents = many.map(|name| offline(finished_one(agent(name, &format!("python3, {name}"))), 600));
    let queue = [job(2, &["python3"])];
    let mut scene = Scene::new([learning("")]);
    let (told, first) = scene.look(&queue, &agents);
    let (again, second) = scene.look(&queue, &agents);
    assert_eq!((told, again), (vec![1], vec![1]));
    let learned = [first, second].map(|decision| decision.triggers[0].gained.clone().unwrap().capabilities);
    assert!(Arc::ptr_eq(&learned[0], &learned[1]), "nothing new was seen, so nothing is learned anew");
}

proptest! {
    /// What two sets have in common is no more than either, and the same whoever comes first but for the writing of names.
    #[test]
    fn what_is_in_common_is_in_both(one in "[abAB]=[12],[cd],[ab]x", other in "[abAB]=[12],[cd],[ab]x") {
        let [one, other] = [one, other].map(|text| text.parse::<CapabilitySet>().unwrap_or_default());
        let common = one.in_common_with(&other);
        let back = other.in_common_with(&one);
        prop_assert_eq!(common.len(), back.len());
        for (name, value) in common.sorted() {
            let name = name.into();
            let (one, other) = (one.get(&name).unwrap(), other.get(&name).unwrap());
            let same = one.text() == other.text();
            prop_assert_eq!(value.is_empty(), !same || one.text().as_str().is_empty());
            prop_assert_eq!(back.get(&name).unwrap().text().as_str().is_empty(), value.is_empty());
        }
    }
}
