//! What answers took of models.

use async_trait::async_trait;
use parlor_chatkit::{Owner, StoreError, TenantId, UserId, protocol::Timestamp};
use sqlx::postgres::{PgArguments, PgRow};

use super::{
    PostgresStore, arguments, count,
    rows::{column, required},
};
use crate::usage::{UsageQuery, UsageRecord, UsageStore, UsageSum, Used, signed};

fn number(row: &PgRow, name: &str) -> Result<u64, StoreError> {
    let number: Option<i64> = column(row, name)?;
    Ok(number.and_then(|number| u64::try_from(number).ok()).unwrap_or(0))
}

fn sum(row: &PgRow) -> Result<UsageSum, StoreError> {
    let cost: Option<i64> = column(row, "cost")?;
    Ok(UsageSum {
        owner: Owner::authenticated(
            TenantId::new(required(row, "tenant")?),
            UserId::new(required(row, "usr")?),
        ),
        model: required(row, "model")?.to_owned(),
        turns: number(row, "turns")?,
        used: Used {
            requests: number(row, "requests")?,
            input_tokens: number(row, "input")?,
            cached_tokens: number(row, "cached")?,
            output_tokens: number(row, "output")?,
            cost: cost.and_then(|cost| u64::try_from(cost).ok()),
        },
        unpriced: number(row, "unpriced")?,
    })
}

#[async_trait]
impl UsageStore for PostgresStore {
    async fn add_usage(&self, records: &[UsageRecord]) -> Result<(), StoreError> {
        let numbers = |read: fn(&Used) -> u64| -> Vec<i64> {
            records.iter().map(|record| signed(read(&record.used))).collect()
        };
        let texts = |read: fn(&UsageRecord) -> &str| -> Vec<String> {
            // A text with a NUL is none that PostgreSQL keeps.
            records.iter().map(|record| read(record).replace('\0', "")).collect()
        };
        let costs: Vec<Option<i64>> =
            records.iter().map(|record| record.used.cost.map(signed)).collect();
        let at: Vec<_> = records.iter().map(|record| record.at.as_datetime()).collect();
        let arguments: Result<PgArguments, StoreError> = arguments![
            texts(|record| record.owner.tenant().as_str()),
            texts(|record| record.thread_id.as_str()),
            at,
            texts(|record| record.purpose),
            texts(|record| &record.model),
            numbers(|used| used.requests),
            numbers(|used| used.input_tokens),
            numbers(|used| used.cached_tokens),
            numbers(|used| used.output_tokens),
            costs,
        ];
        self.inner.write(&self.inner.statements.add_usage, arguments).await.map(drop)
    }

    async fn usage(&self, query: &UsageQuery) -> Result<Vec<UsageSum>, StoreError> {
        let after = query.after.as_ref();
        let arguments: Result<PgArguments, StoreError> = arguments![
            query.tenant.as_ref().map(TenantId::as_str),
            query.user.as_ref().map(UserId::as_str),
            query.since.map(|time| time.as_datetime()),
            after.map_or("", |(tenant, ..)| tenant.as_str()),
            after.map_or("", |(_, user, _)| user.as_str()),
            after.map_or("", |(.., model)| model.as_str()),
            i64::from(query.limit),
        ];
        let found = self.inner.read(&self.inner.statements.list_usage, arguments).await?;
        found.iter().map(sum).collect()
    }

    async fn expire_usage(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let arguments: Result<PgArguments, StoreError> =
            arguments![before.as_datetime(), i64::from(limit)];
        let found = self.inner.write(&self.inner.statements.expire_usage, arguments).await?;
        count(&found)
    }
}
