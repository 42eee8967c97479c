//! Vectors as they are kept, and the nearest ones to another.
//!
//! A vector is kept as one signed byte a number, with one factor for all of them: a quarter of the
//! memory, and the sums are of whole numbers, which compilers turn into vector instructions. What is
//! lost is below what a fused ranking notices: places, not scores, are what counts.

use std::{
    cmp::{Ordering, Reverse},
    collections::{BinaryHeap, HashSet},
    thread,
};

use crate::index::Match;

/// Bytes of the factor before the numbers.
const FACTOR_BYTES: usize = 4;
/// Longest vector that is kept. The longest of known models have half as many numbers.
pub(crate) const MAX_DIMENSIONS: usize = 8_192;
/// A matrix larger than this is searched by several threads.
const BYTES_FOR_A_THREAD: usize = 16 * 1024 * 1024;
/// At most so many, so that one search leaves processors to others.
const MAX_THREADS: usize = 4;

/// A vector of length one, a byte a number.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Quantised {
    factor: f32,
    numbers: Vec<i8>,
}

impl Quantised {
    /// The direction of a vector. None for one without a direction: empty, all zero, or with
    /// something in it that is no number.
    pub(crate) fn new(vector: &[f32]) -> Option<Self> {
        let length = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt();
        let largest = vector.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
        if !length.is_normal() || !largest.is_normal() || vector.len() > MAX_DIMENSIONS {
            return None;
        }
        let step = largest / 127.0;
        #[expect(clippy::cast_possible_truncation, reason = "within -127 and 127")]
        let numbers = vector.iter().map(|x| (x / step).round() as i8).collect();
        #[expect(clippy::cast_possible_truncation, reason = "a factor between 0 and 1")]
        let factor = (f64::from(step) / length) as f32;
        Some(Self { factor, numbers })
    }

    /// As it is kept: the factor, little end first, then the numbers.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FACTOR_BYTES + self.numbers.len());
        bytes.extend_from_slice(&self.factor.to_le_bytes());
        bytes.extend(self.numbers.iter().map(|n| n.cast_unsigned()));
        bytes
    }

    /// How many numbers it has.
    pub(crate) fn len(&self) -> usize {
        self.numbers.len()
    }
}

/// The numbers of a vector as [`Quantised::to_bytes`] made it, as a list in text: `[1,-2]`. What they are to be multiplied
/// with is left out: the direction is the same.
#[cfg(feature = "postgres")]
pub(crate) fn as_list(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let numbers = bytes.get(FACTOR_BYTES..).unwrap_or_default();
    let mut list = String::with_capacity(numbers.len() * 4 + 2);
    list.push('[');
    for (at, number) in numbers.iter().enumerate() {
        let comma = if at > 0 { "," } else { "" };
        // Writing into a string cannot fail.
        let _ = write!(list, "{comma}{}", number.cast_signed());
    }
    list.push(']');
    list
}

/// Many vectors, one after the other in memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Matrix {
    dimensions: usize,
    numbers: Vec<i8>,
    rows: Vec<Row>,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    passage: i64,
    document: i64,
    factor: f32,
}

impl Matrix {
    pub(crate) fn new(dimensions: usize) -> Self {
        Self { dimensions, ..Self::default() }
    }

    pub(crate) fn dimensions(&self) -> usize {
        self.dimensions
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Adds a vector as [`Quantised::to_bytes`] made it. One of another length is passed over.
    pub(crate) fn push(&mut self, passage: i64, document: i64, bytes: &[u8]) {
        let Some((factor, numbers)) = bytes.split_first_chunk::<FACTOR_BYTES>() else { return };
        if numbers.len() != self.dimensions {
            return;
        }
        let factor = f32::from_le_bytes(*factor);
        self.rows.push(Row { passage, document, factor });
        self.numbers.extend(numbers.iter().map(|n| n.cast_signed()));
    }

    /// Adds all vectors of another matrix, which are as long.
    pub(crate) fn append(&mut self, mut other: Self) {
        if self.rows.is_empty() {
            *self = other;
        } else {
            self.rows.append(&mut other.rows);
            self.numbers.append(&mut other.numbers);
        }
    }

    /// Keeps only these passages.
    pub(crate) fn retain(&mut self, passages: &HashSet<i64>) {
        let mut kept = 0;
        for at in 0..self.rows.len() {
            if !passages.contains(&self.rows[at].passage) {
                continue;
            }
            if kept != at {
                self.rows[kept] = self.rows[at];
                let from = at * self.dimensions;
                self.numbers.copy_within(from..from + self.dimensions, kept * self.dimensions);
            }
            kept += 1;
        }
        self.rows.truncate(kept);
        self.numbers.truncate(kept * self.dimensions);
    }

    /// The `limit` passages whose vectors point most nearly the same way, best first, of these
    /// documents only if some are named. Works through all of them: see decision 0012.
    pub(crate) fn nearest(
        &self,
        to: &Quantised,
        limit: usize,
        documents: Option<&HashSet<i64>>,
    ) -> Vec<Match> {
        if limit == 0 || to.len() != self.dimensions || self.rows.is_empty() {
            return Vec::new();
        }
        let available = thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
        let threads = (self.numbers.len() / BYTES_FOR_A_THREAD + 1).min(available);
        self.nearest_by(threads, to, limit, documents)
    }

    fn nearest_by(
        &self,
        threads: usize,
        to: &Quantised,
        limit: usize,
        documents: Option<&HashSet<i64>>,
    ) -> Vec<Match> {
        let part = self.rows.len().div_ceil(threads);
        let parts = self.rows.chunks(part).zip(self.numbers.chunks(part * self.dimensions));
        let mut best = thread::scope(|scope| {
            let mut parts =
                parts.map(|(rows, numbers)| Part { rows, numbers, to, limit, documents });
            let first = parts.next();
            let others: Vec<_> = parts.map(|part| scope.spawn(move || part.nearest())).collect();
            // This thread does its share.
            let mut best = first.map(|part| part.nearest()).unwrap_or_default();
            for other in others {
                best.extend(other.join().unwrap_or_default());
            }
            best
        });
        best.sort_unstable_by(|a, b| b.cmp(a));
        best.truncate(limit);
        best.into_iter().map(Near::into_match).collect()
    }
}

/// Some of the rows, for one thread.
struct Part<'a> {
    rows: &'a [Row],
    numbers: &'a [i8],
    to: &'a Quantised,
    limit: usize,
    documents: Option<&'a HashSet<i64>>,
}

impl Part<'_> {
    fn nearest(&self) -> Vec<Near> {
        // The worst of the best on top, to be the one that goes.
        let mut best: BinaryHeap<Reverse<Near>> = BinaryHeap::with_capacity(self.limit + 1);
        for (row, numbers) in self.rows.iter().zip(self.numbers.chunks_exact(self.to.len())) {
            if self.documents.is_some_and(|documents| !documents.contains(&row.document)) {
                continue;
            }
            #[expect(clippy::cast_precision_loss, reason = "rounding is below a byte's")]
            let score = dot(&self.to.numbers, numbers) as f32 * row.factor * self.to.factor;
            let near = Near { score, passage: row.passage, document: row.document };
            if best.len() < self.limit {
                best.push(Reverse(near));
            } else if let Some(mut worst) = best.peek_mut()
                && worst.0 < near
            {
                worst.0 = near;
            }
        }
        best.into_iter().map(|Reverse(near)| near).collect()
    }
}

/// A passage and how near it is.
#[derive(Debug, Clone, Copy)]
struct Near {
    score: f32,
    passage: i64,
    document: i64,
}

impl Near {
    fn into_match(self) -> Match {
        Match { passage: self.passage, document: self.document, score: f64::from(self.score) }
    }
}

impl Ord for Near {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then(other.passage.cmp(&self.passage))
    }
}

impl PartialOrd for Near {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Near {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Near {}

/// The sum of products. Products of bytes fit 16 bits and a block's sum 32: shaped so that it
/// becomes vector instructions without asking for any.
fn dot(a: &[i8], b: &[i8]) -> i32 {
    let (a, rest_of_a) = a.as_chunks::<32>();
    let (b, rest_of_b) = b.as_chunks::<32>();
    let mut sum = 0;
    for (a, b) in a.iter().zip(b) {
        let mut block = 0;
        for (x, y) in a.iter().zip(b) {
            block += i32::from(i16::from(*x) * i16::from(*y));
        }
        sum += block;
    }
    for (x, y) in rest_of_a.iter().zip(rest_of_b) {
        sum += i32::from(*x) * i32::from(*y);
    }
    sum
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matrix(vectors: &[Vec<f32>]) -> Matrix {
        let mut matrix = Matrix::new(vectors[0].len());
        for (passage, vector) in (0..).zip(vectors) {
            if let Some(vector) = Quantised::new(vector) {
                matrix.push(passage, passage / 10, &vector.to_bytes());
            }
        }
        matrix
    }

    fn cosine(a: &[f32], b: &[f32]) -> f32 {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
        dot(a, b) / (dot(a, a).sqrt() * dot(b, b).sqrt())
    }

    #[test]
    fn what_has_no_direction_is_no_vector() {
        for vector in [vec![], vec![0.0; 3], vec![f32::NAN, 1.0], vec![f32::INFINITY, 1.0]] {
            assert_eq!(Quantised::new(&vector), None, "{vector:?}");
        }
    }

    #[test]
    fn a_vector_of_another_length_is_passed_over() {
        let mut matrix = Matrix::new(3);
        for bytes in [&[][..], &[1, 2, 3], &[0; 6], &[0; 8]] {
            matrix.push(1, 1, bytes);
        }
        assert_eq!(matrix.len(), 0);
        matrix.push(1, 1, &[0; 7]);
        assert_eq!(matrix.len(), 1);
        let two = Quantised::new(&[1.0, 2.0]).map(|to| matrix.nearest(&to, 5, None).len());
        assert_eq!(two, Some(0));
    }

    #[test]
    fn only_named_documents_are_looked_at_and_gone_passages_go() {
        let vectors: Vec<Vec<f32>> =
            (0..40_u8).map(|n| vec![f32::from(n) + 1.0, 1.0, -2.0]).collect();
        let mut matrix = matrix(&vectors);
        let Some(to) = Quantised::new(&vectors[39]) else { panic!("a direction") };
        let found = |matrix: &Matrix, documents: Option<&HashSet<i64>>| -> Vec<i64> {
            matrix.nearest(&to, 100, documents).iter().map(|found| found.passage).collect()
        };
        assert_eq!(found(&matrix, None).len(), 40);
        let second = found(&matrix, Some(&HashSet::from([1])));
        assert!(second.len() == 10 && second.iter().all(|passage| passage / 10 == 1), "{second:?}");
        matrix.retain(&(5..15).collect());
        let mut left = found(&matrix, None);
        left.sort_unstable();
        assert_eq!(left, (5..15).collect::<Vec<_>>());
    }

    #[test]
    fn several_threads_find_the_same_as_one() {
        let vectors: Vec<Vec<f32>> =
            (0..997_u16).map(|n| vec![f32::from(n % 100) - 50.0, f32::from(n / 7), 20.0]).collect();
        let matrix = matrix(&vectors);
        let Some(to) = Quantised::new(&vectors[500]) else { panic!("a direction") };
        let by_one = matrix.nearest_by(1, &to, 20, None);
        assert!(by_one.windows(2).all(|pair| pair[0].score >= pair[1].score));
        for threads in 2..5 {
            assert_eq!(matrix.nearest_by(threads, &to, 20, None), by_one);
        }
    }

    proptest! {
        #[test]
        fn nearness_is_that_of_the_vectors(
            a in prop::collection::vec(-1.0_f32..1.0, 40),
            b in prop::collection::vec(-1.0_f32..1.0, 40),
        ) {
            let (Some(a_kept), Some(b_kept)) = (Quantised::new(&a), Quantised::new(&b)) else {
                return Ok(());
            };
            let mut matrix = Matrix::new(40);
            matrix.push(1, 1, &a_kept.to_bytes());
            let found = matrix.nearest(&b_kept, 1, None);
            let cosine = f64::from(cosine(&a, &b));
            prop_assert!((found[0].score - cosine).abs() < 0.02, "{} {cosine}", found[0].score);
        }

        #[test]
        fn any_bytes_are_harmless(rows in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..12), 0..20)) {
            let mut matrix = Matrix::new(4);
            for (passage, bytes) in (0..).zip(&rows) {
                matrix.push(passage, passage, bytes);
            }
            if let Some(to) = Quantised::new(&[1.0, -1.0, 0.5, 0.0]) {
                prop_assert!(matrix.nearest(&to, 3, None).len() <= 3);
            }
        }
    }
}
