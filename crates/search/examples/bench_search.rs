//! Measures ingest and search on generated documents, one figure a line:
//! `cargo run --release -p parlor-search --example bench_search [pages [dimensions [sqlite|postgres]]]`
//!
//! With a number of dimensions other than 0 also search by words and meaning, with vectors of that length that
//! are made at once: what is measured is everything but the embedding model. `postgres` starts a server of its
//! own (`PARLOR_TEST_POSTGRES` names its programs), and uses pgvector where that has it.
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

use std::{
    error::Error,
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use parlor_search::{
    DocumentIndex, EmbedFuture, EmbedOptions, Embedder, EmbeddingOf, IngestOptions, PostgresIndex,
    PostgresIndexSettings, Retrieval, SearchRequest, SqliteIndex,
};
use parlor_test_postgres::{Purpose, Server};

/// Numbers without chance: the same documents in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    /// A word as texts have them: few words are everywhere, most are rare.
    fn word(&mut self) -> String {
        const SYLLABLES: [&str; 16] = [
            "ta", "ser", "mo", "del", "in", "con", "fig", "re", "ad", "ser", "ver", "lo", "ka",
            "bu", "ni", "po",
        ];
        let spread = self.next(1 << 20) as f64 / f64::from(1 << 20);
        // Zipf: rank = N^u.
        let mut rank = 20_000_f64.powf(spread) as u64;
        let mut word = String::new();
        loop {
            word.push_str(SYLLABLES[(rank % 16) as usize]);
            rank /= 16;
            if rank == 0 {
                return word;
            }
        }
    }

    fn words(&mut self, count: u64) -> String {
        (0..count).map(|_| self.word()).collect::<Vec<_>>().join(" ")
    }
}

fn write_pages(folder: &Path, pages: u64) -> std::io::Result<()> {
    let mut numbers = Numbers(1);
    for page in 0..pages {
        let mut text = format!("---\ntitle: {} {page}\n---\n# Page {page}\n\n", numbers.words(3));
        for section in 0..10 {
            let (heading, prose) = (numbers.words(3), numbers.words(110));
            text.push_str(&format!("## {heading} {section}\n\nThe server {prose}.\n\n"));
            if section % 3 == 0 {
                let code = numbers.words(10);
                text.push_str(&format!("```sh\nparlor serve --listen {code}\n```\n\n"));
            }
        }
        let below = folder.join(format!("part{}", page % 20));
        fs::create_dir_all(&below)?;
        fs::write(below.join(format!("page{page}.md")), text)?;
    }
    Ok(())
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

fn median(mut times: Vec<Duration>) -> (f64, f64) {
    times.sort();
    let worst = times.last().copied().unwrap_or_default();
    (times.get(times.len() / 2).copied().map_or(0.0, milliseconds), milliseconds(worst))
}

/// Processor time of this process so far, and of all of PostgreSQL on this machine where that is what is measured; from
/// `/proc`, zero elsewhere than on Linux.
fn processor_time() -> Duration {
    let with_postgres = std::env::args().any(|argument| argument == "postgres");
    let us = format!("/{}", std::process::id());
    let mut ticks = 0;
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(stat) = fs::read_to_string(path.join("stat")) else { continue };
        let Some((name, fields)) = stat.rsplit_once(") ") else { continue };
        if (with_postgres && name.ends_with("(postgres"))
            || path.display().to_string().ends_with(&us)
        {
            let fields = fields.split(' ').skip(11).take(2);
            ticks += fields.filter_map(|field| field.parse::<u64>().ok()).sum::<u64>();
        }
    }
    // A tick is a hundredth of a second on every Linux that there is.
    Duration::from_millis(ticks * 10)
}

/// Runs searches one after the other; prints how long they took.
async fn measure_searches(
    kind: &str,
    retrieval: &Retrieval,
    queries: &[String],
) -> Result<(), Box<dyn Error>> {
    let mut times = Vec::new();
    let mut found = 0;
    let before = processor_time();
    for query in queries {
        let began = Instant::now();
        found += retrieval.find(&SearchRequest::new(query, 8)).await?.len();
        times.push(began.elapsed());
    }
    let used = milliseconds(processor_time().saturating_sub(before)) / queries.len() as f64;
    let (middle, worst) = median(times);
    println!("{kind}.median_ms {middle:.2}");
    println!("{kind}.worst_ms {worst:.2}");
    println!("{kind}.mean_cpu_ms {used:.2}");
    println!("{kind}.passages_found {:.1}", found as f64 / queries.len() as f64);
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let argument = |n| std::env::args().nth(n);
    let pages = argument(1).and_then(|n| n.parse().ok()).unwrap_or(1_000);
    let dimensions = argument(2).and_then(|n| n.parse().ok()).filter(|n| *n > 0);
    let folder = std::env::temp_dir().join(format!("parlor-bench-{}", std::process::id()));
    let documents = folder.join("docs");
    fs::create_dir_all(&documents)?;
    write_pages(&documents, pages)?;
    let outcome = match argument(3).as_deref() {
        Some("postgres") => {
            let server = Server::start_for(Purpose::Figures)?;
            let place = server.place();
            // Where there is none, vectors are searched in memory.
            let with_extension = server.admin("CREATE EXTENSION vector").is_ok();
            println!("postgres.pgvector {}", u8::from(with_extension));
            let settings =
                PostgresIndexSettings { schema: place.schema, ..PostgresIndexSettings::default() };
            let index = PostgresIndex::open(&place.url, &settings).await?;
            ingest(&index.clone().into(), &documents).await?;
            // What PostgreSQL does by itself a minute after so much was written is not to fall into the measuring.
            let settle = || Ok(server.admin("VACUUM (ANALYZE)").map(drop)?);
            measure(index.into(), dimensions, settle).await
        }
        _ => {
            let database = folder.join("index.db");
            let index = ingest_beside_chat(&documents, &database).await?;
            measure(index, dimensions, || Ok(())).await
        }
    };
    fs::remove_dir_all(&folder)?;
    outcome
}

async fn ingest(index: &DocumentIndex, documents: &Path) -> Result<(), Box<dyn Error>> {
    let options = || IngestOptions::new([documents]).base_url("/docs/");
    let summary = index.ingest(options(), &()).await?;
    println!("ingest.pages {}", summary.added);
    println!("ingest.passages {}", summary.passages);
    println!("ingest.seconds {:.2}", summary.elapsed.as_secs_f64());
    let summary = index.ingest(options(), &()).await?;
    println!("ingest_again.unchanged {}", summary.unchanged);
    println!("ingest_again.seconds {:.3}", summary.elapsed.as_secs_f64());
    Ok(())
}

/// Somebody chats meanwhile, in the same file: how long does one of their writes wait?
async fn ingest_beside_chat(
    documents: &Path,
    database: &Path,
) -> Result<DocumentIndex, Box<dyn Error>> {
    let url = format!("sqlite://{}", database.display());
    let index = DocumentIndex::from(SqliteIndex::open(&url).await?);
    let chat = sqlx::SqlitePool::connect(&url).await?;
    sqlx::query("CREATE TABLE chat (message TEXT)").execute(&chat).await?;
    let done = std::sync::Arc::new(AtomicBool::new(false));
    let chatting = tokio::spawn({
        let (chat, done) = (chat.clone(), done.clone());
        async move {
            let mut waits = Vec::new();
            while !done.load(Ordering::Relaxed) {
                let began = Instant::now();
                sqlx::query("INSERT INTO chat VALUES ('hello')").execute(&chat).await?;
                waits.push(began.elapsed());
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
            Ok::<_, sqlx::Error>(waits)
        }
    });
    ingest(&index, documents).await?;
    done.store(true, Ordering::Relaxed);
    let (wait, longest) = median(chatting.await??);
    println!("ingest.other_writes.median_ms {wait:.2}");
    println!("ingest.other_writes.longest_ms {longest:.2}");
    println!("database.megabytes {:.1}", fs::metadata(database)?.len() as f64 / 1e6);
    Ok(index)
}

async fn measure(
    index: DocumentIndex,
    dimensions: Option<usize>,
    settle: impl Fn() -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let mut numbers = Numbers(99);
    let typical: Vec<String> = (0..200)
        .map(|_| {
            format!("how do I {} the {} with {}?", numbers.word(), numbers.word(), numbers.words(2))
        })
        .collect();
    let embedder = dimensions.map(|dimensions| Arc::new(Directions(dimensions)));
    if let Some(embedder) = &embedder {
        let summary = index.embed(&**embedder, EmbedOptions::default().batch(512), &()).await?;
        println!("embed.seconds {:.2}", summary.elapsed.as_secs_f64());
    }
    settle()?;
    if let Some(embedder) = embedder {
        measure_hybrid(index.clone(), embedder, &typical).await?;
    }
    let kinds = [
        ("typical", typical),
        ("identifier", vec!["parlor serve --listen".to_owned(); 50]),
        ("one_common_word", vec!["server".to_owned(); 50]),
        ("common_words", vec!["ta ser mo del server".to_owned(); 50]),
        ("nothing_found", vec!["xylophone quixotry".to_owned(); 50]),
        ("many_words", (0..50).map(|_| numbers.words(60)).collect()),
    ];
    let retrieval = Retrieval::new(index);
    for (kind, queries) in kinds {
        measure_searches(&format!("search.{kind}"), &retrieval, &queries).await?;
    }
    Ok(())
}

/// Vectors without a meaning: a direction for each text.
struct Directions(usize);

impl Embedder for Directions {
    fn identity(&self) -> String {
        "directions".to_owned()
    }

    fn embed<'a>(&'a self, texts: Vec<String>, _: EmbeddingOf) -> EmbedFuture<'a> {
        Box::pin(async move {
            let vector = |text: &String| {
                let seed = text
                    .bytes()
                    .fold(7_u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
                let mut numbers = Numbers(seed);
                (0..self.0).map(|_| numbers.next(1 << 16) as f32 / 32_768.0 - 1.0).collect()
            };
            Ok(texts.iter().map(vector).collect())
        })
    }
}

async fn measure_hybrid(
    index: DocumentIndex,
    embedder: Arc<Directions>,
    questions: &[String],
) -> Result<(), Box<dyn Error>> {
    println!("hybrid.dimensions {}", embedder.0);
    let patience = Duration::from_secs(60);
    let retrieval =
        Retrieval::new(index).by_meaning(embedder, patience, usize::MAX).with_neighbours(true);
    let [first, others @ ..] = questions else { return Ok(()) };
    // The first one reads all vectors, where they are searched in memory.
    let began = Instant::now();
    retrieval.find(&SearchRequest::new(first, 8)).await?;
    println!("hybrid.first_ms {:.2}", milliseconds(began.elapsed()));
    measure_searches("hybrid", &retrieval, others).await
}
