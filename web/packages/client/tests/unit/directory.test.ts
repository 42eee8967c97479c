import { describe, expect, it } from 'vitest';
import { ThreadDirectory } from '../../src/directory.js';
import { ChatKitClient } from '../../src/transport.js';

interface Call {
  type: string;
  answer(body: object, status?: number): void;
}

/** A server that a test answers by hand, in any order. */
function setup() {
  const calls: Call[] = [];
  const client = new ChatKitClient({
    url: '/chatkit',
    fetch: (_url, init) =>
      new Promise((resolve) => {
        const { type } = JSON.parse(String(init?.body)) as { type: string };
        calls.push({
          type,
          answer: (body, status = 200) => resolve(Response.json(body, { status })),
        });
      }),
  });
  const directory = new ThreadDirectory(client);
  const titles = () => directory.state.threads.map((thread) => thread.title);
  return { directory, calls, titles };
}

const page = (...titles: string[]) => ({
  data: titles.map((title, at) => ({ id: `thr_${at}`, title, created_at: '2026-01-01T00:00:00Z' })),
  has_more: false,
});

/** The directory with two threads, and a request for them that is not answered yet. */
async function reading() {
  const { directory, calls, titles } = setup();
  const first = directory.load();
  calls[0]?.answer(page('One', 'Two'));
  await first;
  const second = directory.load();
  return { directory, calls, titles, second };
}

describe('the list of threads', () => {
  it('does not bring back what was deleted while it was read', async () => {
    const { directory, calls, titles, second } = await reading();
    const removed = directory.remove('thr_0');
    calls[2]?.answer({});
    await removed;
    calls[1]?.answer(page('One', 'Two'));
    await second;
    expect(titles()).toEqual(['Two']);
  });

  it('keeps a title that was given while it was read', async () => {
    const { directory, calls, titles, second } = await reading();
    const renamed = directory.rename('thr_0', 'Better');
    expect(titles()).toEqual(['Better', 'Two']);
    calls[2]?.answer({ id: 'thr_0', title: 'Better', created_at: '2026-01-01T00:00:00Z' });
    await renamed;
    calls[1]?.answer(page('One', 'Two'));
    await second;
    expect(titles()).toEqual(['Better', 'Two']);

    // What is read later knows better: another tab may have renamed it again.
    const third = directory.load();
    calls[3]?.answer(page('Best', 'Two'));
    await third;
    expect(titles()).toEqual(['Best', 'Two']);
  });

  it('shows a title that is being given, and takes it back when it is refused', async () => {
    const { directory, calls, titles, second } = await reading();
    const renamed = directory.rename('thr_1', 'Better');
    calls[1]?.answer(page('One', 'Two'));
    await second;
    expect(titles()).toEqual(['One', 'Better']);
    calls[2]?.answer({ error: { code: 'internal', message: 'No' } }, 500);
    await expect(renamed).rejects.toThrow('No');
    expect(titles()).toEqual(['One', 'Two']);
    const third = directory.load();
    calls[3]?.answer(page('One', 'Two'));
    await third;
    expect(titles()).toEqual(['One', 'Two']);
  });
});
