//! Two versions of a widget to updates.

use parlor_chatkit::{
    diff_widget,
    protocol::{ThreadItemUpdate, widgets::WidgetRoot},
};
use serde_json::{Value, json};

use crate::bytes::Choices;

/// How deep a widget made of choices is, at most.
const DEPTH: usize = 5;

/// The updates that lead from one version to the next do lead there, for any two: two documents
/// of the input's own with a NUL between them, or a tree and another that has grown from it.
pub fn widget_diff(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    let own = |json: Option<&[u8]>| serde_json::from_slice::<WidgetRoot>(json?).ok();
    if let (Some(before), Some(after)) = (own(parts.next()), own(parts.next())) {
        check(&before, &after);
        check(&after, &before);
        return;
    }
    let mut choices = Choices::new(bytes);
    let before = root(&mut choices);
    let mut after = before.clone();
    for _ in 0..=choices.below(4) {
        change(&mut after, &mut choices, 0);
    }
    let read = |json: Value| serde_json::from_value::<WidgetRoot>(json).unwrap();
    check(&read(before), &read(after));
}

fn check(before: &WidgetRoot, after: &WidgetRoot) {
    let updates = diff_widget(before, after);
    let mut widget = before.clone();
    for update in &updates {
        match update {
            ThreadItemUpdate::WidgetRootUpdated(update) => widget = update.widget.clone(),
            ThreadItemUpdate::WidgetTextDelta(update) => {
                assert!(widget.append_text(&update.component_id, &update.delta), "{update:?}");
            }
            other => panic!("{other:?} is no way to change a widget"),
        }
    }
    assert_eq!(&widget, after, "from {before:?} by {updates:?}");
    let written = serde_json::to_vec(&updates).unwrap().len();
    let whole = serde_json::to_vec(after).unwrap().len();
    assert!(written <= 2 * whole + 400, "{written} bytes to tell of {whole}");
}

fn root(choices: &mut Choices<'_>) -> Value {
    let children: Vec<_> = (0..choices.below(5)).map(|_| component(choices, 0)).collect();
    match choices.below(3) {
        0 => json!({"type": "Card", "children": children}),
        1 => {
            let items = children
                .into_iter()
                .map(|child| json!({"type": "ListViewItem", "children": [child]}));
            json!({"type": "ListView", "children": items.collect::<Vec<_>>()})
        }
        _ => json!({"type": "Basic", "children": children}),
    }
}

fn component(choices: &mut Choices<'_>, depth: usize) -> Value {
    let kind = choices.below(if depth < DEPTH { 8 } else { 4 });
    let mut component = match kind {
        0 => json!({"type": "Text", "value": choices.text()}),
        1 => json!({"type": "Markdown", "value": choices.text()}),
        2 => json!({"type": "Title", "value": choices.text()}),
        3 => json!({"type": "Hologram", "value": choices.text()}),
        4 => json!({"type": "Transition", "children": component(choices, depth + 1)}),
        _ => {
            let kind = choices.one_of(&["Row", "Col", "Box", "Form"]);
            let children: Vec<_> =
                (0..choices.below(4)).map(|_| component(choices, depth + 1)).collect();
            json!({"type": kind, "children": children})
        }
    };
    match choices.below(6) {
        0 => {}
        // The same id twice is somebody's mistake, and must not lose anything.
        id => component["id"] = format!("c{id}").into(),
    }
    if kind < 2 && choices.below(2) == 1 {
        component["streaming"] = (choices.below(2) == 1).into();
    }
    component
}

/// Changes one thing in a tree, most often lets a text grow.
fn change(value: &mut Value, choices: &mut Choices<'_>, depth: usize) {
    if depth > 4 * DEPTH {
        return;
    }
    let descend = choices.below(8) != 0;
    match value.get_mut("children") {
        Some(Value::Array(children)) if descend && !children.is_empty() => {
            let at = choices.below(children.len());
            return change(&mut children[at], choices, depth + 1);
        }
        Some(child @ Value::Object(_)) if descend => return change(child, choices, depth + 1),
        _ => {}
    }
    let text = choices.text();
    match value.get_mut("value") {
        Some(Value::String(value)) if choices.below(4) != 0 => value.push_str(&text),
        Some(value) => *value = text.into(),
        None => {
            value["key"] = text.into();
        }
    }
    if let Some(streaming) = value.get_mut("streaming") {
        *streaming = (choices.below(2) == 1).into();
    }
}
