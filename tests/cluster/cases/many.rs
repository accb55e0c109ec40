//! A large cluster: the view is right, and what it costs is told.

use std::{fs, sync::Arc, thread, time::Duration};

use azp_scaler::{cluster_view::ClusterView, cluster_watch::View, kubernetes::watch as cluster, metrics::Metrics};
use futures::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::{ResourceExt as _, api::ListParams};
use serde_json::json;
use tokio::{runtime, sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    keda, rbac,
    scaler::{Scaler, options},
    users::User,
    within::within,
    world::World,
};

const SCALED_JOBS: usize = 50;
const JOBS: usize = 10;
/// How many requests are under way at a time.
const AT_ONCE: usize = 16;

pub(crate) async fn five_hundred_jobs_are_counted_as_keda_counts_them(world: World) {
    rbac::apply_shipped(&world.client).await;
    let names: Vec<String> = (0..SCALED_JOBS).map(|number| format!("kind-{number}")).collect();
    each(&names, async |name| {
        let mut manifest = keda::manifest(&world.namespace, name);
        manifest["spec"]["triggers"][0]["metadata"]["capabilities"] = json!(name);
        world.keda.apply(&manifest).await;
    })
    .await;
    let (scaler, thread) = on_a_thread(&world).await;
    let before = (cpu_time(&thread), memory(), Instant::now());

    let jobs: Vec<Vec<String>> =
        stream::iter(&names).map(|name| world.keda.create_jobs(name, JOBS)).buffered(AT_ONCE).collect().await;
    let seen_created = counts_are(&world, &scaler, &names, |_| (10, 10)).await;
    let pods = pods(&world, SCALED_JOBS * JOBS).await;
    let pod_of = |job: &String| &pods.iter().find(|(of, _)| of == job).unwrap().1;
    // Of each ScaledJob, as many run as its number says; one of every second's has ended.
    let lives: Vec<(usize, usize)> =
        (0..SCALED_JOBS).flat_map(|number| (0..=number % 5).map(move |job| (number, job))).collect();
    each(&lives, async |&(number, job)| {
        let pod = pod_of(&jobs[number][job]);
        world.kubelet.run(pod).await;
        match (job, number % 4) {
            (0, 1) => world.kubelet.succeed(pod).await,
            (0, 3) => world.kubelet.fail(pod, 1).await,
            _ => {}
        }
    })
    .await;
    let seen_done = counts_are(&world, &scaler, &names, |number| {
        let (ended, ran) = (u32::from(number % 2 == 1), u32::try_from(number % 5 + 1).unwrap());
        (10 - ended, 10 - ran)
    })
    .await;
    let (cpu, memory_grown, lasted) =
        (cpu_time(&thread).saturating_sub(before.0), memory().saturating_sub(before.1), before.2.elapsed());

    // A second one begins: all at once, and nothing else happens.
    let (idle, begun) = (memory(), Instant::now());
    let second = Scaler::new(&world).await;
    second.current().await;
    let (listed_in, second_memory) = (begun.elapsed(), memory().saturating_sub(idle));
    scaler.agrees_with(&second, Duration::from_millis(500)).await;
    println!(
        "  {} Jobs of {SCALED_JOBS} ScaledJobs in {lasted:.1?}: all Jobs shown {seen_created:.1?} after the last was created, \
         all counts right {seen_done:.1?} after the last change; the watcher's thread used {cpu:.2?} of CPU; the test \
         process, with all that drives the case, grew by {memory_grown} kB; a second watcher listed it all in \
         {listed_in:.1?} and {second_memory} kB",
        SCALED_JOBS * JOBS,
    );
}

/// Waits until each ScaledJob is shown with its numbers of running and of pending Jobs, which are KEDA's.
/// How long that took, without KEDA's part.
async fn counts_are(
    world: &World,
    scaler: &Scaler,
    names: &[String],
    wanted: impl Fn(usize) -> (u32, u32),
) -> Duration {
    let since = Instant::now();
    let wanted: Vec<_> = (0..names.len()).map(wanted).collect();
    let ids: Vec<_> = names.iter().map(|name| world.id(name)).collect();
    let shown = |seen: &Arc<ClusterView>| -> Option<Vec<(u32, u32)>> {
        ids.iter().map(|id| seen.scaled_jobs.get(id).map(|seen| (seen.unfinished(), seen.pending()))).collect()
    };
    scaler.shows("all counts", |view: &View| (shown(view.current()?)? == wanted).then_some(())).await;
    let shown_after = since.elapsed();
    let counted: Vec<_> = stream::iter(names).map(|name| world.keda_counts(name)).buffered(AT_ONCE).collect().await;
    assert_eq!(counted, wanted);
    shown_after
}

/// The pods' Jobs and names, as soon as there are so many.
async fn pods(world: &World, count: usize) -> Vec<(String, String)> {
    let all = within("all pods", async || {
        let pods = world.kubelet.pods().list(&ListParams::default()).await.unwrap().items;
        (pods.len() >= count).then_some(pods)
    });
    let of = |pod: Pod| (pod.labels()["batch.kubernetes.io/job-name"].clone(), pod.name_any());
    all.await.into_iter().map(of).collect()
}

async fn each<T>(all: &[T], act: impl AsyncFn(&T)) {
    stream::iter(all).for_each_concurrent(AT_ONCE, |one| act(one)).await;
}

/// A scaler on a thread of its own, client and all, and what the kernel knows of the thread.
async fn on_a_thread(world: &World) -> (Scaler, String) {
    let control_plane = Arc::clone(&world.control_plane);
    let (sender, views) = watch::channel(View::Off);
    let (metrics, stop) = (Metrics::new(), CancellationToken::new());
    let (options, stopped) = (options(&metrics), stop.clone());
    let (tell, told) = tokio::sync::oneshot::channel();
    thread::spawn(move || {
        tell.send(fs::read_link("/proc/thread-self").unwrap().display().to_string()).unwrap();
        runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let client = control_plane.client(User::Scaler).await;
            // Whoever has it last ends its programs, which must not be a thread that the end of the process cuts off.
            drop(control_plane);
            cluster::run(client, options, sender, stopped).await;
        });
    });
    // Dropping the scaler ends the task, and that the thread.
    let until = stop.drop_guard();
    let task = tokio::spawn(async move {
        let _until = until;
        std::future::pending::<()>().await;
    });
    let scaler = Scaler { metrics, views, task };
    scaler.current().await;
    (scaler, format!("/proc/{}/stat", told.await.unwrap()))
}

/// How long a thread has used a CPU.
fn cpu_time(stat: &str) -> Duration {
    let stat = fs::read_to_string(stat).unwrap();
    // After the name, which is in parentheses, `utime` and `stime` are the 12th and 13th; in hundredths of a second.
    let numbers = stat.rsplit_once(')').unwrap().1.split_whitespace().skip(11).take(2);
    Duration::from_millis(numbers.map(|ticks| ticks.parse::<u64>().unwrap() * 10).sum())
}

/// How much memory this process has, in kB.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
