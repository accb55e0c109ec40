//! The built-in scaler's number against its own code: the functions of KEDA 2.21's `azure_pipelines_scaler.go`, carried
//! over line by line, told the jobs as Azure would write them.

use std::{collections::BTreeSet, sync::Arc};

use azp_scaler::{
    agent::Agent,
    builtin::{Agreement, Builtin},
    decision::Answer,
    job_request::{JobRequest, RequestId, Title},
    scaling::builtin_answer,
    snapshot::{Queue, Snapshot},
    trigger::{Strategy, Trigger},
};
use proptest::{
    collection::vec,
    option,
    prelude::{ProptestConfig, Strategy as Values, any, prop, prop_assert_eq, proptest},
    sample::select,
};

use crate::scene::{agent, at, trigger};

/// `JobRequest`, as far as the scaler reads it; unfinished ones only.
struct GoJob {
    receive_time_is_zero: bool,
    demands: Vec<String>,
    matched_agents: Option<Vec<String>>,
}

/// `azurePipelinesMetadata`, as far as it matters to the count.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "as it is in KEDA")]
struct GoMetadata {
    parent: String,
    demands: String,
    scale_on_in_flight: bool,
    require_all_demands: bool,
    require_all_demands_and_ignore_others: bool,
    case_insensitive_demands_processing: bool,
}

fn get_azure_pipelines_queue_length(jobs: &[GoJob], metadata: &GoMetadata) -> u32 {
    let mut count = 0;
    for job in strip_dead_jobs(jobs, metadata.scale_on_in_flight) {
        if metadata.parent.is_empty() && metadata.demands.is_empty() {
            count += 1;
        } else if metadata.parent.is_empty() {
            if get_can_agent_demand_fulfil_job(job, metadata) {
                count += 1;
            }
        } else if get_can_agent_parent_fulfil_job(job, metadata) {
            count += 1;
        }
    }
    count
}

fn strip_dead_jobs(jobs: &[GoJob], scale_on_in_flight: bool) -> Vec<&GoJob> {
    let mut filtered = Vec::new();
    for job in jobs {
        if !scale_on_in_flight && !job.receive_time_is_zero {
            continue;
        }
        filtered.push(job);
    }
    filtered
}

fn strip_agent_v_from_array(array: &[String]) -> Vec<&String> {
    let mut result = Vec::new();
    for item in array {
        if !item.starts_with("Agent.Version") {
            result.push(item);
        }
    }
    result
}

fn get_can_agent_demand_fulfil_job(job: &GoJob, metadata: &GoMetadata) -> bool {
    let mut count_demands = 0;
    let demands_in_job = strip_agent_v_from_array(&job.demands);
    let split = strings_split(&metadata.demands);
    let demands_in_scaler = strip_agent_v_from_array(&split);
    for demand_in_job in &demands_in_job {
        for demand_in_scaler in &demands_in_scaler {
            let is_match = if metadata.case_insensitive_demands_processing {
                strings_equal_fold(demand_in_job, demand_in_scaler)
            } else {
                demand_in_job == demand_in_scaler
            };
            if is_match {
                count_demands += 1;
            }
        }
    }
    if metadata.require_all_demands {
        return count_demands == demands_in_job.len() && count_demands == demands_in_scaler.len();
    } else if metadata.require_all_demands_and_ignore_others {
        return count_demands == demands_in_scaler.len();
    }
    count_demands == demands_in_job.len()
}

fn get_can_agent_parent_fulfil_job(job: &GoJob, metadata: &GoMetadata) -> bool {
    let Some(matched_agents) = &job.matched_agents else { return false };
    for agent in matched_agents {
        if metadata.parent == *agent {
            return true;
        }
    }
    false
}

/// `strings.Split(text, ",")`.
fn strings_split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    for character in text.chars() {
        if character == ',' {
            parts.push(String::new());
        } else {
            parts.last_mut().unwrap().push(character);
        }
    }
    parts
}

/// The rings of Go's `unicode.SimpleFold` that the words below have characters of.
const RINGS: [&str; 7] = ["kK\u{212A}", "sSſ", "äÄ", "µμΜ", "ßẞ", "ı", "İ"];

/// `strings.EqualFold`.
fn strings_equal_fold(one: &str, other: &str) -> bool {
    one.chars().count() == other.chars().count()
        && one.chars().zip(other.chars()).all(|(one, other)| {
            one == other
                || one.eq_ignore_ascii_case(&other)
                || RINGS.iter().any(|ring| ring.contains(one) && ring.contains(other))
        })
}

/// Demands, with what an agent must have to be listed: a name of its own, or nothing where Azure does not understand.
const WORDS: [(&str, Option<&str>); 20] = [
    ("docker", Some("docker")),
    ("Docker", Some("docker")),
    ("DOCKER", Some("docker")),
    ("java", Some("java")),
    ("java -equals 17", Some("java=17")),
    ("JAVA -equals 17", Some("java=17")),
    ("k8s", Some("k8s")),
    ("\u{212A}8S", Some("\u{212A}8s")),
    ("ſ", Some("ſ")),
    ("s", Some("s")),
    ("i", Some("i")),
    ("ı", Some("ı")),
    ("İ", Some("İ")),
    ("ß", Some("ß")),
    ("ẞ", Some("ẞ")),
    (" docker", None),
    ("", None),
    ("Agent.Version -gtVersion 2.0", Some("Agent.Version")),
    ("agent.version -gtVersion 2.0", Some("Agent.Version")),
    ("Agent.VersionOfMine", Some("Agent.VersionOfMine")),
];

/// What an agent may have, and which of the needs above that meets.
const OFFERS: [(&str, &[&str]); 12] = [
    ("docker", &["docker"]),
    ("java=17", &["java", "java=17"]),
    ("java=11", &["java"]),
    ("k8s", &["k8s"]),
    ("s", &["s"]),
    ("ſ", &["ſ"]),
    ("i", &["i"]),
    ("ı", &["ı"]),
    ("ß", &["ß"]),
    ("Agent.Version=2.1", &["Agent.Version"]),
    ("Agent.Version=1.9", &[]),
    ("Agent.VersionOfMine", &["Agent.VersionOfMine"]),
];

const NAMES: [&str; 3] = ["template", "Template", "vm-1"];

#[derive(Clone, Debug)]
struct SmallJob {
    demands: Vec<usize>,
    received: bool,
    lists: bool,
}

/// An agent by its name's place, with the places of what it offers.
type SmallAgent = (usize, BTreeSet<usize>);

fn jobs() -> impl Values<Value = Vec<SmallJob>> {
    let job = (vec(0..WORDS.len(), 0..4), any::<bool>(), prop::bool::weighted(0.8));
    vec(job.prop_map(|(demands, received, lists)| SmallJob { demands, received, lists }), 0..12)
}

fn agents() -> impl Values<Value = Vec<SmallAgent>> {
    let offers = prop::collection::btree_set(0..OFFERS.len(), 0..5).prop_map(|mut offers| {
        // An agent has one value of each.
        for (one, other) in [(1, 2), (9, 10)] {
            if offers.contains(&one) {
                offers.remove(&other);
            }
        }
        offers
    });
    prop::collection::btree_map(0..NAMES.len(), offers, 0..=2).prop_map(|agents| agents.into_iter().collect())
}

fn metadata() -> impl Values<Value = GoMetadata> {
    let words = WORDS.map(|(word, _)| word).to_vec();
    let demands = vec(select(words), 0..5).prop_map(|words| words.join(","));
    let parent = option::weighted(0.4, select(NAMES.to_vec()));
    (parent, demands, any::<[bool; 4]>()).prop_map(|(parent, demands, flags)| GoMetadata {
        parent: parent.unwrap_or_default().to_owned(),
        demands,
        scale_on_in_flight: flags[0],
        require_all_demands: flags[1],
        require_all_demands_and_ignore_others: flags[2],
        case_insensitive_demands_processing: flags[3],
    })
}

fn builtin(metadata: &GoMetadata) -> Builtin {
    Builtin {
        parent: Some(metadata.parent.clone()).filter(|parent| !parent.is_empty()),
        demands: metadata.demands.clone(),
        agreement: match (metadata.require_all_demands, metadata.require_all_demands_and_ignore_others) {
            (true, _) => Agreement::Both,
            (false, true) => Agreement::OfTheTrigger,
            (false, false) => Agreement::OfTheJob,
        },
        ignores_case: metadata.case_insensitive_demands_processing,
        counts_in_flight: metadata.scale_on_in_flight,
    }
}

/// What Azure answers about a job: the agents that have all it needs, by name.
fn as_azure_writes_it(job: &SmallJob, agents: &[SmallAgent]) -> GoJob {
    let met = |offers: &BTreeSet<usize>| -> BTreeSet<&str> {
        offers.iter().flat_map(|&offer| OFFERS[offer].1.iter().copied()).collect()
    };
    let fits = |offers: &BTreeSet<usize>| {
        job.demands.iter().filter_map(|&word| WORDS[word].1).all(|need| met(offers).contains(need))
    };
    let matched = agents.iter().filter(|(_, offers)| fits(offers)).map(|(name, _)| NAMES[*name].to_owned());
    GoJob {
        receive_time_is_zero: !job.received,
        demands: job.demands.iter().map(|&word| WORDS[word].0.to_owned()).collect(),
        matched_agents: job.lists.then(|| matched.collect()),
    }
}

fn snapshot(jobs: &[SmallJob], agents: &[SmallAgent]) -> Snapshot {
    let mut queue = Queue::default();
    for (id, job) in (1..).zip(jobs) {
        let texts: Vec<&str> = job.demands.iter().map(|&word| WORDS[word].0).collect();
        let demands = queue.intern(&texts);
        queue.jobs.push(JobRequest {
            id: RequestId(id),
            queued_at: Some(at(id)),
            assigned_at: None,
            priority: 0,
            demands,
            agent: None,
            received: job.received,
            lists_matched_agents: job.lists,
            parallelism: None,
            title: Title::default(),
        });
    }
    let agents: Vec<Agent> = agents
        .iter()
        .map(|(name, offers)| {
            let offers: Vec<&str> = offers.iter().map(|&offer| OFFERS[offer].0).collect();
            agent(NAMES[*name], &offers.join(","))
        })
        .collect();
    Snapshot::new(at(100), queue, at(100), Arc::new(agents))
}

#[test]
fn keda_is_told_the_count_as_it_is() {
    let asking = Trigger { target: 4, activation: 2, strategy: Strategy::Accurate, ..trigger("t", "") };
    for (count, active) in [(0, false), (2, false), (3, true)] {
        assert_eq!(builtin_answer(&asking, count), Answer { value: count.into(), active });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn it_counts_what_kedas_own_code_counts(jobs in jobs(), agents in agents(), metadata in metadata()) {
        let written: Vec<GoJob> = jobs.iter().map(|job| as_azure_writes_it(job, &agents)).collect();
        let expected = get_azure_pipelines_queue_length(&written, &metadata);
        prop_assert_eq!(builtin(&metadata).count(&snapshot(&jobs, &agents)), expected);
    }
}
