// The element against a server on the official Python SDK, built as its guides advise: it knows nothing of
// Parlor's additions, and everything works without them.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { LOST } from './support/browser.mjs';
import { eventually, FakeModel, Server } from './support/processes.mjs';
import { scenes } from './support/scene.mjs';
import { Site } from './support/site.mjs';
import { call, done, DOT, said, SitePage, turns } from './support/site-page.mjs';

const { scene } = scenes('reference', async (here) => {
  here.model = await FakeModel.start();
  const backends = {};
  here.site = await Site.start(backends);
  here.reference = await Server.reference(here.model, here.site.url);
  for (const name of ['responses', 'attachments', 'scripted']) backends[name] = `${here.reference.url}/${name}`;
  backends.files = here.reference.url;
  return here.site.url;
});

const HELD = { steps: [{ step: 'text', text: 'The first half, ' }, { step: 'hold', name: 'rest' }, { step: 'text', text: 'and the second.' }] };

const text = async (visitor) => (await visitor.textOf(visitor.lastAnswer)).trim();

/** Waits until the server has stored that answer. */
const kept = (page, answer) =>
  eventually('the server has stored the answer', async () => {
    const answers = (await page.items()).filter(({ type }) => type === 'assistant_message');
    return answers.some(({ content }) => content.map((part) => part.text).join('').trim() === answer);
  });

describe('against a server on the official SDK', () => {
  scene('an answer streams in and is there after a reload', async (visitor, { model }) => {
    await model.script(HELD, { steps: [{ step: 'text', text: 'And another.' }] });
    const page = await SitePage.open(visitor, 'responses');
    await visitor.send('Tell me a story');
    await model.held('rest');
    await visitor.says('The first half,');
    assert.ok(!(await visitor.lastAnswer.innerText()).includes('second'), 'the rest is not there yet');
    await visitor.stopButton.waitFor();
    await model.release('rest');
    await visitor.answered(1);
    assert.equal(await text(visitor), 'The first half, and the second.');
    await visitor.ask('Another one');
    await visitor.page.reload();
    await visitor.answered(2);
    assert.deepEqual(await visitor.questions.allInnerTexts(), ['Tell me a story', 'Another one']);
    assert.equal(await text(visitor), 'And another.');
    const requests = await model.requests();
    assert.equal(requests.length, 2, 'the model was asked once a question');
    assert.ok(JSON.stringify(requests[1].body).includes('and the second.'), 'it knows what was said before');
    const used = page.requests();
    assert.ok(!used.includes('threads.stop') && !used.includes('threads.resume'), `only what was announced is used: ${used}`);
    assert.deepEqual(await page.told('error'), []);
  });

  scene('conversations are listed, opened, renamed and deleted', async (visitor) => {
    await SitePage.open(visitor, 'responses');
    await visitor.ask('The first question');
    await visitor.chat.getByRole('button', { name: 'New chat' }).click();
    await visitor.chat.getByText('Hello from the site').waitFor();
    await visitor.ask('The second question');

    // This server makes no titles. The newest is on top.
    await visitor.openHistory();
    const rename = async (at, title) => {
      const row = visitor.history.getByRole('listitem').nth(at);
      await row.hover();
      await row.getByRole('button', { name: /^Rename/ }).click();
      await visitor.chat.getByRole('textbox', { name: 'New title' }).fill(title);
      await visitor.page.keyboard.press('Enter');
      await eventually('it has the new title', async () => (await visitor.threadTitles())[at] === title);
    };
    await rename(0, 'About the second');
    await rename(1, 'About the first');
    await visitor.history.getByText('About the first').click();
    await eventually('it is open', async () => /first/.test(await visitor.questions.allInnerTexts().then(String)));

    await visitor.page.reload();
    await visitor.answered(1);
    await visitor.openHistory();
    await eventually('both titles are there', async () => (await visitor.threadTitles()).slice(0, 2).join() === 'About the second,About the first');
    const before = (await visitor.threadTitles()).length;
    await visitor.history.getByText('About the first').hover();
    await visitor.history.getByRole('button', { name: 'Delete “About the first”' }).click();
    await visitor.history.getByRole('button', { name: 'Delete', exact: true }).click();
    await visitor.lists(before - 1);
    await visitor.closeHistory();
    await visitor.chat.getByText('Hello from the site').waitFor();
    await visitor.page.reload();
    await visitor.ready();
    await visitor.openHistory();
    assert.equal((await visitor.lists(before - 1))[0], 'About the second');
  });

  scene('an answer is rated, and another one asked for', async (visitor, { model }) => {
    await model.script({ steps: [{ step: 'text', text: 'The first try.' }] }, { steps: [{ step: 'text', text: 'The second try.' }] });
    const page = await SitePage.open(visitor, 'responses');
    await visitor.ask('Try it');
    const rated = visitor.page.waitForResponse((response) => response.request().postData()?.includes('items.feedback') ?? false);
    const good = visitor.actions.getByRole('button', { name: 'Good answer' });
    await good.click();
    assert.equal((await rated).status(), 200);
    await eventually('it is shown', async () => (await good.getAttribute('aria-pressed')) === 'true');

    await visitor.actions.getByRole('button', { name: 'Try again' }).click();
    await visitor.says('The second try.');
    await visitor.answered(1);
    await visitor.page.reload();
    await visitor.answered(1);
    assert.equal(await text(visitor), 'The second try.');
    assert.equal(await visitor.questions.count(), 1);
    assert.deepEqual(await page.told('error'), []);
  });

  scene('a model that fails is an error with another try', async (visitor, { model }) => {
    await model.script({ steps: [{ step: 'status', status: 500 }] }, { steps: [{ step: 'text', text: 'Now it works.' }] });
    await SitePage.open(visitor, 'responses');
    await visitor.send('Is it working?');
    await visitor.tryAgain();
    await visitor.says('Now it works.');
    await visitor.answered(1);
    assert.equal(await visitor.questions.count(), 1);
  });

  scene('a widget’s actions reach the server, or the page, and change it in place', async (visitor) => {
    const page = await SitePage.open(visitor, 'scripted');
    const button = (label, action) => ({ type: 'Button', label, onClickAction: action });
    const thanks = { type: 'Card', children: [{ type: 'Text', value: 'It was sent.' }] };
    const ask = said('Please choose.');
    const widget = done('widget', {});
    const { id } = widget.item;
    const replaced = { ...widget, type: 'thread.item.replaced', item: { ...widget.item, widget: thanks } };
    const counted = { type: 'Card', children: [{ type: 'Text', value: 'Counted.' }, button('Send it', { type: 'play', payload: [replaced, said('Done as you said.')] })] };
    widget.item.widget = {
      type: 'Card',
      children: [
        { type: 'Title', value: 'A choice' },
        button('Tell the page', { type: 'point', payload: { at: 'h1' }, handler: 'client' }),
        button('Count it', { type: 'count', payload: { updated_item: { ...widget.item, widget: counted } }, streaming: false }),
      ],
    };
    await visitor.page.evaluate(() => {
      window.onWidgetAction = (action, item) => window.told.push({ name: 'widget', action, id: item.id, root: item.widget.type });
    });
    await visitor.send(turns([ask, widget]));
    await visitor.chat.getByRole('heading', { name: 'A choice' }).waitFor();
    await page.idle();
    await visitor.chat.getByRole('button', { name: 'Tell the page' }).click();
    await eventually('the page is told', async () => (await page.told('widget')).length === 1);
    const stored = (await page.items()).find(({ type }) => type === 'widget');
    assert.notEqual(stored.id, id, 'the server gave it an id');
    assert.deepEqual(await page.told('widget'), [
      { name: 'widget', action: { type: 'point', payload: { at: 'h1' } }, id: stored.id, root: 'Card' },
    ]);
    await visitor.chat.getByRole('button', { name: 'Count it' }).click();
    await visitor.chat.getByText('Counted.', { exact: true }).waitFor();
    await visitor.chat.getByRole('button', { name: 'Send it' }).click();
    await visitor.chat.getByText('It was sent.', { exact: true }).waitFor();
    await visitor.says('Done as you said.');
    await page.idle();
    await visitor.page.reload();
    await visitor.chat.getByText('It was sent.', { exact: true }).waitFor();
    assert.equal(await visitor.chat.getByRole('heading', { name: 'A choice' }).count(), 0);
  });

  scene('a tool of the page is called, and its answer taken', async (visitor) => {
    const page = await SitePage.open(visitor, 'scripted');
    await page.setTool(({ params }) => ({ title: document.querySelector(params.selector).textContent }));
    await visitor.send(turns([said('I look at the page.'), call('read', { selector: 'h1' })], [said('I have seen it.')]));
    await visitor.says('I have seen it.');
    await page.idle();
    const called = (await page.items()).find(({ type }) => type === 'client_tool_call');
    assert.equal(called.status, 'completed');
    assert.deepEqual(called.output, { title: "A site of somebody's own" });
    assert.deepEqual(await page.tools(), [{ name: 'read', params: { selector: 'h1' } }]);
  });

  for (const upload of ['two_phase', 'direct']) {
    scene(`files are attached, sent, and there after a reload (${upload})`, async (visitor, { model }) => {
      const page = await SitePage.open(visitor, 'attachments', `&upload=${upload}`);
      const notes = { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('Remember the milk.') };
      await page.attach({ name: 'dot.png', mimeType: 'image/png', buffer: DOT }, notes, { ...notes, name: 'wrong.txt' });
      await page.uploaded(3);
      await visitor.chat.getByRole('button', { name: 'Remove wrong.txt' }).click();
      await page.uploaded(2);
      await eventually('the server has deleted it', () => page.requests().includes('attachments.delete'));
      await visitor.ask('What is in them?');
      const asked = JSON.stringify((await model.requests()).at(-1).body);
      assert.ok(asked.includes(`data:image/png;base64,${DOT.toString('base64')}`), 'the model got the picture');
      assert.ok(asked.includes(`data:text/plain;base64,${notes.buffer.toString('base64')}`), 'and the text');
      assert.ok(!asked.includes('wrong.txt'));
      await visitor.page.reload();
      await visitor.answered(1);
      const picture = visitor.chat.getByRole('button', { name: 'Show dot.png' }).locator('img');
      await eventually('the picture is shown', () => picture.evaluate((image) => image.naturalWidth === 1));
      await visitor.chat.getByText('notes.txt').waitFor();
      assert.deepEqual(await page.told('error'), []);
    });
  }

  scene('stop closes the connection and keeps what was written', async (visitor, { model }) => {
    await model.script(HELD, { steps: [{ step: 'text', text: 'The next answer.' }] });
    const page = await SitePage.open(visitor, 'responses');
    await visitor.send('Tell me a long story');
    await visitor.says('The first half,');
    await visitor.stopButton.click();
    await page.idle();
    assert.equal(await text(visitor), 'The first half,');
    assert.ok(!page.requests().includes('threads.stop'));
    await eventually('the thread is read again', () => page.requests().includes('items.list'));
    // It is not told to stop, but notices; the next question would come before what was written if it did so later.
    await kept(page, 'The first half,');
    await visitor.ask('And now?');
    await visitor.says('The next answer.');
    await visitor.page.reload();
    await visitor.answered(2);
    assert.deepEqual(
      (await Promise.all((await visitor.answers.all()).map((answer) => visitor.textOf(answer)))).map((said) => said.trim()),
      ['The first half,', 'The next answer.'],
    );
    assert.deepEqual(await page.told('error'), []);
  });

  scene('a lost network keeps what was written, says so, and the thread goes on when it is back', async (visitor, { model, site }) => {
    visitor.expected.push(LOST);
    await model.script(HELD, { steps: [{ step: 'text', text: 'The next answer.' }] });
    const page = await SitePage.open(visitor, 'responses');
    await visitor.send('Tell me a long story');
    await visitor.says('The first half,');
    site.disconnect();
    await visitor.banner.getByText(/connection was lost/i).waitFor();
    await visitor.screenshot('reference-lost');
    assert.equal(await text(visitor), 'The first half,');
    site.reconnect();
    await visitor.tryAgain();
    await eventually('the error is gone', async () => (await visitor.banner.count()) === 0);
    await page.idle();
    await kept(page, 'The first half,');
    await eventually('what was written is shown', async () => (await text(visitor)) === 'The first half,');
    assert.equal(await visitor.questions.count(), 1);
    await visitor.ask('And now?');
    await visitor.says('The next answer.');
  });
});
