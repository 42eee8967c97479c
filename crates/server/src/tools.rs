//! The tools that the configuration describes.

use std::{fs, sync::Arc, time::Duration};

use parlor_agent::{
    TeamError,
    tools::{
        HeaderTemplates, HttpTool, HttpToolClient, HttpToolError, McpConfig, McpServer,
        McpTransport, OpenApiImport, Parameter, Place, SignIn, Tool, Toolbox, ToolboxError,
    },
};
use serde_json::Value;

use crate::{
    config::{AuthMode, Config, HttpEntry, McpEntry, OpenApiEntry, ToolEntry},
    connect::{self, SignIns},
};

/// Tools cannot be made of the configuration: one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ToolsError {
    /// One entry makes no sense.
    #[error("{place}: {message}")]
    Entry {
        /// Which.
        place: String,
        /// What is wrong with it.
        message: String,
    },
    /// Two tools have one name, or one has a name that no tool can have.
    #[error("[[tools]]: {0}")]
    Toolbox(#[from] ToolboxError),
    /// The agents cannot work together.
    #[error("[[agents]]: {0}")]
    Team(#[source] TeamError),
    /// TLS could not be set up.
    #[error(transparent)]
    Client(#[from] HttpToolError),
}

/// The tools of all entries.
pub(crate) fn toolbox(config: &Config) -> Result<Toolbox, ToolsError> {
    if config.tools.is_empty() {
        return Ok(Toolbox::default());
    }
    let client = HttpToolClient::new()?;
    let mut tools: Vec<Arc<dyn Tool>> = Vec::new();
    for entry in &config.tools {
        if let ToolEntry::Client(client) = entry {
            let wrong = |message| ToolsError::Entry { place: entry.place(), message };
            tools.push(Arc::new(client.tool().map_err(wrong)?));
            continue;
        }
        let made = made_of(entry, config.auth.mode(), &client)
            .map_err(|message| ToolsError::Entry { place: entry.place(), message })?;
        tools.extend(made.into_iter().map(|tool| Arc::new(tool) as Arc<dyn Tool>));
    }
    Ok(Toolbox::of(tools)?)
}

/// Whether a tool is called with its caller's access token.
pub(crate) fn pass_tokens(config: &Config) -> bool {
    let tenants = config.tenants.values().filter_map(|tenant| tenant.tools.as_ref());
    let entries = config.tools.iter().chain(tenants.flatten());
    let mut headers = entries.map(|entry| entry.headers().templates());
    let tools = headers.any(|headers| headers.is_ok_and(|headers| headers.need_token()));
    let agent = |config: &Config| {
        let agent = config.agent.elsewhere(config).ok().flatten();
        agent.is_some_and(|agent| agent.headers.need_token())
    };
    tools || agent(config) || config.tenants.values().any(|own| agent(&config.of_tenant(own)))
}

/// The tools of one entry.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn made_of(
    entry: &ToolEntry,
    mode: AuthMode,
    client: &HttpToolClient,
) -> Result<Vec<HttpTool>, String> {
    let headers = entry.headers().templates()?;
    check_headers(&headers, mode)?;
    let settings = entry.settings();
    if settings.timeout.is_zero() {
        return Err("timeout_seconds is 0; use at least 1".to_owned());
    }
    let tools = match entry {
        ToolEntry::Http(entry) => vec![http(entry, client)?],
        ToolEntry::Openapi(entry) => openapi(entry, client)?,
        // Asked for its tools when they are needed, and made elsewhere.
        ToolEntry::Mcp(_) | ToolEntry::Client(_) => Vec::new(),
    };
    Ok(tools
        .into_iter()
        .map(|tool| tool.headers(headers.clone()).with_settings(settings.clone()))
        .collect())
}

/// Whether there is a server of tools that users sign in to.
pub(crate) fn sign_in(config: &Config) -> bool {
    let tenants = config.tenants.values().filter_map(|tenant| tenant.tools.as_ref());
    let mut entries = config.tools.iter().chain(tenants.flatten());
    entries.any(|entry| matches!(entry, ToolEntry::Mcp(mcp) if mcp.sign_in.is_some()))
}

/// The MCP servers of all entries. None is connected to yet. Users can sign in only with what they
/// do that with.
pub(crate) fn mcp_servers(
    config: &Config,
    sign_ins: Option<&Arc<SignIns>>,
) -> Result<Vec<(McpEntry, McpServer)>, ToolsError> {
    let mut servers: Vec<(McpEntry, McpServer)> = Vec::new();
    for entry in &config.tools {
        let ToolEntry::Mcp(mcp) = entry else { continue };
        let wrong = |message| ToolsError::Entry { place: entry.place(), message };
        if servers.iter().any(|(known, _)| known.name == mcp.name) {
            return Err(wrong("there is another MCP server of this name".to_owned()));
        }
        let mode = config.auth.mode();
        let transport = transport(mcp, mode, &HttpToolClient::new()?, sign_ins).map_err(wrong)?;
        let server = McpServer::new(McpConfig {
            name: mcp.name.clone(),
            transport,
            allow: mcp.allow.clone(),
            needs_consent: mcp.approval.clone(),
            settings: entry.settings(),
            connect_timeout: Duration::from_secs(mcp.connect_seconds.max(1)),
        });
        servers.push((mcp.clone(), server));
    }
    Ok(servers)
}

fn transport(
    entry: &McpEntry,
    mode: AuthMode,
    client: &HttpToolClient,
    sign_ins: Option<&Arc<SignIns>>,
) -> Result<McpTransport, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if entry.name.is_empty() || entry.name.len() > 32 || !entry.name.chars().all(allowed) {
        return Err("its name must be 1 to 32 letters, digits, underscores and hyphens".to_owned());
    }
    match (&entry.url, entry.command.split_first()) {
        (Some(url), None) => {
            if !matches!(url.scheme(), "http" | "https") {
                return Err(format!("its url is `{url}`; use an http or https address"));
            }
            if !entry.environment.is_empty() {
                return Err("environment is for a command; use headers with a url".to_owned());
            }
            let headers = entry.headers.templates()?;
            check_headers(&headers, mode)?;
            let sign_in = match (&entry.sign_in, sign_ins) {
                (None, _) => None,
                (Some(settings), None) => {
                    connect::check(entry, url, settings)?;
                    None
                }
                (Some(settings), Some(all)) => {
                    Some(Arc::new(all.sign_in(entry, url, settings)?) as Arc<dyn SignIn>)
                }
            };
            Ok(McpTransport::Http { url: url.clone(), headers, sign_in, client: client.clone() })
        }
        (None, Some((command, arguments))) => {
            if entry.sign_in.is_some() {
                return Err("sign_in is for a url; a program is shared by all users".to_owned());
            }
            if !entry.headers.is_empty() {
                return Err("headers are for a url; use environment with a command".to_owned());
            }
            let environment = entry.environment.values();
            Ok(McpTransport::Stdio {
                command: command.into(),
                arguments: arguments.to_vec(),
                environment: environment
                    .map(|(name, value)| (name.to_owned(), value.clone()))
                    .collect(),
            })
        }
        _ => Err("it needs either url, or command with the program and its arguments".to_owned()),
    }
}

/// Whether callers can have what the headers need.
pub(crate) fn check_headers(headers: &HeaderTemplates, mode: AuthMode) -> Result<(), String> {
    if headers.need_token() && !matches!(mode, AuthMode::Jwt | AuthMode::TrustedHeader) {
        return Err(format!(
            "a header needs {{user.token}}, and with auth.mode = \"{}\" requests come without access tokens; use auth.mode = \"jwt\" or \"trusted-header\", or {{user.id}}",
            mode.as_str()
        ));
    }
    Ok(())
}

fn http(entry: &HttpEntry, client: &HttpToolClient) -> Result<HttpTool, String> {
    let method = entry.method.to_ascii_uppercase();
    let method = match method.as_str() {
        "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" => {
            method.parse().map_err(|_| method.clone())?
        }
        _ => {
            return Err(format!(
                "the method is `{}`; use GET, POST, PUT, PATCH or DELETE",
                entry.method
            ));
        }
    };
    let has_body = !matches!(method, axum::http::Method::GET | axum::http::Method::HEAD);
    let parameters = entry.parameters.iter().map(|(name, parameter)| {
        let in_path = entry.url.contains(&format!("{{{name}}}"));
        let place = parameter.place.unwrap_or(match (in_path, has_body) {
            (true, _) => Place::Path,
            (false, true) => Place::Body,
            (false, false) => Place::Query,
        });
        Parameter {
            name: name.clone(),
            place,
            required: parameter.required.unwrap_or(place == Place::Path),
            schema: Value::Object(parameter.schema.clone()),
        }
    });
    let (name, description) = (entry.name.as_str(), entry.description.as_str());
    HttpTool::new(client, name, description, method, entry.url.as_str(), parameters.collect())
        .map(|tool| tool.approval(entry.approval))
        .map_err(|error| error.to_string())
}

fn openapi(entry: &OpenApiEntry, client: &HttpToolClient) -> Result<Vec<HttpTool>, String> {
    let document = fs::read_to_string(&entry.document)
        .map_err(|error| format!("the document cannot be read: {error}"))?;
    let import = OpenApiImport {
        base_url: entry.base_url.clone(),
        operations: entry.operations.clone(),
        prefix: entry.prefix.clone(),
        needs_consent: entry.approval.clone(),
    };
    import.tools(client, &document).map_err(|error| format!("the document {error}"))
}
