//! What the scaler sees of the simulated cluster: all, what was, or nothing.

use std::{sync::Arc, time::Duration};

use super::trouble::{Trouble, Troubles};
use crate::{
    cluster_view::{ClusterView, Doubt},
    simulator::{shown::view_of, world::World},
};

/// A watch that stands still is doubted after so long: at the next heartbeat that gets no answer.
const STILL_IS_DOUBTED_AFTER: Duration = Duration::from_secs(7);
/// And taken for lost after so long.
const STILL_IS_LOST_AFTER: Duration = Duration::from_secs(12);
/// A watch that breaks is doubted at once, and taken for lost after so long.
const BROKEN_IS_LOST_AFTER: Duration = Duration::from_secs(5);

/// The cluster as the scaler sees it.
#[derive(Debug, Default)]
pub(super) struct Seen(Option<Arc<ClusterView>>);

impl Seen {
    /// Looks at the cluster as it is now, as far as it can be seen.
    pub(super) fn look(&mut self, world: &World, troubles: &Troubles) -> Option<Arc<ClusterView>> {
        let now = world.now();
        let from = |trouble, after| troubles.since(trouble, now).map(|since| since + after);
        let lost_from =
            [from(Trouble::ViewStale, STILL_IS_LOST_AFTER), from(Trouble::ViewBroken, BROKEN_IS_LOST_AFTER)];
        let lost_from = lost_from.into_iter().flatten().min();
        let doubted_from =
            [from(Trouble::ViewStale, STILL_IS_DOUBTED_AFTER), from(Trouble::ViewBroken, Duration::ZERO)];
        let doubted_from = doubted_from.into_iter().flatten().min();
        if troubles.is(Trouble::ViewLost, now) || lost_from.is_some_and(|from| from < now) {
            self.0 = None;
        } else if lost_from.is_none() {
            let view = view_of(world, self.0.as_deref());
            if self.0.as_deref() != Some(&view) {
                self.0 = Some(Arc::new(view));
            }
        } else if let Some(known) = &mut self.0
            && known.doubt.is_none()
            && doubted_from.is_some_and(|from| from <= now)
        {
            let until = world.timestamp(lost_from.unwrap_or(now));
            let doubt = Some(Doubt { until, reason: "the watch has broken".into() });
            *known = Arc::new(ClusterView { doubt, ..(**known).clone() });
        }
        self.0.clone()
    }
}
