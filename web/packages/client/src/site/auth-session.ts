import { readApiError } from '../errors.js';

/** Somebody who has signed in. */
export interface SessionUser {
  id: string;
  name: string | null;
  email: string | null;
  roles: string[];
}

/** Who has signed in to Parlor, in its mode `session`. */
export type AuthState =
  | { status: 'unknown' }
  | { status: 'signed-in'; user: SessionUser; expiresAt: Date | null }
  | { status: 'signed-out'; visitorsWelcome: boolean };

export interface AuthSessionOptions {
  /** Where Parlor's `/auth` is reached; `/auth` by default. */
  url?: string | undefined;
  /** Whether cookies go to another origin. Needed where Parlor is not on the page's own. */
  credentials?: RequestCredentials | undefined;
  fetch?: typeof fetch | undefined;
  /** Leaves the page; `location.assign` by default. */
  navigate?: ((address: string) => void) | undefined;
}

/** Who has signed in, and the ways in and out: a page's side of Parlor's `/auth`. */
export class AuthSession {
  readonly #options: AuthSessionOptions;
  readonly #base: string;
  readonly #listeners = new Set<() => void>();
  #state: AuthState = { status: 'unknown' };
  #asking: Promise<AuthState> | null = null;

  constructor(options: AuthSessionOptions = {}) {
    this.#options = options;
    this.#base = (options.url ?? '/auth').replace(/\/+$/, '');
  }

  get state(): AuthState {
    return this.#state;
  }

  /** Calls back after every change of the state. Returns the way to end that. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Asks the server who has signed in.
   *
   * @throws {ApiError} when it does not say; the state stays as it was.
   */
  refresh(): Promise<AuthState> {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = null;
    });
    return this.#asking;
  }

  /**
   * Goes to the login, and from there back to `returnTo`: this page by default. A Parlor on another origin goes back where
   * that is one of its `site.cors_origins`.
   */
  login(returnTo: string = this.#thisPage()): void {
    this.#go(`${this.#base}/login?${new URLSearchParams({ return_to: returnTo })}`);
  }

  /**
   * Signs out, here and, where it has a page for that, at the provider.
   *
   * @throws {ApiError} when the server did not do it.
   */
  async logout(): Promise<void> {
    const answer = await this.#json<{ provider_logout_url?: string | null }>('/logout', { method: 'POST' });
    this.#become({ status: 'signed-out', visitorsWelcome: false });
    if (answer.provider_logout_url) this.#go(answer.provider_logout_url);
    else await this.refresh();
  }

  #thisPage(): string {
    const { href, origin, pathname, search, hash } = location;
    return new URL(this.#base, href).origin === origin ? pathname + search + hash : href;
  }

  async #ask(): Promise<AuthState> {
    const answer = await this.#json<{
      authenticated: boolean;
      anonymous?: boolean;
      user?: Partial<SessionUser>;
      expires_at?: string;
    }>('/session', {});
    if (!answer.authenticated || typeof answer.user?.id !== 'string') {
      return this.#become({ status: 'signed-out', visitorsWelcome: answer.anonymous === true });
    }
    const { id, name = null, email = null, roles = [] } = answer.user;
    const expiresAt = answer.expires_at === undefined ? null : new Date(answer.expires_at);
    return this.#become({ status: 'signed-in', user: { id, name, email, roles }, expiresAt });
  }

  async #json<T>(path: string, init: RequestInit): Promise<T> {
    const { credentials = 'same-origin' } = this.#options;
    const send = this.#options.fetch ?? globalThis.fetch.bind(globalThis);
    const response = await send(this.#base + path, {
      ...init,
      credentials,
      cache: 'no-store',
      headers: { Accept: 'application/json' },
    });
    if (!response.ok) throw await readApiError(response, Date.now());
    return (await response.json()) as T;
  }

  #become(state: AuthState): AuthState {
    if (JSON.stringify(state) !== JSON.stringify(this.#state)) {
      this.#state = state;
      for (const listener of this.#listeners) listener();
    }
    return this.#state;
  }

  #go(address: string): void {
    (this.#options.navigate ?? ((to) => location.assign(to)))(address);
  }
}
