//! The head of a response: bytes in, a [`ResponseHead`] out. No I/O.

use super::Malformed;

/// Longest head that is read, in bytes, with those of interim responses before it.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// How a head begins.
const VERSION: &[u8] = b"HTTP/1.";

/// Most fields that a head may have.
const MAX_FIELDS: usize = 100;

/// How the end of a body is known ([RFC 9112, section 6.3]).
///
/// [RFC 9112, section 6.3]: https://www.rfc-editor.org/rfc/rfc9112#section-6.3
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// After so many bytes.
    Length(u64),
    /// It comes in chunks, of which the last is empty.
    Chunked,
    /// When the connection ends.
    UntilClose,
}

/// What of a response's head matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseHead {
    /// The final status, 200 or more.
    pub status: u16,
    /// The media type, as it was sent.
    pub content_type: Option<Box<str>>,
    /// How long to wait before the next request, as it was sent.
    pub retry_after: Option<Box<str>>,
    /// Where it is instead, as it was sent. Redirections are not followed.
    pub location: Option<Box<str>>,
    /// How the body is framed.
    pub framing: Framing,
    /// Whether the connection may be used again after the body.
    pub keep_alive: bool,
}

/// Finds the head at the beginning of a response. Interim responses (`103 Early Hints`) before it
/// are skipped.
#[derive(Debug, Default)]
pub struct HeadDecoder {
    received: Vec<u8>,
    /// Bytes of `received` in which no head ends.
    searched: usize,
    /// Bytes of interim responses, and of line ends before them.
    skipped: usize,
}

impl HeadDecoder {
    /// Takes the next bytes of the connection, and gives the head once they hold all of it.
    ///
    /// # Errors
    ///
    /// When this is not HTTP/1, or something that can be understood in two ways, or too long.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Option<ResponseHead>, Malformed> {
        self.received.extend_from_slice(bytes);
        loop {
            self.skip_line_ends();
            let begun = self.received.len().min(VERSION.len());
            if self.received[..begun] != VERSION[..begun] {
                return Err(Malformed::new("it is not HTTP/1"));
            }
            if !self.has_empty_line() {
                break;
            }
            let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
            let mut response = httparse::Response::new(&mut fields);
            let parsed = response.parse(&self.received);
            let length = match parsed.map_err(|error| Malformed::new(error.to_string()))? {
                httparse::Status::Complete(length) => length,
                httparse::Status::Partial => continue,
            };
            let head = match response.code.unwrap_or_default() {
                0..100 => return Err(Malformed::new("its status is none")),
                101 => return Err(Malformed::new("it switches to another protocol")),
                100..=199 => None,
                status => Some(read(status, &response)?),
            };
            self.received.drain(..length);
            self.searched = 0;
            self.skipped += length;
            check_length(self.skipped)?;
            if head.is_some() {
                return Ok(head);
            }
        }
        check_length(self.skipped + self.received.len())?;
        Ok(None)
    }

    /// Whether nothing at all has come.
    pub(super) fn is_empty(&self) -> bool {
        self.received.is_empty() && self.skipped == 0
    }

    /// The bytes after the head, which belong to the body.
    pub fn into_rest(mut self) -> Vec<u8> {
        self.received.shrink_to_fit();
        self.received
    }

    /// Skips the line ends that some servers send after a body or before a head.
    fn skip_line_ends(&mut self) {
        if self.searched == 0 {
            let is_line_end = |byte: &&u8| matches!(byte, b'\r' | b'\n');
            let count = self.received.iter().take_while(is_line_end).count();
            self.received.drain(..count);
            self.skipped += count;
        }
    }

    /// Looks for an empty line in what has not been searched yet, so that a head is parsed when
    /// it is there, however small the pieces are that it comes in.
    fn has_empty_line(&mut self) -> bool {
        while let Some(at) = memchr::memchr(b'\n', &self.received[self.searched..]) {
            let after = self.searched + at + 1;
            match &self.received[after..] {
                [b'\n', ..] | [b'\r', b'\n', ..] => {
                    self.searched = after;
                    return true;
                }
                // It may be the end of an empty line; to be looked at again.
                [] | [b'\r'] => {
                    self.searched = after - 1;
                    return false;
                }
                _ => self.searched = after,
            }
        }
        self.searched = self.received.len();
        false
    }
}

fn check_length(bytes: usize) -> Result<(), Malformed> {
    if bytes > MAX_HEAD_BYTES {
        return Err(Malformed::new(format!("its head is longer than {MAX_HEAD_BYTES} bytes")));
    }
    Ok(())
}

fn read(status: u16, response: &httparse::Response<'_, '_>) -> Result<ResponseHead, Malformed> {
    let values = |name: &'static str| {
        let fields = response.headers.iter();
        fields.filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
    };
    let text = |name| {
        let value: &[u8] = values(name).next()?;
        std::str::from_utf8(value).ok().map(Box::from)
    };
    let elements = |name| {
        let lists = values(name).flat_map(|value| value.split(|byte| *byte == b','));
        lists.map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
    };
    let http11 = response.version == Some(1);
    let says =
        |word: &[u8]| elements("connection").any(|element| element.eq_ignore_ascii_case(word));
    let mut keep_alive = if http11 { !says(b"close") } else { says(b"keep-alive") };

    let mut length = None;
    for element in values("content-length").flat_map(|value| value.split(|byte| *byte == b',')) {
        let element = element.trim_ascii();
        let digits = !element.is_empty() && element.iter().all(u8::is_ascii_digit);
        let number = std::str::from_utf8(element).ok().and_then(|text| text.parse::<u64>().ok());
        let number = number.filter(|_| digits);
        let Some(number) = number else {
            return Err(Malformed::new("its Content-Length is no number"));
        };
        if length.replace(number).is_some_and(|other| other != number) {
            return Err(Malformed::new("it has two different Content-Lengths"));
        }
    }
    let mut codings = elements("transfer-encoding");
    let framing = match (codings.next(), codings.next()) {
        _ if matches!(status, 204 | 304) => Framing::Length(0),
        (None, _) => length.map_or(Framing::UntilClose, Framing::Length),
        (Some(coding), None) if http11 && coding.eq_ignore_ascii_case(b"chunked") => {
            // With a length beside it, somebody on the way may see another end of it.
            keep_alive &= length.is_none();
            Framing::Chunked
        }
        _ => return Err(Malformed::new("its transfer coding is not `chunked`")),
    };
    keep_alive &= framing != Framing::UntilClose;
    Ok(ResponseHead {
        status,
        content_type: text("content-type"),
        retry_after: text("retry-after"),
        location: text("location"),
        framing,
        keep_alive,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail")]

    use super::*;

    fn decode(response: &str) -> Result<Option<(ResponseHead, String)>, String> {
        let mut decoder = HeadDecoder::default();
        let head = decoder.push(response.as_bytes()).map_err(|error| error.to_string())?;
        let rest = String::from_utf8(decoder.into_rest()).unwrap();
        Ok(head.map(|head| (head, rest)))
    }

    fn framing(fields: &str) -> Result<(Framing, bool), String> {
        let (head, _) = decode(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n"))?.unwrap();
        Ok((head.framing, head.keep_alive))
    }

    #[test]
    fn a_head_is_read_and_the_body_left() {
        let response = "HTTP/1.1 429 Too Many\r\nContent-Type: text/event-stream\r\nRETRY-AFTER: 7\
                        \r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello";
        let (head, rest) = decode(response).unwrap().unwrap();
        let expected = ResponseHead {
            status: 429,
            content_type: Some("text/event-stream".into()),
            retry_after: Some("7".into()),
            location: None,
            framing: Framing::Chunked,
            keep_alive: true,
        };
        assert_eq!((head, rest.as_str()), (expected, "5\r\nhello"));
    }

    #[test]
    fn a_head_in_any_pieces_is_the_same_head() {
        let early = "\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n";
        let response = format!("{early}HTTP/1.1 200 OK\nContent-Length: 3\n\r\nabc");
        let (whole, rest) = decode(&response).unwrap().unwrap();
        assert_eq!((whole.framing, rest.as_str()), (Framing::Length(3), "abc"));
        for size in 1..response.len() {
            let mut decoder = HeadDecoder::default();
            let mut pieces = response.as_bytes().chunks(size);
            let head = pieces.by_ref().find_map(|piece| decoder.push(piece).unwrap());
            assert_eq!(head.as_ref(), Some(&whole), "in pieces of {size}");
            let mut rest = decoder.into_rest();
            rest.extend(pieces.flatten());
            assert_eq!(rest, b"abc", "in pieces of {size}");
        }
    }

    #[test]
    fn the_end_of_a_body_is_known_as_the_standard_says() {
        assert_eq!(framing("Content-Length: 12\r\n"), Ok((Framing::Length(12), true)));
        assert_eq!(framing("Content-Length: 5, 5\r\n"), Ok((Framing::Length(5), true)));
        assert_eq!(framing("transfer-encoding: Chunked\r\n"), Ok((Framing::Chunked, true)));
        assert_eq!(framing(""), Ok((Framing::UntilClose, false)));
        assert_eq!(
            framing("Content-Length: 12\r\nTransfer-Encoding: chunked\r\n"),
            Ok((Framing::Chunked, false))
        );
        let close = "Content-Length: 0\r\nConnection: x, Close\r\n";
        assert_eq!(framing(close), Ok((Framing::Length(0), false)));
        let head = |response| decode(response).unwrap().unwrap().0;
        let none = head("HTTP/1.1 204 No\r\n\r\n");
        assert_eq!((none.framing, none.keep_alive), (Framing::Length(0), true));
        let old = head("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n");
        assert_eq!((old.framing, old.keep_alive), (Framing::Length(1), false));
        let kept = "HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\n";
        assert!(head(kept).keep_alive);
    }

    #[test]
    fn what_can_be_understood_in_two_ways_is_refused() {
        for fields in [
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            "Content-Length: +5\r\n",
            "Content-Length: 5 5\r\n",
            "Content-Length:\r\n",
            "Content-Length: 99999999999999999999\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: chunked, chunked\r\n",
            "Transfer-Encoding: identity\r\n",
            "Content-Length : 5\r\n",
            "X: a\r\n b\r\n",
        ] {
            assert!(framing(fields).is_err(), "{fields:?}");
        }
        for response in [
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 101 Switching\r\n\r\n",
            "HTTP/2 200 OK\r\n\r\n",
            "HTTP/1.1 020 OK\r\n\r\n",
            "<html>",
        ] {
            assert!(decode(response).is_err(), "{response:?}");
        }
        assert_eq!(decode("HTTP/1.1 200 OK\r\nContent-Le"), Ok(None));
    }

    #[test]
    fn a_head_without_end_is_refused() {
        for piece in ["X: y\r\n", "x", "\r\n", "HTTP/1.1 103 E\r\n\r\n"] {
            let mut decoder = HeadDecoder::default();
            let pieces = std::iter::repeat_n(piece, MAX_HEAD_BYTES);
            let mut pushed = Vec::from("HTTP/1.1 100 C\r\n\r\n");
            let error = pieces.into_iter().find_map(|piece| {
                pushed.extend_from_slice(piece.as_bytes());
                decoder.push(&std::mem::take(&mut pushed)).err()
            });
            assert!(error.is_some(), "{piece:?}");
        }
    }
}
