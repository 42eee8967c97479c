// The main job over every kind of model server: ask, watch, follow the citations, ask again, and find it
// all again after a reload, a restart and a crash.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { LOST } from './support/browser.mjs';
import { eventually } from './support/processes.mjs';
import { KINDS, searchThen, stage } from './support/scene.mjs';

const QUESTION = 'How do I index my own documents?';

/** Every source of the last answer opens a page that exists at a heading that exists. */
async function sourcesLeadSomewhere(visitor) {
  await visitor.sources.first().waitFor();
  const links = await visitor.sources.evaluateAll((sources) => sources.map((source) => source.href));
  for (const link of links) {
    const url = new URL(link);
    assert.equal(url.origin, visitor.origin);
    const page = await visitor.newPage();
    const response = await page.goto(link);
    assert.equal(response.status(), 200, link);
    if (url.hash !== '') {
      const id = decodeURIComponent(url.hash.slice(1));
      const heading = page.locator(`[id="${id}"]`);
      assert.equal(await heading.count(), 1, `${link} names a heading of the page`);
      assert.match(await heading.evaluate((element) => element.localName), /^h[1-6]$/);
      await eventually(`${link} is in view`, () =>
        heading.evaluate((element) => {
          const { top, bottom } = element.getBoundingClientRect();
          return top >= 0 && bottom <= innerHeight;
        }),
      );
    }
    await page.close();
  }
}

for (const kind of KINDS) {
  describe(`with the model server “${kind}”`, () => {
    const { scene } = stage({ kind });

    scene('an answer cites documents that exist, and a citation opens the right page at the right heading', async (visitor) => {
      await visitor.open('/docs/models');
      await visitor.ask(QUESTION);
      if (kind === 'none') await visitor.says('No language model is set up');
      await visitor.screenshot(`answer-${kind}`);
      await sourcesLeadSomewhere(visitor);

      const href = await visitor.sources.first().evaluate((source) => source.href);
      await visitor.sources.first().click();
      await visitor.page.waitForURL(href);
      await visitor.ready();
      await visitor.answered(1);
      assert.equal(await visitor.questions.count(), 1, 'the conversation is still beside the article');
      assert.equal(visitor.context.pages().length, 1, 'the source opened in this page');
    });

    scene('threads and messages are there after the server was restarted', async (visitor, { parlor }) => {
      await visitor.open();
      await visitor.ask(QUESTION);
      const text = await visitor.textOf(visitor.lastAnswer);
      await parlor.down();
      await parlor.up();
      await visitor.page.reload();
      await visitor.answered(1);
      assert.equal(await visitor.textOf(visitor.lastAnswer), text);
      assert.equal(await visitor.questions.innerText(), QUESTION);
      await visitor.openHistory();
      await visitor.lists(1);
    });

    scene('a follow-up question belongs to the same conversation', async (visitor, { model }) => {
      await visitor.open('/docs/models');
      await visitor.ask(QUESTION);
      const said = (await visitor.textOf(visitor.lastAnswer)).slice(0, 40).split('\n')[0];
      await visitor.ask('And which formats are read?');
      assert.equal(await visitor.questions.count(), 2);
      if (kind === 'none') return;

      const requests = await model.requests();
      const first = JSON.stringify(requests[0].body);
      const last = JSON.stringify(requests.at(-1).body);
      const title = await visitor.page.locator('#article h1').getAttribute('data-text');
      for (const told of ['Ada Lovelace', title, `${visitor.origin}/docs/models`]) {
        assert.ok(first.includes(told), `the model is told “${told}”`);
        assert.ok(last.includes(told), `the model is told “${told}” again`);
      }
      assert.ok(!first.includes('And which formats'), 'the model cannot know what comes later');
      for (const told of [QUESTION, 'And which formats are read?', said.replaceAll(/\s*\d*$/g, '')]) {
        assert.ok(last.includes(told), `the model knows “${told}”`);
      }
    });

    if (kind === 'none') return;

    scene('the first words are there while the rest is still being written', async (visitor, { model }) => {
      await model.script(
        ...searchThen('index my own', { step: 'text', text: 'These are the first words [1], ' }, { step: 'hold', name: 'rest' }, { step: 'text', text: 'and this is the rest [2].' }),
      );
      await visitor.open();
      await visitor.send(QUESTION);
      await model.held('rest');
      await visitor.says('These are the first words');
      assert.ok(!(await visitor.lastAnswer.innerText()).includes('the rest'));
      await visitor.stopButton.waitFor();
      await visitor.screenshot(`streaming-${kind}`);
      await model.release('rest');
      await visitor.says('and this is the rest');
      await visitor.answered(1);
      await eventually('both sources are shown', async () => (await visitor.sources.count()) === 2);
      await visitor.idle();
    });

    scene('a reload in the middle of an answer goes on where it was', async (visitor, { model }) => {
      await model.script({ steps: [{ step: 'text', text: 'The beginning, ' }, { step: 'hold', name: 'rest' }, { step: 'text', text: 'the middle, ' }, { step: 'hold', name: 'end' }, { step: 'text', text: 'the end.' }] });
      await visitor.open();
      await visitor.send('Tell me a story');
      await visitor.says('The beginning');
      await visitor.page.reload();
      await visitor.ready();
      await visitor.says('The beginning');
      await model.release('rest');
      await visitor.says('The beginning, the middle,');
      // It is followed live.
      await visitor.stopButton.waitFor();
      await model.release('end');
      await visitor.answered(1);
      assert.equal((await visitor.textOf(visitor.lastAnswer)).trim(), 'The beginning, the middle, the end.');
      assert.equal(await visitor.questions.count(), 1);
      await model.requestsWhen('the model has finished', (requests) => requests.at(-1)?.finished === true);
      assert.equal((await model.requests()).length, 1, 'the model was asked once');
    });

    scene('an answer is finished and kept when nobody watches', async (visitor, { model }) => {
      await model.script({ steps: [{ step: 'text', text: 'The beginning, ' }, { step: 'hold', name: 'rest' }, { step: 'text', text: 'the end.' }] });
      await visitor.open();
      await visitor.send('Tell me a story');
      await visitor.says('The beginning');
      await visitor.page.goto('about:blank');
      await model.release('rest');
      await model.requestsWhen('the model has finished', (requests) => requests.at(-1)?.finished === true);
      await visitor.open();
      await visitor.answered(1);
      assert.equal((await visitor.textOf(visitor.lastAnswer)).trim(), 'The beginning, the end.');
    });

    scene('nothing that was acknowledged is lost by kill -9', async (visitor, { model, parlor }) => {
      await model.script({ steps: [{ step: 'text', text: 'A partial answer ' }, { step: 'hold', name: 'never' }] });
      await visitor.open();
      // It may ask for the rest before it is reloaded: the turn is over then.
      visitor.expected.push(LOST, /status of 404/);
      await visitor.send('Remember this, whatever happens');
      await visitor.says('A partial answer');
      await parlor.down('SIGKILL');
      await parlor.up();
      await visitor.page.reload();
      await eventually('the question is there', async () => (await visitor.questions.count()) === 1);
      assert.equal(await visitor.questions.innerText(), 'Remember this, whatever happens');
      await visitor.idle();
      await model.script({ steps: [{ step: 'text', text: 'I am well.' }] });
      await visitor.send('Are you well?');
      await visitor.says('I am well.');
    });

    scene('stop keeps what was written, closes the connection to the model, and the next message works', async (visitor, { model }) => {
      await model.script({ steps: [{ step: 'text', text: 'Only half of ' }, { step: 'hold', name: 'never' }, { step: 'text', text: 'it.' }] });
      await visitor.open();
      await visitor.send('Tell me a long story');
      await visitor.says('Only half of');
      await visitor.stopButton.click();
      await visitor.answered(1);
      assert.equal((await visitor.textOf(visitor.lastAnswer)).trim(), 'Only half of');
      await model.requestsWhen('the connection to the model is closed', (requests) => requests.at(-1)?.aborted_after_events != null);
      await visitor.page.reload();
      await visitor.answered(1);
      assert.equal((await visitor.textOf(visitor.lastAnswer)).trim(), 'Only half of');
      await model.script({ steps: [{ step: 'text', text: 'The next answer.' }] });
      await visitor.ask('And now?');
      await visitor.says('The next answer.');
    });
  });
}
