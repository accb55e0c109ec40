//! What goes wrong with the scaler and its requests, and when.

use std::time::Duration;

/// One kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// The scaler is restarted.
    Restart,
    /// Azure answers nothing.
    Outage,
    /// Azure answers late.
    Late,
    /// Much time passes between the list of jobs and the list of agents.
    Torn,
    /// Azure's lists leave some out.
    Wrong,
    /// Azure does not tell how many jobs may run at once.
    LicencesUnknown,
    /// The cluster can't be watched, and the scaler knows.
    ViewLost,
    /// The cluster's watch stands still, which takes the scaler a while to find out.
    ViewStale,
    /// The cluster's watch has broken, which the scaler knows, and is lost where it does not come back soon.
    ViewBroken,
}

impl Trouble {
    /// All kinds, but for those of the view.
    pub const ALL: [Self; 6] =
        [Self::Restart, Self::Outage, Self::Late, Self::Torn, Self::Wrong, Self::LicencesUnknown];

    /// In words.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Restart => "scaler restarted",
            Self::Outage => "Azure DevOps down",
            Self::Late => "Azure DevOps late",
            Self::Torn => "lists torn apart",
            Self::Wrong => "lists that leave some out",
            Self::LicencesUnknown => "parallel jobs unknown",
            Self::ViewLost => "the cluster's view lost",
            Self::ViewStale => "the cluster's view stale",
            Self::ViewBroken => "the cluster's view broken",
        }
    }
}

/// Troubles, each from when on and for how long.
#[derive(Clone, Debug, Default)]
pub struct Troubles(pub Vec<(Duration, Duration, Trouble)>);

impl Troubles {
    /// Whether there is such trouble.
    #[must_use]
    pub fn is(&self, trouble: Trouble, now: Duration) -> bool {
        self.since(trouble, now).is_some()
    }

    /// Since when such a trouble has lasted.
    pub(super) fn since(&self, trouble: Trouble, now: Duration) -> Option<Duration> {
        let lasting = |(from, lasts, kind): &&(Duration, Duration, Trouble)| {
            *kind == trouble && *from <= now && now < *from + *lasts
        };
        self.0.iter().filter(lasting).map(|(from, ..)| *from).min()
    }

    pub(super) fn restarts(&self) -> impl Iterator<Item = Duration> {
        self.0.iter().filter(|(.., kind)| *kind == Trouble::Restart).map(|(at, ..)| *at)
    }
}
