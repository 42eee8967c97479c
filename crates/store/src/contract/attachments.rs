//! Stories of files that users send along.

use parlor_chatkit::{
    AttachmentRecord, AttachmentState, BeginOutcome, DeleteAttachmentOutcome, DoomedAttachment,
    ItemWrite, Owner, SignedLink, Store, TurnThread, UnsentQuota, UploadedFile,
    protocol::{AttachmentId, FileAttachment, GeneratedImage, GeneratedImageItem, ThreadItem},
};

use super::{
    ada, at, begin_again, begin_with, end, item_ids, key, new_thread, others, put, user_message,
};
use crate::contract::conversation;
use parlor_chatkit::Visibility;

const PLENTY: UnsentQuota = UnsentQuota { bytes: u64::MAX, files: u32::MAX };

fn announced(id: &str, seconds: i64) -> AttachmentRecord {
    AttachmentRecord {
        id: id.into(),
        name: "Übersicht \u{1F4CE}.txt".to_owned(),
        mime_type: "text/plain".to_owned(),
        size: 100,
        state: AttachmentState::Waiting,
        thread_id: None,
        created_at: at(seconds),
        stored_for: None,
    }
}

pub(super) async fn announce(store: &impl Store, owner: &Owner, id: &str) {
    assert!(store.create_attachment(owner, &announced(id, 1_000), PLENTY).await.unwrap());
}

pub(super) async fn upload(store: &impl Store, owner: &Owner, id: &str) {
    announce(store, owner, id).await;
    let uploaded =
        UploadedFile { size: 7, mime_type: "text/markdown".to_owned(), has_preview: false };
    store.complete_attachment(owner, &id.into(), &uploaded).await.unwrap().unwrap();
}

pub(super) async fn record(
    store: &impl Store,
    owner: &Owner,
    id: &str,
) -> Option<AttachmentRecord> {
    store.attachments(owner, &[id.into()]).await.unwrap().pop()
}

async fn doomed(store: &impl Store) -> Vec<String> {
    let doomed = store.doomed_attachments(None, 1_000).await.unwrap();
    doomed.into_iter().map(|file| file.id.to_string()).collect()
}

/// A message with these files.
pub(super) fn message_with(thread: &str, id: &str, files: &[&str]) -> ThreadItem {
    let mut item = user_message(thread, id, "look at these");
    if let ThreadItem::UserMessage(message) = &mut item {
        let file = |id: &&str| FileAttachment {
            id: (*id).into(),
            name: "a.txt".to_owned(),
            mime_type: "text/plain".to_owned(),
            upload_descriptor: None,
            download_url: None,
            thread_id: Some(thread.into()),
            metadata: None,
        };
        message.attachments = files.iter().map(|id| file(id).into()).collect();
    }
    item
}

/// Begins a turn with a message and its files, in a thread that is made with it.
pub(super) async fn send(
    store: &impl Store,
    owner: &Owner,
    thread: &str,
    files: &[&str],
) -> BeginOutcome {
    let opening = [message_with(thread, &format!("{thread}-q"), files)];
    let made = TurnThread::New(new_thread(thread));
    begin_with(store, owner, made, &format!("{thread}-turn"), &opening, None).await.unwrap()
}

/// A file is waited for, uploaded once, and comes back as it was written.
pub async fn a_file_is_announced_and_then_uploaded_once(store: &impl Store) {
    announce(store, &ada(), "atc").await;
    assert_eq!(record(store, &ada(), "atc").await, Some(announced("atc", 1_000)));
    let uploaded = UploadedFile { size: 7, mime_type: "image/png".to_owned(), has_preview: true };
    let kept = store.complete_attachment(&ada(), &"atc".into(), &uploaded).await.unwrap();
    let expected = AttachmentRecord {
        size: 7,
        mime_type: "image/png".to_owned(),
        state: AttachmentState::Uploaded { has_preview: true },
        ..announced("atc", 1_000)
    };
    assert_eq!(kept, Some(expected.clone()));
    let other = UploadedFile { size: 8, mime_type: "text/css".to_owned(), has_preview: false };
    let again = store.complete_attachment(&ada(), &"atc".into(), &other).await.unwrap();
    assert_eq!(again, None, "nobody waits for its bytes any more");
    assert_eq!(record(store, &ada(), "atc").await, Some(expected));
}

/// Several files are looked up at once; what is not there is left out.
pub async fn files_are_looked_up_together(store: &impl Store) {
    for id in ["a", "b", "c"] {
        upload(store, &ada(), id).await;
    }
    upload(store, &others()[0], "bobs").await;
    let asked: Vec<AttachmentId> = ["c", "bobs", "none", "a", "'; --"].map(Into::into).into();
    let mut found: Vec<_> = store.attachments(&ada(), &asked).await.unwrap();
    found.sort_by(|a, b| a.id.cmp(&b.id));
    let found: Vec<_> = found.iter().map(|record| record.id.as_str()).collect();
    assert_eq!(found, ["a", "c"]);
    assert_eq!(store.attachments(&ada(), &[]).await.unwrap(), []);
}

/// Files of another user, and of the same user of another tenant, do not exist.
pub async fn no_file_of_anybody_else_exists(store: &impl Store) {
    announce(store, &ada(), "waiting").await;
    upload(store, &ada(), "uploaded").await;
    for stranger in others() {
        let who = format!("{stranger:?}");
        for id in ["waiting", "uploaded"] {
            assert_eq!(record(store, &stranger, id).await, None, "{who}");
            let uploaded =
                UploadedFile { size: 1, mime_type: "text/x".to_owned(), has_preview: true };
            let id = AttachmentId::from(id);
            let kept = store.complete_attachment(&stranger, &id, &uploaded).await.unwrap();
            assert_eq!(kept, None, "{who}");
            let deleted = store.delete_attachment(&stranger, &id).await.unwrap();
            assert_eq!(deleted, DeleteAttachmentOutcome::NotFound, "{who}");
            store.forget_attachment(&stranger, &id).await.unwrap();
        }
        let sent = send(store, &stranger, "stolen", &["uploaded"]).await;
        assert_eq!(sent, BeginOutcome::AttachmentLost, "{who}");
        assert_eq!(store.thread(&stranger, &"stolen".into()).await.unwrap(), None, "{who}");
    }
    assert_eq!(doomed(store).await, [""; 0]);
    assert_eq!(record(store, &ada(), "waiting").await, Some(announced("waiting", 1_000)));
    assert_eq!(record(store, &ada(), "uploaded").await.unwrap().size, 7);
    // A link leads to the owner and to nobody else.
    let link = SignedLink::verified("uploaded".into());
    assert_eq!(store.attachment_owner(&link).await.unwrap(), Some(ada()));
    let link = SignedLink::verified("none".into());
    assert_eq!(store.attachment_owner(&link).await.unwrap(), None);
}

/// A message binds its files in the transaction that stores it.
pub async fn a_message_takes_its_files_along(store: &impl Store) {
    upload(store, &ada(), "a").await;
    upload(store, &ada(), "b").await;
    let sent = send(store, &ada(), "thr", &["a", "b"]).await;
    assert!(matches!(sent, BeginOutcome::Begun { .. }), "{sent:?}");
    for id in ["a", "b"] {
        let bound = record(store, &ada(), id).await.unwrap();
        assert_eq!(bound.thread_id, Some("thr".into()));
        let deleted = store.delete_attachment(&ada(), &id.into()).await.unwrap();
        assert_eq!(deleted, DeleteAttachmentOutcome::Sent);
    }
    end(store, &ada(), "thr", "thr-turn", &[]).await;
    // Sent again in the same thread, as when a message is edited.
    let opening = [message_with("thr", "again", &["a"])];
    let existing = TurnThread::Existing("thr".into());
    let sent = begin_with(store, &ada(), existing, "again", &opening, None).await.unwrap();
    assert!(matches!(sent, BeginOutcome::Begun { .. }), "{sent:?}");
}

/// A message with a file that cannot be sent writes nothing: neither itself nor its other files.
pub async fn a_file_that_cannot_be_sent_keeps_the_message_back(store: &impl Store) {
    announce(store, &ada(), "waiting").await;
    upload(store, &ada(), "gone").await;
    store.delete_attachment(&ada(), &"gone".into()).await.unwrap();
    upload(store, &ada(), "elsewhere").await;
    send(store, &ada(), "other", &["elsewhere"]).await;
    upload(store, &ada(), "good").await;
    conversation(store, &ada(), "here").await;
    for bad in ["waiting", "gone", "elsewhere", "none"] {
        let sent = send(store, &ada(), "thr", &["good", bad]).await;
        assert_eq!(sent, BeginOutcome::AttachmentLost, "{bad}");
        assert_eq!(store.thread(&ada(), &"thr".into()).await.unwrap(), None, "{bad}");
        let opening = [message_with("here", "late", &[bad, "good"])];
        let existing = TurnThread::Existing("here".into());
        let sent = begin_with(store, &ada(), existing, "late", &opening, None).await.unwrap();
        assert_eq!(sent, BeginOutcome::AttachmentLost, "{bad}");
        assert_eq!(item_ids(store, &ada(), "here", Visibility::All).await.len(), 2, "{bad}");
        assert_eq!(record(store, &ada(), "good").await.unwrap().thread_id, None, "{bad}");
    }
}

/// Of many messages that would take the same file at once, one gets it.
pub async fn one_of_many_messages_gets_a_file(store: &(impl Store + Clone)) {
    upload(store, &ada(), "atc").await;
    let sending = (0..20).map(|n| {
        let store = store.clone();
        tokio::spawn(async move { send(&store, &ada(), &format!("thr-{n}"), &["atc"]).await })
    });
    let mut got = Vec::new();
    for (n, sent) in sending.collect::<Vec<_>>().into_iter().enumerate() {
        match sent.await.unwrap() {
            BeginOutcome::Begun { .. } => got.push(format!("thr-{n}")),
            other => assert_eq!(other, BeginOutcome::AttachmentLost),
        }
    }
    let bound = record(store, &ada(), "atc").await.unwrap();
    assert_eq!(got, [bound.thread_id.unwrap().to_string()]);
    for n in 0..20 {
        let thread = format!("thr-{n}");
        let there = store.thread(&ada(), &thread.as_str().into()).await.unwrap().is_some();
        assert_eq!(there, got.contains(&thread), "a refused message left no thread");
    }
}

/// A deleted thread dooms its files; each stays on record until its bytes are deleted.
pub async fn deleting_a_thread_dooms_its_files(store: &impl Store) {
    for id in ["a", "b", "other", "unsent"] {
        upload(store, &ada(), id).await;
    }
    send(store, &ada(), "thr", &["a", "b"]).await;
    send(store, &ada(), "kept", &["other"]).await;
    for stranger in others() {
        assert!(!store.delete_thread(&stranger, &"thr".into()).await.unwrap());
    }
    assert_eq!(doomed(store).await, [""; 0]);
    assert!(store.delete_thread(&ada(), &"thr".into()).await.unwrap());
    assert_eq!(doomed(store).await, ["a", "b"]);
    assert_eq!(record(store, &ada(), "a").await, None, "it is gone for its owner");
    let link = SignedLink::verified("a".into());
    assert_eq!(store.attachment_owner(&link).await.unwrap(), None, "its links lead nowhere");
    let deleted = store.delete_attachment(&ada(), &"a".into()).await.unwrap();
    assert_eq!(deleted, DeleteAttachmentOutcome::NotFound);
    assert_eq!(send(store, &ada(), "late", &["a"]).await, BeginOutcome::AttachmentLost);

    store.forget_attachment(&ada(), &"a".into()).await.unwrap();
    assert_eq!(doomed(store).await, ["b"]);
    // Only what is doomed can be forgotten.
    store.forget_attachment(&ada(), &"other".into()).await.unwrap();
    store.forget_attachment(&ada(), &"unsent".into()).await.unwrap();
    assert!(record(store, &ada(), "other").await.is_some());
    assert!(record(store, &ada(), "unsent").await.is_some());
}

/// What the server has made for a user becomes a thread's, and goes with the item that shows it or with
/// the thread.
pub async fn a_made_file_goes_with_its_item_or_its_thread(store: &impl Store) {
    conversation(store, &ada(), "thr").await;
    let next = begin_again(store, &ada(), "thr", "turn").await;
    let keep = async |owner: &Owner, thread: &str, id: &str| {
        store.keep_attachment(owner, &thread.into(), &id.into()).await.unwrap()
    };
    announce(store, &ada(), "img_late").await;
    assert!(!keep(&ada(), "thr", "img_late").await, "its bytes have not come");
    for id in ["img_a", "img_b"] {
        upload(store, &ada(), id).await;
        for stranger in others() {
            assert!(!keep(&stranger, "thr", id).await, "{stranger:?}");
        }
        assert!(!keep(&ada(), "none", id).await, "there is no such thread");
        assert_eq!(record(store, &ada(), id).await.unwrap().thread_id, None);
        assert!(keep(&ada(), "thr", id).await);
        assert!(!keep(&ada(), "thr", id).await, "it is the thread's already");
        assert_eq!(record(store, &ada(), id).await.unwrap().thread_id, Some("thr".into()));
    }
    let image = |id: &str| {
        ThreadItem::from(GeneratedImageItem {
            id: id.into(),
            thread_id: "thr".into(),
            created_at: at(1),
            image: Some(GeneratedImage { id: id.to_owned(), ..GeneratedImage::default() }),
        })
    };
    let writes = [put(next, image("img_a")), put(next + 1, image("img_b"))];
    store.write(&ada(), &key("thr", "turn"), &writes).await.unwrap();
    assert_eq!(doomed(store).await, [""; 0]);
    // Taken back, or made anew.
    store.write(&ada(), &key("thr", "turn"), &[ItemWrite::Remove("img_a".into())]).await.unwrap();
    assert_eq!(doomed(store).await, ["img_a"]);
    assert_eq!(record(store, &ada(), "img_a").await, None);
    // An item that only has the name of a file takes nobody's file along.
    upload(store, &others()[0], "img_bobs").await;
    let theirs = [put(next + 2, image("img_bobs")), ItemWrite::Remove("img_bobs".into())];
    end(store, &ada(), "thr", "turn", &theirs).await;
    assert!(store.delete_thread(&ada(), &"thr".into()).await.unwrap());
    assert_eq!(doomed(store).await, ["img_a", "img_b"]);
    assert!(record(store, &others()[0], "img_bobs").await.is_some());
}

/// What was announced long ago and is not sent expires, uploaded or not; what was sent stays.
pub async fn unsent_files_expire(store: &impl Store) {
    for (id, seconds) in [("old", 10), ("sent", 10), ("edge", 20), ("new", 30)] {
        let record = announced(id, seconds);
        assert!(store.create_attachment(&ada(), &record, PLENTY).await.unwrap());
    }
    upload(store, &others()[0], "bobs").await;
    let uploaded = UploadedFile { size: 7, mime_type: "text/plain".to_owned(), has_preview: false };
    store.complete_attachment(&ada(), &"sent".into(), &uploaded).await.unwrap();
    send(store, &ada(), "thr", &["sent"]).await;
    assert_eq!(store.expire_attachments(at(20)).await.unwrap(), 1);
    assert_eq!(doomed(store).await, ["old"]);
    assert_eq!(store.expire_attachments(at(20)).await.unwrap(), 0);
    assert_eq!(store.expire_attachments(at(5_000)).await.unwrap(), 3);
    assert_eq!(doomed(store).await, ["bobs", "edge", "new", "old"]);
    assert!(record(store, &ada(), "sent").await.is_some());
    let late = store.complete_attachment(&ada(), &"new".into(), &uploaded).await.unwrap();
    assert_eq!(late, None, "an upload that comes too late is not taken");
}

/// Doomed files are listed page by page, with their owners.
pub async fn doomed_files_are_listed_page_by_page(store: &impl Store) {
    let everybody = [&others()[..], &[ada()]].concat();
    for (n, owner) in everybody.iter().cycle().take(10).enumerate() {
        let id = format!("atc-{n}");
        announce(store, owner, &id).await;
        let deleted = store.delete_attachment(owner, &id.as_str().into()).await.unwrap();
        assert_eq!(deleted, DeleteAttachmentOutcome::Deleted);
    }
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = store.doomed_attachments(after.as_ref(), 3).await.unwrap();
        assert!(page.len() <= 3);
        let Some(last) = page.last() else { break };
        after = Some(last.id.clone());
        found.extend(page);
    }
    let expected: Vec<_> = everybody
        .iter()
        .cycle()
        .take(10)
        .enumerate()
        .map(|(n, owner)| DoomedAttachment {
            owner: owner.clone(),
            id: AttachmentId::from(format!("atc-{n}")),
            stored_for: None,
        })
        .collect();
    assert_eq!(found, expected);
}

/// An owner may have only so much that is not sent; what others have does not count.
pub async fn unsent_files_are_limited_for_each_owner(store: &impl Store) {
    let quota = UnsentQuota { bytes: 250, files: 3 };
    let create = async |owner: &Owner, id: &str, size: u64| {
        let record = AttachmentRecord { size, ..announced(id, 1_000) };
        store.create_attachment(owner, &record, quota).await.unwrap()
    };
    assert!(create(&ada(), "a", 100).await);
    assert!(create(&ada(), "b", 100).await);
    assert!(!create(&ada(), "too-large", 51).await, "the bytes are used up");
    assert!(!create(&ada(), "huge", u64::MAX).await);
    assert_eq!(record(store, &ada(), "too-large").await, None);
    assert!(create(&ada(), "c", 50).await);
    for other in others() {
        assert!(create(&other, &format!("{other:?}"), 100).await);
    }
    // Uploaded, it counts with what it really has.
    let uploaded = UploadedFile { size: 1, mime_type: "text/plain".to_owned(), has_preview: false };
    store.complete_attachment(&ada(), &"a".into(), &uploaded).await.unwrap();
    assert!(!create(&ada(), "fourth", 1).await, "three files are enough");
    send(store, &ada(), "thr", &["a"]).await;
    assert!(create(&ada(), "fourth", 1).await, "what was sent does not count");
    store.delete_attachment(&ada(), &"fourth".into()).await.unwrap();
    assert!(create(&ada(), "fifth", 100).await, "nor what was deleted");
}
