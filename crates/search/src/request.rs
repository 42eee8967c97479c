//! What is looked for, and for whom.

use std::collections::BTreeSet;

/// What is looked for, for whom, and from where.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct SearchRequest<'a> {
    /// What a person or a model typed. Any text is a valid query.
    pub query: &'a str,
    /// The most passages wanted.
    pub limit: usize,
    /// The address of the page that the reader is on, whose passages rank higher.
    pub page: Option<&'a str>,
    /// Whose documents may be found beside everybody's. Without one, only everybody's are.
    pub tenant: Option<&'a str>,
    /// What else narrows the search.
    pub filter: Option<&'a SearchFilter>,
    /// The reader's language as a BCP 47 tag, where the search is to heed it.
    pub language: Option<&'a str>,
}

impl<'a> SearchRequest<'a> {
    /// Looks for this in everybody's documents.
    #[must_use]
    pub fn new(query: &'a str, limit: usize) -> Self {
        Self { query, limit, page: None, tenant: None, filter: None, language: None }
    }

    /// Asked from this page.
    #[must_use]
    pub fn on_page(mut self, page: Option<&'a str>) -> Self {
        self.page = page.filter(|page| !page.is_empty());
        self
    }

    /// Asked by somebody of this tenant.
    #[must_use]
    pub fn of_tenant(mut self, tenant: &'a str) -> Self {
        self.tenant = Some(tenant);
        self
    }

    /// Narrowed by this.
    #[must_use]
    pub fn filtered(mut self, filter: &'a SearchFilter) -> Self {
        self.filter = Some(filter);
        self
    }

    /// In this language, and in documents that name none.
    #[must_use]
    pub fn in_language(mut self, language: Option<&'a str>) -> Self {
        self.language = language.filter(|language| !language.is_empty());
        self
    }

    /// The language that documents must have, if one is asked for: its first part.
    pub(crate) fn primary_language(&self) -> Option<String> {
        self.language.and_then(primary_language)
    }

    /// The tags of which a document needs one; none when any document will do.
    pub(crate) fn tags(&self) -> Vec<String> {
        self.filter.map(|filter| filter.tags.iter().cloned().collect()).unwrap_or_default()
    }

    /// Whether only some documents will do, tenants aside.
    pub(crate) fn is_narrowed(&self) -> bool {
        self.primary_language().is_some()
            || self.filter.is_some_and(|filter| !filter.tags.is_empty())
    }
}

/// What narrows a search.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SearchFilter {
    tags: BTreeSet<String>,
}

impl SearchFilter {
    /// Only documents with one of these tags, whatever the case of their letters. No tags: any
    /// document.
    #[must_use]
    pub fn any_tag(tags: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        Self { tags: tags.into_iter().map(|tag| normal_tag(tag.as_ref())).collect() }
    }
}

/// The first part of a language tag, by which languages are compared: `de` of `de-AT`. None for
/// what is no tag.
pub(crate) fn primary_language(tag: &str) -> Option<String> {
    let primary = tag.trim().split(['-', '_']).next().unwrap_or_default();
    let is_tag =
        (2..=8).contains(&primary.len()) && primary.bytes().all(|b| b.is_ascii_alphabetic());
    is_tag.then(|| primary.to_ascii_lowercase())
}

/// A tag as it is compared.
pub(crate) fn normal_tag(tag: &str) -> String {
    tag.trim().to_lowercase()
}

/// The addresses under which a document may be known that a reader sees at `page`: with and
/// without the site's name, a slash at the end and `.html`.
pub(crate) fn addresses_of_page(page: &str) -> Vec<String> {
    let page = page.split(['#', '?']).next().unwrap_or(page);
    let path = match page.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
        None => page,
    };
    if page.len() > MAX_PAGE_BYTES || !path.starts_with('/') {
        return Vec::new();
    }
    let stem = path.trim_end_matches('/');
    let stem =
        stem.strip_suffix("/index.html").or_else(|| stem.strip_suffix(".html")).unwrap_or(stem);
    let site = &page[..page.len() - path.len()];
    let mut addresses = Vec::with_capacity(8);
    for site in [site, ""] {
        for address in
            [format!("{site}{stem}"), format!("{site}{stem}/"), format!("{site}{stem}.html")]
        {
            if !address.is_empty() && !addresses.contains(&address) {
                addresses.push(address);
            }
        }
    }
    addresses
}

/// Longest address of a page that is looked up, in bytes.
const MAX_PAGE_BYTES: usize = 2_048;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_known_with_and_without_its_site() {
        let addresses = addresses_of_page("https://example.com/docs/setup/?q=1#linux");
        for known in [
            "https://example.com/docs/setup",
            "https://example.com/docs/setup/",
            "/docs/setup",
            "/docs/setup/",
            "/docs/setup.html",
        ] {
            assert!(addresses.iter().any(|address| address == known), "{known}: {addresses:?}");
        }
        assert!(addresses_of_page("/docs/index.html").contains(&"/docs/".to_owned()));
        assert!(addresses_of_page("https://example.com").contains(&"/".to_owned()));
        for odd in ["", "nothing", "://", "javascript:alert(1)", "#x"] {
            assert!(addresses_of_page(odd).is_empty() || odd == "://", "{odd}");
        }
        assert!(addresses_of_page(&format!("/{}", "x".repeat(3_000))).is_empty());
    }

    #[test]
    fn languages_are_compared_by_their_first_part() {
        let request = SearchRequest::new("x", 1);
        assert_eq!(request.in_language(Some("de-AT")).primary_language().as_deref(), Some("de"));
        assert_eq!(request.in_language(Some("EN_us")).primary_language().as_deref(), Some("en"));
        assert_eq!(request.in_language(Some("")).primary_language(), None);
    }
}
