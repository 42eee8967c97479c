//! What users send along, as a model is given it: images to look at, files to read, or their text.
//!
//! All of it is hostile until proven otherwise. What is read is bounded before it is decoded,
//! decoding runs on threads of its own with a time limit, and a parser that panics is a file that
//! could not be read. PDFs, whose parser may also never end or overflow its stack, can be left to a
//! process of their own ([`FilesConfig::pdf_command`]). A file that cannot be read never fails a
//! turn: the model is told, and can say so.

use std::io::Cursor;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use image::{DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, codecs::jpeg::JpegEncoder};
use parlor_chatkit::protocol::{Attachment, AttachmentId, FileAttachment};
use parlor_chatkit::{AttachmentReadError, Turn};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

use crate::model::InputFile;
use crate::pdf::{self, PdfCommand, PdfError};
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilesConfig {
    /// Whether it can look at images.
    pub images: bool,
    /// How it is given other files.
    pub files: FileMode,
    /// The program that takes the text out of PDFs. By default a thread of this process does; see
    /// [`pdf`] for what that means.
    pub pdf_command: Option<PdfCommand>,
}

impl Default for FilesConfig {
    fn default() -> Self {
        Self { images: true, files: FileMode::Text, pdf_command: None }
    }
}

/// Longest file that is read, in bytes.
const FILE_BYTES: u64 = 20 * 1024 * 1024;

/// Bytes of PDFs that are given as they are with one message.
const INPUT_BYTES: usize = 20 * 1024 * 1024;

/// Longest side of an image as the model gets it, in pixels. Providers scale larger ones down.
const IMAGE_SIDE: u32 = 1_536;

/// Longest image that is read which was made here, in bytes.
const MADE_BYTES: u64 = 32 * 1024 * 1024;

/// Longest side of the small image of one that was made, in pixels: as of those that users send.
const PREVIEW_SIDE: u32 = 640;

/// Longest side of an image that is being made, in pixels: about 20 kB each time.
const SKETCH_SIDE: u32 = 384;

/// Longest side of an image that is decoded at all, in pixels.
const DECODED_SIDE: u32 = 16_384;

/// Memory that decoding an image may take, in bytes.
const DECODING_BYTES: u64 = 160 * 1024 * 1024;

/// Characters of a file's text, and of all files of a message.
pub(crate) const FILE_CHARS: usize = 30_000;
const ALL_CHARS: usize = 60_000;

/// How long a file may take to be read. A thread that takes longer cannot be stopped, but it keeps
/// its place among [`AT_ONCE`]; a process is killed.
const PATIENCE: Duration = Duration::from_secs(15);

/// Files that are decoded at once, over all turns. PDFs have places of their own, as many again:
/// their parser is the one that hangs.
const AT_ONCE: usize = 2;

/// Stack of the thread that decodes: deep nesting is a stack overflow otherwise, which no `catch`
/// catches.
pub(crate) const STACK_BYTES: usize = 64 * 1024 * 1024;

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
    pdf_places: Arc<Semaphore>,
    patience: Duration,
}

/// Why a file could not be read, as the model is told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Unreadable(&'static str);

const SLOW: Unreadable = Unreadable("reading it took too long");
const BROKEN: Unreadable = Unreadable("it is damaged");

impl From<PdfError> for Unreadable {
    fn from(error: PdfError) -> Self {
        Self(error.reason())
    }
}

impl FileReader {
    pub(crate) fn new(config: FilesConfig) -> Self {
        Self {
            config,
            places: Arc::new(Semaphore::new(AT_ONCE)),
            pdf_places: Arc::new(Semaphore::new(AT_ONCE)),
            patience: PATIENCE,
        }
    }

    /// With these settings, in the same places.
    pub(crate) fn with_config(self, config: FilesConfig) -> Self {
        Self { config, ..self }
    }

    /// With the same settings, in the places of another one.
    pub(crate) fn in_places_of(self, other: &Self) -> Self {
        Self { config: self.config, ..other.clone() }
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
            Kind::Pdf => Ok(Content::Text(self.pdf_text(bytes).await?)),
            Kind::Html => {
                let text = move || Ok(parlor_search::html_to_markdown(&decoded(&bytes)));
                Ok(Content::Text(self.apart(text).await?))
            }
            Kind::Text | Kind::Other => {
                Ok(Content::Text(self.apart(move || Ok(decoded(&bytes))).await?))
            }
        }
    }

    /// An image that was made in the conversation, as it is given to the model once more.
    pub(crate) async fn read_made(&self, turn: &Turn, id: &AttachmentId) -> Option<InputFile> {
        if !self.config.images {
            return None;
        }
        let bytes = turn.attachment_bytes(id, MADE_BYTES).await;
        let bytes = bytes.inspect_err(|error| {
            tracing::info!(attachment_id = %id, %error, "an image that was made could not be had");
        });
        let bytes = bytes.ok()?;
        let data_url = self.apart(move || image_url(&bytes)).await.ok()?;
        Some(InputFile::Image { data_url })
    }

    /// Looks at an image that a model made. `None` if it is none, or too large to be looked at.
    pub(crate) async fn picture(&self, bytes: Bytes) -> Option<Picture> {
        self.apart(move || picture(&bytes)).await.ok()
    }

    /// A small image of one that is being made, as a `data:` URL.
    pub(crate) async fn sketch(&self, bytes: Bytes) -> Option<Arc<str>> {
        self.apart(move || sketch(&bytes)).await.ok()
    }

    /// The text of a PDF.
    async fn pdf_text(&self, pdf: Bytes) -> Result<String, Unreadable> {
        let Some(command) = &self.config.pdf_command else {
            let work = move || pdf::text(&pdf).map_err(Unreadable::from);
            return self.on_thread(&self.pdf_places, work).await;
        };
        if pdf.len() > pdf::PDF_BYTES {
            return Err(PdfError::TooLarge.into());
        }
        let _place = self.place(&self.pdf_places).await?;
        match timeout(self.patience, command.text(&pdf)).await {
            Ok(text) => Ok(text?),
            // The process is gone with the future.
            Err(_) => Err(SLOW),
        }
    }

    /// Runs work on hostile bytes on a thread of its own.
    async fn apart<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Unreadable> + Send + 'static,
    ) -> Result<T, Unreadable> {
        self.on_thread(&self.places, work).await
    }

    async fn place(&self, places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Unreadable> {
        match timeout(self.patience, Arc::clone(places).acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => Err(SLOW),
        }
    }

    async fn on_thread<T: Send + 'static>(
        &self,
        places: &Arc<Semaphore>,
        work: impl FnOnce() -> Result<T, Unreadable> + Send + 'static,
    ) -> Result<T, Unreadable> {
        let place = self.place(places).await?;
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
        match timeout(self.patience, told).await {
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

const DAMAGED: Unreadable = Unreadable("the image is damaged or too large");

/// An image that a model made.
pub(crate) struct Picture {
    /// What it is, by its bytes.
    pub(crate) mime_type: &'static str,
    /// A small image of it.
    pub(crate) preview: Bytes,
}

/// An image, decoded within limits and upright.
fn decoded_image(bytes: &[u8]) -> Result<DynamicImage, Unreadable> {
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
    image.apply_orientation(upright);
    Ok(image)
}

/// An image with no side longer than this, written anew: its type and its bytes.
fn small_image(
    mut image: DynamicImage,
    side: u32,
    quality: u8,
) -> Result<(&'static str, Vec<u8>), Unreadable> {
    if image.width().max(image.height()) > side {
        image = image.thumbnail(side, side);
    }
    let mut written = Cursor::new(Vec::new());
    if image.color().has_alpha() {
        image.write_to(&mut written, ImageFormat::Png).map_err(|_| DAMAGED)?;
        return Ok(("image/png", written.into_inner()));
    }
    let encoder = JpegEncoder::new_with_quality(&mut written, quality);
    image.to_rgb8().write_with_encoder(encoder).map_err(|_| DAMAGED)?;
    Ok(("image/jpeg", written.into_inner()))
}

/// An image as a model is given it. What else was in the file, such as where a photograph was taken,
/// stays here.
fn image_url(bytes: &[u8]) -> Result<Arc<str>, Unreadable> {
    let (mime_type, bytes) = small_image(decoded_image(bytes)?, IMAGE_SIDE, 85)?;
    Ok(data_url(mime_type, &bytes))
}

/// What an image is that a model made, by its bytes and not by what was said of it.
fn picture(bytes: &[u8]) -> Result<Picture, Unreadable> {
    let mime_type = match image::guess_format(bytes) {
        Ok(ImageFormat::Png) => "image/png",
        Ok(ImageFormat::Jpeg) => "image/jpeg",
        Ok(ImageFormat::WebP) => "image/webp",
        Ok(ImageFormat::Gif) => "image/gif",
        _ => return Err(DAMAGED),
    };
    let (_, preview) = small_image(decoded_image(bytes)?, PREVIEW_SIDE, 82)?;
    Ok(Picture { mime_type, preview: preview.into() })
}

/// An unfinished image as it goes along with an event: always a small JPEG, whatever shows through.
fn sketch(bytes: &[u8]) -> Result<Arc<str>, Unreadable> {
    let image = decoded_image(bytes)?.thumbnail(SKETCH_SIDE, SKETCH_SIDE).to_rgb8();
    let (mime_type, bytes) = small_image(image.into(), SKETCH_SIDE, 60)?;
    Ok(data_url(mime_type, &bytes))
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::fs;

    use proptest::prelude::*;
    use tempfile::TempDir;
    use tokio::task::JoinSet;

    use super::*;

    /// A program that does what the first line of its input says, and leaves a file named by its
    /// process id.
    const SCRIPT: &str = r#"
        cd "$0" && : > "$$"
        IFS= read -r line
        case $line in
            hang) sleep 100000 ;;
            deaf) exec sleep 100000 ;;
            crash) kill -SEGV $$ ;;
            flood) while :; do printf %01000d 7; done ;;
            refuse) exit 84 ;;
            lie) printf 'half of it'; exit 1 ;;
            secret) env ;;
            *) printf 'It says: %s' "$line" ;;
        esac
    "#;

    fn reader(folder: &TempDir, patience: Duration) -> FileReader {
        let command = PdfCommand::new("sh").arg("-c").arg(SCRIPT).arg(folder.path());
        let config = FilesConfig { pdf_command: Some(command), ..FilesConfig::default() };
        FileReader { patience, ..FileReader::new(config) }
    }

    /// Longer than any test takes.
    const FOREVER: Duration = Duration::from_secs(3_600);

    async fn until(what: &str, mut holds: impl FnMut() -> bool) {
        let wait = async {
            while !holds() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(timeout(Duration::from_secs(120), wait).await.is_ok(), "{what}");
    }

    /// The processes that have begun.
    fn begun(folder: &TempDir) -> Vec<String> {
        let entries = fs::read_dir(folder.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// Whether a process, or one that it has started, is there.
    fn lives(process: &str) -> bool {
        fs::read_dir("/proc").unwrap().flatten().any(|entry| {
            let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { return false };
            // `pid (name) state parent group …`
            let mut rest = stat.rsplit(") ").next().unwrap_or_default().split(' ');
            let (state, group) = (rest.next(), rest.nth(1));
            state != Some("Z") && group == Some(process)
        })
    }

    #[tokio::test]
    async fn a_program_reads_pdfs_and_says_why_when_it_cannot() {
        let folder = tempfile::tempdir().unwrap();
        let reader = reader(&folder, FOREVER);
        let text =
            async |pdf: &'static str| reader.pdf_text(Bytes::from_static(pdf.as_bytes())).await;
        assert_eq!(text("hello\n").await, Ok("It says: hello".to_owned()));
        let damaged = Err(PdfError::Damaged.into());
        assert_eq!(text("crash\n").await, damaged, "as one that cannot be read");
        assert_eq!(text("lie\n").await, damaged, "what a failing one wrote is nothing");
        assert_eq!(text("refuse\n").await, Err(PdfError::NoText.into()));
        let flood = text("flood\n").await.unwrap();
        assert_eq!(flood.len(), pdf::TEXT_BYTES, "one that never stops writing is not waited for");
        let environment = text("secret\n").await.unwrap();
        assert!(environment.contains("PATH="), "{environment}");
        assert!(!environment.contains("CARGO"), "{environment}");
        for process in begun(&folder) {
            until("it is gone", || !lives(&process)).await;
        }
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_a_file_that_cannot_be_read() {
        let command = PdfCommand::new("/no/such/program");
        let config = FilesConfig { pdf_command: Some(command), ..FilesConfig::default() };
        let read = FileReader::new(config).pdf_text(Bytes::from_static(b"%PDF")).await;
        assert_eq!(read, Err(PdfError::Damaged.into()));
    }

    #[tokio::test]
    async fn a_program_that_never_ends_is_killed_and_gives_its_place_back() {
        let folder = tempfile::tempdir().unwrap();
        let impatient = reader(&folder, Duration::from_millis(500));
        // More than there are places, one after the other, and deaf ones too: more than fits a
        // pipe is never read.
        let deaf = Bytes::from([b"deaf\n".as_slice(), &[b'x'; 1_000_000]].concat());
        for pdf in [Bytes::from_static(b"hang\n"), deaf].into_iter().cycle().take(2 * AT_ONCE) {
            assert_eq!(impatient.pdf_text(pdf).await, Err(SLOW));
        }
        let patient = FileReader { patience: FOREVER, ..impatient };
        let read = patient.pdf_text(Bytes::from_static(b"hello\n")).await;
        assert_eq!(read, Ok("It says: hello".to_owned()), "all places are free");
        assert_eq!(patient.pdf_places.available_permits(), AT_ONCE);
        for process in begun(&folder) {
            until("it is killed, with what it started", || !lives(&process)).await;
        }
    }

    #[tokio::test]
    async fn a_stopped_turn_kills_the_program() {
        let folder = tempfile::tempdir().unwrap();
        let reader = reader(&folder, FOREVER);
        let pdf_text = reader.pdf_text(Bytes::from_static(b"hang\n"));
        tokio::select! {
            _ = pdf_text => unreachable!("it never ends"),
            () = until("it begins", || begun(&folder).iter().any(|process| lives(process))) => {}
        }
        for process in begun(&folder) {
            until("it is killed, with what it started", || !lives(&process)).await;
        }
        assert_eq!(reader.pdf_places.available_permits(), AT_ONCE);
    }

    #[tokio::test]
    async fn pdfs_that_never_end_take_no_place_from_images() {
        let folder = tempfile::tempdir().unwrap();
        let reader = reader(&folder, FOREVER);
        let mut hanging = JoinSet::new();
        for _ in 0..5 {
            let reader = reader.clone();
            hanging.spawn(async move { reader.pdf_text(Bytes::from_static(b"hang\n")).await });
        }
        until("as many as may be at once hang", || begun(&folder).len() == AT_ONCE).await;
        let mut png = Cursor::new(Vec::new());
        DynamicImage::new_rgb8(2, 2).write_to(&mut png, ImageFormat::Png).unwrap();
        let image = reader.apart(move || image_url(png.get_ref()));
        let image = timeout(Duration::from_secs(120), image).await.unwrap();
        assert!(image.is_ok(), "{image:?}");
        hanging.shutdown().await;
        for process in begun(&folder) {
            until("it is killed", || !lives(&process)).await;
        }
        assert_eq!(begun(&folder).len(), AT_ONCE, "the others never began");
    }

    #[tokio::test]
    async fn a_thread_that_never_ends_takes_no_place_from_images() {
        let reader = FileReader::new(FilesConfig::default());
        let mut hanging = JoinSet::new();
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let stopped = Arc::new(std::sync::Mutex::new(stopped));
        for _ in 0..5 {
            let (reader, stopped) = (reader.clone(), Arc::clone(&stopped));
            hanging.spawn(async move {
                let hang = move || {
                    let _ = stopped.lock().map(|stopped| stopped.recv());
                    Ok(())
                };
                reader.on_thread(&reader.pdf_places, hang).await
            });
        }
        until("no place is left", || reader.pdf_places.available_permits() == 0).await;
        let image = timeout(Duration::from_secs(120), reader.apart(|| Ok(1))).await.unwrap();
        assert_eq!(image, Ok(1));
        drop(stop);
        while let Some(done) = hanging.join_next().await {
            assert_eq!(done.unwrap(), Ok(()));
        }
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
            let _ = decoded(&bytes);
            let _ = image_url(&bytes);
        }
    }
}
