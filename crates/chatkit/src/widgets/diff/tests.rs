#![expect(clippy::unwrap_used, reason = "tests")]

use parlor_protocol::{
    ItemId, ThreadItem, ThreadItemAddedEvent, ThreadItemUpdatedEvent, Timestamp, WidgetItem,
    widgets::{Card, Col, Markdown, Text, Transition},
};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::turn::apply::TurnItems;

fn widget(json: Value) -> WidgetRoot {
    serde_json::from_value(json).unwrap()
}

fn text(id: &str, value: &str) -> Text {
    Text::new(value).id(id).streaming(true)
}

fn updates(before: impl Into<WidgetRoot>, after: impl Into<WidgetRoot>) -> Value {
    let (before, after) = (before.into(), after.into());
    let updates = diff_widget(&before, &after);
    assert_eq!(applied(&before, &updates), after);
    serde_json::to_value(updates).unwrap()
}

/// The widget after these updates, by the rules of a turn.
fn applied(before: &WidgetRoot, updates: &[ThreadItemUpdate]) -> WidgetRoot {
    let mut items = TurnItems::new(0);
    let id = ItemId::new("wdg");
    let item = WidgetItem {
        id: id.clone(),
        thread_id: "thr".into(),
        created_at: Timestamp::from_micros(0).unwrap(),
        widget: before.clone(),
        copy_text: None,
    };
    items.apply(&ThreadItemAddedEvent { item: item.into() }.into()).unwrap();
    for update in updates {
        let update = ThreadItemUpdatedEvent { item_id: id.clone(), update: update.clone() };
        items.apply(&update.into()).unwrap();
    }
    let Some(ThreadItem::Widget(item)) = items.get(&id) else { panic!("no widget") };
    item.widget.clone()
}

#[test]
fn nothing_changed_is_no_update() {
    let card = Card::new([text("t", "a").into()]);
    assert_eq!(updates(card.clone(), card), json!([]));
}

#[test]
fn texts_that_grow_are_deltas_in_the_order_of_the_tree() {
    let before =
        Card::new([Col::new([text("t", "a").into()]).into(), Markdown::new("").id("m").into()]);
    let after = Card::new([
        Col::new([text("t", "a…b").into()]).into(),
        Markdown::new("# x").id("m").into(),
    ]);
    assert_eq!(
        updates(before, after),
        json!([
            {
                "type": "widget.streaming_text.value_delta",
                "component_id": "t", "delta": "…b", "done": false,
            },
            {
                "type": "widget.streaming_text.value_delta",
                "component_id": "m", "delta": "# x", "done": true,
            },
        ])
    );
}

#[test]
fn what_is_no_growth_replaces_the_whole_widget() {
    let before = || Card::new([text("t", "ab").into()]);
    for after in [
        Card::new([text("t", "a").into()]),
        Card::new([text("t", "xab").into()]),
        Card::new([text("t", "abc").streaming(false).into()]),
        Card::new([text("u", "abc").into()]),
        Card::new([text("t", "abc").key("k").into()]),
        Card::new([Markdown::new("abc").id("t").streaming(true).into()]),
        Card::new([text("t", "abc").into(), text("u", "").into()]),
        Card::new([text("t", "abc").into()]).padding(2),
    ] {
        let updates = updates(before(), after.clone());
        let widget = serde_json::to_value(WidgetRoot::from(after)).unwrap();
        assert_eq!(updates, json!([{"type": "widget.root.updated", "widget": widget}]));
    }
}

#[test]
fn growth_that_no_delta_can_name_is_not_lost() {
    let only = |updates: &Value| {
        assert_eq!(updates.as_array().unwrap().len(), 1);
        assert_eq!(updates[0]["type"], "widget.root.updated");
    };
    only(&updates(Card::new([Text::new("a").into()]), Card::new([Text::new("ab").into()])));
    let alone = |value| Card::new([Transition::new(text("t", value)).into()]);
    only(&updates(alone("a"), alone("ab")));
    let twice = |value| Card::new([text("t", "x").into(), text("t", value).into()]);
    only(&updates(twice("a"), twice("ab")));
    let shadowed = |value| Card::new([Col::new([text("t", value).into()]).id("t").into()]);
    only(&updates(shadowed("a"), shadowed("ab")));
}

#[test]
fn text_grows_in_components_of_a_newer_type_too() {
    let panel = |value: &str| {
        widget(json!({"type": "Card", "children": [{
            "type": "Panel", "tone": "calm",
            "children": [{"type": "Text", "id": "t", "value": value, "glow": 1}],
        }]}))
    };
    let updates = updates(panel("a"), panel("ab"));
    assert_eq!(updates[0]["delta"], "b");
}

/// Two versions of a tree: the second grows from the first, or is changed otherwise here and
/// there.
fn versions() -> impl Strategy<Value = (Value, Value)> {
    let value = prop::sample::select(vec!["", "a", "ab", "abc", "ab→c", "b"]);
    let id = prop::option::weighted(0.8, prop::sample::select(vec!["t", "u", "v", "w", ""]));
    let kind = prop::sample::select(vec!["Text", "Markdown", "Title", "Badge"]);
    let streaming = prop::option::of(any::<bool>());
    let grown = prop::sample::select(vec!["", "", "x", "→", "-"]);
    let leaf =
        (kind, value, id, streaming, grown).prop_map(|(kind, value, id, streaming, grown)| {
            let mut before = json!({"type": kind, "value": value});
            if kind == "Badge" {
                before = json!({"type": kind, "label": value});
            }
            if let Some(id) = id {
                before["id"] = id.into();
            }
            if let Some(streaming) = streaming
                && matches!(kind, "Text" | "Markdown")
            {
                before["streaming"] = streaming.into();
            }
            let mut after = before.clone();
            if grown == "-" {
                after["value"] = "shorter".into();
            } else if kind != "Badge" {
                after["value"] = format!("{value}{grown}").into();
            }
            (before, after)
        });
    let tree = leaf.prop_recursive(4, 24, 4, |inner| {
        let id = prop::option::weighted(0.1, prop::sample::select(vec!["t", "u"]));
        let kind = prop::sample::select(vec![
            "Col",
            "Row",
            "Box",
            "Form",
            "Panel",
            "Transition",
            "Table",
            "ListViewItem",
        ]);
        (kind, prop::collection::vec(inner, 0..4), id).prop_map(|(kind, children, id)| {
            let (before, after): (Vec<_>, Vec<_>) = children.into_iter().unzip();
            let wrap = |children: Vec<Value>| {
                let mut it = match (kind, children.first()) {
                    ("Transition", Some(child)) => json!({"type": kind, "children": child}),
                    ("Table", _) => json!({"type": kind, "children": [
                        {"type": "Table.Row", "children": [
                            {"type": "Table.Cell", "children": children},
                        ]},
                    ]}),
                    _ => json!({"type": kind, "children": children}),
                };
                if let Some(id) = id {
                    it["id"] = id.into();
                }
                it
            };
            (wrap(before), wrap(after))
        })
    });
    let root = prop::sample::select(vec!["Card", "Basic", "ListView"]);
    (root, prop::collection::vec(tree, 0..4), 0..12_u8).prop_map(|(root, children, tweak)| {
        let (before, mut after): (Vec<_>, Vec<_>) = children.into_iter().unzip();
        if tweak == 0 {
            after.pop();
        }
        (json!({"type": root, "children": before}), json!({"type": root, "children": after}))
    })
}

/// JSON that looks like a component from afar: known names with anything in them.
fn odd() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec!["Text", "Markdown", "Col", "Transition", "t", "tt", ""]);
    let leaf = prop_oneof![
        4 => word.prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
        1 => (0..3).prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 32, 4, |inner| {
        let name = prop::sample::select(vec!["id", "key", "value", "children", "streaming", "gap"]);
        let kind = prop::sample::select(vec!["Text", "Markdown", "Col", "Transition", "Panel"]);
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            3 => (kind, prop::collection::vec((name, inner), 0..5)).prop_map(|(kind, fields)| {
                let mut component = json!({"type": kind});
                for (name, value) in fields {
                    component[name] = value;
                }
                component
            }),
        ]
    })
}

/// The same, with some texts grown.
fn grow(value: &mut Value, at: &mut impl Iterator<Item = bool>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name == "value" => {
                        if at.next().unwrap_or(false) {
                            text.push('+');
                        }
                    }
                    value => grow(value, at),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| grow(value, at)),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn whatever_a_widget_holds_the_second_version_is_reached(
        children in odd(),
        other in prop::option::weighted(0.2, odd()),
        grown in prop::collection::vec(any::<bool>(), 0..8),
    ) {
        let mut after = children.clone();
        grow(&mut after, &mut grown.into_iter());
        let after = widget(json!({"type": "Card", "children": other.unwrap_or(after)}));
        let before = widget(json!({"type": "Card", "children": children}));
        let updates = diff_widget(&before, &after);
        prop_assert_eq!(updates.is_empty(), before == after);
        prop_assert_eq!(applied(&before, &updates), after);
    }

    #[test]
    fn the_updates_make_the_second_version_of_the_first((before, after) in versions()) {
        let (before, after) = (widget(before), widget(after));
        let updates = diff_widget(&before, &after);
        prop_assert_eq!(updates.is_empty(), before == after);
        prop_assert_eq!(applied(&before, &updates), after);
    }
}
