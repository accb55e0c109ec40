//! Triggers that bring a token of their own: each token and URL is an organisation of its own, with its own client, pools and
//! snapshots, so that nobody sees more than Azure shows to the token that they brought.
//!
//! ```text
//! (URL, token) ──known?──▶ [Guest] ──look-up──▶ desk
//!                             └── taken by Azure, and its trigger was alone with another one: that one's token is replaced
//! ```
//!
//! So a token that is rotated is no new trigger, and its pool goes on; but no snapshot is shown for a token that Azure has not
//! taken. Tokens are in memory only, a bounded number of them, and forgotten when nobody asks. May touch this edge,
//! [`pools`](crate::pools) and [`metrics`](crate::metrics).

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{
    body::Bounds,
    client::Client,
    credential::{BroughtToken, Credential},
    directory::{AzureDevOps, Member, locked},
    organization::{BadOrganization, Organization, ParallelJobs},
};
use crate::{
    pools::{Brought, Desk, Failure, FailureClass, IN_USE_FOR, PoolSelector, same_place},
    trigger::TriggerId,
    wording::shown_url,
};

/// Organisations that triggers may open at once.
const MOST_GUESTS: usize = 64;
/// A guest that Azure has taken is forgotten when nobody has asked for so long: KEDA may poll as seldom as that, and a pool that
/// is forgotten settles anew.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(1);
/// How often it is seen whether anybody still asks.
const SEEN_EVERY: Duration = Duration::from_mins(1);

/// All guests.
pub(super) struct Guests {
    /// What the operator has configured: where a URL is one of these, its settings hold, but for the credential.
    configured: Vec<Organization>,
    known: Arc<Mutex<Vec<Guest>>>,
}

/// A URL with a token.
struct Guest {
    url: Url,
    token: BroughtToken,
    member: Arc<Member>,
    /// The triggers for which Azure has last taken this token.
    triggers: HashSet<TriggerId>,
    last_asked: Timestamp,
}

impl Guests {
    pub(super) fn new(configured: &[Organization]) -> Self {
        Self { configured: configured.to_vec(), known: Arc::default() }
    }

    /// The names of a configured organisation and of all others at its URL.
    pub(super) fn at(&self, organization: &str) -> Vec<Arc<str>> {
        let configured = self.configured.iter().find(|it| *it.name == *organization);
        configured.and_then(|it| it.base().ok()).map(|url| self.names_at(&url)).unwrap_or_default()
    }

    /// The names of all organisations at a URL, configured ones and guests.
    pub(super) fn names_at(&self, url: &Url) -> Vec<Arc<str>> {
        let is_there = |it: &&Organization| it.base().is_ok_and(|base| same_place(&base, url));
        let configured = self.configured.iter().filter(is_there).map(|it| Arc::clone(&it.name));
        let known = locked(&self.known);
        let guests = known.iter().filter(|guest| same_place(&guest.url, url)).map(|guest| Arc::clone(guest.name()));
        configured.chain(guests).collect()
    }

    /// What a client needs to know to go to a URL with a token, and where the token is kept.
    fn organization(&self, name: Arc<str>, brought: &Brought) -> (Organization, BroughtToken) {
        let is_it = |it: &&Organization| it.base().is_ok_and(|base| same_place(&base, &brought.url));
        let vouched = self.configured.iter().find(is_it);
        let token = BroughtToken::new(brought.token.clone(), vouched.is_none());
        let credential = Credential::Brought(token.clone());
        let organization = match vouched {
            Some(vouched) => Organization { name, credential, ..vouched.clone() },
            None => Organization {
                name,
                url: brought.url.to_string(),
                credential,
                allow_plain_http: false,
                certificate_authority: None,
                proxy: None,
                parallel_jobs: ParallelJobs::Auto,
            },
        };
        (organization, token)
    }
}

impl Guest {
    fn is(&self, brought: &Brought) -> bool {
        same_place(&self.url, &brought.url) && self.token.get().expose_secret() == brought.token.expose_secret()
    }

    fn name(&self) -> &Arc<str> {
        self.member.client.organization()
    }
}

impl AzureDevOps {
    /// The desk of a pool that is reached with a trigger's own token.
    pub(super) async fn receive(&self, brought: &Brought, pool: &PoolSelector) -> Result<Arc<Desk>, Arc<Failure>> {
        let member = self.admit(brought)?;
        let desk = self.find_at(&member, pool).await?;
        Ok(self.settle_in(brought, &member, desk))
    }

    /// The organisation of a token and URL, made where there is none yet.
    fn admit(&self, brought: &Brought) -> Result<Arc<Member>, Arc<Failure>> {
        let now = self.clock.now();
        let mut known = locked(&self.guests.known);
        let is_here = |guest: &&mut Guest| guest.is(brought) && !guest.member.stop.is_cancelled();
        if let Some(guest) = known.iter_mut().find(is_here) {
            guest.last_asked = now;
            return Ok(Arc::clone(&guest.member));
        }
        if known.len() >= MOST_GUESTS {
            // The next poll finds the place of one that nobody uses.
            let unused = known.iter().filter(|guest| guest.triggers.is_empty() && !guest.is(brought));
            if let Some(guest) = unused.min_by_key(|guest| guest.last_asked) {
                guest.member.stop.cancel();
            }
            let message = format!(
                "`{}` with the trigger's own token: {MOST_GUESTS} such tokens and URLs are in use, and no more are kept; \
                 configure the organizations that many triggers use",
                shown_url(brought.url.as_str())
            );
            return Err(Arc::new(Failure { class: FailureClass::TooMany, message }));
        }
        let (organization, token) = self.guests.organization(free_name(&brought.url, &known), brought);
        let client = Client::new(&organization, self.clock, self.metrics.clone());
        let client = client.map_err(|BadOrganization { fault, .. }| {
            let message = format!("the organization of the trigger's own token: {fault}");
            Arc::new(Failure { class: FailureClass::Forbidden, message })
        })?;
        let client = client.within(Bounds::of_guest());
        let stop = self.stop.child_token();
        let member = Arc::new(Member::new(client, organization.parallel_jobs, self.headroom, stop.clone()));
        let (url, triggers) = (brought.url.clone(), HashSet::new());
        known.push(Guest { url, token, member: Arc::clone(&member), triggers, last_asked: now });
        self.see_off(Arc::clone(member.client.organization()), stop);
        Ok(member)
    }

    /// Azure has taken the token. Where the trigger had another one for the same URL, and that one to itself, it was
    /// rotated, and the pool that is there goes on with the new one.
    fn settle_in(&self, brought: &Brought, member: &Arc<Member>, desk: Arc<Desk>) -> Arc<Desk> {
        let mut known = locked(&self.guests.known);
        let is_it = |guest: &Guest| Arc::ptr_eq(&guest.member, member);
        let newer = known.iter().position(|guest| is_it(guest) && guest.triggers.is_empty());
        let older = known.iter().position(|guest| {
            let is_alone = guest.triggers.len() == 1 && guest.triggers.contains(&brought.by);
            is_alone && !is_it(guest) && same_place(&guest.url, &brought.url)
        });
        if let (Some(older), Some(newer)) = (older, newer) {
            let name = known[older].name();
            let same = locked(&self.desks).iter().find(|it| it.organization == *name && it.id == desk.id).cloned();
            if let Some(same) = same {
                tracing::info!(organization = &**name, trigger = %brought.by.scaled_job, "a token was rotated");
                known[older].token.set(brought.token.clone());
                // Its name is free when all that it has is gone.
                known[newer].member.stop.cancel();
                return same;
            }
        }
        for guest in known.iter_mut().filter(|guest| same_place(&guest.url, &brought.url)) {
            if is_it(guest) {
                guest.triggers.insert(brought.by.clone());
            } else {
                guest.triggers.remove(&brought.by);
            }
        }
        desk
    }

    /// Forgets a guest when nobody has asked for long, or when it is told to stop.
    fn see_off(&self, name: Arc<str>, stop: CancellationToken) {
        let (known, desks) = (Arc::clone(&self.guests.known), Arc::clone(&self.desks));
        let (clock, lookups, metrics) = (self.clock, Arc::clone(&self.lookups), self.metrics.clone());
        self.tasks.spawn(async move {
            let is_in_use = || {
                let is_kept = locked(&known).iter().find(|guest| *guest.name() == name).is_some_and(|guest| {
                    let limit = if guest.triggers.is_empty() { IN_USE_FOR } else { KEPT_FOR };
                    clock.now().duration_since(guest.last_asked) < limit
                });
                is_kept || locked(&desks).iter().any(|desk| desk.organization == name && desk.is_in_use())
            };
            let seeing = async {
                while is_in_use() {
                    sleep(SEEN_EVERY).await;
                }
            };
            stop.run_until_cancelled(seeing).await;
            // Its pollers end, and with them whatever still waits at its desks.
            stop.cancel();
            locked(&desks).retain(|desk| desk.organization != name);
            locked(&lookups).retain(|(organization, _), _| *organization != name);
            locked(&known).retain(|guest| *guest.name() != name);
            metrics.forget(&name);
            tracing::debug!(organization = &*name, "an organization with a trigger's own token is forgotten");
        });
    }
}

/// A name that no other guest has, and that no configured organisation is likely to have; the token is no part of it.
fn free_name(url: &Url, known: &[Guest]) -> Arc<str> {
    let place = format!("{}{}", url.host_str().unwrap_or_default(), url.path().trim_end_matches('/'));
    let names = (1..).map(|number| match number {
        1 => format!("{place} (own token)"),
        _ => format!("{place} (own token {number})"),
    });
    let mut free = names.filter(|name| known.iter().all(|guest| **guest.name() != **name));
    free.next().unwrap_or(place).into()
}
