//! Writing documents: one writer at a time, a document in one transaction.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};
use sqlx::{AssertSqlSafe, PgConnection, Row as _};

use super::{Inner, PostgresIndex, clean, connections::Lent, nameable};
use crate::{
    SearchError,
    ingest::{Change, Known, Put},
    lexemes::Lexemes,
    meaning,
};

/// Longer than any batch of another ingest takes, so that two at a time wait for each other.
const PATIENCE: &str = "SET LOCAL lock_timeout = '5min'; SET LOCAL statement_timeout = '5min'";

/// A transaction that may see all documents. Dropped without a commit, it is undone.
pub(super) struct Writing<'a> {
    inner: &'a Inner,
    lent: Lent,
    /// The extension has a table of the vectors, which is to be kept.
    pub(super) has_nearest: bool,
}

impl Writing<'_> {
    pub(super) fn connection(&mut self) -> &mut PgConnection {
        &mut self.lent.connection
    }

    pub(super) async fn commit(mut self) -> Result<(), SearchError> {
        sqlx::query("COMMIT").execute(&mut self.lent.connection).await?;
        self.inner.connections.give_back(self.lent);
        Ok(())
    }
}

impl PostgresIndex {
    /// Begins a transaction that sees all documents.
    pub(super) async fn begin(&self) -> Result<Writing<'_>, SearchError> {
        let inner = &*self.inner;
        let mut lent = inner.connections.lend().await?;
        let schema = &inner.schema;
        let sql = format!(
            "BEGIN; SET LOCAL search_path TO {schema}; SELECT {schema}.search_become_system()"
        );
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut lent.connection).await?;
        Ok(Writing { inner, lent, has_nearest: false })
    }

    /// Begins a transaction that changes the index, behind those of other writers.
    pub(super) async fn begin_writing(&self) -> Result<Writing<'_>, SearchError> {
        let mut writing = self.begin().await?;
        sqlx::raw_sql(PATIENCE).execute(writing.connection()).await?;
        let row = sqlx::query(
            "UPDATE search_state SET generation = generation + 1 WHERE id = 1
             RETURNING nearest_dimensions IS NOT NULL",
        )
        .fetch_one(writing.connection())
        .await?;
        writing.has_nearest = row.try_get(0)?;
        Ok(writing)
    }

    pub(crate) async fn known_documents(&self) -> Result<HashMap<String, Known>, SearchError> {
        let mut reading = self.begin().await?;
        // An extension that was dropped took its part of the table along.
        sqlx::query(
            "UPDATE search_state SET nearest_dimensions = NULL
             WHERE nearest_dimensions IS NOT NULL
               AND NOT EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'vector')",
        )
        .execute(reading.connection())
        .await?;
        let rows = sqlx::query(
            "SELECT id, path, root, content_hash, settings_hash, size_bytes, modified_ns, validators
             FROM search_documents",
        )
        .fetch_all(reading.connection())
        .await?;
        reading.commit().await?;
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

    /// Makes changes in one transaction.
    pub(crate) async fn write(&self, changes: &[Change]) -> Result<(), SearchError> {
        let mut writing = self.begin_writing().await?;
        for change in changes {
            match change {
                Change::Touch { id, stamp } => {
                    sqlx::query(
                        "UPDATE search_documents
                         SET modified_ns = $2, size_bytes = $3, validators = $4 WHERE id = $1",
                    )
                    .bind(id)
                    .bind(stamp.modified_ns)
                    .bind(stamp.size_bytes)
                    .bind(stamp.validators.as_deref().map(clean))
                    .execute(writing.connection())
                    .await?;
                }
                Change::Put(change) => writing.put(change).await?,
            }
        }
        settle(writing.connection()).await?;
        writing.commit().await
    }

    /// Removes documents. How many there were.
    pub(crate) async fn remove(&self, documents: &[i64]) -> Result<u64, SearchError> {
        let mut writing = self.begin_writing().await?;
        for &document in documents {
            writing.remove_passages(document).await?;
        }
        let removed = sqlx::query("DELETE FROM search_documents WHERE id = ANY($1)")
            .bind(documents)
            .execute(writing.connection())
            .await?
            .rows_affected();
        settle(writing.connection()).await?;
        writing.commit().await?;
        Ok(removed)
    }

    pub(crate) async fn ingest_ended(&self, changed: bool) -> Result<(), SearchError> {
        let mut writing = self.begin_writing().await?;
        sqlx::query("UPDATE search_state SET last_ingest_at = now() WHERE id = 1")
            .execute(writing.connection())
            .await?;
        if changed {
            // Searches go by how common words are. PostgreSQL would look by itself, in a minute or so; it passes over
            // the table, with a warning that nobody sees, where the role is not its owner.
            sqlx::query("ANALYZE search_words").execute(writing.connection()).await?;
        }
        writing.commit().await
    }
}

impl Writing<'_> {
    async fn remove_passages(&mut self, document: i64) -> Result<(), SearchError> {
        self.remove_vectors(document).await?;
        let connection = self.connection();
        sqlx::query(
            "WITH gone AS (DELETE FROM search_words WHERE document_id = $1 RETURNING length)
             UPDATE search_state AS s
             SET passages = s.passages - g.passages, words = s.words - g.words
             FROM (SELECT count(*) AS passages, coalesce(sum(length), 0) AS words FROM gone) AS g
             WHERE s.id = 1",
        )
        .bind(document)
        .execute(&mut *connection)
        .await?;
        sqlx::query("DELETE FROM search_passages WHERE document_id = $1")
            .bind(document)
            .execute(&mut *connection)
            .await?;
        Ok(())
    }

    /// Stores a document and its passages, replacing what was known of it: a handful of statements,
    /// however many passages it has. Passages that are as they were keep their vectors.
    async fn put(&mut self, put: &Put) -> Result<(), SearchError> {
        let Put { file, known, document, stamp, tenant } = put;
        let mut vectors = HashMap::new();
        if let Some(id) = *known {
            vectors = vectors_of(self.connection(), id).await?;
            self.remove_passages(id).await?;
        }
        let tags: Vec<String> = document.tags.iter().map(|tag| clean(tag)).collect();
        let row = sqlx::query(
            "INSERT INTO search_documents
                 (path, path_hash, root, url, title, description, content_hash, settings_hash,
                  size_bytes, modified_ns, tags, language, tenant, validators)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
             ON CONFLICT (path_hash) DO UPDATE SET
                 root = excluded.root, url = excluded.url, title = excluded.title,
                 description = excluded.description, content_hash = excluded.content_hash,
                 settings_hash = excluded.settings_hash, size_bytes = excluded.size_bytes,
                 modified_ns = excluded.modified_ns, tags = excluded.tags,
                 language = excluded.language, tenant = excluded.tenant,
                 validators = excluded.validators
             RETURNING id",
        )
        .bind(&file.key)
        .bind(Sha256::digest(file.key.as_bytes()).to_vec())
        .bind(&file.root)
        .bind(clean(&document.url))
        .bind(clean(&document.title))
        .bind(document.description.as_deref().map(clean))
        .bind(&stamp.content_hash)
        .bind(&stamp.settings_hash)
        .bind(stamp.size_bytes)
        .bind(stamp.modified_ns)
        .bind(&tags)
        .bind(&document.language)
        .bind(nameable(tenant.as_deref()))
        .bind(stamp.validators.as_deref().map(clean))
        .fetch_one(self.connection())
        .await?;
        let id: i64 = row.try_get("id")?;
        if known.is_none() {
            // Another ingest may have added the same file in the meantime.
            self.remove_passages(id).await?;
        }
        let rows = document.rows();
        let lexemes: Vec<Lexemes> = rows.iter().map(|row| Lexemes::of(&row.words)).collect();
        let inserted = sqlx::query(
            "INSERT INTO search_passages (document_id, ordinal, anchor, breadcrumbs, text)
             SELECT $1, p.place - 1, p.anchor, p.breadcrumbs, p.text
             FROM unnest($2::text[], $3::text[], $4::text[])
                  WITH ORDINALITY AS p (anchor, breadcrumbs, text, place)
             ORDER BY p.place
             RETURNING id",
        )
        .bind(id)
        .bind(rows.iter().map(|row| row.anchor.map(clean)).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| clean(&row.breadcrumbs)).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| clean(row.text)).collect::<Vec<_>>())
        .fetch_all(self.connection())
        .await?;
        // In the order in which they were given: an INSERT gives its rows as it stores them.
        let mut passages: Vec<i64> =
            inserted.iter().map(|row| row.try_get("id")).collect::<Result<_, _>>()?;
        passages.sort_unstable();
        sqlx::query(
            "INSERT INTO search_words (passage_id, document_id, length, words)
             SELECT w.passage, $1, w.length, w.words::tsvector
             FROM unnest($2::bigint[], $3::integer[], $4::text[]) AS w (passage, length, words)",
        )
        .bind(id)
        .bind(&passages)
        .bind(lexemes.iter().map(|lexemes| lexemes.length).collect::<Vec<_>>())
        .bind(lexemes.iter().map(|lexemes| lexemes.vector.as_str()).collect::<Vec<_>>())
        .execute(self.connection())
        .await?;
        sqlx::query(
            "UPDATE search_state SET passages = passages + $1, words = words + $2 WHERE id = 1",
        )
        .bind(super::integer(passages.len()))
        .bind(lexemes.iter().map(|lexemes| i64::from(lexemes.length)).sum::<i64>())
        .execute(self.connection())
        .await?;
        if !vectors.is_empty() {
            let kept = passages.iter().zip(document.embedded_texts()).filter_map(|(id, text)| {
                let hash = meaning::hash_of(&text).to_vec();
                let vector = vectors.get(&hash)?.clone();
                Some((*id, hash, vector))
            });
            let kept: Vec<_> = kept.collect();
            self.insert_vectors(kept).await?;
        }
        Ok(())
    }
}

/// The end of a transaction that changed documents: whether some are a tenant's.
async fn settle(connection: &mut PgConnection) -> Result<(), SearchError> {
    sqlx::query(
        "UPDATE search_state SET tenanted =
             EXISTS (SELECT 1 FROM search_documents WHERE tenant IS NOT NULL)
         WHERE id = 1",
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The vectors of a document's passages, by the hash of what was embedded.
async fn vectors_of(
    connection: &mut PgConnection,
    document: i64,
) -> Result<HashMap<Vec<u8>, Vec<u8>>, SearchError> {
    let rows = sqlx::query("SELECT hash, vector FROM search_vectors WHERE document_id = $1")
        .bind(document)
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| Ok((row.try_get("hash")?, row.try_get("vector")?))).collect()
}
