//! Tools that are requests to a server of the operator's choice.

use std::{fmt, time::Duration};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Client, Method, header, redirect};
use serde_json::{Map, Value, json};
use url::Url;

use super::{
    Approval, HeaderTemplates, Tool, ToolCall, ToolContext, ToolError, ToolFuture, ToolOutput,
    ToolSettings,
};
use crate::model::ToolSpec;

/// What an argument in a path is written in percents for: all but what RFC 3986 (2.3) says is never to be.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Longest response that is read, in bytes.
const MAX_RESPONSE_BYTES: usize = 512 * 1024;

/// Redirections that are followed, on the same server only.
const MAX_REDIRECTS: usize = 3;

/// The HTTP client that all such tools of a process share.
#[derive(Debug, Clone)]
pub struct HttpToolClient(Client);

impl HttpToolClient {
    /// A client that follows redirections on the same server only, and keeps no cookies.
    ///
    /// # Errors
    ///
    /// When TLS cannot be set up.
    pub fn new() -> Result<Self, HttpToolError> {
        let policy = redirect::Policy::custom(|attempt| {
            let first = attempt.previous().first().map(Url::origin);
            if attempt.previous().len() <= MAX_REDIRECTS && first == Some(attempt.url().origin()) {
                attempt.follow()
            } else {
                // What was answered is told, not followed: it would take credentials along.
                attempt.stop()
            }
        });
        Client::builder()
            .redirect(policy)
            .connect_timeout(Duration::from_secs(10))
            .user_agent(concat!("parlor/", env!("CARGO_PKG_VERSION")))
            .build()
            .map(Self)
            .map_err(HttpToolError::Client)
    }
}

impl HttpToolClient {
    pub(crate) fn inner(&self) -> &Client {
        &self.0
    }
}

/// Where a parameter goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// Into the path, where the template has `{name}`.
    Path,
    /// Behind the `?`.
    Query,
    /// Into the JSON object that is sent.
    Body,
}

/// A parameter of a request, which is an argument of the tool.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Where it goes.
    pub place: Place,
    /// Whether the model must give it.
    pub required: bool,
    /// Its JSON Schema.
    pub schema: Value,
}

/// A tool that is a request.
#[derive(Debug, Clone)]
pub struct HttpTool {
    name: String,
    description: String,
    method: Method,
    /// With `{name}` where parameters go.
    template: String,
    parameters: Vec<Parameter>,
    /// Whether the only parameter is the whole body.
    whole_body: bool,
    headers: HeaderTemplates,
    settings: ToolSettings,
    client: HttpToolClient,
}

/// A description of a request that makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum HttpToolError {
    /// The address cannot be used.
    #[error(
        "the tool “{tool}” has the address `{url}`; it must be an http or https address whose host is written out, such as https://api.example.com/orders/{{number}}"
    )]
    Url {
        /// The tool.
        tool: String,
        /// The address.
        url: String,
    },
    /// A place in the path has no parameter, or the other way round.
    #[error(
        "the tool “{tool}” needs a required parameter `{name}` for the path of its address, and its address `{{{name}}}`"
    )]
    Path {
        /// The tool.
        tool: String,
        /// The parameter.
        name: String,
    },
    /// A body where none can be.
    #[error(
        "the tool “{tool}” sends a {method} request, which has no body; put `{name}` into the query"
    )]
    Body {
        /// The tool.
        tool: String,
        /// The method.
        method: Method,
        /// The parameter.
        name: String,
    },
    /// TLS could not be set up.
    #[error("the HTTP client of tools could not be set up")]
    Client(#[source] reqwest::Error),
}

impl HttpTool {
    /// A tool of this name, which asks this address. `template` has `{name}` in its path for the
    /// parameters that go there. The host is fixed: no argument can change it.
    ///
    /// # Errors
    ///
    /// When the request could never be made.
    pub fn new(
        client: &HttpToolClient,
        name: impl Into<String>,
        description: impl Into<String>,
        method: Method,
        template: impl Into<String>,
        parameters: Vec<Parameter>,
    ) -> Result<Self, HttpToolError> {
        let tool = Self {
            name: name.into(),
            description: description.into(),
            method,
            template: template.into(),
            parameters,
            whole_body: false,
            headers: HeaderTemplates::default(),
            settings: ToolSettings::default(),
            client: client.clone(),
        };
        tool.check()?;
        Ok(tool)
    }

    /// With these headers.
    #[must_use]
    pub fn headers(mut self, headers: HeaderTemplates) -> Self {
        self.headers = headers;
        self
    }

    /// Shown and limited like this. Whether the user must consent stays as it is.
    #[must_use]
    pub fn with_settings(mut self, settings: ToolSettings) -> Self {
        self.settings = ToolSettings { approval: self.settings.approval, ..settings };
        self
    }

    /// Whether the user must consent to each call.
    #[must_use]
    pub fn approval(mut self, approval: Approval) -> Self {
        self.settings.approval = approval;
        self
    }

    /// The one parameter in the body is the body.
    #[must_use]
    pub(crate) fn with_whole_body(mut self) -> Self {
        self.whole_body = true;
        self
    }

    /// The address up to its first parameter, for showing.
    pub fn address(&self) -> &str {
        self.template.split(['{', '?']).next().unwrap_or_default()
    }

    fn check(&self) -> Result<(), HttpToolError> {
        let wrong = || HttpToolError::Url { tool: self.name.clone(), url: self.template.clone() };
        let at = self.fixed_part().ok_or_else(wrong)?;
        if !matches!(at.scheme(), "http" | "https")
            || !at.has_host()
            || at.fragment().is_some()
            || !at.username().is_empty()
            || at.password().is_some()
        {
            return Err(wrong());
        }
        let in_template = |name: &str| self.template.contains(&format!("{{{name}}}"));
        for parameter in &self.parameters {
            let name = &parameter.name;
            let in_path = parameter.place == Place::Path;
            if in_path != in_template(name) || (in_path && !parameter.required) {
                return Err(HttpToolError::Path { tool: self.name.clone(), name: name.clone() });
            }
            let bodiless = matches!(self.method, Method::GET | Method::HEAD);
            if parameter.place == Place::Body && bodiless {
                return Err(HttpToolError::Body {
                    tool: self.name.clone(),
                    method: self.method.clone(),
                    name: name.clone(),
                });
            }
        }
        for (_, from) in self.template.match_indices('{').map(|(at, _)| self.template.split_at(at))
        {
            let name = from[1..].split('}').next().unwrap_or_default();
            if !self.parameters.iter().any(|known| known.name == name) {
                return Err(HttpToolError::Path { tool: self.name.clone(), name: name.into() });
            }
        }
        Ok(())
    }

    /// The address without what is put in. Its host must be whole.
    fn fixed_part(&self) -> Option<Url> {
        let fixed = self.template.split('{').next()?;
        // With a place in it, the host would be `api.` of `https://api.{name}.com`.
        let after_scheme = fixed.split_once("://")?.1;
        if fixed.len() < self.template.len() && !after_scheme.contains('/') {
            return None;
        }
        Url::parse(fixed).ok()
    }

    /// The address with these arguments.
    ///
    /// # Errors
    ///
    /// What to tell the model.
    fn address_with(&self, arguments: &Map<String, Value>) -> Result<Url, ToolError> {
        let mut address = String::with_capacity(self.template.len() + 32);
        let mut rest = self.template.as_str();
        while let Some((before, from)) = rest.split_once('{') {
            let (name, after) = from.split_once('}').unwrap_or((from, ""));
            let text = arguments.get(name).map(text_of).unwrap_or_default();
            // These would be other places on the server.
            if text.is_empty() || text.chars().all(|c| c == '.') {
                return Err(ToolError::new(format!("The argument “{name}” cannot be “{text}”.")));
            }
            address.push_str(before);
            address.extend(utf8_percent_encode(&text, RESERVED));
            rest = after;
        }
        address.push_str(rest);
        let unusable = || ToolError::new("No address can be made of these arguments.");
        let mut url = Url::parse(&address).map_err(|_| unusable())?;
        // Nothing above can lead elsewhere; this is the second lock.
        let fixed = self.fixed_part().ok_or_else(unusable)?;
        if url.origin() != fixed.origin() || !url.path().starts_with(fixed.path()) {
            return Err(unusable());
        }
        let mut query: Vec<(&str, String)> = Vec::new();
        for parameter in self.parameters.iter().filter(|known| known.place == Place::Query) {
            match arguments.get(&parameter.name) {
                None | Some(Value::Null) => {}
                Some(Value::Array(values)) => {
                    query.extend(values.iter().map(|value| (&*parameter.name, text_of(value))));
                }
                Some(value) => query.push((&parameter.name, text_of(value))),
            }
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    fn body_with(&self, arguments: &Map<String, Value>) -> Option<Value> {
        let mut in_body =
            self.parameters.iter().filter(|known| known.place == Place::Body).peekable();
        in_body.peek()?;
        if self.whole_body {
            return arguments.get(&in_body.next()?.name).cloned();
        }
        let fields = in_body.filter_map(|parameter| {
            Some((parameter.name.clone(), arguments.get(&parameter.name)?.clone()))
        });
        Some(Value::Object(fields.collect()))
    }

    async fn ask(&self, arguments: Value, context: &ToolContext) -> Result<ToolOutput, ToolError> {
        let empty = Map::new();
        let arguments = arguments.as_object().unwrap_or(&empty);
        let url = self.address_with(arguments)?;
        let mut request = self
            .client
            .0
            .request(self.method.clone(), url)
            .header(header::ACCEPT, "application/json, text/*;q=0.9, */*;q=0.1")
            .headers(self.headers.of(context)?);
        if let Some(body) = self.body_with(arguments) {
            request = request.json(&body);
        }
        let away = |error: reqwest::Error| {
            // Its address may have arguments in it, and is known from the configuration.
            ToolError::new("The server did not answer.").caused_by(error.without_url())
        };
        let mut response = request.send().await.map_err(away)?;
        let status = response.status();
        let kind = response
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .unwrap_or("text/plain")
            .to_ascii_lowercase();
        if !is_text(&kind) && status.is_success() && response.content_length() != Some(0) {
            return Err(ToolError::new(format!(
                "The answer is {}, which is no text.",
                cut(&kind, 60)
            )));
        }
        let mut bytes = Vec::new();
        let mut whole = true;
        while let Some(piece) = response.chunk().await.map_err(away)? {
            let room = MAX_RESPONSE_BYTES - bytes.len();
            if piece.len() > room {
                bytes.extend_from_slice(&piece[..room]);
                whole = false;
                break;
            }
            bytes.extend_from_slice(&piece);
        }
        let mut text = String::from_utf8_lossy(&bytes).into_owned();
        if kind.starts_with("text/html") {
            text = parlor_search::html_to_markdown(&text);
        }
        if !whole {
            text.push_str("\n(The rest of the answer was not read: it is too long.)");
        }
        if status.is_success() {
            if text.trim().is_empty() {
                text = format!("Done (status {}).", status.as_u16());
            }
            return Ok(ToolOutput::text(text));
        }
        tracing::info!(tool = self.name, status = status.as_u16(), "a tool's server refused");
        Ok(ToolOutput::text(format!("The server refused: status {}.\n{text}", status.as_u16()))
            .as_failure())
    }
}

impl Tool for HttpTool {
    fn spec(&self) -> ToolSpec {
        let properties: Map<String, Value> = self
            .parameters
            .iter()
            .map(|known| (known.name.clone(), known.schema.clone()))
            .collect();
        let required: Vec<&str> = self
            .parameters
            .iter()
            .filter(|known| known.required)
            .map(|known| known.name.as_str())
            .collect();
        ToolSpec {
            name: self.name.clone(),
            description: self.description.clone(),
            parameters: json!({
                "type": "object",
                "properties": properties,
                "required": required,
                "additionalProperties": false,
            }),
        }
    }

    fn settings(&self) -> ToolSettings {
        self.settings.clone()
    }

    fn call(&self, call: ToolCall) -> ToolFuture<'_> {
        Box::pin(async move { self.ask(call.arguments, &call.context).await })
    }
}

/// A value as it stands in an address.
fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn is_text(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.starts_with("text/")
        || kind.ends_with("json")
        || kind.ends_with("xml")
        || kind == "application/x-ndjson"
        || kind == "application/yaml"
}

fn cut(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Body => "body",
        })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parameter(name: &str, place: Place) -> Parameter {
        Parameter {
            name: name.to_owned(),
            place,
            required: place == Place::Path,
            schema: json!({"type": "string"}),
        }
    }

    fn tool(template: &str, parameters: Vec<Parameter>) -> Result<HttpTool, HttpToolError> {
        let client = HttpToolClient::new().unwrap();
        HttpTool::new(&client, "t", "", Method::GET, template, parameters)
    }

    #[test]
    fn arguments_are_put_where_they_belong() {
        let tool = tool(
            "https://api.example.com/v1/orders/{number}/lines?full=1",
            vec![
                parameter("number", Place::Path),
                parameter("page", Place::Query),
                parameter("tags", Place::Query),
            ],
        )
        .unwrap();
        let arguments = json!({"number": "A/17?x=1#y ü", "page": 2, "tags": ["a&b", "c"]});
        let url = tool.address_with(arguments.as_object().unwrap()).unwrap();
        assert_eq!(
            url.as_str(),
            "https://api.example.com/v1/orders/A%2F17%3Fx%3D1%23y%20%C3%BC/lines?full=1&page=2&tags=a%26b&tags=c"
        );
    }

    #[test]
    fn requests_that_could_never_be_made_are_refused() {
        let number = || vec![parameter("number", Place::Path)];
        for template in [
            "https://{number}.example.com/",
            "https://api.example.com:{number}/",
            "https://api.example{number}",
            "ftp://api.example.com/{number}",
            "/orders/{number}",
            "https://user:password@api.example.com/{number}",
            "https://api.example.com/orders",
        ] {
            assert!(tool(template, number()).is_err(), "{template}");
        }
        assert!(tool("https://api.example.com/{other}", number()).is_err());
        assert!(tool("https://api.example.com/", vec![parameter("x", Place::Body)]).is_err());
    }

    proptest! {
        #[test]
        fn no_argument_leads_to_another_place(number in any::<String>(), name in any::<String>()) {
            let tool = tool(
                "https://api.example.com/orders/{number}/lines",
                vec![parameter("number", Place::Path), parameter("name", Place::Query)],
            )
            .unwrap();
            let arguments = json!({"number": number, "name": name});
            if let Ok(url) = tool.address_with(arguments.as_object().unwrap()) {
                prop_assert_eq!(url.host_str(), Some("api.example.com"));
                let path: Vec<&str> = url.path().split('/').collect();
                prop_assert_eq!((path.len(), path[1], path[3]), (4, "orders", "lines"));
                prop_assert_eq!(url.query_pairs().count(), 1);
            }
        }
    }
}
