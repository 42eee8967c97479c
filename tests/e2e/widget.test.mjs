// The site widget with one script tag, on a site of somebody's: the real server is behind it, and the model says what it
// was told.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before } from 'node:test';
import { eventually, FakeModel, Parlor } from './support/processes.mjs';
import { scenes } from './support/scene.mjs';
import { Site } from './support/site.mjs';

const page = (title, headings) => `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>${title}</title>
    <script type="module" src="/widget.js" data-url="/chatkit/parlor" data-greeting="Ask about Acme"></script>
  </head>
  <body>
    <nav><h2>Menu</h2></nav>
    <main>
      ${headings.map((heading) => `<h2>${heading}</h2>`).join('\n')}
      <p id="passage">Every plan has a trial of fourteen days.</p>
      <p data-parlor-private id="private">Your balance is 1234 crowns.</p>
      <a href="/support.html">Support</a>
    </main>
  </body>
</html>`;

let folder;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'parlor-e2e-widget-'));
  await writeFile(path.join(folder, 'plans.html'), page('Plans of Acme', ['Free plan', 'Team plan']));
  await writeFile(path.join(folder, 'support.html'), page('Support of Acme', ['Opening hours']));
});
after(() => rm(folder, { recursive: true, force: true }));

const { scene } = scenes('widget', async (here) => {
  here.model = await FakeModel.start();
  const backends = {};
  here.site = await Site.start(backends, [folder]);
  here.parlor = await Parlor.start({
    OPENAI_BASE_URL: `${here.model.url}/v1`,
    PARLOR_MODEL: 'fake-model',
    PARLOR_SEARCH__ENABLED: 'false',
    PARLOR_AUTH: 'anonymous',
  });
  backends.parlor = `${here.parlor.url}/chatkit`;
  return here.site.url;
});

const launcher = (visitor) => visitor.page.locator('.launcher');
const mark = (visitor, id) =>
  visitor.page.evaluate((of) => document.getSelection().selectAllChildren(document.getElementById(of)), id);

/** What the model was told with the question that holds this text. */
async function told(model, question) {
  return eventually(`the model is asked ${question}`, async () => {
    const asked = (await model.requests()).find((request) => JSON.stringify(request.body.input ?? request.body.messages).includes(question));
    return asked && JSON.stringify(asked.body);
  });
}

scene('a passage is asked about, and the model knows the page; then another page, and it knows that one', async (visitor, { model }) => {
  const { page } = visitor;
  await page.goto('/plans.html?ref=mail&token=abc123');
  await launcher(visitor).waitFor();
  await mark(visitor, 'passage');
  await page.locator('.ask').click();
  await eventually('the answer is there', async () => (await visitor.answers.count()) === 1);
  await visitor.stopButton.waitFor({ state: 'detached' });
  const first = await told(model, 'Can you explain this passage');
  for (const known of ['Plans of Acme', '/plans.html?ref=mail', 'Free plan', 'Team plan', 'Every plan has a trial of fourteen days.']) {
    assert.ok(first.includes(known), `the model knows ${known}`);
  }
  for (const unknown of ['abc123', 'Menu', '1234 crowns']) assert.ok(!first.includes(unknown), `the model does not know ${unknown}`);
  // It is remembered what was asked, and told from where the next question comes.
  await page.getByRole('link', { name: 'Support' }).click();
  await page.waitForURL('**/support.html');
  await eventually('the conversation is back', async () => (await visitor.answers.count()) === 1);
  await visitor.input.fill('and at night?');
  await visitor.input.press('Enter');
  await eventually('the second answer is there', async () => (await visitor.answers.count()) === 2);
  await visitor.stopButton.waitFor({ state: 'detached' });
  const second = await told(model, 'and at night?');
  for (const known of ['Support of Acme', '/support.html', 'Opening hours', 'Can you explain this passage']) {
    assert.ok(second.includes(known), `the model knows ${known}`);
  }
  assert.ok(!second.includes('Team plan'));
});

scene('what is private is not asked about', async (visitor) => {
  await visitor.page.goto('/plans.html');
  await launcher(visitor).waitFor();
  await mark(visitor, 'passage');
  await visitor.page.locator('.ask').waitFor();
  await mark(visitor, 'private');
  await visitor.page.locator('.ask').waitFor({ state: 'detached' });
});

scene('two visitors see nothing of each other', async (visitor, { browser, model }) => {
  await visitor.page.goto('/plans.html');
  await launcher(visitor).click();
  await visitor.input.fill('a question of the first');
  await visitor.input.press('Enter');
  await eventually('the answer is there', async () => (await visitor.answers.count()) === 1);
  const other = await browser.newContext();
  try {
    const theirs = await other.newPage();
    await theirs.goto(`${visitor.origin}/plans.html`);
    await theirs.locator('.launcher').click();
    await theirs.getByText('Ask about Acme').waitFor();
    await theirs.locator('[part~="history-button"]').click();
    await theirs.getByText('No conversations yet').waitFor();
  } finally {
    await other.close();
  }
  assert.ok((await told(model, 'a question of the first')).includes('Plans of Acme'));
});
