//! Whether a file is what it was said to be, found out while it comes in.

use parlor_chatkit::UNKNOWN_TYPE;

/// Bytes from the beginning by which types are told apart. The farthest that any is looked for.
const HEAD: usize = 8 * 1024;

/// How many bytes there should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// As many as were announced.
    Exactly(u64),
    /// No more than this.
    AtMost(u64),
}

/// Why a file is refused while it comes in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// It is larger than files may be.
    #[error("the file is larger than {0} bytes")]
    TooLarge(u64),
    /// It is not as large as was announced.
    #[error("{announced} bytes were announced, but {}", in_words(*.came))]
    OtherSize {
        /// As announced.
        announced: u64,
        /// As it came; `None` when there were more.
        came: Option<u64>,
    },
    /// There is nothing in it.
    #[error("the file is empty")]
    Empty,
    /// It is not of the type that it was said to be.
    #[error("the file is said to be `{said}`, but {}; send it with the type that it has", seems(.found.as_deref()))]
    OtherType {
        /// What was said.
        said: String,
        /// What it looks like, if like anything that is known.
        found: Option<String>,
    },
    /// It came too slowly.
    #[error("nothing came for {0} seconds; try again over a better connection")]
    TooSlow(u64),
    /// The connection ended early.
    #[error("the connection ended before the whole file had come")]
    Incomplete,
}

fn in_words(came: Option<u64>) -> String {
    came.map_or_else(|| "more came".to_owned(), |came| format!("{came} came"))
}

fn seems(found: Option<&str>) -> String {
    found.map_or_else(|| "its content is not".to_owned(), |found| format!("is `{found}`"))
}

/// Looks at a file piece by piece.
pub(crate) struct Inspector {
    said: String,
    name: String,
    size: Size,
    count: u64,
    head: Vec<u8>,
    /// What the head says, once there is enough of it.
    found: Option<Result<String, Refused>>,
    text: TextCheck,
}

impl Inspector {
    /// For a file that was said to be of this type. `name` helps where a text has no type.
    pub(crate) fn new(said: &str, name: &str, size: Size) -> Self {
        Self {
            said: said.to_owned(),
            name: name.to_owned(),
            size,
            count: 0,
            head: Vec::new(),
            found: None,
            text: TextCheck::default(),
        }
    }

    /// Looks at the next piece.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Result<(), Refused> {
        self.count += piece.len() as u64;
        match self.size {
            Size::Exactly(announced) if self.count > announced => {
                return Err(Refused::OtherSize { announced, came: None });
            }
            Size::AtMost(max) if self.count > max => return Err(Refused::TooLarge(max)),
            _ => {}
        }
        let wanted = HEAD.saturating_sub(self.head.len()).min(piece.len());
        self.head.extend_from_slice(&piece[..wanted]);
        self.text.push(piece);
        if self.head.len() == HEAD && self.found.is_none() {
            self.decide();
        }
        // What is known to be wrong need not come to its end.
        match &self.found {
            Some(Err(refused)) => Err(refused.clone()),
            Some(Ok(mime_type)) if is_text(mime_type) && !self.text.is_text() => {
                Err(self.not_text(mime_type.clone()))
            }
            _ => Ok(()),
        }
    }

    /// The type of the file, when all of it has come.
    pub(crate) fn finish(mut self) -> Result<String, Refused> {
        match self.size {
            Size::Exactly(announced) if self.count != announced => {
                return Err(Refused::OtherSize { announced, came: Some(self.count) });
            }
            _ if self.count == 0 => return Err(Refused::Empty),
            _ => {}
        }
        self.text.end();
        if self.found.is_none() {
            self.decide();
        }
        let mime_type = match self.found.take() {
            Some(found) => found?,
            None => return Err(Refused::Empty),
        };
        if is_text(&mime_type) && !self.text.is_text() {
            return Err(self.not_text(mime_type));
        }
        Ok(mime_type)
    }

    fn not_text(&self, mime_type: String) -> Refused {
        let said = if self.said == UNKNOWN_TYPE { mime_type } else { self.said.clone() };
        Refused::OtherType { said, found: None }
    }

    fn decide(&mut self) {
        let sniffed = infer::get(&self.head).map(|found| found.mime_type());
        self.found = Some(agree(&self.said, sniffed, &self.name, self.text.is_text()));
    }
}

/// What the said type and the bytes come to.
fn agree(
    said: &str,
    sniffed: Option<&'static str>,
    name: &str,
    looks_like_text: bool,
) -> Result<String, Refused> {
    // HTML, XML and scripts are found by their first words; they are text all the same.
    let sniffed = sniffed.map(canonical).filter(|found| !found.starts_with("text/"));
    let other = |found: Option<&str>| {
        let found = found.or(looks_like_text.then_some("text/plain"));
        Err(Refused::OtherType { said: said.to_owned(), found: found.map(ToOwned::to_owned) })
    };
    if said == UNKNOWN_TYPE {
        return match sniffed {
            Some(found) => Ok(found.to_owned()),
            None if looks_like_text => Ok(text_type(name).to_owned()),
            None => Ok(UNKNOWN_TYPE.to_owned()),
        };
    }
    match sniffed {
        Some(found) if found == canonical(said) => Ok(said.to_owned()),
        // Office and book formats are archives; which one is not always told by the beginning.
        Some(found) if is_zip(found) && is_zip(said) => Ok(said.to_owned()),
        Some(found) => other(Some(found)),
        None if is_text(said) => {
            if looks_like_text {
                Ok(said.to_owned())
            } else {
                other(None)
            }
        }
        // Every type of these is recognised by its beginning, or it is not one.
        None if is_recognised(said) => other(None),
        // A format that nobody here knows, which the operator has allowed by its name.
        None => Ok(said.to_owned()),
    }
}

/// One name for what has several.
fn canonical(mime_type: &str) -> &str {
    match mime_type {
        "audio/x-wav" | "audio/wave" | "audio/vnd.wave" => "audio/wav",
        "audio/mp3" => "audio/mpeg",
        "audio/x-flac" => "audio/flac",
        "audio/m4a" | "audio/x-m4a" => "audio/mp4",
        "application/x-zip-compressed" => "application/zip",
        "application/x-gzip" => "application/gzip",
        "image/vnd.adobe.photoshop" => "image/x-photoshop",
        other => other,
    }
}

/// Types that are text, whatever is in it.
fn is_text(mime_type: &str) -> bool {
    mime_type.starts_with("text/")
        || mime_type.ends_with("+json")
        || mime_type.ends_with("+xml")
        || mime_type.ends_with("+yaml")
        || matches!(
            mime_type,
            "application/json"
                | "application/xml"
                | "application/yaml"
                | "application/x-yaml"
                | "application/toml"
                | "application/javascript"
                | "application/x-javascript"
                | "application/x-sh"
                | "application/x-ndjson"
                | "application/jsonl"
                | "application/sql"
                | "application/rtf"
        )
}

fn is_zip(mime_type: &str) -> bool {
    mime_type.starts_with("application/vnd.openxmlformats-officedocument.")
        || mime_type.starts_with("application/vnd.oasis.opendocument.")
        || matches!(mime_type, "application/epub+zip" | "application/zip")
}

fn is_recognised(mime_type: &str) -> bool {
    ["image/", "audio/", "video/"].iter().any(|kind| mime_type.starts_with(kind))
        || is_zip(mime_type)
        || matches!(mime_type, "application/pdf" | "application/gzip")
}

/// The type of a text by the end of its name: browsers know few of them.
fn text_type(name: &str) -> &'static str {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    match extension.as_deref() {
        Some("md" | "markdown" | "mdx") => "text/markdown",
        Some("csv") => "text/csv",
        Some("tsv") => "text/tab-separated-values",
        Some("html" | "htm") => "text/html",
        Some("css") => "text/css",
        Some("xml") => "text/xml",
        Some("json" | "jsonl" | "ndjson") => "application/json",
        _ => "text/plain",
    }
}

/// Whether bytes are text: UTF-8 without NUL, looked at piece by piece.
#[derive(Default)]
struct TextCheck {
    refuted: bool,
    /// The beginning of a character that the next piece ends.
    started: Vec<u8>,
}

impl TextCheck {
    fn push(&mut self, piece: &[u8]) {
        if self.refuted {
            return;
        }
        if piece.contains(&0) {
            self.refuted = true;
            return;
        }
        let mut rest = piece;
        // A character is at most four bytes, so this ends after three.
        while !self.started.is_empty() {
            let Some((first, others)) = rest.split_first() else { return };
            self.started.push(*first);
            rest = others;
            match std::str::from_utf8(&self.started) {
                Ok(_) => self.started.clear(),
                Err(error) if error.error_len().is_some() => {
                    self.refuted = true;
                    return;
                }
                Err(_) => {}
            }
        }
        if let Err(error) = std::str::from_utf8(rest) {
            match error.error_len() {
                Some(_) => self.refuted = true,
                None => self.started.extend_from_slice(&rest[error.valid_up_to()..]),
            }
        }
    }

    fn end(&mut self) {
        self.refuted |= !self.started.is_empty();
    }

    fn is_text(&self) -> bool {
        !self.refuted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    const PDF: &[u8] = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n";
    const ZIP: &[u8] = b"PK\x03\x04\x14\0\0\0\x08\0";
    const ELF: &[u8] = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0>\0\x01\0\0\0\
        \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

    /// In pieces of every size, which must not matter.
    fn inspect(said: &str, name: &str, bytes: &[u8]) -> Result<String, Refused> {
        let mut results = [1, 2, 3, 7, bytes.len().max(1)].map(|size| {
            let mut inspector = Inspector::new(said, name, Size::AtMost(1_000_000));
            for piece in bytes.chunks(size) {
                inspector.push(piece)?;
            }
            inspector.finish()
        });
        let last = results[4].clone();
        for result in &mut results {
            assert_eq!(*result, last);
        }
        last
    }

    #[test]
    fn a_file_that_is_what_it_is_said_to_be_is_taken() {
        let docx = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
        let cases: [(&str, &[u8]); 11] = [
            ("image/png", PNG),
            ("application/pdf", PDF),
            ("text/plain", b"hello"),
            ("text/plain", "Grüße aus 東京 \u{1F600}".as_bytes()),
            ("text/html", b"<!DOCTYPE html><p>hi"),
            ("text/plain", b"<html><p>source that somebody asks about"),
            ("text/markdown", b"#!/bin/sh\n"),
            ("application/json", b"{\"a\": 1}"),
            ("image/svg+xml", b"<?xml version=\"1.0\"?><svg/>"),
            (docx, ZIP),
            ("application/x-of-the-operators-own", b"\x00\x01\x02 who knows"),
        ];
        for (said, bytes) in cases {
            assert_eq!(inspect(said, "x", bytes), Ok(said.to_owned()));
        }
    }

    #[test]
    fn a_file_that_is_something_else_is_refused() {
        let cases: [(&str, &[u8], Option<&str>); 12] = [
            ("image/png", b"\xff\xd8\xff\xe0JFIF", Some("image/jpeg")),
            ("image/png", b"hello", Some("text/plain")),
            ("image/png", ZIP, Some("application/zip")),
            ("text/plain", PNG, Some("image/png")),
            ("text/plain", ELF, Some("application/x-executable")),
            ("text/plain", ZIP, Some("application/zip")),
            ("text/plain", b"nul \0 inside", None),
            ("text/plain", b"latin-1 \xfc", None),
            ("text/plain", b"cut \xf0\x9f\x98", None),
            ("application/pdf", b"hello", Some("text/plain")),
            ("application/json", b"\x00\x01", None),
            ("application/pdf", ELF, Some("application/x-executable")),
        ];
        for (said, bytes, found) in cases {
            let found = found.map(ToOwned::to_owned);
            let refused = Refused::OtherType { said: said.to_owned(), found };
            assert_eq!(inspect(said, "x", bytes), Err(refused), "{said}");
        }
    }

    #[test]
    fn text_that_turns_binary_late_is_refused_at_once() {
        let mut bytes = vec![b'a'; HEAD + 100];
        bytes.push(0);
        let refused = Refused::OtherType { said: "text/plain".to_owned(), found: None };
        assert_eq!(inspect("text/plain", "x", &bytes), Err(refused.clone()));
        let mut inspector = Inspector::new("text/plain", "x", Size::AtMost(1_000_000));
        assert_eq!(inspector.push(&bytes), Err(refused), "before the end");
    }

    #[test]
    fn a_file_without_a_type_is_given_the_one_it_has() {
        let cases: [(&str, &[u8], &str); 7] = [
            ("x", PNG, "image/png"),
            ("notes.md", b"# Notes", "text/markdown"),
            ("notes.MD", b"# Notes", "text/markdown"),
            ("main.rs", b"fn main() {}", "text/plain"),
            ("page.txt", b"<html>", "text/plain"),
            ("data.json", b"[]", "application/json"),
            ("core", b"\x00\x01\x02", UNKNOWN_TYPE),
        ];
        for (name, bytes, expected) in cases {
            assert_eq!(inspect(UNKNOWN_TYPE, name, bytes), Ok(expected.to_owned()), "{name}");
        }
    }

    #[test]
    fn sizes_are_held_to() {
        let inspect = |size, bytes: &[u8]| {
            let mut inspector = Inspector::new("text/plain", "x", size);
            inspector.push(bytes)?;
            inspector.finish()
        };
        assert!(inspect(Size::Exactly(5), b"hello").is_ok());
        let more = Refused::OtherSize { announced: 4, came: None };
        assert_eq!(inspect(Size::Exactly(4), b"hello"), Err(more));
        let fewer = Refused::OtherSize { announced: 6, came: Some(5) };
        assert_eq!(inspect(Size::Exactly(6), b"hello"), Err(fewer));
        assert!(inspect(Size::AtMost(5), b"hello").is_ok());
        assert_eq!(inspect(Size::AtMost(4), b"hello"), Err(Refused::TooLarge(4)));
        assert_eq!(inspect(Size::AtMost(4), b""), Err(Refused::Empty));
    }

    #[test]
    fn refusals_are_sentences() {
        let cases = [
            Refused::OtherSize { announced: 4, came: None },
            Refused::OtherSize { announced: 4, came: Some(2) },
            Refused::OtherType { said: "image/png".to_owned(), found: None },
            Refused::OtherType { said: "image/png".to_owned(), found: Some("text/plain".into()) },
        ];
        assert_eq!(
            cases.map(|refused| refused.to_string()),
            [
                "4 bytes were announced, but more came",
                "4 bytes were announced, but 2 came",
                "the file is said to be `image/png`, but its content is not; send it with the \
                 type that it has",
                "the file is said to be `image/png`, but is `text/plain`; send it with the type \
                 that it has",
            ]
        );
    }
}
