//! Pages of records.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One page of a list. `after` is the cursor of the next page: the id of the last record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "{T}Page")]
pub struct Page<T> {
    /// The records, in the order asked for.
    #[serde(default = "Vec::<T>::new")]
    pub data: Vec<T>,
    /// Whether another page follows.
    #[serde(default)]
    pub has_more: bool,
    /// Cursor to ask for the next page with; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self { data: Vec::new(), has_more: false, after: None }
    }
}

impl<T> Page<T> {
    /// The same page with each record converted.
    pub fn map<U>(self, convert: impl FnMut(T) -> U) -> Page<U> {
        Page {
            data: self.data.into_iter().map(convert).collect(),
            has_more: self.has_more,
            after: self.after,
        }
    }
}

/// Order of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// Oldest first.
    Asc,
    /// Newest first; the default of every list in the protocol.
    #[default]
    Desc,
}
