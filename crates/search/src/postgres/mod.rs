//! The index in PostgreSQL, where the chat has its tables: one for all servers.
//!
//! What a search asks is one call of a function of the schema (`migrations/postgres/0001_documents.sql`), whose first act is
//! to say for whom, for row-level security.

mod common;
mod connections;
mod nearest;
mod schema;
mod sources;
mod vectors;
mod write;

use std::{
    collections::{HashMap, HashSet},
    str::FromStr as _,
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, Utc};
use sqlx::{
    Row as _,
    postgres::{PgArguments, PgConnectOptions, PgRow},
};

use crate::{
    IndexStats, IngestOptions, IngestSummary, Neighbours, Passage, PassageSearch, Progress,
    Retrieval, SearchError, SearchFuture, SearchRequest,
    cache::VectorCache,
    index::{COMMON, DEPTH_OF_WORDS, Match},
    lexemes::Expression,
    query::{self, Term},
    request::addresses_of_page,
};
use common::CommonWords;
use connections::{Connections, Patience};

/// The arguments of a statement.
macro_rules! arguments {
    () => {
        PgArguments::default()
    };
    ($($value:expr),+ $(,)?) => {{
        let mut arguments = PgArguments::default();
        let added: Result<(), sqlx::error::BoxDynError> = (|| {
            $(sqlx::Arguments::add(&mut arguments, $value)?;)+
            Ok(())
        })();
        added.map(|()| arguments).map_err(sqlx::Error::Encode)?
    }};
}
use arguments;

/// How many passages are ranked when a query has only common words: each is a row of some kilobytes.
const RANKED_OF_COMMON: i64 = 800;
/// Searches at a time; an ingest needs one.
const CONNECTIONS: usize = 4;

/// How a PostgreSQL database is used for documents.
#[derive(Clone, Debug)]
pub struct PostgresIndexSettings {
    /// The schema that holds the tables. Made by the migrations. Default `parlor`.
    pub schema: String,
    /// Whether opening the index brings its tables up to date. Default true.
    pub auto_migrate: bool,
    /// How long a new connection may take. Default 3 seconds.
    pub connect_timeout: Duration,
    /// How long a search may take. Default 10 seconds.
    pub statement_timeout: Duration,
}

impl Default for PostgresIndexSettings {
    fn default() -> Self {
        Self {
            schema: "parlor".to_owned(),
            auto_migrate: true,
            connect_timeout: Duration::from_secs(3),
            statement_timeout: Duration::from_secs(10),
        }
    }
}

/// A search index in a PostgreSQL database, which all servers share.
///
/// Cheap to clone; all clones share the connections.
#[derive(Debug, Clone)]
pub struct PostgresIndex {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    connections: Connections,
    schema: String,
    vectors: VectorCache,
    common: CommonWords,
}

impl PostgresIndex {
    /// Opens the index; its tables are brought up to date, unless that is turned off.
    ///
    /// # Errors
    ///
    /// [`SearchError`], which says what to do, also when the database is away.
    pub async fn open(url: &str, settings: &PostgresIndexSettings) -> Result<Self, SearchError> {
        let index = Self::new(url, settings)?;
        let mut lent = index.inner.connections.lend().await?;
        if !schema::is_up_to_date(&mut lent.connection, &settings.schema).await? {
            if !settings.auto_migrate {
                return Err(SearchError::Behind(settings.schema.clone()));
            }
            schema::migrate(&mut lent.connection, &settings.schema).await?;
        }
        index.inner.connections.give_back(lent);
        Ok(index)
    }

    fn new(url: &str, settings: &PostgresIndexSettings) -> Result<Self, SearchError> {
        let schema = schema::checked(&settings.schema)?;
        let millis = |duration: Duration| duration.as_millis().max(1).to_string();
        let options = PgConnectOptions::from_str(url)?.application_name("parlor").options([
            ("statement_timeout", millis(settings.statement_timeout)),
            // Compiling costs more than what it speeds up here.
            ("jit", "off".to_owned()),
        ]);
        let options = sqlx::ConnectOptions::disable_statement_logging(options);
        let patience = Patience {
            connect: settings.connect_timeout,
            // The server's own time-out comes first and keeps the connection.
            read: settings.statement_timeout + Duration::from_secs(2),
        };
        let connections = Connections::new(options, CONNECTIONS, patience);
        Ok(Self {
            inner: Arc::new(Inner {
                connections,
                schema,
                vectors: VectorCache::default(),
                common: CommonWords::default(),
            }),
        })
    }

    /// Runs a statement that only reads. A name with `@` before it is one of the schema's: which schemas the connection
    /// looks into is not ours to say behind a pooler.
    async fn read(&self, sql: &str, arguments: PgArguments) -> Result<Vec<PgRow>, SearchError> {
        let sql = sql.replace('@', &format!("{}.", self.inner.schema));
        Ok(self.inner.connections.read(sql, arguments).await?)
    }

    async fn read_one(&self, sql: &str, arguments: PgArguments) -> Result<PgRow, SearchError> {
        self.read(sql, arguments)
            .await?
            .pop()
            .ok_or(SearchError::Database(sqlx::Error::RowNotFound))
    }

    /// How much the index holds.
    ///
    /// # Errors
    ///
    /// [`SearchError::Database`] when the database can't be read.
    pub async fn stats(&self) -> Result<IndexStats, SearchError> {
        let mut writing = self.begin().await?;
        let row = sqlx::query(
            "SELECT (SELECT count(*) FROM search_documents) AS documents,
                    (SELECT count(*) FROM search_passages) AS passages,
                    (SELECT count(*) FROM search_vectors) AS vectors,
                    last_ingest_at, vector_model
             FROM search_state WHERE id = 1",
        )
        .fetch_one(writing.connection())
        .await?;
        writing.commit().await?;
        let last: Option<DateTime<Utc>> = row.try_get("last_ingest_at")?;
        Ok(IndexStats {
            documents: count(&row, "documents")?,
            passages: count(&row, "passages")?,
            vectors: count(&row, "vectors")?,
            vector_model: row.try_get("vector_model")?,
            last_ingest_at: last,
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
    /// everybody's documents: as [`SqliteIndex::search`](crate::SqliteIndex::search).
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
        let mut expressions: Vec<Expression> = Vec::with_capacity(terms.len());
        for expression in terms.iter().filter_map(Expression::of) {
            // Different words may have one stem.
            if !expressions.contains(&expression) {
                expressions.push(expression);
            }
        }
        let counted = self.count(expressions).await?;
        let Some(rarest) = counted.terms.first() else { return Ok(Vec::new()) };
        let depth = (request.limit * 20).clamp(DEPTH_OF_WORDS, 400);
        let narrow = Narrow::new(request, counted.tenanted);
        if rarest.found > COMMON {
            return self.matches_of_common(&counted, request.limit, depth, &narrow).await;
        }
        let mut total = 0;
        let worth_ranking = counted.terms.iter().take_while(|term| {
            total += term.found;
            total <= 2 * COMMON
        });
        let worth_ranking = counted.ranking(worth_ranking);
        let rows = self
            .read(
                "SELECT * FROM @search_rank($1::text[]::tsquery[], $2, $3, $4, $5, $6, $7, $8, $9)",
                arguments![
                    worth_ranking.queries,
                    worth_ranking.rarities,
                    worth_ranking.scales,
                    counted.average,
                    integer(depth),
                    narrow.is_needed,
                    narrow.tenant,
                    narrow.language,
                    narrow.tags,
                ],
            )
            .await?;
        rows.iter().map(read_match).collect()
    }

    /// How often each term is found, at most a little more than [`COMMON`] times, rarest first.
    async fn count(&self, expressions: Vec<Expression>) -> Result<Counted, SearchError> {
        let known = &self.inner.common;
        let found: Vec<Option<i64>> =
            expressions.iter().map(|e| known.is_common(&e.query).then_some(COMMON + 1)).collect();
        let asked = expressions.iter().zip(&found).filter(|(_, found)| found.is_none());
        let queries: Vec<&str> = asked.map(|(expression, _)| expression.query.as_str()).collect();
        let rows = self
            .read(
                "SELECT s.passages, s.words, s.tenanted,
                        ARRAY(SELECT c.found FROM @search_count($1::text[]::tsquery[], $2) AS c) AS found
                 FROM @search_state AS s WHERE s.id = 1",
                arguments![queries, COMMON + 1],
            )
            .await?;
        let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
        let passages: i64 = row.try_get("passages")?;
        let words: i64 = row.try_get("words")?;
        #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
        let average = words as f64 / passages as f64;
        let average = if average.is_finite() { average.max(1.0) } else { 1.0 };
        let tenanted = row.try_get("tenanted")?;
        let mut counted = Counted { passages, average, tenanted, terms: Vec::new() };
        let mut counts = row.try_get::<Vec<i64>, _>("found")?.into_iter();
        for (expression, found) in expressions.into_iter().zip(found) {
            let found = found.unwrap_or_else(|| {
                let found = counts.next().unwrap_or_default();
                if found > COMMON {
                    known.remember(&expression.query);
                }
                found
            });
            if found > 0 {
                counted.terms.push(CountedTerm { expression, found });
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
        counted: &Counted,
        limit: usize,
        depth: usize,
        narrow: &Narrow,
    ) -> Result<Vec<Match>, SearchError> {
        let terms = &counted.terms[..counted.terms.len().min(4)];
        let joined = |each: fn(&Expression) -> &str, by: &str| {
            let each: Vec<&str> = terms.iter().map(|term| each(&term.expression)).collect();
            each.join(by)
        };
        let all = joined(|e| &e.query, " & ");
        let in_heading = format!("{all} & ({})", joined(|e| &e.in_heading, " | "));
        let least_common = &terms[0].expression.query;
        let mut matches: Vec<Match> = Vec::new();
        for among in [&in_heading, &all, least_common] {
            let ranking = counted.ranking(terms.iter());
            let rows = self
                .read(
                    "SELECT * FROM @search_rank_some(
                         $1::tsquery, $2, $3::text[]::tsquery[], $4, $5, $6, $7, $8, $9, $10, $11)",
                    arguments![
                        among.as_str(),
                        RANKED_OF_COMMON,
                        ranking.queries,
                        ranking.rarities,
                        ranking.scales,
                        counted.average,
                        integer(depth),
                        narrow.is_needed,
                        narrow.tenant.clone(),
                        narrow.language.clone(),
                        narrow.tags.clone(),
                    ],
                )
                .await?;
            let known: HashSet<i64> = matches.iter().map(|found| found.passage).collect();
            let found = rows.iter().map(read_match).collect::<Result<Vec<_>, _>>()?;
            matches.extend(found.into_iter().filter(|found| !known.contains(&found.passage)));
            if matches.len() >= limit * 4 {
                break;
            }
        }
        Ok(matches)
    }

    /// The documents whose address is that of a page.
    pub(crate) async fn documents_at(
        &self,
        page: &str,
        tenant: Option<&str>,
    ) -> Result<HashSet<i64>, SearchError> {
        let mut addresses = addresses_of_page(page);
        addresses.retain(|address| !address.contains('\0'));
        if addresses.is_empty() {
            return Ok(HashSet::new());
        }
        let sql = "SELECT document FROM @search_at($1, $2)";
        let rows = self.read(sql, arguments![addresses, nameable(tenant)]).await?;
        rows.iter().map(|row| Ok(row.try_get("document")?)).collect()
    }

    /// The passages of these matches, in the same order: of everybody's documents and the tenant's.
    pub(crate) async fn passages(
        &self,
        matches: &[Match],
        tenant: Option<&str>,
    ) -> Result<Vec<Passage>, SearchError> {
        let ids: Vec<i64> = matches.iter().map(|found| found.passage).collect();
        let sql = "SELECT * FROM @search_take($1, $2)";
        let rows = self.read(sql, arguments![ids, nameable(tenant)]).await?;
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

impl PassageSearch for PostgresIndex {
    fn search<'a>(&'a self, request: SearchRequest<'a>) -> SearchFuture<'a> {
        Box::pin(async move { Retrieval::new(self.clone()).find(&request).await })
    }
}

/// What narrows a search to some documents.
struct Narrow {
    is_needed: bool,
    tenant: Option<String>,
    language: Option<String>,
    tags: Option<Vec<String>>,
}

impl Narrow {
    fn new(request: &SearchRequest<'_>, tenanted: bool) -> Self {
        let tags: Vec<String> = request.tags().iter().map(|tag| clean(tag)).collect();
        Self {
            is_needed: tenanted || request.is_narrowed(),
            tenant: nameable(request.tenant).map(str::to_owned),
            language: request.primary_language(),
            tags: (!tags.is_empty()).then_some(tags),
        }
    }
}

/// How common the terms of a query are.
struct Counted {
    passages: i64,
    /// How many words a passage has on average.
    average: f64,
    /// Whether some documents are not everybody's.
    tenanted: bool,
    terms: Vec<CountedTerm>,
}

struct CountedTerm {
    expression: Expression,
    found: i64,
}

/// What passages are ranked by, as columns.
struct Ranking<'a> {
    queries: Vec<&'a str>,
    rarities: Vec<f64>,
    scales: Vec<f64>,
}

impl Counted {
    fn ranking<'a>(&self, terms: impl Iterator<Item = &'a CountedTerm>) -> Ranking<'a> {
        let mut ranking = Ranking { queries: Vec::new(), rarities: Vec::new(), scales: Vec::new() };
        for CountedTerm { expression, found } in terms {
            #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
            let odds = ((self.passages - found).max(0) as f64 + 0.5) / (*found as f64 + 0.5);
            ranking.queries.push(&expression.query);
            ranking.rarities.push(odds.ln_1p());
            ranking.scales.push(expression.scale());
        }
        ranking
    }
}

fn read_match(row: &PgRow) -> Result<Match, SearchError> {
    Ok(Match {
        passage: row.try_get("passage")?,
        document: row.try_get("document")?,
        score: row.try_get("score")?,
    })
}

fn read_passage(row: &PgRow) -> Result<Passage, SearchError> {
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

fn neighbour(row: &PgRow, id: &str, text: &str) -> Result<Option<(i64, String)>, SearchError> {
    let id: Option<i64> = row.try_get(id)?;
    let text: Option<String> = row.try_get(text)?;
    Ok(id.zip(text))
}

/// PostgreSQL's text has no U+0000: it stands for what it stands for elsewhere.
fn clean(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

/// A tenant that can have documents: there is none with U+0000 in its name.
fn nameable(tenant: Option<&str>) -> Option<&str> {
    tenant.filter(|tenant| !tenant.contains('\0'))
}

fn count(row: &PgRow, column: &str) -> Result<u64, SearchError> {
    let value: i64 = row.try_get(column)?;
    Ok(u64::try_from(value).unwrap_or_default())
}

fn integer(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
