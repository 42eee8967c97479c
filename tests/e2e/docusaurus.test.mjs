// The project's documentation as a Docusaurus site (examples/docusaurus), built and shown as a web server does, with the
// real server behind it.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { eventually, FakeModel, Parlor, ROOT } from './support/processes.mjs';
import { scenes, searchThen } from './support/scene.mjs';
import { StaticSite } from './support/static-site.mjs';

const BUILD = path.join(ROOT, 'examples/docusaurus/build');
const LIST = path.join(BUILD, 'parlor-pages.json');
/** Where the example is on its site; Parlor has the rest of the origin. */
const BASE = '/docs/';

const { scene } = scenes('docusaurus', async (here) => {
  if (!existsSync(LIST)) throw new Error(`${BUILD} is missing: run \`make examples-web\`.`);
  here.model = await FakeModel.start();
  here.parlor = await Parlor.start(
    { OPENAI_BASE_URL: `${here.model.url}/v1`, PARLOR_MODEL: 'fake-model', PARLOR_AUTH: 'anonymous' },
    [BUILD, '--pages', LIST],
  );
  here.site = await StaticSite.start(BUILD, BASE, () => here.parlor.url);
  return here.site.url;
});

const launcher = (visitor) => visitor.page.locator('.launcher');
const widget = (visitor) => visitor.page.locator('[data-parlor-widget]');

/** Opens a page, and waits until it has come to life: the chat's button comes after that. */
async function enter(visitor, page) {
  await visitor.page.goto(BASE + page);
  await launcher(visitor).waitFor();
}

/** Marks the first text of that kind as a person does, and presses the button beside it. */
async function askAbout(visitor, text) {
  const passage = visitor.page.locator('article p', { hasText: text }).first();
  await passage.selectText();
  await visitor.page.locator('.ask').click();
  return passage;
}

/** What the model was told with the question that holds this text. */
async function told(model, question) {
  return eventually(`the model is asked ${question}`, async () => {
    const asked = (await model.requests()).find((request) => JSON.stringify(request.body.input).includes(question));
    return asked && JSON.stringify(asked.body);
  });
}

/** Says whether the page was loaded anew since. */
const markPage = (visitor) => visitor.page.evaluate(() => void (window.sameAsBefore = true));
const isSamePage = (visitor) => visitor.page.evaluate(() => window.sameAsBefore === true);

scene('a sentence is asked about; on the next page the chat stays open, and the model knows that page', async (visitor, { model }) => {
  const { page } = visitor;
  await enter(visitor, 'getting-started');
  await askAbout(visitor, 'Parlor is built from source.');
  await visitor.answered(1);
  const first = await told(model, 'Can you explain this passage');
  for (const known of [
    'Getting started | Parlor',
    `${visitor.origin}${BASE}getting-started`,
    'Install what Parlor needs',
    'Run the demo',
    'Parlor is built from source.',
  ]) {
    assert.ok(first.includes(known), `the model knows ${known}`);
  }

  await markPage(visitor);
  await page.getByRole('link', { name: 'Databases', exact: true }).first().click();
  await page.waitForURL(`**${BASE}databases`);
  await eventually('the page has its title', async () => (await page.title()).startsWith('Databases'));
  assert.ok(await isSamePage(visitor), 'the page was not loaded anew');
  assert.equal(await visitor.answers.count(), 1, 'the chat is open, with what was said');
  await visitor.ask('and how do I move?');
  const second = await told(model, 'and how do I move?');
  for (const known of ['Databases | Parlor', `${visitor.origin}${BASE}databases`, 'Can you explain this passage']) {
    assert.ok(second.includes(known), `the model knows ${known}`);
  }
  assert.ok(!second.includes('Install what Parlor needs'), 'the headings are those of the new page');

  // After a reload it is as it was.
  await page.reload();
  await visitor.answered(2);
});

scene('a citation leads to the right page and heading, without loading the site anew', async (visitor, { model }) => {
  const { page } = visitor;
  await model.script(
    ...searchThen('FTS5 stemmed words ranking', { step: 'text', text: 'Passages are ranked with BM25 [1].' }),
  );
  await enter(visitor, 'getting-started');
  await launcher(visitor).click();
  await visitor.ask('FTS5 stemmed words ranking');
  await markPage(visitor);
  await visitor.sources.first().click();
  await page.waitForURL(`**${BASE}documents#how-ranking-works`);
  await page.getByRole('heading', { name: 'How ranking works' }).waitFor();
  assert.ok(await isSamePage(visitor), 'the page was not loaded anew');
  await eventually('the heading is in view', () =>
    page.locator('#how-ranking-works').evaluate((heading) => {
      const { top } = heading.getBoundingClientRect();
      return top >= 0 && top < innerHeight / 2;
    }),
  );
  assert.equal(await visitor.answers.count(), 1);
  await page.goBack();
  await page.waitForURL(`**${BASE}getting-started`);
  await page.getByRole('heading', { name: 'Install what Parlor needs' }).waitFor();
});

scene('every page that is indexed is where its citations lead', async (visitor) => {
  const { pages } = JSON.parse(await readFile(LIST, 'utf8'));
  assert.ok(pages.length > 15);
  for (const { url, file } of pages) {
    const response = await visitor.page.request.get(url);
    assert.equal(response.status(), 200, url);
    assert.equal(await response.text(), await readFile(path.join(BUILD, file), 'utf8'), url);
  }
  assert.ok(!pages.some(({ url }) => url.includes('/decisions/')));
});

scene('nothing that a page loads is elsewhere', async () => {
  const { pages } = JSON.parse(await readFile(LIST, 'utf8'));
  for (const { file } of pages) {
    const page = await readFile(path.join(BUILD, file), 'utf8');
    // Addresses of links are no matter; nor is what a page says of itself.
    const tags = page.match(/<(?:script|img|iframe|source|video|link)\b[^>]*>/g).filter((tag) => !/rel="?(canonical|alternate)/.test(tag));
    assert.ok(tags.length > 2, file);
    assert.deepEqual(tags.filter((tag) => /(?:src|srcset|href)=["']?(?:https?:)?\/\//.test(tag)), [], file);
  }
});

scene('the chat follows the switch of the site between light and dark', async (visitor) => {
  const { page } = visitor;
  await enter(visitor, 'getting-started');
  await launcher(visitor).click();
  await visitor.ready();
  const schemes = () =>
    page.evaluate(() => [
      document.documentElement.dataset.theme,
      document.querySelector('[data-parlor-widget]').dataset.colorScheme,
      getComputedStyle(document.querySelector('[data-parlor-widget]').shadowRoot.querySelector('openai-chatkit')).colorScheme,
    ]);
  const accent = () => launcher(visitor).evaluate((button) => getComputedStyle(button).backgroundColor);
  assert.deepEqual(await schemes(), ['light', 'light', 'light']);
  await visitor.isAccessible('the site in the light, with the chat');
  const light = await accent();
  await visitor.screenshot('docusaurus-light');
  const button = page.locator('nav.navbar').getByRole('button', { name: /dark and light/ });
  // From the system's, over light, to dark.
  await eventually('the site is dark', async () => {
    await button.click();
    return (await schemes())[0] === 'dark';
  });
  await eventually('the chat is dark', async () => (await schemes()).every((scheme) => scheme === 'dark'));
  await eventually('it has the accent of the dark site', async () => (await accent()) !== light);
  await visitor.screenshot('docusaurus-dark');
  await visitor.isAccessible('the site in the dark, with the chat');
}, { colorScheme: 'light' });

scene('on a narrow screen the chat fills it, and makes room for the page that a link leads to', async (visitor, { model }) => {
  const { page } = visitor;
  await model.script({ when: 'Where', steps: [{ step: 'text', text: `It is in [Models](${BASE}models).` }] });
  await enter(visitor, 'getting-started');
  await visitor.isAccessible('the site with the button');
  await launcher(visitor).click();
  await visitor.ask('Where is it?');
  await visitor.screenshot('docusaurus-narrow');
  await visitor.isAccessible('the chat on a narrow screen');
  await markPage(visitor);
  await visitor.lastAnswer.getByRole('link', { name: 'Models' }).click();
  await page.getByRole('heading', { name: 'Models', exact: true }).waitFor();
  assert.ok(await isSamePage(visitor));
  await widget(visitor).locator('.panel').waitFor({ state: 'hidden' });
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360, 'nothing is wider than the screen');
}, { viewport: { width: 360, height: 740 } });

scene('pages open the chat and ask, also before it was loaded', async (visitor, { model }) => {
  const { page } = visitor;
  await enter(visitor, 'getting-started');
  await page.evaluate(() => parlor.ask('asked by the page'));
  await visitor.answered(1);
  const asked = await told(model, 'asked by the page');
  assert.ok(asked.includes('Getting started'));
  await page.keyboard.press('Escape');
  await widget(visitor).locator('.panel').waitFor({ state: 'hidden' });
  assert.ok(await launcher(visitor).evaluate((button) => button.getRootNode().activeElement === button), 'the focus went back');
});
