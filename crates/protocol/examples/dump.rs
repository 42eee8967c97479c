//! Writes one value of every type of the protocol, built in Rust, as a line of JSON each:
//! `{"union": …, "json": …}`. `tests/conformance/check_rust.py` validates them with the official
//! models.
#![expect(clippy::print_stdout, reason = "that is what it is for")]

use std::collections::BTreeMap;

use parlor_protocol::widgets::{
    AreaSeries, Badge, BadgeColor, BarSeries, Basic, Border, Borders, Button, Caption, Card,
    CardAction, Chart, Checkbox, Col, Color, CurveType, DatePicker, Divider, EditableProps,
    FlexBox, Form, Icon as IconComponent, Image, ImageFit, Input, InputType, Justification, Label,
    LineSeries, ListLimit, ListView, ListViewItem, Markdown, RadioGroup, RadioOption, Radius, Row,
    Select, SelectOption, Spacer, Spacing, Table, TableCell, TableRow, Text, Textarea, ThemeColor,
    Title, TitleSize, Transition, WidgetComponent, WidgetRoot, WidgetStatus, XAxisConfig,
};
use parlor_protocol::{
    Action, ActionConfig, AddClientToolOutputParams, AddStructuredInputParams,
    AddUserMessageParams, Annotation, AssistantMessageContent, AssistantMessageItem, Attachment,
    AttachmentCreateParams, AttachmentDeleteParams, AttachmentUploadDescriptor, ClientEffectEvent,
    ClientToolCallItem, ClientToolCallStatus, ContentPartAdded, ContentPartAnnotationAdded,
    ContentPartDone, ContentPartTextDelta, CustomActionParams, CustomSummary, CustomTask,
    DurationSummary, EndOfTurnItem, EntitySource, ErrorCode, ErrorEvent, FeedbackKind,
    FileAttachment, FileSource, FileTask, GeneratedImage, GeneratedImageItem,
    GeneratedImageUpdated, Handler, HiddenContextItem, Icon, ImageAttachment, ImageTask,
    InferenceOptions, ItemFeedbackParams, ItemsListParams, JsonMap, LoadingBehavior, NoticeEvent,
    NoticeLevel, Operation, Order, Page, ProgressUpdateEvent, Request, RequestId,
    RetryAfterItemParams, SdkHiddenContextItem, SearchTask, Source, StatusIndicator, StreamOptions,
    StreamOptionsEvent, StructuredInput, StructuredInputAnswer, StructuredInputAnswerSubmission,
    StructuredInputFreeform, StructuredInputItem, StructuredInputMultipleChoice,
    StructuredInputOption, StructuredInputStatus, StructuredInputSubmission, SubmissionStatus,
    SyncCustomActionResponse, Task, TaskItem, ThoughtTask, Thread, ThreadCreateParams,
    ThreadCreatedEvent, ThreadDeleteParams, ThreadGetByIdParams, ThreadItem, ThreadItemAddedEvent,
    ThreadItemDoneEvent, ThreadItemRemovedEvent, ThreadItemReplacedEvent, ThreadItemUpdate,
    ThreadItemUpdatedEvent, ThreadListParams, ThreadMetadata, ThreadStatus, ThreadStreamEvent,
    ThreadUpdateParams, ThreadUpdatedEvent, Timestamp, ToolChoice, TranscribeParams,
    TranscriptionResult, UploadMethod, UrlSource, UserMessageContent, UserMessageInput,
    UserMessageItem, UserMessageTagContent, UserMessageTextContent, WidgetComponentUpdated,
    WidgetItem, WidgetRootUpdated, WidgetStreamingTextValueDelta, Workflow, WorkflowItem,
    WorkflowKind, WorkflowSummary, WorkflowTaskAdded, WorkflowTaskUpdated,
};
use serde::Serialize;
use serde_json::{Value, json};

fn main() {
    for request in requests() {
        show(
            "ChatKitReq",
            &Request { metadata: map(&json!({"userId": "u1"})), operation: request },
        );
    }
    for item in items() {
        show("ThreadItem", &item);
    }
    for update in updates() {
        show("ThreadItemUpdate", &update);
        let event = ThreadItemUpdatedEvent { item_id: "itm_1".into(), update };
        show("ThreadStreamEvent", &ThreadStreamEvent::from(event));
    }
    for event in events() {
        show("ThreadStreamEvent", &event);
    }
    for source in sources() {
        show("Source", &source);
    }
    for task in tasks() {
        show("Task", &task);
    }
    for attachment in attachments() {
        show("Attachment", &attachment);
    }
    for input in structured_inputs() {
        show("StructuredInput", &input);
    }
    for component in components() {
        show("WidgetComponent", &component);
    }
    for component in table() {
        // The official Python models know these as dynamic components only.
        show("DynamicWidgetComponent", &component);
    }
    for root in roots() {
        show("WidgetRoot", &root);
    }
    show("Thread", &thread(items()));
    show("ThreadMetadata", &metadata());
    show("Page[Thread]", &Page { data: vec![thread(Vec::new())], has_more: false, after: None });
    show("Page[ThreadItem]", &Page { data: items(), has_more: true, after: Some("itm_1".into()) });
    show("SyncCustomActionResponse", &SyncCustomActionResponse { updated_item: items().pop() });
    show("TranscriptionResult", &TranscriptionResult { text: "Where is it?".into() });
    show("ActionConfig", &action());
}

fn show(union: &str, value: &impl Serialize) {
    println!("{}", json!({"union": union, "json": value}));
}

fn map(value: &Value) -> JsonMap {
    value.as_object().cloned().unwrap_or_default()
}

fn time() -> Timestamp {
    Timestamp::from_micros(1_767_323_045_678_901).unwrap_or_else(|| chrono::Utc::now().into())
}

fn metadata() -> ThreadMetadata {
    ThreadMetadata {
        title: Some("Order 7".into()),
        id: "thr_1".into(),
        created_at: time(),
        status: ThreadStatus::Locked { reason: Some("Under review".into()) },
        allowed_image_domains: Some(vec!["img.example.org".into()]),
        metadata: map(&json!({"team": "blue"})),
    }
}

fn thread(data: Vec<ThreadItem>) -> Thread {
    metadata().into_response(Page { data, has_more: false, after: None })
}

fn input() -> UserMessageInput {
    UserMessageInput {
        content: contents(),
        attachments: vec!["atc_1".into()],
        quoted_text: Some("on Friday".into()),
        inference_options: inference(),
        metadata: JsonMap::new(),
    }
}

fn inference() -> InferenceOptions {
    InferenceOptions {
        tool_choice: Some(ToolChoice { id: "search".into() }),
        model: Some("small-1".into()),
    }
}

fn contents() -> Vec<UserMessageContent> {
    vec![
        UserMessageTextContent { text: "Where is it? 🚚".into() }.into(),
        UserMessageTagContent {
            id: "order_7".into(),
            text: "Order 7".into(),
            data: map(&json!({"total": 12.5})),
            group: Some("orders".into()),
            interactive: true,
        }
        .into(),
    ]
}

fn requests() -> Vec<Operation> {
    let thread_id = || "thr_1".into();
    let answers = BTreeMap::from([(
        "q1".to_owned(),
        StructuredInputAnswerSubmission { values: vec!["red".into()], skipped: false },
    )]);
    let custom = || CustomActionParams {
        thread_id: "thr_1".into(),
        item_id: Some("itm_1".into()),
        action: Action { r#type: "order".into(), payload: Some(json!({"id": 7})) },
    };
    vec![
        Operation::ThreadsGetById(ThreadGetByIdParams { thread_id: thread_id() }),
        Operation::ThreadsCreate(ThreadCreateParams { input: input() }),
        Operation::ThreadsList(ThreadListParams {
            limit: Some(20),
            order: Order::Asc,
            after: Some("thr_9".into()),
        }),
        Operation::ThreadsAddUserMessage(AddUserMessageParams {
            input: input(),
            thread_id: thread_id(),
        }),
        Operation::ThreadsAddClientToolOutput(AddClientToolOutputParams {
            thread_id: thread_id(),
            result: json!({"ok": true}),
        }),
        Operation::ThreadsAddStructuredInput(AddStructuredInputParams {
            thread_id: thread_id(),
            item_id: "itm_1".into(),
            input: StructuredInputSubmission { status: SubmissionStatus::Answered, answers },
        }),
        Operation::ThreadsRetryAfterItem(RetryAfterItemParams {
            thread_id: thread_id(),
            item_id: "itm_1".into(),
        }),
        Operation::ThreadsCustomAction(custom()),
        Operation::ThreadsSyncCustomAction(custom()),
        Operation::ThreadsUpdate(ThreadUpdateParams { thread_id: thread_id(), title: "T".into() }),
        Operation::ThreadsDelete(ThreadDeleteParams { thread_id: thread_id() }),
        Operation::ItemsList(ItemsListParams {
            thread_id: thread_id(),
            limit: None,
            order: Order::Desc,
            after: None,
        }),
        Operation::ItemsFeedback(ItemFeedbackParams {
            thread_id: thread_id(),
            item_ids: vec!["itm_1".into()],
            kind: FeedbackKind::Negative,
        }),
        Operation::AttachmentsCreate(AttachmentCreateParams {
            name: "a.png".into(),
            size: 12,
            mime_type: "image/png".into(),
        }),
        Operation::AttachmentsDelete(AttachmentDeleteParams { attachment_id: "atc_1".into() }),
        Operation::InputTranscribe(TranscribeParams {
            audio_base64: "UklGRg==".into(),
            mime_type: "audio/webm;codecs=opus".into(),
        }),
    ]
}

fn sources() -> Vec<Source> {
    vec![
        UrlSource {
            title: "Delivery".into(),
            url: "https://docs.example.org/a#b".into(),
            description: Some("How we deliver".into()),
            attribution: Some("Example".into()),
            ..UrlSource::default()
        }
        .into(),
        FileSource {
            title: "Prices".into(),
            filename: "prices.pdf".into(),
            timestamp: Some("2026-01-02".into()),
            ..FileSource::default()
        }
        .into(),
        EntitySource {
            title: "Ann".into(),
            id: "usr_1".into(),
            icon: Some("profile".into()),
            label: Some("Customer".into()),
            inline_label: Some("Ann".into()),
            interactive: true,
            data: map(&json!({"vip": true})),
            group: Some("People".into()),
            ..EntitySource::default()
        }
        .into(),
    ]
}

fn url_source() -> UrlSource {
    UrlSource { title: "A".into(), url: "/a".into(), ..UrlSource::default() }
}

fn tasks() -> Vec<Task> {
    vec![
        CustomTask {
            status_indicator: StatusIndicator::Loading,
            title: Some("Look up".into()),
            icon: Some(Icon::from_static("lucide:truck")),
            content: Some("Order **7**".into()),
        }
        .into(),
        SearchTask {
            status_indicator: StatusIndicator::Complete,
            title_query: Some("delivery".into()),
            queries: vec!["delivery".into()],
            sources: vec![url_source().into()],
            ..SearchTask::default()
        }
        .into(),
        ThoughtTask { content: "Hm.".into(), ..ThoughtTask::default() }.into(),
        FileTask {
            sources: vec![
                FileSource { title: "P".into(), filename: "p".into(), ..FileSource::default() }
                    .into(),
            ],
            ..FileTask::default()
        }
        .into(),
        ImageTask { title: Some("Drawing".into()), ..ImageTask::default() }.into(),
    ]
}

fn attachments() -> Vec<Attachment> {
    let file = FileAttachment {
        id: "atc_1".into(),
        name: "März.pdf".into(),
        mime_type: "application/pdf".into(),
        upload_descriptor: Some(AttachmentUploadDescriptor {
            url: "https://files.example.org/atc_1".into(),
            method: UploadMethod::Put,
            headers: BTreeMap::from([("x-checksum".into(), "abc".into())]),
        }),
        download_url: Some("https://files.example.org/atc_1/bytes".into()),
        thread_id: Some("thr_1".into()),
        metadata: None,
    };
    let preview_url = "https://files.example.org/atc_1/preview".into();
    vec![file.clone().into(), ImageAttachment { file, preview_url }.into()]
}

fn structured_inputs() -> Vec<StructuredInput> {
    let answer = StructuredInputAnswer { values: vec!["red".into()], skipped: false };
    vec![
        StructuredInputMultipleChoice {
            id: "q1".into(),
            question: "Colour?".into(),
            answer: Some(answer.clone()),
            options: vec![StructuredInputOption { value: "red".into() }],
            multiple: true,
        }
        .into(),
        StructuredInputFreeform {
            id: "q2".into(),
            question: "Why?".into(),
            answer: Some(answer),
            description: Some("In a few words".into()),
        }
        .into(),
    ]
}

fn part() -> AssistantMessageContent {
    AssistantMessageContent {
        annotations: sources().into_iter().map(|source| Annotation::at(3, source)).collect(),
        text: "On its way 🚚".into(),
        ..AssistantMessageContent::default()
    }
}

fn image() -> GeneratedImage {
    GeneratedImage {
        id: "img_1".into(),
        url: "https://files.example.org/img_1.png".into(),
        alt: None,
    }
}

fn workflow(summary: WorkflowSummary) -> Workflow {
    Workflow {
        r#type: WorkflowKind::Reasoning,
        tasks: tasks(),
        summary: Some(summary),
        expanded: true,
    }
}

macro_rules! item {
    ($type:ident { $($field:ident: $value:expr),* $(,)? }) => {
        ThreadItem::from($type {
            id: "itm_1".into(),
            thread_id: "thr_1".into(),
            created_at: time(),
            $($field: $value),*
        })
    };
}

fn items() -> Vec<ThreadItem> {
    let title = CustomSummary { title: "Done".into(), icon: Some("check".into()) };
    vec![
        item!(UserMessageItem {
            content: contents(),
            attachments: attachments(),
            quoted_text: Some("on Friday".into()),
            inference_options: inference(),
        }),
        item!(AssistantMessageItem { content: vec![part()], feedback: None }),
        item!(ClientToolCallItem {
            status: ClientToolCallStatus::Completed,
            call_id: "c1".into(),
            name: "open".into(),
            arguments: map(&json!({"path": "/orders"})),
            output: Some(json!({"ok": true})),
        }),
        item!(WidgetItem { widget: card(), copy_text: Some("Order 7".into()) }),
        item!(GeneratedImageItem { image: Some(image()) }),
        item!(StructuredInputItem {
            status: StructuredInputStatus::Answered,
            inputs: structured_inputs(),
        }),
        item!(WorkflowItem { workflow: workflow(WorkflowSummary::Custom(title)) }),
        item!(WorkflowItem {
            workflow: workflow(WorkflowSummary::Duration(DurationSummary { duration: 12 })),
        }),
        item!(TaskItem { task: Task::from(CustomTask::default()) }),
        item!(HiddenContextItem { content: json!({"cart": [1]}) }),
        item!(SdkHiddenContextItem { content: "The user pressed stop.".into() }),
        item!(EndOfTurnItem {}),
    ]
}

fn updates() -> Vec<ThreadItemUpdate> {
    let task = || Task::from(ThoughtTask { content: "Hm.".into(), ..ThoughtTask::default() });
    vec![
        ContentPartAdded { content_index: 0, content: AssistantMessageContent::default() }.into(),
        ContentPartTextDelta { content_index: 0, delta: "On".into() }.into(),
        ContentPartAnnotationAdded {
            content_index: 0,
            annotation_index: 0,
            annotation: Annotation::at(2, url_source()),
        }
        .into(),
        ContentPartDone { content_index: 0, content: part() }.into(),
        WidgetStreamingTextValueDelta { component_id: "t".into(), delta: "!".into(), done: true }
            .into(),
        WidgetComponentUpdated {
            component_id: "t".into(),
            component: Text { value: "Order 8".into(), ..Text::default() }.into(),
        }
        .into(),
        WidgetRootUpdated { widget: card() }.into(),
        WorkflowTaskAdded { task_index: 0, task: task() }.into(),
        WorkflowTaskUpdated { task_index: 0, task: task() }.into(),
        GeneratedImageUpdated { image: image(), progress: Some(0.25) }.into(),
    ]
}

fn events() -> Vec<ThreadStreamEvent> {
    let mut events: Vec<ThreadStreamEvent> = vec![
        ThreadCreatedEvent { thread: thread(items()) }.into(),
        ThreadUpdatedEvent { thread: thread(Vec::new()) }.into(),
        ThreadItemRemovedEvent { item_id: "itm_1".into() }.into(),
        StreamOptionsEvent { stream_options: StreamOptions { allow_cancel: true } }.into(),
        ProgressUpdateEvent { icon: Some("search".into()), text: "Searching".into() }.into(),
        ClientEffectEvent { name: "open".into(), data: map(&json!({"n": 1})) }.into(),
        NoticeEvent {
            level: NoticeLevel::Warning,
            message: "Slow".into(),
            title: Some("Hm".into()),
        }
        .into(),
        ErrorEvent {
            code: ErrorCode::Custom,
            message: Some("Too many requests.".into()),
            allow_retry: true,
            reason: Some("model.rate_limited".into()),
            request_id: Some(RequestId::from("req_1")),
            retry_after: Some(12),
        }
        .into(),
    ];
    for item in items() {
        events.push(ThreadItemAddedEvent { item: item.clone() }.into());
        events.push(ThreadItemReplacedEvent { item: item.clone() }.into());
        events.push(ThreadItemDoneEvent { item }.into());
    }
    events
}

fn action() -> ActionConfig {
    ActionConfig {
        r#type: "order".into(),
        payload: Some(json!({"id": 7})),
        handler: Some(Handler::Client),
        loading_behavior: Some(LoadingBehavior::Component),
        streaming: Some(false),
        extra: JsonMap::new(),
    }
}

fn themed() -> Color {
    let (dark, light) = ("blue-200".into(), "blue-800".into());
    ThemeColor { dark, light, ..ThemeColor::default() }.into()
}

fn card() -> WidgetRoot {
    Card { children: components(), ..Card::default() }.into()
}

fn roots() -> Vec<WidgetRoot> {
    let button =
        |label: &str| CardAction { label: label.into(), action: action(), ..CardAction::default() };
    vec![
        Card {
            children: components(),
            as_form: Some(true),
            background: Some(themed()),
            padding: Some(Spacing { x: Some(2.5.into()), ..Spacing::default() }.into()),
            status: Some(WidgetStatus {
                text: "New".into(),
                icon: Some("star".into()),
                ..WidgetStatus::default()
            }),
            confirm: Some(button("Yes")),
            cancel: Some(button("No")),
            theme: Some("dark".into()),
            ..Card::default()
        }
        .into(),
        ListView {
            children: vec![list_item()],
            limit: Some(ListLimit::Rows(3)),
            ..ListView::default()
        }
        .into(),
        ListView { limit: Some(ListLimit::Auto), ..ListView::default() }.into(),
        Basic {
            children: Some(vec![card().into(), Spacer::default().into()]),
            gap: Some(2.into()),
            ..Basic::default()
        }
        .into(),
    ]
}

fn list_item() -> ListViewItem {
    ListViewItem {
        children: vec![Text { value: "a".into(), ..Text::default() }.into()],
        on_click_action: Some(action()),
        gap: Some("2px".into()),
        align: Some("center".into()),
        ..ListViewItem::default()
    }
}

fn components() -> Vec<WidgetComponent> {
    let name = || "field".to_owned();
    vec![
        Text {
            value: "Order 7".into(),
            id: Some("t".into()),
            max_lines: Some(2),
            width: Some(120.5.into()),
            editable: Some(EditableProps { name: name(), ..EditableProps::default() }.into()),
            ..Text::default()
        }
        .into(),
        Title { value: "T".into(), size: Some(TitleSize::Xl5), ..Title::default() }.into(),
        Caption { value: "c".into(), color: Some("secondary".into()), ..Caption::default() }.into(),
        Markdown { value: "**m**".into(), streaming: Some(true), ..Markdown::default() }.into(),
        Badge { label: "New".into(), color: Some(BadgeColor::Info), ..Badge::default() }.into(),
        FlexBox {
            children: Some(vec![Spacer::default().into()]),
            radius: Some(Radius::Percent100),
            border: Some(Border { size: 1.into(), ..Border::default() }.into()),
            margin: Some(4.into()),
            ..FlexBox::default()
        }
        .into(),
        Row {
            border: Some(Borders { top: Some(1.into()), ..Borders::default() }.into()),
            justify: Some(Justification::Between),
            ..Row::default()
        }
        .into(),
        Col { border: Some(2.into()), flex: Some("1 1 0".into()), ..Col::default() }.into(),
        Form { on_submit_action: Some(action()), direction: Some("col".into()), ..Form::default() }
            .into(),
        Divider { spacing: Some(2.into()), flush: Some(true), ..Divider::default() }.into(),
        IconComponent { name: "bolt".into(), size: Some("3xl".into()), ..IconComponent::default() }
            .into(),
        Image {
            src: "https://example.org/a.png".into(),
            fit: Some(ImageFit::ScaleDown),
            position: Some("top left".into()),
            aspect_ratio: Some(1.5.into()),
            ..Image::default()
        }
        .into(),
        Button {
            label: Some("Go".into()),
            on_click_action: Some(action()),
            icon_start: Some("play".into()),
            ..Button::default()
        }
        .into(),
        Spacer { min_size: Some(8.into()), ..Spacer::default() }.into(),
        Select {
            name: name(),
            options: vec![SelectOption {
                value: "m".into(),
                label: "M".into(),
                ..SelectOption::default()
            }],
            ..Select::default()
        }
        .into(),
        DatePicker {
            name: name(),
            min: Some("2026-01-01T00:00:00Z".into()),
            ..DatePicker::default()
        }
        .into(),
        Checkbox { name: name(), default_checked: Some(true), ..Checkbox::default() }.into(),
        Input { name: name(), input_type: Some(InputType::Email), ..Input::default() }.into(),
        Label { value: "Mail".into(), field_name: name(), ..Label::default() }.into(),
        RadioGroup {
            name: name(),
            options: Some(vec![RadioOption {
                label: "M".into(),
                value: "m".into(),
                ..RadioOption::default()
            }]),
            ..RadioGroup::default()
        }
        .into(),
        Textarea { name: name(), rows: Some(3), auto_resize: Some(true), ..Textarea::default() }
            .into(),
        Transition { children: Some(Box::new(Spacer::default().into())), ..Transition::default() }
            .into(),
        chart().into(),
        list_item().into(),
    ]
}

fn chart() -> Chart {
    let label = || Some("Sold".to_owned());
    let data_key = || "sold".to_owned();
    Chart {
        data: vec![map(&json!({"day": "Mo", "sold": 3}))],
        series: vec![
            BarSeries { data_key: data_key(), label: label(), ..BarSeries::default() }.into(),
            AreaSeries {
                data_key: data_key(),
                label: label(),
                color: Some(themed()),
                ..AreaSeries::default()
            }
            .into(),
            LineSeries {
                data_key: data_key(),
                label: label(),
                curve_type: Some(CurveType::StepAfter),
                ..LineSeries::default()
            }
            .into(),
        ],
        x_axis: XAxisConfig {
            data_key: "day".into(),
            labels: Some(BTreeMap::from([("Mo".into(), "Monday".into())])),
            ..XAxisConfig::default()
        }
        .into(),
        show_legend: Some(true),
        height: Some(200.into()),
        ..Chart::default()
    }
}

fn table() -> Vec<WidgetComponent> {
    let cell = TableCell { col_span: Some(2), ..TableCell::default() };
    let row =
        TableRow { children: Some(vec![cell.clone()]), header: Some(true), ..TableRow::default() };
    let table = Table { children: Some(vec![row.clone()]), ..Table::default() };
    vec![table.into(), row.into(), cell.into()]
}
