//! From the text of a file to a document with passages, whatever its format.

use std::{path::Path, sync::Arc};

use crate::{
    DocumentUrls, chunk,
    chunk::Chunk,
    front_matter::{self, FrontMatter},
    html,
    markdown::{self, AnchorRule},
    mdx, meaning, pdf,
    request::{normal_tag, primary_language},
    words,
};

/// The formats that are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Markdown,
    Mdx,
    Html,
    /// Plain text, and reStructuredText, which reads well enough as such.
    Text,
    /// Its text, as a [`PdfReader`](crate::PdfReader) gives it.
    Pdf,
}

impl Format {
    /// By the extension of the file's name.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        Some(match extension.as_str() {
            "md" | "markdown" => Self::Markdown,
            "mdx" => Self::Mdx,
            "html" | "htm" => Self::Html,
            "txt" | "text" | "rst" => Self::Text,
            "pdf" => Self::Pdf,
            _ => return None,
        })
    }
}

/// A document ready to be stored.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) title: String,
    pub(crate) description: Option<String>,
    pub(crate) url: String,
    pub(crate) passages: Vec<Chunk>,
    /// It asks not to be found.
    pub(crate) excluded: bool,
    /// What it is about, as it is compared when a search is narrowed.
    pub(crate) tags: Vec<String>,
    /// Its language: the first part of the tag that it names, such as `de`.
    pub(crate) language: Option<String>,
    plain: bool,
}

/// Longest title and description that are kept, in characters.
const MAX_TITLE: usize = 200;
const MAX_DESCRIPTION: usize = 300;
/// Length of a description made of the first paragraph.
const EXCERPT: usize = 160;

/// Reads a document. `relative` is its path below the documents' root; `listed` its address, where a
/// list of pages says it.
pub(crate) fn parse(
    relative: &str,
    listed: Option<&str>,
    format: Format,
    text: &str,
    urls: &DocumentUrls,
) -> Document {
    let text = markdown::normalize(text);
    let listed = listed.map(|url| urls.permalink(url));
    let link = |to: &str| match &listed {
        Some(page) => urls.resolve_on_page(page, to),
        None => urls.resolve(relative, to),
    };
    let mut matter = FrontMatter::default();
    let mut page_title = None;
    let chunked = match format {
        Format::Markdown | Format::Mdx => {
            let (found, body) = front_matter::split(&text);
            matter = found;
            let body = if format == Format::Mdx { mdx::to_markdown(body) } else { body.to_owned() };
            chunk::markdown(&markdown::rewrite_links(&body, &link), AnchorRule::Slugs)
        }
        Format::Html => {
            let page = html::read(&text);
            page_title = page.title;
            matter.description = page.description;
            matter.excluded = page.noindex;
            matter.language = page.language;
            let body = markdown::rewrite_links(&page.markdown, &link);
            chunk::markdown(&body, AnchorRule::ExplicitOnly)
        }
        Format::Text => chunk::Chunked { chunks: chunk::plain(&text), ..chunk::Chunked::default() },
        Format::Pdf => chunk::Chunked { chunks: pdf::chunks(&text), ..chunk::Chunked::default() },
    };
    let url = match (&listed, &matter.permalink, &matter.slug) {
        (Some(listed), ..) => listed.clone(),
        (None, Some(permalink), _) => urls.permalink(permalink),
        (None, None, Some(slug)) => urls.slug(relative, slug),
        (None, None, None) => urls.url_of(relative),
    };
    let title = [matter.title, chunked.title, page_title, matter.sidebar_label]
        .into_iter()
        .flatten()
        .find(|title| !title.trim().is_empty())
        .unwrap_or_else(|| title_from_path(relative));
    let description = matter
        .description
        .map(|text| markdown::shorten(&text, MAX_DESCRIPTION))
        .or_else(|| chunked.first_paragraph.map(|text| markdown::shorten(&text, EXCERPT)));
    Document {
        title: markdown::shorten(title.trim(), MAX_TITLE),
        description,
        url,
        passages: chunked.chunks,
        excluded: matter.excluded,
        tags: matter.tags.iter().map(|tag| normal_tag(tag)).filter(|tag| !tag.is_empty()).collect(),
        language: matter.language.as_deref().and_then(primary_language),
        plain: matches!(format, Format::Text | Format::Pdf),
    }
}

/// `getting-started.md` is "Getting started"; `guide/index.md` is "Guide".
fn title_from_path(relative: &str) -> String {
    let mut parts = relative.rsplit('/');
    let name = parts.next().unwrap_or(relative);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let is_index = stem.eq_ignore_ascii_case("index") || stem.eq_ignore_ascii_case("readme");
    let stem = if is_index { parts.next().unwrap_or(stem) } else { stem };
    let words = stem.replace(['-', '_'], " ");
    let mut chars = words.trim().chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => stem.to_owned(),
    }
}

/// A passage as it is stored.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Row<'a> {
    pub(crate) anchor: Option<&'a str>,
    /// A JSON list.
    pub(crate) breadcrumbs: String,
    pub(crate) text: &'a str,
    #[serde(flatten)]
    pub(crate) words: Words,
}

/// The words by which a passage is found, prepared as `words.rs` says.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Words {
    #[serde(rename = "title_words", serialize_with = "as_str")]
    pub(crate) title: Arc<str>,
    #[serde(rename = "heading_words")]
    pub(crate) headings: String,
    #[serde(rename = "body_words")]
    pub(crate) body: String,
    #[serde(rename = "part_words")]
    pub(crate) parts: String,
}

fn as_str<S: serde::Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

impl Document {
    /// What is embedded for each passage, in their order.
    pub(crate) fn embedded_texts(&self) -> impl Iterator<Item = String> {
        self.passages
            .iter()
            .map(|passage| meaning::embedded_text(&self.breadcrumbs(passage), &passage.text))
    }

    /// Where in the document a passage stands: the title, and the headings down to it.
    fn breadcrumbs<'a>(&'a self, passage: &'a Chunk) -> Vec<&'a str> {
        std::iter::once(self.title.as_str())
            .chain(self.headings_below_title(passage).iter().map(String::as_str))
            .collect()
    }

    /// The title is a heading of the page only once.
    fn headings_below_title<'a>(&self, passage: &'a Chunk) -> &'a [String] {
        match passage.headings.split_first() {
            Some((first, rest)) if *first == self.title => rest,
            _ => &passage.headings,
        }
    }

    /// The passages with their words.
    pub(crate) fn rows(&self) -> Vec<Row<'_>> {
        let mut title = self.title.clone();
        for tag in &self.tags {
            title.push(' ');
            title.push_str(tag);
        }
        let title: Arc<str> = words::for_index(&title).into();
        let row = |passage| {
            let headings = self.headings_below_title(passage).join(" ");
            let body =
                if self.plain { passage.text.clone() } else { markdown::plain_text(&passage.text) };
            Row {
                anchor: passage.anchor.as_deref(),
                breadcrumbs: serde_json::Value::from(self.breadcrumbs(passage)).to_string(),
                text: &passage.text,
                words: Words {
                    title: Arc::clone(&title),
                    headings: words::for_index(&headings),
                    body: words::for_index(&body),
                    parts: words::identifier_parts(&body),
                },
            }
        };
        self.passages.iter().map(row).collect()
    }

    /// The same as a JSON list, one statement's worth.
    pub(crate) fn rows_as_json(&self) -> String {
        let rows = self.rows();
        // Strings and options of strings can always be written.
        serde_json::to_string(&rows).unwrap_or_else(|_| "[]".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_md(text: &str) -> Document {
        parse("guide/install.md", None, Format::Markdown, text, &DocumentUrls::new("/docs/"))
    }

    #[test]
    fn a_document_knows_its_title_place_and_subject() {
        let document = parse_md("# Install\n\nHow to *install*.\n\n## Linux\n\nSee [b](b.md).\n");
        assert_eq!(document.title, "Install");
        assert_eq!(document.url, "/docs/guide/install");
        assert_eq!(document.description.as_deref(), Some("How to install."));
        assert_eq!(document.passages[0].anchor, None);
        assert_eq!(document.passages[1].anchor.as_deref(), Some("linux"));
        assert_eq!(document.passages[1].text, "See [b](/docs/guide/b).");
        assert_eq!(parse_md("---\ntitle: T\nslug: /x\n---\n# Other\n\nA\n").url, "/docs/x");
        assert_eq!(parse_md("no heading").title, "Install");
    }

    #[test]
    fn html_headings_without_an_id_are_reached_from_above() {
        let html = "<title>T</title><h1>T</h1><h2 id=a>A</h2><p>x</p><h3>B</h3><p>yyy</p>";
        let document = parse("p.html", None, Format::Html, html, &DocumentUrls::new("/"));
        assert_eq!(document.url, "/p.html");
        assert!(document.passages.iter().all(|p| p.anchor.as_deref() == Some("a")), "{document:?}");
    }
}
