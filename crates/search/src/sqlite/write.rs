//! Writing documents in small transactions with pauses, because the chat writes to the same file.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use chrono::Utc;
use sqlx::{Connection as _, Row, SqliteConnection};

use super::SqliteIndex;
use crate::{
    SearchError,
    document::Document,
    ingest::{Change, Known, Put},
    meaning,
};

/// The pause between two transactions is as long as the first, up to this.
const LONGEST_PAUSE: Duration = Duration::from_millis(10);
/// How much of the full-text index is merged at a time, in pages of 4 KiB.
const MERGED_PAGES: i64 = 32;

impl SqliteIndex {
    pub(crate) async fn known_documents(&self) -> Result<HashMap<String, Known>, SearchError> {
        let rows = sqlx::query(
            "SELECT id, path, root, content_hash, settings_hash, size_bytes, modified_ns, validators
             FROM search_documents",
        )
        .fetch_all(self.reader())
        .await?;
        let mut known = HashMap::with_capacity(rows.len());
        for row in rows {
            known.insert(
                row.try_get("path")?,
                Known {
                    id: row.try_get("id")?,
                    content_hash: row.try_get("content_hash")?,
                    settings_hash: row.try_get("settings_hash")?,
                    size_bytes: row.try_get("size_bytes")?,
                    modified_ns: row.try_get("modified_ns")?,
                    root: row.try_get("root")?,
                    validators: row.try_get("validators")?,
                },
            );
        }
        Ok(known)
    }

    /// Makes changes in one transaction, then leaves the database to others for as long: SQLite's
    /// waiting writers don't queue, they look again from time to time.
    pub(crate) async fn write(&self, changes: &[Change]) -> Result<(), SearchError> {
        let mut connection = self.writer().acquire().await?;
        let began = Instant::now();
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        for change in changes {
            match change {
                Change::Touch { id, stamp } => {
                    sqlx::query(
                        "UPDATE search_documents
                         SET modified_ns = ?2, size_bytes = ?3, validators = ?4 WHERE id = ?1",
                    )
                    .bind(id)
                    .bind(stamp.modified_ns)
                    .bind(stamp.size_bytes)
                    .bind(&stamp.validators)
                    .execute(&mut *transaction)
                    .await?;
                }
                Change::Put(change) => put(&mut transaction, change).await?,
            }
        }
        next_generation(&mut transaction).await?;
        transaction.commit().await?;
        drop(connection);
        pause(began).await;
        Ok(())
    }

    /// Removes documents. How many there were.
    pub(crate) async fn remove(&self, documents: &[i64]) -> Result<u64, SearchError> {
        let mut connection = self.writer().acquire().await?;
        let began = Instant::now();
        let mut removed = 0;
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        for &id in documents {
            remove_passages(&mut transaction, id).await?;
            removed += sqlx::query("DELETE FROM search_documents WHERE id = ?1")
                .bind(id)
                .execute(&mut *transaction)
                .await?
                .rows_affected();
        }
        next_generation(&mut transaction).await?;
        transaction.commit().await?;
        drop(connection);
        pause(began).await;
        Ok(removed)
    }

    pub(crate) async fn ingest_ended(&self, changed: bool) -> Result<(), SearchError> {
        if changed {
            self.tidy().await?;
        }
        sqlx::query("UPDATE search_state SET last_ingest_at = ?1 WHERE id = 1")
            .bind(Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
            .execute(self.writer())
            .await?;
        Ok(())
    }

    /// Merges the segments of the full-text index, a little at a time: fewer make searches faster.
    async fn tidy(&self) -> Result<(), SearchError> {
        // The first step, with a negative number, opens every segment for merging. The bound is
        // far above what any index needs and only keeps this from being an endless loop.
        for step in 0..5_000 {
            let mut connection = self.writer().acquire().await?;
            let began = Instant::now();
            let before = total_changes(&mut connection).await?;
            sqlx::query("INSERT INTO search_words (search_words, rank) VALUES ('merge', ?1)")
                .bind(if step == 0 { -MERGED_PAGES } else { MERGED_PAGES })
                .execute(&mut *connection)
                .await?;
            // FTS5 reports a step without work as fewer than two changed rows.
            if step > 0 && total_changes(&mut connection).await? - before < 2 {
                break;
            }
            drop(connection);
            pause(began).await;
        }
        Ok(())
    }
}

/// Leaves the database to others for as long as it was held.
pub(super) async fn pause(began: Instant) {
    tokio::time::sleep(began.elapsed().min(LONGEST_PAUSE)).await;
}

/// Tells readers that vectors or passages are not those that they know.
pub(super) async fn next_generation(connection: &mut SqliteConnection) -> Result<(), SearchError> {
    sqlx::query("UPDATE search_state SET generation = generation + 1 WHERE id = 1")
        .execute(connection)
        .await?;
    Ok(())
}

async fn total_changes(connection: &mut SqliteConnection) -> Result<i64, SearchError> {
    Ok(sqlx::query("SELECT total_changes() AS n").fetch_one(connection).await?.try_get("n")?)
}

async fn remove_passages(
    connection: &mut SqliteConnection,
    document: i64,
) -> Result<(), SearchError> {
    for statement in [
        "DELETE FROM search_words
         WHERE rowid IN (SELECT id FROM search_passages WHERE document_id = ?1)",
        "DELETE FROM search_vectors
         WHERE passage_id IN (SELECT id FROM search_passages WHERE document_id = ?1)",
        "DELETE FROM search_passages WHERE document_id = ?1",
    ] {
        sqlx::query(statement).bind(document).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Stores a document and its passages, replacing what was known of it: a handful of statements,
/// however many passages it has. Passages that are as they were keep their vectors.
async fn put(connection: &mut SqliteConnection, put: &Put) -> Result<(), SearchError> {
    let Put { file, known, document, stamp, tenant } = put;
    let mut vectors = HashMap::new();
    if let Some(id) = *known {
        vectors = vectors_of(connection, id).await?;
        remove_passages(connection, id).await?;
    }
    let row = sqlx::query(
        "INSERT INTO search_documents
             (path, root, url, title, description, content_hash, settings_hash, size_bytes,
              modified_ns, tags, language, tenant, validators)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
         ON CONFLICT (path) DO UPDATE SET
             root = excluded.root, url = excluded.url, title = excluded.title,
             description = excluded.description, content_hash = excluded.content_hash,
             settings_hash = excluded.settings_hash, size_bytes = excluded.size_bytes,
             modified_ns = excluded.modified_ns, tags = excluded.tags,
             language = excluded.language, tenant = excluded.tenant,
             validators = excluded.validators
         RETURNING id",
    )
    .bind(&file.key)
    .bind(&file.root)
    .bind(&document.url)
    .bind(&document.title)
    .bind(&document.description)
    .bind(&stamp.content_hash)
    .bind(&stamp.settings_hash)
    .bind(stamp.size_bytes)
    .bind(stamp.modified_ns)
    .bind(serde_json::Value::from(document.tags.as_slice()).to_string())
    .bind(&document.language)
    .bind(tenant)
    .bind(&stamp.validators)
    .fetch_one(&mut *connection)
    .await?;
    let id: i64 = row.try_get("id")?;
    if known.is_none() {
        // Another ingest may have added the same file in the meantime.
        remove_passages(connection, id).await?;
    }
    let rows = document.rows_as_json();
    sqlx::query(
        "INSERT INTO search_passages (document_id, ordinal, anchor, breadcrumbs, text)
         SELECT ?1, key, value ->> 'anchor', value ->> 'breadcrumbs', value ->> 'text'
         FROM json_each(?2) ORDER BY key",
    )
    .bind(id)
    .bind(&rows)
    .execute(&mut *connection)
    .await?;
    // CROSS JOIN fixes the order: the other way round the list is read again for every passage.
    sqlx::query(
        "INSERT INTO search_words (rowid, title, headings, body, parts)
         SELECT p.id, j.value ->> 'title_words', j.value ->> 'heading_words',
                j.value ->> 'body_words', j.value ->> 'part_words'
         FROM json_each(?2) AS j
         CROSS JOIN search_passages AS p ON p.document_id = ?1 AND p.ordinal = j.key
         ORDER BY p.id",
    )
    .bind(id)
    .bind(&rows)
    .execute(&mut *connection)
    .await?;
    if !vectors.is_empty() {
        keep_vectors(connection, id, document, &vectors).await?;
    }
    Ok(())
}

/// The vectors of a document's passages, by the hash of what was embedded.
async fn vectors_of(
    connection: &mut SqliteConnection,
    document: i64,
) -> Result<HashMap<Vec<u8>, Vec<u8>>, SearchError> {
    let rows = sqlx::query(
        "SELECT v.hash, v.vector FROM search_passages AS p
         CROSS JOIN search_vectors AS v ON v.passage_id = p.id
         WHERE p.document_id = ?1",
    )
    .bind(document)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok((row.try_get("hash")?, row.try_get("vector")?))).collect()
}

/// Gives the passages of a document that were there before their vectors again.
async fn keep_vectors(
    connection: &mut SqliteConnection,
    id: i64,
    document: &Document,
    vectors: &HashMap<Vec<u8>, Vec<u8>>,
) -> Result<(), SearchError> {
    for (ordinal, text) in (0_i64..).zip(document.embedded_texts()) {
        let hash = meaning::hash_of(&text);
        if let Some(vector) = vectors.get(hash.as_slice()) {
            sqlx::query(
                "INSERT INTO search_vectors (passage_id, hash, vector)
                 SELECT id, ?3, ?4 FROM search_passages WHERE document_id = ?1 AND ordinal = ?2",
            )
            .bind(id)
            .bind(ordinal)
            .bind(hash.as_slice())
            .bind(vector)
            .execute(&mut *connection)
            .await?;
        }
    }
    Ok(())
}
