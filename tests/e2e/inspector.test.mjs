// The inspector as an operator uses it: beside a chat, with the keyboard, dark and on a phone.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { stage } from './support/scene.mjs';

const { scene } = stage({ environment: { PARLOR_INSPECTOR__ENABLED: 'true' } });

const turns = (page) => page.locator('#turns button');
const entries = (page, kind) => page.locator('#notes > li', { has: page.locator('.kind', { hasText: new RegExp(`^${kind}$`) }) });

/** An answer with a search, which is held in its middle. */
async function asked(visitor, model) {
  await model.script(
    { steps: [{ step: 'tool_call', name: 'search_documents', arguments: { query: 'How do I index my documents?' } }] },
    {
      steps: [
        { step: 'text', text: 'Run `parlor ingest` [1].' },
        { step: 'hold', name: 'middle' },
        { step: 'text', text: ' That is all there is to it.' },
      ],
    },
  );
  await visitor.open();
  await visitor.send('How do I index my documents?');
  await visitor.says('parlor ingest');
}

describe('the inspector', () => {
  scene('shows a turn while it runs, and all of it in the end', async (visitor, { model }) => {
    const page = await visitor.newPage();
    await page.goto('/inspector');
    await page.getByText('Live', { exact: true }).waitFor();
    await asked(visitor, model);
    await turns(page).first().waitFor();
    await turns(page).first().click();
    await page.locator('#facts').getByText('running').waitFor();
    await entries(page, 'Prompt').nth(1).waitFor();
    await visitor.isAccessible('the inspector while a turn runs', page);
    await model.release('middle');
    await page.locator('#facts').getByText('done').waitFor();
    await visitor.idle();

    await entries(page, 'Prompt').first().locator('summary').click();
    await page.getByText('You are the assistant of a website').first().waitFor();
    await entries(page, 'Retrieval').locator('summary').click();
    // An entry is filled once it is open, which the browser says a moment after the click.
    await entries(page, 'Retrieval').locator('pre').first().waitFor();
    const found = await entries(page, 'Retrieval').innerText();
    assert.match(found, /\d\.\d{3} /, 'scores are shown');
    await visitor.isAccessible('a turn in the inspector', page);
    await page.screenshot({ path: 'tests/e2e/output/inspector.png' });
    await page.getByLabel('Events').uncheck();
    assert.equal(await entries(page, 'Event').first().isVisible(), false);
    await page.screenshot({ path: 'tests/e2e/output/inspector-without-events.png' });
  });

  scene('is used with the keyboard, and filters', async (visitor, { model }) => {
    await asked(visitor, model);
    await model.release('middle');
    await visitor.idle();
    const page = await visitor.newPage();
    await page.goto('/inspector');
    await turns(page).first().waitFor();
    await page.keyboard.press('j');
    await page.locator('#turn-title').getByText('How do I index').waitFor();
    await page.keyboard.press('/');
    await page.keyboard.type('no such turn');
    await page.getByText('No turn matches the filter.').waitFor();
    await page.keyboard.press('Escape');
    await turns(page).first().waitFor();
  });

  scene('fits a phone in the dark, and says when there is nothing', async (visitor, { parlor, model }) => {
    visitor.expected.push(/ERR_CONNECTION|Failed to fetch|status of 50/);
    await parlor.down();
    await parlor.up();
    const { page } = visitor;
    await page.goto('/inspector');
    await page.getByText('No turns yet').waitFor();
    await visitor.isAccessible('the empty inspector', page);
    await page.screenshot({ path: 'tests/e2e/output/inspector-empty-narrow-dark.png' });
    const chat = await visitor.newPage();
    await chat.request.post('/chatkit', {
      data: {
        type: 'threads.create',
        params: { input: { content: [{ type: 'input_text', text: 'What is Parlor, and who is it for?' }], attachments: [], inference_options: {} } },
      },
    });
    await turns(page).first().click();
    await page.locator('#facts').getByText('done').waitFor();
    await visitor.isAccessible('a turn in the narrow inspector', page);
    await page.screenshot({ path: 'tests/e2e/output/inspector-narrow-dark.png' });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= 360, `${wide} px wide`);
    await page.getByRole('button', { name: 'Back' }).click();
    await turns(page).first().waitFor();
    await page.screenshot({ path: 'tests/e2e/output/inspector-list-narrow-dark.png' });
  }, { viewport: { width: 360, height: 740 }, colorScheme: 'dark' });
});
