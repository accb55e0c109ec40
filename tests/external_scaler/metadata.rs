//! References as users write them: each key with what it means, what is refused, and in which words.

use azp_scaler::{
    external_scaler::{BadMetadata, Came, Organization, Organizations, Place, Request},
    pools::PoolSelector,
    protocol::ScaledObjectRef,
    trigger::{JobsWithoutDemands, Strategy, Trigger},
};
use proptest::prelude::*;

use crate::world::{bare, organizations, reference};

fn read(reference: ScaledObjectRef) -> Result<Request, BadMetadata> {
    Request::read(reference, Came::InTheClear, &organizations())
}

#[track_caller]
fn trigger(entries: &[(&str, &str)]) -> impl std::ops::Deref<Target = Trigger> + use<> {
    read(reference(entries)).unwrap().trigger
}

#[track_caller]
fn fault(entries: &[(&str, &str)]) -> String {
    read(reference(entries)).unwrap_err().to_string()
}

#[test]
fn the_least_that_is_needed_gives_kedas_own_defaults() {
    let request = read(bare(&[("organization", "contoso"), ("poolName", "Linux Agents")])).unwrap();
    assert!(matches!(&request.place, Place::Configured(name) if &**name == "contoso"));
    assert_eq!(request.pool, PoolSelector::Name("linux agents".into()));
    assert_eq!(request.metric_name, "azure-pipelines-linux-agents");
    let trigger = request.trigger;
    assert_eq!(trigger.id.scaled_job.to_string(), "ci/build");
    assert!(trigger.capabilities.is_empty() && trigger.parent.is_none() && trigger.hints.is_empty());
    assert_eq!(trigger.jobs_without_demands, JobsWithoutDemands::Take);
    assert_eq!(trigger.strategy, Strategy::Default);
    assert_eq!(trigger.agent_names.as_str(), "build-*");
    assert_eq!((trigger.max_replicas, trigger.min_replicas, trigger.priority), (100, 0, 100));
    assert_eq!((trigger.target, trigger.activation), (1, 0));
}

#[test]
fn each_key_sets_what_it_says() {
    let set = trigger(&[
        ("capabilities", "docker, java=17\nAgent.Version=4.275.0"),
        ("parent", "template"),
        ("capabilitiesFrom", "declared"),
        ("matching", "capabilities"),
        ("jobsWithoutDemands", "last"),
        ("scalingStrategy", "none"),
        ("agentNamePattern", "pod-*-x"),
        ("maxReplicaCount", " 20 "),
        ("minReplicaCount", "2"),
        ("priority", "-5"),
        ("targetPipelinesQueueLength", "3"),
        ("activationTargetPipelinesQueueLength", "4"),
    ]);
    assert_eq!(set.capabilities.sorted(), [("Agent.Version", "4.275.0"), ("docker", ""), ("java", "17")]);
    assert_eq!(set.parent.as_ref().unwrap().as_str(), "template");
    assert_eq!(set.jobs_without_demands, JobsWithoutDemands::Last);
    assert_eq!(set.strategy, Strategy::ScaledObject);
    assert_eq!(set.agent_names.as_str(), "pod-*-x");
    assert_eq!((set.max_replicas, set.min_replicas, set.priority), (20, 2, -5));
    assert_eq!((set.target, set.activation), (3, 4));
    assert_eq!(trigger(&[("jobsWithoutDemands", "leave")]).jobs_without_demands, JobsWithoutDemands::Leave);
}

#[test]
fn a_pool_is_named_once_by_name_or_by_number() {
    let by = |entries: &[(&str, &str)]| {
        let mut entries = entries.to_vec();
        entries.push(("organization", "contoso"));
        read(bare(&entries))
    };
    let request = by(&[("poolID", "12")]).unwrap();
    assert_eq!((request.pool, &*request.metric_name), (PoolSelector::Id(12), "azure-pipelines-12"));
    assert_eq!(by(&[]).unwrap_err(), BadMetadata::NoPool);
    assert_eq!(
        by(&[("poolID", "1"), ("poolName", "linux")]).unwrap_err().to_string(),
        "`poolName` and `poolID` are both given: keep one of them"
    );
    for bad in ["0", "-1", "linux", "1.0", "99999999999"] {
        let fault = by(&[("poolID", bad)]).unwrap_err().to_string();
        assert_eq!(fault, format!("`poolID` is `{bad}`: it must be a whole number from 1 to 2147483647"));
    }
    assert_eq!(by(&[("poolName", " ")]).unwrap_err(), BadMetadata::Empty { key: "poolName" });
}

#[test]
fn metric_names_are_legal_whatever_the_pool_is_called() {
    for (pool, name) in [
        ("Azure Pipelines (new)", "azure-pipelines-azure-pipelines-new"),
        ("__a..b__", "azure-pipelines-a-b"),
        ("ビルド", "azure-pipelines-pool"),
        ("Größe 10", "azure-pipelines-gr-e-10"),
    ] {
        assert_eq!(read(reference(&[("poolName", pool)])).unwrap().metric_name, name);
    }
}

#[test]
fn an_organization_is_named_by_name_or_by_address() {
    let by = |key: &str, value: &str| read(bare(&[(key, value), ("poolName", "linux")]));
    for (key, value) in [
        ("organization", "Contoso"),
        ("organizationURL", "https://dev.azure.com/contoso"),
        ("organizationURL", "https://DEV.azure.com/contoso/"),
        ("organizationURLFromEnv", "https://dev.azure.com:443/contoso"),
    ] {
        let place = by(key, value).unwrap().place;
        assert!(matches!(&place, Place::Configured(name) if &**name == "contoso"), "{key}: {value}: {place:?}");
    }
    assert_eq!(
        by("organization", "contosso").unwrap_err().to_string(),
        "`organization` is `contosso`, which is not configured: use one of `contoso` and `fabrikam`, or add it to the \
         scaler's configuration"
    );
    for elsewhere in
        ["https://dev.azure.com/adatum", "http://dev.azure.com/contoso", "contoso", "https://dev.azure.com"]
    {
        let fault = by("organizationURL", elsewhere).unwrap_err().to_string();
        assert!(fault.starts_with(&format!("`organizationURL` is `{elsewhere}`, which is not configured")), "{fault}");
        assert!(fault.contains("https://dev.azure.com/fabrikam"), "{fault}");
    }
    assert!(fault(&[("organizationURL", "https://dev.azure.com/contoso")]).contains("are both given"));
}

#[test]
fn an_organization_may_be_left_out_where_there_is_one() {
    let only = Organization {
        name: "contoso".into(),
        url: "https://dev.azure.com/contoso".parse().unwrap(),
        namespaces: vec!["*".to_owned()],
    };
    let unnamed = bare(&[("poolName", "linux")]);
    let request = Request::read(unnamed.clone(), Came::InTheClear, &Organizations::new(vec![only])).unwrap();
    assert!(matches!(&request.place, Place::Configured(name) if &**name == "contoso"));
    assert_eq!(
        read(unnamed).unwrap_err().to_string(),
        "no organization is named: give `organization`, one of `contoso` and `fabrikam`"
    );
}

#[test]
fn an_organization_is_for_the_namespaces_it_admits() {
    assert_eq!(
        fault(&[("organization", "fabrikam")]),
        "namespace `ci` may not use organization `fabrikam`: add it to the organization's `namespaces` in the scaler's \
         configuration"
    );
    let mut admitted = reference(&[("organization", "fabrikam")]);
    admitted.namespace = "secret-projects".to_owned();
    assert!(matches!(read(admitted).unwrap().place, Place::Configured(name) if &*name == "fabrikam"));
}

#[test]
fn numbers_are_whole_and_in_range() {
    for (key, value, range) in [
        ("maxReplicaCount", "-1", "0 to 2147483647"),
        ("minReplicaCount", "1.5", "0 to 2147483647"),
        ("priority", "high", "-2147483648 to 2147483647"),
        ("targetPipelinesQueueLength", "0", "1 to 2147483647"),
        ("activationTargetPipelinesQueueLength", "-1", "0 to 2147483647"),
    ] {
        assert_eq!(fault(&[(key, value)]), format!("`{key}` is `{value}`: it must be a whole number from {range}"));
    }
    assert_eq!(trigger(&[("maxReplicaCount", "0")]).max_replicas, 0, "KEDA allows a ScaledJob that runs nothing");
    assert_eq!(
        fault(&[("maxReplicaCount", "2"), ("minReplicaCount", "3")]),
        "`minReplicaCount` is `3` and `maxReplicaCount` is `2`: the minimum can't be above the maximum"
    );
}

#[test]
fn unknown_keys_and_words_are_told_the_known_ones() {
    assert_eq!(fault(&[("poolname", "x")]), "unknown key `poolname`: did you mean `poolName`?");
    assert_eq!(fault(&[("capabilites", "x")]), "unknown key `capabilites`: did you mean `capabilities`?");
    assert_eq!(
        fault(&[("jobsWithoutDemands", "skip")]),
        "`jobsWithoutDemands` is `skip`: it must be `take`, `leave` or `last`"
    );
    assert_eq!(
        fault(&[("scalingStrategy", "fast")]),
        "`scalingStrategy` is `fast`: it must be `default`, `accurate`, `eager`, `custom` or `none`"
    );
    assert_eq!(fault(&[("matching", "exact")]), "`matching` is `exact`: it must be `capabilities` or `builtin`");
    assert_eq!(fault(&[("capabilities", "docker java")]), {
        "`capabilities`: `docker java` has a blank in its name, which no demand can ask for: separate capabilities by \
         commas or new lines"
    });
    assert_eq!(fault(&[("parent", "")]), "`parent` is empty: give it a value, or leave it out");
}

#[test]
fn a_placeholder_is_kept_where_that_is_asked_for() {
    assert!(!trigger(&[]).keeps_placeholder);
    assert!(trigger(&[("placeholder", "managed")]).keeps_placeholder);
    assert_eq!(fault(&[("placeholder", "true")]), "`placeholder` is `true`: it must be `managed`");
    assert_eq!(fault(&[("placeholder", "")]), "`placeholder` is empty: give it a value, or leave it out");
    let builtin = fault(&[("matching", "builtin"), ("placeholder", "managed")]);
    assert!(builtin.contains("`placeholder`") && builtin.contains("azp-scaler placeholder ensure"), "{builtin}");
}

#[test]
fn keys_of_the_built_in_scaler_that_mean_nothing_here_are_hinted_at() {
    let hints = trigger(&[("jobsToFetch", "250"), ("fetchUnfinishedJobsOnly", "true")]).hints.clone();
    assert_eq!(hints.len(), 2);
    assert!(hints[0].starts_with("`fetchUnfinishedJobsOnly`") && hints[1].starts_with("`jobsToFetch`"), "{hints:?}");
}

#[test]
fn a_trigger_is_known_by_its_metadata_without_kedas_own() {
    let one = trigger(&[("capabilities", "docker")]).id.clone();
    let moved = trigger(&[("capabilities", "docker"), ("scalerAddress", "elsewhere:6000"), ("enableTLS", "true")]);
    assert_eq!(one, moved.id);
    assert_ne!(one, trigger(&[("capabilities", "java")]).id);
    let keys: Vec<&str> = one.metadata.keys().map(String::as_str).collect();
    assert_eq!(keys, ["capabilities", "organization", "poolName"]);
}

#[test]
fn a_reference_names_an_object() {
    let mut nameless = reference(&[]);
    nameless.name.clear();
    assert!(read(nameless).unwrap_err().to_string().contains("reference's `name` is ``"));
    let mut endless = reference(&[]);
    endless.namespace = "a-".repeat(200);
    assert!(read(endless).unwrap_err().to_string().contains("reference's `namespace`"));
}

/// Keys whose value is or may hold a secret, or of which nothing is known.
const SECRET_KEYS: [&str; 9] = [
    "personalAccessTokenFromEnv",
    "personalAccessToken",
    "tlsClientKey",
    "tlsClientCert",
    "caCert",
    "organizationURL",
    "organizationURLFromEnv",
    "accessToken",
    "personalaccesstokenfromenv",
];

proptest! {
    #[test]
    fn no_secret_is_in_a_request_or_a_fault(
        keys in proptest::sample::subsequence(SECRET_KEYS.to_vec(), 1..=3),
        secret in "[a-zA-Z0-9]{20,84}",
        as_address: bool,
    ) {
        let value = if as_address { format!("https://me:{secret}@dev.azure.com/contoso") } else { secret.clone() };
        let mut written = bare(&[("poolName", "linux"), ("capabilities", "docker")]);
        written.scaler_metadata.extend(keys.iter().map(|key| ((*key).to_owned(), value.clone())));
        if !keys.iter().any(|key| key.starts_with("organization")) {
            written.scaler_metadata.insert("organization".to_owned(), "contoso".to_owned());
        } else if !as_address {
            // A bare word as an address is no secret's place; it is shown, so that its author can see what is wrong.
            return Ok(());
        }
        let outcome = read(written);
        let debug = format!("{outcome:?}");
        prop_assert!(!debug.contains(&secret), "{debug}");
        if let Err(fault) = outcome {
            prop_assert!(!fault.to_string().contains(&secret), "{fault}");
        }
    }

    #[test]
    fn any_metadata_is_read_or_refused_in_a_bounded_message(
        entries in proptest::collection::hash_map("[a-zA-Z]{0,12}|poolName|poolID|priority|parent", ".{0,300}", 0..6),
    ) {
        let mut written = reference(&[]);
        written.scaler_metadata.extend(entries);
        match read(written) {
            Ok(request) => {
                let name = request.metric_name;
                prop_assert!(name.len() <= 63 && !name.ends_with('-') && !name.contains("--"), "{name}");
                prop_assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'));
            }
            Err(fault) => prop_assert!(fault.to_string().chars().count() < 800, "{fault}"),
        }
    }
}
