/**
 * The ChatKit wire protocol as types.
 *
 * Source of the facts: the pydantic models of PyPI `openai-chatkit`
 * (`chatkit/types.py`, `actions.py`, `widgets.py`). Fields that the reference
 * leaves out when they are null are optional *and* nullable here, because a
 * server may do either.
 *
 * The protocol is open: a newer server may send item, event, task or source
 * types that are not listed. Nothing in this package validates or strips
 * them; they travel through the thread state unchanged, and every `switch`
 * over a `type` needs a default arm.
 */

/** A JSON value as it comes off the wire. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** A JSON object. */
export type JsonObject = Record<string, unknown>;

/** One page of a listing. `after` is the cursor of the next page. */
export interface Page<T> {
  data: T[];
  has_more: boolean;
  after?: string | null;
}

// ---------------------------------------------------------------- threads

export type ThreadStatus =
  | { type: 'active' }
  | { type: 'locked'; reason?: string | null }
  | { type: 'closed'; reason?: string | null };

/** A thread without its items. */
export interface ThreadMetadata {
  id: string;
  title?: string | null;
  /** ISO 8601. The reference sends local time without a zone, Parlor UTC with `Z`. */
  created_at: string;
  status?: ThreadStatus;
  /** Hosts that images in this thread may come from; null or absent leaves it to the client. */
  allowed_image_domains?: string[] | null;
  metadata?: JsonObject;
}

/** A thread with a page of its items. */
export interface Thread extends ThreadMetadata {
  items: Page<ThreadItem>;
}

// ---------------------------------------------------------------- sources and annotations

interface SourceBase {
  title: string;
  description?: string | null;
  timestamp?: string | null;
  group?: string | null;
}

export interface UrlSource extends SourceBase {
  type: 'url';
  url: string;
  attribution?: string | null;
}

export interface FileSource extends SourceBase {
  type: 'file';
  filename: string;
}

export interface EntitySource extends SourceBase {
  type: 'entity';
  id: string;
  icon?: string | null;
  label?: string | null;
  inline_label?: string | null;
  interactive?: boolean;
  data?: JsonObject;
  preview?: 'lazy' | null;
}

export type Source = UrlSource | FileSource | EntitySource;

export interface Annotation {
  type: 'annotation';
  source: Source;
  /** Unicode code points into the part's text: the position after the cited words. */
  index?: number | null;
}

// ---------------------------------------------------------------- attachments

export interface AttachmentUploadDescriptor {
  url: string;
  method: 'POST' | 'PUT';
  headers?: Record<string, string>;
}

interface AttachmentBase {
  id: string;
  name: string;
  mime_type: string;
  upload_descriptor?: AttachmentUploadDescriptor | null;
  thread_id?: string | null;
  metadata?: JsonObject | null;
}

export interface FileAttachment extends AttachmentBase {
  type: 'file';
}

export interface ImageAttachment extends AttachmentBase {
  type: 'image';
  preview_url: string;
}

export type Attachment = FileAttachment | ImageAttachment;

// ---------------------------------------------------------------- messages

export interface UserMessageText {
  type: 'input_text';
  text: string;
}

export interface UserMessageTag {
  type: 'input_tag';
  id: string;
  text: string;
  data: JsonObject;
  group?: string | null;
  interactive?: boolean;
}

export type UserMessageContent = UserMessageText | UserMessageTag;

export interface ToolChoice {
  id: string;
}

export interface InferenceOptions {
  tool_choice?: ToolChoice | null;
  model?: string | null;
}

/** What a client submits as a user message. `attachments` are ids. */
export interface UserMessageInput {
  content: UserMessageContent[];
  attachments: string[];
  quoted_text?: string | null;
  inference_options: InferenceOptions;
}

export interface AssistantMessageContent {
  type: 'output_text';
  text: string;
  annotations: Annotation[];
}

// ---------------------------------------------------------------- workflows and tasks

interface TaskBase {
  status_indicator?: 'none' | 'loading' | 'complete';
  title?: string | null;
}

export interface CustomTask extends TaskBase {
  type: 'custom';
  icon?: string | null;
  content?: string | null;
}

export interface SearchTask extends TaskBase {
  type: 'web_search';
  title_query?: string | null;
  queries: string[];
  sources: UrlSource[];
}

export interface ThoughtTask extends TaskBase {
  type: 'thought';
  content: string;
}

export interface FileTask extends TaskBase {
  type: 'file';
  sources: FileSource[];
}

export interface ImageTask extends TaskBase {
  type: 'image';
}

export type Task = CustomTask | SearchTask | ThoughtTask | FileTask | ImageTask;

export interface CustomSummary {
  title: string;
  icon?: string | null;
}

export interface DurationSummary {
  /** Seconds. */
  duration: number;
}

export type WorkflowSummary = CustomSummary | DurationSummary;

export interface Workflow {
  type: 'custom' | 'reasoning';
  tasks: Task[];
  summary?: WorkflowSummary | null;
  expanded?: boolean;
}

// ---------------------------------------------------------------- structured input

export interface StructuredInputAnswer {
  values: string[];
  skipped?: boolean;
}

interface StructuredInputBase {
  id: string;
  question: string;
  answer?: StructuredInputAnswer | null;
}

export interface MultipleChoiceInput extends StructuredInputBase {
  type: 'multiple_choice';
  options: { value: string }[];
  multiple?: boolean;
}

export interface FreeformInput extends StructuredInputBase {
  type: 'freeform';
  description?: string | null;
}

export type StructuredInput = MultipleChoiceInput | FreeformInput;

export interface StructuredInputSubmission {
  status: 'answered' | 'skipped';
  answers: Record<string, StructuredInputAnswer>;
}

// ---------------------------------------------------------------- widgets and actions

/** A widget component. Loose: its properties depend on `type`. */
export interface WidgetComponent {
  type: string;
  id?: string | null;
  key?: string | null;
  children?: WidgetComponent[] | WidgetComponent | null;
  [property: string]: unknown;
}

/** The root of a widget: `Card`, `ListView` or `Basic`. */
export type WidgetRoot = WidgetComponent;

export interface Action {
  type: string;
  payload?: unknown;
  handler?: 'client' | 'server';
  loadingBehavior?: 'auto' | 'none' | 'self' | 'container';
  streaming?: boolean;
}

// ---------------------------------------------------------------- thread items

interface ItemBase {
  id: string;
  thread_id: string;
  created_at: string;
}

export interface UserMessageItem extends ItemBase {
  type: 'user_message';
  content: UserMessageContent[];
  attachments: Attachment[];
  quoted_text?: string | null;
  inference_options: InferenceOptions;
}

export interface AssistantMessageItem extends ItemBase {
  type: 'assistant_message';
  content: AssistantMessageContent[];
}

export interface ClientToolCallItem extends ItemBase {
  type: 'client_tool_call';
  status: 'pending' | 'completed';
  call_id: string;
  name: string;
  arguments: JsonObject;
  output?: unknown;
}

export interface WidgetItem extends ItemBase {
  type: 'widget';
  widget: WidgetRoot;
  copy_text?: string | null;
}

export interface GeneratedImage {
  id: string;
  url: string;
}

export interface GeneratedImageItem extends ItemBase {
  type: 'generated_image';
  image?: GeneratedImage | null;
  /** 0 to 1 while the image is being made. Client state: it only arrives in updates. */
  progress?: number | null;
}

export interface StructuredInputItem extends ItemBase {
  type: 'structured_input';
  status: 'pending' | 'answered' | 'skipped';
  inputs: StructuredInput[];
}

export interface TaskItem extends ItemBase {
  type: 'task';
  task: Task;
}

export interface WorkflowItem extends ItemBase {
  type: 'workflow';
  workflow: Workflow;
}

export interface EndOfTurnItem extends ItemBase {
  type: 'end_of_turn';
}

/** Never sent to clients by a correct server; listed because the models define it. */
export interface HiddenContextItem extends ItemBase {
  type: 'hidden_context_item';
  content: unknown;
}

/** Never sent to clients by a correct server; listed because the models define it. */
export interface SdkHiddenContextItem extends ItemBase {
  type: 'sdk_hidden_context';
  content: string;
}

export type ThreadItem =
  | UserMessageItem
  | AssistantMessageItem
  | ClientToolCallItem
  | WidgetItem
  | GeneratedImageItem
  | StructuredInputItem
  | WorkflowItem
  | TaskItem
  | HiddenContextItem
  | SdkHiddenContextItem
  | EndOfTurnItem;

// ---------------------------------------------------------------- item updates

export type ThreadItemUpdate =
  | {
      type: 'assistant_message.content_part.added';
      content_index: number;
      content: AssistantMessageContent;
    }
  | { type: 'assistant_message.content_part.text_delta'; content_index: number; delta: string }
  | {
      type: 'assistant_message.content_part.annotation_added';
      content_index: number;
      annotation_index: number;
      annotation: Annotation;
    }
  | {
      type: 'assistant_message.content_part.done';
      content_index: number;
      content: AssistantMessageContent;
    }
  | { type: 'widget.streaming_text.value_delta'; component_id: string; delta: string; done: boolean }
  | { type: 'widget.root.updated'; widget: WidgetRoot }
  | { type: 'widget.component.updated'; component_id: string; component: WidgetComponent }
  | { type: 'workflow.task.added'; task_index: number; task: Task }
  | { type: 'workflow.task.updated'; task_index: number; task: Task }
  | { type: 'generated_image.updated'; image: GeneratedImage; progress?: number | null };

// ---------------------------------------------------------------- stream events

export interface ThreadCreatedEvent {
  type: 'thread.created';
  thread: Thread;
}
export interface ThreadUpdatedEvent {
  type: 'thread.updated';
  thread: Thread;
}
export interface ThreadItemAddedEvent {
  type: 'thread.item.added';
  item: ThreadItem;
}
export interface ThreadItemUpdatedEvent {
  type: 'thread.item.updated';
  item_id: string;
  update: ThreadItemUpdate;
}
export interface ThreadItemDoneEvent {
  type: 'thread.item.done';
  item: ThreadItem;
}
export interface ThreadItemRemovedEvent {
  type: 'thread.item.removed';
  item_id: string;
}
export interface ThreadItemReplacedEvent {
  type: 'thread.item.replaced';
  item: ThreadItem;
}
export interface StreamOptionsEvent {
  type: 'stream_options';
  stream_options: { allow_cancel: boolean };
}
export interface ProgressUpdateEvent {
  type: 'progress_update';
  icon?: string | null;
  text: string;
}
export interface ClientEffectEvent {
  type: 'client_effect';
  name: string;
  data?: JsonObject;
}
export interface ErrorEvent {
  type: 'error';
  /** `custom`, or a code such as `stream.error` that stands for a localized message. */
  code: string;
  message?: string | null;
  allow_retry?: boolean;
  /** Parlor only: a stable machine code, for example `model.rate_limited`. */
  reason?: string;
  /** Parlor only. */
  request_id?: string;
  /** Parlor only: seconds. */
  retry_after?: number;
}
export interface NoticeEvent {
  type: 'notice';
  level: 'info' | 'warning' | 'danger';
  /** Markdown. */
  message: string;
  title?: string | null;
}

export type ThreadStreamEvent =
  | ThreadCreatedEvent
  | ThreadUpdatedEvent
  | ThreadItemAddedEvent
  | ThreadItemUpdatedEvent
  | ThreadItemDoneEvent
  | ThreadItemRemovedEvent
  | ThreadItemReplacedEvent
  | StreamOptionsEvent
  | ProgressUpdateEvent
  | ClientEffectEvent
  | ErrorEvent
  | NoticeEvent;

// ---------------------------------------------------------------- requests

export interface PageParams {
  limit?: number | null;
  order?: 'asc' | 'desc';
  after?: string | null;
}

export interface CustomActionParams {
  thread_id: string;
  item_id?: string | null;
  action: Action;
}

export type FeedbackKind = 'positive' | 'negative';

/** Parameters of the requests that answer with a stream of events. */
export interface StreamingParams {
  'threads.create': { input: UserMessageInput };
  'threads.add_user_message': { thread_id: string; input: UserMessageInput };
  'threads.add_client_tool_output': { thread_id: string; result: unknown };
  'threads.add_structured_input': { thread_id: string; item_id: string; input: StructuredInputSubmission };
  'threads.custom_action': CustomActionParams;
  'threads.retry_after_item': { thread_id: string; item_id: string };
  /** Parlor only: re-attaches to the running turn from event number `after` + 1. */
  'threads.resume': { thread_id: string; after?: number; turn_id?: string };
}

/** Parameters of the requests that answer with one JSON document. */
export interface JsonParams {
  'threads.get_by_id': { thread_id: string };
  'threads.list': PageParams;
  'threads.update': { thread_id: string; title: string };
  'threads.delete': { thread_id: string };
  'items.list': PageParams & { thread_id: string };
  'items.feedback': { thread_id: string; item_ids: string[]; kind: FeedbackKind };
  'attachments.create': { name: string; size: number; mime_type: string };
  'attachments.delete': { attachment_id: string };
  'input.transcribe': { audio_base64: string; mime_type: string };
  'threads.sync_custom_action': CustomActionParams;
  /** Parlor only: ends the running turn and keeps its partial text. */
  'threads.stop': { thread_id: string };
}

/** Answers of the requests in {@link JsonParams}. */
export interface JsonResults {
  'threads.get_by_id': Thread;
  'threads.list': Page<Thread>;
  'threads.update': Thread;
  'threads.delete': JsonObject;
  'items.list': Page<ThreadItem>;
  'items.feedback': JsonObject;
  'attachments.create': Attachment;
  'attachments.delete': JsonObject;
  'input.transcribe': { text: string };
  'threads.sync_custom_action': { updated_item?: ThreadItem | null };
  'threads.stop': { stopped: boolean };
}

type Envelope<T extends string, P> = { type: T; params: P; metadata?: JsonObject };

/** A request whose answer is a stream of {@link ThreadStreamEvent}. */
export type StreamingRequest = {
  [T in keyof StreamingParams]: Envelope<T, StreamingParams[T]>;
}[keyof StreamingParams];

/** A request whose answer is JSON. */
export type JsonRequest = { [T in keyof JsonParams]: Envelope<T, JsonParams[T]> }[keyof JsonParams];

/** Every request of the protocol: the sixteen of the reference and Parlor's two. */
export type ChatKitRequest = StreamingRequest | JsonRequest;
