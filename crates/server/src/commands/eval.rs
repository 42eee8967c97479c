//! `parlor eval`: how well questions are answered by what the search finds.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::Args;
use parlor_search::{Judgement, Question, Retrieval, SearchRequest, Strategy};
use serde::{Deserialize, Serialize};

use crate::{config::Config, search::SearchSetup};

#[derive(Debug, Args)]
pub(super) struct EvalArgs {
    /// File with questions (TOML; see the guide to retrieval)
    #[arg(value_name = "QUESTIONS")]
    questions: PathBuf,
    /// Passages that are looked at for each question
    #[arg(long, value_name = "NUMBER", default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..=100))]
    k: u8,
    /// List the questions that a strategy finds no answer to
    #[arg(long)]
    misses: bool,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

/// A file of questions.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Questions {
    question: Vec<Question>,
}

/// What one strategy achieved.
#[derive(Debug, Serialize)]
struct Outcome {
    strategy: Strategy,
    #[serde(flatten)]
    mean: Judgement,
    /// Of a search, models included.
    median_ms: f64,
    misses: Vec<String>,
}

pub(super) async fn run(config: &Config, args: EvalArgs) -> anyhow::Result<()> {
    let questions = read(&args.questions)?;
    let retrieval = SearchSetup::new(config)?.open().await?;
    let stats = retrieval.index().stats().await?;
    anyhow::ensure!(
        stats.passages > 0,
        "no documents are indexed, so nothing can be found; run `parlor ingest PATH…` first"
    );
    let mut outcomes = Vec::new();
    for strategy in retrieval.strategies() {
        outcomes.push(measure(&retrieval, strategy, &questions, args.k.into()).await?);
    }
    let out = &mut io::stdout();
    if args.json {
        let (k, count) = (args.k, questions.len());
        let all = serde_json::json!({ "questions": count, "k": k, "strategies": outcomes });
        writeln!(out, "{all:#}")?;
    } else {
        print(&outcomes, questions.len(), args.k, stats.passages, args.misses, out)?;
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<Vec<Question>> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read `{shown}`"))?;
    let Questions { question } = toml::from_str(&text).map_err(|error| {
        let before = error.span().map_or("", |span| text.get(..span.start).unwrap_or_default());
        let line = before.matches('\n').count() + 1;
        anyhow::anyhow!("{shown}, line {line}: {}", error.message().trim().replace('\n', "; "))
    })?;
    for one in &question {
        let ask = &one.ask;
        anyhow::ensure!(!ask.trim().is_empty(), "{shown}: a question has an empty `ask`");
        anyhow::ensure!(!one.answers.is_empty(), "{shown}: `{ask}` has no `answers`");
    }
    anyhow::ensure!(!question.is_empty(), "{shown} has no questions");
    Ok(question)
}

async fn measure(
    retrieval: &Retrieval,
    strategy: Strategy,
    questions: &[Question],
    k: usize,
) -> anyhow::Result<Outcome> {
    let mut judgements = Vec::with_capacity(questions.len());
    let mut times = Vec::with_capacity(questions.len());
    let mut misses = Vec::new();
    for question in questions {
        let mut request = SearchRequest::new(&question.ask, k).on_page(question.page.as_deref());
        if let Some(tenant) = &question.tenant {
            request = request.of_tenant(tenant);
        }
        let since = Instant::now();
        let found = retrieval.find_by(strategy, &request).await?;
        times.push(since.elapsed());
        let judged = question.judge(&found, k);
        if judged.recall == 0.0 {
            misses.push(question.ask.clone());
        }
        judgements.push(judged);
    }
    times.sort_unstable();
    let median = times.get(times.len() / 2).copied().unwrap_or(Duration::ZERO);
    Ok(Outcome {
        strategy,
        mean: Judgement::mean(&judgements),
        median_ms: median.as_secs_f64() * 1_000.0,
        misses,
    })
}

fn print(
    outcomes: &[Outcome],
    questions: usize,
    k: u8,
    passages: u64,
    with_misses: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    writeln!(out, "{questions} questions over {passages} passages\n")?;
    let recall = format!("recall@{k}");
    let ndcg = format!("nDCG@{k}");
    writeln!(out, "{:<18} {recall:>10} {ndcg:>9} {:>7} {:>10}", "", "MRR", "median")?;
    for Outcome { strategy, mean, median_ms, .. } in outcomes {
        let Judgement { recall, ndcg, reciprocal_rank } = mean;
        let name = name(*strategy);
        writeln!(
            out,
            "{name:<18} {recall:>10.3} {ndcg:>9.3} {reciprocal_rank:>7.3} {median_ms:>7.1} ms"
        )?;
    }
    for outcome in outcomes.iter().filter(|_| with_misses) {
        writeln!(out, "\nNo answer by {}:", name(outcome.strategy))?;
        for miss in &outcome.misses {
            writeln!(out, "  {miss}")?;
        }
    }
    Ok(())
}

fn name(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Words => "words",
        Strategy::Vectors => "vectors",
        Strategy::Hybrid => "hybrid",
        Strategy::HybridReranked => "hybrid + rerank",
    }
}
