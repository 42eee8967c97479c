//! Tools of MCP servers, against a server on the official Python SDK.
//!
//! `tests/conformance/mcp_servers.py` starts one and runs the tests that are ignored otherwise.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::HashMap,
    env, io,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::StreamExt as _;
use parlor_agent::{
    AgentResponder, ModelApi, ModelClient, ModelConfig, PromptConfig,
    tools::{
        CallerToken, HeaderTemplates, HttpToolClient, McpConfig, McpServer, McpTransport,
        NeedsConsent, ToolSettings,
    },
};
use parlor_chatkit::{ChatKit, Extension, Identity, Owner, RequestOptions, Response, UserId};
use parlor_fake_model::{Behaviour, FakeModel};
use parlor_store::SqliteStore;
use serde_json::{Value, json};

struct Chat {
    model: FakeModel,
    chatkit: ChatKit,
    _folder: tempfile::TempDir,
}

impl Chat {
    async fn with(servers: impl IntoIterator<Item = McpServer>) -> Self {
        let model = FakeModel::start().await;
        let base_url = model.base_url().parse().unwrap();
        let client = ModelConfig::new(ModelApi::Responses, base_url, "fake-model");
        let client = ModelClient::new(client).unwrap();
        let responder = AgentResponder::new(None, Some(client), PromptConfig::default());
        let responder = servers
            .into_iter()
            .fold(responder, |responder, server| responder.tool_source(Arc::new(server)));
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path().join("chat.db").to_str().unwrap()).await;
        Self { model, chatkit: ChatKit::new(store.unwrap(), responder), _folder: folder }
    }

    /// Says something as a user; the events of the answer.
    async fn say(&self, user: &str, text: &str) -> String {
        let request = json!({
            "type": "threads.create",
            "params": {"input": {
                "content": [{"type": "input_text", "text": text}],
                "attachments": [], "inference_options": {},
            }},
        });
        let options = RequestOptions {
            extension: match user {
                "visitor" => Extension::default(),
                _ => Extension::new(CallerToken(format!("token-of-{user}").into())),
            },
            ..RequestOptions::default()
        };
        let owner = Owner::single_tenant(UserId::new(user));
        let body = request.to_string();
        let answer =
            self.chatkit.handle(owner, &Identity::default(), body.as_bytes(), options).await;
        let Ok(Response::Stream { mut events, .. }) = answer else { panic!("no stream") };
        let mut all = Vec::new();
        while let Some(frame) = events.next().await {
            all.extend_from_slice(&frame);
        }
        String::from_utf8(all).unwrap()
    }

    /// Has the model call a tool, and gives what it was told.
    async fn call(&self, user: &str, name: &str, arguments: Value) -> String {
        self.model.reset();
        self.model.push(Behaviour::new().tool_call(name, arguments));
        self.model.push(Behaviour::new().text("Done."));
        let answer = self.say(user, "x").await;
        assert!(answer.ends_with(": end done\n\n"), "{answer}");
        let body = self.model.requests().last().unwrap().body.clone();
        let items = body["input"].as_array().unwrap();
        items.iter().find_map(|item| item["output"].as_str()).unwrap().to_owned()
    }

    fn offered(&self) -> Vec<String> {
        let body = &self.model.requests()[0].body;
        let tools = body["tools"].as_array().cloned().unwrap_or_default();
        tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
    }
}

fn config(transport: McpTransport) -> McpConfig {
    McpConfig {
        name: "test".to_owned(),
        transport,
        allow: None,
        needs_consent: NeedsConsent::default(),
        settings: ToolSettings { timeout: Duration::from_secs(30), ..ToolSettings::default() },
        connect_timeout: Duration::from_secs(60),
    }
}

fn over_http(url: &str) -> McpConfig {
    let headers =
        HeaderTemplates::default().with("Authorization", &"Bearer {user.token}".into()).unwrap();
    let client = HttpToolClient::new().unwrap();
    config(McpTransport::Http { url: url.parse().unwrap(), headers, sign_in: None, client })
}

fn real() -> McpConfig {
    over_http(&env::var("PARLOR_TEST_MCP_URL").unwrap())
}

fn program() -> McpConfig {
    config(McpTransport::Stdio {
        command: env::var("PARLOR_TEST_MCP_PROGRAM").unwrap().into(),
        arguments: vec![env::var("PARLOR_TEST_MCP_SCRIPT").unwrap(), "--stdio".to_owned()],
        environment: HashMap::from([("CRM_KEY".to_owned(), "for-the-program".into())]),
    })
}

/// Everything that is logged, at every level, spans included.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn log() -> Log {
    let log = Log::default();
    let written = log.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
        .with_writer(move || written.clone())
        .init();
    log
}

#[tokio::test]
#[ignore = "needs an MCP server: tests/conformance/mcp_servers.py"]
async fn each_call_carries_only_its_owners_credentials_and_nothing_else_has_them() {
    let log = log();
    let chat = &Chat::with([McpServer::new(real())]).await;
    let users = ["ada", "grace", "joan", "linus"];
    for user in users {
        chat.model.push(Behaviour::new().when(user).tool_call("test_whoami", json!({})).times(3));
        chat.model.push(Behaviour::new().when(user).text("Done."));
    }
    let answers = futures::future::join_all(users.map(|user| chat.say(user, user))).await;
    let requests = chat.model.requests();
    for user in users {
        let last =
            requests.iter().rfind(|request| request.user_message.as_deref() == Some(user)).unwrap();
        let told = last.body["input"].to_string();
        assert_eq!(told.matches(&format!("You are {user}.")).count(), 3, "{told}");
        assert_eq!(told.matches("You are ").count(), 3, "{told}");
    }
    let prompts: Vec<String> = requests.iter().map(|request| request.body.to_string()).collect();
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("test_whoami"), "the log has something in it");
    for seen in [&answers.concat(), &prompts.concat(), &log] {
        assert!(
            !seen.contains("token-of"),
            "{:?}",
            seen.split("token-of").next().map(|before| {
                before.chars().rev().take(300).collect::<String>().chars().rev().collect::<String>()
            })
        );
    }
}

#[tokio::test]
#[ignore = "needs an MCP server: tests/conformance/mcp_servers.py"]
async fn results_are_told_and_whatever_goes_wrong_ends_well() {
    let mut config = real();
    config.settings.timeout = Duration::from_secs(2);
    config.settings.max_result_chars = 1_000;
    let chat = Chat::with([McpServer::new(config)]).await;
    let told = chat.call("ada", "test_add", json!({"a": 2, "b": 40})).await;
    assert_eq!(told, "<tool_result tool=\"test_add\">\n42\n</tool_result>");
    let told = chat.call("ada", "test_add", json!({"a": "two"})).await;
    assert!(told.contains("do not fit the tool's schema"), "{told}");
    let told = chat.call("ada", "test_fail", json!({})).await;
    assert!(told.contains("Error executing tool fail"), "{told}");
    let told = chat.call("ada", "test_hang", json!({})).await;
    assert!(told.contains("took too long"), "{told}");
    let told = chat.call("ada", "test_flood", json!({})).await;
    assert!(told.len() < 3_000 && told.contains("cut off"), "{}", told.len());
    // It still works after all that.
    assert!(chat.call("ada", "test_add", json!({"a": 1, "b": 1})).await.contains('2'));
}

#[tokio::test]
#[ignore = "needs an MCP server: tests/conformance/mcp_servers.py"]
async fn only_allowed_tools_are_offered_and_only_to_users_with_a_token() {
    let config = McpConfig { allow: Some(vec!["add".to_owned()]), ..real() };
    let chat = Chat::with([McpServer::new(config)]).await;
    chat.model.push(Behaviour::new().text("Hello."));
    chat.say("ada", "x").await;
    assert_eq!(chat.offered(), ["test_add"]);
    chat.model.reset();
    chat.model.push(Behaviour::new().text("Hello."));
    chat.say("visitor", "x").await;
    assert!(chat.offered().is_empty());
    let told = chat.model.requests()[0].body["instructions"].to_string();
    assert!(told.contains("the user has to sign in"), "{told}");
}

#[tokio::test]
#[ignore = "needs an MCP server: tests/conformance/mcp_servers.py"]
async fn a_program_gets_its_own_environment_only_and_is_started_again() {
    let chat = Chat::with([McpServer::new(program())]).await;
    let told = chat.call("ada", "test_environment", json!({})).await;
    assert!(told.contains("CRM_KEY=for-the-program"), "{told}");
    assert!(!told.contains("not to be passed on") && !told.contains("CARGO"), "{told}");
    let told = chat.call("ada", "test_die", json!({})).await;
    assert!(told.starts_with("Error: The server"), "{told}");
    let told = chat.call("ada", "test_add", json!({"a": 40, "b": 2})).await;
    assert!(told.contains("42"), "{told}");
}

#[tokio::test]
async fn servers_that_are_down_are_left_out_and_the_answer_comes_all_the_same() {
    let mut nobody = over_http("http://127.0.0.1:1/mcp");
    nobody.name = "nobody".to_owned();
    // Takes connections and never says anything.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut silence = over_http(&format!("http://{}/mcp", silent.local_addr().unwrap()));
    silence.name = "silence".to_owned();
    silence.connect_timeout = Duration::from_millis(300);
    let mut missing = config(McpTransport::Stdio {
        command: "/not/there/at-all".into(),
        arguments: Vec::new(),
        environment: HashMap::new(),
    });
    missing.name = "missing".to_owned();
    let chat = Chat::with([nobody, silence, missing].map(McpServer::new)).await;
    for _ in 0..2 {
        chat.model.reset();
        chat.model.push(Behaviour::new().text("Hello."));
        let answer = chat.say("ada", "x").await;
        assert!(answer.contains("Hello.") && answer.ends_with(": end done\n\n"), "{answer}");
        let told = chat.model.requests()[0].body["instructions"].to_string();
        for name in ["nobody", "silence", "missing"] {
            assert!(told.contains(&format!("those of “{name}”")), "{name}: {told}");
        }
    }
}
