//! Reading Markdown: headings with their anchors, blocks with their places, links, plain text,
//! and the same document as HTML.

use std::{borrow::Cow, ops::Range};

use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, TextMergeWithOffset};

use crate::{front_matter, slug::Slugger};

/// A heading of a rendered page.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Heading {
    /// 1 to 6.
    pub level: u8,
    /// Its text, without markup.
    pub text: String,
    /// Its anchor: the `id` of the element. May be empty for a heading without letters.
    pub id: String,
}

/// A document as HTML; see [`render_html`].
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RenderedPage {
    /// From the front matter or the first heading; empty when there is neither.
    pub title: String,
    /// From the front matter or the first paragraph.
    pub description: Option<String>,
    /// The body, not a whole page. Raw HTML of the document is kept: only render documents whose
    /// authors may write HTML on your site.
    pub html: String,
    /// All headings in document order.
    pub headings: Vec<Heading>,
}

/// Renders a Markdown document, front matter allowed, with the anchors that passages cite.
#[must_use]
pub fn render_html(markdown: &str) -> RenderedPage {
    render_html_with(markdown, &|_| None)
}

/// [`render_html`], with links and image sources rewritten where `link` returns another
/// destination. See [`DocumentUrls::resolve`](crate::DocumentUrls::resolve) for links between files.
#[must_use]
pub fn render_html_with(markdown: &str, link: &dyn Fn(&str) -> Option<String>) -> RenderedPage {
    let text = normalize(markdown);
    let (matter, body) = front_matter::split(&text);
    let mut headings = Vec::new();
    let mut first_paragraph = None;
    let mut events: Vec<Event<'_>> = Vec::new();
    let mut anchors = Anchors::default();
    let mut heading_from: Option<usize> = None;
    let mut paragraph_from: Option<usize> = None;
    for (event, _) in events_of(body) {
        match event {
            Event::Start(Tag::Heading { .. }) => {
                heading_from = Some(events.len());
                events.push(event);
            }
            Event::End(TagEnd::Heading(level)) => {
                if let Some(from) = heading_from.take() {
                    let (text, id) = anchors.next(&mut events[from + 1..]);
                    if let Event::Start(Tag::Heading { id: slot, .. }) = &mut events[from] {
                        *slot = Some(CowStr::from(id.clone()));
                    }
                    headings.push(Heading { level: level as u8, text, id });
                }
                events.push(event);
            }
            Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
                let dest_url = link(&dest_url).map_or(dest_url, CowStr::from);
                events.push(Event::Start(Tag::Link { link_type, dest_url, title, id }));
            }
            Event::Start(Tag::Image { link_type, dest_url, title, id }) => {
                let dest_url = link(&dest_url).map_or(dest_url, CowStr::from);
                events.push(Event::Start(Tag::Image { link_type, dest_url, title, id }));
            }
            Event::Start(Tag::Paragraph) => {
                paragraph_from = Some(events.len());
                events.push(event);
            }
            Event::End(TagEnd::Paragraph) => {
                if let (None, Some(from)) = (&first_paragraph, paragraph_from.take()) {
                    let text = text_of(&events[from..]);
                    first_paragraph = (!text.is_empty()).then_some(text);
                }
                events.push(event);
            }
            event => events.push(event),
        }
    }
    let mut html = String::with_capacity(body.len() * 3 / 2);
    pulldown_cmark::html::push_html(&mut html, events.into_iter());
    let title = matter
        .title
        .or_else(|| headings.iter().find(|h| h.level == 1).map(|h| h.text.clone()))
        .or(matter.sidebar_label)
        .unwrap_or_default();
    let description =
        matter.description.or_else(|| first_paragraph.map(|text| shorten(&text, 160)));
    RenderedPage { title, description, html, headings }
}

/// Line ends as `\n`, no byte order mark.
pub(crate) fn normalize(text: &str) -> Cow<'_, str> {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    if text.contains('\r') {
        Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(text)
    }
}

fn events_of(body: &str) -> impl Iterator<Item = (Event<'_>, Range<usize>)> {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_GFM;
    TextMergeWithOffset::new(Parser::new_ext(body, options).into_offset_iter())
}

/// Gives every heading of a document its anchor, in order.
#[derive(Default)]
struct Anchors {
    slugger: Slugger,
}

impl Anchors {
    /// Text and anchor of a heading from the events inside it. An anchor the author wrote,
    /// `{#like-this}` or `{/* #like-this */}`, is taken out of the events.
    fn next(&mut self, events: &mut [Event<'_>]) -> (String, String) {
        if let Some(Event::Text(last)) = events.last_mut()
            && let Some((kept, id)) = explicit_id(last)
        {
            let (kept, id) = (kept.to_owned(), id.to_owned());
            self.slugger.reserve(&id);
            *last = CowStr::from(kept);
            return (text_of(events), id);
        }
        let text = text_of(events);
        let id = self.slugger.slug(&text);
        (text, id)
    }
}

/// Splits `Title {#id}` into its parts.
fn explicit_id(text: &str) -> Option<(&str, &str)> {
    let inner = text.trim_end().strip_suffix('}')?;
    let (kept, id) = match inner.strip_suffix("*/") {
        Some(inner) => {
            let (kept, comment) = inner.rsplit_once("{/*")?;
            (kept, comment.trim().strip_prefix('#')?)
        }
        None => inner.rsplit_once("{#")?,
    };
    let valid =
        !id.is_empty() && !id.contains(|c: char| c.is_whitespace() || matches!(c, '{' | '}'));
    valid.then(|| (kept.trim_end(), id))
}

/// The text of inline events, on one line.
fn text_of(events: &[Event<'_>]) -> String {
    let mut out = String::new();
    for event in events {
        match event {
            Event::Text(text) | Event::Code(text) => out.push_str(text),
            Event::SoftBreak | Event::HardBreak => out.push(' '),
            _ => {}
        }
    }
    out.trim().to_owned()
}

/// Cuts at a word's end and says so with an ellipsis. `max` counts characters.
pub(crate) fn shorten(text: &str, max: usize) -> String {
    let Some((end, _)) = text.char_indices().nth(max) else { return text.to_owned() };
    let cut = &text[..end];
    let cut =
        cut.rfind(char::is_whitespace).filter(|at| *at > end / 2).map_or(cut, |at| &cut[..at]);
    format!("{}…", cut.trim_end())
}

/// What a top-level block is, as far as splitting it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlockKind {
    /// A fenced or indented code block.
    Code,
    /// A table.
    Table,
    /// Everything else.
    Other,
}

/// A top-level part of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    Heading { level: u8, text: String, anchor: Option<String> },
    Block { kind: BlockKind, range: Range<usize>, paragraph: bool },
}

/// Which headings have anchors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AnchorRule {
    /// All: their own or one made of their text.
    Slugs,
    /// Only those that carry one (documents that were HTML).
    ExplicitOnly,
}

/// The top-level parts of a document, in order.
pub(crate) fn parts(body: &str, rule: AnchorRule) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut anchors = Anchors::default();
    let mut heading: Option<Vec<Event<'_>>> = None;
    let mut depth = 0_usize;
    let mut block: Option<(BlockKind, bool, Range<usize>)> = None;
    for (event, range) in events_of(body) {
        match &event {
            Event::Start(tag) => {
                if depth == 0 {
                    let kind = match tag {
                        Tag::CodeBlock(_) => BlockKind::Code,
                        Tag::Table(_) => BlockKind::Table,
                        _ => BlockKind::Other,
                    };
                    block = Some((kind, matches!(tag, Tag::Paragraph), range));
                }
                depth += 1;
                if matches!(tag, Tag::Heading { .. }) {
                    heading = Some(Vec::new());
                    continue;
                }
            }
            Event::End(end) => {
                depth = depth.saturating_sub(1);
                if let TagEnd::Heading(level) = end
                    && let Some(mut events) = heading.take()
                {
                    let explicit = matches!(events.last(), Some(Event::Text(text)) if explicit_id(text).is_some());
                    let (text, id) = anchors.next(&mut events);
                    if depth == 0 {
                        let linked = !id.is_empty() && (explicit || rule == AnchorRule::Slugs);
                        parts.push(Part::Heading {
                            level: *level as u8,
                            text,
                            anchor: linked.then_some(id),
                        });
                        block = None;
                    }
                }
                if depth == 0
                    && let Some((kind, paragraph, range)) = block.take()
                {
                    parts.push(Part::Block { kind, range, paragraph });
                }
            }
            _ => {}
        }
        if let Some(events) = &mut heading {
            events.push(event);
        }
    }
    parts
}

/// Markdown with its relative links rewritten and its reference links spelled out, so that a
/// piece of it works anywhere.
pub(crate) fn rewrite_links(body: &str, link: &dyn Fn(&str) -> Option<String>) -> String {
    struct Open {
        destination: Option<String>,
        inner_end: usize,
    }
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    for (event, range) in events_of(body) {
        match event {
            Event::Start(
                Tag::Link { link_type, dest_url, .. } | Tag::Image { link_type, dest_url, .. },
            ) => {
                use pulldown_cmark::LinkType as L;
                let image = body[range.start..].starts_with('!');
                let destination = match link_type {
                    L::Inline => link(&dest_url),
                    L::Reference | L::Collapsed | L::Shortcut => {
                        Some(link(&dest_url).unwrap_or_else(|| dest_url.to_string()))
                    }
                    _ => None,
                };
                let inner_end = range.start + if image { 2 } else { 1 };
                open.push(Open { destination, inner_end });
            }
            Event::End(TagEnd::Link | TagEnd::Image) => {
                if let Some(Open { destination: Some(to), inner_end }) = open.pop()
                    && inner_end <= range.end
                    && body[inner_end..].starts_with(']')
                {
                    edits.push((inner_end..range.end, format!("]({})", destination_text(&to))));
                }
                if let Some(outer) = open.last_mut() {
                    outer.inner_end = outer.inner_end.max(range.end);
                }
            }
            _ => {
                if let Some(inner) = open.last_mut() {
                    inner.inner_end = inner.inner_end.max(range.end);
                }
            }
        }
    }
    if edits.is_empty() {
        return body.to_owned();
    }
    // A link's own edit starts where its text ends, so edits never overlap; sorting puts the
    // edit of an image before that of the link around it.
    edits.sort_by_key(|(range, _)| range.start);
    let mut out = String::with_capacity(body.len() + edits.len() * 16);
    let mut at = 0;
    for (range, text) in edits {
        if range.start < at {
            continue;
        }
        out.push_str(&body[at..range.start]);
        out.push_str(&text);
        at = range.end;
    }
    out.push_str(&body[at..]);
    out
}

fn destination_text(to: &str) -> String {
    if to.contains([' ', '(', ')', '<', '>']) || to.is_empty() {
        format!("<{}>", to.replace('<', "%3C").replace('>', "%3E").replace('\n', " "))
    } else {
        to.to_owned()
    }
}

/// The words of a piece of Markdown: text and code, without markup and link destinations.
pub(crate) fn plain_text(markdown: &str) -> String {
    let mut out = String::with_capacity(markdown.len());
    for (event, _) in events_of(markdown) {
        match event {
            Event::Text(text) | Event::Code(text) => out.push_str(&text),
            Event::Html(html) | Event::InlineHtml(html) => push_without_tags(&mut out, &html),
            Event::SoftBreak | Event::HardBreak | Event::Rule => out.push(' '),
            Event::End(
                TagEnd::Emphasis
                | TagEnd::Strong
                | TagEnd::Strikethrough
                | TagEnd::Link
                | TagEnd::Image
                | TagEnd::Superscript
                | TagEnd::Subscript,
            ) => {}
            Event::End(_) => out.push('\n'),
            _ => {}
        }
    }
    out
}

/// Appends HTML as text: what is between `<` and `>` is dropped.
pub(crate) fn push_without_tags(out: &mut String, html: &str) {
    let mut rest = html;
    while let Some(open) = rest.find('<') {
        out.push_str(&rest[..open]);
        out.push(' ');
        match rest[open..].find('>') {
            Some(close) => rest = &rest[open + close + 1..],
            None => return,
        }
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_keep_their_own_anchor_or_get_one() {
        let page = render_html(
            "# One\n\n## Two *words* {#second_one}\n\n## One\n\n> ## One\n\n## A {/* #b */}\n",
        );
        let ids: Vec<_> = page.headings.iter().map(|h| h.id.as_str()).collect();
        assert_eq!(ids, ["one", "second_one", "one-1", "one-2", "b"]);
        assert_eq!(page.headings[1].text, "Two words");
        assert!(
            page.html.contains(r#"<h2 id="second_one">Two <em>words</em></h2>"#),
            "{}",
            page.html
        );
        assert_eq!(page.title, "One");
    }

    #[test]
    fn front_matter_titles_a_page_and_is_not_shown() {
        let page = render_html(
            "---\ntitle: Hello\ndescription: About it\n---\nText with <b>raw</b> HTML.\n",
        );
        assert_eq!((page.title.as_str(), page.description.as_deref()), ("Hello", Some("About it")));
        assert_eq!(page.html, "<p>Text with <b>raw</b> HTML.</p>\n");
        assert_eq!(
            render_html("# T\n\nFirst *words*.\n").description.as_deref(),
            Some("First words.")
        );
    }

    #[test]
    fn links_are_rewritten_in_html() {
        let page = render_html_with("[a](b.md#c) ![i](i.png) [x](https://x.example)", &|to| {
            (!to.starts_with("https:")).then(|| format!("/docs/{}", to.replace(".md", "")))
        });
        assert!(page.html.contains(r#"href="/docs/b#c""#), "{}", page.html);
        assert!(page.html.contains(r#"src="/docs/i.png""#));
        assert!(page.html.contains(r#"href="https://x.example""#));
    }

    #[test]
    fn links_are_rewritten_in_markdown() {
        let link = |to: &str| to.strip_suffix(".md").map(|to| format!("/docs/{to}"));
        let rewritten = rewrite_links(
            "[a **b**](c.md \"t\") [![i](p.md)](d.md) [r][x], [x], `[no](c.md)` [e](https://e.example) <https://k.example>\n\n[x]: y.md\n",
            &link,
        );
        assert_eq!(
            rewritten,
            "[a **b**](/docs/c) [![i](/docs/p)](/docs/d) [r](/docs/y), [x](/docs/y), `[no](c.md)` [e](https://e.example) <https://k.example>\n\n[x]: y.md\n"
        );
    }

    #[test]
    fn plain_text_has_the_words_only() {
        assert_eq!(
            plain_text(
                "A [link](https://x.example/y) to `code`.\n\n| a | b |\n|---|---|\n| c | d |\n"
            )
            .split_whitespace()
            .collect::<Vec<_>>(),
            ["A", "link", "to", "code.", "a", "b", "c", "d"]
        );
    }
}
