//! Answers for several tenants: each by its own settings.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use parlor_agent::{
    AgentResponder, FileMode, FilesConfig, ModelClient, ModelConfig, ModelConfigError,
    PromptConfig, TranscriptionClient, TranscriptionConfig,
    pdf::PdfCommand,
    tools::{McpServer, Toolbox},
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
    config::{Config, HistoryMode, Model, ModelApi, ModelFiles},
    search,
    server::StartError,
    telemetry,
    tools::{ToolsError, mcp_servers, toolbox},
};

/// Gives each turn to the responder of its tenant: one lookup.
pub(crate) struct TenantResponder {
    everybodys: Answering,
    /// Those of tenants with settings of their own.
    own: HashMap<TenantId, Answering>,
}

impl TenantResponder {
    /// The responders that the configuration describes.
    ///
    /// # Errors
    /// When the settings of a model or of tools cannot be used.
    pub(crate) fn new(
        config: &Config,
        search: Option<Arc<dyn PassageSearch>>,
    ) -> Result<Self, StartError> {
        let trace_context = config.telemetry.model_trace_context;
        let mut clients = Clients { trace_context, ..Clients::default() };
        let tools = Tools { toolbox: toolbox(config)?, servers: mcp_servers(config)? };
        let everybodys = tools.given_to(responder(config, search.clone(), &mut clients)?)?;
        let everybodys = answering(config, everybodys)?;
        let mut own = HashMap::new();
        for (id, tenant) in &config.tenants {
            let config = config.of_tenant(tenant);
            let responder = tools.given_to(responder(&config, search.clone(), &mut clients)?)?;
            let responder = answering(&config, responder)?;
            own.insert(TenantId::new(id.as_str()), responder.reading_files_with(&everybodys));
        }
        Ok(Self { everybodys, own })
    }

    fn of(&self, context: &RequestContext) -> &Answering {
        self.own.get(context.owner().tenant()).unwrap_or(&self.everybodys)
    }
}

/// The futures are those of the responder itself: who waits for thousands of them pays for none of
/// this.
impl Responder for TenantResponder {
    fn respond(&self, turn: &mut Turn) -> impl Future<Output = Result<(), TurnError>> + Send {
        self.of(turn.context()).respond(turn)
    }

    fn action(
        &self,
        turn: &mut Turn,
        action: ActionSender,
    ) -> impl Future<Output = Result<(), TurnError>> + Send {
        self.of(turn.context()).action(turn, action)
    }

    fn sync_action(
        &self,
        context: &RequestContext,
        thread: &ThreadMetadata,
        action: ActionSender,
    ) -> impl Future<Output = Result<SyncCustomActionResponse, TurnError>> + Send {
        self.of(context).sync_action(context, thread, action)
    }

    fn add_feedback(
        &self,
        context: &RequestContext,
        feedback: Feedback<'_>,
    ) -> impl Future<Output = Result<(), TurnError>> + Send {
        self.of(context).add_feedback(context, feedback)
    }

    fn title(
        &self,
        context: &RequestContext,
        thread: &ThreadMetadata,
        message: &UserMessageItem,
    ) -> impl Future<Output = Option<String>> + Send {
        self.of(context).title(context, thread, message)
    }

    fn transcribe(
        &self,
        context: &RequestContext,
        audio: Bytes,
        mime_type: &str,
    ) -> impl Future<Output = Result<Option<TranscriptionResult>, TurnError>> + Send {
        self.of(context).transcribe(context, audio, mime_type)
    }

    fn stream_options(&self, context: &RequestContext, thread: &ThreadMetadata) -> StreamOptions {
        self.of(context).stream_options(context, thread)
    }

    fn on_cancelled(
        &self,
        context: &RequestContext,
        thread: &ThreadMetadata,
    ) -> impl Future<Output = ()> + Send {
        self.of(context).on_cancelled(context, thread)
    }
}

/// What answers by these settings.
fn answering(config: &Config, local: AgentResponder) -> Result<Answering, StartError> {
    let remote = config.agent.elsewhere(config).map_err(StartError::Agent)?;
    Ok(Answering::new(remote, local)?)
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

/// Clients of model servers. Those with the same address and key share their connections.
#[derive(Default)]
struct Clients {
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
