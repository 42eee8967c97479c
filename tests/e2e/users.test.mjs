// Who sees what: the two users of the demo, the list of conversations, ratings.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { eventually } from './support/processes.mjs';
import { stage } from './support/scene.mjs';

describe('users and their conversations', () => {
  const { scene } = stage();

  scene('neither user sees what the other asked', async (visitor) => {
    await visitor.open();
    await visitor.ask('/notools A question of Ada');
    const adas = await visitor.threadId('ada');
    await visitor.as('Linus');
    await eventually('a new conversation', async () => (await visitor.questions.count()) === 0);
    await visitor.chat.getByText('Hello Linus').waitFor();
    await visitor.openHistory();
    assert.deepEqual(await visitor.threadTitles(), []);
    await visitor.screenshot('history-empty');
    await visitor.closeHistory();
    await visitor.ask('/notools A question of Linus');
    await visitor.openHistory();
    await visitor.lists(1);
    await visitor.closeHistory();

    // Somebody else's id and one that never was look the same.
    const linus = { 'x-parlor-persona': 'linus' };
    const random = adas.replace(/[0-9a-f]{8}$/, '00000000');
    for (const [type, params] of [
      ['threads.get_by_id', {}],
      ['threads.update', { title: 'Mine now' }],
      ['threads.delete', {}],
      ['threads.stop', {}],
      ['items.list', {}],
      ['threads.add_user_message', { input: { content: [{ type: 'input_text', text: 'Hello' }], attachments: [], inference_options: {} } }],
    ]) {
      visitor.expected.push(/status of 404/);
      const others = await visitor.api(type, { thread_id: adas, ...params }, linus);
      const nobodys = await visitor.api(type, { thread_id: random, ...params }, linus);
      assert.equal(others.status, 404, type);
      assert.equal(nobodys.status, 404, type);
      const shape = ({ body }) => JSON.stringify({ ...body.error, request_id: '' }).replaceAll(adas, 'ID').replaceAll(random, 'ID');
      assert.equal(shape(others), shape(nobodys), type);
    }

    await visitor.as('Ada');
    await visitor.answered(1);
    assert.match(await visitor.questions.innerText(), /Ada/);
    assert.equal((await visitor.api('threads.get_by_id', { thread_id: adas })).status, 200);
  });

  scene('another browser is another visitor', async (visitor, { browser, parlor }) => {
    await visitor.open();
    await visitor.ask('/notools A secret');
    const id = await visitor.threadId();
    const { Visitor } = await import('./support/browser.mjs');
    const other = await Visitor.enter(browser, parlor.url);
    await other.open();
    await other.openHistory();
    assert.deepEqual(await other.threadTitles(), []);
    assert.equal((await other.api('threads.get_by_id', { thread_id: id })).status, 404);
    await other.leave();
  });

  scene('conversations are listed, opened, renamed and deleted', async (visitor) => {
    await visitor.open();
    await visitor.ask('/notools The first question');
    await visitor.chat.getByRole('button', { name: 'New chat' }).click();
    await visitor.chat.getByText('Hello Ada').waitFor();
    await visitor.ask('/notools The second question');
    await visitor.openHistory();
    await visitor.lists(2);
    assert.match((await visitor.threadTitles())[0], /second/, 'the newest is first');
    await visitor.screenshot('history');

    await visitor.history.getByText('The first question').hover();
    await visitor.history.getByRole('button', { name: /^Rename .*first/ }).click();
    await visitor.chat.getByRole('textbox', { name: 'New title' }).fill('A better title');
    await visitor.page.keyboard.press('Enter');
    await eventually('it has the new title', async () => (await visitor.threadTitles()).includes('A better title'));

    await visitor.history.getByText('A better title').click();
    await eventually('it is open', async () => /first/.test(await visitor.questions.allInnerTexts().then(String)));
    await visitor.chat.getByRole('heading', { name: 'A better title' }).waitFor();

    await visitor.openHistory();
    await visitor.history.getByText('A better title').hover();
    await visitor.history.getByRole('button', { name: 'Delete “A better title”' }).click();
    await visitor.history.getByRole('button', { name: 'Delete', exact: true }).click();
    await visitor.lists(1);
    await visitor.closeHistory();
    await visitor.chat.getByText('Hello Ada').waitFor();

    await visitor.page.reload();
    await visitor.ready();
    await visitor.openHistory();
    assert.match((await visitor.lists(1))[0], /second/);
  });

  scene('the focus stays in the list while a conversation is deleted', async (visitor) => {
    await visitor.open();
    await visitor.ask('/notools Hello');
    let release;
    const released = new Promise((resolve) => {
      release = resolve;
    });
    await visitor.page.route('**/chatkit', async (route) => {
      if (route.request().postDataJSON().type === 'threads.delete') await released;
      await route.continue();
    });
    await visitor.openHistory();
    await visitor.history.getByRole('button', { name: /^Delete/ }).press('Enter');
    const button = visitor.history.getByRole('button', { name: 'Delete', exact: true });
    await Promise.all([visitor.page.waitForRequest((request) => request.postData()?.includes('threads.delete') ?? false), button.press('Enter')]);
    // A button that is disabled while it has the focus loses it with the next frame.
    await visitor.settled();
    assert.equal(await button.evaluate((element) => element.getRootNode().activeElement === element), true);
    assert.equal(await button.getAttribute('aria-disabled'), 'true');
    await visitor.isAccessible('a conversation that is being deleted');
    await visitor.screenshot('history-deleting');
    release();
    await visitor.lists(0);
    await visitor.closeHistory();
  });

  scene('a rating reaches the server', async (visitor) => {
    await visitor.open();
    await visitor.ask('/notools Hello');
    const answered = visitor.page.waitForResponse((response) => response.request().postData()?.includes('items.feedback') ?? false);
    const good = visitor.actions.getByRole('button', { name: 'Good answer' });
    await good.click();
    const response = await answered;
    assert.equal(response.status(), 200);
    const { params } = response.request().postDataJSON();
    assert.equal(params.kind, 'positive');
    assert.equal(params.thread_id, await visitor.threadId());
    assert.equal(params.item_ids.length, 1);
    await eventually('it is shown', async () => (await good.getAttribute('aria-pressed')) === 'true');
  });

  scene('what the page knows is sent anew with every message', async (visitor, { model }) => {
    await visitor.open('/docs/documents');
    const paragraph = visitor.page.locator('#article h2 + p').first();
    const selected = (await paragraph.innerText()).split(/[.\n`]/)[0];
    await paragraph.selectText();
    await visitor.ask('/notools What is this?');
    const sent = (await model.requests()).map(({ body }) => JSON.stringify(body));
    const headings = await visitor.page.locator('#article :is(h1, h2, h3)').evaluateAll((all) => all.map((heading) => heading.dataset.text));
    for (const told of ['Ada Lovelace', `${visitor.origin}/docs/documents`, selected, ...headings.slice(0, 5)]) {
      assert.ok(sent[0].includes(told), `the model is told “${told}”`);
    }
    await visitor.page.goto('/docs/models');
    await visitor.ready();
    await visitor.answered(1);
    await visitor.as('Linus');
    await visitor.ask('/notools And this?');
    const last = JSON.stringify((await model.requests()).at(-1).body);
    assert.ok(last.includes('Linus Torvalds') && last.includes('/docs/models'));
    assert.ok(!last.includes('Ada Lovelace') && !last.includes(selected), 'nothing of the first user is left');
  });

  scene('a conversation that is gone makes room for a new one', async (visitor) => {
    await visitor.open();
    await visitor.ask('/notools Hello');
    const id = await visitor.threadId();
    visitor.expected.push(/status of 404/);
    assert.equal((await visitor.api('threads.delete', { thread_id: id })).status, 200);
    await visitor.page.reload();
    await visitor.chat.getByText('Hello Ada').waitFor();
    await eventually('it is forgotten', () => visitor.page.evaluate(() => localStorage.getItem('parlor.thread.ada') === null));
  });
});

describe('behind a proxy that says who is asking', () => {
  const { scene } = stage({ environment: { PARLOR_AUTH: 'trusted-header' } });

  scene('the demo sends the header that names the user', async (visitor, { model }) => {
    await visitor.open();
    await visitor.ask('/notools Hello');
    assert.ok(JSON.stringify((await model.requests())[0].body).includes('Ada Lovelace'));
    visitor.expected.push(/status of (401|404)/);
    const id = await visitor.threadId();
    assert.equal((await visitor.api('threads.get_by_id', { thread_id: id })).status, 401);
    assert.equal((await visitor.api('threads.get_by_id', { thread_id: id }, { 'x-user-id': 'ada' })).status, 200);
    assert.equal((await visitor.api('threads.get_by_id', { thread_id: id }, { 'x-user-id': 'linus' })).status, 404);
    await visitor.as('Linus');
    await visitor.openHistory();
    assert.deepEqual(await visitor.threadTitles(), []);
  });
});
