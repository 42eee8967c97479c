//! `/files`: what is taken, what is refused, and who gets it back.

use std::{
    io::Cursor,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use parlor_server::config::{Config, Files};
use reqwest::{
    Client, Response, StatusCode,
    header::HeaderMap,
    multipart::{Form, Part},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::app::{Stream, TestApp, User, input};

const MAX: u64 = 100_000;

/// A server that takes small files only.
async fn start() -> TestApp {
    TestApp::with(small).await
}

fn small(config: &mut Config) {
    config.files.max_bytes = MAX;
    config.files.max_per_message = 2;
}

/// The files on the disk, by their paths.
pub(crate) fn on_disk(app: &TestApp) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![app.folder.path().join("parlor.files")];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// Waits until the disk is as it should be: what a connection that broke off leaves is deleted
/// when the server notices.
pub(crate) async fn until_on_disk(app: &TestApp, count: usize) {
    while on_disk(app).len() != count {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let image = image::RgbImage::from_pixel(width, height, image::Rgb([200, 30, 30]));
    image.write_to(&mut Cursor::new(&mut bytes), image::ImageFormat::Png).unwrap();
    bytes
}

/// Somebody with files.
struct Sender {
    user: User,
    id: String,
    url: String,
    client: Client,
}

impl Sender {
    fn new(app: &TestApp, id: &str) -> Self {
        let client = Client::builder().redirect(reqwest::redirect::Policy::none());
        Self {
            user: app.user(id),
            id: id.to_owned(),
            url: app.url.clone(),
            client: client.build().unwrap(),
        }
    }

    async fn post(&self, form: Form) -> Response {
        let request = self.client.post(format!("{}/files", self.url)).multipart(form);
        request.header("x-user-id", &self.id).send().await.unwrap()
    }

    async fn upload(&self, name: &str, mime_type: &str, bytes: impl Into<Vec<u8>>) -> Response {
        self.post(Form::new().part("file", part(name, mime_type, bytes))).await
    }

    /// Uploads a text; gives the attachment.
    async fn text(&self, name: &str, text: &str) -> Value {
        let response = self.upload(name, "text/plain", text).await;
        assert_eq!(response.status(), 200);
        response.json().await.unwrap()
    }

    /// Announces a file; gives the attachment, with where to send the bytes.
    async fn announce(&self, name: &str, mime_type: &str, size: usize) -> Value {
        let params = json!({"name": name, "size": size, "mime_type": mime_type});
        let (status, attachment) = self.user.json("attachments.create", params).await;
        assert_eq!(status, 200, "{attachment}");
        attachment
    }

    /// Sends bytes as an upload descriptor says, and without anything else that would tell who
    /// sends them.
    async fn put(&self, descriptor: &Value, bytes: impl Into<reqwest::Body>) -> Response {
        assert_eq!(descriptor["method"], "PUT");
        let mut request = self.client.put(descriptor["url"].as_str().unwrap());
        for (name, value) in descriptor["headers"].as_object().unwrap() {
            request = request.header(name, value.as_str().unwrap());
        }
        request.body(bytes).send().await.unwrap()
    }

    /// Fetches an address as this user.
    async fn get(&self, path: &str) -> Response {
        let request = self.client.get(format!("{}{path}", self.url));
        request.header("x-user-id", &self.id).send().await.unwrap()
    }

    /// Follows a link, as somebody whom nobody knows.
    async fn follow(&self, link: &Value) -> Response {
        self.client.get(link.as_str().unwrap()).send().await.unwrap()
    }

    /// Sends a message with files to a new thread.
    async fn send(&self, ids: &[&Value]) -> Stream {
        let mut input = input("look");
        input["attachments"] = json!(ids);
        self.user.stream("threads.create", json!({"input": input}), json!({})).await
    }

    async fn refused(&self, operation: &str, params: Value) -> (u16, String) {
        error(self.user.call(operation, params).await).await
    }
}

fn part(name: &str, mime_type: &str, bytes: impl Into<Vec<u8>>) -> Part {
    let part = Part::bytes(bytes.into()).file_name(name.to_owned());
    if mime_type.is_empty() { part } else { part.mime_str(mime_type).unwrap() }
}

/// Status and code of a refusal, which is in the envelope of every error.
async fn error(response: Response) -> (u16, String) {
    let status = response.status();
    assert!(response.headers().contains_key("x-request-id"));
    let body: Value = response.json().await.unwrap();
    assert!(body["error"]["request_id"].as_str().unwrap().starts_with("req_"), "{body}");
    let message = body["error"]["message"].as_str().unwrap();
    assert!(!message.is_empty() && !message.contains("parlor.files"), "{message}");
    (status.as_u16(), body["error"]["code"].as_str().unwrap().to_owned())
}

fn is(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_is_uploaded_sent_and_fetched_again() {
    let app = start().await;
    let ada = Sender::new(&app, "ada");
    let attachment = ada.text("Grüße.txt", "hello").await;
    let id = attachment["id"].as_str().unwrap();
    let link = &attachment["download_url"];
    assert_eq!(
        attachment,
        json!({
            "type": "file", "id": id, "name": "Grüße.txt", "mime_type": "text/plain",
            "download_url": link,
        })
    );
    assert!(link.as_str().unwrap().starts_with(&format!("{}/files/{id}?expires=", app.url)));

    let sent = ada.send(&[&attachment["id"]]).await;
    let thread_id = sent.thread_id();
    let item = &sent.events[1]["item"];
    assert_eq!(item["attachments"][0]["id"], id);
    assert_eq!(item["attachments"][0]["thread_id"], thread_id.as_str());
    let items = ada.user.items(&thread_id).await;
    for link in [link, &items[0]["attachments"][0]["download_url"]] {
        let response = ada.follow(link).await;
        assert_eq!(response.status(), 200);
        let headers = response.headers().clone();
        assert_eq!(response.text().await.unwrap(), "hello");
        let expected = [
            ("content-type", "text/plain"),
            ("content-length", "5"),
            (
                "content-disposition",
                "attachment; filename=\"Gr__e.txt\"; filename*=UTF-8''Gr%C3%BC%C3%9Fe.txt",
            ),
            ("x-content-type-options", "nosniff"),
            ("content-security-policy", "sandbox; default-src 'none'"),
            ("cache-control", "private, max-age=3600"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-resource-policy", "cross-origin"),
        ];
        for (name, value) in expected {
            assert_eq!(headers[name], value);
        }
    }
    // The owner needs no link.
    assert_eq!(ada.get(&format!("/files/{id}")).await.text().await.unwrap(), "hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_has_a_preview() {
    let app = start().await;
    let ada = Sender::new(&app, "ada");
    let image = png(1_000, 500);
    let attachment: Value =
        ada.upload("red.png", "image/png", image.clone()).await.json().await.unwrap();
    assert_eq!(attachment["type"], "image");
    let preview = ada.follow(&attachment["preview_url"]).await;
    assert_eq!(preview.headers()["content-type"], "image/jpeg");
    let disposition = preview.headers()["content-disposition"].to_str().unwrap().to_owned();
    assert!(disposition.starts_with("inline; "), "{disposition}");
    let small = image::load_from_memory(&preview.bytes().await.unwrap()).unwrap();
    assert_eq!((small.width(), small.height()), (640, 320));
    let original = ada.follow(&attachment["download_url"]).await;
    assert_eq!(original.headers()["content-type"], "image/png");
    assert_eq!(original.bytes().await.unwrap(), image);
    // Both are there, under names of ours, and go with the thread.
    let names: Vec<_> = on_disk(&app);
    assert_eq!(names.len(), 2);
    for name in &names {
        let name = name.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with(attachment["id"].as_str().unwrap()), "{name}");
    }
    let sent = ada.send(&[&attachment["id"]]).await;
    assert_eq!(sent.events[1]["item"]["attachments"][0]["type"], "image");
    let (status, _) = ada.user.json("threads.delete", json!({"thread_id": sent.thread_id()})).await;
    assert_eq!(status, 200);
    until_on_disk(&app, 0).await;
    for link in ["preview_url", "download_url"] {
        let gone = ada.follow(&attachment[link]).await;
        assert_eq!(error(gone).await, is(404, "not_found"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_announced_and_its_bytes_follow() {
    let app = start().await;
    let ada = Sender::new(&app, "ada");
    let image = png(10, 10);
    let announced = ada.announce("../a.png", "image/png", image.len()).await;
    assert_eq!((&announced["type"], &announced["name"]), (&json!("image"), &json!("a.png")));
    assert_eq!(announced.get("download_url"), None);
    let descriptor = &announced["upload_descriptor"];
    assert_eq!(descriptor["headers"], json!({"Content-Type": "image/png"}));
    // Nothing is there yet.
    let early = ada.follow(&announced["preview_url"]).await;
    assert_eq!(error(early).await, is(404, "not_found"));
    let params = json!({"input": {
        "content": [], "attachments": [announced["id"]], "inference_options": {}
    }});
    assert_eq!(ada.refused("threads.create", params).await, is(422, "invalid_field"));

    let uploaded = ada.put(descriptor, image.clone()).await;
    assert_eq!(uploaded.status(), 200);
    let uploaded: Value = uploaded.json().await.unwrap();
    assert_eq!(uploaded["id"], announced["id"]);
    assert_eq!(uploaded.get("upload_descriptor"), None);
    assert_eq!(ada.follow(&uploaded["preview_url"]).await.status(), 200);
    assert_eq!(ada.follow(&uploaded["download_url"]).await.bytes().await.unwrap(), image);
    // Once.
    let again = ada.put(descriptor, image).await;
    assert_eq!(error(again).await, is(409, "already_uploaded"));

    let (status, _) =
        ada.user.json("attachments.delete", json!({"attachment_id": announced["id"]})).await;
    assert_eq!(status, 200);
    until_on_disk(&app, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_without_a_type_is_given_the_one_it_has() {
    let app = start().await;
    let ada = Sender::new(&app, "ada");
    for (name, bytes, expected) in [
        ("notes.md", b"# Notes".to_vec(), "text/markdown"),
        ("main.rs", b"fn main() {}".to_vec(), "text/plain"),
        ("photo", png(3, 3), "image/png"),
    ] {
        let attachment: Value = ada.upload(name, "", bytes.clone()).await.json().await.unwrap();
        assert_eq!(attachment["mime_type"], expected);
        let announced = ada.announce(name, "", bytes.len()).await;
        let uploaded: Value =
            ada.put(&announced["upload_descriptor"], bytes).await.json().await.unwrap();
        assert_eq!(uploaded["mime_type"], expected);
    }
    let binary = ada.upload("core", "", b"\0\x01\x02".to_vec()).await;
    assert_eq!(error(binary).await, is(415, "unsupported_type"));
    let program = ada.upload("x.txt", "", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec()).await;
    assert_eq!(error(program).await, is(415, "unsupported_type"));
}

/// A zip file that says that it holds a gigabyte.
fn zip_bomb() -> Vec<u8> {
    let mut zip =
        b"PK\x03\x04\x14\0\0\0\x08\0\0\0\0\0\0\0\0\0\x10\0\0\0\0\0\0\x40\x05\0\0\0a.txt".to_vec();
    zip.extend([0_u8; 16]);
    zip
}

/// A PNG that says that it has nearly four thousand million pixels.
fn image_bomb() -> Vec<u8> {
    let mut bomb = png(1, 1);
    bomb[16..24].copy_from_slice(&[0, 0, 0xf0, 0, 0, 0, 0xf0, 0]);
    let crc = !bomb[12..29].iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 }
        })
    });
    bomb[29..33].copy_from_slice(&crc.to_be_bytes());
    bomb
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_files_are_refused_and_nothing_of_them_is_kept() {
    let app = start().await;
    let ada = Sender::new(&app, "ada");
    let too_large = vec![b'a'; usize::try_from(MAX).unwrap() + 1];
    let unsupported = is(415, "unsupported_type");
    let cases = [
        ("page.png", "image/png", b"<script>alert(1)</script>".to_vec(), unsupported.clone()),
        ("a.txt", "text/plain", png(3, 3), unsupported.clone()),
        ("a.exe", "application/x-msdownload", b"MZ".to_vec(), unsupported.clone()),
        ("a.svg", "image/svg+xml", b"<svg/>".to_vec(), unsupported.clone()),
        ("a.zip", "application/zip", zip_bomb(), unsupported.clone()),
        ("a.txt", "text/plain", zip_bomb(), unsupported.clone()),
        ("a.pdf", "application/pdf", zip_bomb(), unsupported.clone()),
        ("a.txt", "text/plain", b"late \0".repeat(10_000), unsupported),
        ("a.png", "image/png", image_bomb(), is(422, "invalid_image")),
        ("a.png", "image/png", png(50, 50)[..60].to_vec(), is(422, "invalid_image")),
        ("a.txt", "text/plain", Vec::new(), is(422, "empty_file")),
        ("a.txt", "text/plain", too_large, is(413, "too_large")),
    ];
    for (name, mime_type, bytes, expected) in cases {
        let response = ada.upload(name, mime_type, bytes.clone()).await;
        assert_eq!(error(response).await, expected, "{name} as {mime_type}");
        assert_eq!(on_disk(&app), Vec::<PathBuf>::new(), "{name}");
        // In two phases, as far as the announcement lets it.
        let params = json!({"name": name, "size": bytes.len(), "mime_type": mime_type});
        let (status, announced) = ada.user.json("attachments.create", params).await;
        if status == 200 {
            let response = ada.put(&announced["upload_descriptor"], bytes).await;
            assert_eq!(error(response).await, expected, "{name} as {mime_type}");
            assert_eq!(on_disk(&app), Vec::<PathBuf>::new(), "{name}");
            let link = format!("/files/{}", announced["id"].as_str().unwrap());
            assert_eq!(error(ada.get(&link).await).await, is(404, "not_found"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_as_large_as_announced_is_refused() {
    let app = start().await;
    let ada = Sender::new(&app, "ada");
    let announced = ada.announce("a.txt", "text/plain", 5).await;
    let descriptor = &announced["upload_descriptor"];
    for bytes in ["hello, world", "hell", ""] {
        let response = ada.put(descriptor, bytes).await;
        assert_eq!(error(response).await, is(422, "other_size"), "{bytes}");
        // Without saying beforehand how much it will be.
        let pieces: Vec<Result<_, std::io::Error>> =
            bytes.chars().map(|char| Ok(char.to_string())).collect();
        let body = reqwest::Body::wrap_stream(futures::stream::iter(pieces));
        let response = ada.put(descriptor, body).await;
        assert_eq!(error(response).await, is(422, "other_size"), "{bytes}");
        assert_eq!(on_disk(&app), Vec::<PathBuf>::new());
    }
    assert_eq!(ada.put(descriptor, "hello").await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_upload_reads_its_answer() {
    // Far more than the sockets hold: without reading on, the client would only see that the
    // connection was reset.
    let app = start().await;
    let ada = Sender::new(&app, "ada");
    let huge = vec![b'a'; 20_000_000];
    let response = ada.upload("a.txt", "text/plain", huge.clone()).await;
    assert_eq!(error(response).await, is(413, "too_large"));
    let announced = ada.announce("a.txt", "text/plain", 5).await;
    let response = ada.put(&announced["upload_descriptor"], huge).await;
    assert_eq!(error(response).await, is(422, "other_size"));
}

/// Sends the beginning of a request and closes the connection.
async fn cut(app: &TestApp, request: String, body: &[u8]) {
    let address = app.url.strip_prefix("http://").unwrap();
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(request.as_bytes()).await.unwrap();
    connection.write_all(body).await.unwrap();
    connection.flush().await.unwrap();
    connection.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let _ = connection.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(!answer.contains("200 OK"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_cut_in_the_middle_leaves_nothing() {
    let app = start().await;
    let ada = Sender::new(&app, "ada");
    let text = "x".repeat(50_000);
    let form = format!(
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\
         Content-Type: text/plain\r\n\r\n{text}\r\n--b--\r\n"
    );
    let announced = ada.announce("a.txt", "text/plain", text.len()).await;
    let upload = announced["upload_descriptor"]["url"].as_str().unwrap();
    let path = upload.strip_prefix(&app.url).unwrap();
    for part in [0, 60, 1_000, 49_000, 50_090, form.len() - 3] {
        let request = format!(
            "POST /files HTTP/1.1\r\nHost: x\r\nX-User-ID: ada\r\nContent-Length: {}\r\n\
             Content-Type: multipart/form-data; boundary=b\r\n\r\n",
            form.len()
        );
        cut(&app, request, &form.as_bytes()[..part]).await;
        let part = part.min(text.len() - 1);
        let request =
            format!("PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", text.len());
        cut(&app, request, &text.as_bytes()[..part]).await;
        until_on_disk(&app, 0).await;
    }
    // The owner's place is free again, and the link still works.
    loop {
        let again = ada.put(&announced["upload_descriptor"], text.clone()).await;
        if again.status() == StatusCode::OK {
            break;
        }
        // The server may not have noticed yet that the last connection is gone.
        assert_eq!(error(again).await, is(409, "upload_running"));
    }
    until_on_disk(&app, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_only_names() {
    let app = start().await;
    let ada = Sender::new(&app, "ada");
    let cases = [
        ("../../../../etc/cron.d/evil", "evil"),
        ("..\\..\\evil.txt", "evil.txt"),
        ("/etc/passwd", "passwd"),
        ("..", "file"),
        ("", "file"),
        ("annexe\u{202e}txt.exe", "annexetxt.exe"),
        ("con\u{7}trol.txt", "control.txt"),
    ];
    for (n, (name, kept)) in cases.into_iter().enumerate() {
        let announced = ada.announce(name, "text/plain", 2).await;
        assert_eq!(announced["name"], kept, "{name}");
        let uploaded: Value =
            ada.put(&announced["upload_descriptor"], "hi").await.json().await.unwrap();
        assert_eq!(uploaded["name"], kept, "{name}");
        // On the disk it has another name altogether.
        let files = on_disk(&app);
        assert_eq!(files.len(), n + 1);
        let root = app.folder.path().join("parlor.files");
        for file in files {
            let name = file.strip_prefix(&root).unwrap().to_str().unwrap();
            let ours = |char: char| char.is_ascii_alphanumeric() || "_/".contains(char);
            assert!(name.chars().all(ours), "{name}");
        }
    }
    for name in ["../up.txt", "a\u{202e}b.txt"] {
        let attachment = ada.text(name, "hi").await;
        let kept = attachment["name"].as_str().unwrap();
        assert!(!kept.contains(['/', '\u{202e}']), "{kept}");
    }
    let around: Vec<_> = std::fs::read_dir(app.folder.path()).unwrap().collect();
    assert!(around.len() <= 4, "the database with its log, and one folder");
    // Nor do addresses lead out of it.
    for path in ["/files/..%2F..%2Fparlor.db", "/files/%2e%2e/preview", "/files/a%00b", "/files/"] {
        assert_eq!(ada.get(path).await.status(), 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_at_the_files_of_somebody_else() {
    let app = start().await;
    let (ada, bob) = (Sender::new(&app, "ada"), Sender::new(&app, "bob"));
    let hers = ada.text("hers.txt", "secret").await;
    let waiting = ada.announce("later.txt", "text/plain", 5).await;
    let sent = ada.text("sent.txt", "secret").await;
    ada.send(&[&sent["id"]]).await;
    let not_found = is(404, "not_found");
    for attachment in [&hers, &waiting, &sent] {
        let id = attachment["id"].as_str().unwrap();
        for path in [format!("/files/{id}"), format!("/files/{id}/preview")] {
            assert_eq!(error(bob.get(&path).await).await, not_found);
        }
        let put = bob.client.put(format!("{}/files/{id}", app.url)).header("x-user-id", "bob");
        assert_eq!(error(put.body("stolen").send().await.unwrap()).await, not_found);
        let params = json!({"attachment_id": id});
        assert_eq!(bob.refused("attachments.delete", params).await, not_found);
        let mut input = input("look what I found");
        input["attachments"] = json!([id]);
        let params = json!({"input": input});
        assert_eq!(bob.refused("threads.create", params).await, not_found);
    }
    // Somebody whom nobody knows needs a link.
    let stranger = Client::new().get(format!("{}/files/{}", app.url, hers["id"].as_str().unwrap()));
    assert_eq!(error(stranger.send().await.unwrap()).await, is(401, "unauthorized"));
    assert_eq!(ada.follow(&hers["download_url"]).await.text().await.unwrap(), "secret");
    let (_, threads) = bob.user.json("threads.list", json!({})).await;
    assert_eq!(threads["data"], json!([]));
    assert_eq!(on_disk(&app).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_was_changed_or_made_up_does_not_work() {
    let app = start().await;
    let ada = Sender::new(&app, "ada");
    let file = ada.text("a.txt", "secret").await;
    let other = ada.announce("b.txt", "text/plain", 5).await;
    let good = file["download_url"].as_str().unwrap();
    let (address, query) = good.split_once('?').unwrap();
    let (_, signature) = query.split_once("signature=").unwrap();
    let other_id = other["id"].as_str().unwrap();
    let upload = other["upload_descriptor"]["url"].as_str().unwrap();
    let links = [
        format!("{address}?expires=99999999999&signature={signature}"),
        format!("{address}?signature={signature}"),
        format!("{address}?expires=99999999999"),
        format!("{address}?expires=&signature="),
        format!("{good}A"),
        format!("{}/files/{other_id}?{query}", app.url),
        format!("{address}/preview?{query}"),
        format!("{address}?{}", upload.split_once('?').unwrap().1),
    ];
    for link in links {
        assert_eq!(error(ada.follow(&json!(link)).await).await, is(403, "invalid_link"), "{link}");
        let put = ada.client.put(&link).body("hello").send().await.unwrap();
        let code = error(put).await;
        assert!(code == is(403, "invalid_link") || code.0 == 405, "{link}: {code:?}");
    }
    // One to look at does not allow writing, and the other way round.
    let put = ada.client.put(good).body("hello").send().await.unwrap();
    assert_eq!(error(put).await, is(403, "invalid_link"));
    assert_eq!(error(ada.follow(&json!(upload)).await).await, is(403, "invalid_link"));
    assert_eq!(ada.follow(&json!(good)).await.text().await.unwrap(), "secret");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_expires() {
    let app = TestApp::with(|config| config.files.link_seconds = 1).await;
    let ada = Sender::new(&app, "ada");
    let file = ada.text("a.txt", "secret").await;
    let waiting = ada.announce("b.txt", "text/plain", 5).await;
    // It is a matter of a second or two.
    let refused = loop {
        let response = ada.follow(&file["download_url"]).await;
        if response.status() != 200 {
            break response;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(error(refused).await, is(403, "link_expired"));
    let late = ada.put(&waiting["upload_descriptor"], "hello").await;
    assert_eq!(error(late).await, is(403, "link_expired"));
    // The owner is still the owner.
    let path = format!("/files/{}", file["id"].as_str().unwrap());
    assert_eq!(ada.get(&path).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_has_so_many_files_and_a_user_so_many_unsent() {
    let app = TestApp::with(|config| {
        config.files =
            Files { max_bytes: 1_000, max_per_message: 2, unsent_bytes: 2_500, ..Files::default() };
    })
    .await;
    let ada = Sender::new(&app, "ada");
    let kilobyte = "x".repeat(1_000);
    let (first, second) = (ada.text("1", &kilobyte).await, ada.text("2", &kilobyte).await);
    let full = is(422, "too_many_unsent_files");
    let third = ada.upload("3", "text/plain", kilobyte.clone()).await;
    assert_eq!(error(third).await, full);
    let params = json!({"name": "3", "size": 501, "mime_type": "text/plain"});
    assert_eq!(ada.refused("attachments.create", params).await, full);
    assert_eq!(on_disk(&app).len(), 2);
    Sender::new(&app, "bob").text("1", &kilobyte).await;

    ada.send(&[&first["id"], &second["id"]]).await;
    // Small files count as what they are, once they are there.
    for n in 0..2 {
        ada.text(&n.to_string(), "small").await;
    }
    let third = ada.text("3", &kilobyte).await;
    let mut three = input("too many");
    three["attachments"] = json!([first["id"], second["id"], third["id"]]);
    assert_eq!(
        ada.refused("threads.create", json!({"input": three})).await,
        is(422, "invalid_field")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_that_are_none_are_refused() {
    let app = start().await;
    let ada = Sender::new(&app, "ada");
    let file = || part("a.txt", "text/plain", "hi");
    let invalid = is(422, "invalid_form");
    let cases = [
        (Form::new().text("note", "x"), invalid.clone()),
        (Form::new().part("upload", file()), invalid.clone()),
        (Form::new().part("file", file()).part("file", file()), invalid.clone()),
        (Form::new().text("note", "x".repeat(70_000)).part("file", file()), invalid),
    ];
    for (n, (form, expected)) in cases.into_iter().enumerate() {
        assert_eq!(error(ada.post(form).await).await, expected, "{n}");
        assert_eq!(on_disk(&app), Vec::<PathBuf>::new());
    }
    let fine = Form::new().text("before", "x").part("file", file()).text("after", "y");
    assert_eq!(ada.post(fine).await.status(), 200);
    let json = ada.client.post(format!("{}/files", app.url)).header("x-user-id", "ada");
    let json = json.header("content-type", "application/json").body("{}").send().await.unwrap();
    assert_eq!(error(json).await, is(415, "unsupported_media_type"));
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_sites_cannot_send_files_unless_they_may() {
    let app = TestApp::with(|config| {
        config.site.cors_origins = vec!["https://good.example".to_owned()];
    })
    .await;
    let ada = Sender::new(&app, "ada");
    let post = async |site: &str, origin: &str| {
        let form = Form::new().part("file", part("a.txt", "text/plain", "hi"));
        let request = ada.client.post(format!("{}/files", app.url)).multipart(form);
        let request = request.header("x-user-id", "ada").header("sec-fetch-site", site);
        request.header("origin", origin).send().await.unwrap()
    };
    assert_eq!(error(post("cross-site", "https://evil.example").await).await, is(403, "forbidden"));
    assert_eq!(
        error(post("same-site", "https://www.good.example").await).await,
        is(403, "forbidden")
    );
    let allowed = post("cross-site", "https://good.example").await;
    assert_eq!(allowed.status(), 200);
    assert_eq!(allowed.headers()["access-control-allow-origin"], "https://good.example");
    assert_eq!(post("same-origin", &app.url).await.status(), 200);

    // A page that may asks first whether it may PUT, and show images.
    let announced = ada.announce("a.txt", "text/plain", 2).await;
    let asked = ada
        .client
        .request(reqwest::Method::OPTIONS, announced["upload_descriptor"]["url"].as_str().unwrap())
        .header("origin", "https://good.example")
        .header("access-control-request-method", "PUT")
        .header("access-control-request-headers", "content-type")
        .send()
        .await
        .unwrap();
    let headers: &HeaderMap = asked.headers();
    assert!(headers["access-control-allow-methods"].to_str().unwrap().contains("PUT"));
    assert!(headers["access-control-allow-headers"].to_str().unwrap().contains("content-type"));
}

#[tokio::test(flavor = "multi_thread")]
async fn links_begin_with_the_public_address() {
    let app = TestApp::with(|config| {
        config.server.public_url = Some("https://example.com/chat/".parse().unwrap());
    })
    .await;
    let ada = Sender::new(&app, "ada");
    let file = ada.text("a.txt", "hello").await;
    let link = file["download_url"].as_str().unwrap();
    let path = link.strip_prefix("https://example.com/chat").unwrap();
    // The proxy takes its part of the path away.
    assert_eq!(ada.follow(&json!(format!("{}{path}", app.url))).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_files_enabled_nothing_is_taken() {
    let app = TestApp::with(|config| config.files.enabled = false).await;
    let ada = Sender::new(&app, "ada");
    let response = ada.upload("a.txt", "text/plain", "hi").await;
    assert_eq!(error(response).await, is(422, "not_enabled"));
    assert_eq!(error(ada.get("/files/atc_1").await).await, is(422, "not_enabled"));
    let params = json!({"name": "a", "size": 1, "mime_type": "text/plain"});
    assert_eq!(ada.refused("attachments.create", params).await, is(422, "not_enabled"));
    assert!(!app.folder.path().join("parlor.files").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storage_that_fails_is_an_error_that_says_so_and_keeps_nothing() {
    let app = start().await;
    let ada = Sender::new(&app, "ada");
    let file = ada.text("a.txt", "hello").await;
    // Where the user's folder was there is something else now.
    let folder = on_disk(&app)[0].parent().unwrap().to_owned();
    let aside = app.folder.path().join("aside");
    std::fs::rename(&folder, &aside).unwrap();
    std::fs::write(&folder, b"no folder").unwrap();
    let unavailable = is(503, "storage_unavailable");
    let response = ada.upload("b.txt", "text/plain", "hello").await;
    assert_eq!(response.headers()["retry-after"], "2");
    assert_eq!(error(response).await, unavailable);
    let path = format!("/files/{}", file["id"].as_str().unwrap());
    let response = ada.get(&path).await;
    let status = response.status();
    assert!(status == 503 || status == 404, "{status}");
    // It works again when the storage does, and the upload that failed is no burden.
    std::fs::remove_file(&folder).unwrap();
    std::fs::rename(&aside, &folder).unwrap();
    assert_eq!(ada.get(&path).await.text().await.unwrap(), "hello");
    ada.text("b.txt", "hello").await;
    assert_eq!(on_disk(&app).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_server_left_behind_is_gone_after_the_next_start() {
    let app = start().await;
    let ada = Sender::new(&app, "ada");
    let kept = ada.text("kept.txt", "kept").await;
    ada.send(&[&kept["id"]]).await;
    let path = on_disk(&app).remove(0);
    let folder = app.stop().await;
    // It was writing when it was killed.
    std::fs::write(path.with_file_name("atc_0123#1"), b"half").unwrap();
    // It was killed between the end of a thread and that of its file's bytes.
    let bytes = path.with_file_name("atc_doomed");
    std::fs::write(&bytes, b"doomed").unwrap();
    doom(folder.path(), "atc_doomed");
    let app = TestApp::at(Arc::clone(&folder), small).await;
    until_on_disk(&app, 1).await;
    let path = format!("/files/{}", kept["id"].as_str().unwrap());
    assert_eq!(Sender::new(&app, "ada").get(&path).await.text().await.unwrap(), "kept");
}

/// Writes what the store has of a file whose thread was deleted and whose bytes were not yet.
fn doom(folder: &Path, id: &str) {
    let database = rusqlite::Connection::open(folder.join("parlor.db")).unwrap();
    let sql = "INSERT INTO attachments (id, tenant_id, user_id, name, mime_type, size, state, \
               created_at) VALUES (?1, 'default', 'ada', '', 'text/plain', 6, 'doomed', 0)";
    database.execute(sql, [id]).unwrap();
}
