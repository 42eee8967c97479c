import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ApiError, parseRetryAfter } from '../../src/errors.js';
import type { ThreadStreamEvent } from '../../src/protocol.js';
import { ChatKitClient, type ClientOptions } from '../../src/transport.js';

interface Sent {
  body: { type: string; params: Record<string, unknown>; metadata?: unknown };
  headers: Headers;
}
type Answer = Response | Error;

/** A server of prepared answers, which remembers what it was sent. */
function fakeServer(answers: Answer[], options: Partial<ClientOptions> = {}) {
  const sent: Sent[] = [];
  const slept: number[] = [];
  const client = new ChatKitClient({
    url: '/chatkit',
    fetch: async (_url, init) => {
      sent.push({ body: JSON.parse(String(init?.body)), headers: new Headers(init?.headers) });
      const answer = answers.shift();
      if (answer === undefined) throw new Error('The client sent more requests than the test prepared.');
      if (answer instanceof Error) throw answer;
      return answer;
    },
    sleep: async (ms) => void slept.push(ms),
    random: () => 0.5,
    ...options,
  });
  return { client, sent, slept };
}

/** A stream of text chunks; an Error in the list breaks it there. */
function stream(chunks: (string | Error)[], headers: Record<string, string> = {}): Response {
  const encoder = new TextEncoder();
  const left = [...chunks];
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const chunk = left.shift();
      if (chunk === undefined) controller.close();
      else if (chunk instanceof Error) controller.error(chunk);
      else controller.enqueue(encoder.encode(chunk));
    },
  });
  return new Response(body, { headers: { 'Content-Type': 'text/event-stream', ...headers } });
}

/** A stream of these pieces of bytes. */
function byteStream(chunks: Uint8Array[]): ReadableStream<Uint8Array> {
  const left = [...chunks];
  return new ReadableStream({
    pull(controller) {
      const chunk = left.shift();
      if (chunk === undefined) controller.close();
      else controller.enqueue(chunk);
    },
  });
}

const PARLOR = { 'Parlor-Protocol': '1', 'Parlor-Turn': 'turn_1' };
const frame = (id: number, event: object) => `id: ${id}\ndata: ${JSON.stringify(event)}\n\n`;
const progress = (text: string) => ({ type: 'progress_update', text });
const input = { content: [], attachments: [], inference_options: {} };

async function follow(client: ChatKitClient, params = { thread_id: 'thr_1', input }) {
  const events: ThreadStreamEvent[] = [];
  const reconnecting: boolean[] = [];
  const outcome = await client.stream('threads.add_user_message', params, {
    signal: new AbortController().signal,
    idempotencyKey: 'key_1',
    onEvents: (batch) => events.push(...batch),
    onReconnecting: (now) => reconnecting.push(now),
  });
  const texts = events.map((event) => (event.type === 'progress_update' ? event.text : event.type));
  return { outcome, texts, reconnecting };
}

describe('JSON requests', () => {
  it('carry the envelope metadata of the moment and return the body', async () => {
    let page = 1;
    const { client, sent } = fakeServer([Response.json({ data: [], has_more: false })], {
      metadata: () => ({ pageContext: { page: page++ } }),
    });
    const { body, turnId } = await client.request('threads.list', { limit: 5 });
    expect(body).toEqual({ data: [], has_more: false });
    expect(turnId).toBeNull();
    expect(sent[0]?.body).toEqual({
      type: 'threads.list',
      params: { limit: 5 },
      metadata: { pageContext: { page: 1 } },
    });
  });

  it('report the turn that runs in a thread and notice the protocol', async () => {
    const { client } = fakeServer([Response.json({ id: 'thr_1' }, { headers: PARLOR })]);
    expect(client.supportsTurns).toBe(false);
    const answer = await client.request('threads.get_by_id', { thread_id: 'thr_1' });
    expect(answer.turnId).toBe('turn_1');
    expect(client.supportsTurns).toBe(true);
  });

  it("turn the server's error into a typed one", async () => {
    const error = { code: 'rate_limited', message: 'Slow down.', request_id: 'req_9', field: 'limit' };
    const { client } = fakeServer([
      Response.json({ error }, { status: 429, headers: { 'Retry-After': '7' } }),
    ]);
    const failure = await client.request('threads.list', {}).catch((caught: unknown) => caught);
    expect(failure).toBeInstanceOf(ApiError);
    expect(failure).toMatchObject({
      status: 429,
      code: 'rate_limited',
      message: 'Slow down.',
      requestId: 'req_9',
      retryAfter: 7,
      field: 'limit',
      isTransient: true,
    });
  });

  it('never show the HTML of a proxy', async () => {
    const { client } = fakeServer([new Response('<h1>Bad Gateway</h1>', { status: 502 })]);
    await expect(client.request('threads.list', {})).rejects.toMatchObject({
      code: 'http_502',
      message: 'The server answered with status 502.',
    });
  });

  it('name what did not arrive at all, and what is not JSON', async () => {
    const { client } = fakeServer([new TypeError('Failed to fetch'), new Response('hello')]);
    await expect(client.request('threads.list', {})).rejects.toMatchObject({ code: 'network', status: 0 });
    await expect(client.request('threads.list', {})).rejects.toMatchObject({ code: 'bad_response' });
  });
});

describe('streams', () => {
  it('give their events in order and end as the closing comment says', async () => {
    for (const outcome of ['done', 'failed', 'stopped', 'interrupted']) {
      const { client, sent } = fakeServer([
        stream(
          [frame(1, progress('a')), `: keep-alive\n\n${frame(2, progress('b'))}`, `: end ${outcome}\n\n`],
          PARLOR,
        ),
      ]);
      expect(await follow(client)).toEqual({ outcome, texts: ['a', 'b'], reconnecting: [] });
      expect(sent[0]?.headers.get('idempotency-key')).toBe('key_1');
    }
  });

  it('survive any split of the bytes, and characters cut in two', async () => {
    const text = frame(1, progress('naïve 🦀')) + frame(2, progress('b')) + ': end done\n\n';
    const bytes = new TextEncoder().encode(text);
    for (let size = 1; size < 12; size++) {
      const chunks: Uint8Array[] = [];
      for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.slice(at, at + size));
      const { client } = fakeServer([new Response(byteStream(chunks), { headers: PARLOR })]);
      expect((await follow(client)).texts).toEqual(['naïve 🦀', 'b']);
    }
  });

  it('are the same however the bytes are cut, whatever stands between their events', async () => {
    const newline = fc.constantFrom('\n', '\r\n');
    const text = fc.string({ unit: 'grapheme', maxLength: 40 });
    // What a server or a proxy may put between events, and what must not be taken for one.
    const noise = fc.oneof(
      fc.constantFrom(
        ': keep-alive',
        'retry: 5',
        'event: message',
        'nonsense',
        'data: {oops',
        'data: 7',
        'id: x',
      ),
      text.map((comment) => `: ${comment.replace(/[\r\n]/g, ' ')}`),
      fc.nat(20_000).map((length) => `: ${'long '.repeat(length / 5)}`),
    );
    const part = fc.record({ text, before: fc.array(noise, { maxLength: 3 }), isSplit: fc.boolean() });
    const cuts = fc.array(fc.nat(4_000), { maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(part, { maxLength: 6 }),
        newline,
        cuts,
        fc.boolean(),
        async (parts, nl, cut, each) => {
          let sent = '';
          parts.forEach(({ text, before, isSplit }, index) => {
            for (const line of before) sent += line + nl + nl;
            // Data may stand in several lines, wherever JSON allows one.
            const data = JSON.stringify(progress(text));
            const at = data.indexOf(',') + 1;
            const lines = isSplit ? [data.slice(0, at), data.slice(at)] : [data];
            sent += [`id: ${index + 1}`, ...lines.map((line) => `data: ${line}`), '', ''].join(nl);
          });
          sent += `: end done${nl}${nl}`;
          const bytes = new TextEncoder().encode(sent);
          const ends = each
            ? Array.from(bytes.slice(0, 3_000), (_, at) => at + 1)
            : [...cut].sort((a, b) => a - b).map((at) => Math.min(at, bytes.length));
          const chunks = [...ends, bytes.length].map((end, at) =>
            bytes.slice(at === 0 ? 0 : ends[at - 1], end),
          );
          const { client } = fakeServer([new Response(byteStream(chunks), { headers: PARLOR })]);
          const texts = parts.map(({ text }) => text);
          expect(await follow(client)).toEqual({ outcome: 'done', texts, reconnecting: [] });
        },
      ),
      { numRuns: 150 },
    );
  });

  it('are given up when a server never ends a line', async () => {
    let sent = 0;
    const chunk = new TextEncoder().encode('x'.repeat(1024 * 1024));
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        sent++;
        controller.enqueue(chunk);
        if (sent === 200) controller.error(new Error('The client reads on and on.'));
      },
    });
    const { client } = fakeServer([new Response(body)]);
    expect(await follow(client)).toEqual({ outcome: 'lost', texts: [], reconnecting: [] });
    expect(sent).toBeLessThan(40);
  });

  it('skip data that is not an event', async () => {
    const { client } = fakeServer([
      stream(
        ['data: {oops\n\n', 'data: 7\n\n', 'data: {"a":1}\n\n', frame(1, progress('a')), ': end done\n\n'],
        PARLOR,
      ),
    ]);
    expect((await follow(client)).texts).toEqual(['a']);
  });

  it('resume where they were cut, without losing or repeating an event', async () => {
    const { client, sent, slept } = fakeServer([
      stream([frame(1, progress('a')), frame(2, progress('b')), new TypeError('network error')], PARLOR),
      new TypeError('Failed to fetch'),
      stream([frame(2, progress('b')), frame(3, progress('c'))], PARLOR),
      stream([frame(4, progress('d')), ': end done\n\n'], PARLOR),
    ]);
    const { outcome, texts, reconnecting } = await follow(client);
    expect(texts).toEqual(['a', 'b', 'c', 'd']);
    expect(outcome).toBe('done');
    expect(reconnecting).toEqual([true, false, true, false]);
    expect(sent.slice(1).map(({ body }) => body)).toEqual([
      { type: 'threads.resume', params: { thread_id: 'thr_1', after: 2, turn_id: 'turn_1' } },
      { type: 'threads.resume', params: { thread_id: 'thr_1', after: 2, turn_id: 'turn_1' } },
      { type: 'threads.resume', params: { thread_id: 'thr_1', after: 3, turn_id: 'turn_1' } },
    ]);
    expect(slept).toEqual([250, 500, 250]);
  });

  it('ask again with the same key when they were cut before the thread had a name', async () => {
    const { client, sent } = fakeServer([
      stream([new TypeError('network error')], PARLOR),
      stream([frame(1, progress('a')), ': end done\n\n'], PARLOR),
    ]);
    const events: ThreadStreamEvent[] = [];
    const outcome = await client.stream(
      'threads.create',
      { input },
      {
        signal: new AbortController().signal,
        idempotencyKey: 'key_7',
        onEvents: (batch) => events.push(...batch),
      },
    );
    expect(outcome).toBe('done');
    expect(events).toHaveLength(1);
    expect(sent.map(({ body }) => body.type)).toEqual(['threads.create', 'threads.create']);
    expect(sent[1]?.headers.get('idempotency-key')).toBe('key_7');
  });

  it('say whether the turn is gone, or nobody answered for long', async () => {
    const gone = fakeServer([
      stream([frame(1, progress('a'))], PARLOR),
      Response.json({ error: { code: 'no_running_turn', message: '' } }, { status: 404 }),
    ]);
    expect((await follow(gone.client)).outcome).toBe('gone');
    const dead = fakeServer([
      stream([frame(1, progress('a'))], PARLOR),
      ...Array.from({ length: 8 }, () => new TypeError('Failed to fetch')),
    ]);
    expect((await follow(dead.client)).outcome).toBe('lost');
    expect(dead.slept.length).toBe(8);
  });

  it('are not resumed at a server that did not announce it', async () => {
    const cut = fakeServer([
      stream(['data: {"type":"progress_update","text":"a"}\n\n', new TypeError('cut')]),
    ]);
    expect(await follow(cut.client)).toMatchObject({ outcome: 'lost', texts: ['a'] });
    const clean = fakeServer([stream(['data: {"type":"progress_update","text":"a"}\n\n'])]);
    expect(await follow(clean.client)).toMatchObject({ outcome: 'closed', texts: ['a'] });
    expect(clean.sent).toHaveLength(1);
  });

  it('reject with an abort when they are aborted in the middle', async () => {
    const abort = new AbortController();
    const encoder = new TextEncoder();
    const body = new ReadableStream({
      start: (controller) => controller.enqueue(encoder.encode(frame(1, progress('a')))),
    });
    const { client } = fakeServer([new Response(body, { headers: PARLOR })]);
    const running = client.stream(
      'threads.create',
      { input },
      {
        signal: abort.signal,
        onEvents: () => abort.abort(),
      },
    );
    await expect(running).rejects.toMatchObject({ name: 'AbortError' });
  });
});

describe('Retry-After', () => {
  it('is read as seconds or as a date', () => {
    const now = Date.parse('2026-01-01T00:00:00Z');
    expect(parseRetryAfter('12', now)).toBe(12);
    expect(parseRetryAfter('Thu, 01 Jan 2026 00:00:30 GMT', now)).toBe(30);
    expect(parseRetryAfter('Wed, 31 Dec 2025 00:00:00 GMT', now)).toBe(0);
    expect(parseRetryAfter('soon', now)).toBeUndefined();
    expect(parseRetryAfter(null, now)).toBeUndefined();
  });
});
