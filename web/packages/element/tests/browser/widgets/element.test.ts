import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type ChatPage, Lab } from '../lab.js';

let lab: Lab;
beforeAll(async () => {
  lab = await Lab.start();
});
afterEach(() => lab.closePages());
afterAll(() => lab.stop());

const params = (type: string) =>
  lab.world.requests
    .filter((request) => request.type === type)
    .map((request) => request.params as Record<string, unknown>);

const loadedChunks = (chat: ChatPage) =>
  chat.page.evaluate(() =>
    performance
      .getEntriesByType('resource')
      .map((entry) => entry.name)
      .filter((name) => name.includes('/chunks/')),
  );

describe('a widget in a conversation', () => {
  it('brings its code with it, and not before', async () => {
    const chat = await lab.open();
    await chat.askAndWait('hello');
    const before = await loadedChunks(chat);
    await chat.askAndWait('form');
    await chat.page.getByRole('button', { name: 'Book' }).waitFor();
    await expect.poll(async () => (await loadedChunks(chat)).length).toBeGreaterThan(before.length);
  });

  it('streams its text while a field keeps what is typed into it', async () => {
    const chat = await lab.open();
    await chat.ask('form gated');
    const field = chat.page.getByRole('textbox', { name: 'Passenger' });
    await field.fill('Ada');
    const note = chat.page.getByText('Boards at');
    for (const text of ['Boards at 14:20,', 'Boards at 14:20, gate B12']) {
      await chat.page.request.post(`${lab.server.url}/dev/release`);
      await expect.poll(async () => (await note.textContent())?.trim()).toBe(text);
    }
    await chat.page.request.post(`${lab.server.url}/dev/release`);
    await chat.event('chatkit.response.end');
    await expect.poll(() => field.inputValue()).toBe('Ada');
    await expect
      .poll(() => field.evaluate((input) => (input.getRootNode() as ShadowRoot).activeElement === input))
      .toBe(true);
  });

  it('keeps what is typed into it when the page moves the element', async () => {
    const chat = await lab.open();
    await chat.askAndWait('gallery');
    const field = chat.page.getByRole('textbox', { name: 'Title' }).first();
    await field.fill('Moved');
    await chat.page.evaluate(() => {
      const place = document.createElement('section');
      document.querySelector('main')?.append(place);
      place.append(globalThis.chat);
    });
    await chat.page.getByRole('group', { name: /^Chart: Online, Stores, Target/ }).waitFor();
    await chat.page.locator('.w-markdown strong').getByText('bold').waitFor();
    await expect.poll(() => field.inputValue()).toBe('Moved');
  });

  it('sends its form to the server as an action, and shows what comes of it', async () => {
    const chat = await lab.open();
    await chat.askAndWait('form');
    await chat.page.getByRole('textbox', { name: 'Passenger' }).fill('Ada');
    await chat.page.getByRole('button', { name: 'Book' }).click();
    await chat.event('chatkit.response.end', 2);
    const [sent] = params('threads.custom_action');
    expect(sent?.action).toEqual({ type: 'book', payload: { flight: 'LH 123', passenger: 'Ada' } });
    expect(sent?.item_id).toMatch(/^item_/);
    await expect.poll(() => chat.page.locator('.assistant').count()).toBe(1);
  });

  it('hands client actions to the page, with the widget they came from', async () => {
    const chat = await lab.open();
    await chat.page.evaluate(() => {
      const given: unknown[] = [];
      Object.assign(globalThis, { given });
      globalThis.chat.setOptions({
        ...globalThis.optionsFor(),
        widgets: {
          onAction: (action, item) => {
            given.push([action, item.id, item.widget.type]);
            return Promise.resolve();
          },
        },
      });
    });
    await chat.askAndWait('form');
    await chat.page.getByRole('button', { name: 'Not now' }).click();
    const given = () => chat.page.evaluate(() => (globalThis as unknown as { given: unknown[][] }).given);
    await expect.poll(async () => (await given()).length).toBe(1);
    const [action, id, type] = (await given())[0] ?? [];
    expect([action, type]).toEqual([{ type: 'later', payload: { days: 2, passenger: '' } }, 'Card']);
    expect(id).toMatch(/^item_/);
    expect(params('threads.custom_action')).toEqual([]);
  });

  it('says so when nothing on the page handles its client action', async () => {
    const chat = await lab.open();
    await chat.askAndWait('form');
    await chat.page.getByRole('button', { name: 'Not now' }).click();
    await chat.page.getByRole('alert').getByText('Nothing on this page handles “later”.').waitFor();
  });

  it('is replaced in its place by a sync action', async () => {
    const chat = await lab.open();
    await chat.askAndWait('form');
    await chat.page.getByRole('button', { name: 'Vote' }).click();
    await chat.page.getByText('Voted, thank you.').waitFor();
    expect(params('threads.sync_custom_action')[0]?.action).toEqual({
      type: 'vote',
      payload: { up: true, passenger: '' },
    });
    await expect.poll(() => chat.page.getByRole('button', { name: 'Book' }).count()).toBe(0);
    await expect.poll(() => chat.count('chatkit.response.start')).toBe(1);
  });

  it('shows a refused sync action at the widget, to be tried again', async () => {
    const chat = await lab.open();
    await chat.askAndWait('form');
    lab.world.failNext.push({ type: 'threads.sync_custom_action', status: 503 });
    await chat.page.getByRole('button', { name: 'Vote' }).click();
    await chat.page.getByRole('alert').getByText('A planned failure.').waitFor();
    await expect.poll(() => chat.audit()).toEqual([]);
    await chat.page.getByRole('button', { name: 'Try again' }).click();
    await chat.page.getByText('Voted, thank you.').waitFor();
  });
});

describe('a whole gallery in a conversation', () => {
  it.each(['light', 'dark'] as const)(
    'passes axe in the %s scheme, and keeps to its width',
    async (scheme) => {
      const chat = await lab.open({ scheme, width: 420, context: { reducedMotion: 'reduce' } });
      await chat.askAndWait('gallery');
      await chat.page.getByRole('group', { name: /^Chart: Online, Stores, Target/ }).waitFor();
      await expect.poll(() => chat.audit()).toEqual([]);
      for (const width of [420, 320]) await chat.fits(width);
    },
  );
});

describe('a widget nested without end', () => {
  it('does not take the conversation with it', async () => {
    const chat = await lab.open();
    await chat.askAndWait('abyss');
    await chat.page.getByText('Still here.').waitFor();
    await chat.page.locator('.w-box').first().waitFor({ state: 'attached' });
    await expect.poll(() => chat.page.locator('.w-box').count()).toBeLessThanOrEqual(100);
  });
});

describe('questions in a conversation', () => {
  it.each(['/chatkit', '/plain/chatkit'])(
    'are answered, and shown as answered after a reload, at %s',
    async (endpoint) => {
      const chat = await lab.open({ endpoint });
      await chat.askAndWait('questions');
      await chat.page.getByRole('radio', { name: 'PostgreSQL' }).check();
      await chat.page.getByRole('textbox', { name: 'Why that one?' }).fill('It is there already');
      await expect.poll(() => chat.audit()).toEqual([]);
      await chat.page.getByRole('button', { name: 'Send', exact: true }).click();
      await chat.event('chatkit.response.end', 2);
      await chat.page.locator('.w-answers').getByText('It is there already').waitFor();
      const [sent] = params('threads.add_structured_input');
      expect(sent?.input).toEqual({
        status: 'answered',
        answers: {
          db: { values: ['PostgreSQL'], skipped: false },
          why: { values: ['It is there already'], skipped: false },
        },
      });
      const again = await lab.open({ endpoint, thread: String(sent?.thread_id) });
      await again.page.locator('.w-answers').getByText('PostgreSQL').waitFor();
      await expect.poll(() => again.page.getByRole('radio').count()).toBe(0);
    },
  );

  it('can be skipped', async () => {
    const chat = await lab.open();
    await chat.askAndWait('questions');
    await chat.page.getByRole('button', { name: 'Skip' }).click();
    await chat.event('chatkit.response.end', 2);
    await expect.poll(() => chat.page.locator('.w-answers').innerText()).toContain('Skipped');
  });
});
