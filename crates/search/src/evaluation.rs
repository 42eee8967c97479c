//! Measuring retrieval: how much of what answers a question is found, and how high it stands.

use crate::Passage;

/// A question, and what answers it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// As a person asks it.
    pub ask: String,
    /// The addresses of what answers it: with `#anchor` a section, without any passage of the page.
    pub answers: Vec<String>,
    /// The page from which it is asked.
    #[serde(default)]
    pub page: Option<String>,
    /// Of which tenant who asks is.
    #[serde(default)]
    pub tenant: Option<String>,
}

/// How well one question was answered by a list of passages.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize)]
pub struct Judgement {
    /// The share of the answers that are in the list.
    pub recall: f64,
    /// Normalised discounted cumulative gain: like recall, and the higher an answer stands, the
    /// more it counts. An answer counts where it is first found.
    pub ndcg: f64,
    /// One divided by the place of the first answer; 0 without one.
    pub reciprocal_rank: f64,
}

impl Question {
    /// Judges the first `k` passages of a list.
    pub fn judge(&self, passages: &[Passage], k: usize) -> Judgement {
        let urls: Vec<&str> = passages.iter().map(|passage| passage.url.as_str()).collect();
        self.judge_urls(&urls, k)
    }

    fn judge_urls(&self, urls: &[&str], k: usize) -> Judgement {
        let mut open: Vec<&str> = self.answers.iter().map(String::as_str).collect();
        open.sort_unstable();
        open.dedup();
        let wanted = open.len();
        if wanted == 0 {
            return Judgement::default();
        }
        let mut judgement = Judgement::default();
        let mut gain = 0.0;
        for (place, url) in urls.iter().take(k).enumerate() {
            let before = open.len();
            open.retain(|answer| !is_answered(answer, url));
            if open.len() < before {
                // One passage may be two answers; it stands at one place, and counts once there.
                gain += gain_at(place);
                if judgement.reciprocal_rank == 0.0 {
                    judgement.reciprocal_rank = 1.0 / as_f64(place + 1);
                }
            }
        }
        let best: f64 = (0..wanted.min(k)).map(gain_at).sum();
        judgement.recall = as_f64(wanted - open.len()) / as_f64(wanted);
        judgement.ndcg = if best > 0.0 { gain / best } else { 0.0 };
        judgement
    }
}

impl Judgement {
    /// The mean of many.
    pub fn mean(all: &[Self]) -> Self {
        let mean = |figure: fn(&Self) -> f64| {
            if all.is_empty() {
                0.0
            } else {
                all.iter().map(figure).sum::<f64>() / as_f64(all.len())
            }
        };
        Self {
            recall: mean(|one| one.recall),
            ndcg: mean(|one| one.ndcg),
            reciprocal_rank: mean(|one| one.reciprocal_rank),
        }
    }
}

/// Whether a passage at this address is, or is part of, what an answer names.
fn is_answered(answer: &str, url: &str) -> bool {
    if answer.contains('#') {
        return answer == url;
    }
    url.split('#').next().unwrap_or(url) == answer
}

fn gain_at(place: usize) -> f64 {
    1.0 / as_f64(place + 2).log2()
}

fn as_f64(count: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    {
        count as f64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn question(answers: &[&str]) -> Question {
        Question {
            ask: "?".into(),
            answers: answers.iter().map(ToString::to_string).collect(),
            page: None,
            tenant: None,
        }
    }

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn figures_are_those_of_the_books() {
        let both = question(&["/a#x", "/b"]);
        let perfect = both.judge_urls(&["/a#x", "/b#anything"], 5);
        assert_eq!(perfect, Judgement { recall: 1.0, ndcg: 1.0, reciprocal_rank: 1.0 });
        let late = both.judge_urls(&["/z", "/a#y", "/b"], 5);
        assert!(near(late.recall, 0.5) && near(late.reciprocal_rank, 1.0 / 3.0), "{late:?}");
        assert!(near(late.ndcg, 0.5 / (1.0 + 1.0 / 3.0_f64.log2())), "{late:?}");
        assert_eq!(both.judge_urls(&["/z", "/y", "/b"], 2), Judgement::default());
        assert_eq!(question(&[]).judge_urls(&["/a"], 2), Judgement::default());
        let mean = Judgement::mean(&[perfect, Judgement::default()]);
        assert_eq!(mean, Judgement { recall: 0.5, ndcg: 0.5, reciprocal_rank: 0.5 });
        assert_eq!(Judgement::mean(&[]), Judgement::default());
    }

    #[test]
    fn the_same_page_twice_is_one_answer() {
        let twice = question(&["/a"]).judge_urls(&["/a#x", "/a#y", "/a"], 5);
        assert_eq!(twice, Judgement { recall: 1.0, ndcg: 1.0, reciprocal_rank: 1.0 });
        assert_eq!(question(&["/a"]).judge_urls(&["/ab#x"], 5), Judgement::default());
    }

    proptest! {
        #[test]
        fn figures_stay_between_nothing_and_all(
            answers in prop::collection::vec("/[a-c](#[xy])?", 0..4),
            urls in prop::collection::vec("/[a-d](#[xy])?", 0..8),
            k in 0_usize..10,
        ) {
            let answers: Vec<&str> = answers.iter().map(String::as_str).collect();
            let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
            let judged = question(&answers).judge_urls(&urls, k);
            for figure in [judged.recall, judged.ndcg, judged.reciprocal_rank] {
                prop_assert!((0.0..=1.0 + 1e-9).contains(&figure), "{judged:?}");
            }
            prop_assert_eq!(judged.recall > 0.0, judged.reciprocal_rank > 0.0);
        }
    }
}
