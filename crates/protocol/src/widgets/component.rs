//! How a component is declared.

/// Declares a component: its struct, its wire name as `type`, and `extra` for properties that are
/// not known here.
///
/// Fields come in blocks: `required` ones are plain, `optional` ones become an `Option` that is
/// left out when it is `None`, with a chained setter ([`setter!`]); those of the block `by_hand`
/// are optional, too, with a setter that is written beside the component. The second literal names the function that reads `extra`: serde
/// wants it spelled out.
macro_rules! component {
    (
        $(#[$meta:meta])*
        $name:ident = $kind:literal, $unknown:literal {
            required { $($(#[$required_meta:meta])* $required:ident: $required_type:ty,)* }
            optional { $($(#[$optional_meta:meta])* $optional:ident: $optional_type:ty,)* }
            $(by_hand { $($(#[$by_hand_meta:meta])* $by_hand:ident: $by_hand_type:ty,)* })?
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, ::serde::Serialize, ::serde::Deserialize, ::schemars::JsonSchema)]
        #[serde(tag = "type", rename = $kind, rename_all = "camelCase")]
        #[schemars(transform = $crate::schema::Tag($kind))]
        pub struct $name {
            /// Recognises the component among its siblings from one version to the next.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub key: Option<String>,
            /// Addresses the component in updates (`widget.component.updated` and
            /// `widget.streaming_text.value_delta`).
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub id: Option<String>,
            $($(#[$required_meta])* pub $required: $required_type,)*
            $(
                $(#[$optional_meta])*
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $optional: Option<$optional_type>,
            )*
            $($(
                $(#[$by_hand_meta])*
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $by_hand: Option<$by_hand_type>,
            )*)?
            /// Properties that this version does not know, kept as they came.
            #[serde(flatten, deserialize_with = $unknown)]
            pub extra: ::serde_json::Map<String, ::serde_json::Value>,
        }

        impl $name {
            setter! {
                /// Recognises the component among its siblings from one version to the next.
                key: String
            }
            setter! {
                /// Addresses the component in updates.
                id: String
            }
            $(setter!($(#[$optional_meta])* $optional: $optional_type);)*

            /// The component's `type` on the wire.
            pub const KIND: &str = $kind;

            /// What is left after the known properties, less the `type`, which has to be ours:
            /// lists of one kind of component (a table's rows) have nothing else to tell it by.
            fn unknown<'de, D: ::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> Result<::serde_json::Map<String, ::serde_json::Value>, D::Error> {
                $crate::widgets::component::unknown(Self::KIND, deserializer)
            }
        }
    };
}

/// Declares a component that lays out children: [`component!`] with the properties that all
/// boxes share.
macro_rules! box_component {
    (
        $(#[$meta:meta])*
        $name:ident = $kind:literal, $unknown:literal {
            $($(#[$own_meta:meta])* $own:ident: $own_type:ty,)*
        }
    ) => {
        component! {
            $(#[$meta])*
            $name = $kind, $unknown {
                required {}
                optional {
                    $($(#[$own_meta])* $own: $own_type,)*
                    /// The components inside.
                    children: Vec<$crate::widgets::WidgetComponent>,
                    /// Placement across the direction of the layout.
                    align: $crate::widgets::Alignment,
                    /// Placement along the direction of the layout.
                    justify: $crate::widgets::Justification,
                    /// Whether children wrap onto further lines.
                    wrap: $crate::widgets::FlexWrap,
                    /// Share of the free space, or a CSS `flex` value.
                    flex: $crate::widgets::Length,
                    /// Distance between children: spacing units or CSS.
                    gap: $crate::widgets::Length,
                    /// Height: pixels or CSS.
                    height: $crate::widgets::Length,
                    /// Width: pixels or CSS.
                    width: $crate::widgets::Length,
                    /// Width and height at once: pixels or CSS.
                    size: $crate::widgets::Length,
                    /// Least height: pixels or CSS.
                    min_height: $crate::widgets::Length,
                    /// Least width: pixels or CSS.
                    min_width: $crate::widgets::Length,
                    /// Least width and height: pixels or CSS.
                    min_size: $crate::widgets::Length,
                    /// Greatest height: pixels or CSS.
                    max_height: $crate::widgets::Length,
                    /// Greatest width: pixels or CSS.
                    max_width: $crate::widgets::Length,
                    /// Greatest width and height: pixels or CSS.
                    max_size: $crate::widgets::Length,
                    /// Space inside the edge.
                    padding: $crate::widgets::Space,
                    /// Space outside the edge.
                    margin: $crate::widgets::Space,
                    /// Border: pixels, one border for all edges, or one for each.
                    border: $crate::widgets::BorderValue,
                    /// Roundness of the corners.
                    radius: $crate::widgets::Radius,
                    /// Background: a surface token (`surface`, `surface-secondary`, …), a colour
                    /// token (`blue-500`), CSS, or one for each theme.
                    background: $crate::widgets::Color,
                    /// Width to height: a number, or CSS such as `16/9`.
                    aspect_ratio: $crate::widgets::Length,
                }
            }
        }
    };
}

/// Declares an object inside a component: as [`component!`], without `type`, `key` and `id`.
macro_rules! part {
    (
        $(#[$meta:meta])*
        $name:ident {
            required { $($(#[$required_meta:meta])* $required:ident: $required_type:ty,)* }
            optional { $($(#[$optional_meta:meta])* $optional:ident: $optional_type:ty,)* }
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, ::serde::Serialize, ::serde::Deserialize, ::schemars::JsonSchema)]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            $($(#[$required_meta])* pub $required: $required_type,)*
            $(
                $(#[$optional_meta])*
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $optional: Option<$optional_type>,
            )*
            /// Properties that this version does not know, kept as they came.
            #[serde(flatten)]
            pub extra: ::serde_json::Map<String, ::serde_json::Value>,
        }

        impl $name {
            $(setter!($(#[$optional_meta])* $optional: $optional_type);)*
        }
    };
}

/// Declares the chained setter of an optional property, named as its field.
///
/// Lists take anything that is a list: an array whose elements end in `.into()` needs no more
/// words then. Counts take a number, as a literal without a suffix would turn into nothing else.
/// The others take whatever turns into the property.
macro_rules! setter {
    ($(#[$meta:meta])* children: $type:ty) => {
        setter!(@list $(#[$meta])* children: $type);
    };
    ($(#[$meta:meta])* options: $type:ty) => {
        setter!(@list $(#[$meta])* options: $type);
    };
    ($(#[$meta:meta])* labels: $type:ty) => {
        setter!(@list $(#[$meta])* labels: $type);
    };
    ($(#[$meta:meta])* min_lines: $type:ty) => {
        setter!(@plain $(#[$meta])* min_lines: $type);
    };
    ($(#[$meta:meta])* max_lines: $type:ty) => {
        setter!(@plain $(#[$meta])* max_lines: $type);
    };
    ($(#[$meta:meta])* rows: $type:ty) => {
        setter!(@plain $(#[$meta])* rows: $type);
    };
    ($(#[$meta:meta])* max_rows: $type:ty) => {
        setter!(@plain $(#[$meta])* max_rows: $type);
    };
    ($(#[$meta:meta])* col_span: $type:ty) => {
        setter!(@plain $(#[$meta])* col_span: $type);
    };
    ($(#[$meta:meta])* row_span: $type:ty) => {
        setter!(@plain $(#[$meta])* row_span: $type);
    };
    ($(#[$meta:meta])* $field:ident: $type:ty) => {
        $(#[$meta])*
        #[must_use]
        pub fn $field(mut self, $field: impl Into<$type>) -> Self {
            self.$field = Some($field.into());
            self
        }
    };
    (@plain $(#[$meta:meta])* $field:ident: $type:ty) => {
        $(#[$meta])*
        #[must_use]
        pub fn $field(mut self, $field: $type) -> Self {
            self.$field = Some($field);
            self
        }
    };
    (@list $(#[$meta:meta])* $field:ident: $type:ty) => {
        $(#[$meta])*
        #[must_use]
        pub fn $field(
            mut self,
            $field: impl IntoIterator<Item = <$type as IntoIterator>::Item>,
        ) -> Self {
            self.$field = Some($field.into_iter().collect());
            self
        }
    };
}

/// Declares a set of tokens that may grow: an enum with an arm for each known one and `Other`.
macro_rules! tokens {
    (
        $(#[doc = $doc:literal])*
        $name:ident { $($variant:ident = $wire:literal,)+ }
    ) => {
        open_string! {
            $(#[doc = $doc])*
            pub enum $name {
                $(
                    #[doc = concat!("`\"", $wire, "\"`.")]
                    $variant = $wire,
                )+
            }
        }
    };
}

pub(crate) use {box_component, component, part, setter, tokens};

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// Reads the properties that are left over and takes the `type` out, which must be `kind`.
pub(crate) fn unknown<'de, D: Deserializer<'de>>(
    kind: &str,
    deserializer: D,
) -> Result<Map<String, Value>, D::Error> {
    let mut fields = Map::deserialize(deserializer)?;
    match fields.shift_remove("type") {
        Some(Value::String(found)) if found == kind => Ok(fields),
        Some(found) => {
            Err(D::Error::custom(format_args!("type: invalid value {found}, expected \"{kind}\"")))
        }
        None => Err(D::Error::missing_field("type")),
    }
}
