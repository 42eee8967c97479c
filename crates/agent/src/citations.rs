//! Takes the citation markers out of a streamed answer.
//!
//! The model is told to cite passages as `[1]`. Readers get annotations instead: the marker goes,
//! with the space before it, and the place where it stood is cited. What only looks like a marker
//! stays: code, link texts, reference definitions, array indexes, numbers of no passage.

use std::collections::HashSet;

use parlor_search::Passage;

/// A piece of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Text to pass on.
    Text(String),
    /// A passage is cited behind the text so far.
    Cite {
        /// The passage's number, from 1.
        passage: usize,
        /// Where, in Unicode code points of the text that was passed on.
        index: usize,
    },
}

/// Longest thing between brackets that may be a marker, in bytes.
const MAX_MARKER_BYTES: usize = 48;

/// What kind of code the text is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Code {
    None,
    /// Between runs of so many backticks.
    Inline(usize),
    /// In a block fenced by at least so many of these.
    Fence {
        mark: char,
        length: usize,
        /// Still on the line that opens it.
        info: bool,
    },
}

/// Separates text and citations of one message. The result does not depend on how the text is
/// cut into deltas.
#[derive(Debug)]
pub struct CitationFilter {
    /// Passages that exist so far: `1..=known`.
    known: usize,
    /// Code points passed on, those in `out` included.
    position: usize,
    out: String,
    /// Spaces that are not passed on yet: a marker after them takes them along.
    spaces: usize,
    /// The last character that was passed on or held; NUL after a marker.
    previous: char,
    /// Only indentation and quotation marks since the start of the line.
    line_start: bool,
    /// The line before was empty so far.
    blank_line: bool,
    code: Code,
    /// The run of backticks or tildes that is being read, and whether it began its line.
    run: Option<(char, usize, bool)>,
    /// What may be a marker, from its bracket on.
    candidate: String,
    candidate_at_line_start: bool,
    /// The candidate's passages, when it is whole and only the character after it is awaited.
    complete: Option<Vec<usize>>,
    /// A marker began the line: the space after it goes too.
    drop_space: bool,
    last_cited: Option<(usize, usize)>,
}

impl Default for CitationFilter {
    fn default() -> Self {
        Self::new(0)
    }
}

impl CitationFilter {
    /// A filter for a message that may cite the passages `1..=known`.
    pub fn new(known: usize) -> Self {
        Self {
            known,
            position: 0,
            out: String::new(),
            spaces: 0,
            previous: '\n',
            line_start: true,
            blank_line: true,
            code: Code::None,
            run: None,
            candidate: String::new(),
            candidate_at_line_start: false,
            complete: None,
            drop_space: false,
            last_cited: None,
        }
    }

    /// More passages were found: `1..=known` from now on.
    pub fn set_known(&mut self, known: usize) {
        self.known = known;
    }

    /// Code points passed on so far.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Takes the next delta and appends what can be passed on to `pieces`.
    pub fn push(&mut self, delta: &str, pieces: &mut Vec<Piece>) {
        for c in delta.chars() {
            self.char(c, pieces);
        }
        self.flush_text(pieces);
    }

    /// The text is over: appends what was held back.
    pub fn finish(&mut self, pieces: &mut Vec<Piece>) {
        if let Some(cited) = self.complete.take() {
            self.accept(&cited, pieces);
        }
        self.reject();
        self.emit_spaces();
        self.flush_text(pieces);
    }

    fn flush_text(&mut self, pieces: &mut Vec<Piece>) {
        if self.out.is_empty() {
            return;
        }
        let text = std::mem::take(&mut self.out);
        match pieces.last_mut() {
            Some(Piece::Text(before)) => before.push_str(&text),
            _ => pieces.push(Piece::Text(text)),
        }
    }

    fn emit_spaces(&mut self) {
        for _ in 0..std::mem::take(&mut self.spaces) {
            self.out.push(' ');
            self.position += 1;
        }
    }

    fn emit(&mut self, c: char) {
        self.emit_spaces();
        self.out.push(c);
        self.position += 1;
        self.previous = c;
    }

    fn char(&mut self, c: char, pieces: &mut Vec<Piece>) {
        if let Some(cited) = self.complete.take() {
            let definition = c == ':' && self.candidate_at_line_start;
            if c == '(' || definition {
                self.reject();
            } else {
                self.accept(&cited, pieces);
            }
        } else if !self.candidate.is_empty() && self.extend_candidate(c) {
            return;
        }
        self.ordinary(c);
    }

    /// Whether the character belongs to the candidate. If not, there is no candidate any more.
    fn extend_candidate(&mut self, c: char) -> bool {
        let closing = if self.candidate.starts_with('[') { ']' } else { '】' };
        if c == closing {
            self.candidate.push(c);
            self.complete = passages_of(&self.candidate, self.known);
            if self.complete.is_none() {
                self.reject();
            }
            return true;
        }
        let fits = (c.is_alphanumeric() || " ,;:^#†-–.".contains(c))
            && self.candidate.len() < MAX_MARKER_BYTES;
        if fits {
            self.candidate.push(c);
        } else {
            self.reject();
        }
        fits
    }

    /// The candidate is a marker.
    fn accept(&mut self, cited: &[usize], pieces: &mut Vec<Piece>) {
        self.spaces = 0;
        self.candidate.clear();
        self.flush_text(pieces);
        for &passage in cited {
            let here = (passage, self.position);
            if self.last_cited != Some(here) {
                self.last_cited = Some(here);
                pieces.push(Piece::Cite { passage, index: self.position });
            }
        }
        self.drop_space = self.candidate_at_line_start;
        self.line_start = self.candidate_at_line_start;
        self.previous = '\0';
    }

    /// The candidate is text.
    fn reject(&mut self) {
        let candidate = std::mem::take(&mut self.candidate);
        for c in candidate.chars() {
            self.emit(c);
        }
    }

    fn ordinary(&mut self, c: char) {
        if let Some((mark, length, at_line_start)) = self.run {
            if c == mark {
                self.run = Some((mark, length + 1, at_line_start));
                self.emit(c);
                return;
            }
            self.run = None;
            self.end_run(mark, length, at_line_start);
        }
        let drop_space = std::mem::take(&mut self.drop_space);
        match c {
            '`' | '~' => {
                if c == '`' || self.line_start {
                    self.run = Some((c, 1, self.line_start));
                }
                self.line_start = false;
                self.blank_line = false;
                self.emit(c);
            }
            '\n' | '\r' => {
                match &mut self.code {
                    Code::Fence { info, .. } => *info = false,
                    // Inline code does not reach over an empty line.
                    code @ Code::Inline(_) if self.blank_line => *code = Code::None,
                    _ => {}
                }
                self.emit(c);
                self.line_start = true;
                self.blank_line = true;
            }
            ' ' => {
                if !drop_space {
                    self.spaces += 1;
                    self.previous = ' ';
                }
            }
            '[' | '【' if self.code == Code::None && may_precede_marker(self.previous) => {
                self.candidate.push(c);
                self.candidate_at_line_start = self.line_start;
                self.line_start = false;
                self.blank_line = false;
            }
            _ => {
                if c != '>' {
                    self.line_start = false;
                    self.blank_line = false;
                }
                self.emit(c);
            }
        }
    }

    /// A run of backticks or tildes has ended: code begins or ends, or neither.
    fn end_run(&mut self, mark: char, length: usize, at_line_start: bool) {
        self.code = match self.code {
            Code::None if at_line_start && length >= 3 => Code::Fence { mark, length, info: true },
            Code::None if mark == '`' => Code::Inline(length),
            Code::Inline(open) if mark == '`' && open == length => Code::None,
            // Backticks behind what looked like an opening fence: it was inline code.
            Code::Fence { mark: '`', length: open, info: true } if mark == '`' => {
                if open == length { Code::None } else { Code::Inline(open) }
            }
            Code::Fence { mark: open_mark, length: open, info: false }
                if at_line_start && mark == open_mark && length >= open =>
            {
                Code::None
            }
            other => other,
        };
    }
}

/// `a[1]` is an index, `![1]` an image, `\[1]` escaped, `x][1]` the end of something else. Languages that
/// put no spaces between words put none before a marker either.
fn may_precede_marker(previous: char) -> bool {
    !(previous.is_ascii_alphanumeric() || matches!(previous, '_' | ']' | '!' | '\\'))
}

/// The passages that a bracketed text names: `[1]`, `[1, 3]`, `[2-4]`, `[^1]`, `[doc:1]`,
/// `【1†source】`. `None` if it is not a marker or names a passage that does not exist.
fn passages_of(candidate: &str, known: usize) -> Option<Vec<usize>> {
    let mut inner = candidate.trim_matches(['[', ']', '【', '】']).trim();
    if candidate.starts_with('【') {
        inner = inner.split('†').next().unwrap_or(inner);
    }
    for prefix in ["doc:", "doc ", "passage ", "source "] {
        let head = inner.get(..prefix.len());
        if head.is_some_and(|head| head.eq_ignore_ascii_case(prefix)) {
            inner = &inner[prefix.len()..];
            break;
        }
    }
    let mut passages = Vec::new();
    for part in inner.split([',', ';']) {
        let (first, last) = match part.split_once(['-', '–']) {
            Some((first, last)) => (number(first)?, number(last)?),
            None => (number(part)?, number(part)?),
        };
        if first == 0 || last < first || last > known {
            return None;
        }
        passages.extend(first..=last);
    }
    Some(passages)
}

fn number(text: &str) -> Option<usize> {
    let text = text.trim().trim_start_matches(['^', '#']);
    let plausible = (1..=3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if plausible { text.parse().ok() } else { None }
}

/// The numbers of at most `limit` passages whose words an answer really shares, best first. Used
/// when a model searched and then cited nothing. Words of the question don't count: an answer
/// repeats them even when it found nothing.
pub fn overlapping(answer: &str, question: &str, passages: &[Passage], limit: usize) -> Vec<usize> {
    let asked = significant_words(question);
    let mut said = significant_words(answer);
    said.retain(|word| !asked.contains(word));
    let mut shared: Vec<(usize, usize)> = Vec::new();
    for (at, passage) in passages.iter().enumerate() {
        let mut words = significant_words(&passage.text);
        words.retain(|word| !asked.contains(word));
        let common = words.intersection(&said).count();
        // At least a few words, and a fair part of the shorter of the two.
        if common >= 3 && common * 4 >= words.len().min(said.len()) {
            shared.push((common, at + 1));
        }
    }
    shared.sort_by_key(|&(common, number)| (std::cmp::Reverse(common), number));
    shared.into_iter().take(limit).map(|(_, number)| number).collect()
}

/// Words that say something: of four letters or more, and not among the most common ones. Of
/// scripts without spaces, pairs of characters.
pub(crate) fn significant_words(text: &str) -> HashSet<String> {
    const COMMON: [&str; 36] = [
        "about", "after", "also", "been", "before", "both", "does", "each", "from", "have", "here",
        "into", "just", "like", "more", "most", "only", "other", "over", "same", "some", "such",
        "than", "that", "them", "then", "there", "these", "they", "this", "what", "when", "which",
        "will", "with", "your",
    ];
    let mut words = HashSet::new();
    for word in text.split(|c: char| !c.is_alphanumeric()) {
        let word = word.to_lowercase();
        if word.chars().any(|c| c >= '\u{2e80}') {
            let chars: Vec<char> = word.chars().collect();
            words.extend(chars.windows(2).map(|pair| pair.iter().collect::<String>()));
        } else if word.chars().nth(3).is_some() && !COMMON.contains(&word.as_str()) {
            words.insert(word);
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filter<'a>(known: usize, deltas: impl IntoIterator<Item = &'a str>) -> Vec<Piece> {
        let mut filter = CitationFilter::new(known);
        let mut pieces = Vec::new();
        for delta in deltas {
            filter.push(delta, &mut pieces);
        }
        filter.finish(&mut pieces);
        // How text is cut does not matter.
        let mut joined: Vec<Piece> = Vec::new();
        for piece in pieces {
            match (joined.last_mut(), piece) {
                (Some(Piece::Text(before)), Piece::Text(text)) => before.push_str(&text),
                (_, piece) => joined.push(piece),
            }
        }
        joined
    }

    /// The text, with `{n}` where passage n is cited.
    fn shown(known: usize, text: &str) -> String {
        let mut shown = String::new();
        let mut position = 0;
        for piece in filter(known, [text]) {
            match piece {
                Piece::Text(text) => {
                    position += text.chars().count();
                    shown.push_str(&text);
                }
                Piece::Cite { passage, index } => {
                    assert_eq!(index, position, "in {shown:?}");
                    shown.push_str(&format!("{{{passage}}}"));
                }
            }
        }
        shown
    }

    #[test]
    fn markers_become_citations() {
        for (text, expected) in [
            ("Run it [1].", "Run it{1}."),
            ("Run it [1][2] then", "Run it{1}{2} then"),
            ("Run it [1] [2] then", "Run it{1}{2} then"),
            ("Run it [1, 3] then", "Run it{1}{3} then"),
            ("Run it [1-3].", "Run it{1}{2}{3}."),
            ("Run it 【1】【2†source】.", "Run it{1}{2}."),
            ("Run it [doc:2].", "Run it{2}."),
            ("Run it [^2].", "Run it{2}."),
            ("Run it.[1]\nThen", "Run it.{1}\nThen"),
            ("**Bold**[1] and `code` [2]", "**Bold**{1} and `code`{2}"),
            ("安装它[1]。", "安装它{1}。"),
            ("👋🏽 hello [1]", "👋🏽 hello{1}"),
            ("[1] says so", "{1}says so"),
            ("Run it [1][1]", "Run it{1}"),
            ("- one [1]\n- two [2]\n", "- one{1}\n- two{2}\n"),
            ("(see it [1])", "(see it{1})"),
        ] {
            assert_eq!(shown(3, text), expected);
        }
    }

    #[test]
    fn what_only_looks_like_a_marker_stays() {
        for text in [
            "a[1] and list_[2]",
            "a[1][2]",
            "[1](https://example.com)",
            "![1](image.png)",
            "\\[1\\]",
            "[1]: https://example.com",
            "see [9] and [0] and [1, 9]",
            "`x [1]` and ``y ` [1]``",
            "```\nx [1]\n```\n",
            "```rust\nlet a = b [1];\n",
            "~~~\n[1]\n~~~\n",
            "> ```\n> [1]\n> ```\n",
            "- [ ] task and - [x] done",
            "[link] [1.5] [one]",
            "[12345]",
            "trailing [1",
            "trailing spaces  ",
        ] {
            assert_eq!(shown(3, text), text);
        }
    }

    #[test]
    fn code_that_has_ended_does_not_hide_markers() {
        for (text, expected) in [
            ("```\na[1]\n```\nSo [1].", "```\na[1]\n```\nSo{1}."),
            ("```inline``` [1]", "```inline```{1}"),
            ("an open ` backtick\n\nnext [1]", "an open ` backtick\n\nnext{1}"),
        ] {
            assert_eq!(shown(3, text), expected);
        }
    }

    #[test]
    fn passages_may_become_known_on_the_way() {
        let mut filter = CitationFilter::new(0);
        let mut pieces = Vec::new();
        filter.push("none [1] ", &mut pieces);
        filter.set_known(1);
        filter.push("one [1]", &mut pieces);
        filter.finish(&mut pieces);
        let expected = [Piece::Text("none [1] one".into()), Piece::Cite { passage: 1, index: 12 }];
        assert_eq!(pieces, expected);
    }

    #[test]
    fn text_is_not_held_back_without_a_reason() {
        let mut filter = CitationFilter::new(3);
        let mut pieces = Vec::new();
        filter.push("Hello world", &mut pieces);
        assert_eq!(pieces, [Piece::Text("Hello world".into())]);
    }

    #[test]
    fn only_passages_that_the_answer_uses_are_attached() {
        let passage = |text: &str| Passage {
            id: 1,
            document_title: "T".into(),
            breadcrumbs: Vec::new(),
            url: "/t".into(),
            text: text.into(),
            description: None,
            score: 1.0,
            neighbours: parlor_search::Neighbours::default(),
        };
        let passages = [
            passage("Butterflies migrate southwards every autumn in enormous swarms."),
            passage("Download the archive, unpack it and start the installer as administrator."),
        ];
        let answer = "Unpack the archive and start the installer.";
        assert_eq!(overlapping(answer, "How do I set it up?", &passages, 3), [2]);
        let nothing = "I found nothing about how to unpack the archive or start the installer.";
        let question = "How do I unpack the archive and start the installer?";
        assert!(overlapping(nothing, question, &passages, 3).is_empty());
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_pieces(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "word", " ", "[1]", "[", "1", "]", "(", ":", "\n", "`", "```", "~~~", "【2】",
                    "[1, 2]", "é", "👋🏽", "a[1]", "]: ", "!", ">", "[^1]", "†", "\\",
                ]),
                0..30,
            ),
        ) {
            let text = parts.concat();
            let chars: Vec<String> = text.chars().map(String::from).collect();
            let whole = filter(2, [text.as_str()]);
            prop_assert_eq!(&whole, &filter(2, parts.iter().copied()));
            prop_assert_eq!(&whole, &filter(2, chars.iter().map(String::as_str)));
        }

        #[test]
        fn without_passages_the_text_is_unchanged(text in "[a-c\\[\\]1-3 `\n】【(:>~]{0,60}") {
            let pieces = filter(0, [text.as_str()]);
            let expected = if text.is_empty() { vec![] } else { vec![Piece::Text(text)] };
            prop_assert_eq!(pieces, expected);
        }
    }
}
