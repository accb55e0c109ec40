//! A request becomes a question at its pool's desk. Knows nothing of gRPC beyond the reference it reads.

use std::sync::Arc;

use super::{BadMetadata, Fault, Organizations, Request, asker::FaultLog};
use crate::{
    decision::{Answer, Refusal},
    pools::{Desk, Directory},
    protocol::ScaledObjectRef,
};

/// What answering needs.
pub(super) struct Questions {
    pub(super) directory: Arc<dyn Directory>,
    pub(super) organizations: Organizations,
    pub(super) faults: FaultLog,
}

impl Questions {
    /// Reads a call's reference.
    pub(super) fn read(&self, reference: Option<ScaledObjectRef>) -> Result<Request, Fault> {
        Ok(Request::read(reference.ok_or(BadMetadata::NoReference)?, &self.organizations)?)
    }

    /// The desk of the request's pool.
    pub(super) async fn desk(&self, request: &Request) -> Result<Arc<Desk>, Fault> {
        Ok(self.directory.open(&request.organization, &request.pool).await?)
    }

    /// Asks a fresh question.
    pub(super) async fn ask(&self, request: &Request) -> Result<Answer, Fault> {
        let desk = self.desk(request).await?;
        desk.snapshot().await?;
        answer(&desk, request)
    }

    /// Whether the trigger is active: as the value of the same poll said, else by a fresh question.
    pub(super) async fn is_active(&self, request: &Request) -> Result<bool, Fault> {
        let desk = self.desk(request).await?;
        let kept = desk.pool().take_answer(&request.trigger.id, desk.now());
        let answer = if let Some(kept) = kept {
            kept.map_err(|refusal| refused(&desk, refusal))
        } else {
            desk.snapshot().await?;
            answer(&desk, request)
        };
        Ok(answer?.active)
    }
}

/// Answers from the last good snapshot. It is looked up while the pool is held, so that a pool never sees one that is older
/// than what it was asked with before.
pub(super) fn answer(desk: &Desk, request: &Request) -> Result<Answer, Fault> {
    let mut pool = desk.pool();
    let snapshot = desk.last_good()?;
    pool.ask(&request.trigger, &snapshot, desk.now()).map_err(|refusal| refused(desk, refusal))
}

fn refused(desk: &Desk, refusal: Refusal) -> Fault {
    Fault::Refused { organization: Arc::clone(&desk.organization), pool: Arc::clone(&desk.name), refusal }
}
