//! Logs and traces. Logs go to standard error. Traces go by OTLP (gRPC) where the standard `OTEL_*` variables
//! say; with none of them set nothing is exported, yet every request still has a trace id to quote.

use std::collections::HashMap;

use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator as _};
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

use crate::config::ConfigError;

/// Keeps telemetry running; hands over what is waiting when it is shut down.
pub struct Telemetry {
    provider: SdkTracerProvider,
}

/// Starts logs and traces for a process, and keeps panics' messages out of them. To be called inside the tokio runtime, once.
pub fn start(service: &'static str) -> Result<Telemetry, ConfigError> {
    let resource = Resource::builder().with_service_name(service_name(service)).build();
    let mut provider = SdkTracerProvider::builder().with_resource(resource);
    if exports() {
        let exporter = SpanExporter::builder().with_tonic().build().map_err(|error| {
            ConfigError::new("OTEL_EXPORTER_OTLP_ENDPOINT", format!("cannot be used: {error}"))
        })?;
        // The batch processor has a thread and a bounded queue of its own: a collector that is slow or away
        // costs spans, never a request's time.
        provider = provider.with_batch_exporter(exporter);
    }
    let provider = provider.build();

    let wanted = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let logs = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let logs = match std::env::var("ROLLCALL_LOG").as_deref() {
        Ok("json") => logs.json().with_filter(wanted).boxed(),
        Ok("text") | Err(_) => {
            logs.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).with_filter(wanted).boxed()
        }
        Ok(other) => return Err(ConfigError::new("ROLLCALL_LOG", format!("is {other}: use text or json"))),
    };
    // Only this project's own spans are traced: those of the HTTP and TLS libraries are noise at 2 a.m., and
    // the exporter must not trace itself.
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
        .map_err(|error| ConfigError::new("telemetry", format!("cannot be started: {error}")))?;
    std::panic::set_hook(Box::new(|panic| {
        // Where, and not what: a panic's message may quote what was being read.
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a part of the process broke down");
    }));
    Ok(Telemetry { provider })
}

fn service_name(service: &'static str) -> String {
    std::env::var("OTEL_SERVICE_NAME")
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| service.to_owned())
}

fn exports() -> bool {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let disabled = set("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let none = set("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none");
    let endpoint = set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or_else(|| set("OTEL_EXPORTER_OTLP_ENDPOINT"));
    !disabled && !none && endpoint.is_some()
}

impl Telemetry {
    /// Exports what is waiting. Blocks for some seconds at most.
    pub fn shut_down(self) {
        if let Err(error) = self.provider.shutdown() {
            eprintln!("the last traces could not be exported: {error}");
        }
    }
}

/// A trace's context in W3C form, as it travels in HTTP headers, in an import's row and in AMQP headers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TraceContext {
    /// `traceparent`: version, trace id, parent span id, flags.
    pub traceparent: Option<String>,
    /// `tracestate`: what vendors add.
    pub tracestate: Option<String>,
}

impl TraceContext {
    /// The context of the span that is current here.
    pub fn current() -> Self {
        let mut headers = HashMap::new();
        TraceContextPropagator::new().inject_context(&Span::current().context(), &mut Carrier(&mut headers));
        Self {
            traceparent: headers.remove("traceparent"),
            tracestate: headers.remove("tracestate").filter(|state| !state.is_empty()),
        }
    }

    /// As it travels in a message's headers.
    pub fn headers(&self) -> FieldTable {
        let mut headers = FieldTable::default();
        for (name, value) in [("traceparent", &self.traceparent), ("tracestate", &self.tracestate)] {
            if let Some(value) = value {
                headers
                    .insert(ShortString::from(name), AMQPValue::LongString(LongString::from(value.as_str())));
            }
        }
        headers
    }

    /// The context in a message's headers.
    pub fn read(headers: Option<&FieldTable>) -> Self {
        let header = |name: &str| {
            let value = headers?.inner().get(name)?;
            match value {
                AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes()).ok().map(str::to_owned),
                AMQPValue::ShortString(text) => Some(text.as_str().to_owned()),
                _ => None,
            }
        };
        Self { traceparent: header("traceparent"), tracestate: header("tracestate") }
    }

    /// Makes `span` a child of this context, if it is one.
    pub fn adopt(&self, span: &Span) {
        let context = self.context();
        if context.span().span_context().is_valid() {
            // Refused only for a span that was entered before or that no layer records.
            let _ = span.set_parent(context);
        }
    }

    /// Links `span`, which is in a trace of its own, to this context, if it is one.
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
        TraceContextPropagator::new().extract(&Carrier(&mut headers))
    }
}

/// The trace id of the span that is current here: 32 hexadecimal digits.
pub fn current_trace_id() -> Option<String> {
    let context = Span::current().context();
    let span = context.span();
    span.span_context().is_valid().then(|| span.span_context().trace_id().to_string())
}

struct Carrier<'a>(&'a mut HashMap<String, String>);

impl Injector for Carrier<'_> {
    fn set(&mut self, key: &str, value: String) {
        self.0.insert(key.to_owned(), value);
    }
}

impl Extractor for Carrier<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }
}
