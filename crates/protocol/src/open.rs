//! Unions that stay readable when the other side is newer than this crate.

use serde::{Deserialize, Serialize};

use crate::JsonMap;

/// A value of a union whose `type` this version does not know, kept as it came.
///
/// Serialising it gives back the same JSON, so that a store or a proxy built on an older
/// version loses nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Unknown(pub JsonMap);

impl Unknown {
    /// The value of `type`; empty when there is none.
    pub fn tag(&self) -> &str {
        self.0.get("type").and_then(|tag| tag.as_str()).unwrap_or_default()
    }
}

/// Reads the payload of a union's arm. The error begins with the path of the field inside it:
/// reading by way of a tree has lost the outer reader's view of the path.
pub(crate) fn payload<T: serde::de::DeserializeOwned>(object: JsonMap) -> Result<T, String> {
    serde_path_to_error::deserialize(serde_json::Value::Object(object))
        .map_err(|error| error.to_string())
}

/// Splits what a union said into the path of the field, from the union on, and the problem.
///
/// Unions nest, and so do their messages: `in a: b: in c: d[0]: no` is `no` at `b.d[0]`.
pub(crate) fn split_path(message: &str) -> (String, &str) {
    let mut path = String::new();
    let mut rest = message;
    while let Some((field, problem)) = rest
        .strip_prefix("in ")
        .and_then(|rest| rest.split_once(": "))
        .and_then(|(_, inner)| inner.split_once(": "))
        .filter(|(field, _)| !field.contains([' ', '`']))
    {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(field);
        rest = problem;
    }
    (path, rest)
}

/// Declares a union tagged by `type`, with an arm that keeps unknown values.
///
/// Serde's own `#[serde(untagged)]` fallback arm is not used for reading: it would also take a
/// *known* type with a missing field for unknown, and hide the mistake.
macro_rules! open_union {
    (
        $(#[doc = $doc:literal])*
        $(#[expect($($expect:tt)*)])?
        pub enum $name:ident {
            $( $(#[$variant_meta:meta])* $tag:literal => $variant:ident($payload:ty), )+
        }
    ) => {
        $(#[doc = $doc])*
        $(#[expect($($expect)*)])?
        #[derive(Clone, Debug, PartialEq, serde::Serialize)]
        #[serde(tag = "type")]
        pub enum $name {
            $(
                $(#[$variant_meta])*
                #[serde(rename = $tag)]
                $variant($payload),
            )+
            /// A type newer than this version, kept as it came.
            #[serde(untagged)]
            Unknown($crate::Unknown),
        }

        impl $name {
            /// The value of `type` on the wire.
            pub fn tag(&self) -> &str {
                match self {
                    $( Self::$variant(_) => $tag, )+
                    Self::Unknown(unknown) => unknown.tag(),
                }
            }

            /// Every `type` that this version knows.
            pub const TAGS: &'static [&'static str] = &[$($tag),+];
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                use serde::de::Error as _;
                let mut object = $crate::JsonMap::deserialize(deserializer)?;
                let Some(tag) = object.get("type") else {
                    return Err(D::Error::missing_field("type"));
                };
                let Some(tag) = tag.as_str() else {
                    return Err(D::Error::custom("`type` must be a string"));
                };
                match tag {
                    $(
                        $tag => {
                            object.shift_remove("type");
                            $crate::open::payload::<$payload>(object)
                                .map(Self::$variant)
                                .map_err(|problem| D::Error::custom(format_args!(
                                    "in {}: {problem}", $tag
                                )))
                        }
                    )+
                    _ => Ok(Self::Unknown($crate::Unknown(object))),
                }
            }
        }

        impl schemars::JsonSchema for $name {
            named_schema!($name);

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let arms = vec![$({
                    struct Arm;
                    tagged_schema!(Arm, $payload, $tag);
                    generator.subschema_for::<Arm>()
                }),+];
                $crate::schema::open_union(concat!($($doc, "\n"),*), arms, Self::TAGS)
            }
        }

        $(
            impl From<$payload> for $name {
                fn from(payload: $payload) -> Self {
                    Self::$variant(payload)
                }
            }
        )+
    };
}

/// The name and identity of a type's schema, inside its `impl JsonSchema`.
macro_rules! named_schema {
    ($name:ident) => {
        fn schema_name() -> std::borrow::Cow<'static, str> {
            stringify!($name).into()
        }

        fn schema_id() -> std::borrow::Cow<'static, str> {
            concat!(module_path!(), "::", stringify!($name)).into()
        }
    };
}

/// Gives `$arm` the schema of a payload with its `type`, under the payload's name. The same
/// payload with the same `type` is the same schema, whatever holds it.
macro_rules! tagged_schema {
    ($arm:ident, $payload:ty, $tag:literal) => {
        impl schemars::JsonSchema for $arm {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                <$payload>::schema_name()
            }

            fn schema_id() -> std::borrow::Cow<'static, str> {
                concat!(stringify!($payload), " as ", $tag).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let mut schema = <$payload>::json_schema(generator);
                schemars::transform::Transform::transform(
                    &mut $crate::schema::Tag($tag),
                    &mut schema,
                );
                schema
            }
        }
    };
}

/// Declares a one-value marker: a field that always holds the same string on the wire and may
/// be left out when reading.
macro_rules! constant_tag {
    ($(#[$meta:meta])* pub struct $name:ident = $value:literal;) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name;

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str($value)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let value = String::deserialize(deserializer)?;
                if value == $value {
                    Ok(Self)
                } else {
                    Err(serde::de::Error::custom(format_args!(
                        "expected `{}`, found `{value}`", $value
                    )))
                }
            }
        }

        impl schemars::JsonSchema for $name {
            named_schema!($name);

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "const": $value })
            }
        }
    };
}

/// Declares a string enum with an arm that keeps strings newer than this version.
macro_rules! open_string {
    (
        $(#[doc = $doc:literal])*
        pub enum $name:ident { $( $(#[$variant_meta:meta])* $variant:ident = $value:literal, )+ }
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $( $(#[$variant_meta])* $variant, )+
            /// A value newer than this version, kept as it came.
            Other(String),
        }

        impl $name {
            /// The string on the wire.
            pub fn as_str(&self) -> &str {
                match self {
                    $( Self::$variant => $value, )+
                    Self::Other(other) => other,
                }
            }
        }

        impl From<&str> for $name {
            fn from(value: &str) -> Self {
                match value {
                    $( $value => Self::$variant, )+
                    other => Self::Other(other.to_owned()),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Ok(Self::from(String::deserialize(deserializer)?.as_str()))
            }
        }

        impl schemars::JsonSchema for $name {
            named_schema!($name);

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                $crate::schema::open_string(concat!($($doc, "\n"),*), &[$($value),+])
            }
        }
    };
}
