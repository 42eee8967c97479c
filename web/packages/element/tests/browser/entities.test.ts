import type { ChatKitOptions } from '@openai/chatkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type ChatPage, Lab } from './lab.js';

let lab: Lab;
beforeAll(async () => {
  lab = await Lab.start();
});
afterEach(() => lab.closePages());
afterAll(() => lab.stop());

interface Host {
  queries: string[];
  clicked: string[];
  previewed: string[];
  selected: string[];
  answers: ((entities: unknown[]) => void)[];
}
const hostOf = (chat: ChatPage) => chat.page.evaluate(() => (globalThis as unknown as { host: Host }).host);

/** A page whose host knows people and documents, and has commands. */
async function open(options: { menu?: boolean; slow?: boolean; tools?: boolean } = {}): Promise<ChatPage> {
  const chat = await lab.open();
  await chat.page.evaluate(({ menu, slow, tools }) => {
    const host: Host = { queries: [], clicked: [], previewed: [], selected: [], answers: [] };
    Object.assign(globalThis, { host });
    const all = [
      {
        id: 'ada',
        title: 'Ada Lovelace',
        group: 'People',
        icon: 'profile',
        interactive: true,
        data: { team: 'x' },
      },
      { id: 'plan', title: 'Quarterly plan', group: 'Documents', icon: 'document' },
      { id: 'alan', title: 'Alan Turing', group: 'People', icon: 'profile' },
    ];
    const options: ChatKitOptions = {
      ...globalThis.optionsFor(),
      composer: {
        attachments: { enabled: true },
        ...(tools === true ? { tools: [{ id: 'web', label: 'Search the web', icon: 'globe' }] } : {}),
      },
      entities: {
        showComposerMenu: menu === true,
        onTagSearch: (query) => {
          host.queries.push(query);
          if (query === 'boom') return Promise.reject(new Error('The directory is away.'));
          if (slow === true) {
            return new Promise((resolve) => {
              host.answers.push(resolve as (entities: unknown[]) => void);
            });
          }
          return Promise.resolve(
            all.filter(({ title }) => title.toLowerCase().includes(query.toLowerCase())),
          );
        },
        onClick: (entity) =>
          void host.clicked.push(`${entity.id} ${entity.title} ${entity.data?.team ?? ''}`),
        onRequestPreview: (entity) => {
          host.previewed.push(entity.id);
          const children = [
            { type: 'Title' as const, value: entity.title },
            { type: 'Text' as const, value: 'Wrote the first programme.' },
          ];
          return Promise.resolve({ preview: { type: 'Basic', children } });
        },
      },
      commands: {
        enabled: true,
        onSearch: (query) =>
          Promise.resolve(
            [
              { id: 'sum', label: 'Summarise', description: 'In five sentences' },
              { id: 'insert', label: 'Insert the plan' },
              { id: 'more', label: 'More' },
            ].filter(({ label }) => label.toLowerCase().includes(query.toLowerCase())),
          ),
        onSelect: (command) => {
          host.selected.push(command.id);
          if (command.id === 'insert')
            return Promise.resolve({ type: 'entity' as const, entity: all[1] as never });
          if (command.id === 'more') {
            return Promise.resolve({ type: 'menu' as const, commands: [{ id: 'deep', label: 'Deeper' }] });
          }
          return Promise.resolve();
        },
      },
    };
    globalThis.chat.setOptions(options);
  }, options);
  await chat.input.click();
  return chat;
}

const list = (chat: ChatPage) => chat.page.getByRole('listbox');
const labels = (chat: ChatPage) => chat.page.getByRole('option').allInnerTexts();
/** Waits until the search for what was typed has been answered, and with this. */
const found = async (chat: ChatPage, ...wanted: string[]) => {
  await chat.page.locator('#suggestions[aria-busy=false]').waitFor();
  await expect.poll(() => labels(chat)).toEqual(wanted);
};
const typed = (chat: ChatPage, text: string) => expect.poll(() => chat.input.inputValue()).toBe(text);
const active = (chat: ChatPage) =>
  chat.input.evaluate((field) => {
    const id = field.getAttribute('aria-activedescendant');
    const root = field.getRootNode() as ShadowRoot;
    return id === null ? null : (root.getElementById(id)?.textContent?.trim() ?? null);
  });
const sent = () => {
  const request = lab.world.requests.findLast(({ type }) => type.startsWith('threads.'));
  return (request?.params.input as { content: unknown[] } | undefined)?.content;
};

describe('mentions', () => {
  it('are found while typing, chosen by keyboard and sent as tags in their place', async () => {
    const chat = await open();
    await chat.input.pressSequentially('Compare @a');
    await found(chat, 'Ada Lovelace', 'Alan Turing', 'Quarterly plan');
    await expect.poll(() => active(chat)).toBe('Ada Lovelace');
    await expect
      .poll(() => chat.page.getByRole('group', { name: 'People' }).getByRole('option').count())
      .toBe(2);
    await chat.page.keyboard.press('ArrowDown');
    await expect.poll(() => active(chat)).toBe('Alan Turing');
    await chat.page.keyboard.press('ArrowUp');
    await expect.poll(() => active(chat)).toBe('Ada Lovelace');
    await chat.page.keyboard.press('Enter');
    await list(chat).waitFor({ state: 'detached' });
    await expect.poll(() => chat.input.inputValue()).toBe('Compare @Ada Lovelace ');

    await chat.input.pressSequentially('with @plan');
    await found(chat, 'Quarterly plan');
    await chat.page.keyboard.press('Tab');
    await typed(chat, 'Compare @Ada Lovelace with @Quarterly plan ');
    await chat.input.pressSequentially('hello');
    await chat.page.keyboard.press('Enter');
    await chat.event('chatkit.response.end');
    expect(sent()).toEqual([
      { type: 'input_text', text: 'Compare ' },
      {
        type: 'input_tag',
        id: 'ada',
        text: 'Ada Lovelace',
        group: 'People',
        interactive: true,
        data: { team: 'x' },
      },
      { type: 'input_text', text: ' with ' },
      {
        type: 'input_tag',
        id: 'plan',
        text: 'Quarterly plan',
        group: 'Documents',
        interactive: false,
        data: {},
      },
      { type: 'input_text', text: ' hello' },
    ]);
    await expect
      .poll(() => chat.page.locator('.bubble').innerText())
      .toBe('Compare Ada Lovelace with Quarterly plan hello');

    // After a reload too, the interactive one is a button of the host.
    const again = await open();
    await again.page.evaluate((id) => globalThis.chat.setThreadId(id), lab.world.threads[0]?.id ?? '');
    await again.page.getByRole('button', { name: 'Ada Lovelace' }).click();
    await expect.poll(async () => (await hostOf(again)).clicked).toEqual(['ada Ada Lovelace x']);
    await expect.poll(() => again.page.getByRole('button', { name: 'Quarterly plan' }).count()).toBe(0);
  });

  it('are searched once a pause, and late answers are dropped', async () => {
    const chat = await open({ slow: true });
    const queries = async () => (await hostOf(chat)).queries;
    // No time passes while the test types, however long that takes.
    await chat.page.clock.install({ time: 0 });
    await chat.page.clock.pauseAt(10_000);
    await chat.input.pressSequentially('@ad');
    expect(await queries()).toEqual([]);
    await chat.page.clock.runFor(1000);
    await expect.poll(queries).toEqual(['ad']);
    await chat.input.pressSequentially('a');
    await chat.page.clock.runFor(1000);
    await expect.poll(queries).toEqual(['ad', 'ada']);
    const answer = (at: number, title: string) =>
      chat.page.evaluate(
        ([index, name]) =>
          (globalThis as unknown as { host: Host }).host.answers.at(index)?.([{ id: name, title: name }]),
        [at, title] as const,
      );
    await answer(-1, 'New');
    await expect.poll(() => labels(chat)).toEqual(['New']);
    await answer(-2, 'Old');
    await chat.page.clock.runFor(1000);
    expect(await labels(chat)).toEqual(['New']);
  });

  it('are what was typed, however fast Enter follows', async () => {
    const chat = await open({ slow: true });
    await chat.input.pressSequentially('@a');
    await expect.poll(async () => (await hostOf(chat)).queries.at(-1)).toBe('a');
    const answer = (titles: string[]) =>
      chat.page.evaluate((names) => {
        const { answers } = (globalThis as unknown as { host: Host }).host;
        answers.at(-1)?.(names.map((name) => ({ id: name, title: name })));
      }, titles);
    await answer(['Ada', 'Alan']);
    await found(chat, 'Ada', 'Alan');
    await chat.input.pressSequentially('l');
    await chat.page.keyboard.press('Enter');
    await expect.poll(async () => (await hostOf(chat)).queries.at(-1)).toBe('al');
    expect(await chat.input.inputValue()).toBe('@al');
    await answer(['Alan']);
    await typed(chat, '@Alan ');
    expect(lab.world.requests.filter(({ type }) => type === 'threads.create')).toEqual([]);
  });

  it('leave the list by Escape, by click and where nothing is found', async () => {
    const chat = await open();
    const suggestions = chat.page.locator('.suggestions');
    await chat.input.pressSequentially('@a');
    await found(chat, 'Ada Lovelace', 'Alan Turing', 'Quarterly plan');
    await chat.page.keyboard.press('Escape');
    await suggestions.waitFor({ state: 'detached' });
    // It stays away at this mark.
    await chat.input.pressSequentially('d');
    await typed(chat, '@ad');
    expect(await suggestions.count()).toBe(0);
    await chat.input.fill('');
    await chat.input.pressSequentially('@zzz');
    await chat.page.getByText('Nothing found').first().waitFor();
    // Enter sends then: these are words.
    await chat.input.fill('hello @');
    await list(chat).waitFor();
    await chat.page.locator('.header').click();
    await list(chat).waitFor({ state: 'detached' });
    await typed(chat, 'hello @');
  });

  it('that cannot be searched say so, and the host hears of it', async () => {
    const chat = await open();
    await chat.input.pressSequentially('@boom');
    await chat.page.getByText('The suggestions could not be loaded.').waitFor();
    await chat.event('chatkit.error');
  });

  it('are opened by a button, and chosen with the mouse', async () => {
    const chat = await open({ menu: true });
    await chat.input.fill('hello');
    await chat.page.getByRole('button', { name: 'Mention something' }).click();
    await chat.page.getByRole('option', { name: 'Alan Turing' }).click();
    await typed(chat, 'hello @Alan Turing ');
    await expect
      .poll(() => chat.input.evaluate((field) => (field.getRootNode() as ShadowRoot).activeElement === field))
      .toBe(true);
  });

  it('are one thing to the keyboard: deleting a piece deletes the tag', async () => {
    const chat = await open();
    await chat.input.pressSequentially('Ask @ada');
    await found(chat, 'Ada Lovelace');
    await chat.page.keyboard.press('Enter');
    await typed(chat, 'Ask @Ada Lovelace ');
    await chat.page.keyboard.press('Backspace');
    await typed(chat, 'Ask @Ada Lovelace');
    await chat.page.keyboard.press('Backspace');
    await typed(chat, 'Ask ');
    await chat.input.pressSequentially('hello');
    await chat.page.keyboard.press('Enter');
    await chat.event('chatkit.response.end');
    expect(sent()).toEqual([{ type: 'input_text', text: 'Ask hello' }]);
  });

  it('are coloured exactly where their words are', async () => {
    const chat = await open();
    await chat.page.evaluate(() =>
      globalThis.chat.setComposerValue({
        content: [
          {
            type: 'input_text',
            text: `${'Some words before the tag so that the line breaks. '.repeat(3)}\n\n`,
          },
          { type: 'input_tag', id: 'ada', text: 'Ada Lovelace' },
          { type: 'input_text', text: ' and after' },
        ],
      }),
    );
    await expect.poll(() => chat.page.locator('.tag-mark').innerText()).toBe('@Ada Lovelace');
    await expect
      .poll(() =>
        chat.page.evaluate(() => {
          const { shadowRoot } = globalThis.chat;
          const field = shadowRoot.querySelector('textarea') as HTMLElement;
          const marks = shadowRoot.querySelector('.marks') as HTMLElement;
          return [marks.scrollHeight - field.scrollHeight, marks.clientWidth - field.clientWidth];
        }),
      )
      .toEqual([0, 0]);
  });
});

describe('previews', () => {
  it('are asked for once, shown on hover and focus, and go away', async () => {
    const chat = await open();
    await chat.page.evaluate(() =>
      globalThis.chat.sendUserMessage({
        content: [
          { type: 'input_text', text: 'hello ' },
          { type: 'input_tag', id: 'ada', text: 'Ada Lovelace', interactive: true },
        ],
      }),
    );
    const tag = chat.page.getByRole('button', { name: 'Ada Lovelace' });
    const preview = chat.page.getByRole('group', { name: 'About Ada Lovelace' });
    await tag.waitFor();
    await chat.still();
    await tag.hover();
    await preview.getByText('Wrote the first programme.').waitFor();
    // The pointer may go into it.
    await preview.hover();
    await preview.getByText('Wrote the first programme.').waitFor();
    await chat.page.mouse.move(2, 2);
    await preview.waitFor({ state: 'detached' });
    await chat.page.locator('.scroll').focus();
    await chat.page.keyboard.press('Tab');
    await preview.waitFor();
    await chat.page.keyboard.press('Tab');
    await preview.waitFor({ state: 'detached' });
    await expect.poll(async () => (await hostOf(chat)).previewed).toEqual(['ada']);
  });

  it('fit in, also at the edge of a narrow page', async () => {
    const chat = await open();
    await chat.page.setViewportSize({ width: 340, height: 560 });
    await chat.page.evaluate(() =>
      globalThis.chat.sendUserMessage({
        content: [{ type: 'input_tag', id: 'ada', text: 'Ada Lovelace', interactive: true }],
      }),
    );
    const tag = chat.page.getByRole('button', { name: 'Ada Lovelace' });
    await tag.waitFor();
    await chat.still();
    await tag.hover();
    const preview = chat.page.getByRole('group', { name: 'About Ada Lovelace' });
    await preview.getByText('Wrote the first programme.').waitFor();
    // It is placed anew when its widget is drawn.
    await expect
      .poll(async () => {
        const { x = -1, width = 999 } = (await preview.boundingBox()) ?? {};
        return x >= 0 && x + width <= 340;
      })
      .toBe(true);
  });
});

describe('commands', () => {
  it('act, insert, and lead to others', async () => {
    const chat = await open({ tools: true });
    await chat.input.pressSequentially('hello /');
    await found(
      chat,
      'Attach files',
      'Search the web',
      'Summarise\nIn five sentences',
      'Insert the plan',
      'More',
    );
    await chat.input.pressSequentially('summ');
    await found(chat, 'Summarise\nIn five sentences');
    await chat.page.keyboard.press('Enter');
    await typed(chat, 'hello ');

    await chat.input.pressSequentially('/insert');
    await found(chat, 'Insert the plan');
    await chat.page.keyboard.press('Enter');
    await typed(chat, 'hello @Quarterly plan ');

    await chat.input.pressSequentially('/more');
    await found(chat, 'More');
    await chat.page.keyboard.press('Enter');
    await found(chat, 'Deeper');
    await chat.page.keyboard.press('Enter');
    await typed(chat, 'hello @Quarterly plan ');
    await expect.poll(async () => (await hostOf(chat)).selected).toEqual(['sum', 'insert', 'more', 'deep']);

    await chat.input.pressSequentially('/web');
    await found(chat, 'Search the web');
    await chat.page.keyboard.press('Enter');
    await chat.event('chatkit.tool.change');
    await chat.page.getByRole('button', { name: 'Don’t use Search the web' }).waitFor();
    await typed(chat, 'hello @Quarterly plan ');
  });

  it('are no concern of addresses and fractions', async () => {
    const chat = await open();
    const text = 'https://example.com/a 1/2 and/or';
    for (const [at, key] of [...text].entries()) {
      await chat.page.keyboard.type(key);
      await typed(chat, text.slice(0, at + 1));
      expect(await chat.page.locator('.suggestions').count(), text.slice(0, at + 1)).toBe(0);
    }
  });
});

describe('axe finds nothing wrong with', () => {
  it.each(['light', 'dark'] as const)('the list, tags and a preview in the %s scheme', async (scheme) => {
    const chat = await open({ menu: true, tools: true });
    await chat.page.evaluate((name) => {
      const options = globalThis.optionsFor({ theme: { colorScheme: name } });
      globalThis.chat.setOptions({
        ...(globalThis.chat as unknown as { options: ChatKitOptions }).options,
        theme: options.theme as never,
      });
    }, scheme);
    await chat.page.evaluate(() =>
      globalThis.chat.sendUserMessage({
        content: [{ type: 'input_tag', id: 'ada', text: 'Ada Lovelace', interactive: true }],
      }),
    );
    await chat.input.click();
    await chat.input.pressSequentially('Ask @alan');
    await found(chat, 'Alan Turing');
    await chat.page.keyboard.press('Enter');
    await typed(chat, 'Ask @Alan Turing ');
    await chat.input.pressSequentially('@');
    await found(chat, 'Ada Lovelace', 'Alan Turing', 'Quarterly plan');
    await expect.poll(() => chat.audit()).toEqual([]);
    await chat.page.keyboard.press('Escape');
    await list(chat).waitFor({ state: 'detached' });
    await chat.still();
    await chat.page.getByRole('button', { name: 'Ada Lovelace' }).hover();
    await chat.page.getByText('Wrote the first programme.').waitFor();
    await expect.poll(() => chat.audit()).toEqual([]);
  });
});
