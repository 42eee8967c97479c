//! What strangers send to the server, over HTTP: files and tokens.

use std::{
    sync::{LazyLock, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use parlor_server::{
    Server,
    config::{AuthMode, Config, Jwt},
};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use sha2::Sha256;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::{bytes::Choices, engine::folder};

/// A server in this process, which lives as long as it.
struct Running {
    runtime: Runtime,
    client: Client,
    url: String,
    _folder: TempDir,
}

impl Running {
    fn start(change: impl FnOnce(&mut Config)) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let folder = folder();
        let mut config = Config {
            listen: ([127, 0, 0, 1], 0).into(),
            database_url: format!("sqlite://{}/parlor.db", folder.path().display()),
            ..Config::default()
        };
        config.search.enabled = false;
        change(&mut config);
        let server = runtime.block_on(Server::from_config(&config)).unwrap();
        let url = format!("http://{}", server.local_addr().unwrap());
        runtime.spawn(server.run(std::future::pending()));
        Self { runtime, client: Client::new(), url, _folder: folder }
    }
}

const BOUNDARY: &str = "cut-here";

/// Any bytes as a form, and any bytes as a file in a sound form or after an announcement: taken as
/// what they are, or refused with a reason; never an internal error. What was taken is given back
/// to the byte, to nobody else, and can be deleted.
pub fn upload(bytes: &[u8]) {
    static SERVER: LazyLock<Running> = LazyLock::new(|| {
        Running::start(|config| {
            config.auth.mode = Some(AuthMode::TrustedHeader);
            config.files.max_bytes = 20_000;
            config.files.types =
                ["image/*", "application/*", "text/*", "video/mp4"].map(ToOwned::to_owned).to_vec();
        })
    });
    let mut choices = Choices::new(bytes);
    let said = choices.one_of(&[
        "",
        "text/plain",
        "application/pdf",
        "image/png",
        "application/json",
        "image/svg+xml",
        "application/x-own",
        "application/octet-stream",
        "application/zip",
        "image/gif",
        "image/webp",
        "image/jpeg",
        "video/mp4",
    ]);
    let way = choices.below(3);
    let name = if way == 0 { String::new() } else { choices.text() };
    let content = choices.rest();
    SERVER.runtime.block_on(async {
        let file = match way {
            0 => form(&SERVER, content.to_vec()).await,
            1 => form(&SERVER, in_form(&name, said, content)).await,
            _ => announced(&SERVER, &name, said, content).await,
        };
        if let Some(file) = file {
            // One that has the form's boundary in it ends there.
            let boundary = format!("--{BOUNDARY}");
            let ends = content.windows(boundary.len()).any(|text| text == boundary.as_bytes());
            let whole = way == 2 || (way == 1 && !ends);
            given_back(&SERVER, &file, whole.then_some(content)).await;
        }
    });
}

fn in_form(name: &str, said: &str, content: &[u8]) -> Vec<u8> {
    let name: String = name.chars().filter(|c| !matches!(c, '"' | '\r' | '\n' | '\\')).collect();
    let mut form = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n"
    );
    if !said.is_empty() {
        form.push_str(&format!("Content-Type: {said}\r\n"));
    }
    let end = format!("\r\n--{BOUNDARY}--\r\n");
    [form.as_bytes(), b"\r\n", content, end.as_bytes()].concat()
}

/// Sends a form; gives the file, if it was taken.
async fn form(server: &Running, form: Vec<u8>) -> Option<Value> {
    let request = server.client.post(format!("{}/files", server.url)).header("x-user-id", "ada");
    let request =
        request.header("content-type", format!("multipart/form-data; boundary={BOUNDARY}"));
    taken(request.body(form).send().await.unwrap()).await
}

/// Announces a file and sends its bytes; gives it, if it was taken.
async fn announced(server: &Running, name: &str, said: &str, content: &[u8]) -> Option<Value> {
    let params = json!({"name": name, "size": content.len(), "mime_type": said});
    let file = call(server, "attachments.create", params).await?;
    let descriptor = &file["upload_descriptor"];
    let mut request = server.client.put(descriptor["url"].as_str().unwrap());
    for (name, value) in descriptor["headers"].as_object().unwrap() {
        request = request.header(name, value.as_str().unwrap());
    }
    taken(request.body(content.to_vec()).send().await.unwrap()).await
}

async fn call(server: &Running, operation: &str, params: Value) -> Option<Value> {
    let body = json!({"type": operation, "params": params}).to_string();
    let request = server.client.post(format!("{}/chatkit", server.url));
    let request = request.header("x-user-id", "ada").header("content-type", "application/json");
    taken(request.body(body).send().await.unwrap()).await
}

/// The answer, or `None` when the request was refused as one should be.
async fn taken(response: Response) -> Option<Value> {
    let status = response.status();
    let body = response.text().await.unwrap();
    let body: Value = serde_json::from_str(&body).unwrap_or_else(|_| panic!("{status} {body}"));
    if status == StatusCode::OK {
        return Some(body);
    }
    assert!(status.is_client_error(), "{status} {body}");
    assert!(body["error"]["code"].is_string() && body["error"]["message"].is_string(), "{body}");
    None
}

/// A file that was taken is what was sent, is nobody else's, and goes when it is deleted.
async fn given_back(server: &Running, file: &Value, content: Option<&[u8]>) {
    assert_eq!(file["upload_descriptor"], Value::Null, "{file}");
    let address = format!("{}/files/{}", server.url, file["id"].as_str().unwrap());
    let get = async |user: &str| {
        server.client.get(&address).header("x-user-id", user).send().await.unwrap()
    };
    assert_eq!(get("eve").await.status(), StatusCode::NOT_FOUND);
    let response = get("ada").await;
    assert_eq!(response.status(), StatusCode::OK, "{file}");
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    let kept = response.bytes().await.unwrap();
    assert!(!kept.is_empty() && kept.len() <= 20_000, "{} bytes were kept", kept.len());
    if let Some(content) = content {
        assert_eq!(kept, content, "{file}");
    }
    if file["type"] == "image" {
        let preview = format!("{address}/preview");
        let preview = server.client.get(preview).header("x-user-id", "ada").send().await.unwrap();
        assert_eq!(preview.status(), StatusCode::OK, "an image has a preview: {file}");
    }
    let deleted = call(server, "attachments.delete", json!({"attachment_id": file["id"]})).await;
    assert_eq!(deleted, Some(json!({})));
    assert_eq!(get("ada").await.status(), StatusCode::NOT_FOUND);
}

const SECRET: &str = "a secret of the fuzzers, of more than 32 bytes";

/// Any bytes as a token, and any header and claims in a token that is signed as it should be: the
/// caller is whom the claims name and nobody else, or has to sign in; never an internal error.
pub fn token(bytes: &[u8]) {
    static SERVER: LazyLock<Running> = LazyLock::new(|| {
        Running::start(|config| {
            config.auth.mode = Some(AuthMode::Jwt);
            config.auth.jwt = Some(Jwt {
                audience: vec!["parlor".to_owned()],
                secret: Some(SECRET.to_owned().into()),
                ..Jwt::default()
            });
            config.files.enabled = false;
        })
    });
    // One at a time: they share the threads that they list.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut choices = Choices::new(bytes);
    let (token, claims) = match choices.below(4) {
        0 => (choices.rest().to_vec(), None),
        1 => {
            let header = choices.text();
            (signed(header.as_bytes(), choices.rest()), None)
        }
        2 => {
            let mut claims = claims();
            let name = choices.one_of(&["sub", "exp", "aud", "nbf", "iat", "iss", "name", "roles"]);
            let value = choices.rest();
            claims[name] = serde_json::from_slice(value)
                .unwrap_or_else(|_| String::from_utf8_lossy(value).into());
            (signed(br#"{"alg":"HS256","typ":"JWT"}"#, claims.to_string().as_bytes()), Some(claims))
        }
        _ => {
            // A sound one that was changed in one place.
            let mut token =
                signed(br#"{"alg":"HS256","typ":"JWT"}"#, claims().to_string().as_bytes());
            let at = usize::from(choices.byte()) * token.len() / 256;
            let with = choices.byte();
            let changed = token[at] != with;
            token[at] = with;
            (token, (!changed).then(claims))
        }
    };
    let value = [b"Bearer ".as_slice(), &token].concat();
    // What no HTTP client can send is not sent.
    let Ok(value) = reqwest::header::HeaderValue::from_bytes(&value) else { return };
    SERVER.runtime.block_on(async {
        let body = json!({"type": "threads.list", "params": {}}).to_string();
        let request = SERVER.client.post(format!("{}/chatkit", SERVER.url));
        let request = request.header("content-type", "application/json");
        let request = request.header("authorization", value.clone());
        let response = request.body(body.clone()).send().await.unwrap();
        let status = response.status();
        let Some(_) = taken(response).await else {
            // Headers may also be larger than any server reads.
            let known = [StatusCode::UNAUTHORIZED, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE];
            assert!(known.contains(&status), "{status}");
            return;
        };
        // Whom does the server take the caller for? It refuses those who say another name.
        let Some(claims) = claims else { return };
        let user = match &claims["sub"] {
            Value::String(user) => user.clone(),
            Value::Number(user) => user.to_string(),
            other => panic!("{other} is nobody's id"),
        };
        // Headers lose the blanks around them.
        if user.trim_ascii() != user || user == "somebody else" {
            return;
        }
        for (user, expected) in
            [(user.as_bytes(), StatusCode::OK), (b"somebody else", StatusCode::FORBIDDEN)]
        {
            let Ok(user) = reqwest::header::HeaderValue::from_bytes(user) else { continue };
            let request = SERVER.client.post(format!("{}/chatkit", SERVER.url));
            let request = request.header("content-type", "application/json");
            let request = request.header("authorization", value.clone()).header("x-user-id", user);
            let status = request.body(body.clone()).send().await.unwrap().status();
            assert_eq!(status, expected, "{claims}");
        }
    });
}

fn claims() -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    json!({"aud": "parlor", "sub": "ada", "exp": now + 3600, "name": "Ada", "roles": ["editor"]})
}

/// A token of these parts, with a signature that fits.
fn signed(header: &[u8], claims: &[u8]) -> Vec<u8> {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(message.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    format!("{message}.{signature}").into_bytes()
}
