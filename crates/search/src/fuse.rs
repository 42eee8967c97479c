//! One ranking out of several.

use std::collections::{HashMap, HashSet};

use crate::index::Match;

/// How little the very first places count above the next ones: the constant of reciprocal rank fusion.
/// 60 in its paper (Cormack, Clarke and Büttcher, 2009), which fuses rankings that are alike. These
/// are not: with 60, passages in the middle of both lists pass the best of either.
const K: f64 = 3.0;
/// What a place by words counts, where one by meaning counts 1. With both constants the best passage
/// by words is among the first six whatever the vectors say, so that a name or an error message is
/// found. Chosen on one half of the questions in `tests/retrieval`; the other half and all of them are
/// in `docs/retrieval.md`.
pub(crate) const WORDS: f64 = 0.5;
/// What a place by meaning counts.
pub(crate) const MEANING: f64 = 1.0;
/// What being on the reader's page multiplies a score by, where scores are made of ranks. A passage
/// of the page passes others whose places are up to a third of its own, and no more.
const ON_PAGE_OF_RANKS: f64 = 3.0;
/// The same where scores are sums of BM25, which lie further apart.
const ON_PAGE_OF_WORDS: f64 = 1.3;

/// Fuses rankings by reciprocal ranks: only places count, as the scores of different kinds of
/// search cannot be compared. Each list is best first, and comes with what a place in it counts.
pub(crate) fn by_ranks(lists: &[(f64, &[Match])]) -> Vec<Match> {
    let mut fused: HashMap<i64, Match> = HashMap::new();
    for (weight, list) in lists {
        for (place, found) in list.iter().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "at most some hundreds")]
            let worth = weight / (K + place as f64 + 1.0);
            fused
                .entry(found.passage)
                .and_modify(|known| known.score += worth)
                .or_insert(Match { score: worth, ..*found });
        }
    }
    let mut fused: Vec<Match> = fused.into_values().collect();
    sort(&mut fused);
    fused
}

/// Lifts the passages of the reader's page in a ranking that was fused.
pub(crate) fn lift_in_ranks(matches: &mut [Match], page: &HashSet<i64>) {
    lift(matches, page, ON_PAGE_OF_RANKS);
}

/// Lifts the passages of the reader's page in a ranking by BM25.
pub(crate) fn lift_in_words(matches: &mut [Match], page: &HashSet<i64>) {
    lift(matches, page, ON_PAGE_OF_WORDS);
}

fn lift(matches: &mut [Match], page: &HashSet<i64>, by: f64) {
    if page.is_empty() {
        return;
    }
    for found in matches.iter_mut().filter(|found| page.contains(&found.document)) {
        found.score *= by;
    }
    sort(matches);
}

/// Best first, equal ones in the order of the documents.
pub(crate) fn sort(matches: &mut [Match]) {
    matches.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.passage.cmp(&b.passage)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(passage: i64, score: f64) -> Match {
        Match { passage, document: passage / 10, score }
    }

    fn order(matches: &[Match]) -> Vec<i64> {
        matches.iter().map(|found| found.passage).collect()
    }

    #[test]
    fn what_several_rankings_agree_on_comes_first() {
        let words = [found(1, 90.0), found(2, 5.0), found(3, 4.0)];
        let meaning = [found(4, 0.9), found(2, 0.8), found(3, 0.1)];
        assert_eq!(order(&by_ranks(&[(1.0, &words), (1.0, &meaning)])), [2, 3, 1, 4]);
        assert_eq!(order(&by_ranks(&[(1.0, &words), (1.0, &[])])), [1, 2, 3]);
        assert!(by_ranks(&[]).is_empty());
    }

    #[test]
    fn the_best_by_words_is_among_the_first_six_whatever_the_vectors_say() {
        let words: Vec<Match> = (0..100).map(|n| found(1_000 + n, 1.0)).collect();
        let meaning: Vec<Match> = (0..100).map(|n| found(n, 1.0)).collect();
        let fused = by_ranks(&[(WORDS, &words), (MEANING, &meaning)]);
        assert_eq!(fused[0].passage, 0);
        assert!(fused[..6].iter().any(|found| found.passage == 1_000), "{:?}", order(&fused[..6]));
    }

    #[test]
    fn the_readers_page_passes_its_neighbours_and_not_the_whole_list() {
        let words: Vec<Match> = (0..60).map(|n| found(n * 10, 1.0)).collect();
        let place_of = |page: i64| {
            let mut fused = by_ranks(&[(1.0, &words)]);
            lift_in_ranks(&mut fused, &HashSet::from([page]));
            fused.iter().position(|found| found.document == page)
        };
        assert_eq!(place_of(7), Some(0));
        assert!(place_of(40).is_some_and(|place| (8..20).contains(&place)), "{:?}", place_of(40));
    }
}
