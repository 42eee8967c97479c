// The sites in `examples/` that have no server of their own, as their readers use them.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe } from 'node:test';
import { pathToFileURL } from 'node:url';
import { siteServer } from '../../examples/serve.mjs';
import { eventually, FakeModel, Parlor, ROOT } from './support/processes.mjs';
import { modelSettings, scenes } from './support/scene.mjs';

const example = (...parts) => path.join(ROOT, 'examples', ...parts);

/** A model, and a Parlor that asks it. */
async function servers(here, environment = {}) {
  here.model = await FakeModel.start();
  here.parlor = await Parlor.start({
    ...modelSettings('responses', here.model),
    PARLOR_SEARCH__ENABLED: 'false',
    PARLOR_AUTH: 'anonymous',
    ...environment,
  });
}

/** Serves a folder with Parlor behind it. */
async function served(here, folder) {
  const server = siteServer(folder, () => here.parlor.url);
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  here.site = {
    stop: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
  return `http://127.0.0.1:${server.address().port}`;
}

/** A Vite server of a site: `preview` of what was built, or `createServer`, with this Parlor behind it. */
async function viteServer(kind, site, parlor) {
  if (!existsSync(example(site, 'dist/index.html'))) throw new Error(`examples/${site} is not built: run \`make examples-web\`.`);
  const require = createRequire(example(site, 'package.json'));
  const vite = await import(pathToFileURL(require.resolve('vite')));
  const proxy = Object.fromEntries(['/chatkit', '/widget.js', '/chunks', '/files', '/auth'].map((name) => [name, parlor.url]));
  const listens = { host: '127.0.0.1', port: 0, proxy };
  const server = await vite[kind]({ root: example(site), logLevel: 'error', server: listens, preview: listens });
  if (kind === 'createServer') await server.listen();
  return {
    url: `http://127.0.0.1:${server.httpServer.address().port}`,
    stop: async () => {
      server.httpServer.closeAllConnections?.();
      await server.close();
    },
  };
}

const launcher = (visitor) => visitor.page.locator('.launcher');
const askButton = (visitor) => visitor.page.getByRole('button', { name: 'Ask', exact: true });
const mark = (visitor, id) =>
  visitor.page.evaluate((of) => document.getSelection().selectAllChildren(document.getElementById(of)), id);

/** What the model was told with the question that holds this text. */
async function told(model, question) {
  return eventually(`the model is asked ${question}`, async () => {
    const asked = (await model.requests()).find((request) => JSON.stringify(request.body.input ?? request.body.messages).includes(question));
    return asked && JSON.stringify(asked.body);
  });
}

function knows(body, known, unknown = []) {
  for (const text of known) assert.ok(body.includes(text), `the model knows “${text}”`);
  for (const text of unknown) assert.ok(!body.includes(text), `the model does not know “${text}”`);
}

describe('a plain HTML site', () => {
  const { scene } = scenes('html', async (here) => {
    await servers(here);
    return served(here, example('html'));
  });

  scene('a reader asks about a sentence, then on a page with the strictest policy, in the same conversation', async (visitor, { model }) => {
    const { page } = visitor;
    await page.goto('/');
    await launcher(visitor).waitFor();
    await mark(visitor, 'dose');
    await askButton(visitor).click();
    await visitor.answered(1);
    await visitor.isAccessible('the HTML page with the chat open');
    await visitor.screenshot('html-asked');
    knows(
      await told(model, 'Can you explain this passage'),
      ['Brewing · Larch espresso machines', 'How to brew a good espresso', 'Dose and grind', 'Take 18 grams for a double basket'],
      ['7731', 'Your order'],
    );
    await page.getByRole('link', { name: 'Care', exact: true }).click();
    await page.waitForURL('**/care.html');
    await visitor.answered(1);
    assert.equal(await page.locator('.panel').getAttribute('data-mode'), 'panel');
    await visitor.ask('How often?');
    knows(await told(model, 'How often?'), ['Care · Larch espresso machines', 'Descaling', 'Can you explain this passage'], ['Dose and grind']);
    await visitor.isAccessible('the panel at the side');
    await visitor.screenshot('html-care');
  });

  scene('what readers say of themselves is told, and the menu is the site’s', async (visitor, { model }) => {
    const { page } = visitor;
    await page.goto('/');
    await launcher(visitor).click();
    await visitor.ready();
    const settings = visitor.chat.getByRole('button', { name: 'Settings', exact: true });
    await settings.click();
    await page.getByRole('button', { name: 'About you' }).click();
    await page.getByLabel('What should I call you?').fill('Grace');
    await page.getByLabel('Your machine').selectOption('Larch Duo');
    await page.getByRole('button', { name: 'Save' }).click();
    await settings.click();
    await page.getByRole('button', { name: 'What can you help me with?' }).click();
    await visitor.answered(1);
    knows(await told(model, 'What can you help me with?'), ['Grace', 'Larch Duo']);
    await settings.click();
    await page.getByRole('link', { name: 'Care of the machine' }).click();
    await page.waitForURL('**/care.html');
  });

  scene('without its script the page is a page like any other', async (visitor) => {
    visitor.expected.push(/ERR_FAILED/);
    await visitor.page.route('**/widget.js', (route) => route.abort());
    await visitor.page.goto('/');
    await visitor.page.getByRole('heading', { name: 'A good espresso, every morning' }).waitFor();
    await mark(visitor, 'dose');
    await visitor.page.getByRole('link', { name: 'Care', exact: true }).click();
    await visitor.page.getByRole('heading', { name: 'Care of the machine' }).waitFor();
    assert.equal(await launcher(visitor).count(), 0);
  });
});

describe('a React site', () => {
  const { scene } = scenes('react-site', async (here) => {
    await servers(here);
    here.site = await viteServer('preview', 'react', here.parlor);
    return here.site.url;
  });

  scene('the chat stays while the reader goes from page to page, and knows each', async (visitor, { model }) => {
    const { page } = visitor;
    await page.goto('/');
    await launcher(visitor).waitFor();
    await mark(visitor, 'light');
    await askButton(visitor).click();
    await visitor.answered(1);
    knows(await told(model, 'Can you explain this passage'), ['Ferns for dark corners', 'Light', 'cast-iron fern', 'visitor']);
    const element = await visitor.chat.elementHandle();
    await page.getByRole('link', { name: 'Delivery', exact: true }).click();
    await page.getByRole('button', { name: 'What is important here?' }).click();
    await visitor.answered(2);
    knows(
      await told(model, 'What is important on this page?'),
      ['Delivery and returns · Fern', '/delivery', 'How long it takes', 'Can you explain this passage'],
      ['Water'],
    );
    assert.ok(await element.evaluate((one) => one.isConnected && one === document.querySelector('[data-parlor-widget]').shadowRoot.querySelector('openai-chatkit')));
    await visitor.isAccessible('the React site with the chat open');
    await visitor.screenshot('react-site-asked');
    // The site's own switch, and a function of the site's own in the menu.
    await page.getByRole('button', { name: 'Dark', exact: true }).click();
    await eventually('the chat is dark', () => element.evaluate((one) => getComputedStyle(one).colorScheme === 'dark'));
    await visitor.isAccessible('the dark React site');
    await visitor.screenshot('react-site-dark');
    await page.goBack();
    await visitor.chat.getByRole('button', { name: 'Settings', exact: true }).click();
    await page.getByRole('button', { name: 'Delivery and returns' }).click();
    await page.waitForURL('**/delivery');
    assert.equal(await visitor.answers.count(), 2);
  });
});

describe('a React site while it is written', () => {
  const { scene } = scenes('react-dev', async (here) => {
    await servers(here);
    here.site = await viteServer('createServer', 'react', here.parlor);
    return here.site.url;
  });

  scene('its development server passes Parlor’s addresses on', async (visitor) => {
    await visitor.page.goto('/');
    await launcher(visitor).click();
    await visitor.ask('Hello');
  });
});

const OFFICIAL = 'https://cdn.platform.openai.com/deployments/chatkit/chatkit.js';

describe('a site with the official element', () => {
  const { scene } = scenes('official', async (here) => {
    await servers(here);
    return served(here, example('official/dist'));
  });

  /** Another element is at the official one's address; everything else that is not the site's goes nowhere. */
  async function withOfficial(visitor, answer = (route) => route.fulfill({ path: path.join(import.meta.dirname, 'official/stub.js') })) {
    visitor.expected.push(new RegExp(`^request to ${OFFICIAL}$`));
    const { page } = visitor;
    await page.route(
      (url) => url.origin !== visitor.origin,
      (route) => route.abort(),
    );
    await page.route(OFFICIAL, answer);
  }
  const official = (visitor, read) => visitor.page.evaluate(`(${read})(window.official)`);
  const requests = (visitor) => {
    const all = [];
    visitor.page.on('request', (request) => {
      if (request.method() === 'POST' && request.url().endsWith('/chatkit')) all.push(request.postData());
    });
    return all;
  };

  /** Holds options against the published types, by the compiler. Functions count as what is wanted there. */
  async function areOptions(all) {
    const folder = await mkdtemp(path.join(tmpdir(), 'parlor-options-'));
    try {
      const types = path.join(ROOT, 'web/node_modules/@openai/chatkit/types/index.d.ts');
      const written = all.map((options, index) => `export const options${index}: ChatKitOptions = ${options};`);
      await writeFile(
        path.join(folder, 'options.ts'),
        `import type { ChatKitOptions } from '@openai/chatkit';\ndeclare const given: never;\n${written.join('\n')}\n`,
      );
      await writeFile(
        path.join(folder, 'tsconfig.json'),
        JSON.stringify({
          compilerOptions: { strict: true, noEmit: true, skipLibCheck: true, module: 'ESNext', moduleResolution: 'bundler', types: [], lib: ['ES2022', 'DOM'], paths: { '@openai/chatkit': [types] } },
          files: ['options.ts'],
        }),
      );
      execFileSync(path.join(ROOT, 'web/node_modules/.bin/tsc'), ['--project', folder], { encoding: 'utf8', stdio: 'pipe' });
    } catch (error) {
      throw new Error(`not what the published types say:\n${error.stdout ?? error}\n${all.join('\n')}`);
    } finally {
      await rm(folder, { recursive: true });
    }
  }
  /** The options that it was given, as text for the compiler. */
  const optionsGiven = (visitor) =>
    official(visitor, (stub) => {
      const text = (value) => {
        if (typeof value === 'function') return 'given';
        if (Array.isArray(value)) return `[${value.map(text).join(', ')}]`;
        if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'undefined';
        const fields = Object.entries(value).filter(([, field]) => field !== undefined);
        return `{ ${fields.map(([name, field]) => `${JSON.stringify(name)}: ${text(field)}`).join(', ')} }`;
      };
      return stub.options.map(text);
    });

  scene('the client’s parts work around it', async (visitor, { model }) => {
    await withOfficial(visitor);
    const sent = requests(visitor);
    const { page } = visitor;
    await page.goto('/');
    await visitor.chat.waitFor();
    const [options] = await optionsGiven(visitor);
    await areOptions([options]);
    assert.match(options, /"url": "http:\/\/127\.0\.0\.1:\d+\/chatkit"/);
    assert.match(options, /"initialThread": null/);

    await mark(visitor, 'tides');
    await page.getByRole('button', { name: 'Ask about the marked text' }).click();
    await eventually('it was answered', () => official(visitor, (stub) => stub.answers.length === 1));
    assert.deepEqual(await official(visitor, (stub) => stub.calls), [
      ['sendUserMessage', { text: 'What does this mean?', reply: 'The causeway is under water from two hours before high tide to three hours after it.' }],
    ]);
    const { metadata, params } = JSON.parse(sent[0]);
    assert.equal(params.input.content[0].text, 'What does this mean?');
    assert.deepEqual(metadata.userInfo, { plan: 'guest of the marsh' });
    assert.equal(metadata.pageContext.title, 'Tides · Saltmarsh');
    knows(await told(model, 'What does this mean?'), ['Tides · Saltmarsh', 'guest of the marsh', 'Be back in time']);

    // What leads to no answer goes as it is; what is no JSON, too.
    const untouched = await official(visitor, async (stub) => {
      await stub.element.request('threads.list', {});
      const { fetch, url } = stub.options[0].api;
      return (await fetch(url, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{"type":' })).status;
    });
    visitor.expected.push(/status of 400/);
    assert.equal(untouched, 400);
    assert.deepEqual(sent.slice(1), ['{"type":"threads.list","params":{}}', '{"type":']);
    // The thread is remembered, and given to the next element.
    const thread = await page.evaluate(() => sessionStorage.getItem('thread'));
    assert.match(thread, /^thr_/);
    await page.reload();
    await visitor.chat.waitFor();
    assert.equal(await official(visitor, (stub) => stub.options[0].initialThread), thread);
    // Its errors are shown.
    await official(visitor, (stub) => stub.element.tell('chatkit.error', { error: new Error('The tide is in.') }));
    await page.getByText('The tide is in.').waitFor();
    // Who is not known any more is asked to sign in.
    visitor.expected.push(/status of 401/);
    await page.route('**/chatkit', (route) => route.fulfill({ status: 401, json: {} }));
    await official(visitor, (stub) => stub.element.request('threads.list', {}));
    await page.getByText('Please sign in to chat.').waitFor();
  });

  scene('where its script is blocked the page says so, and tries again', async (visitor) => {
    let blocked = true;
    visitor.expected.push(/ERR_FAILED/);
    await withOfficial(visitor, (route) =>
      blocked ? route.abort() : route.fulfill({ path: path.join(import.meta.dirname, 'official/stub.js') }),
    );
    await visitor.page.goto('/');
    await visitor.page.getByText('The chat could not be loaded').waitFor();
    blocked = false;
    await visitor.page.getByRole('button', { name: 'Try again' }).click();
    await visitor.chat.waitFor();
  });

  scene('the widget puts it in its place', async (visitor, { model }) => {
    await withOfficial(visitor);
    const sent = requests(visitor);
    const { page } = visitor;
    await page.goto('/widget.html');
    await launcher(visitor).waitFor();
    await mark(visitor, 'redshank');
    await askButton(visitor).click();
    await eventually('it was answered', () => official(visitor, (stub) => stub.answers.length === 1));
    const calls = await official(visitor, (stub) => stub.calls);
    assert.deepEqual(
      calls.find(([name]) => name === 'sendUserMessage'),
      ['sendUserMessage', { text: 'Can you explain this passage of “Birds · Saltmarsh”?', reply: 'The redshank is first to see you and tells everybody else.' }],
    );
    assert.ok(calls.some(([name]) => name === 'focusComposer'), 'it was given the focus');
    await areOptions(await optionsGiven(visitor));
    assert.equal(JSON.parse(sent[0]).metadata.pageContext.title, 'Birds · Saltmarsh');
    knows(await told(model, 'Can you explain this passage'), ['Birds · Saltmarsh', 'Winter']);
    // One element, however often it was drawn; its own close button closes the widget.
    assert.equal(await official(visitor, (stub) => stub.elements), 1);
    await official(visitor, (stub) => stub.options.at(-1).header.rightAction.onClick());
    await eventually('it is closed', async () => (await launcher(visitor).getAttribute('aria-expanded')) === 'false');
    // The thread is there again after a reload.
    await launcher(visitor).click();
    await page.reload();
    await visitor.chat.waitFor();
    const remembered = await eventually('it was given options', () => official(visitor, (stub) => stub.options.at(-1)?.initialThread));
    assert.match(remembered, /^thr_/);
  });
});
