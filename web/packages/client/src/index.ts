export type * from './protocol.js';
export { ApiError, isAbort, parseRetryAfter, type ApiErrorDetails } from './errors.js';
export {
  applyEvent,
  applyEvents,
  applyUpdate,
  emptyThreadState,
  prependItems,
  settle,
  upsertItem,
  type ThreadState,
} from './state.js';
export {
  ChatKitClient,
  type ClientOptions,
  type JsonAnswer,
  type StreamOptions,
  type StreamOutcome,
  type TurnInfo,
} from './transport.js';
export {
  ChatSession,
  newIdempotencyKey,
  type Banner,
  type ChatSessionOptions,
  type Notice,
  type PendingMessage,
  type SessionEvent,
  type SessionState,
  type Submission,
} from './session.js';
export { mimeTypeOf, uploadFile, type UploadHooks, type UploadStrategy } from './upload.js';
export { UploadQueue, type UploadEntry, type UploadQueueOptions } from './upload-queue.js';
export { ThreadDirectory, type DirectoryState } from './directory.js';
export {
  AuthSession,
  type AuthSessionOptions,
  type AuthState,
  type SessionUser,
} from './site/auth-session.js';
export { createChatKitFetch, type ChatKitFetchOptions, type TokenRequest } from './site/chatkit-fetch.js';
export {
  getPageContext,
  selectedText,
  type PageContext,
  type PageContextOptions,
} from './site/page-context.js';
export {
  loadChatKit,
  ScriptError,
  scriptLoader,
  ScriptLoader,
  type ScriptFailure,
  type ScriptOptions,
  type ScriptStatus,
} from './site/script.js';
export {
  currentSelection,
  observeTextSelection,
  place,
  type Box,
  type TextSelection,
  type TextSelectionOptions,
} from './site/selection.js';
export { fresh, type Fresh } from './site/fresh.js';
