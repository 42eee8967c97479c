// Lists of what goes through, both ways: a header that nobody has thought of stays where it is.

/** Of the browser's request. Cookies, `Authorization` and whatever names a user are not among them. */
const ASKED = [
  'accept',
  'accept-language',
  'baggage',
  'content-type',
  'idempotency-key',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'last-event-id',
  'parlor-protocol',
  'range',
  'traceparent',
  'tracestate',
  'user-agent',
  'x-request-id',
];

/** Of Parlor's answer. Cookies, CORS and what would hold for the whole site are not among them. */
const ANSWERED = new Set([
  'accept-ranges',
  'cache-control',
  'content-disposition',
  'content-language',
  'content-length',
  'content-range',
  'content-security-policy',
  'content-type',
  'etag',
  'expires',
  'last-modified',
  'referrer-policy',
  'retry-after',
  'www-authenticate',
  'x-accel-buffering',
  'x-content-type-options',
  'x-request-id',
]);

const OWN = /^(parlor|(x-)?ratelimit)-/;

/** The site as the browser knows it. */
export interface SiteAddress {
  readonly protocol: string;
  readonly host: string;
}

/**
 * Behind a proxy its words count, as they do for Next.js itself. Nothing but links back to this site
 * is made of it, for whoever asked.
 */
export function siteOf(request: Request): SiteAddress {
  const url = new URL(request.url);
  const protocol = first(request.headers.get('x-forwarded-proto')) ?? url.protocol.slice(0, -1);
  const host = first(request.headers.get('x-forwarded-host')) ?? request.headers.get('host') ?? url.host;
  return { protocol, host };
}

/** The first value of a header that proxies add to. */
function first(value: string | null): string | null {
  return value?.split(',')[0]?.trim() || null;
}

export function askedHeaders(request: Request, prefix: string, address: string | null): Headers {
  const headers = new Headers();
  for (const name of ASKED) {
    const value = request.headers.get(name);
    if (value !== null) headers.set(name, value);
  }
  const { protocol, host } = siteOf(request);
  headers.set('X-Forwarded-Proto', protocol);
  headers.set('X-Forwarded-Host', host);
  if (prefix !== '') headers.set('X-Forwarded-Prefix', prefix);
  if (address !== null) headers.set('X-Forwarded-For', address);
  // The site compresses for its own clients; `fetch` would undo it here first.
  headers.set('Accept-Encoding', 'identity');
  return headers;
}

export function answeredHeaders(answer: Response, isPublic: boolean): Headers {
  const headers = new Headers();
  for (const [name, value] of answer.headers) {
    if (ANSWERED.has(name) || OWN.test(name)) headers.set(name, value);
  }
  // Something between here and Parlor compressed all the same. `fetch` has undone it: this length is of something else.
  if (answer.headers.has('content-encoding')) headers.delete('content-length');
  // Other sites have nothing to do with it, and their pages would send this site's cookies along.
  headers.set('Cross-Origin-Resource-Policy', 'same-origin');
  // One address, but not the same for all.
  if (!isPublic) headers.append('Vary', 'Cookie');
  return headers;
}

/** A cookie of a request, as Next.js and the common libraries write them. */
export function cookieOf(request: Request, name: string): string | null {
  for (const pair of (request.headers.get('cookie') ?? '').split(';')) {
    const at = pair.indexOf('=');
    if (at < 0 || pair.slice(0, at).trim() !== name) continue;
    const value = pair.slice(at + 1).trim();
    try {
      return decodeURIComponent(value);
    } catch {
      return value;
    }
  }
  return null;
}
