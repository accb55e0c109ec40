//! KEDA's side of the wire: each ScaledJob is polled over gRPC as KEDA does it, and what is missing is created.

use std::{fmt, sync::Arc, time::Duration};

use tokio::sync::mpsc;
use tonic::{Status, transport::Channel};

use super::Shared;
use crate::{
    decision::Decision,
    protocol::{GetMetricsRequest, ScaledObjectRef, external_scaler_client::ExternalScalerClient},
    simulator::{claims::Basis, keda::Reply},
};

/// KEDA itself would wait for ever.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Tells the decision in force of the pool with this number, where there is one.
#[derive(Clone)]
pub struct DecisionInForce(Arc<dyn Fn(i64) -> Option<Arc<Decision>> + Send + Sync>);

impl DecisionInForce {
    /// Asks `tell` each time.
    pub fn new(tell: impl Fn(i64) -> Option<Arc<Decision>> + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }
}

impl fmt::Debug for DecisionInForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DecisionInForce")
    }
}

/// Polls one ScaledJob whenever it is due.
pub(super) async fn poll(
    shared: Arc<Shared>,
    scaled_job: usize,
    mut due: mpsc::Receiver<()>,
    channel: Channel,
    decision: DecisionInForce,
) {
    let (id, pool, metadata) = {
        let world = shared.now();
        let plan = &world.plan().scaled_jobs[scaled_job];
        let pool_name = world.pool(plan.pool).map(|pool| Arc::clone(&pool.name)).unwrap_or_default();
        (plan.id.clone(), plan.pool, plan.metadata(&world.plan().organization, &pool_name))
    };
    let reference = ScaledObjectRef {
        name: id.name.to_string(),
        namespace: id.namespace.to_string(),
        scaler_metadata: metadata.into_iter().collect(),
    };
    let mut client = ExternalScalerClient::new(channel);
    while due.recv().await.is_some() {
        match ask(&mut client, &reference).await {
            Ok(reply) => {
                let decision = decision.0(pool);
                let mut world = shared.now();
                let basis =
                    decision.map(|decision| Basis::of(&decision, &id, world.moment(decision.snapshot.taken_at)));
                world.reply(scaled_job, reply, &basis.unwrap_or_default());
            }
            Err(status) => {
                tracing::debug!(scaled_job = %id, %status, "the scaler failed to answer");
                shared.now().reply_failed(scaled_job);
            }
        }
        shared.changed.notify_one();
    }
}

/// One poll: the metric's specification, its value, and whether the trigger is active, in that order.
async fn ask(client: &mut ExternalScalerClient<Channel>, reference: &ScaledObjectRef) -> Result<Reply, Status> {
    let specs = client.get_metric_spec(reference.clone()).await?.into_inner().metric_specs;
    let spec = specs.into_iter().next().ok_or_else(|| Status::not_found("no metric"))?;
    let request =
        GetMetricsRequest { scaled_object_ref: Some(reference.clone()), metric_name: spec.metric_name.clone() };
    let values = client.get_metrics(request).await?.into_inner().metric_values;
    let value = values.into_iter().next().ok_or_else(|| Status::not_found("no value"))?;
    let active = client.is_active(reference.clone()).await?.into_inner().result;
    Ok(Reply {
        value: float_or_whole(value.metric_value_float, value.metric_value),
        target: float_or_whole(spec.target_size_float, spec.target_size),
        active,
    })
}

/// KEDA reads the whole number only where the float says nothing.
fn float_or_whole(float: f64, whole: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "KEDA converts it so, too")]
    let whole = whole as f64;
    if float > 0.0 { float } else { whole }
}
