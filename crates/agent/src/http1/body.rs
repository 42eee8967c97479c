//! The framing of a body: bytes of the connection in, bytes of the body out. No I/O.

use super::{Framing, Malformed};

/// Most digits of a chunk's size.
const MAX_SIZE_DIGITS: u8 = 16;

/// Longest line of a chunk, with what is said after its size, in bytes.
const MAX_LINE_BYTES: usize = 4 * 1024;

/// Most bytes of the fields after the last chunk.
const MAX_TRAILER_BYTES: usize = 16 * 1024;

/// Takes the framing off a body ([RFC 9112, section 7]). Holds no bytes of it.
///
/// Strict, as what one side takes for a chunk's end and another does not is how answers get
/// mixed up: sizes are hexadecimal digits, lines end with CRLF.
///
/// [RFC 9112, section 7]: https://www.rfc-editor.org/rfc/rfc9112#section-7
#[derive(Debug)]
pub struct BodyDecoder(State);

#[derive(Debug)]
enum State {
    Length(u64),
    UntilClose,
    /// In the size of a chunk.
    Size {
        size: u64,
        digits: u8,
    },
    /// After the size; so many bytes of the line were skipped.
    Extension {
        size: u64,
        skipped: usize,
    },
    /// After the CR of a chunk's line.
    SizeLf {
        size: u64,
    },
    Data(u64),
    DataCr,
    DataLf,
    /// At the beginning of a line after the last chunk.
    Trailer {
        skipped: usize,
    },
    TrailerLine {
        skipped: usize,
    },
    TrailerLf {
        skipped: usize,
    },
    /// After the CR of the empty line.
    LastLf,
    Done,
}

impl BodyDecoder {
    /// A decoder of a body that is framed like this.
    pub fn new(framing: Framing) -> Self {
        Self(match framing {
            Framing::Length(0) => State::Done,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Size { size: 0, digits: 0 },
            Framing::UntilClose => State::UntilClose,
        })
    }

    /// Whether the body has been read to its end, and nothing that comes belongs to it.
    pub fn is_done(&self) -> bool {
        matches!(self.0, State::Done)
    }

    /// Whether the body is whole if the connection ends here.
    pub fn may_end(&self) -> bool {
        matches!(self.0, State::Done | State::UntilClose)
    }

    /// Takes the next bytes of the connection and hands those of the body to `sink`. Gives how
    /// many were taken: all of them, unless the body ends before.
    ///
    /// # Errors
    ///
    /// When the framing is broken. The decoder is of no more use then.
    pub fn decode(
        &mut self,
        bytes: &[u8],
        mut sink: impl FnMut(&[u8]),
    ) -> Result<usize, Malformed> {
        let mut rest = bytes;
        while !rest.is_empty() && !self.is_done() {
            match &mut self.0 {
                State::UntilClose => {
                    sink(rest);
                    rest = &[];
                }
                State::Length(left) | State::Data(left) => {
                    // What is longer than memory is longer than `rest`.
                    let length = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    sink(&rest[..length]);
                    rest = &rest[length..];
                    *left -= length as u64;
                    if *left == 0 {
                        self.0 = match self.0 {
                            State::Data(_) => State::DataCr,
                            _ => State::Done,
                        };
                    }
                }
                _ => {
                    self.0 = self.step(rest[0])?;
                    rest = &rest[1..];
                }
            }
        }
        Ok(bytes.len() - rest.len())
    }

    /// What a byte of the framing leads to.
    fn step(&self, byte: u8) -> Result<State, Malformed> {
        let wrong = |what: &str| Err(Malformed::new(what));
        Ok(match (&self.0, byte) {
            (&State::Size { size, digits }, _) if byte.is_ascii_hexdigit() => {
                if digits == MAX_SIZE_DIGITS {
                    return wrong("the size of a chunk is too large");
                }
                let digit = match byte {
                    b'0'..=b'9' => byte - b'0',
                    _ => byte.to_ascii_lowercase() - b'a' + 10,
                };
                // Sixteen digits fit.
                State::Size { size: (size << 4) | u64::from(digit), digits: digits + 1 }
            }
            (State::Size { digits: 0, .. }, _) => return wrong("a chunk has no size"),
            (&State::Size { size, .. } | &State::Extension { size, .. }, b'\r') => {
                State::SizeLf { size }
            }
            // Some servers pad the size.
            (&State::Size { size, .. }, b' ' | b'\t' | b';') => {
                State::Extension { size, skipped: 1 }
            }
            (State::Size { .. }, _) => return wrong("the size of a chunk is no number"),
            (State::Extension { .. }, b'\n') => return wrong("a chunk's line ends without CR"),
            (&State::Extension { size, skipped }, _) => {
                if skipped == MAX_LINE_BYTES {
                    return wrong("a chunk's line is too long");
                }
                State::Extension { size, skipped: skipped + 1 }
            }
            (State::SizeLf { size: 0 }, b'\n') => State::Trailer { skipped: 0 },
            (&State::SizeLf { size }, b'\n') => State::Data(size),
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size { size: 0, digits: 0 },
            (State::DataCr | State::DataLf, _) => {
                return wrong("a chunk is longer than its size");
            }
            (State::Trailer { .. }, b'\r') => State::LastLf,
            (&State::TrailerLine { skipped }, b'\r') => State::TrailerLf { skipped },
            (State::Trailer { .. } | State::TrailerLine { .. }, b'\n') => {
                return wrong("a line after the last chunk ends without CR");
            }
            (&State::Trailer { skipped } | &State::TrailerLine { skipped }, _) => {
                if skipped == MAX_TRAILER_BYTES {
                    return wrong("what comes after the last chunk is too long");
                }
                State::TrailerLine { skipped: skipped + 1 }
            }
            (&State::TrailerLf { skipped }, b'\n') => State::Trailer { skipped },
            (State::LastLf, b'\n') => State::Done,
            (State::SizeLf { .. } | State::TrailerLf { .. } | State::LastLf, _) => {
                return wrong("a line of the framing has a CR in it");
            }
            (State::Length(_) | State::UntilClose | State::Data(_) | State::Done, _) => {
                return wrong("a byte of the body is none of its framing");
            }
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail")]

    use super::*;
    use proptest::prelude::*;

    /// The body, the bytes after it, and whether it is whole.
    fn decode<'a>(
        framing: Framing,
        pieces: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<(Vec<u8>, Vec<u8>, bool), Malformed> {
        let mut decoder = BodyDecoder::new(framing);
        let (mut body, mut after) = (Vec::new(), Vec::new());
        for piece in pieces {
            let taken = decoder.decode(piece, |bytes| body.extend_from_slice(bytes))?;
            assert!(taken == piece.len() || decoder.is_done());
            after.extend_from_slice(&piece[taken..]);
        }
        Ok((body, after, decoder.may_end()))
    }

    fn chunked(stream: &str) -> Result<(String, String, bool), Malformed> {
        let (body, after, whole) = decode(Framing::Chunked, [stream.as_bytes()])?;
        Ok((String::from_utf8(body).unwrap(), String::from_utf8(after).unwrap(), whole))
    }

    #[test]
    fn chunks_are_joined_and_what_is_beside_them_is_skipped() {
        let whole = |body: &str, after: &str| Ok((body.to_owned(), after.to_owned(), true));
        assert_eq!(chunked("5\r\nhello\r\n0\r\n\r\nHTTP"), whole("hello", "HTTP"));
        assert_eq!(chunked("2\r\nhe\r\n003\r\nllo\r\n0\r\n\r\n"), whole("hello", ""));
        assert_eq!(chunked("5;a=\"b\"\r\nhello\r\n000\r\nX: y\r\n\r\n"), whole("hello", ""));
        assert_eq!(chunked("a  \r\n0123456789\r\n0 ;x\r\n\r\n"), whole("0123456789", ""));
        assert_eq!(chunked("A\r\n0\r\n\r\n34567\r\n0\r\n\r\n").unwrap().0, "0\r\n\r\n34567");
    }

    #[test]
    fn a_body_that_is_cut_is_not_whole() {
        let stream = "5;x\r\nhello\r\n0\r\nX: y\r\n\r\n";
        for end in 0..stream.len() {
            assert!(!chunked(&stream[..end]).unwrap().2, "{:?}", &stream[..end]);
        }
        assert!(chunked(stream).unwrap().2);
        assert!(!decode(Framing::Length(3), [&b"ab"[..]]).unwrap().2);
        assert!(decode(Framing::UntilClose, [&b"ab"[..]]).unwrap().2);
    }

    #[test]
    fn broken_framing_is_refused() {
        for stream in [
            "\r\n",
            ";x\r\n",
            "x\r\n",
            "-5\r\nhello",
            "0x5\r\nhello",
            "5\nhello\r\n",
            "5\rhello\r\n",
            "5;x\nhello",
            "5\r\nhello0\r\n\r\n",
            "5\r\nhello\n0\r\n\r\n",
            "5\r\nhello\r0\r\n",
            "0\r\n\n",
            "0\r\nX: y\n\r\n",
            "0\r\nX: y\r\r\n",
            "0\r\n\rx",
            "11111111111111111\r\n",
        ] {
            assert!(chunked(stream).is_err(), "{stream:?}");
        }
    }

    #[test]
    fn hostile_sizes_take_no_memory_and_lines_have_an_end() {
        let (body, _, whole) = chunked("ffffffffffffffff\r\nabc").unwrap();
        assert_eq!((body.as_str(), whole), ("abc", false));
        assert!(chunked(&format!("5;{}\r\n", "x".repeat(MAX_LINE_BYTES - 1))).is_ok());
        assert!(chunked(&format!("5;{}\r\n", "x".repeat(MAX_LINE_BYTES))).is_err());
        let trailer = |lines: usize| chunked(&format!("0\r\n{}\r\n", "X: y\r\n".repeat(lines)));
        assert!(trailer(MAX_TRAILER_BYTES / 4).is_ok());
        assert!(trailer(MAX_TRAILER_BYTES / 4 + 1).is_err());
    }

    proptest! {
        #[test]
        fn any_body_in_any_chunks_and_pieces_comes_out(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..50), 0..10),
            extension in prop::sample::select(vec!["", ";x", " ", ";a=\"b\""]),
            trailer in prop::sample::select(vec!["", "X: y\r\n", "X: y\r\nZ:\r\n"]),
            size in 1usize..40,
        ) {
            let body = chunks.concat();
            let mut stream = Vec::new();
            for chunk in &chunks {
                stream.extend(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
                stream.extend(chunk);
                stream.extend(b"\r\n");
            }
            stream.extend(format!("0{extension}\r\n{trailer}\r\nnext").as_bytes());
            let decoded = decode(Framing::Chunked, stream.chunks(size));
            prop_assert_eq!(decoded, Ok((body.clone(), b"next".to_vec(), true)));
            let length = Framing::Length(body.len() as u64);
            let stream = [body.as_slice(), b"next"].concat();
            let decoded = decode(length, stream.chunks(size));
            prop_assert_eq!(decoded, Ok((body, b"next".to_vec(), true)));
        }

        #[test]
        fn any_bytes_in_any_pieces_give_the_same(
            stream in prop::collection::vec(
                prop::sample::select(b"0015fF;x \t\r\n\r\n\r\n".to_vec()), 0..60,
            ),
            size in 1usize..20,
        ) {
            let whole = decode(Framing::Chunked, [stream.as_slice()]);
            prop_assert_eq!(decode(Framing::Chunked, stream.chunks(size)), whole);
        }
    }
}
