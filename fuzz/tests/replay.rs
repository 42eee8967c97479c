//! Every input in `corpus` and `regressions`, and copies that were changed a little, keep their
//! property.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{fs, path::Path};

use parlor_fuzz::{PROPERTIES, Property};

fn inputs(of: &str, name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(of).join(name);
    let Ok(files) = fs::read_dir(&folder) else { return Vec::new() };
    let mut inputs: Vec<_> = files
        .map(|file| file.unwrap().path())
        .map(|path| (path.display().to_string(), fs::read(&path).unwrap()))
        .collect();
    inputs.sort();
    inputs
}

fn replay(name: &str) {
    let property: Property = PROPERTIES.iter().find(|(known, _)| *known == name).unwrap().1;
    property(b"");
    let corpus = inputs("corpus", name);
    assert!(!corpus.is_empty(), "there is nothing in corpus/{name}");
    let inputs: Vec<_> =
        corpus.into_iter().chain(inputs("regressions", name)).map(|(_, input)| input).collect();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for input in &inputs {
        property(input);
        for _ in 0..mutations() {
            property(&dice.mutated(input, &inputs));
        }
    }
}

/// How many changed copies of each input are tried: few, as this is no fuzzer. More can be asked
/// for where there is none.
fn mutations() -> usize {
    std::env::var("PARLOR_FUZZ_MUTATIONS").ok().and_then(|count| count.parse().ok()).unwrap_or(10)
}

/// The same numbers in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, count: usize) -> usize {
        // Xorshift: good enough to choose with.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % count.max(1)
    }

    /// A copy that is cut, or has bytes or whole pieces of another input where they do not belong.
    fn mutated(&mut self, input: &[u8], others: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = input.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len() + 1);
            let end = (at + self.below(40)).min(bytes.len());
            match self.below(6) {
                0 => bytes.truncate(at),
                1 => drop(bytes.drain(at..end)),
                2 => bytes.insert(at, u8::try_from(self.below(256)).unwrap()),
                3 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                4 => {
                    let copy = bytes[at..end].to_vec();
                    bytes.splice(at..at, copy);
                }
                _ => {
                    let other = &others[self.below(others.len())];
                    let from = self.below(other.len() + 1);
                    let to = (from + self.below(60)).min(other.len());
                    bytes.splice(at..at, other[from..to].iter().copied());
                }
            }
        }
        bytes
    }
}

#[test]
fn requests_are_read_or_refused() {
    replay("request");
}

#[test]
fn responses_are_read_or_refused_however_they_are_cut() {
    replay("http_response");
}

#[test]
fn streams_of_models_are_decoded_however_they_are_cut() {
    replay("model_stream");
}

#[test]
fn runs_of_agents_elsewhere_are_decoded_however_they_are_cut() {
    replay("agent_run");
}

#[test]
fn updates_of_widgets_lead_to_the_new_version() {
    replay("widget_diff");
}

#[test]
fn documents_are_indexed_and_rendered() {
    replay("documents");
}

#[test]
fn questions_are_searched_for() {
    replay("search");
}

#[test]
fn requests_in_any_order_meet_no_internal_error() {
    replay("engine");
}

#[test]
fn uploads_are_taken_as_what_they_are_or_refused() {
    replay("upload");
}

#[test]
fn tokens_are_believed_or_refused() {
    replay("token");
}

#[test]
fn pdfs_have_a_text_or_a_reason_why_not() {
    replay("pdf");
}

#[test]
fn sitemaps_and_robots_are_read_or_refused() {
    replay("site");
}
