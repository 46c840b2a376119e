//! Logs and traces. Logs go to standard error. Traces go by OTLP (gRPC) to the collector that the standard `OTEL_*`
//! variables name. With none of them set nothing is exported, but every request still has a trace id to quote.

use std::collections::HashMap;

use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::settings::environment::variable;
use crate::settings::error::SettingError;

/// The running telemetry. [Shut it down](Telemetry::shut_down) to export the last spans.
pub struct Telemetry {
    provider: SdkTracerProvider,
}

/// Starts logs and traces for a process, and keeps panic messages out of them. Call it once, inside the tokio runtime.
pub fn start(service: &'static str) -> Result<Telemetry, SettingError> {
    let resource = Resource::builder().with_service_name(service_name(service)).build();
    let mut provider = SdkTracerProvider::builder().with_resource(resource);
    if exports() {
        let exporter = SpanExporter::builder().with_tonic().build().map_err(|error| {
            SettingError::new("OTEL_EXPORTER_OTLP_ENDPOINT", format!("cannot be used: {error}"))
        })?;
        // The batch processor has a thread and a bounded queue of its own: a collector that is slow or unreachable costs
        // spans, never a request's time.
        provider = provider.with_batch_exporter(exporter);
    }
    let provider = provider.build();

    let filter = variable("RUST_LOG").unwrap_or_else(|| "info".to_owned());
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| SettingError::new("RUST_LOG", format!("cannot be used: {error}")))?;
    let logs = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let logs = match variable("ROLLCALL_LOG").as_deref() {
        Some("json") => logs.json().with_filter(filter).boxed(),
        Some("text") | None => {
            logs.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).with_filter(filter).boxed()
        }
        Some(other) => {
            return Err(SettingError::new("ROLLCALL_LOG", format!("is {other}: use text or json")));
        }
    };
    // Only this project's own spans are traced: those of the HTTP and TLS libraries are noise, and the exporter must
    // not trace itself.
    let traces = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer(service))
        .with_location(false)
        .with_threads(false)
        .with_filter(tracing_subscriber::filter::filter_fn(|metadata| {
            metadata.target().starts_with("rollcall")
        }));
    tracing_subscriber::registry()
        .with(logs)
        .with(traces)
        .try_init()
        .map_err(|error| SettingError::new("telemetry", format!("cannot be started: {error}")))?;
    std::panic::set_hook(Box::new(|panic| {
        // The location only: a panic's message may quote what was being read.
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(location, "panic");
    }));
    Ok(Telemetry { provider })
}

fn service_name(service: &'static str) -> String {
    variable("OTEL_SERVICE_NAME").unwrap_or_else(|| service.to_owned())
}

fn exports() -> bool {
    let disabled = variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let none = variable("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none");
    let endpoint =
        variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or_else(|| variable("OTEL_EXPORTER_OTLP_ENDPOINT"));
    !disabled && !none && endpoint.is_some()
}

impl Telemetry {
    /// Exports the spans that are still queued. Blocks for a few seconds at most.
    pub fn shut_down(self) {
        if let Err(error) = self.provider.shutdown() {
            eprintln!("the last traces could not be exported: {error}");
        }
    }
}

/// A trace's context in W3C form, as it is sent in HTTP and AMQP headers and stored with an import.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TraceContext {
    /// `traceparent`: version, trace id, parent span id, flags.
    pub traceparent: Option<String>,
    /// `tracestate`: additions of tracing systems.
    pub tracestate: Option<String>,
}

impl TraceContext {
    /// The context of the current span.
    pub fn current() -> Self {
        let mut headers = HashMap::new();
        TraceContextPropagator::new().inject_context(&Span::current().context(), &mut headers);
        Self {
            traceparent: headers.remove("traceparent"),
            tracestate: headers.remove("tracestate").filter(|state| !state.is_empty()),
        }
    }

    /// Makes `span` a child of this context, if the context is valid.
    pub fn adopt(&self, span: &Span) {
        let context = self.context();
        if context.span().span_context().is_valid() {
            // Fails only for a span that was entered already or that no layer records.
            let _ = span.set_parent(context);
        }
    }

    /// Links `span`, which is in a trace of its own, to this context.
    pub fn link(&self, span: &Span) {
        span.add_link(self.context().span().span_context().clone());
    }

    fn context(&self) -> Context {
        let mut headers = HashMap::new();
        if let Some(parent) = &self.traceparent {
            headers.insert("traceparent".to_owned(), parent.clone());
        }
        if let Some(state) = &self.tracestate {
            headers.insert("tracestate".to_owned(), state.clone());
        }
        TraceContextPropagator::new().extract(&headers)
    }
}

/// The trace id of the current span: 32 hexadecimal digits.
pub fn current_trace_id() -> Option<String> {
    let context = Span::current().context();
    let span = context.span();
    span.span_context().is_valid().then(|| span.span_context().trace_id().to_string())
}
