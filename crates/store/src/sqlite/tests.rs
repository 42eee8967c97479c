#![expect(clippy::unwrap_used, reason = "tests")]

use parlor_chatkit::{
    UserId,
    protocol::{JsonMap, UserMessageContent, UserMessageItem, UserMessageTextContent},
};

use super::*;

async fn say(store: &SqliteStore, n: usize) -> Result<BeginOutcome, StoreError> {
    let now = Timestamp::from_micros(1).unwrap();
    let id = ThreadId::new(format!("thr-{n}"));
    let text = "a message of some length ".repeat(400);
    let opening = [UserMessageItem {
        id: ItemId::new(format!("msg-{n}")),
        thread_id: id.clone(),
        created_at: now,
        content: vec![UserMessageContent::Text(UserMessageTextContent { text })],
        attachments: Vec::new(),
        quoted_text: None,
        inference_options: parlor_chatkit::protocol::InferenceOptions::default(),
    }
    .into()];
    let thread = ThreadMetadata {
        title: None,
        id,
        created_at: now,
        status: ThreadStatus::Active,
        allowed_image_domains: None,
        metadata: JsonMap::new(),
    };
    let begin = BeginTurn {
        turn_id: TurnId::new(format!("turn-{n}")),
        thread: TurnThread::New(thread),
        opening: &opening,
        changed: &[],
        idempotency_key: None,
        holder: "process",
        now,
    };
    store.begin_turn(&Owner::single_tenant(UserId::new("ada")), begin).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_whole_turns_and_goes_on_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = SqliteStore::open(path.to_str().unwrap()).await.unwrap();
    // SQLite then behaves as on a disk of that size. The writer is a single connection.
    let pages: i64 = sqlx::query("PRAGMA page_count")
        .fetch_one(&store.writer)
        .await
        .map(|row| row.get(0))
        .unwrap();
    let limit = |pages: i64| sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
    sqlx::query(limit(pages + 30)).execute(&store.writer).await.unwrap();

    let mut kept = 0;
    let refused = loop {
        match say(&store, kept).await {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
    };
    assert!(kept > 2, "there was room for some");
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");
    let owner = Owner::single_tenant(UserId::new("ada"));
    let all = PageQuery { limit: 100, order: Order::Asc, after: None };
    let threads = store.threads(&owner, &all).await.unwrap().unwrap();
    assert_eq!(threads.data.len(), kept, "reading goes on, and nothing is half there");

    sqlx::query(limit(1_000_000)).execute(&store.writer).await.unwrap();
    // SQLite has rolled the transaction back by itself, unknown to the driver.
    say(&store, kept).await.unwrap();
    let items = store
        .items(&owner, &ThreadId::new(format!("thr-{kept}")), &all, Visibility::All)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(items.data.len(), 1);
    let sound: String = sqlx::query("PRAGMA integrity_check")
        .fetch_one(&store.writer)
        .await
        .map(|row| row.get(0))
        .unwrap();
    assert_eq!(sound, "ok");
}

#[tokio::test]
async fn pending_calls_of_an_older_database_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let mut first = SqliteConnection::connect_with(&options).await.unwrap();
    let (version, description, sql) = MIGRATIONS[0];
    let migration = Migration::new(
        version,
        description.into(),
        MigrationType::Simple,
        sqlx::SqlStr::from_static(sql),
        false,
    );
    Migrator::with_migrations(vec![migration]).run(&mut first).await.unwrap();
    for statement in [
        "INSERT INTO threads (id, tenant_id, user_id, created_at, status, metadata) VALUES ('t', \
         'default', 'ada', 0, '{\"type\":\"active\"}', '{}')",
        "INSERT INTO items (thread_id, seq, id, turn_id, hidden, pending, body) VALUES ('t', 1, \
         'a', 'x', 0, 0, '{\"type\":\"client_tool_call\",\"status\":\"pending\"}'), ('t', 2, \
         'b', 'x', 0, 0, '{\"type\":\"client_tool_call\",\"status\":\"completed\"}'), ('t', 3, \
         'c', 'x', 0, 0, '{\"type\":\"widget\",\"status\":\"pending\"}')",
    ] {
        sqlx::query(statement).execute(&mut first).await.unwrap();
    }
    first.close().await.unwrap();
    let store = SqliteStore::open(path.to_str().unwrap()).await.unwrap();
    let waiting: Vec<String> = sqlx::query("SELECT id FROM items WHERE waiting = 1")
        .fetch_all(&store.readers)
        .await
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert_eq!(waiting, ["a"]);
}
