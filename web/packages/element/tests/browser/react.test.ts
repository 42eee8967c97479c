import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'vite';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Lab } from './lab.js';

let lab: Lab;
let folder: string;

const page = (scripts: string) =>
  `<!doctype html><html lang="en"><head><title>React</title></head><body>${scripts}</body></html>`;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parlor-react-'));
  await build({
    configFile: false,
    logLevel: 'error',
    base: './',
    build: {
      outDir: folder,
      emptyOutDir: true,
      modulePreload: false,
      rolldownOptions: {
        input: join(import.meta.dirname, 'react-page.tsx'),
        output: { format: 'es', entryFileNames: 'page.js' },
      },
    },
  });
  const app = '<script type="module" src="/extra/page.js"></script>';
  const element = '<script type="module" src="/chatkit.js"></script>';
  await writeFile(join(folder, 'before.html'), page(element + app));
  await writeFile(join(folder, 'after.html'), page(app + element));
  lab = await Lab.start(folder);
});
afterEach(() => lab.closePages());
afterAll(async () => {
  await lab.stop();
  await rm(folder, { recursive: true });
});

describe.each(['before', 'after'])('the published React wrapper, with the element defined %s it', (order) => {
  it('configures the element, calls its methods and hears its events', async () => {
    const chat = await lab.open({ path: `/extra/${order}.html` });
    const { page } = chat;
    await page.getByText('Hello from React').waitFor();
    await chat.event('chatkit.ready');
    await expect.poll(() => chat.count('chatkit.ready')).toBe(1);
    await page.getByRole('button', { name: 'Ask' }).click();
    await chat.event('chatkit.response.end');
    await expect.poll(() => page.locator('.bubble').innerText()).toBe('hello from a button');
    await expect.poll(() => chat.count('chatkit.thread.change')).toBe(1);

    await page.getByRole('button', { name: 'Theme' }).click();
    await expect
      .poll(() => page.locator('openai-chatkit').evaluate((element) => getComputedStyle(element).colorScheme))
      .toBe('dark');
    await expect.poll(() => page.locator('.bubble').count()).toBe(1);

    await page.getByRole('button', { name: 'Focus' }).click();
    const field = page.getByLabel('Message', { exact: true });
    await expect
      .poll(() => field.evaluate((input) => (input.getRootNode() as ShadowRoot).activeElement === input))
      .toBe(true);
    await page.keyboard.type('hello typed');
    await page.keyboard.press('Enter');
    await chat.event('chatkit.response.end', 2);
    await page.getByRole('button', { name: 'New', exact: true }).click();
    await page.getByText('Hello from React').waitFor();
    await expect.poll(() => chat.count('chatkit.error')).toBe(0);
  });

  it('may unmount it in the middle of an answer and mount it again', async () => {
    const chat = await lab.open({ path: `/extra/${order}.html` });
    const { page } = chat;
    await page.getByLabel('Message', { exact: true }).fill('hold');
    await page.keyboard.press('Enter');
    await page.getByText('The first half of the answer').waitFor();
    await page.getByRole('button', { name: 'Toggle' }).click();
    await expect.poll(() => page.locator('openai-chatkit').count()).toBe(0);
    await page.getByRole('button', { name: 'Toggle' }).click();
    await page.getByText('Hello from React').waitFor();
    // Nobody stopped it: the server has the whole answer.
    lab.server.release();
    await expect.poll(() => lab.world.running.size).toBe(0);
    expect(JSON.stringify(lab.world.threads.at(-1)?.items.at(-1))).toContain('second half of it');
  });
});
