#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::json;

use super::super::{TextSize, WidgetRoot};
use super::*;

/// One of each component, with no more than it cannot be without.
fn components() -> Vec<WidgetComponent> {
    let text = || WidgetComponent::from(Text::new("x"));
    vec![
        Badge::new("x").into(),
        FlexBox::new([text()]).into(),
        Button::new("x").into(),
        Caption::new("x").into(),
        Chart::new([json!({"m": "May", "n": 1})], [BarSeries::new("n").into()], "m").into(),
        Checkbox::new("x").into(),
        Col::new([text()]).into(),
        DatePicker::new("x").into(),
        Divider::new().into(),
        Form::new([text()]).into(),
        Icon::new("star").into(),
        Image::new("https://x/y.png").into(),
        Input::new("x").into(),
        Label::new("x", "y").into(),
        ListViewItem::new([text()]).into(),
        Markdown::new("x").into(),
        RadioGroup::new("x").options([RadioOption::new("A", "a")]).into(),
        Row::new([text()]).into(),
        Select::new("x", [SelectOption::new("a", "A")]).into(),
        Spacer::new().into(),
        Table::new([TableRow::new([TableCell::new([text()])])]).into(),
        TableCell::new([text()]).into(),
        TableRow::new([TableCell::new([text()])]).into(),
        text(),
        Textarea::new("x").into(),
        Title::new("x").into(),
        Transition::new(text()).into(),
    ]
}

#[test]
fn every_component_is_begun_with_what_it_cannot_be_without() {
    let built = components();
    let kinds: Vec<&str> = built.iter().map(WidgetComponent::kind).collect();
    assert_eq!(kinds, WidgetComponent::KINDS, "one of each");
    for component in built {
        let json = serde_json::to_value(&component).unwrap();
        let read: WidgetComponent = serde_json::from_value(json).unwrap();
        read.check().unwrap();
        assert_eq!(read, component);
        assert!(!matches!(read, WidgetComponent::Other(_)));
    }
    let roots = [
        WidgetRoot::from(Card::new([])),
        ListView::new([]).into(),
        Basic::new([Card::new([]).into(), Text::new("x").into()]).into(),
    ];
    assert_eq!(roots.each_ref().map(WidgetRoot::kind), WidgetRoot::KINDS, "one of each");
    for root in roots {
        let json = serde_json::to_value(&root).unwrap();
        assert_eq!(serde_json::from_value::<WidgetRoot>(json).unwrap(), root);
    }
}

#[test]
fn a_chain_says_what_a_literal_says() {
    let chain = Text::new("x")
        .id("t")
        .size(TextSize::Lg)
        .weight("bold")
        .max_lines(2)
        .truncate(true)
        .width("50%")
        .color(Color::themed("#111", "#eee"))
        .editable(EditableProps::new("note").required(true));
    let literal = Text {
        value: "x".to_owned(),
        id: Some("t".to_owned()),
        size: Some(TextSize::Lg),
        weight: Some(super::super::FontWeight::Bold),
        max_lines: Some(2),
        truncate: Some(true),
        width: Some(super::super::Length::Css("50%".to_owned())),
        color: Some(Color::Theme(ThemeColor {
            light: "#111".to_owned(),
            dark: "#eee".to_owned(),
            ..ThemeColor::default()
        })),
        editable: Some(super::super::Editable::As(Box::new(EditableProps {
            name: "note".to_owned(),
            required: Some(true),
            ..EditableProps::default()
        }))),
        ..Text::default()
    };
    assert_eq!(chain, literal);
}

#[test]
fn actions_say_who_handles_them() {
    let json = |action: ActionConfig| serde_json::to_value(action).unwrap();
    assert_eq!(json("pick".into()), json!({"type": "pick"}));
    assert_eq!(json(ActionConfig::client("pick")), json!({"type": "pick", "handler": "client"}));
    assert_eq!(
        json(ActionConfig::sync("pick").payload(json!({"n": 1}))),
        json!({"type": "pick", "payload": {"n": 1}, "streaming": false})
    );
    let card = Card::new([]).confirm("Go", "pick").cancel("No", ActionConfig::client("close"));
    let card = serde_json::to_value(card).unwrap();
    assert_eq!(card["confirm"], json!({"label": "Go", "action": {"type": "pick"}}));
    assert_eq!(card["cancel"]["action"]["handler"], "client");
}
