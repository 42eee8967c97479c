//! PDFs as documents. Their text is taken out by a [`PdfReader`] from outside: the parser is best
//! left to a process of its own.

use std::{fmt, future::Future, pin::Pin, time::Duration};

use crate::chunk::{self, Chunk};

/// The answer of a [`PdfReader`] in the making.
pub type PdfFuture<'a> = Pin<Box<dyn Future<Output = Result<String, PdfReadError>> + Send + 'a>>;

/// Takes the text out of PDFs.
pub trait PdfReader: fmt::Debug + Send + Sync {
    /// The text of a PDF. Each page ends with a form feed (U+000C), as `pdftotext` writes it.
    fn text(&self, pdf: Vec<u8>) -> PdfFuture<'_>;
}

/// Why a PDF has no text. The words follow the name of the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PdfReadError {
    /// It has none, now or later: "it is damaged".
    #[error("{0}")]
    NoText(String),
    /// It was not read in time; on an idle machine it may be.
    #[error("its text was not taken out within {0:?}")]
    TooSlow(Duration),
}

/// The passages of a PDF, each on one page. Its anchor opens that page, as PDF viewers understand it
/// (RFC 8118).
pub(crate) fn chunks(text: &str) -> Vec<Chunk> {
    let mut all = Vec::new();
    for (number, page) in (1_u32..).zip(text.split('\u{c}')) {
        let of_page = chunk::plain(&joined(page)).into_iter();
        all.extend(of_page.map(|chunk| Chunk { anchor: Some(format!("page={number}")), ..chunk }));
    }
    all
}

/// The lines of a page, without what typesetting left in them: spaces at ends, and words that were
/// divided at the end of a line.
fn joined(page: &str) -> String {
    let mut text = String::with_capacity(page.len());
    for line in page.lines() {
        // Fonts without names for their letters give control characters, which no database wants.
        let line = line.replace(char::is_control, " ");
        let line = line.trim();
        if let Some(stem) = text.strip_suffix("-\n")
            && stem.ends_with(char::is_alphabetic)
            && line.starts_with(char::is_lowercase)
        {
            text.truncate(stem.len());
        }
        text.push_str(line);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passages_know_their_page_and_words_are_whole() {
        let text =
            "Title\n\nThe docu- \nmentation is hyphen-\nated, A-\nB is not.\n\u{c}\n\u{c}last\u{c}";
        let found = chunks(text);
        let found: Vec<_> = found
            .iter()
            .map(|c| (c.anchor.as_deref().unwrap_or_default(), c.text.as_str()))
            .collect();
        assert_eq!(
            found,
            [
                ("page=1", "Title\n\nThe documentation is hyphenated, A-\nB is not."),
                ("page=3", "last"),
            ]
        );
    }
}
