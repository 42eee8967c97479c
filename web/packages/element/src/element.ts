import type {
  Attachment,
  ChatKitEvents,
  ChatKitOptions,
  Entity,
  OpenAIChatKit,
  ToolChoice,
  UserMessageContent,
  Widgets,
} from '@openai/chatkit';
import {
  ApiError,
  ChatKitClient,
  ChatSession,
  ThreadDirectory,
  uploadFile,
  type Attachment as WireAttachment,
  type FeedbackKind,
  type SessionEvent,
  type SessionState,
  type StructuredInputSubmission,
  type Submission,
  type UploadEntry,
  type UploadHooks,
  type UserMessageContent as WireContent,
  type WidgetItem,
} from '@parlor/client';
import { html, LitElement, nothing, type PropertyValues, type TemplateResult } from 'lit';
import { Attaching } from './attaching.js';
import { Composer, tagOf, triggerAt, type Edit, type Trigger } from './composer.js';
import { describeError } from './describe-error.js';
import { base64Of, canRecord, DictationError, Recorder, type RecordingState } from './dictation.js';
import { EntityPreviews, place } from './entity-previews.js';
import type { AttachmentOptions } from './files.js';
import { icon } from './icons.js';
import { type Catalogue, directionOfLocale, loadCatalogue, type Locale, resolveLocale } from './locale.js';
import { markdownStyles } from './markdown/index.js';
import { Picker, type PickerOption } from './picker.js';
import { ScrollKeeper } from './scroll-keeper.js';
import { english } from './strings.js';
import { styles } from './styles.js';
import { loadFonts, ThemeSheet } from './theme.js';
import { asAttachment, dropTarget, lightbox } from './views/attachments.js';
import { secondsLeft } from './views/banner.js';
import { composer as composerView, sendAgain } from './views/composer.js';
import type { HistoryEdit, OpenImage, ViewContext } from './views/context.js';
import { header, visibleTitle } from './views/header.js';
import { historyPanel } from './views/history.js';
import { messages, threadFailed, threadSkeleton } from './views/messages.js';
import { entityPreview } from './views/preview.js';
import { startScreen } from './views/start.js';
import type { WidgetAction } from './widgets/index.js';

/** Before the host has given any: enough to draw the empty surface. */
const NO_OPTIONS: ChatKitOptions = { api: { url: '', domainKey: '' } };

/** A background tab runs no animation frames; its answers still have to arrive. */
const FRAME_PATIENCE_MS = 120;

function onNextFrame(callback: () => void): void {
  let called = false;
  const once = () => {
    if (called) return;
    called = true;
    clearTimeout(timer);
    cancelAnimationFrame(frame);
    callback();
  };
  const timer = setTimeout(once, FRAME_PATIENCE_MS);
  const frame = requestAnimationFrame(once);
}

/**
 * `<openai-chatkit>`: a chat with any server of the ChatKit protocol.
 *
 * Implements the published `OpenAIChatKit` interface; configure it with
 * {@link ChatKitElement.setOptions}. Importing this module registers no tag;
 * `index.ts` does.
 *
 * @tag openai-chatkit
 * @csspart header, title, history-button, new-thread-button - The bar at the top.
 * @csspart start-screen, greeting, prompts, prompt - What a new thread shows.
 * @csspart messages, message, user-message, assistant-message, bubble, markdown - The conversation.
 * @csspart citation, sources, source - Where an answer comes from.
 * @csspart composer, input, send-button, stop-button - Where the user writes.
 * @csspart attach-button, attachments, attachment, composer-problem, drop-target - Files of a message.
 * @csspart image-attachment, file-attachment, lightbox - Files in the conversation.
 * @csspart dictate-button, recorder, dictation-done-button - Dictation.
 * @csspart mention-button, suggestions, tag, entity-preview - Mentions and commands.
 * @csspart error, notice, progress - What the conversation says about itself.
 * @csspart history - The panel with the user's threads.
 */
export class ChatKitElement extends LitElement implements OpenAIChatKit, ViewContext {
  static override styles = [styles, markdownStyles];

  // The published interface types these by event name; the behaviour is HTMLElement's.
  declare addEventListener: OpenAIChatKit['addEventListener'];
  declare removeEventListener: OpenAIChatKit['removeEventListener'];

  #options: ChatKitOptions = NO_OPTIONS;
  #configured = false;
  /** The options name no server: nothing can be sent. */
  #misconfigured = false;
  #booted = false;
  #booting = false;
  #session: ChatSession | null = null;
  #directory: ThreadDirectory | null = null;
  #apiUrl: string | null = null;
  #lastThreadId: string | null = null;
  #emptySession = new ChatSession({ client: new ChatKitClient({ url: '' }) }).state;
  readonly #theme = new ThemeSheet();
  readonly #attaching = new Attaching({
    attachmentOptions: () => this.attachmentOptions,
    strings: () => this.strings,
    locale: () => this.locale,
    upload: (file, hooks) => this.#upload(file, hooks),
    discard: (id) => this.#discard(id),
    announce: (text) => this.#announce(text),
    complain: (problems) => this.#complain(problems),
    changed: () => this.#filesChanged(),
  });
  readonly #composer = new Composer(this.#attaching.uploads);
  readonly #picker = new Picker({
    searchTags: (query) => this.#options.entities?.onTagSearch?.(query),
    searchCommands: (query) => this.#options.commands?.onSearch?.(query),
    selectCommand: (command) => this.#options.commands?.onSelect?.(command),
    ownCommands: (query) => this.#ownCommands(query),
    insert: (trigger, entity) => this.#insertEntity(trigger, entity),
    found: (count) => this.#announce(count === 0 ? this.strings.noMatches : this.strings.matches(count)),
    changed: () => this.requestUpdate(),
    report: (error) => this.report(error),
  });
  readonly #previews = new EntityPreviews({
    request: () => this.#options.entities?.onRequestPreview,
    changed: () => this.requestUpdate(),
    report: (error) => this.report(error),
  });
  #recorder: Recorder | null = null;
  #recording: RecordingState | null = null;
  #openImage: OpenImage | null = null;
  readonly #brokenImages = new Set<string>();
  #imagesVersion = 0;
  #locale: Locale = 'en';
  #catalogue: Catalogue | null = null;
  /** Settled when the texts of the wanted language are there. */
  #localeLoaded: Promise<void> = Promise.resolve();
  /** Nothing is drawn before the first language is there: no text may change under its reader. */
  #speechless = false;
  readonly #scroll = new ScrollKeeper({
    onAtBottom: (atBottom) => {
      this.#atBottom = atBottom;
      this.requestUpdate();
    },
    onNearTop: () => void this.#session?.loadOlder(),
  });
  #atBottom = true;
  #historyOpen = false;
  #historyEdit: HistoryEdit | null = null;
  #historyReturn: HTMLElement | null = null;
  #openMenu: 'tools' | 'model' | null = null;
  #menuReturn: 'tools' | 'model' | null = null;
  #announcements: { id: number; text: string }[] = [];
  #announced = 0;
  #countdown: ReturnType<typeof setInterval> | undefined;
  #limitAnnounced = false;
  #firstItem: string | null = null;
  /** Whether a turn ran since this thread was opened. */
  #answeredHere = false;
  #restoreScroll: (() => void) | null = null;
  #focusAfterUpdate: string | null = null;

  // -------------------------------------------------------------- published interface

  /** Applies options. They replace all earlier ones; the open thread stays. */
  setOptions(options: ChatKitOptions): void {
    const previous = this.#options;
    this.#options = options;
    this.#configured = true;
    this.#theme.apply(options.theme);
    loadFonts(options.theme, (error) => this.#dispatch('chatkit.error', { error }));
    const toolBefore = this.#composer.toolId;
    if (this.#composer.reconcile(options.composer)) this.#toolChanged(toolBefore);
    this.#scroll.follow = options.thread?.autoScroll !== false;
    this.#localeLoaded = this.#speak(
      resolveLocale(options.locale, navigator.languages ?? [navigator.language]),
    );
    if (this.isConnected) this.#boot();
    if (previous !== options) this.requestUpdate();
  }

  async focusComposer(): Promise<void> {
    await this.#rendered();
    this.#field?.focus();
  }

  async setThreadId(threadId: string | null): Promise<void> {
    const session = await this.#ready();
    if (session.state.threadId === threadId && session.state.loadError === null) return;
    await this.#open(session, threadId);
  }

  async sendCustomAction(
    action: { type: string; payload?: Record<string, unknown> },
    itemId?: string,
  ): Promise<void> {
    await (await this.#ready()).sendAction(action, itemId);
  }

  async sendUserMessage(params: {
    text?: string;
    content?: UserMessageContent[];
    reply?: string;
    attachments?: Attachment[];
    newThread?: boolean;
    toolChoice?: ToolChoice;
    model?: string;
  }): Promise<void> {
    const session = await this.#ready();
    if (params.newThread === true && session.state.threadId !== null) await this.#open(session, null);
    const content = wireContent(params);
    if (content.length === 0 && (params.attachments ?? []).length === 0) {
      throw new Error('sendUserMessage needs a text, content or an attachment.');
    }
    const inference = this.#composer.inference();
    await this.#submit(session, {
      content,
      attachments: (params.attachments ?? []) as WireAttachment[],
      quotedText: params.reply,
      inference: {
        ...(inference.model === undefined ? {} : { model: inference.model }),
        ...(params.model === undefined ? {} : { model: params.model }),
        ...(params.toolChoice === undefined ? {} : { tool_choice: params.toolChoice }),
      },
    });
  }

  async setComposerValue(params: {
    text?: string;
    content?: UserMessageContent[];
    reply?: string;
    attachments?: Attachment[];
    files?: File[];
    selectedToolId?: string | null;
    selectedModelId?: string;
  }): Promise<void> {
    await this.#ready();
    const files = params.files ?? [];
    if (files.length > 0 && this.attachmentOptions === null) {
      throw new Error(
        'setComposerValue({ files }) needs the option composer.attachments: { enabled: true }.',
      );
    }
    const composer = this.#composer;
    if (params.content !== undefined) composer.setContent(wireContent(params));
    // As it is: the user may write on behind a space.
    else if (params.text !== undefined) composer.setContent([{ type: 'input_text', text: params.text }]);
    if (params.reply !== undefined) composer.quote = params.reply === '' ? null : params.reply;
    if (params.attachments !== undefined) {
      composer.uploads.clear();
      composer.uploads.adopt(params.attachments as WireAttachment[]);
    }
    const refused = this.#attaching.add(files);
    const toolBefore = composer.toolId;
    if (params.selectedToolId !== undefined) composer.toolId = params.selectedToolId;
    if (params.selectedModelId !== undefined) composer.modelId = params.selectedModelId;
    composer.reconcile(this.#options.composer);
    this.#toolChanged(toolBefore);
    this.requestUpdate();
    await this.updateComplete;
    if (refused.length > 0) throw new Error(refused.join(' '));
  }

  async showHistory(): Promise<void> {
    await this.#ready();
    if (this.#options.history?.enabled !== false) this.toggleHistory(true);
    await this.updateComplete;
  }

  async hideHistory(): Promise<void> {
    this.toggleHistory(false);
    await this.updateComplete;
  }

  async fetchUpdates(): Promise<void> {
    const session = await this.#ready();
    await Promise.all([session.refresh(), this.#historyOpen ? this.#directory?.load() : undefined]);
  }

  // -------------------------------------------------------------- life cycle

  override connectedCallback(): void {
    super.connectedCallback();
    const root = this.renderRoot as ShadowRoot;
    if (!root.adoptedStyleSheets.includes(this.#theme.sheet)) {
      root.adoptedStyleSheets = [...root.adoptedStyleSheets, this.#theme.sheet];
      this.#theme.apply(this.#options.theme);
    }
    document.addEventListener('pointerdown', this.#onPointerDown);
    if (this.#configured) this.#boot();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    document.removeEventListener('pointerdown', this.#onPointerDown);
    // Moving an element disconnects it for a moment: only let go when it stays away.
    setTimeout(() => {
      if (this.isConnected) return;
      clearInterval(this.#countdown);
      this.#countdown = undefined;
      this.#scroll.detach();
      this.cancelDictation();
      this.#previews.close();
      this.#lastThreadId = this.#session?.state.threadId ?? this.#lastThreadId;
      this.#teardown();
    }, 0);
  }

  #teardown(): void {
    this.#session?.dispose();
    this.#directory?.dispose();
    this.#session = null;
    this.#directory = null;
    this.#apiUrl = null;
  }

  /** Starts, or starts again after the endpoint changed or the element came back. */
  #boot(): void {
    const { api } = this.#options;
    if (!('url' in api)) {
      this.#teardown();
      this.#misconfigured = true;
      this.#dispatch('chatkit.error', {
        error: new Error(
          'This <openai-chatkit> talks to a server of your own: set api.url. api.getClientSecret is only understood by the hosted service.',
        ),
      });
      this.requestUpdate();
      return;
    }
    this.#misconfigured = false;
    if (this.#session !== null && this.#apiUrl === api.url) {
      this.#session.configure(this.#sessionOptions(this.#session.client));
      return;
    }
    this.#teardown();
    this.#apiUrl = api.url;
    const client = new ChatKitClient({ url: api.url, fetch: this.#fetch });
    this.#session = new ChatSession(this.#sessionOptions(client));
    this.#session.subscribe(() => this.requestUpdate());
    this.#directory = new ThreadDirectory(client);
    this.#directory.subscribe(() => this.requestUpdate());
    this.requestUpdate();
    if (this.#booting) return;
    this.#booting = true;
    // A framework attaches its listeners after the element is in the document
    // and configured; React does so in a task after the paint. The first events
    // wait for that.
    onNextFrame(() => setTimeout(() => this.#begin(), 0));
  }

  #begin(): void {
    this.#booting = false;
    const session = this.#session;
    if (session === null) return;
    const first = !this.#booted;
    this.#booted = true;
    const threadId = first ? (this.#options.initialThread ?? null) : this.#lastThreadId;
    if (first) this.#dispatch('chatkit.ready', undefined);
    this.#resolveReady?.();
    if (threadId !== null && session.state.threadId === null) void this.#open(session, threadId);
  }

  #resolveReady: (() => void) | null = null;
  readonly #becameReady = new Promise<void>((resolve) => {
    this.#resolveReady = resolve;
  });

  /** The session, once the element is configured and in a document. */
  async #ready(): Promise<ChatSession> {
    await this.#becameReady;
    if (this.#session === null) {
      throw new Error(
        '<openai-chatkit> is not ready: call setOptions() with api.url and put it in the document.',
      );
    }
    return this.#session;
  }

  async #rendered(): Promise<void> {
    await this.#ready();
    await this.#localeLoaded;
    await this.updateComplete;
  }

  /** The host's fetch of this moment; `setOptions` may replace it at any time. */
  readonly #fetch: typeof fetch = (input, init) => {
    const { api } = this.#options;
    const custom = 'url' in api ? api.fetch : undefined;
    return custom === undefined ? globalThis.fetch(input, init) : custom(input, init);
  };

  #sessionOptions(client: ChatKitClient) {
    const { onClientTool } = this.#options;
    return {
      client,
      onEvent: (event: SessionEvent) => this.#onSessionEvent(event),
      describe: (error: Parameters<typeof describeError>[0]) => describeError(error, this.strings),
      schedule: onNextFrame,
      ...(onClientTool === undefined ? {} : { onClientTool }),
    };
  }

  #onSessionEvent(event: SessionEvent): void {
    switch (event.type) {
      case 'response.start':
        this.#answeredHere = true;
        this.#announce(this.strings.answerStarted);
        this.#dispatch('chatkit.response.start', undefined);
        break;
      case 'response.end':
        if (this.state.banner === null) this.#announce(this.strings.answerDone);
        this.#dispatch('chatkit.response.end', undefined);
        break;
      case 'response.removed':
        this.#announce(this.strings.answerRemoved);
        break;
      case 'thread.change':
        this.#lastThreadId = event.threadId;
        this.#dispatch('chatkit.thread.change', { threadId: event.threadId });
        break;
      case 'thread.load.start':
        this.#dispatch('chatkit.thread.load.start', { threadId: event.threadId });
        break;
      case 'thread.load.end':
        this.#dispatch('chatkit.thread.load.end', { threadId: event.threadId });
        break;
      case 'effect':
        this.#dispatch('chatkit.effect', { name: event.name, data: event.data });
        break;
      case 'error':
        this.#dispatch('chatkit.error', { error: event.error });
        break;
      case 'log':
        this.#dispatch('chatkit.log', { name: event.name, data: event.data });
        break;
      default:
        break;
    }
  }

  #dispatch<K extends keyof ChatKitEvents>(name: K, detail: ChatKitEvents[K]['detail']): void {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  #announce(text: string): void {
    this.#announcements = [...this.#announcements.slice(-3), { id: ++this.#announced, text }];
    this.requestUpdate();
  }

  #toolChanged(before: string | null): void {
    if (before !== this.#composer.toolId) {
      this.#dispatch('chatkit.tool.change', { toolId: this.#composer.toolId });
    }
  }

  async #open(session: ChatSession, threadId: string | null): Promise<void> {
    this.#firstItem = null;
    this.#scroll.answering = false;
    this.#scroll.toBottom();
    await session.open(threadId);
  }

  async #submit(session: ChatSession, submission: Submission): Promise<void> {
    const sent = session.submit(submission);
    await this.updateComplete;
    this.#scroll.toBottom();
    await sent;
  }

  get #field(): HTMLTextAreaElement | null {
    return this.renderRoot.querySelector<HTMLTextAreaElement>('textarea.input');
  }

  /** Shows and announces in another language, from when its texts are there. */
  async #speak(locale: Locale): Promise<void> {
    if (locale === this.#locale) return;
    this.#locale = locale;
    this.#speechless ||= !this.#booted && locale !== 'en';
    let catalogue: Catalogue | null = null;
    try {
      catalogue = await loadCatalogue(locale);
    } catch (cause) {
      this.report(new Error(`The texts for the locale "${locale}" could not be loaded.`, { cause }));
    }
    // Another one may be wanted by now.
    if (this.#locale !== locale) return;
    if (catalogue === null) this.#locale = 'en';
    this.#catalogue = catalogue;
    this.#speechless = false;
    this.requestUpdate();
  }

  // -------------------------------------------------------------- files

  async #upload(file: File, hooks: UploadHooks): Promise<WireAttachment> {
    const { api } = this.#options;
    const session = await this.#ready();
    if (!('url' in api)) throw new Error('Set api.url: files are uploaded to your own server.');
    const connection = {
      client: session.client,
      apiUrl: api.url,
      base: document.baseURI,
      fetch: api.fetch,
    };
    try {
      return await uploadFile(file, api.uploadStrategy ?? { type: 'two_phase' }, connection, hooks);
    } catch (error) {
      if (!hooks.signal.aborted) this.report(error instanceof Error ? error : new Error(String(error)));
      throw error;
    }
  }

  /** Nobody waits for it: a file that stays at the server is the server's to clean up. */
  #discard(attachmentId: string): void {
    this.#session?.client
      .request('attachments.delete', { attachment_id: attachmentId })
      .catch((error: unknown) => this.report(error instanceof Error ? error : new Error(String(error))));
  }

  #complain(problems: readonly string[]): void {
    this.#composer.problems = problems;
    this.requestUpdate();
  }

  #filesChanged(): void {
    const composer = this.#composer;
    if (composer.waiting && !composer.uploads.busy) {
      composer.waiting = false;
      if (composer.uploads.failed) this.#complain([this.strings.sendBlocked]);
      else this.send();
    }
    this.requestUpdate();
  }

  // -------------------------------------------------------------- writing

  /** Puts an edit into the field, with the caret where it belongs. */
  #write(edit: Edit): void {
    const field = this.#field;
    this.requestUpdate();
    if (field === null) return;
    field.value = edit.text;
    field.setSelectionRange(edit.caret, edit.caret);
    field.focus();
  }

  #trigger(field: HTMLTextAreaElement): Trigger | null {
    const { entities, commands } = this.#options;
    if (field.selectionStart !== field.selectionEnd) return null;
    return triggerAt(this.#composer.text, field.selectionStart, this.#composer.tags, {
      tag: entities?.onTagSearch !== undefined,
      command: commands?.enabled === true,
    });
  }

  #insertEntity(trigger: Trigger, entity: Entity | null): void {
    const end = trigger.from + 1 + trigger.query.length;
    this.#write(this.#composer.replace(trigger.from, end, entity === null ? '' : tagOf(entity)));
    if (entity !== null) this.#announce(entity.title);
  }

  /** What the composer's buttons do, as commands. */
  #ownCommands(query: string): PickerOption[] {
    const { strings } = this;
    const own = (id: string, label: string, icon: string, run: () => void): PickerOption => ({
      id,
      label,
      icon,
      does: { type: 'own', run },
    });
    const commands = [
      ...(this.attachmentOptions === null
        ? []
        : [
            own('attach', strings.attach, 'paperclip', () =>
              this.renderRoot.querySelector<HTMLInputElement>('.file-field')?.click(),
            ),
          ]),
      ...(this.canDictate ? [own('dictate', strings.dictate, 'mic', () => this.dictate())] : []),
      ...(this.#options.composer?.tools ?? []).map((tool) =>
        own(`tool-${tool.id}`, tool.label, tool.icon, () => this.selectTool(tool.id)),
      ),
    ];
    const wanted = query.toLocaleLowerCase(this.locale);
    return commands.filter(({ label }) => label.toLocaleLowerCase(this.locale).includes(wanted));
  }

  readonly #onPointerDown = (event: PointerEvent): void => {
    if (this.#openMenu === null) return;
    const inside = event
      .composedPath()
      .some((node) => node instanceof Element && node.matches('.menu-anchor'));
    if (!inside) this.setMenu(null);
  };

  // -------------------------------------------------------------- what the views read

  get strings() {
    return this.#catalogue?.strings ?? english;
  }

  get widgetStrings() {
    return this.#catalogue?.widgets;
  }

  get locale(): string {
    // The old texts stay until the new ones are there, and so do their numbers.
    return this.#catalogue === null ? 'en' : this.#locale;
  }

  get attachmentOptions(): AttachmentOptions | null {
    const options = this.#options.composer?.attachments;
    return options?.enabled === true ? options : null;
  }

  get dragging(): boolean {
    return this.#attaching.dragging;
  }

  get openImage() {
    return this.#openImage;
  }

  get preview() {
    return this.#previews.preview;
  }

  get picker() {
    return this.#picker.state;
  }

  get canDictate(): boolean {
    return this.#options.composer?.dictation?.enabled === true && canRecord();
  }

  get recording() {
    return this.#recording;
  }

  get imagesVersion(): number {
    return this.#imagesVersion;
  }

  get options(): ChatKitOptions {
    return this.#options;
  }

  get state(): SessionState {
    return this.#session?.state ?? this.#emptySession;
  }

  get directory() {
    return (
      this.#directory?.state ?? { threads: [], hasMore: false, loading: false, loaded: false, error: null }
    );
  }

  get composer(): Composer {
    return this.#composer;
  }

  get historyOpen(): boolean {
    return this.#historyOpen;
  }

  get historyEdit(): HistoryEdit | null {
    return this.#historyEdit;
  }

  get openMenu() {
    return this.#openMenu;
  }

  get atBottom(): boolean {
    return this.#atBottom;
  }

  get now(): number {
    return Date.now();
  }

  // -------------------------------------------------------------- what the views do

  send(): void {
    const session = this.#session;
    const { uploads } = this.#composer;
    if (session === null || this.#composer.isEmpty || session.state.turn !== null || this.#recording !== null)
      return;
    // What was written stays until it can be sent.
    if (this.#limited !== null) return;
    this.#picker.close();
    if (uploads.busy) {
      this.#composer.waiting = true;
      this.#announce(this.strings.sendWaits);
      return;
    }
    if (uploads.failed) return this.#complain([this.strings.sendBlocked]);
    const toolBefore = this.#composer.toolId;
    const submission = this.#composer.take(this.#options.composer);
    this.#toolChanged(toolBefore);
    this.requestUpdate();
    void this.#submit(session, submission);
  }

  stop(): void {
    this.#announce(this.strings.answerStopped);
    void this.#session?.stop();
    // The stop button goes away with the answer; writing is what comes next.
    this.#field?.focus();
  }

  input(field: HTMLTextAreaElement, composing: boolean): void {
    const { text, caret } = this.#composer.edit(field.value, field.selectionStart, composing);
    if (text !== field.value) {
      field.value = text;
      field.setSelectionRange(caret, caret);
    }
    this.#composer.waiting = false;
    if (!composing) this.#picker.follow(this.#trigger(field));
    this.requestUpdate();
  }

  caretMoved(field: HTMLTextAreaElement | null): void {
    if (this.#picker.state === null) return;
    if (field === null) this.#picker.close();
    else this.#picker.follow(this.#trigger(field));
  }

  pickerKey(key: string): boolean {
    const { state } = this.#picker;
    if (state === null) return false;
    switch (key) {
      case 'ArrowDown':
      case 'ArrowUp':
        this.#picker.move(key === 'ArrowDown' ? 1 : -1);
        return true;
      case 'Enter':
      case 'Tab':
        return this.#picker.take();
      case 'Escape':
        this.#picker.close({ stay: true });
        return true;
      default:
        return false;
    }
  }

  choose(at: number): void {
    this.#picker.choose(at);
  }

  mention(): void {
    const field = this.#field;
    if (field === null) return;
    const { selectionStart: start, selectionEnd: end } = field;
    const gap = start > 0 && /\S/.test(this.#composer.text[start - 1] ?? '') ? ' ' : '';
    this.#write(this.#composer.replace(start, end, `${gap}@`));
    this.#picker.follow(this.#trigger(field));
  }

  addFiles(files: readonly File[]): void {
    this.#attaching.add(files);
    this.#field?.focus();
  }

  removeFile(key: string): void {
    const { entries } = this.#composer.uploads;
    const at = entries.findIndex((entry) => entry.key === key);
    const neighbour = entries[at + 1] ?? entries[at - 1];
    this.#focusAfterUpdate = neighbour === undefined ? 'textarea.input' : `[data-focus=${neighbour.key}]`;
    this.#composer.problems = [];
    this.#announce(this.strings.removed(entries[at]?.name ?? ''));
    this.#composer.uploads.remove(key);
  }

  retryFile(key: string): void {
    this.#composer.problems = [];
    this.#focusAfterUpdate = `[data-focus=${key}]`;
    this.#composer.uploads.retry(key);
  }

  stopWaiting(): void {
    this.#composer.waiting = false;
    this.#focusAfterUpdate = 'textarea.input';
    this.requestUpdate();
  }

  thumbOf(file: UploadEntry | WireAttachment): ImageBitmap | null {
    return this.#attaching.thumbOf(file);
  }

  isBroken(url: string): boolean {
    return this.#brokenImages.has(url);
  }

  imageFailed(itemId: string, url: string): void {
    if (this.#brokenImages.has(url)) return;
    this.#brokenImages.add(url);
    this.#imagesVersion += 1;
    this.requestUpdate();
    if (itemId !== '') void this.#session?.refreshItem(itemId);
  }

  showImage(image: OpenImage | null): void {
    if (image === null) this.renderRoot.querySelector<HTMLDialogElement>('.lightbox')?.close();
    this.#openImage = image;
    this.requestUpdate();
  }

  download(itemId: string, attachment: WireAttachment, event: MouseEvent): void {
    // The link was made when the message was read, and may have expired since.
    const link = event.currentTarget as HTMLAnchorElement;
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    void this.#session?.refreshItem(itemId).then(() => {
      const item = this.state.thread.items.find(({ id }) => id === itemId);
      const now =
        item?.type === 'user_message'
          ? item.attachments.find(({ id }) => id === attachment.id)
          : item?.type === 'generated_image'
            ? asAttachment(item, this.strings)
            : undefined;
      const fresh = document.createElement('a');
      fresh.href = now?.download_url ?? link.href;
      fresh.download = attachment.name;
      fresh.target = '_blank';
      fresh.rel = 'noopener noreferrer';
      fresh.click();
    });
  }

  dictate(): void {
    if (this.#recording !== null || !this.canDictate) return;
    const recorder = new Recorder(
      (level, seconds) => this.#heard(level, seconds),
      () => {
        this.#announce(this.strings.dictationLimit);
        this.finishDictation();
      },
    );
    this.#recorder = recorder;
    this.#recording = { phase: 'starting', seconds: 0 };
    this.#composer.problems = [];
    this.requestUpdate();
    recorder.start().then(
      () => {
        if (this.#recorder !== recorder) return;
        this.#recording = { phase: 'recording', seconds: 0 };
        this.#focusAfterUpdate = '[data-focus=dictation-done]';
        this.#announce(this.strings.dictating);
        this.requestUpdate();
      },
      (error: unknown) => {
        if (this.#recorder === recorder) this.#dictationFailed(error);
      },
    );
  }

  #heard(level: number, seconds: number): void {
    const bars = this.renderRoot.querySelectorAll<HTMLElement>('.level i');
    const before = Array.from(bars, (bar) => bar.style.getPropertyValue('--level'));
    bars.forEach((bar, at) => {
      bar.style.setProperty('--level', before[at + 1] ?? level.toFixed(2));
    });
    if (this.#recording?.phase !== 'recording' || this.#recording.seconds === seconds) return;
    this.#recording = { phase: 'recording', seconds };
    this.requestUpdate();
  }

  finishDictation(): void {
    const recorder = this.#recorder;
    if (recorder === null || this.#recording?.phase !== 'recording') return;
    this.#recording = { ...this.#recording, phase: 'transcribing' };
    this.requestUpdate();
    void this.#transcribe(recorder).then(
      (words) => {
        if (this.#recorder !== recorder) return;
        this.#endDictation();
        if (words === '') return this.#complain([this.strings.dictationSilent]);
        // Where the caret is now: the user may have gone on typing.
        const end = this.#composer.text.length;
        const { selectionStart = end, selectionEnd = end } = this.#field ?? {};
        this.#write(this.#composer.insert(words, selectionStart, selectionEnd));
        this.#announce(this.strings.dictationInserted);
      },
      (error: unknown) => {
        if (this.#recorder === recorder) this.#dictationFailed(error);
      },
    );
  }

  async #transcribe(recorder: Recorder): Promise<string> {
    const session = await this.#ready();
    const recording = await recorder.stop();
    if (recording === null || recording.data.size === 0) return '';
    const { body } = await session.client.request('input.transcribe', {
      audio_base64: await base64Of(recording.data),
      mime_type: recording.mimeType,
    });
    return body.text.trim();
  }

  cancelDictation(): void {
    if (this.#recorder === null) return;
    this.#recorder.cancel();
    this.#endDictation();
  }

  #endDictation(): void {
    this.#recorder = null;
    this.#recording = null;
    this.#focusAfterUpdate = 'textarea.input';
    this.requestUpdate();
  }

  #dictationFailed(error: unknown): void {
    const { strings } = this;
    this.#recorder?.cancel();
    this.#endDictation();
    const reasons = {
      denied: strings.dictationDenied,
      'no-microphone': strings.dictationNoMicrophone,
      unsupported: strings.dictationUnsupported,
    };
    this.#complain([
      error instanceof DictationError
        ? reasons[error.reason]
        : error instanceof ApiError
          ? describeError(error, strings)
          : strings.dictationFailed,
    ]);
    this.report(error instanceof Error ? error : new Error(String(error)));
  }

  clickEntity(entity: Entity): void {
    this.#previews.close();
    this.#options.entities?.onClick?.(entity);
  }

  showPreview(entity: Entity, anchor: HTMLElement): void {
    this.#previews.show(entity, anchor);
  }

  keepPreview(): void {
    this.#previews.keep();
  }

  hidePreview(): void {
    this.#previews.hide();
  }

  async previewAction(entity: Entity, widget: unknown, action: WidgetAction): Promise<void> {
    const { type, payload } = action;
    const onAction = this.#options.widgets?.onAction;
    if (onAction === undefined) throw new Error(this.strings.noActionHandler(type));
    await onAction(
      { type, ...(isRecord(payload) ? { payload } : {}) },
      { id: entity.id, widget: widget as Widgets.BasicRoot },
    );
  }

  changed(): void {
    this.requestUpdate();
  }

  startPrompt(index: number): void {
    const prompt = this.#options.startScreen?.prompts?.[index]?.prompt;
    if (prompt === undefined || this.#session === null || this.#session.state.turn !== null) return;
    const content = wireContent(typeof prompt === 'string' ? { text: prompt } : { content: prompt });
    void this.#submit(this.#session, { content, inference: this.#composer.inference() });
    this.#field?.focus();
  }

  newThread(): void {
    const session = this.#session;
    if (session === null) return;
    this.toggleHistory(false);
    void this.#open(session, null);
    this.#field?.focus();
  }

  openThread(id: string): void {
    const session = this.#session;
    this.toggleHistory(false);
    if (session !== null && session.state.threadId !== id) void this.#open(session, id);
  }

  toggleHistory(open: boolean): void {
    if (open === this.#historyOpen) return;
    this.#historyOpen = open;
    this.#historyEdit = null;
    if (open) {
      const active = (this.renderRoot as ShadowRoot).activeElement;
      this.#historyReturn = active instanceof HTMLElement ? active : null;
      this.#focusAfterUpdate = '[data-focus=close-history]';
      void this.#directory?.load();
      this.#dispatch('chatkit.history.open', undefined);
    } else {
      this.#focusAfterUpdate = 'return';
      this.#dispatch('chatkit.history.close', undefined);
    }
    this.requestUpdate();
  }

  setMenu(menu: 'tools' | 'model' | null): void {
    if (menu === this.#openMenu) return;
    this.#menuReturn = this.#openMenu;
    this.#openMenu = menu;
    this.#focusAfterUpdate =
      menu === null
        ? `[data-focus=${this.#menuReturn}]`
        : '.menu [aria-checked=true], .menu [role=menuitemradio]';
    this.requestUpdate();
  }

  selectTool(id: string | null): void {
    const before = this.#composer.toolId;
    this.#composer.toolId = id;
    this.#toolChanged(before);
    this.#openMenu = null;
    this.requestUpdate();
    this.#field?.focus();
  }

  selectModel(id: string): void {
    this.#composer.modelId = id;
    this.setMenu(null);
    this.requestUpdate();
  }

  editHistory(edit: HistoryEdit | null): void {
    const before = this.#historyEdit;
    this.#historyEdit = edit;
    if (edit !== null && edit.id !== before?.id) this.#focusAfterUpdate = '[data-focus=edit]';
    else if (edit !== null && edit.kind !== before?.kind) this.#focusAfterUpdate = '[data-focus=edit]';
    else if (edit === null && before !== null) {
      this.#focusAfterUpdate = `[data-thread="${CSS.escape(before.id)}"] [data-focus=${before.kind}], [data-focus=close-history]`;
    }
    this.requestUpdate();
  }

  renameThread(id: string, title: string): void {
    void this.#changeThread(id, 'rename', async () => {
      await this.#directory?.rename(id, title);
      this.#session?.renamed(id, title);
    });
  }

  deleteThread(id: string): void {
    void this.#changeThread(id, 'delete', async () => {
      await this.#directory?.remove(id);
      const session = this.#session;
      if (session?.state.threadId === id) await this.#open(session, null);
    });
  }

  async #changeThread(id: string, kind: HistoryEdit['kind'], change: () => Promise<void>): Promise<void> {
    this.#historyEdit = { id, kind, busy: true, error: null };
    this.requestUpdate();
    try {
      await change();
      if (this.#historyEdit?.id === id) this.editHistory(null);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#historyEdit = { id, kind, busy: false, error: message };
      this.requestUpdate();
    }
  }

  loadThreads(): void {
    void this.#directory?.load();
  }

  loadMoreThreads(): void {
    void this.#directory?.loadMore();
  }

  reloadThread(): void {
    void this.#session?.reload();
  }

  retry(): void {
    void this.#session?.retry();
  }

  dismissBanner(): void {
    const unsent = this.#session?.dismissBanner() ?? null;
    // What was never sent goes back into the field, unless something new is there.
    if (unsent !== null && this.#composer.isEmpty) this.#composer.restore(unsent);
    this.requestUpdate();
    this.#field?.focus();
  }

  dismissNotice(id: number): void {
    this.#session?.dismissNotice(id);
  }

  retryAfter(itemId: string): void {
    void this.#session?.retryAfter(itemId);
  }

  feedback(itemId: string, kind: FeedbackKind): void {
    void this.#session?.giveFeedback(itemId, kind);
  }

  copy(text: string, button: HTMLElement): void {
    void copyText(text).then((copied) => {
      if (!copied) return;
      button.dataset.copied = '';
      this.#announce(this.strings.copied);
      setTimeout(() => delete button.dataset.copied, 1600);
    });
  }

  followLink(href: string, event: MouseEvent): void {
    if (!href.startsWith('chatkit-link://')) return;
    event.preventDefault();
    const url = new URL(href);
    const data = Object.fromEntries(url.searchParams);
    this.#dispatch('chatkit.deeplink', { name: url.host + url.pathname.replace(/\/$/, ''), data });
  }

  jumpToLatest(): void {
    this.#scroll.toBottom(!matchMedia('(prefers-reduced-motion: reduce)').matches);
  }

  async widgetAction(item: WidgetItem, action: WidgetAction): Promise<void> {
    const { type, payload } = action;
    if (action.handler === 'client') {
      const onAction = this.#options.widgets?.onAction;
      if (onAction === undefined) {
        throw new Error(this.strings.noActionHandler(type));
      }
      const given = { type, ...(isRecord(payload) ? { payload } : {}) };
      await onAction(given, { id: item.id, widget: item.widget as unknown as Widgets.Card });
      return;
    }
    const session = this.#session;
    if (session === null) return;
    const sent = { type, payload };
    if (action.streaming) {
      await session.sendAction(sent, item.id);
      return;
    }
    try {
      await session.sendSyncAction(sent, item.id);
    } catch (error) {
      throw error instanceof ApiError
        ? new Error(describeError(error, this.strings), { cause: error })
        : error;
    }
  }

  async answerQuestions(itemId: string, submission: StructuredInputSubmission): Promise<void> {
    await this.#session?.answerQuestions(itemId, submission);
  }

  mayFocus(): boolean {
    // Only for what arrives while the user is here, and is not writing.
    return this.#answeredHere && this.#composer.isEmpty && !this.#historyOpen;
  }

  report(error: Error): void {
    this.#dispatch('chatkit.error', { error });
  }

  // -------------------------------------------------------------- rendering

  protected override willUpdate(_changed: PropertyValues): void {
    // Not reset at the end of the turn: a short one may be over before it is drawn.
    if (this.state.turn !== null) this.#scroll.answering = true;
    const first = this.state.thread.items[0]?.id ?? null;
    if (this.#firstItem !== null && first !== this.#firstItem)
      this.#restoreScroll = this.#scroll.holdPosition();
    this.#firstItem = first;
  }

  protected override updated(_changed: PropertyValues): void {
    this.#restoreScroll?.();
    this.#restoreScroll = null;
    const scroller = this.renderRoot.querySelector<HTMLElement>('.scroll');
    const column = this.renderRoot.querySelector<HTMLElement>('.column');
    if (scroller !== null && column !== null) this.#scroll.attach(scroller, column);
    this.#sizeInput();
    this.#tick();
    const dialog = this.renderRoot.querySelector<HTMLDialogElement>('.lightbox');
    if (dialog !== null && !dialog.open) dialog.showModal();
    this.#placePreview();
    this.renderRoot.querySelector('.suggestions [aria-selected=true]')?.scrollIntoView({ block: 'nearest' });
    const target = this.#focusAfterUpdate;
    this.#focusAfterUpdate = null;
    if (target === null) return;
    const element =
      target === 'return'
        ? (this.#historyReturn ?? this.renderRoot.querySelector<HTMLElement>('[data-focus=history]'))
        : this.renderRoot.querySelector<HTMLElement>(target);
    element?.focus();
    if (element instanceof HTMLInputElement) element.select();
  }

  #placePreview(): void {
    const preview = this.renderRoot.querySelector<HTMLElement>('.preview');
    const root = this.renderRoot.querySelector<HTMLElement>('.root');
    const { anchor } = this.#previews;
    if (preview === null || root === null || anchor === null) return;
    place(preview, anchor, root);
    // Its widget is drawn after it, when its code is there.
    if (preview.dataset.observed !== undefined) return;
    preview.dataset.observed = '';
    new ResizeObserver(() => {
      if (this.#previews.anchor !== null) place(preview, this.#previews.anchor, root);
    }).observe(preview);
  }

  /** Grows the field with its text where the browser does not do it by itself. */
  #sizeInput(): void {
    if (CSS.supports('field-sizing', 'content')) return;
    const input = this.renderRoot.querySelector<HTMLTextAreaElement>('textarea.input');
    if (input === null) return;
    input.style.blockSize = 'auto';
    input.style.blockSize = `${input.scrollHeight}px`;
  }

  /** When something can be sent again; null when it can. */
  get #limited(): string | null {
    return sendAgain(this);
  }

  /** Says that nothing can be sent for a while, and that it can again: once each. */
  #announceLimit(): void {
    const limited = this.#limited;
    if (limited !== null && !this.#limitAnnounced) this.#announce(limited);
    else if (limited === null && this.#limitAnnounced) this.#announce(this.strings.sendAgain);
    this.#limitAnnounced = limited !== null;
  }

  /** Renders once a second while a retry has to wait. */
  #tick(): void {
    this.#announceLimit();
    const waiting = this.#limited !== null || secondsLeft(this.state.banner?.retryAt, this.now) > 0;
    if (waiting && this.#countdown === undefined) {
      this.#countdown = setInterval(() => this.requestUpdate(), 1000);
    } else if (!waiting && this.#countdown !== undefined) {
      clearInterval(this.#countdown);
      this.#countdown = undefined;
    }
  }

  protected override render(): TemplateResult {
    const { state, strings } = this;
    const isStart =
      !state.loading &&
      state.loadError === null &&
      state.pending === null &&
      state.turn === null &&
      state.banner === null &&
      state.thread.items.length === 0;
    const title = this.#options.frameTitle ?? strings.chat;
    if (this.#speechless) return html`<section class="root" part="root" aria-busy="true"></section>`;
    return html`<section
      class="root"
      part="root"
      aria-label=${title}
      data-start=${isStart ? 'true' : 'false'}
      lang=${this.locale}
      dir=${directionOfLocale(this.#catalogue === null ? 'en' : this.#locale) ?? nothing}
      @dragenter=${this.#attaching.onDragOver}
      @dragover=${this.#attaching.onDragOver}
      @dragleave=${this.#attaching.onDragLeave}
      @drop=${this.#attaching.onDrop}
    >
      ${
        // The messages' headings are of level 3: something has to be of level 2.
        isStart || visibleTitle(this) !== '' ? nothing : html`<h2 class="sr-only">${title}</h2>`
      }
      <div class="main" ?inert=${this.#historyOpen}>
        ${header(this)}
        <div
          class="scroll"
          part="thread"
          role="region"
          tabindex=${isStart ? '-1' : '0'}
          aria-label=${strings.conversation}
        >
          <div class="column">
            ${
              state.loading
                ? threadSkeleton(this)
                : state.loadError !== null
                  ? threadFailed(this)
                  : isStart
                    ? this.#configured
                      ? startScreen(this)
                      : nothing
                    : messages(this)
            }
          </div>
        </div>
        <div class="dock">
          ${
            this.#atBottom || isStart
              ? nothing
              : html`<button
                  class="jump"
                  part="jump-button"
                  type="button"
                  aria-label=${strings.jumpToLatest}
                  title=${strings.jumpToLatest}
                  @click=${() => this.jumpToLatest()}
                >
                  ${icon('arrow-down')}
                </button>`
          }
          <div class="dock-column">
            ${
              this.#misconfigured
                ? html`<div class="sealed" role="alert">
                    ${icon('warning')}<span>${strings.noServer}</span>
                  </div>`
                : composerView(this)
            }
            ${this.#disclaimer()}
          </div>
        </div>
      </div>
      ${historyPanel(this)} ${lightbox(this)} ${entityPreview(this)} ${dropTarget(this)}
      <div class="sr-only" role="log" aria-live="polite" aria-label=${strings.conversation}>
        ${this.#announcements.map(({ id, text }) => html`<p data-id=${id}>${text}</p>`)}
      </div>
    </section>`;
  }

  #disclaimer(): TemplateResult | typeof nothing {
    const { disclaimer } = this.#options;
    if (disclaimer === undefined) return nothing;
    return html`<div
      class="disclaimer"
      part="disclaimer"
      dir="auto"
      ?data-contrast=${disclaimer.highContrast === true}
    >
      ${inlineMarkdown(disclaimer.text)}
    </div>`;
  }
}

/** The links and emphasis a disclaimer may use; everything else is text. */
function inlineMarkdown(text: string): unknown[] {
  const parts: unknown[] = [];
  let rest = 0;
  for (const match of text.matchAll(/\[([^\]]+)\]\(((?:https?:\/\/|\/|#)[^\s)]*)\)|\*\*([^*]+)\*\*/g)) {
    parts.push(text.slice(rest, match.index));
    parts.push(
      match[2] === undefined
        ? html`<strong>${match[3]}</strong>`
        : html`<a href=${match[2]} target="_blank" rel="noopener noreferrer">${match[1]}</a>`,
    );
    rest = match.index + match[0].length;
  }
  parts.push(text.slice(rest));
  return parts;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function wireContent(params: {
  text?: string | undefined;
  content?: readonly UserMessageContent[] | undefined;
}): WireContent[] {
  if (params.content !== undefined) {
    return params.content.map((part) =>
      part.type === 'input_tag' ? { ...part, data: part.data ?? {} } : part,
    );
  }
  const text = params.text?.trim() ?? '';
  return text === '' ? [] : [{ type: 'input_text', text }];
}

/** Copies text. `navigator.clipboard` is missing on plain http, where a selection does it. */
async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = document.createElement('textarea');
    field.value = text;
    field.setAttribute('aria-hidden', 'true');
    field.style.position = 'fixed';
    field.style.opacity = '0';
    const focused = document.activeElement;
    document.body.append(field);
    field.select();
    const copied = document.execCommand('copy');
    field.remove();
    if (focused instanceof HTMLElement) focused.focus();
    return copied;
  }
}
