//! Files, from the announcement to their deletion, without HTTP.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::{StreamExt as _, stream};
use parlor_chatkit::{
    AttachmentLimits, AttachmentLinks, AttachmentReadError, AttachmentState, AttachmentStore,
    AttachmentStoreError, Attachments, ByteStream, ChatKit, ChatKitError, Clock, FileKey, OpenFile,
    Owner, Rendition, Responder, Turn, TurnError,
    protocol::{
        AttachmentCreateParams, AttachmentId, AttachmentUploadDescriptor, Timestamp, UploadMethod,
    },
};
use parlor_store::{FileStore, SqliteStore};
use serde_json::{Value, json};

use crate::support::{Frames, Reader, Server, Stage, input};

/// Links that tell when they were made.
struct Links;

impl AttachmentLinks for Links {
    fn upload(
        &self,
        base_url: &str,
        id: &AttachmentId,
        mime_type: &str,
        now: Timestamp,
    ) -> AttachmentUploadDescriptor {
        AttachmentUploadDescriptor {
            url: format!("{base_url}/files/{id}?upload={}", now.as_micros()),
            method: UploadMethod::Put,
            headers: [("content-type".to_owned(), mime_type.to_owned())].into(),
        }
    }

    fn preview(&self, base_url: &str, id: &AttachmentId, now: Timestamp) -> String {
        format!("{base_url}/files/{id}/preview?at={}", now.as_micros())
    }

    fn download(&self, base_url: &str, id: &AttachmentId, now: Timestamp) -> Option<String> {
        Some(format!("{base_url}/files/{id}?at={}", now.as_micros()))
    }
}

/// A clock that stands still until it is moved.
#[derive(Clone, Default)]
struct Stopped(Arc<AtomicI64>);

impl Stopped {
    fn pass(&self, time: Duration) {
        self.0.fetch_add(i64::try_from(time.as_micros()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

/// A file storage that fails when it is told to.
#[derive(Clone)]
struct Moody {
    files: FileStore,
    full: Arc<AtomicBool>,
    stuck: Arc<AtomicBool>,
}

impl Moody {
    fn check(flag: &AtomicBool) -> Result<(), AttachmentStoreError> {
        if flag.load(Ordering::SeqCst) {
            return Err(AttachmentStoreError::Unavailable("on purpose".into()));
        }
        Ok(())
    }
}

#[async_trait]
impl AttachmentStore for Moody {
    async fn put(
        &self,
        owner: &Owner,
        key: &FileKey,
        bytes: ByteStream,
    ) -> Result<(), AttachmentStoreError> {
        Self::check(&self.full)?;
        self.files.put(owner, key, bytes).await
    }

    async fn get(
        &self,
        owner: &Owner,
        key: &FileKey,
    ) -> Result<Option<OpenFile>, AttachmentStoreError> {
        self.files.get(owner, key).await
    }

    async fn delete(&self, owner: &Owner, key: &FileKey) -> Result<(), AttachmentStoreError> {
        Self::check(&self.stuck)?;
        self.files.delete(owner, key).await
    }
}

/// Says what is in the files of the message, and of the messages before it.
#[derive(Clone, Default)]
struct Librarian {
    failures: Arc<Mutex<Vec<AttachmentReadError>>>,
}

impl Responder for Librarian {
    async fn respond(&self, turn: &mut Turn) -> Result<(), TurnError> {
        let mut said = Vec::new();
        for attachment in turn.attachments() {
            let file = attachment.file().unwrap();
            match turn.attachment_bytes(&file.id, 10).await {
                Ok(bytes) => {
                    said.push(format!("{}={}", file.name, String::from_utf8_lossy(&bytes)));
                }
                Err(error) => self.failures.lock().unwrap().push(error),
            }
        }
        // The text may name another file.
        let named = turn.input().unwrap().text();
        match turn.attachment_bytes(&named.as_str().into(), 10).await {
            Ok(bytes) => said.push(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) => self.failures.lock().unwrap().push(error),
        }
        let mut reply = turn.assistant_message().await?;
        reply.push(&format!("read {}", said.join(", "))).await?;
        reply.finish().await
    }
}

struct Desk {
    server: Server,
    librarian: Librarian,
    clock: Stopped,
    files: Moody,
}

impl std::ops::Deref for Desk {
    type Target = Server;
    fn deref(&self) -> &Server {
        &self.server
    }
}

impl Desk {
    async fn open() -> Self {
        let limits = AttachmentLimits {
            file_bytes: 1_000,
            per_message: 3,
            unsent_files: 5,
            ..AttachmentLimits::default()
        };
        Self::with(Arc::new(tempfile::tempdir().unwrap()), limits).await
    }

    async fn with(folder: Arc<tempfile::TempDir>, limits: AttachmentLimits) -> Self {
        let path = folder.path().join("chat.db");
        let store = SqliteStore::open(path.to_str().unwrap()).await.unwrap();
        let files = FileStore::in_folder(folder.path().join("files")).await.unwrap();
        let files = Moody { files, full: Arc::default(), stuck: Arc::default() };
        let (librarian, clock) = (Librarian::default(), Stopped::default());
        let chatkit = ChatKit::builder(store, librarian.clone())
            .attachments(files.clone(), Links, limits)
            .clock(clock.clone())
            .build();
        let server = Server {
            chatkit,
            stage: Stage::default(),
            owner: crate::support::owner("ada"),
            folder,
        };
        Self { server, librarian, clock, files }
    }

    /// The same desk, used by somebody else.
    fn as_user(&self, user: &str) -> Self {
        Self {
            server: self.server.as_user(user),
            librarian: self.librarian.clone(),
            clock: self.clock.clone(),
            files: self.files.clone(),
        }
    }

    fn attachments(&self) -> &Attachments {
        self.chatkit.attachments().unwrap()
    }

    async fn announce(&self, name: &str, bytes: &[u8]) -> Value {
        let params = json!({"name": name, "size": bytes.len(), "mime_type": "text/plain"});
        self.json("attachments.create", params).await
    }

    /// Uploads a file; gives its id.
    async fn upload(&self, name: &str, bytes: &'static [u8]) -> String {
        let announced = self.announce(name, bytes).await;
        let id = announced["id"].as_str().unwrap().to_owned();
        self.send_bytes(&id, bytes).await.unwrap();
        id
    }

    async fn send_bytes(&self, id: &str, bytes: &'static [u8]) -> Result<(), ChatKitError> {
        let mut upload = self.attachments().begin_upload(&self.owner, &id.into()).await?;
        upload.store(pieces(bytes)).await?;
        upload.complete("text/plain".to_owned(), false).await.map(drop)
    }

    /// Sends a message with files to a new thread.
    async fn send_files(&self, text: &str, ids: &[&str]) -> (String, Frames) {
        let stream = self.stream("threads.create", with_files(text, ids)).await;
        let frames = Reader::new(stream).rest().await;
        frames.ended("done");
        (frames.events[0]["thread"]["id"].as_str().unwrap().to_owned(), frames)
    }

    /// The files on the disk, by their paths.
    fn on_disk(&self) -> Vec<PathBuf> {
        files_in(&self.folder.path().join("files"))
    }

    /// Waits until the disk is as it should be: bytes are deleted in the background.
    async fn until_on_disk(&self, count: usize) {
        while self.on_disk().len() != count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // It may go away while we look.
        if path.is_dir() {
            if let Ok(entries) = std::fs::read_dir(&path) {
                found.extend(entries.map(|entry| entry.unwrap().path()));
            }
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn pieces(bytes: &'static [u8]) -> ByteStream {
    stream::iter(bytes.chunks(3).map(|piece| Ok(piece.into()))).boxed()
}

fn with_files(text: &str, ids: &[&str]) -> Value {
    let mut input = input(text);
    input["attachments"] = json!(ids);
    json!({"input": input})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_announced_uploaded_sent_and_read_by_the_responder() {
    let desk = Desk::open().await;
    let announced = desk.announce("../notes.txt", b"hello").await;
    let id = announced["id"].as_str().unwrap();
    assert_eq!(
        announced,
        json!({
            "type": "file", "id": id, "name": "notes.txt", "mime_type": "text/plain",
            "upload_descriptor": {
                "url": format!("https://chat.example/files/{id}?upload=0"),
                "method": "PUT",
                "headers": {"content-type": "text/plain"},
            },
        })
    );
    desk.send_bytes(id, b"hello").await.unwrap();
    let (thread, frames) = desk.send_files("look", &[id]).await;
    let sent = |at: i64| {
        json!([{
            "type": "file", "id": id, "name": "notes.txt", "mime_type": "text/plain",
            "thread_id": thread, "download_url": format!("https://chat.example/files/{id}?at={at}"),
        }])
    };
    assert_eq!(frames.of("thread.item.done")[0]["item"]["attachments"], sent(0));
    assert_eq!(desk.items(&thread).await[1], "assistant_message read notes.txt=hello");

    // Links are made afresh when the thread is read again.
    desk.clock.pass(Duration::from_secs(1));
    let thread_again = desk.json("threads.get_by_id", json!({"thread_id": thread})).await;
    assert_eq!(thread_again["items"]["data"][0]["attachments"], sent(1_000_000));
    let item = desk.item(&thread, "user_message").await;
    assert_eq!(item["attachments"], sent(1_000_000));
    // So they are when the message is answered again.
    let retry = json!({"thread_id": thread, "item_id": item["id"]});
    let retried = Reader::new(desk.stream("threads.retry_after_item", retry).await).rest().await;
    retried.ended("done");
    assert_eq!(desk.items(&thread).await[1], "assistant_message read notes.txt=hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_responder_reads_files_of_its_thread_up_to_a_size_and_no_others() {
    let desk = Desk::open().await;
    let large = desk.upload("large.txt", b"eleven byte").await;
    let small = desk.upload("small.txt", b"ten bytes!").await;
    let unsent = desk.upload("unsent.txt", b"secret").await;
    // An earlier message's file is read by its id, one that was not sent is not.
    let (thread, _) = desk.send_files(&unsent, &[&large, &small]).await;
    assert_eq!(desk.items(&thread).await[1], "assistant_message read small.txt=ten bytes!");
    let failures = std::mem::take(&mut *desk.librarian.failures.lock().unwrap());
    assert!(
        matches!(&failures[0], AttachmentReadError::TooLarge { size: 11, max: 10, .. }),
        "{failures:?}"
    );
    assert!(matches!(&failures[1], AttachmentReadError::NotFound(id) if id.as_str() == unsent));
    desk.say(&thread, &small).await.ended("done");
    assert_eq!(desk.items(&thread).await[3], "assistant_message read ten bytes!");
    // Another conversation of the same user's, and another user, cannot be made to read it.
    let (elsewhere, _) = desk.send_files(&small, &[]).await;
    assert_eq!(desk.items(&elsewhere).await[1], "assistant_message read ");
    let (strange, _) = desk.as_user("bob").send_files(&small, &[]).await;
    assert_eq!(desk.as_user("bob").items(&strange).await[1], "assistant_message read ");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_announced_is_checked() {
    let desk = Desk::open().await;
    let file =
        |size: u64, mime_type: &str| json!({"name": "a", "size": size, "mime_type": mime_type});
    let refused = [
        (file(0, "text/plain"), (422, "invalid_field")),
        (file(1_001, "text/plain"), (413, "too_large")),
        (file(10, "application/x-msdownload"), (415, "unsupported_type")),
        (file(10, "image/svg+xml"), (415, "unsupported_type")),
        (file(10, "textual/plain"), (415, "unsupported_type")),
        (file(10, "*/*"), (415, "unsupported_type")),
    ];
    for (params, status) in refused {
        let error = desk.refused("attachments.create", params.clone()).await;
        assert_eq!(error.status_and_code(), status, "{params}: {error}");
    }
    let taken = [
        ("TEXT/Plain; charset=utf-8", "text/plain"),
        ("image/jpg", "image/jpeg"),
        ("", "application/octet-stream"),
    ];
    for (said, kept) in taken {
        let announced = desk.json("attachments.create", file(1_000, said)).await;
        assert_eq!(announced["mime_type"], kept);
        // An image is one from the start, for clients that show a frame for it.
        let is_image = kept.starts_with("image/");
        assert_eq!(announced["type"], if is_image { "image" } else { "file" });
        assert_eq!(announced["preview_url"].is_string(), is_image);
    }
    desk.json("attachments.create", file(1, "text/plain")).await;
    desk.json("attachments.create", file(1, "text/plain")).await;
    let error = desk.refused("attachments.create", file(1, "text/plain")).await;
    assert_eq!(error.status_and_code(), (422, "too_many_unsent_files"));
    desk.as_user("bob").json("attachments.create", file(1, "text/plain")).await;
    assert_eq!(desk.on_disk(), Vec::<PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_attachments_enabled_all_of_it_is_refused() {
    let server = Server::start().await;
    let params = json!({"name": "a", "size": 1, "mime_type": "text/plain"});
    let error = server.refused("attachments.create", params).await;
    assert_eq!(error.status_and_code(), (422, "not_enabled"));
    let error = server.refused("attachments.delete", json!({"attachment_id": "atc"})).await;
    assert_eq!(error.status_and_code(), (422, "not_enabled"));
    let error = server.refused("threads.create", with_files("look", &["atc"])).await;
    assert_eq!(error.field(), Some("params.input.attachments"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_names_files_that_are_there_and_nothing_else() {
    let desk = Desk::open().await;
    let good = desk.upload("good.txt", b"good").await;
    let waiting = desk.announce("late.txt", b"late").await["id"].as_str().unwrap().to_owned();
    let bob = desk.as_user("bob");
    let bobs = bob.upload("bobs.txt", b"bob's").await;
    let sent = desk.upload("sent.txt", b"sent").await;
    let (thread, _) = desk.send_files("first", &[&sent]).await;
    let four = ["a", "b", "c", "d"];
    let cases: [(&[&str], u16, Option<&str>); 6] = [
        (&[&good, "atc_unknown"], 404, None),
        (&[&good, &bobs], 404, None),
        (&[&good, &waiting], 422, Some("params.input.attachments[1]")),
        (&[&good, &sent], 422, Some("params.input.attachments[1]")),
        (&[&good, &good], 422, Some("params.input.attachments[1]")),
        (&four, 422, Some("params.input.attachments")),
    ];
    for (ids, status, field) in cases {
        let error = desk.refused("threads.create", with_files("look", ids)).await;
        assert_eq!((error.status_and_code().0, error.field()), (status, field), "{ids:?}: {error}");
    }
    let threads = desk.json("threads.list", json!({})).await;
    assert_eq!(threads["data"].as_array().unwrap().len(), 1, "nothing was stored");
    // In its own thread a file may be sent again, and a message may be nothing but files.
    let mut params = with_files(" ", &[&sent, &good]);
    params["thread_id"] = json!(thread);
    let stream = desk.stream("threads.add_user_message", params).await;
    Reader::new(stream).rest().await.ended("done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_repeated_with_its_key_is_one_message_with_its_files() {
    let desk = Desk::open().await;
    let id = desk.upload("a.txt", b"a").await;
    let body = crate::support::body("threads.create", &with_files("look", &[&id]));
    let mut seen: Vec<Value> = Vec::new();
    for _ in 0..2 {
        let answer = desk.handle(body.as_bytes(), Some("key-1")).await.unwrap();
        let parlor_chatkit::Response::Stream { events, .. } = answer else { panic!("it streams") };
        let frames = Reader::new(events).rest().await;
        frames.ended("done");
        seen.push(frames.of("thread.item.done")[0]["item"].clone());
    }
    assert_eq!(seen[0], seen[1]);
    assert!(seen[0]["attachments"][0]["download_url"].is_string());
    // Also when it is answered from the store, by another process.
    let another = Desk::with(Arc::clone(&desk.folder), AttachmentLimits::default()).await;
    let answer = another.handle(body.as_bytes(), Some("key-1")).await.unwrap();
    let parlor_chatkit::Response::Stream { events, .. } = answer else { panic!("it streams") };
    let frames = Reader::new(events).rest().await;
    assert_eq!(frames.of("thread.item.done")[0]["item"], seen[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unsent_file_is_deleted_by_its_owner_only() {
    let desk = Desk::open().await;
    let id = desk.upload("a.txt", b"a").await;
    let params = json!({"attachment_id": id});
    let error = desk.as_user("bob").refused("attachments.delete", params.clone()).await;
    assert_eq!(error.status_and_code(), (404, "not_found"));
    assert_eq!(desk.on_disk().len(), 1);
    assert_eq!(desk.json("attachments.delete", params.clone()).await, json!({}));
    desk.until_on_disk(0).await;
    let error = desk.refused("attachments.delete", params).await;
    assert_eq!(error.status_and_code(), (404, "not_found"));

    let sent = desk.upload("sent.txt", b"sent").await;
    desk.send_files("look", &[&sent]).await;
    let error = desk.refused("attachments.delete", json!({"attachment_id": sent})).await;
    assert_eq!(error.field(), Some("params.attachment_id"));
    assert_eq!(desk.on_disk().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_thread_takes_its_files_with_it() {
    let desk = Desk::open().await;
    let (first, second) = (desk.upload("1.txt", b"1").await, desk.upload("2.txt", b"2").await);
    let kept = desk.upload("kept.txt", b"kept").await;
    let (thread, _) = desk.send_files("look", &[&first, &second]).await;
    desk.send_files("keep", &[&kept]).await;
    assert_eq!(desk.on_disk().len(), 3);
    desk.json("threads.delete", json!({"thread_id": thread})).await;
    desk.until_on_disk(1).await;
    assert!(desk.on_disk()[0].ends_with(&kept));
    for id in [first, second] {
        let id = AttachmentId::from(id);
        let file = desk.attachments().open(&desk.owner, &id, Rendition::Original);
        assert!(file.await.unwrap().is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_could_not_be_deleted_are_deleted_later() {
    let desk = Desk::open().await;
    let id = desk.upload("a.txt", b"a").await;
    let (thread, _) = desk.send_files("look", &[&id]).await;
    desk.files.stuck.store(true, Ordering::SeqCst);
    desk.json("threads.delete", json!({"thread_id": thread})).await;
    // Passed over while the deletion's own try holds it.
    while desk.attachments().sweep().await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert_eq!(desk.on_disk().len(), 1);
    // A restart, while the storage works again.
    let desk = Desk::with(Arc::clone(&desk.folder), AttachmentLimits::default()).await;
    assert_eq!(desk.attachments().sweep().await.unwrap(), 1);
    assert_eq!(desk.on_disk(), Vec::<PathBuf>::new());
    assert_eq!(desk.attachments().sweep().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_sent_for_a_day_is_swept_away() {
    let desk = Desk::open().await;
    desk.upload("forgotten.txt", b"forgotten").await;
    let sent = desk.upload("sent.txt", b"sent").await;
    desk.send_files("look", &[&sent]).await;
    // A process that is killed between the bytes and the record leaves a file that is waited
    // for, with its bytes.
    let announced = desk.announce("cut.txt", b"cut").await;
    let mut upload = desk
        .attachments()
        .begin_upload(&desk.owner, &announced["id"].as_str().unwrap().into())
        .await
        .unwrap();
    upload.store(pieces(b"cut")).await.unwrap();
    drop(upload);
    assert_eq!(desk.on_disk().len(), 3);
    desk.clock.pass(Duration::from_secs(24 * 60 * 60 - 1));
    assert_eq!(desk.attachments().sweep().await.unwrap(), 0);
    desk.clock.pass(Duration::from_secs(2));
    assert_eq!(desk.attachments().sweep().await.unwrap(), 2);
    assert!(desk.on_disk().len() == 1 && desk.on_disk()[0].ends_with(&sent));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_refused_or_breaks_off_leaves_nothing() {
    let desk = Desk::open().await;
    let announced = desk.announce("a.txt", b"0123456789").await;
    let id: AttachmentId = announced["id"].as_str().unwrap().into();
    let begin = || desk.attachments().begin_upload(&desk.owner, &id);

    // The connection ends in the middle.
    let broken = stream::iter([Ok("01234".into()), Err("reset by peer".into())]).boxed();
    let mut upload = begin().await.unwrap();
    let error = upload.store(broken).await.unwrap_err();
    assert!(matches!(error, AttachmentStoreError::Source(_)), "{error:?}");
    assert_eq!(desk.on_disk(), Vec::<PathBuf>::new());
    upload.discard().await;

    // More than any file may have, in pieces that are written one by one.
    let endless = stream::repeat_with(|| Ok(vec![b'x'; 64 * 1024].into())).boxed();
    let mut upload = begin().await.unwrap();
    assert!(matches!(upload.store(endless).await, Err(AttachmentStoreError::Source(_))));
    assert_eq!(desk.on_disk(), Vec::<PathBuf>::new());
    upload.discard().await;

    // The disk is full.
    desk.files.full.store(true, Ordering::SeqCst);
    let error = desk.send_bytes(id.as_str(), b"0123456789").await.unwrap_err();
    assert_eq!(error.status_and_code(), (503, "storage_unavailable"));
    assert_eq!(error.retry_after(), Some(2));
    desk.files.full.store(false, Ordering::SeqCst);

    // What was stored is found to be something else.
    let mut upload = begin().await.unwrap();
    assert_eq!(upload.store(pieces(b"0123456789")).await.unwrap(), 10);
    upload.store_preview(b"small".to_vec().into()).await.unwrap();
    assert_eq!(upload.read().await.unwrap(), "0123456789");
    assert_eq!(desk.on_disk().len(), 2);
    upload.discard().await;
    assert_eq!(desk.on_disk(), Vec::<PathBuf>::new());

    // It may be uploaded again, correctly; and then not once more.
    desk.send_bytes(id.as_str(), b"0123456789").await.unwrap();
    let Err(error) = begin().await else { panic!("it was uploaded") };
    assert_eq!(error.status_and_code(), (409, "already_uploaded"));
    let record = desk.attachments().record(&desk.owner, &id).await.unwrap().unwrap();
    assert_eq!(record.state, AttachmentState::Uploaded { has_preview: false });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_uploaded_over_one_connection_at_a_time() {
    let desk = Desk::open().await;
    let announced = desk.announce("a.txt", b"aaa").await;
    let id: AttachmentId = announced["id"].as_str().unwrap().into();
    let begin = || desk.attachments().begin_upload(&desk.owner, &id);
    let first = begin().await.unwrap();
    let Err(error) = begin().await else { panic!("two uploads at once") };
    assert_eq!(error.status_and_code(), (409, "upload_running"));
    // The user takes the file back while its bytes come in: they go with it.
    desk.json("attachments.delete", json!({"attachment_id": id})).await;
    let mut first = first;
    first.store(pieces(b"aaa")).await.unwrap();
    let error = first.complete("text/plain".to_owned(), false).await.unwrap_err();
    assert_eq!(error.status_and_code(), (404, "not_found"));
    desk.until_on_disk(0).await;
    let Err(error) = begin().await else { panic!("it was deleted") };
    assert_eq!(error.status_and_code(), (404, "not_found"));
    // Its record goes, too, after its bytes.
    while !desk.chatkit.store().doomed_attachments(None, 1).await.unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_upload_does_not_count() {
    let desk = Desk::open().await;
    for _ in 0..10 {
        let params = AttachmentCreateParams {
            name: "a.txt".to_owned(),
            size: 3,
            mime_type: "text/plain".to_owned(),
        };
        let record = desk.attachments().create(&desk.owner, params).await.unwrap();
        let mut upload = desk.attachments().begin_upload(&desk.owner, &record.id).await.unwrap();
        upload.store(pieces(b"abc")).await.unwrap();
        upload.abandon().await;
        assert_eq!(desk.on_disk(), Vec::<PathBuf>::new());
        let record = desk.attachments().record(&desk.owner, &record.id).await.unwrap();
        assert_eq!(record, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn images_are_shown_as_files_where_there_are_no_links_any_more() {
    let desk = Desk::open().await;
    let announced = desk.announce("a.png", b"png").await;
    let id = announced["id"].as_str().unwrap();
    let mut upload = desk.attachments().begin_upload(&desk.owner, &id.into()).await.unwrap();
    upload.store(pieces(b"png")).await.unwrap();
    upload.complete("image/png".to_owned(), true).await.unwrap();
    let (thread, frames) = desk.send_files("look", &[id]).await;
    let sent = &frames.of("thread.item.done")[0]["item"]["attachments"][0];
    assert_eq!(sent["type"], "image");
    assert_eq!(sent["preview_url"], format!("https://chat.example/files/{id}/preview?at=0"));
    // The operator turns attachments off.
    let off = desk.another().await;
    let item = off.item(&thread, "user_message").await;
    assert_eq!(item["attachments"][0]["type"], "file");
    assert_eq!(item["attachments"][0].get("preview_url"), None);
    assert_eq!(item["attachments"][0].get("download_url"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_cleared_of_what_a_killed_process_was_writing() {
    let desk = Desk::open().await;
    let id = desk.upload("a.txt", b"a").await;
    let whole = desk.on_disk().remove(0);
    std::fs::write(whole.with_file_name(format!("{id}#1")), b"half").unwrap();
    std::fs::write(whole.with_file_name("atc_other#12"), b"half").unwrap();
    assert_eq!(desk.on_disk().len(), 3);
    let desk = Desk::with(Arc::clone(&desk.folder), AttachmentLimits::default()).await;
    assert_eq!(desk.on_disk(), [whole]);
    desk.send_files("look", &[&id]).await;
}
