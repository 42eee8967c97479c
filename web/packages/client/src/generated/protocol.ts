// Generated from contract/chatkit.schema.json, which is generated from the Rust types. Don't edit:
// change crates/protocol and run `make contract`.
//
// The protocol is open: a newer server may send types that are not listed here. Nothing validates or
// strips them, so every `switch` over a `type` needs a default arm. What the schema calls optional may
// be absent or null.

/** An action as a client sends it: `{type, payload}`. */
export interface Action {
  /** Name that the integrator gave the action. */
  type: string;
  /** The payload the widget was built with, with form values merged in by the client. */
  payload?: unknown;
}

/** An action as a widget declares it. */
export interface ActionConfig {
  /** Name that the integrator gives the action. */
  type: string;
  /** Sent back with the action. */
  payload?: unknown;
  /** Who handles it; the server when absent. */
  handler?: Handler | null;
  /** What shows that it is running; `auto` when absent. */
  loadingBehavior?: LoadingBehavior | null;
  /** `false` for a sync action, answered with one item update; `true` when absent. */
  streaming?: boolean | null;
  [property: string]: unknown;
}

/** Parameters of `threads.add_client_tool_output`. */
export interface AddClientToolOutputParams {
  /** The thread. */
  thread_id: ThreadId;
  /** What the tool gave. */
  result: unknown;
}

/** Parameters of `threads.add_structured_input`. */
export interface AddStructuredInputParams {
  /** The thread. */
  thread_id: ThreadId;
  /** The item that asked. */
  item_id: ItemId;
  /** The answers. */
  input: StructuredInputSubmission;
}

/** Parameters of `threads.add_user_message`. */
export interface AddUserMessageParams {
  /** The message. */
  input: UserMessageInput;
  /** The thread. */
  thread_id: ThreadId;
}

/** Placement across the direction of a layout. */
export type Alignment = 'start' | 'center' | 'end' | 'baseline' | 'stretch' | (string & NonNullable<unknown>);

/** A reference from a place in the text to a source. */
export interface Annotation {
  /** Always `annotation`. */
  type: 'annotation';
  /** What is referred to. */
  source: Source;
  /** Where: the number of Unicode code points of the part's text before it. */
  index?: number | null;
}

/** A filled curve. */
export interface AreaSeries {
  type: 'area';
  /** The field with the numbers. */
  dataKey: string;
  /** Name in the legend. */
  label?: string | null;
  /** Series with the same name are stacked. */
  stack?: string | null;
  /** As `BarSeries.color`. */
  color?: Color | null;
  /** How points are joined. */
  curveType?: CurveType | null;
  [property: string]: unknown;
}

/** A part of an assistant message. */
export interface AssistantMessageContent {
  /** References, in the order in which they were added. */
  annotations: Annotation[];
  /** Markdown. */
  text: string;
  /** Always `output_text`. */
  type: 'output_text';
}

/** What the assistant said. */
export interface AssistantMessageItem {
  type: 'assistant_message';
  /** Its id. */
  id: ItemId;
  /** The thread it is in. */
  thread_id: ThreadId;
  /** When it was begun. */
  created_at: Timestamp;
  /** Parts, in order. */
  content: AssistantMessageContent[];
  /**
   * What its reader thinks of it, as they said last. Parlor's own, in what is read from a thread;
   * clients that do not know it ignore it.
   */
  feedback?: ItemFeedback | null;
}

/** A file that belongs to a message. */
export type Attachment = FileAttachment | ImageAttachment;

/** What a client says of a file before it sends it. */
export interface AttachmentCreateParams {
  /** The file's name. */
  name: string;
  /** Bytes. */
  size: number;
  /** Media type. */
  mime_type: string;
}

/** Parameters of `attachments.delete`. */
export interface AttachmentDeleteParams {
  /** The attachment. */
  attachment_id: AttachmentId;
}

/**
 * Id of an attachment, `atc_…` where we make it.
 *
 * Opaque on the wire.
 */
export type AttachmentId = string;

/** Where and how to send a file's bytes. */
export interface AttachmentUploadDescriptor {
  /** Absolute URL. */
  url: string;
  /** HTTP method. */
  method: UploadMethod;
  /** Headers to send along. */
  headers: Record<string, string>;
}

/** A file is about to be uploaded. */
export interface AttachmentsCreateRequest {
  type: 'attachments.create';
  params: AttachmentCreateParams;
  /** Whatever the integration sends along: user, page, locale. */
  metadata?: Record<string, unknown> | null;
}

/** A file that was not sent after all goes. */
export interface AttachmentsDeleteRequest {
  type: 'attachments.delete';
  params: AttachmentDeleteParams;
  /** Whatever the integration sends along: user, page, locale. */
  metadata?: Record<string, unknown> | null;
}

/** Colour of a badge. */
export type BadgeColor =
  'secondary' | 'success' | 'danger' | 'warning' | 'info' | 'discovery' | (string & NonNullable<unknown>);

/** Size of a badge. */
export type BadgeSize = 'sm' | 'md' | 'lg' | (string & NonNullable<unknown>);

/** Look of a badge. */
export type BadgeVariant = 'solid' | 'soft' | 'outline' | (string & NonNullable<unknown>);

/** Bars. */
export interface BarSeries {
  type: 'bar';
  /** The field with the numbers. */
  dataKey: string;
  /** Name in the legend. */
  label?: string | null;
  /** Series with the same name are stacked. */
  stack?: string | null;
  /**
   * A chart token (`blue`, `purple`, `orange`, `green`, `red`, `yellow`, `pink`), a palette token, CSS,
   * or one for each theme; in turn when absent.
   */
  color?: Color | null;
  [property: string]: unknown;
}

/** A line along an edge. */
export interface Border {
  /** Thickness in pixels. */
  size: Px;
  /** `default`, `subtle`, `strong`, a palette token, CSS, or one for each theme. */
  color?: Color | null;
  /** Kind of line; solid when absent. */
  style?: BorderStyle | null;
  [property: string]: unknown;
}

/** The border of one edge. */
export type BorderEdge = Px | Border;

/** Kind of line of a border. */
export type BorderStyle =
  | 'solid'
  | 'dashed'
  | 'dotted'
  | 'double'
  | 'groove'
  | 'ridge'
  | 'inset'
  | 'outset'
  | (string & NonNullable<unknown>);

/** The border of a box: pixels, one border for all edges, or one for each. */
export type BorderValue = Px | Border | Borders;

/** A border for each edge. A single edge wins over its axis. */
export interface Borders {
  /** Top edge. */
  top?: BorderEdge | null;
  /** Right edge. */
  right?: BorderEdge | null;
  /** Bottom edge. */
  bottom?: BorderEdge | null;
  /** Left edge. */
  left?: BorderEdge | null;
  /** Left and right. */
  x?: BorderEdge | null;
  /** Top and bottom. */
  y?: BorderEdge | null;
  [property: string]: unknown;
}

/** Colour of a button. */
export type ButtonColor =
  | 'primary'
  | 'secondary'
  | 'info'
  | 'discovery'
  | 'success'
  | 'caution'
  | 'warning'
  | 'danger'
  | (string & NonNullable<unknown>);

/** Size of a button's icons. */
export type ButtonIconSize = 'sm' | 'md' | 'lg' | 'xl' | '2xl' | (string & NonNullable<unknown>);

/** A ready-made look of a button. */
export type ButtonStyle = 'primary' | 'secondary' | (string & NonNullable<unknown>);

/**
 * The model's id of a tool call, as the model gave it.
 *
 * Opaque on the wire.
 */
export type CallId = string;

/** Size of a caption. */
export type CaptionSize = 'sm' | 'md' | 'lg' | (string & NonNullable<unknown>);

/** A button in a card's footer. */
export interface CardAction {
  /** Text on the button. */
  label: string;
  /** What it does. */
  action: ActionConfig;
  [property: string]: unknown;
}

/** Visual size of a card. */
export type CardSize = 'sm' | 'md' | 'lg' | 'full' | (string & NonNullable<unknown>);

/** Something for the page to do. */
export interface ClientEffectEvent {
  type: 'client_effect';
  /** Name that the integrator gave it. */
  name: string;
  /** Passed to the page. */
  data: Record<string, unknown>;
}

/** A call to a tool that runs in the user's browser. */
export interface ClientToolCallItem {
  type: 'client_tool_call';
  /** Its id. */
  id: ItemId;
  /** The thread it is in. */
  thread_id: ThreadId;
  /** When it was made. */
  created_at: Timestamp;
  /** Whether the output has come. */
  status: ClientToolCallStatus;
  /** The model's id of the call. */
  call_id: CallId;
  /** The tool. */
  name: string;
  /** What it is called with. */
  arguments: Record<string, unknown>;
  /** What it gave, once completed. */
  output?: unknown;
}

/** Whether a client tool's output has come. */
export type ClientToolCallStatus = 'pending' | 'completed';

/** A colour: a token, CSS, or one of these for each theme. */
export type Color = string | ThemeColor;

/** A part of an assistant message begins. */
export interface ContentPartAdded {
  type: 'assistant_message.content_part.added';
  /** Which part. */
  content_index: number;
  /** The part so far. */
  content: AssistantMessageContent;
}

/** A part gets a reference. */
export interface ContentPartAnnotationAdded {
  type: 'assistant_message.content_part.annotation_added';
  /** Which part. */
  content_index: number;
  /** Its place among the part's annotations. */
  annotation_index: number;
  /** The reference. */
  annotation: Annotation;
}

/** A part is done. */
export interface ContentPartDone {
  type: 'assistant_message.content_part.done';
  /** Which part. */
  content_index: number;
  /** The whole part. */
  content: AssistantMessageContent;
}

/** Text of a part grows. */
export interface ContentPartTextDelta {
  type: 'assistant_message.content_part.text_delta';
  /** Which part. */
  content_index: number;
  /** Text to append. */
  delta: string;
}

/** Size of buttons and fields. */
export type ControlSize =
  '3xs' | '2xs' | 'xs' | 'sm' | 'md' | 'lg' | 'xl' | '2xl' | '3xl' | (string & NonNullable<unknown>);

/** Look of buttons, selects and date pickers. */
export type ControlVariant = 'solid' | 'soft' | 'outline' | 'ghost' | (string & NonNullable<unknown>);

/** How the points of a curve are joined. */
export type CurveType =
  | 'basis'
  | 'basisClosed'
  | 'basisOpen'
  | 'bumpX'
  | 'bumpY'
  | 'bump'
  | 'linear'
  | 'linearClosed'
  | 'natural'
  | 'monotoneX'
  | 'monotoneY'
  | 'monotone'
  | 'step'
  | 'stepBefore'
  | 'stepAfter'
  | (string & NonNullable<unknown>);

/** Parameters of `threads.custom_action` and `threads.sync_custom_action`. */
export interface CustomActionParams {
  /** The thread. */
  thread_id: ThreadId;
  /** The widget that was used, if it was one. */
  item_id?: ItemId | null;
  /** The action. */
  action: Action;
}

/** A workflow's title and icon. */
export interface CustomSummary {
  /** Shown to the user. */
  title: string;
  /** Icon beside the title. */
  icon?: IconName | null;
}

/** A step with free content. */
export interface CustomTask {
  type: 'custom';
  /** State inside a workflow. */
  status_indicator: StatusIndicator;
  /** Shown to the user. */
  title?: string | null;
  /** Icon beside the title. */
  icon?: IconName | null;
  /** Markdown. */
  content?: string | null;
}

/** On which side a date picker's calendar opens. */
export type DatePickerSide = 'top' | 'bottom' | 'left' | 'right' | (string & NonNullable<unknown>);

/** Which way children are laid out. */
export type Direction = 'row' | 'col' | (string & NonNullable<unknown>);

/** Answer to an operation that has nothing to say but that it is done: an empty object. */
export type Done = Record<string, unknown>;

/** How long a workflow took. */
export interface DurationSummary {
  /** Whole seconds. */
  duration: number;
}

/** Whether the user may edit a text in place: `false`, or as a field of the form around it. */
export type Editable = false | EditableProps;

/** An editable text as a field. */
export interface EditableProps {
  /** Name of the field in the form. */
  name: string;
  /** Takes the focus when it appears. */
  autoFocus?: boolean | null;
  /** Selects all text on focus. */
  autoSelect?: boolean | null;
  /** The browser's `autocomplete` hint. */
  autoComplete?: string | null;
  /** Lets password managers and the like in. */
  allowAutofillExtensions?: boolean | null;
  /** Regular expression that the text has to match. */
  pattern?: string | null;
  /** Shown while it is empty. */
  placeholder?: string | null;
  /** Must not be empty. */
  required?: boolean | null;
  [property: string]: unknown;
}

/** Marks that the assistant has said all it had to say. */
export interface EndOfTurnItem {
  type: 'end_of_turn';
  /** Its id. */
  id: ItemId;
  /** The thread it is in. */
  thread_id: ThreadId;
  /** When the turn ended. */
  created_at: Timestamp;
}

/** A thing of the integrator's (a person, a ticket, a product) as a source. */
export interface EntitySource {
  type: 'entity';
  /** Shown to the user. */
  title: string;
  /** A line about it. */
  description?: string | null;
  /** When it was made or read, as text for display. */
  timestamp?: string | null;
  /** Heading to group sources under. */
  group?: string | null;
  /** The integrator's id of it. */
  id: string;
  /** Icon beside the label. */
  icon?: IconName | null;
  /** Label in the default hover header. */
  label?: string | null;
  /** Label in the running text; the icon when absent. */
  inline_label?: string | null;
  /** Whether a click calls the page's entity handlers. */
  interactive: boolean;
  /** Passed to the page's entity handlers. */
  data: Record<string, unknown>;
  /** Deprecated upstream and ignored; kept so that nothing is lost. */
  preview?: string | null;
}

/** What went wrong. */
export interface ErrorBody {
  /** Stable name, such as `not_found`. */
  code: string;
  /** What was wrong and what to do, for people. */
  message: string;
  /** The field concerned, as a path such as `params.input.content[0].text`. */
  field?: string | null;
  /**
   * Stable name of what the assistant's own code says, such as `model.rate_limited`; the one that errors
   * in a stream have.
   */
  reason?: string | null;
  /** The request, to be found in the server's log. */
  request_id: RequestId;
  /** Seconds after which trying again makes sense, as in the header `Retry-After`. */
  retry_after?: number | null;
  /** With `rate_limited`: which limit is reached, such as `messages_per_day`. */
  limit?: string | null;
  /** With `rate_limited`: whose limit it is, `user`, `tenant` or `address`. */
  scope?: string | null;
  /** With `rate_limited`: when something is free again, if that is known. */
  reset_at?: Timestamp | null;
}

/** Kind of an `ErrorEvent`, as official clients know them. */
export type ErrorCode = 'custom' | 'stream.error' | (string & NonNullable<unknown>);

/** Body of every HTTP error. */
export interface ErrorEnvelope {
  /** The error. */
  error: ErrorBody;
}

/**
 * The turn has failed.
 *
 * `reason`, `request_id` and `retry_after` are Parlor's additions: the official models accept only
 * their own values of `code`, and ignore fields that they don't know.
 */
export interface ErrorEvent {
  type: 'error';
  /** Kind, as official clients know them. */
  code: ErrorCode;
  /** Shown to the user. */
  message?: string | null;
  /** Whether clients offer to try again. */
  allow_retry: boolean;
  /** Stable name of what happened, such as `model.rate_limited`. */
  reason?: string | null;
  /** The request, to be found in the server's log. */
  request_id?: RequestId | null;
  /** Seconds after which trying again makes sense. */
  retry_after?: number | null;
}

/** Thumbs up or down. */
export type FeedbackKind = 'positive' | 'negative';

/** Look of text fields. */
export type FieldVariant = 'soft' | 'outline' | (string & NonNullable<unknown>);

/** Any file. */
export interface FileAttachment {
  type: 'file';
  /** Its id. */
  id: AttachmentId;
  /** The file's name as the user's machine has it. */
  name: string;
  /** Media type. */
  mime_type: string;
  /** Where to send the bytes; absent once they have come. */
  upload_descriptor?: AttachmentUploadDescriptor | null;
  /**
   * Where the bytes can be fetched for a while, as an absolute URL. Parlor's own; clients that do not
   * know it ignore it.
   */
  download_url?: string | null;
  /** The thread of the message it was sent with; absent before. */
  thread_id?: ThreadId | null;
  /** The integrator's own; never sent to clients. */
  metadata?: unknown;
}

/** A file as a source. */
export interface FileSource {
  type: 'file';
  /** Shown to the user. */
  title: string;
  /** A line about it. */
  description?: string | null;
  /** When it was made or read, as text for display. */
  timestamp?: string | null;
  /** Heading to group sources under. */
  group?: string | null;
  /** The file's name. */
  filename: string;
}

/** Files that were read. */
export interface FileTask {
  type: 'file';
  /** State inside a workflow. */
  status_indicator: StatusIndicator;
  /** Shown to the user. */
  title?: string | null;
  /** The files. */
  sources: FileSource[];
}

/** Whether children wrap onto further lines. */
export type FlexWrap = 'nowrap' | 'wrap' | 'wrap-reverse' | (string & NonNullable<unknown>);

/** Thickness of letters. */
export type FontWeight = 'normal' | 'medium' | 'semibold' | 'bold' | (string & NonNullable<unknown>);

/** An image. */
export interface GeneratedImage {
  /** Its id. */
  id: string;
  /**
   * Where it is; `data:` URLs are usual for previews. As it is stored, empty for one whose bytes the
   * server keeps: clients are sent a fresh link.
   */
  url: string;
  /** What it shows, in words. Parlor's addition: official clients ignore it. */
  alt?: string | null;
}

/** An image that was made for the user. */
export interface GeneratedImageItem {
  type: 'generated_image';
  /** Its id. */
  id: ItemId;
  /** The thread it is in. */
  thread_id: ThreadId;
  /** When it was begun. */
  created_at: Timestamp;
  /** The image, once there is something to show. */
  image?: GeneratedImage | null;
}

/** An image has progressed. */
export interface GeneratedImageUpdated {
  type: 'generated_image.updated';
  /** The image so far. */
  image: GeneratedImage;
  /** From 0 to 1. */
  progress?: number | null;
}

/** Space between a field's edge and its text; wins over what the field's size brings. */
export type GutterSize = '2xs' | 'xs' | 'sm' | 'md' | 'lg' | 'xl' | (string & NonNullable<unknown>);

/** Who handles an action. */
export type Handler = 'client' | 'server';

/** For the model only; never sent to clients. */
export interface HiddenContextItem {
  type: 'hidden_context_item';
  /** Its id. */
  id: ItemId;
  /** The thread it is in. */
  thread_id: ThreadId;
  /** When it was added. */
  created_at: Timestamp;
  /** Text, or anything the integrator's prompt code understands. */
  content: unknown;
}

/**
 * Name of an icon: one of the built-in names (`sparkle`, `document`, …), `lucide:<name>` or
 * `vendor:<name>`. The list grows with the clients.
 */
export type IconName = string;

/** Size of an icon. */
export type IconSize = 'xs' | 'sm' | 'md' | 'lg' | 'xl' | '2xl' | '3xl' | (string & NonNullable<unknown>);

/** An image with a preview. */
export interface ImageAttachment {
  type: 'image';
  /** Its id. */
  id: AttachmentId;
  /** The file's name as the user's machine has it. */
  name: string;
  /** Media type. */
  mime_type: string;
  /** Where to send the bytes; absent once they have come. */
  upload_descriptor?: AttachmentUploadDescriptor | null;
  /**
   * Where the bytes can be fetched for a while, as an absolute URL. Parlor's own; clients that do not
   * know it ignore it.
   */
  download_url?: string | null;
  /** The thread of the message it was sent with; absent before. */
  thread_id?: ThreadId | null;
  /** The integrator's own; never sent to clients. */
  metadata?: unknown;
  /** Where a client loads the preview from. */
  preview_url: string;
}

/** How a picture fills its place. */
export type ImageFit = 'cover' | 'contain' | 'fill' | 'scale-down' | 'none' | (string & NonNullable<unknown>);

/** Which part of a picture shows when it is cropped. */
export type ImagePosition =
  | 'top left'
  | 'top'
  | 'top right'
  | 'left'
  | 'center'
  | 'right'
  | 'bottom left'
  | 'bottom'
  | 'bottom right'
  | (string & NonNullable<unknown>);

/** An image that was made. */
export interface ImageTask {
  type: 'image';
  /** State inside a workflow. */
  status_indicator: StatusIndicator;
  /** Shown to the user. */
  title?: string | null;
}

/** Wishes about model and tool. */
export interface InferenceOptions {
  /** A tool to use. */
  tool_choice?: ToolChoice | null;
  /** A model to use. */
  model?: string | null;
}

/** Speech to text. */
export interface InputTranscribeRequest {
  type: 'input.transcribe';
  params: TranscribeParams;
  /** Whatever the integration sends along: user, page, locale. */
  metadata?: Record<string, unknown> | null;
}

/** What kind of text an input takes. */
export type InputType =
  'number' | 'email' | 'text' | 'password' | 'tel' | 'url' | (string & NonNullable<unknown>);

/** What a reader thinks of an item. Parlor's own. */
export interface ItemFeedback {
  /** Up or down. */
  kind: FeedbackKind;
  /** When they said so. */
  created_at: Timestamp;
}

/** Parameters of `items.feedback`. */
export interface ItemFeedbackParams {
  /** The thread. */
  thread_id: ThreadId;
  /** What the feedback is about. */
  item_ids: ItemId[];
  /** Up or down. */
  kind: FeedbackKind;
}

/**
 * Id of a thread item, `msg_…`, `tc_…`, `wf_…`, … where we make it.
 *
 * Opaque on the wire.
 */
export type ItemId = string;

/** Thumbs up or down. */
export interface ItemsFeedbackRequest {
  type: 'items.feedback';
  params: ItemFeedbackParams;
  /** Whatever the integration sends along: user, page, locale. */
  metadata?: Record<string, unknown> | null;
}

/** Parameters of `items.list`. */
export interface ItemsListParams {
  /** The thread. */
  thread_id: ThreadId;
  /** At most so many; the server's default when absent. */
  limit?: number | null;
  /** Newest first when absent. */
  order?: Order;
  /** Cursor of the page before. */
  after?: string | null;
}

/** A page of a thread's items. */
export interface ItemsListRequest {
  type: 'items.list';
  params: ItemsListParams;
  /** Whatever the integration sends along: user, page, locale. */
  metadata?: Record<string, unknown> | null;
}

/** Parameters of the operations that answer with one JSON document, by operation. */
export interface JsonParams {
  'threads.get_by_id': ThreadGetByIdParams;
  'threads.list': ThreadListParams;
  'threads.update': ThreadUpdateParams;
  'threads.delete': ThreadDeleteParams;
  'threads.sync_custom_action': CustomActionParams;
  'items.list': ItemsListParams;
  'items.feedback': ItemFeedbackParams;
  'attachments.create': AttachmentCreateParams;
  'attachments.delete': AttachmentDeleteParams;
  'input.transcribe': TranscribeParams;
  'threads.stop': StopParams;
}

/** Answers of the operations that answer with one JSON document, by operation. */
export interface JsonResults {
  'threads.get_by_id': Thread;
  'threads.list': ThreadPage;
  'threads.update': Thread;
  'threads.delete': Done;
  'threads.sync_custom_action': SyncCustomActionResponse;
  'items.list': ThreadItemPage;
  'items.feedback': Done;
  'attachments.create': Attachment;
  'attachments.delete': Done;
  'input.transcribe': TranscriptionResult;
  'threads.stop': StopResult;
}

/** Placement along the direction of a layout. */
export type Justification =
  'start' | 'center' | 'end' | 'between' | 'around' | 'evenly' | 'stretch' | (string & NonNullable<unknown>);

/**
 * A number or a CSS string. What a number counts depends on the property: pixels for sizes, spacing
 * units (multiples of 4 px) for gaps, padding and margins, plain numbers for `flex` and `aspectRatio`.
 */
export type Length = number | string;

/** A curve. */
export interface LineSeries {
  type: 'line';
  /** The field with the numbers. */
  dataKey: string;
  /** Name in the legend. */
  label?: string | null;
  /** As `BarSeries.color`. */
  color?: Color | null;
  /** How points are joined. */
  curveType?: CurveType | null;
  [property: string]: unknown;
}

/** How many rows a list shows before "show more"; the client decides with `auto`. */
export type ListLimit = number | 'auto';

/** What shows that an action is running. */
export type LoadingBehavior = 'auto' | 'none' | 'self' | 'container';

/** Something to tell the user. */
export interface NoticeEvent {
  type: 'notice';
  /** How serious it is. */
  level: NoticeLevel;
  /** Markdown. */
  message: string;
  /** Heading. */
  title?: string | null;
}

/** How serious a notice is. */
export type NoticeLevel = 'info' | 'warning' | 'danger';

/** Order of a list. */
export type Order = 'asc' | 'desc';

/** What the assistant is doing. */
export interface ProgressUpdateEvent {
  type: 'progress_update';
  /** Icon beside the text. */
  icon?: IconName | null;
  /** A few words. */
  text: string;
}

/** A thickness in pixels. */
export type Px = number;

/** An option of a `RadioGroup`. */
export interface RadioOption {
  /** What is shown. */
  label: string;
  /** What is sent. */
  value: string;
  /** Cannot be chosen. */
  disabled?: boolean | null;
  [property: string]: unknown;
}

/** Roundness of corners. */
export type Radius =
  | '2xs'
  | 'xs'
  | 'sm'
  | 'md'
  | 'lg'
  | 'xl'
  | '2xl'
  | '3xl'
  | '4xl'
  | 'full'
  | '100%'
  | 'none'
  | (string & NonNullable<unknown>);

/** A request: an operation and its parameters, in an envelope with metadata. */
export type Request =
  | ThreadsCreateRequest
  | ThreadsAddUserMessageRequest
  | ThreadsAddClientToolOutputRequest
  | ThreadsAddStructuredInputRequest
  | ThreadsRetryAfterItemRequest
  | ThreadsCustomActionRequest
  | ThreadsResumeRequest
  | ThreadsGetByIdRequest
  | ThreadsListRequest
  | ThreadsUpdateRequest
  | ThreadsDeleteRequest
  | ThreadsSyncCustomActionRequest
  | ItemsListRequest
  | ItemsFeedbackRequest
  | AttachmentsCreateRequest
  | AttachmentsDeleteRequest
  | InputTranscribeRequest
  | ThreadsStopRequest;

/**
 * Id of one HTTP request, `req_…`, in logs and in every error.
 *
 * Opaque on the wire.
 */
export type RequestId = string;

/** Parameters of `threads.resume`. */
export interface ResumeParams {
  /** The thread whose turn to follow. */
  thread_id: ThreadId;
  /** Number of the last event that was received; from the first event on when absent. */
  after?: number | null;
  /** The turn that `after` counts in; when another one is running, it is sent from its start. */
  turn_id?: TurnId | null;
}

/** Parameters of `threads.retry_after_item`. */
export interface RetryAfterItemParams {
  /** The thread. */
  thread_id: ThreadId;
  /** The user message to answer again. */
  item_id: ItemId;
}

/** Of the SDK's own; never sent to clients. */
export interface SdkHiddenContextItem {
  type: 'sdk_hidden_context';
  /** Its id. */
  id: ItemId;
  /** The thread it is in. */
  thread_id: ThreadId;
  /** When it was added. */
  created_at: Timestamp;
  /** Text for the model. */
  content: string;
}

/** A web search. */
export interface SearchTask {
  type: 'web_search';
  /** State inside a workflow. */
  status_indicator: StatusIndicator;
  /** Shown to the user. */
  title?: string | null;
  /** The query to show in the title. */
  title_query?: string | null;
  /** What was searched for. */
  queries: string[];
  /** What was found. */
  sources: UrlSource[];
}

/** An option of a `Select`. */
export interface SelectOption {
  /** What is sent. */
  value: string;
  /** What is shown. */
  label: string;
  /** Cannot be chosen. */
  disabled?: boolean | null;
  /** Shown below the label. */
  description?: string | null;
  [property: string]: unknown;
}

/** How one field of a chart's rows is drawn. */
export type Series = BarSeries | AreaSeries | LineSeries;

/** Something an answer refers to. */
export type Source = UrlSource | FileSource | EntitySource;

/** Padding or margin. */
export type Space = Length | Spacing;

/** Space for each edge: spacing units or CSS. A single edge wins over its axis. */
export interface Spacing {
  /** Top edge. */
  top?: Length | null;
  /** Right edge. */
  right?: Length | null;
  /** Bottom edge. */
  bottom?: Length | null;
  /** Left edge. */
  left?: Length | null;
  /** Left and right. */
  x?: Length | null;
  /** Top and bottom. */
  y?: Length | null;
  [property: string]: unknown;
}

/** State of a task inside a workflow. */
export type StatusIndicator = 'none' | 'loading' | 'complete';

/** Parameters of `threads.stop`. */
export interface StopParams {
  /** The thread whose turn is to end. */
  thread_id: ThreadId;
}

/** Answer to `threads.stop`. */
export interface StopResult {
  /** Whether a turn was running. */
  stopped: boolean;
}

/** Settings of a stream. */
export interface StreamOptions {
  /** Whether clients offer to stop it. */
  allow_cancel: boolean;
}

/** Settings of this stream. */
export interface StreamOptionsEvent {
  type: 'stream_options';
  /** The settings. */
  stream_options: StreamOptions;
}

/** Parameters of the operations that answer with a stream of events, by operation. */
export interface StreamingParams {
  'threads.create': ThreadCreateParams;
  'threads.add_user_message': AddUserMessageParams;
  'threads.add_client_tool_output': AddClientToolOutputParams;
  'threads.add_structured_input': AddStructuredInputParams;
  'threads.retry_after_item': RetryAfterItemParams;
  'threads.custom_action': CustomActionParams;
  'threads.resume': ResumeParams;
}

/** One question. */
export type StructuredInput = StructuredInputMultipleChoice | StructuredInputFreeform;

/** The answer to one question, as kept in the item. */
export interface StructuredInputAnswer {
  /** The values given. */
  values: string[];
  /** Whether the user passed it over. */
  skipped: boolean;
}

/** What a client submits for one question. */
export interface StructuredInputAnswerSubmission {
  /** The values given. */
  values?: string[];
  /** Whether the user passed it over. */
  skipped?: boolean;
}

/** A question answered with free text. */
export interface StructuredInputFreeform {
  type: 'freeform';
  /** Stable id of the question within its item. */
  id: string;
  /** Shown to the user. */
  question: string;
  /** The answer, once there is one. */
  answer?: StructuredInputAnswer | null;
  /** Supporting text. */
  description?: string | null;
}

/** Questions to the user. */
export interface StructuredInputItem {
  type: 'structured_input';
  /** Its id. */
  id: ItemId;
  /** The thread it is in. */
  thread_id: ThreadId;
  /** When it was asked. */
  created_at: Timestamp;
  /** Whether it was answered. */
  status: StructuredInputStatus;
  /** The questions. */
  inputs: StructuredInput[];
}

/** A question with options. */
export interface StructuredInputMultipleChoice {
  type: 'multiple_choice';
  /** Stable id of the question within its item. */
  id: string;
  /** Shown to the user. */
  question: string;
  /** The answer, once there is one. */
  answer?: StructuredInputAnswer | null;
  /** Suggested choices; the user may also write an own one. */
  options: StructuredInputOption[];
  /** Whether more than one value may be given. */
  multiple: boolean;
}

/** A choice. */
export interface StructuredInputOption {
  /** Shown, and submitted when chosen. */
  value: string;
}

/** State of a structured input item. */
export type StructuredInputStatus = 'pending' | 'answered' | 'skipped';

/** What a client submits for an item's questions. */
export interface StructuredInputSubmission {
  /** Whether the user answered or passed over the whole item. */
  status?: SubmissionStatus;
  /** Answers by question id. */
  answers?: Record<string, StructuredInputAnswerSubmission>;
}

/** Whether the user answered or passed over. */
export type SubmissionStatus = 'answered' | 'skipped';

/** Answer to `threads.sync_custom_action`. */
export interface SyncCustomActionResponse {
  /** The item as it is now, if it changed. */
  updated_item?: ThreadItem | null;
}

/** Width of a table's column. */
export type TableColSize = 'xs' | 'sm' | 'md' | 'lg' | 'xl' | (string & NonNullable<unknown>);

/** One step. */
export type Task = CustomTask | SearchTask | ThoughtTask | FileTask | ImageTask;

/** One step of the assistant's work, by itself. */
export interface TaskItem {
  type: 'task';
  /** Its id. */
  id: ItemId;
  /** The thread it is in. */
  thread_id: ThreadId;
  /** When it was begun. */
  created_at: Timestamp;
  /** The step. */
  task: Task;
}

/** Horizontal placement of text, of a table cell's content, or of a date picker's calendar. */
export type TextAlign = 'start' | 'center' | 'end' | (string & NonNullable<unknown>);

/** Size of body text. */
export type TextSize = 'xs' | 'sm' | 'md' | 'lg' | 'xl' | (string & NonNullable<unknown>);

/** One value for the dark theme and one for the light. */
export interface ThemeColor {
  /** Used when the theme is dark: a token or CSS. */
  dark: string;
  /** Used when the theme is light: a token or CSS. */
  light: string;
  [property: string]: unknown;
}

/** A piece of reasoning. */
export interface ThoughtTask {
  type: 'thought';
  /** State inside a workflow. */
  status_indicator: StatusIndicator;
  /** Shown to the user. */
  title?: string | null;
  /** Markdown. */
  content: string;
}

/** A thread with a page of its items: what clients are sent. */
export interface Thread {
  /** Title, when somebody or something gave it one. */
  title?: string | null;
  /** Its id. */
  id: ThreadId;
  /** When it was begun. */
  created_at: Timestamp;
  /** Whether it takes messages. */
  status: ThreadStatus;
  /** Hosts from which clients may load images that answers refer to; the client's default when absent. */
  allowed_image_domains?: string[] | null;
  /** The integrator's own; never sent to clients. */
  metadata: Record<string, unknown>;
  /** A page of its items. */
  items: ThreadItemPage;
}

/** Parameters of `threads.create`. */
export interface ThreadCreateParams {
  /** Its first message. */
  input: UserMessageInput;
}

/** A thread was begun. */
export interface ThreadCreatedEvent {
  type: 'thread.created';
  /** The thread. */
  thread: Thread;
}

/** Parameters of `threads.delete`. */
export interface ThreadDeleteParams {
  /** The thread. */
  thread_id: ThreadId;
}

/** Parameters of `threads.get_by_id`. */
export interface ThreadGetByIdParams {
  /** The thread. */
  thread_id: ThreadId;
}

/**
 * Id of a thread, `thr_…` where we make it.
 *
 * Opaque on the wire.
 */
export type ThreadId = string;

/** One entry of a thread. */
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

/** An item begins. */
export interface ThreadItemAddedEvent {
  type: 'thread.item.added';
  /** The item so far. */
  item: ThreadItem;
}

/** An item is whole and stored. */
export interface ThreadItemDoneEvent {
  type: 'thread.item.done';
  /** The item. */
  item: ThreadItem;
}

/** One page of a list. `after` is the cursor of the next page: the id of the last record. */
export interface ThreadItemPage {
  /** The records, in the order asked for. */
  data: ThreadItem[];
  /** Whether another page follows. */
  has_more: boolean;
  /** Cursor to ask for the next page with; absent when there is none. */
  after?: string | null;
}

/** An item is gone. */
export interface ThreadItemRemovedEvent {
  type: 'thread.item.removed';
  /** The item. */
  item_id: ItemId;
}

/** An item is replaced by another of the same id. */
export interface ThreadItemReplacedEvent {
  type: 'thread.item.replaced';
  /** The item as it is now. */
  item: ThreadItem;
}

/** A change to an item that is still being made. */
export type ThreadItemUpdate =
  | ContentPartAdded
  | ContentPartTextDelta
  | ContentPartAnnotationAdded
  | ContentPartDone
  | WidgetStreamingTextValueDelta
  | WidgetComponentUpdated
  | WidgetRootUpdated
  | WorkflowTaskAdded
  | WorkflowTaskUpdated
  | GeneratedImageUpdated;

/** An item that has begun changes. */
export interface ThreadItemUpdatedEvent {
  type: 'thread.item.updated';
  /** The item. */
  item_id: ItemId;
  /** The change. */
  update: ThreadItemUpdate;
}

/** Parameters of `threads.list`. */
export interface ThreadListParams {
  /** At most so many; the server's default when absent. */
  limit?: number | null;
  /** Newest first when absent. */
  order?: Order;
  /** Cursor of the page before. */
  after?: string | null;
}

/** A thread without its items. */
export interface ThreadMetadata {
  /** Title, when somebody or something gave it one. */
  title?: string | null;
  /** Its id. */
  id: ThreadId;
  /** When it was begun. */
  created_at: Timestamp;
  /** Whether it takes messages. */
  status: ThreadStatus;
  /** Hosts from which clients may load images that answers refer to; the client's default when absent. */
  allowed_image_domains?: string[] | null;
  /** The integrator's own; never sent to clients. */
  metadata: Record<string, unknown>;
}

/** One page of a list. `after` is the cursor of the next page: the id of the last record. */
export interface ThreadPage {
  /** The records, in the order asked for. */
  data: Thread[];
  /** Whether another page follows. */
  has_more: boolean;
  /** Cursor to ask for the next page with; absent when there is none. */
  after?: string | null;
}

/** Whether a thread takes messages. */
export type ThreadStatus =
  | {
      type: 'active';
    }
  | {
      type: 'locked';
      /** Shown to the user. */
      reason?: string | null;
    }
  | {
      type: 'closed';
      /** Shown to the user. */
      reason?: string | null;
    };

/** One event of a stream. */
export type ThreadStreamEvent =
  | ThreadCreatedEvent
  | ThreadUpdatedEvent
  | ThreadItemDoneEvent
  | ThreadItemAddedEvent
  | ThreadItemUpdatedEvent
  | ThreadItemRemovedEvent
  | ThreadItemReplacedEvent
  | StreamOptionsEvent
  | ProgressUpdateEvent
  | ClientEffectEvent
  | ErrorEvent
  | NoticeEvent;

/** Parameters of `threads.update`. */
export interface ThreadUpdateParams {
  /** The thread. */
  thread_id: ThreadId;
  /** Its new title. */
  title: string;
}

/** A thread's title, status or other properties changed. */
export interface ThreadUpdatedEvent {
  type: 'thread.updated';
  /** The thread as it is now, without items. */
  thread: Thread;
}

/**
 * What a client tool gave.
 *
 * Answered with a stream of events.
 */
export interface ThreadsAddClientToolOutputRequest {
  type: 'threads.add_client_tool_output';
  params: AddClientToolOutputParams;
  /** Whatever the integration sends along: user, page, locale. */
  metadata?: Record<string, unknown> | null;
}

/**
 * Answers to questions.
 *
 * Answered with a stream of events.
 */
export interface ThreadsAddStructuredInputRequest {
  type: 'threads.add_structured_input';
  params: AddStructuredInputParams;
  /** Whatever the integration sends along: user, page, locale. */
  metadata?: Record<string, unknown> | null;
}

/**
 * A message to a thread. Published samples call it `threads.run`.
 *
 * Answered with a stream of events.
 */
export interface ThreadsAddUserMessageRequest {
  type: 'threads.add_user_message' | 'threads.run';
  params: AddUserMessageParams;
  /** Whatever the integration sends along: user, page, locale. */
  metadata?: Record<string, unknown> | null;
}

/**
 * A new thread from a message.
 *
 * Answered with a stream of events.
 */
export interface ThreadsCreateRequest {
  type: 'threads.create';
  params: ThreadCreateParams;
  /** Whatever the integration sends along: user, page, locale. */
  metadata?: Record<string, unknown> | null;
}

/**
 * Somebody used a widget.
 *
 * Answered with a stream of events.
 */
export interface ThreadsCustomActionRequest {
  type: 'threads.custom_action';
  params: CustomActionParams;
  /** Whatever the integration sends along: user, page, locale. */
  metadata?: Record<string, unknown> | null;
}

/** A thread with all that belongs to it goes. */
export interface ThreadsDeleteRequest {
  type: 'threads.delete';
  params: ThreadDeleteParams;
  /** Whatever the integration sends along: user, page, locale. */
  metadata?: Record<string, unknown> | null;
}

/** A thread with its first page of items. */
export interface ThreadsGetByIdRequest {
  type: 'threads.get_by_id';
  params: ThreadGetByIdParams;
  /** Whatever the integration sends along: user, page, locale. */
  metadata?: Record<string, unknown> | null;
}

/** The caller's threads. */
export interface ThreadsListRequest {
  type: 'threads.list';
  params?: ThreadListParams | null;
  /** Whatever the integration sends along: user, page, locale. */
  metadata?: Record<string, unknown> | null;
}

/**
 * Re-attaches to the running turn. Parlor's own.
 *
 * Answered with a stream of events.
 */
export interface ThreadsResumeRequest {
  type: 'threads.resume';
  params: ResumeParams;
  /** Whatever the integration sends along: user, page, locale. */
  metadata?: Record<string, unknown> | null;
}

/**
 * Another answer to a message.
 *
 * Answered with a stream of events.
 */
export interface ThreadsRetryAfterItemRequest {
  type: 'threads.retry_after_item';
  params: RetryAfterItemParams;
  /** Whatever the integration sends along: user, page, locale. */
  metadata?: Record<string, unknown> | null;
}

/** Ends the running turn and keeps its partial text. Parlor's own. */
export interface ThreadsStopRequest {
  type: 'threads.stop';
  params: StopParams;
  /** Whatever the integration sends along: user, page, locale. */
  metadata?: Record<string, unknown> | null;
}

/** Somebody used a widget; answered with one item. */
export interface ThreadsSyncCustomActionRequest {
  type: 'threads.sync_custom_action';
  params: CustomActionParams;
  /** Whatever the integration sends along: user, page, locale. */
  metadata?: Record<string, unknown> | null;
}

/** A new title. */
export interface ThreadsUpdateRequest {
  type: 'threads.update';
  params: ThreadUpdateParams;
  /** Whatever the integration sends along: user, page, locale. */
  metadata?: Record<string, unknown> | null;
}

/** A point in time: RFC 3339 with `Z`. (The official Python models write local time without a zone.) */
export type Timestamp = string;

/** Size of a title. */
export type TitleSize =
  'sm' | 'md' | 'lg' | 'xl' | '2xl' | '3xl' | '4xl' | '5xl' | (string & NonNullable<unknown>);

/** A tool to use. */
export interface ToolChoice {
  /** The tool's id as the page's composer options name it. */
  id: string;
}

/** Parameters of `input.transcribe`. */
export interface TranscribeParams {
  /** The recording, in standard base64. */
  audio_base64: string;
  /** Media type with parameters, such as `audio/webm;codecs=opus`. */
  mime_type: string;
}

/** Answer to `input.transcribe`. */
export interface TranscriptionResult {
  /** What was said. */
  text: string;
}

/**
 * Id of one turn of a thread, `trn_…`. Parlor's own; the reference has no turns.
 *
 * Opaque on the wire.
 */
export type TurnId = string;

/** HTTP method of an upload. */
export type UploadMethod = 'POST' | 'PUT';

/** A web page as a source. */
export interface UrlSource {
  type: 'url';
  /** Shown to the user. */
  title: string;
  /** A line about it. */
  description?: string | null;
  /** When it was made or read, as text for display. */
  timestamp?: string | null;
  /** Heading to group sources under. */
  group?: string | null;
  /** Where it is; absolute, or relative to the page that shows it. */
  url: string;
  /** Who published it. */
  attribution?: string | null;
}

/** A part of a user message. */
export type UserMessageContent = UserMessageTextContent | UserMessageTagContent;

/** A part of a user message. */
export type UserMessageContentInput = UserMessageTextContent | UserMessageTagContentInput;

/** A user message as a client submits it. */
export interface UserMessageInput {
  /** Text and tags, in order. */
  content: UserMessageContentInput[];
  /** Ids of files sent along. Absent is read as none: published samples leave it out. */
  attachments?: AttachmentId[];
  /** What the user refers to. */
  quoted_text?: string | null;
  /** Wishes about model and tool. Absent is read as none. */
  inference_options?: InferenceOptions;
  /**
   * Request metadata in the place where published integration samples put it; read like the envelope's,
   * never stored with the message.
   */
  metadata?: Record<string, unknown>;
}

/** What the user said. */
export interface UserMessageItem {
  type: 'user_message';
  /** Its id. */
  id: ItemId;
  /** The thread it is in. */
  thread_id: ThreadId;
  /** When it was received. */
  created_at: Timestamp;
  /** Text and tags, in order. */
  content: UserMessageContent[];
  /** Files sent along. */
  attachments: Attachment[];
  /** What the user refers to. */
  quoted_text?: string | null;
  /** Wishes about model and tool. */
  inference_options: InferenceOptions;
}

/** A tag in a user message. */
export interface UserMessageTagContent {
  type: 'input_tag';
  /** The integrator's id of the thing. */
  id: string;
  /** What the tag shows. */
  text: string;
  /** Passed along. */
  data: Record<string, unknown>;
  /** Kind of thing, as the integrator groups them. */
  group?: string | null;
  /** Whether it can be clicked. */
  interactive: boolean;
}

/** A tag in a user message. */
export interface UserMessageTagContentInput {
  type: 'input_tag';
  /** The integrator's id of the thing. */
  id: string;
  /** What the tag shows. */
  text: string;
  /** Passed along. */
  data: Record<string, unknown>;
  /** Kind of thing, as the integrator groups them. */
  group?: string | null;
  /** Whether it can be clicked. */
  interactive?: boolean;
}

/** Text of a user message. */
export interface UserMessageTextContent {
  type: 'input_text';
  /** Plain text. */
  text: string;
}

/** A word on a coloured ground. */
export interface WidgetBadge {
  type: 'Badge';
  /** Recognises the component among its siblings from one version to the next. */
  key?: string | null;
  /**
   * Addresses the component in updates (`widget.component.updated` and
   * `widget.streaming_text.value_delta`).
   */
  id?: string | null;
  /** The word. */
  label: string;
  /** Colour. */
  color?: BadgeColor | null;
  /** Look. */
  variant?: BadgeVariant | null;
  /** Size. */
  size?: BadgeSize | null;
  /** Fully rounded. */
  pill?: boolean | null;
  [property: string]: unknown;
}

/** A root without a frame, which may hold other roots. */
export interface WidgetBasic {
  type: 'Basic';
  /** Recognises the component among its siblings from one version to the next. */
  key?: string | null;
  /**
   * Addresses the component in updates (`widget.component.updated` and
   * `widget.streaming_text.value_delta`).
   */
  id?: string | null;
  /** The roots and components inside. */
  children?: WidgetNode[] | null;
  /** Which way children are laid out. */
  direction?: Direction | null;
  /** Distance between children: spacing units or CSS. */
  gap?: Length | null;
  /** Space inside the edge. */
  padding?: Space | null;
  /** Placement across the direction. */
  align?: Alignment | null;
  /** Placement along the direction. */
  justify?: Justification | null;
  /** Forces a theme onto the subtree. */
  theme?: WidgetTheme | null;
  [property: string]: unknown;
}

/** A general container, `Box` on the wire. */
export interface WidgetBox {
  type: 'Box';
  /** Recognises the component among its siblings from one version to the next. */
  key?: string | null;
  /**
   * Addresses the component in updates (`widget.component.updated` and
   * `widget.streaming_text.value_delta`).
   */
  id?: string | null;
  /** Which way children are laid out. */
  direction?: Direction | null;
  /** The components inside. */
  children?: WidgetComponent[] | null;
  /** Placement across the direction of the layout. */
  align?: Alignment | null;
  /** Placement along the direction of the layout. */
  justify?: Justification | null;
  /** Whether children wrap onto further lines. */
  wrap?: FlexWrap | null;
  /** Share of the free space, or a CSS `flex` value. */
  flex?: Length | null;
  /** Distance between children: spacing units or CSS. */
  gap?: Length | null;
  /** Height: pixels or CSS. */
  height?: Length | null;
  /** Width: pixels or CSS. */
  width?: Length | null;
  /** Width and height at once: pixels or CSS. */
  size?: Length | null;
  /** Least height: pixels or CSS. */
  minHeight?: Length | null;
  /** Least width: pixels or CSS. */
  minWidth?: Length | null;
  /** Least width and height: pixels or CSS. */
  minSize?: Length | null;
  /** Greatest height: pixels or CSS. */
  maxHeight?: Length | null;
  /** Greatest width: pixels or CSS. */
  maxWidth?: Length | null;
  /** Greatest width and height: pixels or CSS. */
  maxSize?: Length | null;
  /** Space inside the edge. */
  padding?: Space | null;
  /** Space outside the edge. */
  margin?: Space | null;
  /** Border: pixels, one border for all edges, or one for each. */
  border?: BorderValue | null;
  /** Roundness of the corners. */
  radius?: Radius | null;
  /**
   * Background: a surface token (`surface`, `surface-secondary`, …), a colour token (`blue-500`), CSS,
   * or one for each theme.
   */
  background?: Color | null;
  /** Width to height: a number, or CSS such as `16/9`. */
  aspectRatio?: Length | null;
  [property: string]: unknown;
}

/** A button. */
export interface WidgetButton {
  type: 'Button';
  /** Recognises the component among its siblings from one version to the next. */
  key?: string | null;
  /**
   * Addresses the component in updates (`widget.component.updated` and
   * `widget.streaming_text.value_delta`).
   */
  id?: string | null;
  /** Sends the form around it. */
  submit?: boolean | null;
  /** Text on the button. */
  label?: string | null;
  /** What a click does. */
  onClickAction?: ActionConfig | null;
  /** Icon before the text. */
  iconStart?: IconName | null;
  /** Icon after the text. */
  iconEnd?: IconName | null;
  /** A ready-made look. */
  style?: ButtonStyle | null;
  /** Size of the icons. */
  iconSize?: ButtonIconSize | null;
  /** Colour. */
  color?: ButtonColor | null;
  /** Look. */
  variant?: ControlVariant | null;
  /** Size. */
  size?: ControlSize | null;
  /** Fully rounded. */
  pill?: boolean | null;
  /** As wide as high, for a lone icon. */
  uniform?: boolean | null;
  /** As wide as its container. */
  block?: boolean | null;
  /** Does nothing and looks so. */
  disabled?: boolean | null;
  [property: string]: unknown;
}

/** Small supporting text. */
export interface WidgetCaption {
  type: 'Caption';
  /** Recognises the component among its siblings from one version to the next. */
  key?: string | null;
  /**
   * Addresses the component in updates (`widget.component.updated` and
   * `widget.streaming_text.value_delta`).
   */
  id?: string | null;
  /** The text. */
  value: string;
  /** As `Text.color`. */
  color?: Color | null;
  /** Thickness of the letters. */
  weight?: FontWeight | null;
  /** Size of the letters. */
  size?: CaptionSize | null;
  /** Horizontal placement. */
  textAlign?: TextAlign | null;
  /** Cuts what does not fit, with an ellipsis. */
  truncate?: boolean | null;
  /** Shows at most this many lines. */
  maxLines?: number | null;
  [property: string]: unknown;
}

/** A framed root, the usual widget. */
export interface WidgetCard {
  type: 'Card';
  /** Recognises the component among its siblings from one version to the next. */
  key?: string | null;
  /**
   * Addresses the component in updates (`widget.component.updated` and
   * `widget.streaming_text.value_delta`).
   */
  id?: string | null;
  /** The components inside. */
  children: WidgetComponent[];
  /** Makes the card a form: `confirm` and `cancel` send its fields. */
  asForm?: boolean | null;
  /** Background: a surface token, a palette token, CSS, or one for each theme. */
  background?: Color | null;
  /** Border: pixels, one border for all edges, or one for each. Known to the element only. */
  border?: BorderValue | null;
  /** Visual size. */
  size?: CardSize | null;
  /** Space inside the edge. */
  padding?: Space | null;
  /** Line above the content. */
  status?: WidgetStatus | null;
  /** Folds the body away, as after its main action is done. */
  collapsed?: boolean | null;
  /** Forces a theme onto the subtree. */
  theme?: WidgetTheme | null;
  /** Button in the footer that confirms. */
  confirm?: CardAction | null;
  /** Button in the footer that cancels. */
  cancel?: CardAction | null;
  [property: string]: unknown;
}

/** A chart of bars, lines and areas over a shared axis. */
export interface WidgetChart {
  type: 'Chart';
  /** Recognises the component among its siblings from one version to the next. */
  key?: string | null;
  /**
   * Addresses the component in updates (`widget.component.updated` and
   * `widget.streaming_text.value_delta`).
   */
  id?: string | null;
  /** The rows: strings and numbers by field name. */
  data: Record<string, unknown>[];
  /** How fields of the rows are drawn. */
  series: Series[];
  /** The field along the horizontal axis. */
  xAxis: XAxis;
  /** Draws the vertical axis. */
  showYAxis?: boolean | null;
  /** Draws a legend. */
  showLegend?: boolean | null;
  /** Shows values under the pointer. */
  showTooltip?: boolean | null;
  /** Pixels between the bars of one category. */
  barGap?: Length | null;
  /** Pixels between categories. */
  barCategoryGap?: Length | null;
  /** Share of the free space, or a CSS `flex` value. */
  flex?: Length | null;
  /** Height: pixels or CSS. */
  height?: Length | null;
  /** Width: pixels or CSS. */
  width?: Length | null;
  /** Width and height at once: pixels or CSS. */
  size?: Length | null;
  /** Least height: pixels or CSS. */
  minHeight?: Length | null;
  /** Least width: pixels or CSS. */
  minWidth?: Length | null;
  /** Least width and height: pixels or CSS. */
  minSize?: Length | null;
  /** Greatest height: pixels or CSS. */
  maxHeight?: Length | null;
  /** Greatest width: pixels or CSS. */
  maxWidth?: Length | null;
  /** Greatest width and height: pixels or CSS. */
  maxSize?: Length | null;
  /** Width to height: a number, or CSS such as `16/9`. */
  aspectRatio?: Length | null;
  [property: string]: unknown;
}

/** A field to tick. */
export interface WidgetCheckbox {
  type: 'Checkbox';
  /** Recognises the component among its siblings from one version to the next. */
  key?: string | null;
  /**
   * Addresses the component in updates (`widget.component.updated` and
   * `widget.streaming_text.value_delta`).
   */
  id?: string | null;
  /** Name of the field in the form. */
  name: string;
  /** Text beside it. */
  label?: string | null;
  /** Ticked at first. */
  defaultChecked?: boolean | null;
  /** What a change does. */
  onChangeAction?: ActionConfig | null;
  /** Cannot be changed and looks so. */
  disabled?: boolean | null;
  /** Must be ticked to send the form. */
  required?: boolean | null;
  [property: string]: unknown;
}

/** A container whose children stand one below the other. */
export interface WidgetCol {
  type: 'Col';
  /** Recognises the component among its siblings from one version to the next. */
  key?: string | null;
  /**
   * Addresses the component in updates (`widget.component.updated` and
   * `widget.streaming_text.value_delta`).
   */
  id?: string | null;
  /** The components inside. */
  children?: WidgetComponent[] | null;
  /** Placement across the direction of the layout. */
  align?: Alignment | null;
  /** Placement along the direction of the layout. */
  justify?: Justification | null;
  /** Whether children wrap onto further lines. */
  wrap?: FlexWrap | null;
  /** Share of the free space, or a CSS `flex` value. */
  flex?: Length | null;
  /** Distance between children: spacing units or CSS. */
  gap?: Length | null;
  /** Height: pixels or CSS. */
  height?: Length | null;
  /** Width: pixels or CSS. */
  width?: Length | null;
  /** Width and height at once: pixels or CSS. */
  size?: Length | null;
  /** Least height: pixels or CSS. */
  minHeight?: Length | null;
  /** Least width: pixels or CSS. */
  minWidth?: Length | null;
  /** Least width and height: pixels or CSS. */
  minSize?: Length | null;
  /** Greatest height: pixels or CSS. */
  maxHeight?: Length | null;
  /** Greatest width: pixels or CSS. */
  maxWidth?: Length | null;
  /** Greatest width and height: pixels or CSS. */
  maxSize?: Length | null;
  /** Space inside the edge. */
  padding?: Space | null;
  /** Space outside the edge. */
  margin?: Space | null;
  /** Border: pixels, one border for all edges, or one for each. */
  border?: BorderValue | null;
  /** Roundness of the corners. */
  radius?: Radius | null;
  /**
   * Background: a surface token (`surface`, `surface-secondary`, …), a colour token (`blue-500`), CSS,
   * or one for each theme.
   */
  background?: Color | null;
  /** Width to height: a number, or CSS such as `16/9`. */
  aspectRatio?: Length | null;
  [property: string]: unknown;
}

/** Any component inside a widget. */
export type WidgetComponent =
  | WidgetBadge
  | WidgetBox
  | WidgetButton
  | WidgetCaption
  | WidgetChart
  | WidgetCheckbox
  | WidgetCol
  | WidgetDatePicker
  | WidgetDivider
  | WidgetForm
  | WidgetIcon
  | WidgetImage
  | WidgetInput
  | WidgetLabel
  | WidgetListViewItem
  | WidgetMarkdown
  | WidgetRadioGroup
  | WidgetRow
  | WidgetSelect
  | WidgetSpacer
  | WidgetTable
  | WidgetTableCell
  | WidgetTableRow
  | WidgetText
  | WidgetTextarea
  | WidgetTitle
  | WidgetTransition;

/** A component of a widget is replaced. */
export interface WidgetComponentUpdated {
  type: 'widget.component.updated';
  /** The component's `id`. */
  component_id: string;
  /** The new component. */
  component: WidgetComponent;
}

/** A field for a date. */
export interface WidgetDatePicker {
  type: 'DatePicker';
  /** Recognises the component among its siblings from one version to the next. */
  key?: string | null;
  /**
   * Addresses the component in updates (`widget.component.updated` and
   * `widget.streaming_text.value_delta`).
   */
  id?: string | null;
  /** Name of the field in the form. */
  name: string;
  /** What a change does. */
  onChangeAction?: ActionConfig | null;
  /** Shown while it is empty. */
  placeholder?: string | null;
  /** Date at first: ISO 8601. */
  defaultValue?: string | null;
  /** Earliest date: ISO 8601. */
  min?: string | null;
  /** Latest date: ISO 8601. */
  max?: string | null;
  /** Look. */
  variant?: ControlVariant | null;
  /** Size. */
  size?: ControlSize | null;
  /** On which side the calendar opens. */
  side?: DatePickerSide | null;
  /** How the calendar is placed along that side. */
  align?: TextAlign | null;
  /** Fully rounded. */
  pill?: boolean | null;
  /** As wide as its container. */
  block?: boolean | null;
  /** Offers to empty it again. */
  clearable?: boolean | null;
  /** Cannot be changed and looks so. */
  disabled?: boolean | null;
  [property: string]: unknown;
}

/** A line between other components. */
export interface WidgetDivider {
  type: 'Divider';
  /** Recognises the component among its siblings from one version to the next. */
  key?: string | null;
  /**
   * Addresses the component in updates (`widget.component.updated` and
   * `widget.streaming_text.value_delta`).
   */
  id?: string | null;
  /** `default`, `subtle`, `strong`, a palette token, CSS, or one for each theme. */
  color?: Color | null;
  /** Thickness: pixels or CSS. */
  size?: Length | null;
  /** Space before and after: spacing units or CSS. */
  spacing?: Length | null;
  /** Reaches through the container's padding to its edge. */
  flush?: boolean | null;
  [property: string]: unknown;
}

/** A container that sends the fields inside it. */
export interface WidgetForm {
  type: 'Form';
  /** Recognises the component among its siblings from one version to the next. */
  key?: string | null;
  /**
   * Addresses the component in updates (`widget.component.updated` and
   * `widget.streaming_text.value_delta`).
   */
  id?: string | null;
  /** What sending does; the fields are merged into its payload. */
  onSubmitAction?: ActionConfig | null;
  /** Which way children are laid out. */
  direction?: Direction | null;
  /** The components inside. */
  children?: WidgetComponent[] | null;
  /** Placement across the direction of the layout. */
  align?: Alignment | null;
  /** Placement along the direction of the layout. */
  justify?: Justification | null;
  /** Whether children wrap onto further lines. */
  wrap?: FlexWrap | null;
  /** Share of the free space, or a CSS `flex` value. */
  flex?: Length | null;
  /** Distance between children: spacing units or CSS. */
  gap?: Length | null;
  /** Height: pixels or CSS. */
  height?: Length | null;
  /** Width: pixels or CSS. */
  width?: Length | null;
  /** Width and height at once: pixels or CSS. */
  size?: Length | null;
  /** Least height: pixels or CSS. */
  minHeight?: Length | null;
  /** Least width: pixels or CSS. */
  minWidth?: Length | null;
  /** Least width and height: pixels or CSS. */
  minSize?: Length | null;
  /** Greatest height: pixels or CSS. */
  maxHeight?: Length | null;
  /** Greatest width: pixels or CSS. */
  maxWidth?: Length | null;
  /** Greatest width and height: pixels or CSS. */
  maxSize?: Length | null;
  /** Space inside the edge. */
  padding?: Space | null;
  /** Space outside the edge. */
  margin?: Space | null;
  /** Border: pixels, one border for all edges, or one for each. */
  border?: BorderValue | null;
  /** Roundness of the corners. */
  radius?: Radius | null;
  /**
   * Background: a surface token (`surface`, `surface-secondary`, …), a colour token (`blue-500`), CSS,
   * or one for each theme.
   */
  background?: Color | null;
  /** Width to height: a number, or CSS such as `16/9`. */
  aspectRatio?: Length | null;
  [property: string]: unknown;
}

/** An icon. */
export interface WidgetIcon {
  type: 'Icon';
  /** Recognises the component among its siblings from one version to the next. */
  key?: string | null;
  /**
   * Addresses the component in updates (`widget.component.updated` and
   * `widget.streaming_text.value_delta`).
   */
  id?: string | null;
  /** Which icon. */
  name: IconName;
  /** As `Text.color`. */
  color?: Color | null;
  /** Size. */
  size?: IconSize | null;
  [property: string]: unknown;
}

/** A picture. */
export interface WidgetImage {
  type: 'Image';
  /** Recognises the component among its siblings from one version to the next. */
  key?: string | null;
  /**
   * Addresses the component in updates (`widget.component.updated` and
   * `widget.streaming_text.value_delta`).
   */
  id?: string | null;
  /** URL of the picture. */
  src: string;
  /** Description for those who don't see it. */
  alt?: string | null;
  /** How it fills its place. */
  fit?: ImageFit | null;
  /** Which part shows when it is cropped. */
  position?: ImagePosition | null;
  /** Roundness of the corners. */
  radius?: Radius | null;
  /** Draws a frame. */
  frame?: boolean | null;
  /** Reaches through the container's padding to its edge. */
  flush?: boolean | null;
  /** Height: pixels or CSS. */
  height?: Length | null;
  /** Width: pixels or CSS. */
  width?: Length | null;
  /** Width and height at once: pixels or CSS. */
  size?: Length | null;
  /** Least height: pixels or CSS. */
  minHeight?: Length | null;
  /** Least width: pixels or CSS. */
  minWidth?: Length | null;
  /** Least width and height: pixels or CSS. */
  minSize?: Length | null;
  /** Greatest height: pixels or CSS. */
  maxHeight?: Length | null;
  /** Greatest width: pixels or CSS. */
  maxWidth?: Length | null;
  /** Greatest width and height: pixels or CSS. */
  maxSize?: Length | null;
  /** Space outside the edge. */
  margin?: Space | null;
  /**
   * Background while it loads or where it is transparent: a surface token, a palette token, CSS, or one
   * for each theme.
   */
  background?: Color | null;
  /** Width to height: a number, or CSS such as `16/9`. */
  aspectRatio?: Length | null;
  /** Share of the free space, or a CSS `flex` value. */
  flex?: Length | null;
  [property: string]: unknown;
}

/** A field for a line of text. */
export interface WidgetInput {
  type: 'Input';
  /** Recognises the component among its siblings from one version to the next. */
  key?: string | null;
  /**
   * Addresses the component in updates (`widget.component.updated` and
   * `widget.streaming_text.value_delta`).
   */
  id?: string | null;
  /** Name of the field in the form. */
  name: string;
  /** What kind of text it takes. */
  inputType?: InputType | null;
  /** Text at first. */
  defaultValue?: string | null;
  /** Must not be empty. */
  required?: boolean | null;
  /** Regular expression that the text has to match. */
  pattern?: string | null;
  /** Shown while it is empty. */
  placeholder?: string | null;
  /** Lets password managers and the like in. */
  allowAutofillExtensions?: boolean | null;
  /** Selects all text when it appears. */
  autoSelect?: boolean | null;
  /** Takes the focus when it appears. */
  autoFocus?: boolean | null;
  /** Cannot be changed and looks so. */
  disabled?: boolean | null;
  /** Look. */
  variant?: FieldVariant | null;
  /** Size. */
  size?: ControlSize | null;
  /** Space between the edge and the text. */
  gutterSize?: GutterSize | null;
  /** Fully rounded. */
  pill?: boolean | null;
  [property: string]: unknown;
}

/** A widget in a thread. */
export interface WidgetItem {
  type: 'widget';
  /** Its id. */
  id: ItemId;
  /** The thread it is in. */
  thread_id: ThreadId;
  /** When it was made. */
  created_at: Timestamp;
  /** What is shown. */
  widget: WidgetRoot;
  /** What the copy button copies; also what the model is told of it. */
  copy_text?: string | null;
}

/** The name of a field, shown to the user. */
export interface WidgetLabel {
  type: 'Label';
  /** Recognises the component among its siblings from one version to the next. */
  key?: string | null;
  /**
   * Addresses the component in updates (`widget.component.updated` and
   * `widget.streaming_text.value_delta`).
   */
  id?: string | null;
  /** The text. */
  value: string;
  /** The `name` of the field it belongs to. */
  fieldName: string;
  /** Size of the letters. */
  size?: TextSize | null;
  /** Thickness of the letters. */
  weight?: FontWeight | null;
  /** Horizontal placement. */
  textAlign?: TextAlign | null;
  /** As `Text.color`. */
  color?: Color | null;
  [property: string]: unknown;
}

/** A root that is a list of rows. */
export interface WidgetListView {
  type: 'ListView';
  /** Recognises the component among its siblings from one version to the next. */
  key?: string | null;
  /**
   * Addresses the component in updates (`widget.component.updated` and
   * `widget.streaming_text.value_delta`).
   */
  id?: string | null;
  /** The rows. */
  children: WidgetListViewItem[];
  /** How many rows show before "show more". */
  limit?: ListLimit | null;
  /** Line above the list. */
  status?: WidgetStatus | null;
  /** Forces a theme onto the subtree. */
  theme?: WidgetTheme | null;
  [property: string]: unknown;
}

/** A row of a `ListView`. */
export interface WidgetListViewItem {
  type: 'ListViewItem';
  /** Recognises the component among its siblings from one version to the next. */
  key?: string | null;
  /**
   * Addresses the component in updates (`widget.component.updated` and
   * `widget.streaming_text.value_delta`).
   */
  id?: string | null;
  /** The components inside. */
  children: WidgetComponent[];
  /** What a click on the row does. */
  onClickAction?: ActionConfig | null;
  /** Distance between children: spacing units or CSS. */
  gap?: Length | null;
  /** Vertical placement of the content. */
  align?: Alignment | null;
  [property: string]: unknown;
}

/** Markdown, which can be streamed. */
export interface WidgetMarkdown {
  type: 'Markdown';
  /** Recognises the component among its siblings from one version to the next. */
  key?: string | null;
  /**
   * Addresses the component in updates (`widget.component.updated` and
   * `widget.streaming_text.value_delta`).
   */
  id?: string | null;
  /** The Markdown source. */
  value: string;
  /** Draws growing text smoothly. */
  streaming?: boolean | null;
  [property: string]: unknown;
}

/** A child of `Basic`, which holds roots as well as components. */
export type WidgetNode =
  | WidgetCard
  | WidgetListView
  | WidgetBasic
  | WidgetBadge
  | WidgetBox
  | WidgetButton
  | WidgetCaption
  | WidgetChart
  | WidgetCheckbox
  | WidgetCol
  | WidgetDatePicker
  | WidgetDivider
  | WidgetForm
  | WidgetIcon
  | WidgetImage
  | WidgetInput
  | WidgetLabel
  | WidgetListViewItem
  | WidgetMarkdown
  | WidgetRadioGroup
  | WidgetRow
  | WidgetSelect
  | WidgetSpacer
  | WidgetTable
  | WidgetTableCell
  | WidgetTableRow
  | WidgetText
  | WidgetTextarea
  | WidgetTitle
  | WidgetTransition;

/** A field to choose one of several options that are all in view. */
export interface WidgetRadioGroup {
  type: 'RadioGroup';
  /** Recognises the component among its siblings from one version to the next. */
  key?: string | null;
  /**
   * Addresses the component in updates (`widget.component.updated` and
   * `widget.streaming_text.value_delta`).
   */
  id?: string | null;
  /** Name of the field in the form. */
  name: string;
  /** What can be chosen. */
  options?: RadioOption[] | null;
  /** Name for screen readers; `name` when absent. */
  ariaLabel?: string | null;
  /** What a change does. */
  onChangeAction?: ActionConfig | null;
  /** Value chosen at first. */
  defaultValue?: string | null;
  /** Which way options are laid out. */
  direction?: Direction | null;
  /** Cannot be changed and looks so. */
  disabled?: boolean | null;
  /** Must be chosen to send the form. */
  required?: boolean | null;
  [property: string]: unknown;
}

/** The top of a widget: what a widget item holds. */
export type WidgetRoot = WidgetCard | WidgetListView | WidgetBasic;

/** A whole widget is replaced. */
export interface WidgetRootUpdated {
  type: 'widget.root.updated';
  /** The new widget. */
  widget: WidgetRoot;
}

/** A container whose children stand side by side. */
export interface WidgetRow {
  type: 'Row';
  /** Recognises the component among its siblings from one version to the next. */
  key?: string | null;
  /**
   * Addresses the component in updates (`widget.component.updated` and
   * `widget.streaming_text.value_delta`).
   */
  id?: string | null;
  /** The components inside. */
  children?: WidgetComponent[] | null;
  /** Placement across the direction of the layout. */
  align?: Alignment | null;
  /** Placement along the direction of the layout. */
  justify?: Justification | null;
  /** Whether children wrap onto further lines. */
  wrap?: FlexWrap | null;
  /** Share of the free space, or a CSS `flex` value. */
  flex?: Length | null;
  /** Distance between children: spacing units or CSS. */
  gap?: Length | null;
  /** Height: pixels or CSS. */
  height?: Length | null;
  /** Width: pixels or CSS. */
  width?: Length | null;
  /** Width and height at once: pixels or CSS. */
  size?: Length | null;
  /** Least height: pixels or CSS. */
  minHeight?: Length | null;
  /** Least width: pixels or CSS. */
  minWidth?: Length | null;
  /** Least width and height: pixels or CSS. */
  minSize?: Length | null;
  /** Greatest height: pixels or CSS. */
  maxHeight?: Length | null;
  /** Greatest width: pixels or CSS. */
  maxWidth?: Length | null;
  /** Greatest width and height: pixels or CSS. */
  maxSize?: Length | null;
  /** Space inside the edge. */
  padding?: Space | null;
  /** Space outside the edge. */
  margin?: Space | null;
  /** Border: pixels, one border for all edges, or one for each. */
  border?: BorderValue | null;
  /** Roundness of the corners. */
  radius?: Radius | null;
  /**
   * Background: a surface token (`surface`, `surface-secondary`, …), a colour token (`blue-500`), CSS,
   * or one for each theme.
   */
  background?: Color | null;
  /** Width to height: a number, or CSS such as `16/9`. */
  aspectRatio?: Length | null;
  [property: string]: unknown;
}

/** A field to choose one of several options. */
export interface WidgetSelect {
  type: 'Select';
  /** Recognises the component among its siblings from one version to the next. */
  key?: string | null;
  /**
   * Addresses the component in updates (`widget.component.updated` and
   * `widget.streaming_text.value_delta`).
   */
  id?: string | null;
  /** Name of the field in the form. */
  name: string;
  /** What can be chosen. */
  options: SelectOption[];
  /** What a change does. */
  onChangeAction?: ActionConfig | null;
  /** Shown while nothing is chosen. */
  placeholder?: string | null;
  /** Value chosen at first. */
  defaultValue?: string | null;
  /** Look. */
  variant?: ControlVariant | null;
  /** Size. */
  size?: ControlSize | null;
  /** Fully rounded. */
  pill?: boolean | null;
  /** As wide as its container. */
  block?: boolean | null;
  /** Offers to choose nothing again. */
  clearable?: boolean | null;
  /** Cannot be changed and looks so. */
  disabled?: boolean | null;
  /** Offers a search among the options. Known to the server SDK only. */
  searchable?: boolean | null;
  [property: string]: unknown;
}

/** Space that takes what is left. */
export interface WidgetSpacer {
  type: 'Spacer';
  /** Recognises the component among its siblings from one version to the next. */
  key?: string | null;
  /**
   * Addresses the component in updates (`widget.component.updated` and
   * `widget.streaming_text.value_delta`).
   */
  id?: string | null;
  /** The least it takes: pixels or CSS. */
  minSize?: Length | null;
  [property: string]: unknown;
}

/** The line above a card or list: text with either a favicon or an icon. */
export interface WidgetStatus {
  /** The text. */
  text: string;
  /** URL of a small picture before the text. */
  favicon?: string | null;
  /** Frames the favicon for contrast. */
  frame?: boolean | null;
  /** Icon before the text. */
  icon?: IconName | null;
  [property: string]: unknown;
}

/** Text of a widget's component grows. */
export interface WidgetStreamingTextValueDelta {
  type: 'widget.streaming_text.value_delta';
  /** The component's `id`. */
  component_id: string;
  /** Text to append. */
  delta: string;
  /** Whether this was the last of it. */
  done: boolean;
}

/** A table. */
export interface WidgetTable {
  type: 'Table';
  /** Recognises the component among its siblings from one version to the next. */
  key?: string | null;
  /**
   * Addresses the component in updates (`widget.component.updated` and
   * `widget.streaming_text.value_delta`).
   */
  id?: string | null;
  /** The rows. */
  children?: WidgetTableRow[] | null;
  [property: string]: unknown;
}

/** A cell of a `TableRow`. */
export interface WidgetTableCell {
  type: 'Table.Cell';
  /** Recognises the component among its siblings from one version to the next. */
  key?: string | null;
  /**
   * Addresses the component in updates (`widget.component.updated` and
   * `widget.streaming_text.value_delta`).
   */
  id?: string | null;
  /** The components inside. */
  children?: WidgetComponent[] | null;
  /** Width: pixels or CSS. */
  width?: Length | null;
  /** Space inside each edge. */
  padding?: Spacing | null;
  /** How many columns it spans. */
  colSpan?: number | null;
  /** How many rows it spans. */
  rowSpan?: number | null;
  /** Horizontal placement of the content. */
  align?: TextAlign | null;
  /** Vertical placement of the content. */
  vAlign?: TextAlign | null;
  /** Width of the column. */
  colSize?: TableColSize | null;
  [property: string]: unknown;
}

/** A row of a `Table`. */
export interface WidgetTableRow {
  type: 'Table.Row';
  /** Recognises the component among its siblings from one version to the next. */
  key?: string | null;
  /**
   * Addresses the component in updates (`widget.component.updated` and
   * `widget.streaming_text.value_delta`).
   */
  id?: string | null;
  /** The cells. */
  children?: WidgetTableCell[] | null;
  /** Makes it a heading row. */
  header?: boolean | null;
  [property: string]: unknown;
}

/** Plain text, which can be streamed and edited. */
export interface WidgetText {
  type: 'Text';
  /** Recognises the component among its siblings from one version to the next. */
  key?: string | null;
  /**
   * Addresses the component in updates (`widget.component.updated` and
   * `widget.streaming_text.value_delta`).
   */
  id?: string | null;
  /** The text. */
  value: string;
  /** Draws growing text smoothly. */
  streaming?: boolean | null;
  /** In italics. */
  italic?: boolean | null;
  /** Struck through. */
  lineThrough?: boolean | null;
  /**
   * A text token (`prose`, `primary`, `emphasis`, `secondary`, `tertiary`, `success`, `warning`,
   * `danger`), a palette token, CSS, or one for each theme.
   */
  color?: Color | null;
  /** Thickness of the letters. */
  weight?: FontWeight | null;
  /** Width: pixels or CSS. */
  width?: Length | null;
  /** Size of the letters. */
  size?: TextSize | null;
  /** Horizontal placement. */
  textAlign?: TextAlign | null;
  /** Cuts what does not fit, with an ellipsis. */
  truncate?: boolean | null;
  /** Keeps room for this many lines. */
  minLines?: number | null;
  /** Shows at most this many lines. */
  maxLines?: number | null;
  /** Lets the user edit the text in place. */
  editable?: Editable | null;
  [property: string]: unknown;
}

/** A field for several lines of text. */
export interface WidgetTextarea {
  type: 'Textarea';
  /** Recognises the component among its siblings from one version to the next. */
  key?: string | null;
  /**
   * Addresses the component in updates (`widget.component.updated` and
   * `widget.streaming_text.value_delta`).
   */
  id?: string | null;
  /** Name of the field in the form. */
  name: string;
  /** Text at first. */
  defaultValue?: string | null;
  /** Must not be empty. */
  required?: boolean | null;
  /** Regular expression that the text has to match. */
  pattern?: string | null;
  /** Shown while it is empty. */
  placeholder?: string | null;
  /** Selects all text when it appears. */
  autoSelect?: boolean | null;
  /** Takes the focus when it appears. */
  autoFocus?: boolean | null;
  /** Cannot be changed and looks so. */
  disabled?: boolean | null;
  /** Look. */
  variant?: FieldVariant | null;
  /** Size. */
  size?: ControlSize | null;
  /** Space between the edge and the text. */
  gutterSize?: GutterSize | null;
  /** Lines in view at first. */
  rows?: number | null;
  /** Grows and shrinks with its text. */
  autoResize?: boolean | null;
  /** Lines in view at most when it grows. */
  maxRows?: number | null;
  /** Lets password managers and the like in. */
  allowAutofillExtensions?: boolean | null;
  [property: string]: unknown;
}

/** The theme that a subtree is forced to. */
export type WidgetTheme = 'light' | 'dark' | (string & NonNullable<unknown>);

/** A heading. */
export interface WidgetTitle {
  type: 'Title';
  /** Recognises the component among its siblings from one version to the next. */
  key?: string | null;
  /**
   * Addresses the component in updates (`widget.component.updated` and
   * `widget.streaming_text.value_delta`).
   */
  id?: string | null;
  /** The text. */
  value: string;
  /** As `Text.color`. */
  color?: Color | null;
  /** Thickness of the letters. */
  weight?: FontWeight | null;
  /** Size of the letters. */
  size?: TitleSize | null;
  /** Horizontal placement. */
  textAlign?: TextAlign | null;
  /** Cuts what does not fit, with an ellipsis. */
  truncate?: boolean | null;
  /** Shows at most this many lines. */
  maxLines?: number | null;
  [property: string]: unknown;
}

/** Animates changes of the one component inside. */
export interface WidgetTransition {
  type: 'Transition';
  /** Recognises the component among its siblings from one version to the next. */
  key?: string | null;
  /**
   * Addresses the component in updates (`widget.component.updated` and
   * `widget.streaming_text.value_delta`).
   */
  id?: string | null;
  /** The component to animate; a single one, despite the name. */
  children?: WidgetComponent | null;
  [property: string]: unknown;
}

/** A group of tasks with an optional summary. */
export interface Workflow {
  /** What it shows. */
  type: WorkflowKind;
  /** The steps so far. */
  tasks: Task[];
  /** Shown instead of the steps when it is done. */
  summary?: WorkflowSummary | null;
  /** Whether the steps are shown open. */
  expanded: boolean;
}

/** Steps of the assistant's work. */
export interface WorkflowItem {
  type: 'workflow';
  /** Its id. */
  id: ItemId;
  /** The thread it is in. */
  thread_id: ThreadId;
  /** When it was begun. */
  created_at: Timestamp;
  /** The steps. */
  workflow: Workflow;
}

/** What a workflow shows. */
export type WorkflowKind = 'custom' | 'reasoning';

/**
 * What a finished workflow is summed up with. Told apart by its fields: a summary with a `title` is
 * custom.
 */
export type WorkflowSummary = CustomSummary | DurationSummary;

/** A workflow gets a step. */
export interface WorkflowTaskAdded {
  type: 'workflow.task.added';
  /** Its place among the steps. */
  task_index: number;
  /** The step. */
  task: Task;
}

/** A workflow's step is replaced. */
export interface WorkflowTaskUpdated {
  type: 'workflow.task.updated';
  /** Which step. */
  task_index: number;
  /** The new step. */
  task: Task;
}

/** The horizontal axis of a chart. */
export type XAxis = string | XAxisConfig;

/** The field along the horizontal axis and how it is shown. */
export interface XAxisConfig {
  /** The field along the axis. */
  dataKey: string;
  /** Leaves out the line, its ticks and labels. */
  hide?: boolean | null;
  /** What to write in place of a value. */
  labels?: Record<string, string> | null;
  [property: string]: unknown;
}
