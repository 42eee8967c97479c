//! Rows as earlier versions wrote them: see `tests/filling/README.md`.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{fs, path::PathBuf};

use parlor_chatkit::{
    Owner, PageQuery, Store, TenantId, UserId, Visibility,
    protocol::{
        AttachmentId, FeedbackKind, ItemId, Order, ThreadId, ThreadItem, ThreadStatus, Timestamp,
    },
};

use crate::{AuditQuery, LoginId, LoginStore, OperatorStore, migrations::Source};

/// What fills a database of a version, for somebody of this name: the SQL of each migration that
/// has some, up to that version.
pub(crate) fn filling(database: &str, version: i64, name: &str) -> Vec<String> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/filling").join(database);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap()).collect();
    files.sort_by_key(fs::DirEntry::file_name);
    let number = |file: &fs::DirEntry| -> i64 {
        file.file_name().to_str().unwrap().split('_').next().unwrap().parse().unwrap()
    };
    let files = files.into_iter().filter(|file| number(file) <= version);
    files.map(|file| fs::read_to_string(file.path()).unwrap().replace("{name}", name)).collect()
}

/// The name of who wrote in a version's time.
pub(crate) fn name(version: i64) -> String {
    format!("v{version}")
}

/// What the migrations up to a version make of a database, with what each version's time has
/// written: first the migration, then its rows.
pub(crate) async fn history(
    database: &str,
    migrations: &[Source],
    until: i64,
    mut migrate: impl AsyncFnMut(i64),
    mut run: impl AsyncFnMut(String),
) {
    for (version, ..) in migrations.iter().filter(|migration| migration.0 <= until) {
        migrate(*version).await;
        for sql in filling(database, *version, &name(*version)) {
            run(sql).await;
        }
    }
}

/// What was written in a version's time is there and can be worked with, as ever.
pub(crate) async fn is_whole(
    store: &(impl Store + LoginStore + OperatorStore),
    database: &str,
    version: i64,
) {
    let name = name(version);
    let id = |what: &str| format!("{name}-{what}");
    let owner = Owner::authenticated(TenantId::new("filled"), UserId::new(name.as_str()));
    let all = PageQuery { limit: 100, order: Order::Asc, after: None };

    let threads = store.threads(&owner, &all).await.unwrap().unwrap().data;
    let ids: Vec<_> = threads.iter().map(|thread| thread.id.as_str().to_owned()).collect();
    assert_eq!(ids, [id("thread"), id("closed")]);
    assert_eq!(threads[0].title.as_deref(), Some("A title"));
    assert_eq!(threads[0].metadata["key"], "value");
    assert!(matches!(&threads[1].status, ThreadStatus::Closed { reason: Some(_) }));

    // The turn that nobody runs any more is closed as at a server's start; what it said is kept.
    store.interrupt_orphans("the next process", now()).await.unwrap();
    let thread = ThreadId::new(id("thread"));
    let items = store.items(&owner, &thread, &all, Visibility::All).await.unwrap().unwrap().data;
    let ids: Vec<_> = items.iter().map(|item| item.id().unwrap().to_string()).collect();
    let expected = ["question", "answer", "hidden", "call", "half"];
    assert_eq!(ids, expected.map(id));
    let ThreadItem::AssistantMessage(answer) = &items[1] else { panic!("{:?}", items[1]) };
    assert_eq!(answer.text(), "So.");
    assert_eq!(answer.feedback.as_ref().map(|given| given.kind), Some(FeedbackKind::Positive));
    let key = store.turn_by_key(&owner, &id("key")).await.unwrap().unwrap();
    assert_eq!(key.turn_id.as_str(), id("turn"));
    assert_eq!(store.secret(&id("key"), vec![9]).await.unwrap(), [1, 2]);

    let written = filling(database, version, &name).concat();
    if written.contains("INTO attachments") {
        let ids = ["sent", "unsent", "waiting", "doomed"].map(|what| AttachmentId::new(id(what)));
        let found = store.attachments(&owner, &ids).await.unwrap();
        let mut found: Vec<_> = found.iter().map(|file| file.id.to_string()).collect();
        found.sort();
        assert_eq!(found, ["sent", "unsent", "waiting"].map(id));
    }
    if written.contains("INTO logins") {
        let mut bytes = [b'0'; 32];
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        let login = store.login(&LoginId(bytes), now()).await.unwrap().unwrap();
        assert_eq!(login.owner, owner);
        assert_eq!(login.identity.name.as_deref(), Some("Somebody"));
    }

    if written.contains("INTO audit") {
        let all = AuditQuery { limit: 100, ..AuditQuery::default() };
        let acts = store.audit(&all).await.unwrap();
        let act = acts.iter().find(|act| act.entry.actor == name).unwrap();
        assert_eq!(act.entry.counts["threads"], 2);
        let visitor = UserId::new(format!("visitor:{name}"));
        let visitor = Owner::authenticated(owner.tenant().clone(), visitor);
        assert!(store.visitor_has_moved(&visitor).await.unwrap());
    }

    let item = store.item(&owner, &thread, &ItemId::new(id("question"))).await.unwrap();
    assert!(matches!(item, Some(ThreadItem::UserMessage(_))));
}

fn now() -> Timestamp {
    // The first second of 2100, when all of it was written.
    Timestamp::from_micros(4_102_444_800_000_000).unwrap()
}
