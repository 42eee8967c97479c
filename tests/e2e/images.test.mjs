// Images that the model makes: an empty frame, an image that grows, the image; large, saved, after a reload, refused.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { eventually } from './support/processes.mjs';
import { stage } from './support/scene.mjs';

const { scene } = stage({ environment: { PARLOR_IMAGE_GENERATION__ENABLED: 'true' } });

const PROMPT = 'A low sun over two green hills, in the colours of a late summer evening';
const step = (state, prompt = PROMPT) => ({ step: 'image', state, prompt });
const hold = (name) => ({ step: 'hold', name });

const image = (visitor, state) => visitor.chat.locator(`[part~="generated-image"][data-state="${state}"]`);

/** Whether the image in it has come and shows something. */
const seen = (place) =>
  eventually('the image is seen', () =>
    place.locator('img').evaluate((img) => img.complete && img.naturalWidth > 0).catch(() => false),
  );

async function growing(visitor, model) {
  await model.script({
    when: 'sunset',
    steps: [
      { step: 'text', text: 'I will draw it. ' },
      step('begun'),
      hold('begun'),
      step('partial'),
      hold('first'),
      step('partial'),
      hold('second'),
      step('done'),
      { step: 'text', text: 'Here it is. Shall I change anything?' },
    ],
  });
  await visitor.open();
  await visitor.send('Draw a sunset');
}

async function looks(visitor, name) {
  for (const [form, width, height, colorScheme] of [
    ['light', 1280, 800, 'light'],
    ['dark-narrow', 360, 740, 'dark'],
  ]) {
    await visitor.page.setViewportSize({ width, height });
    await visitor.page.emulateMedia({ colorScheme });
    // On a narrow page the chat is behind a button, unless it is open.
    if (width < 600 && name !== 'large') {
      const ask = visitor.page.getByRole('button', { name: 'Ask', exact: true });
      await eventually('the chat is open', async () => {
        if (await ask.isVisible()) await ask.click({ timeout: 1_000 }).catch(() => {});
        return visitor.input.isVisible();
      });
    }
    await visitor.isAccessible(`${name} (${form})`);
    await visitor.screenshot(`image-${name}-${form}`);
  }
  await visitor.page.setViewportSize({ width: 1280, height: 800 });
  await visitor.page.emulateMedia({ colorScheme: 'light' });
}

describe('an image that the model makes', () => {
  scene('grows before the eyes, is opened large, and is there after a reload', async (visitor, { model }) => {
    await growing(visitor, model);
    await model.held('begun');
    await image(visitor, 'begun').getByText('Making an image').waitFor();
    await looks(visitor, 'begun');
    await model.release('begun');
    await model.held('first');
    const grown = image(visitor, 'growing');
    await seen(grown);
    const progress = () => grown.getByRole('progressbar').evaluate((bar) => bar.value);
    const first = await eventually('it says how far it is', async () => (await progress()) > 0 && (await progress()));
    await looks(visitor, 'growing');
    // Somebody who comes now sees it as it is.
    const second = await visitor.newPage();
    await second.goto(visitor.page.url());
    await second.locator('openai-chatkit [part~="generated-image"][data-state="growing"]').waitFor();
    await second.close();
    await model.release('first');
    await model.held('second');
    await eventually('it is further', async () => (await progress()) > first);
    await model.release('second');
    await visitor.answered(2);
    const made = image(visitor, 'done');
    await seen(made);
    const alt = await made.locator('img').getAttribute('alt');
    assert.equal(alt, PROMPT);
    await looks(visitor, 'done');

    await made.click();
    const dialog = visitor.chat.locator('dialog[part~="lightbox"]');
    await dialog.waitFor();
    await seen(dialog);
    await looks(visitor, 'large');
    const link = await dialog.getByRole('link', { name: /^Download/ }).getAttribute('href');
    const type = await visitor.page.evaluate(async (url) => (await fetch(url)).headers.get('content-type'), link);
    assert.equal(type, 'image/png');
    await visitor.page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });

    await visitor.page.reload();
    await seen(image(visitor, 'done'));
    // The next question knows it.
    await visitor.ask('What was that?');
    const asked = await eventually('it was asked', async () =>
      (await model.requests()).find((request) => request.user_message.includes('What was that?')),
    );
    assert.match(JSON.stringify(asked.body), /"input_image"/);
  });

  scene('is not made where a safety check refuses it, and the answer goes on', async (visitor, { model }) => {
    const refused = { failed: { code: 'moderation_blocked', categories: ['violence'] } };
    await model.script({ steps: [step('begun'), step(refused, ''), { step: 'text', text: 'I could not draw that.' }] });
    await visitor.open();
    await visitor.ask('Draw something');
    await visitor.chat.getByText('safety check refused it').waitFor();
    await visitor.says('I could not draw that.');
    assert.equal(await visitor.chat.locator('[part~="generated-image"]').count(), 0);
    await looks(visitor, 'refused');
  });

  scene('goes with its conversation', async (visitor, { model }) => {
    await model.script({ steps: [step('done'), { step: 'text', text: 'Here it is.' }] });
    await visitor.open();
    await visitor.ask('Draw a sunset');
    await seen(image(visitor, 'done'));
    const url = await image(visitor, 'done').locator('img').getAttribute('src');
    await visitor.api('threads.delete', { thread_id: await visitor.threadId() });
    visitor.expected.push(/404/);
    assert.equal(await visitor.page.evaluate(async (link) => (await fetch(link, { cache: 'no-store' })).status, url), 404);
  });
});
