//! What is counted and timed, by the facade of the crate `metrics`.

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};
use parlor_chatkit::TokenMeter;
use tokio::time::Instant;
use tracing::{Instrument as _, Span};
use url::Url;

use crate::model::{ModelError, Usage};
use crate::trace;
use crate::usage::Tab;

const REQUESTS: &str = "parlor_model_requests_total";
const FIRST_EVENT: &str = "parlor_model_first_event_seconds";
const DURATION: &str = "parlor_model_duration_seconds";
const TOKENS: &str = "parlor_model_tokens_total";
const AGENT_RUNS: &str = "parlor_agent_runs_total";
const AGENT_DURATION: &str = "parlor_agent_run_seconds";
const SEARCHES: &str = "parlor_searches_total";
const SEARCH_DURATION: &str = "parlor_search_duration_seconds";
const TOOL_CALLS: &str = "parlor_tool_calls_total";
const TOOL_DURATION: &str = "parlor_tool_duration_seconds";
const GUARDRAIL_CHECKS: &str = "parlor_guardrail_checks_total";
const GUARDRAIL_DURATION: &str = "parlor_guardrail_duration_seconds";

/// Tells the recorder of this process what each figure of the assistant means. Call it after
/// installing one.
pub fn describe_metrics() {
    describe_counter!(
        REQUESTS,
        "Requests for an answer to the model server, by outcome: ok, cancelled, or the reason of the error."
    );
    describe_histogram!(
        FIRST_EVENT,
        Unit::Seconds,
        "From a request to the model to its first event."
    );
    describe_histogram!(
        DURATION,
        Unit::Seconds,
        "From a request to the model to the end of its answer."
    );
    describe_counter!(
        TOKENS,
        "Tokens as the model server counts them, by kind: input, cached (a part of input), output."
    );
    describe_counter!(
        AGENT_RUNS,
        "Runs of agents elsewhere, by outcome: ok, cancelled, or the reason of the error."
    );
    describe_histogram!(
        AGENT_DURATION,
        Unit::Seconds,
        "How long a run of an agent elsewhere takes."
    );
    describe_counter!(SEARCHES, "Searches in the documents, by outcome: found, nothing or failed.");
    describe_histogram!(
        SEARCH_DURATION,
        Unit::Seconds,
        "How long a search in the documents takes."
    );
    describe_counter!(
        TOOL_CALLS,
        "Calls of tools by the model, by tool and outcome: ok, failed, timeout, arguments or denied."
    );
    describe_histogram!(TOOL_DURATION, Unit::Seconds, "How long a call of a tool takes, by tool.");
    describe_counter!(
        GUARDRAIL_CHECKS,
        "Checks by guardrails, by guardrail, on (input or output) and outcome: passed, tripped or unavailable."
    );
    describe_histogram!(
        GUARDRAIL_DURATION,
        Unit::Seconds,
        "How long a check that asks a model takes, by guardrail."
    );
}

/// What a request to the model takes, which counts towards the limits of whoever asks, once it is
/// over.
pub(crate) struct Spent {
    meter: TokenMeter,
    /// What it is added to, and for which model. An agent elsewhere does not say which it asks.
    tab: Option<(Tab, String)>,
    tokens: Tokens,
}

enum Tokens {
    /// Bytes of text that were sent and have come so far.
    Guessed { asked: usize, said: usize },
    /// As the model server counts it.
    Told(Usage),
}

/// Bytes of text in a token, about: what is counted where the model server does not say, and where
/// nobody waited for the end of the answer, which is where it would.
const BYTES_OF_TOKEN: usize = 4;

impl Spent {
    /// `bytes` is how long the question is.
    pub(crate) fn begin(meter: TokenMeter, tab: Option<(Tab, String)>, bytes: usize) -> Self {
        Self { meter, tab, tokens: Tokens::Guessed { asked: bytes, said: 0 } }
    }

    /// So much more of the answer has come.
    pub(crate) fn said(&mut self, length: usize) {
        if let Tokens::Guessed { said, .. } = &mut self.tokens {
            *said += length;
        }
    }

    pub(crate) fn used(&mut self, usage: &Usage) {
        self.tokens = Tokens::Told(*usage);
    }

    /// So many tokens, of question and answer together.
    pub(crate) fn told(&mut self, tokens: u64) {
        self.used(&Usage { input_tokens: 0, output_tokens: tokens, cached_tokens: 0 });
    }

    /// Nothing was used: it was not answered.
    pub(crate) fn nothing(&mut self) {
        self.used(&Usage { input_tokens: 0, output_tokens: 0, cached_tokens: 0 });
    }
}

impl Drop for Spent {
    fn drop(&mut self) {
        let tokens = |bytes: usize| (bytes / BYTES_OF_TOKEN) as u64;
        let used = match self.tokens {
            Tokens::Guessed { asked, said } => Usage {
                input_tokens: tokens(asked),
                output_tokens: tokens(asked + said) - tokens(asked),
                cached_tokens: 0,
            },
            Tokens::Told(used) => used,
        };
        let all = used.input_tokens.saturating_add(used.output_tokens);
        self.meter.count(all);
        if let Some((tab, model)) = self.tab.take().filter(|_| all > 0) {
            tab.add(&model, &used);
        }
    }
}

/// A request to the model under way. One that is dropped before its end was cancelled.
pub(crate) struct ModelCall {
    since: Instant,
    outcome: &'static str,
    waits: bool,
    pub(crate) spent: Spent,
}

impl ModelCall {
    /// `bytes` is how long the question is.
    pub(crate) fn begin((meter, tab, model): (TokenMeter, Tab, String), bytes: usize) -> Self {
        Self {
            since: Instant::now(),
            outcome: "cancelled",
            waits: true,
            spent: Spent::begin(meter, Some((tab, model)), bytes),
        }
    }

    /// The model has said something.
    pub(crate) fn event(&mut self) {
        if std::mem::take(&mut self.waits) {
            histogram!(FIRST_EVENT).record(self.since.elapsed());
        }
    }

    /// The model has said everything, and perhaps what it costs.
    pub(crate) fn done(&mut self, usage: Option<&Usage>) {
        self.outcome = "ok";
        if let Some(usage) = usage {
            self.spent.used(usage);
            counter!(TOKENS, "kind" => "input").increment(usage.input_tokens);
            counter!(TOKENS, "kind" => "cached").increment(usage.cached_tokens);
            counter!(TOKENS, "kind" => "output").increment(usage.output_tokens);
        }
    }

    pub(crate) fn failed(&mut self, error: &ModelError) {
        self.outcome = error.reason();
        if self.waits {
            // It was not answered.
            self.spent.nothing();
        }
    }
}

impl Drop for ModelCall {
    fn drop(&mut self) {
        counter!(REQUESTS, "outcome" => self.outcome).increment(1);
        histogram!(DURATION).record(self.since.elapsed());
    }
}

/// A run of an agent elsewhere. One that is dropped before its end was cancelled.
pub(crate) struct AgentRun {
    since: Instant,
    outcome: &'static str,
    /// What is done for the run belongs in it.
    pub(crate) span: Span,
}

impl AgentRun {
    pub(crate) fn begin(server: &Url) -> Self {
        Self { since: Instant::now(), outcome: "cancelled", span: trace::agent_run(server) }
    }

    pub(crate) fn done(&mut self) {
        self.outcome = "ok";
    }

    pub(crate) fn failed(&mut self, reason: &'static str) {
        self.outcome = reason;
    }
}

impl Drop for AgentRun {
    fn drop(&mut self) {
        counter!(AGENT_RUNS, "outcome" => self.outcome).increment(1);
        histogram!(AGENT_DURATION).record(self.since.elapsed());
        trace::ended(&self.span, self.outcome);
    }
}

/// A tool was called. Its name is one that was configured or that a server of tools gave, never one
/// that a model made up.
pub(crate) fn tool_called(name: &str, outcome: &'static str, took: std::time::Duration) {
    counter!(TOOL_CALLS, "tool" => name.to_owned(), "outcome" => outcome).increment(1);
    histogram!(TOOL_DURATION, "tool" => name.to_owned()).record(took);
}

/// A guardrail has checked something. Its name is as configured. `took` is there where a model was asked.
pub(crate) fn guardrail(
    name: &str,
    on: &'static str,
    outcome: &'static str,
    took: Option<std::time::Duration>,
) {
    let name = || name.to_owned();
    counter!(GUARDRAIL_CHECKS, "guardrail" => name(), "on" => on, "outcome" => outcome)
        .increment(1);
    if let Some(took) = took {
        histogram!(GUARDRAIL_DURATION, "guardrail" => name()).record(took);
    }
}

/// Searches, and measures it.
pub(crate) async fn searched<P, E>(
    search: impl Future<Output = Result<Vec<P>, E>>,
) -> Result<Vec<P>, E> {
    let since = Instant::now();
    let span = trace::search();
    let found = search.instrument(span.clone()).await;
    let outcome = match &found {
        Ok(passages) if passages.is_empty() => "nothing",
        Ok(_) => "found",
        Err(_) => "failed",
    };
    counter!(SEARCHES, "outcome" => outcome).increment(1);
    histogram!(SEARCH_DURATION).record(since.elapsed());
    trace::searched(&span, outcome, found.as_ref().ok().map(Vec::len));
    found
}
