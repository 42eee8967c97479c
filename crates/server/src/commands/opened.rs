//! The store that a command works on, beside a server that may be running.

use parlor_chatkit::Store;
use parlor_store::{FileStore, GrantStore, OperatorStore, PostgresStore, SqliteStore, UsageStore};

use crate::{
    config::Config,
    server::{beside, open_files_beside_a_server},
};

/// All that the operator's commands need of a store.
pub(super) trait DataStore: Store + OperatorStore + UsageStore + GrantStore {}

impl<S: Store + OperatorStore + UsageStore + GrantStore> DataStore for S {}

/// The store that the configuration names.
pub(super) enum Opened {
    Sqlite(SqliteStore),
    Postgres(PostgresStore),
}

impl Opened {
    /// Opens it. One that is away is an error.
    pub(super) async fn open(config: &Config) -> anyhow::Result<Self> {
        Ok(if config.is_postgres() {
            let settings = (&config.database).into();
            Self::Postgres(PostgresStore::open_now(&config.database_url, &settings).await?)
        } else {
            Self::Sqlite(SqliteStore::open(&config.database_url).await?)
        })
    }

    pub(super) fn store(&self) -> &dyn DataStore {
        match self {
            Self::Sqlite(store) => store,
            Self::Postgres(store) => store,
        }
    }

    /// Takes what was deleted out of the database's own files, as far as that is in our hands.
    pub(super) async fn clean_up(&self) -> anyhow::Result<()> {
        if let Self::Sqlite(store) = self {
            store.checkpoint().await?;
        }
        Ok(())
    }

    pub(super) async fn close(self) {
        match self {
            Self::Sqlite(store) => store.close().await,
            Self::Postgres(store) => store.close().await,
        }
    }
}

/// Where the bytes of files are, without disturbing a server that is writing some.
pub(super) async fn files(config: &Config) -> anyhow::Result<FileStore> {
    Ok(open_files_beside_a_server(config, &beside(config)?).await?)
}
