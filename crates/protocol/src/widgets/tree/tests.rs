#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::json;

use super::*;

fn widget(children: Value) -> WidgetRoot {
    serde_json::from_value(json!({"type": "Card", "children": children})).unwrap()
}

/// The widget after an `x` was appended to the component `t`, and whether there is one.
fn grown(children: Value) -> (bool, Value) {
    let mut widget = widget(children);
    let found = widget.append_text("t", "x");
    (found, serde_json::to_value(widget).unwrap()["children"].take())
}

#[test]
fn text_grows_wherever_it_stands() {
    let text = |value: &str| json!({"type": "Text", "id": "t", "value": value});
    let places: [fn(Value) -> Value; 7] = [
        |text| json!([text]),
        |text| json!([{"type": "Col", "children": [{"type": "Spacer"}, text]}]),
        |text| json!([{"type": "Transition", "children": text}]),
        |text| {
            json!([{"type": "Table", "children": [
                {"type": "Table.Row", "children": [{"type": "Table.Cell", "children": [text]}]},
            ]}])
        },
        |text| json!([{"type": "ListViewItem", "children": [text]}]),
        |text| json!([{"type": "Panel", "children": [{"type": "Row", "children": [text]}]}]),
        |text| json!([{"type": "Panel", "children": text}]),
    ];
    for place in places {
        assert_eq!(grown(place(text("a"))), (true, place(text("ax"))));
        assert_eq!(widget(place(text("a"))).streaming_text("t"), Some(false));
        let elsewhere = place(json!({"type": "Text", "id": "u", "value": "a"}));
        assert_eq!(grown(elsewhere.clone()), (false, elsewhere.clone()));
        assert_eq!(widget(elsewhere).streaming_text("t"), None);
    }
}

#[test]
fn the_first_of_several_is_meant_and_the_outer_one_before_its_children() {
    let text = |value: &str| json!({"type": "Title", "id": "t", "value": value});
    assert_eq!(grown(json!([text("a"), text("b")])), (true, json!([text("ax"), text("b")])));
    let around = json!([{"type": "Box", "id": "t", "children": [text("a")]}]);
    assert_eq!(grown(around.clone()), (true, around), "a box has no text");
}

#[test]
fn only_text_and_markdown_can_stream() {
    let streaming = |component: Value| widget(json!([component])).streaming_text("t");
    assert_eq!(
        streaming(json!({"type": "Markdown", "id": "t", "value": "", "streaming": true})),
        Some(true)
    );
    // Known only as JSON: its `maxLines` is none.
    let odd = json!({"type": "Text", "id": "t", "value": "", "maxLines": "two", "streaming": true});
    assert_eq!(streaming(odd), Some(true));
    assert_eq!(streaming(json!({"type": "Title", "id": "t", "value": ""})), None);
    assert_eq!(streaming(json!({"type": "Badge", "id": "t", "label": ""})), None);
}
