//! The text of PDFs.
//!
//! Their parser is the one of all parsers that a hostile file can make run for ever or overflow
//! its stack; the first cannot be stopped in a thread, and the second ends the process. So a server
//! that takes PDFs from strangers should leave them to a process of its own: a [`PdfCommand`],
//! which is killed when it takes too long or nobody waits for it any more.
//!
//! Any program will do that reads a PDF from standard input, writes its text to standard output
//! and ends with 0, such as `pdftotext - -`. A program can also be its own: [`answer`] is what it
//! has to do then.
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use parlor_agent::{AgentResponder, FilesConfig, PromptConfig, pdf::{self, PdfCommand}};
//!
//! fn main() -> std::io::Result<ExitCode> {
//!     // Before a runtime is started or anything is opened.
//!     if std::env::args().nth(1).as_deref() == Some("extract-pdf") {
//!         return Ok(pdf::answer());
//!     }
//!     let myself = PdfCommand::new(std::env::current_exe()?).arg("extract-pdf");
//!     let responder = AgentResponder::new(None, None, PromptConfig::default())
//!         .files(FilesConfig { pdf_command: Some(myself), ..FilesConfig::default() });
//! #   let _ = responder;
//!     Ok(ExitCode::SUCCESS)
//! }
//! ```

use std::cell::RefCell;
use std::ffi::OsString;
use std::fmt::{self, Write as _};
use std::io::{self, Cursor, Read as _, Write as _};
use std::panic;
use std::process::{ExitCode, ExitStatus, Stdio};
use std::rc::Rc;
use std::time::Duration;

use flate2::read::ZlibDecoder;
use parlor_search::{PdfFuture, PdfReadError, PdfReader};
use pdf_extract::{
    ConvertToFmt, Document, MediaBox, OutputDev, OutputError, PlainTextOutput, Transform,
};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process_group, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::files::{FILE_CHARS, STACK_BYTES};

/// Longest PDF whose text is taken out, in bytes.
pub const PDF_BYTES: usize = 10 * 1024 * 1024;

/// Text that is taken out, in bytes: more than a model is given, in any script. What is behind it
/// is not even looked at.
pub const TEXT_BYTES: usize = 4 * (FILE_CHARS + 1);

/// What a PDF may be for its text to be taken out, and how much of it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PdfLimits {
    /// Longest PDF, in bytes.
    pub bytes: usize,
    /// Text that is taken out, in bytes; what is behind it is not even looked at.
    pub text_bytes: usize,
    /// Bytes that its streams may have, unpacked, all together.
    pub unpacked_bytes: u64,
}

impl PdfLimits {
    /// Of what a user sends: [`PDF_BYTES`] and [`TEXT_BYTES`].
    pub const ATTACHMENT: Self =
        Self { bytes: PDF_BYTES, text_bytes: TEXT_BYTES, unpacked_bytes: 64 * 1024 * 1024 };

    /// Of the operator's own documents, books among them.
    pub const DOCUMENT: Self = Self {
        bytes: 64 * 1024 * 1024,
        text_bytes: 8 * 1024 * 1024,
        unpacked_bytes: 256 * 1024 * 1024,
    };
}

/// Memory that a process of [`answer`] may take, in bytes of its address space.
const MEMORY_BYTES: u64 = 1024 * 1024 * 1024;

/// Processor time that it may take, in seconds, should whoever started it be gone.
const CPU_SECONDS: u64 = 30;

/// Why a PDF has no text for a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.reason())]
pub enum PdfError {
    /// It is longer than [`PdfLimits::bytes`].
    TooLarge,
    /// It unpacks to more than [`PdfLimits::unpacked_bytes`], or is packed in a way that cannot be
    /// looked into.
    Bomb,
    /// It is no PDF, or is damaged; or the program that looked at it crashed.
    Damaged,
    /// It cannot be read without a password.
    Protected,
    /// Its pages have no text.
    NoText,
}

impl PdfError {
    const ALL: [Self; 5] =
        [Self::TooLarge, Self::Bomb, Self::Damaged, Self::NoText, Self::Protected];

    /// The reason as a model is told it.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::TooLarge => "it is too large for its text to be taken out",
            Self::Bomb => "it unpacks to more than is allowed",
            Self::Damaged => "it is damaged or protected",
            Self::Protected => "it is protected with a password",
            Self::NoText => "it has no text; its pages are probably images",
        }
    }

    /// The status that [`answer`] ends with: none that programs commonly use.
    fn status(self) -> u8 {
        match self {
            Self::TooLarge => 81,
            Self::Bomb => 82,
            Self::Damaged => 83,
            Self::NoText => 84,
            Self::Protected => 85,
        }
    }

    fn of(status: ExitStatus) -> Self {
        let known = |error: &Self| status.code() == Some(error.status().into());
        Self::ALL.into_iter().find(known).unwrap_or(Self::Damaged)
    }
}

/// The text of a PDF that a user sent, on this thread: see [`text_within`].
///
/// # Errors
/// A [`PdfError`] says why there is none.
pub fn text(pdf: &[u8]) -> Result<String, PdfError> {
    text_within(pdf, PdfLimits::ATTACHMENT)
}

/// The text of a PDF, on this thread: at most [`PdfLimits::text_bytes`] of it, cut between
/// characters. Each page ends with a form feed, as `pdftotext` has it.
///
/// It may take for ever, and with a small stack deep nesting ends the process.
///
/// # Errors
/// A [`PdfError`] says why there is none.
pub fn text_within(pdf: &[u8], limits: PdfLimits) -> Result<String, PdfError> {
    if pdf.len() > limits.bytes {
        return Err(PdfError::TooLarge);
    }
    if is_bomb(pdf, limits.unpacked_bytes) {
        return Err(PdfError::Bomb);
    }
    let text = Shared::new(limits.text_bytes);
    // It is asked for nothing but text, so what goes wrong in it is only told by a panic at times.
    let taken = panic::catch_unwind(panic::AssertUnwindSafe(|| take(pdf, &text)));
    let text = text.0.take();
    match taken {
        Ok(Ok(())) => {}
        // A full one is whole enough.
        Ok(Err(_)) | Err(_) if text.is_full => {}
        Ok(Err(error)) => return Err(error),
        Err(_) => return Err(PdfError::Damaged),
    }
    if text.text.trim().is_empty() {
        return Err(PdfError::NoText);
    }
    Ok(text.text)
}

fn take(pdf: &[u8], text: &Shared) -> Result<(), PdfError> {
    let mut document = Document::load_mem(pdf).map_err(|_| PdfError::Damaged)?;
    // Many PDFs are protected against changes only, with no password for reading.
    if document.is_encrypted() {
        document.decrypt("").map_err(|_| PdfError::Protected)?;
    }
    let mut pages = Pages { page: PlainTextOutput::new(text.clone()), text: text.clone() };
    pdf_extract::output_doc(&document, &mut pages).map_err(|_| PdfError::Damaged)
}

/// Text with a form feed behind each page.
struct Pages {
    page: PlainTextOutput<Shared>,
    text: Shared,
}

impl OutputDev for Pages {
    fn begin_page(
        &mut self,
        number: u32,
        media: &MediaBox,
        art: Option<(f64, f64, f64, f64)>,
    ) -> Result<(), OutputError> {
        self.page.begin_page(number, media, art)
    }

    fn end_page(&mut self) -> Result<(), OutputError> {
        self.page.end_page()?;
        Ok(self.text.write_str("\u{c}")?)
    }

    fn output_character(
        &mut self,
        place: &Transform,
        width: f64,
        spacing: f64,
        size: f64,
        char: &str,
    ) -> Result<(), OutputError> {
        self.page.output_character(place, width, spacing, size, char)
    }

    fn begin_word(&mut self) -> Result<(), OutputError> {
        self.page.begin_word()
    }

    fn end_word(&mut self) -> Result<(), OutputError> {
        self.page.end_word()
    }

    fn end_line(&mut self) -> Result<(), OutputError> {
        self.page.end_line()
    }
}

/// Text up to so many bytes.
#[derive(Default)]
struct Bounded {
    text: String,
    is_full: bool,
    most: usize,
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        let room = self.most - self.text.len();
        if more.len() <= room {
            self.text.push_str(more);
            return Ok(());
        }
        self.is_full = true;
        self.text.push_str(&more[..more.floor_char_boundary(room)]);
        // Nobody wants more: this ends the parser.
        Err(fmt::Error)
    }
}

/// The text that both the parser and what follows its pages write to.
#[derive(Clone)]
struct Shared(Rc<RefCell<Bounded>>);

impl Shared {
    fn new(most: usize) -> Self {
        Self(Rc::new(RefCell::new(Bounded { most, ..Bounded::default() })))
    }
}

impl fmt::Write for Shared {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        self.0.borrow_mut().write_str(more)
    }
}

impl ConvertToFmt for Shared {
    type Writer = Self;

    fn convert(self) -> Self::Writer {
        self
    }
}

/// A program that takes the text out of PDFs.
///
/// It gets a PDF on standard input and writes text in UTF-8 to standard output. Of the
/// environment it only gets `PATH`. It is killed, with what it has started, when it takes too long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PdfCommand {
    program: OsString,
    arguments: Vec<OsString>,
}

impl PdfCommand {
    /// A program by its path, or by a name that is looked for in `PATH`.
    pub fn new(program: impl Into<OsString>) -> Self {
        Self { program: program.into(), arguments: Vec::new() }
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// The text of a PDF: at most [`TEXT_BYTES`] of it. The program is killed when the future is
    /// dropped.
    pub(crate) async fn text(&self, pdf: &[u8]) -> Result<String, PdfError> {
        self.text_up_to(pdf, TEXT_BYTES).await
    }

    /// The text of a PDF, up to so many bytes.
    async fn text_up_to(&self, pdf: &[u8], most: usize) -> Result<String, PdfError> {
        let started = self.start().inspect_err(|error| {
            tracing::error!(program = ?self.program, %error, "the program for PDFs cannot be started");
        });
        let Ok((mut running, mut stdin, stdout)) = started else { return Err(PdfError::Damaged) };
        let mut text = Vec::new();
        let mut output = stdout.take(most as u64 + 1);
        let read = output.read_to_end(&mut text);
        let write = async {
            // A program that has seen enough closes its end.
            let _ = stdin.write_all(pdf).await;
            drop(stdin);
            std::future::pending::<()>().await;
        };
        let read = tokio::select! {
            read = read => read,
            () = write => return Err(PdfError::Damaged),
        };
        if let Err(error) = read {
            tracing::warn!(%error, "the output of the program for PDFs cannot be read");
            return Err(PdfError::Damaged);
        }
        if text.len() <= most {
            drop(output);
            let status = running.0.wait().await.map_err(|_| PdfError::Damaged)?;
            if !status.success() {
                let error = PdfError::of(status);
                tracing::debug!(%status, %error, "the program for PDFs gave no text");
                return Err(error);
            }
        }
        text.truncate(most);
        let text = String::from_utf8_lossy(&text).into_owned();
        if text.trim().is_empty() {
            return Err(PdfError::NoText);
        }
        Ok(text)
    }

    fn start(
        &self,
    ) -> io::Result<(Running, tokio::process::ChildStdin, tokio::process::ChildStdout)> {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            // What has keys and passwords in it is of no use to it.
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Of its own, so that all of it can be killed.
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let running = Running(child);
        match (stdin, stdout) {
            (Some(stdin), Some(stdout)) => Ok((running, stdin, stdout)),
            _ => Err(io::Error::other("it has no standard input and output")),
        }
    }
}

/// PDFs among the documents of an index, each read by a [`PdfCommand`]: a few at a time, within
/// [`PdfLimits::DOCUMENT`], and for a minute at most.
#[derive(Debug)]
pub struct DocumentPdfs {
    command: PdfCommand,
    places: Semaphore,
    patience: Duration,
}

impl DocumentPdfs {
    /// Those that this program reads.
    pub fn new(command: PdfCommand) -> Self {
        let places = std::thread::available_parallelism().map_or(2, usize::from).min(4);
        Self { command, places: Semaphore::new(places), patience: DOCUMENT_PATIENCE }
    }
}

impl PdfReader for DocumentPdfs {
    fn text(&self, pdf: Vec<u8>) -> PdfFuture<'_> {
        Box::pin(async move {
            let PdfLimits { bytes, text_bytes, .. } = PdfLimits::DOCUMENT;
            if pdf.len() > bytes {
                return Err(PdfReadError::NoText(PdfError::TooLarge.to_string()));
            }
            let _place = self.places.acquire().await;
            match timeout(self.patience, self.command.text_up_to(&pdf, text_bytes)).await {
                Ok(Ok(text)) => Ok(text),
                Ok(Err(error)) => Err(PdfReadError::NoText(error.to_string())),
                // The process is gone with the future.
                Err(_) => Err(PdfReadError::TooSlow(self.patience)),
            }
        })
    }
}

/// How long the text of a document may take.
const DOCUMENT_PATIENCE: Duration = Duration::from_secs(60);

/// A process that does not outlive this, nor does what it has started.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // `None` when it has ended and its number may be another's.
        let id = self.0.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        if let Some(group) = id {
            // All of it may have ended just now.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// What a program does as a [`PdfCommand`]: see [`answer_within`], for what users send.
pub fn answer() -> ExitCode {
    answer_within(PdfLimits::ATTACHMENT)
}

/// Reads a PDF from standard input, writes its text to standard output, and gives the status to end
/// with. Limits this process to 1 GiB of memory and 30 s of processor time for as long as it lives.
pub fn answer_within(limits: PdfLimits) -> ExitCode {
    limit();
    // Nobody reads where in the parser it was, and what it says may be the document's.
    panic::set_hook(Box::new(|_| {}));
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
        let mut pdf = Vec::new();
        let read = io::stdin().lock().take(limits.bytes as u64 + 1).read_to_end(&mut pdf);
        read.map_err(|_| PdfError::Damaged).and_then(|_| text_within(&pdf, limits))
    });
    let text = thread
        .map_or(Err(PdfError::Damaged), |thread| thread.join().unwrap_or(Err(PdfError::Damaged)));
    match text {
        Ok(text) => match io::stdout().lock().write_all(text.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Err(error) => {
            // For people who try it; a server does not read it.
            let _ = writeln!(io::stderr(), "no text: {error}");
            ExitCode::from(error.status())
        }
    }
}

/// Systems that know a limit not, or have a lower one, are left as they are.
fn limit() {
    let at_most = |value| Rlimit { current: Some(value), maximum: Some(value) };
    let _ = setrlimit(Resource::As, at_most(MEMORY_BYTES));
    let _ = setrlimit(Resource::Cpu, at_most(CPU_SECONDS));
    // What is in its memory is a user's.
    let _ = setrlimit(Resource::Core, at_most(0));
}

/// Whether what is packed in a PDF is larger than is reasonable. The parser unpacks without a
/// limit, so this looks first: at every place where a stream begins, whatever the PDF calls it.
fn is_bomb(pdf: &[u8], most: u64) -> bool {
    // Another packing, out of use since the nineties, that this cannot look into.
    if memchr::memmem::find(&without_escapes(pdf), b"LZWDecode").is_some() {
        return true;
    }
    let mut left = most;
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
    use flate2::{Compression, write::ZlibEncoder};
    use proptest::prelude::*;

    use super::*;

    const MOST: u64 = PdfLimits::ATTACHMENT.unpacked_bytes;

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
        assert!(is_bomb(&with_stream(&packed(&zeros)), MOST));
        assert!(is_bomb(&with_stream(&packed(&packed(&zeros))), MOST), "packed twice");
        assert!(!is_bomb(&with_stream(&packed(&zeros[..1_000_000])), MOST));
        let many = with_stream(&packed(&zeros[..20_000_000])).repeat(4);
        assert!(is_bomb(&many, MOST), "all together");
        assert!(is_bomb(b"<</Filter/LZWDecode>>stream", MOST));
        assert!(is_bomb(b"<</Filter/#4cZW#44ecode>>stream", MOST));
    }

    /// A PDF of one page with this content, and more in the page's dictionary.
    fn pdf(content: &str, page: &str) -> Vec<u8> {
        pdf_of_pages(&[content], page, None)
    }

    /// A PDF with a page for each content, and what it is encrypted by.
    fn pdf_of_pages(contents: &[&str], page: &str, encrypted: Option<&str>) -> Vec<u8> {
        let kids = (0..contents.len()).map(|n| format!("{} 0 R", 4 + 2 * n)).collect::<Vec<_>>();
        let mut objects = vec![
            "<</Type/Catalog/Pages 2 0 R>>".to_owned(),
            format!("<</Type/Pages/Kids[{}]/Count {}>>", kids.join(" "), kids.len()),
            "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>".to_owned(),
        ];
        for (n, content) in contents.iter().enumerate() {
            let at = 5 + 2 * n;
            objects.push(format!(
                "<</Type/Page/Contents {at} 0 R/Resources<</Font<</F1 3 0 R>>>>{page}>>"
            ));
            let length = content.len();
            objects.push(format!("<</Length {length}>>\nstream\n{content}\nendstream"));
        }
        let mut trailer = String::new();
        if let Some(encrypted) = encrypted {
            objects.push(encrypted.to_owned());
            trailer = format!("/Encrypt {} 0 R/ID[<00><00>]", objects.len());
        }
        let mut pdf = "%PDF-1.4\n".to_owned();
        let mut table = String::new();
        for (number, object) in objects.iter().enumerate() {
            table.push_str(&format!("{:010} 00000 n \n", pdf.len()));
            pdf.push_str(&format!("{} 0 obj\n{object}\nendobj\n", number + 1));
        }
        let (place, size) = (pdf.len(), objects.len() + 1);
        pdf.push_str(&format!("xref\n0 {size}\n0000000000 65535 f \n{table}"));
        pdf.push_str(&format!(
            "trailer\n<</Size {size}/Root 1 0 R{trailer}>>\nstartxref\n{place}\n%%EOF"
        ));
        pdf.into_bytes()
    }

    const PAGE: &str = "/Parent 2 0 R/MediaBox[0 0 612 792]";

    #[test]
    fn the_text_of_pages_is_taken_out() {
        let hot = pdf("BT /F1 24 Tf 72 700 Td (The kettle is hot) Tj ET", PAGE);
        assert!(text(&hot).is_ok_and(|text| text.contains("The kettle is hot")));
        assert_eq!(text(&pdf("", PAGE)), Err(PdfError::NoText));
        assert_eq!(text(&hot[..300]), Err(PdfError::Damaged));
        assert_eq!(text(b"%PDF-1.4 and no more"), Err(PdfError::Damaged));
        assert_eq!(text(&vec![b' '; PDF_BYTES + 1]), Err(PdfError::TooLarge));
    }

    #[test]
    fn every_page_ends_with_a_form_feed() {
        let page = |text: &str| format!("BT /F1 24 Tf 72 700 Td ({text}) Tj ET");
        let book = pdf_of_pages(&[&page("first"), "", &page("third")], PAGE, None);
        let text = text(&book).unwrap_or_default();
        let pages: Vec<&str> = text.split('\u{c}').map(str::trim).collect();
        assert_eq!(pages, ["first", "", "third", ""]);
    }

    #[test]
    fn a_password_is_a_reason_of_its_own() {
        let zeros = "00".repeat(32);
        let locked = format!("<</Filter/Standard/V 1/R 2/P -4/O<{zeros}>/U<{zeros}>>>");
        let page = "BT /F1 24 Tf 72 700 Td (secret) Tj ET";
        assert_eq!(text(&pdf_of_pages(&[page], PAGE, Some(&locked))), Err(PdfError::Protected));
    }

    #[test]
    fn no_more_text_is_taken_out_than_is_wanted() {
        let line = "1 0 0 1 72 700 Tm (many words in one line) Tj\n";
        let long = pdf(&format!("BT /F1 24 Tf {} ET", line.repeat(20_000)), PAGE);
        assert_eq!(text(&long).map(|text| text.len()), Ok(TEXT_BYTES));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = is_bomb(&bytes, MOST);
            let _ = is_bomb(&with_stream(&bytes), MOST);
            let _ = text(&bytes);
        }
    }
}
