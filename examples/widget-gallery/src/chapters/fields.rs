//! Everything that takes input.

use parlor_chatkit::protocol::widgets::{
    Button, ButtonColor, ButtonStyle, Card, Checkbox, Col, ControlVariant, DatePicker,
    EditableProps, Input, InputType, Label, RadioGroup, RadioOption, Row, Select, SelectOption,
    Text, Textarea, Title, TitleSize, WidgetComponent, WidgetRoot,
};

/// A field with its name above it.
fn field(label: &str, name: &str, field: impl Into<WidgetComponent>) -> WidgetComponent {
    Col::new([Label::new(label, name).into(), field.into()]).gap(1).flex(1).min_width(0).into()
}

/// The chapter's widgets.
pub fn widgets() -> Vec<WidgetRoot> {
    let fields = Card::new([
        Text::new("Click to name this trip")
            .size("lg")
            .weight("semibold")
            .editable(EditableProps::new("title").placeholder("Name").required(true))
            .into(),
        Row::new([
            field("Name", "name", Input::new("name").placeholder("Ada Lovelace")),
            field(
                "Mail address",
                "mail",
                Input::new("mail").input_type(InputType::Email).placeholder("ada@example.com"),
            ),
        ])
        .gap(3)
        .wrap("wrap")
        .into(),
        Row::new([
            field(
                "Class",
                "class",
                Select::new(
                    "class",
                    [
                        SelectOption::new("economy", "Economy").description("One bag"),
                        SelectOption::new("comfort", "Comfort").description("Two bags, more room"),
                        SelectOption::new("sleeper", "Sleeper").disabled(true),
                    ],
                )
                .placeholder("Choose one")
                .clearable(true)
                .block(true),
            ),
            field(
                "Day",
                "day",
                DatePicker::new("day").placeholder("Any day").clearable(true).block(true),
            ),
        ])
        .gap(3)
        .wrap("wrap")
        .into(),
        field(
            "Wishes",
            "wishes",
            Textarea::new("wishes").rows(2).auto_resize(true).placeholder("A window seat, …"),
        ),
        RadioGroup::new("meal")
            .options([
                RadioOption::new("No meal", "none"),
                RadioOption::new("Vegetarian", "vegetarian"),
                RadioOption::new("With fish", "fish"),
            ])
            .aria_label("Meal")
            .default_value("vegetarian")
            .direction("row")
            .into(),
        Checkbox::new("news").label("Tell me about delays").default_checked(true).into(),
    ]);

    let colors = [
        ButtonColor::Primary,
        ButtonColor::Secondary,
        ButtonColor::Info,
        ButtonColor::Discovery,
        ButtonColor::Success,
        ButtonColor::Caution,
        ButtonColor::Warning,
        ButtonColor::Danger,
    ];
    let variants = [
        ControlVariant::Solid,
        ControlVariant::Soft,
        ControlVariant::Outline,
        ControlVariant::Ghost,
    ];
    let mut buttons: Vec<WidgetComponent> = vec![
        Title::new("Buttons").size(TitleSize::Sm).into(),
        Row::new([
            Button::new("Book").style(ButtonStyle::Primary).icon_end("chevron-right").into(),
            Button::new("Not now").style(ButtonStyle::Secondary).into(),
            Button::new("Sold out").disabled(true).into(),
            Button::new("Add").icon_start("plus").pill(true).variant(ControlVariant::Soft).into(),
        ])
        .gap(2)
        .wrap("wrap")
        .into(),
    ];
    for variant in variants {
        let row = colors.iter().map(|color| {
            Button::new(color.as_str())
                .color(color.clone())
                .variant(variant.clone())
                .size("sm")
                .into()
        });
        buttons.push(Row::new(row).gap(2).wrap("wrap").into());
    }
    vec![fields.into(), Card::new(buttons).into()]
}
