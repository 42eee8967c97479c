//! One page of a site: asked for, fetched, made a document of.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use encoding_rs::{Encoding, UTF_8};
use url::Url;

use super::{
    Crawl, End, FetchedPage, Known, MAX_REDIRECTS, PageAnswer, PageError, Shared, Validators,
};
use crate::{
    SkipReason,
    document::Format,
    ingest::{self, Processed, Stamp},
    walk::SourceFile,
};

/// How far into a page its encoding is looked for, in bytes: as far as browsers do.
const PROLOGUE: usize = 1_024;

/// What became of a page.
pub(super) struct PageEnd {
    pub(super) file: SourceFile,
    pub(super) known: Option<i64>,
    pub(super) processed: Processed,
    pub(super) end: End,
    /// Where it was found in the end, if it was.
    place: Option<Url>,
}

impl PageEnd {
    /// Makes a page that led to one that was met already a page to skip.
    pub(super) fn tell_doubles(&mut self, places: &mut HashMap<Url, String>) {
        let Some(place) = self.place.take() else { return };
        let first = places.entry(place).or_insert_with(|| self.file.key.clone());
        if *first != self.file.key {
            self.processed = Processed::Skipped(SkipReason::SamePage { url: first.clone() });
        }
    }
}

/// The validators of a page as they are kept: with the address that they are of.
#[derive(serde::Serialize, serde::Deserialize)]
struct Kept {
    url: String,
    #[serde(flatten)]
    validators: Validators,
}

impl Crawl<'_> {
    /// Fetches a page if it changed, and makes a document of it.
    pub(super) async fn page(&self, root: &str, page: Url, known: Option<Known>) -> PageEnd {
        let file = SourceFile {
            path: PathBuf::from(page.as_str()),
            key: page.to_string(),
            root: root.to_owned(),
            relative: relative(&page),
            url: None,
        };
        let id = known.as_ref().map(|document| document.id);
        let (place, processed, end) = match self.fetched(&file, page, known.as_ref()).await {
            Ok((place, processed)) => {
                let end = match &processed {
                    Processed::Skipped(SkipReason::Unreadable { .. }) => End::Unknown,
                    _ => End::Read,
                };
                (Some(place), processed, end)
            }
            Err(reason) => {
                let end = match &reason {
                    SkipReason::GoneFromSite { .. } | SkipReason::OtherSite { .. } => End::Gone,
                    SkipReason::Disallowed => End::Read,
                    _ => End::Unknown,
                };
                (None, Processed::Skipped(reason), end)
            }
        };
        PageEnd { file, known: id, processed, end, place }
    }

    async fn fetched(
        &self,
        file: &SourceFile,
        page: Url,
        known: Option<&Known>,
    ) -> Result<(Url, Processed), SkipReason> {
        let settings_hash = ingest::settings_hash(file, &self.shared);
        // What was made with other settings is fetched anew, whatever its server says.
        let kept: Option<Kept> = known
            .filter(|document| document.settings_hash == settings_hash)
            .and_then(|document| serde_json::from_str(document.validators.as_deref()?).ok());
        let mut url = page;
        for _ in 0..=MAX_REDIRECTS {
            let robots = self
                .robots_of(&url)
                .await
                .ok_or_else(|| unreadable("its site's robots.txt does not answer"))?;
            if !robots.allows(&url[url::Position::BeforePath..]) {
                return Err(SkipReason::Disallowed);
            }
            self.keep_pause().await;
            if Instant::now() >= self.ends {
                return Err(unreadable("there was no time left; the next run goes on"));
            }
            if self.is_down() {
                return Err(unreadable("the site stopped answering; the next run goes on"));
            }
            let validators = kept.as_ref().filter(|kept| kept.url == url.as_str());
            let validators = validators.map(|kept| &kept.validators);
            let answer = self.ask(&url, validators, self.shared.max_bytes).await;
            self.answered(&answer);
            match answer {
                Ok(PageAnswer::Page(fetched)) => {
                    let processed = self.document(file, &url, settings_hash, fetched, known).await;
                    return Ok((url, processed));
                }
                Ok(PageAnswer::NotModified) if validators.is_some() => {
                    return Ok((url, Processed::Unchanged));
                }
                Ok(PageAnswer::Redirect(to)) => {
                    let mut to = url.join(&to).map_err(|_| unreadable("it leads nowhere"))?;
                    to.set_fragment(None);
                    if !self.is_ours(&to) {
                        return Err(SkipReason::OtherSite { to: Some(to.to_string()) });
                    }
                    url = to;
                }
                Ok(PageAnswer::TooLarge(bytes)) => {
                    let limit = self.shared.max_bytes;
                    return Err(SkipReason::TooLarge { bytes: bytes.unwrap_or(limit + 1), limit });
                }
                Ok(PageAnswer::Status { status: status @ (404 | 410), .. }) => {
                    return Err(SkipReason::GoneFromSite { status });
                }
                Ok(PageAnswer::Status { status, .. }) => {
                    return Err(unreadable(&format!("the site answered with status {status}")));
                }
                Ok(PageAnswer::NotModified) => {
                    return Err(unreadable("the site answered with status 304 unasked"));
                }
                Err(PageError(message)) => return Err(SkipReason::Unreadable { message }),
            }
        }
        Err(unreadable("it leads on and on"))
    }

    /// Makes a document of a page, unless it is as it was.
    async fn document(
        &self,
        file: &SourceFile,
        url: &Url,
        settings_hash: Vec<u8>,
        page: FetchedPage,
        known: Option<&Known>,
    ) -> Processed {
        let FetchedPage { bytes, content_type, validators, noindex } = page;
        if noindex {
            return Processed::Skipped(SkipReason::Excluded);
        }
        let place = url.as_str().as_bytes();
        let validators = (!validators.is_empty())
            .then(|| serde_json::to_string(&Kept { url: url.to_string(), validators }).ok())
            .flatten();
        let stamp = Stamp {
            content_hash: ingest::content_hash(&settings_hash, &[place, &[0], &bytes].concat()),
            settings_hash,
            size_bytes: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
            modified_ns: None,
            validators,
        };
        if let Some(known) = known
            && known.content_hash == stamp.content_hash
        {
            return match known.validators == stamp.validators {
                true => Processed::Unchanged,
                false => Processed::Touched(stamp),
            };
        }
        let content_type = content_type.unwrap_or_default();
        let Some(format) = format_of(&content_type, url, &bytes, &self.shared) else {
            let found: String = content_type.chars().take(100).collect();
            return Processed::Skipped(SkipReason::ContentType { found });
        };
        let file = SourceFile { url: Some(url.to_string()), ..file.clone() };
        let shared = Arc::clone(&self.shared);
        if format == Format::Pdf {
            return ingest::process_pdf(file, bytes, stamp, shared).await;
        }
        let parse = move || {
            let text = decoded(&bytes, &content_type, format);
            if text.contains('\0') {
                return Processed::Skipped(SkipReason::Binary);
            }
            ingest::interpret(&file, format, &text, stamp, &shared)
        };
        tokio::task::spawn_blocking(parse).await.unwrap_or_else(|error| ingest::broken(&error))
    }
}

fn unreadable(message: &str) -> SkipReason {
    SkipReason::Unreadable { message: message.to_owned() }
}

/// What is taken for the path of a page, of which it gets a title if it has no other.
fn relative(page: &Url) -> String {
    match page.path().trim_matches('/') {
        "" => page.host_str().unwrap_or_default().to_owned(),
        path => path.to_owned(),
    }
}

/// What a page is, as its server says; what it looks like, where that says nothing.
fn format_of(content_type: &str, url: &Url, bytes: &[u8], shared: &Shared) -> Option<Format> {
    let named = || Format::of(Path::new(url.path()));
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let format = match kind.as_str() {
        "text/html" | "application/xhtml+xml" => Format::Html,
        "application/pdf" => Format::Pdf,
        "text/markdown" | "text/x-markdown" => Format::Markdown,
        "text/plain" => named().filter(|format| *format != Format::Pdf).unwrap_or(Format::Text),
        "" | "application/octet-stream" => match named() {
            Some(format) => format,
            None if bytes.trim_ascii_start().starts_with(b"<") => Format::Html,
            None => return None,
        },
        _ => return None,
    };
    (format != Format::Pdf || shared.pdf.is_some()).then_some(format)
}

/// The text of a page in the encoding that its server names, or it itself does.
fn decoded(bytes: &[u8], content_type: &str, format: Format) -> String {
    let named = charset(content_type.as_bytes());
    let prologue = &bytes[..bytes.len().min(PROLOGUE)];
    let encoding =
        named.or_else(|| charset(prologue).filter(|_| format == Format::Html)).unwrap_or(UTF_8);
    // A byte order mark has the last word.
    encoding.decode(bytes).0.into_owned()
}

/// What follows the first `charset=`.
fn charset(text: &[u8]) -> Option<&'static Encoding> {
    let text = String::from_utf8_lossy(text).to_ascii_lowercase();
    let (_, rest) = text.split_once("charset=")?;
    let label = rest.trim_start_matches(['"', '\'', ' ']);
    let end = label.find(|c: char| !(c.is_ascii_alphanumeric() || "-_:.".contains(c)));
    Encoding::for_label(&label.as_bytes()[..end.unwrap_or(label.len())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_read_in_the_encoding_that_is_named() {
        let page = b"<meta charset='ISO-8859-1'><p>Gr\xfc\xdfe";
        assert!(decoded(page, "text/html", Format::Html).contains("Grüße"));
        assert!(decoded(page, "text/html; charset=\"utf-8\"", Format::Html).contains("Gr\u{FFFD}"));
        let japanese = b"\x93\xfa\x96{";
        assert_eq!(decoded(japanese, "text/plain;charset=Shift_JIS", Format::Text), "日本");
        assert_eq!(decoded("é".as_bytes(), "text/plain; charset=nonsense", Format::Text), "é");
    }
}
