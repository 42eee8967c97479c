//! The wire types as one JSON Schema.
//!
//! Most types derive theirs. What serde cannot express, and so is written by hand, has its schema
//! beside it; the shapes that several of them share are here.

use std::collections::BTreeSet;

use schemars::{
    JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema,
    transform::Transform,
};
use serde_json::{Map, Value};

use crate::requests::{JsonParams, JsonResults, StreamingParams};
use crate::widgets::{WidgetComponent, WidgetRoot};
use crate::{ActionConfig, ErrorEnvelope, Request, ThreadMetadata, ThreadStreamEvent};

/// The whole protocol as a JSON Schema (2020-12) with one definition for each type.
///
/// Requests are described as a server reads them (what has a default may be left out), everything
/// else as it is sent. A type that is not the same in both directions is there twice: the one that
/// is read has a name that ends in `Input`. Definitions to begin with: `Request`,
/// `ThreadStreamEvent`, `ErrorEnvelope`, and `StreamingParams`, `JsonParams` and `JsonResults`,
/// which have a property for each operation.
///
/// Unions stay open where [the types](crate) are: their last arm takes any `type` that the others
/// don't.
pub fn json_schema() -> Value {
    let mut sent = SchemaSettings::draft2020_12().for_serialize().into_generator();
    add::<ThreadStreamEvent>(&mut sent);
    add::<JsonResults>(&mut sent);
    add::<ErrorEnvelope>(&mut sent);
    add::<ThreadMetadata>(&mut sent);
    add::<ActionConfig>(&mut sent);
    let mut read = SchemaSettings::draft2020_12().for_deserialize().into_generator();
    add::<Request>(&mut read);
    add::<StreamingParams>(&mut read);
    add::<JsonParams>(&mut read);

    let mut definitions = merge(sent.take_definitions(true), read.take_definitions(true));
    definitions = rename(definitions, &|name| widget_name(name));
    for definition in definitions.values_mut() {
        tidy(definition);
    }
    definitions.sort_keys();
    serde_json::json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "ChatKit protocol",
        "description": "The ChatKit protocol as Parlor speaks it: that of the official Python SDK, \
            and Parlor's additions (`threads.stop`, `threads.resume`, and the fields `reason`, \
            `request_id` and `retry_after` of errors in a stream). Definitions to begin with: \
            `Request`, `ThreadStreamEvent`, `ErrorEnvelope`, and `JsonResults` for what the \
            operations answer that don't stream.",
        "$defs": definitions,
    })
}

fn add<T: JsonSchema>(generator: &mut SchemaGenerator) {
    generator.subschema_for::<T>();
}

/// Puts the definitions for both directions into one map. What is read and differs from what is
/// sent under the same name, itself or in something that it refers to, gets a name of its own.
fn merge(sent: Map<String, Value>, read: Map<String, Value>) -> Map<String, Value> {
    let mut differing: BTreeSet<String> = read
        .iter()
        .filter(|(name, schema)| sent.get(*name).is_some_and(|other| other != *schema))
        .map(|(name, _)| name.clone())
        .collect();
    loop {
        let before = differing.len();
        for (name, schema) in &read {
            if sent.contains_key(name) && refers_to(schema, &differing) {
                differing.insert(name.clone());
            }
        }
        if differing.len() == before {
            break;
        }
    }
    let read = rename(read, &|name| differing.contains(name).then(|| format!("{name}Input")));
    let mut all = sent;
    all.extend(read);
    all
}

fn refers_to(schema: &Value, names: &BTreeSet<String>) -> bool {
    match schema {
        Value::Object(object) => object.iter().any(|(key, value)| match value {
            Value::String(target) if key == "$ref" => {
                target.strip_prefix(DEFINITIONS).is_some_and(|name| names.contains(name))
            }
            value => refers_to(value, names),
        }),
        Value::Array(values) => values.iter().any(|value| refers_to(value, names)),
        _ => false,
    }
}

const DEFINITIONS: &str = "#/$defs/";

/// Renames definitions, and the references to them.
fn rename(
    definitions: Map<String, Value>,
    new_name: &dyn Fn(&str) -> Option<String>,
) -> Map<String, Value> {
    definitions
        .into_iter()
        .map(|(name, mut schema)| {
            rename_references(&mut schema, new_name);
            (new_name(&name).unwrap_or(name), schema)
        })
        .collect()
}

fn rename_references(schema: &mut Value, new_name: &dyn Fn(&str) -> Option<String>) {
    match schema {
        Value::Object(object) => {
            for (key, value) in object {
                match value {
                    Value::String(target) if key == "$ref" => {
                        if let Some(name) = target.strip_prefix(DEFINITIONS).and_then(new_name) {
                            *target = format!("{DEFINITIONS}{name}");
                        }
                    }
                    value => rename_references(value, new_name),
                }
            }
        }
        Value::Array(values) => {
            values.iter_mut().for_each(|value| rename_references(value, new_name));
        }
        _ => {}
    }
}

/// Components have names such as `Text`, `Image` and `Table.Cell` on the wire, which mean something
/// else in most languages that code is generated for.
fn widget_name(kind: &str) -> Option<String> {
    let is_widget = WidgetRoot::KINDS.contains(&kind) || WidgetComponent::KINDS.contains(&kind);
    is_widget.then(|| format!("Widget{}", kind.replace('.', "")))
}

/// Takes out what only says something to Rust: links in descriptions, and formats that are not in
/// the registry.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if object.get("format").is_some_and(|format| format == "uint") {
                object.shift_remove("format");
            }
            for (key, value) in object {
                match value {
                    Value::String(text) if key == "description" => {
                        *text = description(text);
                    }
                    value => tidy(value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// The text of a doc comment: each paragraph on one line, links to items of Rust as plain names.
fn description(doc: &str) -> String {
    doc.split("\n\n")
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect::<Vec<_>>()
        .join("\n\n")
        .replace("[`", "`")
        .replace("`]", "`")
        .replace("super::", "")
        .replace("::", ".")
}

/// Puts the `type` in front of an object's properties: for what serde's derive writes and
/// schemars' does not know of.
pub(crate) struct Tag(pub &'static str);

impl Transform for Tag {
    fn transform(&mut self, schema: &mut Schema) {
        let object = schema.ensure_object();
        let mut properties = Map::new();
        let tag = serde_json::json!({ "type": "string", "const": self.0 });
        properties.insert("type".to_owned(), tag);
        if let Some(Value::Object(others)) = object.get_mut("properties") {
            properties.append(others);
        }
        object.insert("properties".to_owned(), properties.into());
        let mut required = vec![Value::from("type")];
        if let Some(Value::Array(others)) = object.get_mut("required") {
            required.append(others);
        }
        object.insert("required".to_owned(), required.into());
    }
}

/// One of the arms, or any object whose `type` is none of `tags`.
pub(crate) fn open_union(doc: &str, mut arms: Vec<Schema>, tags: &[&str]) -> Schema {
    arms.push(json_schema!({
        "description": "A type newer than this version.",
        "type": "object",
        "properties": { "type": { "type": "string", "not": { "enum": tags } } },
        "required": ["type"],
    }));
    json_schema!({ "description": doc, "oneOf": arms })
}

/// One of the arms, or any object with a `type`: widgets may have any shape.
pub(crate) fn any_shape(doc: &str, mut arms: Vec<Schema>) -> Schema {
    arms.push(json_schema!({
        "description": "Any other object with a `type`: a component newer than this version, or \
            a known one in a shape that its type does not have. Clients draw what they can.",
        "type": "object",
        "properties": { "type": { "type": "string" } },
        "required": ["type"],
    }));
    json_schema!({ "description": doc, "anyOf": arms })
}

/// One of `values`, or any other string.
pub(crate) fn open_string(doc: &str, values: &[&str]) -> Schema {
    json_schema!({
        "description": doc,
        "anyOf": [{ "type": "string", "enum": values }, { "type": "string" }],
    })
}

/// An operation's request.
pub(crate) fn request(doc: &str, names: &[&str], params: Schema, needs_params: bool) -> Schema {
    let name = match names {
        [name] => json_schema!({ "type": "string", "const": name }),
        names => json_schema!({ "type": "string", "enum": names }),
    };
    let (required, params) = if needs_params {
        (vec!["type", "params"], params)
    } else {
        (vec!["type"], json_schema!({ "anyOf": [params, { "type": "null" }] }))
    };
    json_schema!({
        "description": doc,
        "type": "object",
        "properties": {
            "type": name,
            "params": params,
            "metadata": {
                "description": "Whatever the integration sends along: user, page, locale.",
                "type": ["object", "null"],
                "additionalProperties": true,
            },
        },
        "required": required,
    })
}

/// An object with these properties, all of them there.
pub(crate) fn record(doc: &str, properties: Vec<(&str, Schema)>) -> Schema {
    let required: Vec<&str> = properties.iter().map(|(name, _)| *name).collect();
    let properties: Map<String, Value> =
        properties.into_iter().map(|(name, schema)| (name.to_owned(), schema.into())).collect();
    json_schema!({
        "description": doc,
        "type": "object",
        "properties": properties,
        "required": required,
    })
}
