import { type Fresh, fresh } from './fresh.js';
import { getPageContext, type PageContext, type PageContextOptions } from './page-context.js';

export interface TokenRequest {
  /** The last token was refused: one from a cache will not do. */
  readonly refused: boolean;
  /** Ends when the request it is for is given up. */
  readonly signal: AbortSignal | undefined;
}

export interface ChatKitFetchOptions {
  /** Address of the ChatKit endpoint; `/chatkit` by default. Credentials are sent to its origin and nowhere else. */
  url?: string | undefined;
  /** The bearer token for a request; null sends none. Asked for every request: keep it while it is good. */
  token?: ((request: TokenRequest) => string | null | Promise<string | null>) | undefined;
  /** Whether cookies go along, as in `fetch`; the browser's own rule (`same-origin`) by default. */
  credentials?: RequestCredentials | undefined;
  /** Further headers of every request to the endpoint's origin. */
  headers?: Fresh<Readonly<Record<string, string>>> | undefined;
  /** Id of the user, as `X-User-ID` and in the metadata. A server must not believe it without proof. */
  userId?: Fresh<string | null | undefined> | undefined;
  /** What the assistant may know of the user: name, mail address, plan, role … */
  userInfo?: Fresh<Readonly<Record<string, unknown>> | null | undefined> | undefined;
  /** What the assistant is told of the page: how to read it, what to tell instead, or `false` for nothing. */
  pageContext?:
    PageContextOptions | (() => PageContext | null | Promise<PageContext | null>) | false | undefined;
  /** The server does not know who asks, and a fresh token did not help: show a login. */
  onAuthRequired?: ((response: Response) => void) | undefined;
  /** What really sends the requests; the page's own `fetch` by default. */
  fetch?: typeof fetch | undefined;
}

/** Requests that lead to an answer: the assistant must know who asks, and from where. */
const ANSWERED = new Set([
  'threads.create',
  'threads.run',
  'threads.add_user_message',
  'threads.add_client_tool_output',
  'threads.add_structured_input',
  'threads.retry_after_item',
  'threads.custom_action',
  'threads.sync_custom_action',
]);

/**
 * A `fetch` for the option `api.fetch` of the chat element, Parlor's or the official one.
 *
 * - Requests that lead to an answer get `userId`, `userInfo` and `pageContext` in the metadata of
 *   their envelope, read at this moment. What is there already stays.
 * - Requests to the endpoint's origin, uploads and previews included, get the token and headers.
 *   Those to other origins, such as uploads straight to a bucket, get nothing.
 * - An answer 401 has the token asked for anew and the request, if there is one, sent once more.
 *
 * What is not JSON, or no object, is sent untouched.
 */
export function createChatKitFetch(options: ChatKitFetchOptions = {}): typeof fetch {
  const send: typeof fetch = (input, init) => (options.fetch ?? globalThis.fetch)(input, init);

  return async (input, init) => {
    if (!isOurs(input, options.url)) return send(input, init);
    const signal = init?.signal ?? (input instanceof Request ? input.signal : undefined);
    const body = typeof init?.body === 'string' ? await withMetadata(init.body, options) : init?.body;
    const request = async (token: string | null | undefined): Promise<[RequestInfo | URL, RequestInit]> => [
      // A request with a body can be read once; the second attempt needs it, too.
      input instanceof Request ? input.clone() : input,
      {
        ...init,
        ...(body === undefined ? {} : { body }),
        ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
        headers: await headersFor(input, init, options, token),
      },
    ];

    const token = async (refused: boolean) => options.token?.({ refused, signal: signal ?? undefined });
    const response = await send(...(await request(await token(false))));
    if (response.status !== 401) return response;
    // A stream is gone once it was sent.
    const fresh = body instanceof ReadableStream ? null : await token(true);
    if (!fresh) {
      options.onAuthRequired?.(response);
      return response;
    }
    const again = await send(...(await request(fresh)));
    await response.body?.cancel().catch(() => undefined);
    if (again.status === 401) options.onAuthRequired?.(again);
    return again;
  };
}

/** Whether a request goes to the origin of the endpoint. */
function isOurs(input: RequestInfo | URL, endpoint = '/chatkit'): boolean {
  const base = globalThis.document?.baseURI ?? globalThis.location?.href;
  const address = input instanceof Request ? input.url : String(input);
  try {
    return new URL(address, base).origin === new URL(endpoint, base).origin;
  } catch {
    return false;
  }
}

async function headersFor(
  input: RequestInfo | URL,
  init: RequestInit | undefined,
  options: ChatKitFetchOptions,
  token: string | null | undefined,
): Promise<Headers> {
  const headers = new Headers(init?.headers ?? (input instanceof Request ? input.headers : undefined));
  const more = await fresh(options.headers);
  for (const [name, value] of Object.entries(more ?? {})) headers.set(name, value);
  const userId = await fresh(options.userId);
  // A header cannot hold every character that a name can; the server reads the token, or the metadata.
  if (userId && /^[\x21-\x7e]+$/.test(userId)) headers.set('X-User-ID', userId);
  if (token) headers.set('Authorization', `Bearer ${token}`);
  return headers;
}

/** The body with what the assistant is to know; as it was, where that has no place in it. */
async function withMetadata(body: string, options: ChatKitFetchOptions): Promise<string> {
  let envelope: unknown;
  try {
    envelope = JSON.parse(body);
  } catch {
    return body;
  }
  if (!isObject(envelope) || typeof envelope.type !== 'string' || !ANSWERED.has(envelope.type)) return body;
  const { metadata } = envelope;
  if (metadata !== undefined && metadata !== null && !isObject(metadata)) return body;
  const [userId, userInfo, pageContext] = await Promise.all([
    fresh(options.userId),
    fresh(options.userInfo),
    pageOf(options.pageContext),
  ]);
  const known = Object.entries({ userId, userInfo, pageContext }).filter(([, value]) => value != null);
  if (known.length === 0) return body;
  return JSON.stringify({ ...envelope, metadata: { ...Object.fromEntries(known), ...metadata } });
}

/** Nothing is told of a page that cannot be read: a fault of the site in that is no reason not to answer. */
async function pageOf(page: ChatKitFetchOptions['pageContext']): Promise<PageContext | null> {
  if (page === false) return null;
  try {
    return await (typeof page === 'function' ? page() : getPageContext(page));
  } catch (error) {
    globalThis.reportError?.(error);
    return null;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
