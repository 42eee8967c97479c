//! Documents in, passages out: chunking, indexing, ranking.
