//! A decoder of server-sent events, as the [HTML standard] describes them.
//!
//! Lenient where servers differ: any of the three line ends, a byte order mark, comments, unknown
//! fields. Each byte is looked at once, however the stream is cut into chunks.
//!
//! [HTML standard]: https://html.spec.whatwg.org/multipage/server-sent-events.html

use memchr::{memchr, memchr2};
use thiserror::Error;

/// Longest event that is accepted, in bytes: room for an image in base64.
const MAX_EVENT_BYTES: usize = 16 * 1024 * 1024;

/// Buffers are kept from one event to the next up to this size. Some events are long, such as the
/// first one of the Responses API, which repeats the request; most are a word.
const KEPT_BYTES: usize = 512;

const BOM: &[u8] = "\u{feff}".as_bytes();

/// One event, borrowed from the decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SseEvent<'a> {
    /// The event's name; empty if the server gave none.
    pub name: &'a str,
    /// The data; several `data` lines are joined by `\n`.
    pub data: &'a str,
    /// The last id that was sent; empty if none was.
    pub id: &'a str,
}

/// The stream cannot be read on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SseError {
    /// An event is longer than the limit.
    #[error("an event is longer than {limit_bytes} bytes")]
    TooLong {
        /// The limit.
        limit_bytes: usize,
    },
}

/// Decodes a stream of bytes into events.
#[derive(Debug)]
pub struct SseDecoder {
    /// The unfinished line.
    line: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    name: String,
    id: String,
    retry_ms: Option<u64>,
    limit_bytes: usize,
    /// The last byte was a CR, so an LF at the start of the next chunk belongs to it.
    after_cr: bool,
    started: bool,
}

impl Default for SseDecoder {
    fn default() -> Self {
        Self::new(MAX_EVENT_BYTES)
    }
}

impl SseDecoder {
    /// A decoder that accepts lines and events of at most `limit_bytes`.
    pub fn new(limit_bytes: usize) -> Self {
        Self {
            line: Vec::new(),
            data: Vec::new(),
            has_data: false,
            name: String::new(),
            id: String::new(),
            retry_ms: None,
            limit_bytes,
            after_cr: false,
            started: false,
        }
    }

    /// The reconnection time that the server asked for last, in milliseconds.
    pub fn retry_ms(&self) -> Option<u64> {
        self.retry_ms
    }

    /// Takes the next bytes and hands each event that they complete to `sink`.
    ///
    /// # Errors
    ///
    /// When a line or an event is longer than the limit. The decoder is of no more use then.
    pub fn push(
        &mut self,
        mut chunk: &[u8],
        mut sink: impl FnMut(SseEvent<'_>),
    ) -> Result<(), SseError> {
        while !chunk.is_empty() {
            if std::mem::take(&mut self.after_cr) && chunk[0] == b'\n' {
                chunk = &chunk[1..];
                continue;
            }
            let Some(end) = memchr2(b'\n', b'\r', chunk) else {
                self.check(self.line.len() + chunk.len())?;
                self.line.extend_from_slice(chunk);
                break;
            };
            self.after_cr = chunk[end] == b'\r';
            let head = &chunk[..end];
            chunk = &chunk[end + 1..];
            self.check(self.line.len() + head.len())?;
            if self.line.is_empty() {
                self.end_line(head, &mut sink)?;
            } else {
                let mut line = std::mem::take(&mut self.line);
                line.extend_from_slice(head);
                self.end_line(&line, &mut sink)?;
                // Keeps the allocation for the next line.
                line.clear();
                line.shrink_to(KEPT_BYTES);
                self.line = line;
            }
        }
        Ok(())
    }

    /// Says that the stream has ended. The standard drops an event that no blank line ends; some
    /// servers leave out the last blank line, so it is given out here.
    ///
    /// # Errors
    ///
    /// When the last event is longer than the limit.
    pub fn finish(&mut self, mut sink: impl FnMut(SseEvent<'_>)) -> Result<(), SseError> {
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() {
            self.end_line(&line, &mut sink)?;
        }
        self.dispatch(&mut sink);
        Ok(())
    }

    fn check(&self, bytes: usize) -> Result<(), SseError> {
        if bytes > self.limit_bytes {
            return Err(SseError::TooLong { limit_bytes: self.limit_bytes });
        }
        Ok(())
    }

    fn end_line(
        &mut self,
        mut line: &[u8],
        sink: &mut impl FnMut(SseEvent<'_>),
    ) -> Result<(), SseError> {
        if !std::mem::replace(&mut self.started, true) {
            line = line.strip_prefix(BOM).unwrap_or(line);
        }
        if line.is_empty() {
            self.dispatch(sink);
            return Ok(());
        }
        let (field, value) = match memchr(b':', line) {
            // A comment.
            Some(0) => return Ok(()),
            Some(at) => {
                let value = &line[at + 1..];
                (&line[..at], value.strip_prefix(b" ").unwrap_or(value))
            }
            None => (line, &b""[..]),
        };
        match field {
            b"data" => {
                self.check(self.data.len() + value.len() + 1)?;
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.has_data = true;
                self.data.extend_from_slice(value);
            }
            b"event" => {
                self.name.clear();
                self.name.push_str(&String::from_utf8_lossy(value));
            }
            b"id" if !value.contains(&0) => {
                self.id.clear();
                self.id.push_str(&String::from_utf8_lossy(value));
            }
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                self.retry_ms = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
            }
            _ => {}
        }
        Ok(())
    }

    fn dispatch(&mut self, sink: &mut impl FnMut(SseEvent<'_>)) {
        if self.has_data {
            let data = String::from_utf8_lossy(&self.data);
            sink(SseEvent { name: &self.name, data: &data, id: &self.id });
            self.data.clear();
            self.data.shrink_to(KEPT_BYTES);
            self.has_data = false;
        }
        self.name.clear();
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail")]

    use super::*;
    use proptest::prelude::*;

    type Owned = (String, String, String);

    fn decode<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<Owned> {
        let mut decoder = SseDecoder::default();
        let mut events = Vec::new();
        let mut sink = |event: SseEvent<'_>| {
            events.push((event.name.to_owned(), event.data.to_owned(), event.id.to_owned()));
        };
        for chunk in chunks {
            decoder.push(chunk, &mut sink).unwrap();
        }
        decoder.finish(&mut sink).unwrap();
        events
    }

    fn data_of(stream: &str) -> Vec<String> {
        decode([stream.as_bytes()]).into_iter().map(|(_, data, _)| data).collect()
    }

    #[test]
    fn all_line_ends_and_a_byte_order_mark_are_understood() {
        for stream in [
            "data: a\n\ndata:b\n\n",
            "data: a\r\n\r\ndata:b\r\n\r\n",
            "data: a\r\rdata:b\r\r",
            "\u{feff}data: a\n\ndata:b\n\n",
            ": comment\ndata: a\nmade-up: x\nretry: soon\n\n\n\ndata:b",
        ] {
            assert_eq!(data_of(stream), ["a", "b"], "{stream:?}");
        }
    }

    #[test]
    fn fields_mean_what_the_standard_says() {
        let stream =
            "event: x\nid: 7\ndata: one\ndata:  two\ndata\n\nevent: nothing\n\ndata: y\n\n";
        let expected = [("x", "one\n two\n", "7"), ("", "y", "7")]
            .map(|(name, data, id)| (name.to_owned(), data.to_owned(), id.to_owned()));
        assert_eq!(decode([stream.as_bytes()]), expected);
    }

    #[test]
    fn the_retry_time_is_kept() {
        let mut decoder = SseDecoder::default();
        decoder.push(b"retry: 1500\nretry: 15x\n", |_| {}).unwrap();
        assert_eq!(decoder.retry_ms(), Some(1500));
    }

    #[test]
    fn broken_utf8_is_replaced_and_not_fatal() {
        assert_eq!(decode([&b"data: a\xffb\n\n"[..]])[0].1, "a\u{fffd}b");
    }

    #[test]
    fn what_is_too_long_is_an_error() {
        let too_long = Err(SseError::TooLong { limit_bytes: 100 });
        let mut decoder = SseDecoder::new(100);
        assert_eq!(decoder.push(&[b'x'; 101], |_| {}), too_long);
        let mut decoder = SseDecoder::new(100);
        let lines = "data: 0123456789\n".repeat(20);
        assert_eq!(decoder.push(lines.as_bytes(), |_| {}), too_long);
    }

    #[test]
    fn a_huge_line_in_small_chunks_arrives_whole() {
        let mut stream = b"data: ".to_vec();
        stream.extend(std::iter::repeat_n(b'x', 4 * 1024 * 1024));
        stream.extend(b"\n\n");
        let events = decode(stream.chunks(1024));
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].1.len(), 4 * 1024 * 1024);
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_events(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "data: a", "data:b", "data", "event: e", "id: 1", ": c", "retry: 1", "é👋",
                    "\n", "\r", "\r\n", "\n\n", "\u{feff}", "x", " ", ":",
                ]),
                0..40,
            ),
            cuts in prop::collection::vec(0usize..200, 0..20),
        ) {
            let stream = parts.concat().into_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
            cuts.sort_unstable();
            let mut chunks = Vec::new();
            let mut from = 0;
            for cut in cuts {
                chunks.push(&stream[from..cut]);
                from = cut;
            }
            chunks.push(&stream[from..]);
            prop_assert_eq!(decode(chunks), decode([stream.as_slice()]));
        }
    }
}
