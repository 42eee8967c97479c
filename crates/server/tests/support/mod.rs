//! What several kinds of tests need.

use std::io::Write as _;

/// A PDF of one page that says this, with its cross-reference table.
pub(crate) fn pdf(text: &str) -> Vec<u8> {
    pdf_with(text, "/Parent 2 0 R/MediaBox[0 0 612 792]")
}

/// A PDF whose page is its own parent: those who look there for what the page lacks never come to
/// an end, or to that of their stack.
pub(crate) fn endless_pdf() -> Vec<u8> {
    pdf_with("never read", "/Parent 3 0 R")
}

/// A PDF of one page that says this, and has this in its dictionary.
fn pdf_with(text: &str, page: &str) -> Vec<u8> {
    let content = format!("BT /F1 24 Tf 72 700 Td ({text}) Tj ET");
    let objects = [
        "<</Type/Catalog/Pages 2 0 R>>".to_owned(),
        "<</Type/Pages/Kids[3 0 R]/Count 1>>".to_owned(),
        format!("<</Type/Page{page}/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>"),
        format!("<</Length {}>>\nstream\n{content}\nendstream", content.len()),
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>".to_owned(),
    ];
    let mut bytes = b"%PDF-1.4\n".to_vec();
    let mut places = Vec::new();
    for (number, object) in objects.iter().enumerate() {
        places.push(bytes.len());
        writeln!(bytes, "{} 0 obj\n{object}\nendobj", number + 1).unwrap();
    }
    let table = bytes.len();
    writeln!(bytes, "xref\n0 {}\n0000000000 65535 f ", objects.len() + 1).unwrap();
    for place in places {
        writeln!(bytes, "{place:010} 00000 n ").unwrap();
    }
    let size = objects.len() + 1;
    writeln!(bytes, "trailer\n<</Size {size}/Root 1 0 R>>\nstartxref\n{table}\n%%EOF").unwrap();
    bytes
}
