import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Lab } from './lab.js';

let lab: Lab;
beforeAll(async () => {
  lab = await Lab.start();
});
afterEach(() => lab.closePages());
afterAll(() => lab.stop());

const requestsOf = (type: string) => lab.world.requests.filter((request) => request.type === type);

describe('asking', () => {
  it('streams an answer into a new thread and tells the host', async () => {
    const chat = await lab.open();
    await chat.askAndWait('hello there');
    await expect.poll(() => chat.answers.last().innerText()).toContain('The answer is 42.');
    await expect.poll(() => chat.page.locator('.bubble').innerText()).toBe('hello there');
    await expect.poll(() => chat.page.getByRole('heading', { level: 2 }).innerText()).toBe('hello there');
    await expect
      .poll(() => chat.page.evaluate(() => globalThis.events.map((event) => event.name)))
      .toEqual(['chatkit.ready', 'chatkit.response.start', 'chatkit.thread.change', 'chatkit.response.end']);
    await expect.poll(() => chat.input.inputValue()).toBe('');
    await chat.askAndWait('hello again');
    expect(requestsOf('threads.add_user_message')).toHaveLength(1);
  });

  it('breaks the line with Shift and Enter, and leaves Enter to an input method', async () => {
    const chat = await lab.open();
    await chat.input.fill('one');
    await chat.input.press('Shift+Enter');
    await chat.page.keyboard.type('two');
    await expect.poll(() => chat.input.inputValue()).toBe('one\ntwo');
    // Enter that accepts a candidate: by flag in most browsers, by key code in Safari.
    await chat.input.evaluate((input) => {
      const enter = { key: 'Enter', bubbles: true, cancelable: true };
      input.dispatchEvent(new KeyboardEvent('keydown', { ...enter, isComposing: true }));
      input.dispatchEvent(new KeyboardEvent('keydown', { ...enter, keyCode: 229 }));
    });
    expect(await chat.input.inputValue()).toBe('one\ntwo');
    await chat.input.press('Enter');
    await chat.event('chatkit.response.end');
    expect(requestsOf('threads.create')).toHaveLength(1);
    await expect.poll(() => chat.page.locator('.bubble').innerText()).toBe('one\ntwo');
  });

  it('sends a starter prompt', async () => {
    const chat = await lab.open();
    await chat.page.getByRole('button', { name: 'Why is my token rejected?' }).click();
    await chat.event('chatkit.response.end');
    await expect.poll(() => chat.page.locator('.bubble').innerText()).toBe('hello');
  });

  it('grows the field with its text, up to a limit', async () => {
    const chat = await lab.open();
    const height = () => chat.input.evaluate((input) => input.clientHeight);
    await chat.still();
    const one = await height();
    await chat.input.fill('1\n2\n3\n4');
    await expect.poll(height).toBeGreaterThan(one * 2);
    await chat.still();
    const four = await height();
    await chat.input.fill('x\n'.repeat(200));
    await expect.poll(height).toBeGreaterThan(four);
    await chat.still();
    expect(await height()).toBeLessThan(300);
  });

  it('stops an answer, keeps what was there of it, and goes on with the next', async () => {
    for (const endpoint of ['/chatkit', '/plain/chatkit']) {
      const chat = await lab.open({ endpoint });
      await chat.ask('hold');
      await chat.page.getByText('The first half of the answer').waitFor();
      await chat.page.getByRole('button', { name: 'Stop answering' }).click();
      await chat.event('chatkit.response.end');
      await chat.page.getByRole('button', { name: 'Send message' }).waitFor();
      await expect
        .poll(() => chat.answers.last().innerText())
        .toMatch(/^The first half of the answer is here\./);
      await chat.askAndWait('hello');
      await expect.poll(() => chat.answers.last().innerText()).toContain('42');
    }
    expect(requestsOf('threads.stop')).toHaveLength(1);
  });

  it('shows progress until there is something to read', async () => {
    const chat = await lab.open();
    await chat.ask('progress');
    await chat.page.getByText('Searching 128 documents').waitFor();
    lab.server.release();
    await chat.event('chatkit.response.end');
    await expect.poll(() => chat.page.getByText('Searching 128 documents').count()).toBe(0);
  });

  it('shows notices, workflows, client tools, effects and what it does not know', async () => {
    const chat = await lab.open();
    await chat.askAndWait('notice');
    await chat.page.getByText('Almost at your limit').waitFor();
    await chat.page.getByRole('link', { name: 'See plans' }).waitFor();
    await chat.askAndWait('workflow');
    await chat.page.getByText('Thought for 7 seconds').click();
    await chat.page.getByText('sqlite wal').waitFor();
    await chat.askAndWait('tool');
    await expect.poll(() => chat.answers.last().innerText()).toContain('"text":"Element"');
    await chat.askAndWait('effect');
    await chat.event('chatkit.effect');
    const effects = await chat.page.evaluate(() =>
      globalThis.events.filter((event) => event.name === 'chatkit.effect'),
    );
    expect(effects[0]?.detail).toEqual({ name: 'highlight', data: { id: 7 } });
    await chat.askAndWait('widget');
    await chat.page.getByText('Flight LH 123').waitFor();
    await chat.page.getByText('can’t be shown here').waitFor();
  });

  it('refuses to write in a locked thread and says why', async () => {
    const chat = await lab.open();
    await chat.askAndWait('lock');
    await chat.page.getByText('A person has taken over').waitFor();
    await expect.poll(() => chat.input.count()).toBe(0);
  });
});

describe('citations', () => {
  it('are links in the text and in a list, and can be reached by keyboard', async () => {
    const chat = await lab.open();
    await chat.askAndWait('table fast');
    const inline = chat.page.locator('a.cite');
    await expect.poll(() => inline.allInnerTexts()).toEqual(['1', '2', '3', '4', '2']);
    await expect
      .poll(() => inline.first().getAttribute('href'))
      .toBe(`${lab.server.url}/docs/architecture#store`);
    await expect.poll(() => inline.nth(1).getAttribute('aria-label')).toContain('Source 2: Choosing a store');
    // A page of this site opens in place, another site in a tab of its own.
    await expect.poll(() => inline.first().getAttribute('target')).toBeNull();
    await expect.poll(() => inline.nth(1).getAttribute('rel')).toBe('noopener noreferrer');
    await expect.poll(() => chat.page.locator('.source').count()).toBe(4);

    await chat.page.locator('.scroll').focus();
    const reached = new Set<string>();
    for (let step = 0; step < 30; step++) {
      await chat.page.keyboard.press('Tab');
      reached.add(
        await chat.page.evaluate(() => {
          const active = globalThis.chat.shadowRoot.activeElement;
          return active?.matches('a.cite, a.source') === true ? (active.textContent ?? '').trim() : '';
        }),
      );
    }
    for (const label of ['1', '2', '3', '4']) expect(reached).toContain(label);
    expect([...reached].some((label) => label.includes('Migrations'))).toBe(true);
  });

  it('of entities are the host’s, and a dangerous address is no link', async () => {
    const chat = await lab.open();
    await chat.page.evaluate(() => {
      const clicked: string[] = [];
      Object.assign(globalThis, { clicked });
      globalThis.chat.setOptions({
        ...globalThis.optionsFor(),
        entities: { onClick: (entity) => void clicked.push(entity.id) },
      });
    });
    await chat.askAndWait('entities');
    await chat.page.getByRole('button', { name: 'Source 1: Ada Lovelace' }).click();
    await expect
      .poll(() => chat.page.evaluate(() => (globalThis as unknown as { clicked: string[] }).clicked))
      .toEqual(['u1']);
    await expect.poll(() => chat.page.locator('a[href^="javascript"]').count()).toBe(0);
    await expect.poll(() => chat.page.locator('span.cite').count()).toBe(2);
  });
});

describe('errors', () => {
  it('in the stream keep the partial text and are retried', async () => {
    const chat = await lab.open();
    await chat.askAndWait('error');
    await chat.page.getByText('The model closed the connection').waitFor();
    await expect.poll(() => chat.answers.last().innerText()).toContain('I was about to say');
    await chat.page.getByRole('button', { name: 'Try again' }).click();
    await chat.event('chatkit.response.end', 2);
    await expect.poll(() => chat.answers.allInnerTexts()).toEqual(['The second attempt worked.']);
    await expect.poll(() => chat.page.locator('.banner').count()).toBe(0);
  });

  it('without a retry offer none', async () => {
    const chat = await lab.open();
    await chat.askAndWait('fatal');
    await chat.page.getByText('The model refused the API key.').waitFor();
    await expect.poll(() => chat.page.getByRole('button', { name: 'Try again' }).count()).toBe(0);
    await chat.page.getByRole('button', { name: 'Dismiss' }).click();
    await chat.askAndWait('hello');
  });

  it('of the request name themselves, and the same message is sent once', async () => {
    const chat = await lab.open();
    lab.world.failNext.push({ type: 'threads.create', status: 503, code: 'http_503' });
    await chat.ask('hello world');
    await chat.page.getByText('Chat is unavailable right now').waitFor();
    await chat.page.getByText('Not sent').waitFor();
    await chat.page.getByRole('button', { name: 'Try again' }).click();
    await chat.event('chatkit.response.end');
    const keys = requestsOf('threads.create').map((request) => request.key);
    expect(keys).toHaveLength(2);
    expect(keys[0]).toBe(keys[1]);
    await expect.poll(() => chat.page.locator('.bubble').allInnerTexts()).toEqual(['hello world']);
  });

  it('of an unreachable server give the message back for editing', async () => {
    const chat = await lab.open();
    await chat.page.route('**/chatkit', (route) => route.abort('connectionrefused'));
    await chat.ask('precious words');
    await chat.page.getByText('The server could not be reached').waitFor();
    await chat.page.getByRole('button', { name: 'Edit message' }).click();
    await expect.poll(() => chat.input.inputValue()).toBe('precious words');
  });

  it('with a time to wait count it down, then allow a retry', async () => {
    const chat = await lab.open();
    // The time to wait is over when the test says so.
    await chat.page.clock.install();
    lab.world.failNext.push({
      type: 'threads.create',
      status: 503,
      code: 'unavailable',
      message: 'Chat is busy.',
      headers: { 'Retry-After': '3000' },
    });
    await chat.ask('hello');
    await chat.page.getByText('Chat is busy.').waitFor();
    const button = chat.page.getByRole('button', { name: /^Try again/ });
    const seconds = async () => Number(/^Try again in (\d+) s$/.exec(await button.innerText())?.[1]);
    await expect.poll(seconds).toBeGreaterThan(2000);
    await expect.poll(() => button.isDisabled()).toBe(true);
    await chat.page.clock.fastForward(2_000_000);
    await expect.poll(seconds).toBeLessThanOrEqual(1000);
    expect(await button.isDisabled()).toBe(true);
    await chat.page.clock.fastForward(1_000_000);
    await chat.page.getByRole('button', { name: 'Try again', exact: true }).click();
    await chat.event('chatkit.response.end');
  });
});

describe('a limit', () => {
  const limit = (seconds: number) =>
    lab.world.failNext.push({
      type: 'threads.create',
      status: 429,
      code: 'rate_limited',
      message: 'You are sending messages too fast.',
      headers: { 'Retry-After': String(seconds) },
    });

  it('is counted down in the composer, which keeps what is written and then sends it', async () => {
    const chat = await lab.open();
    // Time stands until the test lets it pass.
    await chat.page.clock.install();
    limit(50);
    await chat.ask('hello');
    await chat.page.getByText('You are sending messages too fast.').waitFor();
    const timer = chat.page.getByRole('timer');
    const left = async () => {
      const [, minutes, seconds] = /^You can send again in (\d+):(\d\d)$/.exec(await timer.innerText()) ?? [];
      return Number(minutes) * 60 + Number(seconds);
    };
    await expect.poll(left).toBeGreaterThan(0);
    const before = await left();
    expect(before).toBeLessThanOrEqual(50);
    await chat.page.clock.fastForward(10_000);
    await expect.poll(left).toBeLessThanOrEqual(before - 9);

    await chat.page.getByRole('button', { name: 'Edit message' }).click();
    await expect.poll(() => chat.input.inputValue()).toBe('hello');
    const send = chat.page.getByRole('button', { name: 'Send message' });
    await expect.poll(() => send.isDisabled()).toBe(true);
    await chat.input.press('Enter');
    expect(await chat.input.inputValue()).toBe('hello');
    expect(await chat.input.getAttribute('aria-describedby')).toBe('limited');

    await chat.page.clock.fastForward(60_000);
    await timer.waitFor({ state: 'detached' });
    await expect.poll(() => send.isDisabled()).toBe(false);
    await chat.input.press('Enter');
    await chat.event('chatkit.response.end');
    expect(requestsOf('threads.create')).toHaveLength(2);
    expect(await chat.count('chatkit.error')).toBe(1);
  });

  it('is announced when it begins and when it is over, and not each second', async () => {
    const chat = await lab.open();
    await chat.page.clock.install();
    limit(3000);
    await chat.ask('hello');
    const log = chat.page.getByRole('log');
    await expect.poll(() => log.innerText()).toMatch(/You can send again in \d+:\d\d$/);
    await chat.page.clock.fastForward(1_000_000);
    await chat.page.clock.fastForward(1_000_000);
    const said = (await log.innerText()).match(/You can send again/g);
    expect(said).toHaveLength(1);
    await chat.page.clock.fastForward(1_100_000);
    await expect.poll(() => log.innerText()).toMatch(/You can send again\.$/);
    expect((await log.innerText()).match(/You can send again/g)).toHaveLength(2);
  });

  it('that is long is told as a span or a time of day', async () => {
    const chat = await lab.open();
    limit(3 * 3600 + 12 * 60);
    await chat.ask('hello');
    const timer = chat.page.getByRole('timer');
    await expect.poll(() => timer.innerText()).toMatch(/^You can send again in 3 hr 1[12] min$/);
    await chat.page.getByRole('button', { name: 'Edit message' }).click();
    limit(25 * 3600);
    // A program of the page may try all the same, and is told.
    await chat.page.evaluate(() => globalThis.chat.sendUserMessage({ text: 'again' }));
    await expect.poll(() => timer.innerText()).toMatch(/^You can send again .+ at \d\d:\d\d/);
    expect(await chat.count('chatkit.error')).toBe(2);
  });
});

describe('the connection', () => {
  it('may be cut in the middle of an answer without losing a word', async () => {
    const chat = await lab.open();
    await chat.ask('cut');
    await chat.page.getByText('One two three').waitFor();
    await expect.poll(() => lab.world.held.length).toBe(1);
    lab.server.release();
    await chat.event('chatkit.response.end');
    await expect
      .poll(() => chat.answers.allInnerTexts())
      .toEqual(['One two three four five six seven eight nine ten eleven twelve.']);
    expect(requestsOf('threads.resume').length).toBeGreaterThan(0);
    expect(requestsOf('threads.create')).toHaveLength(1);
  });

  it('may go away with the page: the answer goes on after a reload', async () => {
    const first = await lab.open();
    await first.ask('hold');
    await first.page.getByText('The first half of the answer').waitFor();
    const thread = lab.world.threads.at(-1)?.id ?? '';
    const second = await lab.open({ thread });
    await second.page.getByText('The first half of the answer').waitFor();
    await second.page.getByRole('button', { name: 'Stop answering' }).waitFor();
    lab.server.release();
    await second.event('chatkit.response.end');
    await expect
      .poll(() => second.answers.allInnerTexts())
      .toEqual(['The first half of the answer is here. And this is the second half of it.']);
  });

  it('needs none of this from a server of the official SDK', async () => {
    const chat = await lab.open({ endpoint: '/plain/chatkit' });
    await chat.askAndWait('table fast');
    await expect.poll(() => chat.page.locator('a.cite').count()).toBe(5);
    await chat.askAndWait('hello');
    await chat.page.reload();
    await chat.event('chatkit.ready');
    expect(requestsOf('threads.resume')).toHaveLength(0);
  });
});

describe('what can be done with an answer', () => {
  it('copying, rating and asking for another', async () => {
    const chat = await lab.open({ context: { permissions: ['clipboard-read', 'clipboard-write'] } });
    await chat.askAndWait('hello');
    await chat.page.getByRole('button', { name: 'Copy answer' }).click();
    await expect
      .poll(() => chat.page.evaluate(() => navigator.clipboard.readText()))
      .toContain('The answer is **42**.');

    const good = chat.page.getByRole('button', { name: 'Good answer' });
    await good.click();
    await expect.poll(() => lab.world.feedback.length).toBe(1);
    await expect.poll(() => good.getAttribute('aria-pressed')).toBe('true');
    await chat.page.getByRole('button', { name: 'Bad answer' }).click();
    await expect.poll(() => good.getAttribute('aria-pressed')).toBe('false');

    await chat.page.getByRole('button', { name: 'Try again' }).click();
    await chat.event('chatkit.response.end', 2);
    expect(requestsOf('threads.retry_after_item')).toHaveLength(1);
    await expect.poll(() => chat.answers.count()).toBe(1);
    await expect.poll(() => chat.page.locator('.bubble').count()).toBe(1);
  });
});

describe('the history', () => {
  it('opens, renames and deletes threads, by keyboard, and gives the focus back', async () => {
    lab.world.seed();
    const chat = await lab.open();
    const { page } = chat;
    const opener = page.getByRole('button', { name: 'Chat history', exact: true });
    await opener.focus();
    await page.keyboard.press('Enter');
    await chat.event('chatkit.history.open');
    await page.getByRole('dialog').getByText('Today').waitFor();

    await page.getByRole('button', { name: 'Rate limits', exact: true }).focus();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    const field = page.getByLabel('New title');
    await field.waitFor();
    await page.keyboard.press('Escape');
    await expect.poll(() => field.count()).toBe(0);
    await page.getByRole('button', { name: 'Rename “Rate limits”' }).press('Enter');
    await field.fill('Limits of rates');
    await page.keyboard.press('Enter');
    await expect.poll(() => lab.world.threads.some(({ title }) => title === 'Limits of rates')).toBe(true);

    await page.getByRole('button', { name: 'Delete “Limits of rates”' }).press('Enter');
    await page.getByText('Delete this conversation?').waitFor();
    await page.keyboard.press('Enter');
    await expect.poll(() => lab.world.threads.some(({ title }) => title === 'Limits of rates')).toBe(false);
    await expect.poll(() => page.getByText('Limits of rates').count()).toBe(0);
    // The focus is still in the panel.
    await expect
      .poll(() => page.evaluate(() => globalThis.chat.shadowRoot.activeElement?.getAttribute('aria-label')))
      .toBe('Close chat history');

    await page.keyboard.press('Escape');
    await chat.event('chatkit.history.close');
    await expect
      .poll(() => opener.evaluate((button) => (button.getRootNode() as ShadowRoot).activeElement === button))
      .toBe(true);

    await opener.click();
    await page.getByRole('button', { name: 'Webhooks and retries', exact: true }).click();
    await page.getByText('Question 1 about Webhooks and retries').waitFor();
    await chat.event('chatkit.thread.load.end');
    await expect.poll(() => page.getByRole('dialog').count()).toBe(0);
  });

  it('shows pages on demand, and its failures with a way out', async () => {
    for (let n = 1; n <= 40; n++) lab.world.newThread(`Thread ${n}`);
    const chat = await lab.open();
    lab.world.failNext.push({ type: 'threads.list', status: 500, message: 'The database is away.' });
    await chat.page.getByRole('button', { name: 'Chat history', exact: true }).click();
    await chat.page.getByText('The database is away.').waitFor();
    await chat.page.getByRole('button', { name: 'Try again' }).click();
    await chat.page.getByRole('button', { name: 'Thread 40', exact: true }).waitFor();
    await expect.poll(() => chat.page.locator('.row').count()).toBe(30);
    await chat.page.getByRole('button', { name: 'Show older' }).click();
    await expect.poll(() => chat.page.locator('.row').count()).toBe(40);
  });

  it('keeps the row and says so when a change is refused', async () => {
    lab.world.newThread('Stays');
    const chat = await lab.open();
    await chat.page.getByRole('button', { name: 'Chat history', exact: true }).click();
    lab.world.failNext.push({ type: 'threads.delete', status: 403, message: 'You may not delete this.' });
    await chat.page.getByRole('button', { name: 'Delete “Stays”' }).press('Enter');
    await chat.page.getByRole('button', { name: 'Delete', exact: true }).click();
    await chat.page.getByText('You may not delete this.').waitFor();
    expect(lab.world.threads).toHaveLength(1);
  });
});

describe('long threads', () => {
  it('open at the end with two requests, and page backwards without moving the reader', async () => {
    const thread = lab.world.newThread('Long');
    lab.world.fill(thread, 200);
    const chat = await lab.open({ thread: thread.id });
    await chat.event('chatkit.thread.load.end');
    await chat.page.getByText('Question 200 about Long').waitFor();
    const bottom = () =>
      chat.page.evaluate(() => {
        const scroller = globalThis.chat.shadowRoot.querySelector('.scroll') as HTMLElement;
        return scroller.scrollHeight - scroller.clientHeight - scroller.scrollTop;
      });
    await chat.still();
    expect(await bottom()).toBeLessThan(2);
    expect(lab.world.requests.map(({ type }) => type).sort()).toEqual(['items.list', 'threads.get_by_id']);

    const topOf = (text: string) =>
      chat.page.evaluate((wanted) => {
        const bubbles = [...globalThis.chat.shadowRoot.querySelectorAll('.bubble')];
        return (
          bubbles.find((bubble) => bubble.textContent?.includes(wanted))?.getBoundingClientRect().top ?? null
        );
      }, text);
    // Near the beginning, and quite there.
    for (const { top, first, older } of [
      { top: 200, first: 176, older: 151 },
      { top: 0, first: 151, older: 126 },
    ]) {
      const before = await chat.page.evaluate(
        ([to, wanted]) => {
          const { shadowRoot } = globalThis.chat;
          const bubbles = [...shadowRoot.querySelectorAll('.bubble')];
          (shadowRoot.querySelector('.scroll') as HTMLElement).scrollTop = to;
          return bubbles.find((bubble) => bubble.textContent?.includes(wanted))?.getBoundingClientRect().top;
        },
        [top, `Question ${first} about`] as const,
      );
      await chat.page.getByText(`Question ${older} about Long`).waitFor({ state: 'attached' });
      await chat.still();
      const after = await topOf(`Question ${first} about`);
      expect(Math.abs((after ?? 0) - (before ?? 1e6))).toBeLessThanOrEqual(1);
    }

    await chat.page.getByRole('button', { name: 'Jump to the latest message' }).click();
    await expect.poll(bottom).toBeLessThan(2);
  });

  it('do not pull a reader down who has scrolled up', async () => {
    const thread = lab.world.newThread('Long');
    lab.world.fill(thread, 30);
    const chat = await lab.open({ thread: thread.id });
    // At once: what is written while the thread is loaded is sent when it is there.
    await chat.ask('hold');
    await chat.page.getByText('The first half of the answer').waitFor();
    await chat.page.getByText('Question 30 about Long').waitFor();
    await chat.still();
    await chat.page.locator('.scroll').hover();
    await chat.page.mouse.wheel(0, -600);
    await chat.page.getByRole('button', { name: 'Jump to the latest message' }).waitFor();
    const top = () =>
      chat.page.evaluate(
        () => (globalThis.chat.shadowRoot.querySelector('.scroll') as HTMLElement).scrollTop,
      );
    await chat.still();
    const before = await top();
    lab.server.release();
    await chat.event('chatkit.response.end');
    await chat.page.getByText('And this is the second half of it.').waitFor({ state: 'attached' });
    await chat.still();
    expect(await top()).toBe(before);
  });

  it('of 60 kB stream whole, and what is finished is not built again', async () => {
    const chat = await lab.open();
    await chat.ask('huge');
    await chat.page.getByRole('heading', { name: 'Section 3', exact: true }).waitFor({ state: 'attached' });
    await chat.page.evaluate(() => {
      const first = globalThis.chat.shadowRoot.querySelector('.md > *') as HTMLElement;
      first.dataset.kept = '';
    });
    await chat.event('chatkit.response.end');
    await expect.poll(async () => (await chat.answers.last().innerText()).length).toBeGreaterThan(40_000);
    await expect.poll(() => chat.page.locator('.md > :first-child[data-kept]').count()).toBe(1);
  });
});

describe('the host', () => {
  it('drives it through the published methods', async () => {
    lab.world.seed();
    const target = lab.world.threads[0];
    const chat = await lab.open();
    await chat.page.evaluate(async () => {
      await globalThis.chat.setComposerValue({ text: 'draft', reply: 'quoted words' });
      await globalThis.chat.focusComposer();
    });
    await expect.poll(() => chat.input.inputValue()).toBe('draft');
    await expect
      .poll(() => chat.input.evaluate((input) => (input.getRootNode() as ShadowRoot).activeElement === input))
      .toBe(true);
    await chat.input.press('Enter');
    await chat.event('chatkit.response.end');
    expect(requestsOf('threads.create')[0]?.params).toMatchObject({ input: { quoted_text: 'quoted words' } });
    await chat.page.locator('.quoted').getByText('quoted words').waitFor();

    await chat.page.evaluate(() =>
      globalThis.chat.sendUserMessage({
        text: 'hello',
        newThread: true,
        model: 'm',
        toolChoice: { id: 't' },
      }),
    );
    expect(requestsOf('threads.create')[1]?.params).toMatchObject({
      input: { inference_options: { model: 'm', tool_choice: { id: 't' } } },
    });
    await chat.page.evaluate(() => globalThis.chat.sendCustomAction({ type: 'confirm', payload: { a: 1 } }));
    expect(requestsOf('threads.custom_action')[0]?.params).toMatchObject({
      action: { type: 'confirm', payload: { a: 1 } },
    });

    await chat.page.evaluate((id) => globalThis.chat.setThreadId(id), target?.id ?? '');
    await chat.page.getByText(`Question 1 about ${target?.title}`).waitFor();
    lab.world.fill(target as never, 2);
    await chat.page.evaluate(() => globalThis.chat.fetchUpdates());
    await chat.page.getByText('Question 2 about').waitFor();

    await chat.page.evaluate(() => globalThis.chat.showHistory());
    await chat.page.getByRole('dialog').waitFor();
    await chat.page.evaluate(() => globalThis.chat.hideHistory());
    await expect.poll(() => chat.page.getByRole('dialog').count()).toBe(0);
    await chat.page.evaluate(() => globalThis.chat.setThreadId(null));
    await chat.page.getByText('What would you like to know?').waitFor();
  });

  it('is told when it asks for the hosted service', async () => {
    const chat = await lab.open();
    await chat.page.evaluate(() => {
      globalThis.chat.setOptions({ api: { getClientSecret: async () => 'secret' } });
    });
    await chat.event('chatkit.error');
    const errors = await chat.page.evaluate(() =>
      globalThis.events.filter(({ name }) => name === 'chatkit.error'),
    );
    expect(String(errors[0]?.detail?.error)).toContain('set api.url');
    await chat.page.getByText('This chat has no server yet.').waitFor();
    await chat.page.evaluate(() => globalThis.chat.setOptions(globalThis.optionsFor()));
    await chat.askAndWait('hello');
  });

  it('gives its own fetch, which every request goes through', async () => {
    const chat = await lab.open();
    await chat.page.evaluate(async () => {
      const seen: string[] = [];
      Object.assign(globalThis, { seen });
      const options = globalThis.optionsFor();
      globalThis.chat.setOptions({
        ...options,
        api: {
          url: '/chatkit',
          domainKey: 'x',
          fetch: (input, init) => {
            seen.push((JSON.parse(String(init?.body)) as { type: string }).type);
            return fetch(input, init);
          },
        },
      });
      await globalThis.chat.sendUserMessage({ text: 'hello' });
      await globalThis.chat.showHistory();
    });
    await expect
      .poll(() => chat.page.evaluate(() => (globalThis as unknown as { seen: string[] }).seen))
      .toEqual(['threads.create', 'threads.list']);
  });

  it('is asked to follow links that are its own', async () => {
    const chat = await lab.open();
    await chat.askAndWait('deeplink');
    await chat.page.getByRole('link', { name: 'ticket 7' }).click();
    await chat.event('chatkit.deeplink');
    const links = await chat.page.evaluate(() =>
      globalThis.events.filter(({ name }) => name === 'chatkit.deeplink'),
    );
    expect(links.map(({ detail }) => detail)).toEqual([{ name: 'ticket/open', data: { id: '7' } }]);
    expect(chat.page.url()).toContain(lab.server.url);
  });

  it('changes the theme in the middle of an answer without rebuilding anything', async () => {
    const chat = await lab.open();
    await chat.ask('hold');
    await chat.page.getByText('The first half of the answer').waitFor();
    const background = () => chat.page.evaluate(() => getComputedStyle(globalThis.chat).backgroundColor);
    const light = await background();
    await chat.page.evaluate(() => {
      const { shadowRoot } = globalThis.chat;
      for (const element of shadowRoot.querySelectorAll('.assistant, .md > *, textarea, .user')) {
        (element as HTMLElement).dataset.kept = '';
      }
      globalThis.chat.setOptions(globalThis.optionsFor({ theme: { colorScheme: 'dark' } }));
    });
    await expect.poll(background).not.toBe(light);
    const kept = (selector: string) =>
      chat.page.evaluate(
        (wanted) =>
          [...globalThis.chat.shadowRoot.querySelectorAll<HTMLElement>(wanted)].map(
            (element) => 'kept' in element.dataset,
          ),
        selector,
      );
    await expect.poll(() => kept('.assistant, .md > *, textarea, .user')).toEqual([true, true, true, true]);
    lab.server.release();
    await chat.event('chatkit.response.end');
    // The paragraph itself may be built again when it grows.
    await expect.poll(() => kept('.assistant, textarea, .user')).toEqual([true, true, true]);
    await expect.poll(() => chat.answers.last().innerText()).toContain('second half of it');
    expect(requestsOf('threads.create')).toHaveLength(1);
  });

  it('may move the element, or take it out and put it back', async () => {
    const chat = await lab.open();
    await chat.askAndWait('hello');
    await chat.page.evaluate(() => {
      const main = document.querySelector('main') as HTMLElement;
      globalThis.chat.remove();
      main.append(globalThis.chat);
      globalThis.chat.remove();
      main.append(globalThis.chat);
    });
    await chat.askAndWait('hello again');
    expect(requestsOf('threads.add_user_message')).toHaveLength(1);

    await chat.page.evaluate(async () => {
      globalThis.chat.remove();
      await new Promise((resolve) => {
        setTimeout(resolve, 50);
      });
      document.querySelector('main')?.append(globalThis.chat);
    });
    await chat.event('chatkit.thread.load.end');
    await expect.poll(() => chat.answers.count()).toBe(2);
    await expect.poll(() => chat.count('chatkit.ready')).toBe(1);
  });
});

describe('tools and models', () => {
  it('are chosen from menus with the keyboard', async () => {
    const chat = await lab.open({
      options: {
        composer: {
          tools: [
            { id: 'web', label: 'Search the web', icon: 'globe', placeholderOverride: 'Search for' },
            { id: 'data', label: 'Analyse data', icon: 'analytics' },
          ],
          models: [
            { id: 'quick', label: 'Quick' },
            { id: 'slow', label: 'Thorough' },
          ],
        },
      },
    });
    const { page } = chat;
    const focused = () =>
      page.evaluate(() => globalThis.chat.shadowRoot.activeElement?.textContent?.trim() ?? '');
    await page.getByRole('button', { name: 'Tools' }).press('Enter');
    await expect.poll(focused).toBe('Search the web');
    await page.keyboard.press('Enter');
    await chat.event('chatkit.tool.change');
    await expect.poll(() => chat.input.getAttribute('placeholder')).toBe('Search for');
    await page.getByRole('button', { name: 'Model: Quick' }).press('Enter');
    await page.getByRole('menuitemradio', { name: 'Thorough' }).waitFor();
    await expect.poll(focused).toBe('Quick');
    await page.keyboard.press('ArrowDown');
    await expect.poll(focused).toBe('Thorough');
    await page.keyboard.press('Enter');
    await chat.askAndWait('hello');
    expect(requestsOf('threads.create')[0]?.params).toMatchObject({
      input: { inference_options: { tool_choice: { id: 'web' }, model: 'slow' } },
    });
    await expect.poll(() => page.getByRole('button', { name: 'Don’t use Search the web' }).count()).toBe(0);
  });
});
