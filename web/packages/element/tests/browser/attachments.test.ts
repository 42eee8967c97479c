import { crc32, deflateSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type ChatPage, Lab, type OpenOptions } from './lab.js';

let lab: Lab;
beforeAll(async () => {
  lab = await Lab.start();
});
afterEach(() => lab.closePages());
afterAll(() => lab.stop());

const requestsOf = (type: string) => lab.world.requests.filter((request) => request.type === type);
const messages = () =>
  lab.world.requests
    .filter(({ type }) => type === 'threads.create' || type === 'threads.add_user_message')
    .map(({ params }) => params.input as { content: unknown[]; attachments: string[] });

/** A real PNG, with something to see in it. */
const PNG = picture(240, 180);
const png = (name: string) => ({ name, mimeType: 'image/png', buffer: PNG });
const text = (name: string, size = 2000) => ({
  name,
  mimeType: 'text/plain',
  buffer: Buffer.alloc(size, 'a'),
});

const DIRECT = { type: 'direct', uploadUrl: '/files' };

async function open(
  options: OpenOptions & { attachments?: object; strategy?: object } = {},
): Promise<ChatPage> {
  const { attachments = {}, strategy, ...rest } = options;
  return lab.open({
    ...rest,
    options: {
      ...(strategy === undefined
        ? {}
        : { api: { url: options.endpoint ?? '/chatkit', domainKey: 'local', uploadStrategy: strategy } }),
      composer: { placeholder: 'Ask', attachments: { enabled: true, ...attachments } },
    },
  });
}

const choose = async (chat: ChatPage, ...files: { name: string; mimeType: string; buffer: Buffer }[]) => {
  const [chooser] = await Promise.all([
    chat.page.waitForEvent('filechooser'),
    chat.page.getByRole('button', { name: 'Attach files' }).click(),
  ]);
  await chooser.setFiles(files);
};
const tiles = (chat: ChatPage, state = '') =>
  chat.page.locator(`.upload${state === '' ? '' : `[data-state=${state}]`}`);
const done = (chat: ChatPage, count: number) => expect.poll(() => tiles(chat, 'done').count()).toBe(count);

/** Drags files over the conversation, or pastes or drops them, as a browser does. */
async function transfer(
  chat: ChatPage,
  event: 'dragover' | 'drop' | 'paste',
  files: { name: string; type: string }[],
  words = '',
) {
  await chat.page.evaluate(
    ([kind, list, plain, bytes]) => {
      const data = new DataTransfer();
      for (const { name, type } of list) data.items.add(new File([new Uint8Array(bytes)], name, { type }));
      if (plain !== '') data.setData('text/plain', plain);
      const { shadowRoot } = globalThis.chat;
      const target = shadowRoot.querySelector(kind === 'paste' ? 'textarea' : '.scroll') as HTMLElement;
      const common = { bubbles: true, cancelable: true, composed: true };
      target.dispatchEvent(
        kind === 'paste'
          ? new ClipboardEvent(kind, { ...common, clipboardData: data })
          : new DragEvent(kind, { ...common, dataTransfer: data }),
      );
    },
    [event, files, words, [...PNG]] as const,
  );
}

describe.each([
  ['two phases', undefined, '/chatkit'],
  ['one request', DIRECT, '/chatkit'],
  ['two phases to a server of the official SDK', undefined, '/plain/chatkit'],
] as const)('files uploaded in %s', (_name, strategy, endpoint) => {
  it('are sent with the message, and are there after a reload', async () => {
    const chat = await open({ ...(strategy === undefined ? {} : { strategy }), endpoint });
    await choose(chat, png('Fjord.png'), text('notes.txt'));
    await done(chat, 2);
    await expect.poll(() => tiles(chat).nth(0).innerText()).toContain('Fjord.png');
    await expect.poll(() => tiles(chat).nth(1).innerText()).toMatch(/TXT · 2 kB/);
    await expect.poll(() => chat.page.locator('.upload canvas').count()).toBe(1);
    expect(lab.world.uploads.map(({ method }) => method)).toEqual(
      strategy === undefined ? ['PUT', 'PUT'] : ['POST', 'POST'],
    );
    await chat.askAndWait('hello files');
    const [sent] = messages();
    const stored = sent?.attachments.map((id) => lab.world.attachments.get(id));
    expect(stored?.map((file) => [file?.name, file?.bytes?.length])).toEqual([
      ['Fjord.png', PNG.length],
      ['notes.txt', 2000],
    ]);
    await expect.poll(() => tiles(chat).count()).toBe(0);

    const id = lab.world.threads[0]?.id ?? '';
    const again = await open({ thread: id, endpoint });
    const picture = again.page.getByRole('button', { name: 'Show Fjord.png' });
    await picture.waitFor();
    await expect
      .poll(() => picture.locator('img').evaluate((image: HTMLImageElement) => image.naturalWidth))
      .toBeGreaterThan(0);
    await again.page.getByRole('link', { name: 'notes.txt' }).waitFor();

    await again.askAndWait('hello again');
    expect(messages()[1]?.attachments).toEqual([]);
  });
});

describe('a message', () => {
  it('may be of files alone', async () => {
    const chat = await open();
    const send = chat.page.getByRole('button', { name: 'Send message' });
    await expect.poll(() => send.isDisabled()).toBe(true);
    await choose(chat, png('Fjord.png'));
    await done(chat, 1);
    await send.click();
    await chat.event('chatkit.response.end');
    expect(messages()[0]).toMatchObject({ content: [] });
    expect(messages()[0]?.attachments).toHaveLength(1);
    await expect.poll(() => chat.page.locator('.bubble').count()).toBe(0);
    await chat.page.getByRole('button', { name: 'Show Fjord.png' }).waitFor();
  });

  it('waits for its files, and says so', async () => {
    const chat = await open();
    lab.world.uploadPlans.push({ hold: true });
    await choose(chat, text('slow.txt'));
    await expect.poll(() => lab.world.held.length).toBe(1);
    await chat.ask('hello');
    await chat.page.getByText('Sends as soon as the files are uploaded.').first().waitFor();
    expect(messages()).toEqual([]);

    // Thought better of it, and once more.
    await chat.page.getByRole('button', { name: 'Don’t send yet' }).click();
    lab.server.release();
    await done(chat, 1);
    // What is sent leaves the field.
    expect(await chat.input.inputValue()).toBe('hello');
    expect(messages()).toEqual([]);

    lab.world.uploadPlans.push({ hold: true });
    await choose(chat, text('slower.txt'));
    await expect.poll(() => lab.world.held.length).toBe(1);
    await chat.input.press('Enter');
    await chat.page.getByRole('button', { name: 'Don’t send yet' }).waitFor();
    lab.server.release();
    await chat.event('chatkit.response.end');
    expect(messages()[0]?.attachments).toHaveLength(2);
  });

  it('is not sent without a file that failed, which is said', async () => {
    const chat = await open();
    lab.world.uploadPlans.push({ status: 500 });
    await choose(chat, text('bad.txt'));
    await expect.poll(() => tiles(chat, 'failed').count()).toBe(1);
    await chat.ask('hello');
    await chat.page.getByText('A file was not uploaded. Upload it again or remove it, then send.').waitFor();
    expect(messages()).toEqual([]);
    await chat.page.getByRole('button', { name: 'Remove bad.txt' }).click();
    await chat.askAndWait('hello');
    expect(messages()[0]?.attachments).toEqual([]);
  });

  it('keeps its files when it is sent again, as one message', async () => {
    const chat = await open();
    await choose(chat, png('Fjord.png'));
    await done(chat, 1);
    lab.world.failNext.push({ type: 'threads.create', status: 503 });
    await chat.ask('hello');
    await chat.page.getByText('Not sent').waitFor();
    await expect.poll(() => chat.page.locator('.shot canvas').count()).toBe(1);
    await chat.page.getByRole('button', { name: 'Try again' }).click();
    await chat.event('chatkit.response.end');
    const [first, second] = requestsOf('threads.create');
    expect(second?.key).toBe(first?.key);
    expect(messages().at(-1)?.attachments).toHaveLength(1);

    // Taken back into the field, it has its files.
    lab.world.failNext.push({ type: 'threads.add_user_message', status: 503 });
    await choose(chat, text('notes.txt'));
    await done(chat, 1);
    await chat.ask('once more');
    await chat.page.getByText('Not sent').waitFor();
    await chat.page.getByRole('button', { name: 'Edit message' }).click();
    await expect.poll(() => chat.input.inputValue()).toBe('once more');
    await done(chat, 1);
    await chat.page.getByRole('button', { name: 'Remove notes.txt' }).click();
    await expect.poll(() => requestsOf('attachments.delete').length).toBe(1);
  });

  it('and its files stay in the field when another thread is opened', async () => {
    lab.world.seed();
    const chat = await open();
    lab.world.uploadPlans.push({ hold: true });
    await choose(chat, png('Fjord.png'));
    await chat.input.fill('A draft');
    await chat.page.evaluate((id) => globalThis.chat.setThreadId(id), lab.world.threads[0]?.id ?? '');
    await chat.event('chatkit.thread.load.end');
    await expect.poll(() => lab.world.held.length).toBe(1);
    lab.server.release();
    await done(chat, 1);
    await expect.poll(() => chat.input.inputValue()).toBe('A draft');
    await chat.input.press('Enter');
    await chat.event('chatkit.response.end');
    expect(messages()[0]?.attachments).toHaveLength(1);
  });
});

describe('files', () => {
  it('are dropped anywhere on the element, which shows it', async () => {
    const chat = await open();
    await transfer(chat, 'dragover', [{ name: 'a.png', type: 'image/png' }]);
    await chat.page.getByText('Drop files to attach them').waitFor();
    await transfer(chat, 'drop', [
      { name: 'a.png', type: 'image/png' },
      { name: 'b.png', type: 'image/png' },
    ]);
    await expect.poll(() => chat.page.getByText('Drop files to attach them').count()).toBe(0);
    await done(chat, 2);
  });

  it('are pasted, but not in the place of words', async () => {
    const chat = await open();
    await transfer(chat, 'paste', [{ name: 'image.png', type: 'image/png' }]);
    await done(chat, 1);
    await transfer(chat, 'paste', [{ name: 'cells.png', type: 'image/png' }], 'A1\tB1');
    await transfer(chat, 'paste', [{ name: 'second.png', type: 'image/png' }]);
    await done(chat, 2);
    expect(await tiles(chat).locator('.upload-name').allInnerTexts()).toEqual(['image.png', 'second.png']);
  });

  it('are not taken where they are not wanted', async () => {
    const chat = await lab.open();
    await expect.poll(() => chat.page.getByRole('button', { name: 'Attach files' }).count()).toBe(0);
    await transfer(chat, 'dragover', [{ name: 'a.png', type: 'image/png' }]);
    await transfer(chat, 'drop', [{ name: 'a.png', type: 'image/png' }]);
    await transfer(chat, 'paste', [{ name: 'a.png', type: 'image/png' }]);
    const refused = await chat.page.evaluate(() =>
      globalThis.chat
        .setComposerValue({ files: [new File(['x'], 'x.txt')] })
        .catch((error: Error) => error.message),
    );
    expect(refused).toContain('composer.attachments');
    expect(await tiles(chat).count()).toBe(0);
    expect(await chat.page.getByText('Drop files').count()).toBe(0);
  });

  it('that are too large, of another type or too many are refused with the reason', async () => {
    const chat = await open({
      attachments: {
        maxCount: 2,
        maxSize: { 'image/*': 1_000_000, '*': 3000 },
        accept: { 'image/*': ['.png'], 'text/plain': ['.txt'] },
      },
    });
    await choose(chat, text('large.txt', 4000), { name: 'a.zip', mimeType: 'application/zip', buffer: PNG });
    await chat.page.getByText('“large.txt” is too large. Files may have up to 3 kB.').waitFor();
    await chat.page.getByText('“a.zip” is of a type that can’t be attached here.').waitFor();
    await choose(chat, png('1.png'), png('2.png'), png('3.png'));
    await chat.page.getByText('Only 2 files fit in one message. Left out: 3.png.').waitFor();
    await expect.poll(() => chat.page.getByText('large.txt').count()).toBe(0);
    await done(chat, 2);
    await expect
      .poll(() => chat.page.locator('.file-field').getAttribute('accept'))
      .toBe('image/*,.png,text/plain,.txt');
  });

  it.each([
    [
      '413 of the server',
      { status: 413, code: 'too_large', message: 'Files may have 5 MB here.' },
      'Files may have 5 MB here.',
    ],
    ['413 of a proxy', { status: 413 }, 'The server does not take files this large.'],
    ['415', { status: 415 }, 'The server does not take files of this type.'],
    ['500', { status: 500 }, 'The server had a problem.'],
    ['an expired upload', { status: 403 }, 'The upload took too long to begin. Try again.'],
    ['a cut connection', { cut: true }, 'The upload was cut off. Check your connection and try again.'],
  ])('that fail with %s say so, and can be uploaded again', async (_name, plan, words) => {
    for (const strategy of [undefined, DIRECT]) {
      lab.world.uploadPlans.push(plan);
      const chat = await open(strategy === undefined ? {} : { strategy });
      await choose(chat, text('notes.txt', 300_000));
      await tiles(chat, 'failed').getByText(words).waitFor();
      await chat.event('chatkit.error');
      lab.world.uploadPlans.length = 0;
      await chat.page.getByRole('button', { name: 'Upload notes.txt again' }).click();
      await done(chat, 1);
      // The retry leaves nothing behind at the server.
      await expect.poll(() => lab.world.attachments.size).toBe(1);
      lab.world.attachments.clear();
    }
  });

  it('that an official server refuses to describe say its words', async () => {
    const chat = await open({ endpoint: '/plain/chatkit' });
    lab.world.failNext.push({
      type: 'attachments.create',
      status: 422,
      code: 'count',
      message: 'Only ten files a day.',
    });
    await choose(chat, text('notes.txt'));
    await tiles(chat, 'failed').getByText('Only ten files a day.').waitFor();
  });

  it('are cancelled on their way, and removed when they are there', async () => {
    const chat = await open();
    lab.world.uploadPlans.push({ hold: true });
    await choose(chat, text('slow.txt'));
    await expect.poll(() => lab.world.held.length).toBe(1);
    await choose(chat, text('other.txt'));
    const bar = chat.page.getByRole('progressbar', { name: 'Uploading slow.txt.' });
    await bar.waitFor();
    await chat.page.getByRole('button', { name: 'Cancel the upload of slow.txt' }).press('Enter');
    await done(chat, 1);
    // The focus goes to what is beside it.
    const focused = () =>
      chat.page.evaluate(() => globalThis.chat.shadowRoot.activeElement?.getAttribute('aria-label') ?? '');
    await expect.poll(focused).toBe('Remove other.txt');
    await chat.page.keyboard.press('Enter');
    await expect.poll(focused).toBe('Message');
    await expect.poll(() => requestsOf('attachments.delete').length).toBe(2);
    await expect.poll(() => lab.world.attachments.size).toBe(0);
  });

  it('show how far they are', async () => {
    const chat = await open();
    // A server that does not read on holds up the rest of a file this large.
    lab.world.uploadPlans.push({ hold: true });
    await choose(chat, text('large.txt', 20_000_000));
    const value = () => chat.page.locator('progress').evaluate((bar: HTMLProgressElement) => bar.position);
    await expect.poll(value).toBeGreaterThan(0);
    expect(await value()).toBeLessThan(1);
    lab.server.release();
    await done(chat, 1);
  });

  it('go through the host’s fetch, but never to somebody else', async () => {
    const chat = await open();
    await chat.page.evaluate(async () => {
      const urls: string[] = [];
      Object.assign(globalThis, { urls });
      const options = globalThis.optionsFor();
      const attachments = { enabled: true };
      const custom: typeof fetch = (input, init) => {
        urls.push(
          `${init?.method} ${new URL(String(input), location.href).pathname.replace(/atc_.*/, 'id')}`,
        );
        return fetch(input, init);
      };
      for (const strategy of [
        { type: 'two_phase' as const },
        { type: 'direct' as const, uploadUrl: '/files' },
      ]) {
        globalThis.chat.setOptions({
          ...options,
          api: { url: '/chatkit', domainKey: 'x', fetch: custom, uploadStrategy: strategy },
          composer: { attachments },
        });
        await globalThis.chat.setComposerValue({ files: [new File(['x'], 'x.txt', { type: 'text/plain' })] });
      }
    });
    await done(chat, 2);
    expect(await chat.page.evaluate(() => (globalThis as unknown as { urls: string[] }).urls.sort())).toEqual(
      ['POST /chatkit', 'POST /files', 'PUT /files/id'],
    );
    expect(lab.world.uploads.map(({ method }) => method).sort()).toEqual(['POST', 'PUT']);
  });
});

describe('images in the conversation', () => {
  const conversation = () => {
    const thread = lab.world.newThread('Images') as { id: string; items: unknown[] };
    const world = lab.world as unknown as {
      newAttachment(file: object): string;
      signed(id: string): { id: string };
    };
    const ids = ['One.png', 'Two.png'].map((name) =>
      world.newAttachment({ name, size: PNG.length, mime_type: 'image/png' }),
    );
    for (const id of ids) (lab.world.attachments.get(id) as { bytes: Buffer }).bytes = PNG;
    thread.items.push({
      type: 'user_message',
      id: 'msg_images',
      thread_id: thread.id,
      created_at: new Date().toISOString(),
      content: [{ type: 'input_text', text: 'Look' }],
      attachments: ids.map((id) => world.signed(id)),
      inference_options: {},
    });
    return { thread, ids };
  };
  const loaded = (chat: ChatPage) =>
    chat.page
      .locator('.shot img')
      .evaluateAll((images) => images.map((image) => (image as HTMLImageElement).naturalWidth > 0));

  it('open large, and close by key and by click', async () => {
    const { thread } = conversation();
    const chat = await open({ thread: thread.id });
    const small = chat.page.getByRole('button', { name: 'Show Two.png' });
    await small.press('Enter');
    const large = chat.page.getByRole('dialog', { name: 'Two.png' });
    await large.getByRole('img', { name: 'Two.png' }).waitFor();
    await expect
      .poll(() => large.getByRole('link', { name: 'Download Two.png' }).getAttribute('href'))
      .toContain('/files/');
    await chat.page.keyboard.press('Escape');
    await large.waitFor({ state: 'detached' });
    await expect
      .poll(() => small.evaluate((button) => (button.getRootNode() as ShadowRoot).activeElement === button))
      .toBe(true);
    await small.click();
    await large.getByRole('button', { name: 'Close' }).click();
    await large.waitFor({ state: 'detached' });
  });

  it('whose links have expired are asked for once more, and then give way to a placeholder', async () => {
    const { thread, ids } = conversation();
    // Both answers that open the thread.
    lab.world.staleLinks = 4;
    const chat = await open({ thread: thread.id });
    await expect.poll(() => loaded(chat)).toEqual([true, true]);
    // Once to open the thread, once for both images.
    expect(requestsOf('items.list')).toHaveLength(2);

    // What is gone stays gone, and nobody asks again and again.
    (lab.world.attachments.get(ids[1] ?? '') as { bytes: Buffer | null }).bytes = null;
    const again = await open({ thread: thread.id });
    await again.page.getByRole('img', { name: 'Two.png can’t be shown' }).waitFor();
    await expect.poll(() => requestsOf('items.list').length).toBe(4);
    await again.askAndWait('hello');
    expect(requestsOf('items.list')).toHaveLength(4);
  });

  it('are downloaded by a link that is read anew', async () => {
    const thread = lab.world.newThread('File') as { id: string; items: unknown[] };
    const world = lab.world as unknown as { newAttachment(file: object): string; signed(id: string): object };
    const id = world.newAttachment({ name: 'report.txt', size: 3, mime_type: 'text/plain' });
    (lab.world.attachments.get(id) as { bytes: Buffer }).bytes = Buffer.from('abc');
    thread.items.push({
      type: 'user_message',
      id: 'msg_file',
      thread_id: thread.id,
      created_at: new Date().toISOString(),
      content: [],
      attachments: [world.signed(id)],
      inference_options: {},
    });
    const chat = await open({ thread: thread.id });
    const link = chat.page.getByRole('link', { name: 'report.txt' });
    await link.waitFor();
    lab.world.linkEpoch += 1;
    const [download] = await Promise.all([chat.page.waitForEvent('download'), link.click()]);
    expect(download.suggestedFilename()).toBe('report.txt');
    expect(download.url()).toContain(`epoch=${lab.world.linkEpoch}`);
  });
});

describe('the host', () => {
  it('sends and fills in attachments that its server has', async () => {
    const chat = await open();
    await choose(chat, png('Fjord.png'));
    await done(chat, 1);
    const [id] = [...lab.world.attachments.keys()];
    await chat.page.evaluate(
      ([known, url]) =>
        globalThis.chat.setComposerValue({
          attachments: [
            {
              type: 'image',
              id: known,
              name: 'Known.png',
              mime_type: 'image/png',
              preview_url: `${url}/files/${known}/preview?epoch=1`,
            },
          ],
        }),
      [id ?? '', lab.server.url] as const,
    );
    // What was uploaded here gives way, and is deleted; what the host has is not.
    await expect.poll(() => requestsOf('attachments.delete').length).toBe(1);
    await chat.page.getByRole('button', { name: 'Remove Known.png' }).click();
    await expect.poll(() => tiles(chat).count()).toBe(0);

    await choose(chat, text('notes.txt'));
    await done(chat, 1);
    expect(requestsOf('attachments.delete')).toHaveLength(1);
    const known = [...lab.world.attachments.keys()].at(-1) ?? '';
    await chat.page.evaluate(
      (sent) =>
        globalThis.chat.sendUserMessage({
          attachments: [{ type: 'file', id: sent, name: 'notes.txt', mime_type: 'text/plain' }],
        }),
      known,
    );
    expect(messages()[0]).toMatchObject({ content: [], attachments: [known] });
  });

  it('hears of what was announced to those who do not see it', async () => {
    const chat = await open();
    const log = chat.page.getByRole('log');
    await choose(chat, text('notes.txt'));
    await done(chat, 1);
    await expect.poll(() => log.innerText()).toMatch(/Uploading notes\.txt\.\s+notes\.txt is attached\./);
    await chat.page.getByRole('button', { name: 'Remove notes.txt' }).click();
    await expect.poll(() => log.innerText()).toContain('notes.txt removed.');
  });
});

/** Draws a PNG: hills before an evening sky. */
function picture(width: number, height: number): Buffer {
  const chunk = (type: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(data.length);
    const sum = Buffer.alloc(4);
    sum.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, sum]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const rows = Buffer.alloc(height * (width * 3 + 1));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const hill = height * (0.62 + 0.12 * Math.sin(x / 31) + 0.05 * Math.sin(x / 11));
      const sky = y / height;
      const colour = y > hill ? [40, 62 + y / 4, 74] : [236 - 90 * sky, 168 - 20 * sky, 120 + 80 * sky];
      rows.set(colour.map(Math.round), y * (width * 3 + 1) + 1 + x * 3);
    }
  }
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}
