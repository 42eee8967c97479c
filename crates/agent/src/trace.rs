//! Spans of what is asked of models and of the search, for programs that collect traces.
//!
//! By the facade of the crate `tracing`, under the target `parlor_trace`: where nobody collects that,
//! they cost next to nothing. Names and attributes are those of OpenTelemetry's conventions for
//! generative AI and for HTTP. No attribute is a text, a prompt, a query or an argument.

use tracing::{Span, field::Empty, info_span};
use url::Url;

use crate::model::{Finish, ModelError, Usage};

/// The target of all spans that are made for traces.
const TARGET: &str = "parlor_trace";

/// A request for an answer, with all its tries, until the answer has come.
pub(crate) fn model_call(server: &Url, model: &str) -> Span {
    let span = info_span!(
        target: TARGET, "model",
        otel.name = Empty,
        otel.kind = "client",
        otel.status_code = Empty,
        gen_ai.operation.name = "chat",
        // Said of the API, as the conventions have it for servers that speak OpenAI's.
        gen_ai.provider.name = "openai",
        gen_ai.request.model = model,
        gen_ai.response.finish_reasons = Empty,
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
        server.address = server.host_str(),
        server.port = server.port_or_known_default(),
        "error.type" = Empty,
    );
    if !span.is_disabled() {
        span.record("otel.name", format!("chat {model}"));
    }
    span
}

/// One try of a request, until the head of the response.
pub(crate) fn attempt(server: &Url, tries: u32) -> Span {
    info_span!(
        target: TARGET, "attempt",
        otel.name = "POST",
        otel.kind = "client",
        otel.status_code = Empty,
        http.request.method = "POST",
        http.request.resend_count = (tries > 0).then_some(tries),
        http.response.status_code = Empty,
        server.address = server.host_str(),
        server.port = server.port_or_known_default(),
        "error.type" = Empty,
    )
}

/// The server has answered with this status.
pub(crate) fn answered(span: &Span, status: u16) {
    span.record("http.response.status_code", status);
}

/// What was asked has failed.
pub(crate) fn failed(span: &Span, error: &ModelError) {
    if !span.is_disabled() {
        span.record("error.type", error.reason());
        span.record("otel.status_code", "ERROR");
    }
}

/// The model has said everything, and perhaps what it costs.
pub(crate) fn done(span: &Span, usage: Option<&Usage>, finish: Finish) {
    if span.is_disabled() {
        return;
    }
    let reason = match finish {
        Finish::Stop => "stop",
        Finish::ToolCalls => "tool_calls",
        Finish::Length => "length",
        Finish::ContentFilter => "content_filter",
    };
    span.record("gen_ai.response.finish_reasons", reason);
    if let Some(usage) = usage {
        span.record("gen_ai.usage.input_tokens", usage.input_tokens);
        span.record("gen_ai.usage.output_tokens", usage.output_tokens);
    }
}

/// A run of an agent elsewhere, until its answer has come.
pub(crate) fn agent_run(server: &Url) -> Span {
    info_span!(
        target: TARGET, "agent",
        otel.name = "invoke_agent",
        otel.kind = "client",
        otel.status_code = Empty,
        gen_ai.operation.name = "invoke_agent",
        server.address = server.host_str(),
        server.port = server.port_or_known_default(),
        "error.type" = Empty,
    )
}

/// A call of one of our tools.
pub(crate) fn tool(name: &str) -> Span {
    let span = info_span!(
        target: TARGET, "tool",
        otel.name = Empty,
        gen_ai.operation.name = "execute_tool",
        gen_ai.tool.name = name,
        "gen_ai.tool.type" = "function",
        otel.status_code = Empty,
        "error.type" = Empty,
    );
    if !span.is_disabled() {
        span.record("otel.name", format!("execute_tool {name}"));
    }
    span
}

/// The call whose span this is within has ended like this.
pub(crate) fn tool_ended(outcome: &'static str) {
    ended(&Span::current(), outcome);
}

/// What this span is of has ended like this.
pub(crate) fn ended(span: &Span, outcome: &'static str) {
    if outcome != "ok" && !span.is_disabled() {
        span.record("error.type", outcome);
        span.record("otel.status_code", "ERROR");
    }
}

/// A search in the documents.
pub(crate) fn search() -> Span {
    info_span!(
        target: TARGET, "search",
        parlor.search.outcome = Empty,
        parlor.search.passages = Empty,
        "error.type" = Empty,
        otel.status_code = Empty,
    )
}

/// What a search has given: its outcome, and how many passages.
pub(crate) fn searched(span: &Span, outcome: &'static str, passages: Option<usize>) {
    if span.is_disabled() {
        return;
    }
    span.record("parlor.search.outcome", outcome);
    match passages {
        Some(passages) => {
            span.record("parlor.search.passages", passages);
        }
        None => {
            span.record("error.type", outcome);
            span.record("otel.status_code", "ERROR");
        }
    }
}
