//! What the simulated cluster shows to whoever watches it: the [`ClusterView`] that the watch of a real one would publish.

use std::{sync::Arc, time::Duration};

use super::{
    cluster::{KubernetesJob, SimulatedScaledJob, Stage},
    faults::{Broken, Fate},
    keda,
    world::World,
};
use crate::{
    cluster_view::{self, ClusterView, JobState, Pod, ScaledJobView, Stages, StartFailure, Trouble},
    trigger::Strategy,
};

/// What is to be seen now. What is as it was `before` is the very same.
#[must_use]
pub fn view_of(world: &World, before: Option<&ClusterView>) -> ClusterView {
    let scaled_jobs = world.cluster().scaled_jobs.iter().enumerate().filter(|(_, made)| !made.deleted);
    let shown = scaled_jobs.map(|(place, made)| {
        let shown = scaled_job(world, place, made);
        let same = before.and_then(|before| before.scaled_jobs.get(&made.plan.id)).filter(|before| ***before == shown);
        (made.plan.id.clone(), same.map_or_else(|| Arc::new(shown), Arc::clone))
    });
    ClusterView { scaled_jobs: shown.collect(), doubt: None }
}

/// A ScaledJob's strategy as the core knows it.
#[must_use]
pub fn strategy_of(scaling: &keda::Scaling) -> Strategy {
    match scaling.strategy {
        keda::Strategy::Default => Strategy::Default,
        keda::Strategy::Accurate => Strategy::Accurate,
        keda::Strategy::Eager => Strategy::Eager,
        keda::Strategy::Custom { deduction, percentage } => Strategy::Custom { deduction, percentage },
    }
}

fn scaled_job(world: &World, place: usize, made: &SimulatedScaledJob) -> ScaledJobView {
    let scaling = &made.plan.scaling;
    let cluster = world.cluster();
    let jobs = cluster.ended.iter().chain(cluster.jobs.values()).filter(|job| job.scaled_job == place);
    let mut jobs: Vec<cluster_view::KubernetesJob> = jobs.map(|job| kubernetes_job(world, job, made.broken)).collect();
    jobs.sort_by(|one, other| one.name.cmp(&other.name));
    ScaledJobView {
        strategy: strategy_of(scaling),
        max_replicas: scaling.max_replicas,
        min_replicas: scaling.min_replicas,
        is_paused: made.paused,
        jobs,
        ..ScaledJobView::default()
    }
}

fn kubernetes_job(world: &World, job: &KubernetesJob, broken: Option<Broken>) -> cluster_view::KubernetesJob {
    let at = |moment: Duration| world.timestamp(moment);
    let running = job.running_at.map(at);
    let state = match job.stage {
        Stage::Finished if job.has_failed => JobState::Failed,
        Stage::Finished => JobState::Succeeded,
        stage => JobState::Unfinished { is_pending: stage == Stage::Pending },
    };
    let trouble = |reason, message: &str| Some(Trouble { reason, message: message.into() });
    let pod = Pod {
        agent: (*job.pod).into(),
        stages: Stages { scheduled: running, pulled: running, running },
        has_ended: job.stage == Stage::Finished,
        trouble: match (job.stage, job.fate) {
            (Stage::Pending, _) if broken == Some(Broken::CantBePulled) => {
                trouble(StartFailure::ImagePull, "the image is not there")
            }
            (Stage::Pending, Fate::Unschedulable) => trouble(StartFailure::Unschedulable, "no node has room"),
            (Stage::Finished, Fate::Evicted) => trouble(StartFailure::Evicted, "the node ran short of memory"),
            (Stage::Finished, _) if job.has_failed => trouble(StartFailure::ContainerFailed, "exit code 1"),
            _ => None,
        },
    };
    cluster_view::KubernetesJob {
        name: job.name().into(),
        created_at: at(job.created_at),
        state,
        pods: vec![pod],
        trouble: None,
    }
}
