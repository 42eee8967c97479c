//! `parlor users`: what one user's data is, and away with it.

mod export;
mod markdown;

use std::{
    io::{self, IsTerminal as _, Write as _},
    path::PathBuf,
};

use anyhow::{Context as _, bail};
use chrono::DateTime;
use clap::{Args, Subcommand, ValueEnum};
use parlor_chatkit::{Owner, TenantId, UserId, protocol::Timestamp};
use parlor_store::{Erased, FileStore, Holdings};

use super::{
    bytes::{Bytes, FILES},
    opened::{DataStore, Opened, files},
};
use crate::{
    audit::{self, Subjects},
    config::Config,
};

#[derive(Debug, Args)]
pub(super) struct UsersArgs {
    #[command(subcommand)]
    command: UsersCommand,
}

#[derive(Debug, Subcommand)]
enum UsersCommand {
    /// Write all that is kept of a user into a folder: conversations, feedback, files, sign-ins
    Export(ExportArgs),
    /// Delete all that is kept of a user, and sign them out
    Delete(DeleteArgs),
}

#[derive(Debug, Args)]
struct Who {
    /// The user's id, as tokens or the proxy name it, or `visitor:` and the visitor's
    #[arg(value_name = "USER")]
    user: String,
    /// The user's tenant
    #[arg(long, value_name = "TENANT", default_value = super::DEFAULT_TENANT)]
    tenant: String,
}

impl Who {
    fn owner(&self) -> Owner {
        let tenant = TenantId::new(self.tenant.as_str());
        Owner::authenticated(tenant, UserId::new(self.user.as_str()))
    }
}

#[derive(Debug, Args)]
struct ExportArgs {
    #[command(flatten)]
    who: Who,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Format::Json)]
    format: Format,
    /// Folder to write to; a new one [default: export-DATE in the current folder]
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For programs
    Json,
    /// For people
    Markdown,
}

#[derive(Debug, Args)]
struct DeleteArgs {
    #[command(flatten)]
    who: Who,
    /// Don't ask
    #[arg(long)]
    yes: bool,
}

/// Threads that are deleted in one transaction: others wait that long.
const STEP: u32 = 50;
/// How often it is looked whether something has come since.
const ROUNDS: usize = 5;

pub(super) async fn run(config: &Config, args: UsersArgs) -> anyhow::Result<()> {
    let opened = Opened::open(config).await?;
    let done = match args.command {
        UsersCommand::Export(args) => export_user(config, opened.store(), args).await,
        UsersCommand::Delete(args) => {
            let deleted = delete_user(config, opened.store(), &args).await;
            match deleted {
                Ok(()) => opened.clean_up().await,
                failed => failed,
            }
        }
    };
    opened.close().await;
    done
}

fn nobody(who: &Who) -> anyhow::Error {
    anyhow::anyhow!(
        "nothing is kept of the user `{}` of tenant `{}`; check the id, and --tenant where there are several",
        who.user,
        who.tenant
    )
}

async fn export_user(
    config: &Config,
    store: &dyn DataStore,
    args: ExportArgs,
) -> anyhow::Result<()> {
    let owner = args.who.owner();
    let held = store.holdings(&owner).await?;
    let has_nothing = (held.threads, held.files, held.logins) == (0, 0, 0);
    if has_nothing && store.grants_of(&owner).await?.is_empty() {
        return Err(nobody(&args.who));
    }
    let files = files(config).await?;
    let subject = Subjects::load(store).await?.of(&owner);
    let folder = args.output.unwrap_or_else(|| {
        let now = audit::entry("", String::new(), []).at;
        PathBuf::from(format!("export-{}", now.as_datetime().format("%Y-%m-%d-%H%M%S")))
    });
    let exported = export::export(store, &files, &owner, args.format, &folder).await?;
    let entry = audit::entry("users.export", audit::operator(), exported.counts());
    audit::record(store, &audit::on(subject, entry.clone())).await?;
    for missing in &exported.missing {
        tracing::warn!("{missing}");
    }
    writeln!(io::stdout(), "{}: {}", folder.display(), audit::shown(&entry.counts))?;
    Ok(())
}

async fn delete_user(
    config: &Config,
    store: &dyn DataStore,
    args: &DeleteArgs,
) -> anyhow::Result<()> {
    let owner = args.who.owner();
    let held = store.holdings(&owner).await?;
    if !args.yes && !held.is_empty() {
        confirm(&args.who, held)?;
    }
    let files = files(config).await?;
    let subject = Subjects::load(store).await?.of(&owner);
    let mut deleted = Deleted::default();
    let outcome = delete(store, &files, &owner, &mut deleted).await;
    // What is gone is on record, also when the rest is not.
    if deleted.did_something() {
        let entry = audit::entry("users.delete", audit::operator(), deleted.counts());
        audit::record(store, &audit::on(subject, entry.clone())).await?;
        writeln!(io::stdout(), "Deleted: {}", audit::shown(&entry.counts))?;
    }
    outcome?;
    if !deleted.did_something() {
        return Err(nobody(&args.who));
    }
    if let Some(problem) = deleted.bytes.problem {
        bail!(
            "{} of the user's files could not be deleted ({problem}); see to the storage and run the command again",
            deleted.bytes.failed
        );
    }
    if !store.holdings(&owner).await?.is_empty() {
        bail!(
            "the user is still at it, and new data has come; lock them out and run the command again"
        );
    }
    Ok(())
}

/// Asks somebody on a terminal.
fn confirm(who: &Who, held: Holdings) -> anyhow::Result<()> {
    if !io::stdin().is_terminal() {
        bail!("nobody can be asked whether to delete the user `{}`; say --yes", who.user);
    }
    let Holdings { threads, files, logins, .. } = held;
    write!(
        io::stderr(),
        "The user `{}` of tenant `{}` has {threads} conversations and {files} files, and is signed in with {logins} browsers.\nDelete all of it? It cannot be brought back. Type yes: ",
        who.user,
        who.tenant
    )?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).context("cannot read the answer")?;
    if answer.trim() != "yes" {
        bail!("nothing was deleted");
    }
    Ok(())
}

/// What a deletion has deleted so far.
#[derive(Default)]
struct Deleted {
    rows: Erased,
    bytes: Bytes,
}

impl Deleted {
    fn did_something(&self) -> bool {
        self.rows != Erased::default() || self.bytes.deleted > 0 || self.bytes.failed > 0
    }

    fn counts(&self) -> [(&'static str, u64); 8] {
        let Erased { threads, turns, items, feedback, logins, others, .. } = self.rows;
        [
            ("threads", threads),
            ("turns", turns),
            ("items", items),
            ("feedback", feedback),
            ("files", self.bytes.deleted),
            ("files_left", self.bytes.failed),
            ("sign_ins", logins),
            ("other_records", others),
        ]
    }
}

/// Deletes rows and bytes. A running server may be at work meanwhile: its turns of this user lose
/// their threads.
async fn delete(
    store: &dyn DataStore,
    files: &FileStore,
    owner: &Owner,
    deleted: &mut Deleted,
) -> anyhow::Result<()> {
    // What is not the user's yet, because an answer was under way when they signed in.
    let epoch = Timestamp::from(DateTime::UNIX_EPOCH);
    for left in store.unfinished_moves(epoch, u32::MAX).await? {
        if left.visitor.tenant() == owner.tenant() && left.account == *owner.user() {
            delete_all_of(store, files, &left.visitor, deleted).await?;
        }
    }
    delete_all_of(store, files, owner, deleted).await
}

async fn delete_all_of(
    store: &dyn DataStore,
    files: &FileStore,
    owner: &Owner,
    deleted: &mut Deleted,
) -> anyhow::Result<()> {
    for _ in 0..ROUNDS {
        loop {
            let step = store.erase(owner, STEP).await?;
            let rows = &mut deleted.rows;
            rows.threads += step.threads;
            rows.turns += step.turns;
            rows.items += step.items;
            rows.feedback += step.feedback;
            rows.files += step.files;
            rows.logins += step.logins;
            rows.others += step.others;
            if !step.more {
                break;
            }
        }
        delete_bytes(store, files, owner, deleted).await?;
        if deleted.bytes.problem.is_some() || store.holdings(owner).await?.is_empty() {
            break;
        }
    }
    Ok(())
}

/// Deletes the bytes of the owner's doomed files.
async fn delete_bytes(
    store: &dyn DataStore,
    files: &FileStore,
    owner: &Owner,
    deleted: &mut Deleted,
) -> anyhow::Result<()> {
    let mut after = None;
    loop {
        let doomed = store.doomed_of(owner, after.as_ref(), FILES).await?;
        let Some(last) = doomed.last() else { return Ok(()) };
        after = Some(last.id.clone());
        deleted.bytes.delete(store, files, &doomed).await?;
    }
}
