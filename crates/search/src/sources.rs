//! Which server refreshes a source of documents, and how that last ended: kept in the index, which
//! servers share.

use chrono::{DateTime, Utc};

use crate::{DocumentIndex, SearchError, index::each};

/// A source as the index knows it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct SourceState {
    /// Its name.
    pub name: String,
    /// Until when somebody has claimed it, if that is not over.
    pub claimed_until: Option<DateTime<Utc>>,
    /// When a refresh last ended, well or not.
    pub ended_at: Option<DateTime<Utc>>,
    /// What was kept of that end, as it was given.
    pub outcome: Option<String>,
}

/// A claim to a source: who wants it, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// The source.
    pub name: &'a str,
    /// Who wants it; unique to a process.
    pub holder: &'a str,
    /// Now.
    pub now: DateTime<Utc>,
    /// When the claim is over, unless it is made again.
    pub until: DateTime<Utc>,
}

/// A row of the table.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) claimed_until: i64,
    pub(crate) ended_at: Option<i64>,
    pub(crate) outcome: Option<String>,
}

impl Row {
    fn state(self, now: DateTime<Utc>) -> SourceState {
        SourceState {
            name: self.name,
            claimed_until: DateTime::from_timestamp_millis(self.claimed_until)
                .filter(|until| *until > now),
            ended_at: self.ended_at.and_then(DateTime::from_timestamp_millis),
            outcome: self.outcome,
        }
    }
}

impl DocumentIndex {
    /// Claims a source whose last refresh ended at `ended_before` or earlier, or that had none.
    /// Whether it is ours now: false when somebody else has it, or has just been done with it. The
    /// same holder claims anew what it has, to keep it longer.
    ///
    /// # Errors
    ///
    /// [`SearchError::Database`].
    pub async fn claim_source(
        &self,
        claim: Claim<'_>,
        ended_before: DateTime<Utc>,
    ) -> Result<bool, SearchError> {
        each!(self, claim_source(claim, ended_before.timestamp_millis()))
    }

    /// Gives a source back and keeps how its refresh ended. Whether it was still ours.
    ///
    /// # Errors
    ///
    /// [`SearchError::Database`].
    pub async fn release_source(
        &self,
        name: &str,
        holder: &str,
        ended_at: DateTime<Utc>,
        outcome: &str,
    ) -> Result<bool, SearchError> {
        each!(self, release_source(name, holder, ended_at.timestamp_millis(), outcome))
    }

    /// All sources that were ever refreshed here, by name.
    ///
    /// # Errors
    ///
    /// [`SearchError::Database`].
    pub async fn sources(&self, now: DateTime<Utc>) -> Result<Vec<SourceState>, SearchError> {
        let rows: Vec<Row> = each!(self, sources())?;
        Ok(rows.into_iter().map(|row| row.state(now)).collect())
    }
}
