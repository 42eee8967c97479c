//! Answers for several tenants: each by its own settings.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use parlor_agent::{
    AgentResponder, FileMode, FilesConfig, ModelClient, ModelConfig, ModelConfigError,
    PromptConfig, TranscriptionClient, TranscriptionConfig,
    guard::Guards,
    pdf::PdfCommand,
    tools::{McpServer, Toolbox},
    usage::{Prices, UsageSink},
};
use parlor_chatkit::{
    ActionSender, Feedback, RequestContext, Responder, TenantId, Turn, TurnError,
    protocol::{
        StreamOptions, SyncCustomActionResponse, ThreadMetadata, TranscriptionResult,
        UserMessageItem,
    },
};
use parlor_search::PassageSearch;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::{
    answering::Answering,
    config::{Config, HistoryMode, McpEntry, Model, ModelApi, ModelFiles, ToolEntry},
    connect::SignIns,
    guardrails::guards,
    search,
    server::StartError,
    telemetry,
    tools::{ToolsError, mcp_servers, pass_tokens, sign_in, toolbox},
};

/// Gives each turn to the responder of its tenant: one lookup.
pub(crate) struct TenantResponder(Arc<Responders>);

/// The responders in force, and what they are made of. They are replaced as a whole when the
/// configuration changes; who has taken one keeps it.
pub(crate) struct Responders {
    current: ArcSwap<InForce>,
    shared: Shared,
    /// Kept from one configuration to the next, where it has not changed: connections to models, and
    /// servers of tools.
    parts: Mutex<Parts>,
}

/// What all responders share, whatever the configuration.
#[derive(Clone, Default)]
pub(crate) struct Shared {
    /// The index of documents.
    pub(crate) search: Option<Arc<dyn PassageSearch>>,
    /// Who is told what turns took.
    pub(crate) usage_to: Option<Arc<dyn UsageSink>>,
    /// Servers of tools that users sign in to.
    pub(crate) sign_ins: Option<Arc<SignIns>>,
}

impl Shared {
    /// The guardrails of a configuration.
    fn guards(&self, config: &Config) -> Result<Guards, ModelConfigError> {
        let guards = guards(config)?;
        Ok(match &self.usage_to {
            Some(sink) => guards.usage_to(Arc::clone(sink), prices(config)),
            None => guards,
        })
    }
}

/// The responders of one configuration.
struct InForce {
    everybodys: Answering,
    /// Those of tenants with settings of their own.
    own: HashMap<TenantId, Answering>,
    passes_tokens: bool,
    signs_in: bool,
    /// Guardrails of everybody, and of tenants with settings of their own.
    guards: (Guards, HashMap<TenantId, Guards>),
}

#[derive(Default)]
struct Parts {
    clients: Clients,
    servers: Vec<(McpEntry, McpServer)>,
}

impl Responders {
    /// The responders that the configuration describes.
    ///
    /// # Errors
    /// When the settings of a model or of tools cannot be used.
    pub(crate) fn new(config: &Config, shared: Shared) -> Result<Self, StartError> {
        let trace_context = config.telemetry.model_trace_context;
        let clients = Clients { trace_context, ..Clients::default() };
        let mut parts = Parts { clients, ..Parts::default() };
        let made = InForce::new(config, &shared, &mut parts)?;
        Ok(Self { current: ArcSwap::from_pointee(made), shared, parts: Mutex::new(parts) })
    }

    /// From now on turns begin with what this configuration describes. On an error nothing has
    /// changed.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub(crate) fn replace(&self, config: &Config) -> Result<(), StartError> {
        // A panic while it was held leaves whole parts.
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = Parts {
            clients: Clients { trace_context: parts.clients.trace_context, ..Clients::default() },
            ..Parts::default()
        };
        next.known(&parts);
        let made = InForce::new(config, &self.shared, &mut next)?;
        let before = self.current.load_full();
        self.current.store(Arc::new(made.reading_files_with(&before)));
        next.forget_unused(config);
        *parts = next;
        Ok(())
    }

    /// Whether tools are called with their callers' access tokens.
    pub(crate) fn passes_tokens(&self) -> bool {
        self.current.load().passes_tokens
    }

    /// Whether there is a server of tools that users sign in to.
    pub(crate) fn sign_in(&self) -> bool {
        self.current.load().signs_in
    }
}

impl Parts {
    /// What was made before is there to be used again.
    fn known(&mut self, before: &Self) {
        self.clients.models.clone_from(&before.clients.models);
        self.clients.dictation.clone_from(&before.clients.dictation);
        self.servers.clone_from(&before.servers);
    }

    /// Lets go of what this configuration does not use.
    fn forget_unused(&mut self, config: &Config) {
        let Clients { used, models, dictation, .. } = &mut self.clients;
        models.retain(|server, _| used.0.contains(server));
        dictation.retain(|speech, _| used.1.contains(speech));
        let tenants = config.tenants.values().filter_map(|tenant| tenant.tools.as_ref());
        let entries: Vec<&ToolEntry> = tenants.flatten().chain(&config.tools).collect();
        self.servers.retain(|(known, _)| {
            entries.iter().any(|entry| matches!(entry, ToolEntry::Mcp(entry) if entry == known))
        });
    }

    /// What the configuration's tools are made of.
    fn tools(&mut self, config: &Config, shared: &Shared) -> Result<Tools, ToolsError> {
        let mut servers = Vec::new();
        for (entry, made) in mcp_servers(config, shared.sign_ins.as_ref())? {
            let known = self.servers.iter().find(|(known, _)| *known == entry);
            // One that is the same keeps its connections.
            let server = known.map_or(made, |(_, server)| server.clone());
            if known.is_none() {
                self.servers.push((entry, server.clone()));
            }
            servers.push(server);
        }
        Ok(Tools { toolbox: toolbox(config)?, servers })
    }
}

impl InForce {
    fn new(config: &Config, shared: &Shared, parts: &mut Parts) -> Result<Self, StartError> {
        let tools = parts.tools(config, shared)?;
        let everybodys = made(config, &tools, shared, &mut parts.clients)?;
        let (mut own, mut own_guards) = (HashMap::new(), HashMap::new());
        for (id, tenant) in &config.tenants {
            let config = config.of_tenant(tenant);
            own_guards.insert(TenantId::new(id.as_str()), shared.guards(&config)?);
            let own_tools =
                tenant.tools.as_ref().map(|_| parts.tools(&config, shared)).transpose()?;
            let tools = own_tools.as_ref().unwrap_or(&tools);
            let responder = made(&config, tools, shared, &mut parts.clients)?;
            own.insert(TenantId::new(id.as_str()), responder.reading_files_with(&everybodys));
        }
        let guards = (shared.guards(config)?, own_guards);
        let (passes_tokens, signs_in) = (pass_tokens(config), sign_in(config));
        Ok(Self { everybodys, own, passes_tokens, signs_in, guards })
    }

    /// In the places where the others read files.
    fn reading_files_with(self, others: &Self) -> Self {
        let everybodys = self.everybodys.reading_files_with(&others.everybodys);
        let own = self.own.into_iter();
        let own = own.map(|(id, own)| (id, own.reading_files_with(&everybodys))).collect();
        Self { own, everybodys, ..self }
    }

    fn guards_of(&self, context: &RequestContext) -> &Guards {
        self.guards.1.get(context.owner().tenant()).unwrap_or(&self.guards.0)
    }

    fn of(&self, context: &RequestContext) -> &Answering {
        self.own.get(context.owner().tenant()).unwrap_or(&self.everybodys)
    }
}

impl TenantResponder {
    pub(crate) fn new(responders: Arc<Responders>) -> Self {
        Self(responders)
    }

    /// What is in force now, for whoever asks until they are done.
    fn now(&self) -> Arc<InForce> {
        self.0.current.load_full()
    }
}

impl Responder for TenantResponder {
    async fn respond(&self, turn: &mut Turn) -> Result<(), TurnError> {
        let now = self.now();
        now.guards_of(turn.context()).respond(now.of(turn.context()), turn).await
    }

    async fn action(&self, turn: &mut Turn, action: ActionSender) -> Result<(), TurnError> {
        let now = self.now();
        now.guards_of(turn.context()).act(now.of(turn.context()), turn, action).await
    }

    async fn sync_action(
        &self,
        context: &RequestContext,
        thread: &ThreadMetadata,
        action: ActionSender,
    ) -> Result<SyncCustomActionResponse, TurnError> {
        self.now().of(context).sync_action(context, thread, action).await
    }

    async fn add_feedback(
        &self,
        context: &RequestContext,
        feedback: Feedback<'_>,
    ) -> Result<(), TurnError> {
        self.now().of(context).add_feedback(context, feedback).await
    }

    async fn title(
        &self,
        context: &RequestContext,
        thread: &ThreadMetadata,
        message: &UserMessageItem,
    ) -> Option<String> {
        self.now().of(context).title(context, thread, message).await
    }

    async fn transcribe(
        &self,
        context: &RequestContext,
        audio: Bytes,
        mime_type: &str,
    ) -> Result<Option<TranscriptionResult>, TurnError> {
        self.now().of(context).transcribe(context, audio, mime_type).await
    }

    fn stream_options(&self, context: &RequestContext, thread: &ThreadMetadata) -> StreamOptions {
        self.0.current.load().of(context).stream_options(context, thread)
    }

    async fn on_cancelled(&self, context: &RequestContext, thread: &ThreadMetadata) {
        self.now().of(context).on_cancelled(context, thread).await;
    }
}

/// What all responders may use.
struct Tools {
    toolbox: Toolbox,
    servers: Vec<McpServer>,
}

impl Tools {
    fn given_to(&self, responder: AgentResponder) -> Result<AgentResponder, ToolsError> {
        let responder = responder.tools(self.toolbox.clone())?;
        let servers = self.servers.iter().cloned();
        Ok(servers.fold(responder, |responder, server| responder.tool_source(Arc::new(server))))
    }
}

/// A responder by these settings, with its tools and agents.
fn made(
    config: &Config,
    tools: &Tools,
    shared: &Shared,
    clients: &mut Clients,
) -> Result<Answering, StartError> {
    let responder = tools.given_to(responder(config, shared.search.clone(), clients)?)?;
    let responder = match &shared.usage_to {
        Some(sink) => responder.usage_to(Arc::clone(sink)),
        None => responder,
    };
    let responder = with_agents(config, responder, clients)?;
    let remote = config.agent.elsewhere(config).map_err(StartError::Agent)?;
    Ok(Answering::new(remote, responder)?)
}

fn with_agents(
    config: &Config,
    responder: AgentResponder,
    clients: &mut Clients,
) -> Result<AgentResponder, StartError> {
    if config.agents.is_empty() {
        return Ok(responder);
    }
    let mut agents = Vec::new();
    for entry in &config.agents {
        let mut agent = entry.named();
        if let Some(model) = entry.model(&config.model) {
            agent = agent.model(clients.model(&model)?);
        }
        if let Some(search) = entry.search(&config.search) {
            agent = agent.searching(search::scope(&search));
        }
        agents.push(agent);
    }
    Ok(match &config.agent.start {
        Some(start) => responder.agents_starting_with(start, agents),
        None => responder.agents(agents),
    }
    .map_err(ToolsError::Team)?)
}

/// A responder by these settings.
fn responder(
    config: &Config,
    index: Option<Arc<dyn PassageSearch>>,
    clients: &mut Clients,
) -> Result<AgentResponder, ModelConfigError> {
    let model = config.model.is_configured().then(|| clients.model(&config.model)).transpose()?;
    let index = index.filter(|_| config.search.enabled);
    let mut responder = AgentResponder::new(index, model, prompt_config(config))
        .tool_limits((&config.agent).into())
        .searching(search::scope(&config.search))
        .prices(prices(config))
        .tool_choices(config.agent.tool_choices.iter().cloned())
        .allowed_models(config.model.choices.iter().cloned())
        .files(FilesConfig {
            images: config.model.images,
            files: match config.model.files {
                ModelFiles::Text => FileMode::Text,
                ModelFiles::Input => FileMode::Input,
            },
            pdf_command: config.model.pdf_command.split_first().map(|(program, arguments)| {
                arguments.iter().fold(PdfCommand::new(program), PdfCommand::arg)
            }),
        });
    if let Some(fallback) = &config.fallback_model {
        responder = responder.fallback(clients.model(fallback)?);
    }
    if let Some(summary) = config.model.reasoning {
        responder = responder.show_reasoning(summary);
    }
    if let Some(images) = config.image_generation.for_agent(config.files.max_bytes) {
        responder = responder.images(images);
    }
    if config.agent.page_tools {
        responder = responder.page_tools();
    }
    if config.model.send_user_hash {
        responder = responder.tell_users_apart();
    }
    if config.titles.enabled {
        responder = responder.titles_by(config.titles.model.as_deref().unwrap_or_default());
    }
    if config.dictation.is_enabled() {
        responder = responder.dictation(clients.dictation(config)?);
    }
    Ok(responder)
}

/// What all models cost of which it is said.
fn prices(config: &Config) -> Prices {
    let agents = config.agents.iter().filter_map(|agent| agent.model(&config.model));
    let agents: Vec<Model> = agents.collect();
    let models = agents.iter().chain(&config.fallback_model).chain([&config.model]);
    let prices = models.flat_map(Model::known_prices);
    prices.map(|(name, price)| (name.to_owned(), price)).collect()
}

/// Clients of model servers. Those with the same address and key share their connections.
#[derive(Default)]
struct Clients {
    /// What was asked for since this was made.
    used: (HashSet<ModelServer>, HashSet<SpeechModel>),
    models: HashMap<ModelServer, ModelClient>,
    /// Whether model servers are told which trace a request belongs to.
    trace_context: bool,
    dictation: HashMap<SpeechModel, TranscriptionClient>,
}

/// What decides whether a client will do: API, address, key and patience.
type ModelServer = (ModelApi, Url, Option<String>, Duration);
/// Address, key, name and patience.
type SpeechModel = (Url, Option<String>, String, Duration);

impl Clients {
    fn model(&mut self, model: &Model) -> Result<ModelClient, ModelConfigError> {
        let server = (model.api, model.base_url(), exposed(model.key()), model.idle_timeout());
        self.used.0.insert(server.clone());
        Ok(match self.models.entry(server) {
            Entry::Occupied(known) => known.get().for_model(model.name.as_str()),
            Entry::Vacant(place) => place.insert(model_client(model, self.trace_context)?).clone(),
        })
    }

    fn dictation(&mut self, config: &Config) -> Result<TranscriptionClient, ModelConfigError> {
        let Config { dictation, model, .. } = config;
        let key = exposed(dictation.key(model));
        let name = dictation.name().to_owned();
        let speech = (dictation.base_url(model), key, name, dictation.timeout());
        self.used.1.insert(speech.clone());
        Ok(match self.dictation.entry(speech) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(place) => place.insert(dictation_client(config)?).clone(),
        })
    }
}

fn exposed(key: Option<&SecretString>) -> Option<String> {
    key.map(|key| key.expose_secret().to_owned())
}

/// A client for the configured model.
pub(crate) fn model_client(
    model: &Model,
    trace_context: bool,
) -> Result<ModelClient, ModelConfigError> {
    let api = match model.api {
        ModelApi::Responses => parlor_agent::ModelApi::Responses,
        ModelApi::ChatCompletions => parlor_agent::ModelApi::ChatCompletions,
    };
    let mut client = ModelConfig::new(api, model.base_url(), model.name.as_str())
        .with_idle_timeout(model.idle_timeout());
    if let Some(key) = model.key() {
        client = client.with_key(key.clone());
    }
    if trace_context {
        client = client.with_trace_parent(telemetry::trace_parent);
    }
    ModelClient::new(client)
}

/// A client for the configured speech model.
fn dictation_client(config: &Config) -> Result<TranscriptionClient, ModelConfigError> {
    let dictation = &config.dictation;
    let base_url = dictation.base_url(&config.model);
    let mut speech =
        TranscriptionConfig::new(base_url, dictation.name()).with_timeout(dictation.timeout());
    if let Some(key) = dictation.key(&config.model) {
        speech = speech.with_key(key.clone());
    }
    TranscriptionClient::new(speech)
}

/// A client for the list of models that the speech model's server has.
pub(crate) fn speech_models(config: &Config) -> Result<ModelClient, ModelConfigError> {
    let dictation = &config.dictation;
    let api = parlor_agent::ModelApi::ChatCompletions;
    let mut models = ModelConfig::new(api, dictation.base_url(&config.model), dictation.name());
    if let Some(key) = dictation.key(&config.model) {
        models = models.with_key(key.clone());
    }
    ModelClient::new(models)
}

fn prompt_config(config: &Config) -> PromptConfig {
    let mut prompt = PromptConfig::default();
    if let Some(system_prompt) = &config.assistant.system_prompt {
        prompt.system_prompt = system_prompt.clone();
    }
    prompt.history_items = config.context.history_items;
    prompt.history = match config.context.history {
        HistoryMode::Text => parlor_agent::History::Text,
        HistoryMode::Messages => parlor_agent::History::Messages,
    };
    prompt
}
