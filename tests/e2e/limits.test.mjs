// Somebody who asks more than they may: told before, told when it goes on, and nobody else is.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { eventually } from './support/processes.mjs';
import { stage } from './support/scene.mjs';

describe('a limit of messages a day', () => {
  const { scene } = stage({ environment: { PARLOR_LIMITS__USER__MESSAGES_PER_DAY: '4' } });

  scene('is told when it is near, counted down when it is reached, and holds over a restart', async (visitor, { model, parlor }) => {
    await model.script({ times: 0, steps: [{ step: 'text', text: 'An answer.' }] });
    visitor.expected.push(/status of 429/);
    await visitor.open();
    await visitor.ask('What is Parlor?');
    assert.equal(await visitor.chat.locator('[part~="notice"]').count(), 0);
    await visitor.ask('How is it installed?');
    const notice = visitor.chat.locator('[part~="notice"]');
    await eventually('the notice says how many are left', async () => /You can send 2 more messages/.test(await notice.innerText()));
    await visitor.screenshot('limit-near');
    await visitor.ask('Which database?');
    await parlor.down();
    await parlor.up();
    await visitor.ask('Which model?');

    await visitor.send('And one more?');
    await visitor.banner.waitFor();
    const alert = await visitor.banner.getByRole('alert').innerText();
    assert.match(alert, /as many messages as you may in a day.*UTC/);
    const timer = visitor.chat.getByRole('timer');
    await eventually('the composer says when it goes on', async () => /^You can send again .+ at \d\d:\d\d/.test(await timer.innerText()));
    await visitor.banner.getByRole('button', { name: 'Edit message' }).click();
    assert.equal(await visitor.input.inputValue(), 'And one more?');
    assert.ok(await visitor.sendButton.isDisabled());
    await visitor.input.press('Enter');
    assert.equal(await visitor.input.inputValue(), 'And one more?', 'what is written is kept');
    await visitor.isAccessible('a limit');
    await visitor.screenshot('limit');

    // Reading goes on, and so do others.
    assert.equal((await visitor.api('threads.list', {})).status, 200);
    await visitor.as('Linus');
    await visitor.ask('What is Parlor?');
  });
});
