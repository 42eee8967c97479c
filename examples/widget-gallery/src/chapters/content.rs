//! Texts, badges, icons, pictures.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use parlor_chatkit::protocol::widgets::{
    Badge, BadgeColor, BadgeVariant, Caption, Card, Col, Divider, Icon, Image, ImageFit, Markdown,
    Row, Text, Title, TitleSize, WidgetComponent, WidgetRoot,
};

/// A picture that is part of the widget: hosts that pictures may come from have to be named by the
/// thread (`Turn::set_allowed_image_domains`).
fn harbour() -> String {
    format!(
        "data:image/webp;base64,{}",
        STANDARD.encode(include_bytes!("../../assets/harbour.webp"))
    )
}

/// The chapter's widgets.
pub fn widgets() -> Vec<WidgetRoot> {
    let picture = Card::new([
        Image::new(harbour())
            .alt("Sailing boats in a harbour at dusk")
            .fit(ImageFit::Cover)
            .aspect_ratio("16/9")
            .flush(true)
            .into(),
        Col::new([
            Title::new("Evening sail").size(TitleSize::Md).into(),
            Text::new("Two hours on the bay, with a skipper and a lantern. We leave at seven.")
                .color("secondary")
                .into(),
            Row::new([
                Badge::new("4 places left")
                    .color(BadgeColor::Warning)
                    .variant(BadgeVariant::Soft)
                    .into(),
                Caption::new("from €45").into(),
            ])
            .gap(2)
            .align("center")
            .into(),
        ])
        .gap(2)
        .into(),
    ]);

    let mut titles: Vec<WidgetComponent> = Vec::new();
    for (size, value) in [
        (TitleSize::Xl3, "Titles"),
        (TitleSize::Xl, "come in many"),
        (TitleSize::Md, "sizes"),
        (TitleSize::Sm, "down to this one"),
    ] {
        titles.push(Title::new(value).size(size).into());
    }
    let texts: [WidgetComponent; 6] = [
        Text::new("Text is plain, and can be strong,").weight("semibold").into(),
        Text::new("italic,").italic(true).into(),
        Text::new("struck through,").line_through(true).color("tertiary").into(),
        Text::new("or of a colour that means something.").color("success").into(),
        Text::new("What is too long for its line ends in three dots, as this sentence does here.")
            .truncate(true)
            .into(),
        Caption::new("A caption is smaller and steps back.").into(),
    ];
    let mut letters = titles;
    letters.push(Divider::new().spacing(2).into());
    letters.extend(texts);

    let markdown = Card::new([Markdown::new(
        "**Markdown** has *emphasis*, `code`, [links](https://example.com) and lists:\n\n\
         1. Peel the pears.\n2. Simmer them in red wine.\n3. Wait, which is the hard part.\n\n\
         > They are better on the second day.",
    )
    .into()]);

    let badge = |label: &str, color: BadgeColor, variant: &str| -> WidgetComponent {
        Badge::new(label).color(color).variant(variant).into()
    };
    let colors = [
        BadgeColor::Secondary,
        BadgeColor::Success,
        BadgeColor::Danger,
        BadgeColor::Warning,
        BadgeColor::Info,
        BadgeColor::Discovery,
    ];
    let badges = ["solid", "soft", "outline"].map(|variant| {
        let row = colors.iter().map(|color| badge(color.as_str(), color.clone(), variant));
        Row::new(row).gap(2).wrap("wrap").into()
    });
    let icons = ["sparkle", "calendar", "map-pin", "mail", "lightbulb", "star-filled", "confetti"];
    let icons = icons.map(|name| Icon::new(name).size("xl").color("secondary").into());
    let small = badges
        .into_iter()
        .chain([Divider::new().spacing(2).into(), Row::new(icons).gap(4).wrap("wrap").into()]);

    vec![picture.into(), Card::new(letters).into(), markdown.into(), Card::new(small).into()]
}
