// @vitest-environment node
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  type ChatKitHandlerOptions,
  createChatKitHandler,
  type TokenRequest,
} from '../../src/server/index.js';

const SITE = 'https://site.example';
const PARLOR = 'http://parlor.internal:8000';

interface Sent {
  url: string;
  method: string | undefined;
  headers: Headers;
  body: unknown;
}

/** A handler before a `fetch` that answers with these, one after another, and what it was asked. */
function handled(options: Partial<ChatKitHandlerOptions> = {}, ...answers: (Response | Error)[]) {
  const sent: Sent[] = [];
  const fetch = vi.fn(async (input: RequestInfo | URL, init: RequestInit = {}) => {
    const { body } = init;
    sent.push({
      url: String(input),
      method: init.method,
      headers: new Headers(init.headers),
      body: body instanceof Uint8Array ? new TextDecoder().decode(body) : body,
    });
    const answer = answers[sent.length - 1] ?? Response.json({});
    if (answer instanceof Error) throw answer;
    return answer;
  });
  const errors: Error[] = [];
  const given = {
    server: PARLOR,
    onError: (error: Error) => errors.push(error),
    fetch: fetch as typeof globalThis.fetch,
  };
  const routes = createChatKitHandler({
    ...given,
    ...('token' in options || options.anonymous || options.headers ? {} : { cookie: 'token' }),
    ...options,
  });
  return { sent, errors, answer: routes.POST };
}

/** What a browser sends from a page of the site where somebody has signed in. */
function request(path: string, init: RequestInit = {}): Request {
  const headers = new Headers({
    host: 'site.example',
    'sec-fetch-site': 'same-origin',
    cookie: 'theme=dark; token=abc.def',
  });
  for (const [name, value] of new Headers(init.headers)) headers.set(name, value);
  if (typeof init.body === 'string') headers.set('content-length', String(init.body.length));
  return new Request(`${SITE}${path}`, { method: 'POST', ...init, headers });
}

const asked = () => request('/api/parlor/chatkit', { body: '{"type":"threads.list"}' });

async function errorOf(response: Response): Promise<[number, string]> {
  const { error } = (await response.json()) as {
    error: { code: string; message: string; request_id: string };
  };
  expect(error.message).not.toBe('');
  expect(error.request_id).toMatch(/^req_[0-9a-f]{32}$/);
  expect(response.headers.get('x-request-id')).toBe(error.request_id);
  return [response.status, error.code];
}

describe('what is passed on', () => {
  it('has the token of the cookie, and the path at Parlor', async () => {
    const { sent, answer } = handled();
    expect((await answer(asked())).status).toBe(200);
    expect(sent).toHaveLength(1);
    expect(sent[0]).toMatchObject({
      url: `${PARLOR}/chatkit`,
      method: 'POST',
      body: '{"type":"threads.list"}',
    });
    expect(sent[0]?.headers.get('authorization')).toBe('Bearer abc.def');
  });

  it('has no cookie of the site, no other login, and nothing that names a user', async () => {
    const { sent, answer } = handled();
    await answer(
      request('/api/parlor/chatkit', {
        body: '{}',
        headers: {
          authorization: 'Basic eA==',
          'x-user-id': 'linus',
          'x-tenant-id': 'acme',
          'x-parlor-proxy-secret': 'guess',
          'x-csrf-token': 'x',
        },
      }),
    );
    expect([...(sent[0]?.headers.keys() ?? [])]).toEqual([
      'accept-encoding',
      'authorization',
      'content-type',
      'x-forwarded-host',
      'x-forwarded-prefix',
      'x-forwarded-proto',
    ]);
    expect(sent[0]?.headers.get('authorization')).toBe('Bearer abc.def');
  });

  it('has the headers of the protocol', async () => {
    const headers = {
      'content-type': 'application/json',
      accept: 'text/event-stream',
      'idempotency-key': 'k1',
      'last-event-id': '7',
      'parlor-protocol': '1',
      'x-request-id': 'r1',
      traceparent: '00-1-2-01',
      'x-forwarded-for': '203.0.113.7',
    };
    const { sent, answer } = handled();
    await answer(request('/api/parlor/chatkit', { body: '{}', headers }));
    expect(Object.fromEntries(sent[0]?.headers ?? [])).toMatchObject(headers);
  });

  it('says where the site is, so that links lead back', async () => {
    const { sent, answer } = handled();
    await answer(asked());
    await answer(
      request('/chatkit', {
        body: '{}',
        headers: { 'x-forwarded-proto': 'http, https', 'x-forwarded-host': 'shop.example, inner' },
      }),
    );
    const of = (index: number) =>
      ['proto', 'host', 'prefix'].map((name) => sent[index]?.headers.get(`x-forwarded-${name}`));
    expect(of(0)).toEqual(['https', 'site.example', '/api/parlor']);
    expect(of(1)).toEqual(['http', 'shop.example', null]);
  });

  it('keeps the path of a Parlor that has one, and the signature of a link', async () => {
    const { sent, answer } = handled({ server: 'https://example.com/chat/' });
    await answer(request('/x/files/atc_1/preview?exp=1&sig=a%2Bb', { method: 'GET' }));
    expect(sent[0]?.url).toBe('https://example.com/chat/files/atc_1/preview?exp=1&sig=a%2Bb');
  });

  it('says for whom it asks as the site knows it', async () => {
    const { sent, answer } = handled({ clientAddress: (of) => of.headers.get('cf-connecting-ip') });
    await answer(
      request('/chatkit', {
        body: '{}',
        headers: { 'x-forwarded-for': '6.6.6.6', 'cf-connecting-ip': '203.0.113.9' },
      }),
    );
    expect(sent[0]?.headers.get('x-forwarded-for')).toBe('203.0.113.9');
  });

  it('may be said by headers alone, which the page cannot set', async () => {
    const { sent, answer } = handled({
      headers: (of) =>
        of.headers.get('cookie')?.includes('token')
          ? { 'X-User-ID': 'ada', 'X-Parlor-Proxy-Secret': 's' }
          : null,
    });
    await answer(request('/chatkit', { body: '{}', headers: { 'x-user-id': 'linus' } }));
    expect(sent[0]?.headers.get('x-user-id')).toBe('ada');
    expect(sent[0]?.headers.get('x-parlor-proxy-secret')).toBe('s');
    expect(await errorOf(await answer(request('/chatkit', { body: '{}', headers: { cookie: '' } })))).toEqual(
      [401, 'login_required'],
    );
    expect(sent).toHaveLength(1);
  });
});

describe('what is answered', () => {
  it('has the headers that the chat needs, and none for the whole site', async () => {
    const { answer } = handled(
      {},
      new Response('{}', {
        status: 429,
        headers: {
          'content-type': 'application/json',
          'retry-after': '3',
          'parlor-protocol': '1',
          'parlor-turn': 'trn_1',
          'x-request-id': 'req_1',
          'set-cookie': 'parlor_visitor=x; Path=/',
          'access-control-allow-origin': '*',
          'clear-site-data': '"*"',
          'strict-transport-security': 'max-age=1',
          connection: 'x-secret',
          'x-secret': 'hop',
        },
      }),
    );
    const response = await answer(asked());
    expect(response.status).toBe(429);
    expect(Object.fromEntries(response.headers)).toEqual({
      'content-type': 'application/json',
      'retry-after': '3',
      'parlor-protocol': '1',
      'parlor-turn': 'trn_1',
      'x-request-id': 'req_1',
      'cross-origin-resource-policy': 'same-origin',
      vary: 'Cookie',
    });
  });

  it('has no length that was counted before it was decompressed', async () => {
    const headers = { 'content-encoding': 'gzip', 'content-length': '3' };
    const response = await handled({}, new Response('longer', { headers })).answer(asked());
    expect(response.headers.has('content-encoding')).toBe(false);
    expect(response.headers.has('content-length')).toBe(false);
    expect(await response.text()).toBe('longer');
  });

  it('is not looked for elsewhere', async () => {
    const elsewhere = new Response(null, { status: 307, headers: { location: 'https://evil.example/' } });
    const { sent, errors, answer } = handled({}, elsewhere);
    expect(await errorOf(await answer(asked()))).toEqual([502, 'bad_gateway']);
    expect(sent).toHaveLength(1);
    expect(errors).toHaveLength(1);
  });

  it('says that Parlor is away, and not where it is', async () => {
    const { errors, answer } = handled({}, new TypeError('fetch failed: ECONNREFUSED parlor.internal'));
    const response = await answer(asked());
    const text = await response.clone().text();
    expect(text).not.toContain('internal');
    expect(await errorOf(response)).toEqual([502, 'bad_gateway']);
    expect(String(errors[0]?.cause)).toContain('ECONNREFUSED');
  });
});

describe('who may ask', () => {
  it.each(['theme=dark', '', 'token=', 'token=a%20b', 'token=a%0d%0aX-User-ID:%20linus', 'token2=abc'])(
    'nobody, with the cookies “%s”: Parlor is not asked',
    async (cookie) => {
      const { sent, answer } = handled();
      expect(
        await errorOf(await answer(request('/api/parlor/chatkit', { body: '{}', headers: { cookie } }))),
      ).toEqual([401, 'login_required']);
      expect(sent).toEqual([]);
    },
  );

  it.each([
    [{ 'sec-fetch-site': 'cross-site' }],
    [{ 'sec-fetch-site': 'same-site' }],
    [{ 'sec-fetch-site': 'none' }],
    [{ 'sec-fetch-site': 'cross-site', origin: SITE }],
    [{ 'sec-fetch-site': '', origin: SITE }],
  ])('no page of another site: %o', async (headers) => {
    const { sent, answer } = handled();
    expect(await errorOf(await answer(request('/api/parlor/chatkit', { body: '{}', headers })))).toEqual([
      403,
      'forbidden',
    ]);
    expect(sent).toEqual([]);
  });

  it.each([
    [undefined, 403],
    ['null', 403],
    ['https://evil.example', 403],
    ['https://site.example.evil.example', 403],
    ['https://site.example:8443', 403],
    [SITE, 200],
  ])('where the browser does not say the site, the origin counts: %s', async (origin, status) => {
    const { answer } = handled();
    const from = request('/api/parlor/chatkit', { body: '{}' });
    from.headers.delete('sec-fetch-site');
    if (origin !== undefined) from.headers.set('origin', origin);
    expect((await answer(from)).status).toBe(status);
  });

  it('anybody, for the scripts; they are asked for without cookies and tokens', async () => {
    const { sent, answer } = handled();
    for (const path of ['chatkit.js', 'widget.js', 'chunks/ar-Duys1NuS.js']) {
      await answer(
        request(`/api/parlor/${path}`, {
          method: 'GET',
          headers: { cookie: '', 'sec-fetch-site': 'cross-site' },
        }),
      );
    }
    expect(sent.map(({ url }) => url)).toEqual(
      ['chatkit.js', 'widget.js', 'chunks/ar-Duys1NuS.js'].map((path) => `${PARLOR}/${path}`),
    );
    await answer(request('/api/parlor/chatkit.js', { method: 'GET' }));
    expect(sent.at(-1)?.headers.has('authorization')).toBe(false);
  });

  it('visitors, where that is allowed: their cookie goes through, and no other', async () => {
    const headers: [string, string][] = [
      ['set-cookie', 'parlor_visitor=new; HttpOnly; Path=/'],
      ['set-cookie', 'parlor_session=x; Path=/'],
    ];
    const { sent, answer } = handled({ anonymous: true }, new Response('{}', { headers }));
    const response = await answer(
      request('/chatkit', { body: '{}', headers: { cookie: 'a=b; parlor_visitor=old%3D; c=d' } }),
    );
    expect(sent[0]?.headers.get('cookie')).toBe('parlor_visitor=old%3D');
    expect(sent[0]?.headers.has('authorization')).toBe(false);
    expect(response.headers.getSetCookie()).toEqual(['parlor_visitor=new; HttpOnly; Path=/']);
  });

  it('is asked anew when Parlor refuses a token, once', async () => {
    const tokens: TokenRequest[] = [];
    const token = (of: TokenRequest) => {
      tokens.push(of);
      return of.refused ? 'new' : 'old';
    };
    const refusal = () => new Response('{"error":{}}', { status: 401 });
    const { sent, answer } = handled({ token }, refusal(), Response.json({ ok: true }), refusal(), refusal());
    expect(await (await answer(asked())).json()).toEqual({ ok: true });
    expect(sent.map(({ headers, body }) => [headers.get('authorization'), body])).toEqual([
      ['Bearer old', '{"type":"threads.list"}'],
      ['Bearer new', '{"type":"threads.list"}'],
    ]);
    expect(tokens.map(({ refused }) => refused)).toEqual([false, true]);
    expect((await answer(asked())).status).toBe(401);
    expect(sent).toHaveLength(4);
  });

  it('is not asked for ever: the same token, or none, ends it', async () => {
    for (const second of ['old', null]) {
      const token = ({ refused }: TokenRequest) => (refused ? second : 'old');
      const { sent, answer } = handled(
        { token },
        new Response('{"error":{"code":"unauthorized"}}', { status: 401 }),
      );
      const response = await answer(asked());
      expect([response.status, sent.length]).toEqual([401, 1]);
      expect(await response.json()).toEqual({ error: { code: 'unauthorized' } });
    }
  });

  it('must be said, when the handler is made', () => {
    expect(() => createChatKitHandler({})).toThrow(/`cookie`, `token` or `headers`/);
    for (const server of ['parlor:8000', 'ftp://parlor', '/chat', 'https://parlor/?x']) {
      expect(() => createChatKitHandler({ server, cookie: 'token' })).toThrow(server);
    }
  });
});

describe('addresses', () => {
  it.each([
    ['GET', '/chatkit', 405],
    ['PUT', '/files', 405],
    ['POST', '/files/atc_1', 405],
    ['DELETE', '/files/atc_1', 405],
    ['POST', '/chatkit.js', 405],
    ['POST', '/', 404],
    ['GET', '/auth/login', 404],
    ['GET', '/metrics', 404],
    ['GET', '/files/a/b', 404],
    ['GET', '/files/a%2Fb', 404],
    ['GET', '/files/%2e%2e/preview', 404],
    ['GET', '/chunks/..%2fmetrics', 404],
    ['GET', '/chunks/..', 404],
    ['GET', '/chunks/.env', 404],
    ['GET', '/chatkit.js/x', 404],
    ['GET', '/chatkit%2ejs', 404],
    ['GET', '/chatkitxjs', 404],
  ])('%s %s is %i, and nobody is asked', async (method, path, status) => {
    const { sent, answer } = handled();
    const response = await answer(request(`/api/parlor${path}`, { method }));
    expect(response.status).toBe(status);
    expect(sent).toEqual([]);
    if (status === 405) expect(response.headers.get('allow')).not.toBe(null);
  });

  it('whatever is asked for, only Parlor is asked, and only for what is known', async () => {
    const piece = fc.oneof(
      fc.constantFrom(
        'chatkit',
        'files',
        'preview',
        'chunks',
        'chatkit.js',
        'widget.js',
        '.',
        '..',
        '%2e%2e',
        '%2f',
        '\\',
        '//',
        '@evil.example',
        ':80',
        '?',
        '#',
        'a',
      ),
      fc.webPath(),
      fc.string({ unit: 'binary', maxLength: 8 }),
    );
    const known =
      /^http:\/\/parlor\.internal:8000\/base\/(chatkit|chatkit\.js|widget\.js|files|files\/[\w-]+(\/preview)?|chunks\/[\w-][\w.-]*)$/;
    await fc.assert(
      fc.asyncProperty(
        fc.array(piece, { maxLength: 6 }),
        fc.constantFrom('GET', 'POST', 'PUT'),
        async (pieces, method) => {
          const url = `${SITE}/${pieces.join('/')}`;
          if (!URL.canParse(url)) return;
          const { sent, answer } = handled({ server: `${PARLOR}/base` });
          const path = url.slice(SITE.length);
          await answer(request(path, method === 'GET' ? { method } : { method, body: '{}' }));
          for (const { url: at, headers } of sent) {
            expect(at.split('?')[0]).toMatch(known);
            // As the server reads it, too.
            expect(new URL(at).href).toBe(at);
            expect(headers.get('x-forwarded-host')).toBe('site.example');
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('over a network', () => {
  let parlor: Server;

  /** A server in Parlor's place, and the handler before it. */
  async function before(
    play: (asked: IncomingMessage, answer: ServerResponse) => void,
    options: Partial<ChatKitHandlerOptions> = {},
  ) {
    parlor = createServer(play);
    await new Promise<void>((resolve) => parlor.listen(0, '127.0.0.1', resolve));
    const server = `http://127.0.0.1:${(parlor.address() as AddressInfo).port}`;
    return createChatKitHandler({ server, cookie: 'token', onError: () => undefined, ...options }).POST;
  }
  afterEach(() => {
    parlor.closeAllConnections();
    parlor.close();
  });

  it('an answer comes as it is written', async () => {
    let more = (): void => undefined;
    const answer = await before((_, out) => {
      out.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache, no-transform' });
      out.write('data: 1\n\n');
      more = () => out.end('data: 2\n\n');
    });
    const response = await answer(asked());
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    const read = async () => new TextDecoder().decode((await reader.read()).value);
    expect(await read()).toBe('data: 1\n\n');
    // Only now is there a second one to be had.
    more();
    expect(await read()).toBe('data: 2\n\n');
    expect(response.headers.get('cache-control')).toBe('no-cache, no-transform');
  });

  it('an upload goes as it comes, with its length', async () => {
    const arrived: string[] = [];
    let first = (): void => undefined;
    const firstArrived = new Promise<void>((resolve) => {
      first = resolve;
    });
    const answer = await before((incoming, out) => {
      incoming.on('data', (piece: Buffer) => {
        arrived.push(piece.toString());
        first();
      });
      incoming.on('end', () => out.end(incoming.headers['content-length']));
    });
    const size = 2 * 1024 * 1024;
    const body = new ReadableStream<Uint8Array>({
      async start(controller) {
        controller.enqueue(new TextEncoder().encode('begin'));
        // The rest is not there before the beginning has arrived: nobody has waited for the whole.
        await firstArrived;
        controller.enqueue(new Uint8Array(size - 5));
        controller.close();
      },
    });
    const init = {
      method: 'PUT',
      body,
      duplex: 'half',
      headers: { 'content-length': String(size) },
    } as RequestInit;
    const response = await answer(request('/api/parlor/files/atc_1?sig=1', init));
    expect(await response.text()).toBe(String(size));
    expect(arrived[0]).toBe('begin');
  });

  it('who gives up ends the request to Parlor', async () => {
    const closed = new Promise<void>((resolve) => {
      void before((_, out) => {
        out.on('close', resolve);
        out.writeHead(200);
        out.write('data: 1\n\n');
      }).then(async (answer) => {
        const gone = new AbortController();
        const response = await answer(request('/api/parlor/chatkit', { body: '{}', signal: gone.signal }));
        await response.body?.getReader().read();
        gone.abort();
      });
    });
    await closed;
  });

  it('who gives up before the answer gets none, and nobody is told of an error', async () => {
    const gone = new AbortController();
    const onError = vi.fn();
    const answer = await before(() => gone.abort(), { onError });
    const response = await answer(request('/api/parlor/chatkit', { body: '{}', signal: gone.signal }));
    expect(response.status).toBe(499);
    expect(onError).not.toHaveBeenCalled();
  });

  it('a Parlor that says nothing is not waited for', async () => {
    const answer = await before(() => undefined, { timeoutMs: 20 });
    expect(await errorOf(await answer(asked()))).toEqual([504, 'gateway_timeout']);
  });

  it('a file that has not changed is not sent again', async () => {
    const answer = await before((incoming, out) => {
      out.writeHead(incoming.headers['if-none-match'] === '"1"' ? 304 : 200, { etag: '"1"' }).end();
    });
    const response = await answer(
      request('/api/parlor/chatkit.js', { method: 'GET', headers: { 'if-none-match': '"1"' } }),
    );
    expect([response.status, response.headers.get('etag'), response.body]).toEqual([304, '"1"', null]);
  });
});
