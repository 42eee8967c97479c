//! Widgets from `.widget` files.

use std::path::{Path, PathBuf};

use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use parlor_protocol::widgets::WidgetRoot;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A widget whose texts and lists are filled in from data: what a `.widget` file holds.
///
/// The file is JSON: `version` (`"1.0"`), `name`, `template` (a Jinja template that gives the
/// widget's JSON) and, if it was made in the Widget Builder, `jsonSchema` for the data. Other
/// properties are of no concern here. The official SDK reads the same files
/// (`WidgetTemplate` in `chatkit/widgets.py`).
#[derive(Debug)]
pub struct WidgetTemplate {
    name: String,
    source: String,
    schema: Map<String, Value>,
    environment: Environment<'static>,
}

/// Why a template is none, or why it gave no widget.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WidgetTemplateError {
    /// The file cannot be read.
    #[error("the widget file `{}` cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// It is not JSON with a `version`, a `name` and a `template`.
    #[error("this is not a widget file: {0}; export it again from the Widget Builder")]
    Format(#[source] serde_json::Error),
    /// It is of a version that this one does not read.
    #[error("widget files of version `{0}` are not supported, only those of version `1.0`")]
    Version(String),
    /// The template is not Jinja.
    #[error("the template of the widget `{name}` has a mistake")]
    Syntax {
        /// The widget.
        name: String,
        /// Which one, and in which line.
        #[source]
        source: minijinja::Error,
    },
    /// The data is no JSON object.
    #[error("the data for the widget `{name}` must be an object of named values, it is {found}")]
    Data {
        /// The widget.
        name: String,
        /// What it is.
        found: String,
    },
    /// The data lacks something that the file's `jsonSchema` requires.
    #[error("the data for the widget `{name}` lacks `{property}`, which its jsonSchema requires")]
    Missing {
        /// The widget.
        name: String,
        /// Path of the property, e.g. `items[2].label`.
        property: String,
    },
    /// The template uses something that the data does not have, or uses it wrongly.
    #[error("the template of the widget `{name}` cannot be filled in with this data")]
    Render {
        /// The widget.
        name: String,
        /// What it was, and in which line.
        #[source]
        source: minijinja::Error,
    },
    /// What the template gives is not JSON.
    #[error(
        "the template of the widget `{name}` gives what is not JSON, near `{near}`; values need \
         the filter `tojson`"
    )]
    NotJson {
        /// The widget.
        name: String,
        /// The text around the mistake.
        near: String,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// What the template gives is not a widget.
    #[error("the template of the widget `{name}` gives no widget: {problem}")]
    NotAWidget {
        /// The widget.
        name: String,
        /// What is wrong.
        problem: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    version: String,
    name: String,
    template: String,
    #[serde(default)]
    json_schema: Option<Map<String, Value>>,
}

impl WidgetTemplate {
    /// Reads a file; a relative path counts from the working directory. To have it in the
    /// program instead: `WidgetTemplate::parse(include_str!("order.widget"))`.
    ///
    /// # Errors
    /// When the file cannot be read, or as [`parse`](Self::parse).
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, WidgetTemplateError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path)
            .map_err(|source| WidgetTemplateError::Read { path: path.to_owned(), source })?;
        Self::parse(&text)
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// When it is no widget file of version 1.0, or its template has a mistake.
    pub fn parse(text: &str) -> Result<Self, WidgetTemplateError> {
        let file: File = serde_json::from_str(text).map_err(WidgetTemplateError::Format)?;
        if file.version != "1.0" {
            return Err(WidgetTemplateError::Version(file.version));
        }
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        // The result is JSON, and `tojson` writes it.
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.add_filter("tojson", to_json);
        let schema = file.json_schema.unwrap_or_default();
        let template = Self { name: file.name, source: file.template, schema, environment };
        match template.environment.template_from_str(&template.source) {
            Ok(_) => {}
            Err(source) => {
                return Err(WidgetTemplateError::Syntax { name: template.name, source });
            }
        }
        Ok(template)
    }

    /// The name in the file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The `jsonSchema` of the file: what a model that is to fill in the widget can be given.
    /// Empty when the file has none.
    pub fn schema(&self) -> &Map<String, Value> {
        &self.schema
    }

    /// The widget with this data filled in: anything that serialises as an object, or `()` for
    /// none.
    ///
    /// Of the file's `jsonSchema` it is checked that required properties are there, at any
    /// depth. The components are not checked, as in the official SDK; for that there is
    /// [`WidgetRoot::check`].
    ///
    /// # Errors
    /// When the data lacks something, or when the result is not a widget: JSON whose `type` is
    /// `Card`, `ListView` or `Basic`.
    pub fn build(&self, data: impl Serialize) -> Result<WidgetRoot, WidgetTemplateError> {
        let name = || self.name.clone();
        let data = match serde_json::to_value(data) {
            Ok(Value::Null) => Value::Object(Map::new()),
            Ok(data @ Value::Object(_)) => data,
            Ok(data) => {
                return Err(WidgetTemplateError::Data { name: name(), found: kind(&data).into() });
            }
            Err(error) => {
                return Err(WidgetTemplateError::Data { name: name(), found: error.to_string() });
            }
        };
        if let Some(property) = missing(&self.schema, &data) {
            return Err(WidgetTemplateError::Missing { name: name(), property });
        }
        let rendered = self
            .environment
            .template_from_str(&self.source)
            .and_then(|template| template.render(minijinja::value::Serde(&data)))
            .map_err(|source| WidgetTemplateError::Render { name: name(), source })?;
        let widget: Value = serde_json::from_str(&rendered).map_err(|source| {
            let near = near(&rendered, &source);
            WidgetTemplateError::NotJson { name: name(), near, source }
        })?;
        let found = widget.get("type").and_then(Value::as_str);
        if !found.is_some_and(|found| WidgetRoot::KINDS.contains(&found)) {
            let found = found.map_or_else(|| "nothing".into(), |found| format!("`{found}`"));
            let problem = format!("its `type` is {found}, not one of {:?}", WidgetRoot::KINDS);
            return Err(WidgetTemplateError::NotAWidget { name: name(), problem });
        }
        serde_json::from_value(widget).map_err(|error| WidgetTemplateError::NotAWidget {
            name: name(),
            problem: error.to_string(),
        })
    }
}

/// The filter `tojson`. The engine's own writes `null` for what is undefined; a mistyped name
/// must not become an empty place in a widget. How the JSON is laid out (`indent`) makes no
/// difference.
fn to_json(
    value: &minijinja::Value,
    _layout: minijinja::value::Rest<minijinja::value::ValueOrKwargs>,
) -> Result<String, minijinja::Error> {
    if value.is_undefined() {
        return Err(minijinja::Error::from(minijinja::ErrorKind::UndefinedError));
    }
    serde_json::to_string(value).map_err(|error| {
        minijinja::Error::new(
            minijinja::ErrorKind::BadSerialization,
            "it cannot be written as JSON",
        )
        .with_source(error)
    })
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The path of the first property that the schema requires and the data does not have.
///
/// Follows `properties` and `items`, which is all that the Widget Builder writes.
fn missing(schema: &Map<String, Value>, data: &Value) -> Option<String> {
    match data {
        Value::Object(fields) => {
            let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
            let absent = required
                .filter_map(Value::as_str)
                .find(|property| !fields.contains_key(*property))
                .map(str::to_owned);
            absent.or_else(|| {
                let properties = schema.get("properties")?.as_object()?;
                properties.iter().find_map(|(name, schema)| {
                    let inner = missing(schema.as_object()?, fields.get(name)?)?;
                    let dot = if inner.starts_with('[') { "" } else { "." };
                    Some(format!("{name}{dot}{inner}"))
                })
            })
        }
        Value::Array(values) => {
            let schema = schema.get("items")?.as_object()?;
            values.iter().enumerate().find_map(|(at, value)| {
                let inner = missing(schema, value)?;
                let dot = if inner.starts_with('[') { "" } else { "." };
                Some(format!("[{at}]{dot}{inner}"))
            })
        }
        _ => None,
    }
}

/// The text around the place that an error names.
fn near(text: &str, error: &serde_json::Error) -> String {
    const AROUND: usize = 20;
    let line = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
    // The column counts bytes.
    let at = line.char_indices().take_while(|(at, _)| *at < error.column()).count();
    line.chars().skip(at.saturating_sub(AROUND)).take(2 * AROUND).collect()
}

#[cfg(test)]
mod tests;
