//! A connection to an MCP server: all that is known of the library that speaks the protocol.

use std::{process::Stdio, sync::Arc};

use futures::future::BoxFuture;
use parlor_chatkit::protocol::UrlSource;
use reqwest::header::HeaderMap;
use rmcp::{
    RoleClient, ServiceError,
    model::{CallToolRequestParams, CallToolResult, ClientConfig, ContentBlock, ResourceContents},
    service::{ClientInitializeError, RunningService, serve_client},
    transport::{
        StreamableHttpClientTransport, TokioChildProcess,
        streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value};

use super::{Listed, McpError, McpTransport, Session};
use crate::tools::ToolOutput;

/// Longest answer of a server, in bytes.
const MAX_RESPONSE_BYTES: usize = 4 * 1024 * 1024;

/// What a program is told of this process's environment.
const PASSED_ON: [&str; 4] = ["PATH", "HOME", "LANG", "TMPDIR"];

impl McpTransport {
    /// Connects, and shakes hands.
    pub(super) async fn connect(&self, headers: &HeaderMap) -> Result<Arc<dyn Session>, McpError> {
        let service = match self {
            Self::Stdio { command, arguments, environment } => {
                let mut program = tokio::process::Command::new(command);
                program.args(arguments).env_clear().kill_on_drop(true);
                for name in PASSED_ON {
                    if let Some(value) = std::env::var_os(name) {
                        program.env(name, value);
                    }
                }
                for (name, value) in environment {
                    program.env(name, value.expose_secret());
                }
                // What it says there is for whoever runs it by hand, and may hold anything.
                let started = TokioChildProcess::builder(program).stderr(Stdio::null()).spawn();
                let (process, _) = started.map_err(|error| {
                    McpError::Connect(format!("{} does not start: {error}", command.display()))
                })?;
                serve_client(ClientConfig::default(), process).await
            }
            Self::Http { url, client, .. } => {
                let mut config = StreamableHttpClientTransportConfig::with_uri(url.as_str())
                    .max_sse_event_size(MAX_RESPONSE_BYTES)
                    .max_json_response_size(MAX_RESPONSE_BYTES)
                    .max_error_response_size(1024);
                let sent = headers.iter().map(|(name, value)| (name.clone(), value.clone()));
                config = config.custom_headers(sent.collect());
                let client = client.inner().clone();
                let transport = StreamableHttpClientTransport::with_client(client, config);
                serve_client(ClientConfig::default(), transport).await
            }
        };
        match service {
            Ok(service) => Ok(Arc::new(Rmcp(service))),
            Err(error) => Err(connect_error(&error)),
        }
    }
}

struct Rmcp(RunningService<RoleClient, ClientConfig>);

impl Session for Rmcp {
    fn list(&self) -> BoxFuture<'_, Result<Vec<Listed>, McpError>> {
        Box::pin(async {
            let tools = self.0.peer().list_all_tools().await.map_err(|error| failed(&error))?;
            Ok(tools
                .into_iter()
                .map(|tool| Listed {
                    title: tool.title.or(tool.annotations.and_then(|about| about.title)),
                    name: tool.name.into_owned(),
                    description: tool.description.unwrap_or_default().into_owned(),
                    parameters: Value::Object((*tool.input_schema).clone()),
                })
                .collect())
        })
    }

    fn call<'a>(
        &'a self,
        name: &'a str,
        arguments: Map<String, Value>,
    ) -> BoxFuture<'a, Result<ToolOutput, McpError>> {
        Box::pin(async move {
            let call = CallToolRequestParams::new(name.to_owned()).with_arguments(arguments);
            match self.0.peer().call_tool(call).await {
                Ok(result) => Ok(output(result)),
                // The server says what was wrong with the call, for the model to mend it.
                Err(ServiceError::McpError(error)) => {
                    Ok(ToolOutput::text(format!("Error: {}", error.message)).as_failure())
                }
                Err(error) => Err(failed(&error)),
            }
        })
    }

    fn is_closed(&self) -> bool {
        self.0.is_closed() || self.0.peer().is_transport_closed()
    }
}

fn output(result: CallToolResult) -> ToolOutput {
    let mut texts = Vec::new();
    let mut sources = Vec::new();
    for block in result.content {
        match block {
            ContentBlock::Text(text) => texts.push(text.text),
            ContentBlock::Resource(resource) => match resource.resource {
                ResourceContents::TextResourceContents { text, .. } => texts.push(text),
                _ => texts.push("(A file that cannot be shown.)".to_owned()),
            },
            ContentBlock::ResourceLink(link) => {
                texts.push(format!("{}: {}", link.name, link.uri));
                if link.uri.starts_with("https://") || link.uri.starts_with("http://") {
                    sources.push(UrlSource::new(link.title.unwrap_or(link.name), link.uri));
                }
            }
            _ => texts.push("(Something that is no text.)".to_owned()),
        }
    }
    if texts.is_empty()
        && let Some(value) = result.structured_content
    {
        texts.push(value.to_string());
    }
    let output =
        sources.into_iter().fold(ToolOutput::text(texts.join("\n")), ToolOutput::with_source);
    if result.is_error == Some(true) { output.as_failure() } else { output }
}

fn connect_error(error: &ClientInitializeError) -> McpError {
    if error.is_authorization_required() {
        return McpError::Unauthorized;
    }
    McpError::Connect(shortened(&error.to_string()))
}

fn failed(error: &ServiceError) -> McpError {
    if error.is_authorization_required() {
        return McpError::Unauthorized;
    }
    match error {
        ServiceError::Timeout { .. } => McpError::Timeout,
        error => McpError::Failed(shortened(&error.to_string())),
    }
}

/// As it is put into the log: servers may say a lot.
fn shortened(text: &str) -> String {
    crate::prompt::line(text, 300)
}
