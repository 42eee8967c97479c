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
    await list(chat).waitFor();
    await expect.poll(() => labels(chat)).toEqual(['Ada Lovelace', 'Alan Turing', 'Quarterly plan']);
    expect(await active(chat)).toBe('Ada Lovelace');
    expect(await chat.page.getByRole('group', { name: 'People' }).getByRole('option').count()).toBe(2);
    await chat.page.keyboard.press('ArrowDown');
    await expect.poll(() => active(chat)).toBe('Alan Turing');
    await chat.page.keyboard.press('ArrowUp');
    await chat.page.keyboard.press('Enter');
    await list(chat).waitFor({ state: 'detached' });
    expect(await chat.input.inputValue()).toBe('Compare @Ada Lovelace ');

    await chat.input.pressSequentially('with @plan');
    await expect.poll(() => labels(chat)).toEqual(['Quarterly plan']);
    await chat.page.keyboard.press('Tab');
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
    expect(await chat.page.locator('.bubble').innerText()).toBe(
      'Compare Ada Lovelace with Quarterly plan hello',
    );

    // After a reload too, the interactive one is a button of the host.
    const again = await open();
    await again.page.evaluate((id) => globalThis.chat.setThreadId(id), lab.world.threads[0]?.id ?? '');
    await again.page.getByRole('button', { name: 'Ada Lovelace' }).click();
    expect((await hostOf(again)).clicked).toEqual(['ada Ada Lovelace x']);
    expect(await again.page.getByRole('button', { name: 'Quarterly plan' }).count()).toBe(0);
  });

  it('are searched once a pause, and late answers are dropped', async () => {
    const chat = await open({ slow: true });
    await chat.input.pressSequentially('@ad', { delay: 5 });
    await expect.poll(async () => (await hostOf(chat)).queries.at(-1)).toBe('ad');
    const before = (await hostOf(chat)).queries;
    expect(before.length).toBeLessThanOrEqual(2);
    await chat.input.pressSequentially('a');
    await expect.poll(async () => (await hostOf(chat)).queries.at(-1)).toBe('ada');
    const answer = (at: number, title: string) =>
      chat.page.evaluate(
        ([index, name]) =>
          (globalThis as unknown as { host: Host }).host.answers.at(index)?.([{ id: name, title: name }]),
        [at, title] as const,
      );
    await answer(-1, 'New');
    await expect.poll(() => labels(chat)).toEqual(['New']);
    await answer(-2, 'Old');
    await chat.page.keyboard.press('ArrowDown');
    expect(await labels(chat)).toEqual(['New']);
  });

  it('are what was typed, however fast Enter follows', async () => {
    const chat = await open({ slow: true });
    await chat.input.pressSequentially('@a');
    await expect.poll(async () => (await hostOf(chat)).answers.length).toBe(1);
    const answer = (titles: string[]) =>
      chat.page.evaluate((names) => {
        const { answers } = (globalThis as unknown as { host: Host }).host;
        answers.at(-1)?.(names.map((name) => ({ id: name, title: name })));
      }, titles);
    await answer(['Ada', 'Alan']);
    await expect.poll(() => labels(chat)).toEqual(['Ada', 'Alan']);
    await chat.input.pressSequentially('l');
    await chat.page.keyboard.press('Enter');
    await expect.poll(async () => (await hostOf(chat)).queries.at(-1)).toBe('al');
    expect(await chat.input.inputValue()).toBe('@al');
    await answer(['Alan']);
    await expect.poll(() => chat.input.inputValue()).toBe('@Alan ');
    expect(lab.world.requests.filter(({ type }) => type === 'threads.create')).toEqual([]);
  });

  it('leave the list by Escape, by click and where nothing is found', async () => {
    const chat = await open();
    await chat.input.pressSequentially('@a');
    await list(chat).waitFor();
    await chat.page.keyboard.press('Escape');
    expect(await list(chat).count()).toBe(0);
    // It stays away at this mark.
    await chat.input.pressSequentially('d');
    expect(await list(chat).count()).toBe(0);
    await chat.input.fill('');
    await chat.input.pressSequentially('@zzz');
    await chat.page.getByText('Nothing found').first().waitFor();
    // Enter sends then: these are words.
    await chat.input.fill('hello @');
    await list(chat).waitFor();
    await chat.page.locator('.header').click();
    await list(chat).waitFor({ state: 'detached' });
    expect(await chat.input.inputValue()).toBe('hello @');
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
    expect(await chat.input.inputValue()).toBe('hello @Alan Turing ');
    expect(
      await chat.input.evaluate((field) => (field.getRootNode() as ShadowRoot).activeElement === field),
    ).toBe(true);
  });

  it('are one thing to the keyboard: deleting a piece deletes the tag', async () => {
    const chat = await open();
    await chat.input.pressSequentially('Ask @ada');
    await list(chat).waitFor();
    await chat.page.keyboard.press('Enter');
    await chat.page.keyboard.press('Backspace');
    expect(await chat.input.inputValue()).toBe('Ask @Ada Lovelace');
    await chat.page.keyboard.press('Backspace');
    expect(await chat.input.inputValue()).toBe('Ask ');
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
    const sizes = await chat.page.evaluate(() => {
      const { shadowRoot } = globalThis.chat;
      const field = shadowRoot.querySelector('textarea') as HTMLElement;
      const marks = shadowRoot.querySelector('.marks') as HTMLElement;
      return [field.scrollHeight, marks.scrollHeight, field.clientWidth, marks.clientWidth];
    });
    expect(sizes[1]).toBe(sizes[0]);
    expect(sizes[3]).toBe(sizes[2]);
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
    expect((await hostOf(chat)).previewed).toEqual(['ada']);
  });

  it('fit in, also at the edge of a narrow page', async () => {
    const chat = await open();
    await chat.page.setViewportSize({ width: 340, height: 560 });
    await chat.page.evaluate(() =>
      globalThis.chat.sendUserMessage({
        content: [{ type: 'input_tag', id: 'ada', text: 'Ada Lovelace', interactive: true }],
      }),
    );
    await chat.page.getByRole('button', { name: 'Ada Lovelace' }).hover();
    const preview = chat.page.getByRole('group', { name: 'About Ada Lovelace' });
    await preview.getByText('Wrote the first programme.').waitFor();
    const box = await preview.boundingBox();
    expect(box?.x ?? -1).toBeGreaterThanOrEqual(0);
    expect((box?.x ?? 0) + (box?.width ?? 999)).toBeLessThanOrEqual(340);
  });
});

describe('commands', () => {
  it('act, insert, and lead to others', async () => {
    const chat = await open({ tools: true });
    await chat.input.pressSequentially('hello /');
    await expect
      .poll(() => labels(chat))
      .toEqual(['Attach files', 'Search the web', 'Summarise\nIn five sentences', 'Insert the plan', 'More']);
    await chat.input.pressSequentially('summ');
    await expect.poll(() => labels(chat)).toEqual(['Summarise\nIn five sentences']);
    await chat.page.keyboard.press('Enter');
    await expect.poll(() => chat.input.inputValue()).toBe('hello ');

    await chat.input.pressSequentially('/insert');
    await expect.poll(() => labels(chat)).toEqual(['Insert the plan']);
    await chat.page.keyboard.press('Enter');
    await expect.poll(() => chat.input.inputValue()).toBe('hello @Quarterly plan ');

    await chat.input.pressSequentially('/more');
    await expect.poll(() => labels(chat)).toEqual(['More']);
    await chat.page.keyboard.press('Enter');
    await expect.poll(() => labels(chat)).toEqual(['Deeper']);
    await chat.page.keyboard.press('Enter');
    await expect.poll(() => chat.input.inputValue()).toBe('hello @Quarterly plan ');
    expect((await hostOf(chat)).selected).toEqual(['sum', 'insert', 'more', 'deep']);

    await chat.input.pressSequentially('/web');
    await expect.poll(() => labels(chat)).toEqual(['Search the web']);
    await chat.page.keyboard.press('Enter');
    await chat.event('chatkit.tool.change');
    await chat.page.getByRole('button', { name: 'Don’t use Search the web' }).waitFor();
    expect(await chat.input.inputValue()).toBe('hello @Quarterly plan ');
  });

  it('are no concern of addresses and fractions', async () => {
    const chat = await open();
    await chat.input.pressSequentially('https://example.com/a 1/2 and/or');
    expect(await list(chat).count()).toBe(0);
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
    await list(chat).waitFor();
    await chat.page.keyboard.press('Enter');
    await chat.input.pressSequentially('@');
    await list(chat).waitFor();
    expect(await chat.audit()).toEqual([]);
    await chat.page.keyboard.press('Escape');
    await chat.page.getByRole('button', { name: 'Ada Lovelace' }).hover();
    await chat.page.getByText('Wrote the first programme.').waitFor();
    expect(await chat.audit()).toEqual([]);
  });
});
