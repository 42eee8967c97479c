//! `parlor feedback export`: what users think of answers, for the operator.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::PathBuf,
};

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use parlor_chatkit::{
    FeedbackCursor, FeedbackQuery, FeedbackRecord, Store,
    protocol::{FeedbackKind, ThreadItem, Timestamp},
};
use parlor_store::{PostgresStore, SqliteStore};
use serde::Serialize;

use super::time;
use crate::config::Config;

#[derive(Debug, Args)]
pub(super) struct FeedbackArgs {
    #[command(subcommand)]
    command: FeedbackCommand,
}

#[derive(Debug, Subcommand)]
enum FeedbackCommand {
    /// Write what users think of answers, with question and answer, oldest first
    Export(ExportArgs),
}

#[derive(Debug, Args)]
struct ExportArgs {
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    format: Format,
    /// Only feedback given since: 2026-11-22, or 2026-11-22T16:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,
    /// File to write instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// One JSON object a line
    Jsonl,
    /// Comma-separated values with a header, for spreadsheets
    Csv,
}

/// Records that are read and written at a time: the export holds no more than these.
const PAGE: u32 = 200;

pub(super) async fn run(config: &Config, args: FeedbackArgs) -> anyhow::Result<()> {
    let FeedbackCommand::Export(args) = args.command;
    let written = if config.is_postgres() {
        let settings = (&config.database).into();
        let store = PostgresStore::open_now(&config.database_url, &settings).await?;
        let written = write(&store, &args).await;
        store.close().await;
        written?
    } else {
        let store = SqliteStore::open(&config.database_url).await?;
        let written = write(&store, &args).await;
        store.close().await;
        written?
    };
    tracing::info!(written, "feedback exported");
    Ok(())
}

/// Writes to where the arguments say. Gives how much there was.
async fn write(store: &impl Store, args: &ExportArgs) -> anyhow::Result<u64> {
    let Some(path) = &args.output else {
        let mut out = BufWriter::new(io::stdout().lock());
        let written = export(store, args.format, args.since, &mut out).await?;
        out.flush()?;
        return Ok(written);
    };
    let cannot = || format!("cannot write `{}`", path.display());
    let mut out = BufWriter::new(File::create(path).with_context(cannot)?);
    let written = export(store, args.format, args.since, &mut out).await?;
    out.flush().with_context(cannot)?;
    Ok(written)
}

/// Writes all feedback, page by page. Gives how much there was.
async fn export(
    store: &impl Store,
    format: Format,
    since: Option<Timestamp>,
    out: &mut impl Write,
) -> anyhow::Result<u64> {
    if let Format::Csv = format {
        csv_line(out, &Row::COLUMNS)?;
    }
    let mut written = 0;
    let mut query = FeedbackQuery { since, after: None, limit: PAGE };
    loop {
        let page = store.feedback(&query).await?;
        for record in &page {
            let row = Row::new(record);
            match format {
                Format::Jsonl => {
                    serde_json::to_writer(&mut *out, &row)?;
                    out.write_all(b"\n")?;
                }
                Format::Csv => csv_line(out, &row.fields())?,
            }
            written += 1;
        }
        match page.last() {
            Some(last) if page.len() == PAGE as usize => {
                let (given_at, item_id) = (last.given_at, last.item_id.clone());
                query.after = Some(FeedbackCursor { given_at, item_id });
            }
            _ => return Ok(written),
        }
    }
}

/// One judgement, as it is written.
#[derive(Debug, Serialize)]
struct Row<'a> {
    given_at: String,
    kind: &'static str,
    tenant: &'a str,
    user: &'a str,
    thread_id: &'a str,
    item_id: &'a str,
    question: String,
    answer: String,
}

impl<'a> Row<'a> {
    const COLUMNS: [&'static str; 8] =
        ["given_at", "kind", "tenant", "user", "thread_id", "item_id", "question", "answer"];

    fn new(record: &'a FeedbackRecord) -> Self {
        let answer = match &record.item {
            ThreadItem::AssistantMessage(item) => item.text(),
            ThreadItem::UserMessage(item) => item.text(),
            ThreadItem::Widget(item) => item.copy_text.clone().unwrap_or_default(),
            _ => String::new(),
        };
        Self {
            given_at: record.given_at.to_string(),
            kind: match record.kind {
                FeedbackKind::Positive => "positive",
                FeedbackKind::Negative => "negative",
            },
            tenant: record.owner.tenant().as_str(),
            user: record.owner.user().as_str(),
            thread_id: record.thread_id.as_str(),
            item_id: record.item_id.as_str(),
            question: record.question.as_ref().map(|item| item.text()).unwrap_or_default(),
            answer,
        }
    }

    fn fields(&self) -> [&str; 8] {
        [
            &self.given_at,
            self.kind,
            self.tenant,
            self.user,
            self.thread_id,
            self.item_id,
            &self.question,
            &self.answer,
        ]
    }
}

/// A line of comma-separated values (RFC 4180), safe to open in a spreadsheet.
fn csv_line(out: &mut impl Write, fields: &[&str]) -> io::Result<()> {
    for (at, field) in fields.iter().enumerate() {
        if at > 0 {
            out.write_all(b",")?;
        }
        out.write_all(b"\"")?;
        // Spreadsheets run what begins like a formula, also behind blanks; an apostrophe makes
        // it text.
        let unseen = |c: char| matches!(c, '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{2060}');
        let begins =
            field.trim_start_matches(|c: char| c.is_whitespace() || c.is_control() || unseen(c));
        let like_a_formula = begins.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠'])
            || field.starts_with(['\t', '\r', '\n']);
        if like_a_formula {
            out.write_all(b"'")?;
        }
        out.write_all(field.replace('"', "\"\"").replace('\0', "").as_bytes())?;
        out.write_all(b"\"")?;
    }
    out.write_all(b"\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(fields: &[&str]) -> String {
        let mut out = Vec::new();
        let written = csv_line(&mut out, fields);
        assert!(written.is_ok());
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn what_begins_like_a_formula_is_text_in_a_spreadsheet() {
        for attack in [
            "=HYPERLINK(\"http://evil\")",
            "+1",
            "-1+cmd|' /C calc'!A0",
            "@SUM(A1)",
            " =1",
            "\t=1",
            "\r\n=1",
            "\u{feff}=1",
            "＝1",
            "\t1",
        ] {
            let line = line(&[attack]);
            assert!(line.starts_with("\"'"), "{attack:?} became {line:?}");
        }
        assert_eq!(line(&["a = b", "5", ""]), "\"a = b\",\"5\",\"\"\r\n");
        assert_eq!(line(&["say \"hi\",\nthen go"]), "\"say \"\"hi\"\",\nthen go\"\r\n");
    }
}
