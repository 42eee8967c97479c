//! The index in a SQLite file.

mod sources;
mod vectors;
mod write;

use std::{
    collections::{HashMap, HashSet},
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use sqlx::{
    AssertSqlSafe, Row, SqlSafeStr, SqlitePool,
    migrate::{Migration, MigrationType, Migrator},
    sqlite::{
        SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
    },
};

use crate::{
    IndexStats, IngestOptions, IngestSummary, Neighbours, Passage, PassageSearch, Progress,
    Retrieval, SearchError, SearchFuture, SearchRequest,
    cache::VectorCache,
    index::{COMMON, DEPTH_OF_WORDS, Match},
    query::{self, Term},
    request::addresses_of_page,
};

/// Its own table: the chat's store keeps its migrations in the same file.
const MIGRATIONS_TABLE: &str = "_parlor_search_migrations";
/// In order. An applied one is never edited.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (
        1,
        "documents and passages",
        include_str!("../../migrations/sqlite/0001_documents_and_passages.sql"),
    ),
    (
        2,
        "vectors and filters",
        include_str!("../../migrations/sqlite/0002_vectors_and_filters.sql"),
    ),
    (3, "sources", include_str!("../../migrations/sqlite/0003_sources.sql")),
];
/// How long a statement waits while another connection writes to the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection unused for this long is closed, and its page cache with it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// How many passages are ranked when a query has only common words.
const RANKED_OF_COMMON: i64 = 2_000;
/// How often a term is counted at most. Common ones that are found more often than this, all in all, are not ranked by FTS5.
const COUNTED: i64 = 5_000;

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
    vectors: VectorCache,
    /// How many passages there were, and in which state of the index.
    passages: Mutex<Option<(i64, i64)>>,
}

impl Pools {
    fn new(reader: SqlitePool, writer: SqlitePool) -> Self {
        Self { reader, writer, vectors: VectorCache::default(), passages: Mutex::default() }
    }
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
            // Negative: KiB, of which a small index needs little. What does not fit is asked of the operating system
            // page by page: ranking in 100,000 passages looks at some megabytes.
            .pragma("cache_size", "-8192");
        let pools = if in_memory {
            // Every further connection would see another database.
            let pool = SqlitePoolOptions::new()
                .max_connections(1)
                .idle_timeout(None)
                .max_lifetime(None)
                .connect_with(options)
                .await?;
            Pools::new(pool.clone(), pool)
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
            Pools::new(pool(2).connect_lazy_with(options), writer)
        };
        let index = Self { pools: Arc::new(pools) };
        index.migrate().await?;
        Ok(index)
    }

    async fn migrate(&self) -> Result<(), SearchError> {
        let mut migrator = Migrator::with_migrations(
            MIGRATIONS
                .iter()
                .map(|&(version, name, sql)| {
                    Migration::new(
                        version,
                        name.into(),
                        MigrationType::Simple,
                        sql.into_sql_str(),
                        false,
                    )
                })
                .collect(),
        );
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
                    (SELECT count(*) FROM search_vectors) AS vectors,
                    last_ingest_at, vector_model
             FROM search_state WHERE id = 1",
        )
        .fetch_one(self.reader())
        .await?;
        let last: Option<String> = row.try_get("last_ingest_at")?;
        Ok(IndexStats {
            documents: count(&row, "documents")?,
            passages: count(&row, "passages")?,
            vectors: count(&row, "vectors")?,
            vector_model: row.try_get("vector_model")?,
            last_ingest_at: last
                .and_then(|at| DateTime::parse_from_rfc3339(&at).ok())
                .map(|at| at.with_timezone(&Utc)),
        })
    }

    /// Brings the index in line with the files under `options.paths`: see
    /// [`DocumentIndex::ingest`](crate::DocumentIndex::ingest).
    ///
    /// # Errors
    ///
    /// The same.
    pub async fn ingest(
        &self,
        options: IngestOptions,
        progress: &dyn Progress,
    ) -> Result<IngestSummary, SearchError> {
        crate::DocumentIndex::from(self.clone()).ingest(options, progress).await
    }

    /// At most `limit` passages for what a person typed, best first, by words alone, in
    /// everybody's documents. [`Retrieval`] does more.
    ///
    /// Any text is a valid query; one without a word to look for finds nothing. Passages match
    /// when they hold any of the words, and rank by BM25 with titles and headings above text.
    /// When nothing matches, the words are tried as beginnings of longer ones.
    ///
    /// # Errors
    ///
    /// [`SearchError::Database`] when the database can't be read.
    pub async fn search(&self, query: &str, limit: usize) -> Result<Vec<Passage>, SearchError> {
        Retrieval::new(self.clone()).find(&SearchRequest::new(query, limit)).await
    }

    /// The best matches of any of the words, without their texts: enough for the diversity rule
    /// to choose from.
    pub(crate) async fn words(
        &self,
        request: &SearchRequest<'_>,
    ) -> Result<Vec<Match>, SearchError> {
        let terms = query::terms(request.query);
        if request.limit == 0 || terms.is_empty() {
            return Ok(Vec::new());
        }
        let mut matches = self.matches(&terms, request).await?;
        if matches.is_empty() {
            matches = self.matches(&query::loosened(&terms), request).await?;
        }
        Ok(matches)
    }

    async fn matches(
        &self,
        terms: &[Term],
        request: &SearchRequest<'_>,
    ) -> Result<Vec<Match>, SearchError> {
        let limit = request.limit;
        let depth = i64::try_from((limit * 20).clamp(DEPTH_OF_WORDS, 400)).unwrap_or(i64::MAX);
        let counted = self.count(terms).await?;
        let Some(rarest) = counted.terms.first() else { return Ok(Vec::new()) };
        let narrow = (counted.tenanted || request.is_narrowed()).then(|| Narrow::new(request));
        if rarest.found > COMMON {
            return self.matches_of_common(&counted.terms, limit, depth, narrow.as_ref()).await;
        }
        self.matches_of_terms(&counted.worth_ranking(), depth, narrow.as_ref()).await
    }

    /// How many passages there are: counted once in each state of the index, which takes milliseconds where there are
    /// many.
    async fn count_passages(&self, generation: i64) -> Result<i64, SearchError> {
        let known = || self.pools.passages.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, passages)) = *known()
            && at == generation
        {
            return Ok(passages);
        }
        let row = sqlx::query("SELECT count(*) AS passages FROM search_passages")
            .fetch_one(self.reader())
            .await?;
        let passages = row.try_get("passages")?;
        *known() = Some((generation, passages));
        Ok(passages)
    }

    /// How often each term is found, at most a little more than [`COUNTED`] times, rarest first.
    async fn count(&self, terms: &[Term]) -> Result<Counted, SearchError> {
        let expressions: Vec<String> = terms.iter().map(Term::expression).collect();
        let rows = sqlx::query(
            "SELECT term.value AS expression,
                    (SELECT count(*) FROM (
                        SELECT 1 FROM search_words WHERE search_words MATCH term.value LIMIT ?2
                    )) AS found,
                    (SELECT generation FROM search_state WHERE id = 1) AS generation,
                    EXISTS (SELECT 1 FROM search_documents WHERE tenant IS NOT NULL) AS tenanted
             FROM json_each(?1) AS term ORDER BY term.key",
        )
        .bind(json(&expressions))
        .bind(COUNTED + 1)
        .fetch_all(self.reader())
        .await?;
        let mut counted =
            Counted { passages: 0, tenanted: false, terms: Vec::with_capacity(rows.len()) };
        if let Some(row) = rows.first() {
            counted.passages = self.count_passages(row.try_get("generation")?).await?;
        }
        for row in &rows {
            counted.tenanted = row.try_get("tenanted")?;
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
        narrow: Option<&Narrow>,
    ) -> Result<Vec<Match>, SearchError> {
        let terms = &terms[..terms.len().min(4)];
        if terms.iter().map(|term| term.found).sum::<i64>() > COUNTED {
            return self.matches_of_everywhere(terms, limit, depth, narrow).await;
        }
        let words: Vec<&str> = terms.iter().map(|term| term.expression.as_str()).collect();
        let all = words.join(" AND ");
        let in_heading = format!("({all}) AND {{title headings}} : ({})", words.join(" OR "));
        let mut matches: Vec<Match> = Vec::new();
        for expression in [in_heading.as_str(), all.as_str(), words[0]] {
            let more = self.matches_of_expression(expression, depth, narrow).await?;
            let known: HashSet<i64> = matches.iter().map(|found| found.passage).collect();
            matches.extend(more.into_iter().filter(|found| !known.contains(&found.passage)));
            if matches.len() >= limit * 4 {
                break;
            }
        }
        Ok(matches)
    }

    /// The same where words are in so many passages that FTS5 would walk through all of them, for every passage set
    /// that it ranks, only to learn how many they are. By where the words stand: in title and headings, near to each
    /// other.
    async fn matches_of_everywhere(
        &self,
        terms: &[CountedTerm],
        limit: usize,
        depth: i64,
        narrow: Option<&Narrow>,
    ) -> Result<Vec<Match>, SearchError> {
        let words: Vec<&str> = terms.iter().map(|term| term.expression.as_str()).collect();
        let (all, any) = (words.join(" AND "), words.join(" OR "));
        let condition = narrow.map_or("", |_| Narrow::CONDITION);
        let sql = format!(
            "SELECT some.passage, p.document_id, ?2 AS score
             FROM (SELECT rowid AS passage FROM search_words
                   WHERE search_words MATCH ?1 {condition} LIMIT ?3) AS some
             JOIN search_passages AS p ON p.id = some.passage"
        );
        let mut matches: Vec<Match> = Vec::new();
        let mut known = HashSet::new();
        let mut expressions = vec![
            format!("{{title headings}} : ({all})"),
            format!("({all}) AND {{title headings}} : ({any})"),
        ];
        // Phrases and beginnings of words cannot be near to each other.
        if words.len() > 1 && words.iter().all(|word| !word.contains([' ', '*'])) {
            expressions.push(format!("NEAR({}, 8)", words.join(" ")));
        }
        expressions.extend([all, words[0].to_owned()]);
        let mut score = 10.0;
        for expression in &expressions {
            score -= 1.0;
            let query =
                sqlx::query(AssertSqlSafe(sql.clone())).bind(expression).bind(score).bind(depth);
            let rows = Narrow::bind(narrow, query).fetch_all(self.reader()).await?;
            for row in &rows {
                let found = Match::read(row)?;
                if known.insert(found.passage) {
                    matches.push(found);
                }
            }
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
        narrow: Option<&Narrow>,
    ) -> Result<Vec<Match>, SearchError> {
        let condition = narrow.map_or("", |_| Narrow::CONDITION);
        let sql = format!(
            "SELECT best.passage, p.document_id, best.score
             FROM (SELECT passage, score
                   FROM (SELECT rowid AS passage, -rank AS score FROM search_words
                         WHERE search_words MATCH ?1 {condition} LIMIT ?3)
                   ORDER BY score DESC LIMIT ?2) AS best
             JOIN search_passages AS p ON p.id = best.passage"
        );
        let query =
            sqlx::query(AssertSqlSafe(sql)).bind(expression).bind(depth).bind(RANKED_OF_COMMON);
        let rows = Narrow::bind(narrow, query).fetch_all(self.reader()).await?;
        rows.iter().map(Match::read).collect()
    }

    /// Ranked by the sum of each term's BM25 with its weight corrected, see [`weight`].
    async fn matches_of_terms(
        &self,
        weighted: &serde_json::Value,
        depth: i64,
        narrow: Option<&Narrow>,
    ) -> Result<Vec<Match>, SearchError> {
        let condition = narrow.map_or("", |_| Narrow::CONDITION);
        let sql = format!(
            // Materialized, or the JSON would be taken apart anew for every passage. The third
            // value is there because the condition's begin with the fourth.
            "WITH term AS MATERIALIZED (
                 SELECT value ->> 0 AS expression, value ->> 1 AS weight FROM json_each(?1)
             )
             SELECT best.passage, p.document_id, best.score
             FROM (SELECT search_words.rowid AS passage,
                          sum(-search_words.rank * term.weight) AS score
                   FROM term
                   CROSS JOIN search_words
                   WHERE search_words MATCH term.expression {condition}
                   GROUP BY search_words.rowid
                   ORDER BY score DESC LIMIT min(?2, ?3)) AS best
             JOIN search_passages AS p ON p.id = best.passage"
        );
        let query =
            sqlx::query(AssertSqlSafe(sql)).bind(weighted.to_string()).bind(depth).bind(depth);
        let rows = Narrow::bind(narrow, query).fetch_all(self.reader()).await?;
        rows.iter().map(Match::read).collect()
    }

    /// The documents whose address is that of a page: everybody's and the tenant's.
    pub(crate) async fn documents_at(
        &self,
        page: &str,
        tenant: Option<&str>,
    ) -> Result<HashSet<i64>, SearchError> {
        let addresses = addresses_of_page(page);
        if addresses.is_empty() {
            return Ok(HashSet::new());
        }
        let rows = sqlx::query(
            "SELECT d.id FROM json_each(?1) AS address
             CROSS JOIN search_documents AS d ON d.url = address.value
             WHERE d.tenant IS NULL OR d.tenant = ?2 LIMIT 20",
        )
        .bind(json(&addresses))
        .bind(tenant)
        .fetch_all(self.reader())
        .await?;
        rows.iter().map(|row| Ok(row.try_get("id")?)).collect()
    }

    /// The passages of these matches, in the same order: of everybody's documents and the tenant's.
    pub(crate) async fn passages(
        &self,
        matches: &[Match],
        tenant: Option<&str>,
    ) -> Result<Vec<Passage>, SearchError> {
        let ids: Vec<i64> = matches.iter().map(|found| found.passage).collect();
        let rows = sqlx::query(
            "SELECT p.id, p.anchor, p.breadcrumbs, p.text, d.title, d.url, d.description,
                    before.id AS id_before, before.text AS text_before,
                    after.id AS id_after, after.text AS text_after
             FROM json_each(?1) AS wanted
             JOIN search_passages AS p ON p.id = wanted.value
             JOIN search_documents AS d ON d.id = p.document_id
                 AND (d.tenant IS NULL OR d.tenant = ?2)
             LEFT JOIN search_passages AS before ON before.document_id = p.document_id
                 AND before.ordinal = p.ordinal - 1 AND before.breadcrumbs = p.breadcrumbs
             LEFT JOIN search_passages AS after ON after.document_id = p.document_id
                 AND after.ordinal = p.ordinal + 1 AND after.breadcrumbs = p.breadcrumbs",
        )
        .bind(serde_json::Value::from(ids).to_string())
        .bind(tenant)
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
    fn search<'a>(&'a self, request: SearchRequest<'a>) -> SearchFuture<'a> {
        Box::pin(async move { Retrieval::new(self.clone()).find(&request).await })
    }
}

/// What narrows a search to some documents.
struct Narrow {
    tenant: Option<String>,
    language: Option<String>,
    /// As a JSON list, if any are asked for.
    tags: Option<String>,
}

/// A query that values are bound to.
type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

impl Narrow {
    /// For a row of `search_words`; its values are ?4 to ?6.
    const CONDITION: &str = "AND EXISTS (
        SELECT 1 FROM search_passages AS kept
        JOIN search_documents AS d ON d.id = kept.document_id
        WHERE kept.id = search_words.rowid
          AND (d.tenant IS NULL OR d.tenant = ?4)
          AND (?5 IS NULL OR d.language IS NULL OR d.language = ?5)
          AND (?6 IS NULL OR EXISTS (
              SELECT 1 FROM json_each(d.tags) AS tag
              WHERE tag.value IN (SELECT value FROM json_each(?6)))))";

    fn new(request: &SearchRequest<'_>) -> Self {
        let tags = request.tags();
        Self {
            tenant: request.tenant.map(str::to_owned),
            language: request.primary_language(),
            tags: (!tags.is_empty()).then(|| json(&tags)),
        }
    }

    fn bind<'q>(narrow: Option<&Self>, query: Query<'q>) -> Query<'q> {
        match narrow {
            None => query,
            Some(Self { tenant, language, tags }) => {
                query.bind(tenant.clone()).bind(language.clone()).bind(tags.clone())
            }
        }
    }
}

/// How common the terms of a query are.
struct Counted {
    passages: i64,
    /// Whether some documents are not everybody's.
    tenanted: bool,
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
        neighbours: Neighbours {
            before: neighbour(row, "id_before", "text_before")?,
            after: neighbour(row, "id_after", "text_after")?,
        },
    })
}

fn neighbour(row: &SqliteRow, id: &str, text: &str) -> Result<Option<(i64, String)>, SearchError> {
    let id: Option<i64> = row.try_get(id)?;
    let text: Option<String> = row.try_get(text)?;
    Ok(id.zip(text))
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
