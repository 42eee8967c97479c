//! Search by meaning: embedding, fusing, and doing without.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use parlor_search::{
    EmbedError, EmbedFuture, EmbedOptions, Embedder, EmbeddingOf, IngestOptions, RerankFuture,
    Reranker, Retrieval, SearchError, SearchFilter, SearchRequest, Strategy,
};

use crate::support::{Site, Store, has_extension};

const PATIENCE: Duration = Duration::from_secs(60);
const ENOUGH: usize = 64 * 1024 * 1024;

/// A model that knows some words, and which of them mean the same.
#[derive(Default)]
struct Toy {
    name: Mutex<String>,
    dimensions: AtomicUsize,
    fails: AtomicBool,
    hangs: AtomicBool,
    /// Texts with this are not taken.
    poison: Mutex<Option<String>>,
    /// The model stops after so many requests.
    stops_after: AtomicUsize,
    asked: Mutex<Vec<Vec<String>>>,
}

const MEANINGS: &[&[&str]] = &[
    &["car", "automobile", "vehicle", "auto"],
    &["boat", "ship", "vessel"],
    &["price", "cost", "fee", "expensive"],
    &["fish", "trout", "salmon"],
    &["secret", "hidden"],
];

impl Toy {
    fn new() -> Arc<Self> {
        let toy = Self::default();
        *toy.name.lock().unwrap() = "toy".into();
        toy.dimensions.store(16, Ordering::Relaxed);
        toy.stops_after.store(usize::MAX, Ordering::Relaxed);
        Arc::new(toy)
    }

    fn vector(&self, text: &str) -> Vec<f32> {
        let mut vector = vec![0.01; self.dimensions.load(Ordering::Relaxed)];
        for word in text.to_lowercase().split(|c: char| !c.is_alphanumeric()) {
            if let Some(at) = MEANINGS.iter().position(|same| same.contains(&word)) {
                vector[at] += 1.0;
            }
        }
        vector
    }

    fn requests(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    fn texts(&self) -> Vec<String> {
        self.asked.lock().unwrap().concat()
    }
}

impl Embedder for Toy {
    fn identity(&self) -> String {
        self.name.lock().unwrap().clone()
    }

    fn embed<'a>(&'a self, texts: Vec<String>, _: EmbeddingOf) -> EmbedFuture<'a> {
        Box::pin(async move {
            if self.hangs.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
            if self.fails.load(Ordering::Relaxed)
                || self.requests() >= self.stops_after.load(Ordering::Relaxed)
            {
                return Err(EmbedError::Failed("the model is on holiday".into()));
            }
            let poison = self.poison.lock().unwrap().clone();
            if poison.is_some_and(|poison| texts.iter().any(|text| text.contains(&poison))) {
                return Err(EmbedError::Rejected("indigestible".into()));
            }
            let vectors = texts.iter().map(|text| self.vector(text)).collect();
            self.asked.lock().unwrap().push(texts);
            Ok(vectors)
        })
    }
}

async fn embed(site: &Site, toy: &Toy) -> u64 {
    site.document_index().embed(toy, EmbedOptions::default(), &()).await.unwrap().embedded
}

fn retrieval(site: &Site, toy: &Arc<Toy>) -> Retrieval {
    Retrieval::new(site.document_index()).by_meaning(Arc::clone(toy) as _, PATIENCE, ENOUGH)
}

async fn urls(retrieval: &Retrieval, query: &str) -> Vec<String> {
    let found = retrieval.find(&SearchRequest::new(query, 10)).await.unwrap();
    found.into_iter().map(|passage| passage.url).collect()
}

async fn harbour(on: Store) -> Site {
    let site = Site::new(on).await;
    site.write("cars.md", "# Wheels\n\nRent an automobile by the day.\n");
    site.write("boats.md", "# Harbour\n\nA vessel leaves every hour.\n");
    site.write("menu.md", "# Menu\n\nSalmon and trout.\n");
    site.write("prices.md", "# Tariff\n\nEvery fee is listed here.\n");
    site.ingest().await;
    site
}

pub(crate) async fn a_question_finds_what_means_the_same_in_other_words(on: Store) {
    let site = harbour(on).await;
    let toy = Toy::new();
    assert_eq!(embed(&site, &toy).await, 4);
    let retrieval = retrieval(&site, &toy);
    assert!(site.urls("ship").await.is_empty(), "no such word");
    assert_eq!(urls(&retrieval, "ship").await[0], "/docs/boats");
    assert_eq!(
        urls(&retrieval, "is the car expensive").await[..2].iter().collect::<HashSet<_>>(),
        HashSet::from([&"/docs/cars".to_owned(), &"/docs/prices".to_owned()])
    );
    let words = SearchRequest::new("Harbour", 3);
    let by_words = retrieval.find_by(Strategy::Words, &words).await.unwrap();
    assert_eq!(by_words.len(), 1);
    assert!(
        toy.texts().contains(&"Wheels\n\nRent an automobile by the day.".to_owned()),
        "headings go along"
    );
}

pub(crate) async fn what_both_find_comes_first_and_words_keep_their_say(on: Store) {
    let site = harbour(on).await;
    site.write("codes.md", "# Codes\n\nE4711 means that nothing is wrong.\n");
    site.write("both.md", "# Ferry\n\nThe ship to the island.\n");
    site.ingest().await;
    let toy = Toy::new();
    embed(&site, &toy).await;
    let retrieval = retrieval(&site, &toy);
    assert_eq!(urls(&retrieval, "ship").await[0], "/docs/both");
    assert_eq!(urls(&retrieval, "E4711").await[0], "/docs/codes");
}

pub(crate) async fn only_what_is_new_is_embedded_and_what_stays_keeps_its_vector(on: Store) {
    let site = harbour(on).await;
    let toy = Toy::new();
    embed(&site, &toy).await;
    assert_eq!(toy.requests(), 1, "one request for four passages");
    assert_eq!(embed(&site, &toy).await, 0);
    site.write(
        "cars.md",
        "# Wheels\n\nRent an automobile by the day.\n\n## Trains\n\nThere are none.\n",
    );
    site.ingest().await;
    assert_eq!(embed(&site, &toy).await, 1, "the first section is as it was");
    assert_eq!(toy.texts().last().unwrap(), "Wheels › Trains\n\nThere are none.");
    let retrieval = retrieval(&site, &toy);
    assert_eq!(urls(&retrieval, "vehicle").await[0], "/docs/cars");
    site.remove("cars.md");
    site.ingest().await;
    assert!(!urls(&retrieval, "vehicle").await.contains(&"/docs/cars".to_owned()));
    let stats = site.document_index().stats().await.unwrap();
    assert_eq!((stats.vectors, stats.passages), (3, 3));
}

pub(crate) async fn an_embedding_that_was_cut_short_is_gone_on_with(on: Store) {
    let site = Site::new(on).await;
    for n in 0..20 {
        site.write(&format!("p{n}.md"), format!("# Page {n}\n\nA boat, number {n}.\n"));
    }
    site.ingest().await;
    let toy = Toy::new();
    toy.stops_after.store(3, Ordering::Relaxed);
    let options = EmbedOptions::default().batch(2).concurrency(1);
    let index = site.document_index();
    let error = index.embed(&*toy, options, &()).await.unwrap_err();
    assert!(matches!(&error, SearchError::Embedding(_)), "{error}");
    assert!(error.to_string().contains("holiday"), "{error}");
    assert_eq!(index.stats().await.unwrap().vectors, 6);
    toy.stops_after.store(usize::MAX, Ordering::Relaxed);
    assert_eq!(index.embed(&*toy, options, &()).await.unwrap().embedded, 14);
    let texts = toy.texts();
    let different: HashSet<&String> = texts.iter().collect();
    assert_eq!((texts.len(), different.len()), (20, 20), "nothing is paid for twice");
}

pub(crate) async fn another_model_or_another_length_embeds_everything_anew(on: Store) {
    let site = harbour(on).await;
    let toy = Toy::new();
    embed(&site, &toy).await;
    *toy.name.lock().unwrap() = "toy-2".into();
    // Until then searches go by words: vectors of two models say nothing to each other.
    let retrieval = retrieval(&site, &toy);
    assert!(urls(&retrieval, "ship").await.is_empty());
    let error =
        retrieval.find_by(Strategy::Vectors, &SearchRequest::new("ship", 3)).await.unwrap_err();
    assert!(
        error.to_string().contains("`toy`") && error.to_string().contains("`toy-2`"),
        "{error}"
    );
    let summary = site.document_index().embed(&*toy, EmbedOptions::default(), &()).await.unwrap();
    assert!(summary.model_changed);
    assert_eq!(summary.embedded, 4);
    assert_eq!(urls(&retrieval, "ship").await[0], "/docs/boats");
    // The same name, and longer vectors: seen as soon as there is something to embed.
    toy.dimensions.store(24, Ordering::Relaxed);
    assert!(urls(&retrieval, "ship").await.is_empty());
    site.write("new.md", "# New\n\nAnother boat.\n");
    site.ingest().await;
    let summary = site.document_index().embed(&*toy, EmbedOptions::default(), &()).await.unwrap();
    assert!(summary.model_changed);
    assert_eq!(summary.embedded, 5);
    assert_eq!(urls(&retrieval, "ship").await.len(), 5);
}

pub(crate) async fn a_passage_that_the_model_does_not_take_keeps_no_other_out(on: Store) {
    let site = harbour(on).await;
    let toy = Toy::new();
    *toy.poison.lock().unwrap() = Some("Salmon".into());
    let summary = site.document_index().embed(&*toy, EmbedOptions::default(), &()).await.unwrap();
    assert_eq!((summary.embedded, summary.rejected), (3, 1));
    assert_eq!(summary.rejected_because.as_deref(), Some("indigestible"));
    assert!(urls(&retrieval(&site, &toy), "Salmon").await.contains(&"/docs/menu".to_owned()));
}

pub(crate) async fn settings_that_no_passage_fits_are_an_error_and_not_a_long_list(on: Store) {
    let site = Site::new(on).await;
    for n in 0..30 {
        site.write(&format!("p{n}.md"), format!("# Page {n}\n\nNumber {n}.\n"));
    }
    site.ingest().await;
    let toy = Toy::new();
    *toy.poison.lock().unwrap() = Some("Page".into());
    let index = site.document_index();
    let error = index.embed(&*toy, EmbedOptions::default(), &()).await.unwrap_err();
    assert!(error.to_string().contains("indigestible"), "{error}");
}

pub(crate) async fn a_model_that_fails_or_hangs_leaves_search_by_words(on: Store) {
    let site = harbour(on).await;
    let toy = Toy::new();
    embed(&site, &toy).await;
    let retrieval = Retrieval::new(site.document_index()).by_meaning(
        Arc::clone(&toy) as _,
        Duration::from_millis(20),
        ENOUGH,
    );
    toy.hangs.store(true, Ordering::Relaxed);
    assert_eq!(urls(&retrieval, "Harbour").await, ["/docs/boats"]);
    toy.hangs.store(false, Ordering::Relaxed);
    toy.fails.store(true, Ordering::Relaxed);
    for _ in 0..5 {
        assert_eq!(urls(&retrieval, "Harbour").await, ["/docs/boats"]);
    }
}

pub(crate) async fn more_vectors_than_may_be_in_memory_leave_search_by_words(on: Store) {
    let site = harbour(on).await;
    let toy = Toy::new();
    embed(&site, &toy).await;
    let retrieval =
        Retrieval::new(site.document_index()).by_meaning(Arc::clone(&toy) as _, PATIENCE, 100);
    let found = urls(&retrieval, "Harbour").await;
    if on == Store::Postgres && has_extension() {
        // They are not in memory at all.
        assert_eq!(found.len(), 4);
    } else {
        assert_eq!(found, ["/docs/boats"]);
    }
}

pub(crate) async fn the_readers_page_ranks_higher_by_words_and_by_meaning(on: Store) {
    let site = Site::new(on).await;
    for n in 0..9 {
        site.write(&format!("p{n}.md"), format!("# Page\n\nThe boat of number {n}.\n"));
    }
    site.ingest().await;
    let toy = Toy::new();
    embed(&site, &toy).await;
    for retrieval in [Retrieval::new(site.document_index()), retrieval(&site, &toy)] {
        for page in ["https://example.com/docs/p7?x=1#y", "/docs/p7/", "/docs/p7.html"] {
            let request = SearchRequest::new("boat", 5).on_page(Some(page));
            let found = retrieval.find(&request).await.unwrap();
            assert_eq!(found[0].url, "/docs/p7", "{page}");
            assert_eq!(found.len(), 5);
        }
        let elsewhere = SearchRequest::new("boat", 5).on_page(Some("https://example.com/other"));
        assert_ne!(retrieval.find(&elsewhere).await.unwrap()[0].url, "/docs/p7");
    }
}

pub(crate) async fn searches_are_narrowed_by_tag_and_language(on: Store) {
    let site = Site::new(on).await;
    site.write("a.md", "---\ntags: [API, beta]\nlang: en\n---\n# A\n\nThe boat.\n");
    site.write("b.md", "---\ntags: [guide]\nlang: de-AT\n---\n# B\n\nDas boat.\n");
    site.write("c.md", "# C\n\nAny boat.\n");
    site.write("d.html", "<html lang=fr><title>D</title><h1>D</h1><p>Le boat.</p></html>");
    site.ingest().await;
    let toy = Toy::new();
    embed(&site, &toy).await;
    for retrieval in [Retrieval::new(site.document_index()), retrieval(&site, &toy)] {
        let found = async |request: SearchRequest<'_>| -> Vec<String> {
            let found = retrieval.find(&request).await.unwrap();
            let mut urls: Vec<String> = found.into_iter().map(|passage| passage.url).collect();
            urls.sort();
            urls
        };
        let request = SearchRequest::new("boat", 10);
        assert_eq!(found(request).await.len(), 4);
        let tags = SearchFilter::any_tag(["Beta", "guide"]);
        assert_eq!(found(request.filtered(&tags)).await, ["/docs/a", "/docs/b"]);
        let none = SearchFilter::any_tag(["nothing"]);
        assert!(found(request.filtered(&none)).await.is_empty());
        assert_eq!(found(request.in_language(Some("de"))).await, ["/docs/b", "/docs/c"]);
        assert_eq!(found(request.in_language(Some("fr-CA"))).await, ["/docs/c", "/docs/d.html"]);
        let both = request.in_language(Some("en")).filtered(&tags);
        assert_eq!(found(both).await, ["/docs/a"]);
    }
}

pub(crate) async fn a_tenants_documents_are_found_by_nobody_else(on: Store) {
    let site = Site::new(on).await;
    site.write("all/a.md", "# All\n\nThe boat for everybody.\n");
    site.write("acme/b.md", "# Acme\n\nThe secret boat.\n");
    site.write("umbrella/c.md", "# Umbrella\n\nThe hidden boat.\n");
    for (folder, tenant) in [("all", None), ("acme", Some("acme")), ("umbrella", Some("umbrella"))]
    {
        let mut options = IngestOptions::new([site.path(folder)]).base_url(format!("/{folder}/"));
        options.tenant = tenant.map(str::to_owned);
        site.document_index().ingest(options, &()).await.unwrap();
    }
    let toy = Toy::new();
    embed(&site, &toy).await;
    for retrieval in [Retrieval::new(site.document_index()), retrieval(&site, &toy)] {
        let found = async |tenant: Option<&str>| -> HashSet<String> {
            let mut request = SearchRequest::new("secret hidden boat", 10);
            request.tenant = tenant;
            let found = retrieval.find(&request).await.unwrap();
            found.into_iter().map(|passage| passage.url).collect()
        };
        let set = |urls: &[&str]| urls.iter().map(ToString::to_string).collect::<HashSet<_>>();
        assert_eq!(found(None).await, set(&["/all/a"]));
        assert_eq!(found(Some("acme")).await, set(&["/all/a", "/acme/b"]));
        assert_eq!(found(Some("umbrella")).await, set(&["/all/a", "/umbrella/c"]));
        assert_eq!(found(Some("' OR 1=1 --")).await, set(&["/all/a"]));
        // On the page, too: whose it is decides, not where the reader says to be.
        let request = SearchRequest::new("boat", 10).on_page(Some("/acme/b")).of_tenant("umbrella");
        let spied = retrieval.find(&request).await.unwrap();
        assert!(spied.iter().all(|passage| passage.url != "/acme/b"), "{spied:?}");
    }
}

pub(crate) async fn neighbours_of_the_same_section_go_along(on: Store) {
    let site = Site::new(on).await;
    let paragraph = |word: &str| format!("{word} {}\n\n", "lorem ipsum dolor ".repeat(60));
    let long = format!(
        "# Long\n\n## Story\n\n{}{}{}## Other\n\nElsewhere.\n",
        paragraph("alpha"),
        paragraph("beta"),
        paragraph("gamma")
    );
    site.write("long.md", long);
    site.ingest().await;
    let index = site.document_index();
    let with = Retrieval::new(index.clone()).with_neighbours(true);
    let found = with.find(&SearchRequest::new("beta", 1)).await.unwrap();
    let neighbours = &found[0].neighbours;
    assert!(neighbours.before.as_ref().unwrap().1.starts_with("alpha"));
    assert!(neighbours.after.as_ref().unwrap().1.starts_with("gamma"));
    let found = with.find(&SearchRequest::new("alpha", 1)).await.unwrap();
    assert!(found[0].neighbours.before.is_none());
    let found = with.find(&SearchRequest::new("gamma", 1)).await.unwrap();
    assert!(found[0].neighbours.after.is_none(), "another section");
    let found = with.find(&SearchRequest::new("alpha beta gamma", 5)).await.unwrap();
    assert!(found.iter().take(3).all(|passage| passage.neighbours.is_empty()), "{found:?}");
    let without = Retrieval::new(index).find(&SearchRequest::new("beta", 1)).await.unwrap();
    assert!(without[0].neighbours.is_empty());
}

/// Ranks by a list of words, the first best.
#[derive(Default)]
struct Judge {
    order: Vec<&'static str>,
    answers: Mutex<Option<Vec<(usize, f64)>>>,
    hangs: AtomicBool,
    asked: Mutex<HashMap<String, usize>>,
}

impl Reranker for Judge {
    fn rerank<'a>(
        &'a self,
        question: &'a str,
        documents: Vec<String>,
        top: usize,
    ) -> RerankFuture<'a> {
        Box::pin(async move {
            if self.hangs.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
            self.asked.lock().unwrap().insert(question.to_owned(), documents.len());
            if let Some(answers) = self.answers.lock().unwrap().clone() {
                return Ok(answers);
            }
            let mut ranking = Vec::new();
            for (worth, word) in (1_u8..).zip(self.order.iter().rev()) {
                let place = documents.iter().position(|document| document.contains(word));
                ranking.extend(place.map(|place| (place, f64::from(worth))));
            }
            ranking.reverse();
            ranking.truncate(top);
            Ok(ranking)
        })
    }
}

pub(crate) async fn a_reranker_has_the_last_word_if_it_says_one(on: Store) {
    let site = Site::new(on).await;
    for n in 0..6 {
        site.write(&format!("p{n}.md"), format!("# Boat {n}\n\nThe boat number{n}.\n"));
    }
    site.ingest().await;
    let judge = Arc::new(Judge { order: vec!["number4", "number1"], ..Judge::default() });
    let plain = Retrieval::new(site.document_index());
    let before = urls(&plain, "boat").await;
    let retrieval = plain.clone().reranked(Arc::clone(&judge) as _, 6, Duration::from_millis(500));
    let ranked = urls(&retrieval, "boat").await;
    assert_eq!(ranked[..2], ["/docs/p4", "/docs/p1"]);
    let others: Vec<&String> =
        before.iter().filter(|url| !["/docs/p4", "/docs/p1"].contains(&url.as_str())).collect();
    assert_eq!(ranked[2..].iter().collect::<Vec<_>>(), others, "the others keep their order");
    assert_eq!(judge.asked.lock().unwrap()["boat"], 6);
    // Fewer are wanted than it is given.
    let found = retrieval.find(&SearchRequest::new("boat", 1)).await.unwrap();
    assert_eq!(found[0].url, "/docs/p4");
    for odd in [vec![], vec![(99, 1.0)], vec![(0, f64::NAN)]] {
        *judge.answers.lock().unwrap() = Some(odd);
        assert_eq!(urls(&retrieval, "boat").await, before);
        *judge.answers.lock().unwrap() = Some(vec![(0, 1.0), (0, 2.0)]);
        assert_eq!(urls(&retrieval, "boat").await, before);
    }
    judge.hangs.store(true, Ordering::Relaxed);
    let hasty = plain.reranked(judge as _, 6, Duration::from_millis(10));
    assert_eq!(urls(&hasty, "boat").await, before);
}
