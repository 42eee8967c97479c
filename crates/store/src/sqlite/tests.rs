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
    let pragma = async |sql: String| -> String {
        let read = move |connection: &Connection| {
            let value: rusqlite::types::Value =
                connection.query_row(&sql, [], |row| row.get(0)).map_err(failed)?;
            Ok(match value {
                rusqlite::types::Value::Integer(number) => number.to_string(),
                rusqlite::types::Value::Text(text) => text,
                other => format!("{other:?}"),
            })
        };
        store.writer.run(read).await.unwrap()
    };
    let pages: i64 = pragma("PRAGMA page_count".to_owned()).await.parse().unwrap();
    pragma(format!("PRAGMA max_page_count = {}", pages + 30)).await;

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

    pragma("PRAGMA max_page_count = 1000000".to_owned()).await;
    say(&store, kept).await.unwrap();
    let items = store
        .items(&owner, &ThreadId::new(format!("thr-{kept}")), &all, Visibility::All)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(items.data.len(), 1);
    assert_eq!(pragma("PRAGMA integrity_check".to_owned()).await, "ok");
}

#[tokio::test]
async fn pending_calls_of_an_older_database_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let mut first = SqliteConnection::connect_with(&options).await.unwrap();
    migrator(&MIGRATIONS[..1]).run(&mut first).await.unwrap();
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
    let waiting = store
        .readers
        .run(|connection| {
            all(connection, "SELECT id FROM items WHERE waiting = 1", [], |row| {
                row.get::<_, String>(0).map_err(failed)
            })
        })
        .await
        .unwrap();
    assert_eq!(waiting, ["a"]);
}

#[tokio::test]
async fn work_that_fails_or_panics_takes_nothing_else_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("chat.db").to_str().unwrap()).await.unwrap();
    // Waits in the queue until all of them are there, so that they share a transaction.
    let (all_there, wait) = std::sync::mpsc::channel::<()>();
    let blocked = store.writer.run(move |_| {
        wait.recv().ok();
        Ok(())
    });
    let put = |name: &'static str| {
        store.writer.run(move |connection| {
            execute(connection, "INSERT INTO secrets (name, value) VALUES (?1, x'00')", [name])
        })
    };
    let panics = store.writer.run(|connection| -> Result<(), StoreError> {
        execute(connection, "INSERT INTO secrets (name, value) VALUES ('p', x'00')", [])?;
        panic!("on purpose")
    });
    let release = async {
        tokio::task::yield_now().await;
        all_there.send(()).ok();
        Ok(())
    };
    let (_, first, panicked, twice, last, _): (_, _, _, _, _, Result<(), StoreError>) =
        tokio::join!(blocked, put("a"), panics, put("a"), put("b"), release);
    assert!(first.is_ok() && last.is_ok());
    assert!(matches!(twice, Err(StoreError::Failed(_))), "{twice:?}");
    assert!(matches!(panicked, Err(StoreError::Unavailable(_))), "{panicked:?}");
    let names = store.readers.run(|connection| {
        all(connection, "SELECT name FROM secrets ORDER BY name", [], |row| {
            row.get::<_, String>(0).map_err(failed)
        })
    });
    assert_eq!(names.await.unwrap(), ["a", "b"], "and what was written is committed");
}

#[tokio::test]
async fn no_table_with_data_of_users_is_forgotten_when_one_is_erased() {
    use crate::operator::{OWNED, OWNERLESS, WITH_THREADS};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = SqliteStore::open(path.to_str().unwrap()).await.unwrap();
    let columns = store.readers.run(|connection| {
        all(
            connection,
            "SELECT tables.name, columns.name FROM sqlite_schema tables JOIN \
             pragma_table_info(tables.name) columns WHERE tables.type = 'table' AND tables.name \
             NOT LIKE 'sqlite%'",
            [],
            |row| Ok((text(row, 0)?.unwrap().to_owned(), text(row, 1)?.unwrap().to_owned())),
        )
    });
    let columns = columns.await.unwrap();
    for (table, _) in &columns {
        let is_owned = OWNED.iter().any(|(owned, ..)| owned == table);
        let is_known =
            WITH_THREADS.contains(&table.as_str()) || OWNERLESS.contains(&table.as_str());
        assert!(is_owned || is_known, "say in operator.rs what becomes of the rows of `{table}`");
    }
    for (table, tenant, user) in OWNED {
        for column in [tenant, user] {
            let named = (table.to_owned(), column.to_owned());
            assert!(columns.contains(&named), "`{table}` has no `{column}`");
        }
    }
    for (table, column) in columns {
        let is_owner = ["tenant_id", "user_id"].contains(&column.as_str());
        assert!(!is_owner || !OWNERLESS.contains(&table.as_str()), "`{table}` has owners");
    }
}

#[tokio::test]
async fn acts_on_record_are_not_changed_or_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = SqliteStore::open(path.to_str().unwrap()).await.unwrap();
    for sql in [
        "INSERT INTO audit (at, act, actor, counts) VALUES (1, 'a', 'b', '{}')",
        "UPDATE audit SET actor = 'nobody'",
        "DELETE FROM audit",
    ] {
        let done = store.writer.run(move |connection| execute(connection, sql, [])).await;
        assert_eq!(done.is_ok(), sql.starts_with("INSERT"), "{sql}: {done:?}");
    }
}
