//! Text, pictures and badges.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::component::{component, part, setter, tokens};
use super::{
    CaptionSize, Color, FontWeight, IconSize, Length, Radius, Space, TextAlign, TextSize, TitleSize,
};

component! {
    /// Plain text, which can be streamed and edited.
    Text = "Text", "Text::unknown" {
        required {
            /// The text.
            value: String,
        }
        optional {
            /// Draws growing text smoothly.
            streaming: bool,
            /// In italics.
            italic: bool,
            /// Struck through.
            line_through: bool,
            /// A text token (`prose`, `primary`, `emphasis`, `secondary`, `tertiary`, `success`,
            /// `warning`, `danger`), a palette token, CSS, or one for each theme.
            color: Color,
            /// Thickness of the letters.
            weight: FontWeight,
            /// Width: pixels or CSS.
            width: Length,
            /// Size of the letters.
            size: TextSize,
            /// Horizontal placement.
            text_align: TextAlign,
            /// Cuts what does not fit, with an ellipsis.
            truncate: bool,
            /// Keeps room for this many lines.
            min_lines: u32,
            /// Shows at most this many lines.
            max_lines: u32,
            /// Lets the user edit the text in place.
            editable: Editable,
        }
    }
}

component! {
    /// A heading.
    Title = "Title", "Title::unknown" {
        required {
            /// The text.
            value: String,
        }
        optional {
            /// As [`Text::color`].
            color: Color,
            /// Thickness of the letters.
            weight: FontWeight,
            /// Size of the letters.
            size: TitleSize,
            /// Horizontal placement.
            text_align: TextAlign,
            /// Cuts what does not fit, with an ellipsis.
            truncate: bool,
            /// Shows at most this many lines.
            max_lines: u32,
        }
    }
}

component! {
    /// Small supporting text.
    Caption = "Caption", "Caption::unknown" {
        required {
            /// The text.
            value: String,
        }
        optional {
            /// As [`Text::color`].
            color: Color,
            /// Thickness of the letters.
            weight: FontWeight,
            /// Size of the letters.
            size: CaptionSize,
            /// Horizontal placement.
            text_align: TextAlign,
            /// Cuts what does not fit, with an ellipsis.
            truncate: bool,
            /// Shows at most this many lines.
            max_lines: u32,
        }
    }
}

component! {
    /// Markdown, which can be streamed.
    Markdown = "Markdown", "Markdown::unknown" {
        required {
            /// The Markdown source.
            value: String,
        }
        optional {
            /// Draws growing text smoothly.
            streaming: bool,
        }
    }
}

component! {
    /// A word on a coloured ground.
    Badge = "Badge", "Badge::unknown" {
        required {
            /// The word.
            label: String,
        }
        optional {
            /// Colour.
            color: BadgeColor,
            /// Look.
            variant: BadgeVariant,
            /// Size.
            size: BadgeSize,
            /// Fully rounded.
            pill: bool,
        }
    }
}

component! {
    /// An icon.
    Icon = "Icon", "Icon::unknown" {
        required {
            /// Which icon.
            name: crate::Icon,
        }
        optional {
            /// As [`Text::color`].
            color: Color,
            /// Size.
            size: IconSize,
        }
    }
}

component! {
    /// A picture.
    Image = "Image", "Image::unknown" {
        required {
            /// URL of the picture.
            src: String,
        }
        optional {
            /// Description for those who don't see it.
            alt: String,
            /// How it fills its place.
            fit: ImageFit,
            /// Which part shows when it is cropped.
            position: ImagePosition,
            /// Roundness of the corners.
            radius: Radius,
            /// Draws a frame.
            frame: bool,
            /// Reaches through the container's padding to its edge.
            flush: bool,
            /// Height: pixels or CSS.
            height: Length,
            /// Width: pixels or CSS.
            width: Length,
            /// Width and height at once: pixels or CSS.
            size: Length,
            /// Least height: pixels or CSS.
            min_height: Length,
            /// Least width: pixels or CSS.
            min_width: Length,
            /// Least width and height: pixels or CSS.
            min_size: Length,
            /// Greatest height: pixels or CSS.
            max_height: Length,
            /// Greatest width: pixels or CSS.
            max_width: Length,
            /// Greatest width and height: pixels or CSS.
            max_size: Length,
            /// Space outside the edge.
            margin: Space,
            /// Background while it loads or where it is transparent: a surface token, a palette
            /// token, CSS, or one for each theme.
            background: Color,
            /// Width to height: a number, or CSS such as `16/9`.
            aspect_ratio: Length,
            /// Share of the free space, or a CSS `flex` value.
            flex: Length,
        }
    }
}

/// Whether the user may edit a [`Text`] in place.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Editable {
    /// They may not: `false` on the wire.
    #[default]
    No,
    /// They may, as a field of the form around it.
    As(Box<EditableProps>),
}

impl From<EditableProps> for Editable {
    fn from(props: EditableProps) -> Self {
        Self::As(Box::new(props))
    }
}

impl Serialize for Editable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::No => serializer.serialize_bool(false),
            Self::As(props) => props.serialize(serializer),
        }
    }
}

impl JsonSchema for Editable {
    named_schema!(Editable);

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Whether the user may edit a text in place: `false`, or as a field of \
                the form around it.",
            "anyOf": [
                { "type": "boolean", "const": false },
                generator.subschema_for::<EditableProps>(),
            ],
        })
    }
}

impl<'de> Deserialize<'de> for Editable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Bool(false) => Ok(Self::No),
            Value::Bool(true) => Err(D::Error::invalid_value(
                Unexpected::Bool(true),
                &"false or an object with a `name`",
            )),
            value => EditableProps::deserialize(value).map(Self::from).map_err(D::Error::custom),
        }
    }
}

part! {
    /// An editable text as a field.
    EditableProps {
        required {
            /// Name of the field in the form.
            name: String,
        }
        optional {
            /// Takes the focus when it appears.
            auto_focus: bool,
            /// Selects all text on focus.
            auto_select: bool,
            /// The browser's `autocomplete` hint.
            auto_complete: String,
            /// Lets password managers and the like in.
            allow_autofill_extensions: bool,
            /// Regular expression that the text has to match.
            pattern: String,
            /// Shown while it is empty.
            placeholder: String,
            /// Must not be empty.
            required: bool,
        }
    }
}

tokens! {
    /// Colour of a badge.
    BadgeColor {
        Secondary = "secondary",
        Success = "success",
        Danger = "danger",
        Warning = "warning",
        Info = "info",
        Discovery = "discovery",
    }
}

tokens! {
    /// Look of a badge.
    BadgeVariant {
        Solid = "solid",
        Soft = "soft",
        Outline = "outline",
    }
}

tokens! {
    /// Size of a badge.
    BadgeSize {
        Sm = "sm",
        Md = "md",
        Lg = "lg",
    }
}

tokens! {
    /// How a picture fills its place.
    ImageFit {
        Cover = "cover",
        Contain = "contain",
        Fill = "fill",
        ScaleDown = "scale-down",
        None = "none",
    }
}

tokens! {
    /// Which part of a picture shows when it is cropped.
    ImagePosition {
        TopLeft = "top left",
        Top = "top",
        TopRight = "top right",
        Left = "left",
        Center = "center",
        Right = "right",
        BottomLeft = "bottom left",
        Bottom = "bottom",
        BottomRight = "bottom right",
    }
}
