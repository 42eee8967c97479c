import { describe, expect, it, vi } from 'vitest';
import type { ThreadItem, ThreadStreamEvent, UserMessageItem } from '../../src/protocol.js';
import { ChatSession, type ChatSessionOptions, type SessionEvent } from '../../src/session.js';
import { ChatKitClient } from '../../src/transport.js';

interface Call {
  type: string;
  params: Record<string, unknown>;
  key: string | null;
  respond(answer: Response | Error): void;
}

/** A server that a test answers by hand, request by request. */
function setup(options: Partial<ChatSessionOptions> = {}) {
  const calls: Call[] = [];
  const waiting: ((call: Call) => void)[] = [];
  const client = new ChatKitClient({
    url: '/chatkit',
    sleep: () => Promise.resolve(),
    fetch: (_url, init) =>
      new Promise((resolve, reject) => {
        const body = JSON.parse(String(init?.body)) as { type: string; params: Record<string, unknown> };
        init?.signal?.addEventListener('abort', () => reject(init.signal?.reason as Error));
        const call: Call = {
          ...body,
          key: new Headers(init?.headers).get('idempotency-key'),
          respond: (answer) => (answer instanceof Error ? reject(answer) : resolve(answer)),
        };
        const next = waiting.shift();
        if (next === undefined) calls.push(call);
        else next(call);
      }),
  });
  const events: SessionEvent[] = [];
  const session = new ChatSession({
    client,
    onEvent: (event) => {
      if (event.type !== 'log') events.push(event);
    },
    schedule: (callback) => callback(),
    now: () => 1_000_000,
    ...options,
  });
  const next = (type: string): Promise<Call> =>
    new Promise<Call>((resolve) => {
      const call = calls.shift();
      if (call === undefined) waiting.push(resolve);
      else resolve(call);
    }).then((call) => {
      expect(call.type).toBe(type);
      return call;
    });
  return { session, events, next, calls, names: () => events.map((event) => event.type) };
}

/** A stream that a test feeds. */
function openStream(headers: Record<string, string> = { 'Parlor-Protocol': '1', 'Parlor-Turn': 'turn_1' }) {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const body = new ReadableStream<Uint8Array>({
    start: (started) => {
      controller = started;
    },
  });
  const encoder = new TextEncoder();
  let id = 0;
  const write = (text: string) => controller?.enqueue(encoder.encode(text));
  return {
    response: new Response(body, { headers }),
    send: (...events: object[]) => {
      for (const event of events) write(`id: ${++id}\ndata: ${JSON.stringify(event)}\n\n`);
    },
    end: (outcome: string | null) => {
      if (outcome !== null) write(`: end ${outcome}\n\n`);
      controller?.close();
    },
  };
}

const base = { thread_id: 'thr_1', created_at: '2026-01-01T00:00:00Z' };
const question = (id = 'q1', text = 'Hi'): UserMessageItem => ({
  ...base,
  id,
  type: 'user_message',
  content: [{ type: 'input_text', text }],
  attachments: [],
  inference_options: {},
});
const answer = (id: string, text: string): ThreadItem => ({
  ...base,
  id,
  type: 'assistant_message',
  content: [{ type: 'output_text', text, annotations: [] }],
});
const done = (item: ThreadItem): ThreadStreamEvent => ({ type: 'thread.item.done', item });
const added = (item: ThreadItem): ThreadStreamEvent => ({ type: 'thread.item.added', item });
const thread = {
  id: 'thr_1',
  created_at: base.created_at,
  status: { type: 'active' as const },
  metadata: {},
  items: { data: [], has_more: false },
};
const created: ThreadStreamEvent = { type: 'thread.created', thread };
const hi = { content: [{ type: 'input_text' as const, text: 'Hi' }] };
const ids = (session: ChatSession) => session.state.thread.items.map((item) => item.id);
const errorBody = (status: number, code: string, headers = {}) =>
  Response.json({ error: { code, message: code } }, { status, headers });

async function openThread(context: ReturnType<typeof setup>, items: ThreadItem[], headers = {}) {
  const opened = context.session.open('thr_1');
  (await context.next('threads.get_by_id')).respond(Response.json(thread, { headers }));
  (await context.next('items.list')).respond(
    Response.json({ data: [...items].reverse(), has_more: false }, { headers }),
  );
  await opened;
}

describe('sending', () => {
  it('shows the message at once, names the new thread and follows the answer to its end', async () => {
    const { session, next, names } = setup();
    const sent = session.submit(hi);
    expect(session.state).toMatchObject({ turn: 'sending', pending: { failed: false } });
    const stream = openStream();
    const call = await next('threads.create');
    expect(call.params).toMatchObject({ input: { content: hi.content, attachments: [] } });
    call.respond(stream.response);
    stream.send(created, done(question()), added(answer('a1', 'Hel')));
    await expect.poll(() => ids(session)).toEqual(['q1', 'a1']);
    expect(session.state).toMatchObject({ turn: 'streaming', pending: null, threadId: 'thr_1' });
    stream.send(done(answer('a1', 'Hello')));
    stream.end('done');
    await sent;
    expect(session.state).toMatchObject({ turn: null, banner: null });
    expect(names()).toEqual(['response.start', 'thread.change', 'response.end']);
  });

  it('refuses a second message while an answer is being written', async () => {
    const { session, next } = setup();
    void session.submit(hi);
    await next('threads.create');
    await expect(session.submit(hi)).rejects.toThrow('still being written');
  });

  it('keeps a message that was not sent, and repeats it with the same key', async () => {
    const { session, next } = setup();
    const sent = session.submit(hi);
    const first = await next('threads.create');
    first.respond(new TypeError('Failed to fetch'));
    await sent;
    expect(session.state).toMatchObject({
      turn: null,
      pending: { failed: true },
      banner: { code: 'network', canRetry: true },
    });
    const again = session.retry();
    const second = await next('threads.create');
    expect(second.key).toBe(first.key);
    const stream = openStream();
    second.respond(stream.response);
    stream.send(created, done(question()));
    stream.end('done');
    await again;
    expect(session.state).toMatchObject({ pending: null, banner: null });
  });

  it('gives an unsent message back when its error is dismissed', async () => {
    const { session, next } = setup();
    const sent = session.submit(hi);
    (await next('threads.create')).respond(errorBody(413, 'too_large'));
    await sent;
    expect(session.state.banner).toMatchObject({ code: 'too_large', canRetry: false });
    expect(session.dismissBanner()).toEqual(hi);
    expect(session.state).toMatchObject({ pending: null, banner: null });
  });

  it('says once when an answer was taken back, and not when a retry replaces one', async () => {
    const context = setup();
    const { session, next, names } = context;
    const sending = session.submit(hi);
    const call = await next('threads.create');
    const stream = openStream();
    call.respond(stream.response);
    stream.send(
      created,
      done(question()),
      added(answer('a1', 'Half')),
      done(answer('a1', 'Half')),
      added(answer('a2', 'More')),
    );
    stream.send(
      { type: 'thread.item.removed', item_id: 'a2' },
      { type: 'thread.item.removed', item_id: 'a1' },
    );
    stream.send(done(answer('a3', 'I took it back.')));
    stream.end('done');
    await sending;
    expect(ids(session)).toEqual(['q1', 'a3']);
    expect(names().filter((name) => name === 'response.removed')).toHaveLength(1);
    const again = session.retryAfter('a3');
    const retry = await next('threads.retry_after_item');
    const second = openStream();
    retry.respond(second.response);
    second.send(
      { type: 'thread.item.removed', item_id: 'a3' },
      added(answer('a4', 'Good')),
      done(answer('a4', 'Good')),
    );
    second.end('done');
    await again;
    expect(ids(session)).toEqual(['q1', 'a4']);
    expect(names().filter((name) => name === 'response.removed')).toHaveLength(1);
  });

  it('says when a retry is welcome again', async () => {
    const { session, next } = setup();
    const sent = session.submit(hi);
    (await next('threads.create')).respond(errorBody(429, 'rate_limited', { 'Retry-After': '12' }));
    await sent;
    expect(session.state.banner).toMatchObject({ canRetry: true, retryAt: 1_012_000 });
  });
});

describe('a failed answer', () => {
  it('keeps its partial text and can be retried from the question', async () => {
    const context = setup();
    const { session, next } = context;
    await openThread(context, [question('q1'), answer('a0', 'old')]);
    const sent = session.submit(hi);
    const stream = openStream();
    (await next('threads.add_user_message')).respond(stream.response);
    stream.send(done(question('q2')), added(answer('a1', 'par')), {
      type: 'error',
      code: 'custom',
      message: 'The model is gone.',
      allow_retry: true,
      reason: 'model.down',
      request_id: 'req_1',
    });
    stream.end('failed');
    await sent;
    expect(ids(session)).toEqual(['q1', 'a0', 'q2', 'a1']);
    expect(session.state.thread.streaming.size).toBe(0);
    expect(session.state.banner).toMatchObject({
      message: 'The model is gone.',
      code: 'model.down',
      requestId: 'req_1',
      canRetry: true,
    });

    const again = session.retry();
    const retry = await next('threads.retry_after_item');
    expect(retry.params).toEqual({ thread_id: 'thr_1', item_id: 'q2' });
    // The old text stays until the new answer begins.
    expect(ids(session)).toContain('a1');
    const second = openStream();
    retry.respond(second.response);
    second.send(added(answer('a2', '')), done(answer('a2', 'better')));
    second.end('done');
    await again;
    expect(ids(session)).toEqual(['q1', 'a0', 'q2', 'a2']);
  });

  it('leaves the old answer when its retry is refused', async () => {
    const context = setup();
    const { session, next } = context;
    await openThread(context, [question('q1'), answer('a1', 'old')]);
    const again = session.retryAfter('a1');
    (await next('threads.retry_after_item')).respond(errorBody(503, 'unavailable'));
    await again;
    expect(ids(session)).toEqual(['q1', 'a1']);
    expect(session.state.banner?.canRetry).toBe(true);
  });
});

describe('stopping', () => {
  it('asks a server that keeps turns to stop, and follows until it says so', async () => {
    const { session, next } = setup();
    const sent = session.submit(hi);
    const stream = openStream();
    (await next('threads.create')).respond(stream.response);
    stream.send(created, done(question()), added(answer('a1', 'partial')));
    await expect.poll(() => ids(session)).toContain('a1');
    const stopped = session.stop();
    expect(session.state.turn).toBe('stopping');
    const call = await next('threads.stop');
    expect(call.params).toEqual({ thread_id: 'thr_1' });
    call.respond(Response.json({ stopped: true }));
    stream.send(done(answer('a1', 'partial')));
    stream.end('stopped');
    await Promise.all([sent, stopped]);
    expect(session.state).toMatchObject({ turn: null, banner: null });
  });

  it('closes the connection of any other server, and keeps what it does not know', async () => {
    const { session, next } = setup();
    const sent = session.submit(hi);
    const stream = openStream({});
    (await next('threads.create')).respond(stream.response);
    stream.send(created, done(question()), added(answer('a1', 'partial')));
    await expect.poll(() => ids(session)).toContain('a1');
    void session.stop();
    (await next('threads.get_by_id')).respond(Response.json(thread));
    (await next('items.list')).respond(Response.json({ data: [question()], has_more: false }));
    await sent;
    expect(ids(session)).toEqual(['q1', 'a1']);
    expect(session.state).toMatchObject({ turn: null, pending: null });
  });
});

describe('opening', () => {
  it('reads the newest page, oldest first, and pages backwards', async () => {
    const { session, next, names } = setup();
    const opened = session.open('thr_1');
    expect(session.state.loading).toBe(true);
    (await next('threads.get_by_id')).respond(Response.json({ ...thread, title: 'T' }));
    const list = await next('items.list');
    expect(list.params).toMatchObject({ order: 'desc' });
    list.respond(Response.json({ data: [answer('a2', ''), question('q2')], has_more: true, after: 'q2' }));
    await opened;
    expect(ids(session)).toEqual(['q2', 'a2']);
    const older = session.loadOlder();
    void session.loadOlder();
    const page = await next('items.list');
    expect(page.params).toMatchObject({ after: 'q2' });
    page.respond(Response.json({ data: [answer('a1', ''), question('q1')], has_more: false }));
    await older;
    expect(ids(session)).toEqual(['q1', 'a1', 'q2', 'a2']);
    expect(session.state.older.hasMore).toBe(false);
    expect(names()).toEqual(['thread.change', 'thread.load.start', 'thread.load.end']);
  });

  it('sends what is written meanwhile when the thread is there, and keeps both', async () => {
    const { session, next, names } = setup();
    const opened = session.open('thr_1');
    const read = await next('threads.get_by_id');
    const list = await next('items.list');
    const sent = session.submit(hi);
    expect(session.state).toMatchObject({ turn: 'sending', loading: true });
    await expect(session.submit(hi)).rejects.toThrow('still being written');
    read.respond(Response.json(thread));
    list.respond(Response.json({ data: [answer('a1', 'old'), question('q1')], has_more: false }));
    await opened;
    const call = await next('threads.add_user_message');
    expect(call.params).toMatchObject({ thread_id: 'thr_1' });
    expect(session.state.pending?.failed).toBe(false);
    const stream = openStream();
    call.respond(stream.response);
    stream.send(done(question('q2')), done(answer('a2', 'new')));
    stream.end('done');
    await sent;
    expect(ids(session)).toEqual(['q1', 'a1', 'q2', 'a2']);
    expect(session.state).toMatchObject({ turn: null, pending: null, banner: null });
    expect(names()).toEqual([
      'thread.change',
      'thread.load.start',
      'thread.load.end',
      'response.start',
      'response.end',
    ]);
  });

  it('sends what is written meanwhile also when the thread could not be loaded', async () => {
    const { session, next } = setup();
    const opened = session.open('thr_1');
    const read = await next('threads.get_by_id');
    await next('items.list');
    const sent = session.submit(hi);
    read.respond(errorBody(503, 'unavailable'));
    await opened;
    (await next('threads.add_user_message')).respond(errorBody(404, 'not_found'));
    await sent;
    expect(session.state).toMatchObject({ turn: null, loadError: null, pending: { failed: true } });
    expect(session.state.banner?.code).toBe('not_found');
  });

  it('sends what is written meanwhile there, also when another thread is opened', async () => {
    const { session, next, calls } = setup();
    void session.open('thr_1');
    await next('threads.get_by_id');
    await next('items.list');
    const sent = session.submit(hi);
    const other = session.open('thr_2');
    (await next('threads.get_by_id')).respond(Response.json({ ...thread, id: 'thr_2' }));
    (await next('items.list')).respond(Response.json({ data: [question('q9')], has_more: false }));
    const call = await next('threads.add_user_message');
    expect(call.params).toMatchObject({ thread_id: 'thr_1' });
    const stream = openStream();
    call.respond(stream.response);
    stream.send(done(question('q2')));
    stream.end('done');
    await Promise.all([sent, other]);
    expect(calls).toEqual([]);
    expect(session.state).toMatchObject({ threadId: 'thr_2', turn: null, pending: null });
    expect(ids(session)).toEqual(['q9']);
  });

  it('pages backwards also when a message was sent in between', async () => {
    const { session, next } = setup();
    const opened = session.open('thr_1');
    (await next('threads.get_by_id')).respond(Response.json(thread));
    (await next('items.list')).respond(
      Response.json({ data: [question('q2')], has_more: true, after: 'q2' }),
    );
    await opened;
    const older = session.loadOlder();
    await next('items.list');
    const sent = session.submit(hi);
    await older;
    expect(session.state.older).toEqual({ hasMore: true, loading: false });
    const stream = openStream();
    (await next('threads.add_user_message')).respond(stream.response);
    stream.send(done(question('q3')));
    stream.end('done');
    await sent;
    const again = session.loadOlder();
    (await next('items.list')).respond(Response.json({ data: [question('q1')], has_more: false }));
    await again;
    expect(ids(session)).toEqual(['q1', 'q2', 'q3']);
  });

  it('continues an answer that is being written', async () => {
    const context = setup();
    const { session, next } = context;
    await openThread(context, [question()], { 'Parlor-Protocol': '1', 'Parlor-Turn': 'turn_9' });
    const resume = await next('threads.resume');
    expect(resume.params).toEqual({ thread_id: 'thr_1', after: 0, turn_id: 'turn_9' });
    const stream = openStream({ 'Parlor-Protocol': '1', 'Parlor-Turn': 'turn_9' });
    resume.respond(stream.response);
    stream.send(done(question()), added(answer('a1', '')), done(answer('a1', 'Hello')));
    stream.end('done');
    await expect.poll(() => session.state.turn).toBeNull();
    expect(ids(session)).toEqual(['q1', 'a1']);
  });

  it('reads the thread again when the turn ended in between', async () => {
    const context = setup();
    const { session, next } = context;
    await openThread(context, [question()], { 'Parlor-Protocol': '1', 'Parlor-Turn': 'turn_9' });
    (await next('threads.resume')).respond(errorBody(404, 'no_running_turn'));
    (await next('threads.get_by_id')).respond(Response.json(thread));
    (await next('items.list')).respond(
      Response.json({ data: [answer('a1', 'x'), question()], has_more: false }),
    );
    await expect.poll(() => ids(session)).toEqual(['q1', 'a1']);
    expect(session.state.banner).toBeNull();
  });

  it('ignores what arrives for a thread that was left', async () => {
    const { session, next, names } = setup();
    const sent = session.submit(hi);
    const stream = openStream({});
    (await next('threads.create')).respond(stream.response);
    stream.send(created, done(question()));
    await expect.poll(() => ids(session)).toEqual(['q1']);
    await session.open(null);
    stream.send(added(answer('a1', 'late')));
    stream.end(null);
    await sent;
    expect(session.state).toMatchObject({ threadId: null, turn: null });
    expect(ids(session)).toEqual([]);
    expect(names().filter((name) => name === 'response.end')).toHaveLength(1);
  });

  it('says when a thread could not be loaded, and tries again', async () => {
    const { session, next } = setup();
    const opened = session.open('thr_1');
    (await next('threads.get_by_id')).respond(errorBody(404, 'not_found'));
    await next('items.list');
    await opened;
    expect(session.state).toMatchObject({ loading: false, loadError: { status: 404 } });
    const again = session.reload();
    (await next('threads.get_by_id')).respond(Response.json(thread));
    (await next('items.list')).respond(Response.json({ data: [question()], has_more: false }));
    await again;
    expect(session.state.loadError).toBeNull();
    expect(ids(session)).toEqual(['q1']);
  });
});

describe('a cut connection', () => {
  it('whose turn ended meanwhile is made up for by reading the thread, without a word', async () => {
    const { session, next, names } = setup();
    const sent = session.submit(hi);
    const stream = openStream();
    (await next('threads.create')).respond(stream.response);
    stream.send(created, done(question()), added(answer('a1', 'par')));
    stream.end(null);
    (await next('threads.resume')).respond(errorBody(404, 'no_running_turn'));
    (await next('threads.get_by_id')).respond(Response.json(thread));
    expect(names()).not.toContain('response.end');
    (await next('items.list')).respond(
      Response.json({ data: [answer('a1', 'partial no more'), question()], has_more: false }),
    );
    await sent;
    expect(session.state).toMatchObject({ turn: null, banner: null });
    expect(JSON.stringify(session.state.thread.items)).toContain('partial no more');
    expect(names().at(-1)).toBe('response.end');
  });
});

describe('client tools', () => {
  const call: ThreadItem = {
    ...base,
    id: 't1',
    type: 'client_tool_call',
    status: 'pending',
    call_id: 'c1',
    name: 'read_page',
    arguments: { selector: 'h1' },
  };

  it('run, and their result goes to the server as one continued response', async () => {
    const onClientTool = vi.fn(async () => ({ text: 'Title' }));
    const { session, next, names } = setup({ onClientTool });
    const sent = session.submit(hi);
    const first = openStream();
    (await next('threads.create')).respond(first.response);
    first.send(created, done(question()), done(call));
    first.end('done');
    const output = await next('threads.add_client_tool_output');
    expect(onClientTool).toHaveBeenCalledWith({ name: 'read_page', params: { selector: 'h1' } });
    expect(output.params).toEqual({ thread_id: 'thr_1', result: { text: 'Title' } });
    const second = openStream();
    output.respond(second.response);
    second.send(done(answer('a1', 'It says Title')));
    second.end('done');
    await sent;
    expect(ids(session)).toEqual(['q1', 't1', 'a1']);
    expect(names().filter((name) => name.startsWith('response'))).toEqual(['response.start', 'response.end']);
  });

  it('that fail are reported to the server, so that it does not wait for ever', async () => {
    const { session, next, events } = setup({
      onClientTool: () => Promise.reject(new Error('No such element')),
    });
    const sent = session.submit(hi);
    const first = openStream();
    (await next('threads.create')).respond(first.response);
    first.send(created, done(call));
    first.end('done');
    const output = await next('threads.add_client_tool_output');
    expect(output.params.result).toEqual({ error: 'No such element' });
    const second = openStream();
    output.respond(second.response);
    second.end('done');
    await sent;
    expect(events.some((event) => event.type === 'error')).toBe(true);
  });

  /** A turn that ends with the call, up to where its tool runs. */
  async function calling(options: Partial<ChatSessionOptions>) {
    const context = setup(options);
    const sent = context.session.submit(hi);
    const first = openStream();
    (await context.next('threads.create')).respond(first.response);
    first.send(created, done(question()), done(call), done(call));
    first.end('done');
    return { ...context, sent };
  }

  async function settleOutput(output: Call, sent: Promise<void>) {
    const second = openStream();
    output.respond(second.response);
    second.end('done');
    await sent;
  }

  it('that never answer are given up after their time', async () => {
    const { next, sent, events } = await calling({
      onClientTool: () => new Promise(() => undefined),
      clientToolTimeout: 5,
    });
    const output = await next('threads.add_client_tool_output');
    expect(output.params.result).toEqual({
      error: 'The client tool "read_page" did not answer within 0.005 s.',
    });
    await settleOutput(output, sent);
    expect(events.some((event) => event.type === 'error')).toBe(true);
  });

  it('that throw at once are reported like those that reject', async () => {
    const { next, sent } = await calling({
      onClientTool: () => {
        throw new TypeError('params.selector is missing');
      },
    });
    const output = await next('threads.add_client_tool_output');
    expect(output.params.result).toEqual({ error: 'params.selector is missing' });
    await settleOutput(output, sent);
  });

  it('that answer with something that is not JSON have failed', async () => {
    const { next, sent, events } = await calling({
      onClientTool: () => ({ huge: 1n }) as never,
    });
    const output = await next('threads.add_client_tool_output');
    expect(output.params.result).toEqual({
      error: 'The client tool "read_page" answered with something that is not JSON.',
    });
    await settleOutput(output, sent);
    expect(events.some((event) => event.type === 'error')).toBe(true);
  });

  it.each([
    ['was answered elsewhere, is read again', 'completed', 0],
    ['still waits, says why', 'pending', 1],
  ] as const)('whose output is refused: a call that %s', async (_, status, banners) => {
    const { session, next, sent } = await calling({ onClientTool: () => ({}) });
    const message = 'params.result: there is no call that waits for an output';
    const refusal = { error: { code: 'invalid_field', message } };
    (await next('threads.add_client_tool_output')).respond(Response.json(refusal, { status: 422 }));
    const { thread } = created;
    (await next('threads.get_by_id')).respond(Response.json({ ...thread, items: { data: [] } }));
    const data = [{ ...call, status }, question()];
    (await next('items.list')).respond(Response.json({ data, has_more: false }));
    await sent;
    expect(session.state.thread.items).toMatchObject([{ id: 'q1' }, { id: 't1', status }]);
    expect(session.state.banner === null ? 0 : 1).toBe(banners);
    expect(session.state.turn).toBeNull();
  });

  it('run once a call, also when it is announced twice', async () => {
    const onClientTool = vi.fn(() => ({}));
    const { next, sent, calls } = await calling({ onClientTool });
    await settleOutput(await next('threads.add_client_tool_output'), sent);
    expect(onClientTool).toHaveBeenCalledTimes(1);
    expect(calls).toEqual([]);
  });

  it('that are still at work when the user stops are not waited for', async () => {
    const context = await calling({ onClientTool: () => new Promise(() => undefined) });
    await expect.poll(() => context.session.state.thread.items).toHaveLength(2);
    const stopping = context.session.stop();
    (await context.next('threads.stop')).respond(Response.json({ stopped: false }));
    await stopping;
    await context.sent;
    expect(context.session.state.turn).toBeNull();
    expect(context.calls).toEqual([]);
  });

  it('that answer after another thread was opened send nothing there', async () => {
    let answerLate: (result: object) => void = () => undefined;
    const context = await calling({
      onClientTool: () =>
        new Promise((resolve) => {
          answerLate = resolve as typeof answerLate;
        }),
    });
    await expect.poll(() => context.session.state.thread.items).toHaveLength(2);
    await context.session.open(null);
    await context.sent;
    answerLate({ text: 'late' });
    const sent = context.session.submit(hi);
    const next = await context.next('threads.create');
    const stream = openStream();
    next.respond(stream.response);
    stream.send(created, done(question('q2')), done(answer('a2', 'new')));
    stream.end('done');
    await sent;
    expect(context.calls.map((entry) => entry.type)).toEqual([]);
    expect(ids(context.session)).toEqual(['q2', 'a2']);
  });
});

describe('widgets', () => {
  const widget = (value: string): ThreadItem => ({
    ...base,
    id: 'w1',
    type: 'widget',
    widget: { type: 'Card', children: [{ type: 'Text', value }] },
  });

  it('are replaced by what a sync action answers', async () => {
    const context = setup();
    await openThread(context, [question(), widget('before')]);
    const acted = context.session.sendSyncAction({ type: 'vote', payload: { id: 7 } }, 'w1');
    const call = await context.next('threads.sync_custom_action');
    expect(call.params).toEqual({
      thread_id: 'thr_1',
      item_id: 'w1',
      action: { type: 'vote', payload: { id: 7 } },
    });
    call.respond(Response.json({ updated_item: widget('after') }));
    await acted;
    expect(context.session.state.thread.items[1]).toEqual(widget('after'));
    expect(context.session.state.turn).toBeNull();
  });

  it('stay as they are when a sync action is refused, which is told to the caller', async () => {
    const context = setup();
    await openThread(context, [widget('before')]);
    const acted = context.session.sendSyncAction({ type: 'vote' }, 'w1');
    (await context.next('threads.sync_custom_action')).respond(errorBody(403, 'forbidden'));
    await expect(acted).rejects.toMatchObject({ status: 403 });
    expect(context.session.state.banner).toBeNull();
    expect(context.session.state.thread.items).toEqual([widget('before')]);
  });

  it('whose action could not be sent offer to send it again, with the same key', async () => {
    const context = setup();
    await openThread(context, [widget('before')]);
    const acted = context.session.sendAction({ type: 'vote' }, 'w1');
    const first = await context.next('threads.custom_action');
    first.respond(errorBody(503, 'unavailable'));
    await acted;
    expect(context.session.state.banner?.canRetry).toBe(true);
    const again = context.session.retry();
    const second = await context.next('threads.custom_action');
    expect(second.key).toBe(first.key);
    const stream = openStream();
    second.respond(stream.response);
    stream.send({ type: 'thread.item.replaced', item: widget('after') });
    stream.end('done');
    await again;
    expect(context.session.state.thread.items).toEqual([widget('after')]);
  });
});

describe('questions', () => {
  it('are answered in the thread, and what comes of it is followed', async () => {
    const context = setup();
    const asked: ThreadItem = {
      ...base,
      id: 's1',
      type: 'structured_input',
      status: 'pending',
      inputs: [{ type: 'freeform', id: 'why', question: 'Why?' }],
    };
    await openThread(context, [question(), asked]);
    const input = { status: 'answered' as const, answers: { why: { values: ['Because'], skipped: false } } };
    const answered = context.session.answerQuestions('s1', input);
    const call = await context.next('threads.add_structured_input');
    expect(call.params).toEqual({ thread_id: 'thr_1', item_id: 's1', input });
    const stream = openStream();
    call.respond(stream.response);
    const after = { ...asked, status: 'answered' } as ThreadItem;
    stream.send({ type: 'thread.item.replaced', item: after }, done(answer('a1', 'Thanks')));
    stream.end('done');
    await answered;
    expect(context.session.state.thread.items.slice(1)).toEqual([after, answer('a1', 'Thanks')]);
  });
});

describe('the rest', () => {
  it('passes on effects and keeps notices until they are dismissed', async () => {
    const { session, next, events } = setup();
    const sent = session.submit(hi);
    const stream = openStream();
    (await next('threads.create')).respond(stream.response);
    stream.send(
      created,
      { type: 'client_effect', name: 'zoom', data: { to: 2 } },
      { type: 'notice', level: 'info', message: 'N' },
    );
    stream.end('done');
    await sent;
    expect(events).toContainEqual({ type: 'effect', name: 'zoom', data: { to: 2 } });
    const notice = session.state.notices[0];
    expect(notice).toMatchObject({ level: 'info', message: 'N' });
    session.dismissNotice(notice?.id ?? -1);
    expect(session.state.notices).toEqual([]);
  });

  it('takes a rating back that the server refuses', async () => {
    const context = setup();
    const { session, next } = context;
    await openThread(context, [question(), answer('a1', '')]);
    const rated = session.giveFeedback('a1', 'positive');
    expect(session.state.feedback.get('a1')).toBe('positive');
    const call = await next('items.feedback');
    expect(call.params).toEqual({ thread_id: 'thr_1', item_ids: ['a1'], kind: 'positive' });
    call.respond(errorBody(500, 'boom'));
    await rated;
    expect(session.state.feedback.has('a1')).toBe(false);
  });
});
