//! The stems of English words, by Porter's algorithm (M. F. Porter, "An algorithm for suffix stripping", 1980): what
//! FTS5's tokenizer `porter` does for the index in SQLite, for an index elsewhere. A test holds the two together.

/// Longest word that has a stem of its own, in bytes, and shortest.
const LENGTHS: std::ops::RangeInclusive<usize> = 3..=64;

/// The stem of a word of small ASCII letters and digits; any other word is its own.
pub(crate) fn stem(word: &str) -> String {
    if !LENGTHS.contains(&word.len()) || !word.is_ascii() {
        return word.to_owned();
    }
    let mut word = Word(word.as_bytes().to_vec());
    word.plurals();
    word.past_and_progressive();
    if word.0.last() == Some(&b'y') && word.has_vowel(word.0.len() - 1) {
        word.replace(1, b"i");
    }
    word.first_that_fits(SECOND, 0);
    word.first_that_fits(THIRD, 0);
    word.fourth();
    word.last_letters();
    // ASCII in, ASCII out.
    String::from_utf8(word.0).unwrap_or_default()
}

type Rule = (&'static [u8], &'static [u8]);

/// Steps 2 and 3: what becomes what, behind a stem with a measure above 0. Of those that end alike the longest first.
const SECOND: &[Rule] = &[
    (b"ational", b"ate"),
    (b"tional", b"tion"),
    (b"enci", b"ence"),
    (b"anci", b"ance"),
    (b"izer", b"ize"),
    (b"logi", b"log"),
    (b"bli", b"ble"),
    (b"alli", b"al"),
    (b"entli", b"ent"),
    (b"eli", b"e"),
    (b"ousli", b"ous"),
    (b"ization", b"ize"),
    (b"ation", b"ate"),
    (b"ator", b"ate"),
    (b"alism", b"al"),
    (b"iveness", b"ive"),
    (b"fulness", b"ful"),
    (b"ousness", b"ous"),
    (b"aliti", b"al"),
    (b"iviti", b"ive"),
    (b"biliti", b"ble"),
];
const THIRD: &[Rule] = &[
    (b"icate", b"ic"),
    (b"ative", b""),
    (b"alize", b"al"),
    (b"iciti", b"ic"),
    (b"ical", b"ic"),
    (b"ful", b""),
    (b"ness", b""),
];
/// Step 4: what goes, behind a stem with a measure above 1.
const FOURTH: &[Rule] = &[
    (b"al", b""),
    (b"ance", b""),
    (b"ence", b""),
    (b"er", b""),
    (b"ic", b""),
    (b"able", b""),
    (b"ible", b""),
    (b"ant", b""),
    (b"ement", b""),
    (b"ment", b""),
    (b"ent", b""),
    (b"ion", b""),
    (b"ou", b""),
    (b"ism", b""),
    (b"ate", b""),
    (b"iti", b""),
    (b"ous", b""),
    (b"ive", b""),
    (b"ize", b""),
];

struct Word(Vec<u8>);

impl Word {
    fn ends(&self, with: &[u8]) -> bool {
        self.0.ends_with(with)
    }

    fn replace(&mut self, length: usize, by: &[u8]) {
        self.0.truncate(self.0.len() - length);
        self.0.extend_from_slice(by);
    }

    fn is_consonant(&self, at: usize) -> bool {
        match self.0[at] {
            b'a' | b'e' | b'i' | b'o' | b'u' => false,
            // A consonant at the beginning and after a vowel.
            b'y' => at == 0 || !self.is_consonant(at - 1),
            _ => true,
        }
    }

    fn has_vowel(&self, length: usize) -> bool {
        (0..length).any(|at| !self.is_consonant(at))
    }

    /// How often a consonant follows a vowel among the first letters.
    fn measure(&self, length: usize) -> usize {
        (1..length).filter(|&at| self.is_consonant(at) && !self.is_consonant(at - 1)).count()
    }

    fn doubles(&self) -> bool {
        let length = self.0.len();
        length > 1 && self.0[length - 1] == self.0[length - 2] && self.is_consonant(length - 1)
    }

    /// Consonant, vowel, consonant, the last none of `w`, `x`, `y`.
    fn is_short(&self, length: usize) -> bool {
        length > 2
            && self.is_consonant(length - 1)
            && !self.is_consonant(length - 2)
            && self.is_consonant(length - 3)
            && !matches!(self.0[length - 1], b'w' | b'x' | b'y')
    }

    fn plurals(&mut self) {
        if self.ends(b"sses") || self.ends(b"ies") {
            self.replace(2, b"");
        } else if self.ends(b"s") && !self.ends(b"ss") {
            self.replace(1, b"");
        }
    }

    fn past_and_progressive(&mut self) {
        let length = self.0.len();
        if self.ends(b"eed") {
            if self.measure(length - 3) > 0 {
                self.replace(1, b"");
            }
            return;
        }
        let Some(ending) = [b"ed".as_slice(), b"ing"].into_iter().find(|ending| self.ends(ending))
        else {
            return;
        };
        if !self.has_vowel(length - ending.len()) {
            return;
        }
        self.replace(ending.len(), b"");
        if self.ends(b"at") || self.ends(b"bl") || self.ends(b"iz") {
            self.0.push(b'e');
        } else if self.doubles() && !matches!(self.0.last(), Some(b'l' | b's' | b'z')) {
            self.0.pop();
        } else if self.measure(self.0.len()) == 1 && self.is_short(self.0.len()) {
            self.0.push(b'e');
        }
    }

    fn first_that_fits(&mut self, rules: &[Rule], above: usize) {
        let Some((ending, by)) = rules.iter().find(|(ending, _)| self.ends(ending)) else { return };
        if self.measure(self.0.len() - ending.len()) > above {
            self.replace(ending.len(), by);
        }
    }

    fn fourth(&mut self) {
        if self.ends(b"ion") && !self.ends(b"sion") && !self.ends(b"tion") {
            return;
        }
        self.first_that_fits(FOURTH, 1);
    }

    fn last_letters(&mut self) {
        if self.ends(b"e") {
            let before = self.0.len() - 1;
            let measure = self.measure(before);
            if measure > 1 || (measure == 1 && !self.is_short(before)) {
                self.0.pop();
            }
        }
        if self.ends(b"ll") && self.measure(self.0.len()) > 1 {
            self.0.pop();
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use sqlx::{Connection as _, SqliteConnection};

    use super::*;

    #[test]
    fn forms_of_a_word_have_one_stem() {
        for (word, stemmed) in [
            ("caresses", "caress"),
            ("ponies", "poni"),
            ("agreed", "agre"),
            ("plastered", "plaster"),
            ("hopping", "hop"),
            ("falling", "fall"),
            ("filing", "file"),
            ("happy", "happi"),
            ("sky", "sky"),
            ("relational", "relat"),
            ("conditional", "condit"),
            ("adjustment", "adjust"),
            ("adoption", "adopt"),
            ("probate", "probat"),
            ("controlling", "control"),
            ("http2", "http2"),
            ("as", "as"),
        ] {
            assert_eq!(stem(word), stemmed, "{word}");
        }
    }

    #[tokio::test]
    async fn stems_are_those_of_the_index_in_sqlite() {
        // Every beginning and every ending that a rule looks at, and what stands in our documentation.
        let mut words: Vec<String> = Vec::new();
        // Only what is no ending itself: FTS5 makes less of `sses` and `yying`, which are no words.
        let beginnings = ["a", "t", "tr", "ab", "rel", "oper", "happ", "controll", "abab"];
        let endings = SECOND.iter().chain(THIRD).chain(FOURTH).map(|(ending, _)| *ending);
        let more: [&[u8]; 14] = [
            b"s", b"ss", b"sses", b"ies", b"eed", b"ed", b"ing", b"ying", b"y", b"e", b"ll",
            b"sion", b"tion", b"bling",
        ];
        for ending in endings.chain(more) {
            for beginning in beginnings {
                for last in ["", "s", "ly", "ed"] {
                    words.push(format!("{beginning}{}{last}", str::from_utf8(ending).unwrap()));
                }
            }
        }
        let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs");
        for entry in std::fs::read_dir(docs).unwrap() {
            let Ok(text) = std::fs::read_to_string(entry.unwrap().path()) else { continue };
            let found = text.split(|c: char| !c.is_ascii_alphanumeric());
            words.extend(found.filter(|word| !word.is_empty()).map(str::to_ascii_lowercase));
        }
        words.sort();
        words.dedup();
        assert!(words.len() > 4_000, "{}", words.len());

        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        for sql in [
            "CREATE VIRTUAL TABLE w USING fts5 (word, tokenize = 'porter unicode61')",
            "CREATE VIRTUAL TABLE v USING fts5vocab (w, instance)",
        ] {
            sqlx::query(sql).execute(&mut connection).await.unwrap();
        }
        sqlx::query("INSERT INTO w (rowid, word) SELECT key, value FROM json_each(?1)")
            .bind(serde_json::Value::from(words.clone()).to_string())
            .execute(&mut connection)
            .await
            .unwrap();
        let stems: Vec<(i64, String)> =
            sqlx::query_as("SELECT doc, term FROM v").fetch_all(&mut connection).await.unwrap();
        assert_eq!(stems.len(), words.len());
        let wrong: Vec<_> = stems
            .iter()
            .map(|(at, theirs)| (&words[usize::try_from(*at).unwrap()], theirs))
            .filter(|(word, theirs)| stem(word) != **theirs)
            .map(|(word, theirs)| format!("{word}: {} and not {theirs}", stem(word)))
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}
