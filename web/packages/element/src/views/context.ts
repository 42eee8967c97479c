import type { ChatKitOptions } from '@openai/chatkit';
import type {
  DirectoryState,
  EntitySource,
  FeedbackKind,
  SessionState,
  StructuredInputSubmission,
  WidgetItem,
} from '@parlor/client';
import type { Composer } from '../composer.js';
import type { Strings } from '../strings.js';
import type { WidgetAction } from '../widgets/index.js';

/** Row of the history panel that is being changed. */
export type HistoryEdit = { id: string; kind: 'rename' | 'delete'; busy: boolean; error: string | null };

/** What the views read and the actions they may trigger. Implemented by the element. */
export interface ViewContext {
  readonly strings: Strings;
  readonly options: ChatKitOptions;
  readonly state: SessionState;
  readonly directory: DirectoryState;
  readonly composer: Composer;
  readonly historyOpen: boolean;
  readonly historyEdit: HistoryEdit | null;
  readonly openMenu: 'tools' | 'model' | null;
  readonly atBottom: boolean;
  /** Milliseconds since the epoch, as of this rendering. */
  readonly now: number;

  send(): void;
  stop(): void;
  input(text: string): void;
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
  openEntity(source: EntitySource): void;
  followLink(href: string, event: MouseEvent): void;
  jumpToLatest(): void;
  /** Runs an action of a widget; rejects with a message for the user. */
  widgetAction(item: WidgetItem, action: WidgetAction): Promise<void>;
  answerQuestions(itemId: string, submission: StructuredInputSubmission): Promise<void>;
  /** Whether a field that appears may take the focus from the user. */
  mayFocus(): boolean;
  report(error: Error): void;
}
