use super::*;

fn id(name: &str) -> ScaledJobId {
    ScaledJobId { name: name.into(), namespace: "agents".into() }
}

fn wants(name: &str, capabilities: &str) -> Wanted {
    Wanted { scaled_job: id(name), capabilities: Some(Arc::new(capabilities.parse().unwrap())) }
}

fn agent(number: i64, name: &str, capabilities: &CapabilitySet) -> Agent {
    Agent {
        id: number,
        name: name.into(),
        online: false,
        enabled: true,
        status_changed_at: None,
        assigned: None,
        last_completed: None,
        capabilities: Arc::new(capabilities.clone()),
    }
}

/// The pool after some steps, in which new agents get the next numbers.
fn done(agents: &[Agent], steps: &[Step]) -> Vec<Agent> {
    let mut agents = agents.to_vec();
    for step in steps {
        match step {
            Step::Register { name, capabilities, .. } => {
                let number = agents.iter().map(|agent| agent.id).max().unwrap_or_default() + 1;
                agents.push(agent(number, name, capabilities));
            }
            Step::Replace { id, capabilities, .. } => {
                let replaced = agents.iter_mut().find(|agent| agent.id == *id).unwrap();
                replaced.capabilities = Arc::new(capabilities.clone());
            }
            Step::Remove { id, .. } => agents.retain(|agent| agent.id != *id),
        }
    }
    agents
}

fn told(agents: &[Agent]) -> Vec<String> {
    agents.iter().map(|agent| format!("{} {} {:?}", agent.id, agent.name, agent.capabilities.sorted())).collect()
}

#[test]
fn one_is_registered_kept_and_follows_what_is_wanted() {
    let wanted = [wants("java", "java=17")];
    let steps_of = |wanted: &[Wanted], agents: &[Agent]| steps(wanted, agents, Keeper::Scaler);
    let pool = done(&[], &steps_of(&wanted, &[]));
    let first = r#"1 placeholder.agents.java [("Agent.Version", "999.0.0"), ("azp-scaler.placeholder", "agents/java"), ("java", "17")]"#;
    assert_eq!(told(&pool), [first]);
    assert!(steps_of(&wanted, &pool).is_empty());

    let changed = [wants("java", "java=21, Agent.Version=4.2.0, Agent.Name=java-1")];
    let pool = done(&pool, &steps_of(&changed, &pool));
    let second = r#"1 placeholder.agents.java [("Agent.Version", "4.2.0"), ("azp-scaler.placeholder", "agents/java"), ("java", "21")]"#;
    assert_eq!(told(&pool), [second], "the same agent");
    assert!(steps_of(&changed, &pool).is_empty());

    let unknown = Wanted { scaled_job: id("java"), capabilities: None };
    assert!(steps_of(&[unknown], &pool).is_empty(), "not knowing is no change");
    assert!(done(&pool, &steps_of(&[], &pool)).is_empty());
}

#[test]
fn several_of_one_scaled_job_are_told_apart_by_what_they_offer() {
    let both = [wants("java", "java=17"), wants("java", "java=21"), wants("java", "java=21")];
    let pool = done(&[], &steps(&both, &[], Keeper::Scaler));
    assert_eq!(
        pool.iter().map(|agent| agent.name.as_str()).collect::<Vec<_>>(),
        ["placeholder.agents.java", "placeholder.agents.java.2"]
    );
    let one = [wants("java", "java=21")];
    let left = done(&pool, &steps(&one, &pool, Keeper::Scaler));
    assert_eq!(left.iter().map(|agent| agent.id).collect::<Vec<_>>(), [2], "the one that fits stays");
}

#[test]
fn nothing_else_is_ever_touched() {
    let by_hand = Mark { scaled_job: id("java"), keeper: Keeper::Person };
    let marked = Mark { keeper: Keeper::Scaler, ..by_hand.clone() };
    let nothing = CapabilitySet::default();
    let online = Agent { online: true, ..agent(3, "took-it-over", &marked.over(&nothing)) };
    let unreadable = agent(4, "odd", &CapabilitySet::new([(MARK, "no-slash")]));
    let pool = [agent(1, "vm-1", &nothing), agent(2, "mine", &by_hand.over(&nothing)), online, unreadable];
    assert!(steps(&[], &pool, Keeper::Scaler).is_empty());
    let [Step::Remove { id: 2, .. }] = &*steps(&[], &pool, Keeper::Person) else { panic!("the person's own") };
}

#[test]
fn names_are_short_and_new() {
    let long = "x".repeat(200);
    let taken = agent(1, &format!("PLACEHOLDER.agents.{}", "x".repeat(37)), &CapabilitySet::default());
    let [Step::Register { name, .. }] = &*steps(&[wants(&long, "")], &[taken], Keeper::Scaler) else { panic!("one") };
    assert_eq!(*name, format!("placeholder.agents.{}.2", "x".repeat(37)));
}

#[test]
fn what_it_offers_comes_back_as_it_was_wanted() {
    let offered: CapabilitySet = "java=17, docker".parse().unwrap();
    let mark = Mark { scaled_job: id("java"), keeper: Keeper::Person };
    let placeholder = agent(1, "p", &mark.over(&offered));
    assert_eq!((Mark::of(&placeholder), offered_by(&placeholder)), (Some(mark), offered));
}
