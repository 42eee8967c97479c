//! Vectors searched by PostgreSQL itself, where it has the extension `vector` (pgvector).
//!
//! The bytes of `search_vectors` are what vectors are. The table `search_nearest` is made of them, for the extension and
//! its index: with functions that hold the length of the vectors and the extension's schema, which are only known when it is
//! made. `search_state.nearest_dimensions` says that it has all vectors; from then on every writer keeps it so. Without it,
//! and until it is there, vectors are searched in the memory of each process.

use sqlx::{AssertSqlSafe, PgConnection, Row as _};

use super::{Narrow, PgArguments, PostgresIndex, arguments, integer, read_match, write::Writing};
use crate::{
    SearchError, SearchRequest, VectorSearch,
    cache::FETCHED,
    index::Match,
    vectors::{self, Quantised},
};

/// The first version that goes on looking when a search is narrowed and the index gave too few.
const OLDEST: (u32, u32) = (0, 8);
/// Longest vectors of half precision that the extension's index takes.
const MAX_DIMENSIONS: i32 = 4_000;
/// Memory for making the index, at most. More than it needs is not taken.
const MAX_BUILD_MB: usize = 1_024;

/// The extension, where it is.
#[derive(Debug)]
struct Extension {
    /// Quoted where it has to be.
    schema: String,
    version: String,
    is_new_enough: bool,
}

impl PostgresIndex {
    /// Where vectors are searched.
    ///
    /// # Errors
    ///
    /// [`SearchError::Database`] when the database can't be read.
    pub async fn vector_search(&self) -> Result<VectorSearch, SearchError> {
        let mut reading = self.begin().await?;
        let extension = extension(reading.connection()).await?;
        reading.commit().await?;
        let Some(extension) = extension else { return Ok(VectorSearch::NoExtension) };
        if !extension.is_new_enough {
            return Ok(VectorSearch::OldExtension { version: extension.version });
        }
        let state = self.nearest_state().await?;
        match (state.dimensions, state.nearest) {
            (Some(_), None) => Ok(VectorSearch::NoIndexYet { version: extension.version }),
            _ => Ok(VectorSearch::Extension { version: extension.version }),
        }
    }

    /// The nearest passages by the extension; none where it has no table.
    pub(super) async fn nearest_by_extension(
        &self,
        identity: &str,
        to: &Quantised,
        request: &SearchRequest<'_>,
        limit: usize,
    ) -> Result<Option<Vec<Match>>, SearchError> {
        let state = self.nearest_state().await?;
        if state.nearest.is_none()
            || state.nearest != state.dimensions
            || state.model.as_deref() != Some(identity)
            || state.dimensions.and_then(|n| usize::try_from(n).ok()) != Some(to.len())
        {
            // What is wrong with that is said where vectors are searched in memory.
            return Ok(None);
        }
        let narrow = Narrow::new(request, state.tenanted);
        let found = self
            .read(
                "SELECT * FROM @search_nearest_to($1, $2, $3, $4, $5, $6)",
                arguments![
                    vectors::as_list(&to.to_bytes()),
                    integer(limit),
                    narrow.is_needed,
                    narrow.tenant,
                    narrow.language,
                    narrow.tags,
                ],
            )
            .await;
        match found {
            Ok(rows) => rows.iter().map(read_match).collect::<Result<_, _>>().map(Some),
            Err(SearchError::Database(error)) if is_undefined(&error) => {
                tracing::warn!(%error, "the extension `vector` is gone; vectors are searched in memory");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn nearest_state(&self) -> Result<NearestState, SearchError> {
        let sql = "SELECT vector_model, vector_dimensions, nearest_dimensions, tenanted
                   FROM @search_state WHERE id = 1";
        let row = self.read_one(sql, arguments![]).await?;
        Ok(NearestState {
            model: row.try_get("vector_model")?,
            dimensions: row.try_get("vector_dimensions")?,
            nearest: row.try_get("nearest_dimensions")?,
            tenanted: row.try_get("tenanted")?,
        })
    }

    /// As [`DocumentIndex::index_vectors`](crate::DocumentIndex::index_vectors).
    pub(crate) async fn index_vectors(&self) -> Result<(), SearchError> {
        let state = self.nearest_state().await?;
        let Some(dimensions) = state.dimensions.filter(|n| (1..=MAX_DIMENSIONS).contains(n)) else {
            return Ok(());
        };
        if state.nearest == Some(dimensions) {
            return Ok(());
        }
        let Some(extension) = self.extension_if_possible().await? else { return Ok(()) };
        match self.make_nearest(&extension.schema).await {
            Err(SearchError::Database(error @ sqlx::Error::Database(_))) => {
                tracing::warn!(%error, "vectors have no index in PostgreSQL; they are searched in memory");
                Ok(())
            }
            made => made,
        }
    }

    async fn extension_if_possible(&self) -> Result<Option<Extension>, SearchError> {
        let mut lent = self.inner.connections.lend().await?;
        let mut found = extension(&mut lent.connection).await?;
        if found.is_none() {
            // In the schema where everybody has it. Mostly for superusers only, or not there to be made.
            let made = sqlx::query("CREATE EXTENSION IF NOT EXISTS vector SCHEMA public")
                .execute(&mut lent.connection)
                .await;
            if made.is_ok() {
                found = extension(&mut lent.connection).await?;
            }
        }
        self.inner.connections.give_back(lent);
        Ok(found.filter(|extension| extension.is_new_enough))
    }

    async fn make_nearest(&self, theirs: &str) -> Result<(), SearchError> {
        let mut writing = self.begin_writing().await?;
        let connection = writing.connection();
        // Again, now that nobody else writes.
        let row = sqlx::query(
            "SELECT vector_dimensions, nearest_dimensions,
                    (SELECT count(*) FROM search_vectors) AS vectors
             FROM search_state WHERE id = 1",
        )
        .fetch_one(&mut *connection)
        .await?;
        let dimensions: Option<i32> = row.try_get("vector_dimensions")?;
        let made: Option<i32> = row.try_get("nearest_dimensions")?;
        let (Some(dimensions), false) = (dimensions, dimensions == made) else {
            return writing.commit().await;
        };
        let vectors: i64 = row.try_get("vectors")?;
        // What the graph takes while it is made, by far enough.
        let bytes = (2 * i64::from(dimensions) + 512).saturating_mul(vectors);
        let megabytes = usize::try_from(bytes >> 20).unwrap_or(MAX_BUILD_MB) + 64;
        for sql in [
            "SET LOCAL statement_timeout = 0".to_owned(),
            format!("SET LOCAL maintenance_work_mem = '{}MB'", megabytes.min(MAX_BUILD_MB)),
            // Several processes would share memory of which containers have little.
            "SET LOCAL max_parallel_maintenance_workers = 0".to_owned(),
            "DROP TABLE IF EXISTS search_nearest".to_owned(),
            format!(
                "CREATE TABLE search_nearest (
                     passage_id  bigint PRIMARY KEY,
                     document_id bigint NOT NULL,
                     direction   {theirs}.halfvec({dimensions}) NOT NULL
                 )"
            ),
            "CREATE INDEX search_nearest_of_document ON search_nearest (document_id)".to_owned(),
            put_function(theirs, dimensions),
            to_function(theirs, dimensions),
        ] {
            sqlx::query(AssertSqlSafe(sql)).execute(&mut *connection).await?;
        }
        let mut last = 0_i64;
        loop {
            let rows = sqlx::query(
                "SELECT id, passage_id, vector FROM search_vectors
                 WHERE id > $1 ORDER BY id LIMIT $2",
            )
            .bind(last)
            .bind(integer(FETCHED))
            .fetch_all(&mut *connection)
            .await?;
            let Some(newest) = rows.last() else { break };
            last = newest.try_get("id")?;
            let mut passages: Vec<i64> = Vec::with_capacity(rows.len());
            let mut bytes: Vec<Vec<u8>> = Vec::with_capacity(rows.len());
            for row in &rows {
                passages.push(row.try_get("passage_id")?);
                bytes.push(row.try_get("vector")?);
            }
            put(connection, &passages, &bytes).await?;
        }
        let index = format!(
            "CREATE INDEX search_nearest_by_direction ON search_nearest
             USING hnsw (direction {theirs}.halfvec_cosine_ops)"
        );
        sqlx::query(AssertSqlSafe(index)).execute(&mut *connection).await?;
        sqlx::query("UPDATE search_state SET nearest_dimensions = vector_dimensions WHERE id = 1")
            .execute(&mut *connection)
            .await?;
        writing.commit().await
    }
}

impl Writing<'_> {
    /// Vectors of these passages for the extension, which are in `search_vectors` already.
    pub(super) async fn put_nearest(
        &mut self,
        passages: &[i64],
        bytes: &[Vec<u8>],
    ) -> Result<(), SearchError> {
        if self.has_nearest {
            put(self.connection(), passages, bytes).await?;
        }
        Ok(())
    }

    pub(super) async fn remove_nearest(&mut self, document: i64) -> Result<(), SearchError> {
        if self.has_nearest {
            sqlx::query("DELETE FROM search_nearest WHERE document_id = $1")
                .bind(document)
                .execute(self.connection())
                .await?;
        }
        Ok(())
    }

    /// Vectors of another model come: the table is made anew when they are there.
    pub(super) async fn forget_nearest(&mut self) -> Result<(), SearchError> {
        if self.has_nearest {
            for sql in [
                "DELETE FROM search_nearest",
                "UPDATE search_state SET nearest_dimensions = NULL WHERE id = 1",
            ] {
                sqlx::query(sql).execute(self.connection()).await?;
            }
            self.has_nearest = false;
        }
        Ok(())
    }
}

#[derive(Debug)]
struct NearestState {
    model: Option<String>,
    dimensions: Option<i32>,
    nearest: Option<i32>,
    tenanted: bool,
}

async fn put(
    connection: &mut PgConnection,
    passages: &[i64],
    bytes: &[Vec<u8>],
) -> Result<(), SearchError> {
    let lists: Vec<String> = bytes.iter().map(|bytes| vectors::as_list(bytes)).collect();
    sqlx::query("SELECT search_nearest_put($1, $2)")
        .bind(passages)
        .bind(lists)
        .execute(connection)
        .await?;
    Ok(())
}

async fn extension(connection: &mut PgConnection) -> Result<Option<Extension>, SearchError> {
    let row = sqlx::query(
        "SELECT quote_ident(n.nspname) AS schema, e.extversion AS version
         FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace
         WHERE e.extname = 'vector'",
    )
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let version: String = row.try_get("version")?;
    let is_new_enough = is_new_enough(&version);
    Ok(Some(Extension { schema: row.try_get("schema")?, version, is_new_enough }))
}

fn is_new_enough(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or_default());
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default()) >= OLDEST
}

/// SQLSTATE class 42: a function, a type or a table that is not there.
fn is_undefined(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .and_then(|error| error.code())
        .is_some_and(|code| code.starts_with("42"))
}

fn put_function(theirs: &str, dimensions: i32) -> String {
    format!(
        "CREATE OR REPLACE FUNCTION search_nearest_put(p_passages bigint[], p_vectors text[])
         RETURNS void LANGUAGE sql SET search_path FROM CURRENT AS $$
             INSERT INTO search_nearest (passage_id, document_id, direction)
             SELECT v.passage, w.document_id, v.vector::{theirs}.halfvec({dimensions})
             FROM unnest(p_passages, p_vectors) AS v (passage, vector)
             JOIN search_words AS w ON w.passage_id = v.passage
             ON CONFLICT (passage_id) DO UPDATE SET direction = excluded.direction
         $$"
    )
}

/// Where few vectors will do, all of them are compared: the index is one over all, and would be walked through for
/// nothing.
fn to_function(theirs: &str, dimensions: i32) -> String {
    let distance = format!("n.direction OPERATOR({theirs}.<=>) v_to");
    let allowed = "EXISTS (
        SELECT 1 FROM search_documents AS d
        WHERE d.id = n.document_id
          AND (p_language IS NULL OR d.language IS NULL OR d.language = p_language)
          AND (p_tags IS NULL OR d.tags && p_tags))";
    format!(
        "CREATE OR REPLACE FUNCTION search_nearest_to(
             p_to text, p_limit bigint, p_narrow boolean, p_tenant text, p_language text, p_tags text[]
         ) RETURNS TABLE (passage bigint, document bigint, score float8)
         LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
         DECLARE
             v_to {theirs}.halfvec({dimensions}) := p_to::{theirs}.halfvec({dimensions});
         BEGIN
             PERFORM search_become(p_tenant);
             -- The extension, which knows its settings, was loaded for the variable above.
             PERFORM set_config('hnsw.ef_search', least(1000, greatest(p_limit, 100))::text, true);
             IF NOT p_narrow THEN
                 RETURN QUERY
                     SELECT n.passage_id, n.document_id, 1 - ({distance})
                     FROM search_nearest AS n ORDER BY {distance} LIMIT p_limit;
                 RETURN;
             END IF;
             IF (SELECT count(*) FROM (
                     SELECT 1 FROM search_nearest AS n WHERE {allowed} LIMIT 5000
                 ) AS few) < 5000
             THEN
                 RETURN QUERY
                     WITH few AS MATERIALIZED (
                         SELECT n.passage_id, n.document_id, {distance} AS distance
                         FROM search_nearest AS n WHERE {allowed}
                     )
                     SELECT f.passage_id, f.document_id, 1 - f.distance
                     FROM few AS f ORDER BY f.distance LIMIT p_limit;
                 RETURN;
             END IF;
             PERFORM set_config('hnsw.iterative_scan', 'strict_order', true),
                     set_config('hnsw.max_scan_tuples', '40000', true);
             RETURN QUERY
                 SELECT n.passage_id, n.document_id, 1 - ({distance})
                 FROM search_nearest AS n WHERE {allowed}
                 ORDER BY {distance} LIMIT p_limit;
         END
         $$"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        for (version, expected) in [
            ("0.8.0", true),
            ("0.8.6", true),
            ("0.10", true),
            ("1.0", true),
            ("0.7.4", false),
            ("", false),
        ] {
            assert_eq!(is_new_enough(version), expected, "{version}");
        }
    }
}
