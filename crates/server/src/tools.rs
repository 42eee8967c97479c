//! The tools that the configuration describes.

use std::{fs, sync::Arc};

use parlor_agent::tools::{
    HeaderTemplates, HttpTool, HttpToolClient, HttpToolError, OpenApiImport, Parameter, Place,
    Tool, Toolbox, ToolboxError,
};
use serde_json::Value;

use crate::config::{AuthMode, Config, HttpEntry, OpenApiEntry, ToolEntry};

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
        let made = made_of(entry, config.auth.mode(), &client)
            .map_err(|message| ToolsError::Entry { place: entry.place(), message })?;
        tools.extend(made.into_iter().map(|tool| Arc::new(tool) as Arc<dyn Tool>));
    }
    Ok(Toolbox::of(tools)?)
}

/// Whether a tool is called with its caller's access token.
pub(crate) fn pass_tokens(config: &Config) -> bool {
    let mut headers = config.tools.iter().map(|entry| entry.headers().templates());
    headers.any(|headers| headers.is_ok_and(|headers| headers.need_token()))
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
    };
    Ok(tools
        .into_iter()
        .map(|tool| tool.headers(headers.clone()).with_settings(settings.clone()))
        .collect())
}

/// Whether callers can have what the headers need.
fn check_headers(headers: &HeaderTemplates, mode: AuthMode) -> Result<(), String> {
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
        .map_err(|error| error.to_string())
}

fn openapi(entry: &OpenApiEntry, client: &HttpToolClient) -> Result<Vec<HttpTool>, String> {
    let document = fs::read_to_string(&entry.document)
        .map_err(|error| format!("the document cannot be read: {error}"))?;
    let import = OpenApiImport {
        base_url: entry.base_url.clone(),
        operations: entry.operations.clone(),
        prefix: entry.prefix.clone(),
    };
    import.tools(client, &document).map_err(|error| format!("the document {error}"))
}
