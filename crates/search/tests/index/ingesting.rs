//! Keeping the index in line with files, whatever the files are like.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::Mutex,
    time::{Duration, SystemTime},
};

use parlor_search::{
    FileOutcome, IngestOptions, IngestSummary, PageList, Progress, Retrieval, SearchError,
    SearchRequest, SkipReason,
};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::support::{Place, Site, Store, counts, reason};

fn set_age(path: &Path, seconds: u64) {
    let at = SystemTime::now() - Duration::from_secs(seconds);
    fs::File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
}

pub(crate) async fn only_what_changed_is_indexed_again(on: Store) {
    let site = Site::new(on).await;
    site.write("a.md", "# A\n\nalpha\n");
    site.write("b/b.md", "# B\n\nbeta\n");
    site.write("c.txt", "gamma\n");
    assert_eq!(counts(&site.ingest().await), (3, 0, 0, 0));
    let kept = site.search("alpha").await[0].id;

    assert_eq!(counts(&site.ingest().await), (0, 0, 3, 0));
    site.write("b/b.md", "# B\n\ndelta\n");
    site.remove("c.txt");
    site.write("d.html", "<title>D</title><main><p>epsilon</p></main>");
    let summary = site.ingest().await;
    assert_eq!(counts(&summary), (1, 1, 1, 1));
    assert_eq!(summary.passages, 2);
    assert_eq!(site.search("alpha").await[0].id, kept);
    assert!(site.urls("beta").await.is_empty());
    assert!(site.urls("gamma").await.is_empty());
    assert_eq!(site.urls("delta").await, ["/docs/b/b"]);
    assert_eq!(site.urls("epsilon").await, ["/docs/d.html"]);
    let stats = site.index.stats().await.unwrap();
    assert_eq!((stats.documents, stats.passages), (3, 3));
    assert!(stats.last_ingest_at.is_some());
}

pub(crate) async fn a_new_time_alone_changes_nothing_and_an_old_time_hides_nothing(on: Store) {
    let site = Site::new(on).await;
    site.write("a.md", "alpha\n");
    set_age(&site.path("a.md"), 1_000);
    site.ingest().await;
    set_age(&site.path("a.md"), 500);
    assert_eq!(counts(&site.ingest().await), (0, 0, 1, 0));
    // The same size, changed within the clock's tick of the first run.
    site.write("b.md", "one\n");
    site.ingest().await;
    site.write("b.md", "two\n");
    assert_eq!(counts(&site.ingest().await), (0, 1, 1, 0));
    assert_eq!(site.urls("two").await, ["/docs/b"]);
}

pub(crate) async fn another_base_url_moves_every_document(on: Store) {
    let site = Site::new(on).await;
    site.write("a.md", "alpha\n");
    set_age(&site.path("a.md"), 1_000);
    site.ingest().await;
    let moved = IngestOptions::new([site.path("")]).base_url("https://example.org/help");
    assert_eq!(counts(&site.index.ingest(moved, &()).await.unwrap()), (0, 1, 0, 0));
    assert_eq!(site.urls("alpha").await, ["https://example.org/help/a"]);
}

pub(crate) async fn a_run_removes_only_below_its_own_paths(on: Store) {
    let site = Site::new(on).await;
    for name in ["one/a.md", "one/b.md", "one-more/c.md", "two/d.md"] {
        site.write(name, format!("word {name}\n"));
    }
    site.ingest().await;
    fs::remove_dir_all(site.path("")).unwrap();
    site.write("one/a.md", "word one/a.md\n");
    let only = |name: &str| IngestOptions::new([site.path(name)]).base_url("/docs/one/");
    assert_eq!(site.index.ingest(only("one"), &()).await.unwrap().removed, 1);
    assert_eq!(site.index.stats().await.unwrap().documents, 3);
    // A single file is its own path.
    assert_eq!(site.index.ingest(only("one/a.md"), &()).await.unwrap().removed, 0);
    assert_eq!(site.index.stats().await.unwrap().documents, 3);
    assert_eq!(site.urls("one").await.len(), 2);
    // Pruning can be left out.
    let mut keep = site.options();
    keep.prune = false;
    assert_eq!(site.index.ingest(keep, &()).await.unwrap().removed, 0);
    assert_eq!(site.ingest().await.removed, 2);
}

pub(crate) async fn a_list_says_which_pages_there_are_and_where(on: Store) {
    let site = Site::new(on).await;
    let page = |text: &str| format!("<main><h1>T</h1><p>{text} <a href='next'>x</a></p></main>");
    site.write("intro/index.html", page("alpha"));
    site.write("tags/index.html", page("tagged"));
    site.write("guide/setup.html", page("beta"));
    site.write("fr/intro/index.html", page("français"));
    site.write("../outside.html", page("secret"));
    let list = |text: &str| {
        let path = site.path("pages.json");
        fs::write(&path, text).unwrap();
        let mut options = IngestOptions::new([site.path("")]);
        options.pages = Some(PageList::read(&path).unwrap());
        options
    };
    let french = r#"{"pages": [{"file": "intro/index.html", "url": "/fr/intro"}]}"#;
    let mut options = list(french);
    options.paths = vec![site.path("fr")];
    site.index.ingest(options, &()).await.unwrap();

    let both = r#"{"pages": [
        {"file": "intro/index.html", "url": "/intro"},
        {"file": "guide/setup.html", "url": "/guide/setup/"},
        {"file": "gone/index.html", "url": "/gone"},
        {"file": "../outside.html", "url": "/outside"}
    ], "keep": ["fr"]}"#;
    let summary = site.index.ingest(list(both), &()).await.unwrap();
    assert_eq!(counts(&summary), (2, 0, 0, 0));
    assert_eq!(reason(&summary, &site.path("gone/index.html")), Some(&SkipReason::Missing));
    assert_eq!(reason(&summary, &site.path("../outside.html")), Some(&SkipReason::Outside));
    assert_eq!(site.urls("alpha").await, ["/intro"]);
    assert_eq!(site.urls("beta").await, ["/guide/setup/"]);
    assert!(site.search("beta").await[0].text.contains("(/guide/setup/next)"));
    assert_eq!(site.urls("français").await, ["/fr/intro"]);
    assert!(site.urls("tagged").await.is_empty());
    assert!(site.urls("secret").await.is_empty());

    // The same again is unchanged; another address is not; what the list no longer names is gone.
    set_age(&site.path("intro/index.html"), 1_000);
    let one = r#"{"pages": [{"file": "intro/index.html", "url": "/intro"}], "keep": ["fr"]}"#;
    assert_eq!(counts(&site.index.ingest(list(one), &()).await.unwrap()), (0, 0, 1, 1));
    let moved = r#"{"pages": [{"file": "intro/index.html", "url": "/intro/"}], "keep": ["fr"]}"#;
    let options = list(moved).base_url("https://example.org/");
    assert_eq!(counts(&site.index.ingest(options, &()).await.unwrap()), (0, 1, 0, 0));
    assert_eq!(site.urls("alpha").await, ["https://example.org/intro/"]);
    assert_eq!(site.index.stats().await.unwrap().documents, 2);
}

pub(crate) async fn what_is_no_list_of_pages_is_said(on: Store) {
    let site = Site::new(on).await;
    let said = |text: &str| {
        let path = site.path("pages.json");
        fs::write(&path, text).unwrap();
        PageList::read(&path).unwrap_err().to_string()
    };
    assert!(said("[").contains("pages.json` is not a list of pages: EOF"));
    assert!(said(r#"{"pages": [{"file": "a.html"}]}"#).contains("missing field `url`"));
    assert!(said(r#"{"page": []}"#).contains("unknown field `page`"));
    let mut options = IngestOptions::new([site.path("a"), site.path("b")]);
    options.pages = Some(PageList::default());
    assert!(matches!(site.index.ingest(options, &()).await, Err(SearchError::PagesOfManyPaths)));
}

pub(crate) async fn odd_files_are_reported_and_the_rest_is_indexed(on: Store) {
    let site = Site::new(on).await;
    site.write("good.md", "A needle\n");
    site.write("binary.md", b"PK\x03\x04\0\0needle");
    site.write("utf16.txt", b"\xFF\xFEn\0e\0");
    site.write("latin1.md", b"caf\xE9 needle");
    site.write("empty.md", "");
    site.write("blank.md", " \n\n\t\n");
    site.write("only-matter.md", "---\ntitle: x\n---\n");
    site.write("draft.md", "---\ndraft: true\n---\nneedle\n");
    site.write("bom.md", "\u{FEFF}---\r\ntitle: Marked\r\n---\r\nneedle\r\n");
    site.write("picture.PNG", b"\x89PNG");
    site.write("data.json", "{}");
    site.write("more.json", "{}");
    site.write("Makefile", "all:\n");
    site.write(".hidden.md", "needle\n");
    site.write(".hidden/x.md", "needle\n");
    site.write("node_modules/pkg/README.md", "needle\n");
    site.write(".gitignore", "build/\n*.tmp.md\n");
    site.write("build/x.md", "needle\n");
    site.write("x.tmp.md", "needle\n");
    fs::create_dir(site.path("empty-folder")).unwrap();
    fs::File::create(site.path("huge.md")).unwrap().set_len(50 * 1024 * 1024).unwrap();

    let summary = site.ingest().await;
    let mut urls = site.urls("needle").await;
    urls.sort();
    assert_eq!(urls, ["/docs/bom", "/docs/good"]);
    for (name, expected) in [
        ("binary.md", SkipReason::Binary),
        ("utf16.txt", SkipReason::Binary),
        ("latin1.md", SkipReason::InvalidUtf8 { at_byte: 3 }),
        ("empty.md", SkipReason::Empty),
        ("blank.md", SkipReason::Empty),
        ("only-matter.md", SkipReason::Empty),
        ("draft.md", SkipReason::Excluded),
        ("huge.md", SkipReason::TooLarge { bytes: 52_428_800, limit: 10_485_760 }),
    ] {
        assert_eq!(reason(&summary, &site.path(name)), Some(&expected), "{name}");
    }
    assert_eq!(summary.skipped.len(), 8, "{:?}", summary.skipped);
    let unsupported: Vec<_> =
        summary.unsupported.iter().map(|(extension, n)| (extension.as_str(), *n)).collect();
    assert_eq!(unsupported, [("", 1), ("json", 2), ("png", 1)]);

    let mut hidden = site.options();
    hidden.include_hidden = true;
    assert_eq!(site.index.ingest(hidden, &()).await.unwrap().added, 2);
}

pub(crate) async fn every_format_gives_passages_with_working_links(on: Store) {
    let site = Site::new(on).await;
    site.write(
        "a b/guide.mdx",
        "---\nsidebar_label: Guide\ntags: [setup]\n---\nimport X from 'x';\n\n## Tab *one* {#first}\n\n<X>mdxneedle</X> see [next](../next.md#there).\n",
    );
    site.write("old.rst", "Title\n=====\n\nrstneedle here.\n");
    site.write(
        "page.htm",
        "<title>Page</title><main><h1>Page</h1><h2 id='sec'>Sec</h2><p>htmlneedle</p></main>",
    );
    site.write(
        "placed.markdown",
        "+++\ntitle = \"Placed\"\nslug = \"/elsewhere\"\n+++\n## Part\n\nplacedneedle\n",
    );
    assert_eq!(site.ingest().await.added, 4);
    for (query, url) in [
        ("mdxneedle", "/docs/a%20b/guide#first"),
        ("setup", "/docs/a%20b/guide#first"),
        ("rstneedle", "/docs/old"),
        ("htmlneedle", "/docs/page.htm#sec"),
        ("placedneedle", "/docs/elsewhere#part"),
    ] {
        assert_eq!(site.urls(query).await, [url], "{query}");
    }
    let passage = &site.search("mdxneedle").await[0];
    assert_eq!(passage.text, "mdxneedle see [next](/docs/next#there).");
    assert_eq!(passage.breadcrumbs, ["Guide", "Tab one"]);
}

pub(crate) async fn a_document_of_very_many_passages_is_indexed(on: Store) {
    let site = Site::new(on).await;
    // Would take many minutes if the work for a passage grew with their number.
    let sections: String = (0..30_000).map(|n| format!("## Part {n}\n\ntext{n}\n\n")).collect();
    site.write("long.md", sections);
    assert_eq!(site.ingest().await.passages, 30_000);
    assert_eq!(site.urls("text29999").await, ["/docs/long#part-29999"]);
}

pub(crate) async fn what_is_no_document_any_more_is_no_longer_found(on: Store) {
    let site = Site::new(on).await;
    for name in ["a.md", "b.md", "c.md"] {
        site.write(name, format!("needle {name}\n"));
    }
    site.ingest().await;
    site.write("a.md", "");
    site.write("b.md", "---\nsearch: false\n---\nneedle\n");
    assert_eq!(counts(&site.ingest().await), (0, 0, 1, 2));
    assert_eq!(site.urls("needle").await, ["/docs/c"]);
}

#[cfg(unix)]
pub(crate) async fn symbolic_links_neither_loop_nor_lead_out(on: Store) {
    use std::os::unix::fs::symlink;
    let site = Site::new(on).await;
    site.write("guide/a.md", "needle a\n");
    site.write(".data/real.md", "needle real\n");
    site.write("../outside/secret.md", "needle secret\n");
    for (target, link) in [
        ("..", "guide/up"),
        ("self.md", "self.md"),
        ("pong.md", "ping.md"),
        ("ping.md", "pong.md"),
        ("../outside", "out"),
        ("../outside/secret.md", "secret.md"),
        ("nowhere.md", "broken.md"),
        ("guide", "alias"),
        ("guide/a.md", "same.md"),
        (".data/real.md", "mounted.md"),
    ] {
        symlink(target, site.path(link)).unwrap();
    }
    let summary = site.ingest().await;
    for (name, expected) in [
        ("guide/up", SkipReason::SymlinkLoop),
        ("self.md", SkipReason::SymlinkLoop),
        ("ping.md", SkipReason::SymlinkLoop),
        ("pong.md", SkipReason::SymlinkLoop),
        ("out", SkipReason::SymlinkOutside),
        ("secret.md", SkipReason::SymlinkOutside),
        ("broken.md", SkipReason::SymlinkBroken),
        ("alias", SkipReason::SymlinkToFolder),
    ] {
        assert_eq!(reason(&summary, &site.path(name)), Some(&expected), "{name}");
    }
    let mut urls = site.urls("needle").await;
    urls.sort();
    assert_eq!(urls, ["/docs/guide/a", "/docs/mounted"]);
}

pub(crate) async fn missing_paths_are_an_error_unless_others_exist(on: Store) {
    let site = Site::new(on).await;
    site.write("a.md", "needle\n");
    let ingest = |paths: Vec<&str>| {
        site.index.ingest(IngestOptions::new(paths.iter().map(|path| site.path(path))), &())
    };
    let error = ingest(vec!["no-such-folder"]).await.unwrap_err();
    assert!(matches!(&error, SearchError::NoSuchPath { path } if path.ends_with("no-such-folder")));
    assert!(error.to_string().contains("no-such-folder"), "{error}");
    assert!(matches!(ingest(vec![]).await, Err(SearchError::NoPaths)));

    let summary = ingest(vec!["a.md", "gone.md"]).await.unwrap();
    assert_eq!(summary.added, 1);
    assert_eq!(reason(&summary, &site.path("gone.md")), Some(&SkipReason::Missing));
    // A folder that is not mounted today keeps its documents.
    fs::remove_file(site.path("a.md")).unwrap();
    ingest(vec!["a.md"]).await.unwrap_err();
    assert_eq!(site.urls("needle").await.len(), 1);

    fs::create_dir(site.path("empty")).unwrap();
    let summary = ingest(vec!["empty"]).await.unwrap();
    assert_eq!(reason(&summary, &site.path("empty")), Some(&SkipReason::NoDocuments));
    site.write("x.png", "x");
    let summary = ingest(vec!["x.png"]).await.unwrap();
    assert_eq!(reason(&summary, &site.path("x.png")), Some(&SkipReason::Unsupported));
}

/// Deletes a file as soon as the walk is over, and writes down what it is told.
struct Saboteur<'a> {
    victim: &'a Path,
    told: Mutex<Vec<String>>,
}

impl Progress for Saboteur<'_> {
    fn found(&self, total: usize) {
        fs::remove_file(self.victim).unwrap();
        self.told.lock().unwrap().push(format!("found {total}"));
    }

    fn file_done(&self, path: &Path, outcome: &FileOutcome) {
        let name = path.file_name().unwrap().display().to_string();
        self.told.lock().unwrap().push(format!("{name}: {outcome:?}"));
    }

    fn finished(&self, summary: &IngestSummary) {
        self.told.lock().unwrap().push(format!("finished {}", summary.added));
    }
}

pub(crate) async fn a_file_that_vanishes_during_the_run_is_reported_and_removed(on: Store) {
    let site = Site::new(on).await;
    site.write("a.md", "needle\n");
    site.ingest().await;
    site.write("b.md", "needle\n");
    let victim = site.path("a.md");
    let saboteur = Saboteur { victim: &victim, told: Mutex::default() };
    let summary = site.index.ingest(site.options(), &saboteur).await.unwrap();
    assert_eq!(reason(&summary, &victim), Some(&SkipReason::Vanished));
    assert_eq!(counts(&summary), (1, 0, 0, 1));
    assert_eq!(site.urls("needle").await, ["/docs/b"]);
    assert_eq!(
        saboteur.told.into_inner().unwrap(),
        ["found 2", "a.md: Skipped(Vanished)", "b.md: Added", "finished 1"]
    );
}

pub(crate) async fn two_runs_at_once_agree(on: Store) {
    let site = Site::new(on).await;
    for n in 0..60 {
        site.write(&format!("{n}.md"), format!("# Page {n}\n\nneedle {n}\n"));
    }
    let other = site.place.open().await;
    let (first, second) =
        tokio::join!(site.index.ingest(site.options(), &()), other.ingest(site.options(), &()));
    first.unwrap();
    second.unwrap();
    let stats = site.index.stats().await.unwrap();
    assert_eq!((stats.documents, stats.passages), (60, 60));
    assert_eq!(site.urls("needle").await.len(), 10);
}

#[cfg(unix)]
#[tokio::test]
async fn what_may_not_be_read_is_reported_and_stays_indexed() {
    use std::os::unix::fs::PermissionsExt;
    let site = Site::new(Store::Sqlite).await;
    site.write("closed/a.md", "");
    fs::set_permissions(site.path("closed"), fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read_dir(site.path("closed")).is_err() {
        fs::set_permissions(site.path("closed"), fs::Permissions::from_mode(0o755)).unwrap();
        return unreadable_files_and_folders_as_a_plain_user_async().await;
    }
    // Permissions don't bite for root: run the same test as nobody, from a copy nobody can read.
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = folder.path().join("test");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
        .arg(&program)
        .args(["--exact", "ingesting::unreadable_files_and_folders_as_a_plain_user", "--ignored"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[cfg(unix)]
#[test]
#[ignore = "run by the test above, as a user for whom permissions bite"]
fn unreadable_files_and_folders_as_a_plain_user() {
    tokio::runtime::Runtime::new()
        .unwrap()
        .block_on(unreadable_files_and_folders_as_a_plain_user_async());
}

#[cfg(unix)]
async fn unreadable_files_and_folders_as_a_plain_user_async() {
    let on = Store::Sqlite;
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let site = Site::new(on).await;
    for name in ["open.md", "file.md", "folder/a.md", "folder/deep/b.md"] {
        site.write(name, "needle\n");
    }
    site.ingest().await;
    site.write("file.md", "needle again\n");
    mode(&site.path("file.md"), 0o000);
    mode(&site.path("folder"), 0o000);
    let summary = site.ingest().await;
    mode(&site.path("folder"), 0o755);
    for name in ["file.md", "folder"] {
        let skipped = reason(&summary, &site.path(name));
        assert!(
            matches!(skipped, Some(SkipReason::Unreadable { message }) if message.contains("denied")),
            "{name}: {summary:?}"
        );
    }
    assert_eq!(counts(&summary), (0, 0, 1, 0));
    assert_eq!(site.index.stats().await.unwrap().documents, 4);
}

const SECTIONS: usize = 6;
const DOCUMENTS: usize = 120;

fn write_version(site: &Site, version: usize) {
    for n in 0..DOCUMENTS {
        let sections: String = (0..SECTIONS)
            .map(|s| format!("## Section {s}\n\nneedle version{version} document{n}\n\n"))
            .collect();
        site.write(&format!("{n}.md"), format!("# Document {n}\n\n{sections}"));
    }
}

/// Every document in the index is whole and of one version, and the full-text index agrees.
async fn assert_consistent(site: &Site) {
    const PASSAGES: &str = "SELECT document_id, text FROM search_passages ORDER BY document_id";
    const DOCUMENTS: &str = "SELECT count(*) FROM search_documents";
    let index = site.place.open().await;
    let rows: Vec<(i64, String)>;
    let documents: i64;
    let words: i64;
    match &site.place {
        Place::Sqlite(file) => {
            let database = sqlx::SqlitePool::connect(file.to_str().unwrap()).await.unwrap();
            rows = sqlx::query_as(PASSAGES).fetch_all(&database).await.unwrap();
            documents = sqlx::query_scalar(DOCUMENTS).fetch_one(&database).await.unwrap();
            let sql = "SELECT count(*) FROM search_words WHERE search_words MATCH 'needle'";
            words = sqlx::query_scalar(sql).fetch_one(&database).await.unwrap();
            sqlx::query("INSERT INTO search_words (search_words) VALUES ('integrity-check')")
                .execute(&database)
                .await
                .unwrap();
        }
        Place::Postgres { url, schema } => {
            let mut database = PgConnection::connect(url).await.unwrap();
            let sql = format!(
                "SET search_path TO {schema}; SELECT set_config('parlor.system', 'on', false)"
            );
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut database).await.unwrap();
            rows = sqlx::query_as(PASSAGES).fetch_all(&mut database).await.unwrap();
            documents = sqlx::query_scalar(DOCUMENTS).fetch_one(&mut database).await.unwrap();
            let sql = "SELECT count(*) FROM search_words WHERE words @@ 'needl'";
            words = sqlx::query_scalar(sql).fetch_one(&mut database).await.unwrap();
            let (passages, counted): (i64, i64) = sqlx::query_as(
                "SELECT passages - (SELECT count(*) FROM search_words),
                        words - (SELECT coalesce(sum(length), 0) FROM search_words)
                 FROM search_state",
            )
            .fetch_one(&mut database)
            .await
            .unwrap();
            assert_eq!((passages, counted), (0, 0));
        }
    }
    assert_eq!(rows.len(), usize::try_from(documents).unwrap() * SECTIONS);
    for passages in rows.chunks(SECTIONS) {
        assert!(passages.iter().all(|passage| *passage == passages[0]), "{passages:?}");
    }
    assert_eq!(usize::try_from(words).unwrap(), rows.len());
    let request = SearchRequest::new("needle", 5);
    let found = Retrieval::new(index).find(&request).await.unwrap();
    assert_eq!(found.is_empty(), rows.is_empty());
}

pub(crate) async fn a_killed_run_leaves_an_index_that_works(on: Store) {
    let site = Site::new(on).await;
    // After how many files the process is killed; the last is never reached.
    for (version, kill_after) in [0, 1, 37, 90, 119, 64, 5, usize::MAX].into_iter().enumerate() {
        write_version(&site, version);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "ingesting::ingest_in_a_process_of_its_own",
                "--ignored",
                "--nocapture",
            ])
            .env("TEST_DOCUMENTS", site.path(""))
            .env("TEST_INDEX", serde_json::to_string(&site.place).unwrap())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut done = 0;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            // The first line of the child's own is the walk's end; then one for each file.
            done += usize::from(line.unwrap().contains("PROGRESS"));
            if done > kill_after {
                child.kill().unwrap();
                break;
            }
        }
        let status = child.wait().unwrap();
        assert_eq!(status.success(), kill_after == usize::MAX, "{version}: {status}");
        assert_consistent(&site).await;
    }
    assert_eq!(counts(&site.ingest().await), (0, 0, DOCUMENTS as u64, 0));
    assert_eq!(site.urls("version7").await.len(), 10);
    assert!(site.search("version6").await.iter().all(|p| p.text.contains("version7")));
}

struct Lines;

impl Progress for Lines {
    fn found(&self, _: usize) {
        std::io::stdout().write_all(b"PROGRESS\n").unwrap();
    }

    fn file_done(&self, _: &Path, _: &FileOutcome) {
        std::io::stdout().write_all(b"PROGRESS\n").unwrap();
    }
}

#[test]
#[ignore = "run by the test above, to be killed"]
fn ingest_in_a_process_of_its_own() {
    let documents = std::env::var("TEST_DOCUMENTS").unwrap();
    let place = std::env::var("TEST_INDEX").unwrap();
    let place: Place = serde_json::from_str(&place).unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let index = place.open().await;
        let options = IngestOptions::new([documents]).base_url("/docs/");
        index.ingest(options, &Lines).await.unwrap();
    });
}
