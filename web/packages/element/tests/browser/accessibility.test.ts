import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type ChatPage, Lab } from './lab.js';

let lab: Lab;
beforeAll(async () => {
  lab = await Lab.start();
});
afterEach(() => lab.closePages());
afterAll(() => lab.stop());

const attach = (chat: ChatPage) =>
  chat.page.evaluate(() =>
    globalThis.chat.setOptions({
      ...globalThis.optionsFor(),
      composer: { attachments: { enabled: true }, dictation: { enabled: true } },
    }),
  );
const text = (name: string) => ({ name, mimeType: 'text/plain', buffer: Buffer.from('words') });
const image = {
  name: 'dot.png',
  mimeType: 'image/png',
  buffer: Buffer.from(
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==',
    'base64',
  ),
};

/** Every state the element can be looked at in, and how to get there. */
const STATES: Record<string, (chat: ChatPage) => Promise<unknown>> = {
  'the start screen': async () => undefined,
  'an answer with table, code and citations': (chat) => chat.askAndWait('table fast'),
  'an answer that is being written': async (chat) => {
    await chat.ask('hold');
    await chat.page.getByText('The first half of the answer').waitFor();
  },
  progress: async (chat) => {
    await chat.ask('progress');
    await chat.page.getByText('Searching 128 documents').waitFor();
  },
  'an error in the stream': async (chat) => {
    await chat.askAndWait('error');
    await chat.page.getByText('The model closed the connection').waitFor();
  },
  'an unsent message': async (chat) => {
    lab.world.failNext.push({ type: 'threads.create', status: 429, headers: { 'Retry-After': '600' } });
    await chat.ask('hello');
    await chat.page.getByText('Not sent').waitFor();
  },
  notices: (chat) => chat.askAndWait('notice'),
  'an open workflow': (chat) => chat.askAndWait('workflow open'),
  'entities and files': (chat) => chat.askAndWait('entities'),
  'a widget': async (chat) => {
    await chat.askAndWait('widget');
    await chat.page.getByText('Flight LH 123').waitFor();
  },
  'a locked thread': async (chat) => {
    await chat.askAndWait('lock');
    await chat.page.getByText('A person has taken over').waitFor();
  },
  'right-to-left text': (chat) => chat.askAndWait('arabic'),
  'the history': async (chat) => {
    lab.world.seed();
    await chat.page.getByRole('button', { name: 'Chat history', exact: true }).click();
    await chat.page.getByRole('dialog').getByText('Today').waitFor();
  },
  'renaming in the history': async (chat) => {
    lab.world.seed();
    await chat.page.getByRole('button', { name: 'Chat history', exact: true }).click();
    await chat.page.getByRole('button', { name: 'Rename “Rate limits”' }).press('Enter');
    await chat.page.getByLabel('New title').waitFor();
  },
  'deleting in the history': async (chat) => {
    lab.world.seed();
    await chat.page.getByRole('button', { name: 'Chat history', exact: true }).click();
    await chat.page.getByRole('button', { name: 'Delete “Rate limits”' }).press('Enter');
    await chat.page.getByText('Delete this conversation?').waitFor();
  },
  'an empty history': async (chat) => {
    await chat.page.getByRole('button', { name: 'Chat history', exact: true }).click();
    await chat.page.getByText('No conversations yet').waitFor();
  },
  'a thread that could not be loaded': async (chat) => {
    await chat.page.evaluate(() => globalThis.chat.setThreadId('thr_gone'));
    await chat.page.getByText('could not be loaded').waitFor();
  },
  'files on their way, there, failed and refused': async (chat) => {
    await attach(chat);
    lab.world.uploadPlans.push({ hold: true }, { status: 413 });
    await chat.page
      .locator('.file-field')
      .setInputFiles([text('slow.txt'), text('large.txt'), text('there.txt')]);
    await chat.page.locator('.upload[data-state=failed]').waitFor();
    await chat.page.locator('.upload[data-state=done]').waitFor();
    await chat.ask('hello');
    await chat.page.getByText('Sends as soon as').first().waitFor();
  },
  'a place to drop files': async (chat) => {
    await attach(chat);
    await chat.page.evaluate(() => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File(['x'], 'x.txt'));
      const drag = new DragEvent('dragover', { bubbles: true, cancelable: true, dataTransfer });
      globalThis.chat.shadowRoot.querySelector('.scroll')?.dispatchEvent(drag);
    });
    await chat.page.getByText('Drop files to attach them').waitFor();
  },
  'a message with files': async (chat) => {
    await attach(chat);
    await chat.page
      .locator('.file-field')
      .setInputFiles([text('A report with a rather long name for a small screen.txt'), image]);
    await expect.poll(() => chat.page.locator('.upload[data-state=done]').count()).toBe(2);
    await chat.askAndWait('hello');
  },
  'a large image': async (chat) => {
    await attach(chat);
    await chat.page.locator('.file-field').setInputFiles([image]);
    await chat.page.locator('.upload[data-state=done]').waitFor();
    await chat.askAndWait('hello');
    await chat.page.getByRole('button', { name: 'Show dot.png' }).click();
    await chat.page.getByRole('dialog').waitFor();
  },
  'an open menu and a quote': async (chat) => {
    await chat.page.evaluate(() => {
      globalThis.chat.setOptions({
        ...globalThis.optionsFor(),
        composer: {
          tools: [
            { id: 'a', label: 'Search the web', icon: 'globe' },
            { id: 'b', label: 'Deep dive', icon: 'compass', pinned: true },
          ],
          models: [{ id: 'm', label: 'Quick', description: 'For most questions' }],
        },
      });
      return globalThis.chat.setComposerValue({ reply: 'quoted', selectedToolId: 'b' });
    });
    await chat.page.getByRole('button', { name: 'Tools' }).click();
    await chat.page.getByRole('menu').waitFor();
  },
};

describe.each(['light', 'dark'] as const)('in the %s scheme axe finds nothing wrong with', (scheme) => {
  it.each(Object.keys(STATES))('%s', async (name) => {
    const chat = await lab.open({ scheme, context: { reducedMotion: 'reduce' } });
    await STATES[name]?.(chat);
    await expect.poll(() => chat.audit()).toEqual([]);
  });
});

describe('nothing scrolls sideways, from 1280 down to 320 pixels, in', () => {
  it.each(Object.keys(STATES))('%s', async (name) => {
    const chat = await lab.open({ width: 1280, height: 640 });
    await STATES[name]?.(chat);
    for (const width of [1280, 360, 320]) await chat.fits(width);
  });
});

describe('the live region', () => {
  it('announces the start and the end of an answer, not its words', async () => {
    const chat = await lab.open();
    const log = chat.page.getByRole('log');
    await chat.askAndWait('table fast');
    await expect.poll(() => log.innerText()).toMatch(/^Answering\.\s+Answer finished\.$/);
  });
});

describe('other ways of looking', () => {
  it('forced colours keep borders and the focus visible', async () => {
    const chat = await lab.open({ context: { forcedColors: 'active' } });
    await chat.askAndWait('hello');
    const border = await chat.page
      .locator('.bubble')
      .evaluate((bubble) => getComputedStyle(bubble).borderTopWidth);
    expect(border).toBe('1px');
  });

  it('reduced motion stops the animations', async () => {
    const chat = await lab.open({ context: { reducedMotion: 'reduce' } });
    await chat.ask('progress');
    await chat.page.getByText('Searching 128 documents').waitFor();
    await expect
      .poll(() => chat.page.evaluate(() => globalThis.chat.shadowRoot.getAnimations().length))
      .toBe(0);
  });
});
