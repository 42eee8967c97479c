//! Forms with validation: the client checks one, sends it as one action, and the answer takes the
//! form's place.

use parlor_chatkit::protocol::{
    ActionConfig, LoadingBehavior,
    widgets::{
        Button, Caption, Card, Checkbox, Col, DatePicker, FlexBox, Form, Input, InputType, Label,
        Row, Select, SelectOption, Text, Textarea, Title, TitleSize, WidgetComponent, WidgetRoot,
        WidgetStatus,
    },
};
use serde::Deserialize;

/// Sends the form.
pub const BOOK: &str = "booking.send";
/// Closes it.
pub const CANCEL: &str = "booking.cancel";

/// Sends the form that is a part of a card.
pub const SUBSCRIBE: &str = "news.subscribe";

/// What the booking's fields hold: the client merges them into the action's payload.
#[derive(Debug, Deserialize)]
pub struct Booking {
    /// The field `name`.
    pub name: String,
    /// The field `day`: ISO 8601.
    pub day: String,
    /// The field `guests`.
    pub guests: String,
}

/// What the sign-up's field holds.
#[derive(Debug, Deserialize)]
pub struct SignUp {
    /// The field `to`.
    pub to: String,
}

/// The chapter's widgets.
pub fn widgets() -> Vec<WidgetRoot> {
    vec![booking(), news()]
}

/// A card that is a form itself: its footer sends it.
fn booking() -> WidgetRoot {
    let field = |label: &str, name: &str, field: WidgetComponent| -> WidgetComponent {
        Col::new([Label::new(label, name).into(), field]).gap(1).flex(1).min_width(0).into()
    };
    let guests = ["2", "4", "8"].map(|count| SelectOption::new(count, format!("{count} people")));
    let day = DatePicker::new("day").default_value("2030-05-17").block(true);
    Card::new([
        field("Name", "name", Input::new("name").required(true).placeholder("Ada Lovelace").into()),
        field(
            "Mail address",
            "mail",
            Input::new("mail").input_type(InputType::Email).required(true).into(),
        ),
        Row::new([
            field("Day", "day", day.into()),
            field(
                "Table for",
                "guests",
                Select::new("guests", guests).default_value("2").block(true).into(),
            ),
        ])
        .gap(3)
        .wrap("wrap")
        .into(),
        field("Anything else?", "note", Textarea::new("note").rows(2).into()),
        Checkbox::new("rules").label("I know that dogs are welcome").required(true).into(),
    ])
    .as_form(true)
    .status(WidgetStatus::new("Book a table").icon("calendar"))
    .confirm("Book", ActionConfig::new(BOOK).loading_behavior(LoadingBehavior::Container))
    .cancel("Not now", ActionConfig::new(CANCEL))
    .into()
}

/// A form that is a part of a card: a button in it sends it, as the Enter key does.
fn news() -> WidgetRoot {
    Card::new([
        Title::new("Hear from us").size(TitleSize::Sm).into(),
        Caption::new("The menu of the week, every Monday.").into(),
        Form::new([
            FlexBox::new([Input::new("to")
                .input_type(InputType::Email)
                .required(true)
                .placeholder("Mail address")
                .into()])
            .flex(1)
            .min_width(0)
            .into(),
            Button::submitting("Subscribe").into(),
        ])
        .direction("row")
        .gap(2)
        .align("start")
        .on_submit_action(ActionConfig::new(SUBSCRIBE))
        .into(),
    ])
    .into()
}

/// What stands in the place of the sign-up once it was sent.
pub fn subscribed(to: &str) -> WidgetRoot {
    Card::new([Text::new(format!("The menu goes to {to}.")).into()])
        .status(WidgetStatus::new("Subscribed").icon("check-circle"))
        .into()
}

/// What stands in its place once it was sent.
pub fn booked(booking: &Booking) -> WidgetRoot {
    let what = format!("A table for {} on {}, for {}", booking.guests, booking.day, booking.name);
    Card::new([Text::new(what).into()])
        .status(WidgetStatus::new("Booked").icon("check-circle"))
        .into()
}

/// What stands in its place once it was closed.
pub fn cancelled() -> WidgetRoot {
    Card::new([Text::new("No table was booked.").color("secondary").into()]).into()
}
