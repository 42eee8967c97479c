//! Databases of every earlier version, filled, are brought up to date and work.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

use sqlx::AssertSqlSafe;
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::*;
use crate::{
    contract::Kept,
    filling::{history, is_whole},
};

/// Makes a file of this version, with what it and each version before has written.
async fn make(path: &Path, version: i64) {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    // Not durable: it is made for a test.
    let options = options.foreign_keys(true).synchronous(SqliteSynchronous::Off);
    let connection = SqliteConnection::connect_with(&options).await.unwrap();
    let connection = tokio::sync::Mutex::new(connection);
    let migrate = async |to: i64| {
        let until = MIGRATIONS.iter().position(|migration| migration.0 == to).unwrap();
        migrator(&MIGRATIONS[..=until]).run(&mut *connection.lock().await).await.unwrap();
    };
    let run = async |sql: String| {
        let mut connection = connection.lock().await;
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *connection).await.unwrap();
    };
    history("sqlite", MIGRATIONS, version, migrate, run).await;
    connection.into_inner().close().await.unwrap();
}

#[tokio::test]
async fn a_filled_database_of_every_version_is_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    for (version, ..) in MIGRATIONS {
        let path = folder.path().join(format!("{version}.db"));
        make(&path, *version).await;
        let store = SqliteStore::open(path.to_str().unwrap()).await.unwrap();
        for (earlier, ..) in MIGRATIONS.iter().filter(|migration| migration.0 <= *version) {
            is_whole(&store, "sqlite", *earlier).await;
        }
        store.close().await;
    }
}

#[tokio::test]
async fn every_table_has_rows_from_an_earlier_version() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    make(&path, i64::MAX).await;
    let store = SqliteStore::open(path.to_str().unwrap()).await.unwrap();
    let empty = store.readers.run(|connection| {
        let names = all(
            connection,
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
            [],
            |row| Ok(text(row, 0)?.unwrap_or_default().to_owned()),
        )?;
        let mut empty = Vec::new();
        for name in names {
            let sql = format!("SELECT 1 FROM \"{name}\" LIMIT 1");
            if one(connection, &sql, [], |_| Ok(()))?.is_none() {
                empty.push(name);
            }
        }
        Ok(empty)
    });
    let empty = empty.await.unwrap();
    assert!(empty.is_empty(), "nothing in tests/filling/sqlite fills {empty:?}");
}

/// A database with something of every version's, put in order as by a server that has run for a
/// while: what concerns all owners is then about the stories' own rows.
async fn upgraded() -> Kept<SqliteStore, TempDir> {
    static ORIGINAL: OnceCell<(TempDir, PathBuf)> = OnceCell::const_new();
    let (_, original) = ORIGINAL
        .get_or_init(async || {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("chat.db");
            make(&path, i64::MAX).await;
            let store = SqliteStore::open(path.to_str().unwrap()).await.unwrap();
            let now = Timestamp::from_micros(0).unwrap();
            store.interrupt_orphans("another process", now).await.unwrap();
            for file in store.doomed_attachments(None, 100).await.unwrap() {
                store.forget_attachment(&file.owner, &file.id).await.unwrap();
            }
            let forget =
                |connection: &Connection| execute(connection, "DELETE FROM feedback", []).map(drop);
            store.writer.run(forget).await.unwrap();
            store.close().await;
            (folder, path)
        })
        .await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    std::fs::copy(original, &path).unwrap();
    Kept(SqliteStore::open(path.to_str().unwrap()).await.unwrap(), folder)
}

crate::store_stories!(upgraded);
crate::login_stories!(upgraded);
