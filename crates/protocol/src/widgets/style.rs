//! What components share: lengths, colours, spacing, borders and tokens.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::component::{part, setter, tokens};

/// A number or a CSS string.
///
/// What a number counts depends on the property: pixels for sizes, spacing units (multiples of
/// 4 px, as in `gap: 2`) for gaps, padding and margins, plain numbers for `flex` and
/// `aspectRatio`. Each property says which.
#[derive(Debug, Clone, PartialEq)]
pub enum Length {
    /// A number.
    Number(f64),
    /// Any CSS value, e.g. `"50%"` or `"2rem"`.
    Css(String),
}

impl Default for Length {
    fn default() -> Self {
        Self::Number(0.0)
    }
}

impl From<f64> for Length {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<i32> for Length {
    fn from(number: i32) -> Self {
        Self::Number(number.into())
    }
}

impl From<&str> for Length {
    fn from(css: &str) -> Self {
        Self::Css(css.to_owned())
    }
}

impl From<String> for Length {
    fn from(css: String) -> Self {
        Self::Css(css)
    }
}

impl Serialize for Length {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serialize_number(*number, serializer),
            Self::Css(css) => serializer.serialize_str(css),
        }
    }
}

impl JsonSchema for Length {
    named_schema!(Length);

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number or a CSS string. What a number counts depends on the \
                property: pixels for sizes, spacing units (multiples of 4 px) for gaps, padding \
                and margins, plain numbers for `flex` and `aspectRatio`.",
            "anyOf": [{ "type": "number" }, { "type": "string" }],
        })
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LengthVisitor;

        impl Visitor<'_> for LengthVisitor {
            type Value = Length;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number or a CSS string")
            }

            fn visit_f64<E>(self, number: f64) -> Result<Length, E> {
                Ok(Length::Number(number))
            }

            #[expect(clippy::cast_precision_loss, reason = "no length on a screen needs 54 bits")]
            fn visit_i64<E>(self, number: i64) -> Result<Length, E> {
                Ok(Length::Number(number as f64))
            }

            #[expect(clippy::cast_precision_loss, reason = "no length on a screen needs 54 bits")]
            fn visit_u64<E>(self, number: u64) -> Result<Length, E> {
                Ok(Length::Number(number as f64))
            }

            fn visit_str<E>(self, css: &str) -> Result<Length, E> {
                Ok(Length::Css(css.to_owned()))
            }
        }

        deserializer.deserialize_any(LengthVisitor)
    }
}

/// A thickness in pixels.
#[derive(Debug, Clone, Copy, Default, PartialEq, PartialOrd, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Px(pub f64);

impl Serialize for Px {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_number(self.0, serializer)
    }
}

impl From<i32> for Px {
    fn from(pixels: i32) -> Self {
        Self(pixels.into())
    }
}

impl From<f64> for Px {
    fn from(pixels: f64) -> Self {
        Self(pixels)
    }
}

/// Writes whole numbers without a fraction: some of the official properties are integers, and
/// `4.0` in place of `4` surprises strict readers.
#[expect(clippy::cast_possible_truncation, reason = "only within the range where it is exact")]
fn serialize_number<S: Serializer>(number: f64, serializer: S) -> Result<S::Ok, S::Error> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() < EXACT {
        serializer.serialize_i64(number as i64)
    } else {
        serializer.serialize_f64(number)
    }
}

part! {
    /// One value for the dark theme and one for the light.
    ThemeColor {
        required {
            /// Used when the theme is dark: a token or CSS.
            dark: String,
            /// Used when the theme is light: a token or CSS.
            light: String,
        }
        optional {}
    }
}

/// A colour: a token, CSS, or one of these for each theme.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a colour: a string or an object with `dark` and `light`")]
pub enum Color {
    /// A token of the property's list (e.g. `secondary`), a palette token (e.g. `blue-500`) or CSS.
    Value(String),
    /// One for each theme.
    Theme(ThemeColor),
}

impl Default for Color {
    fn default() -> Self {
        Self::Value(String::new())
    }
}

impl From<&str> for Color {
    fn from(color: &str) -> Self {
        Self::Value(color.to_owned())
    }
}

impl From<ThemeColor> for Color {
    fn from(color: ThemeColor) -> Self {
        Self::Theme(color)
    }
}

part! {
    /// Space for each edge: spacing units or CSS. A single edge wins over its axis.
    Spacing {
        required {}
        optional {
            /// Top edge.
            top: Length,
            /// Right edge.
            right: Length,
            /// Bottom edge.
            bottom: Length,
            /// Left edge.
            left: Length,
            /// Left and right.
            x: Length,
            /// Top and bottom.
            y: Length,
        }
    }
}

/// Padding or margin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a space: a number, a string or an object of edges")]
pub enum Space {
    /// The same for all edges: spacing units or CSS.
    All(Length),
    /// One for each edge.
    Edges(Box<Spacing>),
}

impl<T: Into<Length>> From<T> for Space {
    fn from(length: T) -> Self {
        Self::All(length.into())
    }
}

impl From<Spacing> for Space {
    fn from(edges: Spacing) -> Self {
        Self::Edges(Box::new(edges))
    }
}

part! {
    /// A line along an edge.
    Border {
        required {
            /// Thickness in pixels.
            size: Px,
        }
        optional {
            /// `default`, `subtle`, `strong`, a palette token, CSS, or one for each theme.
            color: Color,
            /// Kind of line; solid when absent.
            style: BorderStyle,
        }
    }
}

/// The border of one edge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a border: pixels or an object with a `size`")]
pub enum BorderEdge {
    /// Thickness in pixels.
    Size(Px),
    /// Thickness, colour and kind of line.
    Border(Box<Border>),
}

impl From<i32> for BorderEdge {
    fn from(pixels: i32) -> Self {
        Self::Size(pixels.into())
    }
}

impl From<Border> for BorderEdge {
    fn from(border: Border) -> Self {
        Self::Border(Box::new(border))
    }
}

part! {
    /// A border for each edge. A single edge wins over its axis.
    Borders {
        required {}
        optional {
            /// Top edge.
            top: BorderEdge,
            /// Right edge.
            right: BorderEdge,
            /// Bottom edge.
            bottom: BorderEdge,
            /// Left edge.
            left: BorderEdge,
            /// Left and right.
            x: BorderEdge,
            /// Top and bottom.
            y: BorderEdge,
        }
    }
}

/// The border of a box: pixels, one border for all edges, or one for each.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum BorderValue {
    /// Thickness of all edges in pixels.
    Size(Px),
    /// The same border on all edges.
    All(Box<Border>),
    /// One for each edge.
    Edges(Box<Borders>),
}

impl<'de> Deserialize<'de> for BorderValue {
    /// Tells the two objects apart by `size`, the one property that every [`Border`] has and no
    /// [`Borders`].
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let read = if value.get("size").is_some() {
            Border::deserialize(value).map(|border| Self::All(Box::new(border)))
        } else if value.is_object() {
            Borders::deserialize(value).map(|borders| Self::Edges(Box::new(borders)))
        } else {
            Px::deserialize(value).map(Self::Size)
        };
        read.map_err(D::Error::custom)
    }
}

impl From<i32> for BorderValue {
    fn from(pixels: i32) -> Self {
        Self::Size(pixels.into())
    }
}

impl From<Border> for BorderValue {
    fn from(border: Border) -> Self {
        Self::All(Box::new(border))
    }
}

impl From<Borders> for BorderValue {
    fn from(borders: Borders) -> Self {
        Self::Edges(Box::new(borders))
    }
}

tokens! {
    /// Kind of line of a border.
    BorderStyle {
        Solid = "solid",
        Dashed = "dashed",
        Dotted = "dotted",
        Double = "double",
        Groove = "groove",
        Ridge = "ridge",
        Inset = "inset",
        Outset = "outset",
    }
}

tokens! {
    /// Roundness of corners.
    Radius {
        Xs2 = "2xs",
        Xs = "xs",
        Sm = "sm",
        Md = "md",
        Lg = "lg",
        Xl = "xl",
        Xl2 = "2xl",
        Xl3 = "3xl",
        Xl4 = "4xl",
        Full = "full",
        Percent100 = "100%",
        None = "none",
    }
}

tokens! {
    /// The theme that a subtree is forced to.
    WidgetTheme {
        Light = "light",
        Dark = "dark",
    }
}

tokens! {
    /// Which way children are laid out.
    Direction {
        Row = "row",
        Col = "col",
    }
}

tokens! {
    /// Whether children wrap onto further lines.
    FlexWrap {
        NoWrap = "nowrap",
        Wrap = "wrap",
        WrapReverse = "wrap-reverse",
    }
}

tokens! {
    /// Placement across the direction of a layout.
    Alignment {
        Start = "start",
        Center = "center",
        End = "end",
        Baseline = "baseline",
        Stretch = "stretch",
    }
}

tokens! {
    /// Placement along the direction of a layout.
    Justification {
        Start = "start",
        Center = "center",
        End = "end",
        Between = "between",
        Around = "around",
        Evenly = "evenly",
        Stretch = "stretch",
    }
}

tokens! {
    /// Horizontal placement of text, of a table cell's content, or of a date picker's calendar.
    TextAlign {
        Start = "start",
        Center = "center",
        End = "end",
    }
}

tokens! {
    /// Thickness of letters.
    FontWeight {
        Normal = "normal",
        Medium = "medium",
        Semibold = "semibold",
        Bold = "bold",
    }
}

tokens! {
    /// Size of body text.
    TextSize {
        Xs = "xs",
        Sm = "sm",
        Md = "md",
        Lg = "lg",
        Xl = "xl",
    }
}

tokens! {
    /// Size of a title.
    TitleSize {
        Sm = "sm",
        Md = "md",
        Lg = "lg",
        Xl = "xl",
        Xl2 = "2xl",
        Xl3 = "3xl",
        Xl4 = "4xl",
        Xl5 = "5xl",
    }
}

tokens! {
    /// Size of a caption.
    CaptionSize {
        Sm = "sm",
        Md = "md",
        Lg = "lg",
    }
}

tokens! {
    /// Size of an icon.
    IconSize {
        Xs = "xs",
        Sm = "sm",
        Md = "md",
        Lg = "lg",
        Xl = "xl",
        Xl2 = "2xl",
        Xl3 = "3xl",
    }
}

tokens! {
    /// Look of buttons, selects and date pickers.
    ControlVariant {
        Solid = "solid",
        Soft = "soft",
        Outline = "outline",
        Ghost = "ghost",
    }
}

tokens! {
    /// Size of buttons and fields.
    ControlSize {
        Xs3 = "3xs",
        Xs2 = "2xs",
        Xs = "xs",
        Sm = "sm",
        Md = "md",
        Lg = "lg",
        Xl = "xl",
        Xl2 = "2xl",
        Xl3 = "3xl",
    }
}

tokens! {
    /// Look of text fields.
    FieldVariant {
        Soft = "soft",
        Outline = "outline",
    }
}

tokens! {
    /// Space between a field's edge and its text; wins over what the field's size brings.
    GutterSize {
        Xs2 = "2xs",
        Xs = "xs",
        Sm = "sm",
        Md = "md",
        Lg = "lg",
        Xl = "xl",
    }
}
