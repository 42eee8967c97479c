//! What becomes of database files: broken ones, unwritable ones, and those of killed processes.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
};

use parlor_chatkit::{
    BeginOutcome, BeginTurn, Owner, PageQuery, Store as _, TurnThread, UserId, Visibility,
    protocol::{HiddenContextItem, JsonMap, Order, ThreadMetadata, ThreadStatus, Timestamp},
};
use parlor_store::{FileStore, OpenError, SqliteStore};
use sqlx::{Connection as _, Row as _};

async fn open(path: &Path) -> Result<SqliteStore, OpenError> {
    SqliteStore::open(path.to_str().unwrap()).await
}

async fn refused(path: &str) -> String {
    let error = SqliteStore::open(path).await.unwrap_err();
    let message = error.to_string();
    assert!(!message.contains('\n'), "one line: {message}");
    message
}

#[tokio::test]
async fn what_cannot_be_opened_says_why_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();

    let missing = at("no/such/folder/chat.db");
    let said = refused(&missing).await;
    assert!(said.contains("/no/such/folder` does not exist; create it"), "{said}");

    let said = refused(&at("")).await;
    assert!(said.contains("is a folder; name a file in it"), "{said}");

    std::fs::write(at("notes.txt"), "These are notes, and no database at all. ".repeat(100))
        .unwrap();
    let said = refused(&at("notes.txt")).await;
    assert!(said.contains("notes.txt` is not a SQLite database"), "{said}");
    let untouched = std::fs::read_to_string(at("notes.txt")).unwrap();
    assert!(untouched.starts_with("These are notes"));

    for memory in ["sqlite::memory:", ":memory:", "sqlite://x?mode=memory"] {
        let said = refused(memory).await;
        assert!(said.contains("name a file"), "{said}");
    }

    let said = refused("sqlite://chat.db?mode=nonsense").await;
    assert!(said.contains("is no SQLite URL"), "{said}");
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    open(&path).await.unwrap().close().await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (999, 'from the future', 1, x'00', 0)",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();
    let said = refused(path.to_str().unwrap()).await;
    assert!(said.contains("written by a newer version (schema 999)"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn servers_that_start_at_once_share_a_folder_of_files() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..50 {
        let files = folder.path().join(format!("files-{round}"));
        let opening = (0..8).map(|_| tokio::spawn(FileStore::in_folder(files.clone())));
        for opened in futures::future::join_all(opening).await {
            opened.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_written_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    open(&path).await.unwrap().close().await;
    // By URL, because permissions don't bind the administrator, who runs tests in containers.
    let url = format!("sqlite://{}?immutable=true", path.display());
    let said = match SqliteStore::open(&url).await {
        Err(error) => error.to_string(),
        // Nothing to migrate: it opens, and refuses the first message.
        Ok(store) => begin(&store, 0).await.unwrap_err(),
    };
    assert!(!said.contains('\n') && !said.is_empty(), "{said}");
    let said = refused("/proc/chat.db").await;
    assert!(said.contains("check that the folder and the file can be written"), "{said}");
}

fn ada() -> Owner {
    Owner::single_tenant(UserId::new("ada"))
}

async fn begin(store: &SqliteStore, n: usize) -> Result<String, String> {
    let now = Timestamp::from_micros(1).unwrap();
    let id = format!("thr-{}-{n}", std::process::id());
    let thread = ThreadMetadata {
        title: None,
        id: id.as_str().into(),
        created_at: now,
        status: ThreadStatus::Active,
        allowed_image_domains: None,
        metadata: JsonMap::new(),
    };
    let opening = [HiddenContextItem {
        id: format!("item-{id}").into(),
        thread_id: id.as_str().into(),
        created_at: now,
        content: "x".repeat(n % 7 * 1_000).into(),
    }
    .into()];
    let begin = BeginTurn {
        turn_id: format!("turn-{id}").into(),
        thread: TurnThread::New(thread),
        opening: &opening,
        changed: &[],
        idempotency_key: None,
        holder: "process",
        now,
    };
    match store.begin_turn(&ada(), begin).await {
        Ok(BeginOutcome::Begun { .. }) => Ok(id),
        other => Err(format!("{other:?}")),
    }
}

/// The variable that tells [`writes_until_it_is_killed`] that it is the process to be killed.
const VICTIM: &str = "PARLOR_TEST_VICTIM_DB";

/// Not a test by itself: the process that the next test kills.
#[tokio::test(flavor = "multi_thread")]
async fn writes_until_it_is_killed() {
    let Some(path) = std::env::var_os(VICTIM) else { return };
    let store = open(Path::new(&path)).await.unwrap();
    for n in 0.. {
        let id = begin(&store, n).await.unwrap();
        let mut out = std::io::stdout().lock();
        out.write_all(format!("acknowledged {id}\n").as_bytes()).unwrap();
        out.flush().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_a_killed_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let mut acknowledged = Vec::new();
    for lines in [1, 7, 23, 60, 2, 41] {
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "writes_until_it_is_killed", "--nocapture"])
            .env(VICTIM, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(victim.stdout.take().unwrap()).lines();
        let mut heard = 0;
        while heard < lines {
            let line = said.next().unwrap().unwrap();
            // The test runner writes the test's name before the first.
            if let Some((_, id)) = line.split_once("acknowledged ") {
                acknowledged.push(id.to_owned());
                heard += 1;
            }
        }
        // SIGKILL, in the middle of whatever it is writing by now.
        victim.kill().unwrap();
        victim.wait().unwrap();

        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
        let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
        let row = sqlx::query("PRAGMA integrity_check").fetch_one(&mut connection).await.unwrap();
        assert_eq!(row.get::<String, _>(0), "ok");
        connection.close().await.unwrap();

        let store = open(&path).await.unwrap();
        let query = PageQuery { limit: 10, order: Order::Asc, after: None };
        for id in &acknowledged {
            let thread = id.as_str().into();
            let items = store.items(&ada(), &thread, &query, Visibility::All).await.unwrap();
            assert_eq!(items.unwrap().data.len(), 1, "{id} with its message");
        }
        let orphans = store.interrupt_orphans("next", Timestamp::from_micros(2).unwrap()).await;
        assert!(orphans.unwrap() >= lines, "every turn of the killed process is closed");
        store.close().await;
    }
}
