//! What the gallery shows, one file a chapter.

pub mod actions;
pub mod charts;
pub mod content;
pub mod fields;
pub mod form;
pub mod layout;
pub mod live;
pub mod streaming;

use serde_json::{Value, json};

/// Texts, badges, icons, pictures.
pub const CONTENT: &str = "texts and pictures";
/// Cards, lists, rows, columns, boxes.
pub const LAYOUT: &str = "layouts";
/// Everything that takes input.
pub const FIELDS: &str = "fields";
/// Charts and tables.
pub const CHARTS: &str = "charts and tables";
/// A form with validation.
pub const FORM: &str = "a form";
/// Who handles an action, and what shows that it runs.
pub const ACTIONS: &str = "actions";
/// A widget in many versions.
pub const STREAMING: &str = "streaming";
/// Stored widgets that change in their place.
pub const IN_PLACE: &str = "in place";
/// A `.widget` file, filled in.
pub const TEMPLATE: &str = "a template";

/// The chapters, in order.
pub const ALL: [&str; 9] =
    [CONTENT, LAYOUT, FIELDS, CHARTS, FORM, ACTIONS, STREAMING, IN_PLACE, TEMPLATE];

/// The data of the boarding pass.
pub fn flight() -> Value {
    json!({
        "carrier": "Parlor Air",
        "flight": "PA 312",
        "from": {"code": "LIS", "city": "Lisbon"},
        "to": {"code": "OSL", "city": "Oslo"},
        "facts": [
            {"label": "Boards", "value": "14:20"},
            {"label": "Gate", "value": "B12"},
            {"label": "Seat", "value": "7A"},
        ],
    })
}
