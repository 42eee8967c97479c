//! The questions over the project's own documentation.

use std::{collections::HashSet, path::Path};

use parlor_search::{IngestOptions, Judgement, Question, Retrieval, SearchRequest, Strategy};

use crate::support::{Site, Store};

#[derive(serde::Deserialize)]
struct Questions {
    question: Vec<Question>,
}

fn questions() -> Vec<Question> {
    let text = include_str!("../../../../tests/retrieval/questions.toml");
    toml::from_str::<Questions>(text).unwrap().question
}

async fn documentation(on: Store) -> Site {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let site = Site::new(on).await;
    site.index.ingest(IngestOptions::new([docs]).base_url("/docs/"), &()).await.unwrap();
    site
}

pub(crate) async fn every_answer_exists_and_words_alone_find_most(on: Store) {
    let site = documentation(on).await;
    let retrieval = Retrieval::new(site.document_index());
    let questions = questions();
    assert!(questions.len() >= 60, "{}", questions.len());
    let asked: HashSet<&str> = questions.iter().map(|question| question.ask.as_str()).collect();
    assert_eq!(asked.len(), questions.len(), "each is asked once");

    // Every address that can be found: asked for by all words of the documents would be long, so by
    // the last part of each, which is made of the section's own heading.
    let mut missing = Vec::new();
    for answer in questions.iter().flat_map(|question| &question.answers) {
        let (page, anchor) = answer.split_once('#').unwrap_or((answer, ""));
        let words = format!("{anchor} {}", page.trim_start_matches("/docs/")).replace('-', " ");
        let request = SearchRequest::new(&words, 100).on_page(Some(page));
        let found = retrieval.find(&request).await.unwrap();
        let is_there = found.iter().any(|passage| {
            passage.url == *answer || (anchor.is_empty() && passage.url.starts_with(page))
        });
        if !is_there {
            missing.push(answer);
        }
    }
    assert!(
        missing.is_empty(),
        "tests/retrieval/questions.toml names what is not there: {missing:?}"
    );

    let mut judged = Vec::new();
    for question in &questions {
        let request = SearchRequest::new(&question.ask, 10);
        let found = retrieval.find_by(Strategy::Words, &request).await.unwrap();
        judged.push(question.judge(&found, 10));
    }
    let mean = Judgement::mean(&judged);
    assert!(mean.recall > 0.5, "words find less than they did in {on:?}: {mean:?}");
}
