//! Hears of objects, keeps the index, and publishes the view; the only one who touches them.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    super::{
        Kind,
        failure::Failure,
        follow::Heard,
        health::{Health, Verdict},
        index::Index,
    },
    Options, UNHEARD,
};
use crate::{
    cluster_view::{ClusterView, Doubt},
    cluster_watch::View,
};

/// How far apart views are published.
const APART: Duration = Duration::from_millis(30);
/// What becomes of a doubt is known to all who look within this time.
const TOLD_WITHIN: Duration = Duration::from_secs(1);

/// Who owns the index and the channel.
pub(super) struct Keeper {
    index: Index,
    health: Health,
    options: Options,
    views: watch::Sender<View>,
    generations: watch::Sender<u64>,
    published_at: Option<Instant>,
    /// By when the view published last is whole or lost, where it may not be whole.
    doubted_until: Option<Instant>,
}

impl Keeper {
    pub(super) fn new(options: Options, views: watch::Sender<View>, generations: watch::Sender<u64>) -> Self {
        views.send_replace(View::Starting);
        let index = Index::new(options.addresses.iter().cloned());
        let keeper = Self {
            index,
            health: Health::default(),
            options,
            views,
            generations,
            published_at: None,
            doubted_until: None,
        };
        keeper.count();
        keeper
    }

    /// Hears and publishes until it is told to stop.
    pub(super) async fn keep(mut self, mut hearing: mpsc::Receiver<Heard>, stop: CancellationToken) {
        let asked = Arc::clone(&self.options.asked);
        loop {
            let due = self.due();
            tokio::select! {
                () = stop.cancelled() => break,
                Some(heard) = hearing.recv() => {
                    self.take(heard);
                    // What waits already belongs to the same burst.
                    for _ in 0..UNHEARD {
                        let Ok(heard) = hearing.try_recv() else { break };
                        self.take(heard);
                    }
                }
                ids = asked.next() => ids.iter().for_each(|id| self.index.asked(id)),
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            }
            self.publish();
        }
        self.options.metrics.cluster.view_up.with_label_values::<&str>(&[]).set(0);
    }

    fn take(&mut self, heard: Heard) {
        let now = Instant::now();
        match heard {
            Heard::Applied(object) => self.index.apply(object),
            Heard::Deleted(kind, key) => self.index.delete(kind, &key),
            Heard::Listed { kind, generation, objects } => {
                self.index.replace_all(kind, objects);
                self.health.listed(kind, generation, now);
            }
            Heard::Failed { generation, failure } => {
                tracing::debug!(%failure, "a watch over the cluster failed");
                self.count_failure(&failure);
                self.health.failed(failure, generation, now);
            }
            Heard::Beat { begun, outcome } => {
                if let Err(failure) = &outcome {
                    self.count_failure(failure);
                }
                self.health.beat(outcome, begun);
            }
        }
    }

    /// When something is to be done though nothing is heard.
    fn due(&self) -> Option<Instant> {
        let is_current = self.views.borrow().current().is_some();
        let publishes = self.published_at.map(|at| at + APART).filter(|_| is_current && self.index.is_touched());
        publishes.into_iter().chain(self.health.changes_at()).min()
    }

    /// Publishes what is to be told, unless the last was told just now.
    fn publish(&mut self) {
        let now = Instant::now();
        let verdict = self.health.judge(now);
        let generation = self.health.generation();
        self.generations.send_if_modified(|known| std::mem::replace(known, generation) != generation);
        let was_current = self.views.borrow().current().is_some();
        let view = match verdict {
            Verdict::Starting => View::Starting,
            Verdict::Current if was_current && !self.has_news(now) => return,
            Verdict::Current => View::Current(self.seen(now)),
            Verdict::Lost { since, reason } => View::Lost { since: self.time_of(since, now), reason },
        };
        let is_current = view.current().is_some();
        match &view {
            View::Current(_) if !was_current => tracing::info!("the cluster's view is current"),
            View::Lost { reason, .. } if !is_same_loss(&self.views.borrow(), reason) => {
                tracing::warn!(%reason, "the cluster's view is lost");
            }
            _ => {}
        }
        let changed = self.views.send_if_modified(|known| {
            let changed = !is_same(known, &view);
            if changed {
                *known = view;
            }
            changed
        });
        if changed && is_current {
            self.published_at = Some(now);
        }
        self.count();
    }

    /// Whether a view that is current is to be published again.
    fn has_news(&self, now: Instant) -> bool {
        let may_publish = self.published_at.is_none_or(|at| now >= at + APART);
        self.index.is_touched() && may_publish || self.health.doubt().map(|(until, _)| until) != self.doubted_until
    }

    /// What is seen, with the doubt there is about it.
    fn seen(&mut self, now: Instant) -> Arc<ClusterView> {
        let seen = self.index.view();
        let doubt = self.health.doubt();
        self.doubted_until = doubt.map(|(until, _)| until);
        let Some((until, failure)) = doubt else { return seen };
        let left = SignedDuration::try_from(until.saturating_duration_since(now) + TOLD_WITHIN).unwrap_or_default();
        let until = self.options.clock.now().checked_add(left).unwrap_or(Timestamp::MAX);
        Arc::new(ClusterView { doubt: Some(Doubt { until, reason: failure.to_string().into() }), ..(*seen).clone() })
    }

    /// A moment of the runtime's clock as a time of day.
    fn time_of(&self, moment: Instant, now: Instant) -> Timestamp {
        let ago = SignedDuration::try_from(now.saturating_duration_since(moment)).unwrap_or_default();
        self.options.clock.now().checked_sub(ago).unwrap_or(Timestamp::MIN)
    }

    fn count_failure(&self, failure: &Failure) {
        let labels = [failure.kind.resource(), failure.cause.label()];
        self.options.metrics.cluster.watch_errors_total.with_label_values(&labels).inc();
    }

    fn count(&self) {
        let metrics = &self.options.metrics;
        metrics.cluster.view_up.with_label_values::<&str>(&[]).set(self.views.borrow().current().is_some().into());
        for kind in Kind::ALL {
            let count = i64::try_from(self.index.count(kind)).unwrap_or(i64::MAX);
            metrics.cluster.objects.with_label_values(&[kind.resource()]).set(count);
        }
    }
}

/// Whether two views are the same to all who look: of the current ones, whether they are one in memory.
fn is_same(one: &View, other: &View) -> bool {
    match (one, other) {
        (View::Current(one), View::Current(other)) => Arc::ptr_eq(one, other),
        (View::Lost { .. }, View::Lost { reason, .. }) => is_same_loss(one, reason),
        _ => one == other,
    }
}

fn is_same_loss(view: &View, told: &Arc<str>) -> bool {
    matches!(view, View::Lost { reason, .. } if reason == told)
}

#[cfg(test)]
mod tests;
