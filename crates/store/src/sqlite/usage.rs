//! What answers took of models.

use async_trait::async_trait;
use parlor_chatkit::{Owner, StoreError, TenantId, UserId, protocol::Timestamp};
use rusqlite::{Row, params};

use super::{
    SqliteStore, all, execute,
    rows::{failed, required},
};
use crate::usage::{UsageQuery, UsageRecord, UsageStore, UsageSum, Used, signed};

fn number(row: &Row<'_>, column: usize) -> Result<u64, StoreError> {
    let number: Option<i64> = row.get(column).map_err(failed)?;
    Ok(u64::try_from(number.unwrap_or(0)).unwrap_or(0))
}

fn sum(row: &Row<'_>) -> Result<UsageSum, StoreError> {
    let cost: Option<i64> = row.get(8).map_err(failed)?;
    Ok(UsageSum {
        owner: Owner::authenticated(
            TenantId::new(required(row, 0)?),
            UserId::new(required(row, 1)?),
        ),
        model: required(row, 2)?.to_owned(),
        turns: number(row, 3)?,
        used: Used {
            requests: number(row, 4)?,
            input_tokens: number(row, 5)?,
            cached_tokens: number(row, 6)?,
            output_tokens: number(row, 7)?,
            cost: cost.and_then(|cost| u64::try_from(cost).ok()),
        },
        unpriced: number(row, 9)?,
    })
}

#[async_trait]
impl UsageStore for SqliteStore {
    async fn add_usage(&self, records: &[UsageRecord]) -> Result<(), StoreError> {
        let records = records.to_vec();
        self.writer
            .run(move |connection| {
                for record in &records {
                    let Used { requests, input_tokens, cached_tokens, output_tokens, cost } =
                        record.used;
                    execute(
                        connection,
                        "INSERT INTO model_usage (tenant_id, user_id, thread_id, at, purpose, \
                         model, requests, input_tokens, cached_tokens, output_tokens, cost) \
                         SELECT tenant_id, user_id, id, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10 FROM \
                         threads WHERE id = ?1 AND tenant_id = ?2",
                        params![
                            record.thread_id.as_str(),
                            record.owner.tenant().as_str(),
                            record.at.as_micros(),
                            record.purpose,
                            record.model,
                            signed(requests),
                            signed(input_tokens),
                            signed(cached_tokens),
                            signed(output_tokens),
                            cost.map(signed),
                        ],
                    )?;
                }
                Ok(())
            })
            .await
    }

    async fn usage(&self, query: &UsageQuery) -> Result<Vec<UsageSum>, StoreError> {
        let query = query.clone();
        self.readers
            .run(move |connection| {
                let after = query.after.as_ref();
                all(
                    connection,
                    "SELECT tenant_id, user_id, model, count(*) FILTER (WHERE purpose = \
                     'answer'), sum(requests), sum(input_tokens), sum(cached_tokens), \
                     sum(output_tokens), sum(cost), count(*) FILTER (WHERE cost IS NULL) FROM \
                     model_usage WHERE (?1 IS NULL OR tenant_id = ?1) AND (?2 IS NULL OR user_id \
                     = ?2) AND (?3 IS NULL OR at >= ?3) AND (tenant_id, user_id, model) > (?4, \
                     ?5, ?6) GROUP BY tenant_id, user_id, model ORDER BY tenant_id, user_id, \
                     model LIMIT ?7",
                    params![
                        query.tenant.as_ref().map(TenantId::as_str),
                        query.user.as_ref().map(UserId::as_str),
                        query.since.map(Timestamp::as_micros),
                        after.map_or("", |(tenant, ..)| tenant.as_str()),
                        after.map_or("", |(_, user, _)| user.as_str()),
                        after.map_or("", |(.., model)| model.as_str()),
                        query.limit,
                    ],
                    sum,
                )
            })
            .await
    }

    async fn expire_usage(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.writer
            .run(move |connection| {
                let deleted = execute(
                    connection,
                    "DELETE FROM model_usage WHERE id IN (SELECT id FROM model_usage WHERE at < \
                     ?1 ORDER BY at LIMIT ?2)",
                    params![before.as_micros(), limit],
                )?;
                Ok(deleted as u64)
            })
            .await
    }
}
