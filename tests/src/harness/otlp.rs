//! An OTLP collector that receives traces over gRPC and keeps them.

use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_stream::wrappers::TcpListenerStream;

/// A span, and the name of the service that exported it.
#[derive(Debug, Clone)]
pub struct ReceivedSpan {
    /// The resource's `service.name`.
    pub service: String,
    pub span: Span,
}

pub struct OtlpCollector {
    /// The value for `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub endpoint: String,
    kept: Kept,
    changed: watch::Receiver<()>,
    server: tokio::task::JoinHandle<()>,
}

type Kept = Arc<Mutex<Vec<ReceivedSpan>>>;

struct Service {
    kept: Kept,
    changed: watch::Sender<()>,
}

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, tonic::Status> {
        for resource_spans in request.into_inner().resource_spans {
            let service = resource_spans
                .resource
                .iter()
                .flat_map(|resource| &resource.attributes)
                .find(|attribute| attribute.key == "service.name")
                .map(|attribute| format!("{:?}", attribute.value))
                .unwrap_or_default();
            let spans = resource_spans.scope_spans.into_iter().flat_map(|scope| scope.spans);
            let mut kept = self.kept.lock().expect("no test panics while it holds the spans");
            kept.extend(spans.map(|span| ReceivedSpan { service: service.clone(), span }));
        }
        self.changed.send_replace(());
        Ok(tonic::Response::new(ExportTraceServiceResponse::default()))
    }
}

impl OtlpCollector {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("the listener is bound"));
        let kept = Kept::default();
        let (sender, changed) = watch::channel(());
        let service = TraceServiceServer::new(Service { kept: Arc::clone(&kept), changed: sender });
        let server = tokio::spawn(async move {
            let incoming = TcpListenerStream::new(listener);
            let _ =
                tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming).await;
        });
        Self { endpoint, kept, changed, server }
    }

    /// All spans received so far.
    pub fn spans(&self) -> Vec<ReceivedSpan> {
        self.kept.lock().expect("no test panics while it holds the spans").clone()
    }

    /// Waits until the received spans meet a condition, and returns them.
    pub async fn wait_for(&mut self, condition: impl Fn(&[ReceivedSpan]) -> bool) -> Vec<ReceivedSpan> {
        let waited = tokio::time::timeout(std::time::Duration::from_mins(1), async {
            loop {
                self.changed.mark_unchanged();
                let spans = self.spans();
                if condition(&spans) {
                    return spans;
                }
                self.changed.changed().await.expect("the collector runs");
            }
        });
        let waited = waited.await;
        waited.unwrap_or_else(|_| panic!("timed out waiting for spans; received {:#?}", self.spans()))
    }
}

impl Drop for OtlpCollector {
    fn drop(&mut self) {
        self.server.abort();
    }
}
