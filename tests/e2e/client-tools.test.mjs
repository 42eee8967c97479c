// Tools that run in the page, and questions to the user: the element in a site of somebody's own, with a
// server on Parlor's SDK that says what the message tells it to say.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { eventually, Server } from './support/processes.mjs';
import { scenes } from './support/scene.mjs';
import { Site } from './support/site.mjs';
import { call, done, said, SitePage, turns } from './support/site-page.mjs';

const { scene } = scenes('scripted', async (here) => {
  here.scripted = await Server.scripted();
  here.site = await Site.start({ scripted: `${here.scripted.url}/chatkit` });
  return here.site.url;
});

const open = (visitor) => SitePage.open(visitor, 'scripted');

/** The stored call of the open thread. */
async function storedCall(page) {
  const items = await page.items();
  const calls = items.filter(({ type }) => type === 'client_tool_call');
  assert.equal(calls.length, 1, `one call: ${JSON.stringify(items)}`);
  return calls[0];
}

describe('a tool in the page', () => {
  scene('answers, and the server goes on with its answer', async (visitor) => {
    const page = await open(visitor);
    await page.setTool(({ name, params }) => ({ name, twice: params.number * 2 }));
    await visitor.send(turns([said('I look it up.'), call('double', { number: 21 })], [said('That is it.')]));
    await visitor.says('That is it.');
    await page.idle();
    assert.equal(await visitor.answers.count(), 2);
    const { status, output } = await storedCall(page);
    assert.equal(status, 'completed');
    assert.deepEqual(output, { name: 'double', twice: 42 });
    assert.deepEqual(await page.tools(), [{ name: 'double', params: { number: 21 } }]);
    await visitor.page.reload();
    await visitor.ready();
    await visitor.says('That is it.');
    assert.deepEqual(await page.tools(), [], 'what was answered is not run again');
  });

  scene('may be followed by another one', async (visitor) => {
    const page = await open(visitor);
    await page.setTool(({ name }) => ({ from: name }));
    await visitor.send(turns([call('first')], [call('second')], [said('Both are done.')]));
    await visitor.says('Both are done.');
    await page.idle();
    const calls = (await page.items()).filter(({ type }) => type === 'client_tool_call');
    assert.deepEqual(
      calls.map(({ name, status, output }) => [name, status, output]),
      [
        ['first', 'completed', { from: 'first' }],
        ['second', 'completed', { from: 'second' }],
      ],
    );
  });

  scene('that throws is told to the server and to the page, and the answer goes on', async (visitor) => {
    const page = await open(visitor);
    await page.setTool(() => {
      throw new Error('the drawer is locked');
    });
    await visitor.send(turns([call('open')], [said('Then without it.')]));
    await visitor.says('Then without it.');
    await page.idle();
    assert.deepEqual((await storedCall(page)).output, { error: 'the drawer is locked' });
    assert.deepEqual(await page.told('error'), [{ name: 'error', error: 'the drawer is locked' }]);
  });

  scene('that answers with what is no JSON has failed, and the answer goes on', async (visitor) => {
    const page = await open(visitor);
    await page.setTool(() => {
      const circle = {};
      circle.self = circle;
      return circle;
    });
    await visitor.send(turns([call('draw')], [said('Then without it.')]));
    await visitor.says('Then without it.');
    await page.idle();
    assert.match((await storedCall(page)).output.error, /draw/);
    assert.equal((await page.told('error')).length, 1);
  });

  scene('that never answers has failed after a minute, and the answer goes on', async (visitor) => {
    await visitor.page.clock.install();
    const page = await open(visitor);
    await page.setTool(() => new Promise(() => {}));
    await visitor.send(turns([call('wait')], [said('Then without it.')]));
    await eventually('the tool runs', async () => (await page.tools()).length === 1);
    // The clock goes on by itself, too.
    await visitor.page.clock.fastForward('00:30');
    assert.equal((await storedCall(page)).status, 'pending');
    await visitor.page.clock.fastForward('00:31');
    await visitor.says('Then without it.');
    await page.idle();
    assert.match((await storedCall(page)).output.error, /"wait" did not answer within 60 s/);
  });

  scene('that the page answers a second time itself is answered once', async (visitor) => {
    visitor.expected.push(/status of 422/);
    const page = await open(visitor);
    await page.setTool(async () => {
      // As another tab of the same user would.
      await window.post('threads.add_client_tool_output', { thread_id: sessionStorage.getItem('thread'), result: 'the first' });
      return { late: true };
    });
    await visitor.send(turns([call('race')], [said('One answer is enough.')], [said('One too many.')]));
    // The element's own answer came too late: the thread is read again, and is right.
    await visitor.says('One answer is enough.');
    await page.idle();
    assert.equal((await storedCall(page)).output, 'the first');
    assert.equal(await visitor.answers.count(), 1);
    await visitor.send(turns([said('And on it goes.')]));
    await visitor.says('And on it goes.');
  });

  scene('that answers after a new message is not listened to any more', async (visitor) => {
    const page = await open(visitor);
    await page.setTool(
      () =>
        new Promise((resolve) => {
          window.answerLate = () => resolve({ late: true });
        }),
    );
    await visitor.send(turns([call('slow')], [said('This is never said.')]));
    await eventually('the tool runs', async () => (await page.tools()).length === 1);
    await visitor.stopButton.click();
    await page.idle();
    await visitor.send(turns([said('Something else.')]));
    await visitor.says('Something else.');
    await page.idle();
    const before = page.requests();
    await visitor.page.evaluate(() => window.answerLate());
    const settled = await storedCall(page);
    assert.notDeepEqual(settled.output, { late: true });
    assert.notEqual(settled.status, 'pending', 'the new message settled it');
    await visitor.settled();
    assert.deepEqual(
      (page.requests()).slice(before.length).filter((type) => type !== 'items.list'),
      [],
      'the late answer is not sent',
    );
    assert.equal(await visitor.answers.count(), 1);
  });

  scene('is not there: the server hears of it', async (visitor) => {
    const page = await open(visitor);
    await page.change({ onClientTool: null });
    await visitor.send(turns([call('missing')], [said('Then without it.')]));
    await visitor.says('Then without it.');
    assert.match((await storedCall(page)).output.error, /"missing".*onClientTool is not set/);
  });

  scene('that was running when the page was reloaded is run again, and its answer taken', async (visitor) => {
    const page = await open(visitor);
    await page.setTool(() => new Promise(() => {}));
    await visitor.send(turns([said('I look it up.'), call('slow')], [said('There it is.')]));
    await eventually('the tool runs', async () => (await page.tools()).length === 1);
    await visitor.page.addInitScript(() => {
      window.tool = () => ({ second: 'try' });
    });
    await visitor.page.reload();
    await visitor.says('There it is.');
    await page.idle();
    assert.deepEqual((await storedCall(page)).output, { second: 'try' });
    assert.equal((await page.tools()).length, 1);
    assert.deepEqual(await page.told('error'), []);
  });

  scene('runs in one of two tabs', async (visitor) => {
    const page = await open(visitor);
    await page.setTool(
      () =>
        new Promise((resolve) => {
          window.answer = () => resolve({ from: 'the first tab' });
        }),
    );
    await visitor.send(turns([said('I look it up.'), call('slow')], [said('There it is.')]));
    await eventually('the tool runs', async () => (await page.tools()).length === 1);
    const thread = await visitor.page.evaluate(() => sessionStorage.getItem('thread'));
    const other = await visitor.newPage();
    await other.addInitScript((id) => sessionStorage.setItem('thread', id), thread);
    await other.goto('/?api=scripted');
    await other.getByText('I look it up.', { exact: true }).waitFor();
    await visitor.page.evaluate(() => window.answer());
    await visitor.says('There it is.');
    await other.getByText('There it is.', { exact: true }).waitFor();
    assert.deepEqual((await storedCall(page)).output, { from: 'the first tab' });
    await visitor.settled(other);
    assert.deepEqual(await other.evaluate(() => window.toolCalls), []);
    await other.close();
  });
});

describe('a question to the user', () => {
  const questions = () =>
    done('structured_input', {
      status: 'pending',
      inputs: [
        { type: 'multiple_choice', id: 'one', question: 'Which colour?', options: [{ value: 'red' }, { value: 'blue' }], multiple: false },
        { type: 'multiple_choice', id: 'many', question: 'Which sizes?', options: [{ value: 'small' }, { value: 'large' }], multiple: true },
        { type: 'freeform', id: 'free', question: 'Why?', description: 'In a word' },
      ],
    });

  scene('is answered in the conversation, and shown as answered after a reload', async (visitor) => {
    const page = await open(visitor);
    await visitor.send(turns([questions()], [said('Thank you.')]));
    const form = visitor.chat.getByRole('form', { name: 'Questions' });
    await form.getByRole('radio', { name: 'blue' }).check();
    await form.getByRole('checkbox', { name: 'small' }).check();
    await form.getByRole('checkbox', { name: 'large' }).check();
    await form.getByRole('textbox', { name: 'Why?' }).fill('Because <b>I</b> can');
    await visitor.screenshot('questions');
    await form.getByRole('button', { name: 'Send' }).click();
    await visitor.says('Thank you.');
    await page.idle();
    const answered = async () => {
      await form.waitFor({ state: 'detached' });
      await eventually('the answers are shown', async () => (await visitor.chat.locator('.w-answered').count()) === 3);
      const values = await visitor.chat.locator('.w-answered dd .w-given').allInnerTexts();
      assert.deepEqual(values.map((value) => value.trim()), ['blue', 'small', 'large', 'Because <b>I</b> can']);
    };
    await answered();
    await visitor.screenshot('questions-answered');
    const [item] = (await page.items()).filter(({ type }) => type === 'structured_input');
    assert.equal(item.status, 'answered');
    assert.deepEqual(item.inputs.map(({ answer }) => answer.values), [['blue'], ['small', 'large'], ['Because <b>I</b> can']]);
    await visitor.page.reload();
    await visitor.says('Thank you.');
    await answered();
    assert.equal(await visitor.answers.count(), 1);
  });

  scene('is answered in part, or skipped, and that is shown after a reload', async (visitor) => {
    const page = await open(visitor);
    await visitor.send(turns([questions()], [said('Thank you.')]));
    const form = visitor.chat.getByRole('form', { name: 'Questions' });
    await form.getByRole('textbox', { name: 'Why?' }).fill('So');
    await form.getByRole('button', { name: 'Send' }).click();
    await visitor.says('Thank you.');
    await page.idle();
    await visitor.send(turns([questions()], [said('As you like.')]));
    await form.getByRole('button', { name: 'Skip' }).click();
    await visitor.says('As you like.');
    await page.idle();
    for (const reload of [false, true]) {
      if (reload) await visitor.page.reload();
      await visitor.says('As you like.');
      await eventually('the answers are shown', async () => (await visitor.chat.locator('.w-answered dd').count()) === 6);
      const shown = await visitor.chat.locator('.w-answered dd').allInnerTexts();
      assert.deepEqual(shown.map((value) => value.trim()), ['Skipped', 'Skipped', 'So', 'Skipped', 'Skipped', 'Skipped']);
    }
    const items = (await page.items()).filter(({ type }) => type === 'structured_input');
    assert.deepEqual(items.map(({ status }) => status), ['answered', 'skipped']);
  });

  scene('waits through a reload', async (visitor) => {
    const page = await open(visitor);
    await visitor.send(turns([said('One moment.'), questions()], [said('Thank you.')]));
    await visitor.chat.getByRole('form', { name: 'Questions' }).waitFor();
    await page.idle();
    await visitor.page.reload();
    const form = visitor.chat.getByRole('form', { name: 'Questions' });
    await form.getByRole('radio', { name: 'red' }).check();
    await form.getByRole('button', { name: 'Send' }).click();
    await visitor.says('Thank you.');
    await form.waitFor({ state: 'detached' });
  });

  scene('that is left for another message stays readable', async (visitor) => {
    const page = await open(visitor);
    await visitor.send(turns([questions()]));
    await visitor.chat.getByRole('form', { name: 'Questions' }).waitFor();
    await page.idle();
    await visitor.send(turns([said('Something else, then.')]));
    await visitor.says('Something else, then.');
    await page.idle();
    await visitor.page.reload();
    await visitor.says('Something else, then.');
    await visitor.chat.getByText('Which colour?', { exact: true }).waitFor();
  });
});
