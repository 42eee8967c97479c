//! Cards, lists, rows, columns, boxes.

use parlor_chatkit::protocol::{
    ActionConfig,
    widgets::{
        Badge, BadgeColor, BadgeVariant, Basic, Caption, Card, CardSize, Col, Color, Divider,
        FlexBox, Icon, ListLimit, ListView, ListViewItem, Radius, Row, Spacer, Text, Title,
        TitleSize, Transition, WidgetComponent, WidgetNode, WidgetRoot, WidgetStatus,
    },
};

/// The chapter's widgets.
pub fn widgets() -> Vec<WidgetRoot> {
    vec![order(), places(), side_by_side()]
}

/// Rows and columns, with space and lines between.
fn order() -> WidgetRoot {
    let line = |what: &str, how_many: &str, price: &str| -> WidgetComponent {
        Row::new([
            FlexBox::new([Icon::new("cube").color("secondary").into()])
                .size(40)
                .align("center")
                .justify("center")
                .radius(Radius::Md)
                .background("surface-secondary")
                .into(),
            Col::new([
                Text::new(what).weight("medium").max_lines(1).into(),
                Caption::new(how_many).into(),
            ])
            .flex(1)
            .min_width(0)
            .into(),
            Text::new(price).into(),
        ])
        .gap(3)
        .align("center")
        .into()
    };
    Card::new([
        Row::new([
            Title::new("Order 4127").size(TitleSize::Sm).into(),
            Spacer::new().into(),
            Badge::new("On its way").color(BadgeColor::Success).variant(BadgeVariant::Soft).into(),
        ])
        .align("center")
        .into(),
        Divider::new().flush(true).into(),
        line("Stoneware mug, cobalt", "2 × €14.00", "€28.00"),
        line("First flush Darjeeling with a long name", "1 × €9.50", "€9.50"),
        Divider::new().flush(true).into(),
        Row::new([
            Text::new("Total").color("secondary").into(),
            Spacer::new().into(),
            Text::new("€37.50").weight("semibold").into(),
        ])
        .into(),
    ])
    .into()
}

/// A list whose rows do something, and that shows the first few.
fn places() -> WidgetRoot {
    let place = |name: &str, about: &str| {
        ListViewItem::new([
            FlexBox::new([Icon::new("map-pin")
                .color(Color::themed("blue-600", "blue-200"))
                .into()])
            .padding(2)
            .radius(Radius::Full)
            .background(Color::themed("blue-50", "blue-900"))
            .into(),
            Col::new([Text::new(name).weight("medium").into(), Caption::new(about).into()]).into(),
            Spacer::new().into(),
            Icon::new("chevron-right").color("tertiary").into(),
        ])
        .gap(3)
        .align("center")
        .on_click_action(ActionConfig::client("gallery.open"))
    };
    ListView::new([
        place("Café Anselm", "200 m · open until 22:00"),
        place("Kiosk am Kanal", "330 m · open until 23:00"),
        place("Brasserie Lune", "460 m · open until 22:00"),
        place("Osteria Blu", "510 m · closed on Mondays"),
        place("The Corner Table", "620 m · open until 21:00"),
    ])
    .limit(ListLimit::Rows(3))
    .status(WidgetStatus::new("5 places nearby").icon("compass"))
    .into()
}

/// A root without a frame, around other roots.
fn side_by_side() -> WidgetRoot {
    let day = |day: &str, icon: &str, high: &str, low: &str| -> WidgetNode {
        let card = Card::new([
            Caption::new(day).into(),
            Transition::new(Icon::new(icon).size("2xl").color("orange-500")).into(),
            Row::new([
                Text::new(high).weight("semibold").into(),
                Text::new(low).color("tertiary").into(),
            ])
            .gap(2)
            .into(),
        ])
        .size(CardSize::Sm);
        card.into()
    };
    Basic::new([
        day("Today", "lucide:sun", "24°", "18°"),
        day("Tonight", "lucide:moon", "15°", "11°"),
    ])
    .direction("row")
    .gap(3)
    .into()
}
