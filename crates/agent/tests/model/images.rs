//! Images that a model makes, as the client reads them.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use parlor_agent::model::{
    AnswerDecoder, Finish, ImageFailure, ImageTool, ModelApi, ModelError, ModelEvent, ModelRequest,
};
use parlor_fake_model::{Behaviour, ErrorShape, FakeModel, ImageState, Step};
use serde_json::{Value, json};

use super::{ask, client, finish_of, question, text_of};

fn drawing() -> ModelRequest {
    let tool = ImageTool { partial_images: 2, ..ImageTool::default() };
    ModelRequest { images: Some(Arc::new(tool)), ..question("Draw a fox") }
}

fn failed(code: &str, categories: &[&str]) -> ImageState {
    let categories = categories.iter().map(|&category| category.to_owned()).collect();
    ImageState::Failed { code: code.to_owned(), categories }
}

/// What became of the images, in words.
fn drawn(events: &[ModelEvent]) -> Vec<String> {
    let drawn = events.iter().filter_map(|event| match event {
        ModelEvent::ImageBegun { .. } => Some("begun".to_owned()),
        ModelEvent::ImagePartial { index, image, .. } => {
            assert!(image.0.starts_with(b"\x89PNG"));
            Some(format!("partial {index}"))
        }
        ModelEvent::Image { image, prompt, .. } => {
            assert!(image.0.starts_with(b"\x89PNG"));
            Some(format!("done: {}", prompt.as_deref().unwrap_or_default()))
        }
        ModelEvent::ImageFailed { why, .. } => Some(match why {
            ImageFailure::Refused { categories } => format!("refused: {}", categories.join(", ")),
            ImageFailure::Failed { .. } => "failed".to_owned(),
        }),
        _ => None,
    });
    drawn.collect()
}

#[tokio::test]
async fn an_image_is_asked_for_and_grows() {
    let model = FakeModel::start().await;
    let fox = Behaviour::new()
        .text("Wait. ")
        .image(ImageState::Begun, "")
        .image(ImageState::Partial, "a fox")
        .image(ImageState::Partial, "a fox")
        .image(ImageState::Done, "a fox")
        .text("Here.");
    // However it is cut.
    for chunk_bytes in [None, Some(1_000)] {
        model.push(Behaviour { chunk_bytes, ..fox.clone() });
        let (events, error) = ask(&client(&model, ModelApi::Responses), &drawing()).await;
        assert_eq!(error, None);
        assert_eq!(drawn(&events), ["begun", "partial 0", "partial 1", "done: a fox"]);
        assert_eq!(
            (text_of(&events).as_str(), finish_of(&events)),
            ("Wait. Here.", Some(Finish::Stop))
        );
    }
    let body = &model.requests()[0].body;
    assert_eq!(body["tools"], json!([{"type": "image_generation", "partial_images": 2}]));
    // Debug shows no megabytes.
    model.push(fox);
    let (events, _) = ask(&client(&model, ModelApi::Responses), &drawing()).await;
    assert!(format!("{events:?}").len() < 5_000);
}

#[tokio::test]
async fn an_image_that_is_refused_ends_neither_the_answer_nor_other_images() {
    let model = FakeModel::start().await;
    model.push(
        Behaviour::new()
            .image(failed("moderation_blocked", &["violence", "sexual"]), "")
            .image(failed("server_error", &[]), "")
            .image(ImageState::Done, "a fox")
            .text("One of three."),
    );
    let (events, error) = ask(&client(&model, ModelApi::Responses), &drawing()).await;
    assert_eq!(error, None);
    let expected =
        ["begun", "refused: violence, sexual", "begun", "failed", "begun", "done: a fox"];
    assert_eq!(drawn(&events), expected);
    assert_eq!(text_of(&events), "One of three.");
    // As OpenAI's servers end the answer for it.
    for shape in [ErrorShape::Event, ErrorShape::Nested, ErrorShape::ResponseFailed] {
        for begun in [true, false] {
            let behaviour = Behaviour::new().text("Well.");
            let behaviour = if begun { behaviour.image(ImageState::Begun, "") } else { behaviour };
            model.push(behaviour.error(shape, "moderation_blocked", "Rejected."));
            let (events, error) = ask(&client(&model, ModelApi::Responses), &drawing()).await;
            assert_eq!(error, None, "{shape:?}");
            assert_eq!(drawn(&events), ["begun", "refused: "], "{shape:?}");
            assert_eq!(finish_of(&events), Some(Finish::Stop));
        }
    }
    // Other errors are errors.
    model.push(Behaviour::new().image(ImageState::Begun, "").error(
        ErrorShape::Event,
        "server_error",
        "Overloaded.",
    ));
    let (_, error) = ask(&client(&model, ModelApi::Responses), &drawing()).await;
    assert!(matches!(error, Some(ModelError::Server { .. })), "{error:?}");
    // The answer ends, and the image never came.
    model.push(Behaviour::new().image(ImageState::Begun, "").text("Done."));
    let (events, error) = ask(&client(&model, ModelApi::Responses), &drawing()).await;
    assert_eq!((drawn(&events), error), (vec!["begun".to_owned(), "failed".to_owned()], None));
}

#[tokio::test]
async fn several_megabytes_are_read_and_absurd_ones_refused() {
    let model = FakeModel::start().await;
    let png = |bytes: usize| {
        let mut image = b"\x89PNG\r\n\x1a\n".to_vec();
        image.resize(bytes, 7);
        Some(STANDARD.encode(image))
    };
    let done = |base64| Step::Image { state: ImageState::Done, prompt: "x".to_owned(), base64 };
    model.push(Behaviour::new().step(done(png(8 * 1024 * 1024))).text("Here."));
    let (events, error) = ask(&client(&model, ModelApi::Responses), &drawing()).await;
    assert_eq!((drawn(&events), error), (vec!["begun".to_owned(), "done: x".to_owned()], None));
    model.push(Behaviour::new().step(done(png(40 * 1024 * 1024))));
    let (_, error) = ask(&client(&model, ModelApi::Responses), &drawing()).await;
    let Some(ModelError::Malformed { detail }) = error else { panic!("{error:?}") };
    assert!(detail.contains("longer than 33554432 bytes"), "{detail}");
    // An answer without images may not be half as long.
    model.push(Behaviour::new().step(done(png(16 * 1024 * 1024))));
    let (_, error) = ask(&client(&model, ModelApi::Responses), &question("Hello")).await;
    assert!(matches!(error, Some(ModelError::Malformed { .. })), "{error:?}");
}

/// What a decoder makes of these events.
fn decoded(events: &[Value]) -> (Vec<ModelEvent>, Option<ModelError>) {
    let mut decoder = AnswerDecoder::new(ModelApi::Responses);
    for event in events {
        decoder.push(format!("data: {event}\n\n").as_bytes());
    }
    decoder.end();
    let (mut all, mut error) = (Vec::new(), None);
    while let Some(event) = decoder.next_event() {
        match event {
            Ok(event) => all.push(event),
            Err(failed) => error = Some(failed),
        }
    }
    (all, error)
}

#[test]
fn other_servers_events_are_read_as_far_as_they_go() {
    let png = STANDARD.encode(b"\x89PNG\r\n\x1a\n");
    let completed =
        |output: Value| json!({"type": "response.completed", "response": {"output": output}});
    let whole =
        json!({"type": "image_generation_call", "id": "a", "status": "completed", "result": png});
    // Only at the end, without a beginning, without padding, as a `data:` URL, escaped.
    let (events, error) = decoded(&[completed(json!([whole]))]);
    assert_eq!((drawn(&events), error), (vec!["begun".to_owned(), "done: ".to_owned()], None));
    for result in [
        png.trim_end_matches('=').to_owned(),
        format!("data:image/png;base64,{png}"),
        format!("\n{png}\n"),
    ] {
        let item = json!({"type": "image_generation_call", "id": "a", "result": result});
        let done = json!({"type": "response.output_item.done", "item": item});
        // Told twice, it is one image.
        let (events, _) = decoded(&[done.clone(), done, completed(json!([item]))]);
        assert_eq!(drawn(&events), ["begun", "done: "]);
    }
    // Partial ones without an id belong to the one that is open; broken ones are passed over.
    let partial = |image: &str| json!({"type": "response.image_generation_call.partial_image", "partial_image_b64": image});
    let added =
        json!({"type": "response.output_item.added", "item": {"type": "image_generation_call"}});
    let (events, _) = decoded(&[
        added,
        partial("?"),
        partial(&png),
        json!({"type": "response.image_generation_call.partial_image", "partial_image_b64": 7}),
        json!({"type": "response.output_item.done", "item": {"type": "image_generation_call", "result": png}}),
        completed(json!([])),
    ]);
    assert_eq!(drawn(&events), ["begun", "partial 0", "done: "]);
    // A call of a function that speaks of images is a call.
    let call = json!({"type": "function_call", "call_id": "c", "name": "f",
        "arguments": "{\"x\": \"image_generation_call\"}"});
    let (events, _) = decoded(&[
        json!({"type": "response.output_item.done", "item": call}),
        completed(json!([])),
    ]);
    assert!(matches!(&events[0], ModelEvent::ToolCall { name, .. } if name == "f"), "{events:?}");
}
