//! Charts and tables.

use parlor_chatkit::protocol::widgets::{
    AreaSeries, Badge, BadgeColor, BadgeVariant, BarSeries, Caption, Card, Chart, CurveType,
    LineSeries, Table, TableCell, TableRow, Text, Title, TitleSize, WidgetComponent, WidgetRoot,
    XAxisConfig,
};
use serde_json::json;

/// The chapter's widgets.
pub fn widgets() -> Vec<WidgetRoot> {
    let months = [
        ("Jan", 124, 86, 170),
        ("Feb", 158, 96, 215),
        ("Mar", 141, 104, 240),
        ("Apr", 205, 118, 290),
        ("May", 262, 140, 350),
        ("Jun", 284, 152, 420),
    ];
    let rows = months.map(|(month, online, stores, target)| {
        json!({"month": month, "online": online, "stores": stores, "target": target})
    });
    let revenue = Card::new([
        Title::new("Revenue").size(TitleSize::Sm).into(),
        Caption::new("First half of the year, in thousands").into(),
        Chart::new(
            rows,
            [
                BarSeries::new("online").label("Online").stack("sales").color("blue").into(),
                BarSeries::new("stores").label("Stores").stack("sales").color("purple").into(),
                LineSeries::new("target").label("Target").color("orange").into(),
            ],
            "month",
        )
        .show_y_axis(true)
        .show_legend(true)
        .height(220)
        .into(),
    ]);

    let hours = [(6, 12), (9, 46), (12, 38), (15, 61), (18, 74), (21, 33)];
    let visitors = Card::new([
        Title::new("Visitors today").size(TitleSize::Sm).into(),
        Chart::new(
            hours.map(|(hour, count)| json!({"hour": hour.to_string(), "visitors": count})),
            [AreaSeries::new("visitors")
                .label("Visitors")
                .color("green")
                .curve_type(CurveType::Monotone)
                .into()],
            XAxisConfig::new("hour")
                .labels(hours.map(|(hour, _)| (hour.to_string(), format!("{hour}:00")))),
        )
        .height(150)
        .into(),
    ]);

    let cell = |inside: WidgetComponent| TableCell::new([inside]);
    let text = |text: &str| -> WidgetComponent { Text::new(text).size("sm").into() };
    let head = |text: &str| cell(Caption::new(text).into());
    let plan = |name: &str, seats: &str, state: (&str, BadgeColor), price: &str| {
        let badge = Badge::new(state.0).color(state.1).variant(BadgeVariant::Soft);
        TableRow::new([
            cell(Text::new(name).size("sm").weight("medium").into()),
            cell(text(seats)).align("end"),
            cell(badge.into()),
            cell(text(price)).align("end"),
        ])
    };
    let plans = Card::new([Table::new([
        TableRow::new([
            head("Plan"),
            head("Seats").align("end"),
            head("State"),
            head("Price").align("end"),
        ])
        .header(true),
        plan("Team", "12", ("Active", BadgeColor::Success), "€96.00"),
        plan("Business", "40", ("Trial", BadgeColor::Warning), "€480.00"),
        plan("Old", "3", ("Ended", BadgeColor::Secondary), "€0.00"),
    ])
    .into()]);
    vec![revenue.into(), visitors.into(), plans.into()]
}
