//! What odd, hostile and newer peers send: kept, or refused with the name of the field.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use parlor_protocol::widgets::{Card, Table, Text, WidgetComponent, WidgetRoot};
use parlor_protocol::{
    ActionConfig, Annotation, Attachment, Icon, Page, Request, RequestError, Source,
    StructuredInput, Task, Thread, ThreadItem, ThreadItemUpdate, ThreadStreamEvent, Unknown,
    UserMessageContent, Workflow,
};
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn read<T: DeserializeOwned>(json: &Value) -> Result<T, String> {
    serde_json::from_str(&json.to_string()).map_err(|error| error.to_string())
}

fn again<T: DeserializeOwned + Serialize>(json: &Value) -> Value {
    serde_json::to_value(read::<T>(json).unwrap()).unwrap()
}

#[test]
fn a_type_of_a_newer_peer_survives_in_every_union() {
    let newer = json!({"type": "hologram", "id": "x", "deep": {"list": [1, 2.5, null]}});
    assert_eq!(again::<ThreadStreamEvent>(&newer), newer);
    assert_eq!(again::<ThreadItem>(&newer), newer);
    assert_eq!(again::<ThreadItemUpdate>(&newer), newer);
    assert_eq!(again::<Source>(&newer), newer);
    assert_eq!(again::<Task>(&newer), newer);
    assert_eq!(again::<Attachment>(&newer), newer);
    assert_eq!(again::<StructuredInput>(&newer), newer);
    assert_eq!(again::<UserMessageContent>(&newer), newer);
    assert_eq!(again::<WidgetComponent>(&newer), newer);
    assert_eq!(again::<WidgetRoot>(&newer), newer);

    let nested = json!({"type": "thread.item.updated", "item_id": "i", "update": newer});
    let event: ThreadStreamEvent = read(&nested).unwrap();
    let ThreadStreamEvent::ItemUpdated(update) = &event else { panic!("{event:?}") };
    assert_eq!(
        update.update,
        ThreadItemUpdate::Unknown(Unknown(newer.as_object().unwrap().clone()))
    );
    assert_eq!(serde_json::to_value(&event).unwrap(), nested);
}

#[test]
fn a_value_without_a_type_is_refused() {
    for json in [json!({}), json!({"type": 5}), json!([]), json!("text"), json!(null), json!(1)] {
        assert!(read::<ThreadItem>(&json).is_err(), "{json}");
        assert!(read::<ThreadStreamEvent>(&json).is_err(), "{json}");
        assert!(read::<WidgetComponent>(&json).is_err(), "{json}");
        assert!(read::<WidgetRoot>(&json).is_err(), "{json}");
    }
    assert!(read::<ThreadItem>(&json!({})).unwrap_err().contains("`type`"));
    assert!(read::<WidgetRoot>(&json!({})).unwrap_err().contains("`type`"));
    assert!(read::<WidgetRoot>(&json!({"type": 5})).unwrap_err().contains("`type`"));
}

#[test]
fn a_known_type_with_a_wrong_field_is_an_error_and_not_an_unknown_value() {
    let error =
        read::<ThreadItem>(&json!({"type": "task", "id": "i", "thread_id": "t"})).unwrap_err();
    assert!(error.contains("created_at"), "{error}");
    let error = read::<Task>(&json!({"type": "web_search", "sources": [{"title": "t", "url": 5}]}))
        .unwrap_err();
    assert!(error.contains("sources[0]") && error.contains("url: invalid type"), "{error}");
    let error = read::<Annotation>(&json!({"source": {"type": "url", "title": "t"}})).unwrap_err();
    assert!(error.contains("`url`"), "{error}");
}

fn invalid_field(body: &Value) -> (String, String) {
    match Request::parse(body.to_string().as_bytes()) {
        Err(RequestError::InvalidField { field, message }) => (field, message),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_names_the_field_that_is_wrong_through_nested_unions() {
    let content = json!([{"type": "input_text", "text": "a"}, {"type": "input_text", "text": 5}]);
    let (field, message) = invalid_field(
        &json!({"type": "threads.create", "params": {"input": {"content": content}}}),
    );
    assert_eq!(field, "params.input.content[1].text");
    assert_eq!(message, "invalid type: integer `5`, expected a string");

    let (field, message) = invalid_field(&json!({"type": "threads.create", "params": {
        "input": {"content": [{"type": "input_tag", "id": "x", "text": "t"}]}}}));
    assert_eq!(field, "params.input.content[0]");
    assert!(message.contains("missing field `data`"), "{message}");

    let (field, message) = invalid_field(&json!({"type": "threads.delete"}));
    assert_eq!(field, "params");
    assert!(message.contains("missing field `thread_id`"), "{message}");

    let (field, _) = invalid_field(&json!({"type": "items.list", "params": {"thread_id": [1]}}));
    assert_eq!(field, "params.thread_id");
    let (field, _) = invalid_field(&json!({"type": "threads.list", "params": {"order": "up"}}));
    assert_eq!(field, "params.order");
}

/// Requests that have something in every object that a request can have.
fn whole_requests() -> Vec<Value> {
    let input = json!({
        "content": [
            {"type": "input_text", "text": "a"},
            {"type": "input_tag", "id": "x", "text": "t", "data": {"k": 1}},
        ],
        "attachments": ["atc_1"],
        "inference_options": {"tool_choice": {"id": "x"}, "model": "m"},
        "metadata": {"k": 1},
    });
    let answers = json!({"status": "answered", "answers": {"q": {"values": ["a"]}}});
    let action = json!({"type": "a", "payload": {"k": 1}});
    [
        ("threads.create", json!({"input": input})),
        ("threads.add_user_message", json!({"thread_id": "t", "input": input})),
        (
            "threads.add_structured_input",
            json!({"thread_id": "t", "item_id": "i", "input": answers}),
        ),
        ("threads.custom_action", json!({"thread_id": "t", "item_id": "i", "action": action})),
        ("threads.sync_custom_action", json!({"thread_id": "t", "action": action})),
        ("attachments.create", json!({"name": "a", "size": 1, "mime_type": "image/png"})),
        ("threads.list", json!({"limit": 1})),
    ]
    .into_iter()
    .map(|(name, params)| json!({"type": name, "params": params, "metadata": {"k": 1}}))
    .collect()
}

/// Pointers to all objects in a document.
fn objects(at: &str, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    match value {
        Value::Object(fields) => {
            found.push(at.to_owned());
            for (name, value) in fields {
                found.extend(objects(&format!("{at}/{name}"), value));
            }
        }
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                found.extend(objects(&format!("{at}/{index}"), value));
            }
        }
        _ => {}
    }
    found
}

#[test]
fn a_list_is_no_object_anywhere_in_a_request() {
    for request in whole_requests() {
        Request::parse(request.to_string().as_bytes()).unwrap();
        for place in objects("", &request) {
            // Any JSON may stand there.
            if place.ends_with("/payload") {
                continue;
            }
            // Empty, and with the values that the fields have, in any order that could fit.
            let values: Vec<Value> =
                request.pointer(&place).unwrap().as_object().unwrap().values().cloned().collect();
            let rotated = (0..=values.len()).map(|by| {
                let mut values = values.clone();
                let by = by % values.len().max(1);
                values.rotate_left(by);
                values
            });
            for list in rotated.chain([Vec::new()]) {
                let mut wrong = request.clone();
                *wrong.pointer_mut(&place).unwrap() = Value::Array(list);
                let read = Request::parse(wrong.to_string().as_bytes());
                assert!(read.is_err(), "{place} in {wrong}");
            }
        }
    }
}

#[test]
fn a_list_in_the_place_of_an_object_is_named_as_what_it_is() {
    let body = |options: Value| {
        json!({"type": "threads.create", "params": {
            "input": {"content": [], "inference_options": options}}})
    };
    let (field, message) = invalid_field(&body(json!([])));
    assert_eq!(field, "params.input.inference_options");
    assert_eq!(message, "invalid type: sequence, expected struct InferenceOptions");
    let (field, _) = invalid_field(&body(json!({"tool_choice": ["x"]})));
    assert_eq!(field, "params.input.inference_options.tool_choice");
    assert!(Request::parse(body(json!({"tool_choice": null})).to_string().as_bytes()).is_ok());
}

#[test]
fn unions_that_are_told_apart_by_shape_keep_their_kind() {
    let custom =
        json!({"type": "custom", "tasks": [], "expanded": false, "summary": {"title": "t"}});
    let duration =
        json!({"type": "custom", "tasks": [], "expanded": false, "summary": {"duration": 3}});
    assert_eq!(again::<Workflow>(&custom), custom);
    assert_eq!(again::<Workflow>(&duration), duration);

    for border in [
        json!(2),
        json!(1.5),
        json!({"size": 1}),
        json!({"size": 1, "style": "dotted", "color": {"dark": "a", "light": "b"}}),
        json!({"top": 1}),
        json!({"x": {"size": 2, "color": "red"}, "bottom": 0}),
        json!({}),
    ] {
        let json = json!({"type": "Box", "border": border});
        let component: WidgetComponent = read(&json).unwrap();
        assert!(matches!(component, WidgetComponent::Box(_)), "{json}");
        assert_eq!(serde_json::to_value(&component).unwrap(), json);
    }
}

#[test]
fn a_widget_property_or_token_of_a_newer_peer_survives_beside_the_known_ones() {
    let json = json!({"type": "Card", "glow": {"strength": 2}, "size": "huge", "children": [
        {"type": "Badge", "label": "a", "color": "ultraviolet", "blink": true},
        {"type": "Select", "name": "s", "options": [{"value": "a", "label": "A", "emoji": "🎉"}]},
        {"type": "Box", "padding": {"top": 1, "start": 2}, "border": {"size": 1, "glow": 1}},
        {"type": "Button", "onClickAction": {"type": "buy", "confirm": "Sure?"}},
        {"type": "Chart", "data": [], "xAxis": {"dataKey": "a", "tilt": 45},
         "series": [{"type": "radar", "dataKey": "a"}, {"type": "bar", "dataKey": "b", "width": 3}]},
    ]});
    let root: WidgetRoot = read(&json).unwrap();
    let WidgetRoot::Card(card) = &root else { panic!("{root:?}") };
    assert_eq!(card.extra["glow"], json!({"strength": 2}));
    assert!(card.children.iter().all(|child| !matches!(child, WidgetComponent::Other(_))));
    assert_eq!(serde_json::to_value(&root).unwrap(), json);
    assert_eq!(root.check(), Ok(()));
}

#[test]
fn a_known_component_in_an_odd_shape_is_kept_and_check_says_where_it_is_wrong() {
    let json = json!({"type": "Card", "children": [
        {"type": "Row", "children": [{"type": "Text", "value": "fine"}, {"type": "Text", "value": 5}]},
    ]});
    let root: WidgetRoot = read(&json).unwrap();
    assert_eq!(serde_json::to_value(&root).unwrap(), json);
    let error = root.check().unwrap_err();
    assert_eq!(error.place, "children[0].children[1]");
    assert_eq!(error.kind, "Text");
    assert!(error.problem.starts_with("value: invalid type: integer `5`"), "{error}");

    let places = [
        (json!({"type": "Card", "children": {"type": "Text"}}), "root", "children"),
        (json!({"type": "Card"}), "root", "children"),
        (
            json!({"type": "Basic", "children": [{"type": "ListView", "children": [{"type": "Text"}]}]}),
            "children[0]",
            "children[0]",
        ),
        (
            json!({"type": "Basic", "children": [{"type": "Transition", "children": {"type": "Icon"}}]}),
            "children[0].children",
            "name",
        ),
        (
            json!({"type": "Card", "children": [{"type": "Table", "children": [{"type": "Table.Row",
                "children": [{"type": "Table.Cell", "children": [{"type": "Label", "value": ""}]}]}]}]}),
            "children[0].children[0].children[0].children[0]",
            "fieldName",
        ),
    ];
    for (json, place, field) in places {
        let root: WidgetRoot = read(&json).unwrap();
        assert_eq!(serde_json::to_value(&root).unwrap(), json);
        let error = root.check().unwrap_err();
        assert_eq!(error.place, place, "{json}");
        assert!(error.problem.contains(field), "{error}");
    }
}

#[test]
fn a_row_is_not_taken_for_another_component() {
    let json = json!({"type": "Table", "children": [{"type": "Table.Cell"}]});
    assert!(matches!(read::<WidgetComponent>(&json).unwrap(), WidgetComponent::Other(_)));
    assert!(serde_json::from_value::<Table>(json).is_err());
    assert!(serde_json::from_value::<Text>(json!({"value": "a"})).is_err());
}

#[test]
fn a_widget_made_by_hand_has_what_was_set_and_nothing_else() {
    let card = Card {
        children: vec![Text { value: "Hi".into(), ..Text::default() }.into()],
        padding: Some(2.into()),
        ..Card::default()
    };
    let written = serde_json::to_value(WidgetRoot::from(card)).unwrap();
    let expected =
        json!({"type": "Card", "children": [{"type": "Text", "value": "Hi"}], "padding": 2});
    assert_eq!(written, expected);
}

#[test]
fn the_deepest_widget_that_json_allows_is_read_and_written_on_a_small_stack() {
    // serde_json refuses more than 127 levels; a component takes two, a transition one.
    let boxes = format!(
        "{}{{\"type\":\"Box\"}}{}",
        "{\"type\":\"Box\",\"children\":[".repeat(62),
        "]}".repeat(62)
    );
    let transitions = format!(
        "{}{{\"type\":\"Box\"}}{}",
        "{\"type\":\"Transition\",\"children\":".repeat(120),
        "}".repeat(120)
    );
    let odd = transitions.replace("\"Box\"", "\"Text\"");
    std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(move || {
            for text in [boxes, transitions, odd] {
                let component: WidgetComponent = serde_json::from_str(&text).unwrap();
                assert_eq!(serde_json::to_string(&component).unwrap().len(), text.len());
                let _ = component.check();
                drop(component.clone());
            }
        })
        .unwrap()
        .join()
        .unwrap();
}

/// Any JSON, rich in the names that the protocol uses.
fn any_json() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        Just("type"),
        Just("id"),
        Just("params"),
        Just("metadata"),
        Just("input"),
        Just("content"),
        Just("text"),
        Just("children"),
        Just("value"),
        Just("item"),
        Just("update"),
        Just("thread"),
        Just("items"),
        Just("data"),
        Just("created_at"),
        Just("thread_id"),
        Just("summary"),
        Just("tasks"),
        Just("sources"),
        Just("border"),
        Just("size"),
        Just("threads.create"),
        Just("thread.item.added"),
        Just("thread.item.updated"),
        Just("user_message"),
        Just("assistant_message"),
        Just("widget"),
        Just("workflow"),
        Just("Card"),
        Just("Box"),
        Just("ListView"),
        Just("Text"),
        Just("Basic"),
        Just("Table"),
        Just("Chart"),
        Just("url"),
        Just("2026-01-02T03:04:05Z"),
        Just("-262144-01-01T00:00:00Z"),
    ]
    .prop_map(str::to_owned);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        let object = prop::collection::vec((word.clone(), inner.clone()), 0..6);
        prop_oneof![
            prop::collection::vec(inner, 0..5).prop_map(Value::from),
            (word.clone(), object).prop_map(|(tag, fields)| {
                let mut object: serde_json::Map<String, Value> = fields.into_iter().collect();
                object.insert("type".into(), Value::from(tag));
                Value::Object(object)
            }),
        ]
    })
}

/// Reading never panics, and what was read and written once is the same ever after.
fn settles<T: DeserializeOwned + Serialize>(json: &Value) {
    if let Ok(value) = read::<T>(json) {
        let once = serde_json::to_value(&value).unwrap();
        assert_eq!(again::<T>(&once), once);
    }
}

proptest! {
    // A failure prints its smallest input, which then becomes a test of its own.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_json_is_read_or_refused_and_never_a_panic(json in any_json()) {
        settles::<ThreadStreamEvent>(&json);
        settles::<ThreadItem>(&json);
        settles::<ThreadItemUpdate>(&json);
        settles::<WidgetRoot>(&json);
        settles::<WidgetComponent>(&json);
        settles::<Thread>(&json);
        settles::<Page<ThreadItem>>(&json);
        settles::<Workflow>(&json);
        settles::<Annotation>(&json);
        settles::<Attachment>(&json);
        settles::<StructuredInput>(&json);
        settles::<ActionConfig>(&json);
        settles::<Icon>(&json);
        let _ = Request::parse(json.to_string().as_bytes());
    }

    #[test]
    fn any_bytes_are_a_request_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Request::parse(&bytes);
    }

    #[test]
    fn a_string_of_any_characters_survives_in_a_message(text in any::<String>()) {
        let json = json!({"type": "input_text", "text": text});
        prop_assert_eq!(again::<UserMessageContent>(&json), json);
    }
}
