//! Claims to sources.

use sqlx::Row as _;

use super::SqliteIndex;
use crate::{
    SearchError,
    sources::{Claim, Row},
};

impl SqliteIndex {
    pub(crate) async fn claim_source(
        &self,
        claim: Claim<'_>,
        ended_before: i64,
    ) -> Result<bool, SearchError> {
        let claimed = sqlx::query(
            "INSERT INTO search_sources AS s (name, claimed_by, claimed_until) VALUES (?1, ?2, ?3)
             ON CONFLICT (name) DO UPDATE
             SET claimed_by = excluded.claimed_by, claimed_until = excluded.claimed_until
             WHERE (s.claimed_until <= ?4 AND (s.ended_at IS NULL OR s.ended_at <= ?5))
                OR (s.claimed_until > ?4 AND s.claimed_by = ?2)",
        )
        .bind(claim.name)
        .bind(claim.holder)
        .bind(claim.until.timestamp_millis())
        .bind(claim.now.timestamp_millis())
        .bind(ended_before)
        .execute(self.writer())
        .await?;
        Ok(claimed.rows_affected() == 1)
    }

    pub(crate) async fn release_source(
        &self,
        name: &str,
        holder: &str,
        ended_at: i64,
        outcome: &str,
    ) -> Result<bool, SearchError> {
        let released = sqlx::query(
            "UPDATE search_sources SET claimed_by = NULL, claimed_until = 0, ended_at = ?3, outcome = ?4
             WHERE name = ?1 AND claimed_by = ?2",
        )
        .bind(name)
        .bind(holder)
        .bind(ended_at)
        .bind(outcome)
        .execute(self.writer())
        .await?;
        Ok(released.rows_affected() == 1)
    }

    pub(crate) async fn sources(&self) -> Result<Vec<Row>, SearchError> {
        let rows = sqlx::query(
            "SELECT name, claimed_until, ended_at, outcome FROM search_sources ORDER BY name",
        )
        .fetch_all(self.reader())
        .await?;
        let row = |row: &sqlx::sqlite::SqliteRow| {
            Ok(Row {
                name: row.try_get("name")?,
                claimed_until: row.try_get("claimed_until")?,
                ended_at: row.try_get("ended_at")?,
                outcome: row.try_get("outcome")?,
            })
        };
        rows.iter().map(row).collect()
    }
}
