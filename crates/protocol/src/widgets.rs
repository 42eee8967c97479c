//! Widgets: small user interfaces, drawn by the client from a tree of components.
//!
//! The two official lists of components differ: the server SDK (`openai-chatkit`, `widgets.py`)
//! has [`Chart`] and lacks the table, the element (`@openai/chatkit`, `widgets.d.ts`) has
//! [`Table`], [`TableRow`] and [`TableCell`] and lacks the chart. Everything of both is here, and
//! a property that only one side knows is an ordinary field.
//!
//! # What survives
//!
//! Widgets are the most open part of the protocol: templates produce any JSON, and the official
//! models accept it. So nothing is lost or refused when reading:
//!
//! - a component whose `type` is not known is [`WidgetComponent::Other`], kept as it came;
//! - a property that is not known is in the component's `extra`;
//! - a token that is not known is that enum's `Other`;
//! - a component whose `type` is known but whose properties have another shape is
//!   [`WidgetComponent::Other`] too. [`WidgetRoot::check`] says what is wrong with it: call it on
//!   widgets that somebody wrote by hand.
//!
//! An absent property stays absent; a property that is `null` counts as absent.
//!
//! # Writing one by hand
//!
//! `new` takes what a component cannot be without; the rest is set in a chain, by methods named
//! as the properties. Tokens are typed, and any string turns into one.
//!
//! ```
//! use parlor_protocol::ActionConfig;
//! use parlor_protocol::widgets::{Card, Row, Select, SelectOption, Text, Title, TitleSize, WidgetRoot};
//! use serde_json::json;
//!
//! let widget = WidgetRoot::from(
//!     Card::new([
//!         Title::new("Order 1042").size(TitleSize::Sm).into(),
//!         Text::new("On its way").id("state").streaming(true).max_lines(2).into(),
//!         Row::new([
//!             Select::new("speed", [SelectOption::new("fast", "Overnight")]).block(true).into(),
//!         ])
//!         .gap(2)
//!         .into(),
//!     ])
//!     .as_form(true)
//!     .padding(4)
//!     .confirm("Save", ActionConfig::new("save").payload(json!({"order": 1042})))
//!     .cancel("Close", ActionConfig::client("close")),
//! );
//! let json = serde_json::to_value(&widget).unwrap();
//! assert_eq!(json["children"][1]["maxLines"], 2);
//! assert_eq!(json["confirm"]["action"]["payload"]["order"], 1042);
//! ```
//!
//! Components are plain structs: a literal with `..Default::default()` says the same.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::schema;

mod builders;
mod chart;
mod component;
mod content;
mod controls;
mod layout;
mod style;
mod table;
mod tree;

pub use self::chart::{
    AreaSeries, BarSeries, Chart, CurveType, LineSeries, Series, XAxis, XAxisConfig,
};
pub use self::content::{
    Badge, BadgeColor, BadgeSize, BadgeVariant, Caption, Editable, EditableProps, Icon, Image,
    ImageFit, ImagePosition, Markdown, Text, Title,
};
pub use self::controls::{
    Button, ButtonColor, ButtonIconSize, ButtonStyle, Checkbox, DatePicker, DatePickerSide, Input,
    InputType, Label, RadioGroup, RadioOption, Select, SelectOption, Textarea,
};
pub use self::layout::{
    Basic, Card, CardAction, CardSize, Col, Divider, FlexBox, Form, ListLimit, ListView,
    ListViewItem, Row, Spacer, Transition, WidgetStatus,
};
pub use self::style::{
    Alignment, Border, BorderEdge, BorderStyle, BorderValue, Borders, CaptionSize, Color,
    ControlSize, ControlVariant, Direction, FieldVariant, FlexWrap, FontWeight, GutterSize,
    IconSize, Justification, Length, Px, Radius, Space, Spacing, TextAlign, TextSize, ThemeColor,
    TitleSize, WidgetTheme,
};
pub use self::table::{Table, TableCell, TableColSize, TableRow};

/// Why a widget is not what its `type` promises; see [`WidgetRoot::check`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the widget's {place} is not a valid {kind} component: {problem}")]
pub struct WidgetError {
    /// Where in the tree, e.g. `root` or `children[2].children[0]`.
    pub place: String,
    /// The component's `type`.
    pub kind: String,
    /// What is wrong with which property, e.g. "value: invalid type: integer `5`, expected a string".
    pub problem: String,
}

/// Declares a union of components: the enum (an arm for each known `type` and `Other`), reading
/// that never refuses an object with a `type`, and `From` for each arm.
macro_rules! union {
    (
        $(#[doc = $doc:literal])*
        $name:ident, $expected:literal { $($variant:ident($component:ident) = $kind:literal,)+ }
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        pub enum $name {
            $(
                #[doc = concat!("`\"type\": \"", $kind, "\"`.")]
                $variant(Box<$component>),
            )+
            /// Any other object with a `type`, kept as it came: a component of a newer peer, or
            /// a known one in a shape that its type does not have.
            Other(Map<String, Value>),
        }

        impl $name {
            /// Every `type` that has an arm of its own.
            pub const KINDS: &[&str] = &[$($kind),+];

            /// The component's `type`.
            #[must_use]
            pub fn kind(&self) -> &str {
                match self {
                    $(Self::$variant(_) => $kind,)+
                    Self::Other(fields) => text(fields, "type").unwrap_or_default(),
                }
            }

            /// The component's `id`, by which updates address it.
            #[must_use]
            pub fn id(&self) -> Option<&str> {
                match self {
                    $(Self::$variant(component) => component.id.as_deref(),)+
                    Self::Other(fields) => text(fields, "id"),
                }
            }

            /// The component's `key`, by which a client recognises it among its siblings.
            #[must_use]
            pub fn key(&self) -> Option<&str> {
                match self {
                    $(Self::$variant(component) => component.key.as_deref(),)+
                    Self::Other(fields) => text(fields, "key"),
                }
            }

            /// Why a known `type` did not become its own arm.
            fn problem(fields: &Map<String, Value>) -> Option<String> {
                match text(fields, "type").unwrap_or_default() {
                    $($kind => problem::<$component>(fields),)+
                    _ => None,
                }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    $(Self::$variant(component) => component.serialize(serializer),)+
                    Self::Other(fields) => fields.serialize(serializer),
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let value = typed_object($expected, deserializer)?;
                let known = match value["type"].as_str().unwrap_or_default() {
                    $($kind => boxed(&value).map(Self::$variant),)+
                    _ => None,
                };
                Ok(known.unwrap_or_else(|| Self::Other(into_fields(value))))
            }
        }

        impl $name {
            fn arms(generator: &mut SchemaGenerator) -> Vec<Schema> {
                vec![$(generator.subschema_for::<$component>()),+]
            }
        }

        impl JsonSchema for $name {
            named_schema!($name);

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                schema::any_shape(concat!($($doc, "\n"),*), Self::arms(generator))
            }
        }

        $(
            impl From<$component> for $name {
                fn from(component: $component) -> Self {
                    Self::$variant(Box::new(component))
                }
            }
        )+
    };
}

union! {
    /// The top of a widget: what a widget item holds.
    WidgetRoot, "a widget" {
        Card(Card) = "Card",
        ListView(ListView) = "ListView",
        Basic(Basic) = "Basic",
    }
}

union! {
    /// Any component inside a widget.
    WidgetComponent, "a widget component" {
        Badge(Badge) = "Badge",
        Box(FlexBox) = "Box",
        Button(Button) = "Button",
        Caption(Caption) = "Caption",
        Chart(Chart) = "Chart",
        Checkbox(Checkbox) = "Checkbox",
        Col(Col) = "Col",
        DatePicker(DatePicker) = "DatePicker",
        Divider(Divider) = "Divider",
        Form(Form) = "Form",
        Icon(Icon) = "Icon",
        Image(Image) = "Image",
        Input(Input) = "Input",
        Label(Label) = "Label",
        ListViewItem(ListViewItem) = "ListViewItem",
        Markdown(Markdown) = "Markdown",
        RadioGroup(RadioGroup) = "RadioGroup",
        Row(Row) = "Row",
        Select(Select) = "Select",
        Spacer(Spacer) = "Spacer",
        Table(Table) = "Table",
        TableCell(TableCell) = "Table.Cell",
        TableRow(TableRow) = "Table.Row",
        Text(Text) = "Text",
        Textarea(Textarea) = "Textarea",
        Title(Title) = "Title",
        Transition(Transition) = "Transition",
    }
}

/// A child of [`Basic`], the one component that holds roots as well as components.
#[derive(Debug, Clone, PartialEq)]
pub enum WidgetNode {
    /// A root: a card, a list or another [`Basic`].
    Root(WidgetRoot),
    /// A component.
    Component(WidgetComponent),
}

impl Serialize for WidgetNode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Root(root) => root.serialize(serializer),
            Self::Component(component) => component.serialize(serializer),
        }
    }
}

impl JsonSchema for WidgetNode {
    named_schema!(WidgetNode);

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut arms = WidgetRoot::arms(generator);
        arms.append(&mut WidgetComponent::arms(generator));
        schema::any_shape("A child of `Basic`, which holds roots as well as components.", arms)
    }
}

impl<'de> Deserialize<'de> for WidgetNode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = typed_object("a widget or a widget component", deserializer)?;
        let is_root = WidgetRoot::KINDS.iter().any(|kind| value["type"] == **kind);
        if is_root {
            WidgetRoot::deserialize(value).map(Self::Root).map_err(D::Error::custom)
        } else {
            WidgetComponent::deserialize(value).map(Self::Component).map_err(D::Error::custom)
        }
    }
}

impl<T: Into<WidgetComponent>> From<T> for WidgetNode {
    fn from(component: T) -> Self {
        Self::Component(component.into())
    }
}

impl From<WidgetRoot> for WidgetNode {
    fn from(root: WidgetRoot) -> Self {
        Self::Root(root)
    }
}

impl WidgetRoot {
    /// Looks for components that carry a known `type` and don't have its shape.
    ///
    /// # Errors
    ///
    /// [`WidgetError`] for the first one, naming its place in the tree and the property.
    pub fn check(&self) -> Result<(), WidgetError> {
        check_root(self, &Place::Root)
    }
}

impl WidgetComponent {
    /// As [`WidgetRoot::check`], from this component down.
    ///
    /// # Errors
    ///
    /// [`WidgetError`] for the first one, naming its place in the tree and the property.
    pub fn check(&self) -> Result<(), WidgetError> {
        check_component(self, &Place::Root)
    }
}

/// A place in the tree, written out only when there is something to say about it.
enum Place<'a> {
    Root,
    Child(&'a Place<'a>, usize),
    OnlyChild(&'a Place<'a>),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parent = match self {
            Self::Root => return f.write_str("root"),
            Self::Child(parent, _) | Self::OnlyChild(parent) => parent,
        };
        if !matches!(parent, Place::Root) {
            write!(f, "{parent}.")?;
        }
        match self {
            Self::Child(_, index) => write!(f, "children[{index}]"),
            _ => f.write_str("children"),
        }
    }
}

fn check_root(root: &WidgetRoot, place: &Place<'_>) -> Result<(), WidgetError> {
    match root {
        WidgetRoot::Card(card) => check_all(&card.children, place),
        WidgetRoot::ListView(list) => list
            .children
            .iter()
            .enumerate()
            .try_for_each(|(i, item)| check_all(&item.children, &Place::Child(place, i))),
        WidgetRoot::Basic(basic) => {
            let children = basic.children.as_deref().unwrap_or_default();
            children.iter().enumerate().try_for_each(|(i, child)| match child {
                WidgetNode::Root(root) => check_root(root, &Place::Child(place, i)),
                WidgetNode::Component(component) => {
                    check_component(component, &Place::Child(place, i))
                }
            })
        }
        WidgetRoot::Other(fields) => report(fields, WidgetRoot::problem(fields), place),
    }
}

fn check_component(component: &WidgetComponent, place: &Place<'_>) -> Result<(), WidgetError> {
    let rows = |rows: &[TableRow], place: &Place<'_>| {
        rows.iter().enumerate().try_for_each(|(i, row)| {
            let place = Place::Child(place, i);
            row.children.iter().flatten().enumerate().try_for_each(|(i, cell)| {
                check_all(cell.children.as_deref().unwrap_or_default(), &Place::Child(&place, i))
            })
        })
    };
    let children = match component {
        WidgetComponent::Box(it) => it.children.as_deref(),
        WidgetComponent::Row(it) => it.children.as_deref(),
        WidgetComponent::Col(it) => it.children.as_deref(),
        WidgetComponent::Form(it) => it.children.as_deref(),
        WidgetComponent::ListViewItem(it) => Some(it.children.as_slice()),
        WidgetComponent::TableCell(it) => it.children.as_deref(),
        WidgetComponent::Table(it) => {
            return rows(it.children.as_deref().unwrap_or_default(), place);
        }
        WidgetComponent::TableRow(it) => {
            return it.children.iter().flatten().enumerate().try_for_each(|(i, cell)| {
                check_all(cell.children.as_deref().unwrap_or_default(), &Place::Child(place, i))
            });
        }
        WidgetComponent::Transition(it) => {
            return it
                .children
                .iter()
                .try_for_each(|child| check_component(child, &Place::OnlyChild(place)));
        }
        WidgetComponent::Other(fields) => {
            return report(fields, WidgetComponent::problem(fields), place);
        }
        _ => None,
    };
    check_all(children.unwrap_or_default(), place)
}

fn check_all(children: &[WidgetComponent], place: &Place<'_>) -> Result<(), WidgetError> {
    children
        .iter()
        .enumerate()
        .try_for_each(|(i, child)| check_component(child, &Place::Child(place, i)))
}

fn report(
    fields: &Map<String, Value>,
    problem: Option<String>,
    place: &Place<'_>,
) -> Result<(), WidgetError> {
    problem.map_or(Ok(()), |problem| {
        let kind = text(fields, "type").unwrap_or_default().to_owned();
        Err(WidgetError { place: place.to_string(), kind, problem })
    })
}

/// Reads any value and makes sure that it is an object whose `type` is a string: all that is asked
/// of a component.
fn typed_object<'de, D: Deserializer<'de>>(what: &str, deserializer: D) -> Result<Value, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let Value::Object(fields) = &value else {
        return Err(D::Error::custom(format_args!("expected {what}, which is an object")));
    };
    match fields.get("type") {
        Some(Value::String(_)) => Ok(value),
        Some(_) => Err(D::Error::custom(format_args!("the `type` of {what} must be a string"))),
        None => Err(D::Error::missing_field("type")),
    }
}

fn into_fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    fields.get(name).and_then(Value::as_str)
}

/// A function of its own for each component, so that the big local variables of one are not on
/// the stack while another is read: widgets nest.
#[inline(never)]
fn boxed<T: DeserializeOwned>(value: &Value) -> Option<Box<T>> {
    T::deserialize(value).ok().map(Box::new)
}

fn problem<T: DeserializeOwned>(fields: &Map<String, Value>) -> Option<String> {
    let value = Value::Object(fields.clone());
    let result: Result<T, _> = serde_path_to_error::deserialize(&value);
    result.err().map(|error| error.to_string())
}
