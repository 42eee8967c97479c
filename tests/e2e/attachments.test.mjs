// Files that are sent along: the element and the real server, on a site of somebody's own.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { LOST } from './support/browser.mjs';
import { eventually, FakeModel, Parlor } from './support/processes.mjs';
import { scenes } from './support/scene.mjs';
import { DOT, SitePage } from './support/site-page.mjs';
import { Site } from './support/site.mjs';

const { scene } = scenes('attachments', async (here) => {
  here.model = await FakeModel.start();
  here.parlor = await Parlor.start({
    OPENAI_BASE_URL: `${here.model.url}/v1`,
    PARLOR_MODEL: 'fake-model',
    PARLOR_SEARCH__ENABLED: 'false',
    PARLOR_AUTH: 'trusted-header',
  });
  here.site = await Site.start({ parlor: `${here.parlor.url}/chatkit`, files: here.parlor.url });
  return here.site.url;
});

const picture = { name: 'dot.png', mimeType: 'image/png', buffer: DOT };
const notes = { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('Remember the milk.') };

/** What a link leads to, whatever the browser has kept. */
const get = (page, href) =>
  page.evaluate(async (url) => {
    const response = await fetch(url, { cache: 'no-store' });
    return [response.status, await response.text()];
  }, href);

describe('files', () => {
  for (const upload of ['two_phase', 'direct']) {
    scene(`are attached, sent, there after a reload, and gone with their conversation (${upload})`, async (visitor) => {
      const page = await SitePage.open(visitor, 'parlor', `&upload=${upload}`);
      await page.attach(picture, notes, { ...notes, name: 'wrong.txt' });
      await page.uploaded(3);
      await visitor.chat.getByRole('button', { name: 'Remove wrong.txt' }).click();
      await page.uploaded(2);
      await eventually('the server has deleted it', () => page.requests().includes('attachments.delete'));
      await visitor.screenshot(`attachments-${upload}`);
      await visitor.ask('/notools What is in them?');
      await visitor.page.reload();
      await visitor.answered(1);
      const image = visitor.chat.getByRole('button', { name: 'Show dot.png' }).locator('img');
      await eventually('the picture is shown', () => image.evaluate((element) => element.naturalWidth > 0));
      const link = visitor.chat.getByTitle('Download notes.txt');
      const href = await link.getAttribute('href');
      assert.deepEqual(await get(visitor.page, href), [200, 'Remember the milk.']);
      const [{ attachments }] = await page.items();
      assert.deepEqual(attachments.map(({ name }) => name), ['dot.png', 'notes.txt']);

      const thread = await visitor.page.evaluate(() => sessionStorage.getItem('thread'));
      await visitor.page.evaluate((id) => window.post('threads.delete', { thread_id: id }), thread);
      visitor.expected.push(/status of 404/);
      await eventually('the file is gone', async () => (await get(visitor.page, href))[0] === 404);
      assert.deepEqual(await page.told('error'), []);
    });
  }

  scene('that are not what they say are refused, and the others are sent', async (visitor) => {
    visitor.expected.push(/status of 415/);
    const page = await SitePage.open(visitor, 'parlor', '&upload=direct');
    await page.attach(notes, { ...picture, buffer: Buffer.from('<script>alert(1)</script>') });
    await page.uploaded(1);
    const failed = visitor.chat.locator('.upload[data-state=failed]');
    await failed.waitFor();
    await visitor.screenshot('attachments-refused');
    await failed.getByRole('button', { name: 'Remove dot.png' }).click();
    await visitor.ask('/notools What is in it?');
    const [{ attachments }] = await page.items();
    assert.deepEqual(attachments.map(({ name }) => name), ['notes.txt']);
  });

  scene('whose upload is cut off can be sent again', async (visitor, { site }) => {
    visitor.expected.push(LOST);
    const page = await SitePage.open(visitor, 'parlor', '&upload=two_phase');
    site.disconnect();
    await page.attach(notes);
    const failed = visitor.chat.locator('.upload[data-state=failed]');
    await failed.waitFor();
    site.reconnect();
    await failed.getByRole('button', { name: /again/ }).click();
    await page.uploaded(1);
    await visitor.ask('/notools What is in it?');
    const [{ attachments }] = await page.items();
    assert.deepEqual(attachments.map(({ name }) => name), ['notes.txt']);
  });
});
