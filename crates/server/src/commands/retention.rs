//! `parlor retention`: deletes what is old now, or says what it would delete.

use std::io::{self, Write as _};

use anyhow::bail;
use clap::Args;
use parlor_chatkit::{Clock as _, SystemClock, TenantId, protocol::Timestamp};
use parlor_store::{Aged, FileStore};

use super::{
    bytes::{Bytes, FILES},
    opened::{DataStore, Opened, files},
};
use crate::{
    audit,
    config::Config,
    retention::{Pace, Retention},
};

#[derive(Debug, Args)]
pub(super) struct RetentionArgs {
    /// Print what would be deleted, and delete nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(config: &Config, args: RetentionArgs) -> anyhow::Result<()> {
    let retention = Retention::new(config);
    if !retention.is_set() {
        bail!(
            "nothing is deleted at any age; set retention.threads_days or retention.files_days, or those of a tenant"
        );
    }
    let opened = Opened::open(config).await?;
    let done = if args.dry_run {
        tell(opened.store(), &retention).await
    } else {
        match files(config).await {
            Ok(files) => delete(opened.store(), &files, &retention).await,
            Err(error) => Err(error),
        }
    };
    opened.close().await;
    done
}

async fn tell(store: &dyn DataStore, retention: &Retention) -> anyhow::Result<()> {
    let now = SystemClock.now();
    let mut nothing = true;
    for tenant in retention.tenants(store).await? {
        let aged = store.aged(&tenant, retention.ages(&tenant, now)).await?;
        if aged != Aged::default() {
            nothing = false;
            writeln!(io::stdout(), "{}", line(&tenant, &aged))?;
        }
    }
    if nothing {
        writeln!(io::stdout(), "Nothing is old enough.")?;
    }
    Ok(())
}

/// `acme: 12 conversations, the last word in the oldest on 2025-01-01; 3 files (1024 bytes), the oldest of 2025-01-02`
fn line(tenant: &TenantId, aged: &Aged) -> String {
    let day = |time: Option<Timestamp>| {
        time.map_or_else(String::new, |time| time.as_datetime().format("%Y-%m-%d").to_string())
    };
    let mut parts = Vec::new();
    if aged.threads > 0 {
        let oldest = day(aged.oldest_thread);
        parts.push(format!(
            "{} conversations with their files, the last word in the oldest on {oldest}",
            aged.threads
        ));
    }
    if aged.files > 0 {
        let oldest = day(aged.oldest_file);
        parts.push(format!("{} files ({} bytes), the oldest of {oldest}", aged.files, aged.bytes));
    }
    format!("{tenant}: {}", parts.join("; "))
}

async fn delete(
    store: &dyn DataStore,
    files: &FileStore,
    retention: &Retention,
) -> anyhow::Result<()> {
    let actor = audit::operator();
    let gone = retention.apply(store, SystemClock.now(), &actor, Pace::Now).await?;
    let mut bytes = Bytes::default();
    let mut after = None;
    loop {
        let doomed = store.doomed_attachments(after.as_ref(), FILES).await?;
        let Some(last) = doomed.last() else { break };
        after = Some(last.id.clone());
        bytes.delete(store, files, &doomed).await?;
    }
    writeln!(io::stdout(), "Deleted: {} conversations, {} files", gone.threads, gone.files)?;
    if let Some(problem) = bytes.problem {
        bail!(
            "the bytes of {} files could not be deleted ({problem}); see to the storage, and the server deletes them within the hour",
            bytes.failed
        );
    }
    Ok(())
}
