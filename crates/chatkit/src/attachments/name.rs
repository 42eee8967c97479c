//! Names of files, as users' machines have them.

/// Longest name in bytes, as file systems have it.
const MAX_BYTES: usize = 255;

/// What is left of a name: no folders, no control characters, nothing that turns the direction
/// of text (`annexe\u{202e}fdp.exe` would look like a PDF), at most 255 bytes with the extension
/// kept. A name of which nothing is left is `file`.
pub(crate) fn clean(name: &str) -> String {
    // Browsers send the last part only; anything else is a trick or an old client.
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String =
        name.chars().filter(|char| !char.is_control() && !is_invisible(*char)).collect();
    // Dots alone name folders, and names that end in dots or spaces confuse Windows.
    let name = trim(&name);
    if name.is_empty() {
        return "file".to_owned();
    }
    if name.len() <= MAX_BYTES {
        return name.to_owned();
    }
    // An extension that is no longer than usual stays.
    let extension = name.rfind('.').map_or("", |dot| &name[dot..]);
    let extension = if extension.len() <= 16 { extension } else { "" };
    let mut end = MAX_BYTES - extension.len();
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    let cut = format!("{}{extension}", &name[..end]);
    match trim(&cut) {
        "" => "file".to_owned(),
        name => name.to_owned(),
    }
}

fn trim(name: &str) -> &str {
    name.trim_start().trim_end_matches(|char: char| char == '.' || char.is_whitespace())
}

/// Characters that show nothing and change how the rest is shown: the bidirectional controls
/// and the invisible format characters of Unicode, but for the two joiners, which Persian words
/// and emoji need.
fn is_invisible(char: char) -> bool {
    matches!(char,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_lose_folders_and_tricks_and_keep_the_rest() {
        let cases = [
            ("report.pdf", "report.pdf"),
            ("Übersicht – 2026 (final).docx", "Übersicht – 2026 (final).docx"),
            ("../../etc/passwd", "passwd"),
            ("..\\..\\boot.ini", "boot.ini"),
            ("C:\\Users\\ada\\notes.txt", "notes.txt"),
            ("/absolute", "absolute"),
            ("folder/", "file"),
            ("..", "file"),
            (".", "file"),
            ("", "file"),
            ("  spaced .txt. . ", "spaced .txt"),
            ("annexe\u{202e}fdp.exe", "annexefdp.exe"),
            ("nul\0in\r\nside\u{1b}[31m.txt", "nulinside[31m.txt"),
            (".gitignore", ".gitignore"),
            ("\u{200b}\u{feff}", "file"),
            ("写真.png", "写真.png"),
        ];
        for (name, expected) in cases {
            assert_eq!(clean(name), expected, "{name:?}");
        }
    }

    #[test]
    fn a_long_name_is_cut_before_its_extension() {
        let name = clean(&format!("{}.pdf", "ü".repeat(400)));
        assert!(name.len() <= MAX_BYTES && name.ends_with("ü.pdf"), "{name}");
        let name = clean(&format!("a.{}", "x".repeat(400)));
        assert_eq!(name.len(), MAX_BYTES);
    }

    proptest! {
        #[test]
        fn any_name_becomes_one_that_is_safe(name in any::<String>()) {
            let clean = clean(&name);
            prop_assert!(!clean.is_empty() && clean.len() <= MAX_BYTES);
            prop_assert!(!clean.contains(['/', '\\', '\0']));
            prop_assert!(!clean.chars().any(|char| char.is_control() || is_invisible(char)));
            prop_assert!(!matches!(clean.as_str(), "." | ".."));
            // Cleaning again changes nothing, or a name would depend on how often it passed.
            prop_assert_eq!(super::clean(&clean), clean);
        }
    }
}
