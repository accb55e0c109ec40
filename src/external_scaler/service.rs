//! The five methods of KEDA's protocol. Each reads its reference, asks, and is accounted for: within a bound of time, and
//! of calls at once, with its status counted.
//!
//! KEDA puts no deadline on its calls and stalls a ScaledJob while one hangs; the deadline is ours, whatever happens.
//! KEDA drops a trigger in silence when it gets no specs, and then asks nothing more. So no failure of Azure may reach
//! them, and metadata that is refused has specs, too: the refusal is the answer to the question that follows, `GetMetrics`,
//! which KEDA tells the user in an event.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::{Instant, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{Code, Request as Call, Response, Status, async_trait};

use super::{
    Came, Fault, Organizations,
    asker::{Asker, FaultLog},
    fault::label,
    metadata::metric_name_at_least,
    questions::Questions,
    streams::follow_activity,
};
use crate::{
    cluster_watch::Asked,
    decision::Answer,
    metrics::Metrics,
    pools::Directory,
    protocol::{
        GetMetricSpecResponse, GetMetricsRequest, GetMetricsResponse, IsActiveResponse, MetricSpec, MetricValue,
        ScaledObjectRef, external_scaler_server::ExternalScaler,
    },
    wording::shown,
};

/// No call takes longer.
const DEADLINE: Duration = Duration::from_secs(5);
/// Questions that are answered at once, and streams that are open at once: enough for a thousand triggers each.
const CALLS_AT_ONCE: usize = 2_048;

type Reply<T> = Result<Response<T>, Status>;
type Stream<T> = ReceiverStream<Result<T, Status>>;

/// Answers KEDA.
pub struct Service {
    questions: Arc<Questions>,
    pub(super) metrics: Metrics,
    /// Places for questions that wait for an answer, and for streams that are open.
    calls: Arc<Semaphore>,
    open_streams: Arc<Semaphore>,
    pub(super) stop: CancellationToken,
    pub(super) streams: TaskTracker,
}

impl Service {
    /// A service that asks at the desks of a directory, until it is told to stop.
    #[must_use]
    pub fn new(
        directory: Arc<dyn Directory>,
        organizations: Organizations,
        metrics: Metrics,
        asked: Arc<Asked>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            questions: Arc::new(Questions { directory, organizations, faults: FaultLog::default(), asked }),
            metrics,
            calls: Arc::new(Semaphore::new(CALLS_AT_ONCE)),
            open_streams: Arc::new(Semaphore::new(CALLS_AT_ONCE)),
            stop,
            streams: TaskTracker::new(),
        }
    }

    /// Answers in time, counts the call, and speaks of a new fault. The reply comes with the call's place, where it takes
    /// one, for a stream to keep.
    async fn account<T>(
        &self,
        method: Method,
        asker: &Asker,
        answering: impl Future<Output = Result<T, Fault>>,
    ) -> Result<(T, Option<OwnedSemaphorePermit>), Status> {
        let began = Instant::now();
        let place = match method {
            Method::GetMetricSpec => Ok(None),
            Method::GetMetrics | Method::IsActive => Arc::clone(&self.calls).try_acquire_owned().map(Some),
            Method::StreamIsActive | Method::StreamMetricSpec => {
                Arc::clone(&self.open_streams).try_acquire_owned().map(Some)
            }
        };
        let outcome = match place {
            Ok(place) => match timeout(DEADLINE, answering).await {
                Ok(answered) => answered.map(|reply| (reply, place)),
                Err(_) => Err(Fault::TooSlow(DEADLINE)),
            },
            Err(_) => Err(Fault::TooManyCalls(CALLS_AT_ONCE)),
        };
        let code = outcome.as_ref().map_or_else(Fault::code, |_| Code::Ok);
        let name = method.name();
        self.metrics.grpc.requests_total.with_label_values(&[name, label(code)]).inc();
        self.metrics.grpc.request_duration_seconds.with_label_values(&[name]).observe(began.elapsed().as_secs_f64());
        // Metadata that can be read says nothing of whether questions are answered again.
        if outcome.is_err() || matches!(method, Method::GetMetrics | Method::IsActive) {
            self.questions.faults.note(asker, &outcome);
        }
        outcome.map_err(|fault| Status::from(&fault))
    }

    /// A stream that `feed` sends on, until it has nothing more to send, the client goes or the scaler stops.
    fn stream<T, F>(
        &self,
        place: Option<OwnedSemaphorePermit>,
        feed: impl FnOnce(mpsc::Sender<Result<T, Status>>) -> F,
    ) -> Stream<T>
    where
        T: Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let (sender, receiver) = mpsc::channel(1);
        let (stop, feeding) = (self.stop.clone(), feed(sender.clone()));
        self.streams.spawn(async move {
            let _place = place;
            tokio::select! {
                () = stop.cancelled() => {}
                () = sender.closed() => {}
                () = feeding => {}
            }
        });
        ReceiverStream::new(receiver)
    }
}

/// What KEDA can call. Metric specs follow from the metadata alone, so they need no place: without them KEDA passes a
/// trigger over in silence.
#[derive(Clone, Copy)]
enum Method {
    IsActive,
    StreamIsActive,
    GetMetricSpec,
    GetMetrics,
    StreamMetricSpec,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Self::IsActive => "IsActive",
            Self::StreamIsActive => "StreamIsActive",
            Self::GetMetricSpec => "GetMetricSpec",
            Self::GetMetrics => "GetMetrics",
            Self::StreamMetricSpec => "StreamMetricSpec",
        }
    }
}

#[async_trait]
impl ExternalScaler for Service {
    type StreamIsActiveStream = Stream<IsActiveResponse>;
    type StreamMetricSpecStream = Stream<GetMetricSpecResponse>;

    async fn is_active(&self, call: Call<ScaledObjectRef>) -> Reply<IsActiveResponse> {
        let (came, reference) = (came(&call), Some(call.into_inner()));
        let asker = self.questions.faults.asker(reference.as_ref());
        let answering = async { self.questions.is_active(&self.questions.read(reference, came)?).await };
        let (result, _) = self.account(Method::IsActive, &asker, answering).await?;
        Ok(Response::new(IsActiveResponse { result }))
    }

    async fn stream_is_active(&self, call: Call<ScaledObjectRef>) -> Reply<Self::StreamIsActiveStream> {
        let (came, reference) = (came(&call), Some(call.into_inner()));
        let asker = self.questions.faults.asker(reference.as_ref());
        let reading = async { self.questions.read(reference, came) };
        let (request, place) = self.account(Method::StreamIsActive, &asker, reading).await?;
        let questions = Arc::clone(&self.questions);
        Ok(Response::new(self.stream(place, |sender| async move {
            follow_activity(&questions, &asker, &request, &sender).await;
        })))
    }

    async fn get_metric_spec(&self, call: Call<ScaledObjectRef>) -> Reply<GetMetricSpecResponse> {
        let (came, reference) = (came(&call), Some(call.into_inner()));
        let asker = self.questions.faults.asker(reference.as_ref());
        let name = reference.as_ref().map(|reference| metric_name_at_least(&reference.scaler_metadata));
        let reading = async { self.questions.read(reference, came) };
        let specs = match self.account(Method::GetMetricSpec, &asker, reading).await {
            Ok((request, _)) => spec(request.metric_name, request.trigger.target),
            Err(_) => spec(name.unwrap_or_default(), 1),
        };
        Ok(Response::new(specs))
    }

    async fn get_metrics(&self, call: Call<GetMetricsRequest>) -> Reply<GetMetricsResponse> {
        let came = came(&call);
        let GetMetricsRequest { scaled_object_ref: reference, metric_name: wanted } = call.into_inner();
        let asker = self.questions.faults.asker(reference.as_ref());
        let answering = async {
            let request = self.questions.read(reference, came)?;
            if !wanted.is_empty() && wanted != request.metric_name {
                return Err(Fault::AnotherMetric { asked: shown(&wanted), known: request.metric_name });
            }
            let answer = self.questions.ask(&request).await?;
            Ok(value(request.metric_name, answer))
        };
        let (reply, _) = self.account(Method::GetMetrics, &asker, answering).await?;
        Ok(Response::new(reply))
    }

    async fn stream_metric_spec(&self, call: Call<ScaledObjectRef>) -> Reply<Self::StreamMetricSpecStream> {
        let (came, reference) = (came(&call), Some(call.into_inner()));
        let asker = self.questions.faults.asker(reference.as_ref());
        let reading = async { self.questions.read(reference, came) };
        let (request, place) = self.account(Method::StreamMetricSpec, &asker, reading).await?;
        Ok(Response::new(self.stream(place, |sender| async move {
            // Other metadata comes with another call, so these specs never change.
            if sender.send(Ok(spec(request.metric_name, request.trigger.target))).await.is_ok() {
                sender.closed().await;
            }
        })))
    }
}

/// How a call came, as far as the door has told.
fn came<T>(call: &Call<T>) -> Came {
    call.extensions().get().copied().unwrap_or_default()
}

/// What KEDA scales by, in both fields: older KEDA reads only the integer.
fn spec(metric_name: String, target: u32) -> GetMetricSpecResponse {
    GetMetricSpecResponse {
        metric_specs: vec![MetricSpec { metric_name, target_size: target.into(), target_size_float: target.into() }],
    }
}

/// What KEDA is told, in both fields.
fn value(metric_name: String, answer: Answer) -> GetMetricsResponse {
    #[expect(clippy::cast_precision_loss, reason = "exact up to 2⁵³, and no pool has so many jobs")]
    let float = answer.value as f64;
    let integer = i64::try_from(answer.value).unwrap_or(i64::MAX);
    GetMetricsResponse {
        metric_values: vec![MetricValue { metric_name, metric_value: integer, metric_value_float: float }],
    }
}
