//! What answers took of models, for the operator's books.

use async_trait::async_trait;
use parlor_chatkit::{
    Owner, StoreError, TenantId, UserId,
    protocol::{ThreadId, Timestamp},
};

/// What one model took for one turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageRecord {
    /// Who asked.
    pub owner: Owner,
    /// In which thread.
    pub thread_id: ThreadId,
    /// When it was over.
    pub at: Timestamp,
    /// `answer`, `title` or `guardrail`.
    pub purpose: &'static str,
    /// The model's name.
    pub model: String,
    /// How much.
    pub used: Used,
}

/// How much was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Requests to the model.
    pub requests: u64,
    /// Tokens of them.
    pub input_tokens: u64,
    /// Those of these that the provider had kept.
    pub cached_tokens: u64,
    /// Tokens of the answers.
    pub output_tokens: u64,
    /// What it cost, in billionths of a currency, where the price was known.
    pub cost: Option<u64>,
}

/// Whose usage, and since when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageQuery {
    /// Only this tenant's.
    pub tenant: Option<TenantId>,
    /// Only that of users of this id.
    pub user: Option<UserId>,
    /// Only what was over then or later.
    pub since: Option<Timestamp>,
    /// Behind this tenant, user and model.
    pub after: Option<(TenantId, UserId, String)>,
    /// At most so many.
    pub limit: u32,
}

/// What a user took of one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageSum {
    /// Who.
    pub owner: Owner,
    /// The model's name.
    pub model: String,
    /// Turns that were answered.
    pub turns: u64,
    /// How much.
    pub used: Used,
    /// Records whose price was not known, so that `cost` is not all.
    pub unpriced: u64,
}

/// Keeps what answers took.
#[async_trait]
pub trait UsageStore: Send + Sync + 'static {
    /// Adds records, for whoever has their threads now. Of a thread that is gone nothing is kept: its
    /// user may have been forgotten meanwhile.
    async fn add_usage(&self, records: &[UsageRecord]) -> Result<(), StoreError>;

    /// Sums by tenant, user and model, in this order.
    async fn usage(&self, query: &UsageQuery) -> Result<Vec<UsageSum>, StoreError>;

    /// Deletes so many records of before then. How many; called until they are fewer.
    async fn expire_usage(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError>;
}

/// As databases count.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
