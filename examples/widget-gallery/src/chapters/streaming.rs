//! A widget in many versions.

use parlor_chatkit::protocol::widgets::{
    Badge, BadgeColor, BadgeVariant, Card, Markdown, Row, Spacer, Title, TitleSize, WidgetRoot,
};

/// The id of the text that grows.
pub const TEXT: &str = "letter";

/// What is written.
pub const LETTER: &str = "Dear Grace,\n\nthe engine now weaves **algebraical patterns**, just as \
    the loom weaves flowers and leaves. Come and see it on Friday: there will be cake, and I have \
    three questions about compilers.\n\nYours, Ada";

/// The widget before the first word.
pub fn empty() -> WidgetRoot {
    letter("", Badge::new("Writing").color(BadgeColor::Info), true)
}

/// The widget with so much written.
pub fn letter(text: &str, state: Badge, streaming: bool) -> WidgetRoot {
    Card::new([
        Row::new([
            Title::new("A letter").size(TitleSize::Sm).into(),
            Spacer::new().into(),
            state.variant(BadgeVariant::Soft).into(),
        ])
        .align("center")
        .into(),
        Markdown::new(text).id(TEXT).streaming(streaming).into(),
    ])
    .into()
}
