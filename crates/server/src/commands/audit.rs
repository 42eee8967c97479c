//! `parlor audit`: the record of acts on the data of users.

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
};

use clap::{Args, ValueEnum};
use parlor_chatkit::{Owner, TenantId, UserId, protocol::Timestamp};
use parlor_store::{AuditQuery, RecordedAct};
use serde::Serialize;

use super::{
    opened::{DataStore, Opened},
    time,
};
use crate::{
    audit::{Subjects, shown},
    config::Config,
};

#[derive(Debug, Args)]
pub(super) struct AuditArgs {
    /// Only acts since: 2026-11-22, or 2026-11-22T16:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,
    /// Only acts on the data of this user
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// The user's tenant
    #[arg(long, value_name = "TENANT", default_value = super::DEFAULT_TENANT, requires = "user")]
    tenant: String,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// A line an act, for people
    Text,
    /// One JSON object a line
    Json,
}

/// Acts that are read and written at a time.
const PAGE: u32 = 200;

pub(super) async fn run(config: &Config, args: AuditArgs) -> anyhow::Result<()> {
    let opened = Opened::open(config).await?;
    let printed = print(opened.store(), &args).await;
    opened.close().await;
    printed
}

async fn print(store: &dyn DataStore, args: &AuditArgs) -> anyhow::Result<()> {
    let subject = match &args.user {
        Some(user) => {
            let tenant = TenantId::new(args.tenant.as_str());
            let owner = Owner::authenticated(tenant, UserId::new(user.as_str()));
            Some(Subjects::load(store).await?.of(&owner))
        }
        None => None,
    };
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut query = AuditQuery { since: args.since, subject, after: 0, limit: PAGE };
    loop {
        let page = store.audit(&query).await?;
        for act in &page {
            match args.format {
                Format::Text => writeln!(out, "{}", line(act))?,
                Format::Json => {
                    serde_json::to_writer(&mut out, &Act::new(act))?;
                    out.write_all(b"\n")?;
                }
            }
        }
        match page.last() {
            Some(last) if page.len() == PAGE as usize => query.after = last.id,
            _ => break,
        }
    }
    out.flush()?;
    Ok(())
}

/// An act as it is written.
#[derive(Serialize)]
struct Act<'a> {
    id: i64,
    at: Timestamp,
    act: &'a str,
    actor: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
    counts: &'a BTreeMap<String, u64>,
}

impl<'a> Act<'a> {
    fn new(act: &'a RecordedAct) -> Self {
        let entry = &act.entry;
        Self {
            id: act.id,
            at: entry.at,
            act: &entry.act,
            actor: &entry.actor,
            subject: entry.subject.as_ref().map(|subject| hex(subject)),
            tenant: entry.tenant.as_ref().map(TenantId::as_str),
            counts: &entry.counts,
        }
    }
}

fn line(act: &RecordedAct) -> String {
    let entry = &act.entry;
    let of = match (&entry.subject, &entry.tenant) {
        // Enough to tell users apart.
        (Some(subject), _) => format!("user {}", &hex(subject)[..12]),
        (None, Some(tenant)) => format!("tenant {tenant}"),
        (None, None) => "everybody".to_owned(),
    };
    let at = entry.at.as_datetime().format("%Y-%m-%d %H:%M:%S UTC");
    format!("{at}  {:<14} {of} by {}: {}", entry.act, entry.actor, shown(&entry.counts))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
