//! Bytes of a connection to a response.

use parlor_agent::http1::{BodyDecoder, HeadDecoder, Malformed, ResponseHead};

use crate::bytes::Choices;

/// What a connection has given when it ended.
#[derive(Debug, PartialEq)]
struct Received {
    head: ResponseHead,
    body: Vec<u8>,
    after: Vec<u8>,
    whole: bool,
    broken: Option<Malformed>,
}

/// The stream in pieces of this size. `None`: there is no head yet.
fn receive(stream: &[u8], size: usize) -> Result<Option<Received>, Malformed> {
    let mut pieces = stream.chunks(size);
    let mut decoder = HeadDecoder::default();
    let head = loop {
        let Some(piece) = pieces.next() else { return Ok(None) };
        if let Some(head) = decoder.push(piece)? {
            break head;
        }
    };
    assert!(head.status >= 200, "{head:?} is an interim response");
    let mut decoder_of_body = BodyDecoder::new(head.framing);
    let rest = decoder.into_rest();
    let (mut body, mut after, mut broken) = (Vec::new(), Vec::new(), None);
    for piece in std::iter::once(rest.as_slice()).chain(pieces) {
        match decoder_of_body.decode(piece, |bytes| body.extend_from_slice(bytes)) {
            Ok(taken) => {
                assert!(taken == piece.len() || decoder_of_body.is_done(), "bytes were left");
                after.extend_from_slice(&piece[taken..]);
            }
            Err(error) => {
                broken = Some(error);
                break;
            }
        }
    }
    Ok(Some(Received { head, body, after, whole: decoder_of_body.may_end(), broken }))
}

/// Whatever a server sends is a response, or the beginning of one, or is refused; how it is cut
/// into pieces does not matter.
pub fn http_response(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let size = choices.below(64) + 1;
    let stream = choices.rest();
    let whole = receive(stream, stream.len().max(1));
    assert_eq!(whole, receive(stream, size), "in pieces of {size}");
    assert_eq!(whole, receive(stream, 1), "byte by byte");
    if let Ok(Some(received)) = whole {
        let length = received.body.len() + received.after.len();
        assert!(length <= stream.len(), "{length} bytes came out of {}", stream.len());
    }
}
