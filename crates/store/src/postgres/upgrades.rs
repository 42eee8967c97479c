//! Databases of every earlier version, filled, are brought up to date and work.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::AtomicU32;

use parlor_test_postgres::Server;
use sqlx::AssertSqlSafe;
use tokio::sync::{Mutex, OnceCell};

use super::{
    schema::{MIGRATIONS, migrations},
    *,
};
use crate::filling::{history, is_whole};

/// Makes a schema of this version, with what it and each version before has written.
async fn make(url: &str, schema: &str, version: i64) {
    let connection = Mutex::new(PgConnection::connect(url).await.unwrap());
    let run = async |sql: String| {
        let mut connection = connection.lock().await;
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *connection).await.unwrap();
    };
    run(format!("CREATE SCHEMA {schema}; SET search_path TO {schema}")).await;
    let migrate = async |to: i64| {
        let mut connection = connection.lock().await;
        migrations().run_direct(Some(to), &mut *connection, false).await.unwrap();
    };
    let fill = async |sql: String| run(format!("SELECT become_system(); {sql}")).await;
    history("postgres", MIGRATIONS, version, migrate, fill).await;
    connection.into_inner().close().await.unwrap();
}

fn settings(schema: &str) -> PostgresSettings {
    PostgresSettings { schema: schema.to_owned(), ..PostgresSettings::default() }
}

#[tokio::test]
async fn a_filled_database_of_every_version_is_brought_up_to_date() {
    for (version, ..) in MIGRATIONS {
        let place = Server::shared().place();
        make(&place.url, &place.schema, *version).await;
        let store = PostgresStore::open(&place.url, &settings(&place.schema)).await.unwrap();
        for (earlier, ..) in MIGRATIONS.iter().filter(|migration| migration.0 <= *version) {
            is_whole(&store, "postgres", *earlier).await;
        }
        let mut connection = PgConnection::connect(&place.url).await.unwrap();
        let schema = Schema::new(&place.schema).unwrap();
        assert_eq!(schema.state(&mut connection).await.unwrap(), State::UpToDate);
    }
}

/// A database with something of every version's, put in order as by a server that has run for a
/// while: what concerns all owners is then about the stories' own rows.
async fn upgraded() -> PostgresStore {
    const ORIGINAL: &str = "every_version";
    static MADE: OnceCell<()> = OnceCell::const_new();
    static COPIES: AtomicU32 = AtomicU32::new(0);
    let server = Server::shared();
    let url = |database: &str| {
        let url = server.url("parlor");
        let (address, _) = url.rsplit_once('/').unwrap();
        format!("{address}/{database}")
    };
    MADE.get_or_init(async || {
        server.admin(&format!("CREATE DATABASE {ORIGINAL} OWNER parlor")).unwrap();
        let url = url(ORIGINAL);
        make(&url, "parlor", i64::MAX).await;
        let store = PostgresStore::open(&url, &settings("parlor")).await.unwrap();
        store.interrupt_orphans("another process", DateTime::UNIX_EPOCH.into()).await.unwrap();
        for file in store.doomed_attachments(None, 100).await.unwrap() {
            store.forget_attachment(&file.owner, &file.id).await.unwrap();
        }
        store.close().await;
        let mut connection = PgConnection::connect(&url).await.unwrap();
        let sql = "SELECT parlor.become_system(); DELETE FROM parlor.feedback";
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    })
    .await;
    let copy = format!("copy{}", COPIES.fetch_add(1, Ordering::Relaxed));
    // A connection that was closed may be there for another moment.
    let sql = format!("CREATE DATABASE {copy} OWNER parlor TEMPLATE {ORIGINAL}");
    let mut made = server.admin(&sql);
    for _ in 0..600 {
        match &made {
            Err(error) if error.to_string().contains("being accessed") => {
                tokio::time::sleep(Duration::from_millis(50)).await;
                made = server.admin(&sql);
            }
            _ => break,
        }
    }
    made.unwrap();
    PostgresStore::open(&url(&copy), &settings("parlor")).await.unwrap()
}

crate::store_stories!(upgraded);
crate::login_stories!(upgraded);
