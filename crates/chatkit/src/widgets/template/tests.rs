#![expect(clippy::unwrap_used, reason = "tests")]

use std::error::Error as _;

use serde_json::json;

use super::*;

fn template(source: &str) -> WidgetTemplate {
    parse(source, json!({})).unwrap()
}

fn parse(source: &str, schema: Value) -> Result<WidgetTemplate, WidgetTemplateError> {
    let file = json!({
        "version": "1.0", "name": "order", "template": source, "jsonSchema": schema,
        "outputJsonPreview": {}, "encodedWidget": "eyJ9",
    });
    WidgetTemplate::parse(&file.to_string())
}

fn built(source: &str, data: Value) -> Value {
    serde_json::to_value(template(source).build(data).unwrap()).unwrap()
}

/// The way in which the Widget Builder writes a loop: a comma before each, the first cut off.
const LIST: &str = concat!(
    r#"{"type":"ListView","children":[{%- set _c -%}{%-for item in items -%},"#,
    r#"{"type":"ListViewItem","key":{{ (item.id) | tojson }},"children":["#,
    r#"{"type":"Text","value":{{ (item.label ~ " · " ~ loop.index) | tojson }}}"#,
    r#"{%-if item.note -%},{"type":"Caption","value":{{ (item.note) | tojson }}}{%-endif-%}]}"#,
    r#"{%-endfor-%}{%- endset -%}{{- (_c[1:] if _c and _c[0] == ',' else _c) -}}]}"#,
);

#[test]
fn loops_conditions_and_blocks_are_filled_in() {
    let data = json!({"items": [
        {"id": "a", "label": "Line\n\"one\" <b>&'", "note": null},
        {"id": 2, "label": "Zwei →", "note": "late"},
    ]});
    let widget = built(LIST, data);
    assert_eq!(
        widget["children"],
        json!([
            {"type": "ListViewItem", "key": "a", "children": [
                {"type": "Text", "value": "Line\n\"one\" <b>&' · 1"},
            ]},
            {"type": "ListViewItem", "key": 2, "children": [
                {"type": "Text", "value": "Zwei → · 2"},
                {"type": "Caption", "value": "late"},
            ]},
        ])
    );
    assert_eq!(built(LIST, json!({"items": []}))["children"], json!([]));
}

#[test]
fn no_data_is_needed_where_none_is_used() {
    let widget = template(r#"{"type": "Card", "children": []}"#).build(()).unwrap();
    assert_eq!(widget.kind(), "Card");
}

#[test]
fn what_the_data_lacks_is_named() {
    let source =
        r#"{"type": "Card", "children": [{"type": "Text", "value": {{ title | tojson }}}]}"#;
    let error = template(source).build(json!({})).unwrap_err();
    assert!(matches!(error, WidgetTemplateError::Render { .. }), "{error}");

    let schema = json!({
        "type": "object", "required": ["title", "rows"],
        "properties": {
            "title": {"type": "string"},
            "rows": {"type": "array", "items": {"type": "object", "required": ["label"]}},
        },
    });
    let template = parse(source, schema).unwrap();
    let lacks = |data: Value| match template.build(data).unwrap_err() {
        WidgetTemplateError::Missing { property, .. } => property,
        error => panic!("{error}"),
    };
    assert_eq!(lacks(json!({})), "title");
    assert_eq!(lacks(json!({"title": "x", "rows": [{"label": ""}, {}]})), "rows[1].label");
    assert!(template.build(json!({"title": "x", "rows": []})).is_ok());
}

#[test]
fn what_is_no_widget_file_is_refused() {
    let refused = |text: &str| WidgetTemplate::parse(text).unwrap_err();
    assert!(matches!(refused("<html>"), WidgetTemplateError::Format(_)));
    assert!(matches!(refused(r#"{"version": "1.0"}"#), WidgetTemplateError::Format(_)));
    let newer = refused(r#"{"version": "2.0", "name": "x", "template": ""}"#);
    assert_eq!(
        newer.to_string(),
        "widget files of version `2.0` are not supported, only those of version `1.0`"
    );
    let mistake = parse("{% for %}", json!({})).unwrap_err();
    assert!(matches!(mistake, WidgetTemplateError::Syntax { .. }), "{mistake}");
    let missing = WidgetTemplate::from_file("no/such.widget").unwrap_err();
    assert!(missing.to_string().contains("no/such.widget") && missing.source().is_some());
}

#[test]
fn what_a_template_gives_must_be_a_widget() {
    let error = template(r#"{"type": "Card", "title": {{ t }}}"#).build(json!({"t": "a b"}));
    let error = error.unwrap_err().to_string();
    assert!(error.contains(r#""title": a b}"#) && error.contains("tojson"), "{error}");
    for (source, problem) in [
        ("[]", "its `type` is nothing"),
        (r#"{"type": "Text", "value": "x"}"#, "its `type` is `Text`"),
    ] {
        let error = template(source).build(()).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
    let error = template("{}").build([1]).unwrap_err();
    assert!(error.to_string().ends_with("it is a list"), "{error}");
}
