//! Tools out of an OpenAPI document: an operation is a tool.

use std::cell::Cell;

use reqwest::Method;
use serde_json::{Map, Value, json};
use url::Url;

use super::{HttpTool, HttpToolClient, HttpToolError, NeedsConsent, Parameter, Place};

/// How deep a schema is followed. What is deeper, or refers to itself, becomes a schema that takes
/// everything: the server has the last word.
const MAX_DEPTH: usize = 12;

/// Schemas of one operation that are read, those within others included.
const MAX_SCHEMAS: usize = 500;

/// Longest description that a model is given, in characters.
const MAX_DESCRIPTION: usize = 1_000;

const METHODS: [(&str, Method); 5] = [
    ("get", Method::GET),
    ("post", Method::POST),
    ("put", Method::PUT),
    ("patch", Method::PATCH),
    ("delete", Method::DELETE),
];

/// A document out of which no tools can be made.
#[derive(Debug, thiserror::Error)]
pub enum OpenApiError {
    /// It is none.
    #[error("is no OpenAPI document of version 3 in JSON: {0}")]
    NotOpenApi(String),
    /// It does not say where its server is, or not so that the operator has named it.
    #[error(
        "does not say where its server is in full; set base_url, such as https://api.example.com"
    )]
    NoServer,
    /// A chosen operation is not in it.
    #[error("has no operation `{operation}`; it has {known}")]
    NoOperation {
        /// The operation.
        operation: String,
        /// Those it has.
        known: String,
    },
    /// Two parameters of an operation have one name.
    #[error("the operation `{operation}` has two parameters `{parameter}`, which no tool can have")]
    SameName {
        /// The operation.
        operation: String,
        /// The name.
        parameter: String,
    },
    /// A request could never be made.
    #[error(transparent)]
    Http(#[from] HttpToolError),
}

/// Which operations become tools, and how these are called.
#[derive(Debug, Clone, Default)]
pub struct OpenApiImport {
    /// Where the server is; by default the first of the document.
    pub base_url: Option<Url>,
    /// The `operationId`s that become tools. `None`: all.
    pub operations: Option<Vec<String>>,
    /// Put before the names of the tools.
    pub prefix: String,
    /// Which of them need the user's consent, by their `operationId`s.
    pub needs_consent: NeedsConsent,
}

impl OpenApiImport {
    /// The tools that the document describes.
    ///
    /// # Errors
    ///
    /// When it is not OpenAPI 3, lacks a chosen operation, or describes what cannot be asked.
    pub fn tools(
        &self,
        client: &HttpToolClient,
        document: &str,
    ) -> Result<Vec<HttpTool>, OpenApiError> {
        let document: Value = serde_json::from_str(document)
            .map_err(|error| OpenApiError::NotOpenApi(error.to_string()))?;
        let version = document["openapi"].as_str().unwrap_or_default();
        if !version.starts_with("3.") {
            let version = if version.is_empty() { "none" } else { version };
            return Err(OpenApiError::NotOpenApi(format!("its version is {version}")));
        }
        let base = match &self.base_url {
            Some(url) => url.as_str().to_owned(),
            None => {
                let server = document["servers"][0]["url"].as_str().unwrap_or_default();
                if Url::parse(server).is_err() || server.contains('{') {
                    return Err(OpenApiError::NoServer);
                }
                server.to_owned()
            }
        };
        let base = base.trim_end_matches('/');
        let mut tools = Vec::new();
        let mut known = Vec::new();
        let empty = Map::new();
        for (path, item) in document["paths"].as_object().unwrap_or(&empty) {
            for (key, method) in METHODS {
                let operation = &item[key];
                if !operation.is_object() {
                    continue;
                }
                let id = operation["operationId"]
                    .as_str()
                    .map_or_else(|| made_up(key, path), Into::into);
                known.push(id.clone());
                if self.operations.as_ref().is_some_and(|chosen| !chosen.contains(&id)) {
                    continue;
                }
                let read = Reading {
                    document: &document,
                    item,
                    operation,
                    id: &id,
                    left: Cell::new(MAX_SCHEMAS),
                };
                let (parameters, whole_body) = read.parameters()?;
                let tool = HttpTool::new(
                    client,
                    self.name(&id),
                    read.description(),
                    method,
                    format!("{base}{path}"),
                    parameters,
                )?;
                let tool = if whole_body { tool.with_whole_body() } else { tool };
                tools.push(tool.approval(self.needs_consent.to(&id)));
            }
        }
        let consented: &[String] = match &self.needs_consent {
            NeedsConsent::Only(names) => names,
            NeedsConsent::Each(_) => &[],
        };
        for chosen in self.operations.iter().flatten().chain(consented) {
            if !known.contains(chosen) {
                let known = known.iter().take(20).map(String::as_str).collect::<Vec<_>>();
                return Err(OpenApiError::NoOperation {
                    operation: chosen.clone(),
                    known: known.join(", "),
                });
            }
        }
        Ok(tools)
    }

    /// What the tool of an operation is called: names of tools have fewer characters to choose from.
    fn name(&self, id: &str) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
        let name: String = self.prefix.chars().chain(id.chars().map(plain)).take(64).collect();
        name
    }
}

/// A name for an operation that has none.
fn made_up(method: &str, path: &str) -> String {
    let parts = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
    std::iter::once(method).chain(parts).collect::<Vec<_>>().join("_")
}

struct Reading<'a> {
    document: &'a Value,
    item: &'a Value,
    operation: &'a Value,
    id: &'a str,
    /// How many more schemas are read: what refers to itself in several places grows fast.
    left: Cell<usize>,
}

impl Reading<'_> {
    fn description(&self) -> String {
        let texts = ["summary", "description"].map(|key| self.operation[key].as_str());
        let texts: Vec<&str> = texts.into_iter().flatten().map(str::trim).collect();
        texts.join("\n").chars().take(MAX_DESCRIPTION).collect()
    }

    /// The parameters, and whether the body is one of them as a whole.
    fn parameters(&self) -> Result<(Vec<Parameter>, bool), OpenApiError> {
        let mut parameters: Vec<Parameter> = Vec::new();
        // Those of the operation come later and win over those of the path.
        for list in [&self.item["parameters"], &self.operation["parameters"]] {
            for parameter in list.as_array().into_iter().flatten() {
                let parameter = self.resolved(parameter);
                let place = match parameter["in"].as_str() {
                    Some("path") => Place::Path,
                    Some("query") => Place::Query,
                    // Headers and cookies are the operator's.
                    _ => continue,
                };
                let Some(name) = parameter["name"].as_str() else { continue };
                parameters.retain(|known| known.name != name || known.place != place);
                let mut schema = self.schema(&parameter["schema"], 0);
                describe(&mut schema, &parameter["description"]);
                parameters.push(Parameter {
                    name: name.to_owned(),
                    place,
                    required: place == Place::Path || parameter["required"] == true,
                    schema,
                });
            }
        }
        let body = self.resolved(&self.operation["requestBody"]);
        let schema = &body["content"]["application/json"]["schema"];
        let mut whole_body = false;
        if schema.is_object() {
            let schema = self.schema(schema, 0);
            match schema["properties"].as_object() {
                Some(properties) => {
                    let required = schema["required"].as_array();
                    parameters.extend(properties.iter().map(|(name, schema)| Parameter {
                        name: name.clone(),
                        place: Place::Body,
                        required: required.is_some_and(|all| all.iter().any(|one| one == name)),
                        schema: schema.clone(),
                    }));
                }
                None => {
                    whole_body = true;
                    parameters.push(Parameter {
                        name: "body".to_owned(),
                        place: Place::Body,
                        required: body["required"] == true,
                        schema,
                    });
                }
            }
        }
        for (at, parameter) in parameters.iter().enumerate() {
            if parameters[..at].iter().any(|known| known.name == parameter.name) {
                return Err(OpenApiError::SameName {
                    operation: self.id.to_owned(),
                    parameter: parameter.name.clone(),
                });
            }
        }
        Ok((parameters, whole_body))
    }

    /// What a `$ref` within the document refers to.
    fn resolved<'v>(&'v self, value: &'v Value) -> &'v Value {
        let mut value = value;
        for _ in 0..MAX_DEPTH {
            let Some(pointer) = value["$ref"].as_str().and_then(|to| to.strip_prefix('#')) else {
                break;
            };
            value = self.document.pointer(pointer).unwrap_or(&Value::Null);
        }
        value
    }

    /// A schema that needs nothing else of the document.
    fn schema(&self, schema: &Value, depth: usize) -> Value {
        if depth > MAX_DEPTH || self.left.get() == 0 {
            return json!({});
        }
        self.left.set(self.left.get() - 1);
        let schema = self.resolved(schema);
        let Some(object) = schema.as_object() else { return json!({}) };
        let nullable = object.get("nullable") == Some(&Value::Bool(true));
        let mut plain = Map::new();
        for (key, value) in object {
            let value = match key.as_str() {
                "properties" => Value::Object(
                    value
                        .as_object()
                        .into_iter()
                        .flatten()
                        .map(|(name, schema)| (name.clone(), self.schema(schema, depth + 1)))
                        .collect(),
                ),
                "items" => self.schema(value, depth + 1),
                "additionalProperties" if value.is_object() => self.schema(value, depth + 1),
                "allOf" | "anyOf" | "oneOf" => value
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|schema| self.schema(schema, depth + 1))
                    .collect(),
                // In 3.0 these are true or false and belong to their neighbours.
                "exclusiveMinimum" | "exclusiveMaximum" if value.is_boolean() => continue,
                "type" if nullable && value.is_string() => json!([value, "null"]),
                "type"
                | "description"
                | "enum"
                | "const"
                | "format"
                | "default"
                | "required"
                | "minimum"
                | "maximum"
                | "exclusiveMinimum"
                | "exclusiveMaximum"
                | "minLength"
                | "maxLength"
                | "minItems"
                | "maxItems"
                | "additionalProperties" => value.clone(),
                // Patterns of other dialects, examples, extensions: the server has the last word.
                _ => continue,
            };
            plain.insert(key.clone(), value);
        }
        Value::Object(plain)
    }
}

fn describe(schema: &mut Value, description: &Value) {
    if let (Some(object), Some(text)) = (schema.as_object_mut(), description.as_str()) {
        object.entry("description").or_insert_with(|| text.into());
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::tools::{Approval, Tool as _};

    fn document() -> String {
        json!({
            "openapi": "3.0.3",
            "servers": [{"url": "https://shop.example/api/"}],
            "paths": {
                "/orders/{number}": {
                    "parameters": [{"$ref": "#/components/parameters/Number"}],
                    "get": {"operationId": "orders.get", "summary": "An order."},
                    "patch": {
                        "operationId": "changeOrder",
                        "requestBody": {"content": {"application/json": {
                            "schema": {"$ref": "#/components/schemas/Change"}}}},
                    },
                },
                "/orders": {
                    "get": {
                        "parameters": [
                            {"in": "query", "name": "page", "schema": {"type": "integer"}},
                            {"in": "header", "name": "X-Key", "required": true},
                        ],
                    },
                    "put": {
                        "operationId": "replaceAll",
                        "requestBody": {"required": true, "content": {"application/json": {
                            "schema": {"type": "array", "items": {"type": "string"}}}}},
                    },
                },
            },
            "components": {
                "parameters": {"Number": {
                    "in": "path", "name": "number", "required": true,
                    "description": "The order's number.", "schema": {"type": "string"}}},
                "schemas": {"Change": {
                    "type": "object", "required": ["note"],
                    "properties": {
                        "note": {"type": "string", "nullable": true, "example": "x"},
                        "parent": {"$ref": "#/components/schemas/Change"},
                    },
                }},
            },
        })
        .to_string()
    }

    #[test]
    fn operations_become_tools() {
        let client = HttpToolClient::new().unwrap();
        let import = OpenApiImport { prefix: "shop_".into(), ..OpenApiImport::default() };
        let tools = import.tools(&client, &document()).unwrap();
        let specs: Vec<_> = tools.iter().map(HttpTool::spec).collect();
        let names: Vec<_> = specs.iter().map(|spec| spec.name.as_str()).collect();
        assert_eq!(
            names,
            ["shop_orders_get", "shop_changeOrder", "shop_get_orders", "shop_replaceAll"]
        );
        assert_eq!(
            specs[0].parameters["properties"]["number"]["description"],
            "The order's number."
        );
        assert_eq!(specs[0].parameters["required"], json!(["number"]));
        assert_eq!(specs[1].parameters["required"], json!(["number", "note"]));
        assert_eq!(specs[1].parameters["properties"]["note"], json!({"type": ["string", "null"]}));
        assert_eq!(specs[2].parameters["properties"], json!({"page": {"type": "integer"}}));
        assert_eq!(specs[3].parameters["required"], json!(["body"]));
        assert_eq!(tools[0].address(), "https://shop.example/api/orders/");
        // They can all be offered, the one that refers to itself as well.
        crate::tools::Toolbox::new(tools).unwrap();
    }

    #[test]
    fn only_chosen_operations_become_tools_and_missing_ones_are_named() {
        let client = HttpToolClient::new().unwrap();
        let chosen = |names: &[&str]| OpenApiImport {
            operations: Some(names.iter().map(|name| (*name).to_owned()).collect()),
            ..OpenApiImport::default()
        };
        assert_eq!(chosen(&["replaceAll"]).tools(&client, &document()).unwrap().len(), 1);
        let consent = OpenApiImport {
            needs_consent: NeedsConsent::Only(vec!["replaceAll".to_owned()]),
            ..OpenApiImport::default()
        };
        let tools = consent.tools(&client, &document()).unwrap();
        let needed: Vec<_> = tools.iter().map(|tool| tool.settings().approval).collect();
        assert_eq!(needed, [Approval::Never, Approval::Never, Approval::Never, Approval::Always]);
        let error = chosen(&["drop"]).tools(&client, &document()).unwrap_err().to_string();
        assert!(error.contains("`drop`") && error.contains("orders.get"), "{error}");
    }

    #[test]
    fn documents_that_cannot_be_used_are_refused() {
        let client = HttpToolClient::new().unwrap();
        for document in [
            "openapi: 3.0.0",
            "{}",
            r#"{"swagger": "2.0"}"#,
            r#"{"openapi": "3.1.0", "paths": {}, "servers": [{"url": "/api"}]}"#,
        ] {
            assert!(OpenApiImport::default().tools(&client, document).is_err(), "{document}");
        }
    }
}
