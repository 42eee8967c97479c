// Files: on their way, in the conversation, after a reload, and gone with it.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { crc32, deflateSync } from 'node:zlib';
import { eventually } from './support/processes.mjs';
import { stage } from './support/scene.mjs';

/** A real image: a server looks into files. */
function png(width, height) {
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
    const frame = Buffer.alloc(8);
    frame.writeUInt32BE(data.length, 0);
    frame.writeUInt32BE(crc32(body), 4);
    return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const rows = Buffer.alloc(height * (width * 3 + 1));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) rows.set([x % 256, y % 256, 120], y * (width * 3 + 1) + 1 + x * 3);
  }
  return Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

const IMAGE = png(640, 480);
const NOTES = Buffer.from('The meeting is on Thursday.\n');

const tiles = (visitor, state) => visitor.chat.locator(`[part~="attachment"][data-state="${state}"]`);

async function choose(visitor, ...files) {
  const [chooser] = await Promise.all([
    visitor.page.waitForEvent('filechooser'),
    visitor.chat.getByRole('button', { name: 'Attach files' }).click(),
  ]);
  await chooser.setFiles(files);
}

async function uploaded(visitor, count) {
  await eventually(`${count} files are uploaded`, async () => {
    const failed = tiles(visitor, 'failed');
    if ((await failed.count()) > 0) throw new Error(`an upload failed: ${await failed.first().innerText()}`);
    return (await tiles(visitor, 'done').count()) === count;
  });
}

/** Pastes an image, as from a screenshot. */
const paste = (visitor, name) =>
  visitor.input.evaluate(
    (field, [bytes, fileName]) => {
      const clipboardData = new DataTransfer();
      clipboardData.items.add(new File([new Uint8Array(bytes)], fileName, { type: 'image/png' }));
      field.dispatchEvent(new ClipboardEvent('paste', { bubbles: true, cancelable: true, clipboardData }));
    },
    [[...IMAGE], name],
  );

/** Widths of the images that are shown; 0 for one that did not load. */
const widths = (visitor) =>
  visitor.chat.locator('[part~="image-attachment"] img').evaluateAll((images) => images.map((image) => image.naturalWidth));

describe('files', () => {
  const { scene } = stage();

  scene('are uploaded by button and paste, sent, shown after a reload, and deleted with the conversation', async (visitor) => {
    await visitor.open();
    await choose(
      visitor,
      { name: 'Fjord.png', mimeType: 'image/png', buffer: IMAGE },
      { name: 'notes.txt', mimeType: 'text/plain', buffer: NOTES },
    );
    await uploaded(visitor, 2);
    await paste(visitor, 'Screenshot.png');
    await uploaded(visitor, 3);
    await visitor.ask('/notools What is in these files?');
    await eventually('the field is empty again', async () => (await tiles(visitor, 'done').count()) === 0);
    await eventually('both images are shown', async () => {
      const shown = await widths(visitor);
      return shown.length === 2 && shown.every((width) => width > 0);
    });
    await visitor.screenshot('attachments');

    await visitor.page.reload();
    await visitor.ready();
    await visitor.answered(1);
    await eventually('both images are shown after the reload', async () => {
      const shown = await widths(visitor);
      return shown.length === 2 && shown.every((width) => width > 0);
    });

    // An image opens large, a file is downloaded.
    await visitor.chat.getByRole('button', { name: 'Show Fjord.png' }).click();
    const large = visitor.chat.getByRole('dialog', { name: 'Fjord.png' });
    await eventually('the whole image is shown', async () =>
      (await large.locator('img').evaluate((image) => image.naturalWidth)) === 640,
    );
    await visitor.page.keyboard.press('Escape');
    await large.waitFor({ state: 'detached' });
    const link = visitor.chat.getByRole('link', { name: 'notes.txt' });
    const [download] = await Promise.all([visitor.page.waitForEvent('download'), link.click()]);
    const chunks = [];
    for await (const chunk of await download.createReadStream()) chunks.push(chunk);
    assert.deepEqual(Buffer.concat(chunks), NOTES);

    const addresses = await visitor.chat
      .locator('[part~="image-attachment"] img')
      .evaluateAll((images) => images.map((image) => image.src));
    addresses.push(await link.getAttribute('href'));
    await visitor.openHistory();
    const row = visitor.history.locator('.row').first();
    await row.hover();
    await row.getByRole('button', { name: /^Delete/ }).click();
    await visitor.history.getByRole('button', { name: 'Delete', exact: true }).click();
    await visitor.lists(0);
    for (const address of addresses) {
      visitor.expected.push(/status of 404/);
      // Not what the browser has kept of it.
      await eventually('what was sent is gone with its conversation', () =>
        visitor.page.evaluate(async (url) => (await fetch(url, { cache: 'no-store' })).status === 404, address),
      );
    }
  });

  scene('that are not what they say are refused with the reason, and the rest is sent', async (visitor) => {
    await visitor.open();
    visitor.expected.push(/status of 4\d\d/);
    await choose(
      visitor,
      { name: 'picture.png', mimeType: 'image/png', buffer: Buffer.from('<script>alert(1)</script>') },
      { name: 'notes.txt', mimeType: 'text/plain', buffer: NOTES },
    );
    await tiles(visitor, 'failed').waitFor();
    await tiles(visitor, 'done').waitFor();
    await eventually('a reason is given', async () => /picture\.png\n.{10,}/.test(await tiles(visitor, 'failed').innerText()));
    await visitor.screenshot('attachments-refused');
    await visitor.chat.getByRole('button', { name: 'Remove picture.png' }).click();
    await visitor.ask('/notools What is in this file?');
    await visitor.chat.getByRole('link', { name: 'notes.txt' }).waitFor();
  });

  scene('of somebody else are nobody’s business', async (visitor) => {
    await visitor.open();
    await choose(visitor, { name: 'notes.txt', mimeType: 'text/plain', buffer: NOTES });
    await uploaded(visitor, 1);
    await visitor.ask('/notools Remember this.');
    const thread = await visitor.threadId('ada');
    const { body } = await visitor.api('items.list', { thread_id: thread });
    const { id } = body.data.flatMap((item) => item.attachments ?? [])[0];
    const linus = { 'x-parlor-persona': 'linus' };
    visitor.expected.push(/status of 4\d\d/);
    const input = { content: [{ type: 'input_text', text: 'Whose is it?' }], attachments: [id], inference_options: {} };
    const stolen = await visitor.api('threads.create', { input }, linus);
    assert.ok(stolen.status >= 400 && stolen.status < 500, `refused, not ${stolen.status}`);
    const unsigned = await visitor.page.evaluate(
      async ([file, headers]) => (await fetch(`/files/${file}`, { headers })).status,
      [id, linus],
    );
    assert.equal(unsigned, 404);
  });
});
