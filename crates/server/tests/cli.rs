//! The binary as an operator meets it.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;
#[path = "support/tables.rs"]
mod tables;

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Output, Stdio},
};

fn parlor(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parlor"));
    command.current_dir(folder).env_clear().env("PARLOR_LISTEN", "127.0.0.1:0");
    command
}

fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

/// A failing start: one line on standard error that holds all of these.
fn fails_with(command: &mut Command, hints: &[&str]) {
    let (code, _, stderr) = run(command);
    assert_eq!(code, Some(1), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    for hint in hints {
        assert!(stderr.contains(hint), "{hint} is not in: {stderr}");
    }
}

struct Serving(Child);

impl Serving {
    fn start(command: &mut Command) -> (Self, String) {
        let mut child =
            command.arg("serve").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("Parlor listens on ").unwrap().to_owned();
        (Self(child), url)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_port_in_use_is_one_line_that_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    fails_with(
        parlor(folder.path()).args(["serve", "--listen", &address]),
        &[&address, "in use", "--listen"],
    );
    assert!(!folder.path().join("parlor.db").exists(), "nothing is left behind");
}

#[test]
fn a_database_path_that_cannot_be_used_is_one_line_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let serve = |url: &str| {
        let mut command = parlor(folder.path());
        command.args(["serve", "--database-url", url]);
        command
    };
    fails_with(&mut serve("sqlite:///no/such/folder/x.db"), &["/no/such/folder", "does not exist"]);
    fails_with(&mut serve("mysql://localhost/x"), &["mysql", "sqlite://"]);
    fs::create_dir(folder.path().join("a-folder")).unwrap();
    fails_with(&mut serve("sqlite://a-folder"), &["a-folder"]);
    fs::write(folder.path().join("text.db"), "this is no database, whatever its name says")
        .unwrap();
    fails_with(&mut serve("sqlite://text.db"), &["text.db"]);
}

#[test]
fn a_wrong_configuration_is_one_line_that_names_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let cases: [(&str, &[&str]); 4] = [
        ("listn = \"127.0.0.1:1\"", &["parlor.toml, line 1", "listn", "`listen`"]),
        ("[model]\napi = \"smoke_signals\"", &["line 2", "smoke_signals", "chat_completions"]),
        ("[auth.trusted_header]\nuser = \"X\"", &["trusted_header", "auth.mode"]),
        ("[limits", &["parlor.toml"]),
    ];
    for (file, hints) in cases {
        fs::write(folder.path().join("parlor.toml"), file).unwrap();
        fails_with(parlor(folder.path()).arg("serve"), hints);
    }
    fs::remove_file(folder.path().join("parlor.toml")).unwrap();
    fails_with(
        parlor(folder.path()).args(["serve", "--listen", "0.0.0.0:0"]),
        &["0.0.0.0:0", "PARLOR_AUTH"],
    );
    fails_with(
        parlor(folder.path()).args(["serve", "--config", "other.toml"]),
        &["other.toml", "--config"],
    );
}

#[test]
fn the_http_interface_is_printed_whatever_is_configured() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("parlor.toml"), "[limits").unwrap();
    let (code, stdout, stderr) = run(parlor(folder.path()).arg("openapi"));
    assert_eq!(code, Some(0), "{stderr}");
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contract/openapi.json");
    assert!(stdout == fs::read_to_string(committed).unwrap(), "run `make contract`");
}

#[test]
fn the_effective_configuration_is_printed_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let (code, stdout, _) = run(parlor(folder.path())
        .env("OPENAI_API_KEY", "sk-very-secret")
        .env("PARLOR_MODEL", "some-model")
        .arg("config"));
    assert_eq!(code, Some(0));
    assert!(stdout.contains("name = \"some-model\"") && stdout.contains("(hidden)"), "{stdout}");
    assert!(!stdout.contains("sk-very-secret"));
}

#[test]
fn ingest_reports_what_it_indexed_and_what_it_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let docs = folder.path().join("docs");
    fs::create_dir_all(docs.join("empty")).unwrap();
    fs::write(docs.join("good.md"), "# Good\n\nSomething to find.\n").unwrap();
    fs::write(docs.join("broken.md"), b"# Broken \xff\xfe\n").unwrap();
    fs::write(docs.join("binary.txt"), b"\0\x01\x02").unwrap();
    fs::write(docs.join("picture.png"), b"png").unwrap();
    let mut command = parlor(folder.path());
    let (code, stdout, _) = run(command.args(["ingest", "docs"]));
    assert_eq!(code, Some(0), "{stdout}");
    assert!(stdout.contains("1 added") && stdout.contains("2 skipped"), "{stdout}");
    assert!(stdout.contains("broken.md") && stdout.contains("binary.txt"), "{stdout}");
    assert!(stdout.contains("1 .png"), "{stdout}");
    assert!(stdout.contains("1 documents in 1 passages"), "{stdout}");
    let (_, stdout, _) = run(parlor(folder.path()).args(["ingest", "docs"]));
    assert!(stdout.contains("0 added") && stdout.contains("1 unchanged"), "{stdout}");
    fails_with(parlor(folder.path()).args(["ingest", "no-such-folder"]), &["no-such-folder"]);
}

#[test]
fn doctor_says_what_is_wrong_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let (_, stdout, _) = run(parlor(folder.path()).arg("doctor"));
    for expected in ["configuration", "database", "index", "parlor ingest", "OPENAI_API_KEY"] {
        assert!(stdout.contains(expected), "{expected} is not in:\n{stdout}");
    }
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (code, stdout, _) = run(parlor(folder.path())
        .env("OPENAI_BASE_URL", format!("http://{closed}/v1"))
        .arg("doctor"));
    assert_eq!(code, Some(1));
    assert!(stdout.contains("PROBLEM") && stdout.contains("OPENAI_BASE_URL"), "{stdout}");
    fs::write(folder.path().join("parlor.toml"), "nonsense = 1").unwrap();
    let (code, stdout, _) = run(parlor(folder.path()).arg("doctor"));
    assert_eq!(code, Some(1));
    assert!(stdout.contains("nonsense"), "{stdout}");
}

#[test]
fn doctor_looks_after_agents() {
    let folder = tempfile::tempdir().unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let file = format!(
        r#"
        model = {{ base_url = "http://{closed}/v1" }}
        [[tools]]
        kind = "http"
        name = "shop_order"
        description = ""
        url = "http://{closed}/"
        [[tools]]
        kind = "mcp"
        name = "crm"
        command = ["/not/there"]
        [[agents]]
        name = "desk"
        tools = ["search_documents", "crm_*", "shpo_*"]
        hand_offs = ["billing"]
        [[agents]]
        name = "billing"
        tools = []
        [[agents]]
        name = "lost"
        tools = []
        "#
    );
    fs::write(folder.path().join("parlor.toml"), file).unwrap();
    let (code, stdout, _) = run(parlor(folder.path()).arg("doctor"));
    assert_eq!(code, Some(1));
    for expected in [
        "desk → billing, billing, lost; “desk” answers first",
        "agent “desk” may call “shpo_*”, and no tool is called so",
        "no agent may call shop_order",
        "no conversation can come to lost",
    ] {
        assert!(stdout.contains(expected), "{expected} is not in:\n{stdout}");
    }
    assert!(!stdout.contains("“crm_*”"), "{stdout}");
}

#[tokio::test]
async fn ingest_embeds_what_is_new_and_goes_on_where_it_stopped() {
    use parlor_fake_model::{Behaviour, FakeModel, Purpose, Step};
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("docs")).unwrap();
    for n in 0..3 {
        let text = format!("# Page {n}\n\nAbout number {n}.\n");
        fs::write(folder.path().join(format!("docs/p{n}.md")), text).unwrap();
    }
    let model = FakeModel::start().await;
    let parlor = async |arguments: &[&str], environment: &[(&str, &str)]| {
        let mut command = parlor(folder.path());
        command.args(arguments).env("PARLOR_SEARCH__EMBEDDINGS__MODEL", "fake-embedding");
        command.env("PARLOR_SEARCH__EMBEDDINGS__BASE_URL", model.base_url());
        command.env("PARLOR_SEARCH__EMBEDDINGS__API_KEY", "sk-only-for-embeddings");
        command.envs(environment.iter().copied());
        tokio::task::spawn_blocking(move || run(&mut command)).await.unwrap()
    };
    let failing = Behaviour {
        steps: vec![Step::Status { status: 401, retry_after: None, code: None, message: None }],
        ..Behaviour::new().purpose(Purpose::Embedding)
    };
    model.push(failing);
    let (code, stdout, stderr) = parlor(&["ingest", "docs"], &[]).await;
    assert_eq!(code, Some(1), "{stdout}{stderr}");
    assert!(
        stdout.contains("3 added") && stdout.contains("3 passages, 0 with a vector"),
        "{stdout}"
    );
    assert!(stderr.contains("3 passages have no vector yet"), "{stderr}");
    let (code, stdout, stderr) = parlor(&["ingest", "docs"], &[]).await;
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains("3 unchanged") && stdout.contains("3 passages embedded"), "{stdout}");
    let requests = model.requests().len();
    let (_, stdout, _) = parlor(&["ingest", "docs"], &[]).await;
    assert!(stdout.contains("0 passages embedded"), "{stdout}");
    assert_eq!(model.requests().len(), requests, "nothing to ask about");
    assert!(
        model
            .requests()
            .iter()
            .all(|r| r.headers["authorization"] == "Bearer sk-only-for-embeddings")
    );
    let (_, stdout, _) = parlor(&["doctor"], &[]).await;
    assert!(
        stdout.contains("embeddings") && stdout.contains("1536 numbers; 3 vectors"),
        "{stdout}"
    );
    assert!(!stdout.contains("sk-only"), "{stdout}");
    let shorter = [("PARLOR_SEARCH__EMBEDDINGS__DIMENSIONS", "64")];
    let (_, stdout, _) = parlor(&["doctor"], &shorter).await;
    assert!(stdout.contains("vectors of another model"), "{stdout}");
    let (_, stdout, _) = parlor(&["ingest", "docs"], &shorter).await;
    assert!(stdout.contains("embedded anew") && stdout.contains("3 with a vector"), "{stdout}");
    let (code, stdout, _) = parlor(&["config"], &[]).await;
    assert_eq!(code, Some(0));
    assert!(stdout.contains("[search.embeddings]") && !stdout.contains("sk-only"), "{stdout}");
}

#[tokio::test]
async fn eval_measures_every_strategy_that_is_set_up() {
    use parlor_fake_model::FakeModel;
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("docs")).unwrap();
    for (name, text) in [("tea", "# Tea\n\nSteep it.\n"), ("coffee", "# Coffee\n\nGrind it.\n")] {
        fs::write(folder.path().join(format!("docs/{name}.md")), text).unwrap();
    }
    let questions = folder.path().join("questions.toml");
    fs::write(
        &questions,
        "[[question]]\nask = \"coffee\"\nanswers = [\"/coffee\"]\n\
         [[question]]\nask = \"cocoa\"\nanswers = [\"/cocoa\"]\n",
    )
    .unwrap();
    let eval = ["eval", "questions.toml"];
    fails_with(parlor(folder.path()).args(eval), &["no documents are indexed", "parlor ingest"]);
    assert_eq!(run(parlor(folder.path()).args(["ingest", "docs"])).0, Some(0));
    let (code, stdout, stderr) = run(parlor(folder.path()).args(eval).arg("--misses"));
    assert_eq!(code, Some(0), "{stderr}");
    for expected in ["2 questions over 2 passages", "recall@10", "nDCG@10", "MRR", "0.500", "cocoa"]
    {
        assert!(stdout.contains(expected), "{expected} is not in: {stdout}");
    }
    assert!(!stdout.contains("hybrid"), "{stdout}");

    let model = FakeModel::start().await;
    let with_models = async |arguments: &[&str]| {
        let mut command = parlor(folder.path());
        command.args(arguments);
        for section in ["EMBEDDINGS", "RERANK"] {
            command.env(format!("PARLOR_SEARCH__{section}__MODEL"), "fake");
            command.env(format!("PARLOR_SEARCH__{section}__BASE_URL"), model.base_url());
        }
        tokio::task::spawn_blocking(move || run(&mut command)).await.unwrap()
    };
    let (code, _, stderr) = with_models(&eval).await;
    assert_eq!(code, Some(1), "vectors are missing: {stderr}");
    assert!(stderr.contains("no vectors yet"), "{stderr}");
    assert_eq!(with_models(&["ingest", "docs"]).await.0, Some(0));
    let (_, stdout, stderr) = with_models(&["eval", "questions.toml", "--json", "--k", "1"]).await;
    let figures: serde_json::Value = serde_json::from_str(&stdout).expect(&stderr);
    let names: Vec<&str> = figures["strategies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|outcome| outcome["strategy"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["words", "vectors", "hybrid", "hybrid_reranked"]);
    assert_eq!((figures["k"].as_u64(), figures["questions"].as_u64()), (Some(1), Some(2)));
    assert!(
        figures["strategies"].as_array().unwrap().iter().all(|o| o["recall"] == 0.5),
        "{figures}"
    );

    for (file, hints) in [
        ("[[question]]\nask = \"x\"\nanswers = []", &["`x` has no `answers`"][..]),
        ("[[question]]\nasks = \"x\"", &["line 2", "asks"]),
        ("", &["question"]),
    ] {
        fs::write(&questions, file).unwrap();
        fails_with(parlor(folder.path()).args(eval), hints);
    }
    fails_with(parlor(folder.path()).args(["eval", "none.toml"]), &["none.toml"]);
}

#[test]
fn search_models_that_cannot_be_asked_are_one_line() {
    let folder = tempfile::tempdir().unwrap();
    for (file, hints) in [
        ("[search.embeddings]\nbatch = 3", &["search.embeddings.model"][..]),
        ("[search.embeddings]\nmodel = \"m\"", &["search.embeddings.base_url", "[model]"]),
        ("[search.rerank]\nmodel = \"m\"\nbase_url = \"ftp://x/\"", &["ftp", "search.rerank"]),
        (
            "[search.embeddings]\nmodel = \"m\"\nbase_url = \"http://x/\"\nbatch = 0",
            &["search.embeddings.batch is 0"],
        ),
        ("[search]\nlanguage = \"x!\"", &["search.language", "reader"]),
    ] {
        fs::write(folder.path().join("parlor.toml"), file).unwrap();
        fails_with(parlor(folder.path()).arg("config"), hints);
    }
}

#[tokio::test]
async fn doctor_looks_for_the_speech_model_where_dictation_is_offered() {
    let folder = tempfile::tempdir().unwrap();
    let model = parlor_fake_model::FakeModel::start().await;
    let doctor = async |variables: &[(&str, &str)]| {
        let mut command = tokio::process::Command::from(parlor(folder.path()));
        command.envs(variables.iter().copied()).arg("doctor");
        let Output { status, stdout, .. } = command.output().await.unwrap();
        (status.code(), String::from_utf8(stdout).unwrap())
    };
    let (_, stdout) = doctor(&[]).await;
    assert!(!stdout.contains("dictation"), "nobody asked for it:\n{stdout}");
    let there = model.base_url();
    let known = "fake-model";
    let (_, stdout) =
        doctor(&[("PARLOR_DICTATION__BASE_URL", &there), ("PARLOR_DICTATION__NAME", known)]).await;
    assert!(stdout.contains(&format!("ok       dictation      {known} at {there}")), "{stdout}");
    let (_, stdout) =
        doctor(&[("PARLOR_DICTATION__BASE_URL", &there), ("PARLOR_DICTATION__NAME", "ear")]).await;
    assert!(
        stdout.contains("does not list `ear`") && stdout.contains("dictation.name"),
        "{stdout}"
    );
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let closed = format!("http://{closed}/v1");
    let (code, stdout) = doctor(&[("PARLOR_DICTATION__BASE_URL", &closed)]).await;
    assert_eq!(code, Some(1), "{stdout}");
    assert!(stdout.contains("PROBLEM  dictation") && stdout.contains("dictation.base_url"));
}

#[tokio::test]
async fn doctor_asks_what_guardrails_ask_also_those_of_tenants() {
    let folder = tempfile::tempdir().unwrap();
    let model = parlor_fake_model::FakeModel::start().await;
    let there = model.base_url();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let file = format!(
        r#"
        model = {{ base_url = "{there}" }}
        auth = {{ mode = "trusted-header", trusted_header = {{ tenant = "X-Tenant" }} }}
        [[guardrails]]
        name = "secrets"
        kind = "rules"
        presets = ["secrets"]
        [[guardrails]]
        name = "kind words"
        kind = "moderation"
        [[guardrails]]
        name = "on topic"
        kind = "judge"
        rule = "It is about tea."
        base_url = "http://{closed}/v1"
        if_unavailable = "refuse"
        [[tenants.acme.guardrails]]
        name = "strict"
        kind = "moderation"
        base_url = "http://{closed}/v1"
        "#
    );
    fs::write(folder.path().join("parlor.toml"), file).unwrap();
    let mut command = parlor(folder.path());
    command.arg("doctor");
    let (code, stdout, _) = tokio::task::spawn_blocking(move || run(&mut command)).await.unwrap();
    assert_eq!(code, Some(1));
    let line = |about: &str| stdout.lines().find(|line| line.contains(about)).unwrap_or(&stdout);
    assert!(line("secrets").starts_with("ok"), "{stdout}");
    assert!(
        line("kind words").starts_with("ok") && line("kind words").contains(&there),
        "{stdout}"
    );
    for (about, meanwhile) in [("on topic", "refused"), ("strict", "passes")] {
        assert!(line(about).starts_with("PROBLEM"), "{stdout}");
        let behind = stdout.split_once(about).unwrap().1;
        assert!(behind.lines().take(2).any(|line| line.contains(meanwhile)), "{stdout}");
    }
    assert!(line("strict").contains("tenants.acme"), "{stdout}");
}

#[tokio::test]
async fn doctor_asks_an_agent_elsewhere() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let folder = tempfile::tempdir().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/agent", listener.local_addr().unwrap());
    let statuses = ["422 Unprocessable Content", "404 Not Found", "401 Unauthorized", "200 OK"];
    tokio::spawn(async move {
        for status in statuses {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4_096];
            let _ = connection.read(&mut request).await;
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
            connection.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let doctor = async |kind: &str| {
        let mut command = tokio::process::Command::from(parlor(folder.path()));
        command.env("PARLOR_AGENT__KIND", kind).env("PARLOR_AGENT__REMOTE__URL", &url);
        let Output { stdout, .. } = command.arg("doctor").output().await.unwrap();
        String::from_utf8(stdout).unwrap()
    };
    for (kind, expected) in [
        ("ag-ui", "ok       agent          AG-UI at http://"),
        ("ag-ui", "check the path of agent.remote.url"),
        ("ag-ui", "check agent.remote.headers"),
        ("webhook", "requests are not signed"),
        // Nobody listens any more.
        ("ag-ui", "and that the agent runs"),
    ] {
        let said = doctor(kind).await;
        assert!(said.contains(expected), "{expected}: {said}");
        assert!(!said.contains("quoted from the documents"), "an agent answers: {said}");
    }
    let failed = parlor(folder.path()).env("PARLOR_AGENT__KIND", "ag-ui").arg("config").output();
    let said = String::from_utf8(failed.unwrap().stderr).unwrap();
    assert!(said.contains("set agent.remote.url"), "{said}");
}

#[tokio::test]
async fn a_killed_server_has_kept_every_message_whose_event_was_received() {
    let folder = tempfile::tempdir().unwrap();
    let mut kept = Vec::new();
    let client = reqwest::Client::new();
    let create = |text: String| {
        serde_json::json!({"type": "threads.create", "params": {"input": {
            "content": [{"type": "input_text", "text": text}],
            "attachments": [], "inference_options": {},
        }}})
        .to_string()
    };
    for round in 0..5 {
        let mut command = parlor(folder.path());
        let (mut serving, url) = Serving::start(command.env("PARLOR_AUTH", "trusted-header"));
        let mut response = client
            .post(format!("{url}/chatkit"))
            .header("content-type", "application/json")
            .header("x-user-id", "ada")
            .body(create(format!("message {round}")))
            .send()
            .await
            .unwrap();
        // The first bytes are enough: the message is committed before them.
        response.chunk().await.unwrap().unwrap();
        serving.0.kill().unwrap();
        kept.push(format!("message {round}"));
    }
    let mut command = parlor(folder.path());
    let (_serving, url) = Serving::start(command.env("PARLOR_AUTH", "trusted-header"));
    let call = async |body: String| -> serde_json::Value {
        let request = client.post(format!("{url}/chatkit")).header("x-user-id", "ada");
        let request = request.header("content-type", "application/json").body(body);
        request.send().await.unwrap().json().await.unwrap()
    };
    let threads = call(r#"{"type":"threads.list","params":{"order":"asc"}}"#.to_owned()).await;
    let mut found = Vec::new();
    for thread in threads["data"].as_array().unwrap() {
        let body = serde_json::json!({"type": "items.list", "params": {"thread_id": thread["id"], "order": "asc"}});
        let items = call(body.to_string()).await;
        found.push(items["data"][0]["content"][0]["text"].as_str().unwrap().to_owned());
    }
    assert_eq!(found, kept);
}

#[test]
#[cfg(target_os = "linux")]
fn a_server_may_open_as_many_files_as_the_system_allows_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -Sn 64 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_parlor")])
        .current_dir(folder.path())
        .env_clear()
        .env("PARLOR_LISTEN", "127.0.0.1:0");
    let (server, _) = Serving::start(&mut command);
    let limits = fs::read_to_string(format!("/proc/{}/limits", server.0.id())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let values: Vec<_> = line.split_whitespace().skip(3).take(2).collect();
    assert_eq!(values[0], values[1], "{line}");
    assert_ne!(values[0], "64");
}

#[test]
fn feedback_is_exported_with_question_and_answer() {
    let folder = tempfile::tempdir().unwrap();
    let (serving, url) = Serving::start(&mut parlor(folder.path()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = reqwest::Client::new();
        let mut cookie = None;
        for (question, kind) in [("=1+1 \"quoted\"", "negative"), ("What, then?", "positive")] {
            let send = |body: String, cookie: Option<String>| {
                let request = client.post(format!("{url}/chatkit")).body(body);
                let request = request.header("content-type", "application/json");
                match cookie {
                    Some(cookie) => request.header("cookie", cookie).send(),
                    None => request.send(),
                }
            };
            let create = format!(
                r#"{{"type":"threads.create","params":{{"input":{{"content":[{{"type":"input_text","text":{question:?}}}],"attachments":[],"inference_options":{{}}}}}}}}"#
            );
            let created = send(create, cookie.clone()).await.unwrap();
            if let Some(set) = created.headers().get("set-cookie") {
                let set = set.to_str().unwrap();
                cookie = Some(set.split(';').next().unwrap().to_owned());
            }
            let stream = created.text().await.unwrap();
            let id = |prefix: &str| {
                let at = stream.rfind(prefix).unwrap();
                stream[at..].split('"').next().unwrap().to_owned()
            };
            let judge = format!(
                r#"{{"type":"items.feedback","params":{{"thread_id":"{}","item_ids":["{}"],"kind":"{kind}"}}}}"#,
                id("thr_"),
                id("msg_")
            );
            assert_eq!(send(judge, cookie.clone()).await.unwrap().status(), 200);
        }
    });
    // Also while the server runs.
    let export = |arguments: &[&str]| {
        run(parlor(folder.path()).args(["feedback", "export"]).args(arguments))
    };
    let (code, jsonl, _) = export(&[]);
    assert_eq!(code, Some(0));
    let lines: Vec<serde_json::Value> =
        jsonl.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["kind"], "negative", "oldest first");
    assert_eq!(lines[0]["question"], "=1+1 \"quoted\"");
    assert!(lines[0]["answer"].as_str().unwrap().len() > 10, "{}", lines[0]);
    assert!(lines[1]["thread_id"].as_str().unwrap().starts_with("thr_"));

    let (_, csv, _) = export(&["--format", "csv"]);
    assert!(csv.starts_with("\"given_at\",\"kind\",\"tenant\""), "{csv}");
    assert!(csv.contains(",\"'=1+1 \"\"quoted\"\"\","), "no formula, quotes doubled: {csv}");

    let (code, stdout, _) = export(&["--since", "2999-01-01", "--output", "none.jsonl"]);
    assert_eq!((code, stdout.as_str()), (Some(0), ""));
    assert_eq!(fs::read_to_string(folder.path().join("none.jsonl")).unwrap(), "");
    let (code, _, stderr) = export(&["--since", "yesterday"]);
    assert_ne!(code, Some(0));
    assert!(stderr.contains("2026-11-22"), "it says what to write: {stderr}");
    fails_with(
        parlor(folder.path()).args(["feedback", "export", "--output", "no/such/folder.csv"]),
        &["no/such/folder.csv"],
    );
    drop(serving);
}

#[test]
fn the_healthcheck_asks_the_server_of_the_same_settings() {
    let folder = tempfile::tempdir().unwrap();
    let (serving, url) = Serving::start(&mut parlor(folder.path()));
    let address = url.strip_prefix("http://").unwrap();
    let check = || {
        let mut command = parlor(folder.path());
        // A proxy of the environment is for the world outside.
        command.env("PARLOR_LISTEN", address).env("http_proxy", "http://127.0.0.1:9");
        command.arg("healthcheck");
        command
    };
    let (code, stdout, stderr) = run(&mut check());
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (Some(0), "", ""));
    drop(serving);
    fails_with(&mut check(), &[address, "does not answer"]);
}

#[test]
fn settings_in_the_files_for_deployment_are_understood() {
    let folder = tempfile::tempdir().unwrap();
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
    for file in ["parlor.env.example", "compose.env.example"] {
        let text = fs::read_to_string(deploy.join(file)).unwrap();
        let mut command = parlor(folder.path());
        for line in text.lines() {
            // Settings that are commented out are to be right, too. Prose has blanks before `=`.
            let line = line.strip_prefix("# ").unwrap_or(line);
            if let Some((name, value)) = line.split_once('=')
                && !name.contains(' ')
            {
                command.env(name, value);
            }
        }
        let (code, _, stderr) = run(command.arg("config").env("PARLOR_AUTH", "anonymous"));
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{file}");
        // The Compose file passes it on, set or not.
        let (code, _, stderr) = run(command.env("PARLOR_SERVER__PUBLIC_URL", ""));
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{file}");
    }
}

/// The status, the text and the message of `parlor extract-pdf` for a PDF.
fn extract_pdf(pdf: &[u8]) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().unwrap();
    // Whatever is configured.
    fs::write(folder.path().join("parlor.toml"), "[limits").unwrap();
    let mut child = parlor(folder.path())
        .arg("extract-pdf")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(pdf).unwrap();
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn the_text_of_a_pdf_is_taken_out_by_a_process_of_its_own() {
    let (code, text, _) = extract_pdf(&support::pdf("The kettle is hot"));
    assert_eq!(code, Some(0));
    assert!(text.contains("The kettle is hot"), "{text}");
    let (code, text, message) = extract_pdf(&support::pdf(""));
    assert_eq!((code, text.as_str()), (Some(84), ""));
    assert_eq!(message, "no text: it has no text; its pages are probably images\n");
    let (code, ..) = extract_pdf(b"no PDF at all");
    assert_eq!(code, Some(83));
}

#[tokio::test]
async fn a_pdf_that_breaks_its_parser_does_not_break_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let model = parlor_fake_model::FakeModel::start().await;
    let mut command = parlor(folder.path());
    command.env("PARLOR_AUTH", "trusted-header").env("OPENAI_BASE_URL", model.base_url());
    let (_serving, url) = Serving::start(&mut command);
    let client = reqwest::Client::new();
    for (pdf, given) in [
        (support::endless_pdf(), "could not be read"),
        (support::pdf("The kettle is hot"), "The kettle is hot"),
    ] {
        let part = reqwest::multipart::Part::bytes(pdf).file_name("report.pdf");
        let part = part.mime_str("application/pdf").unwrap();
        let form = reqwest::multipart::Form::new().part("file", part);
        let request = client.post(format!("{url}/files")).header("x-user-id", "ada");
        let file: serde_json::Value =
            request.multipart(form).send().await.unwrap().json().await.unwrap();
        let body = serde_json::json!({"type": "threads.create", "params": {"input": {
            "content": [{"type": "input_text", "text": "What is in it?"}],
            "attachments": [file["id"]], "inference_options": {},
        }}});
        let request = client.post(format!("{url}/chatkit")).header("x-user-id", "ada");
        let request = request.header("content-type", "application/json").body(body.to_string());
        let answer = request.send().await.unwrap().text().await.unwrap();
        assert!(answer.contains(": end done"), "{answer}");
        let asked = model.requests();
        assert!(asked.iter().any(|request| request.body.to_string().contains(given)), "{asked:?}");
    }
}

// What the operator does with the data of users, on both databases, beside a running server.

/// A database, the folder that the commands run in, and a server with a model.
struct Desk {
    folder: tempfile::TempDir,
    place: Option<parlor_test_postgres::Place>,
    model: parlor_fake_model::FakeModel,
    client: reqwest::Client,
    settings: Vec<(&'static str, &'static str)>,
}

impl Desk {
    async fn new(place: Option<parlor_test_postgres::Place>) -> Self {
        let model = parlor_fake_model::FakeModel::start().await;
        let (folder, client) = (tempfile::tempdir().unwrap(), reqwest::Client::new());
        Self { folder, place, model, client, settings: Vec::new() }
    }

    fn command(&self) -> Command {
        let mut command = parlor(self.folder.path());
        command.env("PARLOR_AUTH", "trusted-header").env("OPENAI_BASE_URL", self.model.base_url());
        command.env("PARLOR_TITLES__ENABLED", "false").envs(self.settings.iter().copied());
        if let Some(place) = &self.place {
            command.env("DATABASE_URL", &place.url).env("PARLOR_DATABASE_URL", &place.url);
            command.env("PARLOR_DATABASE__SCHEMA", &place.schema);
        }
        command
    }

    /// Runs a command beside what else is at work.
    async fn parlor(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = tokio::process::Command::from(self.command());
        command.args(arguments).stdin(Stdio::null());
        let Output { status, stdout, stderr } = command.output().await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code(), text(stdout), text(stderr))
    }

    async fn send(&self, url: &str, user: &str, body: &serde_json::Value) -> reqwest::Response {
        let request = self.client.post(format!("{url}/chatkit")).header("x-user-id", user);
        let request = request.header("content-type", "application/json");
        request.body(body.to_string()).send().await.unwrap()
    }

    /// A question with a file, its answer, and what the user thinks of it.
    async fn conversation(&self, url: &str, user: &str, question: &str) {
        let part = reqwest::multipart::Part::text(format!("the file of {user}"));
        let part = part.file_name(format!("of {user}.txt")).mime_str("text/plain").unwrap();
        let form = reqwest::multipart::Form::new().part("file", part);
        let request = self.client.post(format!("{url}/files")).header("x-user-id", user);
        let file: serde_json::Value =
            request.multipart(form).send().await.unwrap().json().await.unwrap();
        let stream = self.send(url, user, &create(question, &[&file["id"]])).await;
        let stream = stream.text().await.unwrap();
        assert!(stream.contains(": end done"), "{stream}");
        let id = |prefix: &str| {
            let at = stream.rfind(prefix).unwrap();
            stream[at..].split('"').next().unwrap().to_owned()
        };
        let judged = serde_json::json!({"type": "items.feedback", "params": {
            "thread_id": id("thr_"), "item_ids": [id("msg_")], "kind": "negative"}});
        assert_eq!(self.send(url, user, &judged).await.status(), 200);
    }

    /// Has a user connect a server of tools.
    fn connected(&self, user: &str) {
        let columns = "grants (tenant_id, user_id, name, server, sealed, revision, granted_at)";
        let whose = format!("'default', '{user}', 'crm'");
        match &self.place {
            Some(place) => {
                let bytes = |count| format!("decode(repeat('07', {count}), 'hex')");
                let (server, sealed) = (bytes(32), bytes(16));
                let sql = format!(
                    "INSERT INTO {}.{columns} VALUES ({whose}, {server}, {sealed}, {sealed}, now())",
                    place.schema
                );
                parlor_test_postgres::Server::shared().admin(&sql).unwrap();
            }
            None => {
                let database = self.folder.path().join("parlor.db");
                let database = rusqlite::Connection::open(database).unwrap();
                database.busy_timeout(std::time::Duration::from_secs(30)).unwrap();
                let sql = format!(
                    "INSERT INTO {columns} VALUES ({whose}, zeroblob(32), x'07', zeroblob(16), 0)"
                );
                database.execute(&sql, []).unwrap();
            }
        }
    }

    /// Everything in every table, but for the audit log's own words, and the names and bytes of
    /// all files in the folder.
    fn everything(&self) -> String {
        let mut all = String::new();
        match &self.place {
            Some(place) => {
                let admin = |sql: &str| parlor_test_postgres::Server::shared().admin(sql).unwrap();
                let schema = &place.schema;
                let tables = admin(&format!(
                    "SELECT string_agg(tablename, ',') FROM pg_tables WHERE schemaname = '{schema}'"
                ));
                assert!(tables.contains("visitor_moves"), "{tables}");
                for table in tables.trim().split(',') {
                    all += &admin(&format!(
                        "SELECT coalesce(string_agg(t::text, ' '), '') FROM {schema}.{table} t"
                    ));
                }
            }
            None => {
                let stored = tables::everything_in(&self.folder.path().join("parlor.db"));
                all = String::from_utf8_lossy(&stored).into_owned();
            }
        }
        all
    }

    /// The names of all files below the folder, and what is in them.
    fn files(&self) -> String {
        fn walk(folder: &Path, all: &mut String) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                *all += &format!("{} ", path.display());
                if path.is_dir() {
                    walk(&path, all);
                } else {
                    *all += &String::from_utf8_lossy(&fs::read(&path).unwrap());
                }
            }
        }
        let mut all = String::new();
        walk(self.folder.path(), &mut all);
        all
    }
}

fn create(question: &str, attachments: &[&serde_json::Value]) -> serde_json::Value {
    serde_json::json!({"type": "threads.create", "params": {"input": {
        "content": [{"type": "input_text", "text": question}],
        "attachments": attachments, "inference_options": {},
    }}})
}

fn read(path: impl AsRef<Path>) -> serde_json::Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

async fn a_user_is_exported_and_then_forgotten(desk: Desk) {
    let (serving, url) = Serving::start(&mut desk.command());
    for (user, question) in [
        ("user-of-ada", "first of ada"),
        ("user-of-ada", "second of ada # <b>"),
        ("user-of-bob", "question of bob"),
    ] {
        desk.conversation(&url, user, question).await;
    }

    desk.connected("user-of-ada");
    let (code, stdout, stderr) =
        desk.parlor(&["users", "export", "user-of-ada", "--output", "as-json"]).await;
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains("2 threads") && stdout.contains("2 files"), "{stdout}");
    let folder = desk.folder.path().join("as-json");
    let summary = read(folder.join("user.json"));
    assert_eq!(summary["user"], "user-of-ada");
    assert_eq!(summary["counts"]["feedback"], 2);
    let threads = read(folder.join("threads.json"));
    let second = read(folder.join(threads[1]["path"].as_str().unwrap()));
    assert_eq!(second["items"][0]["content"][0]["text"], "second of ada # <b>");
    assert_eq!(second["items"].as_array().unwrap().len(), 2);
    assert_eq!(second["feedback"][0]["kind"], "negative");
    let files = read(folder.join("files.json"));
    let kept = fs::read_to_string(folder.join(files[0]["path"].as_str().unwrap())).unwrap();
    assert_eq!(kept, "the file of user-of-ada");
    assert_eq!(read(folder.join("sign_ins.json")), serde_json::json!([]));
    let connected = read(folder.join("connected.json"));
    assert_eq!(connected[0]["name"], "crm");
    assert_eq!(connected[0].as_object().unwrap().len(), 2, "no tokens: {connected}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o077, 0);
    }
    let (code, _, stderr) =
        desk.parlor(&["users", "export", "user-of-ada", "--output", "as-json"]).await;
    assert_eq!(code, Some(1));
    assert!(stderr.contains("as-json") && stderr.contains("not empty"), "{stderr}");

    let markdown = ["--format", "markdown", "--output", "as-text"];
    let (code, _, stderr) =
        desk.parlor(&[&["users", "export", "user-of-ada"][..], &markdown].concat()).await;
    assert_eq!(code, Some(0), "{stderr}");
    let folder = desk.folder.path().join("as-text");
    let index = fs::read_to_string(folder.join("index.md")).unwrap();
    assert!(index.starts_with("# What is kept of user-of-ada\n"), "{index}");
    let first = index.split("](<threads/").nth(1).unwrap().split('>').next().unwrap();
    let page = fs::read_to_string(folder.join("threads").join(first)).unwrap();
    assert!(page.contains("> first of ada") && page.contains("**Assistant**"), "{page}");
    assert!(page.contains("*Found not good"), "{page}");
    let file = page.split("](<../").nth(1).unwrap().split('>').next().unwrap();
    assert!(folder.join(file).is_file(), "the link leads to the file: {file}");
    let exported = desk.files();
    assert!(!exported.contains("the file of user-of-bob") || !index.contains("bob"));
    for folder in ["as-json", "as-text"] {
        fs::remove_dir_all(desk.folder.path().join(folder)).unwrap();
    }

    // She was a visitor before, and something of that was still to become hers.
    desk.conversation(&url, "visitor:of-ada", "left by a visitor").await;
    let left = "visitor_moves (tenant_id, visitor_id, user_id, moved_at) VALUES ('default', \
                'visitor:of-ada', 'user-of-ada',";
    match &desk.place {
        Some(place) => {
            let sql = format!("INSERT INTO {}.{left} now())", place.schema);
            parlor_test_postgres::Server::shared().admin(&sql).unwrap();
        }
        None => {
            let database = desk.folder.path().join("parlor.db");
            let database = rusqlite::Connection::open(database).unwrap();
            database.busy_timeout(std::time::Duration::from_secs(30)).unwrap();
            database.execute(&format!("INSERT INTO {left} 0)"), []).unwrap();
        }
    }

    let (code, _, stderr) = desk.parlor(&["users", "delete", "user-of-ada"]).await;
    assert_eq!(code, Some(1));
    assert!(stderr.contains("--yes"), "{stderr}");
    assert!(desk.everything().contains("user-of-ada"));
    for stranger in [&["user-of-eve"][..], &["user-of-ada", "--tenant", "elsewhere"]] {
        for what in ["export", "delete"] {
            let (code, _, stderr) = desk.parlor(&[&["users", what][..], stranger].concat()).await;
            assert_eq!(code, Some(1));
            assert!(stderr.contains("nothing is kept") && stderr.contains("--tenant"), "{stderr}");
        }
    }

    // An answer is under way in the server: it does not bring her back.
    let behaviour = parlor_fake_model::Behaviour::new().when("third of ada");
    desk.model.push(behaviour.text("half ").hold("middle").text("whole"));
    let body = create("third of ada", &[]);
    let following = async { desk.send(&url, "user-of-ada", &body).await.text().await.unwrap() };
    let deleting = async {
        desk.model.hold_reached("middle").await;
        let deleted = desk.parlor(&["users", "delete", "user-of-ada", "--yes"]).await;
        desk.model.release("middle");
        deleted
    };
    let (stream, (code, stdout, stderr)) = tokio::join!(following, deleting);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains("4 threads") && stdout.contains("3 files"), "{stdout}");
    assert!(!stream.contains(": end done"), "{stream}");

    let (everything, files) = (desk.everything(), desk.files());
    for trace in [
        "user-of-ada",
        "first of ada",
        "second of ada",
        "third of ada",
        "visitor:of-ada",
        "left by",
    ] {
        assert!(!everything.contains(trace), "a table still has `{trace}`");
        assert!(!files.contains(trace), "a file still has `{trace}`");
    }
    for kept in ["user-of-bob", "question of bob"] {
        assert!(everything.contains(kept), "{kept} is gone as well");
    }
    assert!(files.contains("the file of user-of-bob"));

    let (code, stdout, _) = desk.parlor(&["audit"]).await;
    assert_eq!(code, Some(0));
    let lines: Vec<_> = stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{stdout}");
    assert!(lines[0].contains("users.export") && lines[2].contains("users.delete"), "{stdout}");
    assert!(lines[2].contains("4 threads"), "{stdout}");
    let (_, stdout, _) = desk.parlor(&["audit", "--user", "user-of-ada", "--format", "json"]).await;
    let acts: Vec<serde_json::Value> =
        stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(acts.len(), 3, "she is found by whoever knows her id");
    assert_eq!(acts[2]["counts"]["feedback"], 3);
    let (_, stdout, _) = desk.parlor(&["audit", "--user", "user-of-bob"]).await;
    assert_eq!(stdout, "");
    let (_, stdout, _) = desk.parlor(&["audit", "--since", "2999-01-01"]).await;
    assert_eq!(stdout, "");

    // She may come back as somebody new.
    desk.conversation(&url, "user-of-ada", "hello again").await;
    drop(serving);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_deletion_nothing_in_sqlite_or_the_folder_names_the_user() {
    a_user_is_exported_and_then_forgotten(Desk::new(None).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_deletion_nothing_in_postgresql_or_the_folder_names_the_user() {
    let place = parlor_test_postgres::Server::shared().place();
    a_user_is_exported_and_then_forgotten(Desk::new(Some(place)).await).await;
}

impl Desk {
    /// Has all that a user has said and sent happen so many days earlier.
    fn age(&self, user: &str, days: u32) {
        let columns = [
            ("threads", "created_at"),
            ("turns", "started_at"),
            ("turns", "ended_at"),
            ("attachments", "created_at"),
        ];
        for (table, column) in columns {
            match &self.place {
                Some(place) => {
                    let sql = format!(
                        "UPDATE {}.{table} SET {column} = {column} - interval '{days} days' WHERE \
                         user_id = '{user}'",
                        place.schema
                    );
                    parlor_test_postgres::Server::shared().admin(&sql).unwrap();
                }
                None => {
                    let database = self.folder.path().join("parlor.db");
                    let database = rusqlite::Connection::open(database).unwrap();
                    database.busy_timeout(std::time::Duration::from_secs(30)).unwrap();
                    let micros = i64::from(days) * 24 * 60 * 60 * 1_000_000;
                    let sql = format!(
                        "UPDATE {table} SET {column} = {column} - {micros} WHERE user_id = ?1"
                    );
                    database.execute(&sql, [user]).unwrap();
                }
            }
        }
    }
}

async fn what_is_old_goes(mut desk: Desk) {
    let (serving, url) = Serving::start(&mut desk.command());
    for user in ["old-user", "file-user", "new-user"] {
        desk.conversation(&url, user, &format!("question of {user}")).await;
    }
    drop(serving);
    desk.age("old-user", 40);
    desk.age("file-user", 20);
    let (code, _, stderr) = desk.parlor(&["retention", "--dry-run"]).await;
    assert_eq!(code, Some(1));
    assert!(stderr.contains("retention.threads_days"), "{stderr}");

    desk.settings =
        vec![("PARLOR_RETENTION__THREADS_DAYS", "30"), ("PARLOR_RETENTION__FILES_DAYS", "10")];
    for _ in 0..2 {
        let (code, stdout, stderr) = desk.parlor(&["retention", "--dry-run"]).await;
        assert_eq!(code, Some(0), "{stderr}");
        assert!(stdout.starts_with("default: 1 conversations with their files"), "{stdout}");
        assert!(stdout.contains("; 2 files (41 bytes), the oldest of "), "{stdout}");
    }
    let before = (desk.everything(), desk.files());
    assert!(before.0.contains("old-user") && before.1.contains("the file of old-user"));

    let (code, stdout, stderr) = desk.parlor(&["retention"]).await;
    assert_eq!(
        (code, stdout.as_str()),
        (Some(0), "Deleted: 1 conversations, 2 files\n"),
        "{stderr}"
    );
    let (everything, files) = (desk.everything(), desk.files());
    assert!(!everything.contains("old-user"));
    assert!(everything.contains("question of file-user"), "the message stays");
    for (user, is_there) in [("old-user", false), ("file-user", false), ("new-user", true)] {
        assert_eq!(files.contains(&format!("the file of {user}")), is_there, "{user}");
    }
    let (_, stdout, _) = desk.parlor(&["retention", "--dry-run"]).await;
    assert_eq!(stdout, "Nothing is old enough.\n");
    let (_, stdout, _) = desk.parlor(&["audit"]).await;
    assert!(stdout.contains("retention      tenant default by "), "{stdout}");
    assert!(stdout.ends_with(": 2 files, 1 threads\n"), "{stdout}");

    // A server does it by itself.
    desk.age("new-user", 31);
    let (serving, _) = Serving::start(&mut desk.command());
    for attempt in 0.. {
        let is_there =
            desk.everything().contains("new-user") || desk.files().contains("the file of new-user");
        if !is_there {
            break;
        }
        assert!(attempt < 600, "a server has not deleted it within 60 seconds");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let (_, stdout, _) = desk.parlor(&["audit"]).await;
    assert!(stdout.ends_with("tenant default by server: 1 files, 1 threads\n"), "{stdout}");
    drop(serving);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_old_goes_from_sqlite() {
    what_is_old_goes(Desk::new(None).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_old_goes_from_postgresql() {
    let place = parlor_test_postgres::Server::shared().place();
    what_is_old_goes(Desk::new(Some(place)).await).await;
}

#[tokio::test]
async fn documents_go_into_postgresql_and_those_in_a_former_file_are_used_until_then() {
    let desk = Desk::new(Some(parlor_test_postgres::Server::shared().place())).await;
    fs::create_dir(desk.folder.path().join("docs")).unwrap();
    let page = desk.folder.path().join("docs/tea.md");
    fs::write(&page, "# Tea\n\nSteep oolong for a minute.\n").unwrap();
    // As an earlier version left it.
    let mut former = desk.command();
    former.env("PARLOR_SEARCH__FILE", "parlor-index.db").args(["ingest", "docs"]);
    assert_eq!(run(&mut former).0, Some(0));

    // Answers quote documents where there is no model.
    let mut quoting = desk.command();
    let (_server, url) = Serving::start(quoting.env_remove("OPENAI_BASE_URL"));
    let answer = async || {
        desk.send(&url, "ada", &create("How long does oolong steep?", &[])).await.text().await
    };
    let (_, said, _) = desk.parlor(&["doctor"]).await;
    assert!(said.contains("parlor-index.db") && said.contains("parlor ingest"), "{said}");
    assert!(answer().await.unwrap().contains("for a minute"));

    fs::write(&page, "# Tea\n\nSteep oolong for an hour.\n").unwrap();
    let (code, said, trouble) = desk.parlor(&["ingest", "docs"]).await;
    assert_eq!(code, Some(0), "{said}{trouble}");
    assert!(said.contains("1 added"), "{said}");
    let found = answer().await.unwrap();
    assert!(found.contains("for an hour") && !found.contains("for a minute"), "{found}");
    let (_, said, _) = desk.parlor(&["doctor"]).await;
    assert!(said.contains("1 documents in 1 passages"), "{said}");
    assert!(!said.contains("parlor-index.db"), "{said}");
}
