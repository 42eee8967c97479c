//! What a model thinks, and what it cites by itself.

use parlor_agent::{AgentResponder, PromptConfig, model::ReasoningSummary};
use parlor_fake_model::{Behaviour, ErrorShape, FakeModel, Step};
use serde_json::{Value, json};

use super::{APIS, Chat, client};

#[tokio::test]
async fn thoughts_are_shown_before_the_answer_where_that_is_wanted() {
    for api in APIS {
        let model = FakeModel::start().await;
        let plain = AgentResponder::new(None, Some(client(&model, api)), PromptConfig::default());
        let thinking = "They ask about ports. ".repeat(40);
        let answer = Behaviour::new().reasoning(thinking.clone()).text("Port 8000.");
        model.push(answer.clone().times(2));
        let chat = Chat::with(plain).await;
        let said = chat.say(None, "Which port?").await;
        let items = chat.stored(&said.thread).await;
        assert_eq!(items.iter().filter(|item| item["type"] == "workflow").count(), 0);

        let shown = AgentResponder::new(None, Some(client(&model, api)), PromptConfig::default())
            .show_reasoning(ReasoningSummary::Auto);
        let chat = Chat::with(shown).await;
        let said = chat.say(None, "Which port?").await;
        assert_eq!(said.text(), "Port 8000.");
        let items = chat.stored(&said.thread).await;
        let kinds: Vec<&Value> = items.iter().map(|item| &item["type"]).collect();
        assert_eq!(kinds, ["user_message", "workflow", "assistant_message"]);
        let workflow = &items[1]["workflow"];
        assert_eq!(workflow["type"], "reasoning");
        assert_eq!(workflow["tasks"][0]["content"], thinking.trim());
        assert_eq!(workflow["tasks"][0]["status_indicator"], "complete");
        assert!(workflow["summary"]["duration"].is_number());
        // All of it is sent a few times at most, however small the pieces are.
        let updates = said.of_type("thread.item.updated");
        let sent: usize = updates
            .iter()
            .filter(|event| event["update"]["type"] == "workflow.task.updated")
            .map(|event| event.to_string().len())
            .sum();
        assert!(sent < 8 * thinking.len(), "{sent}");
        let body = &model.requests()[1].body;
        let asked = matches!(api, parlor_agent::ModelApi::Responses);
        assert_eq!(body["reasoning"]["summary"] == "auto", asked, "{body}");
    }
}

#[tokio::test]
async fn a_file_that_the_provider_cites_is_a_source() {
    let model = FakeModel::start().await;
    let api = parlor_agent::ModelApi::Responses;
    let chat =
        Chat::with(AgentResponder::new(None, Some(client(&model, api)), PromptConfig::default()))
            .await;
    let annotation = json!({
        "type": "response.output_text.annotation.added",
        "annotation": {"type": "file_citation", "file_id": "f", "filename": "guide.pdf", "index": 3},
    });
    let raw = format!("data: {annotation}\n\n");
    model.push(Behaviour::new().text("See there.").step(Step::Raw { text: raw }));
    let said = chat.say(None, "Where?").await;
    let source = &said.content()["annotations"][0]["source"];
    assert_eq!((&source["type"], &source["filename"]), (&json!("file"), &json!("guide.pdf")));
}

#[tokio::test]
async fn an_error_in_the_stream_before_the_first_word_is_tried_again_and_by_another_model() {
    for api in APIS {
        let (first, second) = (FakeModel::start().await, FakeModel::start().await);
        let shape = match api {
            parlor_agent::ModelApi::Responses => ErrorShape::Event,
            parlor_agent::ModelApi::ChatCompletions => ErrorShape::Object,
        };
        let broken = Behaviour::new().error(shape, "server_error", "Overloaded.");
        first.push(broken.clone());
        first.push(Behaviour::new().text("Here I am."));
        let responder = || {
            AgentResponder::new(None, Some(client(&first, api)), PromptConfig::default())
                .fallback(client(&second, api))
        };
        let chat = Chat::with(responder()).await;
        assert_eq!(chat.say(None, "Are you there?").await.text(), "Here I am.");
        assert_eq!((first.requests().len(), second.requests().len()), (2, 0));

        first.push(broken.clone().times(3));
        second.push(Behaviour::new().text("I am another."));
        let chat = Chat::with(responder()).await;
        assert_eq!(chat.say(None, "Are you there?").await.text(), "I am another.");
        assert_eq!((first.requests().len(), second.requests().len()), (5, 1));

        // Words that were said stay, and nothing is said twice.
        first.push(Behaviour::new().text("Half").error(shape, "server_error", "Overloaded."));
        let chat = Chat::with(responder()).await;
        let said = chat.say(None, "Are you there?").await;
        assert_eq!(said.text(), "Half");
        assert_eq!(said.error()["reason"], "model.server_error");
        assert_eq!((first.requests().len(), second.requests().len()), (6, 1));
    }
}
