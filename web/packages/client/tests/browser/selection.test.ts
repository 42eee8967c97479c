import { join } from 'node:path';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type * as client from '../../src/index.js';
import { bundled, must, Site } from './site.js';

declare global {
  /** What was said of the selection, one after another. */
  var said: ({ text: string; left: number; top: number; side: string } | null)[];
  var selection: client.TextSelection | null;
}

const WIDTH = 120;
const HEIGHT = 40;
const CSS = 'body { margin: 100px 60px; font: 20px/30px monospace } .far { margin-top: 1500px }';
const BODY = `
  <p id="first">The quick brown fox jumps over the lazy dog.</p>
  <p id="edge">At the edge</p>
  <p data-parlor-private id="private">The account number is 5.</p>
  <p id="around">Before <b data-parlor-private>secret</b> after</p>
  <p><label>Name <input id="field" value="typed in a field"></label></p>
  <div contenteditable="true" id="editable">Being written</div>
  <div data-parlor-widget id="widget">Said by the chat</div>
  <p class="far" id="far">Far below</p>`;

let site: Site;
let script: string;
beforeAll(async () => {
  script = await bundled(join(import.meta.dirname, 'site-page.ts'));
  site = await Site.start();
});
afterEach(() => site.closePages());
afterAll(() => site.stop());

async function open(options?: BrowserContextOptions): Promise<Page> {
  site.files.set('/page.js', script);
  site.files.set('/page.css', CSS);
  const html = `<!doctype html><html lang="en"><head><title>Site</title><meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/page.css"><script type="module" src="/page.js"></script></head><body>${BODY}</body></html>`;
  const page = await site.open(html, options);
  await page.waitForFunction(() => globalThis.site !== undefined);
  await page.evaluate(
    ([width, height]) => {
      globalThis.said = [];
      globalThis.selection = null;
      Object.assign(globalThis, {
        end: globalThis.site.observeTextSelection((selection) => {
          globalThis.selection = selection;
          globalThis.said.push(
            selection === null ? null : { text: selection.text, ...selection.place(width, height) },
          );
        }),
      });
    },
    [WIDTH, HEIGHT] as const,
  );
  return page;
}

const last = (page: Page) => page.evaluate(() => globalThis.said.at(-1));
const text = async (page: Page) => (await last(page))?.text ?? null;

/** Marks all of an element, as a program or a screen reader does. */
const mark = (page: Page, id: string) =>
  page.evaluate((of) => {
    const part = document.getElementById(of);
    if (part !== null) document.getSelection()?.selectAllChildren(part);
  }, id);

describe('a selection', () => {
  it('by mouse is told when the button is let go', async () => {
    const page = await open();
    const box = must(await page.locator('#first').boundingBox());
    await page.mouse.move(box.x + 2, box.y + 15);
    await page.mouse.down();
    await page.mouse.move(box.x + 110, box.y + 15, { steps: 4 });
    await page.waitForFunction(() => document.getSelection()?.isCollapsed === false);
    expect(await page.evaluate(() => globalThis.said)).toEqual([]);
    await page.mouse.up();
    await expect.poll(() => text(page)).toMatch(/^The quick/);
    // A click elsewhere takes it away.
    await page.mouse.click(box.x + 300, box.y + 15);
    await expect.poll(() => last(page)).toBeNull();
  });

  it('by keyboard is told when it rests', async () => {
    const page = await open();
    // What the keys do in caret browsing, which a page cannot turn on.
    for (let word = 0; word < 3; word += 1) {
      await page.evaluate((begins) => {
        const selection = document.getSelection();
        if (begins) selection?.collapse(document.getElementById('first')?.firstChild ?? null, 0);
        selection?.modify('extend', 'forward', 'word');
      }, word === 0);
    }
    await expect.poll(() => text(page)).toBe('The quick brown');
  });

  it('that was there before anybody watched is told, too', async () => {
    const page = await open();
    await mark(page, 'edge');
    await expect.poll(() => text(page)).toBe('At the edge');
    const late = await page.evaluate(
      () =>
        new Promise<string | null>((resolve) => {
          globalThis.site.observeTextSelection((selection) => resolve(selection?.text ?? null));
        }),
    );
    expect(late).toBe('At the edge');
  });

  it('is told where something fits above its first line', async () => {
    const page = await open();
    await mark(page, 'first');
    await expect.poll(() => text(page)).toContain('lazy dog');
    const line = must(await page.evaluate(() => globalThis.selection?.box));
    const place = must(await last(page));
    expect(place.side).toBe('above');
    expect(place.top + HEIGHT).toBeLessThan(line.top);
    expect(place.left + WIDTH / 2).toBeCloseTo(line.left + line.width / 2, 0);
  });

  it('over many paragraphs is told where it begins, and beside all of its first line', async () => {
    const page = await open();
    await mark(page, 'first');
    await expect.poll(() => text(page)).toContain('lazy dog');
    const whole = must(await page.evaluate(() => globalThis.selection?.box));
    await page.evaluate(() => {
      const [first, edge] = ['first', 'edge'].map(
        (id) => document.getElementById(id)?.firstChild ?? document,
      );
      document.getSelection()?.setBaseAndExtent(first as Node, 0, edge as Node, 5);
    });
    await expect.poll(() => text(page)).toMatch(/lazy dog\.\s+At th/);
    expect(await page.evaluate(() => globalThis.selection?.box)).toEqual(whole);
  });

  it('moves with the page, and stays in view', async () => {
    const page = await open();
    await mark(page, 'edge');
    await expect.poll(() => text(page)).toBe('At the edge');
    // To the very top: no room above.
    await page.evaluate(() => document.getElementById('edge')?.scrollIntoView());
    await expect.poll(async () => (await last(page))?.side).toBe('below');
    const { top } = must(await last(page));
    expect(top).toBeGreaterThan(20);
    // Out of sight below: it sticks to the edge.
    await mark(page, 'far');
    await expect.poll(() => text(page)).toBe('Far below');
    const far = must(await last(page));
    expect(far.top + HEIGHT).toBeLessThanOrEqual(700);
  });

  it.each([
    ['a private part', 'private'],
    ['around a private part', 'around'],
    ['a part that is being edited', 'editable'],
    ['the chat itself', 'widget'],
  ])('of %s is nobody’s business', async (_, id) => {
    const page = await open();
    await mark(page, 'first');
    await expect.poll(() => text(page)).not.toBeNull();
    await mark(page, id);
    await expect.poll(() => last(page)).toBeNull();
    expect(await page.evaluate(() => globalThis.site.currentSelection())).toBeNull();
  });

  it('of private parts, of what is being written and of the chat is not in the page context either', async () => {
    const page = await open();
    const told = () => page.evaluate(() => globalThis.site.getPageContext()?.selectedText);
    await mark(page, 'first');
    expect(await told()).toBe('The quick brown fox jumps over the lazy dog.');
    for (const id of ['private', 'around', 'editable', 'widget']) {
      await mark(page, id);
      expect(await told()).toBeUndefined();
    }
  });

  it('in a field is not told', async () => {
    const page = await open();
    await mark(page, 'first');
    await expect.poll(() => text(page)).not.toBeNull();
    await page.locator('#field').selectText();
    await expect.poll(() => last(page)).toBeNull();
  });

  it('can be taken away, and is not told any more at the end', async () => {
    const page = await open();
    await mark(page, 'first');
    await expect.poll(() => text(page)).not.toBeNull();
    await page.evaluate(() => globalThis.selection?.clear());
    await expect.poll(() => last(page)).toBeNull();
    await page.evaluate(() => (globalThis as unknown as { end(): void }).end());
    const before = await page.evaluate(() => globalThis.said.length);
    await page.clock.install();
    await page.evaluate(
      () =>
        new Promise<void>((resolve) => {
          document.addEventListener('selectionchange', () => resolve(), { once: true });
          document.getSelection()?.selectAllChildren(document.body);
        }),
    );
    await page.clock.runFor(60_000);
    expect(await page.evaluate(() => globalThis.said.length)).toBe(before);
  });

  it('by touch is told when it rests', async () => {
    const page = await open({ hasTouch: true, isMobile: true, viewport: { width: 360, height: 640 } });
    await mark(page, 'first');
    await expect.poll(() => text(page)).toContain('quick');
    const { left } = must(await last(page));
    expect(left).toBeGreaterThanOrEqual(8);
    expect(left + WIDTH).toBeLessThanOrEqual(352);
  });
});
