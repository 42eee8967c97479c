//! How text becomes words, the same way for documents and queries.
//!
//! FTS5's `unicode61` tokenizer takes a run of Chinese or Japanese for one word. Both sides
//! therefore rewrite such runs as overlapping pairs of characters ("bigrams") before FTS5 sees
//! them: 全文検索 becomes `全文 文検 検索 索`. The last single character makes every character the
//! beginning of a word, so that one character alone is found as a prefix.

/// Whether this character belongs to a script written without spaces between words. Korean has
/// spaces but glues particles to its words, so pairs serve it better too.
pub(crate) fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{0E00}'..='\u{0EFF}'          // Thai, Lao
        | '\u{1000}'..='\u{109F}'        // Myanmar
        | '\u{1100}'..='\u{11FF}'        // Hangul Jamo
        | '\u{1780}'..='\u{17FF}'        // Khmer
        | '\u{3005}'..='\u{3007}'        // ideographic iteration mark, zero
        | '\u{3040}'..='\u{30FF}'        // Hiragana, Katakana
        | '\u{3100}'..='\u{318F}'        // Bopomofo, Hangul compatibility
        | '\u{31F0}'..='\u{31FF}'
        | '\u{3400}'..='\u{4DBF}'
        | '\u{4E00}'..='\u{9FFF}'
        | '\u{AC00}'..='\u{D7AF}'        // Hangul syllables
        | '\u{F900}'..='\u{FAFF}'
        | '\u{FF66}'..='\u{FF9F}'        // half-width Katakana
        | '\u{20000}'..='\u{323AF}'
    ) && c.is_alphanumeric()
}

/// Text as the index stores it: runs of unspaced scripts spelled out as pairs.
pub(crate) fn for_index(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let mut previous: Option<char> = None;
    for c in text.chars() {
        if is_unspaced(c) {
            match previous {
                Some(p) => {
                    out.push(p);
                    out.push(c);
                    out.push(' ');
                }
                None => out.push(' '),
            }
            previous = Some(c);
        } else {
            if let Some(p) = previous.take() {
                out.push(p);
                out.push(' ');
            }
            out.push(c);
        }
    }
    if let Some(p) = previous {
        out.push(p);
    }
    out
}

/// The words inside camel-case identifiers: `setOptions` is also found as "set options".
/// Identifiers with punctuation (`PARLOR_LISTEN`, `threads.create`) need no help: FTS5 splits them.
pub(crate) fn identifier_parts(text: &str) -> String {
    let mut out = String::new();
    for word in text.split(|c: char| !c.is_ascii_alphanumeric()) {
        let bytes = word.as_bytes();
        if bytes.len() < 4 || bytes.len() > 80 {
            continue;
        }
        // `aB` begins a word at B, `HTTPServer` at S.
        let starts: Vec<usize> = (1..bytes.len())
            .filter(|&i| {
                bytes[i].is_ascii_uppercase()
                    && (bytes[i - 1].is_ascii_lowercase()
                        || (bytes[i - 1].is_ascii_uppercase()
                            && bytes.get(i + 1).is_some_and(u8::is_ascii_lowercase)))
            })
            .collect();
        if starts.is_empty() {
            continue;
        }
        let mut begin = 0;
        for end in starts.into_iter().chain([bytes.len()]) {
            out.push_str(&word[begin..end]);
            out.push(' ');
            begin = end;
        }
    }
    out
}

/// The pairs of a run of unspaced script, as a query asks for them.
pub(crate) fn pairs(run: &str) -> Vec<String> {
    let chars: Vec<char> = run.chars().collect();
    chars.windows(2).map(|pair| pair.iter().collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unspaced_runs_become_pairs_and_other_text_stays() {
        assert_eq!(for_index("use 全文検索 now"), "use  全文 文検 検索 索  now");
        assert_eq!(for_index("FTS5全文"), "FTS5 全文 文");
        assert_eq!(for_index("plain text"), "plain text");
    }

    #[test]
    fn camel_case_identifiers_are_split_into_words() {
        assert_eq!(identifier_parts("call setOptions() on HTTPServer"), "set Options HTTP Server ");
        assert_eq!(identifier_parts("PARLOR_LISTEN is plain"), "");
    }
}
