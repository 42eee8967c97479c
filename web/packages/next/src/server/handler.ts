import { answeredHeaders, askedHeaders, cookieOf } from './headers.js';
import { Refusal } from './refusal.js';
import { routeOf, type Route } from './routes.js';
import { checkOrigin } from './same-origin.js';

/** What is asked of the site: the token of whoever sent a request. */
export interface TokenRequest {
  readonly request: Request;
  /** Parlor has refused the last token: one from the cookie will not do. */
  readonly refused: boolean;
  /** Ends when the browser gives up. */
  readonly signal: AbortSignal;
}

export interface ChatKitHandlerOptions {
  /** Where Parlor is, as this server reaches it; `http://127.0.0.1:8000` by default. */
  server?: string | undefined;
  /** Name of the `httpOnly` cookie that holds the access token. */
  cookie?: string | undefined;
  /**
   * The access token, from wherever the site keeps it; null: nobody has signed in. Asked again, with
   * `refused`, when Parlor does not take it: the place to renew it, and to set the cookie anew.
   */
  token?:
    ((asked: TokenRequest) => string | null | undefined | Promise<string | null | undefined>) | undefined;
  /**
   * Headers that say who asks, for Parlor's mode `trusted-header`; null: nobody has signed in. They
   * are sent as they are, beside the token if there is one.
   */
  headers?: ((request: Request) => HeadersInit | null | Promise<HeadersInit | null>) | undefined;
  /** Whether people who have not signed in may chat: as visitors, whom a cookie of Parlor's tells apart. */
  anonymous?: boolean | undefined;
  /**
   * Who asks, for limits by address; null: not known. By default what `X-Forwarded-For` says, which is
   * worth something behind a proxy that sets it.
   */
  clientAddress?: ((request: Request) => string | null) | undefined;
  /** How long Parlor may take to begin its answer, or to take more of an upload. Milliseconds; 60,000 by default. */
  timeoutMs?: number | undefined;
  /** Told when Parlor cannot be asked; by default that is written to the console. */
  onError?: ((error: Error) => void) | undefined;
  /** What really sends the requests; the runtime's `fetch` by default. */
  fetch?: typeof fetch | undefined;
}

/** Answers a request of the browser's. */
export type ChatKitHandler = (request: Request) => Promise<Response>;

/** What a `route.ts` exports. */
export interface ChatKitRoutes {
  GET: ChatKitHandler;
  HEAD: ChatKitHandler;
  POST: ChatKitHandler;
  PUT: ChatKitHandler;
}

/** What may be sent a second time, and is kept for that: bytes. */
const KEPT_BYTES = 1024 * 1024;
const TIMEOUT_MS = 60_000;
/** As in Parlor's modes with visitors. */
const VISITOR_COOKIE = 'parlor_visitor';
/** RFC 6750, section 2.1. */
const TOKEN = /^[A-Za-z0-9._~+/-]+=*$/;

/**
 * Passes requests of the chat on to Parlor, with the token that the browser does not get to see. For a
 * catch-all route of the App Router, `app/api/parlor/[...path]/route.ts`, or anything else that answers a
 * `Request` with a `Response`.
 *
 * Answers are passed on as they come, uploads as they go. What is not Parlor's, not from a page of this
 * site, or of nobody who has signed in, does not reach Parlor.
 *
 * @throws {TypeError} when the options make no sense.
 */
export function createChatKitHandler(options: ChatKitHandlerOptions): ChatKitRoutes {
  const { cookie, token, headers, anonymous = false } = options;
  if (cookie === undefined && token === undefined && headers === undefined && !anonymous) {
    throw new TypeError(
      'createChatKitHandler does not know who asks: give it `cookie`, `token` or `headers`, or let everybody ask with `anonymous: true`',
    );
  }
  const server = serverOf(options.server);
  const {
    onError = (error) => {
      // oxlint-disable-next-line no-console -- where Next.js writes what goes wrong on the server
      console.error(`@parlor/next: ${error.message} (${server.origin}):`, error.cause);
    },
  } = options;

  const answer: ChatKitHandler = async (request) => {
    try {
      return await pass(request, server, options);
    } catch (error) {
      // Nobody is there to read an answer.
      if (request.signal.aborted) return new Response(null, { status: 499 });
      if (!(error instanceof Refusal)) throw error;
      if (error.status >= 500) onError(error);
      return error.response();
    }
  };
  return { GET: answer, HEAD: answer, POST: answer, PUT: answer };
}

function serverOf(server = 'http://127.0.0.1:8000'): URL {
  const url = URL.canParse(server) ? new URL(server) : null;
  if (url === null || !['http:', 'https:'].includes(url.protocol) || url.search !== '' || url.hash !== '') {
    throw new TypeError(
      `createChatKitHandler: server is \`${server}\`; it must be the http or https address of Parlor, such as http://127.0.0.1:8000`,
    );
  }
  return url;
}

async function pass(request: Request, server: URL, options: ChatKitHandlerOptions): Promise<Response> {
  const { pathname, search } = new URL(request.url);
  const route = routeOf(pathname);
  if (route === null) throw new Refusal(404, 'not_found', 'there is nothing at this address');
  if (!route.methods.includes(request.method)) {
    throw new Refusal(405, 'method_not_allowed', 'this address does not take this method', {
      headers: { Allow: route.methods.join(', ') },
    });
  }
  // Set as it is: nothing of a request can make it an address of somebody else's.
  const address = new URL(server);
  address.pathname = server.pathname.replace(/\/+$/, '') + route.path;
  if (route.hasQuery) address.search = search;

  const { clientAddress = (asked) => asked.headers.get('x-forwarded-for') } = options;
  const headers = askedHeaders(request, route.prefix, clientAddress(request));
  if (route.isPublic) {
    return answered(await send(address, request, headers, null, options), route, options);
  }

  checkOrigin(request);
  const visitor = options.anonymous ? cookieOf(request, VISITOR_COOKIE) : null;
  if (visitor !== null) headers.set('Cookie', `${VISITOR_COOKIE}=${encodeURIComponent(visitor)}`);
  const names = options.headers === undefined ? undefined : await options.headers(request);
  for (const [name, value] of new Headers(names ?? undefined)) headers.set(name, value);
  const token = await tokenOf(request, options, false);
  if (token !== null) headers.set('Authorization', `Bearer ${token}`);
  if (token === null && !names && !options.anonymous) throw loginRequired();

  const body = await bodyOf(request);
  const first = await send(address, request, headers, body, options);
  if (first.status !== 401 || token === null || body instanceof ReadableStream) {
    return answered(first, route, options);
  }
  const renewed = options.token === undefined ? null : await tokenOf(request, options, true);
  if (renewed === null || renewed === token) return answered(first, route, options);
  await first.body?.cancel();
  headers.set('Authorization', `Bearer ${renewed}`);
  return answered(await send(address, request, headers, body, options), route, options);
}

function loginRequired(): Refusal {
  return new Refusal(401, 'login_required', 'sign in first');
}

async function tokenOf(
  request: Request,
  { token, cookie }: ChatKitHandlerOptions,
  refused: boolean,
): Promise<string | null> {
  const found =
    token !== undefined
      ? await token({ request, refused, signal: request.signal })
      : cookie !== undefined
        ? cookieOf(request, cookie)
        : null;
  // A cookie is the browser's to change: what is no token would be a header that cannot be sent.
  return found && TOKEN.test(found) ? found : null;
}

/** The body: as a whole where it is small and may be needed twice, else as it comes. */
async function bodyOf(
  request: Request,
): Promise<Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | null> {
  if (request.body === null) return null;
  const length = lengthOf(request);
  if (length === null || length > KEPT_BYTES) return request.body;
  return new Uint8Array(await request.arrayBuffer());
}

function lengthOf(request: Request): number | null {
  const length = request.headers.get('content-length');
  return length !== null && /^\d{1,15}$/.test(length) ? Number(length) : null;
}

async function send(
  address: URL,
  request: Request,
  headers: Headers,
  body: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | null,
  options: ChatKitHandlerOptions,
): Promise<Response> {
  const patience = new Patience(options.timeoutMs ?? TIMEOUT_MS);
  const streamed = body instanceof ReadableStream;
  const length = streamed ? lengthOf(request) : null;
  if (length !== null) headers.set('Content-Length', String(length));
  const init: RequestInit & { duplex?: 'half' } = {
    method: request.method,
    headers,
    body: streamed ? patience.watching(body) : body,
    ...(streamed && { duplex: 'half' }),
    // An answer elsewhere is not asked for: the token is Parlor's alone.
    redirect: 'manual',
    cache: 'no-store',
    signal: AbortSignal.any([request.signal, patience.signal]),
  };
  try {
    const answer = await (options.fetch ?? globalThis.fetch)(address.href, init);
    if (
      answer.type !== 'opaqueredirect' &&
      (answer.status < 300 || answer.status > 399 || answer.status === 304)
    ) {
      return answer;
    }
    await answer.body?.cancel();
    throw new Refusal(502, 'bad_gateway', 'the chat server is not where it should be', {
      cause: 'it redirects; name its final address',
    });
  } catch (cause) {
    if (cause instanceof Refusal) throw cause;
    if (patience.signal.aborted) {
      throw new Refusal(504, 'gateway_timeout', 'the chat server does not answer; try again in a moment', {
        cause,
      });
    }
    throw new Refusal(502, 'bad_gateway', 'the chat server cannot be reached; try again in a moment', {
      cause,
    });
  } finally {
    patience.end();
  }
}

/** Waits for the beginning of an answer; as long as an upload goes on, the time starts anew. */
class Patience {
  readonly #controller = new AbortController();
  readonly #milliseconds: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #ended = false;

  constructor(milliseconds: number) {
    this.#milliseconds = milliseconds;
    this.#start();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  watching(body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
    return body.pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform: (piece, controller) => {
          this.#start();
          controller.enqueue(piece);
        },
      }),
    );
  }

  end(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
  }

  #start(): void {
    clearTimeout(this.#timer);
    if (!this.#ended) this.#timer = setTimeout(() => this.#controller.abort(), this.#milliseconds);
  }
}

function answered(answer: Response, route: Route, options: ChatKitHandlerOptions): Response {
  const headers = answeredHeaders(answer, route.isPublic);
  if (options.anonymous) {
    for (const cookie of answer.headers.getSetCookie()) {
      if (cookie.startsWith(`${VISITOR_COOKIE}=`)) headers.append('Set-Cookie', cookie);
    }
  }
  return new Response(answer.body, { status: answer.status, headers });
}
