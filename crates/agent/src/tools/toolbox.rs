//! Tools gathered: their names, their schemas made ready, what the model is told of them.

use std::{collections::HashMap, fmt, sync::Arc};

use futures::future::BoxFuture;
use jsonschema::Validator;
use serde_json::Value;

use super::{Approval, Shown, SignIn, Tool, ToolContext, ToolSettings};
use crate::model::ToolSpec;

/// Longest name that model servers take.
const MAX_NAME: usize = 64;

/// Faults in arguments that a model is told of at once.
const MAX_FAULTS: usize = 5;

/// A tool that is ready to be called.
pub(crate) struct Ready {
    pub(crate) tool: Arc<dyn Tool>,
    pub(crate) name: Arc<str>,
    pub(crate) settings: ToolSettings,
    validator: Validator,
}

impl Ready {
    /// The arguments as the model wrote them, read and checked.
    ///
    /// # Errors
    ///
    /// What to tell the model.
    pub(crate) fn arguments(&self, written: &str) -> Result<Value, String> {
        let arguments = self.tool.read_arguments(written)?;
        let faults: Vec<String> = self
            .validator
            .iter_errors(&arguments)
            .take(MAX_FAULTS)
            .map(|fault| {
                let at = fault.instance_path().to_string();
                let said: String = fault.to_string().chars().take(300).collect();
                if at.is_empty() { said } else { format!("at {at}: {said}") }
            })
            .collect();
        if faults.is_empty() {
            return Ok(arguments);
        }
        Err(format!(
            "Error: the arguments do not fit the tool's schema: {}. Correct them and call the tool \
             again.",
            faults.join("; ")
        ))
    }

    /// What people read while it runs.
    pub(crate) fn title(&self) -> String {
        self.settings.title.clone().unwrap_or_else(|| titled(&self.name))
    }
}

/// A name as words: `get_weather` is “Get weather”.
pub(crate) fn titled(name: &str) -> String {
    let words: Vec<&str> = name.split(['_', '-']).filter(|word| !word.is_empty()).collect();
    let mut words = words.join(" ");
    if let Some(first) = words.get(..1) {
        let first = first.to_ascii_uppercase();
        words.replace_range(..1, &first);
    }
    words
}

/// A tool cannot be offered.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ToolboxError {
    /// Two tools have one name.
    #[error("two tools are called “{0}”; give one of them another name")]
    SameName(String),
    /// Model servers would refuse the name.
    #[error(
        "a tool cannot be called “{0}”; use 1 to 64 letters, digits, underscores and hyphens (A-Z, a-z, 0-9, _, -)"
    )]
    Name(String),
    /// The schema of its arguments is none.
    #[error("the arguments of the tool “{name}” have a schema that cannot be used: {detail}")]
    Schema {
        /// The tool.
        name: String,
        /// What is wrong with its schema.
        detail: String,
    },
}

/// Tools that are there for every turn. Cheap to clone.
#[derive(Clone, Default)]
pub struct Toolbox(Offer);

impl Toolbox {
    /// These tools.
    ///
    /// # Errors
    ///
    /// When a name or a schema cannot be used.
    pub fn new<T: Tool>(tools: impl IntoIterator<Item = T>) -> Result<Self, ToolboxError> {
        Self::of(tools.into_iter().map(|tool| Arc::new(tool) as Arc<dyn Tool>))
    }

    /// Tools of several kinds.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn of(tools: impl IntoIterator<Item = Arc<dyn Tool>>) -> Result<Self, ToolboxError> {
        let mut offer = Offered::default();
        let mut specs = Vec::new();
        for tool in tools {
            let spec = tool.spec();
            check_name(&spec.name)?;
            if offer.tools.contains_key(spec.name.as_str()) {
                return Err(ToolboxError::SameName(spec.name));
            }
            let ready = ready(tool, &spec)?;
            offer.tools.insert(Arc::clone(&ready.name), Arc::new(ready));
            specs.push(spec);
        }
        offer.specs = specs.into();
        Ok(Self(Offer(Arc::new(offer))))
    }

    /// These and those of another box.
    ///
    /// # Errors
    ///
    /// When two have one name.
    pub fn with(&self, other: &Self) -> Result<Self, ToolboxError> {
        let (offer, clashes) = Offer::gathered([self.0.clone(), other.0.clone()]);
        match clashes.into_iter().next() {
            Some(name) => Err(ToolboxError::SameName(name)),
            None => Ok(Self(offer)),
        }
    }

    /// What the model is told of them.
    pub fn specs(&self) -> &[ToolSpec] {
        &self.0.0.specs
    }

    /// All of them.
    pub fn offer(&self) -> Offer {
        self.0.clone()
    }
}

impl fmt::Debug for Toolbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

pub(super) fn check_name(name: &str) -> Result<(), ToolboxError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(allowed) {
        return Err(ToolboxError::Name(name.chars().take(100).collect()));
    }
    Ok(())
}

fn ready(tool: Arc<dyn Tool>, spec: &ToolSpec) -> Result<Ready, ToolboxError> {
    let wrong =
        |detail: String| ToolboxError::Schema { name: spec.name.clone(), detail: cut(detail) };
    if !spec.parameters.is_object() {
        return Err(wrong("it is no JSON object".to_owned()));
    }
    let validator =
        jsonschema::validator_for(&spec.parameters).map_err(|error| wrong(error.to_string()))?;
    Ok(Ready { name: spec.name.as_str().into(), settings: tool.settings(), validator, tool })
}

fn cut(text: String) -> String {
    text.chars().take(300).collect()
}

#[derive(Default)]
struct Offered {
    tools: HashMap<Arc<str>, Arc<Ready>>,
    specs: Arc<[ToolSpec]>,
    missing: Vec<String>,
}

/// The tools that the model may call in one turn. Cheap to clone.
#[derive(Clone, Default)]
pub struct Offer(Arc<Offered>);

impl Offer {
    /// Nothing, because what this names is away. The model is told so.
    pub fn missing(what: impl Into<String>) -> Self {
        Self(Arc::new(Offered { missing: vec![what.into()], ..Offered::default() }))
    }

    /// One tool, whose name was looked at, with what checks its arguments.
    pub(super) fn one(tool: Arc<dyn Tool>, spec: ToolSpec, validator: Validator) -> Self {
        let name: Arc<str> = spec.name.as_str().into();
        let ready = Ready { name: Arc::clone(&name), settings: tool.settings(), validator, tool };
        let tools = HashMap::from([(name, Arc::new(ready))]);
        Self(Arc::new(Offered { tools, specs: [spec].into(), missing: Vec::new() }))
    }

    /// Only the tools of these names.
    #[must_use]
    pub fn only(&self, names: &[impl AsRef<str>]) -> Self {
        self.filtered(|name| names.iter().any(|wanted| wanted.as_ref() == name))
    }

    /// Only the tools whose names are wanted.
    pub(crate) fn filtered(&self, wanted: impl Fn(&str) -> bool) -> Self {
        let offered = &*self.0;
        Self(Arc::new(Offered {
            tools: offered
                .tools
                .iter()
                .filter(|(name, _)| wanted(name))
                .map(|(name, ready)| (Arc::clone(name), Arc::clone(ready)))
                .collect(),
            specs: offered.specs.iter().filter(|spec| wanted(&spec.name)).cloned().collect(),
            missing: offered.missing.clone(),
        }))
    }

    /// What the model is told of the tools.
    pub fn specs(&self) -> &Arc<[ToolSpec]> {
        &self.0.specs
    }

    /// What is away.
    pub(crate) fn away(&self) -> &[String] {
        &self.0.missing
    }

    /// Whether there are no tools.
    pub fn is_empty(&self) -> bool {
        self.0.tools.is_empty()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Ready>> {
        self.0.tools.get(name)
    }

    /// Whether calls of this tool are shown as steps.
    pub(crate) fn shows_steps(&self, name: &str) -> bool {
        self.get(name).is_some_and(|ready| ready.settings.shown == Shown::Step)
    }

    /// Whether the user must consent to this call. One that cannot be made anyway needs nobody's
    /// consent.
    pub(crate) fn needs_consent(&self, name: &str, arguments: &str) -> bool {
        self.get(name).is_some_and(|ready| {
            (ready.settings.approval == Approval::Always || ready.tool.sign_in().is_some())
                && !ready.settings.in_page
                && ready.arguments(arguments).is_ok()
        })
    }

    /// What the user signs in to when this is called.
    pub(crate) fn sign_in(&self, name: &str) -> Option<Arc<dyn SignIn>> {
        self.get(name)?.tool.sign_in()
    }

    /// Whether a call of any tool may have to wait for the user or their page.
    pub(crate) fn may_wait(&self) -> bool {
        self.0
            .tools
            .values()
            .any(|ready| ready.settings.in_page || ready.settings.approval == Approval::Always)
    }

    /// What people read while this tool runs.
    pub(crate) fn title(&self, name: &str) -> String {
        self.get(name).map_or_else(|| titled(name), |ready| ready.title())
    }

    /// All of them in one; of two with one name the first stays, and the names are given.
    pub(crate) fn gathered(offers: impl IntoIterator<Item = Self>) -> (Self, Vec<String>) {
        let mut offers: Vec<Self> = offers
            .into_iter()
            .filter(|offer| !offer.is_empty() || !offer.away().is_empty())
            .collect();
        if offers.len() < 2 {
            return (offers.pop().unwrap_or_default(), Vec::new());
        }
        let mut all = Offered::default();
        let (mut specs, mut clashes) = (Vec::new(), Vec::new());
        for offer in &offers {
            for spec in &*offer.0.specs {
                let Some(ready) = offer.get(&spec.name) else { continue };
                if all.tools.contains_key(spec.name.as_str()) {
                    clashes.push(spec.name.clone());
                    continue;
                }
                all.tools.insert(Arc::clone(&ready.name), Arc::clone(ready));
                specs.push(spec.clone());
            }
            all.missing.extend(offer.0.missing.iter().cloned());
        }
        all.specs = specs.into();
        (Self(Arc::new(all)), clashes)
    }

    /// What to tell a model that called what is not there.
    pub(crate) fn no_such_tool(&self, name: &str) -> String {
        let called: String = name.chars().take(MAX_NAME).collect();
        let mut names: Vec<&str> =
            self.0.specs.iter().take(30).map(|spec| spec.name.as_str()).collect();
        names.sort_unstable();
        let there = match names.as_slice() {
            [] => "There are no tools.".to_owned(),
            [only] => format!("The only tool is {only}."),
            names => format!("The tools are {}.", names.join(", ")),
        };
        format!("Error: there is no tool “{called}”. {there}")
    }
}

impl fmt::Debug for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.specs.iter().map(|spec| spec.name.as_str()).collect();
        f.debug_tuple("Offer").field(&names).finish()
    }
}

/// Where tools come from that are not always the same: another server, say.
pub trait ToolSource: Send + Sync + 'static {
    /// The tools for one turn. Asked at its beginning, so it must not take long: what is not there in
    /// time is [`Offer::missing`].
    fn tools<'a>(&'a self, context: &'a ToolContext) -> BoxFuture<'a, Offer>;

    /// How users sign in to the server of this name, if it is this one and they do.
    fn sign_in(&self, server: &str) -> Option<Arc<dyn SignIn>> {
        let _ = server;
        None
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tools::{ToolCall, ToolFuture, ToolOutput};

    struct Plain(&'static str, Value);

    impl Tool for Plain {
        fn spec(&self) -> ToolSpec {
            ToolSpec {
                name: self.0.to_owned(),
                description: String::new(),
                parameters: self.1.clone(),
            }
        }

        fn call(&self, _call: ToolCall) -> ToolFuture<'_> {
            Box::pin(async { Ok(ToolOutput::text("")) })
        }
    }

    fn schema() -> Value {
        json!({
            "type": "object",
            "properties": {"city": {"type": "string", "minLength": 2}, "days": {"type": "integer"}},
            "required": ["city"],
            "additionalProperties": false,
        })
    }

    #[test]
    fn arguments_must_fit_the_schema() {
        let tools = Toolbox::new([Plain("weather", schema())]).unwrap().offer();
        let weather = tools.get("weather").unwrap();
        assert_eq!(weather.arguments(r#"{"city": "Oslo"}"#), Ok(json!({"city": "Oslo"})));
        for (wrong, said) in [
            ("{}", "city"),
            (r#"{"city": 3}"#, "at /city"),
            (r#"{"city": "Oslo", "days": "two"}"#, "at /days"),
            (r#"{"city": "Oslo", "planet": 4}"#, "planet"),
            ("[]", "JSON object"),
            ("{", "not JSON"),
        ] {
            let told = weather.arguments(wrong).unwrap_err();
            assert!(told.starts_with("Error: ") && told.contains(said), "{wrong}: {told}");
        }
    }

    #[test]
    fn faults_are_told_in_a_few_words_however_long_the_arguments_are() {
        let tools = Toolbox::new([Plain("weather", schema())]).unwrap().offer();
        let many: serde_json::Map<String, Value> =
            (0..10_000).map(|at| (format!("key{at}"), "x".repeat(1_000).into())).collect();
        let told = tools.get("weather").unwrap().arguments(&Value::from(many).to_string());
        assert!(told.unwrap_err().len() < 3_000);
    }

    #[test]
    fn tools_that_no_model_could_be_offered_are_refused() {
        let object = || json!({"type": "object"});
        for name in ["", "with space", "ünïcode", "a.b", &"x".repeat(65)] {
            let name: &'static str = name.to_owned().leak();
            let error = Toolbox::new([Plain(name, object())]).unwrap_err();
            assert_eq!(error, ToolboxError::Name(name.to_owned()));
        }
        let twice = Toolbox::new([Plain("a", object()), Plain("a", object())]).unwrap_err();
        assert_eq!(twice, ToolboxError::SameName("a".to_owned()));
        for schema in [json!({"type": "objekt"}), json!(3), json!({"$ref": "https://example.com/"})]
        {
            let error = Toolbox::new([Plain("a", schema)]).unwrap_err();
            assert!(error.to_string().contains("“a”"), "{error}");
        }
    }

    #[test]
    fn names_become_titles() {
        assert_eq!(titled("get_weather"), "Get weather");
        assert_eq!(titled("crm--find-person_"), "Crm find person");
        assert_eq!(titled("_"), "");
    }
}
