//! The log, and traces for OpenTelemetry.

use std::{
    io::IsTerminal as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::http::HeaderMap;
use opentelemetry::{
    propagation::TextMapPropagator as _,
    trace::{TraceContextExt as _, TracerProvider as _},
};
use opentelemetry_http::{Bytes, HeaderExtractor, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{Resource, propagation::TraceContextPropagator, trace::SdkTracerProvider};
use parlor_chatkit::ErrorChain;
use tokio::runtime::Handle;
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::{
    EnvFilter, Layer as _, filter::filter_fn, fmt, layer::SubscriberExt as _, registry::LookupSpan,
    util::SubscriberInitExt as _,
};
use url::Url;

use crate::config::{Log, LogFormat};

/// The target of all spans that are made for traces, in all crates. The log has spans of its own.
pub(crate) const TRACE: &str = "parlor_trace";

/// The target of a library that logs what it gets from authorization servers. What matters of it is
/// logged here, without secrets.
const TELLTALE: &str = "rmcp::transport::auth";

/// How long a collector may take for a batch.
const EXPORT: Duration = Duration::from_secs(10);
/// How long the last spans may take when the server stops.
const LAST_EXPORT: Duration = Duration::from_secs(3);

/// Traces that are being collected, if they are.
#[must_use]
pub(crate) struct Traces(Option<SdkTracerProvider>);

/// Begins to log to standard error, and to collect traces for the collector at this address.
/// `RUST_LOG` wins over the configured filter. Must be called within a runtime.
///
/// # Errors
/// When the filter cannot be read or traces cannot be sent, in one line.
pub(crate) fn init(log: &Log, collector: Option<&Url>) -> Result<Traces, String> {
    let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| log.filter.clone());
    let filter = EnvFilter::try_new(&filter).map_err(|error| {
        format!("log.filter `{filter}` cannot be read: {error}; write something like `info`")
    })?;
    let filter = [TRACE, TELLTALE].iter().fold(filter, |filter, target| {
        let never = format!("{target}=off").parse();
        filter.add_directive(never.unwrap_or_else(|_| unreachable!("a constant")))
    });
    // A second call, as in tests, leaves the first in place.
    let Some(collector) = collector.filter(|_| !is_disabled()) else {
        let registry = tracing_subscriber::registry().with(filter);
        let _ = match log.format {
            LogFormat::Text => registry.with(text()).try_init(),
            LogFormat::Json => registry.with(json()).try_init(),
        };
        return Ok(Traces(None));
    };
    let provider = provider(collector)?;
    let spans = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("parlor"))
        // Where in the code, on which thread and how long it waited is nothing to operate by.
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_filter(filter_fn(|metadata| metadata.target() == TRACE));
    let registry = tracing_subscriber::registry().with(spans);
    let _ = match log.format {
        LogFormat::Text => registry.with(text().with_filter(filter)).try_init(),
        LogFormat::Json => registry.with(json().with_filter(filter)).try_init(),
    };
    Ok(Traces(Some(provider)))
}

fn text<S: Subscriber + for<'span> LookupSpan<'span>>() -> impl tracing_subscriber::Layer<S> {
    // Colours are for people, not for files and journals (https://no-color.org).
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let colors = !no_color && std::io::stderr().is_terminal();
    fmt::layer().with_target(false).with_ansi(colors).with_writer(std::io::stderr)
}

fn json<S: Subscriber + for<'span> LookupSpan<'span>>() -> impl tracing_subscriber::Layer<S> {
    fmt::layer().json().with_writer(std::io::stderr)
}

/// Whether OpenTelemetry's own variables say that there are to be no traces, whatever is configured.
fn is_disabled() -> bool {
    let says = |name: &str, value: &str| {
        std::env::var(name).is_ok_and(|said| said.eq_ignore_ascii_case(value))
    };
    says("OTEL_SDK_DISABLED", "true") || says("OTEL_TRACES_EXPORTER", "none")
}

impl Traces {
    /// Sends the last spans. Takes a few seconds at most.
    pub(crate) async fn shut_down(self) {
        let Some(provider) = self.0 else { return };
        let sent = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(LAST_EXPORT));
        if let Ok(Err(error)) = sent.await {
            tracing::warn!(%error, "the last traces could not be sent");
        }
    }
}

fn provider(collector: &Url) -> Result<SdkTracerProvider, String> {
    let failed = |error: &dyn std::error::Error| {
        format!("telemetry: traces cannot be sent to {collector}: {}", ErrorChain(error))
    };
    let client = Sender::new().map_err(|error| failed(&error))?;
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_endpoint(collector.as_str())
        .with_timeout(EXPORT)
        .build()
        .map_err(|error| failed(&error))?;
    let mut resource = Resource::builder();
    let names_service = |name: &str, sign: &str| {
        std::env::var(name).is_ok_and(|value| !value.is_empty() && value.contains(sign))
    };
    if !names_service("OTEL_SERVICE_NAME", "")
        && !names_service("OTEL_RESOURCE_ATTRIBUTES", "service.name=")
    {
        resource = resource.with_service_name("parlor");
    }
    let version = opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = resource.with_attribute(version).build();
    // Batches leave from a thread of their own; when its queue is full, spans are dropped.
    Ok(SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build())
}

/// Sends batches by the HTTP client that everything else here uses. They come from a thread that
/// belongs to no runtime.
#[derive(Debug)]
struct Sender {
    client: reqwest::Client,
    runtime: Handle,
    /// The last batch did not arrive: said once, and once when it is over.
    away: Arc<AtomicBool>,
}

impl Sender {
    fn new() -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .timeout(EXPORT)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { client, runtime: Handle::current(), away: Arc::default() })
    }
}

#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (client, away) = (self.client.clone(), Arc::clone(&self.away));
        let sending = async move {
            let answer = client.execute(request.try_into()?).await?;
            let status = answer.status();
            let mut response = Response::builder().status(status);
            if let Some(headers) = response.headers_mut() {
                headers.clone_from(answer.headers());
            }
            Ok::<_, HttpError>(response.body(read(answer).await?)?)
        };
        let sent = self.runtime.spawn(sending).await.unwrap_or_else(|lost| Err(lost.into()));
        let problem = match &sent {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(format!("it answers {}", response.status())),
            Err(error) => Some(ErrorChain(&**error).to_string()),
        };
        match problem {
            None if away.swap(false, Ordering::Relaxed) => {
                tracing::info!("the trace collector takes traces again");
            }
            Some(error) if !away.swap(true, Ordering::Relaxed) => {
                tracing::warn!(
                    error,
                    "the trace collector takes no traces; they are lost until it does"
                );
            }
            _ => {}
        }
        sent
    }
}

/// What the collector says, which is next to nothing.
async fn read(mut answer: reqwest::Response) -> Result<Bytes, HttpError> {
    const LIMIT: usize = 64 * 1024;
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await? {
        if body.len() + piece.len() > LIMIT {
            return Err("the collector's answer is too long".into());
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.into())
}

/// Makes a request's span part of the trace that the client names (W3C Trace Context), if it does.
/// Gives the trace's id for the log.
pub(crate) fn follow(span: &Span, headers: &HeaderMap) -> Option<String> {
    let parent = TraceContextPropagator::new().extract(&HeaderExtractor(headers));
    if parent.span().span_context().is_valid() {
        // Fails where another program than ours collects the spans.
        let _ = span.set_parent(parent);
    }
    let context = span.context();
    let span_context = context.span().span_context().clone();
    span_context.is_valid().then(|| span_context.trace_id().to_string())
}

/// The span at work as `traceparent`, if it is collected.
pub(crate) fn trace_parent() -> Option<String> {
    let mut headers = std::collections::HashMap::new();
    TraceContextPropagator::new().inject_context(&Span::current().context(), &mut headers);
    headers.remove("traceparent")
}
