import { createParser } from 'eventsource-parser';
import { ApiError, isAbort, readApiError } from './errors.js';
import type { JsonObject, JsonParams, JsonResults, StreamingParams, ThreadStreamEvent } from './protocol.js';

/** How the stream of a turn ended. */
export type StreamOutcome =
  /** Parlor said so in its closing comment. */
  | 'done'
  | 'failed'
  | 'stopped'
  | 'interrupted'
  /** A server without closing comments closed the connection in order. */
  | 'closed'
  /** The turn ended while the connection was away: read the thread again. */
  | 'gone'
  /** The connection broke and could not be resumed: read the thread again. */
  | 'lost';

/** What is known about the turn a stream belongs to. Filled in while it runs. */
export interface TurnInfo {
  /** Parlor's id of the turn, from `Parlor-Turn`. */
  turnId: string | null;
  threadId: string | null;
  /** Number of the last event received; 0 before the first. */
  lastEvent: number;
}

export interface StreamOptions {
  signal: AbortSignal;
  /** Events in order, as many as one network read brought. */
  onEvents(events: ThreadStreamEvent[]): void;
  /** The answer began: headers are there and its status is good. */
  onOpen?(turn: TurnInfo): void;
  /** The connection was lost (`true`), or is back (`false`). */
  onReconnecting?(reconnecting: boolean): void;
  /** Makes a repeated submission one message. Needed for requests that add something. */
  idempotencyKey?: string;
}

export interface ClientOptions {
  /** Relative or absolute URL of the ChatKit endpoint. */
  url: string;
  /** Used for every request instead of the global `fetch`. */
  fetch?: typeof fetch | undefined;
  /** Envelope `metadata` of every request, read anew each time. */
  metadata?: (() => JsonObject | undefined) | undefined;
  /** Milliseconds since the epoch; a parameter for tests. */
  now?: () => number;
  /** Waits; rejects with the signal's reason when it aborts. A parameter for tests. */
  sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
  /** 0 to 1, for jitter. A parameter for tests. */
  random?: () => number;
}

/** Answers a JSON request: the document, and what the headers said. */
export interface JsonAnswer<T> {
  body: T;
  /** Parlor's id of the turn that runs in this thread right now. */
  turnId: string | null;
}

const RECONNECT_DELAYS_MS = [250, 500, 1000, 2000, 4000, 8000, 8000, 8000];
/**
 * Longest frame that is waited for, in characters: a page must not run out of memory because a server never ends a line.
 * Images may come inside of events.
 */
const MAX_FRAME_CHARS = 32 * 1024 * 1024;
/** Parlor sends a comment every 15 s; three missed ones mean the connection is dead. */
const SILENCE_LIMIT_MS = 45_000;

/**
 * Speaks ChatKit's protocol to one endpoint.
 *
 * Works with any server of the protocol. Where the server announced
 * `Parlor-Protocol`, a stream that is cut is resumed without losing or
 * repeating an event, and {@link ChatKitClient.supportsTurns} is true.
 */
export class ChatKitClient {
  readonly #options: ClientOptions;
  #announced = false;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  /** Whether the server has announced `threads.stop` and `threads.resume`. Known after the first answer. */
  get supportsTurns(): boolean {
    return this.#announced;
  }

  /**
   * Sends a request that is answered with JSON.
   *
   * @throws {ApiError} for every failure but an abort, which rejects as `fetch` does.
   */
  async request<T extends keyof JsonParams>(
    type: T,
    params: JsonParams[T],
    options: { signal?: AbortSignal } = {},
  ): Promise<JsonAnswer<JsonResults[T]>> {
    const response = await this.#post({ type, params }, options.signal);
    let body: unknown;
    try {
      const text = await response.text();
      body = text === '' ? {} : JSON.parse(text);
    } catch (cause) {
      if (isAbort(cause)) throw cause;
      throw new ApiError(
        {
          status: response.status,
          code: 'bad_response',
          message: `The answer to "${type}" is not JSON.`,
          requestId: response.headers.get('x-request-id') ?? undefined,
        },
        { cause },
      );
    }
    return { body: body as JsonResults[T], turnId: response.headers.get('parlor-turn') };
  }

  /**
   * Sends a request that is answered with events, and follows them to the end.
   * Aborting the signal closes the connection and rejects with an `AbortError`.
   *
   * @throws {ApiError} when the stream did not begin.
   */
  async stream<T extends keyof StreamingParams>(
    type: T,
    params: StreamingParams[T],
    options: StreamOptions,
  ): Promise<StreamOutcome> {
    const { signal } = options;
    const turn: TurnInfo = {
      turnId: 'turn_id' in params && typeof params.turn_id === 'string' ? params.turn_id : null,
      threadId: 'thread_id' in params ? params.thread_id : null,
      lastEvent: 'after' in params && typeof params.after === 'number' ? params.after : 0,
    };
    let response = await this.#post({ type, params }, signal, options.idempotencyKey);
    const begin = (opened: Response) => {
      const turnId = opened.headers.get('parlor-turn');
      // Another turn than the one followed so far: its numbers start anew.
      if (turnId !== null && turn.turnId !== null && turnId !== turn.turnId) turn.lastEvent = 0;
      turn.turnId = turnId ?? turn.turnId;
      options.onOpen?.(turn);
    };
    begin(response);

    let attempt = 0;
    for (;;) {
      const before = turn.lastEvent;
      const outcome = await this.#follow(response, turn, options);
      if (outcome !== 'lost' || !this.#announced) return outcome;
      if (turn.lastEvent > before) attempt = 0;

      options.onReconnecting?.(true);
      let reopened: Response | null = null;
      while (reopened === null) {
        const delay = RECONNECT_DELAYS_MS[attempt++];
        if (delay === undefined) {
          options.onReconnecting?.(false);
          return 'lost';
        }
        const jitter = 0.75 + (this.#options.random ?? Math.random)() / 2;
        await (this.#options.sleep ?? sleep)(delay * jitter, signal);
        try {
          reopened = await this.#reopen(type, params, turn, options);
        } catch (error) {
          if (isAbort(error)) throw error;
          if (error instanceof ApiError && error.isTransient) continue;
          options.onReconnecting?.(false);
          return error instanceof ApiError && error.status === 404 ? 'gone' : 'lost';
        }
      }
      response = reopened;
      options.onReconnecting?.(false);
      begin(response);
    }
  }

  #reopen<T extends keyof StreamingParams>(
    type: T,
    params: StreamingParams[T],
    turn: TurnInfo,
    options: StreamOptions,
  ): Promise<Response> {
    // Cut before the thread had a name: the same submission with the same key
    // is answered with the same turn.
    if (turn.threadId === null) return this.#post({ type, params }, options.signal, options.idempotencyKey);
    return this.#post(
      {
        type: 'threads.resume',
        params: {
          thread_id: turn.threadId,
          after: turn.lastEvent,
          ...(turn.turnId === null ? {} : { turn_id: turn.turnId }),
        },
      },
      options.signal,
    );
  }

  async #follow(response: Response, turn: TurnInfo, options: StreamOptions): Promise<StreamOutcome> {
    const body = response.body;
    if (body === null) return 'lost';
    let outcome: StreamOutcome | null = null;
    let batch: ThreadStreamEvent[] = [];
    let overflowed = false;
    const parser = createParser({
      maxBufferSize: MAX_FRAME_CHARS,
      onError: (error) => {
        if (error.type === 'max-buffer-size-exceeded') overflowed = true;
      },
      onEvent: (message) => {
        const id = Number(message.id);
        if (message.id !== undefined && Number.isSafeInteger(id)) {
          if (id <= turn.lastEvent) return; // Seen before the connection was cut.
          turn.lastEvent = id;
        }
        const event = parseEvent(message.data);
        if (event === null) return;
        if (event.type === 'thread.created') turn.threadId = event.thread.id;
        batch.push(event);
      },
      onComment: (comment) => {
        const end = /^\s*end (done|failed|stopped|interrupted)\b/.exec(comment);
        if (end !== null) outcome = end[1] as StreamOutcome;
      },
    });

    const reader = body.getReader();
    const decoder = new TextDecoder();
    const watchdog = this.#announced ? new Watchdog(SILENCE_LIMIT_MS, () => void reader.cancel()) : null;
    const onAbort = () => void reader.cancel().catch(() => undefined);
    options.signal.addEventListener('abort', onAbort, { once: true });
    try {
      for (;;) {
        watchdog?.feed();
        const { done, value } = await reader.read();
        if (done) break;
        parser.feed(decoder.decode(value, { stream: true }));
        if (batch.length > 0) {
          const events = batch;
          batch = [];
          options.onEvents(events);
        }
        if (outcome !== null) return outcome;
        if (overflowed) {
          void reader.cancel().catch(() => undefined);
          return 'lost';
        }
      }
      options.signal.throwIfAborted();
      if (outcome !== null) return outcome;
      return this.#announced ? 'lost' : 'closed';
    } catch (error) {
      options.signal.throwIfAborted();
      if (isAbort(error)) throw error;
      return 'lost';
    } finally {
      watchdog?.stop();
      options.signal.removeEventListener('abort', onAbort);
      reader.releaseLock();
    }
  }

  async #post(
    request: { type: string; params: unknown },
    signal?: AbortSignal,
    idempotencyKey?: string,
  ): Promise<Response> {
    const metadata = this.#options.metadata?.();
    const send = this.#options.fetch ?? globalThis.fetch.bind(globalThis);
    let response: Response;
    try {
      response = await send(this.#options.url, {
        method: 'POST',
        headers: {
          'Content-Type': 'application/json',
          Accept: 'application/json, text/event-stream',
          ...(idempotencyKey === undefined ? {} : { 'Idempotency-Key': idempotencyKey }),
        },
        body: JSON.stringify(metadata === undefined ? request : { ...request, metadata }),
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (cause) {
      signal?.throwIfAborted();
      if (isAbort(cause)) throw cause;
      const offline = typeof navigator !== 'undefined' && navigator.onLine === false;
      throw new ApiError(
        {
          status: 0,
          code: offline ? 'offline' : 'network',
          message: offline ? 'This device is offline.' : 'The server could not be reached.',
        },
        { cause },
      );
    }
    if (response.headers.has('parlor-protocol')) this.#announced = true;
    if (!response.ok) throw await readApiError(response, (this.#options.now ?? Date.now)());
    return response;
  }
}

/** One event from a frame's data; null for what is not an event of this protocol. */
function parseEvent(data: string): ThreadStreamEvent | null {
  try {
    const value: unknown = JSON.parse(data);
    return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'
      ? (value as ThreadStreamEvent)
      : null;
  } catch {
    return null;
  }
}

/** Calls back once when it was not fed for too long. */
class Watchdog {
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #limit: number;
  readonly #bark: () => void;

  constructor(limit: number, bark: () => void) {
    this.#limit = limit;
    this.#bark = bark;
  }

  feed(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#bark, this.#limit);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', onAbort, { once: true });
  });
}
