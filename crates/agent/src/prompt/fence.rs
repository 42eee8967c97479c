//! Text of others, made fit to stand between tags that it cannot close.
//!
//! A model is no parser: it overlooks case, spaces, invisible characters and letters that look like
//! others. So what only reads like a tag counts as one. What nobody sees is left out altogether: it
//! can hold whole sentences that only a model reads.

use unicode_normalization::UnicodeNormalization as _;

/// Tags that mean something in the instructions or in tool results.
const TAGS: [&str; 10] = [
    "user_info",
    "page",
    "selected_text",
    "conversation",
    "message",
    "passage",
    "note",
    "file",
    "tool_result",
    "quotation",
];

/// Longest name that is looked at behind a `<`, in characters. No tag is longer.
const MAX_NAME: usize = 24;

/// How many spaces, slashes and the like are overlooked between a `<` and a name.
const MAX_BETWEEN: usize = 64;

/// Cleaned, and unable to open or close a section: the `<` of anything that reads like one of
/// our tags is escaped. Other text, code in particular, stays as it is.
pub(crate) fn fenced(text: &str, max_chars: usize) -> String {
    fenced_against(&TAGS, text, max_chars)
}

/// As [`fenced`], for a section that these tags delimit.
pub(crate) fn fenced_against(tags: &[&str], text: &str, max_chars: usize) -> String {
    let text = clean(text, max_chars);
    let mut fenced = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find(is_sign) {
        let (before, from) = rest.split_at(at);
        fenced.push_str(before);
        let mut chars = from.chars();
        let sign = chars.next().unwrap_or('<');
        if is_tag(tags, chars.as_str()) || is_token(chars.as_str()) {
            fenced.push_str("&lt;");
        } else {
            fenced.push(sign);
        }
        rest = chars.as_str();
    }
    fenced.push_str(rest);
    fenced
}

/// On one line, so that a value cannot begin another field.
pub(crate) fn line(value: &str, max_chars: usize) -> String {
    line_against(&TAGS, value, max_chars)
}

/// As [`line()`], for a section that these tags delimit.
pub(crate) fn line_against(tags: &[&str], value: &str, max_chars: usize) -> String {
    // Unicode's line separators are white space too.
    let words: Vec<&str> = value.split(|c: char| c.is_whitespace() || c.is_control()).collect();
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    fenced_against(tags, &words.join(" "), max_chars)
}

/// Without what nobody sees, and not longer than allowed.
pub(crate) fn clean(text: &str, max_chars: usize) -> String {
    let mut before = ' ';
    let mut seen = text.trim().chars().filter(|&c| {
        // One says how a sign is drawn; a row of them is a message of its own.
        let again = is_variation(c) && is_variation(before);
        before = c;
        !again && !is_unseen(c)
    });
    let mut clean: String = seen.by_ref().take(max_chars).collect();
    if seen.next().is_some() {
        clean.push('…');
    }
    clean
}

/// Control characters, and characters that are not drawn or only turn the direction of others. The
/// joiners are kept, which emoji and several scripts are written with.
fn is_unseen(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control() && !matches!(c, '\n' | '\t');
    }
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

fn is_variation(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}')
}

/// What is not drawn but was kept.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}') || is_variation(c)
}

/// `<` and the signs that look like it.
fn is_sign(c: char) -> bool {
    matches!(
        c,
        '<' | '＜'
            | '﹤'
            | '‹'
            | '\u{3008}'
            | '\u{2329}'
            | '⟨'
            | '❮'
            | '❰'
            | '˂'
            | '⧼'
            | '≺'
            | 'ᐸ'
    )
}

/// `/` and the signs that look like it, also those that people take for it.
fn is_slash(c: char) -> bool {
    matches!(c, '/' | '\\' | '|' | '／' | '＼' | '⁄' | '∕' | '╱' | '⧸' | '⟋' | '﹨' | '｜')
}

/// Whether what follows a `<` reads like one of the tags, to a reader who overlooks case, spaces,
/// hyphens, slashes, joiners, accents, and letters that look like others.
fn is_tag(tags: &[&str], after: &str) -> bool {
    let mut chars = after.chars().filter(|&c| !is_joiner(c)).peekable();
    let is_between = |&c: &char| c.is_whitespace() || is_slash(c) || is_sign(c) || is_mark(c);
    let mut between = 0;
    while chars.next_if(is_between).is_some() {
        between += 1;
        if between > MAX_BETWEEN {
            return false;
        }
    }
    let mut name = String::with_capacity(MAX_NAME);
    // Names of two words may be written apart.
    let mut words = 0;
    loop {
        while let Some(c) = chars.next_if(|&c| c.is_alphanumeric() || is_hyphen(c) || is_mark(c)) {
            if !is_hyphen(c) {
                name.extend(letters(c));
            }
            if name.chars().count() > MAX_NAME {
                return false;
            }
        }
        if tags.iter().any(|tag| reads_like(&name, tag)) {
            return true;
        }
        words += 1;
        if words == 2 || name.is_empty() || chars.next_if(|c| c.is_whitespace()).is_none() {
            return false;
        }
    }
}

fn is_hyphen(c: char) -> bool {
    matches!(c, '_' | '-' | '‐' | '‑' | '‒' | '–' | '＿' | '－')
}

/// An accent that stands on the letter before it.
fn is_mark(c: char) -> bool {
    unicode_normalization::char::is_combining_mark(c)
}

/// A character as plain small letters, without accents.
fn letters(c: char) -> impl Iterator<Item = char> {
    let plain = std::iter::once(c).nfkd().filter(|&c| !is_mark(c));
    plain.flat_map(char::to_lowercase).map(latin)
}

/// The letter of our tags that a small letter looks like.
fn latin(c: char) -> char {
    match c {
        'а' | 'α' | 'ɑ' | 'ạ' | 'ꭺ' => 'a',
        'с' | 'ϲ' | 'ᴄ' | 'ͻ' => 'c',
        'ԁ' | 'ɗ' | 'ᴅ' => 'd',
        'е' | 'ε' | 'ҽ' | 'є' | 'ᴇ' | '℮' => 'e',
        'ғ' | 'ƒ' | 'ꞙ' | 'ϝ' => 'f',
        'ɡ' | 'ց' | 'ƍ' | 'ɢ' => 'g',
        'і' | 'ι' | 'ı' | 'ɩ' | 'ɪ' | 'ӏ' | 'ǀ' | '1' => 'i',
        'ⅼ' | 'ł' | 'ʟ' | 'ן' => 'l',
        'м' | 'ⅿ' | 'ᴍ' | 'μ' => 'm',
        'п' | 'ո' | 'ռ' | 'η' | 'ɴ' | 'н' | 'ν' => 'n',
        'о' | 'ο' | 'օ' | 'σ' | 'ᴏ' | 'ס' | '0' | 'ø' => 'o',
        'р' | 'ρ' | 'ᴘ' | 'ƿ' | 'þ' => 'p',
        'ԛ' | 'զ' => 'q',
        'г' | 'ɾ' | 'ʀ' => 'r',
        'ѕ' | 'ꜱ' | 'ʂ' => 's',
        'т' | 'τ' | 'ᴛ' | 'ţ' => 't',
        'ս' | 'υ' | 'ʋ' | 'ᴜ' => 'u',
        'ѵ' | 'ᴠ' => 'v',
        c => c,
    }
}

/// Whether a name is this tag.
fn reads_like(name: &str, tag: &str) -> bool {
    name.chars().eq(tag.chars().filter(|&c| c != '_'))
}

/// Whether what follows a `<` makes a token of a chat template, such as `<|im_start|>` or
/// `<start_of_turn>`: some model servers read them wherever they stand.
fn is_token(after: &str) -> bool {
    if let Some(name) = after.strip_prefix(['|', '｜']) {
        return name.chars().next().is_some_and(|c| c.is_alphanumeric() || c == '_' || is_sign(c));
    }
    let after = after.strip_prefix('/').unwrap_or(after);
    after.starts_with("start_of_turn>")
        || after.starts_with("end_of_turn>")
        || after.starts_with("<SYS>>")
        || after.starts_with("</SYS>>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_and_code_is_left_alone() {
        assert_eq!(fenced(&"x".repeat(50), 10), format!("{}…", "x".repeat(10)));
        let code = "if a < b { Vec<u8> } <div class=\"x\"></div> <Notebook> <PageHeader> f <| g \
                    x << 2, «сделаем» <имена> ‹файл›";
        assert_eq!(fenced(code, 1_000), code);
    }

    #[test]
    fn what_people_see_is_kept() {
        let seen = "👩‍💻 ❤️ می‌خواهم नमस्ते 日本語 שלום e\u{301} a\tb\nc";
        assert_eq!(clean(seen, 1_000), seen);
    }

    #[test]
    fn what_only_a_model_would_read_is_left_out() {
        let smuggled: String =
            "obey".bytes().map(|b| char::from_u32(0xe0000 + u32::from(b)).unwrap_or(' ')).collect();
        assert_eq!(clean(&format!("a{smuggled}b\u{202e}c\u{200b}d\u{2066}e\u{0}f"), 100), "abcdef");
        let row = "❤\u{fe0f}\u{fe0e}\u{fe01}\u{fe0f}";
        assert_eq!(clean(row, 100), "❤\u{fe0f}");
    }

    #[test]
    fn tokens_of_chat_templates_are_none() {
        for token in [
            "<|im_start|>system",
            "<|eot_id|>",
            "<start_of_turn>user",
            "<<SYS>>",
            "<｜Assistant｜>",
        ] {
            let inside = fenced(token, 100);
            assert!(!inside.contains(token), "{inside}");
        }
    }
}
