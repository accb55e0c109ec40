//! A request becomes a question at its pool's desk. Knows nothing of gRPC beyond the reference it reads.

use std::sync::Arc;

use super::{BadMetadata, Came, Fault, Organizations, Place, Request, asker::FaultLog};
use crate::{
    cluster_watch::Asked,
    decision::{Answer, Refusal},
    pools::{Desk, Directory},
    protocol::ScaledObjectRef,
};

/// What answering needs.
pub(super) struct Questions {
    pub(super) directory: Arc<dyn Directory>,
    pub(super) organizations: Organizations,
    pub(super) faults: FaultLog,
    /// Where it is noted who has asked, for those who watch the cluster.
    pub(super) asked: Arc<Asked>,
}

impl Questions {
    /// Reads a call's reference.
    pub(super) fn read(&self, reference: Option<ScaledObjectRef>, came: Came) -> Result<Request, Fault> {
        let request = Request::read(reference.ok_or(BadMetadata::NoReference)?, came, &self.organizations)?;
        self.asked.asked(&request.trigger.id.scaled_job);
        Ok(request)
    }

    /// The desk of the request's pool.
    pub(super) async fn desk(&self, request: &Request) -> Result<Arc<Desk>, Fault> {
        let opened = match &request.place {
            Place::Configured(organization) => self.directory.open(organization, &request.pool).await,
            Place::Own(brought) => self.directory.open_with(brought, &request.pool).await,
        };
        Ok(opened?)
    }

    /// Asks a fresh question.
    pub(super) async fn ask(&self, request: &Request) -> Result<Answer, Fault> {
        let desk = self.desk(request).await?;
        ask_at(&desk, request).await
    }

    /// Whether the trigger is active: as the value of the same poll said, else by a fresh question.
    pub(super) async fn is_active(&self, request: &Request) -> Result<bool, Fault> {
        let desk = self.desk(request).await?;
        let kept = desk.pool().take_answer(&request.trigger.id, desk.now());
        let answer = match kept {
            Some(kept) => kept.map_err(|refusal| refused(&desk, refusal)),
            None => ask_at(&desk, request).await,
        };
        Ok(answer?.active)
    }
}

/// Asks at a desk. The question is noted before anything else: a trigger exists though Azure does not answer.
async fn ask_at(desk: &Desk, request: &Request) -> Result<Answer, Fault> {
    note(desk, request)?;
    desk.snapshot().await?;
    answer(desk, request)
}

/// Notes that the trigger is asked about.
pub(super) fn note(desk: &Desk, request: &Request) -> Result<(), Fault> {
    desk.pool().note(&request.trigger, desk.now()).map_err(|refusal| refused(desk, refusal))
}

/// Answers from the last good snapshot. It is looked up while the pool is held, so that a pool never sees one that is older
/// than what it was asked with before.
pub(super) fn answer(desk: &Desk, request: &Request) -> Result<Answer, Fault> {
    let mut pool = desk.pool();
    let snapshot = desk.last_good()?;
    pool.answer(&request.trigger.id, &snapshot, desk.now()).map_err(|refusal| refused(desk, refusal))
}

fn refused(desk: &Desk, refusal: Refusal) -> Fault {
    Fault::Refused { organization: Arc::clone(&desk.organization), pool: Arc::clone(&desk.name), refusal }
}
