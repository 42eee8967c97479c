//! A database that is away, goes away, hangs, and comes back.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parlor_chatkit::{ItemState, Store as _, StoreError, TurnState};
use parlor_store::{PostgresSettings, PostgresStore};
use parlor_test_postgres::{Server, Stop};
use sqlx::{Connection as _, PgConnection};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    sync::watch,
};

use crate::cast::{ada, answer, begin, item_ids, key, now, put, settings, until};

fn unavailable<T: std::fmt::Debug>(result: Result<T, StoreError>) {
    assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_comes_and_goes_and_nothing_acknowledged_is_lost() {
    let server = Server::start().unwrap();
    let place = server.place();
    server.stop(Stop::Fast).unwrap();
    // Opened without a database: it says so, at once.
    let store = PostgresStore::open(&place.url, &settings(&place)).await.unwrap();
    unavailable(store.check().await);
    unavailable(begin(&store, &ada(), "thr", true, "turn", "process").await);
    server.start_again().unwrap();
    let back = Instant::now();
    until("the database's being found", async || store.check().await.ok()).await;
    // It is looked for every second; the rest is for slow machines.
    assert!(back.elapsed() < Duration::from_secs(10), "{:?}", back.elapsed());

    // Gone in the middle of a turn, twice, in both ways.
    begin(&store, &ada(), "thr", true, "turn", "process").await.unwrap();
    for (n, how) in [(2, Stop::Fast), (3, Stop::Crash)] {
        let half = put(n, answer("thr", &format!("half-{n}"), "Hal"), ItemState::Pending);
        store.write(&ada(), &key("thr", "turn"), std::slice::from_ref(&half)).await.unwrap();
        server.stop(how).unwrap();
        let refused = Instant::now();
        unavailable(store.write(&ada(), &key("thr", "turn"), &[half]).await);
        unavailable(store.thread(&ada(), &"thr".into()).await);
        unavailable(store.check().await);
        assert!(refused.elapsed() < Duration::from_secs(10), "it does not wait for a time-out");
        server.start_again().unwrap();
        // Connections are made again when they are needed: the first question is answered.
        store.check().await.unwrap();
        let whole = put(n, answer("thr", &format!("half-{n}"), "Halfway"), ItemState::Pending);
        store.write(&ada(), &key("thr", "turn"), &[whole]).await.unwrap();
    }
    store.end_turn(&ada(), &key("thr", "turn"), TurnState::Done, &[], now()).await.unwrap();
    assert_eq!(item_ids(&store, &ada(), "thr").await, ["thr-turn", "half-2", "half-3"]);
}

#[tokio::test]
async fn a_connection_that_the_server_has_ended_is_nobodys_concern() {
    let place = Server::shared().place();
    let store = PostgresStore::open(&place.url, &settings(&place)).await.unwrap();
    let mut admin = PgConnection::connect(&Server::shared().url("postgres")).await.unwrap();
    for _ in 0..3 {
        store.thread(&ada(), &"thr".into()).await.unwrap();
        // By the schema that they ask for: other tests use this server as well.
        let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE \
                   '%' || $1 || '.get_thread%' AND pid <> pg_backend_pid()";
        sqlx::query(sql).bind(&place.schema).execute(&mut admin).await.unwrap();
        assert_eq!(store.thread(&ada(), &"thr".into()).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_lock_that_is_held_too_long_is_an_outage_and_no_failure() {
    let place = Server::shared().place();
    let impatient = PostgresSettings {
        lock_timeout: Duration::from_millis(50),
        connections: 1,
        ..settings(&place)
    };
    let store = PostgresStore::open(&place.url, &impatient).await.unwrap();
    let mut admin = PgConnection::connect(&place.url).await.unwrap();
    let mut holding = admin.begin().await.unwrap();
    let lock = format!("LOCK TABLE {}.threads IN ACCESS EXCLUSIVE MODE", place.schema);
    sqlx::query(sqlx::AssertSqlSafe(lock)).execute(&mut *holding).await.unwrap();
    unavailable(store.thread(&ada(), &"thr".into()).await);
    holding.rollback().await.unwrap();
    assert_eq!(store.thread(&ada(), &"thr".into()).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_who_go_away_cost_no_connection() {
    let place = Server::shared().place();
    let one = PostgresSettings { connections: 1, ..settings(&place) };
    let store = PostgresStore::open(&place.url, &one).await.unwrap();
    let mut admin = PgConnection::connect(&place.url).await.unwrap();
    for _ in 0..5 {
        let mut holding = admin.begin().await.unwrap();
        let lock = format!("LOCK TABLE {}.threads IN ACCESS EXCLUSIVE MODE", place.schema);
        sqlx::query(sqlx::AssertSqlSafe(lock)).execute(&mut *holding).await.unwrap();
        let asking = {
            let store = store.clone();
            tokio::spawn(async move { store.thread(&ada(), &"thr".into()).await })
        };
        let waits = format!(
            "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = '{}.threads'::regclass",
            place.schema
        );
        until("the wait for the lock", async || {
            let sql = sqlx::AssertSqlSafe(waits.clone());
            sqlx::query(sql).fetch_optional(&mut *holding).await.unwrap()
        })
        .await;
        asking.abort();
        assert!(asking.await.unwrap_err().is_cancelled());
        holding.rollback().await.unwrap();
        assert_eq!(store.thread(&ada(), &"thr".into()).await.unwrap(), None);
    }
    let pids = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'parlor' AND query LIKE \
         '%{}.%'",
        place.schema
    );
    assert_eq!(Server::shared().admin(&pids).unwrap(), "1", "it is still the same connection");
}

/// Stands between a store and its database, and can stop passing anything on.
struct Proxy {
    url: String,
    flowing: watch::Sender<bool>,
}

impl Proxy {
    async fn start(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (before, database) = url.rsplit_once('/').unwrap();
        let (scheme, host) = before.split_once('@').unwrap();
        let server: Arc<str> = host.into();
        let (flowing, flows) = watch::channel(true);
        tokio::spawn(async move {
            loop {
                let (near, _) = listener.accept().await.unwrap();
                let far = TcpStream::connect(&*server).await.unwrap();
                let (near, far) = (near.into_split(), far.into_split());
                tokio::spawn(pass_on(near.0, far.1, flows.clone()));
                tokio::spawn(pass_on(far.0, near.1, flows.clone()));
            }
        });
        Self { url: format!("{scheme}@127.0.0.1:{port}/{database}"), flowing }
    }
}

async fn pass_on(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut flows: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(n @ 1..) = from.read(&mut buffer).await {
        let Ok(_) = flows.wait_for(|flows| *flows).await else { return };
        if to.write_all(&buffer[..n]).await.is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_hangs_is_given_up_and_found_again() {
    let place = Server::shared().place();
    let proxy = Proxy::start(&place.url).await;
    let impatient = PostgresSettings {
        connect_timeout: Duration::from_millis(300),
        statement_timeout: Duration::from_millis(300),
        ..settings(&place)
    };
    // With time enough for the migrations.
    PostgresStore::migrate(&place.url, &settings(&place)).await.unwrap();
    let store = PostgresStore::open(&proxy.url, &impatient).await.unwrap();
    until("the first answer", async || store.check().await.ok()).await;
    proxy.flowing.send(false).unwrap();
    unavailable(store.thread(&ada(), &"thr".into()).await);
    unavailable(store.check().await);
    proxy.flowing.send(true).unwrap();
    until("an answer after the hang", async || store.thread(&ada(), &"thr".into()).await.ok())
        .await;

    // One that hangs from the beginning.
    proxy.flowing.send(false).unwrap();
    let store = PostgresStore::open(&proxy.url, &impatient).await.unwrap();
    unavailable(store.check().await);
    proxy.flowing.send(true).unwrap();
    until("the first answer", async || store.check().await.ok()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_askers_share_few_connections() {
    let place = Server::shared().place();
    let two = PostgresSettings { connections: 2, ..settings(&place) };
    let store = PostgresStore::open(&place.url, &two).await.unwrap();
    let askers: Vec<_> = (0..100)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                let (thread, turn) = (format!("thr-{n}"), format!("turn-{n}"));
                begin(&store, &ada(), &thread, true, &turn, "process").await.unwrap();
                store.end_turn(&ada(), &key(&thread, &turn), TurnState::Done, &[], now()).await
            })
        })
        .collect();
    for asker in askers {
        asker.await.unwrap().unwrap();
    }
    let pids = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'parlor' AND query LIKE \
         '%{}.%'",
        place.schema
    );
    let count: u32 = Server::shared().admin(&pids).unwrap().parse().unwrap();
    assert!(count <= 2, "{count}");
}

#[tokio::test]
async fn a_database_that_cannot_be_written_is_not_ready() {
    let server = Server::start().unwrap();
    let place = server.place();
    let store = PostgresStore::open(&place.url, &settings(&place)).await.unwrap();
    store.check().await.unwrap();
    server.admin("ALTER SYSTEM SET default_transaction_read_only = on").unwrap();
    server.admin("SELECT pg_reload_conf()").unwrap();
    until("the read-only setting", async || store.check().await.err()).await;
    unavailable(store.check().await);
    unavailable(begin(&store, &ada(), "thr", true, "turn", "process").await);
    assert_eq!(store.thread(&ada(), &"thr".into()).await.unwrap(), None, "reading goes on");
    server.admin("ALTER SYSTEM RESET default_transaction_read_only").unwrap();
    server.admin("SELECT pg_reload_conf()").unwrap();
    until("writing", async || store.check().await.ok()).await;
    begin(&store, &ada(), "thr", true, "turn", "process").await.unwrap();
}
