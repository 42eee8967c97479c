// The demo page itself: narrow screens, the keyboard alone, accessibility, themes.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { eventually } from './support/processes.mjs';
import { searchThen, stage } from './support/scene.mjs';

const PHONE = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };
const QUESTION = 'How do I index my own documents?';

/** What has the focus: through the shadow root, by its accessible name or its label. */
const focused = (visitor) =>
  visitor.page.evaluate(() => {
    let active = document.activeElement;
    while (active?.shadowRoot?.activeElement) active = active.shadowRoot.activeElement;
    return active === null ? '' : `${active.localName}#${active.id} ${active.getAttribute('aria-label') ?? active.textContent.trim().slice(0, 60)}`;
  });

async function tabTo(visitor, pattern, key = 'Tab') {
  const seen = [];
  for (let press = 0; press < 80; press++) {
    await visitor.page.keyboard.press(key);
    const now = await focused(visitor);
    if (pattern.test(now)) return now;
    seen.push(now);
  }
  throw new Error(`${key} does not lead to ${pattern}, only to:\n${seen.join('\n')}`);
}

describe('the page', () => {
  const { scene } = stage();

  scene(
    'on a phone the chat is a sheet that opens, answers, and closes again',
    async (visitor, { model }) => {
      await model.script(...searchThen('index my own', { step: 'text', text: 'Run `parlor ingest` [1].\n\n| a | b | c |\n| --- | --- | --- |\n| a long cell of a wide table | another one | and one more |\n\n```sh\nparlor ingest docs --base-url https://example.com/a/rather/long/address/\n```' }));
      await visitor.page.goto('/docs/documents');
      const button = visitor.page.getByRole('button', { name: 'Ask', exact: true });
      const sheet = visitor.page.getByRole('dialog', { name: 'Ask the documentation' });
      await button.waitFor();
      assert.equal(await sheet.count(), 0);
      assert.equal(await visitor.input.isVisible(), false);
      await visitor.screenshot('phone-page');
      await button.click();
      await sheet.waitFor();
      await eventually('the field has the focus', async () => /textarea/.test(await focused(visitor)));
      await visitor.settled();
      const box = await sheet.boundingBox();
      assert.deepEqual([box.x, box.y, box.width, box.height], [0, 0, 360, 740]);
      const content = visitor.page.locator('#content');
      assert.equal(await content.evaluate((main) => main.inert), true, 'the page behind cannot be reached');
      await visitor.ask(QUESTION);
      await visitor.screenshot('phone-answer');
      const overflow = await visitor.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(overflow <= 0, `nothing sticks out (${overflow} px)`);
      await visitor.isAccessible('the sheet');

      // Escape closes the list of conversations first, then the sheet.
      await visitor.openHistory();
      await visitor.screenshot('phone-history');
      await visitor.closeHistory();
      await eventually('the focus is back', async () => /Chat history/.test(await focused(visitor)));
      assert.equal(await sheet.isVisible(), true);
      await visitor.page.keyboard.press('Escape');
      await sheet.waitFor({ state: 'detached' });
      await eventually('the focus is back', async () => /#ask-button/.test(await focused(visitor)));
      assert.equal(await content.evaluate((main) => main.inert), false);

      // A source closes the sheet and shows the place.
      await button.click();
      const href = await visitor.sources.first().evaluate((source) => source.href);
      await visitor.sources.first().click();
      await visitor.page.waitForURL(href);
      await sheet.waitFor({ state: 'detached' });
      const id = decodeURIComponent(new URL(href).hash.slice(1));
      await eventually('the heading is in view', () =>
        visitor.page.locator(`[id="${id}"]`).evaluate((heading) => heading.getBoundingClientRect().top >= 0 && heading.getBoundingClientRect().bottom < innerHeight),
      );
      await button.click();
      await visitor.answered(1);
    },
    PHONE,
  );

  scene(
    'on a phone the pages are in a panel, and nothing sticks out',
    async (visitor) => {
      for (const page of ['/', '/docs/documents', '/docs/configuration', '/docs/protocol']) {
        await visitor.page.goto(page);
        const overflow = await visitor.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(overflow <= 0, `${page}: ${overflow} px`);
        await visitor.isAccessible(`${page} on a phone`);
      }
      const menu = visitor.page.getByRole('button', { name: 'Pages', exact: true });
      await menu.click();
      const panel = visitor.page.getByRole('dialog', { name: 'Documentation' });
      await panel.waitFor();
      await visitor.isAccessible('the list of pages');
      await visitor.screenshot('phone-menu');
      await visitor.page.keyboard.press('Escape');
      await panel.waitFor({ state: 'detached' });
      await eventually('the focus is back', async () => /#menu-button/.test(await focused(visitor)));
      await menu.click();
      await panel.getByRole('link', { name: 'Models' }).click();
      await visitor.page.waitForURL('**/docs/models');
    },
    PHONE,
  );

  scene('the keyboard is enough', async (visitor, { model }) => {
    await model.script(...searchThen('index my own', { step: 'text', text: 'Run `parlor ingest` [1] and wait [2].' }));
    await visitor.open();
    await tabTo(visitor, /Skip to the article/);
    await visitor.page.keyboard.press('Enter');
    await eventually('the article has the focus', async () => /#content/.test(await focused(visitor)));
    await tabTo(visitor, /textarea/);
    await visitor.page.keyboard.type('One line');
    await visitor.page.keyboard.press('Shift+Enter');
    await visitor.page.keyboard.type(QUESTION);
    await eventually('both lines are there', async () => (await visitor.input.inputValue()) === `One line\n${QUESTION}`);
    await visitor.page.keyboard.press('Enter');
    await visitor.answered(1);

    await tabTo(visitor, /Chat history/, 'Shift+Tab');
    await visitor.page.keyboard.press('Enter');
    await visitor.historyIsListed();
    await tabTo(visitor, /row-open|One line/);
    await visitor.closeHistory();
    await eventually('the focus is back', async () => /Chat history/.test(await focused(visitor)));

    await tabTo(visitor, /^a# Source 1/);
    const href = await visitor.lastAnswer.locator('[part~="citation"]').first().evaluate((link) => link.href);
    await visitor.page.keyboard.press('Enter');
    await visitor.page.waitForURL(href);
    await visitor.answered(1);
  });

  for (const colorScheme of ['light', 'dark']) {
    scene(
      `everything is accessible in the ${colorScheme} theme`,
      async (visitor, { model }) => {
        await visitor.open();
        await visitor.isAccessible('the start');
        await visitor.screenshot(`start-${colorScheme}`);

        await model.script(
          ...searchThen('index my own', { step: 'text', text: 'Run `parlor ingest` [1].\n\n```sh\nparlor ingest docs # twice\n```\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n\n> A quote [2].' }),
        );
        await visitor.ask(QUESTION);
        await visitor.isAccessible('an answer');
        await visitor.screenshot(`answer-${colorScheme}`);

        await visitor.openHistory();
        await visitor.isAccessible('the history');
        await visitor.closeHistory();

        await model.script({ times: 0, steps: [{ step: 'status', status: 401 }] });
        await visitor.send('And now?');
        await visitor.banner.waitFor();
        await visitor.isAccessible('an error');
        await visitor.screenshot(`error-${colorScheme}`);

        for (const page of ['/docs/getting-started', '/docs/context', '/docs/troubleshooting']) {
          await visitor.open(page);
          await visitor.isAccessible(page);
        }
      },
      { colorScheme },
    );
  }

  scene('the theme follows the system until somebody chooses, and the choice is remembered', async (visitor) => {
    await visitor.open();
    const colours = () =>
      visitor.page.evaluate(() => [
        document.documentElement.dataset.theme,
        getComputedStyle(document.querySelector('openai-chatkit')).colorScheme,
      ]);
    await eventually('light, as the system', async () => (await colours()).join() === 'light,light');
    await visitor.page.emulateMedia({ colorScheme: 'dark' });
    await eventually('dark, as the system', async () => (await colours()).join() === 'dark,dark');
    const button = visitor.page.getByRole('button', { name: 'Dark theme' });
    await eventually('the button knows', async () => (await button.getAttribute('aria-pressed')) === 'true');
    await button.click();
    await eventually('light, as chosen', async () => (await colours()).join() === 'light,light');
    await visitor.page.reload();
    await visitor.ready();
    await eventually('light, as remembered', async () => (await colours()).join() === 'light,light');
  });

  scene('nothing moves when the chat arrives', async (visitor) => {
    await visitor.context.addInitScript(() => {
      window.shifts = 0;
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifts += entry.value;
      }).observe({ type: 'layout-shift', buffered: true });
    });
    await visitor.open('/docs/documents');
    await visitor.chat.getByText('Hello Ada').waitFor();
    await visitor.settled();
    assert.ok((await visitor.page.evaluate(() => window.shifts)) < 0.01);
  });

  scene('a page that does not exist says so and offers the others', async (visitor) => {
    visitor.expected.push(/status of 404/);
    const response = await visitor.page.goto('/docs/no-such-page');
    assert.equal(response.status(), 404);
    await visitor.page.getByRole('heading', { name: 'This page does not exist' }).waitFor();
    await visitor.ready();
  });
});
