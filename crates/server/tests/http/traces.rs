//! Traces, as a collector gets them from the real program.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::any_value::Value as Attribute,
    trace::v1::{Span, span::SpanKind, status::StatusCode as SpanStatus},
};
use parlor_fake_model::{Behaviour, FakeModel};
use prost::Message as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::TcpListener,
    process::{Child, Command},
    sync::watch,
};

use crate::app::{Stream, input};

/// Long enough that only something broken takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is in a message, a profile, a page and a key, and must be in no trace.
pub(crate) const MARKER: &str = "ZEBRAFINCH";

// ---------------------------------------------------------------- a collector

/// A receiver of OTLP over HTTP.
struct Collector {
    address: SocketAddr,
    state: Arc<Received>,
}

struct Received {
    spans: Mutex<Vec<Span>>,
    raw: Mutex<Vec<u8>>,
    resources: Mutex<HashMap<String, String>>,
    status: Mutex<StatusCode>,
    /// Counts requests.
    asked: watch::Sender<usize>,
}

impl Collector {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Received {
            spans: Mutex::default(),
            raw: Mutex::default(),
            resources: Mutex::default(),
            status: Mutex::new(StatusCode::OK),
            asked: watch::Sender::new(0),
        });
        let router = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, state }
    }

    fn answer(&self, status: StatusCode) {
        *self.state.status.lock().unwrap() = status;
    }

    /// Waits until it was asked so often.
    async fn asked(&self, times: usize) {
        let mut asked = self.state.asked.subscribe();
        tokio::time::timeout(PATIENCE, asked.wait_for(|asked| *asked >= times))
            .await
            .unwrap()
            .unwrap();
    }

    /// The spans, once there are some of all these names, and several of one that is named so often.
    async fn spans(&self, names: &[&str]) -> Spans {
        let mut asked = self.state.asked.subscribe();
        let there = asked.wait_for(|_| {
            let spans = self.state.spans.lock().unwrap();
            names.iter().all(|name| {
                let wanted = names.iter().filter(|other| *other == name).count();
                spans.iter().filter(|span| span.name == *name).count() >= wanted
            })
        });
        let waited = tokio::time::timeout(PATIENCE, there).await.is_ok();
        let spans = self.state.spans.lock().unwrap().clone();
        let seen: Vec<_> = spans.iter().map(|span| &span.name).collect();
        assert!(waited, "{names:?} are not all among {seen:?}");
        Spans(spans)
    }
}

async fn take(State(state): State<Arc<Received>>, body: Bytes) -> StatusCode {
    let status = *state.status.lock().unwrap();
    if status == StatusCode::OK {
        let request = ExportTraceServiceRequest::decode(body.clone()).unwrap();
        state.raw.lock().unwrap().extend_from_slice(&body);
        for resource in request.resource_spans {
            let attributes = resource.resource.unwrap().attributes;
            let attributes = attributes.iter().map(|kv| (kv.key.clone(), text(kv.value.as_ref())));
            state.resources.lock().unwrap().extend(attributes);
            let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            state.spans.lock().unwrap().extend(spans);
        }
    }
    state.asked.send_modify(|asked| *asked += 1);
    status
}

fn text(value: Option<&opentelemetry_proto::tonic::common::v1::AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Attribute::StringValue(text)) => text.clone(),
        Some(Attribute::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}

struct Spans(Vec<Span>);

impl Spans {
    /// The only one of this name.
    fn one(&self, name: &str) -> &Span {
        let found: Vec<_> = self.0.iter().filter(|span| span.name == name).collect();
        let [span] = found[..] else { panic!("{name}: {} of them", found.len()) };
        span
    }

    /// Those within this one, by name.
    fn within(&self, parent: &Span) -> HashSet<&str> {
        let children = self.0.iter().filter(|span| span.parent_span_id == parent.span_id);
        children.map(|span| span.name.as_str()).collect()
    }
}

fn attribute(span: &Span, key: &str) -> String {
    let found = span.attributes.iter().find(|attribute| attribute.key == key);
    let found =
        found.unwrap_or_else(|| panic!("{} has no {key}: {:?}", span.name, span.attributes));
    text(found.value.as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

// ---------------------------------------------------------------- the program

/// The program, with its log in a file.
pub(crate) struct Parlor {
    child: Child,
    pub(crate) url: String,
    pub(crate) folder: TempDir,
}

impl Parlor {
    /// One that collects traces.
    async fn start(model: &FakeModel, collector: SocketAddr, more: &[(&str, &str)]) -> Self {
        let collector = format!("http://{collector}");
        let variables = [
            ("PARLOR_AUTH", "trusted-header"),
            ("PARLOR_LOG__FORMAT", "json"),
            ("PARLOR_LOG__FILTER", "info,parlor_server=debug"),
            ("OPENAI_API_KEY", MARKER),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector),
            ("OTEL_BSP_SCHEDULE_DELAY", "20"),
        ];
        Self::with(tempfile::tempdir().unwrap(), model, &[&variables[..], more].concat()).await
    }

    /// One with these variables and no others.
    pub(crate) async fn with(
        folder: TempDir,
        model: &FakeModel,
        variables: &[(&str, &str)],
    ) -> Self {
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_parlor"));
        command
            .arg("serve")
            .current_dir(folder.path())
            .env_clear()
            .env("PARLOR_LISTEN", "127.0.0.1:0")
            .env("OPENAI_BASE_URL", model.base_url())
            .env("PARLOR_MODEL", "fake")
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
        let url = line.trim().strip_prefix("Parlor listens on ").unwrap().to_owned();
        Self { child, url, folder }
    }

    /// Asks, and reads the answer to its end. Gives the request's id, too.
    async fn ask(&self, text: &str, headers: &[(&'static str, &str)]) -> (String, Stream) {
        let body = json!({
            "type": "threads.create",
            "params": {"input": input(text)},
            "metadata": {"pageContext": {"title": MARKER, "url": format!("https://x/{MARKER}")}},
        });
        let mut request = reqwest::Client::new()
            .post(format!("{}/chatkit", self.url))
            .header("x-user-id", format!("user-{MARKER}"))
            .header("x-user-name", MARKER)
            .json(&body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        let request_id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        (request_id, Stream::read(response).await)
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// Waits until this is in the log.
    async fn logged(&self, needle: &str) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !self.log().contains(needle) {
            assert!(tokio::time::Instant::now() < deadline, "no {needle} in {}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Stops it as a supervisor does.
    pub(crate) async fn stop(mut self) {
        let pid = self.child.id().unwrap().to_string();
        let told = std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        assert!(told.success());
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap();
        assert!(status.success(), "{status:?}: {}", self.log());
    }
}

/// Indexes a document that holds the marker.
pub(crate) fn documents(folder: &Path, address: &str) {
    let docs = folder.join("docs");
    std::fs::create_dir_all(&docs).unwrap();
    std::fs::write(docs.join("a.md"), format!("# {MARKER}\n\nThe {MARKER} sings at night.\n"))
        .unwrap();
    let status = std::process::Command::new(env!("CARGO_BIN_EXE_parlor"))
        .args(["ingest", "docs"])
        .current_dir(folder)
        .env_clear()
        // It has no requests to follow: a collector that is named is of no interest to it.
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
}

// ---------------------------------------------------------------- tests

#[tokio::test]
async fn an_answer_is_one_trace_from_the_request_to_the_model_and_the_search() {
    let (model, collector) = (FakeModel::start().await, Collector::start().await);
    let parlor = Parlor::start(&model, collector.address, &[]).await;
    documents(parlor.folder.path(), &format!("http://{}", collector.address));
    let trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = "00f067aa0ba902b7";
    let trace_parent = format!("00-{trace_id}-{parent}-01");
    let question = format!("Where does the {MARKER} sing?");
    let (request_id, stream) = parlor.ask(&question, &[("traceparent", &trace_parent)]).await;
    assert_eq!(stream.end.as_deref(), Some("done"));
    assert!(stream.text().contains(MARKER), "the search was of use");

    // The search's call, the answer, and the title.
    let calls = ["chat fake"; 3];
    let spans = collector.spans(&[&["turn", "POST /chatkit"][..], &calls].concat()).await;
    let request = spans.one("POST /chatkit");
    assert_eq!(hex(&request.trace_id), trace_id, "the client's trace goes on");
    assert_eq!(hex(&request.parent_span_id), parent);
    assert_eq!(request.kind(), SpanKind::Server);
    assert_eq!(attribute(request, "http.request.method"), "POST");
    assert_eq!(attribute(request, "http.route"), "/chatkit");
    assert_eq!(attribute(request, "http.response.status_code"), "200");
    assert_eq!(attribute(request, "parlor.request.id"), request_id);
    assert!(spans.within(request).is_superset(&HashSet::from(["begin_turn", "turn"])));

    let turn = spans.one("turn");
    assert_eq!(turn.parent_span_id, request.span_id);
    assert_eq!(attribute(turn, "parlor.turn.outcome"), "done");
    assert_eq!(attribute(turn, "parlor.request.id"), request_id);
    assert_eq!(attribute(turn, "gen_ai.conversation.id"), stream.thread_id());
    let within = HashSet::from(["chat fake", "execute_tool search_documents", "write", "end_turn"]);
    assert!(spans.within(turn).is_superset(&within), "{:?}", spans.within(turn));

    let calls: Vec<_> = spans.0.iter().filter(|span| span.name == "chat fake").collect();
    assert_eq!(calls.len(), 3);
    for call in calls {
        assert_eq!(call.parent_span_id, turn.span_id);
        assert_eq!(call.kind(), SpanKind::Client);
        assert_eq!(attribute(call, "gen_ai.operation.name"), "chat");
        assert_eq!(attribute(call, "gen_ai.request.model"), "fake");
        assert_eq!(attribute(call, "server.address"), "127.0.0.1");
        assert!(attribute(call, "gen_ai.usage.output_tokens").parse::<u32>().unwrap() > 0);
        assert_eq!(spans.within(call), HashSet::from(["POST"]));
    }
    let tool = spans.one("execute_tool search_documents");
    assert_eq!(attribute(tool, "gen_ai.tool.name"), "search_documents");
    assert_eq!(spans.within(tool), HashSet::from(["search"]));
    let search = spans.one("search");
    assert_eq!(attribute(search, "parlor.search.outcome"), "found");
    assert_eq!(attribute(search, "parlor.search.passages"), "1");

    for span in &spans.0 {
        assert_eq!(hex(&span.trace_id), trace_id, "{}", span.name);
        assert!(span.end_time_unix_nano >= span.start_time_unix_nano);
        assert!(span.events.is_empty(), "the log is none of a trace");
        assert_ne!(span.status.clone().unwrap_or_default().code(), SpanStatus::Error);
    }
    let resource = collector.state.resources.lock().unwrap().clone();
    assert_eq!(resource["service.name"], "parlor");
    // The log says to which trace a line belongs.
    let lines: Vec<Value> =
        parlor.log().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let answered = lines.iter().find(|line| line["fields"]["message"] == "answered").unwrap();
    assert_eq!(answered["span"]["trace_id"], trace_id, "{answered}");
    assert_eq!(answered["span"]["request_id"], request_id.as_str());
    // Nobody but the collector knows of it.
    for request in model.requests().iter().chain(&model.titles()) {
        assert!(!request.headers.contains_key("traceparent"));
    }
    parlor.stop().await;
    let raw = collector.state.raw.lock().unwrap().clone();
    let sent = String::from_utf8_lossy(&raw);
    assert!(!sent.contains(MARKER), "no text, no page, no user, no key");
}

#[tokio::test]
async fn each_try_is_seen_and_model_servers_are_told_the_trace_where_that_is_set() {
    let (model, collector) = (FakeModel::start().await, Collector::start().await);
    let more = [
        ("PARLOR_TELEMETRY__MODEL_TRACE_CONTEXT", "true"),
        ("PARLOR_TITLES__ENABLED", "false"),
        ("PARLOR_SEARCH__ENABLED", "false"),
        ("OTEL_SERVICE_NAME", "docs-chat"),
    ];
    let parlor = Parlor::start(&model, collector.address, &more).await;
    model.push(Behaviour::new().status(500));
    let (_, stream) = parlor.ask("Is anybody there?", &[]).await;
    assert_eq!(stream.end.as_deref(), Some("done"));
    let spans = collector.spans(&["turn", "chat fake"]).await;
    let call = spans.one("chat fake");
    assert_ne!(call.status.clone().unwrap_or_default().code(), SpanStatus::Error);
    let mut tries: Vec<_> = spans.0.iter().filter(|span| span.name == "POST").collect();
    tries.sort_by_key(|span| span.start_time_unix_nano);
    let [first, second] = tries[..] else { panic!("{} tries", tries.len()) };
    for attempt in [first, second] {
        assert_eq!(attempt.parent_span_id, call.span_id);
    }
    assert_eq!(attribute(first, "http.response.status_code"), "500");
    assert_eq!(attribute(first, "error.type"), "model.server_error");
    assert_eq!(first.status.clone().unwrap_or_default().code(), SpanStatus::Error);
    assert_eq!(attribute(second, "http.response.status_code"), "200");
    assert_eq!(attribute(second, "http.request.resend_count"), "1");
    let told: Vec<_> = model.requests().iter().map(|r| r.headers["traceparent"].clone()).collect();
    let own = |span: &Span| format!("00-{}-{}-01", hex(&span.trace_id), hex(&span.span_id));
    assert_eq!(told, [own(first), own(second)]);
    assert_eq!(collector.state.resources.lock().unwrap()["service.name"], "docs-chat");

    // An answer that fails, and a client that wants no trace of its own.
    model.push(Behaviour::new().text("Nobody will know."));
    let unsampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
    parlor.ask("Not to be seen?", &[("traceparent", unsampled)]).await;
    model.push(Behaviour::new().status(400));
    let (_, failed) = parlor.ask("Does that work?", &[]).await;
    assert_eq!(failed.end.as_deref(), Some("failed"));
    parlor.stop().await;
    let spans = collector.spans(&[]).await.0;
    let turns: Vec<_> = spans.iter().filter(|span| span.name == "turn").collect();
    assert_eq!(turns.len(), 2, "what was not to be sampled is not");
    assert_eq!(attribute(turns[1], "parlor.turn.outcome"), "failed");
    assert_eq!(attribute(turns[1], "error.type"), failed.error()["reason"].as_str().unwrap());
    assert_eq!(turns[1].status.clone().unwrap_or_default().code(), SpanStatus::Error);
}

#[tokio::test]
async fn a_run_of_an_agent_elsewhere_is_a_span_of_its_turn() {
    let (model, collector) = (FakeModel::start().await, Collector::start().await);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let said = [
        json!({"type": "RUN_STARTED", "threadId": "t", "runId": "r"}),
        json!({"type": "TEXT_MESSAGE_CHUNK", "messageId": "m", "role": "assistant", "delta": "Yes."}),
        json!({"type": "RUN_FINISHED", "threadId": "t", "runId": "r"}),
    ];
    let said: String = said.iter().map(|event| format!("data: {event}\n\n")).collect();
    let status = Arc::new(Mutex::new(StatusCode::OK));
    let answers = Arc::clone(&status);
    let answer = move || async move {
        (*answers.lock().unwrap(), [("content-type", "text/event-stream")], said)
    };
    let router = Router::new().route("/agent", post(answer));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let url = format!("http://{address}/agent");
    let more = [("PARLOR_AGENT__KIND", "ag-ui"), ("PARLOR_AGENT__REMOTE__URL", url.as_str())];
    let parlor = Parlor::start(&model, collector.address, &more).await;
    assert_eq!(parlor.ask("Is it there?", &[]).await.1.end.as_deref(), Some("done"));
    let spans = collector.spans(&["turn", "invoke_agent"]).await;
    let run = spans.one("invoke_agent");
    assert_eq!(run.parent_span_id, spans.one("turn").span_id);
    assert_eq!(run.kind(), SpanKind::Client);
    assert_eq!(attribute(run, "gen_ai.operation.name"), "invoke_agent");
    assert_eq!(attribute(run, "server.port"), address.port().to_string());
    assert_ne!(run.status.clone().unwrap_or_default().code(), SpanStatus::Error);
    *status.lock().unwrap() = StatusCode::FORBIDDEN;
    parlor.ask("Is it there now?", &[]).await;
    let spans = collector.spans(&["invoke_agent", "invoke_agent"]).await.0;
    let failed = spans.iter().rfind(|span| span.name == "invoke_agent").unwrap();
    assert_eq!(attribute(failed, "error.type"), "agent.unauthorized");
    assert_eq!(failed.status.clone().unwrap_or_default().code(), SpanStatus::Error);
    parlor.stop().await;
    let raw = collector.state.raw.lock().unwrap().clone();
    assert!(!String::from_utf8_lossy(&raw).contains(MARKER), "no text, no page, no user, no key");
}

#[tokio::test]
async fn the_last_spans_are_sent_when_the_server_stops() {
    let (model, collector) = (FakeModel::start().await, Collector::start().await);
    // So that nothing is sent before.
    let more = [("OTEL_BSP_SCHEDULE_DELAY", "3600000")];
    let parlor = Parlor::start(&model, collector.address, &more).await;
    parlor.ask("Hello?", &[]).await;
    assert!(collector.state.spans.lock().unwrap().is_empty());
    parlor.stop().await;
    collector.spans(&["turn", "POST /chatkit"]).await;
}

#[tokio::test]
async fn nothing_is_sent_where_the_standard_variables_say_so() {
    let (model, collector) = (FakeModel::start().await, Collector::start().await);
    for disabled in [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")] {
        let parlor = Parlor::start(&model, collector.address, &[disabled]).await;
        let (_, stream) = parlor.ask("Hello?", &[]).await;
        assert_eq!(stream.end.as_deref(), Some("done"));
        parlor.stop().await;
    }
    assert_eq!(*collector.state.asked.borrow(), 0);
}

#[tokio::test]
async fn a_collector_that_refuses_is_said_once_and_once_when_it_is_over() {
    let (model, collector) = (FakeModel::start().await, Collector::start().await);
    let parlor = Parlor::start(&model, collector.address, &[]).await;
    collector.answer(StatusCode::BAD_REQUEST);
    for asked in 1..=3 {
        parlor.ask("Hello?", &[]).await;
        collector.asked(asked).await;
    }
    parlor.logged("takes no traces").await;
    collector.answer(StatusCode::OK);
    parlor.ask("Hello?", &[]).await;
    parlor.logged("takes traces again").await;
    let log = parlor.log();
    assert_eq!(log.matches("takes no traces").count(), 1, "{log}");
    assert_eq!(log.matches("takes traces again").count(), 1, "{log}");
    parlor.stop().await;
}

#[tokio::test]
async fn a_collector_that_never_answers_slows_nobody_and_does_not_keep_the_server() {
    let model = FakeModel::start().await;
    // Takes connections, and no more.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let parlor = Parlor::start(&model, silent.local_addr().unwrap(), &[]).await;
    let taken = silent.accept();
    let (_, stream) = parlor.ask("Hello?", &[]).await;
    assert_eq!(stream.end.as_deref(), Some("done"));
    let _connection = tokio::time::timeout(PATIENCE, taken).await.unwrap().unwrap();
    // The first batch waits for its answer. Others are not waited for.
    for _ in 0..3 {
        let (_, stream) = parlor.ask("Hello?", &[]).await;
        assert_eq!(stream.end.as_deref(), Some("done"));
    }
    parlor.stop().await;
}
