//! HTTP tools, against a server that writes down what it is asked.

use std::sync::{Arc, Mutex};

use futures::StreamExt as _;
use parlor_agent::{
    AgentResponder, ModelApi, PromptConfig,
    tools::{
        CallerToken, HeaderTemplates, HttpTool, HttpToolClient, Parameter, Place, ToolSettings,
        Toolbox,
    },
};
use parlor_chatkit::{Extension, Identity, Owner, RequestOptions, Response, UserId};
use parlor_fake_model::{Behaviour, FakeModel};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::{Chat, client, message};

/// What a request asked for: its head and its body.
type Seen = Arc<Mutex<Vec<String>>>;

/// A server that answers by path, whatever it is asked.
async fn server(answers: &'static [(&'static str, &'static str)]) -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let seen = Seen::default();
    let written = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            loop {
                let read = socket.read(&mut buffer).await.unwrap_or(0);
                request.extend_from_slice(&buffer[..read]);
                let text = String::from_utf8_lossy(&request);
                let Some((head, body)) = text.split_once("\r\n\r\n") else {
                    if read == 0 {
                        break;
                    }
                    continue;
                };
                let length = head
                    .to_ascii_lowercase()
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
                if read == 0 || body.len() >= length.unwrap_or(0) {
                    break;
                }
            }
            let request = String::from_utf8_lossy(&request).into_owned();
            let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
            written.lock().unwrap().push(request);
            let answer = answers.iter().find(|(start, _)| path.starts_with(start));
            let answer = answer.map_or("HTTP/1.1 404 Not Found\r\n\r\nnothing here", |(_, a)| *a);
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            let length = body.len();
            let whole =
                format!("{head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
            let _ = socket.write_all(whole.as_bytes()).await;
        }
    });
    (address, seen)
}

fn parameter(name: &str, place: Place) -> Parameter {
    let required = place == Place::Path;
    Parameter { name: name.to_owned(), place, required, schema: json!({"type": "string"}) }
}

fn tool(name: &str, method: &str, url: String, parameters: Vec<Parameter>) -> HttpTool {
    let client = HttpToolClient::new().unwrap();
    HttpTool::new(&client, name, "", method.parse().unwrap(), url, parameters).unwrap()
}

fn results(model: &FakeModel) -> Vec<String> {
    let body = model.requests().last().unwrap().body.clone();
    let items = body["input"].as_array().unwrap();
    items.iter().filter_map(|item| item["output"].as_str()).map(str::to_owned).collect()
}

async fn chat(model: &FakeModel, tools: impl IntoIterator<Item = HttpTool>) -> Chat {
    let model = client(model, ModelApi::Responses);
    let responder = AgentResponder::new(None, Some(model), PromptConfig::default());
    Chat::with(responder.tools(Toolbox::new(tools).unwrap()).unwrap()).await
}

#[tokio::test]
async fn a_request_is_made_of_the_arguments_and_its_answer_is_told() {
    let (address, seen) = server(&[
        ("/orders/A-1", "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"state\": \"sent\"}"),
        ("/notes", "HTTP/1.1 204 No Content\r\n\r\n"),
        ("/page", "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n<main><h1>Hi</h1><p>there</p></main>"),
        ("/image", "HTTP/1.1 200 OK\r\ncontent-type: image/png\r\n\r\nPNG"),
    ])
    .await;
    let model = FakeModel::start().await;
    let tools = [
        tool(
            "order",
            "GET",
            format!("{address}/orders/{{number}}"),
            vec![parameter("number", Place::Path), parameter("lines", Place::Query)],
        ),
        tool("note", "POST", format!("{address}/notes"), vec![parameter("text", Place::Body)]),
        tool("page", "GET", format!("{address}/page"), vec![]),
        tool("image", "GET", format!("{address}/image"), vec![]),
        tool("gone", "GET", format!("{address}/gone"), vec![]),
        tool("down", "GET", "http://127.0.0.1:1/".to_owned(), vec![]),
    ];
    let chat = chat(&model, tools).await;
    model.push(
        Behaviour::new()
            .tool_call("order", json!({"number": "A-1", "lines": "all"}))
            .tool_call("note", json!({"text": "Ring twice."}))
            .tool_call("page", json!({}))
            .tool_call("image", json!({}))
            .tool_call("gone", json!({}))
            .tool_call("down", json!({})),
    );
    model.push(Behaviour::new().text("Done."));
    assert_eq!(chat.say(None, "x").await.text(), "Done.");
    let told = results(&model);
    assert!(told[0].contains("{\"state\": \"sent\"}"), "{}", told[0]);
    assert!(told[1].contains("Done (status 204)"), "{}", told[1]);
    assert!(told[2].contains("# Hi"), "{}", told[2]);
    assert!(told[3].contains("image/png, which is no text"), "{}", told[3]);
    assert!(told[4].contains("status 404") && told[4].contains("nothing here"), "{}", told[4]);
    assert_eq!(told[5], "Error: The server did not answer.");
    let seen = seen.lock().unwrap();
    assert!(seen.iter().any(|seen| seen.starts_with("GET /orders/A-1?lines=all ")), "{seen:?}");
    let note = seen.iter().find(|seen| seen.starts_with("POST /notes ")).unwrap();
    assert!(note.ends_with("{\"text\":\"Ring twice.\"}"), "{note}");
}

#[tokio::test]
async fn redirections_lead_to_no_other_server_and_take_nothing_there() {
    let (elsewhere, seen_there) = server(&[]).await;
    let location = format!("HTTP/1.1 302 Found\r\nlocation: {elsewhere}/steal\r\n\r\n");
    let away: &'static str = location.leak();
    let answers = vec![
        ("/away", away),
        ("/here", "HTTP/1.1 302 Found\r\nlocation: /there\r\n\r\n"),
        ("/there", "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\narrived"),
    ];
    let (address, _) = server(answers.leak()).await;
    let model = FakeModel::start().await;
    let secret = HeaderTemplates::default().with("Authorization", &"Bearer s3cret".into()).unwrap();
    let tools = ["away", "here"]
        .map(|name| tool(name, "GET", format!("{address}/{name}"), vec![]).headers(secret.clone()));
    let chat = chat(&model, tools).await;
    model.push(Behaviour::new().tool_call("away", json!({})).tool_call("here", json!({})));
    model.push(Behaviour::new().text("Done."));
    chat.say(None, "x").await;
    let told = results(&model);
    assert!(told[0].contains("status 302"), "{}", told[0]);
    assert!(told[1].contains("arrived"), "{}", told[1]);
    assert!(seen_there.lock().unwrap().is_empty());
}

#[tokio::test]
async fn long_answers_are_cut_and_slow_servers_given_up() {
    let long = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n{}",
        "x".repeat(5 * 1024 * 1024)
    );
    let (address, _) = server(vec![("/long", &*long.leak())].leak()).await;
    // Takes connections and never says anything.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silence = format!("http://{}/", silent.local_addr().unwrap());
    let model = FakeModel::start().await;
    let settings = ToolSettings {
        max_result_chars: 1_000,
        timeout: std::time::Duration::from_secs(2),
        ..ToolSettings::default()
    };
    let tools = [
        tool("long", "GET", format!("{address}/long"), vec![]).with_settings(settings.clone()),
        tool("silent", "GET", silence, vec![]).with_settings(settings),
    ];
    let chat = chat(&model, tools).await;
    model.push(Behaviour::new().tool_call("long", json!({})).tool_call("silent", json!({})));
    model.push(Behaviour::new().text("Done."));
    chat.say(None, "x").await;
    let told = results(&model);
    assert!(told[0].len() < 2_000 && told[0].contains("cut off"), "{}", told[0].len());
    assert!(told[1].contains("took too long"), "{}", told[1]);
}

#[tokio::test]
async fn each_call_carries_the_credentials_of_its_own_user_and_no_prompt_has_them() {
    let (address, seen) =
        server(&[("/me", "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\nfine")]).await;
    let model = FakeModel::start().await;
    let headers = HeaderTemplates::default()
        .with("Authorization", &"Bearer {user.token}".into())
        .unwrap()
        .with("X-User", &"{user.id}".into())
        .unwrap();
    let me = tool("me", "GET", format!("{address}/me"), vec![]).headers(headers);
    let chat = &chat(&model, [me]).await;
    let users = ["ada", "grace", "joan"];
    for user in users {
        model.push(Behaviour::new().when(user).tool_call("me", json!({})));
    }
    model.push(Behaviour::new().text("Done.").times(0));
    let answers = users.map(|user| async move {
        let owner = Owner::single_tenant(UserId::new(user));
        let body = message(None, user, json!({})).to_string();
        let token = CallerToken(format!("token-of-{user}").into());
        // The last one has not signed in.
        let extension = if user == "joan" { Extension::default() } else { Extension::new(token) };
        let options = RequestOptions { extension, ..RequestOptions::default() };
        let answer =
            chat.chatkit.handle(owner, &Identity::default(), body.as_bytes(), options).await;
        let Ok(Response::Stream { mut events, .. }) = answer else { panic!("no stream") };
        let mut all = Vec::new();
        while let Some(frame) = events.next().await {
            all.extend_from_slice(&frame);
        }
        String::from_utf8(all).unwrap()
    });
    let answers = futures::future::join_all(answers).await;
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 2, "{seen:?}");
    for user in ["ada", "grace"] {
        let own = seen.iter().find(|seen| seen.contains(&format!("x-user: {user}"))).unwrap();
        assert!(own.contains(&format!("authorization: Bearer token-of-{user}\r\n")), "{own}");
    }
    let prompts: Vec<Value> = model.requests().iter().map(|request| request.body.clone()).collect();
    let prompts = json!(prompts).to_string();
    assert!(prompts.contains("they are not") && !prompts.contains("token-of"), "{prompts}");
    assert!(answers.iter().all(|answer| !answer.contains("token-of")));
}
