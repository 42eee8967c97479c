// The connection between the page and Parlor is lost, at all the moments when that hurts.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { LOST } from './support/browser.mjs';
import { eventually, FakeModel, Parlor } from './support/processes.mjs';
import { scenes } from './support/scene.mjs';
import { SitePage } from './support/site-page.mjs';
import { Site } from './support/site.mjs';

const { scene } = scenes('network', async (here) => {
  here.model = await FakeModel.start();
  here.parlor = await Parlor.start({
    OPENAI_BASE_URL: `${here.model.url}/v1`,
    PARLOR_MODEL: 'fake-model',
    PARLOR_SEARCH__ENABLED: 'false',
    PARLOR_AUTH: 'trusted-header',
  });
  here.site = await Site.start({ parlor: `${here.parlor.url}/chatkit` });
  return here.site.url;
});

/** The thread has one question and one answer, and the model was asked once. */
async function wasSaidOnce(visitor, model, page, answer) {
  await visitor.says(answer);
  await visitor.answered(1);
  assert.equal((await visitor.textOf(visitor.lastAnswer)).trim(), answer);
  assert.equal(await visitor.questions.count(), 1);
  const items = await page.items();
  assert.deepEqual(items.map(({ type }) => type), ['user_message', 'assistant_message']);
  assert.equal((await model.requests()).length, 1, 'the model was asked once');
}

describe('the network', () => {
  scene('goes away in mid-answer and comes back: not a word is missing', async (visitor, { model, site }) => {
    visitor.expected.push(LOST);
    await model.script({
      steps: [
        { step: 'text', text: 'The beginning, ' },
        { step: 'hold', name: 'one' },
        { step: 'text', text: 'the middle, ' },
        { step: 'hold', name: 'two' },
        { step: 'text', text: 'the end.' },
      ],
    });
    const page = await SitePage.open(visitor, 'parlor');
    await visitor.send('Tell me a story');
    await visitor.says('The beginning,');
    site.disconnect();
    await visitor.chat.getByText('Connection lost. Reconnecting…').first().waitFor();
    await model.release('one');
    await model.held('two');
    site.reconnect();
    await visitor.says('The beginning, the middle,');
    await model.release('two');
    await wasSaidOnce(visitor, model, page, 'The beginning, the middle, the end.');
    assert.deepEqual(await page.told('error'), []);
  });

  scene('is away while the answer ends: it is there when the network is', async (visitor, { model, site }) => {
    visitor.expected.push(LOST);
    await model.script({ steps: [{ step: 'text', text: 'The beginning, ' }, { step: 'hold', name: 'rest' }, { step: 'text', text: 'the end.' }] });
    const page = await SitePage.open(visitor, 'parlor');
    await visitor.send('Tell me a story');
    await visitor.says('The beginning,');
    site.disconnect();
    await visitor.chat.getByText('Connection lost. Reconnecting…').first().waitFor();
    await model.release('rest');
    await model.requestsWhen('the model has finished', (requests) => requests.at(-1)?.finished === true);
    site.reconnect();
    await wasSaidOnce(visitor, model, page, 'The beginning, the end.');
    assert.deepEqual(await page.told('error'), []);
  });

  scene('loses the answer to a message: sent again, it is one message', async (visitor, { model, site }) => {
    visitor.expected.push(LOST);
    await model.script({ steps: [{ step: 'text', text: 'I heard you.' }] });
    const page = await SitePage.open(visitor, 'parlor');
    site.loseAnswers();
    await visitor.send('Do you hear me?');
    // The browser may have tried again by itself before it gives up.
    await visitor.banner.getByRole('button', { name: 'Try again' }).waitFor();
    site.reconnect();
    await visitor.tryAgain();
    await wasSaidOnce(visitor, model, page, 'I heard you.');
    await visitor.page.reload();
    await visitor.answered(1);
  });

  scene('is away when a message is sent: the message waits to be sent again', async (visitor, { model, site }) => {
    visitor.expected.push(LOST);
    await model.script({ steps: [{ step: 'text', text: 'I hear you.' }] });
    const page = await SitePage.open(visitor, 'parlor');
    site.disconnect();
    await visitor.send('Do you hear me?');
    await visitor.banner.getByRole('button', { name: 'Try again' }).waitFor();
    assert.deepEqual(await model.requests(), []);
    site.reconnect();
    await visitor.tryAgain();
    await wasSaidOnce(visitor, model, page, 'I hear you.');
    await eventually('the error is gone', async () => (await visitor.banner.count()) === 0);
  });
});
