import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContextOptions, Page, Route } from 'playwright-core';
import { build } from 'vite';
import { expectCalm } from '../../../element/tests/browser/calm.js';
import { launch, slowDown } from '../../../element/tests/browser/slow.js';

export const ORIGIN = 'https://site.example';

const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; font-src 'self'; require-trusted-types-for 'script'";

type Answer = string | ((route: Route) => Promise<void> | void);

const TYPES: Record<string, string> = {
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
};

/** One script made of an entry file of the tests and all that it imports. */
export async function bundled(entry: string): Promise<string> {
  const outDir = await mkdtemp(join(tmpdir(), 'parlor-site-'));
  try {
    await build({
      configFile: false,
      logLevel: 'error',
      build: {
        outDir,
        modulePreload: false,
        rolldownOptions: { input: entry, output: { format: 'es', entryFileNames: 'page.js' } },
      },
    });
    return await readFile(join(outDir, 'page.js'), 'utf8');
  } finally {
    await rm(outDir, { recursive: true });
  }
}

/** What cannot be missing where a test asks for it. */
export function must<T>(value: T | null | undefined): T {
  if (value === null || value === undefined) throw new Error('it is missing');
  return value;
}

/** A site of somebody's, with a strict policy: what its paths answer is in a map. */
export class Site {
  readonly browser: Browser;
  /** What is served, by path. A function answers by itself, when it likes. */
  readonly files = new Map<string, Answer>();
  /** Paths that were asked for, in their order. */
  readonly asked: string[] = [];
  readonly #opened: { page: Page; foreign: string[]; failures: string[] }[] = [];

  private constructor(browser: Browser) {
    this.browser = browser;
  }

  static async start(): Promise<Site> {
    return new Site(await launch());
  }

  async open(html: string, options: BrowserContextOptions = {}, path = '/'): Promise<Page> {
    const context = await this.browser.newContext({ viewport: { width: 900, height: 700 }, ...options });
    const page = await context.newPage();
    await slowDown(page);
    const opened = { page, foreign: [] as string[], failures: [] as string[] };
    this.#opened.push(opened);
    page.on('pageerror', (error) => opened.failures.push(error.message));
    await context.addInitScript(() => {
      globalThis.violations = [];
      addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
        globalThis.violations.push(`${violatedDirective} ${blockedURI}`),
      );
    });
    await context.route('**/*', async (route) => {
      const url = new URL(route.request().url());
      if (url.origin !== ORIGIN) {
        opened.foreign.push(url.href);
        return route.abort();
      }
      this.asked.push(url.pathname);
      const answer = url.pathname === path ? html : this.files.get(url.pathname);
      if (typeof answer === 'function') return answer(route);
      if (answer === undefined) return route.fulfill({ status: 404 });
      const contentType = TYPES[url.pathname.split('.').at(-1) ?? ''] ?? 'text/html; charset=utf-8';
      return route.fulfill({ body: answer, contentType, headers: { 'content-security-policy': CSP } });
    });
    await page.goto(ORIGIN + path, { waitUntil: 'domcontentloaded' });
    return page;
  }

  /** Closes the pages of a test. Each must have kept to the policy and to its own origin. */
  async closePages(): Promise<void> {
    const opened = this.#opened.splice(0);
    const violations: string[] = [];
    for (const { page } of opened) {
      violations.push(...(await page.evaluate(() => globalThis.violations)));
      await page.context().close();
    }
    this.files.clear();
    this.asked.length = 0;
    expectCalm(opened, violations);
  }

  stop(): Promise<void> {
    return this.browser.close();
  }
}
