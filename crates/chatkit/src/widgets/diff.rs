//! What changed from one version of a widget to the next.

use std::collections::HashMap;

use parlor_protocol::{
    ThreadItemUpdate, WidgetRootUpdated, WidgetStreamingTextValueDelta, widgets::WidgetRoot,
};
use serde_json::{Map, Value};

/// The updates that make `after` of `before`.
///
/// The outcome is that of `diff_widget` in the official SDK (`chatkit/server.py`): when nothing
/// but the `value` of [`Text`] and [`Markdown`] components with an `id` has grown at its end,
/// there is a `widget.streaming_text.value_delta` for each of them, in the order of the tree,
/// which is `done` when the component is not `streaming`; otherwise one `widget.root.updated`
/// with the whole of `after`. No change gives no update.
///
/// Where the official function loses a change or fails, the whole widget is sent: a text without
/// an `id` that grows, one that is alone in a `Transition`, and one whose `id` another component
/// has, too.
///
/// [`Text`]: parlor_protocol::widgets::Text
/// [`Markdown`]: parlor_protocol::widgets::Markdown
#[must_use]
pub fn diff_widget(before: &WidgetRoot, after: &WidgetRoot) -> Vec<ThreadItemUpdate> {
    if before == after {
        return Vec::new();
    }
    deltas(before, after)
        .unwrap_or_else(|| vec![WidgetRootUpdated { widget: after.clone() }.into()])
}

/// The deltas that make `after` of `before`; `None`: there is more to it.
///
/// On JSON: a component of a newer type, or one in another shape than ours, holds text that can
/// grow like any other.
fn deltas(before: &WidgetRoot, after: &WidgetRoot) -> Option<Vec<ThreadItemUpdate>> {
    let (before, after) = (serde_json::to_value(before).ok()?, serde_json::to_value(after).ok()?);
    let mut deltas = Vec::new();
    grown(before.as_object()?, after.as_object()?, &mut deltas)?;
    let mut uses: HashMap<&str, usize> =
        deltas.iter().map(|delta| (delta.component_id.as_str(), 0)).collect();
    count_ids(&after, &mut uses);
    if uses.values().any(|uses| *uses != 1) {
        return None;
    }
    Some(deltas.into_iter().map(ThreadItemUpdate::from).collect())
}

/// Collects what has grown in a component and below it; `None` when anything else has changed.
fn grown(
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    deltas: &mut Vec<WidgetStreamingTextValueDelta>,
) -> Option<()> {
    if before.len() != after.len() {
        return None;
    }
    for (name, after_value) in after {
        let before_value = before.get(name)?;
        match (name.as_str(), before_value, after_value) {
            ("value", Value::String(old), Value::String(new)) if is_text(after) => {
                let delta = new.strip_prefix(old.as_str())?;
                if !delta.is_empty() {
                    let id = after.get("id").and_then(Value::as_str).filter(|id| !id.is_empty())?;
                    deltas.push(WidgetStreamingTextValueDelta {
                        component_id: id.to_owned(),
                        delta: delta.to_owned(),
                        done: after.get("streaming") != Some(&Value::Bool(true)),
                    });
                }
            }
            ("children", Value::Array(old), Value::Array(new)) => {
                if old.len() != new.len() {
                    return None;
                }
                for (old, new) in old.iter().zip(new) {
                    match (old, new) {
                        (Value::Object(old), Value::Object(new)) => grown(old, new, deltas)?,
                        (old, new) => (old == new).then_some(())?,
                    }
                }
            }
            (_, old, new) => (old == new).then_some(())?,
        }
    }
    Some(())
}

/// Whether a component is a text that can grow. Its type is the same before and after, or the
/// comparison of `type` says so.
fn is_text(component: &Map<String, Value>) -> bool {
    matches!(component.get("type").and_then(Value::as_str), Some("Text" | "Markdown"))
}

/// Counts, of the ids in `uses`, how many components have them.
fn count_ids(component: &Value, uses: &mut HashMap<&str, usize>) {
    let count = component.get("id").and_then(Value::as_str).and_then(|id| uses.get_mut(id));
    if let Some(count) = count {
        *count += 1;
    }
    match component.get("children") {
        Some(Value::Array(children)) => {
            children.iter().for_each(|child| count_ids(child, uses));
        }
        Some(child) => count_ids(child, uses),
        None => {}
    }
}

#[cfg(test)]
mod tests;
