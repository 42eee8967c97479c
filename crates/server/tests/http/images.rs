//! Images that the model makes: seen while they grow, kept, and nobody else's.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use parlor_fake_model::{Behaviour, FakeModel, ImageState, Step};
use parlor_server::config::{Config, ModelApi};
use serde_json::{Value, json};

use crate::app::{Follower, Stream, TestApp, User, input, with_model};
use crate::files::{on_disk, until_on_disk};
use crate::tables::everything_in;

async fn start(model: &FakeModel, change: impl FnOnce(&mut Config)) -> TestApp {
    TestApp::with(|config| {
        with_model(config, model, ModelApi::Responses);
        config.image_generation.enabled = true;
        change(config);
    })
    .await
}

/// An image that has been seen, and grows on when `step` is released: its follower and its thread.
async fn growing(user: &User) -> (Follower, String) {
    let params = json!({"input": input("/image a red fox /hold step")});
    let body = json!({"type": "threads.create", "params": params});
    let mut follower = Follower::new(user.send(body.to_string()).await);
    let seen = follower.until("generated_image.updated").await;
    let thread = seen.split("\"thr_").nth(1).unwrap().split('"').next().unwrap();
    let thread = format!("thr_{thread}");
    (follower, thread)
}

/// The image items among these.
fn images(items: &[Value]) -> Vec<&Value> {
    items.iter().filter(|item| item["type"] == "generated_image").collect()
}

/// The finished image of an answer.
fn made(stream: &Stream) -> &Value {
    let done = stream.events.iter().filter(|event| event["type"] == "thread.item.done");
    let mut items = done.map(|event| &event["item"]);
    let item = items.find(|item| item["type"] == "generated_image");
    &item.unwrap_or_else(|| panic!("{:#?}", stream.events))["image"]
}

async fn fetched(url: &Value) -> (u16, String, Vec<u8>) {
    let response = reqwest::get(url.as_str().unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
    (status, kind, response.bytes().await.unwrap().to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_grows_is_kept_and_is_there_after_a_reload() {
    let model = FakeModel::start().await;
    let app = start(&model, |config| {
        config.image_generation.model = Some("gpt-image-1".to_owned());
        config.image_generation.size = Some("1024x1024".to_owned());
    })
    .await;
    let ada = app.user("ada");
    let stream = ada.ask("/image a red fox").await;
    assert_eq!(stream.end.as_deref(), Some("done"), "{:#?}", stream.events);
    let tools = model.requests()[0].body["tools"].as_array().unwrap().clone();
    let expected = json!({
        "type": "image_generation", "model": "gpt-image-1", "size": "1024x1024", "partial_images": 2,
    });
    assert_eq!(tools.last(), Some(&expected));

    // Empty at first, then twice as it is so far, then done.
    let added = stream.events.iter().find(|event| {
        event["type"] == "thread.item.added" && event["item"]["type"] == "generated_image"
    });
    let id = &added.unwrap()["item"]["id"];
    assert!(added.unwrap()["item"]["image"].is_null());
    let growing: Vec<&Value> = stream
        .events
        .iter()
        .filter(|event| event["update"]["type"] == "generated_image.updated")
        .collect();
    assert_eq!(growing.len(), 2);
    let progress = growing.iter().map(|event| event["update"]["progress"].as_f64().unwrap());
    assert!(progress.is_sorted_by(|one, next| one < next && *next < 1.0));
    for event in &growing {
        assert_eq!(event["item_id"], *id);
        assert_eq!(event["update"]["image"]["id"], *id);
        let url = event["update"]["image"]["url"].as_str().unwrap();
        let bytes = STANDARD.decode(url.strip_prefix("data:image/jpeg;base64,").unwrap()).unwrap();
        let sketch = image::load_from_memory(&bytes).unwrap();
        assert!(sketch.width() <= 384 && bytes.len() < 64 * 1024, "{} bytes", bytes.len());
    }
    let image = made(&stream);
    assert_eq!((&image["id"], &image["alt"]), (id, &json!("a red fox")));
    let (status, kind, bytes) = fetched(&image["url"]).await;
    assert_eq!((status, kind.as_str()), (200, "image/png"));
    let picture = image::load_from_memory(&bytes).unwrap();
    assert_eq!((picture.width(), picture.height()), (480, 320));
    assert_eq!(stream.text(), "Here it is.");

    // Read again, it has a link that works; none is stored.
    let thread = stream.thread_id();
    let items = ada.items(&thread).await;
    let kinds: Vec<&Value> = items.iter().map(|item| &item["type"]).collect();
    assert_eq!(kinds, ["user_message", "generated_image", "assistant_message"]);
    assert_eq!(fetched(&items[1]["image"]["url"]).await.2, bytes);
    let (_, whole) = ada.json("threads.get_by_id", json!({"thread_id": thread})).await;
    let again = &images(whole["items"]["data"].as_array().unwrap())[0]["image"];
    assert_eq!(fetched(&again["url"]).await.0, 200);
    let folder = app.stop().await;
    let stored = everything_in(&folder.path().join("parlor.db"));
    let stored = String::from_utf8_lossy(&stored);
    assert!(stored.contains("a red fox"));
    assert!(!stored.contains("signature="), "links are made when they are sent");
    for bytes in ["data:image/png", "iVBORw0KGgo", "PNG\r\n"] {
        assert!(!stored.contains(bytes), "bytes are kept like those of files");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_its_owners_and_goes_with_the_thread() {
    let model = FakeModel::start().await;
    let app = start(&model, |_| {}).await;
    let ada = app.user("ada");
    let stream = ada.ask("/image a red fox").await;
    let (thread, image) = (stream.thread_id(), made(&stream).clone());
    let plain = format!("{}/files/{}", app.url, image["id"].as_str().unwrap());
    let get = async |user: &str| {
        let request = reqwest::Client::new().get(&plain).header("x-user-id", user);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!((get("ada").await, get("bob").await), (200, 404));
    let bob = app.user("bob");
    let (status, _) = bob.json("threads.get_by_id", json!({"thread_id": thread})).await;
    assert_eq!(status, 404);
    // Not even with a link of another's own file, or a changed one.
    let url = image["url"].as_str().unwrap().replace("signature=", "signature=A");
    assert_eq!(reqwest::get(url).await.unwrap().status(), 403);
    let (status, _) = ada.json("attachments.delete", json!({"attachment_id": image["id"]})).await;
    assert_eq!(status, 422, "it goes when its thread does");

    assert_eq!(on_disk(&app).len(), 2, "the image and a small one");
    let (status, _) = ada.json("threads.delete", json!({"thread_id": thread})).await;
    assert_eq!(status, 200);
    assert_eq!(get("ada").await, 404);
    assert_eq!(reqwest::get(image["url"].as_str().unwrap()).await.unwrap().status(), 404);
    until_on_disk(&app, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_of_an_answer_that_is_made_anew_goes_with_it() {
    let model = FakeModel::start().await;
    let app = start(&model, |_| {}).await;
    let ada = app.user("ada");
    let stream = ada.ask("/image a red fox").await;
    let thread = stream.thread_id();
    let first = made(&stream)["id"].clone();
    let question = ada.items(&thread).await[0]["id"].clone();
    let params = json!({"thread_id": thread, "item_id": question});
    let again = ada.stream("threads.retry_after_item", params, json!({})).await;
    assert_ne!(made(&again)["id"], first);
    let items = ada.items(&thread).await;
    assert_eq!(images(&items).len(), 1);
    until_on_disk(&app, 2).await;
    let body = &model.requests()[1].body;
    assert!(!body.to_string().contains("input_image"), "what is made anew is not given back");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_is_given_the_last_images_with_the_next_message() {
    let model = FakeModel::start().await;
    let app = start(&model, |_| {}).await;
    let ada = app.user("ada");
    let thread = ada.ask("/image a red fox").await.thread_id();
    for _ in 0..2 {
        let stream = ada.ask_in(&thread, "/image make it blue").await;
        assert_eq!(stream.end.as_deref(), Some("done"), "{:#?}", stream.events);
    }
    ada.ask_in(&thread, "/notools What was it?").await;
    let given = model.requests().into_iter().map(|request| {
        let input = request.body["input"].as_array().unwrap();
        let question = input.iter().rfind(|item| item["role"] == "user").unwrap();
        let last = question["content"].as_array().cloned().unwrap_or_default();
        assert!(
            !request.body.to_string().contains("image_generation_call"),
            "nothing is kept there"
        );
        last.iter().filter(|part| part["type"] == "input_image").count()
    });
    assert_eq!(given.collect::<Vec<_>>(), [0, 1, 2, 2], "no more than two of them");
    let body = &model.requests()[1].body;
    let last = &body["input"].as_array().unwrap().last().unwrap()["content"];
    assert!(last[0]["text"].as_str().unwrap().contains("made earlier in this conversation"));
    let url = last[1]["image_url"].as_str().unwrap();
    let bytes = STANDARD.decode(url.strip_prefix("data:image/jpeg;base64,").unwrap()).unwrap();
    assert_eq!(image::load_from_memory(&bytes).unwrap().width(), 480);
    let instructions = body["instructions"].as_str().unwrap();
    assert!(instructions.contains("An image was shown: a red fox"), "{instructions}");
    // Another conversation knows nothing of them.
    ada.ask("Hello").await;
    let body = model.requests().last().unwrap().body.to_string();
    assert!(!body.contains("input_image"), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_made_is_said_plainly_and_the_answer_goes_on() {
    let model = FakeModel::start().await;
    let app = start(&model, |_| {}).await;
    let ada = app.user("ada");
    let refused = |code: &str, categories: &[&str]| ImageState::Failed {
        code: code.to_owned(),
        categories: categories.iter().map(|&category| category.to_owned()).collect(),
    };
    let notice = |stream: &Stream| {
        let notices = stream.events.iter().filter(|event| event["type"] == "notice");
        notices.map(|event| event["message"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    // Said by the model, too.
    model.push(
        Behaviour::new()
            .image(ImageState::Partial, "a fox")
            .image(refused("moderation_blocked", &["violence"]), "")
            .text("I could not draw that."),
    );
    let stream = ada.ask("Draw something bad").await;
    assert_eq!(stream.end.as_deref(), Some("done"));
    assert!(notice(&stream)[0].contains("safety check refused"), "{:?}", notice(&stream));
    assert!(!notice(&stream)[0].contains("violence"), "what the provider said is the operator's");
    assert_eq!(stream.text(), "I could not draw that.");
    let items = ada.items(&stream.thread_id()).await;
    assert!(images(&items).is_empty(), "{items:?}");
    // Said by nobody else.
    model.push(Behaviour::new().image(refused("server_error", &[]), ""));
    let stream = ada.ask("Draw something").await;
    assert_eq!(stream.end.as_deref(), Some("done"));
    assert!(stream.text().contains("could not be made"), "{}", stream.text());
    // As OpenAI ends the whole answer when a moderation refuses.
    model.push(Behaviour::new().text("Let me see.").image(ImageState::Begun, "").error(
        parlor_fake_model::ErrorShape::Nested,
        "moderation_blocked",
        "Your request was rejected by the safety system.",
    ));
    let stream = ada.ask("Draw something bad").await;
    assert_eq!(stream.end.as_deref(), Some("done"), "{:#?}", stream.events);
    assert_eq!(notice(&stream).len(), 1);
    assert_eq!(stream.text(), "Let me see.");
    // What is no image, and what is said to be one.
    for bytes in ["bm90IGFuIGltYWdl", "!!!", ""] {
        let done = Step::Image {
            state: ImageState::Done,
            prompt: String::new(),
            base64: Some(bytes.to_owned()),
        };
        model.push(Behaviour::new().step(done).text("Here it is."));
        let stream = ada.ask("Draw something").await;
        assert_eq!(stream.end.as_deref(), Some("done"), "{bytes}");
        assert_eq!(notice(&stream).len(), 1, "{bytes}");
        assert!(images(&ada.items(&stream.thread_id()).await).is_empty(), "{bytes}");
    }
    assert!(on_disk(&app).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn images_are_limited_in_number_and_size() {
    let model = FakeModel::start().await;
    let app = start(&model, |config| {
        config.image_generation.per_turn = 2;
        config.image_generation.max_bytes = Some(100_000);
    })
    .await;
    let ada = app.user("ada");
    let many = (0..4).fold(Behaviour::new(), |behaviour, n| {
        behaviour.image(ImageState::Done, format!("fox {n}"))
    });
    model.push(many);
    let stream = ada.ask("Draw many").await;
    assert_eq!(stream.end.as_deref(), Some("done"), "{:#?}", stream.events);
    let items = ada.items(&stream.thread_id()).await;
    let alts: Vec<&Value> = images(&items).iter().map(|item| &item["image"]["alt"]).collect();
    assert_eq!(alts, ["fox 0", "fox 1"]);
    let notices = stream.events.iter().filter(|event| event["type"] == "notice");
    assert_eq!(notices.count(), 1);
    // Larger than it may be.
    let noise = image::RgbImage::from_fn(300, 300, |x, y| {
        let hash = (x * 7_919 + y * 104_729).wrapping_mul(2_654_435_761);
        image::Rgb([hash as u8, (hash >> 8) as u8, (hash >> 16) as u8])
    });
    let mut bytes = std::io::Cursor::new(Vec::new());
    noise.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    assert!(bytes.get_ref().len() > 100_000);
    let base64 = Some(STANDARD.encode(bytes.into_inner()));
    let done = Step::Image { state: ImageState::Done, prompt: String::new(), base64 };
    model.push(Behaviour::new().step(done).text("Here it is."));
    let stream = ada.ask("Draw a large one").await;
    assert!(images(&ada.items(&stream.thread_id()).await).is_empty());
    // A model of tools that were not asked for is not shown.
    let off = start(&model, |config| config.image_generation.enabled = false).await;
    model.push(Behaviour::new().image(ImageState::Done, "fox").text("Here it is."));
    let stream = off.user("ada").ask("Draw").await;
    assert_eq!(stream.text(), "Here it is.");
    assert!(!stream.events.iter().any(|event| event.to_string().contains("generated_image")));
    assert!(!model.requests().last().unwrap().body.to_string().contains("image_generation"));
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_comes_back_sees_the_image_as_it_is() {
    let model = FakeModel::start().await;
    let app = start(&model, |_| {}).await;
    let ada = app.user("ada");
    let (first, thread) = growing(&ada).await;
    drop(first);
    let body = json!({"type": "threads.resume", "params": {"thread_id": thread, "after": 0}});
    let mut second = Follower::new(ada.send(body.to_string()).await);
    second.until("generated_image.updated").await;
    model.release("step");
    let stream = second.finish().await;
    assert_eq!(fetched(&made(&stream)["url"]).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_answer_keeps_what_was_seen_of_its_image() {
    let model = FakeModel::start().await;
    let app = start(&model, |_| {}).await;
    let ada = app.user("ada");
    let (follower, thread) = growing(&ada).await;
    let (status, _) = ada.json("threads.stop", json!({"thread_id": thread})).await;
    assert_eq!(status, 200);
    follower.finish().await;
    let items = ada.items(&thread).await;
    let url = images(&items)[0]["image"]["url"].as_str().unwrap();
    assert!(url.starts_with("data:image/jpeg;base64,") && url.len() < 64 * 1024, "{}", url.len());
    // It is no file, so it is not given back.
    let stream = ada.ask_in(&thread, "Go on").await;
    assert_eq!(stream.end.as_deref(), Some("done"));
    assert!(!model.requests().last().unwrap().body.to_string().contains("input_image"));
}

#[tokio::test(flavor = "multi_thread")]
async fn users_may_demand_an_image_and_agents_make_some_only_where_they_may() {
    let model = FakeModel::start().await;
    let demanding = async |app: &TestApp| {
        let mut message = input("/image a red fox");
        message["inference_options"] = json!({"tool_choice": {"id": "image_generation"}});
        let params = json!({"input": message});
        let stream = app.user("ada").stream("threads.create", params, json!({})).await;
        assert_eq!(stream.end.as_deref(), Some("done"), "{:#?}", stream.events);
        model.requests().last().unwrap().body.clone()
    };
    let app = start(&model, |_| {}).await;
    assert!(demanding(&app).await["tool_choice"].is_null(), "what is not listed is ignored");
    let app = start(&model, |config| {
        config.agent.tool_choices = vec!["image_generation".to_owned()];
    })
    .await;
    assert_eq!(demanding(&app).await["tool_choice"], json!({"type": "image_generation"}));

    let agents = |tools: Value| {
        let desk = json!({"name": "desk", "tools": tools, "hand_offs": ["painter"]});
        let painter =
            json!({"name": "painter", "instructions": "You paint.", "tools": ["image_*"]});
        serde_json::from_value(json!([desk, painter])).unwrap()
    };
    let app = start(&model, |config| {
        config.agents = agents(json!([]));
        config.agent.tool_choices = vec!["image_generation".to_owned()];
    })
    .await;
    model.push(Behaviour::new().tool_call("transfer_to_painter", json!({"reason": "a picture"})));
    model.push(Behaviour::new().image(ImageState::Done, "a fox").text("Painted."));
    let before = model.requests().len();
    let stream = app.user("ada").ask("Draw a fox").await;
    assert_eq!(stream.end.as_deref(), Some("done"), "{:#?}", stream.events);
    assert_eq!(made(&stream)["alt"], "a fox");
    let asked: Vec<String> = model.requests()[before..]
        .iter()
        .map(|request| request.body["tools"].to_string())
        .collect();
    assert!(!asked[0].contains("image_generation") && asked[1].contains("image_generation"));
}
