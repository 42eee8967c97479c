import type {
  Annotation,
  AnyComponent,
  AssistantMessageContent,
  AssistantMessageItem,
  ThreadItem,
  ThreadItemUpdate,
  ThreadMetadata,
  ThreadStreamEvent,
  WidgetItem,
  WidgetRoot,
  WorkflowItem,
} from './protocol.js';

/**
 * What is known of the open thread. A value: every change makes a new one, and
 * whatever did not change keeps its identity, so a view can compare by `===`.
 */
export interface ThreadState {
  readonly thread: ThreadMetadata | null;
  /** Oldest first. */
  readonly items: readonly ThreadItem[];
  /** Ids of items that were added and are not done yet. */
  readonly streaming: ReadonlySet<string>;
  /** The latest `progress_update`, until an item arrives that makes it stale. */
  readonly progress: { readonly text: string; readonly icon?: string | null } | null;
  /** Whether the running answer may be stopped, from `stream_options`. */
  readonly allowCancel: boolean;
}

/** The state of a thread that does not exist yet. */
export const emptyThreadState: ThreadState = {
  thread: null,
  items: [],
  streaming: new Set(),
  progress: null,
  allowCancel: true,
};

/** Applies one event. See {@link applyEvents}. */
export function applyEvent(state: ThreadState, event: ThreadStreamEvent): ThreadState {
  return applyEvents(state, [event]);
}

/**
 * Applies stream events in order and returns the new state.
 *
 * The result is that of the reference's `server.py`: a missing content part is
 * padded, an annotation is inserted at its index. Items are matched by id, so
 * that a replayed stream (`threads.resume` starts at the first event of the
 * turn) changes nothing that is there already. Events that are about no state
 * (`client_effect`, `notice`, `error`) and types this version does not know
 * leave it as it is.
 *
 * The list of items is copied once a call, not once an event: hand over all
 * events of a frame together. Text grows by concatenation, which engines do
 * without copying.
 */
export function applyEvents(state: ThreadState, events: readonly ThreadStreamEvent[]): ThreadState {
  const draft = new Draft(state);
  for (const event of events) draft.apply(event);
  return draft.finish();
}

/** Ends whatever still streams: the turn is over, its partial items stay as they are. */
export function settle(state: ThreadState): ThreadState {
  return state.streaming.size === 0 && state.progress === null
    ? state
    : { ...state, streaming: new Set(), progress: null };
}

/** Puts a page of older items before the ones that are there. */
export function prependItems(state: ThreadState, older: readonly ThreadItem[]): ThreadState {
  const known = new Set(state.items.map((item) => item.id));
  const fresh = older.filter((item) => !known.has(item.id));
  return fresh.length === 0 ? state : { ...state, items: [...fresh, ...state.items] };
}

/** Replaces or appends one item that is complete, for example from a sync action. */
export function upsertItem(state: ThreadState, item: ThreadItem): ThreadState {
  return applyEvent(state, { type: 'thread.item.done', item });
}

class Draft {
  #base: ThreadState;
  #thread: ThreadMetadata | null;
  #items: ThreadItem[] | null = null;
  #streaming: Set<string> | null = null;
  #progress: ThreadState['progress'];
  #allowCancel: boolean;

  constructor(base: ThreadState) {
    this.#base = base;
    this.#thread = base.thread;
    this.#progress = base.progress;
    this.#allowCancel = base.allowCancel;
  }

  apply(event: ThreadStreamEvent): void {
    switch (event.type) {
      case 'thread.created':
      case 'thread.updated': {
        // The event repeats the items the server chose to send; the stream
        // itself is the source of those.
        const { items: _items, ...metadata } = event.thread;
        this.#thread = metadata;
        break;
      }
      case 'thread.item.added': {
        const at = this.#find(event.item.id);
        if (at < 0) this.#writable().push(event.item);
        else if (this.#isStreaming(event.item.id)) this.#writable()[at] = event.item;
        else break; // Replay of an item that is complete already.
        this.#streamingSet().add(event.item.id);
        this.#progress = null;
        break;
      }
      case 'thread.item.updated': {
        const at = this.#find(event.item_id);
        const current = at < 0 ? undefined : this.#current()[at];
        if (current === undefined) break;
        // A replay repeats the deltas of items that are complete; only what
        // sets a widget as a whole may arrive after its item is done.
        const absolute =
          event.update.type === 'widget.root.updated' || event.update.type === 'widget.component.updated';
        if (!absolute && !this.#isStreaming(event.item_id)) break;
        const next = applyUpdate(current, event.update);
        if (next !== current) this.#writable()[at] = next;
        break;
      }
      case 'thread.item.done':
      case 'thread.item.replaced': {
        const at = this.#find(event.item.id);
        if (at < 0) this.#writable().push(event.item);
        else this.#writable()[at] = event.item;
        if (this.#isStreaming(event.item.id)) this.#streamingSet().delete(event.item.id);
        if (event.item.type !== 'user_message') this.#progress = null;
        break;
      }
      case 'thread.item.removed': {
        const at = this.#find(event.item_id);
        if (at >= 0) this.#writable().splice(at, 1);
        if (this.#isStreaming(event.item_id)) this.#streamingSet().delete(event.item_id);
        break;
      }
      case 'stream_options':
        this.#allowCancel = event.stream_options.allow_cancel;
        break;
      case 'progress_update':
        this.#progress = { text: event.text, icon: event.icon ?? null };
        break;
      default:
        break;
    }
  }

  finish(): ThreadState {
    const { thread, items, streaming, progress, allowCancel } = this.#base;
    if (
      this.#items === null &&
      this.#streaming === null &&
      this.#thread === thread &&
      this.#progress === progress &&
      this.#allowCancel === allowCancel
    ) {
      return this.#base;
    }
    return {
      thread: this.#thread,
      items: this.#items ?? items,
      streaming: this.#streaming ?? streaming,
      progress: this.#progress,
      allowCancel: this.#allowCancel,
    };
  }

  #current(): readonly ThreadItem[] {
    return this.#items ?? this.#base.items;
  }

  #writable(): ThreadItem[] {
    this.#items ??= [...this.#base.items];
    return this.#items;
  }

  #isStreaming(id: string): boolean {
    return (this.#streaming ?? this.#base.streaming).has(id);
  }

  #streamingSet(): Set<string> {
    this.#streaming ??= new Set(this.#base.streaming);
    return this.#streaming;
  }

  // From the end: what streams is nearly always the last item.
  #find(id: string): number {
    return this.#current().findLastIndex((item) => item.id === id);
  }
}

/** Applies one update to one item; an update that is not about this kind of item changes nothing. */
export function applyUpdate(item: ThreadItem, update: ThreadItemUpdate): ThreadItem {
  switch (update.type) {
    case 'assistant_message.content_part.added':
    case 'assistant_message.content_part.done':
      return item.type === 'assistant_message'
        ? withPart(item, update.content_index, () => update.content)
        : item;
    case 'assistant_message.content_part.text_delta':
      return item.type === 'assistant_message'
        ? withPart(item, update.content_index, (part) => ({ ...part, text: part.text + update.delta }))
        : item;
    case 'assistant_message.content_part.annotation_added':
      return item.type === 'assistant_message'
        ? withPart(item, update.content_index, (part) => ({
            ...part,
            annotations: inserted(part.annotations ?? [], update.annotation_index, update.annotation),
          }))
        : item;
    case 'workflow.task.added':
    case 'workflow.task.updated':
      return item.type === 'workflow' ? withTask(item, update) : item;
    case 'widget.root.updated':
      return item.type === 'widget' ? { ...item, widget: update.widget } : item;
    case 'widget.component.updated':
      return item.type === 'widget' ? withComponent(item, update.component_id, () => update.component) : item;
    case 'widget.streaming_text.value_delta':
      return item.type === 'widget'
        ? withComponent(item, update.component_id, (component) => ({
            ...component,
            value: (typeof component.value === 'string' ? component.value : '') + update.delta,
            streaming: !update.done,
          }))
        : item;
    case 'generated_image.updated':
      return item.type === 'generated_image'
        ? { ...item, image: update.image, progress: update.progress ?? null }
        : item;
    default:
      return item;
  }
}

/** More parts than any answer has: a wrong index must not allocate without bound. */
const MAX_PARTS = 10_000;

function withPart(
  item: AssistantMessageItem,
  index: number,
  change: (part: AssistantMessageContent) => AssistantMessageContent,
): AssistantMessageItem {
  if (!Number.isInteger(index) || index < 0 || index >= MAX_PARTS) return item;
  const content = [...item.content];
  while (content.length <= index) content.push({ type: 'output_text', text: '', annotations: [] });
  const part = content[index];
  if (part === undefined) return item;
  content[index] = change(part);
  return { ...item, content };
}

function inserted(list: readonly Annotation[], index: number, annotation: Annotation): Annotation[] {
  const next = [...list];
  if (index >= 0 && index <= next.length) next.splice(index, 0, annotation);
  else next.push(annotation);
  return next;
}

function withTask(
  item: WorkflowItem,
  update: Extract<ThreadItemUpdate, { type: 'workflow.task.added' | 'workflow.task.updated' }>,
): WorkflowItem {
  const tasks = [...item.workflow.tasks];
  if (update.type === 'workflow.task.updated') {
    if (update.task_index < 0 || update.task_index >= tasks.length) return item;
    tasks[update.task_index] = update.task;
  } else {
    // The reference appends and does not look at the index.
    tasks.push(update.task);
  }
  return { ...item, workflow: { ...item.workflow, tasks } };
}

function withComponent(
  item: WidgetItem,
  id: string,
  change: (component: AnyComponent) => AnyComponent,
): WidgetItem {
  const widget = changeComponent(item.widget, id, change);
  // A widget may have any shape: that of its types is only what to expect.
  return widget === item.widget ? item : { ...item, widget: widget as WidgetRoot };
}

/** Deeper than any widget is; a recursion without bound would end the session. */
const MAX_DEPTH = 500;

function changeComponent(
  node: AnyComponent,
  id: string,
  change: (component: AnyComponent) => AnyComponent,
  depth = 0,
): AnyComponent {
  if (node.id === id) return change(node);
  const children = node.children;
  if (children === undefined || children === null || depth > MAX_DEPTH) return node;
  if (!Array.isArray(children)) {
    const next = changeComponent(children, id, change, depth + 1);
    return next === children ? node : { ...node, children: next };
  }
  const next = children.map((child) => changeComponent(child, id, change, depth + 1));
  return next.some((child, at) => child !== children[at]) ? { ...node, children: next } : node;
}
