//! The vectors of passages.

use std::collections::HashSet;

use sqlx::Row as _;

use super::{Narrow, PgArguments, PostgresIndex, arguments, count, integer, write::Writing};
use crate::{
    EmbedError, SearchError, SearchRequest,
    cache::{FETCHED, StoredVector, VectorSource, VectorState},
    index::Match,
    meaning::{Embedded, Unembedded, embedded_text},
    vectors::Quantised,
};

impl PostgresIndex {
    pub(crate) async fn nearest(
        &self,
        identity: &str,
        to: Quantised,
        request: &SearchRequest<'_>,
        limit: usize,
        max_bytes: usize,
    ) -> Result<Vec<Match>, SearchError> {
        if let Some(found) = self.nearest_by_extension(identity, &to, request, limit).await? {
            return Ok(found);
        }
        let documents = self.allowed(request).await?;
        let vectors = &self.inner.vectors;
        vectors.nearest(self, identity, to, limit, documents, max_bytes).await
    }

    /// The documents that will do; none means all.
    async fn allowed(
        &self,
        request: &SearchRequest<'_>,
    ) -> Result<Option<HashSet<i64>>, SearchError> {
        if !request.is_narrowed() {
            let sql = "SELECT tenanted FROM @search_state WHERE id = 1";
            let tenanted: bool = self.read_one(sql, arguments![]).await?.try_get("tenanted")?;
            if !tenanted {
                return Ok(None);
            }
        }
        let Narrow { tenant, language, tags, .. } = Narrow::new(request, true);
        let sql = "SELECT document FROM @search_allowed($1, $2, $3)";
        let rows = self.read(sql, arguments![tenant, language, tags]).await?;
        rows.iter().map(|row| Ok(row.try_get("document")?)).collect::<Result<_, _>>().map(Some)
    }

    pub(crate) async fn vector_state(&self) -> Result<VectorState, SearchError> {
        let sql =
            "SELECT generation, vector_model, vector_dimensions FROM @search_state WHERE id = 1";
        let row = self.read_one(sql, arguments![]).await?;
        let dimensions: Option<i32> = row.try_get("vector_dimensions")?;
        Ok(VectorState {
            generation: row.try_get("generation")?,
            model: row.try_get("vector_model")?,
            dimensions: dimensions.and_then(|n| usize::try_from(n).ok()),
        })
    }

    pub(crate) async fn forget_vectors(&self, identity: &str) -> Result<(), SearchError> {
        let mut writing = self.begin_writing().await?;
        writing.forget_nearest().await?;
        let connection = writing.connection();
        sqlx::query("DELETE FROM search_vectors").execute(&mut *connection).await?;
        sqlx::query(
            "UPDATE search_state SET vector_model = $1, vector_dimensions = NULL WHERE id = 1",
        )
        .bind(identity)
        .execute(&mut *connection)
        .await?;
        writing.commit().await
    }

    pub(crate) async fn count_unembedded(&self) -> Result<u64, SearchError> {
        let sql = "SELECT count(*) AS n FROM @search_words AS w
                   WHERE NOT EXISTS (SELECT 1 FROM @search_vectors AS v WHERE v.passage_id = w.passage_id)";
        count(&self.read_one(sql, arguments![]).await?, "n")
    }

    pub(crate) async fn unembedded(
        &self,
        after: i64,
        limit: usize,
    ) -> Result<Vec<Unembedded>, SearchError> {
        let mut reading = self.begin().await?;
        let rows = sqlx::query(
            "SELECT p.id, p.breadcrumbs, p.text FROM search_passages AS p
             WHERE p.id > $1
               AND NOT EXISTS (SELECT 1 FROM search_vectors AS v WHERE v.passage_id = p.id)
             ORDER BY p.id LIMIT $2",
        )
        .bind(after)
        .bind(integer(limit))
        .fetch_all(reading.connection())
        .await?;
        reading.commit().await?;
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
        let mut writing = self.begin_writing().await?;
        let connection = writing.connection();
        let ours = sqlx::query(
            "UPDATE search_state SET vector_dimensions = $2
             WHERE id = 1 AND vector_model = $1
               AND (vector_dimensions IS NULL OR vector_dimensions = $2)",
        )
        .bind(identity)
        .bind(i32::try_from(dimensions).unwrap_or(i32::MAX))
        .execute(&mut *connection)
        .await?
        .rows_affected();
        if ours == 0 {
            return Err(EmbedError::Failed(
                "another ingest embeds the same index with another model; run one at a time".into(),
            )
            .into());
        }
        let vectors = embedded
            .iter()
            .map(|one| (one.passage, one.hash.to_vec(), one.vector.to_bytes()))
            .collect();
        writing.insert_vectors(vectors).await?;
        writing.commit().await
    }
}

impl Writing<'_> {
    /// Stores vectors, each for a passage if that is still there, with the hash of what was embedded.
    pub(super) async fn insert_vectors(
        &mut self,
        vectors: Vec<(i64, Vec<u8>, Vec<u8>)>,
    ) -> Result<(), SearchError> {
        let mut passages = Vec::with_capacity(vectors.len());
        let mut hashes = Vec::with_capacity(vectors.len());
        let mut bytes = Vec::with_capacity(vectors.len());
        for (passage, hash, vector) in vectors {
            passages.push(passage);
            hashes.push(hash);
            bytes.push(vector);
        }
        let connection = self.connection();
        // What there was goes, so that what comes has a new id, by which readers find it.
        sqlx::query("DELETE FROM search_vectors WHERE passage_id = ANY($1)")
            .bind(&passages)
            .execute(&mut *connection)
            .await?;
        sqlx::query(
            "INSERT INTO search_vectors (passage_id, document_id, hash, vector)
             SELECT v.passage, w.document_id, v.hash, v.vector
             FROM unnest($1::bigint[], $2::bytea[], $3::bytea[]) AS v (passage, hash, vector)
             JOIN search_words AS w ON w.passage_id = v.passage",
        )
        .bind(&passages)
        .bind(&hashes)
        .bind(&bytes)
        .execute(&mut *connection)
        .await?;
        self.put_nearest(&passages, &bytes).await
    }

    pub(super) async fn remove_vectors(&mut self, document: i64) -> Result<(), SearchError> {
        self.remove_nearest(document).await?;
        sqlx::query("DELETE FROM search_vectors WHERE document_id = $1")
            .bind(document)
            .execute(self.connection())
            .await?;
        Ok(())
    }
}

impl VectorSource for PostgresIndex {
    async fn state(&self) -> Result<VectorState, SearchError> {
        self.vector_state().await
    }

    async fn count(&self) -> Result<usize, SearchError> {
        let row = self.read_one("SELECT count(*) AS n FROM @search_vectors", arguments![]).await?;
        Ok(usize::try_from(count(&row, "n")?).unwrap_or(usize::MAX))
    }

    async fn after(&self, id: i64) -> Result<Vec<StoredVector>, SearchError> {
        let sql = "SELECT id, passage_id, document_id, vector FROM @search_vectors
                   WHERE id > $1 ORDER BY id LIMIT $2";
        let rows = self.read(sql, arguments![id, integer(FETCHED)]).await?;
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
        let rows = self.read("SELECT passage_id FROM @search_vectors", arguments![]).await?;
        rows.iter().map(|row| Ok(row.try_get("passage_id")?)).collect()
    }
}
