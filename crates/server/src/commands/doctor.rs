//! `parlor doctor`: what is in order, what is not, and what to do about it.

mod agents;
mod remote;
mod sources;

use std::{
    collections::BTreeMap,
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use parlor_agent::{
    EmbeddingsClient, ModelClient, ModelError,
    guard::IfUnavailable,
    tools::{HttpToolClient, McpError, McpServer, ToolContext},
};
use parlor_chatkit::{
    ErrorChain, Identity, Owner, RequestContext, Store as _, UserId,
    protocol::{JsonMap, RequestId},
};
use parlor_search::{Embedder as _, EmbeddingOf, IndexStats};
use parlor_store::{PostgresStore, SqliteStore};
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use url::Url;

use crate::{
    auth::Sessions,
    config::{
        AuthMode, Config, ConfigError, GuardrailKind, McpEntry, ModelApi, SignInEntry,
        StrayVariable, Tenant, ToolEntry, place_of, stray_variables,
    },
    connect,
    guardrails::{judging_model, moderation},
    routes::assets,
    search::{self, SearchSetup},
    server::{beside, open_files_beside_a_server},
    tenants::{model_client, speech_models},
    tools::{made_of, mcp_servers},
};

/// How long the model may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Ok,
    Note,
    Problem,
}

struct Finding {
    what: &'static str,
    verdict: Verdict,
    text: String,
    /// What to do; empty when there is nothing to do.
    advice: String,
}

impl Finding {
    fn ok(what: &'static str, text: impl Into<String>) -> Self {
        Self { what, verdict: Verdict::Ok, text: text.into(), advice: String::new() }
    }

    fn note(what: &'static str, text: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { what, verdict: Verdict::Note, text: text.into(), advice: advice.into() }
    }

    fn problem(what: &'static str, text: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { what, verdict: Verdict::Problem, text: text.into(), advice: advice.into() }
    }
}

/// Checks everything; fails when there is a problem.
pub(super) async fn run(
    config: Result<Config, ConfigError>,
    environment: &BTreeMap<String, String>,
) -> ExitCode {
    let mut findings: Vec<Finding> =
        stray_variables(environment).iter().map(stray_variable).collect();
    match config {
        Err(error) => findings.push(Finding::problem(
            "configuration",
            error.to_string(),
            "correct it; the other checks need it",
        )),
        Ok(config) => {
            findings.push(configuration(&config));
            findings.push(address(&config).await);
            findings.push(limits(&config));
            findings.extend(database(&config).await);
            findings.push(files(&config).await);
            findings.push(index(&config).await);
            findings.extend(sources::sources(&config).await);
            findings.extend(search_models(&config).await);
            let agent = remote::remote(&config).await;
            // Beside an agent elsewhere a model writes titles at most.
            if agent.is_none() || config.model.is_configured() {
                findings.push(model(&config, &ModelSettings::everybodys()).await);
            }
            findings.extend(agent);
            findings.extend(dictation(&config, &ModelSettings::of("dictation", "")).await);
            findings.extend(tools(&config).await);
            findings.extend(agents::agents(&config).await);
            findings.extend(guardrails(&config).await);
            findings.extend(agents::prices(&config));
            for (id, tenant) in &config.tenants {
                findings.extend(of_tenant(&config, id, tenant).await);
            }
            if config.auth.mode() == AuthMode::Session {
                findings.push(provider(&config).await);
            }
            findings.push(web_assets());
        }
    }
    // Nothing can be done when standard output is gone.
    let _ = print(&findings, &mut io::stdout());
    if findings.iter().any(|finding| finding.verdict == Verdict::Problem) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn print(findings: &[Finding], out: &mut impl Write) -> io::Result<()> {
    for finding in findings {
        let mark = match finding.verdict {
            Verdict::Ok => "ok     ",
            Verdict::Note => "note   ",
            Verdict::Problem => "PROBLEM",
        };
        writeln!(out, "{mark}  {:<14} {}", finding.what, finding.text)?;
        if !finding.advice.is_empty() {
            writeln!(out, "{:<9}{:<14} → {}", "", "", finding.advice)?;
        }
    }
    let problems = findings.iter().filter(|f| f.verdict == Verdict::Problem).count();
    let summary = match problems {
        0 => "Everything that is needed is there.".to_owned(),
        1 => "1 problem.".to_owned(),
        many => format!("{many} problems."),
    };
    writeln!(out, "\n{summary}")
}

fn stray_variable(stray: &StrayVariable) -> Finding {
    Finding::note("environment", stray.to_string(), "correct its name, or unset it")
}

fn configuration(config: &Config) -> Finding {
    let mode = config.auth.mode();
    let text = format!("valid; auth is {}", mode.as_str());
    if mode == AuthMode::Anonymous && !config.listen.ip().is_loopback() {
        return Finding::note(
            "configuration",
            text,
            "everybody who reaches the address may ask; choose another auth.mode if that is not meant",
        );
    }
    Finding::ok("configuration", text)
}

async fn address(config: &Config) -> Finding {
    match TcpListener::bind(config.listen).await {
        Ok(_) => Finding::ok("address", format!("{} is free", config.listen)),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Finding::note(
            "address",
            format!("{} is in use", config.listen),
            "fine if that is Parlor; otherwise choose another with --listen",
        ),
        Err(error) => Finding::problem(
            "address",
            format!("{} cannot be listened on: {error}", config.listen),
            "choose another with --listen",
        ),
    }
}

/// What somebody may use who is no caller on this machine.
fn limits(config: &Config) -> Finding {
    let quotas = config.quotas(None).elsewhere;
    let scopes = [("user", quotas.user), ("tenant", quotas.tenant), ("address", quotas.address)];
    let said: Vec<String> = scopes
        .iter()
        .flat_map(|(scope, quotas)| {
            quotas.set().map(move |(name, limit)| format!("{scope}.{name} = {limit}"))
        })
        .collect();
    if said.is_empty() {
        return Finding::note(
            "limits",
            "none: a user may ask as often as they like",
            "set limits.user.messages_per_day or limits.user.tokens_per_day, so that nobody's \
             questions cost more than you mean to pay",
        );
    }
    Finding::ok("limits", said.join(", "))
}

async fn database(config: &Config) -> Vec<Finding> {
    match config.is_postgres() {
        true => postgres(config).await,
        false => vec![sqlite(config).await],
    }
}

async fn sqlite(config: &Config) -> Finding {
    let url = &config.database_url;
    let store = match SqliteStore::open(url).await {
        Ok(store) => store,
        Err(error) => {
            return Finding::problem(
                "database",
                ErrorChain(&error).to_string(),
                "correct database_url (PARLOR_DATABASE_URL, --database-url)",
            );
        }
    };
    // Writing is what a full disk or a read-only folder forbids.
    let writable = match store.check().await {
        Ok(()) => store.secret("doctor", vec![0]).await.map(drop),
        Err(error) => Err(error),
    };
    store.close().await;
    match writable {
        Ok(()) => Finding::ok("database", format!("{url} can be read and written")),
        Err(error) => Finding::problem(
            "database",
            format!("{url}: {}", ErrorChain(&error)),
            "check free space and permissions",
        ),
    }
}

/// How long the storage of files may take to answer.
const FILES_PATIENCE: Duration = Duration::from_secs(15);

async fn files(config: &Config) -> Finding {
    if !config.files.enabled {
        return Finding::note(
            "files",
            "users cannot send files",
            "fine if that is meant (files.enabled)",
        );
    }
    let advice = match config.files.s3 {
        Some(_) => {
            "correct files.s3, and check that the bucket is there and may be read and written"
        }
        None => "make the folder writable, or name another one in files.dir",
    };
    let database = beside(config);
    let (place, database) = match (&config.files.s3, database) {
        (Some(s3), database) => (format!("bucket {}", s3.bucket), database.unwrap_or_default()),
        (None, Ok(database)) => {
            (format!("folder {}", config.files.folder(&database).display()), database)
        }
        // The finding about the database says it.
        (None, Err(_)) => {
            return Finding::note(
                "files",
                "kept beside the database",
                "correct database_url first",
            );
        }
    };
    let store = match open_files_beside_a_server(config, &database).await {
        Ok(store) => store,
        Err(error) => return Finding::problem("files", ErrorChain(&error).to_string(), advice),
    };
    match timeout(FILES_PATIENCE, store.check()).await {
        Ok(Ok(())) => Finding::ok("files", format!("{place} can be used")),
        Ok(Err(error)) => {
            Finding::problem("files", format!("{place}: {}", ErrorChain(&error)), advice)
        }
        Err(_) => Finding::problem("files", format!("{place} does not answer"), advice),
    }
}

async fn postgres(config: &Config) -> Vec<Finding> {
    let address = config.shown_database_url();
    let store = PostgresStore::open_now(&config.database_url, &(&config.database).into()).await;
    let store = match store {
        Ok(store) => store,
        Err(error) => {
            return vec![Finding::problem(
                "database",
                ErrorChain(&error).to_string(),
                "see docs/databases.md; the URL is database_url (PARLOR_DATABASE_URL, --database-url)",
            )];
        }
    };
    let usable = async {
        store.check().await?;
        // Writing is what a full disk, a standby or a missing right forbids.
        store.secret("doctor", vec![0]).await?;
        store.rights().await
    };
    let rights = usable.await;
    let notifications = match rights {
        Ok(_) => Some(notifications(&store).await),
        Err(_) => None,
    };
    store.close().await;
    let database = match rights {
        Ok(rights) if rights.bypasses_row_security => Finding::note(
            "database",
            format!(
                "{address} can be read and written, but row-level security does not bind role `{}`",
                rights.role
            ),
            "connect as a role that is no superuser and has no BYPASSRLS",
        ),
        Ok(rights) => Finding::ok(
            "database",
            format!("{address} can be read and written (PostgreSQL {})", rights.server_version),
        ),
        Err(error) => Finding::problem(
            "database",
            format!("{address}: {}", ErrorChain(&error)),
            "check free space, permissions, and that it is no standby",
        ),
    };
    [Some(database), notifications].into_iter().flatten().collect()
}

async fn notifications(store: &PostgresStore) -> Finding {
    let what = "other servers";
    let advice = "only matters with several servers on one database: set database.listen_url to an \
                  address of PostgreSQL itself, if there is a pooler in between";
    match store.hears_notifications().await {
        Ok(true) => Finding::ok(what, "notifications of PostgreSQL come in (LISTEN and NOTIFY)"),
        Ok(false) => Finding::note(what, "notifications of PostgreSQL do not come in", advice),
        Err(error) => Finding::note(
            what,
            format!("notifications of PostgreSQL cannot be sent: {}", ErrorChain(&error)),
            advice,
        ),
    }
}

async fn index(config: &Config) -> Finding {
    if !config.search.enabled {
        return Finding::note(
            "index",
            "search is turned off",
            "set search.enabled = true to use it",
        );
    }
    match index_stats(config).await {
        Ok(stats) if stats.passages == 0 => {
            let former = SearchSetup::new(config).ok().and_then(|s| s.former_file(&stats));
            let (text, advice) = match former {
                Some(file) => (
                    format!(
                        "no documents are indexed in PostgreSQL; those in {} are used",
                        file.display()
                    ),
                    "run `parlor ingest PATH…` again as you did before: documents are kept in the database now",
                ),
                None => (
                    "no documents are indexed".to_owned(),
                    "run `parlor ingest PATH…` with the folder of your documents",
                ),
            };
            Finding::note("index", text, advice)
        }
        Ok(stats) => {
            let when = stats
                .last_ingest_at
                .map(|time| format!(", last ingest {}", time.format("%Y-%m-%d %H:%M UTC")))
                .unwrap_or_default();
            Finding::ok(
                "index",
                format!("{} documents in {} passages{when}", stats.documents, stats.passages),
            )
        }
        Err(error) => Finding::problem("index", error, "see the database above"),
    }
}

/// What PostgreSQL lacks to search vectors by itself.
async fn missing_for_vectors(config: &Config) -> Option<String> {
    let index = SearchSetup::new(config).ok()?.open_index().await.ok()?;
    search::missing_for_vectors(&index).await
}

async fn index_stats(config: &Config) -> Result<IndexStats, String> {
    let search = SearchSetup::new(config).map_err(|error| error.to_string())?;
    let stats = match search.open_index().await {
        Ok(index) => index.stats().await,
        Err(error) => Err(error),
    };
    stats.map_err(|error| ErrorChain(&error).to_string())
}

/// The models of the search: whether they answer, and whether the vectors of the index are of the
/// model that is configured. They are asked about two words, which costs next to nothing.
async fn search_models(config: &Config) -> Vec<Finding> {
    let search = match SearchSetup::new(config) {
        Ok(search) if config.search.enabled => search,
        Ok(_) => return Vec::new(),
        Err(error) => {
            return vec![Finding::problem("embeddings", error.to_string(), "correct [search]")];
        }
    };
    let mut findings = Vec::new();
    if let Some((client, _)) = search.embedder() {
        findings.push(embeddings(config, client).await);
    }
    if let (Some(client), Some(settings)) = (search.reranker(), &config.search.rerank) {
        let what = "rerank";
        let address = settings.base_url(&config.model);
        let documents = ["a fish", "a bird"].map(str::to_owned);
        findings.push(match timeout(PATIENCE, client.ranking("bird", &documents, 2)).await {
            Ok(Ok(ranking)) if !ranking.is_empty() => {
                Finding::ok(what, format!("{} at {address}", settings.model))
            }
            Ok(Ok(_)) => Finding::problem(
                what,
                format!("{address} ranks nothing"),
                "check search.rerank.model",
            ),
            Ok(Err(error)) => model_problem(what, "search.rerank", &address, &error),
            Err(_) => silent(what, "search.rerank", &address),
        });
    }
    findings
}

async fn embeddings(config: &Config, client: &EmbeddingsClient) -> Finding {
    let what = "embeddings";
    let section = "search.embeddings";
    let Some(settings) = &config.search.embeddings else {
        return Finding::note(what, "none", "");
    };
    let address = settings.base_url(&config.model);
    let texts = ["two words".to_owned()];
    let asked = client.embed_once(&texts, EmbeddingOf::Query);
    let dimensions = match timeout(PATIENCE, asked).await {
        Ok(Ok(vectors)) => vectors.first().map_or(0, Vec::len),
        Ok(Err(error)) => return model_problem(what, section, &address, &error),
        Err(_) => return silent(what, section, &address),
    };
    let about = format!("{} at {address}, {dimensions} numbers", settings.model);
    let again = "run `parlor ingest PATH…` again";
    match index_stats(config).await {
        Ok(stats)
            if stats.vector_model.as_ref().is_some_and(|model| *model != client.identity()) =>
        {
            Finding::problem(
                what,
                format!("{about}; the index has vectors of another model"),
                again,
            )
        }
        Ok(stats) if stats.vectors < stats.passages => Finding::note(
            what,
            format!("{about}; {} of {} passages have a vector", stats.vectors, stats.passages),
            again,
        ),
        Ok(stats) => {
            let about = format!("{about}; {} vectors", stats.vectors);
            match missing_for_vectors(config).await {
                Some(missing) => Finding::note(
                    what,
                    format!("{about}, searched in each server's memory"),
                    missing,
                ),
                None => Finding::ok(what, about),
            }
        }
        Err(_) => Finding::ok(what, about),
    }
}

fn silent(what: &'static str, section: &str, address: &Url) -> Finding {
    Finding::problem(
        what,
        format!("{address} does not answer"),
        format!(
            "check {section}.base_url and that the server runs; searches go by words meanwhile"
        ),
    )
}

fn model_problem(what: &'static str, section: &str, address: &Url, error: &ModelError) -> Finding {
    let advice = match error {
        ModelError::Unauthorized { .. } => format!("check {section}.api_key"),
        ModelError::NotFound { .. } | ModelError::BadRequest { .. } => {
            format!("check {section}.base_url (most end in /v1) and {section}.model")
        }
        _ => format!("check {section}.base_url, and the model server's own log"),
    };
    Finding::problem(what, format!("{address}: {error}"), advice)
}

async fn model(config: &Config, settings: &ModelSettings) -> Finding {
    if !config.model.is_configured() {
        return Finding::note(
            "model",
            "none: answers are quoted from the documents",
            format!("set {}, or {} for a local model server", settings.key, settings.base_url),
        );
    }
    let base_url = config.model.base_url();
    let api = match config.model.api {
        ModelApi::Responses => "responses",
        ModelApi::ChatCompletions => "chat_completions",
    };
    let client = match model_client(&config.model, false) {
        Ok(client) => client,
        Err(error) => return Finding::problem("model", error.to_string(), "correct [model]"),
    };
    let mut finding = listed(&client, &base_url, &config.model.name, settings).await;
    if finding.verdict == Verdict::Ok {
        finding.text.push_str(&format!(" ({api})"));
    }
    finding
}

/// The speech model, if dictation is offered: whether its server is there and knows it. Nothing is
/// said to it, as that costs money.
async fn dictation(config: &Config, settings: &ModelSettings) -> Option<Finding> {
    let dictation = &config.dictation;
    if !dictation.is_enabled() {
        return None;
    }
    let base_url = dictation.base_url(&config.model);
    let client = match speech_models(config) {
        Ok(client) => client,
        Err(error) => {
            return Some(Finding::problem("dictation", error.to_string(), "correct [dictation]"));
        }
    };
    Some(listed(&client, &base_url, dictation.name(), settings).await)
}

/// The guardrails: whether the models that they ask answer.
async fn guardrails(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    for entry in &config.guardrails {
        let (place, settings) = (entry.place(), entry.settings());
        let address = entry.base_url(&config.model);
        let on: Vec<String> =
            entry.on.iter().map(|side| format!("{side:?}").to_lowercase()).collect();
        let on = on.join(" and ");
        let asked = match entry.kind {
            GuardrailKind::Rules => {
                findings.push(Finding::ok("guardrails", format!("{place}: rules on {on}")));
                continue;
            }
            GuardrailKind::Moderation => match moderation(entry, config) {
                // A harmless text: it costs nothing, and says whether answers are understood.
                Ok(client) => client.category("Hello.", settings.timeout).await.map(|_| ()),
                Err(error) => {
                    findings.push(Finding::problem("guardrails", error.to_string(), place));
                    continue;
                }
            },
            GuardrailKind::Judge => {
                let model = judging_model(entry, config);
                let client = match model_client(&model, false) {
                    Ok(client) => client,
                    Err(error) => {
                        findings.push(Finding::problem("guardrails", error.to_string(), place));
                        continue;
                    }
                };
                // Not asked for a verdict, as that costs money.
                match timeout(PATIENCE, client.models()).await {
                    Ok(Ok(_) | Err(ModelError::NotFound { .. })) => Ok(()),
                    Ok(Err(error)) => Err(error),
                    Err(_) => Err(ModelError::Silent { after: PATIENCE }),
                }
            }
        };
        findings.push(match asked {
            Ok(()) => {
                let kind = if entry.kind == GuardrailKind::Judge { "judge" } else { "moderation" };
                Finding::ok("guardrails", format!("{place}: {kind} on {on}, at {address}"))
            }
            Err(error) => Finding::problem(
                "guardrails",
                format!("{place}: {address}: {error}"),
                match entry.if_unavailable {
                    IfUnavailable::Allow => "everything passes meanwhile; check base_url and key",
                    IfUnavailable::Refuse => {
                        "everything is refused meanwhile; check base_url and key"
                    }
                },
            ),
        });
    }
    findings
}

/// The servers of tools: whether they can be reached. None of the tools is called: they may do
/// something.
async fn tools(config: &Config) -> Vec<Finding> {
    let client = match HttpToolClient::new() {
        Ok(client) => client,
        Err(error) => return vec![Finding::problem("tools", ErrorChain(&error).to_string(), "")],
    };
    let mut findings = Vec::new();
    for entry in &config.tools {
        let place = entry.place();
        if matches!(entry, ToolEntry::Mcp(_) | ToolEntry::Client(_)) {
            continue;
        }
        match made_of(entry, config.auth.mode(), &client) {
            Err(error) => {
                findings.push(Finding::problem("tools", error, format!("correct {place}")))
            }
            Ok(tools) if tools.is_empty() => findings.push(Finding::note(
                "tools",
                format!("{place} gives no tools"),
                "name operations that the document has",
            )),
            Ok(tools) => {
                let address = tools[0].address();
                findings.push(match timeout(PATIENCE, reached(address)).await {
                    Ok(Ok(())) => {
                        let many = if tools.len() == 1 { "tool" } else { "tools" };
                        let text = format!("{place}: {} {many} at {address}", tools.len());
                        Finding::ok("tools", text)
                    }
                    Ok(Err(error)) => Finding::problem(
                        "tools",
                        format!("{place}: {address} cannot be reached: {error}"),
                        "check the address, and that its server runs",
                    ),
                    Err(_) => Finding::problem(
                        "tools",
                        format!("{place}: {address} does not answer"),
                        "check the address, and that its server runs",
                    ),
                });
            }
        }
    }
    match mcp_servers(config, None) {
        Ok(servers) => {
            for (entry, server) in servers {
                findings.push(match (&entry.url, &entry.sign_in) {
                    (Some(url), Some(settings)) => signed_in_to(&entry, url, settings).await,
                    _ => mcp_server(&server).await,
                });
            }
        }
        Err(error) => findings.push(Finding::problem("tools", error.to_string(), "correct it")),
    }
    findings
}

/// An MCP server that users sign in to: whether they can. Its tools are theirs to see.
async fn signed_in_to(entry: &McpEntry, url: &Url, settings: &SignInEntry) -> Finding {
    let name = &entry.name;
    match connect::look(entry, url, settings).await {
        Ok((issuer, known)) => Finding::ok(
            "tools",
            format!(
                "MCP server “{name}”: users sign in at {issuer}, where Parlor is known {known}"
            ),
        ),
        Err(error) => Finding::problem(
            "tools",
            error,
            "nobody can sign in to it until that is mended; check its address and [tools.sign_in]",
        ),
    }
}

/// An MCP server: whether it lists its tools.
async fn mcp_server(server: &McpServer) -> Finding {
    let name = server.name();
    // On behalf of nobody: what is sent with the user's token cannot be tried.
    let owner = Owner::single_tenant(UserId::new("doctor"));
    let (request_id, identity) = (RequestId::new("doctor"), Identity::default());
    let context = RequestContext::new(owner, request_id, &identity, JsonMap::new(), JsonMap::new());
    match timeout(PATIENCE, server.list(&ToolContext::new(context))).await {
        Ok(Ok(offer)) if offer.is_empty() => Finding::note(
            "tools",
            format!("MCP server “{name}” offers no tools"),
            "name tools that it has in `allow`",
        ),
        Ok(Ok(offer)) => {
            let names: Vec<&str> = offer.specs().iter().map(|tool| tool.name.as_str()).collect();
            Finding::ok("tools", format!("MCP server “{name}”: {}", names.join(", ")))
        }
        Ok(Err(error @ (McpError::Caller(_) | McpError::Unauthorized))) => Finding::note(
            "tools",
            format!("MCP server “{name}” {error}"),
            "fine if it only answers users who have signed in",
        ),
        Ok(Err(error)) => Finding::problem(
            "tools",
            format!("MCP server “{name}” {error}"),
            "its tools are left out until it answers; check its address or command",
        ),
        Err(_) => Finding::problem(
            "tools",
            format!("MCP server “{name}” does not answer"),
            "its tools are left out until it answers; check its address or command",
        ),
    }
}

/// Whether the server of an address takes connections.
async fn reached(address: &str) -> io::Result<()> {
    let url = Url::parse(address).map_err(io::Error::other)?;
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let port = url.port_or_known_default().unwrap_or(443);
    TcpStream::connect((host, port)).await.map(drop)
}

/// What a tenant has of its own.
async fn of_tenant(config: &Config, id: &str, tenant: &Tenant) -> Vec<Finding> {
    let place = place_of(id);
    let own = config.of_tenant(tenant);
    let mut findings = Vec::new();
    let place = format!("{place}.");
    if tenant.model.is_some() {
        findings.push(model(&own, &ModelSettings::of("model", &place)).await);
    }
    if tenant.model.is_some() || tenant.dictation.is_some() {
        findings.extend(dictation(&own, &ModelSettings::of("dictation", &place)).await);
    }
    if tenant.agent.is_some() {
        findings.extend(remote::remote(&own).await);
    }
    if tenant.tools.is_some() {
        findings.extend(tools(&own).await);
    }
    if tenant.tools.is_some() || tenant.agents.is_some() {
        findings.extend(agents::agents(&own).await);
    }
    if tenant.guardrails.is_some() {
        findings.extend(guardrails(&own).await);
    }
    for finding in &mut findings {
        finding.text = format!("{}: {}", place.trim_end_matches('.'), finding.text);
    }
    findings
}

/// What the settings of a model are called.
struct ModelSettings {
    what: &'static str,
    base_url: String,
    key: String,
    name: String,
}

impl ModelSettings {
    /// Those of `[model]`, which have variables of their own.
    fn everybodys() -> Self {
        Self {
            what: "model",
            base_url: "OPENAI_BASE_URL".to_owned(),
            key: "OPENAI_API_KEY".to_owned(),
            name: "PARLOR_MODEL".to_owned(),
        }
    }

    /// Those of a section, behind this place in the file.
    fn of(section: &'static str, place: &str) -> Self {
        Self {
            what: section,
            base_url: format!("{place}{section}.base_url"),
            key: format!("{place}{section}.api_key"),
            name: format!("{place}{section}.name"),
        }
    }
}

/// Whether a model's server is there and lists it.
async fn listed(
    client: &ModelClient,
    base_url: &Url,
    name: &str,
    settings: &ModelSettings,
) -> Finding {
    let ModelSettings { what, base_url: address, key, name: name_setting } = settings;
    match timeout(PATIENCE, client.models()).await {
        Err(_) => Finding::problem(
            what,
            format!("{base_url} does not answer"),
            format!("check {address} and that the server runs"),
        ),
        // Some local servers do their work and have no list of models.
        Ok(Err(ModelError::NotFound { .. })) => Finding::note(
            what,
            format!("{base_url} answers, but has no list of models to look `{name}` up in"),
            format!("try it; if that fails, check {address} (most end in /v1)"),
        ),
        Ok(Err(error)) => Finding::problem(
            what,
            format!("{base_url}: {error}"),
            match error {
                ModelError::Unauthorized { .. } => format!("check {key}"),
                ModelError::Unreachable { .. } => {
                    format!("check {address} and that the server runs")
                }
                _ => format!("check {address}, and the model server's own log"),
            },
        ),
        Ok(Ok(models)) if models.is_empty() || models.iter().any(|model| model == name) => {
            Finding::ok(what, format!("{name} at {base_url}"))
        }
        Ok(Ok(models)) => {
            let some: Vec<_> = models.iter().take(5).map(String::as_str).collect();
            Finding::note(
                what,
                format!("{base_url} answers, but does not list `{name}`"),
                format!("set {name_setting} to one that it has, such as {}", some.join(", ")),
            )
        }
    }
}

async fn provider(config: &Config) -> Finding {
    let settings = config.auth.session.clone().unwrap_or_default();
    let callback = match &config.server.public_url {
        Some(url) => format!("{}/auth/callback", url.as_str().trim_end_matches('/')),
        None => "…/auth/callback".to_owned(),
    };
    match Sessions::check_provider(&settings).await {
        Ok(()) => Finding::ok(
            "sign-in",
            format!("{} answers; {callback} must be registered there", settings.issuer),
        ),
        Err(error) => Finding::problem(
            "sign-in",
            error,
            "check auth.session.issuer and that the identity provider can be reached from here",
        ),
    }
}

fn web_assets() -> Finding {
    if assets::are_built() {
        Finding::ok("web assets", "built in")
    } else {
        Finding::problem(
            "web assets",
            "the element is missing from this binary",
            "build it with `make build`",
        )
    }
}
