//! What limits are counted with.

use async_trait::async_trait;
use parlor_chatkit::{StoreError, protocol::Timestamp};
use rusqlite::{Connection, params};

use super::{
    SqliteStore, execute, one,
    rows::{failed, required},
};
use crate::{
    limits::{
        Allowance, Charge, Charged, CounterId, LimitStore, OpenId, Opening, Refusal, Slots, Use,
        Window,
    },
    record::{json, parse},
};

/// A counter and whether somebody was told that its limit is near.
struct Counter {
    slots: Slots,
    warned: bool,
}

impl Counter {
    fn read(
        connection: &Connection,
        id: &CounterId,
        window: Window,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let found = one(
            connection,
            "SELECT newest, counts, warned FROM counters WHERE id = ?1",
            [id.0],
            |row| {
                let counts: Vec<u64> = parse("counter", required(row, 1)?)?;
                Ok(Self {
                    slots: Slots::stored(window, row.get(0).map_err(failed)?, counts),
                    warned: row.get(2).map_err(failed)?,
                })
            },
        )?;
        let mut counter =
            found.unwrap_or_else(|| Self { slots: Slots::new(window, now), warned: false });
        counter.slots.advance(now);
        Ok(counter)
    }

    /// The counter after something was used.
    fn used(connection: &Connection, used: &Use, now: Timestamp) -> Result<Self, StoreError> {
        let mut counter = Self::read(connection, &used.counter, used.window, now)?;
        counter.slots.add(used.amount);
        counter.write(connection, &used.counter)?;
        Ok(counter)
    }

    fn write(&self, connection: &Connection, id: &CounterId) -> Result<(), StoreError> {
        execute(
            connection,
            "INSERT INTO counters (id, newest, counts, warned, over_at) VALUES (?1, ?2, ?3, ?4, \
             ?5) ON CONFLICT (id) DO UPDATE SET newest = excluded.newest, counts = \
             excluded.counts, warned = excluded.warned, over_at = excluded.over_at",
            params![
                id.0,
                self.slots.newest(),
                json(&self.slots.counts())?,
                self.warned,
                self.slots.over_at()
            ],
        )
        .map(drop)
    }
}

#[async_trait]
impl LimitStore for SqliteStore {
    async fn charge(
        &self,
        charges: &[Charge],
        opening: Option<&Opening>,
        now: Timestamp,
    ) -> Result<Charged, StoreError> {
        let (charges, opening) = (charges.to_vec(), opening.cloned());
        self.writer.run(move |connection| charge(connection, &charges, opening.as_ref(), now)).await
    }

    async fn settle(
        &self,
        uses: &[Use],
        closed: &[OpenId],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (uses, closed) = (uses.to_vec(), closed.to_vec());
        self.writer
            .run(move |connection| {
                for used in &uses {
                    Counter::used(connection, used, now)?;
                }
                for id in &closed {
                    execute(connection, "DELETE FROM open_now WHERE id = ?1", [id.0])?;
                }
                Ok(())
            })
            .await
    }

    async fn tally(&self, uses: &[Use], now: Timestamp) -> Result<Vec<Slots>, StoreError> {
        let uses = uses.to_vec();
        self.writer
            .run(move |connection| {
                uses.iter().map(|used| Ok(Counter::used(connection, used, now)?.slots)).collect()
            })
            .await
    }

    async fn sweep_limits(
        &self,
        holder: &str,
        now: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let holder = holder.to_owned();
        self.writer
            .run(move |connection| {
                // One process at a time uses a file: the others are gone.
                execute(connection, "DELETE FROM open_now WHERE holder <> ?1", [holder])?;
                let swept = execute(
                    connection,
                    "DELETE FROM counters WHERE id IN (SELECT id FROM counters WHERE over_at <= \
                     ?1 ORDER BY over_at LIMIT ?2)",
                    params![now.as_datetime().timestamp(), limit],
                )?;
                Ok(swept as u64)
            })
            .await
    }
}

fn charge(
    connection: &Connection,
    charges: &[Charge],
    opening: Option<&Opening>,
    now: Timestamp,
) -> Result<Charged, StoreError> {
    let mut counters = Vec::with_capacity(charges.len());
    let mut refused: Option<(usize, Timestamp)> = None;
    for (place, charge) in charges.iter().enumerate() {
        let counter = Counter::read(connection, &charge.counter, charge.window, now)?;
        if counter.slots.used().saturating_add(charge.cost.max(1)) > charge.limit {
            let free_at = counter.slots.free_at(charge.limit);
            if refused.is_none_or(|(_, latest)| free_at > latest) {
                refused = Some((place, free_at));
            }
        }
        counters.push(counter);
    }
    if let Some((place, free_at)) = refused {
        return Ok(Charged::Refused(Refusal::Charge { place, free_at }));
    }
    if let Some(opening) = opening {
        for (place, (counter, limit)) in opening.counters.iter().enumerate() {
            let open = one(
                connection,
                "SELECT count(*) FROM open_now WHERE counter = ?1 AND holder = ?2",
                params![counter.0, opening.holder],
                |row| row.get::<_, i64>(0).map_err(failed),
            )?;
            if u64::try_from(open.unwrap_or_default()).unwrap_or_default() >= *limit {
                return Ok(Charged::Refused(Refusal::Open { place }));
            }
        }
        for (counter, _) in &opening.counters {
            execute(
                connection,
                "INSERT INTO open_now (counter, id, holder) VALUES (?1, ?2, ?3) ON CONFLICT DO \
                 NOTHING",
                params![counter.0, opening.id.0, opening.holder],
            )?;
        }
    }
    let mut allowances = Vec::with_capacity(charges.len());
    for (charge, mut counter) in charges.iter().zip(counters) {
        counter.slots.add(i64::try_from(charge.cost).unwrap_or(i64::MAX));
        let used = counter.slots.used();
        let near = charge.near.is_some_and(|near| used >= near);
        allowances.push(Allowance {
            left: charge.limit.saturating_sub(used),
            warn: near && !counter.warned,
            more_at: counter.slots.more_at(),
        });
        if charge.cost > 0 || near != counter.warned {
            counter.warned = near;
            counter.write(connection, &charge.counter)?;
        }
    }
    Ok(Charged::Counted(allowances))
}
