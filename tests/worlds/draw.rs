//! A hostile world drawn from one seed: everything that can differ between organisations, clusters and days.

use std::{sync::Arc, time::Duration};

use azp_scaler::{
    capability::CapabilitySet,
    job_request::Parallelism,
    parallel_jobs::{Each, Headroom},
    pool::Rules,
    simulator::{
        Plan,
        faults::{Broken, Disturbance, Edit, Fate, Faults},
        keda::{Scaling, Strategy},
        plan::{AgentPlan, Arrivals, Delays, JobKind, Millis, PoolPlan, ScaledJobPlan},
        virtual_run::{Conditions, Trouble, Troubles},
    },
    trigger::ScaledJobId,
};
use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};

/// When worlds begin.
const BEGINNING: Timestamp = Timestamp::constant(1_790_000_000, 0);
/// What agents can offer, each with a value.
const OFFERS: [(&str, &str); 6] =
    [("docker", ""), ("java", "17"), ("java", "11"), ("gpu", "a100"), ("maven", ""), ("node", "18.2.0")];
/// What jobs can ask for.
const DEMANDS: [&str; 8] = [
    "docker",
    "java",
    "java -equals 17",
    "java -equals 11",
    "gpu",
    "maven",
    "node -gtVersion 18.2",
    "Agent.Version -gtVersion 2.163.1",
];

/// A world with its scaler, before it begins.
#[derive(Clone, Debug)]
pub(crate) struct Hostile {
    pub(crate) plan: Plan,
    pub(crate) conditions: Conditions,
}

impl Hostile {
    pub(crate) fn of(seed: u64) -> Self {
        let random = &mut Rng::with_seed(seed);
        let storm = Duration::from_secs(random.u64(240..600));
        let pools: Vec<PoolPlan> = (0..random.i64(1..=4)).map(|id| pool(id, random)).collect();
        let scaled_jobs: Vec<ScaledJobPlan> =
            (0..random.usize(1..=12)).map(|place| scaled_job(place, &pools, random)).collect();
        let limit = |random: &mut Rng| random.bool().then(|| random.u32(1..=10));
        let parallel_jobs = Each::new(|_| if random.u8(0..3) == 0 { limit(random) } else { None });
        let fates: Vec<Fate> = Fate::FAULTS.into_iter().filter(|_| random.bool()).collect();
        let per_mille = if fates.is_empty() { 0 } else { *random.choice(&[0, 20, 100, 300]).unwrap_or(&0) };
        let disturbances = disturbances(&pools, &scaled_jobs, storm, random);
        let slowest = scaled_jobs.iter().map(|made| made.polling_interval.as_secs()).max().unwrap_or(0);
        let rules = Rules {
            settle: SignedDuration::from_secs(i64::try_from(slowest + 3).unwrap_or(60)),
            idle_agent_grace: SignedDuration::from_secs(random.i64(30..=60)),
            start_timeout: SignedDuration::from_secs(random.i64(60..=120)),
            failed_starts: 3,
        };
        let conditions = Conditions {
            azure: 5..=random.u64(20..300),
            latency: 1..=random.u64(20..300),
            rules,
            headroom: if random.bool() { Headroom::Quarter } else { Headroom::Jobs(random.u32(0..3)) },
            troubles: troubles(storm, random),
            ..Conditions::default()
        };
        let plan = Plan {
            seed,
            begins_at: BEGINNING,
            organization: "contoso".into(),
            parallel_jobs,
            pools,
            scaled_jobs,
            delays: delays(random),
            faults: Faults { until: storm, per_mille, fates, disturbances },
        };
        Self { plan, conditions }
    }

    /// The same world, seen through the cluster's view, too.
    pub(crate) fn seen(mut self, view: View) -> Self {
        self.conditions.view = view != View::Off;
        if view == View::Flapping {
            // Draws of its own, so that the world is the same.
            let random = &mut Rng::with_seed(!self.plan.seed);
            let most = u64::try_from(self.plan.faults.until.as_millis()).unwrap_or(1);
            for _ in 0..random.usize(1..=6) {
                let at = random.u64(0..most);
                let lasts = random.u64(1_000..60_000).min(most - at);
                let trouble = [Trouble::ViewLost, Trouble::ViewStale, Trouble::ViewBroken][random.usize(0..3)];
                self.conditions.troubles.0.push((Duration::from_millis(at), Duration::from_millis(lasts), trouble));
            }
        }
        self
    }
}

/// What the scaler sees of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum View {
    /// Nothing.
    Off,
    /// All, at once.
    On,
    /// Now and then nothing, or what was.
    Flapping,
}

impl View {
    pub(crate) const ALL: [Self; 3] = [Self::Off, Self::On, Self::Flapping];
}

fn offers(random: &mut Rng) -> CapabilitySet {
    CapabilitySet::new(OFFERS.into_iter().filter(|_| random.u8(0..5) < 2))
}

fn pool(id: i64, random: &mut Rng) -> PoolPlan {
    let agents = (0..random.usize(0..=4)).map(|place| AgentPlan {
        name: format!("vm-{place}").into(),
        capabilities: offers(random),
        online: random.u8(0..5) > 0,
        enabled: random.u8(0..8) > 0,
    });
    let agents = agents.collect();
    let kinds = (0..random.usize(1..=5)).map(|place| kind(place, random)).collect();
    // Steady, in bursts with lulls between them, or now and then.
    let (every, at_once): (Millis, _) = match random.u8(0..3) {
        0 => (2_000..=15_000, 1..=1),
        1 => (30_000..=120_000, 2..=random.u32(3..=12)),
        _ => (10_000..=60_000, 1..=2),
    };
    PoolPlan { id, name: format!("pool-{id}").into(), agents, arrivals: Arrivals { every, at_once, kinds } }
}

fn kind(place: usize, random: &mut Rng) -> JobKind {
    let demands: Vec<Box<str>> = DEMANDS.into_iter().filter(|_| random.u8(0..6) == 0).map(Box::from).take(3).collect();
    let runs = random.u64(2_000..60_000);
    JobKind {
        pipeline: "pipeline".into(),
        job: format!("kind-{place}").into(),
        demands: demands.into(),
        parallelism: if random.u8(0..4) == 0 { Parallelism::Public } else { Parallelism::Private },
        weight: random.u32(1..5),
        runs_for: runs / 2..=runs,
        cancelled_after: (random.u8(0..6) == 0).then(|| {
            let patience = random.u64(500..60_000);
            patience / 2..=patience
        }),
    }
}

fn scaled_job(place: usize, pools: &[PoolPlan], random: &mut Rng) -> ScaledJobPlan {
    let max_replicas = random.u32(1..=10);
    let strategy = match random.u8(0..12) {
        0 => Strategy::Accurate,
        1 => Strategy::Eager,
        2 => Strategy::Custom { deduction: 0, percentage: *random.choice(&[0.0, 0.5, 1.0]).unwrap_or(&1.0) },
        _ => Strategy::Default,
    };
    ScaledJobPlan {
        id: ScaledJobId { name: format!("s{place}").into(), namespace: "agents".into() },
        pool: random.choice(pools).map_or(0, |pool| pool.id),
        capabilities: offers(random),
        scaling: Scaling {
            strategy,
            min_replicas: if random.u8(0..6) == 0 { random.u32(1..=2).min(max_replicas) } else { 0 },
            max_replicas,
        },
        priority: if random.u8(0..3) == 0 { random.i32(1..4) } else { 100 },
        target: if random.u8(0..10) == 0 { random.u32(2..=3) } else { 1 },
        polling_interval: Duration::from_secs(*random.choice(&[1, 2, 5, 5, 10, 10, 15, 30]).unwrap_or(&5)),
    }
}

fn delays(random: &mut Rng) -> Delays {
    let mut up_to = |most: u64| {
        let longest = random.u64(most / 4..=most);
        longest / 4..=longest
    };
    Delays {
        assignment: up_to(200),
        receipt: up_to(2_000),
        pod_start: up_to(12_000),
        registration: up_to(5_000),
        leaving: up_to(3_000),
        job_end: up_to(3_000),
        linger: up_to(10_000),
        patience: Some(90_000..=240_000),
    }
}

/// What befalls static agents, ScaledJobs, licences and KEDA; most of it ends by itself, all of it with the storm.
fn disturbances(
    pools: &[PoolPlan],
    scaled_jobs: &[ScaledJobPlan],
    storm: Duration,
    random: &mut Rng,
) -> Vec<(Duration, Disturbance)> {
    let mut made = Vec::new();
    for _ in 0..random.usize(0..=10) {
        let at = Duration::from_millis(random.u64(0..u64::try_from(storm.as_millis()).unwrap_or(1)));
        let later = at + Duration::from_secs(random.u64(5..150));
        let place = random.usize(..scaled_jobs.len());
        let fixed = random.choice(pools).and_then(|pool| Some((pool.id, random.choice(&pool.agents)?.name.clone())));
        let mut both = |first, second| made.extend([(at, first), (later.min(storm), second)]);
        match (random.u8(0..11), fixed) {
            (0, Some((pool, agent))) => {
                let enable = |enabled| Disturbance::Enable { pool, agent: Arc::clone(&agent), enabled };
                both(enable(false), enable(true));
            }
            (1, Some((pool, agent))) => {
                let connect = |online| Disturbance::Connect { pool, agent: Arc::clone(&agent), online };
                both(connect(false), connect(true));
            }
            (2, Some((pool, agent))) => {
                let hang = |hung| Disturbance::Hang { pool, agent: Arc::clone(&agent), hung };
                both(hang(true), hang(false));
            }
            (3, _) => made.push((at, Disturbance::Limit(Parallelism::Private, Some(random.u32(1..=10))))),
            (4, _) => made.push((at, Disturbance::Limit(Parallelism::Private, None))),
            (5, _) => {
                let broken = if random.bool() { Broken::Fails } else { Broken::CantBePulled };
                made.push((at, Disturbance::Image(place, Some(broken))));
            }
            (6, _) => both(Disturbance::Pause(place, true), Disturbance::Pause(place, false)),
            (7, _) => both(Disturbance::Delete(place, true), Disturbance::Delete(place, false)),
            (8, _) => made.push((at, Disturbance::Edit(place, Edit::Maximum(random.u32(1..=10))))),
            (9, _) => made.push((at, Disturbance::Edit(place, Edit::Offers(offers(random))))),
            _ => {
                let edit = Disturbance::Edit(place, Edit::Priority(random.i32(1..200)));
                let down = Disturbance::KedaDown(Duration::from_secs(random.u64(5..120)));
                made.push((at, if random.bool() { edit } else { down }));
            }
        }
    }
    made
}

fn troubles(storm: Duration, random: &mut Rng) -> Troubles {
    let most = u64::try_from(storm.as_millis()).unwrap_or(1);
    let made = (0..random.usize(0..=5)).map(|_| {
        let at = random.u64(0..most);
        let lasts = random.u64(3_000..60_000).min(most - at);
        let trouble = *random.choice(&Trouble::ALL).unwrap_or(&Trouble::Late);
        (Duration::from_millis(at), Duration::from_millis(lasts), trouble)
    });
    Troubles(made.collect())
}
