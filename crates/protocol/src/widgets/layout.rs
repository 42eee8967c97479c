//! Roots and containers.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::component::{box_component, component, part, setter, tokens};
use super::{
    Alignment, BorderValue, Color, Direction, Justification, Length, Space, WidgetComponent,
    WidgetNode, WidgetTheme,
};
use crate::{ActionConfig, Icon};

component! {
    /// A framed root, the usual widget.
    Card = "Card", "Card::unknown" {
        required {
            /// The components inside.
            children: Vec<WidgetComponent>,
        }
        optional {
            /// Makes the card a form: `confirm` and `cancel` send its fields.
            as_form: bool,
            /// Background: a surface token, a palette token, CSS, or one for each theme.
            background: Color,
            /// Border: pixels, one border for all edges, or one for each. Known to the element
            /// only.
            border: BorderValue,
            /// Visual size.
            size: CardSize,
            /// Space inside the edge.
            padding: Space,
            /// Line above the content.
            status: WidgetStatus,
            /// Folds the body away, as after its main action is done.
            collapsed: bool,
            /// Forces a theme onto the subtree.
            theme: WidgetTheme,
        }
        by_hand {
            /// Button in the footer that confirms.
            confirm: CardAction,
            /// Button in the footer that cancels.
            cancel: CardAction,
        }
    }
}

component! {
    /// A root that is a list of rows.
    ListView = "ListView", "ListView::unknown" {
        required {
            /// The rows.
            children: Vec<ListViewItem>,
        }
        optional {
            /// How many rows show before "show more".
            limit: ListLimit,
            /// Line above the list.
            status: WidgetStatus,
            /// Forces a theme onto the subtree.
            theme: WidgetTheme,
        }
    }
}

component! {
    /// A row of a [`ListView`].
    ListViewItem = "ListViewItem", "ListViewItem::unknown" {
        required {
            /// The components inside.
            children: Vec<WidgetComponent>,
        }
        optional {
            /// What a click on the row does.
            on_click_action: ActionConfig,
            /// Distance between children: spacing units or CSS.
            gap: Length,
            /// Vertical placement of the content.
            align: Alignment,
        }
    }
}

component! {
    /// A root without a frame, which may hold other roots.
    Basic = "Basic", "Basic::unknown" {
        required {}
        optional {
            /// The roots and components inside.
            children: Vec<WidgetNode>,
            /// Which way children are laid out.
            direction: Direction,
            /// Distance between children: spacing units or CSS.
            gap: Length,
            /// Space inside the edge.
            padding: Space,
            /// Placement across the direction.
            align: Alignment,
            /// Placement along the direction.
            justify: Justification,
            /// Forces a theme onto the subtree.
            theme: WidgetTheme,
        }
    }
}

box_component! {
    // Not named `Box`, which is a word of Rust's.
    /// A general container, `Box` on the wire.
    FlexBox = "Box", "FlexBox::unknown" {
        /// Which way children are laid out.
        direction: Direction,
    }
}

box_component! {
    /// A container whose children stand side by side.
    Row = "Row", "Row::unknown" {}
}

box_component! {
    /// A container whose children stand one below the other.
    Col = "Col", "Col::unknown" {}
}

box_component! {
    /// A container that sends the fields inside it.
    Form = "Form", "Form::unknown" {
        /// What sending does; the fields are merged into its payload.
        on_submit_action: ActionConfig,
        /// Which way children are laid out.
        direction: Direction,
    }
}

component! {
    /// Space that takes what is left.
    Spacer = "Spacer", "Spacer::unknown" {
        required {}
        optional {
            /// The least it takes: pixels or CSS.
            min_size: Length,
        }
    }
}

component! {
    /// A line between other components.
    Divider = "Divider", "Divider::unknown" {
        required {}
        optional {
            /// `default`, `subtle`, `strong`, a palette token, CSS, or one for each theme.
            color: Color,
            /// Thickness: pixels or CSS.
            size: Length,
            /// Space before and after: spacing units or CSS.
            spacing: Length,
            /// Reaches through the container's padding to its edge.
            flush: bool,
        }
    }
}

component! {
    /// Animates changes of the one component inside.
    Transition = "Transition", "Transition::unknown" {
        required {}
        optional {}
        by_hand {
            /// The component to animate; a single one, despite the name.
            children: Box<WidgetComponent>,
        }
    }
}

part! {
    /// A button in a card's footer.
    CardAction {
        required {
            /// Text on the button.
            label: String,
            /// What it does.
            action: ActionConfig,
        }
        optional {}
    }
}

part! {
    /// The line above a card or list: text with either a favicon or an icon.
    WidgetStatus {
        required {
            /// The text.
            text: String,
        }
        optional {
            /// URL of a small picture before the text.
            favicon: String,
            /// Frames the favicon for contrast.
            frame: bool,
            /// Icon before the text.
            icon: Icon,
        }
    }
}

tokens! {
    /// Visual size of a card.
    CardSize {
        Sm = "sm",
        Md = "md",
        Lg = "lg",
        Full = "full",
    }
}

/// How many rows a list shows before "show more".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ListLimit {
    /// The client decides.
    #[default]
    Auto,
    /// This many.
    Rows(u32),
}

impl Serialize for ListLimit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Rows(rows) => serializer.serialize_u32(*rows),
        }
    }
}

impl JsonSchema for ListLimit {
    named_schema!(ListLimit);

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "How many rows a list shows before \"show more\"; the client decides \
                with `auto`.",
            "anyOf": [
                { "type": "integer", "minimum": 0 },
                { "type": "string", "const": "auto" },
            ],
        })
    }
}

impl<'de> Deserialize<'de> for ListLimit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a number of rows or \"auto\"")]
        enum Wire {
            Rows(u32),
            Word(String),
        }

        match Wire::deserialize(deserializer)? {
            Wire::Rows(rows) => Ok(Self::Rows(rows)),
            Wire::Word(word) if word == "auto" => Ok(Self::Auto),
            Wire::Word(word) => Err(D::Error::invalid_value(
                Unexpected::Str(&word),
                &"a number of rows or \"auto\"",
            )),
        }
    }
}
