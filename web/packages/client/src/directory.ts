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
        threads: [...before, ...body.data.filter((thread) => !known.has(thread.id))],
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
    this.#retitle(id, title);
    try {
      await this.#client.request('threads.update', { thread_id: id, title });
    } catch (error) {
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
    this.#set({ threads: this.#state.threads.filter((thread) => thread.id !== id) });
  }

  #retitle(id: string, title: string | null): void {
    this.#set({
      threads: this.#state.threads.map((thread) => (thread.id === id ? { ...thread, title } : thread)),
    });
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
