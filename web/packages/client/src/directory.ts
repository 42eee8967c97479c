import { ApiError, isAbort } from './errors.js';
import type { Thread } from './protocol.js';
import type { ChatKitClient } from './transport.js';

/** A snapshot of the list of threads. Replaced, never changed. */
export interface DirectoryState {
  readonly threads: readonly Thread[];
  readonly hasMore: boolean;
  readonly loading: boolean;
  /** Whether a page was ever read: an empty list before that means nothing. */
  readonly loaded: boolean;
  readonly error: ApiError | null;
}

const PAGE_SIZE = 30;

/** The user's threads, newest first, page by page. */
export class ThreadDirectory {
  #state: DirectoryState = { threads: [], hasMore: false, loading: false, loaded: false, error: null };
  #client: ChatKitClient;
  #cursor: string | null = null;
  #abort: AbortController | null = null;
  /** Pages asked for so far. */
  #asked = 0;
  /** New titles; a page that was asked for before the server knew of one still has the old title. */
  readonly #titles = new Map<string, { title: string; knownAfter: number }>();
  /** What was deleted; ids never come back, but a page may be on its way that still has them. */
  readonly #removed = new Set<string>();
  readonly #listeners = new Set<() => void>();

  constructor(client: ChatKitClient) {
    this.#client = client;
  }

  get state(): DirectoryState {
    return this.#state;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  dispose(): void {
    this.#abort?.abort();
    this.#listeners.clear();
  }

  /** Reads the first page anew; what is shown stays until it is there. */
  async load(): Promise<void> {
    await this.#page(null);
  }

  /** Reads the next page. */
  async loadMore(): Promise<void> {
    if (this.#cursor !== null && !this.#state.loading) await this.#page(this.#cursor);
  }

  async #page(after: string | null): Promise<void> {
    this.#abort?.abort();
    const { signal } = (this.#abort = new AbortController());
    const number = ++this.#asked;
    this.#set({ loading: true, error: null });
    try {
      const { body } = await this.#client.request(
        'threads.list',
        { limit: PAGE_SIZE, order: 'desc', ...(after === null ? {} : { after }) },
        { signal },
      );
      if (signal.aborted) return;
      const before = after === null ? [] : this.#state.threads;
      const known = new Set(before.map((thread) => thread.id));
      this.#cursor = body.has_more ? (body.after ?? body.data.at(-1)?.id ?? null) : null;
      this.#set({
        threads: [
          ...before,
          ...body.data
            .filter((thread) => !known.has(thread.id) && !this.#removed.has(thread.id))
            .map((thread) => this.#retitled(thread, number)),
        ],
        hasMore: this.#cursor !== null,
        loading: false,
        loaded: true,
      });
    } catch (error) {
      if (signal.aborted || isAbort(error)) return;
      this.#set({ loading: false, error: toApiError(error) });
    }
  }

  /**
   * Renames a thread; shown at once, taken back when the server refuses.
   *
   * @throws {ApiError} when it was refused.
   */
  async rename(id: string, title: string): Promise<void> {
    const before = this.#state.threads.find((thread) => thread.id === id)?.title ?? null;
    const change = { title, knownAfter: Number.POSITIVE_INFINITY };
    this.#titles.set(id, change);
    this.#retitle(id, title);
    try {
      await this.#client.request('threads.update', { thread_id: id, title });
      change.knownAfter = this.#asked;
    } catch (error) {
      if (this.#titles.get(id) === change) this.#titles.delete(id);
      this.#retitle(id, before);
      throw toApiError(error);
    }
  }

  /**
   * Deletes a thread.
   *
   * @throws {ApiError} when it was refused; the list is as before.
   */
  async remove(id: string): Promise<void> {
    try {
      await this.#client.request('threads.delete', { thread_id: id });
    } catch (error) {
      throw toApiError(error);
    }
    this.#removed.add(id);
    this.#set({ threads: this.#state.threads.filter((thread) => thread.id !== id) });
  }

  #retitle(id: string, title: string | null): void {
    this.#set({
      threads: this.#state.threads.map((thread) => (thread.id === id ? { ...thread, title } : thread)),
    });
  }

  /** A thread of the page with that number, with the title that it has by now. */
  #retitled(thread: Thread, page: number): Thread {
    const change = this.#titles.get(thread.id);
    return change === undefined || page > change.knownAfter ? thread : { ...thread, title: change.title };
  }

  #set(change: Partial<DirectoryState>): void {
    this.#state = { ...this.#state, ...change };
    for (const listener of this.#listeners) listener();
  }
}

function toApiError(error: unknown): ApiError {
  return error instanceof ApiError
    ? error
    : new ApiError({ status: 0, code: 'unexpected', message: String(error) }, { cause: error });
}
