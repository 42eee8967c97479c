//! Bytes to the text of a PDF.

use std::thread;

use parlor_agent::pdf::{TEXT_BYTES, text};

use crate::bytes::Choices;

/// Stack of the thread that reads, as in use.
const STACK_BYTES: usize = 64 * 1024 * 1024;

/// Any bytes have a text of limited length, or a reason why not; nothing of the parser's troubles
/// gets out. The first byte chooses whether they are a file, or the content of a sound one's page.
pub fn pdf(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let file = match choices.below(2) {
        0 => choices.rest().to_vec(),
        _ => page(choices.rest()),
    };
    let read = thread::Builder::new().stack_size(STACK_BYTES).spawn(move || text(&file)).unwrap();
    match read.join().unwrap() {
        Ok(text) => assert!(
            !text.trim().is_empty() && text.len() <= TEXT_BYTES,
            "{} bytes of text",
            text.len()
        ),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// A PDF of one page with this content.
fn page(content: &[u8]) -> Vec<u8> {
    let objects = [
        b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
        b"<</Type/Pages/Kids[3 0 R]/Count 1/MediaBox[0 0 612 792]>>".to_vec(),
        b"<</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>".to_vec(),
        [format!("<</Length {}>>\nstream\n", content.len()).as_bytes(), content, b"\nendstream"]
            .concat(),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>".to_vec(),
    ];
    let mut pdf = b"%PDF-1.4\n".to_vec();
    let mut table = String::new();
    for (number, object) in objects.iter().enumerate() {
        table.push_str(&format!("{:010} 00000 n \n", pdf.len()));
        pdf.extend_from_slice(format!("{} 0 obj\n", number + 1).as_bytes());
        pdf.extend_from_slice(object);
        pdf.extend_from_slice(b"\nendobj\n");
    }
    let (place, size) = (pdf.len(), objects.len() + 1);
    let end = format!(
        "xref\n0 {size}\n0000000000 65535 f \n{table}\
         trailer\n<</Size {size}/Root 1 0 R>>\nstartxref\n{place}\n%%EOF"
    );
    pdf.extend_from_slice(end.as_bytes());
    pdf
}
