import type { ChatKitOptions, Entity } from '@openai/chatkit';
import type {
  Attachment,
  DirectoryState,
  FeedbackKind,
  SessionState,
  StructuredInputSubmission,
  UploadEntry,
  WidgetItem,
} from '@parlor/client';
import type { Composer } from '../composer.js';
import type { RecordingState } from '../dictation.js';
import type { AttachmentOptions } from '../files.js';
import type { PickerState } from '../picker.js';
import type { Strings } from '../strings.js';
import type { WidgetAction } from '../widgets/index.js';
import type { WidgetStrings } from '../widgets/strings.js';

/** Row of the history panel that is being changed. */
export type HistoryEdit = { id: string; kind: 'rename' | 'delete'; busy: boolean; error: string | null };

/** An image that is shown large. */
export interface OpenImage {
  readonly attachment: Attachment;
  /** The message it belongs to. */
  readonly itemId: string;
}

/** An entity whose preview is asked for or shown. */
export interface EntityPreview {
  readonly entity: Entity;
  readonly widget: unknown;
}

/** What the views read and the actions they may trigger. Implemented by the element. */
export interface ViewContext {
  readonly strings: Strings;
  /** Texts of widgets and questions; undefined for English, which is theirs. */
  readonly widgetStrings: WidgetStrings | undefined;
  /** The language of {@link ViewContext.strings}, for numbers and plurals. */
  readonly locale: string;
  readonly options: ChatKitOptions;
  readonly state: SessionState;
  readonly directory: DirectoryState;
  readonly composer: Composer;
  readonly historyOpen: boolean;
  readonly historyEdit: HistoryEdit | null;
  readonly openMenu: 'tools' | 'model' | null;
  readonly atBottom: boolean;
  /** Null where files can't be attached. */
  readonly attachmentOptions: AttachmentOptions | null;
  /** Files are being dragged over the element. */
  readonly dragging: boolean;
  readonly openImage: OpenImage | null;
  readonly preview: EntityPreview | null;
  readonly picker: PickerState | null;
  readonly canDictate: boolean;
  readonly recording: RecordingState | null;
  /** Changes when an image turned out not to load. */
  readonly imagesVersion: number;
  /** Milliseconds since the epoch, as of this rendering. */
  readonly now: number;

  send(): void;
  stop(): void;
  /** Takes over what was typed into the field. */
  input(field: HTMLTextAreaElement, composing: boolean): void;
  /** The caret was moved without typing; null: it left the field. */
  caretMoved(field: HTMLTextAreaElement | null): void;
  /** Lets the list of suggestions have a key. Returns whether it took it. */
  pickerKey(key: string): boolean;
  choose(at: number): void;
  /** Puts an `@` in the field, which opens the list. */
  mention(): void;
  addFiles(files: readonly File[]): void;
  removeFile(key: string): void;
  retryFile(key: string): void;
  /** Takes a sending back that waits for files. */
  stopWaiting(): void;
  /** A small picture of a file of this page, while it is composed and sent. */
  thumbOf(file: UploadEntry | Attachment): ImageBitmap | null;
  isBroken(url: string): boolean;
  /** An image did not load: its link may have expired. */
  imageFailed(itemId: string, url: string): void;
  showImage(image: OpenImage | null): void;
  download(itemId: string, attachment: Attachment, event: MouseEvent): void;
  dictate(): void;
  finishDictation(): void;
  cancelDictation(): void;
  clickEntity(entity: Entity): void;
  /** Shows what the host has to say of an entity, beside the anchor. */
  showPreview(entity: Entity, anchor: HTMLElement): void;
  hidePreview(): void;
  /** The pointer went from the anchor into the preview. */
  keepPreview(): void;
  previewAction(entity: Entity, widget: unknown, action: WidgetAction): Promise<void>;
  changed(): void;
  startPrompt(index: number): void;
  newThread(): void;
  openThread(id: string): void;
  toggleHistory(open: boolean): void;
  setMenu(menu: 'tools' | 'model' | null): void;
  selectTool(id: string | null): void;
  selectModel(id: string): void;
  editHistory(edit: HistoryEdit | null): void;
  renameThread(id: string, title: string): void;
  deleteThread(id: string): void;
  loadThreads(): void;
  loadMoreThreads(): void;
  reloadThread(): void;
  retry(): void;
  dismissBanner(): void;
  dismissNotice(id: number): void;
  retryAfter(itemId: string): void;
  feedback(itemId: string, kind: FeedbackKind): void;
  copy(text: string, button: HTMLElement): void;
  followLink(href: string, event: MouseEvent): void;
  jumpToLatest(): void;
  /** Runs an action of a widget; rejects with a message for the user. */
  widgetAction(item: WidgetItem, action: WidgetAction): Promise<void>;
  answerQuestions(itemId: string, submission: StructuredInputSubmission): Promise<void>;
  /** Whether a field that appears may take the focus from the user. */
  mayFocus(): boolean;
  report(error: Error): void;
}
