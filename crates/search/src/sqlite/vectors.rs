//! The vectors of passages.

use std::{collections::HashSet, time::Instant};

use sqlx::{Connection as _, Row};

use super::{Narrow, SqliteIndex, count, write};
use crate::{
    EmbedError, SearchError, SearchRequest,
    cache::{FETCHED, StoredVector, VectorSource, VectorState},
    index::Match,
    meaning::{Embedded, Unembedded, embedded_text},
    vectors::Quantised,
};

impl SqliteIndex {
    pub(crate) async fn nearest(
        &self,
        identity: &str,
        to: Quantised,
        request: &SearchRequest<'_>,
        limit: usize,
        max_bytes: usize,
    ) -> Result<Vec<Match>, SearchError> {
        let documents = self.allowed(request).await?;
        let vectors = &self.pools.vectors;
        vectors.nearest(self, identity, to, limit, documents, max_bytes).await
    }

    /// The documents that will do; none means all.
    async fn allowed(
        &self,
        request: &SearchRequest<'_>,
    ) -> Result<Option<HashSet<i64>>, SearchError> {
        if !request.is_narrowed() {
            let tenanted: bool = sqlx::query(
                "SELECT EXISTS (SELECT 1 FROM search_documents WHERE tenant IS NOT NULL) AS t",
            )
            .fetch_one(self.reader())
            .await?
            .try_get("t")?;
            if !tenanted {
                return Ok(None);
            }
        }
        let Narrow { tenant, language, tags } = Narrow::new(request);
        let rows = sqlx::query(
            "SELECT d.id FROM search_documents AS d
             WHERE (d.tenant IS NULL OR d.tenant = ?1)
               AND (?2 IS NULL OR d.language IS NULL OR d.language = ?2)
               AND (?3 IS NULL OR EXISTS (
                   SELECT 1 FROM json_each(d.tags) AS tag
                   WHERE tag.value IN (SELECT value FROM json_each(?3))))",
        )
        .bind(tenant)
        .bind(language)
        .bind(tags)
        .fetch_all(self.reader())
        .await?;
        rows.iter().map(|row| Ok(row.try_get("id")?)).collect::<Result<_, _>>().map(Some)
    }

    pub(crate) async fn vector_state(&self) -> Result<VectorState, SearchError> {
        let row = sqlx::query(
            "SELECT generation, vector_model, vector_dimensions FROM search_state WHERE id = 1",
        )
        .fetch_one(self.reader())
        .await?;
        let dimensions: Option<i64> = row.try_get("vector_dimensions")?;
        Ok(VectorState {
            generation: row.try_get("generation")?,
            model: row.try_get("vector_model")?,
            dimensions: dimensions.and_then(|n| usize::try_from(n).ok()),
        })
    }

    pub(crate) async fn forget_vectors(&self, identity: &str) -> Result<(), SearchError> {
        let mut connection = self.writer().acquire().await?;
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query("DELETE FROM search_vectors").execute(&mut *transaction).await?;
        sqlx::query(
            "UPDATE search_state SET generation = generation + 1, vector_model = ?1,
                    vector_dimensions = NULL WHERE id = 1",
        )
        .bind(identity)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    pub(crate) async fn count_unembedded(&self) -> Result<u64, SearchError> {
        let row = sqlx::query(
            "SELECT count(*) AS n FROM search_passages AS p
             WHERE NOT EXISTS (SELECT 1 FROM search_vectors AS v WHERE v.passage_id = p.id)",
        )
        .fetch_one(self.reader())
        .await?;
        count(&row, "n")
    }

    pub(crate) async fn unembedded(
        &self,
        after: i64,
        limit: usize,
    ) -> Result<Vec<Unembedded>, SearchError> {
        let rows = sqlx::query(
            "SELECT p.id, p.breadcrumbs, p.text FROM search_passages AS p
             WHERE p.id > ?1
               AND NOT EXISTS (SELECT 1 FROM search_vectors AS v WHERE v.passage_id = p.id)
             ORDER BY p.id LIMIT ?2",
        )
        .bind(after)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(self.reader())
        .await?;
        rows.iter()
            .map(|row| {
                let breadcrumbs: String = row.try_get("breadcrumbs")?;
                let breadcrumbs: Vec<String> =
                    serde_json::from_str(&breadcrumbs).unwrap_or_default();
                let text: String = row.try_get("text")?;
                Ok(Unembedded {
                    passage: row.try_get("id")?,
                    text: embedded_text(&breadcrumbs, &text),
                })
            })
            .collect()
    }

    pub(crate) async fn put_vectors(
        &self,
        identity: &str,
        embedded: &[Embedded],
    ) -> Result<(), SearchError> {
        let dimensions = embedded.first().map_or(0, |first| first.vector.len());
        let mut connection = self.writer().acquire().await?;
        let began = Instant::now();
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        let ours = sqlx::query(
            "UPDATE search_state SET generation = generation + 1, vector_dimensions = ?2
             WHERE id = 1 AND vector_model = ?1
               AND (vector_dimensions IS NULL OR vector_dimensions = ?2)",
        )
        .bind(identity)
        .bind(i64::try_from(dimensions).unwrap_or(i64::MAX))
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        if ours == 0 {
            return Err(EmbedError::Failed(
                "another ingest embeds the same index with another model; run one at a time".into(),
            )
            .into());
        }
        for one in embedded {
            sqlx::query(
                "INSERT OR REPLACE INTO search_vectors (passage_id, hash, vector)
                 SELECT id, ?2, ?3 FROM search_passages WHERE id = ?1",
            )
            .bind(one.passage)
            .bind(one.hash.as_slice())
            .bind(one.vector.to_bytes())
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        drop(connection);
        write::pause(began).await;
        Ok(())
    }
}

impl VectorSource for SqliteIndex {
    async fn state(&self) -> Result<VectorState, SearchError> {
        self.vector_state().await
    }

    async fn count(&self) -> Result<usize, SearchError> {
        let row = sqlx::query("SELECT count(*) AS n FROM search_vectors")
            .fetch_one(self.reader())
            .await?;
        Ok(usize::try_from(count(&row, "n")?).unwrap_or(usize::MAX))
    }

    async fn after(&self, id: i64) -> Result<Vec<StoredVector>, SearchError> {
        let rows = sqlx::query(
            "SELECT v.id, v.passage_id, p.document_id, v.vector
             FROM search_vectors AS v CROSS JOIN search_passages AS p ON p.id = v.passage_id
             WHERE v.id > ?1 ORDER BY v.id LIMIT ?2",
        )
        .bind(id)
        .bind(i64::try_from(FETCHED).unwrap_or(i64::MAX))
        .fetch_all(self.reader())
        .await?;
        rows.iter()
            .map(|row| {
                Ok(StoredVector {
                    id: row.try_get("id")?,
                    passage: row.try_get("passage_id")?,
                    document: row.try_get("document_id")?,
                    bytes: row.try_get("vector")?,
                })
            })
            .collect()
    }

    async fn passages(&self) -> Result<HashSet<i64>, SearchError> {
        let rows =
            sqlx::query("SELECT passage_id FROM search_vectors").fetch_all(self.reader()).await?;
        rows.iter().map(|row| Ok(row.try_get("passage_id")?)).collect()
    }
}
