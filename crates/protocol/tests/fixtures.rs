//! Every type of the official models goes from JSON into ours and back.
//!
//! The fixtures are recorded from the official models by `tests/conformance/record_fixtures.py`.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use parlor_protocol::widgets::{Series, WidgetComponent, WidgetRoot};
use parlor_protocol::{
    Action, ActionConfig, Annotation, AssistantMessageContent, Attachment,
    AttachmentUploadDescriptor, GeneratedImage, Icon, InferenceOptions, Operation, Page, Request,
    Source, StreamOptions, StructuredInput, StructuredInputAnswer, StructuredInputAnswerSubmission,
    StructuredInputOption, StructuredInputSubmission, SyncCustomActionResponse, Task, Thread,
    ThreadItem, ThreadItemUpdate, ThreadMetadata, ThreadStatus, ThreadStreamEvent, ToolChoice,
    TranscriptionResult, UserMessageContent, UserMessageInput, Workflow, WorkflowSummary,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

#[derive(serde::Deserialize)]
struct File {
    recorded_with: String,
    cases: Vec<Case>,
}

#[derive(Clone, serde::Deserialize)]
struct Case {
    name: String,
    model: String,
    json: Value,
    written_as: Option<Value>,
}

fn files() -> BTreeMap<String, File> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/protocol");
    let files: BTreeMap<_, _> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let file = serde_json::from_slice(&fs::read(&path).unwrap())
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            (name, file)
        })
        .collect();
    assert!(files.len() >= 12, "fixture files are missing: {:?}", files.keys());
    files
}

/// What reading a case and writing it again gives: the JSON, and which arm it went into.
type Again = Result<(Value, String), String>;
type Read = fn(&Value) -> Again;

fn again<T: DeserializeOwned + Serialize>(json: &Value) -> Again {
    // From text, as everything on the wire is: reading from a tree can hide differences.
    let text = json.to_string();
    let mut reader = serde_json::Deserializer::from_str(&text);
    let value: T =
        serde_path_to_error::deserialize(&mut reader).map_err(|error| error.to_string())?;
    Ok((serde_json::to_value(&value).map_err(|error| error.to_string())?, String::new()))
}

macro_rules! arm {
    ($union:ty) => {
        |json| {
            let value: $union =
                serde_json::from_str(&json.to_string()).map_err(|error| error.to_string())?;
            let debug = format!("{value:?}");
            let arm = debug.split('(').next().unwrap_or_default().to_owned();
            Ok((serde_json::to_value(&value).map_err(|error| error.to_string())?, arm))
        }
    };
}

fn request(json: &Value) -> Again {
    let request = Request::parse(json.to_string().as_bytes()).map_err(|error| error.to_string())?;
    let arm = format!("{:?}", request.operation);
    let arm = arm.split('(').next().unwrap_or_default().to_owned();
    Ok((serde_json::to_value(&request).map_err(|error| error.to_string())?, arm))
}

/// The type that stands for an official model, and the arm that its values must go into.
const MODELS: &[(&str, &str, Read)] = &[
    ("Action", "", again::<Action>),
    ("ActionConfig", "", again::<ActionConfig>),
    ("ActiveStatus", "Active", arm!(ThreadStatus)),
    ("Annotation", "", again::<Annotation>),
    ("AreaSeries", "Area", arm!(Series)),
    ("AssistantMessageContent", "", again::<AssistantMessageContent>),
    ("AssistantMessageContentPartAdded", "ContentPartAdded", arm!(ThreadItemUpdate)),
    ("AssistantMessageContentPartAnnotationAdded", "AnnotationAdded", arm!(ThreadItemUpdate)),
    ("AssistantMessageContentPartDone", "ContentPartDone", arm!(ThreadItemUpdate)),
    ("AssistantMessageContentPartTextDelta", "TextDelta", arm!(ThreadItemUpdate)),
    ("AssistantMessageItem", "AssistantMessage", arm!(ThreadItem)),
    ("AttachmentUploadDescriptor", "", again::<AttachmentUploadDescriptor>),
    ("AttachmentsCreateReq", "AttachmentsCreate", request),
    ("AttachmentsDeleteReq", "AttachmentsDelete", request),
    ("Badge", "Badge", arm!(WidgetComponent)),
    ("BarSeries", "Bar", arm!(Series)),
    ("BasicRoot", "Basic", arm!(WidgetRoot)),
    ("Box", "Box", arm!(WidgetComponent)),
    ("Button", "Button", arm!(WidgetComponent)),
    ("Caption", "Caption", arm!(WidgetComponent)),
    ("Card", "Card", arm!(WidgetRoot)),
    ("Chart", "Chart", arm!(WidgetComponent)),
    ("Checkbox", "Checkbox", arm!(WidgetComponent)),
    ("ClientEffectEvent", "ClientEffect", arm!(ThreadStreamEvent)),
    ("ClientToolCallItem", "ClientToolCall", arm!(ThreadItem)),
    ("ClosedStatus", "Closed { reason: ", closed_status),
    ("Col", "Col", arm!(WidgetComponent)),
    ("CustomSummary", "Custom", arm!(WorkflowSummary)),
    ("CustomTask", "Custom", arm!(Task)),
    ("DatePicker", "DatePicker", arm!(WidgetComponent)),
    ("Divider", "Divider", arm!(WidgetComponent)),
    ("DurationSummary", "Duration", arm!(WorkflowSummary)),
    // What these become depends on the case; see the test on open widgets.
    ("DynamicWidgetComponent", "", again::<WidgetComponent>),
    ("DynamicWidgetRoot", "", again::<WidgetRoot>),
    ("EndOfTurnItem", "EndOfTurn", arm!(ThreadItem)),
    ("EntitySource", "Entity", arm!(Source)),
    ("ErrorEvent", "Error", arm!(ThreadStreamEvent)),
    ("FileAttachment", "File", arm!(Attachment)),
    ("FileSource", "File", arm!(Source)),
    ("FileTask", "File", arm!(Task)),
    ("Form", "Form", arm!(WidgetComponent)),
    ("GeneratedImage", "", again::<GeneratedImage>),
    ("GeneratedImageItem", "GeneratedImage", arm!(ThreadItem)),
    ("GeneratedImageUpdated", "GeneratedImageUpdated", arm!(ThreadItemUpdate)),
    ("HiddenContextItem", "HiddenContext", arm!(ThreadItem)),
    ("Icon", "Icon", arm!(WidgetComponent)),
    ("IconName", "", again::<Icon>),
    ("Image", "Image", arm!(WidgetComponent)),
    ("ImageAttachment", "Image", arm!(Attachment)),
    ("ImageTask", "Image", arm!(Task)),
    ("InferenceOptions", "", again::<InferenceOptions>),
    ("Input", "Input", arm!(WidgetComponent)),
    ("InputTranscribeReq", "InputTranscribe", request),
    ("ItemsFeedbackReq", "ItemsFeedback", request),
    ("ItemsListReq", "ItemsList", request),
    ("Label", "Label", arm!(WidgetComponent)),
    ("LineSeries", "Line", arm!(Series)),
    ("ListView", "ListView", arm!(WidgetRoot)),
    ("ListViewItem", "ListViewItem", arm!(WidgetComponent)),
    ("LockedStatus", "Locked { reason: ", locked_status),
    ("Markdown", "Markdown", arm!(WidgetComponent)),
    ("NoticeEvent", "Notice", arm!(ThreadStreamEvent)),
    ("Page[Thread]", "", again::<Page<Thread>>),
    ("Page[ThreadItem]", "", again::<Page<ThreadItem>>),
    ("ProgressUpdateEvent", "ProgressUpdate", arm!(ThreadStreamEvent)),
    ("RadioGroup", "RadioGroup", arm!(WidgetComponent)),
    ("Row", "Row", arm!(WidgetComponent)),
    ("SDKHiddenContextItem", "SdkHiddenContext", arm!(ThreadItem)),
    ("SearchTask", "WebSearch", arm!(Task)),
    ("Select", "Select", arm!(WidgetComponent)),
    ("Spacer", "Spacer", arm!(WidgetComponent)),
    ("StreamOptions", "", again::<StreamOptions>),
    ("StreamOptionsEvent", "StreamOptions", arm!(ThreadStreamEvent)),
    ("StructuredInputAnswer", "", again::<StructuredInputAnswer>),
    ("StructuredInputAnswerSubmission", "", again::<StructuredInputAnswerSubmission>),
    ("StructuredInputFreeform", "Freeform", arm!(StructuredInput)),
    ("StructuredInputItem", "StructuredInput", arm!(ThreadItem)),
    ("StructuredInputMultipleChoice", "MultipleChoice", arm!(StructuredInput)),
    ("StructuredInputMultipleChoiceOption", "", again::<StructuredInputOption>),
    ("StructuredInputSubmission", "", again::<StructuredInputSubmission>),
    ("SyncCustomActionResponse", "", again::<SyncCustomActionResponse>),
    ("Table", "Table", arm!(WidgetComponent)),
    ("TableCell", "TableCell", arm!(WidgetComponent)),
    ("TableRow", "TableRow", arm!(WidgetComponent)),
    ("TaskItem", "Task", arm!(ThreadItem)),
    ("Text", "Text", arm!(WidgetComponent)),
    ("Textarea", "Textarea", arm!(WidgetComponent)),
    ("ThoughtTask", "Thought", arm!(Task)),
    ("Thread", "", again::<Thread>),
    ("ThreadCreatedEvent", "ThreadCreated", arm!(ThreadStreamEvent)),
    ("ThreadItemAddedEvent", "ItemAdded", arm!(ThreadStreamEvent)),
    ("ThreadItemDoneEvent", "ItemDone", arm!(ThreadStreamEvent)),
    ("ThreadItemRemovedEvent", "ItemRemoved", arm!(ThreadStreamEvent)),
    ("ThreadItemReplacedEvent", "ItemReplaced", arm!(ThreadStreamEvent)),
    ("ThreadItemUpdatedEvent", "ItemUpdated", arm!(ThreadStreamEvent)),
    ("ThreadMetadata", "", again::<ThreadMetadata>),
    ("ThreadUpdatedEvent", "ThreadUpdated", arm!(ThreadStreamEvent)),
    ("ThreadsAddClientToolOutputReq", "ThreadsAddClientToolOutput", request),
    ("ThreadsAddStructuredInputReq", "ThreadsAddStructuredInput", request),
    ("ThreadsAddUserMessageReq", "ThreadsAddUserMessage", request),
    ("ThreadsCreateReq", "ThreadsCreate", request),
    ("ThreadsCustomActionReq", "ThreadsCustomAction", request),
    ("ThreadsDeleteReq", "ThreadsDelete", request),
    ("ThreadsGetByIdReq", "ThreadsGetById", request),
    ("ThreadsListReq", "ThreadsList", request),
    ("ThreadsRetryAfterItemReq", "ThreadsRetryAfterItem", request),
    ("ThreadsSyncCustomActionReq", "ThreadsSyncCustomAction", request),
    ("ThreadsUpdateReq", "ThreadsUpdate", request),
    ("Title", "Title", arm!(WidgetComponent)),
    ("ToolChoice", "", again::<ToolChoice>),
    ("TranscriptionResult", "", again::<TranscriptionResult>),
    ("Transition", "Transition", arm!(WidgetComponent)),
    ("URLSource", "Url", arm!(Source)),
    ("UserMessageInput", "", again::<UserMessageInput>),
    ("UserMessageItem", "UserMessage", arm!(ThreadItem)),
    ("UserMessageTagContent", "Tag", arm!(UserMessageContent)),
    ("UserMessageTextContent", "Text", arm!(UserMessageContent)),
    ("WidgetComponentUpdated", "WidgetComponentUpdated", arm!(ThreadItemUpdate)),
    ("WidgetItem", "Widget", arm!(ThreadItem)),
    ("WidgetRootUpdated", "WidgetRootUpdated", arm!(ThreadItemUpdate)),
    ("WidgetStreamingTextValueDelta", "WidgetTextDelta", arm!(ThreadItemUpdate)),
    ("Workflow", "", again::<Workflow>),
    ("WorkflowItem", "Workflow", arm!(ThreadItem)),
    ("WorkflowTaskAdded", "WorkflowTaskAdded", arm!(ThreadItemUpdate)),
    ("WorkflowTaskUpdated", "WorkflowTaskUpdated", arm!(ThreadItemUpdate)),
];

/// The statuses are not tuples: their name ends where the fields begin.
fn status(json: &Value) -> Again {
    let (value, _) = again::<ThreadStatus>(json)?;
    let status: ThreadStatus = serde_json::from_value(json.clone()).unwrap();
    let arm = format!("{status:?}");
    let end = arm.find(": ").map_or(arm.len(), |end| end + 2);
    Ok((value, arm[..end].to_owned()))
}
use status as closed_status;
use status as locked_status;

fn reader(model: &str) -> (&'static str, Read) {
    let (_, arm, read) = MODELS
        .iter()
        .find(|(name, _, _)| *name == model)
        .unwrap_or_else(|| panic!("no type is named for the official model {model}"));
    (arm, *read)
}

/// `1` and `1.0` are one number in JSON.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

#[test]
fn every_fixture_is_the_same_json_again_in_the_arm_of_its_own() {
    let mut problems = Vec::new();
    for (file, contents) in files() {
        for case in contents.cases {
            let (expected_arm, read) = reader(&case.model);
            let place = format!("{file}: {} ({})", case.name, case.model);
            match read(&case.json) {
                Err(error) => problems.push(format!("{place}: {error}")),
                Ok((json, arm)) => {
                    let expected = case.written_as.as_ref().unwrap_or(&case.json);
                    if !same(&json, expected) {
                        problems.push(format!("{place}:\n   read {expected}\n  wrote {json}"));
                    }
                    if arm != expected_arm {
                        problems.push(format!("{place}: is {arm}, not {expected_arm}"));
                    }
                }
            }
        }
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn every_model_named_here_is_in_a_fixture() {
    let files = files();
    let recorded: BTreeSet<&str> =
        files.values().flat_map(|file| &file.cases).map(|case| case.model.as_str()).collect();
    let named: BTreeSet<&str> = MODELS.iter().map(|(name, _, _)| *name).collect();
    assert_eq!(named, recorded);
    assert!(files.values().all(|file| file.recorded_with == "openai-chatkit 1.6.5"));
}

#[test]
fn every_arm_of_every_union_is_in_a_fixture() {
    let files = files();
    let tags: BTreeSet<String> = files
        .values()
        .flat_map(|file| &file.cases)
        .filter_map(|case| case.json.get("type")?.as_str().map(str::to_owned))
        .collect();
    let ours = ["threads.stop", "threads.resume"];
    let known = [
        ThreadStreamEvent::TAGS,
        ThreadItem::TAGS,
        ThreadItemUpdate::TAGS,
        Source::TAGS,
        Task::TAGS,
        Attachment::TAGS,
        StructuredInput::TAGS,
        UserMessageContent::TAGS,
        Series::TAGS,
        WidgetRoot::KINDS,
        WidgetComponent::KINDS,
        Operation::NAMES,
    ];
    for tag in known.into_iter().flatten().filter(|tag| !ours.contains(tag)) {
        assert!(tags.contains(*tag), "no fixture has the type {tag}");
    }
    assert_eq!(Operation::NAMES.len(), 16 + ours.len());
    assert_eq!(ThreadStreamEvent::TAGS.len(), 12);
    assert_eq!(ThreadItemUpdate::TAGS.len(), 10);
    assert_eq!(ThreadItem::TAGS.len(), 11);
}

#[test]
fn every_icon_of_the_official_models_is_known_and_none_besides() {
    let files = files();
    let recorded: BTreeSet<&str> = files["misc"]
        .cases
        .iter()
        .filter(|case| case.model == "IconName")
        .map(|case| case.json.as_str().unwrap())
        .collect();
    assert!(recorded.iter().all(|name| Icon::from(*name).is_known()));
    let built_in: BTreeSet<&str> = Icon::BUILT_IN.iter().copied().collect();
    let recorded: BTreeSet<&str> =
        recorded.into_iter().filter(|name| !name.contains(':')).collect();
    assert_eq!(built_in, recorded);
}

#[test]
fn a_field_of_the_wrong_type_is_named_in_the_error() {
    // Every string field of every item, event and update in turn becomes something else. Widgets
    // are left out: the protocol lets them have any shape.
    let files = files();
    let mut tried = 0;
    let mut problems = Vec::new();
    for file in ["items", "item_updates", "sources", "tasks", "attachments", "structured_inputs"] {
        for case in &files[file].cases {
            let (_, read) = reader(&case.model);
            for (field, value) in case.json.as_object().unwrap() {
                // `content` of a hidden item and `output` of a tool are anything.
                let anything = case.model == "HiddenContextItem" && field == "content"
                    || case.model == "ClientToolCallItem" && field == "output";
                if !value.is_string() || anything {
                    continue;
                }
                let mut broken = case.json.clone();
                broken[field] = serde_json::json!([[1]]);
                let error = read(&broken)
                    .err()
                    .unwrap_or_else(|| panic!("{}: `{field}` may be a list", case.name));
                if field != "type" && !error.contains(field.as_str()) {
                    problems.push(format!("{} {field}: {error}", case.name));
                }
                tried += 1;
            }
        }
    }
    assert!(problems.is_empty(), "not named:\n{}", problems.join("\n"));
    assert!(tried > 200, "only {tried} fields were tried");
}
