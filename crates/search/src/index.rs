use std::{
    collections::{HashMap, HashSet},
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, Utc};
use sqlx::{
    Row, SqlSafeStr, SqlitePool,
    migrate::{Migration, MigrationType, Migrator},
    sqlite::{
        SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
    },
};

use crate::{
    Passage, PassageSearch, SearchError, SearchFuture,
    query::{self, Term},
};

/// Its own table: the chat's store keeps its migrations in the same file.
const MIGRATIONS_TABLE: &str = "_parlor_search_migrations";
/// How long a statement waits while another connection writes to the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection unused for this long is closed, and its page cache with it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Most passages of one document in a result list: ten passages of one page answer less than
/// three each of three pages.
const MAX_PER_DOCUMENT: usize = 3;
/// Longest result list that is computed.
const MAX_LIMIT: usize = 100;
/// A term found in more passages than this is common. Ranking costs time for each matching
/// passage, and a word that is nearly everywhere hardly changes the order.
const COMMON: i64 = 800;
/// How many passages are ranked when a query has only common words.
const RANKED_OF_COMMON: i64 = 2_000;

/// A search index in a SQLite file, usually the one that holds the chat.
///
/// Cheap to clone; all clones share the connections.
#[derive(Debug, Clone)]
pub struct SqliteIndex {
    pools: Arc<Pools>,
}

#[derive(Debug)]
struct Pools {
    reader: SqlitePool,
    writer: SqlitePool,
}

/// How much an index holds.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct IndexStats {
    /// Documents that have passages.
    pub documents: u64,
    /// Passages in all documents.
    pub passages: u64,
    /// When an ingest last ended well, if one ever did.
    pub last_ingest_at: Option<DateTime<Utc>>,
}

impl SqliteIndex {
    /// Opens the index, creating the file and the tables where they are missing.
    ///
    /// Accepts `sqlite://path`, `sqlite::memory:` (private to this value) and a plain path.
    ///
    /// # Errors
    ///
    /// [`SearchError::Database`] when the file can't be opened, [`SearchError::Migrate`] when its
    /// tables can't be prepared, for instance because a newer version made them.
    pub async fn open(url: &str) -> Result<Self, SearchError> {
        let options = if url.starts_with("sqlite:") {
            SqliteConnectOptions::from_str(url)?
        } else if url == ":memory:" {
            SqliteConnectOptions::from_str("sqlite::memory:")?
        } else {
            SqliteConnectOptions::new().filename(url)
        };
        let in_memory = is_memory(url);
        let options = options
            .create_if_missing(true)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            // The index can be built again, so a power cut may cost the last moment of an ingest.
            // What the chat commits through its own connections stays as durable as it asks for.
            .synchronous(SqliteSynchronous::Normal)
            .statement_cache_capacity(16)
            // Negative: KiB. The operating system caches the file as well.
            .pragma("cache_size", "-1024");
        let pools = if in_memory {
            // Every further connection would see another database.
            let pool = SqlitePoolOptions::new()
                .max_connections(1)
                .idle_timeout(None)
                .max_lifetime(None)
                .connect_with(options)
                .await?;
            Pools { reader: pool.clone(), writer: pool }
        } else {
            let options = options.journal_mode(SqliteJournalMode::Wal);
            let pool = |connections| {
                SqlitePoolOptions::new()
                    .max_connections(connections)
                    .min_connections(0)
                    .idle_timeout(IDLE_TIMEOUT)
            };
            let writer =
                pool(1).connect_with(options.clone().pragma("cache_size", "-4096")).await?;
            Pools { reader: pool(2).connect_lazy_with(options), writer }
        };
        let index = Self { pools: Arc::new(pools) };
        index.migrate().await?;
        Ok(index)
    }

    async fn migrate(&self) -> Result<(), SearchError> {
        let mut migrator = Migrator::with_migrations(vec![Migration::new(
            1,
            "documents and passages".into(),
            MigrationType::Simple,
            include_str!("../migrations/0001_documents_and_passages.sql").into_sql_str(),
            false,
        )]);
        migrator.dangerous_set_table_name(MIGRATIONS_TABLE);
        let mut attempt = 0;
        loop {
            match migrator.run(self.writer()).await {
                Ok(()) => return Ok(()),
                // The driver takes no lock on SQLite: a server and an ingest that start together
                // both try, and the loser finds the tables there the next time.
                Err(
                    sqlx::migrate::MigrateError::Execute(_)
                    | sqlx::migrate::MigrateError::ExecuteMigration(..),
                ) if attempt < 3 => {
                    attempt += 1;
                    tokio::time::sleep(Duration::from_millis(50 * attempt)).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    pub(crate) fn writer(&self) -> &SqlitePool {
        &self.pools.writer
    }

    pub(crate) fn reader(&self) -> &SqlitePool {
        &self.pools.reader
    }

    /// How much the index holds.
    ///
    /// # Errors
    ///
    /// [`SearchError::Database`] when the database can't be read.
    pub async fn stats(&self) -> Result<IndexStats, SearchError> {
        let row = sqlx::query(
            "SELECT (SELECT count(*) FROM search_documents) AS documents,
                    (SELECT count(*) FROM search_passages) AS passages,
                    (SELECT last_ingest_at FROM search_state WHERE id = 1) AS last_ingest_at",
        )
        .fetch_one(self.reader())
        .await?;
        let last: Option<String> = row.try_get("last_ingest_at")?;
        Ok(IndexStats {
            documents: count(&row, "documents")?,
            passages: count(&row, "passages")?,
            last_ingest_at: last
                .and_then(|at| DateTime::parse_from_rfc3339(&at).ok())
                .map(|at| at.with_timezone(&Utc)),
        })
    }

    /// At most `limit` passages for what a person typed, best first.
    ///
    /// Any text is a valid query; one without a word to look for finds nothing. Passages match
    /// when they hold any of the words, and rank by BM25 with titles and headings above text.
    /// When nothing matches, the words are tried as beginnings of longer ones.
    ///
    /// # Errors
    ///
    /// [`SearchError::Database`] when the database can't be read.
    pub async fn search(&self, query: &str, limit: usize) -> Result<Vec<Passage>, SearchError> {
        let limit = limit.min(MAX_LIMIT);
        let terms = query::terms(query);
        if limit == 0 || terms.is_empty() {
            return Ok(Vec::new());
        }
        let mut matches = self.matches(&terms, limit).await?;
        if matches.is_empty() {
            matches = self.matches(&query::loosened(&terms), limit).await?;
        }
        // Some more than asked for: pages that exist twice hold the same passages.
        let mut chosen = diverse(matches);
        chosen.truncate(limit * 3);
        let mut passages = self.passages(&chosen).await?;
        let mut seen = HashSet::new();
        passages.retain(|passage| seen.insert(passage.text.trim().to_owned()));
        passages.truncate(limit);
        passages.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
        Ok(passages)
    }

    /// The best matches of any of the terms, without their texts: enough for the diversity rule
    /// to choose from.
    async fn matches(&self, terms: &[Term], limit: usize) -> Result<Vec<Match>, SearchError> {
        let depth = i64::try_from((limit * 20).clamp(100, 400)).unwrap_or(i64::MAX);
        let counted = self.count(terms).await?;
        let Some(rarest) = counted.terms.first() else { return Ok(Vec::new()) };
        if rarest.found > COMMON {
            return self.matches_of_common(&counted.terms, limit, depth).await;
        }
        self.matches_of_terms(&counted.worth_ranking(), depth).await
    }

    /// How often each term is found, at most a little more than [`COMMON`] times, rarest first.
    async fn count(&self, terms: &[Term]) -> Result<Counted, SearchError> {
        let expressions: Vec<String> = terms.iter().map(Term::expression).collect();
        let rows = sqlx::query(
            "SELECT term.value AS expression,
                    (SELECT count(*) FROM (
                        SELECT 1 FROM search_words WHERE search_words MATCH term.value LIMIT ?2
                    )) AS found,
                    (SELECT count(*) FROM search_passages) AS passages
             FROM json_each(?1) AS term ORDER BY term.key",
        )
        .bind(json(&expressions))
        .bind(COMMON + 1)
        .fetch_all(self.reader())
        .await?;
        let mut counted = Counted { passages: 0, terms: Vec::with_capacity(rows.len()) };
        for row in &rows {
            counted.passages = row.try_get("passages")?;
            let found: i64 = row.try_get("found")?;
            if found > 0 {
                counted.terms.push(CountedTerm { expression: row.try_get("expression")?, found });
            }
        }
        // Stable: among equals the query's own order.
        counted.terms.sort_by_key(|term| term.found);
        Ok(counted)
    }

    /// For a query of nothing but words that are nearly everywhere: passages with all of them,
    /// first of all those with one in a heading; if there are too few, those with the least common
    /// word. Of each kind no more than [`RANKED_OF_COMMON`] are ranked.
    async fn matches_of_common(
        &self,
        terms: &[CountedTerm],
        limit: usize,
        depth: i64,
    ) -> Result<Vec<Match>, SearchError> {
        let words: Vec<&str> = terms.iter().take(4).map(|term| term.expression.as_str()).collect();
        let all = words.join(" AND ");
        let in_heading = format!("({all}) AND {{title headings}} : ({})", words.join(" OR "));
        let mut matches: Vec<Match> = Vec::new();
        for expression in [in_heading.as_str(), all.as_str(), words[0]] {
            let more = self.matches_of_expression(expression, depth).await?;
            let known: HashSet<i64> = matches.iter().map(|found| found.passage).collect();
            matches.extend(more.into_iter().filter(|found| !known.contains(&found.passage)));
            if matches.len() >= limit * 4 {
                break;
            }
        }
        Ok(matches)
    }

    /// Ranked by FTS5 itself.
    async fn matches_of_expression(
        &self,
        expression: &str,
        depth: i64,
    ) -> Result<Vec<Match>, SearchError> {
        let rows = sqlx::query(
            "SELECT best.passage, p.document_id, best.score
             FROM (SELECT passage, score
                   FROM (SELECT rowid AS passage, -rank AS score FROM search_words
                         WHERE search_words MATCH ?1 LIMIT ?3)
                   ORDER BY score DESC LIMIT ?2) AS best
             JOIN search_passages AS p ON p.id = best.passage",
        )
        .bind(expression)
        .bind(depth)
        .bind(RANKED_OF_COMMON)
        .fetch_all(self.reader())
        .await?;
        rows.iter().map(Match::read).collect()
    }

    /// Ranked by the sum of each term's BM25 with its weight corrected, see [`weight`].
    async fn matches_of_terms(
        &self,
        weighted: &serde_json::Value,
        depth: i64,
    ) -> Result<Vec<Match>, SearchError> {
        let rows = sqlx::query(
            // Materialized, or the JSON would be taken apart anew for every passage.
            "WITH term AS MATERIALIZED (
                 SELECT value ->> 0 AS expression, value ->> 1 AS weight FROM json_each(?1)
             )
             SELECT best.passage, p.document_id, best.score
             FROM (SELECT search_words.rowid AS passage,
                          sum(-search_words.rank * term.weight) AS score
                   FROM term
                   CROSS JOIN search_words
                   WHERE search_words MATCH term.expression
                   GROUP BY search_words.rowid
                   ORDER BY score DESC LIMIT ?2) AS best
             JOIN search_passages AS p ON p.id = best.passage",
        )
        .bind(weighted.to_string())
        .bind(depth)
        .fetch_all(self.reader())
        .await?;
        rows.iter().map(Match::read).collect()
    }

    /// The passages of these matches, in the same order.
    async fn passages(&self, matches: &[Match]) -> Result<Vec<Passage>, SearchError> {
        let ids: Vec<i64> = matches.iter().map(|found| found.passage).collect();
        let rows = sqlx::query(
            "SELECT p.id, p.anchor, p.breadcrumbs, p.text, d.title, d.url, d.description
             FROM json_each(?1) AS wanted
             JOIN search_passages AS p ON p.id = wanted.value
             JOIN search_documents AS d ON d.id = p.document_id",
        )
        .bind(serde_json::Value::from(ids).to_string())
        .fetch_all(self.reader())
        .await?;
        let mut by_id = HashMap::with_capacity(rows.len());
        for row in &rows {
            let passage = read_passage(row)?;
            by_id.insert(passage.id, passage);
        }
        // One may be gone since it was ranked: an ingest is replacing its document.
        Ok(matches
            .iter()
            .filter_map(|found| {
                let passage = by_id.remove(&found.passage)?;
                Some(Passage { score: found.score, ..passage })
            })
            .collect())
    }
}

impl PassageSearch for SqliteIndex {
    fn search<'a>(&'a self, query: &'a str, limit: usize) -> SearchFuture<'a> {
        Box::pin(Self::search(self, query, limit))
    }
}

/// How common the terms of a query are.
struct Counted {
    passages: i64,
    terms: Vec<CountedTerm>,
}

struct CountedTerm {
    expression: String,
    found: i64,
}

impl Counted {
    /// The terms that tell passages apart, with their weights: of the common ones only as many as
    /// the cost allows.
    fn worth_ranking(&self) -> serde_json::Value {
        let mut total = 0;
        self.terms
            .iter()
            .take_while(|term| {
                total += term.found;
                total <= 2 * COMMON
            })
            .map(|term| serde_json::json!([term.expression, weight(self.passages, term.found)]))
            .collect()
    }
}

/// What FTS5's BM25 of a term is multiplied with to have the weight of its rarity right.
///
/// FTS5 takes a term that is in more than half of all passages for next to nothing. In a small
/// set of documents that is true of exactly the words people ask about, so its factor is replaced
/// by the one that stays positive: `ln(1 + (N - n + 0.5) / (n + 0.5))`.
fn weight(passages: i64, found: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    let odds = ((passages - found).max(0) as f64 + 0.5) / (found as f64 + 0.5);
    let fts5 = odds.ln();
    odds.ln_1p() / if fts5 <= 0.0 { 1e-6 } else { fts5 }
}

/// A passage that matches a query.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Match {
    passage: i64,
    document: i64,
    score: f64,
}

impl Match {
    fn read(row: &SqliteRow) -> Result<Self, SearchError> {
        Ok(Self {
            passage: row.try_get("passage")?,
            document: row.try_get("document_id")?,
            score: row.try_get("score")?,
        })
    }
}

fn read_passage(row: &SqliteRow) -> Result<Passage, SearchError> {
    let anchor: Option<String> = row.try_get("anchor")?;
    let mut url: String = row.try_get("url")?;
    if let Some(anchor) = anchor {
        url.push('#');
        url.push_str(&crate::urls::encode_fragment(&anchor));
    }
    let breadcrumbs: String = row.try_get("breadcrumbs")?;
    Ok(Passage {
        id: row.try_get("id")?,
        document_title: row.try_get("title")?,
        breadcrumbs: serde_json::from_str(&breadcrumbs).unwrap_or_default(),
        url,
        text: row.try_get("text")?,
        description: row.try_get("description")?,
        score: 0.0,
    })
}

/// The matches in the order in which they should be taken: best first, but all beyond the first
/// [`MAX_PER_DOCUMENT`] of a document after those of other documents.
fn diverse(mut matches: Vec<Match>) -> Vec<Match> {
    // Equal scores in the order of the documents, whatever the query planner did.
    matches.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.passage.cmp(&b.passage)));
    let mut of_document: HashMap<i64, usize> = HashMap::new();
    let (mut first, crowding): (Vec<Match>, Vec<Match>) = matches.into_iter().partition(|found| {
        let taken = of_document.entry(found.document).or_default();
        *taken += 1;
        *taken <= MAX_PER_DOCUMENT
    });
    first.extend(crowding);
    first
}

fn is_memory(url: &str) -> bool {
    let (name, parameters) = url.split_once('?').unwrap_or((url, ""));
    name.trim_start_matches("sqlite:").trim_start_matches("//") == ":memory:"
        || (url.starts_with("sqlite:") && parameters.split('&').any(|p| p == "mode=memory"))
}

fn count(row: &SqliteRow, column: &str) -> Result<u64, SearchError> {
    let value: i64 = row.try_get(column)?;
    Ok(u64::try_from(value).unwrap_or_default())
}

/// A list of strings as JSON, which cannot fail.
fn json(strings: &[String]) -> String {
    serde_json::Value::from(strings).to_string()
}
