//! What users send along, as a model is given it: images to look at, files to read, or their text.
//!
//! All of it is hostile until proven otherwise. What is read is bounded before it is decoded,
//! decoding runs on threads of its own with a time limit, and a parser that panics is a file that
//! could not be read. Such a file never fails a turn: the model is told, and can say so.

use std::io::{Cursor, Read as _};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use flate2::read::ZlibDecoder;
use image::{DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, codecs::jpeg::JpegEncoder};
use parlor_chatkit::protocol::{Attachment, FileAttachment};
use parlor_chatkit::{AttachmentReadError, Turn};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use crate::model::InputFile;
use crate::prompt;

/// How a model is given files that are no images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FileMode {
    /// As the text in them. Works with every model.
    #[default]
    Text,
    /// PDFs as they are, for models that read them. Text files are still given as text.
    Input,
}

/// What a model can be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilesConfig {
    /// Whether it can look at images.
    pub images: bool,
    /// How it is given other files.
    pub files: FileMode,
}

impl Default for FilesConfig {
    fn default() -> Self {
        Self { images: true, files: FileMode::Text }
    }
}

/// Longest file that is read, in bytes.
const FILE_BYTES: u64 = 20 * 1024 * 1024;

/// Longest PDF whose text is taken out, in bytes.
const PDF_BYTES: usize = 10 * 1024 * 1024;

/// Bytes of PDFs that are given as they are with one message.
const INPUT_BYTES: usize = 20 * 1024 * 1024;

/// Bytes that the streams of a PDF may have, unpacked, all together.
const UNPACKED_BYTES: u64 = 64 * 1024 * 1024;

/// Longest side of an image as the model gets it, in pixels. Providers scale larger ones down.
const IMAGE_SIDE: u32 = 1_536;

/// Longest side of an image that is decoded at all, in pixels.
const DECODED_SIDE: u32 = 16_384;

/// Memory that decoding an image may take, in bytes.
const DECODING_BYTES: u64 = 160 * 1024 * 1024;

/// Characters of a file's text, and of all files of a message.
const FILE_CHARS: usize = 30_000;
const ALL_CHARS: usize = 60_000;

/// How long a file may take to be read. A parser that takes longer cannot be stopped, but it keeps
/// its place among [`AT_ONCE`].
const PATIENCE: Duration = Duration::from_secs(15);

/// Files that are decoded at once, over all turns.
const AT_ONCE: usize = 2;

/// Stack of the thread that decodes: deep nesting is a stack overflow otherwise, which no `catch`
/// catches.
const STACK_BYTES: usize = 64 * 1024 * 1024;

/// What a message's files are to the model.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Given {
    /// What stands behind the question: the files' texts, fenced, and what could not be read.
    pub(crate) text: String,
    /// What is given as it is.
    pub(crate) files: Vec<InputFile>,
}

/// Reads files for a model.
#[derive(Debug, Clone)]
pub(crate) struct FileReader {
    config: FilesConfig,
    places: Arc<Semaphore>,
}

/// Why a file could not be read, as the model is told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Unreadable(&'static str);

impl FileReader {
    pub(crate) fn new(config: FilesConfig) -> Self {
        Self { config, places: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Reads the files of a message.
    pub(crate) async fn read(&self, turn: &Turn, attachments: &[Attachment]) -> Given {
        let mut given = Given::default();
        let (mut chars, mut bytes) = (ALL_CHARS, INPUT_BYTES);
        for file in attachments.iter().filter_map(Attachment::file) {
            match self.read_one(turn, file, chars, &mut bytes).await {
                Ok(Content::Text(text)) => {
                    let kept = text.chars().count().min(FILE_CHARS).min(chars);
                    chars -= kept;
                    prompt::file(&mut given.text, &file.name, &file.mime_type, &text, kept);
                }
                Ok(Content::File(part)) => {
                    prompt::file_given(&mut given.text, &file.name, &file.mime_type);
                    given.files.push(part);
                }
                Err(Unreadable(why)) => {
                    tracing::info!(attachment_id = %file.id, why, "a file could not be read");
                    prompt::file_unread(&mut given.text, &file.name, &file.mime_type, why);
                }
            }
        }
        given
    }

    async fn read_one(
        &self,
        turn: &Turn,
        file: &FileAttachment,
        chars: usize,
        input_bytes: &mut usize,
    ) -> Result<Content, Unreadable> {
        let kind = Kind::of(&file.mime_type);
        if kind == Kind::Image && !self.config.images {
            return Err(Unreadable("the model that answers is not given images"));
        }
        if kind == Kind::Other {
            return Err(Unreadable("this kind of file has no text that can be read"));
        }
        if kind != Kind::Image && chars == 0 {
            return Err(Unreadable("the files before it were too long"));
        }
        let bytes = turn.attachment_bytes(&file.id, FILE_BYTES).await.map_err(|error| {
            tracing::warn!(attachment_id = %file.id, %error, "a file's bytes could not be had");
            match error {
                AttachmentReadError::TooLarge { .. } => Unreadable("it is too large"),
                _ => Unreadable("it is not there any more"),
            }
        })?;
        match kind {
            Kind::Image => {
                let data_url = self.apart(move || image_url(&bytes)).await?;
                Ok(Content::File(InputFile::Image { data_url }))
            }
            Kind::Pdf if self.config.files == FileMode::Input && bytes.len() <= *input_bytes => {
                *input_bytes -= bytes.len();
                let name = prompt::line(&file.name, 200);
                let data_url = self.apart(move || Ok(data_url("application/pdf", &bytes))).await?;
                Ok(Content::File(InputFile::File { name, data_url }))
            }
            Kind::Pdf => Ok(Content::Text(self.apart(move || pdf_text(&bytes)).await?)),
            Kind::Html => {
                let text = move || Ok(parlor_search::html_to_markdown(&decoded(&bytes)));
                Ok(Content::Text(self.apart(text).await?))
            }
            Kind::Text | Kind::Other => {
                Ok(Content::Text(self.apart(move || Ok(decoded(&bytes))).await?))
            }
        }
    }

    /// Runs work on hostile bytes on a thread of its own.
    async fn apart<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Unreadable> + Send + 'static,
    ) -> Result<T, Unreadable> {
        const SLOW: Unreadable = Unreadable("reading it took too long");
        const BROKEN: Unreadable = Unreadable("it is damaged");
        let place = timeout(PATIENCE, Arc::clone(&self.places).acquire_owned()).await;
        let Ok(Ok(place)) = place else { return Err(SLOW) };
        let (tell, told) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("parlor-file".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || {
                let done = panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(BROKEN));
                // Nobody waits any more when it took too long.
                let _ = tell.send(done);
                drop(place);
            });
        if thread.is_err() {
            return Err(SLOW);
        }
        match timeout(PATIENCE, told).await {
            Ok(Ok(done)) => done,
            Ok(Err(_)) => Err(BROKEN),
            Err(_) => Err(SLOW),
        }
    }
}

/// What a file is to the model.
enum Content {
    Text(String),
    File(InputFile),
}

/// What can be done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Image,
    Pdf,
    Html,
    Text,
    Other,
}

impl Kind {
    fn of(mime_type: &str) -> Self {
        match mime_type {
            "image/png" | "image/jpeg" | "image/gif" | "image/webp" => Self::Image,
            "application/pdf" => Self::Pdf,
            "text/html" => Self::Html,
            "application/json" => Self::Text,
            kind if kind.starts_with("text/") => Self::Text,
            _ => Self::Other,
        }
    }
}

fn data_url(mime_type: &str, bytes: &[u8]) -> Arc<str> {
    format!("data:{mime_type};base64,{}", STANDARD.encode(bytes)).into()
}

/// An image, decoded within limits, upright, scaled down, and written anew: what else was in the
/// file, such as where a photograph was taken, stays here.
fn image_url(bytes: &[u8]) -> Result<Arc<str>, Unreadable> {
    const DAMAGED: Unreadable = Unreadable("the image is damaged or too large");
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|_| DAMAGED)?;
    let mut limits = image::Limits::default();
    limits.max_image_width = Some(DECODED_SIDE);
    limits.max_image_height = Some(DECODED_SIDE);
    limits.max_alloc = Some(DECODING_BYTES);
    let mut reader = reader;
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|_| DAMAGED)?;
    if decoder.total_bytes() > DECODING_BYTES {
        return Err(DAMAGED);
    }
    let upright = decoder.orientation().map_err(|_| DAMAGED)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(|_| DAMAGED)?;
    if image.width().max(image.height()) > IMAGE_SIDE {
        image = image.thumbnail(IMAGE_SIDE, IMAGE_SIDE);
    }
    image.apply_orientation(upright);
    let mut written = Cursor::new(Vec::new());
    if image.color().has_alpha() {
        image.write_to(&mut written, ImageFormat::Png).map_err(|_| DAMAGED)?;
        return Ok(data_url("image/png", written.get_ref()));
    }
    let encoder = JpegEncoder::new_with_quality(&mut written, 85);
    image.to_rgb8().write_with_encoder(encoder).map_err(|_| DAMAGED)?;
    Ok(data_url("image/jpeg", written.get_ref()))
}

/// Bytes as text, whatever they are.
fn decoded(bytes: &[u8]) -> String {
    let utf16 = |read: fn([u8; 2]) -> u16| {
        let units = bytes[2..].chunks_exact(2).map(|pair| read([pair[0], pair[1]]));
        char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    };
    match bytes {
        [0xff, 0xfe, ..] => utf16(u16::from_le_bytes),
        [0xfe, 0xff, ..] => utf16(u16::from_be_bytes),
        _ => String::from_utf8_lossy(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes))
            .into_owned(),
    }
}

fn pdf_text(bytes: &Bytes) -> Result<String, Unreadable> {
    if bytes.len() > PDF_BYTES {
        return Err(Unreadable("it is too large for its text to be taken out"));
    }
    if is_bomb(bytes) {
        return Err(Unreadable("it unpacks to more than is allowed"));
    }
    let text = pdf_extract::extract_text_from_mem(bytes)
        .map_err(|_| Unreadable("it is damaged or protected"))?;
    if text.trim().is_empty() {
        return Err(Unreadable("it has no text; its pages are probably images"));
    }
    Ok(text)
}

/// Whether what is packed in a PDF is larger than is reasonable. The parser unpacks without a
/// limit, so this looks first: at every place where a stream begins, whatever the PDF calls it.
fn is_bomb(pdf: &[u8]) -> bool {
    // Another packing, out of use since the nineties, that this cannot look into.
    if memchr::memmem::find(&without_escapes(pdf), b"LZWDecode").is_some() {
        return true;
    }
    let mut left = UNPACKED_BYTES;
    for at in memchr::memmem::find_iter(pdf, b"stream") {
        let rest = &pdf[at + b"stream".len()..];
        let start = rest.iter().take(4).take_while(|byte| byte.is_ascii_whitespace()).count();
        let mut packed: Box<dyn std::io::Read + '_> = Box::new(&rest[start..]);
        if rest.get(start).is_none_or(|first| first & 0x0f != 8) {
            continue;
        }
        // A stream may be packed several times over.
        for _ in 0..4 {
            let mut unpacked = Vec::new();
            // What is damaged behind its beginning is unpacked up to there, as the parser does.
            let _ = ZlibDecoder::new(packed).take(left + 1).read_to_end(&mut unpacked);
            let Some(still) = left.checked_sub(unpacked.len() as u64) else { return true };
            left = still;
            if unpacked.first().is_none_or(|first| first & 0x0f != 8) {
                break;
            }
            packed = Box::new(Cursor::new(unpacked));
        }
    }
    false
}

/// The bytes with the escapes of PDF names, `#4C`, undone.
fn without_escapes(pdf: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(pdf.len());
    let mut rest = pdf;
    while let Some((&first, after)) = rest.split_first() {
        let hex = |byte: u8| char::from(byte).to_digit(16);
        match (first, after) {
            (b'#', [high, low, behind @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    plain.push(u8::try_from(high * 16 + low).unwrap_or(b'#'));
                    rest = behind;
                }
                _ => {
                    plain.push(first);
                    rest = after;
                }
            },
            _ => {
                plain.push(first);
                rest = after;
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::ZlibEncoder};
    use proptest::prelude::*;

    use super::*;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        let written = encoder.write_all(bytes);
        assert!(written.is_ok());
        encoder.finish().unwrap_or_default()
    }

    fn with_stream(stream: &[u8]) -> Vec<u8> {
        let mut pdf = b"%PDF-1.7\n1 0 obj\n<</Length 9/Filter/FlateDecode>>\nstream\r\n".to_vec();
        pdf.extend_from_slice(stream);
        pdf.extend_from_slice(b"\nendstream\nendobj\n");
        pdf
    }

    #[test]
    fn what_unpacks_to_too_much_is_not_unpacked() {
        let zeros = vec![0; 80_000_000];
        assert!(is_bomb(&with_stream(&packed(&zeros))));
        assert!(is_bomb(&with_stream(&packed(&packed(&zeros)))), "packed twice");
        assert!(!is_bomb(&with_stream(&packed(&zeros[..1_000_000]))));
        let many = with_stream(&packed(&zeros[..20_000_000])).repeat(4);
        assert!(is_bomb(&many), "all together");
        assert!(is_bomb(b"<</Filter/LZWDecode>>stream"));
        assert!(is_bomb(b"<</Filter/#4cZW#44ecode>>stream"));
    }

    #[test]
    fn text_is_read_in_every_encoding() {
        assert_eq!(decoded(b"\xef\xbb\xbfHello"), "Hello");
        assert_eq!(decoded(b"\xff\xfeH\0i\0"), "Hi");
        assert_eq!(decoded(b"\xfe\xff\0H\0i"), "Hi");
        assert_eq!(decoded(b"Gr\xfc\xdfe"), "Gr\u{fffd}\u{fffd}e");
        assert_eq!(decoded(b"\xff\xfe"), "");
    }

    proptest! {
        #[test]
        fn no_bytes_panic_where_nothing_catches_it(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let _ = is_bomb(&bytes);
            let _ = decoded(&bytes);
            let _ = image_url(&bytes);
        }
    }
}
