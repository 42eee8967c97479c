//! What limits are counted with.

use async_trait::async_trait;
use parlor_chatkit::{StoreError, protocol::Timestamp};
use sqlx::postgres::PgArguments;

use super::{PostgresStore, arguments, count, lease, rows::column};
use crate::limits::{
    Allowance, Charge, Charged, LimitStore, OpenId, Opening, Refusal, Slots, Use, Window, at_second,
};

fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn slots(window: Window) -> i32 {
    i32::try_from(window.slots()).unwrap_or(i32::MAX)
}

pub(super) fn charge_arguments(
    charges: &[Charge],
    opening: Option<&Opening>,
    now: Timestamp,
) -> Result<PgArguments, StoreError> {
    let counters = opening.map_or(&[][..], |opening| &opening.counters);
    arguments![
        charges.iter().map(|charge| &charge.counter.0[..]).collect::<Vec<_>>(),
        charges.iter().map(|charge| charge.window.width()).collect::<Vec<_>>(),
        charges.iter().map(|charge| slots(charge.window)).collect::<Vec<_>>(),
        charges.iter().map(|charge| number(charge.limit)).collect::<Vec<_>>(),
        charges.iter().map(|charge| number(charge.cost)).collect::<Vec<_>>(),
        charges.iter().map(|charge| charge.near.map(number)).collect::<Vec<_>>(),
        opening.map(|opening| &opening.id.0[..]),
        opening.map_or("", |opening| opening.holder.as_str()),
        lease(),
        counters.iter().map(|(counter, _)| &counter.0[..]).collect::<Vec<_>>(),
        counters.iter().map(|(_, limit)| number(*limit)).collect::<Vec<_>>(),
        now.as_datetime().timestamp(),
    ]
}

#[async_trait]
impl LimitStore for PostgresStore {
    async fn charge(
        &self,
        charges: &[Charge],
        opening: Option<&Opening>,
        now: Timestamp,
    ) -> Result<Charged, StoreError> {
        let arguments = charge_arguments(charges, opening, now);
        let rows = self.inner.write(&self.inner.statements.charge, arguments).await?;
        let mut allowances = Vec::with_capacity(rows.len());
        for row in &rows {
            let second: Option<i64> = column(row, "second")?;
            if column(row, "refused")? {
                let place: i32 = column(row, "place")?;
                let from_zero = usize::try_from(place.unsigned_abs().saturating_sub(1));
                let from_zero = from_zero.unwrap_or_default();
                return Ok(Charged::Refused(if place < 0 {
                    Refusal::Open { place: from_zero }
                } else {
                    let free_at = second.map_or(now, at_second);
                    Refusal::Charge { place: from_zero, free_at }
                }));
            }
            let left: i64 = column(row, "remaining")?;
            allowances.push(Allowance {
                left: u64::try_from(left).unwrap_or_default(),
                warn: column(row, "warn")?,
                more_at: second.map(at_second),
            });
        }
        Ok(Charged::Counted(allowances))
    }

    async fn settle(
        &self,
        uses: &[Use],
        closed: &[OpenId],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let arguments = arguments![
            uses.iter().map(|used| &used.counter.0[..]).collect::<Vec<_>>(),
            uses.iter().map(|used| used.window.width()).collect::<Vec<_>>(),
            uses.iter().map(|used| slots(used.window)).collect::<Vec<_>>(),
            uses.iter().map(|used| used.amount).collect::<Vec<_>>(),
            closed.iter().map(|id| &id.0[..]).collect::<Vec<_>>(),
            now.as_datetime().timestamp(),
        ];
        self.inner.write(&self.inner.statements.settle, arguments).await.map(drop)
    }

    async fn tally(&self, uses: &[Use], now: Timestamp) -> Result<Vec<Slots>, StoreError> {
        let arguments = arguments![
            uses.iter().map(|used| &used.counter.0[..]).collect::<Vec<_>>(),
            uses.iter().map(|used| used.window.width()).collect::<Vec<_>>(),
            uses.iter().map(|used| slots(used.window)).collect::<Vec<_>>(),
            uses.iter().map(|used| used.amount).collect::<Vec<_>>(),
            now.as_datetime().timestamp(),
        ];
        let rows = self.inner.write(&self.inner.statements.tally, arguments).await?;
        uses.iter()
            .zip(&rows)
            .map(|(used, row)| {
                let counts: Vec<i64> = column(row, "counts")?;
                let counts = counts.into_iter().map(|n| u64::try_from(n).unwrap_or_default());
                Ok(Slots::stored(used.window, column(row, "newest")?, counts.collect()))
            })
            .collect()
    }

    async fn sweep_limits(
        &self,
        holder: &str,
        now: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let arguments =
            arguments![holder, lease(), now.as_datetime().timestamp(), i64::from(limit)];
        count(&self.inner.write(&self.inner.statements.sweep_limits, arguments).await?)
    }
}
