//! Anchors of headings, as GitHub and Docusaurus make them.

use std::collections::{HashMap, HashSet};

/// The anchor of a heading, without regard to other headings: lower case, spaces as hyphens,
/// letters, digits, marks, underscores and hyphens kept, everything else dropped.
///
/// ```
/// assert_eq!(parlor_search::slugify_heading("What's new in 2.0?"), "whats-new-in-20");
/// ```
#[must_use]
pub fn slugify_heading(text: &str) -> String {
    text.chars()
        .flat_map(char::to_lowercase)
        .filter_map(|c| match c {
            ' ' => Some('-'),
            '-' => Some('-'),
            c if is_kept(c) => Some(c),
            _ => None,
        })
        .collect()
}

/// Makes the anchors of one document's headings, in document order: repeated headings get `-1`,
/// `-2` and so on.
#[derive(Debug, Clone, Default)]
pub struct Slugger {
    used: HashSet<String>,
    repeats: HashMap<String, usize>,
}

impl Slugger {
    /// For a new document.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The anchor of the next heading.
    pub fn slug(&mut self, heading: &str) -> String {
        let base = slugify_heading(heading);
        let mut slug = base.clone();
        while self.used.contains(&slug) {
            let repeats = self.repeats.entry(base.clone()).or_default();
            *repeats += 1;
            slug = format!("{base}-{repeats}");
        }
        self.used.insert(slug.clone());
        slug
    }

    /// Notes an anchor that the document sets itself, so that no other heading gets it.
    pub fn reserve(&mut self, anchor: &str) {
        self.used.insert(anchor.to_owned());
    }
}

/// Letters, marks, decimal digits and connecting punctuation. The standard library knows letters
/// and numbers; the common marks and the numbers that are no digits are listed here.
fn is_kept(c: char) -> bool {
    let mark = matches!(c,
        '\u{0300}'..='\u{036F}' | '\u{0483}'..='\u{0489}' | '\u{0591}'..='\u{05BD}'
        | '\u{064B}'..='\u{065F}' | '\u{093C}' | '\u{094D}' | '\u{09BC}' | '\u{09CD}'
        | '\u{0E38}'..='\u{0E3A}' | '\u{0E47}'..='\u{0E4E}' | '\u{20D0}'..='\u{20F0}'
        | '\u{3099}' | '\u{309A}' | '\u{FE00}'..='\u{FE0F}' | '\u{FE20}'..='\u{FE2F}');
    let connector = matches!(
        c,
        '_' | '\u{203F}' | '\u{2040}' | '\u{2054}' | '\u{FE33}' | '\u{FE34}' | '\u{FE4D}'
            ..='\u{FE4F}' | '\u{FF3F}'
    );
    let not_a_digit = matches!(c,
        '\u{B2}' | '\u{B3}' | '\u{B9}' | '\u{BC}'..='\u{BE}' | '\u{2070}'..='\u{2089}'
        | '\u{2150}'..='\u{215F}' | '\u{2189}' | '\u{2460}'..='\u{249B}'
        | '\u{24EA}'..='\u{24FF}' | '\u{2776}'..='\u{2793}' | '\u{3192}'..='\u{3195}'
        | '\u{3220}'..='\u{3229}' | '\u{3248}'..='\u{324F}' | '\u{3251}'..='\u{325F}'
        | '\u{3280}'..='\u{3289}' | '\u{32B1}'..='\u{32BF}');
    mark || connector || c.is_alphabetic() || (c.is_numeric() && !not_a_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_become_the_anchors_readers_know() {
        for (heading, anchor) in [
            ("Install", "install"),
            ("`parlor serve` & friends", "parlor-serve--friends"),
            ("PARLOR_DATABASE_URL", "parlor_database_url"),
            ("What's new? 2.0", "whats-new-20"),
            ("Über-Größe", "über-größe"),
            ("日本語の見出し", "日本語の見出し"),
            ("x² and ①", "x-and-"),
            ("🎉", ""),
        ] {
            assert_eq!(slugify_heading(heading), anchor, "{heading}");
        }
    }

    #[test]
    fn repeated_headings_are_numbered_without_collisions() {
        let mut slugger = Slugger::new();
        slugger.reserve("custom");
        let slugs: Vec<_> =
            ["Foo", "Foo", "Foo 1", "foo", "Custom"].iter().map(|h| slugger.slug(h)).collect();
        assert_eq!(slugs, ["foo", "foo-1", "foo-1-1", "foo-2", "custom-1"]);
    }
}
