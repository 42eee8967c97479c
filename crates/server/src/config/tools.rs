//! `[[tools]]`: what the model may call besides the search.

use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};

use parlor_agent::tools::{Approval, HeaderTemplates, NeedsConsent, PageTool, Place, ToolSettings};
use secrecy::SecretString;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};
use url::Url;

/// One entry of `[[tools]]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum ToolEntry {
    /// A request to a server.
    Http(HttpEntry),
    /// The operations of an OpenAPI document.
    Openapi(OpenApiEntry),
    /// The tools of an MCP server.
    Mcp(McpEntry),
    /// A tool that runs in the user's page.
    Client(ClientEntry),
}

/// A tool that runs in the user's page.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ClientEntry {
    /// Its name, as the page knows it.
    pub name: String,
    /// What it does and when to call it, for the model.
    pub description: String,
    /// Seconds that the page may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u64>,
    /// Longest result that the model is given, in characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_result_chars: Option<usize>,
    /// Its arguments.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, ParameterEntry>,
}

impl ClientEntry {
    /// The tool.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(crate) fn tool(&self) -> Result<PageTool, String> {
        let mut required = Vec::new();
        let mut properties = Map::new();
        for (name, parameter) in &self.parameters {
            if parameter.place.is_some() {
                return Err(format!(
                    "its parameter “{name}” has an `in`, which is for requests; remove it"
                ));
            }
            if parameter.required == Some(true) {
                required.push(name.as_str());
            }
            properties.insert(name.clone(), Value::Object(parameter.schema.clone()));
        }
        let parameters = json!({
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        });
        let mut tool = PageTool::new(&self.name, &self.description, parameters);
        match self.timeout_seconds {
            Some(0) => return Err("timeout_seconds is 0; use at least 1".to_owned()),
            Some(seconds) => tool = tool.timeout(Duration::from_secs(seconds)),
            None => {}
        }
        if let Some(chars) = self.max_result_chars {
            tool = tool.max_result_chars(chars);
        }
        Ok(tool)
    }
}

/// The tools of an MCP server.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct McpEntry {
    /// What the server is called; its tools' names begin with it.
    pub name: String,
    /// Its address, for streamable HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<Url>,
    /// Its program and the arguments of that, for standard input and output.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Names of the tools that are offered, as the server calls them; all by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow: Option<Vec<String>>,
    /// Seconds that connecting and listing the tools may take.
    #[serde(default = "connect_seconds")]
    pub connect_seconds: u64,
    /// Seconds that a call may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u64>,
    /// Longest result that the model is given, in characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_result_chars: Option<usize>,
    /// Whether the user must consent to calls: `never`, `always`, or the names of those tools.
    #[serde(default)]
    pub approval: NeedsConsent,
    /// What is sent along over HTTP.
    #[serde(default, skip_serializing_if = "Headers::is_empty")]
    pub headers: Headers,
    /// What the program finds in its environment.
    #[serde(default, skip_serializing_if = "Headers::is_empty")]
    pub environment: Headers,
    /// How users sign in to it, where they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign_in: Option<SignInEntry>,
}

/// How users sign in to an MCP server: OAuth, with what the server says of itself.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct SignInEntry {
    /// What people call the server; its name by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Parlor's name at the authorization server; by default Parlor registers itself there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Parlor's secret there, with `${VARIABLE}`. Absent for a public client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<EnvText>,
    /// What is asked for; by default what the server says that it needs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// Hosts beside the server's own that may be at private addresses, where the server names them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub private_hosts: Vec<String>,
}

fn connect_seconds() -> u64 {
    5
}

/// A tool that is a request to a server.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HttpEntry {
    /// Its name, for the model.
    pub name: String,
    /// What it does and when to call it, for the model.
    pub description: String,
    /// Where to ask, with `{parameter}` in the path.
    pub url: String,
    /// The method; `GET` by default.
    #[serde(default = "get")]
    pub method: String,
    /// What people read while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Seconds that a call may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u64>,
    /// Longest result that the model is given, in characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_result_chars: Option<usize>,
    /// Whether the user must consent to each call: `never` or `always`.
    #[serde(default)]
    pub approval: Approval,
    /// What is sent along.
    #[serde(default, skip_serializing_if = "Headers::is_empty")]
    pub headers: Headers,
    /// Its arguments.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, ParameterEntry>,
}

fn get() -> String {
    "GET".to_owned()
}

/// An argument of a request: where it goes, and its JSON Schema.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ParameterEntry {
    /// `path`, `query` or `body`. By default `path` where the address has a place for it, else
    /// `query` for requests without a body, else `body`.
    #[serde(default, rename = "in", skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Whether the model must give it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required: Option<bool>,
    /// Everything else is JSON Schema.
    #[serde(flatten)]
    pub schema: Map<String, Value>,
}

/// Tools out of an OpenAPI document.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OpenApiEntry {
    /// The file with the document, in JSON.
    pub document: PathBuf,
    /// Where the server is; by default as the document says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<Url>,
    /// The `operationId`s that become tools; all by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operations: Option<Vec<String>>,
    /// Put before the names of the tools.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// Seconds that a call may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u64>,
    /// Longest result that the model is given, in characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_result_chars: Option<usize>,
    /// Whether the user must consent to calls: `never`, `always`, or the names of those tools.
    #[serde(default)]
    pub approval: NeedsConsent,
    /// What is sent along.
    #[serde(default, skip_serializing_if = "Headers::is_empty")]
    pub headers: Headers,
}

impl ToolEntry {
    /// What it is called in messages.
    pub fn place(&self) -> String {
        match self {
            Self::Http(entry) => format!("[[tools]] “{}”", entry.name),
            Self::Openapi(entry) => format!("[[tools]] “{}”", entry.document.display()),
            Self::Mcp(entry) => format!("[[tools]] “{}”", entry.name),
            Self::Client(entry) => format!("[[tools]] “{}”", entry.name),
        }
    }

    /// What is sent along with its calls; nothing to a page.
    pub fn headers(&self) -> Headers {
        match self {
            Self::Http(entry) => entry.headers.clone(),
            Self::Openapi(entry) => entry.headers.clone(),
            Self::Mcp(entry) => entry.headers.clone(),
            Self::Client(_) => Headers::default(),
        }
    }

    /// Puts the values of environment variables into the headers.
    pub(super) fn read_environment(
        &mut self,
        environment: &BTreeMap<String, String>,
    ) -> Result<(), String> {
        let place = self.place();
        let headers = match self {
            Self::Http(entry) => &mut entry.headers,
            Self::Openapi(entry) => &mut entry.headers,
            Self::Mcp(entry) => {
                entry
                    .environment
                    .read_environment(environment)
                    .map_err(|message| format!("{place}: {message}"))?;
                let sign_in = entry.sign_in.as_mut();
                if let Some(secret) = sign_in.and_then(|sign_in| sign_in.client_secret.as_mut()) {
                    secret
                        .read_environment("client_secret", false, environment)
                        .map_err(|message| format!("{place}: {message}"))?;
                }
                &mut entry.headers
            }
            Self::Client(_) => return Ok(()),
        };
        headers.read_environment(environment).map_err(|message| format!("{place}: {message}"))
    }

    /// How its tools are shown, and what they may take.
    pub fn settings(&self) -> ToolSettings {
        let (title, seconds, chars) = match self {
            Self::Http(entry) => (&entry.title, entry.timeout_seconds, entry.max_result_chars),
            Self::Openapi(entry) => (&None, entry.timeout_seconds, entry.max_result_chars),
            Self::Mcp(entry) => (&None, entry.timeout_seconds, entry.max_result_chars),
            Self::Client(entry) => (&None, entry.timeout_seconds, entry.max_result_chars),
        };
        let mut settings = ToolSettings { title: title.clone(), ..ToolSettings::default() };
        if let Some(seconds) = seconds {
            settings.timeout = Duration::from_secs(seconds);
        }
        if let Some(chars) = chars {
            settings.max_result_chars = chars;
        }
        settings
    }
}

/// Headers, with `${VARIABLE}` for variables of the environment and `{user.id}`, `{tenant.id}` and
/// `{user.token}` for what is known of the caller.
#[derive(Clone, Default, PartialEq)]
pub struct Headers(BTreeMap<String, EnvText>);

/// A text that may be secret, with `${VARIABLE}` for variables of the environment.
#[derive(Clone)]
pub struct EnvText {
    written: SecretString,
    /// With the variables' values.
    value: SecretString,
    /// Whether it can be shown as it is written.
    is_public: bool,
}

impl Headers {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names, and the values with those of the environment in them.
    pub fn values(&self) -> impl Iterator<Item = (&str, &SecretString)> {
        self.0.iter().map(|(name, header)| (name.as_str(), &header.value))
    }

    /// The headers as they are sent.
    ///
    /// # Errors
    ///
    /// When one could never be sent.
    pub fn templates(&self) -> Result<HeaderTemplates, String> {
        self.0.iter().try_fold(HeaderTemplates::default(), |all, (name, header)| {
            all.with(name, &header.value).map_err(|error| error.to_string())
        })
    }

    pub(super) fn read_environment(
        &mut self,
        environment: &BTreeMap<String, String>,
    ) -> Result<(), String> {
        let mut headers = self.0.iter_mut();
        headers.try_for_each(|(name, header)| header.read_environment(name, true, environment))
    }
}

impl EnvText {
    /// It, with the values of the environment in it.
    pub fn value(&self) -> &SecretString {
        &self.value
    }

    /// Puts the values of variables in. In a template, theirs must not look like places of it.
    fn read_environment(
        &mut self,
        name: &str,
        is_template: bool,
        environment: &BTreeMap<String, String>,
    ) -> Result<(), String> {
        use secrecy::ExposeSecret as _;
        let mut value = String::new();
        let mut rest = self.written.expose_secret();
        while let Some((before, from)) = rest.split_once("${") {
            let (variable, after) = from
                .split_once('}')
                .ok_or_else(|| format!("“{name}” has a `${{` without its `}}`"))?;
            let known = environment.get(variable).filter(|value| !value.is_empty());
            let known = known.ok_or_else(|| {
                format!("“{name}” needs the environment variable {variable}; set it")
            })?;
            if is_template && known.contains('{') {
                return Err(format!(
                    "the environment variable {variable} has a `{{`, which cannot be sent in a header of a tool"
                ));
            }
            value.push_str(before);
            value.push_str(known);
            rest = after;
        }
        value.push_str(rest);
        self.value = value.into();
        Ok(())
    }
}

impl<'de> Deserialize<'de> for EnvText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = String::deserialize(deserializer)?;
        let is_public = written.contains("${") || written.contains("{user.");
        let secret = SecretString::from(written);
        Ok(Self { value: secret.clone(), written: secret, is_public })
    }
}

/// As it is written, or hidden where a secret is written into it.
impl Serialize for EnvText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use secrecy::ExposeSecret as _;
        serializer.serialize_str(if self.is_public {
            self.written.expose_secret()
        } else {
            "(hidden)"
        })
    }
}

/// With the values of the environment.
impl PartialEq for EnvText {
    fn eq(&self, other: &Self) -> bool {
        use secrecy::ExposeSecret as _;
        self.value.expose_secret() == other.value.expose_secret()
    }
}

impl fmt::Debug for EnvText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(deserializer).map(Self)
    }
}

impl Serialize for Headers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
