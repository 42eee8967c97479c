//! The commands of `parlor`.

mod audit;
mod bytes;
mod doctor;
mod eval;
mod feedback;
mod healthcheck;
mod ingest;
mod opened;
mod retention;
mod usage;
mod users;
mod watch;

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use chrono::{DateTime, NaiveDate, NaiveTime};
use clap::{Args, Parser, Subcommand};
use parlor_agent::pdf::{self, PdfLimits};
use parlor_chatkit::{ErrorChain, protocol::Timestamp};

use crate::{
    config::{Config, Overrides, stray_variables},
    files, openapi, pdfs,
    reload::ConfigSource,
    search::SearchSetup,
    server::{Server, stop_signal},
    telemetry,
};

/// A self-hosted ChatKit server: your documents, your model, your users.
#[derive(Debug, Parser)]
#[command(name = "parlor", version, propagate_version = true)]
pub struct Cli {
    #[command(flatten)]
    settings: Settings,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct Settings {
    /// Configuration file [default: parlor.toml if present]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Database, such as sqlite://parlor.db or postgres://USER:PASSWORD@HOST/DATABASE
    #[arg(long, global = true, value_name = "URL")]
    database_url: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API, the element and the demo page
    Serve {
        /// Address to listen on [default: 127.0.0.1:8000]
        #[arg(long, value_name = "ADDRESS")]
        listen: Option<String>,
    },
    /// Index documents: Markdown, MDX, HTML, PDF and plain text
    Ingest(ingest::IngestArgs),
    /// Measure how well questions are answered by what the search finds
    Eval(eval::EvalArgs),
    /// What users think of answers
    Feedback(feedback::FeedbackArgs),
    /// Hand out or delete all that is kept of a user
    Users(users::UsersArgs),
    /// Delete conversations and files that are older than the settings allow
    Retention(retention::RetentionArgs),
    /// Print what answers took: tokens, and what they cost, by tenant, user and model
    Usage(usage::UsageArgs),
    /// Print who exported, deleted or moved data of users, and when
    Audit(audit::AuditArgs),
    /// Check configuration, database, index and model, and say what to do
    Doctor,
    /// Ask the running server whether it can answer, for containers and supervisors
    #[command(name = "healthcheck")]
    HealthCheck,
    /// Bring the database's schema up to date
    Migrate,
    /// Print the configuration in force, secrets hidden
    Config,
    /// Print the HTTP interface as an OpenAPI document
    #[command(name = "openapi")]
    OpenApi,
    /// Write the text of a PDF on standard input to standard output; `serve` starts this
    #[command(name = pdfs::COMMAND, hide = true)]
    ExtractPdf {
        /// Within the limits of documents, which are wider than those of what users send
        #[arg(long = pdfs::DOCUMENT)]
        document: bool,
    },
}

/// The tenant of users where there is only one.
const DEFAULT_TENANT: &str = Config::ONLY_TENANT;

/// Runs a command; errors are one line on standard error.
pub async fn run(cli: Cli) -> ExitCode {
    // Says the same whatever is configured, also where that is broken.
    if let Command::OpenApi = cli.command {
        return print_openapi();
    }
    // Knows nothing of the configuration, nor should it.
    if let Command::ExtractPdf { document } = cli.command {
        return match document {
            true => pdf::answer_within(PdfLimits::DOCUMENT),
            false => pdf::answer(),
        };
    }
    let listen = match &cli.command {
        Command::Serve { listen } => listen.clone(),
        _ => None,
    };
    let overrides =
        Overrides { config: cli.settings.config, listen, database_url: cli.settings.database_url };
    let environment: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let config = Config::load(&overrides, &environment);
    if let Command::Doctor = cli.command {
        return doctor::run(config, &environment).await;
    }
    let result = match config {
        Ok(config) => dispatch(cli.command, config, overrides, environment).await,
        Err(error) => Err(error.into()),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            // Nothing can be done when standard error is gone, too.
            let _ = writeln!(io::stderr(), "parlor: {}", ErrorChain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

async fn dispatch(
    command: Command,
    config: Config,
    overrides: Overrides,
    environment: BTreeMap<String, String>,
) -> anyhow::Result<ExitCode> {
    // Only the server has requests to follow.
    let collector = config.telemetry.traces().filter(|_| matches!(command, Command::Serve { .. }));
    let traces = telemetry::init(&config.log, collector.as_ref()).map_err(anyhow::Error::msg)?;
    for stray in stray_variables(&environment) {
        tracing::warn!("{stray}; it is ignored");
    }
    match command {
        Command::Serve { .. } => {
            let source = ConfigSource { overrides, environment, complete: pdfs::find_reader };
            let served = serve(config, source).await;
            traces.shut_down().await;
            served?;
        }
        Command::Ingest(args) => return ingest::run(config, args).await,
        Command::Eval(args) => eval::run(&config, args).await?,
        Command::Feedback(args) => feedback::run(&config, args).await?,
        Command::Users(args) => users::run(&config, args).await?,
        Command::Retention(args) => retention::run(&config, args).await?,
        Command::Usage(args) => usage::run(&config, args).await?,
        Command::Audit(args) => audit::run(&config, args).await?,
        Command::HealthCheck => healthcheck::run(&config).await?,
        Command::Doctor | Command::OpenApi | Command::ExtractPdf { .. } => {}
        Command::Migrate => {
            if config.is_postgres() {
                let settings = (&config.database).into();
                parlor_store::PostgresStore::migrate(&config.database_url, &settings).await?;
            } else {
                parlor_store::SqliteStore::open(&config.database_url).await?.close().await;
            }
            if config.search.enabled {
                SearchSetup::new(&config)?.open_index().await?.index_vectors().await?;
            }
            writeln!(io::stdout(), "{} is up to date", config.shown_database_url())?;
        }
        Command::Config => write!(io::stdout(), "{}", toml::to_string(&config)?)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn print_openapi() -> ExitCode {
    // `{:#}` of a JSON value is its indented form.
    match writeln!(io::stdout(), "{:#}", openapi::document()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

async fn serve(mut config: Config, source: ConfigSource) -> anyhow::Result<()> {
    pdfs::find_reader(&mut config);
    let server = Server::from_config(&config).await?.reloading_from(source, &config);
    files::raise_limit();
    let address = server.local_addr()?;
    tracing::info!(
        auth = config.auth.mode().as_str(),
        model = if config.model.is_configured() { config.model.name.as_str() } else { "none" },
        database = config.shown_database_url(),
        "ready"
    );
    // Programs that start us read this line; it is the only one on standard output.
    writeln!(io::stdout(), "Parlor listens on http://{address}")?;
    if !config.model.is_configured() {
        tracing::info!(
            "no model is configured: answers are quoted from the documents; set OPENAI_API_KEY or OPENAI_BASE_URL for written ones"
        );
    }
    server.run(stop_signal()).await?;
    tracing::info!("stopped");
    Ok(())
}

/// A day (from its beginning, in UTC) or a moment.
fn time(text: &str) -> Result<Timestamp, String> {
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .map(|day| day.and_time(NaiveTime::MIN).and_utc());
    day.or_else(|_| DateTime::parse_from_rfc3339(text).map(|time| time.to_utc()))
        .map(Timestamp::from)
        .map_err(|_| {
            "write a day such as 2026-11-22, or a time such as 2026-11-22T16:00:00Z".into()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_days_or_moments() {
        let micros = |text| time(text).map(Timestamp::as_micros);
        assert_eq!(micros("1970-01-02"), Ok(86_400_000_000));
        assert_eq!(micros("1970-01-01T01:00:00+01:00"), Ok(0));
        for wrong in ["", "yesterday", "2026-13-01", "2026-11-22 16:00"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
