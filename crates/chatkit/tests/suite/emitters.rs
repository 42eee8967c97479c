//! Everything that the protocol can say, said by a responder.

use std::collections::BTreeSet;

use parlor_chatkit::{
    ChatKit, Extension, Responder, Store, Turn, TurnError, TurnState, Visibility,
    protocol::{
        CallId, CustomTask, EntitySource, FileSource, FileTask, Icon, JsonMap, NoticeLevel,
        SdkHiddenContextItem, SearchTask, StructuredInputAnswerSubmission, StructuredInputFreeform,
        StructuredInputMultipleChoice, StructuredInputSubmission, Task, ThoughtTask, ThreadItem,
        ThreadItemUpdate, ThreadStatus, ThreadStreamEvent, UrlSource, WorkflowSummary,
        widgets::{Badge, Card, Text},
    },
    testing::TestUser,
};
use parlor_store::SqliteStore;
use serde_json::json;

/// Says what the message names.
struct Speaker;

impl Responder for Speaker {
    async fn respond(&self, turn: &mut Turn) -> Result<(), TurnError> {
        let wanted = match turn.input() {
            Some(message) => message.text(),
            None => return self.go_on(turn).await,
        };
        match wanted.as_str() {
            "message" => {
                turn.progress(Icon::from_static("search"), "Looking").await?;
                let mut reply = turn.assistant_message().await?;
                reply.push("Cited").await?;
                reply.cite(UrlSource::new("Page", "/page")).await?;
                reply.cite(FileSource::new("File", "file.pdf")).await?;
                reply.cite(EntitySource::new("e1", "Thing")).await?;
                reply.push(".").await?;
                reply.finish().await?;
                turn.end_of_turn().await?;
            }
            "workflow" => {
                let mut steps = turn.workflow();
                let first = steps.add(CustomTask::new("One").loading()).await?;
                steps.add(SearchTask::new("Two").queries(["q"]).loading()).await?;
                steps.update(first, CustomTask::new("One").complete()).await?;
                steps.finish().await?;
                let mut thoughts = turn.reasoning();
                thoughts.add(ThoughtTask::new("Hm.").title("Thinking")).await?;
                thoughts.finish().await?;
                turn.task(FileTask::new([FileSource::new("Notes", "notes.txt")])).await?;
                turn.workflow().finish().await?;
            }
            "widget" => {
                turn.widget(Card::new([]), None).await?;
                let first =
                    Card::new([Text::new("a").id("t").into(), Badge::new("x").id("b").into()]);
                let mut widget = turn.begin_widget(first, None).await?;
                widget.append("t", "b").await?;
                widget.replace_component("b", Badge::new("y").id("b")).await?;
                widget.update(Card::new([Text::new("else").id("t").into()])).await?;
                widget.finish().await?;
            }
            "image" => {
                let mut image = turn.generated_image().await?;
                image.preview("data:image/png;base64,AA==", Some(0.5)).await?;
                image.finish("/cat.png").await?;
            }
            "beside" => {
                turn.notice(NoticeLevel::Info, "By the way").await?;
                turn.client_effect("flash", JsonMap::new()).await?;
                turn.hidden_context(json!({"for": "the model"})).await?;
                let (id, thread_id, created_at) = turn.new_item("shc");
                let content = "ours".to_owned();
                turn.put(SdkHiddenContextItem { id, thread_id, created_at, content }).await?;
                turn.set_title("A title");
                turn.set_status(ThreadStatus::Active);
                turn.thread_metadata_mut().insert("seen".to_owned(), json!(true));
                turn.notice(NoticeLevel::Info, "Saved").await?;
            }
            "again" => {
                let said = turn.task(CustomTask::new("Gone soon")).await?;
                turn.remove_item(said).await?;
                let id = turn.widget(Card::new([]), None).await?;
                let history = turn.history(1).await?;
                let Some(ThreadItem::Widget(mut item)) = history.into_iter().next_back() else {
                    return Err(TurnError::new("test", "the widget is the last item"));
                };
                assert_eq!(item.id, id);
                item.copy_text = Some("replaced".to_owned());
                turn.replace_item(item).await?;
            }
            "tool" => {
                turn.client_tool_call(CallId::new("c1"), "read_form", JsonMap::new()).await?;
            }
            "ask" => {
                turn.ask(vec![
                    StructuredInputMultipleChoice::new("colour", "Which?", ["red", "blue"]).into(),
                    StructuredInputFreeform::new("why", "Why?").description("If you like").into(),
                ])
                .await?;
            }
            "extension" => {
                let name = turn.context().extension::<&str>().copied().unwrap_or("none");
                let mut reply = turn.assistant_message().await?;
                reply.push(name).await?;
                reply.finish().await?;
            }
            other => return Err(TurnError::new("unknown", format!("“{other}”?"))),
        }
        Ok(())
    }
}

impl Speaker {
    /// After a tool's output or answered questions.
    async fn go_on(&self, turn: &mut Turn) -> Result<(), TurnError> {
        let last = turn.history(1).await?.pop();
        let said = match last {
            Some(ThreadItem::ClientToolCall(call)) => {
                format!("got {}", call.output.unwrap_or_default())
            }
            Some(ThreadItem::StructuredInput(item)) => {
                format!("{:?} because {:?}", item.answer("colour"), item.answer("why"))
            }
            other => format!("{other:?}"),
        };
        let mut reply = turn.assistant_message().await?;
        reply.push(&said).await?;
        reply.finish().await
    }
}

struct Scene {
    chatkit: ChatKit,
    store: SqliteStore,
    _folder: tempfile::TempDir,
}

async fn scene() -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = SqliteStore::open(path.to_str().unwrap()).await.unwrap();
    Scene { chatkit: ChatKit::new(store.clone(), Speaker), store, _folder: folder }
}

#[tokio::test]
async fn every_event_update_and_item_of_the_protocol_can_be_said_by_a_responder() {
    let scene = scene().await;
    let mut ada = TestUser::new(&scene.chatkit, "ada");
    let (mut events, mut updates, mut items) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for what in ["message", "workflow", "widget", "image", "beside", "again", "tool", "ask", "no"] {
        let reply = ada.say(what).await.unwrap();
        let failed = (what == "no").then_some(TurnState::Failed);
        assert_eq!(
            reply.end,
            Some(failed.unwrap_or(TurnState::Done)),
            "{what}: {:?}",
            reply.error()
        );
        for event in &reply.events {
            // What this version does not know would have been read as unknown.
            events.insert(event.tag().to_owned());
            if let ThreadStreamEvent::ItemUpdated(event) = event {
                updates.insert(event.update.tag().to_owned());
            }
        }
    }
    let owner = parlor_chatkit::Owner::single_tenant(parlor_chatkit::UserId::new("ada"));
    let query = parlor_chatkit::PageQuery {
        limit: 100,
        order: parlor_chatkit::protocol::Order::Asc,
        after: None,
    };
    let thread_id = ada.thread_id().unwrap();
    let stored = scene.store.items(&owner, thread_id, &query, Visibility::All).await.unwrap();
    items.extend(stored.unwrap().data.iter().map(|item| item.tag().to_owned()));

    let all = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect::<BTreeSet<_>>();
    // The first event of a thread is read by `begin`, and is part of the reply.
    assert_eq!(events, all(ThreadStreamEvent::TAGS));
    assert_eq!(updates, all(ThreadItemUpdate::TAGS));
    assert_eq!(items, all(ThreadItem::TAGS));

    let thread = scene.store.thread(&owner, thread_id).await.unwrap().unwrap();
    assert_eq!(thread.title.as_deref(), Some("A title"));
    assert_eq!(thread.metadata["seen"], true);
}

#[tokio::test]
async fn a_workflow_is_shown_with_its_first_step_and_summed_up_by_its_duration() {
    let scene = scene().await;
    let mut ada = TestUser::new(&scene.chatkit, "ada");
    let reply = ada.say("workflow").await.unwrap();
    let workflows: Vec<_> = reply
        .items()
        .filter_map(|item| match item {
            ThreadItem::Workflow(item) => Some(&item.workflow),
            _ => None,
        })
        .collect();
    // The third one had no steps, and is none.
    let [steps, thoughts] = &workflows[..] else { panic!("{workflows:?}") };
    assert!(matches!(steps.summary, Some(WorkflowSummary::Duration(_))));
    let states: Vec<_> = steps
        .tasks
        .iter()
        .map(|task| match task {
            Task::Custom(task) => task.status_indicator,
            Task::WebSearch(task) => task.status_indicator,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(format!("{states:?}"), "[Complete, Loading]");
    assert_eq!(thoughts.tasks.len(), 1);
}

#[tokio::test]
async fn a_step_that_is_not_there_cannot_be_updated() {
    struct Wrong;
    impl Responder for Wrong {
        async fn respond(&self, turn: &mut Turn) -> Result<(), TurnError> {
            let mut steps = turn.workflow();
            steps.add(CustomTask::new("One")).await?;
            steps.update(1, CustomTask::new("Two")).await
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = SqliteStore::open(path.to_str().unwrap()).await.unwrap();
    let reply = TestUser::new(&ChatKit::new(store, Wrong), "ada").say("x").await.unwrap();
    assert_eq!(reply.end, Some(TurnState::Failed));
    // What was shown stays.
    assert!(reply.items().any(|item| item.tag() == "workflow"));
}

#[tokio::test]
async fn an_image_keeps_its_last_preview_and_ends_where_it_is_kept() {
    let scene = scene().await;
    let reply = TestUser::new(&scene.chatkit, "ada").say("image").await.unwrap();
    let Some(ThreadItem::GeneratedImage(item)) = reply.items().next() else { panic!("an image") };
    assert_eq!(item.image.as_ref().unwrap().url, "/cat.png");
}

#[tokio::test]
async fn a_turn_goes_on_with_a_tools_output_and_with_answers() {
    let scene = scene().await;
    let mut ada = TestUser::new(&scene.chatkit, "ada");
    ada.say("tool").await.unwrap();
    let reply = ada.tool_output(json!({"name": "Ada"})).await.unwrap();
    assert_eq!(reply.text(), "got {\"name\":\"Ada\"}");

    let reply = ada.say("ask").await.unwrap();
    let asked = reply.items().next().unwrap().id().unwrap();
    let given = |values: &[&str], skipped| StructuredInputAnswerSubmission {
        values: values.iter().map(|value| (*value).to_owned()).collect(),
        skipped,
    };
    let submission = StructuredInputSubmission {
        answers: [
            ("colour".to_owned(), given(&["red"], false)),
            ("why".to_owned(), given(&[], true)),
        ]
        .into(),
        ..StructuredInputSubmission::default()
    };
    let reply = ada.answer(&asked, &submission).await.unwrap();
    assert_eq!(reply.text(), "Some([\"red\"]) because None");
}

#[tokio::test]
async fn a_value_of_the_integrators_own_reaches_the_responder() {
    let scene = scene().await;
    let mut ada = TestUser::new(&scene.chatkit, "ada").extension(Extension::new("a permit"));
    assert_eq!(ada.say("extension").await.unwrap().text(), "a permit");
    let mut eve = TestUser::new(&scene.chatkit, "eve");
    assert_eq!(eve.say("extension").await.unwrap().text(), "none");
}
