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
const COMMON: i64 = 1_500;

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
        let chosen = self.worth_ranking(&terms).await?;
        let mut candidates = match query::any_of(chosen) {
            Some(expression) => self.candidates(&expression, limit).await?,
            None => Vec::new(),
        };
        if candidates.is_empty()
            && let Some(expression) = query::any_of(&query::loosened(&terms))
        {
            candidates = self.candidates(&expression, limit).await?;
        }
        Ok(pick(candidates, limit))
    }

    /// The terms that tell passages apart: those found somewhere, and of the common ones only as
    /// many as are needed to find anything.
    async fn worth_ranking<'t>(&self, terms: &'t [Term]) -> Result<Vec<&'t Term>, SearchError> {
        let expressions: Vec<String> = terms.iter().map(Term::expression).collect();
        let rows = sqlx::query(
            "SELECT (SELECT count(*) FROM (
                        SELECT 1 FROM search_words WHERE search_words MATCH term.value LIMIT ?2
                    )) AS found
             FROM json_each(?1) AS term ORDER BY term.key",
        )
        .bind(json(&expressions))
        .bind(COMMON + 1)
        .fetch_all(self.reader())
        .await?;
        let mut counted = Vec::with_capacity(terms.len());
        for (term, row) in terms.iter().zip(&rows) {
            let found: i64 = row.try_get("found")?;
            if found > 0 {
                counted.push((found, term));
            }
        }
        // Stable: among equals the query's own order.
        counted.sort_by_key(|(found, _)| *found);
        let mut total = 0;
        Ok(counted
            .into_iter()
            .take_while(|(found, _)| {
                let first = total == 0;
                total += found;
                first || total <= 2 * COMMON
            })
            .map(|(_, term)| term)
            .collect())
    }

    async fn candidates(
        &self,
        expression: &str,
        limit: usize,
    ) -> Result<Vec<Candidate>, SearchError> {
        // Enough for the diversity rule to choose from.
        let depth = (limit * 5).clamp(30, 200);
        let rows = sqlx::query(
            "SELECT p.id, p.document_id, p.anchor, p.breadcrumbs, p.text,
                    d.title, d.url, d.description, best.score
             FROM (SELECT rowid AS passage, rank AS score FROM search_words
                   WHERE search_words MATCH ?1 ORDER BY rank LIMIT ?2) AS best
             JOIN search_passages AS p ON p.id = best.passage
             JOIN search_documents AS d ON d.id = p.document_id",
        )
        .bind(expression)
        .bind(i64::try_from(depth).unwrap_or(i64::MAX))
        .fetch_all(self.reader())
        .await?;
        let mut candidates =
            rows.iter().map(Candidate::read).collect::<Result<Vec<_>, SearchError>>()?;
        // Equal scores in the order of the documents, whatever the query planner did.
        candidates.sort_by(|a, b| {
            b.passage.score.total_cmp(&a.passage.score).then(a.passage.id.cmp(&b.passage.id))
        });
        Ok(candidates)
    }
}

impl PassageSearch for SqliteIndex {
    fn search<'a>(&'a self, query: &'a str, limit: usize) -> SearchFuture<'a> {
        Box::pin(Self::search(self, query, limit))
    }
}

struct Candidate {
    document_id: i64,
    passage: Passage,
}

impl Candidate {
    fn read(row: &SqliteRow) -> Result<Self, SearchError> {
        let anchor: Option<String> = row.try_get("anchor")?;
        let mut url: String = row.try_get("url")?;
        if let Some(anchor) = anchor {
            url.push('#');
            url.push_str(&crate::urls::encode_fragment(&anchor));
        }
        let breadcrumbs: String = row.try_get("breadcrumbs")?;
        let score: f64 = row.try_get("score")?;
        Ok(Self {
            document_id: row.try_get("document_id")?,
            passage: Passage {
                id: row.try_get("id")?,
                document_title: row.try_get("title")?,
                breadcrumbs: serde_json::from_str(&breadcrumbs).unwrap_or_default(),
                url,
                text: row.try_get("text")?,
                description: row.try_get("description")?,
                // FTS5's rank is better the smaller it is.
                score: -score,
            },
        })
    }
}

/// The best candidates, without repetitions and without one document crowding out the others.
fn pick(candidates: Vec<Candidate>, limit: usize) -> Vec<Passage> {
    let mut of_document: HashMap<i64, usize> = HashMap::new();
    let mut seen: HashSet<String> = HashSet::new();
    let mut picked = Vec::with_capacity(limit);
    for Candidate { document_id, passage } in candidates {
        let taken = of_document.entry(document_id).or_default();
        if *taken >= MAX_PER_DOCUMENT || !seen.insert(passage.text.trim().to_owned()) {
            continue;
        }
        *taken += 1;
        picked.push(passage);
        if picked.len() == limit {
            break;
        }
    }
    picked
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
