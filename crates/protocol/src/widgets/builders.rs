//! How components are begun by hand: each with what it cannot be without. The rest is set in a
//! chain, by methods named as the properties.

use serde_json::Value;

use super::component::setter;
use super::{
    AreaSeries, Badge, BarSeries, Basic, Border, Button, Caption, Card, CardAction, Chart,
    Checkbox, Col, Color, DatePicker, Divider, EditableProps, FlexBox, Form, Icon, Image, Input,
    Label, LineSeries, ListLimit, ListView, ListViewItem, Markdown, Px, RadioGroup, RadioOption,
    Row, Select, SelectOption, Series, Spacer, Table, TableCell, TableRow, Text, Textarea,
    ThemeColor, Title, Transition, WidgetComponent, WidgetNode, WidgetStatus, XAxis, XAxisConfig,
};
use crate::{ActionConfig, Handler, LoadingBehavior};

/// Declares `new` with the properties that turn from something simple into what they are.
macro_rules! new {
    ($($(#[$meta:meta])* $name:ident($($field:ident: $type:ty),*);)+) => {$(
        impl $name {
            $(#[$meta])*
            #[must_use]
            pub fn new($($field: impl Into<$type>),*) -> Self {
                Self { $($field: $field.into(),)* ..Self::default() }
            }
        }
    )+};
}

/// Declares `new` for what holds children.
macro_rules! new_around {
    ($($(#[$meta:meta])* $name:ident($child:ty);)+) => {$(
        impl $name {
            $(#[$meta])*
            #[must_use]
            pub fn new(children: impl IntoIterator<Item = $child>) -> Self {
                Self { children: children.into_iter().collect::<Vec<_>>().into(), ..Self::default() }
            }
        }
    )+};
}

new! {
    /// A word on a coloured ground.
    Badge(label: String);
    /// Small supporting text.
    Caption(value: String);
    /// A field to tick, sent under this name.
    Checkbox(name: String);
    /// A field for a date, sent under this name.
    DatePicker(name: String);
    /// An icon: a built-in name, `lucide:<name>` or `vendor:<name>`.
    Icon(name: crate::Icon);
    /// The picture at a URL.
    Image(src: String);
    /// A field for a line of text, sent under this name.
    Input(name: String);
    /// The shown name of the field `field_name`.
    Label(value: String, field_name: String);
    /// Markdown. Give it an `id` and set `streaming` to let it grow by text deltas.
    Markdown(value: String);
    /// A field to choose one of several options in view, sent under this name.
    RadioGroup(name: String);
    /// Plain text. Give it an `id` and set `streaming` to let it grow by text deltas.
    Text(value: String);
    /// A field for several lines of text, sent under this name.
    Textarea(name: String);
    /// A heading.
    Title(value: String);

    /// A button in a card's footer.
    CardAction(label: String, action: ActionConfig);
    /// The line above a card or list.
    WidgetStatus(text: String);
    /// An option of a [`Select`]: what is sent, and what is shown.
    SelectOption(value: String, label: String);
    /// An option of a [`RadioGroup`]: what is shown, and what is sent.
    RadioOption(label: String, value: String);
    /// An editable text, sent under this name.
    EditableProps(name: String);
    /// A line this thick.
    Border(size: Px);
    /// A colour for each theme.
    ThemeColor(light: String, dark: String);
    /// Bars of the numbers in this field of a chart's rows.
    BarSeries(data_key: String);
    /// A filled curve of the numbers in this field of a chart's rows.
    AreaSeries(data_key: String);
    /// A curve of the numbers in this field of a chart's rows.
    LineSeries(data_key: String);
    /// The axis along this field of a chart's rows.
    XAxisConfig(data_key: String);
}

new_around! {
    /// A framed root around components.
    Card(WidgetComponent);
    /// A root that is a list of rows.
    ListView(ListViewItem);
    /// A row of a list.
    ListViewItem(WidgetComponent);
    /// A root without a frame around roots and components.
    Basic(WidgetNode);
    /// A general container.
    FlexBox(WidgetComponent);
    /// Components side by side.
    Row(WidgetComponent);
    /// Components one below the other.
    Col(WidgetComponent);
    /// Components whose fields are sent together.
    Form(WidgetComponent);
    /// A table of rows.
    Table(TableRow);
    /// A row of a table.
    TableRow(TableCell);
    /// A cell of a table.
    TableCell(WidgetComponent);
}

impl Card {
    /// Button in the footer that confirms. With [`as_form`](Self::as_form) the action's payload
    /// gets the fields inside the card.
    #[must_use]
    pub fn confirm(mut self, label: impl Into<String>, action: impl Into<ActionConfig>) -> Self {
        self.confirm = Some(CardAction::new(label, action));
        self
    }

    /// Button in the footer that cancels.
    #[must_use]
    pub fn cancel(mut self, label: impl Into<String>, action: impl Into<ActionConfig>) -> Self {
        self.cancel = Some(CardAction::new(label, action));
        self
    }
}

impl Button {
    /// A button with a text.
    #[must_use]
    pub fn new(label: impl Into<String>) -> Self {
        Self::default().label(label)
    }

    /// A button that sends the form around it.
    #[must_use]
    pub fn submitting(label: impl Into<String>) -> Self {
        Self::new(label).submit(true)
    }
}

impl Select {
    /// A field to choose one of several options, sent under this name.
    #[must_use]
    pub fn new(name: impl Into<String>, options: impl IntoIterator<Item = SelectOption>) -> Self {
        Self { name: name.into(), options: options.into_iter().collect(), ..Self::default() }
    }
}

impl Chart {
    /// A chart of rows: objects of text and numbers. `x_axis` names the field along the
    /// horizontal axis; `series` says which others are drawn, and how.
    ///
    /// What is not an object is left out.
    #[must_use]
    pub fn new(
        data: impl IntoIterator<Item = Value>,
        series: impl IntoIterator<Item = Series>,
        x_axis: impl Into<XAxis>,
    ) -> Self {
        let data = data.into_iter().filter_map(|row| match row {
            Value::Object(row) => Some(row),
            _ => None,
        });
        Self {
            data: data.collect(),
            series: series.into_iter().collect(),
            x_axis: x_axis.into(),
            ..Self::default()
        }
    }
}

impl Spacer {
    /// Space that takes what is left.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Divider {
    /// A line between other components.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Transition {
    /// Animates changes of a component.
    #[must_use]
    pub fn new(child: impl Into<WidgetComponent>) -> Self {
        Self { children: Some(Box::new(child.into())), ..Self::default() }
    }
}

impl Color {
    /// One colour for the light theme and one for the dark: tokens or CSS.
    #[must_use]
    pub fn themed(light: impl Into<String>, dark: impl Into<String>) -> Self {
        Self::Theme(ThemeColor::new(light, dark))
    }
}

impl From<String> for Color {
    fn from(color: String) -> Self {
        Self::Value(color)
    }
}

/// The roots that [`Basic`] holds beside components.
macro_rules! root_nodes {
    ($($name:ident)+) => {$(
        impl From<$name> for WidgetNode {
            fn from(root: $name) -> Self {
                Self::Root(root.into())
            }
        }
    )+};
}

root_nodes! { Basic Card ListView }

impl From<u32> for ListLimit {
    fn from(rows: u32) -> Self {
        Self::Rows(rows)
    }
}

impl ActionConfig {
    /// An action of this name, handled by the server with a stream
    /// (`threads.custom_action`).
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { r#type: name.into(), ..Self::default() }
    }

    /// An action of this name that the page's `widgets.onAction` handles.
    #[must_use]
    pub fn client(name: impl Into<String>) -> Self {
        Self::new(name).handler(Handler::Client)
    }

    /// An action of this name that the server answers with one item instead of a stream
    /// (`threads.sync_custom_action`).
    #[must_use]
    pub fn sync(name: impl Into<String>) -> Self {
        Self::new(name).streaming(false)
    }

    setter! {
        /// What is sent back with the action; clients merge a form's fields into an object.
        payload: Value
    }
    setter! {
        /// Who handles it; the server when not set.
        handler: Handler
    }
    setter! {
        /// What shows that it is running.
        loading_behavior: LoadingBehavior
    }
    setter! {
        /// `false` for an action that is answered with one item.
        streaming: bool
    }
}

impl From<&str> for ActionConfig {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

#[cfg(test)]
mod tests;
