//! What the customer sees of an order.

use parlor_chatkit::protocol::{
    ActionConfig, LoadingBehavior,
    widgets::{
        Badge, BadgeColor, BadgeVariant, Card, CardSize, Col, Icon, Row, Spacer, Text, Title,
        TitleSize,
    },
};
use serde_json::json;

use crate::orders::{Order, State};

/// The name of the action that pays an order back.
pub const REFUND: &str = "order.refund";

/// The name of the action that leaves it as it is.
pub const KEEP: &str = "order.keep";

/// A card with an order.
pub fn order(order: &Order) -> Card {
    let (state, color) = match order.state {
        State::OnItsWay => ("On its way", BadgeColor::Info),
        State::Delivered => ("Delivered", BadgeColor::Success),
        State::Refunded => ("Refunded", BadgeColor::Secondary),
    };
    Card::new([Row::new([
        Icon::new("cube").size("lg").into(),
        Col::new([
            Title::new(order.what).size(TitleSize::Sm).into(),
            Text::new(format!("Order {} · {}", order.number, price(order)))
                .size("sm")
                .color("secondary")
                .into(),
        ])
        .gap(1)
        .into(),
        Spacer::new().into(),
        Badge::new(state).color(color).variant(BadgeVariant::Soft).into(),
    ])
    .gap(3)
    .align("center")
    .into()])
    .size(CardSize::Sm)
}

/// The same card, with the question whether to pay the order back. Nothing is paid before the
/// customer says yes: a model that misunderstands must not cost money.
pub fn refund_question(of: &Order) -> Card {
    let action = |name| {
        ActionConfig::new(name)
            .payload(json!({"number": of.number}))
            .loading_behavior(LoadingBehavior::Container)
    };
    order(of)
        .confirm(format!("Refund {}", price(of)), action(REFUND))
        .cancel("Keep it", action(KEEP))
}

fn price(order: &Order) -> String {
    format!("€{}.{:02}", order.price_cents / 100, order.price_cents % 100)
}
