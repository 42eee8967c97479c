import { join } from 'node:path';
import type { Page, Route } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type * as client from '../../src/index.js';
import { bundled, Site } from './site.js';

declare global {
  var site: typeof client;
  var loader: client.ScriptLoader;
  var history_: string[];
}

const ELEMENT = "customElements.define('openai-chatkit', class extends HTMLElement {});";
const page = (more = '') =>
  `<!doctype html><html lang="en"><head><title>Site</title>${more}<script type="module" src="/page.js"></script></head><body></body></html>`;

let site: Site;
let script: string;
beforeAll(async () => {
  script = await bundled(join(import.meta.dirname, 'site-page.ts'));
  site = await Site.start();
});
afterEach(() => site.closePages());
afterAll(() => site.stop());

async function open(more?: string): Promise<Page> {
  site.files.set('/page.js', script);
  const opened = await site.open(page(more));
  await opened.waitForFunction(() => globalThis.site !== undefined);
  return opened;
}

/** Begins to load; the states it goes through are in `history_`. */
const load = (opened: Page, options: client.ScriptOptions = {}) =>
  opened.evaluate((given) => {
    globalThis.loader = globalThis.site.scriptLoader(given);
    globalThis.history_ = [];
    globalThis.loader.subscribe(() => globalThis.history_.push(globalThis.loader.status));
    void globalThis.loader.load().catch(() => undefined);
  }, options);
const status = (opened: Page) => opened.evaluate(() => globalThis.loader.status);
const reason = (opened: Page) => opened.evaluate(() => globalThis.loader.error?.reason ?? null);
const scriptsAsked = () => site.asked.filter((path) => path === '/chatkit.js').length;

describe('loading the element', () => {
  it('waits for need, and is done once however often it is asked for', async () => {
    site.files.set('/chatkit.js', ELEMENT);
    const opened = await open();
    expect(scriptsAsked()).toBe(0);
    await opened.evaluate(() => Promise.all([1, 2, 3].map(() => globalThis.site.loadChatKit())));
    await opened.evaluate(() => globalThis.site.loadChatKit());
    expect(scriptsAsked()).toBe(1);
    expect(await opened.evaluate(() => globalThis.site.scriptLoader().status)).toBe('ready');
  });

  it('is over at once where the element is defined', async () => {
    site.files.set('/own.js', ELEMENT);
    const opened = await open('<script type="module" src="/own.js"></script>');
    await load(opened);
    await expect.poll(() => status(opened)).toBe('ready');
    expect(scriptsAsked()).toBe(0);
  });

  it('leaves a tag of the page its work', async () => {
    let answer: (() => Promise<void>) | undefined;
    site.files.set('/chatkit.js', (route: Route) => {
      answer = () => route.fulfill({ body: ELEMENT, contentType: 'text/javascript' });
    });
    const opened = await open('<script type="module" async src="/chatkit.js"></script>');
    await load(opened, { timeoutMs: 600_000 });
    expect(await status(opened)).toBe('pending');
    await expect.poll(() => answer !== undefined).toBe(true);
    await answer?.();
    await expect.poll(() => status(opened)).toBe('ready');
    expect(scriptsAsked()).toBe(1);
  });

  it('fails when the script does, and can be tried again', async () => {
    site.files.set('/chatkit.js', (route: Route) => route.fulfill({ status: 503 }));
    const opened = await open();
    await load(opened);
    await expect.poll(() => status(opened)).toBe('error');
    expect(await reason(opened)).toBe('blocked');
    site.files.set('/chatkit.js', ELEMENT);
    await opened.evaluate(() => globalThis.loader.load());
    expect(await status(opened)).toBe('ready');
    expect(await opened.evaluate(() => globalThis.history_)).toEqual(['error', 'pending', 'ready']);
    expect(await opened.locator('script[src$="/chatkit.js"]').count()).toBe(1);
  });

  it('gives up after a while, and is glad when it comes late', async () => {
    let answer: (() => Promise<void>) | undefined;
    site.files.set('/chatkit.js', (route: Route) => {
      answer = () => route.fulfill({ body: ELEMENT, contentType: 'text/javascript' });
    });
    const opened = await open();
    await load(opened, { timeoutMs: 100 });
    await expect.poll(() => status(opened)).toBe('error');
    expect(await reason(opened)).toBe('timeout');
    await expect.poll(() => answer !== undefined).toBe(true);
    await answer?.();
    await expect.poll(() => status(opened)).toBe('ready');
    expect(await reason(opened)).toBeNull();
    expect(scriptsAsked()).toBe(1);
  });

  it('refuses a script that is not the one that was hashed', async () => {
    site.files.set('/chatkit.js', ELEMENT);
    const opened = await open();
    await load(opened, { integrity: `sha384-${'A'.repeat(64)}` });
    await expect.poll(() => status(opened)).toBe('error');
    expect(await opened.evaluate(() => customElements.get('openai-chatkit') === undefined)).toBe(true);
  });

  it('hears what a tag of the page says of itself', async () => {
    const opened = await open();
    await load(opened, { src: null, timeoutMs: 600_000 });
    await opened.evaluate(() => dispatchEvent(new CustomEvent('chatkit-script-error')));
    await expect.poll(() => status(opened)).toBe('error');
    site.files.set('/own.js', `${ELEMENT} dispatchEvent(new CustomEvent('chatkit-script-loaded'));`);
    await opened.evaluate(() => {
      void globalThis.loader.load();
      const { trustedTypes } = globalThis as unknown as {
        trustedTypes: { createPolicy(name: string, rules: object): { createScriptURL(to: string): string } };
      };
      const policy = trustedTypes.createPolicy('page', { createScriptURL: (address: string) => address });
      const tag = document.createElement('script');
      tag.src = policy.createScriptURL('/own.js');
      document.head.append(tag);
    });
    await expect.poll(() => status(opened)).toBe('ready');
    expect(await opened.evaluate(() => globalThis.history_)).toEqual(['error', 'pending', 'ready']);
  });
});
