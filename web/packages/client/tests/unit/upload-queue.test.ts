import { describe, expect, it, vi } from 'vitest';
import { ApiError } from '../../src/errors.js';
import type { Attachment } from '../../src/protocol.js';
import { mimeTypeOf, uploadFile, type UploadHooks } from '../../src/upload.js';
import { UploadQueue } from '../../src/upload-queue.js';
import { ChatKitClient } from '../../src/transport.js';

interface Running {
  file: File;
  hooks: UploadHooks;
  finish(attachment: Attachment): void;
  fail(error: unknown): void;
}

function setup() {
  const running: Running[] = [];
  const discarded: string[] = [];
  const settled: string[] = [];
  const queue = new UploadQueue({
    upload: (file, hooks) =>
      new Promise((resolve, reject) => {
        hooks.signal.addEventListener('abort', () => reject(hooks.signal.reason as Error));
        running.push({ file, hooks, finish: resolve, fail: reject });
      }),
    discard: (id) => discarded.push(id),
    onSettled: ({ name, state }) => settled.push(`${name} ${state}`),
  });
  const states = () => queue.entries.map(({ name, state }) => `${name} ${state}`);
  return { queue, running, discarded, settled, states };
}

const file = (name: string) => new File(['x'], name, { type: 'text/plain' });
const attachment = (id: string): Attachment => ({
  type: 'file',
  id,
  name: `${id}.txt`,
  mime_type: 'text/plain',
});

describe('a queue of uploads', () => {
  it('uploads three at a time, in order, and hands over what is there', async () => {
    const { queue, running, states, settled } = setup();
    for (const name of ['a', 'b', 'c', 'd']) queue.add(file(name));
    expect(states()).toEqual(['a uploading', 'b uploading', 'c uploading', 'd waiting']);
    running[1]?.finish(attachment('B'));
    await expect.poll(() => running).toHaveLength(4);
    expect(states()).toEqual(['a uploading', 'b done', 'c uploading', 'd uploading']);
    running[0]?.finish(attachment('A'));
    running[3]?.finish(attachment('D'));
    await expect.poll(() => settled).toEqual(['b done', 'a done', 'd done']);
    expect(queue.busy).toBe(true);
    queue.remove(queue.entries[2]?.key ?? '');
    expect(queue.busy).toBe(false);
    expect(queue.take().map(({ id }) => id)).toEqual(['A', 'B', 'D']);
    expect(queue.entries).toEqual([]);
  });

  it('deletes what it has made at the server and nobody wants any more, once', async () => {
    const { queue, running, discarded } = setup();
    const done = queue.add(file('done'));
    const half = queue.add(file('half'));
    const late = queue.add(file('late'));
    running[0]?.finish(attachment('DONE'));
    running[1]?.hooks.onCreated?.('HALF');
    await expect.poll(() => queue.entries[0]?.state).toBe('done');
    for (const { key } of [done, half, late]) queue.remove(key);
    // The server made it while it was being given up.
    running[2]?.hooks.onCreated?.('LATE');
    await Promise.resolve();
    expect(discarded).toEqual(['DONE', 'HALF', 'LATE']);
  });

  it('leaves alone what others have uploaded', () => {
    const { queue, discarded } = setup();
    queue.adopt([attachment('THEIRS')]);
    queue.adopt([attachment('OURS')], { own: true });
    queue.clear();
    expect(discarded).toEqual(['OURS']);
  });

  it('keeps a file that failed, with its reason, and begins anew', async () => {
    const { queue, running, states, discarded } = setup();
    const { key } = queue.add(file('a'));
    running[0]?.hooks.onCreated?.('FIRST');
    running[0]?.hooks.onProgress(0.5);
    expect(queue.entries[0]?.progress).toBe(0.5);
    running[0]?.fail(new ApiError({ status: 413, code: 'too_large', message: 'Too large.' }));
    await expect.poll(() => states()).toEqual(['a failed']);
    expect(queue.entries[0]?.error?.message).toBe('Too large.');
    expect(queue.failed).toBe(true);
    queue.retry(key);
    expect(discarded).toEqual(['FIRST']);
    expect(states()).toEqual(['a uploading']);
    running[1]?.finish(attachment('SECOND'));
    await expect.poll(() => queue.failed).toBe(false);
    expect(queue.take().map(({ id }) => id)).toEqual(['SECOND']);
  });
});

describe('an upload', () => {
  const hooks = { signal: new AbortController().signal, onProgress: () => undefined };

  it('in two phases follows the descriptor to the letter, and keeps the host’s fetch from other hosts', async () => {
    const sent: { url: string; method: string | undefined; headers: Headers; body: unknown }[] = [];
    const custom: typeof fetch = async (url, init) => {
      sent.push({
        url: String(url),
        method: init?.method,
        headers: new Headers(init?.headers),
        body: init?.body,
      });
      if (!String(url).endsWith('/chatkit')) return new Response(null, { status: 200 });
      return Response.json({
        ...attachment('A'),
        upload_descriptor: {
          url: 'https://here.example/up/A?sig=1',
          method: 'POST',
          headers: { 'x-ticket': 't' },
        },
      });
    };
    const client = new ChatKitClient({ url: 'https://here.example/chatkit', fetch: custom });
    const connection = {
      client,
      apiUrl: 'https://here.example/chatkit',
      base: 'https://page.example/',
      fetch: custom,
    };
    const stored = await uploadFile(file('notes.txt'), { type: 'two_phase' }, connection, hooks);
    expect(stored).toEqual(attachment('A'));
    expect(sent.map(({ url, method }) => `${method} ${url}`)).toEqual([
      'POST https://here.example/chatkit',
      'POST https://here.example/up/A?sig=1',
    ]);
    expect(sent[1]?.headers.get('x-ticket')).toBe('t');
    expect(sent[1]?.body).toBeInstanceOf(Blob);

    // The same page, with its API elsewhere: now the address of the bytes is foreign.
    const opened = vi.fn();
    vi.stubGlobal(
      'XMLHttpRequest',
      class {
        upload = new EventTarget();
        addEventListener = () => undefined;
        setRequestHeader = () => undefined;
        abort = () => undefined;
        open(method: string, url: string) {
          opened(`${method} ${url}`);
        }
        send() {
          throw new Error('far enough');
        }
      },
    );
    const elsewhere = { ...connection, apiUrl: 'https://api.example/chatkit' };
    await expect(uploadFile(file('notes.txt'), { type: 'two_phase' }, elsewhere, hooks)).rejects.toThrow(
      ApiError,
    );
    vi.unstubAllGlobals();
    expect(opened).toHaveBeenCalledWith('POST https://here.example/up/A?sig=1');
    expect(sent).toHaveLength(3);
  });

  it('is done where the server describes no second phase, and fails where it answers with something else', async () => {
    const answer = (body: unknown) => {
      const custom: typeof fetch = async () => Response.json(body);
      const client = new ChatKitClient({ url: '/chatkit', fetch: custom });
      return { client, apiUrl: 'https://a.example/chatkit', base: 'https://a.example/', fetch: custom };
    };
    const two = { type: 'two_phase' } as const;
    expect(await uploadFile(file('a'), two, answer(attachment('A')), hooks)).toEqual(attachment('A'));
    await expect(uploadFile(file('a'), two, answer({ ok: true }), hooks)).rejects.toThrow('no attachment');
    const direct = { type: 'direct', uploadUrl: '/files' } as const;
    expect(await uploadFile(file('a'), direct, answer(attachment('A')), hooks)).toEqual(attachment('A'));
    await expect(uploadFile(file('a'), direct, answer([]), hooks)).rejects.toThrow('no attachment');
  });

  it('declares a type, also where the system knows none', () => {
    expect(mimeTypeOf({ name: 'a.PNG', type: 'image/PNG; x=1' })).toBe('image/png');
    expect(mimeTypeOf({ name: 'README.MD', type: '' })).toBe('text/markdown');
    expect(mimeTypeOf({ name: 'constructor', type: '' })).toBe('application/octet-stream');
    expect(mimeTypeOf({ name: 'a.constructor', type: '' })).toBe('application/octet-stream');
  });
});
