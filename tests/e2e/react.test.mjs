// The published React wrapper, npm `@openai/chatkit-react`, drives the element; behind it is the real
// server, or one on Parlor's SDK that says what it is told to say.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe } from 'node:test';
import { eventually, FakeModel, Parlor, ROOT, Server } from './support/processes.mjs';
import { scenes } from './support/scene.mjs';
import { Site } from './support/site.mjs';
import { call, done, said, turns } from './support/site-page.mjs';

const HELD = { steps: [{ step: 'text', text: 'The first half, ' }, { step: 'hold', name: 'rest' }, { step: 'text', text: 'and the second.' }] };

let folder;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'parlor-e2e-react-'));
  const require = createRequire(path.join(ROOT, 'web/package.json'));
  const { build } = await import(require.resolve('vite'));
  await build({
    configFile: false,
    logLevel: 'error',
    base: './',
    build: {
      outDir: folder,
      modulePreload: false,
      rolldownOptions: {
        input: path.join(ROOT, 'web/packages/element/tests/browser/react-site.tsx'),
        output: { format: 'es', entryFileNames: 'react-site.js' },
      },
    },
  });
  await writeFile(
    path.join(folder, 'react.html'),
    `<!doctype html>
     <html lang="en">
       <head><title>React</title><script type="module" src="/chatkit.js"></script><script type="module" src="/react-site.js"></script></head>
       <body></body>
     </html>`,
  );
});
after(() => rm(folder, { recursive: true, force: true }));

const { scene } = scenes('react', async (here) => {
  here.model = await FakeModel.start();
  here.scripted = await Server.scripted();
  const backends = {};
  here.site = await Site.start(backends, [folder]);
  const model = { OPENAI_BASE_URL: `${here.model.url}/v1`, PARLOR_MODEL: 'fake-model', PARLOR_SEARCH__ENABLED: 'false' };
  here.parlor = await Parlor.start({ ...model, PARLOR_AUTH: 'trusted-header' });
  here.open = await Parlor.start({ ...model, PARLOR_SITE__CORS_ORIGINS: here.site.url });
  here.site.allow(here.open.url);
  backends.parlor = `${here.parlor.url}/chatkit`;
  backends.scripted = `${here.scripted.url}/chatkit`;
  return here.site.url;
});

let users = 0;

class ReactPage {
  requests = [];
  user = `user-${++users}`;

  static async open(visitor, api, query) {
    const react = new ReactPage();
    react.page = visitor.page;
    visitor.page.on('request', (request) => {
      if (request.method() === 'POST') react.requests.push(request);
    });
    await visitor.page.goto(`/react.html?api=${encodeURIComponent(api)}&${query ?? `user=${react.user}`}`);
    await visitor.ready();
    await react.heard('ready');
    return react;
  }

  /** Calls one of the hook's methods. */
  kit(method, ...args) {
    return this.page.evaluate(([name, given]) => window.kit[name](...given), [method, args]);
  }

  /** What the page was told, by the name of the event. */
  told(name) {
    return this.page.evaluate((wanted) => window.told.filter((event) => event.name === wanted).map(({ detail }) => detail), name);
  }

  async heard(name, times = 1) {
    return eventually(`the page hears ${name}, ${times} times`, async () => {
      const told = await this.told(name);
      return told.length >= times && told;
    });
  }

  click(name) {
    return this.page.getByRole('button', { name, exact: true }).click();
  }
}

const text = async (visitor) => (await visitor.textOf(visitor.lastAnswer)).trim();
const field = (visitor) => visitor.chat.getByRole('textbox', { name: 'Message', exact: true });

describe('the published React wrapper', () => {
  scene('configures the element and hears its events, with the real server behind it', async (visitor, { model }) => {
    await model.script(HELD);
    const react = await ReactPage.open(visitor, '/chatkit/parlor');
    await visitor.chat.getByText('Hello from React').waitFor();
    await visitor.chat.getByText('Counted to 1').waitFor();
    await visitor.chat.getByText('Answers can be wrong.').waitFor();
    assert.equal(await field(visitor).getAttribute('placeholder'), 'Write to the site');
    assert.equal(await visitor.chat.getAttribute('class'), 'chat');
    assert.equal(await visitor.page.evaluate(() => window.element() === document.querySelector('openai-chatkit')), true);

    await visitor.chat.getByRole('button', { name: 'A first question' }).click();
    await visitor.says('The first half,');
    assert.equal((await react.told('response.end')).length, 0);
    await model.release('rest');
    await visitor.answered(1);
    assert.equal(await text(visitor), 'The first half, and the second.');
    assert.equal(await visitor.questions.innerText(), 'What is the first?');
    await react.heard('response.end');
    assert.equal((await react.told('ready')).length, 1);
    assert.equal((await react.told('response.start')).length, 1);
    const [{ threadId }] = await react.told('thread.change');
    assert.match(threadId, /^thr_/);
    assert.ok((await react.told('log')).some(({ name }) => name === 'thread.item.done'));
    const users = await Promise.all(react.requests.map((request) => request.headerValue('x-user-id')));
    assert.deepEqual([...new Set(users)], [react.user], 'every request went through the site’s own fetch');

    // Its thread is opened again after a reload.
    await visitor.page.reload();
    await visitor.answered(1);
    assert.deepEqual(await react.told('thread.load.start'), [{ threadId }]);
    assert.deepEqual(await react.heard('thread.load.end'), [{ threadId }]);
    assert.deepEqual(await react.told('error'), []);
  });

  scene('has methods that work, each of them', async (visitor) => {
    const react = await ReactPage.open(visitor, '/chatkit/parlor');
    await react.kit('sendUserMessage', { text: 'A message by a method' });
    await visitor.says('You said: A message by a method');
    await visitor.idle();
    const [{ threadId }] = await react.told('thread.change');

    await react.kit('sendUserMessage', { text: 'In a thread of its own', newThread: true });
    await visitor.says('You said: In a thread of its own');
    await visitor.answered(1);
    assert.equal(await visitor.questions.count(), 1);
    await react.kit('setThreadId', threadId);
    await visitor.says('You said: A message by a method');
    await react.kit('setThreadId', null);
    await visitor.chat.getByText('Hello from React').waitFor();
    await react.kit('setThreadId', threadId);
    await visitor.answered(1);

    await react.kit('setComposerValue', { text: 'Typed by a ', selectedToolId: 'search' });
    assert.deepEqual((await react.heard('tool.change')).at(-1), { toolId: 'search' });
    await react.kit('focusComposer');
    await eventually('the text is there, and the field has the focus', () =>
      field(visitor).evaluate((input) => input.value === 'Typed by a ' && input.getRootNode().activeElement === input),
    );
    await visitor.page.keyboard.press('End');
    await visitor.page.keyboard.type('person');
    await visitor.page.keyboard.press('Enter');
    await visitor.answered(2);
    const sent = react.requests.map((request) => request.postDataJSON()).findLast(({ type }) => type === 'threads.add_user_message');
    assert.deepEqual(sent.params.input.content, [{ type: 'input_text', text: 'Typed by a person' }]);
    assert.deepEqual(sent.params.input.inference_options.tool_choice, { id: 'search' });
    await eventually('the tool was for one message', async () => (await react.told('tool.change')).at(-1).toolId === null);

    await react.kit('showHistory');
    await visitor.history.waitFor();
    await react.heard('history.open');
    await visitor.lists(2);
    await react.kit('hideHistory');
    await visitor.history.waitFor({ state: 'detached' });
    await react.heard('history.close');

    // What was said elsewhere is there once it is asked for.
    await visitor.page.evaluate(async ([id, user]) => {
      const input = { content: [{ type: 'input_text', text: 'From another tab' }], attachments: [], inference_options: {} };
      const response = await fetch('/chatkit/parlor', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', 'X-User-ID': user },
        body: JSON.stringify({ type: 'threads.add_user_message', params: { thread_id: id, input } }),
      });
      await response.text();
    }, [threadId, react.user]);
    assert.equal(await visitor.questions.count(), 2);
    await react.kit('fetchUpdates');
    await visitor.says('You said: From another tab');
    await visitor.answered(3);
    assert.equal(await visitor.questions.count(), 3);
    assert.deepEqual(await react.told('error'), []);
  });

  scene('changes its theme and options in the middle of an answer', async (visitor, { model }) => {
    await model.script(HELD);
    const react = await ReactPage.open(visitor, '/chatkit/parlor');
    await visitor.send('Tell me a story');
    await visitor.says('The first half,');
    await visitor.settled();
    const colours = () =>
      visitor.chat.evaluate((chat) => {
        const style = getComputedStyle(chat.shadowRoot.querySelector('[part~="messages"]'));
        return [getComputedStyle(chat).colorScheme, style.color];
      });
    const light = await colours();
    await visitor.screenshot('react-light');
    const node = await visitor.lastAnswer.elementHandle();
    await field(visitor).fill('A draft');
    await react.click('Theme');
    await react.click('Count');
    await visitor.chat.getByText('Counted to 2').waitFor();
    await eventually('the theme is dark', async () => {
      const [scheme, colour] = await colours();
      return scheme === 'dark' && colour !== light[1];
    });
    await visitor.screenshot('react-dark');
    await model.release('rest');
    await visitor.answered(1);
    assert.equal(await text(visitor), 'The first half, and the second.');
    assert.ok(await node.evaluate((before) => before.isConnected), 'nothing was drawn anew');
    assert.equal(await field(visitor).inputValue(), 'A draft');
    assert.equal((await react.told('thread.change')).length, 1);
    assert.deepEqual(await react.told('error'), []);
  });

  scene('runs client tools and handlers of the newest rendering, and hears of effects', async (visitor) => {
    const react = await ReactPage.open(visitor, '/chatkit/scripted');
    await react.click('Count');
    await react.click('Count');
    await visitor.chat.getByText('Counted to 3').waitFor();
    const widget = done('widget', {
      widget: {
        type: 'Card',
        children: [{ type: 'Button', label: 'Tell the page', onClickAction: { type: 'point', payload: { at: 'h1' }, handler: 'client' } }],
      },
    });
    await visitor.send(
      turns([call('count', { of: 'clicks' })], [{ type: 'client_effect', name: 'confetti', data: { pieces: 3 } }, widget, said('All of it.')]),
    );
    await visitor.says('All of it.');
    await visitor.idle();
    assert.deepEqual(await react.told('effect'), [{ name: 'confetti', data: { pieces: 3 } }]);
    const items = await visitor.page.evaluate(async () => {
      const response = await fetch('/chatkit/scripted', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ type: 'items.list', params: { thread_id: sessionStorage.getItem('thread'), order: 'asc' } }),
      });
      return (await response.json()).data;
    });
    const called = items.find(({ type }) => type === 'client_tool_call');
    assert.deepEqual(called.output, { name: 'count', params: { of: 'clicks' }, count: 3 });
    await visitor.chat.getByRole('button', { name: 'Tell the page' }).click();
    const { id } = items.find(({ type }) => type === 'widget');
    assert.deepEqual(await react.heard('widget'), [{ action: { type: 'point', payload: { at: 'h1' } }, id, count: 3 }]);

    await react.kit('sendCustomAction', { type: 'play', payload: [said('By an action of the page.')] });
    await visitor.says('By an action of the page.');
    assert.deepEqual(await react.told('error'), []);
  });

  scene('hears of errors', async (visitor, { model }) => {
    await model.script({ steps: [{ step: 'status', status: 401 }] });
    const react = await ReactPage.open(visitor, '/chatkit/parlor');
    await visitor.send('Hello?');
    await visitor.banner.waitFor();
    const [message, ...more] = await react.heard('error');
    assert.match(message, /key/);
    assert.deepEqual(more, []);
    await react.heard('response.end');
  });

  scene('uses a Parlor on another origin: cookies, stop, and an answer that outlives a reload', async (visitor, { model, open }) => {
    visitor.expected.push(new RegExp(`^request to ${open.url}/chatkit$`));
    await model.script(HELD, { steps: [{ step: 'text', text: 'Only the beginning, ' }, { step: 'hold', name: 'never' }] });
    const react = await ReactPage.open(visitor, `${open.url}/chatkit`, 'credentials=include');
    await visitor.send('Tell me a story');
    await visitor.says('The first half,');
    await visitor.page.reload();
    await visitor.says('The first half,');
    await model.release('rest');
    await visitor.answered(1);
    assert.equal(await text(visitor), 'The first half, and the second.');
    await visitor.send('And another');
    await visitor.says('Only the beginning,');
    await visitor.stopButton.click();
    await visitor.answered(2);
    await model.requestsWhen('the connection to the model is closed', (requests) => requests.at(-1)?.aborted_after_events != null);
    const used = react.requests.map((request) => request.postDataJSON().type);
    assert.ok(used.includes('threads.resume') && used.includes('threads.stop'), `what is announced is used: ${used}`);
    await react.kit('showHistory');
    // It is the same visitor.
    await visitor.lists(1);
    assert.deepEqual(await react.told('error'), []);
  });
});
