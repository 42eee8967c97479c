//! Where a document is found on the site it belongs to.

/// Maps paths of documents to URLs of the site that shows them.
///
/// Markdown and reStructuredText lose their extension, `index` and `README` become their folder;
/// HTML and plain text keep their names, as static hosts serve them.
#[derive(Debug, Clone)]
pub struct DocumentUrls {
    base: String,
}

impl DocumentUrls {
    /// `base_url` is the URL of the documents' root, such as `/docs/` or `https://example.org/`.
    /// A missing last slash is added.
    #[must_use]
    pub fn new(base_url: &str) -> Self {
        let mut base = base_url.trim().to_owned();
        if !base.ends_with('/') {
            base.push('/');
        }
        Self { base }
    }

    /// The URL of the documents' root, with a slash at its end.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The URL of a document, from its path relative to the documents' root, with `/` between
    /// the parts.
    #[must_use]
    pub fn url_of(&self, path: &str) -> String {
        let (folder, name) = path.rsplit_once('/').map_or(("", path), |(f, n)| (f, n));
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
        let stripped = match extension.to_ascii_lowercase().as_str() {
            "md" | "markdown" | "mdx" | "rst" => stem,
            "html" | "htm" if stem.eq_ignore_ascii_case("index") => stem,
            _ => name,
        };
        let mut url = self.base.clone();
        for part in folder.split('/').filter(|part| !part.is_empty()) {
            url.push_str(&encode_name(part));
            url.push('/');
        }
        if !(stripped.eq_ignore_ascii_case("index") || stripped.eq_ignore_ascii_case("readme")) {
            url.push_str(&encode_name(stripped));
        }
        url
    }

    /// The URL of a document that names its own place in its front matter: `permalink` or `url`.
    pub(crate) fn permalink(&self, permalink: &str) -> String {
        if is_absolute(permalink) {
            return permalink.to_owned();
        }
        let path = encode_path(permalink.trim_start_matches('/'));
        format!("{}/{path}", self.origin())
    }

    /// The URL of a document with a `slug`: from the documents' root if it begins with a slash,
    /// else within the document's folder.
    pub(crate) fn slug(&self, path: &str, slug: &str) -> String {
        if is_absolute(slug) {
            return slug.to_owned();
        }
        match slug.strip_prefix('/') {
            Some(rooted) => format!("{}{}", self.base, encode_path(rooted)),
            None => {
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                let separator = if folder.is_empty() { "" } else { "/" };
                format!("{}{}{separator}{}", self.base, encode_file_path(folder), encode_path(slug))
            }
        }
    }

    /// Rewrites a link found in the document at `from` (relative to the documents' root) when it
    /// leads to another document's file or is relative; `None` when it can stay as it is.
    ///
    /// `../setup.md#linux` in `guide/intro.md` becomes `/docs/setup#linux`.
    #[must_use]
    pub fn resolve(&self, from: &str, link: &str) -> Option<String> {
        if link.is_empty() || link.starts_with(['#', '?', '/']) || is_absolute(link) {
            return None;
        }
        let cut = link.find(['#', '?']).unwrap_or(link.len());
        let (target, rest) = link.split_at(cut);
        let mut parts: Vec<&str> = from.split('/').filter(|p| !p.is_empty()).collect();
        parts.pop();
        let decoded = decode(target);
        for part in decoded.split('/') {
            match part {
                "" | "." => {}
                // Out of the documents' root: nothing is known about what is there.
                ".." => {
                    parts.pop()?;
                }
                part => parts.push(part),
            }
        }
        let path = parts.join("/");
        let leads_to_folder = decoded.ends_with('/')
            || matches!(decoded.rsplit('/').next(), Some("." | ".."))
            || path.is_empty();
        let mut url = if leads_to_folder {
            let mut folder = format!("{}{}", self.base, encode_file_path(&path));
            if !folder.ends_with('/') {
                folder.push('/');
            }
            folder
        } else {
            self.url_of(&path)
        };
        url.push_str(rest);
        Some(url)
    }

    /// Makes a link that was found on a page work elsewhere, as a browser reads it on that page;
    /// `None` when it can stay as it is. `page` is the page's address.
    pub(crate) fn resolve_on_page(&self, page: &str, link: &str) -> Option<String> {
        let page = Self { base: page.to_owned() };
        let site = Self { base: format!("{}/", page.origin()) };
        if link.starts_with('/') && !link.starts_with("//") && !page.origin().is_empty() {
            return Some(format!("{}{link}", page.origin()));
        }
        let path = decode(page.base[page.origin().len()..].trim_start_matches('/'));
        // To its links, a page with a slash at its end is a folder.
        let from = if path.ends_with('/') { format!("{path}index") } else { path };
        site.resolve(&from, link)
    }

    /// Scheme and host of the base, empty for a base that is only a path.
    fn origin(&self) -> &str {
        match self.base.find("://") {
            Some(scheme) => {
                let host = scheme + 3;
                let end = self.base[host..].find('/').map_or(self.base.len(), |at| host + at);
                &self.base[..end]
            }
            None => "",
        }
    }
}

/// Whether a link says by itself where it leads: it has a scheme or a host.
fn is_absolute(link: &str) -> bool {
    if link.starts_with("//") {
        return true;
    }
    let Some(colon) = link.find(':') else { return false };
    let scheme = &link[..colon];
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

/// A path as somebody wrote it into a URL: escapes that are there already stay.
fn encode_path(path: &str) -> String {
    encode(path, true, |b| b"-._~!$&'()*+,;=:@/".contains(&b))
}

/// The name of a file or folder, in which a percent sign is just that.
fn encode_name(name: &str) -> String {
    encode(name, false, |b| b"-._~!$&'()*+,;=:@".contains(&b))
}

fn encode_file_path(path: &str) -> String {
    encode(path, false, |b| b"-._~!$&'()*+,;=:@/".contains(&b))
}

/// An anchor as the part of a URL after `#`.
pub(crate) fn encode_fragment(anchor: &str) -> String {
    encode(anchor, true, |b| b"-._~!$&'()*+,;=:@/?".contains(&b))
}

/// Percent-encodes what may not stand in a URL. Letters of other scripts are encoded too; browsers
/// show them decoded.
fn encode(text: &str, keep_escapes: bool, allowed: impl Fn(u8) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    let bytes = text.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        let escape = keep_escapes
            && byte == b'%'
            && bytes.get(at + 1).is_some_and(u8::is_ascii_hexdigit)
            && bytes.get(at + 2).is_some_and(u8::is_ascii_hexdigit);
        if byte.is_ascii_alphanumeric() || allowed(byte) || escape {
            out.push(char::from(byte));
        } else {
            const HEX: &[u8; 16] = b"0123456789ABCDEF";
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    out
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok()))
            .flatten();
        match escaped {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_urls_without_extension_and_index() {
        let urls = DocumentUrls::new("/docs");
        assert_eq!(urls.url_of("guide/install.md"), "/docs/guide/install");
        assert_eq!(urls.url_of("guide/index.md"), "/docs/guide/");
        assert_eq!(urls.url_of("README.md"), "/docs/");
        assert_eq!(urls.url_of("a b/ü.mdx"), "/docs/a%20b/%C3%BC");
        assert_eq!(urls.url_of("book/page.html"), "/docs/book/page.html");
        assert_eq!(urls.url_of("book/index.html"), "/docs/book/");
        assert_eq!(urls.url_of("v1.2.md"), "/docs/v1.2");
    }

    #[test]
    fn a_document_may_name_its_own_place() {
        let urls = DocumentUrls::new("https://example.org/docs/");
        assert_eq!(urls.permalink("/about/"), "https://example.org/about/");
        assert_eq!(urls.permalink("https://other.example/x"), "https://other.example/x");
        assert_eq!(urls.slug("guide/a.md", "/start"), "https://example.org/docs/start");
        assert_eq!(urls.slug("guide/a.md", "b"), "https://example.org/docs/guide/b");
        assert_eq!(urls.slug("a.md", "b"), "https://example.org/docs/b");
        assert_eq!(urls.slug("a.md", "/"), "https://example.org/docs/");
    }

    #[test]
    fn links_between_files_become_links_between_pages() {
        let urls = DocumentUrls::new("/docs/");
        let resolve = |link| urls.resolve("guide/intro.md", link);
        assert_eq!(resolve("../setup.md#linux").as_deref(), Some("/docs/setup#linux"));
        assert_eq!(resolve("./next.md").as_deref(), Some("/docs/guide/next"));
        assert_eq!(resolve("my%20page.md").as_deref(), Some("/docs/guide/my%20page"));
        assert_eq!(resolve("img/a.png").as_deref(), Some("/docs/guide/img/a.png"));
        assert_eq!(resolve("../").as_deref(), Some("/docs/"));
        assert_eq!(resolve(".").as_deref(), Some("/docs/guide/"));
        for stays in [
            "#here",
            "/abs",
            "https://x.example/a.md",
            "mailto:a@example.org",
            "../../x.md",
            "//h/x",
        ] {
            assert_eq!(resolve(stays), None, "{stays}");
        }
    }

    #[test]
    fn links_of_listed_pages_are_read_as_a_browser_reads_them() {
        let urls = DocumentUrls::new("/");
        let on = |page, link| urls.resolve_on_page(page, link);
        assert_eq!(on("/docs/intro", "setup#linux").as_deref(), Some("/docs/setup#linux"));
        assert_eq!(on("/docs/intro/", "../setup/").as_deref(), Some("/docs/setup/"));
        assert_eq!(on("/docs/intro", "/docs/setup"), None);
        assert_eq!(on("/", "setup").as_deref(), Some("/setup"));
        let page = "https://example.org/docs/intro";
        assert_eq!(on(page, "/a").as_deref(), Some("https://example.org/a"));
        assert_eq!(on(page, "setup").as_deref(), Some("https://example.org/docs/setup"));
        assert_eq!(on(page, "https://x.example/a"), None);
    }
}
