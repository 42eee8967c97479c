//! What is found, and in which order.

use crate::support::{Site, Store};
use parlor_search::{PassageSearch, Retrieval, SearchRequest, SqliteIndex};
use proptest::prelude::*;

pub(crate) async fn a_question_finds_the_section_that_answers_it(on: Store) {
    let site = Site::new(on).await;
    site.write(
        "guide/install.md",
        "---\ntitle: Installation\ndescription: Getting it\n---\n# Installation\n\nIntro.\n\n## Linux\n\nUse the package.\n\n### Debian\n\nRun `apt install parlor` as root. It needs Debian 12 or newer, and an account that may \
         install packages. After it, the service runs and listens on port 8000; open it in a browser and ask it something about your documents.\n\n## Windows\n\nUse the installer.\n",
    );
    site.write("other.md", "# Other\n\nDebian is mentioned here.\n");
    site.ingest().await;
    let found = site.search("How do I install it on Debian?").await;
    assert_eq!(found[0].url, "/docs/guide/install#debian");
    assert_eq!(found[0].breadcrumbs, ["Installation", "Linux", "Debian"]);
    assert_eq!(found[0].document_title, "Installation");
    assert_eq!(found[0].description.as_deref(), Some("Getting it"));
    assert!(found[0].text.starts_with("Run `apt install parlor`"));
    assert!(found.windows(2).all(|pair| pair[0].score >= pair[1].score));
    assert!(found.iter().any(|passage| passage.url == "/docs/other"));
}

pub(crate) async fn words_in_titles_and_headings_count_for_more(on: Store) {
    let site = Site::new(on).await;
    site.write("a.md", "# Notes\n\nThe cache cache cache is mentioned.\n");
    site.write("b.md", "# Cache\n\nHow results are kept.\n");
    site.write("c.md", "# Guide\n\n## Cache\n\nHow results are kept for later.\n");
    site.ingest().await;
    assert_eq!(site.urls("cache").await, ["/docs/b", "/docs/c#cache", "/docs/a"]);
}

pub(crate) async fn identifiers_are_found_as_they_are_written(on: Store) {
    let site = Site::new(on).await;
    site.write("env.md", "# Settings\n\nSet `PARLOR_DATABASE_URL` to a path.\n");
    site.write("api.md", "# Calls\n\nSend `threads.create` first.\n");
    site.write("cli.md", "# Flags\n\nPass `--listen` an address.\n");
    site.write("ops.md", "# Crash\n\nAfter `kill -9` nothing is lost.\n");
    site.write("js.md", "# Element\n\nCall `setOptions()` with a theme.\n");
    site.write(
        "noise.md",
        "# Noise\n\nThreads are created when a database has a URL. You may listen, set and kill.\n",
    );
    site.ingest().await;
    for (query, url) in [
        ("PARLOR_DATABASE_URL", "/docs/env"),
        ("what is parlor_database_url?", "/docs/env"),
        ("threads.create", "/docs/api"),
        ("--listen", "/docs/cli"),
        ("kill -9", "/docs/ops"),
        ("setOptions", "/docs/js"),
        ("set options theme", "/docs/js"),
    ] {
        assert_eq!(site.urls(query).await.first().map(String::as_str), Some(url), "{query}");
    }
}

pub(crate) async fn scripts_without_spaces_are_found(on: Store) {
    let site = Site::new(on).await;
    site.write("ja.md", "# 設定\n\nデータベースの場所は環境変数で指定します。\n");
    site.write("zh.md", "# 安装指南\n\n请使用包管理器安装服务器。\n");
    site.write("ko.md", "# 설치\n\n서버를 설치하려면 명령을 실행하세요.\n");
    site.write("th.md", "# การติดตั้ง\n\nติดตั้งเซิร์ฟเวอร์ด้วยคำสั่ง\n");
    site.write("hi.md", "# स्थापना\n\nसर्वर को स्थापित करें।\n");
    site.write("ru.md", "# Установка\n\nЗапустите сервер командой.\n");
    site.ingest().await;
    for (query, url) in [
        ("データベース", "/docs/ja"),
        ("環境変数の指定方法", "/docs/ja"),
        ("场所 安装", "/docs/zh"),
        ("如何安装服务器？", "/docs/zh"),
        ("装", "/docs/zh"),
        ("서버 설치", "/docs/ko"),
        ("ติดตั้ง", "/docs/th"),
        ("सर्वर", "/docs/hi"),
        ("СЕРВЕР", "/docs/ru"),
    ] {
        assert_eq!(site.urls(query).await.first().map(String::as_str), Some(url), "{query}");
    }
}

pub(crate) async fn accents_case_and_word_forms_do_not_matter(on: Store) {
    let site = Site::new(on).await;
    site.write("a.md", "# A\n\nThe Café was configured by Müller.\n");
    site.ingest().await;
    for query in ["cafe", "CAFÉ", "cafe\u{301}", "configuring", "muller"] {
        assert_eq!(site.urls(query).await, ["/docs/a"], "{query}");
    }
}

pub(crate) async fn the_beginning_of_a_word_is_tried_when_nothing_else_is_found(on: Store) {
    let site = Site::new(on).await;
    site.write("a.md", "# A\n\nAuthentication happens first.\n");
    site.ingest().await;
    assert_eq!(site.urls("authentic").await, ["/docs/a"]);
    assert_eq!(site.urls("auth").await, ["/docs/a"]);
    assert!(site.urls("zebra").await.is_empty());
}

pub(crate) async fn one_document_does_not_crowd_out_the_others(on: Store) {
    let site = Site::new(on).await;
    let sections: String =
        (0..8).map(|n| format!("## Widget {n}\n\nThe widget number {n} of many.\n\n")).collect();
    site.write("widgets.md", format!("# Widgets\n\n{sections}"));
    site.write(
        "other.md",
        "# Other\n\nA widget is mentioned among much other text that has nothing to do with it.\n",
    );
    site.write("copy/a.md", "# Copy\n\nThe same widget words.\n");
    site.write("copy/b.md", "# Copy\n\nThe same widget words.\n");
    site.ingest().await;
    let found = site.first("widget", 5).await;
    let urls: Vec<_> = found.into_iter().map(|passage| passage.url).collect();
    assert_eq!(urls.iter().filter(|url| url.starts_with("/docs/widgets")).count(), 3, "{urls:?}");
    assert!(urls.contains(&"/docs/other".to_owned()));
    assert_eq!(urls.iter().filter(|url| url.starts_with("/docs/copy/")).count(), 1, "{urls:?}");
}

pub(crate) async fn equal_passages_come_in_the_order_of_their_documents(on: Store) {
    let site = Site::new(on).await;
    for n in 0..6 {
        site.write(&format!("{n}.md"), format!("# Same {n}\n\nword number{n}\n"));
    }
    site.ingest().await;
    let expected: Vec<_> = (0..6).map(|n| format!("/docs/{n}")).collect();
    for _ in 0..3 {
        assert_eq!(site.urls("word").await, expected);
    }
}

pub(crate) async fn very_common_words_still_find_the_best_passages(on: Store) {
    let site = Site::new(on).await;
    for file in 0..20 {
        let sections: String = (0..150)
            .map(|n| format!("## Part {n}\n\nThe server and the model, {file} {n}.\n\n"))
            .collect();
        site.write(&format!("{file}.md"), format!("# File {file}\n\n{sections}"));
    }
    site.write("best.md", "# Server model\n\nThe server asks the model; the rare gem.\n");
    site.ingest().await;
    assert!(site.index.stats().await.unwrap().passages > 3_000);
    assert_eq!(site.urls("server model").await[0], "/docs/best");
    assert_eq!(site.urls("the server's rare gem").await[0], "/docs/best");
    assert_eq!(site.urls("server").await.len(), 10);
}

pub(crate) async fn an_empty_index_and_empty_questions_find_nothing(on: Store) {
    let site = Site::new(on).await;
    assert!(site.first("anything", 5).await.is_empty());
    let any: &dyn PassageSearch = &Retrieval::new(site.document_index());
    assert!(any.search(SearchRequest::new("", 5)).await.unwrap().is_empty());
    assert!(site.first("word", 0).await.is_empty());
}

#[tokio::test]
async fn the_index_lives_beside_other_tables_and_migrations() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("chat db.sqlite").display());
    let chat = sqlx::SqlitePool::connect(&format!("{url}?mode=rwc")).await.unwrap();
    let migration = sqlx::migrate::Migration::new(
        1,
        "chat".into(),
        sqlx::migrate::MigrationType::Simple,
        sqlx::SqlSafeStr::into_sql_str("CREATE TABLE threads (id TEXT)"),
        false,
    );
    let migrator = sqlx::migrate::Migrator::with_migrations(vec![migration]);
    migrator.run(&chat).await.unwrap();
    let (first, second) = tokio::join!(SqliteIndex::open(&url), SqliteIndex::open(&url));
    assert_eq!(first.unwrap().stats().await.unwrap().documents, 0);
    assert_eq!(second.unwrap().stats().await.unwrap().documents, 0);
    migrator.run(&chat).await.unwrap();
    SqliteIndex::open(&url).await.unwrap();
}

#[tokio::test]
async fn a_database_that_cannot_be_used_is_an_error_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let error = SqliteIndex::open(folder.path().to_str().unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("database"), "{error}");
    let file = folder.path().join("text.db");
    std::fs::write(&file, "This is a text file, not a database. ".repeat(100)).unwrap();
    SqliteIndex::open(file.to_str().unwrap()).await.unwrap_err();
}

/// Indexes with a passage of many kinds of text, made once for the property below.
fn shared() -> &'static (tokio::runtime::Runtime, [Site; 2]) {
    static SHARED: std::sync::OnceLock<(tokio::runtime::Runtime, [Site; 2])> =
        std::sync::OnceLock::new();
    SHARED.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let sites = Store::BOTH.map(|on| {
            runtime.block_on(async {
                let site = Site::new(on).await;
                site.write("a.md", "# A b\n\nand or not near 日本語 x1 é\n");
                site.ingest().await;
                site
            })
        });
        (runtime, sites)
    })
}

fn assert_valid(query: &str) {
    let (runtime, sites) = shared();
    for site in sites {
        runtime.block_on(site.first(query, 5));
    }
}

#[test]
fn no_hostile_query_is_an_error() {
    for query in [
        "\"",
        "\"\"",
        "a\"b",
        "AND",
        "a AND",
        "OR OR",
        "NEAR(",
        "NEAR(a b, 5)",
        "NOT x",
        "*",
        "a*",
        "title:x",
        "-title:x",
        "{a b}: c",
        "^a",
        "+",
        "(",
        ")",
        "a\0b",
        "\0",
        "🎉",
        "🎉 a 🎉",
        "'; DROP TABLE x",
        "ﬁ ½ ² Ⅷ ①",
        "\u{301}",
        "a\u{301}\u{301}",
        "\u{FFFD}",
        "\u{202E}abc",
        "\u{10FFFF}",
        "ー",
        "々",
        "ｱ",
    ] {
        assert_valid(query);
    }
    for long in
        ["x".repeat(100_000), "日".repeat(40_000), "a-".repeat(50_000), "\" ".repeat(50_000)]
    {
        assert_valid(&long);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_text_is_a_valid_query(query in any::<String>()) {
        assert_valid(&query);
    }

    #[test]
    fn any_mixture_of_syntax_and_words_is_a_valid_query(
        query in r#"(AND|OR|NOT|NEAR|[a-cé日本"*:^+(){}\-_'., \x00]){0,40}"#
    ) {
        assert_valid(&query);
    }
}
