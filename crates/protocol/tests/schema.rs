//! The published JSON Schema is that of the types, and whole.
//!
//! That it takes what the official models write, and refuses what is broken, is checked by
//! `tests/conformance/check_schema.py`.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use parlor_protocol::widgets::{WidgetComponent, WidgetRoot};
use parlor_protocol::{Operation, ThreadItem, ThreadStreamEvent};
use serde_json::{Map, Value};

fn definitions() -> Map<String, Value> {
    let Value::Object(definitions) = parlor_protocol::json_schema()["$defs"].take() else {
        panic!("no definitions");
    };
    definitions
}

/// Calls `look` with every object in a schema.
fn walk<'a>(schema: &'a Value, look: &mut impl FnMut(&'a Map<String, Value>)) {
    match schema {
        Value::Object(object) => {
            look(object);
            object.values().for_each(|value| walk(value, look));
        }
        Value::Array(values) => values.iter().for_each(|value| walk(value, look)),
        _ => {}
    }
}

/// The `type`s of the arms of a union, in order.
fn tags(definitions: &Map<String, Value>, union: &str) -> Vec<String> {
    let union = &definitions[union];
    let arms = union.get("oneOf").or(union.get("anyOf")).unwrap().as_array().unwrap();
    arms.iter()
        .filter_map(|arm| arm.get("$ref")?.as_str()?.strip_prefix("#/$defs/"))
        .map(|name| &definitions[name]["properties"]["type"])
        .flat_map(|tag| {
            tag.get("const")
                .cloned()
                .map_or_else(|| tag["enum"].as_array().unwrap().clone(), |tag| vec![tag])
        })
        .map(|tag| tag.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn the_committed_schema_is_that_of_the_types() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contract/chatkit.schema.json");
    let committed = fs::read_to_string(path).unwrap_or_default();
    let current = serde_json::to_string_pretty(&parlor_protocol::json_schema()).unwrap() + "\n";
    assert!(
        committed == current,
        "contract/chatkit.schema.json is not that of the types any more; run `make contract`"
    );
}

#[test]
fn every_reference_leads_somewhere_and_every_definition_is_described() {
    let definitions = definitions();
    let mut wanted = BTreeSet::new();
    let all = Value::Object(definitions.clone());
    walk(&all, &mut |schema| {
        wanted.extend(schema.get("$ref").and_then(Value::as_str).map(ToOwned::to_owned));
    });
    assert!(wanted.len() > 150, "only {} references", wanted.len());
    for reference in wanted {
        let name = reference.strip_prefix("#/$defs/").unwrap();
        assert!(definitions.contains_key(name), "{reference} leads nowhere");
    }
    for (name, schema) in &definitions {
        let text = schema["description"].as_str().unwrap_or_default();
        assert!(text.len() > 3, "{name} has no description");
        assert!(!text.contains("[`") && !text.contains("::"), "{name} speaks Rust: {text}");
        let properties = schema.get("properties").and_then(Value::as_object);
        for (property, schema) in properties.into_iter().flatten() {
            let is_listed = ["StreamingParams", "JsonParams", "JsonResults"].contains(&&**name);
            let described = schema.get("description").is_some() || schema.get("const").is_some();
            let envelope = name.ends_with("Request") && ["type", "params"].contains(&&**property);
            assert!(described || is_listed || envelope, "{name}.{property} has no description");
        }
    }
}

#[test]
fn unions_have_all_the_arms_of_the_types() {
    let definitions = definitions();
    assert_eq!(tags(&definitions, "ThreadStreamEvent"), ThreadStreamEvent::TAGS);
    assert_eq!(tags(&definitions, "ThreadItem"), ThreadItem::TAGS);
    assert_eq!(tags(&definitions, "WidgetRoot"), WidgetRoot::KINDS);
    assert_eq!(tags(&definitions, "WidgetComponent"), WidgetComponent::KINDS);
    let mut operations = tags(&definitions, "Request");
    assert!(operations.contains(&"threads.run".to_owned()), "the alias is missing");
    operations.retain(|name| name != "threads.run");
    assert_eq!(operations, Operation::NAMES);
    let by_operation = ["StreamingParams", "JsonParams"]
        .into_iter()
        .flat_map(|name| definitions[name]["properties"].as_object().unwrap().keys());
    assert_eq!(by_operation.collect::<Vec<_>>(), Operation::NAMES);
}

#[test]
fn what_is_sent_and_what_is_read_are_told_apart_where_they_differ() {
    let definitions = definitions();
    let requires = |name: &str, field: &str| {
        let required = definitions[name]["required"].as_array().unwrap();
        required.iter().any(|name| name == field)
    };
    assert!(requires("UserMessageTagContent", "interactive"));
    assert!(!requires("UserMessageTagContentInput", "interactive"));
    let part = &definitions["UserMessageInput"]["properties"]["content"]["items"]["$ref"];
    assert_eq!(part, "#/$defs/UserMessageContentInput");
    let part = &definitions["UserMessageItem"]["properties"]["content"]["items"]["$ref"];
    assert_eq!(part, "#/$defs/UserMessageContent");
    assert!(requires("AssistantMessageContent", "annotations"));
}
