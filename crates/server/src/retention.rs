//! How long conversations and files are kept, and what sees to it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use parlor_chatkit::{StoreError, TenantId, protocol::Timestamp};
use parlor_store::{Ages, OperatorStore};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    audit,
    config::{self, Config},
};

/// Threads that are looked at in one transaction: others wait that long.
const STEP: u32 = 50;
/// Tenants that are looked up at once.
const TENANTS: u32 = 200;
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long each tenant's data is kept.
#[derive(Clone, Debug)]
pub(crate) struct Retention {
    everybodys: config::Retention,
    own: BTreeMap<TenantId, config::Retention>,
}

/// What was deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Gone {
    pub(crate) threads: u64,
    /// Files that are doomed: their bytes follow.
    pub(crate) files: u64,
}

/// How much of a database's time the work may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// As much as it needs: somebody waits for it.
    Now,
    /// A fifth: others ask in between.
    Aside,
}

impl Retention {
    pub(crate) fn new(config: &Config) -> Self {
        let own = config
            .tenants
            .iter()
            .map(|(id, tenant)| (TenantId::new(id.as_str()), config.of_tenant(tenant).retention));
        Self { everybodys: config.retention.clone(), own: own.collect() }
    }

    /// Whether anything goes at all.
    pub(crate) fn is_set(&self) -> bool {
        self.everybodys.is_set() || self.own.values().any(config::Retention::is_set)
    }

    /// How long a tenant's data is kept.
    pub(crate) fn of(&self, tenant: &TenantId) -> &config::Retention {
        self.own.get(tenant).unwrap_or(&self.everybodys)
    }

    /// What of a tenant's is old now.
    pub(crate) fn ages(&self, tenant: &TenantId, now: Timestamp) -> Ages {
        let before = |days: Option<u32>| Some(now.saturating_sub(DAY * days?));
        let of = self.of(tenant);
        Ages { threads: before(of.threads_days()), files: before(of.files_days()) }
    }

    /// The tenants whose data goes at some age, by name.
    pub(crate) async fn tenants(
        &self,
        store: &dyn OperatorStore,
    ) -> Result<BTreeSet<TenantId>, StoreError> {
        let mut all: BTreeSet<_> = self.own.keys().cloned().collect();
        let mut after = None;
        while self.everybodys.is_set() {
            let page = store.tenants(after.as_ref(), TENANTS).await?;
            after = page.last().cloned();
            let last = page.len() < TENANTS as usize;
            all.extend(page);
            if last {
                break;
            }
        }
        all.retain(|tenant| self.of(tenant).is_set());
        Ok(all)
    }

    /// Deletes what is old of all tenants, and puts it on record. Several processes may do so at
    /// once: each thread is deleted, and counted, by one of them.
    ///
    /// # Errors
    /// When the store fails; what was deleted until then is on record.
    pub(crate) async fn apply(
        &self,
        store: &dyn OperatorStore,
        now: Timestamp,
        actor: &str,
        pace: Pace,
    ) -> Result<Gone, StoreError> {
        let mut all = Gone::default();
        for tenant in self.tenants(store).await? {
            let mut gone = Gone::default();
            let outcome = apply_to(store, &tenant, self.ages(&tenant, now), now, pace, &mut gone);
            let outcome = outcome.await;
            if gone != Gone::default() {
                let counts = [("threads", gone.threads), ("files", gone.files)];
                let entry = audit::entry("retention", actor.to_owned(), counts);
                audit::record(store, &audit::on_tenant(&tenant, entry)).await?;
            }
            all.threads += gone.threads;
            all.files += gone.files;
            outcome?;
        }
        Ok(all)
    }
}

async fn apply_to(
    store: &dyn OperatorStore,
    tenant: &TenantId,
    ages: Ages,
    now: Timestamp,
    pace: Pace,
    gone: &mut Gone,
) -> Result<(), StoreError> {
    while let Some(before) = ages.threads {
        let begun = Instant::now();
        let step = store.expire_threads(tenant, before, now, STEP).await?;
        gone.threads += step.threads;
        gone.files += step.files;
        if step.looked_at < u64::from(STEP) {
            break;
        }
        pause(pace, begun).await;
    }
    while let Some(before) = ages.files {
        let begun = Instant::now();
        let files = store.expire_sent_files(tenant, before, STEP).await?;
        gone.files += files;
        if files < u64::from(STEP) {
            break;
        }
        pause(pace, begun).await;
    }
    Ok(())
}

async fn pause(pace: Pace, begun: Instant) {
    if pace == Pace::Aside {
        tokio::time::sleep(begun.elapsed() * 4).await;
    }
}

/// A time up to this long: servers that were started together don't all do the same at once.
pub(crate) fn jitter(most: Duration) -> Duration {
    let most = most.as_millis().max(1);
    Duration::from_millis(u64::try_from(Uuid::new_v4().as_u128() % most).unwrap_or(0))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use parlor_store::SqliteStore;

    use super::*;

    fn retention(toml: &str) -> Retention {
        Retention::new(&toml::from_str(toml).unwrap())
    }

    #[test]
    fn a_tenants_own_ages_come_before_everybodys() {
        let retention = retention(
            "[retention]\nthreads_days = 10\n[tenants.a.retention]\nfiles_days = 1\n\
             [tenants.b.retention]\nthreads_days = 0\n[tenants.c]\n",
        );
        let beginning = Timestamp::from_micros(0).unwrap();
        let now = beginning.saturating_add(DAY * 20);
        let days = |tenant: &str| {
            let Ages { threads, files } = retention.ages(&TenantId::new(tenant), now);
            [threads, files].map(|time| time.map(|time| time.as_micros() / 86_400_000_000))
        };
        assert_eq!(days("anybody"), [Some(10), None]);
        assert_eq!(days("a"), [Some(10), Some(19)]);
        assert_eq!(days("b"), [None, None], "0 keeps for ever");
        assert_eq!(days("c"), [Some(10), None]);
    }

    #[tokio::test]
    async fn only_tenants_whose_data_goes_are_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chat.db");
        let store = SqliteStore::open(path.to_str().unwrap()).await.unwrap();
        let database = rusqlite::Connection::open(&path).unwrap();
        for n in 0..TENANTS + 1 {
            let thread = "INSERT INTO threads (id, tenant_id, user_id, created_at, status, \
                          metadata) VALUES (?1, ?1, 'u', 0, '{\"type\":\"active\"}', '{}')";
            database.execute(thread, [format!("t{n:04}")]).unwrap();
        }
        let tenants = async |toml: &str| retention(toml).tenants(&store).await.unwrap();
        assert_eq!(tenants("").await.len(), 0);
        let all = "[retention]\nthreads_days = 1\n";
        assert_eq!(tenants(all).await.len(), TENANTS as usize + 1);
        let but_one = format!("{all}[tenants.t0007.retention]\nthreads_days = 0\n");
        let found = tenants(&but_one).await;
        assert_eq!(found.len(), TENANTS as usize);
        assert!(!found.contains(&TenantId::new("t0007")));
        let one = tenants("[tenants.t0007.retention]\nthreads_days = 1\n").await;
        assert_eq!(one.into_iter().collect::<Vec<_>>(), [TenantId::new("t0007")]);
    }
}
