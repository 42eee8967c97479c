import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Lab, violationsOf } from '../../../element/tests/browser/lab.js';

let lab: Lab;
let folder: string;

const page = (body: string) => `<!doctype html>
<html lang="en">
  <head><title>Plans of Acme</title><script src="/extra/watch.js"></script></head>
  <body><main><h1>Plans</h1><p id="trial">Every plan has a trial.</p></main>${body}</body>
</html>`;

const PAGES = {
  plain: page('<script type="module" src="/widget.js"></script>'),
  // In the head, and with a query, as those write who want their readers to have the newest.
  head: page('').replace(
    '</head>',
    '<script type="module" async src="/widget.js?v=2" data-greeting="Hello there"></script></head>',
  ),
  options: page(
    `<script type="module" src="/widget.js" data-mode="panel" data-greeting="Ask me" data-prompts="What is new? | What does it cost?"
      data-user-info='{"name":"Ada"}' data-labels='{"open":"Hilfe öffnen"}' data-menu='[{"label":"Prices","message":"hello prices"}]'
      data-widget-id="x" data-color-scheme="dark" data-ask="false"></script>`,
  ),
  wrong: page('<script type="module" src="/widget.js" data-mode="sideways" data-user-info="{name"></script>'),
  manual: page('<div id="app"></div><script type="module" src="/widget.js" data-manual></script>'),
  functions: page(
    '<script src="/extra/options.js"></script><script type="module" src="/widget.js"></script>',
  ),
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parlor-tag-'));
  for (const [name, html] of Object.entries(PAGES)) await writeFile(join(folder, `${name}.html`), html);
  await writeFile(
    join(folder, 'watch.js'),
    'window.violations = []; addEventListener("securitypolicyviolation", (e) => violations.push(e.violatedDirective))',
  );
  await writeFile(
    join(folder, 'options.js'),
    'window.parlorOptions = { token: ({ refused }) => (refused ? "new" : "old"), pageContext: () => ({ title: "Said by a function" }) }',
  );
  lab = await Lab.start(folder);
});
afterEach(() => lab.closePages());
afterAll(async () => {
  await lab.stop();
  await rm(folder, { recursive: true });
});

const open = async (name: keyof typeof PAGES, options = {}): Promise<Page> =>
  (await lab.open({ path: `/extra/${name}.html`, ...options })).page;
const launcher = (of: Page) => of.locator('.launcher');
const input = (of: Page) => of.getByLabel('Message', { exact: true });
const answers = (of: Page) => of.locator('.assistant .md');
const asked = () => lab.world.requests.filter(({ type }) => type === 'threads.create');

describe('one script tag', () => {
  it('is the chat on a page: button, page context, memory', async () => {
    const opened = await open('plain');
    await launcher(opened).click();
    await input(opened).fill('hello');
    await input(opened).press('Enter');
    await expect.poll(() => answers(opened).count()).toBe(1);
    expect(asked()[0]?.metadata).toMatchObject({
      pageContext: { title: 'Plans of Acme', headings: ['Plans'] },
    });
    await opened.reload();
    await expect.poll(() => answers(opened).count()).toBe(1);
    await input(opened).press('Escape');
    await expect.poll(() => launcher(opened).getAttribute('aria-expanded')).toBe('false');
    expect(await violationsOf(opened)).toEqual([]);
  });

  it('is small until it is needed', async () => {
    const requested: string[] = [];
    const opened = await open('plain', {
      // Nothing to do is what this browser never has.
      before: () => {
        globalThis.requestIdleCallback = () => 0;
      },
      block: /nothing/,
    });
    opened.on('request', (request) => requested.push(new URL(request.url()).pathname));
    await opened.reload();
    await launcher(opened).waitFor();
    await expect.poll(() => requested.filter((path) => path.startsWith('/chunks/')).length).toBe(1);
    expect(requested).not.toContain('/chatkit.js');
    await launcher(opened).click();
    await input(opened).waitFor();
    // What was clicked before it was there has the focus now.
    await expect
      .poll(() => opened.evaluate(() => document.activeElement?.matches('[data-parlor-widget]')))
      .toBe(true);
    expect(requested).toContain('/chatkit.js');
  });

  it('asks about what is marked, also before the chat was loaded', async () => {
    const opened = await open('plain', {
      before: () => {
        globalThis.requestIdleCallback = () => 0;
      },
    });
    await launcher(opened).waitFor();
    await opened.evaluate(() => {
      const part = document.getElementById('trial');
      if (part !== null) document.getSelection()?.selectAllChildren(part);
    });
    await opened.locator('.ask').click();
    await expect.poll(() => answers(opened).count()).toBe(1);
    expect(asked()[0]?.params.input).toMatchObject({ quoted_text: 'Every plan has a trial.' });
  });

  it('works in the head, and with a query in its address', async () => {
    const opened = await open('head');
    await launcher(opened).click();
    await opened.getByText('Hello there').waitFor();
  });

  it('takes its options from attributes', async () => {
    const opened = await open('options');
    const button = opened.getByRole('button', { name: 'Hilfe öffnen' });
    await button.click();
    await opened.getByText('Ask me').waitFor();
    expect(await opened.locator('.panel').getAttribute('data-mode')).toBe('panel');
    expect(await opened.locator('.widget').getAttribute('data-scheme')).toBe('dark');
    await opened.getByRole('button', { name: 'What does it cost?' }).waitFor();
    await opened.locator('[part~=header-action-left]').click();
    await opened.getByRole('button', { name: 'Prices' }).click();
    await expect.poll(() => answers(opened).count()).toBe(1);
    expect(asked()[0]?.metadata).toMatchObject({ userInfo: { name: 'Ada' } });
  });

  it('names attributes that it cannot read, and works without them', async () => {
    const warnings: string[] = [];
    const opened = await open('wrong');
    opened.on('console', (message) => warnings.push(message.text()));
    await opened.reload();
    await launcher(opened).click();
    await input(opened).waitFor();
    expect(warnings.join('\n')).toContain(
      'the attribute mode is "sideways"; it has to be popup, panel, inline',
    );
    expect(warnings.join('\n')).toContain('user-info');
  });

  it('is told by the page what no attribute can hold, and can be driven by it', async () => {
    const opened = await open('functions');
    await launcher(opened).waitFor();
    const sent = opened.waitForRequest(
      (request) =>
        request.url().endsWith('/chatkit') && (request.postData() ?? '').includes('threads.create'),
    );
    await opened.evaluate(() => globalThis.parlor?.ask('hello from the page'));
    const request = await sent;
    expect(await request.headerValue('authorization')).toBe('Bearer old');
    expect(request.postDataJSON().metadata.pageContext).toEqual({ title: 'Said by a function' });
    await expect.poll(() => answers(opened).count()).toBe(1);
    await opened.evaluate(() => globalThis.parlor?.close());
    await expect.poll(() => launcher(opened).getAttribute('aria-expanded')).toBe('false');
  });

  it('says on its button that the rest could not be loaded, and tries again with a click', async () => {
    const opened = await open('plain', { block: /chunks\/chatkit-widget-/ });
    await opened.locator('.badge').waitFor();
    await opened.unroute(/chunks\/chatkit-widget-/);
    await launcher(opened).click();
    await input(opened).waitFor();
  });

  it('is an element as well, also within other shadow trees', async () => {
    const opened = await open('manual');
    await opened.evaluate(async () => {
      await customElements.whenDefined('parlor-widget');
      const outer = document.getElementById('app')?.attachShadow({ mode: 'open' });
      const middle = document.createElement('div');
      outer?.append(middle);
      const widget = document.createElement('parlor-widget');
      widget.setAttribute('mode', 'inline');
      widget.setAttribute('greeting', 'Deep inside');
      middle.attachShadow({ mode: 'open' }).append(widget);
    });
    await opened.getByText('Deep inside').waitFor();
    await input(opened).fill('hello');
    await input(opened).press('Enter');
    await expect.poll(() => answers(opened).count()).toBe(1);
    expect(await launcher(opened).count()).toBe(0);
    await opened.evaluate(() => document.getElementById('app')?.remove());
    await expect.poll(() => input(opened).count()).toBe(0);
  });
});
