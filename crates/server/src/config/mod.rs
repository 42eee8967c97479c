//! The configuration: one struct a section, defaults beside it, checked wholly at start.
//!
//! Sources, the later winning: defaults, the file, the environment, flags.

mod agents;
mod guardrails;
mod images;
mod inspector;
mod quotas;
mod remote;
mod search;
mod sections;
mod sources;
mod stray;
mod tenants;
mod tools;
mod usage;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use config::{Environment, File, FileFormat, Map, Value};
use serde::{Deserialize, Serialize};

use crate::tools::{mcp_servers, toolbox};

pub use agents::{AgentEntry, AgentModel, AgentSearch, OwnModel, TenantAgent};
pub use guardrails::{GuardrailEntry, GuardrailKind, RuleAction};
pub use images::ImageGeneration;
pub use inspector::Inspector;
pub use quotas::{Network, Quotas, QuotasInForce, ScopedQuotas};
pub use remote::{AgentKind, Remote};
pub use search::{Embeddings, Rerank, Search};
pub(crate) use sections::is_confidential;
pub use sections::{
    AgUi, Agent, Assistant, Auth, AuthMode, Context, Database, Dictation, Files, HistoryMode, Jwt,
    JwtAlgorithm, JwtClaims, JwtKeys, Limits, Log, LogFormat, Metrics, Model, ModelApi, ModelFiles,
    OnDisconnect, Retention, S3, Server, Session, Site, Telemetry, Titles, TrustedHeader, Turns,
};
pub use sources::Source;
pub use stray::{StrayVariable, stray_variables};
pub(crate) use tenants::place_of;
pub use tenants::{Tenant, TenantDictation, TenantModel, TenantSearch, TenantTitles};
pub use tools::{
    ClientEntry, EnvText, Headers, HttpEntry, McpEntry, OpenApiEntry, ParameterEntry, SignInEntry,
    ToolEntry,
};
pub use usage::Usage;

/// The whole configuration of `parlor serve`.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Where threads are kept, such as `sqlite://parlor.db` or `postgres://parlor@localhost/chat`.
    #[serde(serialize_with = "sections::without_password")]
    pub database_url: String,
    /// Where the server is.
    pub server: Server,
    /// How the database is used.
    pub database: Database,
    /// The language model.
    pub model: Model,
    /// The model that is asked when that one does not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback_model: Option<Model>,
    /// Dictation.
    pub dictation: Dictation,
    /// Images that the model makes for users.
    pub image_generation: ImageGeneration,
    /// What the assistant is told.
    pub assistant: Assistant,
    /// How much tools may be used.
    pub agent: Agent,
    /// Titles of conversations.
    pub titles: Titles,
    /// What the assistant knows of the conversation.
    pub context: Context,
    /// The document search.
    pub search: Search,
    /// Who may ask.
    pub auth: Auth,
    /// Files that users send along.
    pub files: Files,
    /// How long conversations and files are kept.
    pub retention: Retention,
    /// Records of what answers took.
    pub usage: Usage,
    /// How answers are made.
    pub turns: Turns,
    /// How much is too much.
    pub limits: Limits,
    /// Pages and origins.
    pub site: Site,
    /// The same conversations over AG-UI.
    pub ag_ui: AgUi,
    /// Figures for Prometheus.
    pub metrics: Metrics,
    /// The inspector.
    pub inspector: Inspector,
    /// The log.
    pub log: Log,
    /// Traces.
    pub telemetry: Telemetry,
    /// What the model may call besides the search.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolEntry>,
    /// Several agents in the place of one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<AgentEntry>,
    /// What users may say and what may be answered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub guardrails: Vec<GuardrailEntry>,
    /// What tenants have of their own, by their ids.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tenants: BTreeMap<String, Tenant>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8000)),
            database_url: "sqlite://parlor.db".to_owned(),
            server: Server::default(),
            database: Database::default(),
            model: Model::default(),
            fallback_model: None,
            dictation: Dictation::default(),
            image_generation: ImageGeneration::default(),
            assistant: Assistant::default(),
            agent: Agent::default(),
            titles: Titles::default(),
            context: Context::default(),
            search: Search::default(),
            auth: Auth::default(),
            files: Files::default(),
            retention: Retention::default(),
            usage: Usage::default(),
            turns: Turns::default(),
            limits: Limits::default(),
            site: Site::default(),
            ag_ui: AgUi::default(),
            metrics: Metrics::default(),
            inspector: Inspector::default(),
            log: Log::default(),
            telemetry: Telemetry::default(),
            tools: Vec::new(),
            agents: Vec::new(),
            guardrails: Vec::new(),
            tenants: BTreeMap::new(),
        }
    }
}

/// Without secrets, as `parlor config` prints it.
impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&toml::to_string(self).map_err(|_| std::fmt::Error)?)
    }
}

/// What the command line says; the rest comes from file and environment.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--config`
    pub config: Option<PathBuf>,
    /// `--listen`
    pub listen: Option<String>,
    /// `--database-url`
    pub database_url: Option<String>,
}

/// Why the configuration cannot be used: one line that says what to do.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

impl ConfigError {
    fn new(message: &str) -> Self {
        Self(message.to_owned())
    }
}

/// Environment variables with names of their own, the first that is set winning.
const VARIABLES: &[(&[&str], &str)] = &[
    (&["PARLOR_LISTEN"], "listen"),
    (
        &[
            "PARLOR_DATABASE_URL",
            "PARLOR_DATABASE__URL",
            "CHATKIT_STORE_DATABASE_URL",
            "DATABASE_URL",
        ],
        "database_url",
    ),
    (&["OPENAI_BASE_URL"], "model.base_url"),
    (&["OPENAI_API_KEY"], "model.api_key"),
    (&["PARLOR_MODEL"], "model.name"),
    (&["PARLOR_MODEL_API"], "model.api"),
    (&["PARLOR_AUTH"], "auth.mode"),
    (&["OTEL_EXPORTER_OTLP_ENDPOINT"], "telemetry.endpoint"),
    (&["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"], "telemetry.traces_endpoint"),
];

/// Settings that are lists: from the environment they come separated by commas.
const LISTS: &[&str] = &[
    "model.choices",
    "agent.tool_choices",
    "model.pdf_command",
    "auth.jwt.audience",
    "auth.jwt.algorithms",
    "auth.session.scopes",
    "auth.session.algorithms",
    "auth.trusted_header.peers",
    "files.types",
    "search.tags",
    "server.trusted_proxies",
    "site.cors_origins",
];

/// The variable that names the configuration file.
const CONFIG_FILE: &str = "PARLOR_CONFIG";

/// The file that is read when none is named.
const DEFAULT_FILE: &str = "parlor.toml";

impl Config {
    /// Reads the configuration.
    ///
    /// # Errors
    /// When a source cannot be read, a key is unknown, a value is of the wrong type, or two
    /// settings contradict each other.
    pub fn load(
        overrides: &Overrides,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, ConfigError> {
        let named = named_file(overrides, environment);
        let mut builder = config::Config::builder();
        let file_name = named.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
        match std::fs::read_to_string(&file_name) {
            Ok(text) => {
                // Read here, not by the library: its errors name neither line nor key.
                let file = toml::from_str::<Self>(&text)
                    .map_err(|error| in_file(&file_name, &text, &error))?;
                if let Some(url) = file.database.url {
                    if file.database_url != Self::default().database_url {
                        return Err(ConfigError(format!(
                            "{}: database_url and database.url are the same setting; keep one",
                            file_name.display()
                        )));
                    }
                    builder = builder.set_default("database_url", url).map_err(|e| plain(&e))?;
                }
                builder = builder.add_source(File::from_str(&text, FileFormat::Toml));
            }
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(ConfigError(format!(
                    "cannot read configuration file `{}`: {error}; name an existing file with --config",
                    file_name.display()
                )));
            }
        }
        for (names, key) in VARIABLES {
            let value = names.iter().find_map(|name| environment.get(*name));
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                builder = builder.set_override(*key, value.as_str()).map_err(|e| plain(&e))?;
            }
        }
        // Every other setting: PARLOR_<SECTION>__<KEY>.
        let mut generic: Map<String, String> = environment
            .iter()
            .filter(|(name, _)| name.starts_with("PARLOR_") && name.contains("__"))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let lists: Vec<(String, String)> =
            generic.keys().filter_map(|name| Some((name.clone(), list_of(name)?))).collect();
        for (name, key) in lists {
            if let Some(value) = generic.remove(&name) {
                let values = value.split(',').map(str::trim).filter(|value| !value.is_empty());
                let values: Vec<&str> = values.collect();
                builder = builder.set_override(key, values).map_err(|e| plain(&e))?;
            }
        }
        generic.retain(|_, value| !value.is_empty());
        builder = builder.add_source(
            Environment::with_prefix("PARLOR")
                .prefix_separator("_")
                .separator("__")
                .try_parsing(true)
                .source(Some(generic)),
        );
        let flags = [("listen", &overrides.listen), ("database_url", &overrides.database_url)];
        for (key, value) in flags {
            let value = value.as_deref().map(Value::from);
            builder = builder.set_override_option(key, value).map_err(|e| plain(&e))?;
        }
        let mut config: Self = builder
            .build()
            .and_then(config::Config::try_deserialize)
            .map_err(|error| plain(&error))?;
        let tenants = config.tenants.values_mut().filter_map(|tenant| tenant.tools.as_mut());
        for tool in tenants.flatten().chain(&mut config.tools) {
            tool.read_environment(environment).map_err(ConfigError)?;
        }
        let tenants = config.tenants.values_mut().filter_map(|tenant| tenant.agent.as_mut());
        let remotes = tenants.filter_map(|agent| agent.remote.as_mut());
        for remote in remotes.chain([&mut config.agent.remote]) {
            remote.read_environment(environment).map_err(ConfigError)?;
        }
        config.check()?;
        Ok(config)
    }

    /// What tokens are encrypted with that users have got elsewhere. `None`: a key that the database
    /// keeps.
    pub(crate) fn encryption_key(&self) -> Option<&secrecy::SecretString> {
        let session =
            self.auth.session.as_ref().and_then(|session| session.encryption_key.as_ref());
        self.server.encryption_key.as_ref().or(session)
    }

    /// The file that is read, whether it is there or not.
    pub(crate) fn file(overrides: &Overrides, environment: &BTreeMap<String, String>) -> PathBuf {
        named_file(overrides, environment).unwrap_or_else(|| PathBuf::from(DEFAULT_FILE))
    }

    /// The files that tools are described in.
    pub(crate) fn documents_of_tools(&self) -> impl Iterator<Item = &std::path::Path> {
        let tenants = self.tenants.values().filter_map(|tenant| tenant.tools.as_ref());
        tenants.flatten().chain(&self.tools).filter_map(|entry| match entry {
            ToolEntry::Openapi(entry) => Some(entry.document.as_path()),
            _ => None,
        })
    }

    /// Whether threads are kept in PostgreSQL.
    pub fn is_postgres(&self) -> bool {
        ["postgres:", "postgresql:"].iter().any(|scheme| self.database_url.starts_with(scheme))
    }

    /// The database's URL as it may be shown: without its password.
    pub fn shown_database_url(&self) -> String {
        sections::hide_password(&self.database_url)
    }

    /// Settings that contradict each other, and settings without which it is not safe to start.
    fn check(&self) -> Result<(), ConfigError> {
        let fail = |message: String| Err(ConfigError(message));
        if !self.database_url.starts_with("sqlite:") && !self.is_postgres() {
            let scheme = self.database_url.split(':').next().unwrap_or_default();
            return fail(format!(
                "the database's URL has the scheme `{scheme}`; use sqlite://FILE or postgres://USER:PASSWORD@HOST/DATABASE"
            ));
        }
        if self.database.connections == 0 {
            return fail("database.connections is 0; use at least 1".to_owned());
        }
        self.check_models().map_err(ConfigError)?;
        if let Some(fallback) = &self.fallback_model {
            if !self.model.is_configured() {
                return fail(
                    "[fallback_model] is set but [model] is not; set model.api_key or model.base_url, or make the fallback the model"
                        .to_owned(),
                );
            }
            if !fallback.is_configured() {
                return fail(
                    "[fallback_model] has neither base_url nor api_key; set one of them".to_owned(),
                );
            }
        }
        self.server.check().map_err(ConfigError)?;
        self.search.check(&self.model).map_err(ConfigError)?;
        self.files.check().map_err(ConfigError)?;
        self.telemetry.check().map_err(ConfigError)?;
        self.inspector.check(self.listen).map_err(ConfigError)?;
        if self.auth.mode.is_none() && !self.listen.ip().is_loopback() {
            return fail(format!(
                "listening on {} would let anybody on the network ask: choose who may with auth.mode (PARLOR_AUTH = session, jwt, trusted-header or anonymous), or listen on 127.0.0.1",
                self.listen
            ));
        }
        if self.auth.trusted_header.is_some() && self.auth.mode() != AuthMode::TrustedHeader {
            return fail(format!(
                "[auth.trusted_header] is set but auth.mode is `{}`; set auth.mode = \"trusted-header\" or remove the section",
                self.auth.mode().as_str()
            ));
        }
        if let Some(settings) = &self.auth.trusted_header {
            settings.check()?;
        }
        if self.auth.jwt.is_some() && self.auth.mode() != AuthMode::Jwt {
            return fail(format!(
                "[auth.jwt] is set but auth.mode is `{}`; set auth.mode = \"jwt\" or remove the section",
                self.auth.mode().as_str()
            ));
        }
        if self.auth.session.is_some() && self.auth.mode() != AuthMode::Session {
            return fail(format!(
                "[auth.session] is set but auth.mode is `{}`; set auth.mode = \"session\" or remove the section",
                self.auth.mode().as_str()
            ));
        }
        if self.auth.mode() == AuthMode::Session {
            self.auth.session.clone().unwrap_or_default().discovery()?;
            if self.server.public_url.is_none() && !self.listen.ip().is_loopback() {
                return fail(
                    "server.public_url is missing: with auth.mode = \"session\" the identity provider sends people back to it; set it to the address that browsers use, such as https://chat.example.com"
                        .to_owned(),
                );
            }
            if self.site.cors_origins.iter().any(|origin| origin == "*") {
                return fail(
                    "site.cors_origins is `*`, and with auth.mode = \"session\" pages of any site could ask as whoever visits them; name exact origins"
                        .to_owned(),
                );
            }
        }
        if self.auth.mode() == AuthMode::Jwt {
            self.auth.jwt.clone().unwrap_or_default().keys()?;
        }
        self.check_quotas().map_err(ConfigError)?;
        if self.limits.message_chars > self.limits.body_bytes {
            return fail(format!(
                "limits.message_chars ({}) is larger than limits.body_bytes ({}), so no such message could arrive; raise body_bytes or lower message_chars",
                self.limits.message_chars, self.limits.body_bytes
            ));
        }
        if self.site.cors_origins.len() > 1 && self.site.cors_origins.iter().any(|o| o == "*") {
            return fail(
                "site.cors_origins names `*` beside exact origins; keep one or the other"
                    .to_owned(),
            );
        }
        for origin in &self.site.cors_origins {
            let exact = url::Url::parse(origin)
                .is_ok_and(|url| url.origin().ascii_serialization() == *origin);
            if origin != "*" && !exact {
                return fail(format!(
                    "site.cors_origins: `{origin}` is no origin; write scheme, host and port only, such as https://example.com"
                ));
            }
        }
        self.agent.check().map_err(ConfigError)?;
        self.agent.check_remote(self).map_err(ConfigError)?;
        GuardrailEntry::check_all(&self.guardrails, &self.model).map_err(ConfigError)?;
        toolbox(self).map_err(|error| ConfigError(error.to_string()))?;
        mcp_servers(self, None).map_err(|error| ConfigError(error.to_string()))?;
        self.check_agents().map_err(ConfigError)?;
        self.check_images().map_err(ConfigError)?;
        if self.context.history_items > 200 {
            return fail(format!(
                "context.history_items is {}; at most 200 fit a prompt",
                self.context.history_items
            ));
        }
        self.check_tenants().map_err(ConfigError)
    }

    /// Settings of the models that contradict each other: those that tenants may have of their own.
    fn check_models(&self) -> Result<(), String> {
        if let Some(scheme) = self.model.base_url.as_ref().map(url::Url::scheme)
            && !matches!(scheme, "http" | "https")
        {
            return Err(format!(
                "model.base_url has the scheme `{scheme}`; it must be an http or https URL such as http://127.0.0.1:11434/v1"
            ));
        }
        let agents = self.agents.iter().filter_map(|agent| agent.model(&self.model));
        let agents: Vec<Model> = agents.collect();
        let models = [&self.model].into_iter().chain(&self.fallback_model).chain(&agents);
        for (name, price) in models.flat_map(Model::known_prices) {
            if !price.is_valid() {
                return Err(format!("the price of the model “{name}” has a part below 0"));
            }
        }
        if let Some(scheme) = self.dictation.base_url.as_ref().map(url::Url::scheme)
            && !matches!(scheme, "http" | "https")
        {
            return Err(format!(
                "dictation.base_url has the scheme `{scheme}`; it must be an http or https URL such as http://127.0.0.1:8001/v1"
            ));
        }
        if self.dictation.is_enabled()
            && self.dictation.base_url.is_none()
            && self.dictation.key(&self.model).is_none()
            && !self.model.is_configured()
        {
            return Err(
                "dictation has no speech model to ask: set dictation.base_url, dictation.api_key or the [model] whose API it shares, or dictation.enabled = false"
                    .to_owned(),
            );
        }
        Ok(())
    }
}

/// The file that somebody names.
fn named_file(overrides: &Overrides, environment: &BTreeMap<String, String>) -> Option<PathBuf> {
    let named = || environment.get(CONFIG_FILE).filter(|v| !v.is_empty()).map(PathBuf::from);
    overrides.config.clone().or_else(named)
}

/// The list that a variable is of, if it is of one: everybody's or a tenant's.
fn list_of(variable: &str) -> Option<String> {
    let key = variable.strip_prefix("PARLOR_")?.to_lowercase().replace("__", ".");
    let everybodys = match key.strip_prefix("tenants.") {
        Some(rest) => rest.split_once('.')?.1,
        None => &key,
    };
    LISTS.contains(&everybodys).then_some(key)
}

/// An error of the file: its name, the line, and what the parser says, on one line.
fn in_file(file: &std::path::Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let line = error
        .span()
        .map(|span| text.get(..span.start).unwrap_or_default().matches('\n').count() + 1);
    let place = line.map(|line| format!(", line {line}")).unwrap_or_default();
    ConfigError(format!("{}{place}: {}", file.display(), one_line(error.message())))
}

fn plain(error: &config::ConfigError) -> ConfigError {
    ConfigError(format!("configuration: {}", one_line(&error.to_string())))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
pub(crate) mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    /// The configuration of a file with this text.
    pub(crate) fn load_file(file: &str) -> Result<Config, String> {
        load(file, &[], Overrides::default())
    }

    pub(crate) fn load(
        file: &str,
        environment: &[(&str, &str)],
        overrides: Overrides,
    ) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("parlor.toml");
        std::fs::write(&path, file).unwrap();
        let environment =
            environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let overrides = Overrides { config: Some(path), ..overrides };
        Config::load(&overrides, &environment).map_err(|error| error.to_string())
    }

    #[test]
    fn flags_win_over_the_environment_and_the_environment_over_the_file() {
        let file = "listen = \"127.0.0.1:1\"\n[model]\nname = \"from-file\"\n";
        let config = load(file, &[], Overrides::default()).unwrap();
        assert_eq!(config.listen.port(), 1);
        assert_eq!(config.model.name, "from-file");

        let environment = [
            ("PARLOR_LISTEN", "127.0.0.1:2"),
            ("PARLOR_MODEL", "from-env"),
            ("OPENAI_API_KEY", "k"),
        ];
        let config = load(file, &environment, Overrides::default()).unwrap();
        assert_eq!(config.listen.port(), 2);
        assert_eq!(config.model.name, "from-env");
        assert!(config.model.is_configured());

        let flags = Overrides { listen: Some("127.0.0.1:3".to_owned()), ..Overrides::default() };
        assert_eq!(load(file, &environment, flags).unwrap().listen.port(), 3);
    }

    #[test]
    fn the_first_database_variable_that_is_set_wins() {
        let environment = [
            ("DATABASE_URL", "sqlite://third.db"),
            ("CHATKIT_STORE_DATABASE_URL", "sqlite://second.db"),
        ];
        let config = load("", &environment, Overrides::default()).unwrap();
        assert_eq!(config.database_url, "sqlite://second.db");
    }

    #[test]
    fn the_database_has_two_names_and_the_environment_wins_over_both() {
        for file in ["database_url = \"sqlite://x.db\"", "[database]\nurl = \"sqlite://x.db\""] {
            let config = load(file, &[], Overrides::default()).unwrap();
            assert_eq!(config.database_url, "sqlite://x.db", "{file}");
            for name in ["PARLOR_DATABASE_URL", "PARLOR_DATABASE__URL", "DATABASE_URL"] {
                let config = load(file, &[(name, "sqlite://y.db")], Overrides::default()).unwrap();
                assert_eq!(config.database_url, "sqlite://y.db", "{file} {name}");
            }
            let url = Some("postgres://u@h/d".to_owned());
            let flags = Overrides { database_url: url, ..Overrides::default() };
            let config = load(file, &[("DATABASE_URL", "sqlite://y.db")], flags).unwrap();
            assert!(config.is_postgres(), "{file}");
        }
    }

    #[test]
    fn a_key_goes_to_no_other_server_than_its_models() {
        let model = "[model]\nbase_url = \"http://model/v1\"\napi_key = \"k\"\n";
        for section in ["embeddings", "rerank"] {
            for (more, known) in [
                ("", Some("k")),
                ("base_url = \"http://model/v1\"", Some("k")),
                ("base_url = \"http://other/v1\"", None),
                ("base_url = \"http://other/v1\"\napi_key = \"own\"", Some("own")),
                ("base_url = \"http://other/v1\"\napi_key = \" \"", None),
            ] {
                let file = format!("{model}[search.{section}]\nmodel = \"m\"\n{more}");
                let Config { search, model, .. } = load(&file, &[], Overrides::default()).unwrap();
                let key = match (&search.embeddings, &search.rerank) {
                    (Some(embeddings), _) => embeddings.key(&model),
                    (_, Some(rerank)) => rerank.key(&model),
                    _ => panic!("one is set"),
                };
                assert_eq!(key.map(|key| key.expose_secret()), known, "{section} {more}");
            }
        }
    }

    #[test]
    fn the_password_of_a_database_is_never_shown() {
        for (url, shown) in [
            ("postgres://u:hunter2@h:5432/d", "postgres://u:(hidden)@h:5432/d"),
            ("postgres://u:hun@ter2@h/d", "postgres://u:(hidden)@h/d"),
            ("postgres://u:hunter2/x@h/d?a=b", "postgres://u:(hidden)@h/d?a=b"),
            (
                "postgresql://h/d?user=u&password=hunter2&a=b",
                "postgresql://h/d?user=u&password=(hidden)&a=b",
            ),
            ("postgres://u@h/d", "postgres://u@h/d"),
            ("sqlite://parlor.db", "sqlite://parlor.db"),
        ] {
            let file = format!("database_url = \"{url}\"");
            let config = load(&file, &[], Overrides::default()).unwrap();
            let printed = toml::to_string(&config).unwrap();
            assert!(printed.contains(&format!("\"{shown}\"")), "{printed}");
            assert!(!format!("{printed}{config:?}").contains("hunter2"));
            assert_eq!(config.database_url, url);
        }
    }

    #[test]
    fn any_setting_can_come_from_the_environment() {
        let environment = [
            ("PARLOR_CONTEXT__HISTORY_ITEMS", "4"),
            ("PARLOR_LOG__FORMAT", "json"),
            ("PARLOR_SITE__DEMO", "false"),
        ];
        let config = load("", &environment, Overrides::default()).unwrap();
        assert_eq!(config.context.history_items, 4);
        assert_eq!(config.log.format, LogFormat::Json);
        assert!(!config.site.demo);
    }

    #[test]
    fn lists_come_from_the_environment_separated_by_commas() {
        let environment = [
            ("PARLOR_SITE__CORS_ORIGINS", "https://a.example, https://b.example"),
            ("PARLOR_MODEL__CHOICES", "one"),
            ("PARLOR_AUTH", "trusted-header"),
            ("PARLOR_AUTH__TRUSTED_HEADER__PEERS", "10.0.0.1,::1"),
        ];
        let config = load("", &environment, Overrides::default()).unwrap();
        assert_eq!(config.site.cors_origins, ["https://a.example", "https://b.example"]);
        assert_eq!(config.model.choices, ["one"]);
        assert_eq!(config.auth.trusted_header.unwrap().peers.len(), 2);
        let file = "[site]\ncors_origins = [\"https://a.example\"]";
        let none = [("PARLOR_SITE__CORS_ORIGINS", "")];
        let config = load(file, &none, Overrides::default()).unwrap();
        assert!(config.site.cors_origins.is_empty());
    }

    #[test]
    fn every_list_is_known_as_one() {
        fn lists(at: &str, value: &serde_json::Value) -> Vec<String> {
            match value {
                serde_json::Value::Array(_) => vec![at.to_owned()],
                serde_json::Value::Object(fields) => fields
                    .iter()
                    .flat_map(|(name, value)| lists(&format!("{at}.{name}"), value))
                    .collect(),
                _ => Vec::new(),
            }
        }
        let mut config = Config::default();
        config.auth.trusted_header = Some(TrustedHeader::default());
        config.auth.session = Some(Session::default());
        config.auth.jwt = Some(Jwt { algorithms: Some(Vec::new()), ..Jwt::default() });
        for key in lists("", &serde_json::to_value(config).unwrap()) {
            assert!(LISTS.contains(&key.trim_start_matches('.')), "{key} is missing in LISTS");
        }
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let error = load("\n[model]\nnmae = \"x\"\n", &[], Overrides::default()).unwrap_err();
        assert!(
            error.contains("line 3") && error.contains("nmae") && error.contains("`name`"),
            "{error}"
        );
        assert_eq!(error.lines().count(), 1);
        let error = load("", &[("PARLOR_MODEL__NMAE", "x")], Overrides::default()).unwrap_err();
        assert!(error.contains("nmae"), "{error}");
    }

    #[test]
    fn contradictions_are_refused_with_what_to_do() {
        let cases = [
            ("listen = \"0.0.0.0:8000\"", "PARLOR_AUTH"),
            ("[auth]\nmode = \"anonymous\"\n[auth.trusted_header]\nuser = \"X-User\"", "auth.mode"),
            (
                "[auth]\nmode = \"trusted-header\"\n[auth.trusted_header]\nsecret = \"short\"",
                "auth.trusted_header.secret",
            ),
            ("[auth]\nmode = \"session\"", "auth.session.issuer"),
            ("[auth]\nmode = \"jwt\"\n[auth.session]\nissuer = \"https://a.example\"", "auth.mode"),
            (
                "[auth]\nmode = \"session\"\n[auth.session]\nissuer = \"https://a.example\"",
                "auth.session.client_id",
            ),
            (
                "[auth]\nmode = \"session\"\n[auth.session]\nissuer = \"http://a.example\"\nclient_id = \"a\"",
                "https",
            ),
            (
                "[auth]\nmode = \"session\"\n[auth.session]\nissuer = \"https://a.example\"\nclient_id = \"a\"\nscopes = [\"email\"]",
                "openid",
            ),
            (
                "[auth]\nmode = \"session\"\n[auth.session]\nissuer = \"https://a.example\"\nclient_id = \"a\"\nalgorithms = [\"HS256\"]",
                "auth.session.algorithms",
            ),
            (
                "[auth]\nmode = \"session\"\n[auth.session]\nissuer = \"https://a.example\"\nclient_id = \"a\"\nencryption_key = \"short\"",
                "auth.session.encryption_key",
            ),
            (
                "listen = \"0.0.0.0:8000\"\n[auth]\nmode = \"session\"\n[auth.session]\nissuer = \"https://a.example\"\nclient_id = \"a\"",
                "server.public_url",
            ),
            (
                "[site]\ncors_origins = [\"*\"]\n[auth]\nmode = \"session\"\n[auth.session]\nissuer = \"https://a.example\"\nclient_id = \"a\"",
                "site.cors_origins",
            ),
            ("[auth]\nmode = \"jwt\"", "auth.jwt.audience"),
            ("[auth]\nmode = \"jwt\"\n[auth.jwt]\naudience = [\"a\"]", "auth.jwt.issuer"),
            (
                "[auth]\nmode = \"jwt\"\n[auth.jwt]\naudience = [\"a\"]\nsecret = \"short\"",
                "32 bytes",
            ),
            (
                "[auth]\nmode = \"jwt\"\n[auth.jwt]\naudience = [\"a\"]\nissuer = \"http://a.example\"",
                "https",
            ),
            (
                "[auth]\nmode = \"jwt\"\n[auth.jwt]\naudience = [\"a\"]\njwks_url = \"https://a.example/keys\"",
                "auth.jwt.issuer",
            ),
            (
                "[auth]\nmode = \"jwt\"\n[auth.jwt]\naudience = [\"a\"]\nissuer = \"https://a.example\"\npublic_key = \"a\"\njwks_url = \"https://a.example/keys\"",
                "keep one",
            ),
            ("[auth]\nmode = \"anonymous\"\n[auth.jwt]\naudience = [\"a\"]", "auth.mode"),
            ("[limits]\nmessage_chars = 2000000", "body_bytes"),
            (
                "[limits.user]\nmessages_per_minute = 20\nmessages_per_day = 10",
                "limits.user.messages_per_minute",
            ),
            ("[limits.user]\nmessages_per_hour = 20", "messages_per_day"),
            ("[server]\ntrusted_proxies = [\"proxy\"]", "10.0.0.0/8"),
            ("[site]\ncors_origins = [\"*\", \"https://a.example\"]", "cors_origins"),
            ("[site]\ncors_origins = [\"https://a.example/path\"]", "origin"),
            ("database_url = \"mysql://x\"", "sqlite"),
            ("[database]\nconnections = 0", "database.connections"),
            (
                "database_url = \"sqlite://a.db\"\n[database]\nurl = \"sqlite://b.db\"",
                "the same setting",
            ),
            ("[[tools]]\nkind = \"htp\"", "htp"),
            ("[inspector]\nenabled = true\ntoken = \"short\"", "16"),
            (
                "listen = \"0.0.0.0:8000\"\nauth.mode = \"anonymous\"\n[inspector]\nenabled = true",
                "inspector.token",
            ),
            ("[[guardrails]]\nkind = \"rules\"\nname = \"a\"", "presets"),
            ("[[guardrails]]\nkind = \"rules\"\nname = \"a\"\npatterns = [\"(\"]", "`(`"),
            (
                "[[guardrails]]\nkind = \"rules\"\nname = \"a\"\nwords = [\"x\"]\naction = \"redact\"",
                "[\"input\"]",
            ),
            (
                "[[guardrails]]\nkind = \"rules\"\nname = \"a\"\nwords = [\"x\"]\nmodel = \"y\"",
                "ask a model",
            ),
            (
                "[[guardrails]]\nkind = \"judge\"\nname = \"a\"\nbase_url = \"http://x\"",
                "rule is missing",
            ),
            ("[[guardrails]]\nkind = \"moderation\"\nname = \"a\"", "base_url"),
            (
                "[[guardrails]]\nkind = \"moderation\"\nname = \"a\"\nbase_url = \"http://x\"\ncategories = { hate = 3.0 }",
                "0 and 1",
            ),
            (
                "[[guardrails]]\nkind = \"moderation\"\nname = \"a\"\nbase_url = \"http://x\"\nwords = [\"x\"]",
                "rules",
            ),
            (
                "[[tools]]\nkind = \"http\"\nname = \"a\"\ndescription = \"\"\nurl = \"https://{x}.example\"",
                "“a”",
            ),
            (
                "[[tools]]\nkind = \"http\"\nname = \"a\"\ndescription = \"\"\nurl = \"https://a.example\"\nheaders = { X-Key = \"${NOT_SET_ANYWHERE}\" }",
                "NOT_SET_ANYWHERE",
            ),
            (
                "[[tools]]\nkind = \"http\"\nname = \"a\"\ndescription = \"\"\nurl = \"https://a.example\"\nheaders = { X-Key = \"{user.token}\" }",
                "auth.mode",
            ),
            ("[[tools]]\nkind = \"openapi\"\ndocument = \"/not/there.json\"", "/not/there.json"),
            ("[[tools]]\nkind = \"mcp\"\nname = \"crm\"", "command"),
            (
                "[[tools]]\nkind = \"mcp\"\nname = \"crm\"\ncommand = [\"crm\"]\nsign_in = {}",
                "sign_in is for a url",
            ),
            (
                "[[tools]]\nkind = \"mcp\"\nname = \"crm\"\nurl = \"http://crm.example\"\nsign_in = {}",
                "https",
            ),
            (
                "[[tools]]\nkind = \"mcp\"\nname = \"crm\"\nurl = \"https://crm.example\"\nsign_in = {}\nheaders = { authorization = \"x\" }",
                "remove yours",
            ),
            (
                "[[tools]]\nkind = \"mcp\"\nname = \"crm\"\nurl = \"https://crm.example\"\nsign_in = { client_secret = \"x\" }",
                "sign_in.client_id",
            ),
            (
                "[[tools]]\nkind = \"mcp\"\nname = \"crm\"\nurl = \"https://crm.example\"\nsign_in = { client_id = \"a\", client_secret = \"${NOT_SET_ANYWHERE}\" }",
                "NOT_SET_ANYWHERE",
            ),
            (
                "[[tools]]\nkind = \"mcp\"\nname = \"crm\"\nurl = \"https://crm.example\"\nsign_in = { scopes = [\"a b\"] }",
                "sign_in.scopes",
            ),
            ("[server]\nencryption_key = \"short\"", "server.encryption_key"),
            ("[[tools]]\nkind = \"mcp\"\nname = \"c r m\"\ncommand = [\"crm\"]", "letters"),
            (
                "[[tools]]\nkind = \"mcp\"\nname = \"crm\"\ncommand = [\"crm\"]\nheaders = { X = \"y\" }",
                "environment",
            ),
            (
                "[[tools]]\nkind = \"mcp\"\nname = \"crm\"\ncommand = [\"crm\"]\nenvironment = { X = \"${NOT_SET_ANYWHERE}\" }",
                "NOT_SET_ANYWHERE",
            ),
            ("[fallback_model]\napi_key = \"k\"", "[model]"),
            ("[model]\napi_key = \"k\"\n[fallback_model]\nname = \"x\"", "[fallback_model]"),
            ("[agent]\nparallel_calls = 0", "agent.parallel_calls"),
            ("[agent]\ntool_seconds = 0", "agent.tool_rounds"),
            ("[model]\nbase_url = \"ftp://x/\"", "http"),
            ("[telemetry]\nendpoint = \"grpc://x\"", "telemetry.endpoint"),
            ("[dictation]\nbase_url = \"ftp://x/\"", "dictation.base_url"),
            ("[dictation]\nenabled = true", "dictation.base_url"),
            ("[dictation]\nname = \"whisper-1\"", "speech model"),
            ("listen = \"nonsense\"", "line 1"),
            ("[server]\npublic_url = \"ftp://x/\"", "public_url"),
            ("[server]\npublic_url = \"https://x/?a\"", "public_url"),
            ("[files]\nmax_bytes = 0", "files.max_bytes"),
            ("[files]\nmax_per_message = 0", "files.max_per_message"),
            ("[files]\nlink_seconds = 0", "files.link_seconds"),
            ("[files]\ntypes = [\"png\"]", "image/png"),
            ("[files]\ntypes = []", "files.enabled"),
            ("[files]\nunsent_bytes = 1000", "files.unsent_bytes"),
            ("[files]\ndir = \"x\"\n[files.s3]\nbucket = \"b\"", "files.dir"),
            ("[files.s3]\nregion = \"eu\"", "files.s3.bucket"),
            ("[files.s3]\nbucket = \"b\"\naccess_key_id = \"a\"", "secret_access_key"),
            ("[files.s3]\nbucket = \"b\"\nendpoint = \"ftp://x\"", "files.s3.endpoint"),
        ];
        for (file, hint) in cases {
            let error = load(file, &[], Overrides::default()).unwrap_err();
            assert!(error.contains(hint), "{file}: {error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
        let chosen = "listen = \"0.0.0.0:8000\"\n[auth]\nmode = \"anonymous\"";
        assert!(load(chosen, &[], Overrides::default()).is_ok());
    }

    #[test]
    fn tools_are_read_with_their_secrets_from_the_environment_and_shown_without() {
        let file = r#"
            [[tools]]
            kind = "http"
            name = "order_status"
            description = "Where an order is."
            url = "https://shop.example/orders/{Number}"
            timeout_seconds = 5
            [tools.headers]
            Authorization = "Bearer ${SHOP_TOKEN}"
            X-Key = "written-into-the-file"
            [tools.parameters.Number]
            type = "string"
            pattern = "^A-"
            [tools.parameters.details]
            type = "boolean"
            required = true
        "#;
        let config = load(file, &[("SHOP_TOKEN", "s3cret")], Overrides::default()).unwrap();
        let tools = toolbox(&config).unwrap();
        let parameters = &tools.specs()[0].parameters;
        assert_eq!(parameters["required"], serde_json::json!(["Number", "details"]));
        assert_eq!(parameters["properties"]["Number"]["pattern"], "^A-");
        for shown in [toml::to_string(&config).unwrap(), format!("{config:?}")] {
            assert!(shown.contains("${SHOP_TOKEN}"), "{shown}");
            assert!(!shown.contains("s3cret") && !shown.contains("written-into"), "{shown}");
        }
        // What is printed can be read again.
        assert!(
            load(&toml::to_string(&config).unwrap(), &[("SHOP_TOKEN", "x")], Overrides::default())
                .is_ok()
        );
    }

    #[test]
    fn a_named_file_that_is_missing_is_an_error_and_the_default_one_is_not() {
        let overrides =
            Overrides { config: Some("/does/not/exist.toml".into()), ..Overrides::default() };
        let error = Config::load(&overrides, &BTreeMap::new()).unwrap_err().to_string();
        assert!(error.contains("/does/not/exist.toml"), "{error}");
    }

    #[test]
    fn dictation_shares_the_models_api_and_its_key_goes_nowhere_else() {
        let key = |config: &Config| {
            config.dictation.key(&config.model).map(|key| key.expose_secret().to_owned())
        };
        let off = load("[model]\napi_key = \"k\"", &[], Overrides::default()).unwrap();
        assert!(!off.dictation.is_enabled());
        let shared = "[model]\napi_key = \"k\"\n[dictation]\nname = \"whisper-1\"";
        let shared = load(shared, &[], Overrides::default()).unwrap();
        assert!(shared.dictation.is_enabled());
        assert_eq!(shared.dictation.base_url(&shared.model), shared.model.base_url());
        assert_eq!(key(&shared).as_deref(), Some("k"));

        let own =
            [("OPENAI_API_KEY", "k"), ("PARLOR_DICTATION__BASE_URL", "http://127.0.0.1:9/v1")];
        let own = load("", &own, Overrides::default()).unwrap();
        assert!(own.dictation.is_enabled());
        assert_eq!(key(&own), None, "another server must not see the key");
        let alone = load("[dictation]\napi_key = \"d\"", &[], Overrides::default()).unwrap();
        assert!(alone.dictation.is_enabled() && !alone.model.is_configured());
        assert_eq!(key(&alone).as_deref(), Some("d"));
        let no = "[dictation]\nenabled = false\nname = \"whisper-1\"";
        assert!(!load(no, &[], Overrides::default()).unwrap().dictation.is_enabled());
    }

    #[test]
    fn a_key_is_never_shown() {
        let keys = "[model]\napi_key = \"sk-secret\"\n[dictation]\napi_key = \"sk-secret\"";
        let config = load(keys, &[], Overrides::default()).unwrap();
        assert!(!format!("{config:?}").contains("sk-secret"));
        assert!(!toml::to_string(&config).unwrap().contains("sk-secret"));
        let file =
            "[files.s3]\nbucket = \"b\"\naccess_key_id = \"id\"\nsecret_access_key = \"s3-secret\"";
        let config = load(file, &[], Overrides::default()).unwrap();
        assert!(!format!("{config:?}").contains("s3-secret"));
        assert!(!toml::to_string(&config).unwrap().contains("s3-secret"));

        let secret = "0123456789abcdef0123456789abcdef";
        let file = format!(
            "[auth]\nmode = \"jwt\"\n[auth.jwt]\naudience = [\"a\"]\nsecret = \"{secret}\""
        );
        let config = load(&file, &[], Overrides::default()).unwrap();
        assert!(!format!("{config:?}").contains(secret));
        assert!(!toml::to_string(&config).unwrap().contains(secret));
    }
}
