import { describe, expect, it } from 'vitest';
import { applyEvents, emptyThreadState, upsertItem } from '../../src/index.js';
import type * as P from '../../src/protocol.js';
import type { ThreadItem, ThreadItemUpdate, ThreadStreamEvent } from '../../src/protocol.js';
import { readFixtures } from './fixtures.js';

/** Names every key of a type; the compiler refuses a missing or an invented one. */
const keysOf =
  <T>() =>
  (keys: { [K in keyof Required<T>]: true }) =>
    new Set(Object.keys(keys));

type Event<T extends ThreadStreamEvent['type']> = Extract<ThreadStreamEvent, { type: T }>;
type Update<T extends ThreadItemUpdate['type']> = Extract<ThreadItemUpdate, { type: T }>;

const item = { id: true, type: true, thread_id: true, created_at: true } as const;
const source = { type: true, title: true, description: true, timestamp: true, group: true } as const;
const task = { type: true, title: true, status_indicator: true } as const;
const attachment = {
  type: true,
  id: true,
  name: true,
  mime_type: true,
  upload_descriptor: true,
  thread_id: true,
  metadata: true,
} as const;
const thread = {
  id: true,
  title: true,
  created_at: true,
  status: true,
  allowed_image_domains: true,
  metadata: true,
} as const;

const MODELS: Record<string, Set<string>> = {
  FileAttachment: keysOf<P.FileAttachment>()(attachment),
  ImageAttachment: keysOf<P.ImageAttachment>()({ ...attachment, preview_url: true }),
  AttachmentUploadDescriptor: keysOf<P.AttachmentUploadDescriptor>()({
    url: true,
    method: true,
    headers: true,
  }),

  ThreadCreatedEvent: keysOf<Event<'thread.created'>>()({ type: true, thread: true }),
  ThreadUpdatedEvent: keysOf<Event<'thread.updated'>>()({ type: true, thread: true }),
  ThreadItemAddedEvent: keysOf<Event<'thread.item.added'>>()({ type: true, item: true }),
  ThreadItemUpdatedEvent: keysOf<Event<'thread.item.updated'>>()({ type: true, item_id: true, update: true }),
  ThreadItemDoneEvent: keysOf<Event<'thread.item.done'>>()({ type: true, item: true }),
  ThreadItemRemovedEvent: keysOf<Event<'thread.item.removed'>>()({ type: true, item_id: true }),
  ThreadItemReplacedEvent: keysOf<Event<'thread.item.replaced'>>()({ type: true, item: true }),
  StreamOptionsEvent: keysOf<Event<'stream_options'>>()({ type: true, stream_options: true }),
  ProgressUpdateEvent: keysOf<Event<'progress_update'>>()({ type: true, icon: true, text: true }),
  ClientEffectEvent: keysOf<Event<'client_effect'>>()({ type: true, name: true, data: true }),
  NoticeEvent: keysOf<Event<'notice'>>()({ type: true, level: true, message: true, title: true }),
  ErrorEvent: keysOf<Event<'error'>>()({
    type: true,
    code: true,
    message: true,
    allow_retry: true,
    reason: true,
    request_id: true,
    retry_after: true,
  }),

  AssistantMessageContentPartAdded: keysOf<Update<'assistant_message.content_part.added'>>()({
    type: true,
    content_index: true,
    content: true,
  }),
  AssistantMessageContentPartTextDelta: keysOf<Update<'assistant_message.content_part.text_delta'>>()({
    type: true,
    content_index: true,
    delta: true,
  }),
  AssistantMessageContentPartAnnotationAdded: keysOf<
    Update<'assistant_message.content_part.annotation_added'>
  >()({ type: true, content_index: true, annotation_index: true, annotation: true }),
  AssistantMessageContentPartDone: keysOf<Update<'assistant_message.content_part.done'>>()({
    type: true,
    content_index: true,
    content: true,
  }),
  WidgetStreamingTextValueDelta: keysOf<Update<'widget.streaming_text.value_delta'>>()({
    type: true,
    component_id: true,
    delta: true,
    done: true,
  }),
  WidgetRootUpdated: keysOf<Update<'widget.root.updated'>>()({ type: true, widget: true }),
  WidgetComponentUpdated: keysOf<Update<'widget.component.updated'>>()({
    type: true,
    component_id: true,
    component: true,
  }),
  WorkflowTaskAdded: keysOf<Update<'workflow.task.added'>>()({ type: true, task_index: true, task: true }),
  WorkflowTaskUpdated: keysOf<Update<'workflow.task.updated'>>()({
    type: true,
    task_index: true,
    task: true,
  }),
  GeneratedImageUpdated: keysOf<Update<'generated_image.updated'>>()({
    type: true,
    image: true,
    progress: true,
  }),

  UserMessageItem: keysOf<P.UserMessageItem>()({
    ...item,
    content: true,
    attachments: true,
    quoted_text: true,
    inference_options: true,
  }),
  AssistantMessageItem: keysOf<P.AssistantMessageItem>()({ ...item, content: true }),
  ClientToolCallItem: keysOf<P.ClientToolCallItem>()({
    ...item,
    status: true,
    call_id: true,
    name: true,
    arguments: true,
    output: true,
  }),
  WidgetItem: keysOf<P.WidgetItem>()({ ...item, widget: true, copy_text: true }),
  GeneratedImageItem: keysOf<P.GeneratedImageItem>()({ ...item, image: true, progress: true }),
  GeneratedImage: keysOf<P.GeneratedImage>()({ id: true, url: true }),
  StructuredInputItem: keysOf<P.StructuredInputItem>()({ ...item, status: true, inputs: true }),
  TaskItem: keysOf<P.TaskItem>()({ ...item, task: true }),
  WorkflowItem: keysOf<P.WorkflowItem>()({ ...item, workflow: true }),
  EndOfTurnItem: keysOf<P.EndOfTurnItem>()(item),
  HiddenContextItem: keysOf<P.HiddenContextItem>()({ ...item, content: true }),
  SDKHiddenContextItem: keysOf<P.SdkHiddenContextItem>()({ ...item, content: true }),
  AssistantMessageContent: keysOf<P.AssistantMessageContent>()({ type: true, text: true, annotations: true }),
  UserMessageTextContent: keysOf<P.UserMessageText>()({ type: true, text: true }),
  UserMessageTagContent: keysOf<P.UserMessageTag>()({
    type: true,
    id: true,
    text: true,
    data: true,
    group: true,
    interactive: true,
  }),
  UserMessageInput: keysOf<P.UserMessageInput>()({
    content: true,
    attachments: true,
    quoted_text: true,
    inference_options: true,
  }),

  Action: keysOf<P.Action>()({
    type: true,
    payload: true,
    handler: true,
    loadingBehavior: true,
    streaming: true,
  }),
  ActionConfig: keysOf<P.Action>()({
    type: true,
    payload: true,
    handler: true,
    loadingBehavior: true,
    streaming: true,
  }),
  InferenceOptions: keysOf<P.InferenceOptions>()({ tool_choice: true, model: true }),
  StreamOptions: keysOf<Event<'stream_options'>['stream_options']>()({ allow_cancel: true }),
  SyncCustomActionResponse: keysOf<P.JsonResults['threads.sync_custom_action']>()({ updated_item: true }),
  ToolChoice: keysOf<P.ToolChoice>()({ id: true }),
  TranscriptionResult: keysOf<P.JsonResults['input.transcribe']>()({ text: true }),

  Annotation: keysOf<P.Annotation>()({ type: true, source: true, index: true }),
  URLSource: keysOf<P.UrlSource>()({ ...source, url: true, attribution: true }),
  FileSource: keysOf<P.FileSource>()({ ...source, filename: true }),
  EntitySource: keysOf<P.EntitySource>()({
    ...source,
    id: true,
    icon: true,
    label: true,
    inline_label: true,
    interactive: true,
    data: true,
    preview: true,
  }),

  StructuredInputAnswer: keysOf<P.StructuredInputAnswer>()({ values: true, skipped: true }),
  StructuredInputAnswerSubmission: keysOf<P.StructuredInputAnswer>()({ values: true, skipped: true }),
  StructuredInputSubmission: keysOf<P.StructuredInputSubmission>()({ status: true, answers: true }),
  StructuredInputFreeform: keysOf<P.FreeformInput>()({
    type: true,
    id: true,
    question: true,
    answer: true,
    description: true,
  }),
  StructuredInputMultipleChoice: keysOf<P.MultipleChoiceInput>()({
    type: true,
    id: true,
    question: true,
    answer: true,
    options: true,
    multiple: true,
  }),
  StructuredInputMultipleChoiceOption: keysOf<P.MultipleChoiceInput['options'][number]>()({ value: true }),

  CustomTask: keysOf<P.CustomTask>()({ ...task, icon: true, content: true }),
  SearchTask: keysOf<P.SearchTask>()({ ...task, title_query: true, queries: true, sources: true }),
  ThoughtTask: keysOf<P.ThoughtTask>()({ ...task, content: true }),
  FileTask: keysOf<P.FileTask>()({ ...task, sources: true }),
  ImageTask: keysOf<P.ImageTask>()(task),
  CustomSummary: keysOf<P.CustomSummary>()({ title: true, icon: true }),
  DurationSummary: keysOf<P.DurationSummary>()({ duration: true }),
  Workflow: keysOf<P.Workflow>()({ type: true, tasks: true, summary: true, expanded: true }),

  ThreadMetadata: keysOf<P.ThreadMetadata>()(thread),
  Thread: keysOf<P.Thread>()({ ...thread, items: true }),
  'Page[ThreadItem]': keysOf<P.Page<ThreadItem>>()({ data: true, has_more: true, after: true }),
  'Page[Thread]': keysOf<P.Page<P.Thread>>()({ data: true, has_more: true, after: true }),
  ActiveStatus: new Set(['type']),
  LockedStatus: keysOf<Extract<P.ThreadStatus, { type: 'locked' }>>()({ type: true, reason: true }),
  ClosedStatus: keysOf<Extract<P.ThreadStatus, { type: 'closed' }>>()({ type: true, reason: true }),
};

const ITEM_TYPES: Record<ThreadItem['type'], true> = {
  user_message: true,
  assistant_message: true,
  client_tool_call: true,
  widget: true,
  generated_image: true,
  structured_input: true,
  workflow: true,
  task: true,
  hidden_context_item: true,
  sdk_hidden_context: true,
  end_of_turn: true,
};

const REQUEST_TYPES: Record<P.ChatKitRequest['type'], true> = {
  'threads.create': true,
  'threads.add_user_message': true,
  'threads.add_client_tool_output': true,
  'threads.add_structured_input': true,
  'threads.custom_action': true,
  'threads.retry_after_item': true,
  'threads.resume': true,
  'threads.get_by_id': true,
  'threads.list': true,
  'threads.update': true,
  'threads.delete': true,
  'items.list': true,
  'items.feedback': true,
  'attachments.create': true,
  'attachments.delete': true,
  'input.transcribe': true,
  'threads.sync_custom_action': true,
  'threads.stop': true,
};

const typesIn = (file: string) =>
  new Set(readFixtures(file).map((fixture) => (fixture.json as { type: string }).type));

describe('the types against values recorded from the official models', () => {
  const files = [
    'attachments',
    'events',
    'item_updates',
    'items',
    'sources',
    'structured_inputs',
    'tasks',
    'threads',
    'misc',
  ];
  for (const file of files) {
    it(`${file} have no field that the types do not have`, () => {
      for (const { model, name, json } of readFixtures(file)) {
        if (model === 'IconName') continue;
        const fields = MODELS[model];
        expect(fields, `the model ${model} is not in the table of this test`).toBeDefined();
        for (const key of Object.keys(json as object)) {
          expect(fields, `${model} "${name}" has the field "${key}"`).toContain(key);
        }
      }
    });
  }

  it('cover all eleven types of item, and no other', () => {
    const recorded = new Set(
      readFixtures('items')
        .filter(({ model }) => model.endsWith('Item'))
        .map(({ json }) => (json as { type: string }).type),
    );
    expect([...recorded].sort()).toEqual(Object.keys(ITEM_TYPES).sort());
  });

  it('cover the twelve events and the ten item updates', () => {
    expect(typesIn('events').size).toBe(12);
    expect(typesIn('item_updates').size).toBe(10);
  });

  it('cover the sixteen requests of the reference', () => {
    const recorded = typesIn('requests');
    expect(recorded.size).toBe(16);
    for (const type of recorded) expect(REQUEST_TYPES).toHaveProperty([type]);
  });
});

describe('the thread state and values it does not know', () => {
  it('applies every recorded event without changing what it was given', () => {
    for (const { name, json } of readFixtures('events')) {
      const before = JSON.stringify(json);
      expect(() => applyEvents(emptyThreadState, [json as ThreadStreamEvent]), name).not.toThrow();
      expect(JSON.stringify(json)).toBe(before);
    }
  });

  it('keeps items of an unknown type, and every widget, as they came', () => {
    const unknown = { id: 'i1', type: 'hologram', thread_id: 't', created_at: '', depth: { z: 3 } };
    const kept = upsertItem(emptyThreadState, unknown as unknown as ThreadItem);
    expect(kept.items).toEqual([unknown]);
    for (const { json } of [...readFixtures('widgets'), ...readFixtures('widgets_js')]) {
      const widget = { id: 'w', type: 'widget', thread_id: 't', created_at: '', widget: json };
      expect(upsertItem(emptyThreadState, widget as ThreadItem).items[0]).toEqual(widget);
    }
  });

  it('leaves the state alone for an event of an unknown type', () => {
    const event = { type: 'thread.sang', song: 'la' } as unknown as ThreadStreamEvent;
    expect(applyEvents(emptyThreadState, [event])).toBe(emptyThreadState);
  });
});
