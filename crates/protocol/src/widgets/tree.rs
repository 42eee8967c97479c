//! Finding a component in a widget by its `id`, and letting its text grow.
//!
//! On the typed tree, so that a delta costs no more than the walk to its component: a long text
//! that arrives in many small deltas is neither copied nor read again for each.

use serde_json::{Map, Value};

use super::{ListViewItem, TableCell, TableRow, WidgetComponent, WidgetNode, WidgetRoot};

/// Declares a walk that looks for a component, over what is borrowed (`Node`) or borrowed to be
/// changed (`NodeMut`).
macro_rules! walk {
    ($module:ident, $node:ident, [$($mut:tt)?]) => {
        /// What may have an `id`.
        enum $node<'a> {
            Component(&'a $($mut)? WidgetComponent),
            Json(&'a $($mut)? Map<String, Value>),
            /// Something without a text.
            Plain,
        }

        mod $module {
            use super::*;

            /// The first component with this `id`, a component before its children.
            pub(super) fn root<'a>(root: &'a $($mut)? WidgetRoot, id: &str) -> Option<$node<'a>> {
                if !matches!(root, WidgetRoot::Other(_)) && root.id() == Some(id) {
                    return Some($node::Plain);
                }
                match root {
                    WidgetRoot::Card(card) => {
                        (& $($mut)? card.children).into_iter().find_map(|it| component(it, id))
                    }
                    WidgetRoot::ListView(list) => {
                        (& $($mut)? list.children).into_iter().find_map(|it| list_item(it, id))
                    }
                    WidgetRoot::Basic(basic) => {
                        let mut children = (& $($mut)? basic.children).into_iter().flatten();
                        children.find_map(|child| match child {
                            WidgetNode::Root(it) => self::root(it, id),
                            WidgetNode::Component(it) => component(it, id),
                        })
                    }
                    WidgetRoot::Other(fields) => json(fields, id),
                }
            }

            fn component<'a>(
                it: &'a $($mut)? WidgetComponent,
                id: &str,
            ) -> Option<$node<'a>> {
                if !matches!(it, WidgetComponent::Other(_)) && it.id() == Some(id) {
                    return Some($node::Component(it));
                }
                let children = match it {
                    WidgetComponent::Box(it) => & $($mut)? it.children,
                    WidgetComponent::Row(it) => & $($mut)? it.children,
                    WidgetComponent::Col(it) => & $($mut)? it.children,
                    WidgetComponent::Form(it) => & $($mut)? it.children,
                    WidgetComponent::TableCell(it) => return table_cell(it, id),
                    WidgetComponent::TableRow(it) => return table_row(it, id),
                    WidgetComponent::ListViewItem(it) => return list_item(it, id),
                    WidgetComponent::Table(it) => {
                        let mut rows = (& $($mut)? it.children).into_iter().flatten();
                        return rows.find_map(|row| table_row(row, id));
                    }
                    WidgetComponent::Transition(it) => {
                        let child = (& $($mut)? it.children).into_iter().next();
                        return child.and_then(|child| component(child, id));
                    }
                    WidgetComponent::Other(fields) => return json(fields, id),
                    _ => return None,
                };
                children.into_iter().flatten().find_map(|child| component(child, id))
            }

            fn list_item<'a>(it: &'a $($mut)? ListViewItem, id: &str) -> Option<$node<'a>> {
                if it.id.as_deref() == Some(id) {
                    return Some($node::Plain);
                }
                (& $($mut)? it.children).into_iter().find_map(|child| component(child, id))
            }

            fn table_row<'a>(it: &'a $($mut)? TableRow, id: &str) -> Option<$node<'a>> {
                if it.id.as_deref() == Some(id) {
                    return Some($node::Plain);
                }
                let mut cells = (& $($mut)? it.children).into_iter().flatten();
                cells.find_map(|cell| table_cell(cell, id))
            }

            fn table_cell<'a>(it: &'a $($mut)? TableCell, id: &str) -> Option<$node<'a>> {
                if it.id.as_deref() == Some(id) {
                    return Some($node::Plain);
                }
                let mut children = (& $($mut)? it.children).into_iter().flatten();
                children.find_map(|child| component(child, id))
            }

            fn json<'a>(
                fields: &'a $($mut)? Map<String, Value>,
                id: &str,
            ) -> Option<$node<'a>> {
                if fields.get("id").and_then(Value::as_str) == Some(id) {
                    return Some($node::Json(fields));
                }
                match walk!(@children fields $($mut)?)? {
                    Value::Array(children) => {
                        children.into_iter().find_map(|child| json(walk!(@object child $($mut)?)?, id))
                    }
                    child => json(walk!(@object child $($mut)?)?, id),
                }
            }
        }
    };
    (@children $fields:ident mut) => { $fields.get_mut("children") };
    (@children $fields:ident) => { $fields.get("children") };
    (@object $value:ident mut) => { $value.as_object_mut() };
    (@object $value:ident) => { $value.as_object() };
}

walk!(find, Node, []);
walk!(find_mut, NodeMut, [mut]);

impl WidgetRoot {
    /// Appends to the `value` of the component with this `id`: what
    /// `widget.streaming_text.value_delta` asks for. Of several with the same `id` the first is
    /// meant, a component before its children. A component without a text stays as it is.
    ///
    /// `false`: there is no such component.
    pub fn append_text(&mut self, id: &str, delta: &str) -> bool {
        let Some(found) = find_mut::root(self, id) else { return false };
        let text = match found {
            NodeMut::Component(component) => match component {
                WidgetComponent::Caption(it) => Some(&mut it.value),
                WidgetComponent::Label(it) => Some(&mut it.value),
                WidgetComponent::Markdown(it) => Some(&mut it.value),
                WidgetComponent::Text(it) => Some(&mut it.value),
                WidgetComponent::Title(it) => Some(&mut it.value),
                _ => None,
            },
            NodeMut::Json(fields) => value_of(fields),
            NodeMut::Plain => None,
        };
        if let Some(text) = text {
            text.push_str(delta);
        }
        true
    }

    /// Whether the text of the component with this `id` is `streaming`.
    ///
    /// `None`: there is no such component, or it is no text that can grow: neither
    /// [`Text`](super::Text) nor [`Markdown`](super::Markdown).
    pub fn streaming_text(&self, id: &str) -> Option<bool> {
        match find::root(self, id)? {
            Node::Component(WidgetComponent::Markdown(it)) => Some(it.streaming.unwrap_or(false)),
            Node::Component(WidgetComponent::Text(it)) => Some(it.streaming.unwrap_or(false)),
            Node::Json(fields) => {
                let kind = fields.get("type").and_then(Value::as_str)?;
                let grows = matches!(kind, "Text" | "Markdown")
                    && fields.get("value").is_some_and(Value::is_string);
                grows.then(|| fields.get("streaming").and_then(Value::as_bool).unwrap_or(false))
            }
            Node::Component(_) | Node::Plain => None,
        }
    }
}

fn value_of(fields: &mut Map<String, Value>) -> Option<&mut String> {
    match fields.get_mut("value") {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
