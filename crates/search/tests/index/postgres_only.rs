//! What only an index in PostgreSQL promises: shared by servers, walls between tenants, outages, roles.

use std::{collections::HashSet, sync::Arc, time::Duration};

use parlor_search::{
    DocumentIndex, EmbedFuture, EmbedOptions, Embedder, EmbeddingOf, IngestOptions, PostgresIndex,
    PostgresIndexSettings, Retrieval, SearchError, SearchFilter, SearchRequest, Strategy,
    VectorSearch,
};
use parlor_test_postgres::{Server, Stop};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::support::{Place, Site, Store, settings};

async fn connection(url: &str, schema: &str) -> PgConnection {
    let mut connection = PgConnection::connect(url).await.unwrap();
    run(&mut connection, &format!("SET search_path TO {schema}")).await;
    connection
}

async fn run(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.unwrap();
}

fn place(site: &Site) -> (&str, &str) {
    let Place::Postgres { url, schema } = &site.place else { panic!("not in PostgreSQL") };
    (url, schema)
}

async fn ingest_for(site: &Site, folder: &str, tenant: Option<&str>) {
    let mut options = IngestOptions::new([site.path(folder)]).base_url(format!("/{folder}/"));
    options.tenant = tenant.map(str::to_owned);
    site.index.ingest(options, &()).await.unwrap();
}

#[tokio::test]
async fn what_one_server_ingests_every_other_finds_at_once() {
    let site = Site::new(Store::Postgres).await;
    let other = Retrieval::new(site.place.open().await);
    let urls = async || -> Vec<String> {
        let found = other.find(&SearchRequest::new("needle", 5)).await.unwrap();
        found.into_iter().map(|passage| passage.url).collect()
    };
    assert!(urls().await.is_empty());
    site.write("a.md", "# A\n\nneedle\n");
    site.ingest().await;
    assert_eq!(urls().await, ["/docs/a"]);
    site.remove("a.md");
    site.write("b.md", "# B\n\nneedle\n");
    site.ingest().await;
    assert_eq!(urls().await, ["/docs/b"]);
}

#[tokio::test]
async fn servers_that_start_together_make_the_tables_once() {
    let place = Server::shared().place();
    let settings = settings(&place.schema);
    let opened =
        futures::future::join_all((0..6).map(|_| PostgresIndex::open(&place.url, &settings))).await;
    for index in opened {
        assert_eq!(index.unwrap().stats().await.unwrap().documents, 0);
    }
}

#[tokio::test]
async fn a_statement_without_conditions_sees_no_other_tenants_documents() {
    let site = Site::new(Store::Postgres).await;
    site.write("all/a.md", "# All\n\nfor everybody\n");
    site.write("acme/b.md", "# Acme\n\nthe secret of acme\n");
    site.write("umbrella/c.md", "# Umbrella\n\nthe secret of umbrella\n");
    for (folder, tenant) in [("all", None), ("acme", Some("acme")), ("umbrella", Some("umbrella"))]
    {
        ingest_for(&site, folder, tenant).await;
    }
    let (url, schema) = place(&site);
    let mut connection = connection(url, schema).await;
    for (tenant, urls) in [
        ("", ["/all/a"].as_slice()),
        ("acme", &["/acme/b", "/all/a"]),
        ("umbrella", &["/all/a", "/umbrella/c"]),
        ("nobody", &["/all/a"]),
    ] {
        let mut transaction = connection.begin().await.unwrap();
        sqlx::query("SELECT search_become($1)")
            .bind(tenant)
            .execute(&mut *transaction)
            .await
            .unwrap();
        let seen: Vec<String> = sqlx::query_scalar("SELECT url FROM search_documents ORDER BY url")
            .fetch_all(&mut *transaction)
            .await
            .unwrap();
        assert_eq!(seen, urls, "{tenant:?}");
        let texts: i64 = sqlx::query_scalar("SELECT count(*) FROM search_passages")
            .fetch_one(&mut *transaction)
            .await
            .unwrap();
        assert_eq!(usize::try_from(texts).unwrap(), urls.len(), "{tenant:?}");
        // Nor can a reader change or add any.
        let changed = sqlx::query("UPDATE search_documents SET title = 'mine'")
            .execute(&mut *transaction)
            .await
            .unwrap();
        assert_eq!(changed.rows_affected(), 0);
        transaction.rollback().await.unwrap();
    }
    let forged = sqlx::query(
        "INSERT INTO search_documents (path, path_hash, root, url, title, content_hash,
             settings_hash, size_bytes) VALUES ('', '', '', '', '', '', '', 0)",
    );
    let error = forged.execute(&mut connection).await.unwrap_err();
    assert!(error.to_string().contains("row-level security"), "{error}");
}

#[tokio::test]
async fn a_tenants_documents_crowd_nobody_elses_out() {
    let site = Site::new(Store::Postgres).await;
    for n in 0..200 {
        site.write(&format!("acme/{n}.md"), format!("# Needle {n}\n\nneedle needle {n}\n"));
    }
    site.write("all/a.md", "# All\n\nA needle and much hay around it.\n");
    ingest_for(&site, "acme", Some("acme")).await;
    ingest_for(&site, "all", None).await;
    let retrieval = Retrieval::new(site.document_index());
    let urls = async |request: SearchRequest<'_>| -> HashSet<String> {
        retrieval.find(&request).await.unwrap().into_iter().map(|found| found.url).collect()
    };
    let request = SearchRequest::new("needle", 5);
    for request in [request, request.of_tenant("umbrella"), request.of_tenant("acm\0e")] {
        assert_eq!(urls(request).await, HashSet::from(["/all/a".to_owned()]), "{request:?}");
    }
    assert_eq!(urls(request.of_tenant("acme")).await.len(), 5);
}

#[tokio::test]
async fn an_index_that_loses_its_database_works_again_when_that_is_back() {
    let server = Server::start().unwrap();
    let place = server.place();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.md"), "# A\n\nneedle\n").unwrap();
    let index = PostgresIndex::open(&place.url, &settings(&place.schema)).await.unwrap();
    let index = DocumentIndex::from(index);
    index.ingest(IngestOptions::new([folder.path()]), &()).await.unwrap();
    let retrieval = Retrieval::new(index.clone());
    let request = SearchRequest::new("needle", 5);
    for how in [Stop::Fast, Stop::Crash] {
        assert_eq!(retrieval.find(&request).await.unwrap().len(), 1);
        server.stop(how).unwrap();
        let error = retrieval.find(&request).await.unwrap_err();
        assert!(matches!(error, SearchError::Database(_)), "{error:?}");
        index.ingest(IngestOptions::new([folder.path()]), &()).await.unwrap_err();
        let away = PostgresIndex::open(&place.url, &settings(&place.schema)).await.unwrap_err();
        assert!(matches!(away, SearchError::Database(_)), "{away:?}");
        server.start_again().unwrap();
        // The first one after it: what broke meanwhile is no error of its.
        assert_eq!(retrieval.find(&request).await.unwrap().len(), 1);
    }
    let summary = index.ingest(IngestOptions::new([folder.path()]), &()).await.unwrap();
    assert_eq!(summary.added, 0);
}

#[tokio::test]
async fn a_role_that_may_not_change_tables_ingests_and_searches() {
    let server = Server::shared();
    let place = server.place();
    let (schema, role) = (&place.schema, format!("reader_{}", place.schema));
    server.admin(&format!("CREATE ROLE {role} LOGIN")).unwrap();
    let its_url = server.url(&role);
    let careful = PostgresIndexSettings { auto_migrate: false, ..settings(schema) };
    let error = PostgresIndex::open(&its_url, &careful).await.unwrap_err();
    assert!(error.to_string().contains("parlor migrate"), "{error}");
    // It may not make them either: that is said with what to do.
    let error = PostgresIndex::open(&its_url, &settings(schema)).await.unwrap_err();
    assert!(matches!(error, SearchError::MayNotMigrate { .. }), "{error:?}");

    PostgresIndex::open(&place.url, &settings(schema)).await.unwrap();
    server
        .admin(&format!(
            "GRANT USAGE ON SCHEMA {schema} TO {role};
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}"
        ))
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.md"), "# A\n\nneedle\n").unwrap();
    let index = PostgresIndex::open(&its_url, &careful).await.unwrap();
    index.ingest(IngestOptions::new([folder.path()]), &()).await.unwrap();
    assert_eq!(index.search("needle", 5).await.unwrap().len(), 1);
}

#[tokio::test]
async fn tables_of_a_newer_version_are_left_alone() {
    let place = Server::shared().place();
    PostgresIndex::open(&place.url, &settings(&place.schema)).await.unwrap();
    let mut connection = connection(&place.url, &place.schema).await;
    let sql = "UPDATE _search_migrations SET version = 99 WHERE version = 1";
    run(&mut connection, sql).await;
    let error = PostgresIndex::open(&place.url, &settings(&place.schema)).await.unwrap_err();
    assert!(matches!(error, SearchError::TooNew { version: 99, .. }), "{error:?}");
    for name in ["", "Parlor", "a;b", "pg_x"] {
        let error = PostgresIndex::open(&place.url, &settings(name)).await.unwrap_err();
        assert!(matches!(error, SearchError::Schema(_)), "{name}: {error:?}");
    }
}

#[tokio::test]
async fn what_is_longer_than_an_index_takes_is_stored() {
    let site = Site::new(Store::Postgres).await;
    let long = "x".repeat(9_000);
    let words: String = (0..150_000).map(|n| format!("w{n} ")).collect();
    site.write("a.md", format!("---\npermalink: /{long}\ntags: [{long}]\n---\n# T\n\nneedle\n"));
    site.write("b.md", format!("# Log\n\n```text\nneedle {words}\n```\n"));
    assert_eq!(site.ingest().await.added, 2);
    assert_eq!(site.urls("needle").await.len(), 2);
    assert_eq!(site.urls("w7").await, ["/docs/b"]);
    let page = format!("/{long}");
    let request = SearchRequest::new("needle", 5).on_page(Some(&page));
    Retrieval::new(site.document_index()).find(&request).await.unwrap();
}

/// Vectors without a meaning: a direction for each number in a text.
struct Directions(usize);

impl Directions {
    fn of(&self, text: &str) -> Vec<f32> {
        let number = text.rsplit(|c: char| !c.is_ascii_digit()).find(|n| !n.is_empty());
        let mut seed: u64 = number.and_then(|n| n.parse().ok()).unwrap_or_default();
        let mut next = || {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            f32::from(u8::try_from(seed >> 56).unwrap()) - 127.5
        };
        for _ in 0..3 {
            next();
        }
        (0..self.0).map(|_| next()).collect()
    }
}

impl Embedder for Directions {
    fn identity(&self) -> String {
        format!("directions {}", self.0)
    }

    fn embed<'a>(&'a self, texts: Vec<String>, _: EmbeddingOf) -> EmbedFuture<'a> {
        Box::pin(async move { Ok(texts.iter().map(|text| self.of(text)).collect()) })
    }
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

const PATIENCE: Duration = Duration::from_secs(60);

/// The numbers of the pages that are nearest to some, of those that a search may find.
async fn assert_nearest(
    index: &DocumentIndex,
    request: SearchRequest<'_>,
    among: impl Fn(usize) -> bool,
) {
    let model = Arc::new(Directions(48));
    let retrieval =
        Retrieval::new(index.clone()).by_meaning(Arc::clone(&model) as _, PATIENCE, usize::MAX);
    let (mut right, mut wanted) = (0, 0);
    for asked in (1_000..1_008).map(|n| n.to_string()) {
        let to = model.of(&asked);
        let mut expected: Vec<usize> = (0..PAGES).filter(|n| among(*n)).collect();
        let near = |n: usize| cosine(&model.of(&n.to_string()), &to);
        expected.sort_by(|a, b| near(*b).total_cmp(&near(*a)));
        expected.truncate(10);
        let mut request = request;
        request.query = &asked;
        let found = retrieval.find_by(Strategy::Vectors, &request).await.unwrap();
        assert_eq!(found.len(), 10);
        for passage in &found {
            let number: usize = passage.url.rsplit('/').next().unwrap().parse().unwrap();
            assert!(among(number), "{request:?} found {number}");
            right += usize::from(expected.contains(&number));
        }
        wanted += expected.len();
    }
    // An index of neighbours finds nearly all of them.
    assert!(right * 100 >= wanted * 90, "{right} of {wanted}");
}

const PAGES: usize = 300;

#[tokio::test]
async fn an_extension_for_vectors_is_used_where_it_is_and_done_without_where_it_is_not() {
    let server = Server::start().unwrap();
    let place = server.place();
    let open = async || -> DocumentIndex {
        PostgresIndex::open(&place.url, &settings(&place.schema)).await.unwrap().into()
    };
    let index = open().await;
    let folder = tempfile::tempdir().unwrap();
    for n in 0..PAGES {
        let tag = if n.is_multiple_of(3) { "---\ntags: [third]\n---\n" } else { "" };
        let below = folder.path().join(if n.is_multiple_of(50) { "acme" } else { "all" });
        std::fs::create_dir_all(&below).unwrap();
        std::fs::write(below.join(format!("{n}.md")), format!("{tag}# Page {n}\n\n{n}\n")).unwrap();
    }
    for (name, tenant) in [("all", None), ("acme", Some("acme"))] {
        let mut options = IngestOptions::new([folder.path().join(name)]);
        options.tenant = tenant.map(str::to_owned);
        index.ingest(options, &()).await.unwrap();
    }
    let model = Directions(48);
    let embed = async || index.embed(&model, EmbedOptions::default(), &()).await.unwrap().embedded;
    let third = SearchFilter::any_tag(["third"]);
    let everything_is_found = async || {
        let request = SearchRequest::new("", 10);
        let everybodys = |n: usize| !n.is_multiple_of(50);
        assert_nearest(&index, request, everybodys).await;
        assert_nearest(&index, request.of_tenant("umbrella"), everybodys).await;
        assert_nearest(&index, request.of_tenant("acme"), |_| true).await;
        assert_nearest(&index, request.filtered(&third), |n| everybodys(n) && n.is_multiple_of(3))
            .await;
    };
    assert_eq!(embed().await, PAGES as u64);
    assert_eq!(index.vector_search().await.unwrap(), VectorSearch::NoExtension);
    everything_is_found().await;

    // It comes: vectors are searched in memory until the next ingest.
    let make = "CREATE SCHEMA \"Odd one\"; GRANT USAGE ON SCHEMA \"Odd one\" TO parlor;
                CREATE EXTENSION vector SCHEMA \"Odd one\"";
    if server.admin(make).is_err() {
        return;
    }
    let is = async |expected: &str| {
        let found = format!("{:?}", index.vector_search().await.unwrap());
        assert!(found.starts_with(expected), "{found}");
    };
    is("NoIndexYet").await;
    everything_is_found().await;
    assert_eq!(embed().await, 0);
    is("Extension").await;
    everything_is_found().await;

    // What changes is in it, and what is gone is not.
    let page = folder.path().join("all/7.md");
    std::fs::write(&page, "# Page 7\n\nNow 1000\n").unwrap();
    std::fs::remove_file(folder.path().join("all/8.md")).unwrap();
    let summary = index.ingest(IngestOptions::new([folder.path().join("all")]), &()).await.unwrap();
    assert_eq!((summary.changed, summary.removed), (1, 1));
    assert_eq!(embed().await, 1);
    let retrieval =
        Retrieval::new(open().await).by_meaning(Arc::new(Directions(48)), PATIENCE, usize::MAX);
    let request = SearchRequest::new("1000", 10);
    let found = retrieval.find_by(Strategy::Vectors, &request).await.unwrap();
    assert_eq!(found[0].url, "/7");
    assert!(found.iter().all(|passage| passage.url != "/8"));
    let counts = format!(
        "SELECT (SELECT count(*) FROM {0}.search_nearest), (SELECT count(*) FROM {0}.search_vectors)",
        place.schema
    );
    assert_eq!(server.admin(&counts).unwrap(), format!("{0}|{0}", PAGES - 1));

    // Another length.
    let longer = Directions(64);
    let embedded = index.embed(&longer, EmbedOptions::default(), &()).await.unwrap();
    assert!(embedded.embedded == PAGES as u64 - 1 && embedded.model_changed, "{embedded:?}");
    is("Extension").await;

    // It goes, with all that is made of it.
    server.admin("DROP EXTENSION vector CASCADE").unwrap();
    let retrieval =
        Retrieval::new(index.clone()).by_meaning(Arc::new(Directions(64)), PATIENCE, usize::MAX);
    let found = retrieval.find_by(Strategy::Vectors, &request).await.unwrap();
    assert_eq!(found[0].url, "/7");
    std::fs::write(&page, "# Page 7\n\nNow 1001\n").unwrap();
    index.ingest(IngestOptions::new([folder.path().join("all")]), &()).await.unwrap();
    assert_eq!(index.embed(&longer, EmbedOptions::default(), &()).await.unwrap().embedded, 1);
    is("NoExtension").await;
    let found =
        retrieval.find_by(Strategy::Vectors, &SearchRequest::new("1001", 10)).await.unwrap();
    assert_eq!(found[0].url, "/7");
}
