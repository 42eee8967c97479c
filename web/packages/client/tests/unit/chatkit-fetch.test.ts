import { assert, asyncProperty, constantFrom, json, jsonValue, oneof, record, string } from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { type ChatKitFetchOptions, createChatKitFetch } from '../../src/index.js';

interface Sent {
  url: string;
  headers: Headers;
  body: BodyInit | null | undefined;
  init: RequestInit;
}

/** A `fetch` that answers with these statuses, one after another, and the requests it was given. */
function network(...statuses: number[]) {
  const sent: Sent[] = [];
  const fetch = vi.fn(async (input: RequestInfo | URL, init: RequestInit = {}) => {
    const url = input instanceof Request ? input.url : String(input);
    sent.push({ url, headers: new Headers(init.headers), body: init.body, init });
    return new Response('{}', { status: statuses[sent.length - 1] ?? 200 });
  });
  return { sent, fetch: fetch as typeof globalThis.fetch };
}

const page = () => ({ title: 'Plans', url: 'https://example.com/plans' });

async function posted(body: BodyInit, options: ChatKitFetchOptions = {}) {
  const { sent, fetch } = network();
  const intercepted = createChatKitFetch({ pageContext: page, ...options, fetch });
  await intercepted('/chatkit', { method: 'POST', body });
  return sent[0] as Sent;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

const metadataOf = ({ body }: Sent) => JSON.parse(String(body)).metadata;

describe('the interceptor', () => {
  it.each([
    'threads.create',
    'threads.run',
    'threads.add_user_message',
    'threads.add_client_tool_output',
    'threads.add_structured_input',
    'threads.retry_after_item',
    'threads.custom_action',
    'threads.sync_custom_action',
  ])('tells the assistant of user and page with %s', async (type) => {
    const body = JSON.stringify({ type, params: { thread_id: 't' } });
    const sent = await posted(body, { userId: 'ada', userInfo: async () => ({ name: 'Ada' }) });
    expect(JSON.parse(String(sent.body))).toEqual({
      type,
      params: { thread_id: 't' },
      metadata: { userId: 'ada', userInfo: { name: 'Ada' }, pageContext: page() },
    });
    expect(sent.headers.get('x-user-id')).toBe('ada');
  });

  it.each(['threads.list', 'threads.get_by_id', 'items.list', 'items.feedback', 'attachments.create'])(
    'tells nothing with %s',
    async (type) => {
      const body = JSON.stringify({ type, params: {} });
      expect((await posted(body, { userInfo: { name: 'Ada' } })).body).toBe(body);
    },
  );

  it('keeps the metadata that is there', async () => {
    const metadata = { theme: 'dark', pageContext: { title: 'The page knows better' } };
    const body = JSON.stringify({ type: 'threads.create', params: {}, metadata });
    expect(metadataOf(await posted(body, { userInfo: { name: 'Ada' } }))).toEqual({
      userInfo: { name: 'Ada' },
      pageContext: { title: 'The page knows better' },
      theme: 'dark',
    });
  });

  it('reads the page anew for every question', async () => {
    const { sent, fetch } = network();
    let title = 'First';
    const intercepted = createChatKitFetch({ fetch, pageContext: () => ({ title }) });
    const body = JSON.stringify({ type: 'threads.add_user_message', params: {} });
    await intercepted('/chatkit', { method: 'POST', body });
    title = 'Second';
    await intercepted('/chatkit', { method: 'POST', body });
    expect(sent.map((request) => metadataOf(request).pageContext.title)).toEqual(['First', 'Second']);
  });

  it('reads the page by itself, and can be told not to', async () => {
    document.title = 'Here';
    const body = JSON.stringify({ type: 'threads.create', params: {} });
    expect(metadataOf(await posted(body, { pageContext: undefined })).pageContext).toMatchObject({
      title: 'Here',
    });
    expect((await posted(body, { pageContext: false })).body).toBe(body);
  });

  it('sends a question without the page where the site fails to say it, and reports that', async () => {
    const reported = vi.fn();
    vi.stubGlobal('reportError', reported);
    const body = JSON.stringify({ type: 'threads.create', params: {} });
    const fault = new Error('of the site');
    const refine = () => {
      throw fault;
    };
    const sent = [
      await posted(body, { pageContext: { refine }, userInfo: { name: 'Ada' } }),
      await posted(body, { pageContext: () => Promise.reject(fault), userInfo: { name: 'Ada' } }),
    ];
    vi.unstubAllGlobals();
    expect(sent.map(metadataOf)).toEqual([{ userInfo: { name: 'Ada' } }, { userInfo: { name: 'Ada' } }]);
    expect(reported.mock.calls).toEqual([[fault], [fault]]);
  });

  it.each([
    ['broken JSON', '{"type": "threads.create"'],
    ['a list', '[{"type":"threads.create"}]'],
    ['no object', 'null'],
    ['metadata that is no object', '{"type":"threads.create","metadata":[1]}'],
    ['a type that is no text', '{"type":7}'],
  ])('sends %s untouched', async (_, body) => {
    expect((await posted(body, { userId: 'ada' })).body).toBe(body);
  });

  it('sends other bodies untouched, with the token', async () => {
    const form = new FormData();
    form.append('file', new Blob(['x']), 'x.txt');
    for (const body of [form, new Blob(['x']), new Uint8Array([1]), new URLSearchParams('a=1')]) {
      const sent = await posted(body, { token: () => 't1' });
      expect(sent.body).toBe(body);
      expect(sent.headers.get('authorization')).toBe('Bearer t1');
    }
  });

  it('gives nothing to other origins', async () => {
    const { sent, fetch } = network(401);
    const token = vi.fn(() => 't1');
    const onAuthRequired = vi.fn();
    const intercepted = createChatKitFetch({
      fetch,
      token,
      userId: 'ada',
      headers: { 'x-site': 'a' },
      onAuthRequired,
    });
    const init = { method: 'PUT', body: '{"type":"threads.create"}', headers: { 'x-amz-acl': 'private' } };
    const response = await intercepted('https://bucket.example.net/file?signature=1', init);
    expect(response.status).toBe(401);
    expect(sent).toHaveLength(1);
    expect(sent[0]?.init).toBe(init);
    expect(token).not.toHaveBeenCalled();
    expect(onAuthRequired).not.toHaveBeenCalled();
  });

  it('gives the endpoint’s origin what belongs to it', async () => {
    const { sent, fetch } = network();
    const intercepted = createChatKitFetch({
      url: 'https://chat.example.com/chatkit',
      fetch,
      token: () => 't1',
      credentials: 'include',
      headers: async () => ({ 'x-site': 'a' }),
    });
    await intercepted('https://chat.example.com/files/1?preview', { headers: { accept: 'image/*' } });
    await intercepted(
      new Request('https://chat.example.com/chatkit', {
        method: 'POST',
        body: '{}',
        headers: { accept: 'text/event-stream' },
      }),
    );
    for (const { headers, init } of sent) {
      expect(headers.get('authorization')).toBe('Bearer t1');
      expect(headers.get('x-site')).toBe('a');
      expect(headers.get('accept')).not.toBeNull();
      expect(init.credentials).toBe('include');
    }
  });

  it('asks for a fresh token once when one is refused', async () => {
    const { sent, fetch } = network(401, 200);
    const token = vi.fn(({ refused }: { refused: boolean }) => (refused ? 'new' : 'old'));
    const onAuthRequired = vi.fn();
    const intercepted = createChatKitFetch({ fetch, token, onAuthRequired, pageContext: page });
    const body = JSON.stringify({ type: 'threads.create', params: {} });
    const response = await intercepted('/chatkit', { method: 'POST', body });
    expect(response.status).toBe(200);
    expect(sent.map(({ headers }) => headers.get('authorization'))).toEqual(['Bearer old', 'Bearer new']);
    expect(sent[1]?.body).toBe(sent[0]?.body);
    expect(onAuthRequired).not.toHaveBeenCalled();
  });

  it('asks for a login when the fresh token is refused, too, or there is none', async () => {
    for (const token of [() => 'stale', undefined, () => null]) {
      const { sent, fetch } = network(401, 401, 200);
      const onAuthRequired = vi.fn();
      const intercepted = createChatKitFetch({ fetch, token, onAuthRequired });
      const response = await intercepted('/chatkit', { method: 'POST', body: '{}' });
      expect(response.status).toBe(401);
      expect(onAuthRequired).toHaveBeenCalledExactlyOnceWith(response);
      // Without another token there is nothing to try again with.
      expect(sent).toHaveLength(token?.() === 'stale' ? 2 : 1);
    }
  });

  it('sends a request with a body of its own a second time, and a stream only once', async () => {
    const bodies: string[] = [];
    const fetch = async (input: RequestInfo | URL, init?: RequestInit) => {
      bodies.push(await new Request(input, init).text());
      return new Response(null, { status: 401 });
    };
    const intercepted = createChatKitFetch({ fetch: fetch as typeof globalThis.fetch, token: () => 't' });
    await intercepted(new Request('http://localhost:3000/chatkit', { method: 'POST', body: 'once' }));
    expect(bodies).toEqual(['once', 'once']);
    bodies.length = 0;
    const stream = new Blob(['stream']).stream();
    await intercepted('http://localhost:3000/chatkit', {
      method: 'POST',
      body: stream,
      duplex: 'half',
    } as RequestInit);
    expect(bodies).toEqual(['stream']);
  });

  it('passes on that the token cannot be had', async () => {
    const token = () => Promise.reject(new Error('signed out'));
    const intercepted = createChatKitFetch({ ...network(), token });
    await expect(intercepted('/chatkit', { method: 'POST', body: '{}' })).rejects.toThrow('signed out');
  });

  it('changes nothing but the metadata, whatever is sent, and never fails by it', async () => {
    const type = constantFrom('threads.create', 'threads.add_user_message', 'threads.list', 'x');
    const envelope = record(
      { type, params: jsonValue(), metadata: jsonValue() },
      { requiredKeys: ['type'] },
    ).map((value) => JSON.stringify(value));
    await assert(
      asyncProperty(oneof(string(), json(), envelope), async (body) => {
        const sent = String((await posted(body, { userId: 'ada' })).body);
        const before = parsed(body);
        if (sent === body) return;
        // What was changed is a request that leads to an answer.
        const { metadata, ...rest } = before as { metadata?: object };
        const { metadata: told, ...kept } = parsed(sent) as { metadata: object };
        expect(kept).toEqual(rest);
        expect(told).toEqual({ userId: 'ada', pageContext: page(), ...metadata });
        expect(['threads.create', 'threads.add_user_message']).toContain((rest as { type?: string }).type);
      }),
    );
  });

  it('puts no name into a header that it cannot hold', async () => {
    const body = JSON.stringify({ type: 'threads.create', params: {} });
    const sent = await posted(body, { userId: 'Zoë 🦊' });
    expect(sent.headers.has('x-user-id')).toBe(false);
    expect(metadataOf(sent).userId).toBe('Zoë 🦊');
  });
});
