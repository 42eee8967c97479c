//! `parlor usage`: what answers took, by tenant, user and model.

use std::io::{self, BufWriter, Write};

use clap::Args;
use parlor_chatkit::{TenantId, UserId, protocol::Timestamp};
use parlor_store::{UsageQuery, UsageSum};
use serde::Serialize;

use super::{opened::Opened, time};
use crate::config::Config;

#[derive(Debug, Args)]
pub(super) struct UsageArgs {
    /// Only this tenant's
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
    /// Only that of users of this id
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Only what was used since: 2026-11-22, or 2026-11-22T16:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// Sums that are read at a time.
const PAGE: u32 = 500;

/// A sum as it is written.
#[derive(Serialize)]
pub(super) struct Line<'a> {
    tenant: &'a str,
    user: &'a str,
    model: &'a str,
    turns: u64,
    requests: u64,
    input_tokens: u64,
    cached_tokens: u64,
    output_tokens: u64,
    /// In the currency of the prices.
    cost: Option<f64>,
    /// Records that `cost` does not count, as the price was not known.
    unpriced: u64,
}

impl<'a> Line<'a> {
    pub(super) fn of(sum: &'a UsageSum) -> Self {
        Self {
            tenant: sum.owner.tenant().as_str(),
            user: sum.owner.user().as_str(),
            model: &sum.model,
            turns: sum.turns,
            requests: sum.used.requests,
            input_tokens: sum.used.input_tokens,
            cached_tokens: sum.used.cached_tokens,
            output_tokens: sum.used.output_tokens,
            cost: sum.used.cost.map(units),
            unpriced: sum.unpriced,
        }
    }

    fn cost(&self) -> String {
        match (self.cost, self.unpriced) {
            (None, _) => "?".to_owned(),
            (Some(cost), 0) => format!("{cost:.6}"),
            (Some(cost), _) => format!("{cost:.6}+"),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn units(nanos: u64) -> f64 {
    nanos as f64 / 1_000_000_000.0
}

pub(super) async fn run(config: &Config, args: UsageArgs) -> anyhow::Result<()> {
    let opened = Opened::open(config).await?;
    let written = write(&opened, &args).await;
    opened.close().await;
    written
}

async fn write(opened: &Opened, args: &UsageArgs) -> anyhow::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    if !args.json {
        writeln!(
            out,
            "{:<16} {:<24} {:<24} {:>8} {:>9} {:>12} {:>12} {:>12} {:>14}",
            "TENANT", "USER", "MODEL", "TURNS", "REQUESTS", "INPUT", "CACHED", "OUTPUT", "COST"
        )?;
    }
    let mut query = UsageQuery {
        tenant: args.tenant.as_deref().map(TenantId::new),
        user: args.user.as_deref().map(UserId::new),
        since: args.since,
        after: None,
        limit: PAGE,
    };
    loop {
        let page = opened.store().usage(&query).await?;
        for sum in &page {
            let line = Line::of(sum);
            if args.json {
                serde_json::to_writer(&mut out, &line)?;
                writeln!(out)?;
                continue;
            }
            writeln!(
                out,
                "{:<16} {:<24} {:<24} {:>8} {:>9} {:>12} {:>12} {:>12} {:>14}",
                line.tenant,
                line.user,
                line.model,
                line.turns,
                line.requests,
                line.input_tokens,
                line.cached_tokens,
                line.output_tokens,
                line.cost()
            )?;
        }
        match page.last() {
            Some(last) if page.len() == PAGE as usize => {
                let (tenant, user) = (last.owner.tenant().clone(), last.owner.user().clone());
                query.after = Some((tenant, user, last.model.clone()));
            }
            _ => break,
        }
    }
    out.flush()?;
    Ok(())
}
