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
