/** Where loading the chat element stands. */
export type ScriptStatus = 'pending' | 'ready' | 'error';

export type ScriptFailure = 'blocked' | 'timeout';

/** The element did not come. */
export class ScriptError extends Error {
  override readonly name = 'ScriptError';
  /** `blocked`: the browser could not load it. `timeout`: it was not there in time, and may still come. */
  readonly reason: ScriptFailure;

  constructor(reason: ScriptFailure, src: string) {
    super(
      reason === 'blocked'
        ? `The chat could not be loaded from ${src}: check the address, the Content-Security-Policy and the integrity hash.`
        : `The chat was not loaded from ${src} in time.`,
    );
    this.reason = reason;
  }
}

export interface ScriptOptions {
  /**
   * Address of the script that defines the element; `/chatkit.js` by default. Null: the page has a
   * script tag of its own, which is only waited for.
   */
  src?: string | null | undefined;
  /** `module` (Parlor's element; the default) or `classic` (the official one). */
  type?: 'module' | 'classic' | undefined;
  /** Hash of the script, as in the attribute `integrity` of script tags. */
  integrity?: string | undefined;
  /** Nonce of the page's Content-Security-Policy. */
  nonce?: string | undefined;
  /** How long to wait. Milliseconds; 5,000 by default. */
  timeoutMs?: number | undefined;
  /** Name of the element; `openai-chatkit` by default. */
  element?: string | undefined;
}

const TIMEOUT_MS = 5_000;

/**
 * Loads the script of the chat element once, and knows how far it is.
 *
 * Nothing happens before the first {@link load}. The element may also come from a script tag of
 * the page: what counts is that it is defined. The window's events `chatkit-script-loaded` and
 * `chatkit-script-error`, which published integrations send from their tag, are heard.
 */
export class ScriptLoader {
  readonly #src: string | null;
  readonly #options: ScriptOptions;
  readonly #name: string;
  readonly #listeners = new Set<() => void>();
  #status: ScriptStatus = 'pending';
  #error: ScriptError | null = null;
  #loading: Promise<void> | null = null;
  #tag: HTMLScriptElement | null = null;
  #attempts = 0;

  constructor(options: ScriptOptions = {}) {
    this.#options = options;
    this.#src = options.src === undefined ? '/chatkit.js' : options.src;
    this.#name = options.element ?? 'openai-chatkit';
  }

  /** How far it is; `ready` also when somebody else has defined the element. */
  get status(): ScriptStatus {
    return this.#defined ? 'ready' : this.#status;
  }

  /** Why it did not come. */
  get error(): ScriptError | null {
    return this.#defined ? null : this.#error;
  }

  /** Calls back after every change of the status. Returns the way to end that. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Loads it, if nobody has yet; after a failure, tries again. Resolves once the element is defined.
   *
   * @throws {ScriptError} when it does not come.
   */
  load(): Promise<void> {
    if (this.#defined) {
      this.#change('ready', null);
      return Promise.resolve();
    }
    this.#loading ??= this.#load().finally(() => {
      this.#loading = null;
    });
    return this.#loading;
  }

  get #defined(): boolean {
    return globalThis.customElements?.get(this.#name) !== undefined;
  }

  async #load(): Promise<void> {
    this.#change('pending', null);
    try {
      await this.#attempt();
      this.#change('ready', null);
    } catch (error) {
      const failure = error as ScriptError;
      this.#change('error', failure);
      // A slow network is no dead one: whenever it comes, it is there.
      void customElements.whenDefined(this.#name).then(() => this.#change('ready', null));
      throw failure;
    }
  }

  #attempt(): Promise<void> {
    const from = this.#src ?? 'the page’s own script tag';
    return new Promise((resolve, reject) => {
      const controller = new AbortController();
      const { signal } = controller;
      const settle = (error?: ScriptError) => {
        controller.abort();
        clearTimeout(timer);
        if (error === undefined) resolve();
        else reject(error);
      };
      const failed = () => settle(new ScriptError('blocked', from));
      // Said by a tag of the page; its script may define the element a moment later.
      const loaded = () => void customElements.whenDefined(this.#name).then(() => settle());
      const timer = setTimeout(
        () => settle(new ScriptError('timeout', from)),
        this.#options.timeoutMs ?? TIMEOUT_MS,
      );
      window.addEventListener('chatkit-script-loaded', loaded, { signal });
      window.addEventListener('chatkit-script-error', failed, { signal });
      loaded();
      try {
        this.#insert()?.addEventListener('error', failed, { signal });
      } catch {
        // The page demands addresses that its own policies vouch for, and ours is none of them.
        failed();
      }
    });
  }

  /** Puts the script into the page, unless it is there and on its way. */
  #insert(): HTMLScriptElement | null {
    if (this.#src === null) return null;
    const { type = 'module', integrity, nonce } = this.#options;
    const address = new URL(this.#src, document.baseURI).href;
    if (this.#attempts === 0) {
      // The page may have a tag of its own for it. Its failure, if it had one, was missed: the time-out sees it.
      const present = [...document.scripts].find(({ src }) => src === address);
      if (present !== undefined) {
        this.#attempts += 1;
        return present;
      }
    }
    if (this.#tag !== null && this.#error?.reason === 'timeout') return this.#tag;
    this.#tag?.remove();
    this.#attempts += 1;
    const tag = document.createElement('script');
    if (type === 'module') tag.type = 'module';
    tag.async = true;
    if (integrity !== undefined) tag.integrity = integrity;
    if (nonce !== undefined) tag.nonce = nonce;
    if (integrity !== undefined || new URL(address).origin !== location.origin) tag.crossOrigin = 'anonymous';
    tag.src = vouchedFor(address);
    this.#tag = tag;
    document.head.append(tag);
    return tag;
  }

  #change(status: ScriptStatus, error: ScriptError | null): void {
    if (this.#status === status && this.#error === error) return;
    this.#status = status;
    this.#error = error;
    for (const listener of this.#listeners) listener();
  }
}

interface ScriptPolicy {
  createScriptURL(address: string): string;
}

let policy: ScriptPolicy | null | undefined;

/**
 * An address as pages want it that demand trusted types: the site itself has said where the script is. Where the policy
 * names those that it takes (`trusted-types`), `parlor` has to be among them.
 */
function vouchedFor(address: string): string {
  if (policy === undefined) {
    const { trustedTypes } = globalThis as {
      trustedTypes?: { createPolicy(name: string, rules: ScriptPolicy): ScriptPolicy };
    };
    try {
      policy = trustedTypes?.createPolicy('parlor', { createScriptURL: (own) => own }) ?? null;
    } catch {
      policy = null;
    }
  }
  return policy === null ? address : policy.createScriptURL(address);
}

const loaders = new Map<string, ScriptLoader>();

/** The loader of a script: one for each address in a page, however many ask for it. */
export function scriptLoader(options: ScriptOptions = {}): ScriptLoader {
  const key = `${options.element ?? ''} ${options.src === undefined ? '/chatkit.js' : options.src}`;
  let loader = loaders.get(key);
  if (loader === undefined) {
    loader = new ScriptLoader(options);
    loaders.set(key, loader);
  }
  return loader;
}

/**
 * Loads the chat element, once in a page. Resolves when `<openai-chatkit>` is defined, at once
 * where it is already.
 *
 * @throws {ScriptError} when it does not come; call again to try again.
 */
export function loadChatKit(options: ScriptOptions = {}): Promise<void> {
  return scriptLoader(options).load();
}
