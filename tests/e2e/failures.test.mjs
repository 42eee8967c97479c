// Every way in which a model can fail: the chat names the kind of problem, keeps what was written, offers
// another try where it makes sense, and the next message works.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { LOST } from './support/browser.mjs';
import { eventually } from './support/processes.mjs';
import { stage } from './support/scene.mjs';

const PARTIAL = 'The answer begins well';
const text = { step: 'text', text: `${PARTIAL} ` };

/** `partial`: words are there before it fails. */
const FAILURES = [
  { name: 'refuses the key (401)', says: /key/i, retry: false, steps: [{ step: 'status', status: 401 }] },
  { name: 'limits the rate (429)', says: /too many requests.*90 seconds/i, retry: 'later', steps: [{ step: 'status', status: 429, retry_after: 90 }] },
  { name: 'has an error (500)', says: /internal error/i, retry: true, steps: [{ step: 'status', status: 500 }] },
  { name: 'reports an error in the stream', says: /internal error|language model/i, retry: true, partial: true, steps: [text, { step: 'error', shape: 'event', code: 'server_error', message: 'sk-secret exploded at /srv/model.py' }] },
  { name: 'is cut off in the middle', says: /broke off/i, retry: true, partial: true, steps: [text, { step: 'cut' }] },
  { name: 'ends without an end', says: /broke off/i, retry: true, partial: true, steps: [text, { step: 'end' }] },
  { name: 'sends what is no event', says: /could not be understood/i, retry: true, partial: true, steps: [text, { step: 'malformed' }, { step: 'end' }] },
];

const SILENCE = [
  { name: 'never answers', says: /silent/i, retry: true, steps: [{ step: 'stall' }] },
  { name: 'falls silent in the middle', says: /silent/i, retry: true, partial: true, steps: [text, { step: 'stall' }] },
];
/** Long enough for a model that is not silent, only on a busy machine. */
const SILENT_SECONDS = '3';

async function bannerSays(visitor, pattern) {
  await visitor.banner.waitFor();
  const alert = visitor.banner.getByRole('alert');
  await eventually(`the error says ${pattern}`, async () => pattern.test(await alert.innerText()));
  const said = await alert.innerText();
  for (const secret of [/sk-/, /\/srv\//, /127\.0\.0\.1/, /panicked/]) assert.doesNotMatch(said, secret);
}

/** The model fails, and is well again. */
function fails(kind, failure) {
  return async (visitor, { model }) => {
    // As often as it is asked: some failures are worth a second try at once.
    await model.script({ when: 'the weather', times: 0, steps: failure.steps });
    await visitor.open();
    await visitor.send('What is the weather?');
    await bannerSays(visitor, failure.says);
    await visitor.screenshot(`error-${kind}-${failure.name.replaceAll(/\W+/g, '-')}`);

    const retry = visitor.banner.getByRole('button', { name: /^Try again/ });
    // Nothing can be tried again before the turn has ended.
    await visitor.idle();
    if (failure.retry === false) assert.equal(await retry.count(), 0, 'another try would fail, too');
    else if (failure.retry === 'later') assert.ok(await retry.isDisabled(), 'the model asked to wait');
    else await eventually('another try is offered', () => retry.isEnabled());
    if (failure.partial) {
      await eventually('what was said is kept', async () => (await visitor.textOf(visitor.lastAnswer)).trim() === PARTIAL);
      await visitor.page.reload();
      await visitor.says(PARTIAL);
    }

    await model.reset();
    await model.script({ steps: [{ step: 'text', text: 'All is well again.' }] });
    await visitor.send('And now?');
    await visitor.says('All is well again.');
    await eventually('the error is gone', async () => !(await visitor.banner.isVisible()));
    assert.deepEqual(await visitor.questions.allInnerTexts(), ['What is the weather?', 'And now?']);
  };
}

for (const kind of ['responses', 'chat_completions']) {
  describe(`silence of the model server “${kind}”`, () => {
    const { scene } = stage({ kind, environment: { PARLOR_MODEL__IDLE_TIMEOUT_SECONDS: SILENT_SECONDS } });
    for (const failure of SILENCE) scene(`the model ${failure.name}`, fails(kind, failure));
  });

  describe(`failures of the model server “${kind}”`, () => {
    const { scene } = stage({ kind });
    for (const failure of FAILURES) scene(`the model ${failure.name}`, fails(kind, failure));

    scene('another try replaces the failed answer', async (visitor, { model }) => {
      await model.script(
        { when: 'the weather', steps: [text, { step: 'cut' }] },
        { when: 'the weather', steps: [{ step: 'text', text: 'It is sunny.' }] },
      );
      await visitor.open();
      await visitor.send('What is the weather?');
      await bannerSays(visitor, /broke off/);
      await visitor.tryAgain();
      await visitor.says('It is sunny.');
      await visitor.answered(1);
      assert.equal(await visitor.questions.count(), 1);
      await visitor.page.reload();
      await visitor.answered(1);
      assert.equal((await visitor.textOf(visitor.lastAnswer)).trim(), 'It is sunny.');
    });

    scene('a failed second try leaves the first answer', async (visitor, { model }) => {
      await model.script(
        { when: 'the weather', steps: [{ step: 'text', text: 'It is sunny.' }] },
        { when: 'the weather', times: 0, steps: [{ step: 'status', status: 401 }] },
      );
      await visitor.open();
      await visitor.ask('What is the weather?');
      await visitor.actions.getByRole('button', { name: 'Try again' }).click();
      await bannerSays(visitor, /key/);
      await visitor.page.reload();
      await visitor.says('It is sunny.');
      await visitor.answered(1);
    });
  });
}

describe('a model server that is not there', () => {
  const { scene } = stage({
    environment: { OPENAI_BASE_URL: 'http://127.0.0.1:1/v1' },
  });

  scene('the chat says that it cannot be reached, and works again when it is there', async (visitor, { model, parlor }) => {
    await visitor.open();
    await visitor.send('Is anybody there?');
    await bannerSays(visitor, /cannot be reached/);
    await visitor.screenshot('error-unreachable');
    await parlor.down();
    await parlor.up({ OPENAI_BASE_URL: `${model.url}/v1` });
    await model.script({ steps: [{ step: 'text', text: 'Here I am.' }] });
    await visitor.tryAgain();
    await visitor.says('Here I am.');
    await visitor.answered(1);
    assert.equal(await visitor.questions.count(), 1);
  });

  scene('the chat says that Parlor itself cannot be reached, and keeps the message', async (visitor, { model, parlor }) => {
    visitor.expected.push(LOST);
    await parlor.down();
    await parlor.up({ OPENAI_BASE_URL: `${model.url}/v1` });
    await visitor.open();
    await parlor.down();
    await visitor.send('Hello?');
    await bannerSays(visitor, /server could not be reached/);
    await parlor.up();
    await model.script({ steps: [{ step: 'text', text: 'Hello.' }] });
    await visitor.tryAgain();
    await visitor.says('Hello.');
    await visitor.answered(1);
    assert.deepEqual(await visitor.questions.allInnerTexts(), ['Hello?']);
  });
});
