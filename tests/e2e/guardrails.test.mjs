// Guardrails as users meet them: an answer that goes again, and a message that is not answered.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe } from 'node:test';
import { FakeModel, Parlor } from './support/processes.mjs';
import { modelSettings, scenes } from './support/scene.mjs';

const GUARDRAILS = `
[[guardrails]]
name = "moderation"
kind = "moderation"
on = ["output"]
window_chars = 60
message = "I took my answer back: it was about something that I must not speak of. Ask me something else."

[[guardrails]]
name = "herons"
kind = "rules"
on = ["input"]
words = ["heron"]
message = "I don't speak of birds."
`;

/** Files of the configuration, which go with the scenes. */
class Folder {
  async start() {
    this.path = await mkdtemp(path.join(tmpdir(), 'parlor-guardrails-'));
    this.config = path.join(this.path, 'parlor.toml');
    await writeFile(this.config, GUARDRAILS);
    return this;
  }

  async stop() {
    await rm(this.path, { recursive: true, force: true });
  }
}

const { scene } = scenes('responses', async (here) => {
  here.folder = await new Folder().start();
  here.model = await FakeModel.start();
  here.parlor = await Parlor.start({ ...modelSettings('responses', here.model), PARLOR_CONFIG: here.folder.config });
  return here.parlor.url;
});

const EXPLAINED = 'I took my answer back';
const chat = (page) => page.locator('openai-chatkit');

/** An answer of which half is on the screen, and that a check has found something in. */
async function halfSaid(visitor, model) {
  await model.script(
    { steps: [{ step: 'tool_call', name: 'search_documents', arguments: { query: 'the demo' } }] },
    {
      steps: [
        { step: 'text', text: 'Here is how it is done. ' },
        { step: 'hold', name: 'first' },
        { step: 'text', text: 'The first thing that you need is /bad and the second one is worse than that. ' },
        { step: 'hold', name: 'second' },
        { step: 'text', text: 'There is more to say, and it goes on for long. '.repeat(8) },
      ],
    },
  );
  await visitor.open();
  await visitor.send('How is it done?');
  await chat(visitor.page).getByText('Here is how it is done.').waitFor();
}

async function isGone(page) {
  await chat(page).getByText(EXPLAINED).waitFor();
  assert.equal(await chat(page).getByText('Here is how it is done.').count(), 0);
}

describe('an answer that must not stay', () => {
  scene('goes on the screen, in a second tab, over a reload and a restart', async (visitor, { model, parlor }) => {
    await halfSaid(visitor, model);
    const second = await visitor.newPage();
    await second.goto(visitor.page.url());
    await chat(second).getByText('Here is how it is done.').waitFor();
    await visitor.screenshot('guardrail-before');
    await model.release('first');
    await model.release('second');
    await isGone(visitor.page);
    await chat(visitor.page).getByText('The answer was taken back.').waitFor({ state: 'attached' });
    await visitor.idle();
    await isGone(second);
    await visitor.isAccessible('an answer that was taken back');
    await visitor.screenshot('guardrail-taken-back');
    await visitor.page.reload();
    await isGone(visitor.page);
    visitor.expected.push(/ERR_CONNECTION|Failed to fetch|status of 50/);
    await parlor.down();
    await parlor.up();
    await visitor.page.reload();
    await isGone(visitor.page);
    await visitor.send('What did you say?');
    await visitor.idle();
    const last = JSON.stringify((await model.requests()).at(-2).body) + JSON.stringify((await model.requests()).at(-1).body);
    assert.ok(!last.includes('Here is how it is done'), 'the model is not told what was taken back');
    assert.ok(!parlor.log.includes('/bad'), 'the log has no word of it');
  });

  scene('goes without a jump, on a narrow and dark screen', async (visitor, { model }) => {
    await model.script({ steps: [{ step: 'text', text: 'A long answer. '.repeat(60) }] });
    await visitor.page.goto('/');
    await visitor.page.getByRole('button', { name: 'Ask', exact: true }).click();
    await visitor.ready();
    await visitor.send('First?');
    await visitor.idle();
    await model.script({
      steps: [
        { step: 'text', text: 'Here is how it is done. ' },
        { step: 'hold', name: 'first' },
        { step: 'text', text: 'It is /bad.' },
      ],
    });
    await visitor.send('Second?');
    await chat(visitor.page).getByText('Here is how it is done.').waitFor();
    await model.release('first');
    await isGone(visitor.page);
    await visitor.idle();
    // The reader stays where they were: at the end, with the question above it.
    for (const text of ['Second?', EXPLAINED]) {
      const box = await chat(visitor.page).getByText(text).last().boundingBox();
      assert.ok(box.y > 100 && box.y + box.height < 620, `“${text}” is at ${box.y}`);
    }
    await visitor.isAccessible('an answer that was taken back, dark and narrow');
    await visitor.screenshot('guardrail-taken-back-narrow-dark');
  }, { viewport: { width: 360, height: 740 }, colorScheme: 'dark' });
});

describe('a message that is not to be answered', () => {
  scene('stays, with the reason below it, and reaches no model', async (visitor, { model }) => {
    await visitor.open();
    await visitor.send('Tell me of the heron.');
    await chat(visitor.page).getByText("I don't speak of birds.").waitFor();
    await visitor.idle();
    assert.equal((await model.requests()).length, 0);
    await visitor.screenshot('guardrail-refused');
    await visitor.page.reload();
    await chat(visitor.page).getByText("I don't speak of birds.").waitFor();
    await chat(visitor.page).getByText('Tell me of the heron.').last().waitFor();
    await visitor.send('What is Parlor?');
    await visitor.idle();
    assert.ok(!JSON.stringify(await model.requests()).includes('heron'));
  });
});
