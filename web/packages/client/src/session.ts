import { claim } from './claim.js';
import { ApiError, isAbort } from './errors.js';
import type {
  Action,
  Attachment,
  ClientToolCallItem,
  ErrorEvent,
  FeedbackKind,
  InferenceOptions,
  JsonObject,
  NoticeEvent,
  StructuredInputSubmission,
  Thread,
  ThreadItem,
  ThreadStreamEvent,
  UserMessageContent,
  UserMessageInput,
} from './protocol.js';
import {
  applyEvents,
  emptyThreadState,
  prependItems,
  settle,
  type ThreadState,
  upsertItem,
} from './state.js';
import type { ChatKitClient, StreamOptions, StreamOutcome, TurnInfo } from './transport.js';

/** A user message as a view submits it. */
export interface Submission {
  content: UserMessageContent[];
  attachments?: readonly Attachment[];
  quotedText?: string | undefined;
  inference?: InferenceOptions;
}

/** A user message that the server has not confirmed yet. */
export interface PendingMessage {
  /** Ours; the server's item gets its own id. */
  readonly id: string;
  readonly submission: Submission;
  readonly failed: boolean;
}

/** Something that went wrong and is shown until it is dealt with. */
export interface Banner {
  readonly message: string;
  /** Machine code: the server's `code` or `reason`, or one of {@link ApiError}'s. */
  readonly code: string;
  readonly requestId: string | undefined;
  readonly canRetry: boolean;
  /** Milliseconds since the epoch; a retry before that would be refused again. */
  readonly retryAt: number | undefined;
}

export interface Notice {
  readonly id: number;
  readonly level: NoticeEvent['level'];
  readonly title: string | undefined;
  /** Markdown. */
  readonly message: string;
}

/** A snapshot of everything a view needs. Replaced, never changed. */
export interface SessionState {
  readonly threadId: string | null;
  readonly thread: ThreadState;
  /** The thread is being opened. */
  readonly loading: boolean;
  readonly loadError: ApiError | null;
  /** Paging backwards. */
  readonly older: { readonly hasMore: boolean; readonly loading: boolean };
  /** The running turn, as far as this client follows it. */
  readonly turn: 'sending' | 'streaming' | 'reconnecting' | 'stopping' | null;
  readonly pending: PendingMessage | null;
  readonly banner: Banner | null;
  /**
   * Milliseconds since the epoch until which the server takes nothing from this user (429). Null:
   * it does. It outlives the banner, and is for all threads.
   */
  readonly limitedUntil: number | null;
  readonly notices: readonly Notice[];
  readonly feedback: ReadonlyMap<string, FeedbackKind>;
}

/** What a host is told about. Names and details follow the element's `chatkit.*` events. */
export type SessionEvent =
  | { type: 'response.start' }
  | { type: 'response.end' }
  /** Text of the answer that is being made was taken back. */
  | { type: 'response.removed' }
  | { type: 'thread.change'; threadId: string | null }
  | { type: 'thread.load.start'; threadId: string }
  | { type: 'thread.load.end'; threadId: string }
  | { type: 'effect'; name: string; data: JsonObject }
  | { type: 'error'; error: Error }
  | { type: 'log'; name: string; data: JsonObject };

export interface ChatSessionOptions {
  client: ChatKitClient;
  onEvent?: (event: SessionEvent) => void;
  /** Runs a client tool; its result is sent to the server. */
  onClientTool?: (call: { name: string; params: JsonObject }) => Promise<JsonObject> | JsonObject;
  /** Milliseconds after which a client tool that has not answered has failed. Defaults to a minute. */
  clientToolTimeout?: number;
  /** Says how a failure reads. Defaults to its own message. */
  describe?: (error: ApiError | ErrorEvent) => string;
  /** Calls back soon, at most once a frame. Defaults to a timer. */
  schedule?: (callback: () => void) => void;
  now?: () => number;
}

const PAGE_SIZE = 50;
/** How long an item that was read again for its links is good for. */
const REFRESH_PAUSE_MS = 60_000;
const REFRESH_PAGE = 10;
/**
 * Most characters of new text that one frame shows. A burst (a cached answer, a
 * resumed turn) is spread over frames: rendering it at once would freeze the page.
 */
const FRAME_TEXT = 2000;
/** How long a client tool may take: the server's turn waits for it. */
const CLIENT_TOOL_PATIENCE_MS = 60_000;
/** How long a stopped turn may take to say so before the connection is given up. */
const STOP_PATIENCE_MS = 5000;

/** A random key for one submission. `crypto.randomUUID` is missing on plain http. */
export function newIdempotencyKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

const emptyState: SessionState = {
  threadId: null,
  thread: emptyThreadState,
  loading: false,
  loadError: null,
  older: { hasMore: false, loading: false },
  turn: null,
  pending: null,
  banner: null,
  limitedUntil: null,
  notices: [],
  feedback: new Map(),
};

/** One attempt at an answer, which may take several requests (client tools). */
interface Run {
  readonly abort: AbortController;
  /** False once the user looks at another thread: its events are not ours any more. */
  attached: boolean;
  /** Its request waits for the thread to be loaded. */
  waiting: boolean;
  started: boolean;
  stopRequested: boolean;
  failed: boolean;
  queue: ThreadStreamEvent[];
  /** Items that the first new item replaces (retry). */
  replaces: ReadonlySet<string>;
  toolCalls: ClientToolCallItem[];
  /** Ids of the calls that were taken up, however often their items are announced. */
  readonly calledTools: Set<string>;
  /** Ids of the messages that this run has brought. */
  readonly said: Set<string>;
  /** One of them was removed, and nothing was said in its place yet. */
  takenBack: boolean;
  /** The call whose output the server did not take. */
  refused: { readonly call: ClientToolCallItem; readonly error: ApiError } | null;
  /** Id of the call that is being worked on. */
  tool: string | null;
}

/**
 * One open thread: loads it, sends to it, follows its answers.
 *
 * Framework-free. Read {@link ChatSession.state}, be told of changes by
 * {@link ChatSession.subscribe}.
 */
export class ChatSession {
  #state: SessionState = emptyState;
  #options: ChatSessionOptions;
  readonly #listeners = new Set<() => void>();
  #run: Run | null = null;
  #load: AbortController | null = null;
  /** Settled when the thread that is being opened is there, or could not be loaded. Never rejects. */
  #loaded: Promise<void> = Promise.resolve();
  #olderCursor: string | null = null;
  #retry: (() => Promise<void>) | null = null;
  #noticeCount = 0;
  /** When items were read again for their links. */
  readonly #refreshed = new Map<string, number>();
  /** What client tools give, by the ids of their calls: none is run twice, also when its thread is left and opened again. */
  readonly #toolResults = new Map<string, Promise<unknown>>();
  /** Ids of calls that the user has stopped. */
  readonly #stoppedTools = new Set<string>();
  #disposed = false;

  constructor(options: ChatSessionOptions) {
    this.#options = options;
  }

  get state(): SessionState {
    return this.#state;
  }

  get client(): ChatKitClient {
    return this.#options.client;
  }

  /** Replaces options without touching the open thread. */
  configure(options: ChatSessionOptions): void {
    this.#options = options;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Ends every connection. The turn goes on at a server that keeps turns. */
  dispose(): void {
    this.#disposed = true;
    this.#load?.abort();
    this.#run?.abort.abort();
    this.#listeners.clear();
  }

  // -------------------------------------------------------------- opening

  /** Opens a thread, or the start screen for null. */
  async open(threadId: string | null): Promise<void> {
    this.#leave();
    this.#state = { ...emptyState, threadId, loading: threadId !== null };
    this.#olderCursor = null;
    this.#changed();
    this.#emit({ type: 'thread.change', threadId });
    if (threadId !== null) await (this.#loaded = this.#loadThread(threadId));
  }

  /** Tries again to open a thread that could not be loaded. */
  async reload(): Promise<void> {
    const { threadId } = this.#state;
    if (threadId === null) return;
    this.#set({ loading: true, loadError: null });
    await (this.#loaded = this.#loadThread(threadId));
  }

  async #loadThread(threadId: string): Promise<void> {
    this.#load?.abort();
    const abort = (this.#load = new AbortController());
    this.#emit({ type: 'thread.load.start', threadId });
    try {
      const running = await this.#fetchThread(threadId, abort.signal);
      this.#set({ loading: false });
      this.#emit({ type: 'thread.load.end', threadId });
      // Something was sent meanwhile: that goes on now.
      if (this.#run !== null) return;
      if (running !== null) void this.#resume(threadId, running);
      else void this.#takeUpClientTool();
    } catch (error) {
      if (abort.signal.aborted || isAbort(error)) return;
      const failure = asApiError(error);
      this.#set({ loading: false, loadError: failure });
      this.#emit({ type: 'thread.load.end', threadId });
      this.#emit({ type: 'error', error: failure });
    }
  }

  /** Reads the thread and its newest page. Returns the id of a turn that runs in it. */
  async #fetchThread(threadId: string, signal: AbortSignal, keep: readonly ThreadItem[] = []) {
    const { client } = this.#options;
    const [thread, page] = await Promise.all([
      client.request('threads.get_by_id', { thread_id: threadId }, { signal }),
      client.request('items.list', { thread_id: threadId, limit: PAGE_SIZE, order: 'desc' }, { signal }),
    ]);
    signal.throwIfAborted();
    const { items: _items, ...metadata } = thread.body;
    const items = page.body.data.reverse();
    const known = new Set(items.map((item) => item.id));
    this.#olderCursor = page.body.has_more ? (page.body.after ?? items[0]?.id ?? null) : null;
    this.#set({
      thread: {
        ...emptyThreadState,
        thread: metadata,
        items: [...items, ...keep.filter((item) => !known.has(item.id))],
      },
      older: { hasMore: this.#olderCursor !== null, loading: false },
      loadError: null,
    });
    return thread.turnId;
  }

  /**
   * Reads one item again, for links in it that have expired. Does nothing when it
   * was read within the last minutes: a link that still does not work then is broken.
   *
   * Returns whether the item was read anew.
   */
  async refreshItem(itemId: string): Promise<boolean> {
    const { threadId, thread } = this.#state;
    const at = thread.items.findIndex((item) => item.id === itemId);
    const now = (this.#options.now ?? Date.now)();
    const last = this.#refreshed.get(itemId);
    if (threadId === null || at < 0 || (last !== undefined && now - last < REFRESH_PAUSE_MS)) return false;
    this.#refreshed.set(itemId, now);
    // A page that begins at the item before it: items that are hidden from clients may lie between.
    const before = thread.items[at - 1]?.id;
    try {
      const { body } = await this.#options.client.request('items.list', {
        thread_id: threadId,
        limit: REFRESH_PAGE,
        order: 'asc',
        ...(before === undefined ? {} : { after: before }),
      });
      const item = body.data.find(({ id }) => id === itemId);
      const known = this.#state.thread.items.some(({ id }) => id === itemId);
      if (item === undefined || !known || this.#state.threadId !== threadId) return false;
      this.#set({ thread: upsertItem(this.#state.thread, item) });
      return true;
    } catch (error) {
      this.#emit({ type: 'error', error: asApiError(error) });
      return false;
    }
  }

  /** Loads the page before the oldest item. */
  async loadOlder(): Promise<void> {
    const { threadId, older } = this.#state;
    const cursor = this.#olderCursor;
    if (threadId === null || cursor === null || older.loading) return;
    this.#set({ older: { hasMore: true, loading: true } });
    const signal = (this.#load ??= new AbortController()).signal;
    try {
      const { body } = await this.#options.client.request(
        'items.list',
        { thread_id: threadId, limit: PAGE_SIZE, order: 'desc', after: cursor },
        { signal },
      );
      signal.throwIfAborted();
      const items = body.data.reverse();
      this.#olderCursor = body.has_more ? (body.after ?? items[0]?.id ?? null) : null;
      this.#set({
        thread: prependItems(this.#state.thread, items),
        older: { hasMore: this.#olderCursor !== null, loading: false },
      });
    } catch (error) {
      // The same thread may still be open, and its reader come back to its beginning.
      if (this.#olderCursor === cursor) this.#set({ older: { hasMore: true, loading: false } });
      if (!signal.aborted && !isAbort(error)) this.#report(asApiError(error), null);
    }
  }

  /** Reads the open thread again, for changes made elsewhere. */
  async refresh(): Promise<void> {
    const { threadId } = this.#state;
    if (threadId === null || this.#run !== null || this.#state.loading) return;
    const running = await this.#refetch(threadId, []);
    if (running !== null && this.#run === null) void this.#resume(threadId, running);
  }

  /** Returns the id of a turn that runs in the thread; null too when it could not be read. */
  async #refetch(threadId: string, keep: readonly ThreadItem[]): Promise<string | null> {
    this.#load?.abort();
    const { signal } = (this.#load = new AbortController());
    try {
      return await this.#fetchThread(threadId, signal, keep);
    } catch (error) {
      if (!signal.aborted && !isAbort(error)) this.#emit({ type: 'error', error: asApiError(error) });
      return null;
    }
  }

  // -------------------------------------------------------------- sending

  /**
   * Sends a user message, in a new thread if none is open, and follows the
   * answer to its end. A thread that is still being loaded is waited for.
   *
   * @throws {Error} when an answer is already being written in this thread.
   */
  async submit(submission: Submission): Promise<void> {
    if (this.#run !== null) throw new Error('An answer is still being written: stop it or wait for its end.');
    if (!this.#state.loading) {
      this.#load?.abort();
      this.#load = null;
    }
    const { threadId } = this.#state;
    const key = newIdempotencyKey();
    const pending: PendingMessage = { id: `pending-${key}`, submission, failed: false };
    const post = async () => {
      this.#set({ pending: { ...pending, failed: false } });
      await this.#follow(
        (options) => this.#post(threadId, submission, { ...options, idempotencyKey: key }),
        post,
      );
    };
    await post();
  }

  #post(threadId: string | null, submission: Submission, options: StreamOptions): Promise<StreamOutcome> {
    const input: UserMessageInput = {
      content: submission.content,
      attachments: (submission.attachments ?? []).map((attachment) => attachment.id),
      quoted_text: submission.quotedText ?? null,
      inference_options: submission.inference ?? {},
    };
    const { client } = this.#options;
    return threadId === null
      ? client.stream('threads.create', { input }, options)
      : client.stream('threads.add_user_message', { thread_id: threadId, input }, options);
  }

  /** Asks for another answer to the user message before (or at) the given item. */
  async retryAfter(itemId: string): Promise<void> {
    const { threadId, thread } = this.#state;
    if (threadId === null || this.#run !== null) return;
    const from = thread.items.findLastIndex((item) => item.id === itemId);
    const at = thread.items.findLastIndex((item, index) => index <= from && item.type === 'user_message');
    const question = thread.items[at];
    if (question === undefined) return;
    // The old answer stays in view until the new one has begun.
    const replaces = new Set(thread.items.slice(at + 1).map((item) => item.id));
    const key = newIdempotencyKey();
    const again = () =>
      this.#follow(
        (options) =>
          this.#options.client.stream(
            'threads.retry_after_item',
            { thread_id: threadId, item_id: question.id },
            { ...options, idempotencyKey: key },
          ),
        again,
        replaces,
      );
    await again();
  }

  /** Runs the banner's retry. */
  async retry(): Promise<void> {
    const retry = this.#retry;
    if (retry === null || this.#run !== null) return;
    this.#clearBanner();
    await retry();
  }

  /** Takes the banner away, and a message that was never sent with it. Returns that message. */
  dismissBanner(): Submission | null {
    const { pending } = this.#state;
    this.#clearBanner();
    if (pending?.failed !== true) return null;
    this.#set({ pending: null });
    return pending.submission;
  }

  dismissNotice(id: number): void {
    this.#set({ notices: this.#state.notices.filter((notice) => notice.id !== id) });
  }

  /** Sends a custom action; its events belong to the open thread. */
  async sendAction(action: Action, itemId?: string): Promise<void> {
    const threadId = this.#idleThread('An action');
    const key = newIdempotencyKey();
    const send = () =>
      this.#follow(
        (options) =>
          this.#options.client.stream(
            'threads.custom_action',
            { thread_id: threadId, item_id: itemId ?? null, action },
            { ...options, idempotencyKey: key },
          ),
        send,
      );
    await send();
  }

  /**
   * Sends an action that is answered at once instead of with a stream, and puts
   * the item that the server changed in its place. Works while an answer is
   * being written.
   *
   * @throws {ApiError} when the server refuses it.
   */
  async sendSyncAction(action: Action, itemId?: string): Promise<void> {
    const { threadId } = this.#state;
    if (threadId === null) throw new Error('An action needs a thread: send a message or open one first.');
    const { body } = await this.#options.client.request('threads.sync_custom_action', {
      thread_id: threadId,
      item_id: itemId ?? null,
      action,
    });
    const item = body.updated_item ?? null;
    if (item !== null && this.#state.threadId === threadId) {
      this.#set({ thread: upsertItem(this.#state.thread, item) });
    }
  }

  /** Answers the questions of an item, or passes over them, and follows what comes of it. */
  async answerQuestions(itemId: string, input: StructuredInputSubmission): Promise<void> {
    const threadId = this.#idleThread('An answer to questions');
    const key = newIdempotencyKey();
    const send = () =>
      this.#follow(
        (options) =>
          this.#options.client.stream(
            'threads.add_structured_input',
            { thread_id: threadId, item_id: itemId, input },
            { ...options, idempotencyKey: key },
          ),
        send,
      );
    await send();
  }

  /** The open thread, where a turn may begin in it. */
  #idleThread(what: string): string {
    const { threadId } = this.#state;
    if (threadId === null) throw new Error(`${what} needs a thread: send a message or open one first.`);
    if (this.#run !== null) throw new Error('An answer is still being written: stop it or wait for its end.');
    return threadId;
  }

  /** Rates an answer; shown at once, taken back when the server refuses. */
  async giveFeedback(itemId: string, kind: FeedbackKind): Promise<void> {
    const { threadId } = this.#state;
    if (threadId === null) return;
    const before = this.#state.feedback.get(itemId);
    if (before === kind) return;
    this.#setFeedback(itemId, kind);
    try {
      await this.#options.client.request('items.feedback', { thread_id: threadId, item_ids: [itemId], kind });
    } catch (error) {
      this.#setFeedback(itemId, before);
      this.#report(asApiError(error), null);
    }
  }

  #setFeedback(itemId: string, kind: FeedbackKind | undefined): void {
    const feedback = new Map(this.#state.feedback);
    if (kind === undefined) feedback.delete(itemId);
    else feedback.set(itemId, kind);
    this.#set({ feedback });
  }

  /** Stops the running answer and keeps what is there of it. */
  async stop(): Promise<void> {
    const run = this.#run;
    if (run === null || run.stopRequested) return;
    run.stopRequested = true;
    if (run.tool !== null) this.#stoppedTools.add(run.tool);
    this.#set({ turn: 'stopping' });
    await this.#stopRun(run);
  }

  async #stopRun(run: Run): Promise<void> {
    const { client } = this.#options;
    const { threadId } = this.#state;
    if (!client.supportsTurns) return run.abort.abort();
    // The thread has no name yet: `#receive` comes back here when it has.
    if (threadId === null) return;
    const patience = setTimeout(() => run.abort.abort(), STOP_PATIENCE_MS);
    run.abort.signal.addEventListener('abort', () => clearTimeout(patience), { once: true });
    try {
      const { body } = await client.request(
        'threads.stop',
        { thread_id: threadId },
        { signal: run.abort.signal },
      );
      // Nothing runs there: the run waits for a client tool, or for an end that got lost.
      if (body.stopped === false) run.abort.abort();
    } catch (error) {
      if (isAbort(error)) return;
      this.#emit({ type: 'error', error: asApiError(error) });
      run.abort.abort();
    }
  }

  // -------------------------------------------------------------- following

  async #resume(threadId: string, turnId: string): Promise<void> {
    await this.#follow(
      (options) =>
        this.#options.client.stream(
          'threads.resume',
          { thread_id: threadId, after: 0, turn_id: turnId },
          options,
        ),
      'resume',
    );
  }

  /**
   * Runs one attempt: the request, its stream, client tools, and the end.
   * `again` repeats it when its request failed; a stream that failed is retried
   * from the user message instead.
   */
  async #follow(
    begin: (options: StreamOptions, run: Run) => Promise<StreamOutcome>,
    again: (() => Promise<void>) | 'resume' | null,
    replaces: ReadonlySet<string> = new Set(),
  ): Promise<void> {
    const run: Run = {
      abort: new AbortController(),
      attached: true,
      waiting: false,
      started: false,
      stopRequested: false,
      failed: false,
      queue: [],
      replaces,
      toolCalls: [],
      calledTools: new Set(),
      said: new Set(),
      takenBack: false,
      refused: null,
      tool: null,
    };
    this.#run = run;
    this.#clearBanner();
    this.#set({ turn: 'sending', notices: [] });
    const options: StreamOptions = {
      signal: run.abort.signal,
      onEvents: (events) => this.#receive(run, events),
      onOpen: () => {
        if (!run.attached) return;
        if (!run.started) {
          run.started = true;
          this.#emit({ type: 'response.start' });
        }
        if (!run.stopRequested) this.#set({ turn: 'streaming' });
      },
      onReconnecting: (reconnecting) => {
        if (run.attached && !run.stopRequested)
          this.#set({ turn: reconnecting ? 'reconnecting' : 'streaming' });
      },
    };
    let outcome: StreamOutcome | 'aborted' | 'refused' = 'aborted';
    try {
      if (this.#state.loading) await this.#opened(run);
      outcome = await begin(options, run);
      await this.#drained(run);
      while (run.toolCalls.length > 0 && !run.failed && run.attached && !run.abort.signal.aborted) {
        outcome = await this.#runClientTool(run, run.toolCalls.shift() as ClientToolCallItem, options);
        await this.#drained(run);
      }
    } catch (error) {
      await this.#drained(run);
      if (!run.abort.signal.aborted && !isAbort(error)) {
        const failure = asApiError(error);
        // The turn ended between reading the thread and asking for its stream.
        const ended = again === 'resume' && failure.status === 404;
        outcome = ended ? 'interrupted' : 'refused';
        if (run.attached && !ended) this.#refused(failure, again);
      }
    }
    if (run.attached && this.#run === run && !this.#disposed) await this.#finish(run, outcome);
  }

  /** Waits for the thread: what it holds would come over what the turn brings. */
  async #opened(run: Run): Promise<void> {
    run.waiting = true;
    await this.#loaded;
    run.waiting = false;
    run.abort.signal.throwIfAborted();
    // The request itself says whether the thread can be written to.
    if (run.attached) this.#set({ loadError: null });
  }

  #refused(error: ApiError, again: (() => Promise<void>) | 'resume' | null): void {
    if (again === 'resume') return this.#report(error, () => this.refresh());
    const { pending } = this.#state;
    if (pending !== null) this.#set({ pending: { ...pending, failed: true } });
    this.#report(error, again !== null && (error.isTransient || error.status === 409) ? again : null);
  }

  async #finish(run: Run, outcome: StreamOutcome | 'aborted' | 'refused'): Promise<void> {
    const { threadId } = this.#state;
    const partial = this.#state.thread.items.filter((item) => this.#state.thread.streaming.has(item.id));
    this.#run = null;
    run.abort.abort();
    this.#set({ turn: null, thread: settle(this.#state.thread) });
    // Where the end was not seen, the server's view decides.
    const unseen =
      outcome === 'aborted' ||
      outcome === 'lost' ||
      outcome === 'gone' ||
      (outcome === 'interrupted' && !run.failed);
    let running: string | null = null;
    if (unseen && threadId !== null) {
      if (outcome !== 'aborted') this.#set({ pending: null });
      running = await this.#refetch(threadId, partial);
    }
    if (run.refused !== null && this.#run === null) this.#stillWaiting(run.refused.call, run.refused.error);
    if (run.started) this.#emit({ type: 'response.end' });
    if (outcome === 'refused') return;
    if (unseen) {
      if (running !== null && threadId !== null && this.#run === null) void this.#resume(threadId, running);
      if (outcome === 'lost' && !run.failed && this.#run === null) {
        this.#report(
          new ApiError({ status: 0, code: 'connection_lost', message: 'The connection was lost.' }),
          () => this.refresh(),
        );
      }
    }
    // The server took the message (or the user gave up on it), confirmed or not.
    if (this.#run === null && this.#state.pending !== null && !this.#state.pending.failed) {
      this.#set({ pending: null });
    }
  }

  #receive(run: Run, events: ThreadStreamEvent[]): void {
    if (!run.attached) return;
    for (const event of events) {
      switch (event.type) {
        case 'thread.created':
          this.#named(run, event.thread);
          break;
        case 'client_effect':
          this.#emit({ type: 'effect', name: event.name, data: event.data ?? {} });
          break;
        case 'error':
          run.failed = true;
          this.#failed(event);
          break;
        case 'notice':
          this.#set({
            notices: [
              ...this.#state.notices,
              {
                id: ++this.#noticeCount,
                level: event.level,
                title: event.title ?? undefined,
                message: event.message,
              },
            ],
          });
          break;
        case 'thread.item.added':
          if (event.item.type === 'assistant_message') run.said.add(event.item.id);
          break;
        case 'thread.item.removed':
          // Not what a retry takes the place of: that was said before.
          if (run.said.delete(event.item_id)) run.takenBack = true;
          break;
        case 'thread.item.done':
          if (event.item.type === 'assistant_message') {
            run.said.add(event.item.id);
            if (run.takenBack) this.#emit({ type: 'response.removed' });
            run.takenBack = false;
          }
          // Once a call, however often its item is announced.
          if (
            event.item.type === 'client_tool_call' &&
            event.item.status === 'pending' &&
            !run.calledTools.has(event.item.id)
          ) {
            run.calledTools.add(event.item.id);
            run.toolCalls.push(event.item);
          }
          break;
        default:
          break;
      }
      // Not every word: a log is for what happened.
      if (event.type !== 'thread.item.updated') {
        this.#emit({ type: 'log', name: event.type, data: event as unknown as JsonObject });
      }
    }
    const idle = run.queue.length === 0;
    for (const event of events) run.queue.push(event);
    if (idle) this.#schedule(() => this.#flush(run));
  }

  /** Waits until everything that arrived is shown. */
  async #drained(run: Run): Promise<void> {
    while (run.queue.length > 0 && run.attached && !this.#disposed) {
      await new Promise<void>((resolve) => {
        this.#schedule(resolve);
      });
    }
  }

  #named(run: Run, thread: Thread): void {
    if (this.#state.threadId === thread.id) return;
    this.#set({ threadId: thread.id });
    this.#emit({ type: 'thread.change', threadId: thread.id });
    if (run.stopRequested) void this.#stopRun(run);
  }

  #flush(run: Run): void {
    if (run.queue.length === 0 || !run.attached || this.#disposed) return;
    let text = 0;
    let count = 0;
    while (count < run.queue.length && text < FRAME_TEXT) {
      const event = run.queue[count++];
      if (event?.type === 'thread.item.updated' && 'delta' in event.update) text += event.update.delta.length;
    }
    const events = run.queue.splice(0, count);
    if (run.queue.length > 0) this.#schedule(() => this.#flush(run));
    let { thread, pending } = this.#state;
    for (const event of events) {
      if (event.type !== 'thread.item.added' && event.type !== 'thread.item.done') continue;
      // The server's own copy takes the place of the optimistic one.
      if (event.item.type === 'user_message') pending = null;
      else if (run.replaces.size > 0) {
        const { replaces } = run;
        run.replaces = new Set();
        thread = { ...thread, items: thread.items.filter((item) => !replaces.has(item.id)) };
      }
    }
    this.#set({ thread: applyEvents(thread, events), pending });
  }

  #failed(event: ErrorEvent): void {
    const { describe } = this.#options;
    const message = describe?.(event) ?? event.message ?? 'Something went wrong.';
    const retry = event.allow_retry === true ? () => this.#retryLast() : null;
    const error = new ApiError({
      status: 0,
      code: event.reason ?? event.code,
      message,
      requestId: event.request_id ?? undefined,
      retryAfter: event.retry_after ?? undefined,
    });
    this.#setBanner(error, message, retry);
    this.#emit({ type: 'error', error });
  }

  async #retryLast(): Promise<void> {
    const last = this.#state.thread.items.findLast((item) => item.type === 'user_message');
    if (last !== undefined) await this.retryAfter(last.id);
  }

  /**
   * Runs the client tool that the thread waits for since a page that was closed
   * or lost. One that is begun already, here or in another tab, is left to them.
   */
  async #takeUpClientTool(): Promise<void> {
    const { items } = this.#state.thread;
    const call = items.findLast((item) => item.type === 'client_tool_call' || item.type === 'user_message');
    if (call?.type !== 'client_tool_call' || call.status !== 'pending') return;
    // Another page of this site may have the tool.
    if (this.#options.onClientTool === undefined || this.#run !== null || this.#stoppedTools.has(call.id))
      return;
    await this.#follow((options, run) => this.#runClientTool(run, call, options), null);
  }

  /** Runs a client tool and follows the answer to its output; `gone` when somebody else dealt with the call. */
  async #runClientTool(run: Run, call: ClientToolCallItem, options: StreamOptions): Promise<StreamOutcome> {
    const { signal } = run.abort;
    run.tool = call.id;
    run.calledTools.add(call.id);
    // A turn is seen by every tab that shows its thread.
    const turn = await claim(`parlor client tool ${call.id}`, signal);
    try {
      if (turn.waited && !(await this.#isPending(call, signal))) return 'gone';
      const onOpen = (info: TurnInfo) => {
        run.tool = null;
        turn.release();
        options.onOpen?.(info);
      };
      return await this.#answerClientTool(run, call, { ...options, onOpen });
    } finally {
      turn.release();
    }
  }

  /** Whether the server still waits for the output of a client tool. */
  async #isPending(call: ClientToolCallItem, signal: AbortSignal): Promise<boolean> {
    const { body } = await this.#options.client.request(
      'items.list',
      { thread_id: call.thread_id, limit: PAGE_SIZE, order: 'desc' },
      { signal },
    );
    const now = body.data.find((item) => item.type === 'user_message' || item.id === call.id);
    return now?.type === 'client_tool_call' && now.status === 'pending';
  }

  async #answerClientTool(
    run: Run,
    call: ClientToolCallItem,
    options: StreamOptions,
  ): Promise<StreamOutcome> {
    const { onClientTool, client } = this.#options;
    let result: unknown;
    if (onClientTool === undefined) {
      const error = new Error(
        `The server called the client tool "${call.name}", but onClientTool is not set.`,
      );
      this.#emit({ type: 'error', error });
      result = { error: error.message };
    } else {
      try {
        result = await this.#settled(this.#toolResult(call, onClientTool), call.name, run.abort.signal);
        asJson(result, call.name);
      } catch (error) {
        run.abort.signal.throwIfAborted();
        // The server has to hear of it, or its turn waits for ever.
        this.#emit({ type: 'error', error: error instanceof Error ? error : new Error(String(error)) });
        result = { error: error instanceof Error ? error.message : String(error) };
      }
    }
    run.abort.signal.throwIfAborted();
    try {
      return await client.stream(
        'threads.add_client_tool_output',
        { thread_id: call.thread_id, result: result ?? null },
        { ...options, idempotencyKey: newIdempotencyKey() },
      );
    } catch (error) {
      if (!(error instanceof ApiError) || (error.status !== 422 && error.status !== 409)) throw error;
      // Answered elsewhere meanwhile, in another tab perhaps, or overtaken by a new message: the thread says
      // how it goes on.
      run.refused = { call, error };
      return 'gone';
    }
  }

  /** Says why a call goes on waiting, if it does. */
  #stillWaiting(call: ClientToolCallItem, error: ApiError): void {
    const stored = this.#state.thread.items.find((item) => item.id === call.id);
    if (stored?.type === 'client_tool_call' && stored.status === 'pending') this.#report(error, null);
  }

  #toolResult(
    call: ClientToolCallItem,
    onClientTool: NonNullable<ChatSessionOptions['onClientTool']>,
  ): Promise<unknown> {
    const known = this.#toolResults.get(call.id);
    if (known !== undefined) return known;
    // A handler that throws at once is as wrong as one that rejects.
    const result = Promise.resolve().then(() => onClientTool({ name: call.name, params: call.arguments }));
    this.#toolResults.set(call.id, result);
    return result;
  }

  /** What a tool answers; an error when it takes too long, and the abort's when the run is given up. */
  #settled<T>(answer: Promise<T>, name: string, signal: AbortSignal): Promise<T> {
    const patience = this.#options.clientToolTimeout ?? CLIENT_TOOL_PATIENCE_MS;
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`The client tool "${name}" did not answer within ${patience / 1000} s.`)),
        patience,
      );
      const onAbort = () => reject(signal.reason as Error);
      signal.addEventListener('abort', onAbort, { once: true });
      answer.then(resolve, reject).finally(() => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
      });
      if (signal.aborted) onAbort();
    });
  }

  // -------------------------------------------------------------- plumbing

  /** Lets go of the open thread. */
  #leave(): void {
    this.#load?.abort();
    this.#load = null;
    this.#retry = null;
    const run = this.#run;
    this.#run = null;
    if (run === null) return;
    run.attached = false;
    run.queue = [];
    if (run.started) this.#emit({ type: 'response.end' });
    // A server that keeps turns goes on by itself. Another one would take a
    // closed connection for "cancelled", so that one is read to its end.
    // What was not sent yet is sent: nothing that was written gets lost.
    if (this.#options.client.supportsTurns && !run.waiting) run.abort.abort();
  }

  #report(error: ApiError, retry: (() => Promise<void>) | null): void {
    if (error.status === 429 && error.retryAfter !== undefined) {
      this.#set({ limitedUntil: (this.#options.now ?? Date.now)() + error.retryAfter * 1000 });
    }
    this.#setBanner(error, this.#options.describe?.(error) ?? error.message, retry);
    this.#emit({ type: 'error', error });
  }

  #setBanner(error: ApiError, message: string, retry: (() => Promise<void>) | null): void {
    const now = (this.#options.now ?? Date.now)();
    this.#retry = retry;
    this.#set({
      banner: {
        message,
        code: error.code,
        requestId: error.requestId,
        canRetry: retry !== null,
        retryAt: error.retryAfter === undefined ? undefined : now + error.retryAfter * 1000,
      },
    });
  }

  #clearBanner(): void {
    this.#retry = null;
    if (this.#state.banner !== null) this.#set({ banner: null });
  }

  #schedule(callback: () => void): void {
    (this.#options.schedule ?? ((run) => setTimeout(run, 16)))(callback);
  }

  #set(change: Partial<SessionState>): void {
    this.#state = { ...this.#state, ...change };
    this.#changed();
  }

  #changed(): void {
    if (this.#disposed) return;
    for (const listener of this.#listeners) listener();
  }

  #emit(event: SessionEvent): void {
    if (!this.#disposed) this.#options.onEvent?.(event);
  }

  /** Follows a title that was changed in the list of threads. */
  renamed(threadId: string, title: string): void {
    const { thread } = this.#state;
    if (thread.thread?.id !== threadId) return;
    this.#set({ thread: { ...thread, thread: { ...thread.thread, title } } });
  }
}

/** @throws {Error} when a tool answered with something that cannot be sent. */
function asJson(result: unknown, name: string): void {
  try {
    JSON.stringify(result);
  } catch (cause) {
    throw new Error(`The client tool "${name}" answered with something that is not JSON.`, { cause });
  }
}

function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  return new ApiError(
    {
      status: 0,
      code: 'unexpected',
      message: error instanceof Error ? error.message : String(error),
    },
    { cause: error },
  );
}
