import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { build } from 'vite';
import { expectCalm } from '../calm.js';
import { late, launch, slowDown } from '../slow.js';
import type { WidgetPage } from './page.js';

declare global {
  // The page's own handle, set by page.ts.
  var widgets: WidgetPage;
  var violations: string[];
}

/** Nothing inline applies; pictures may be part of a widget. */
const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:";
const axeSource = readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export type OpenOptions = NonNullable<Parameters<WidgetPage['open']>[0]> & {
  context?: BrowserContextOptions;
};

/** A page that shows widgets, in a real browser, under a strict policy. */
export class WidgetLab {
  readonly #browser: Browser;
  readonly #server: Server;
  readonly #folder: string;
  readonly #opened: { page: Page; foreign: string[]; failures: string[] }[] = [];

  private constructor(browser: Browser, server: Server, folder: string) {
    this.#browser = browser;
    this.#server = server;
    this.#folder = folder;
  }

  static async start(): Promise<WidgetLab> {
    const folder = await mkdtemp(join(tmpdir(), 'parlor-widgets-'));
    await build({
      configFile: false,
      logLevel: 'error',
      root: import.meta.dirname,
      base: './',
      build: {
        target: 'es2022',
        outDir: folder,
        emptyOutDir: true,
        modulePreload: false,
        rolldownOptions: {
          input: join(import.meta.dirname, 'page.ts'),
          output: { format: 'es', entryFileNames: 'page.js', chunkFileNames: '[name]-[hash].js' },
        },
      },
    });
    const server = createServer(async (request, response) => {
      await late();
      const path = new URL(request.url ?? '/', 'http://localhost').pathname;
      response.setHeader('Content-Security-Policy', CSP);
      if (path === '/') {
        response.setHeader('Content-Type', 'text/html; charset=utf-8');
        response.end(
          '<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>Widgets</title><body><script src="/watch.js"></script><script type="module" src="/page.js"></script>',
        );
        return;
      }
      if (path === '/watch.js') {
        response.setHeader('Content-Type', 'text/javascript');
        response.end(
          'window.violations=[];document.addEventListener("securitypolicyviolation",(e)=>violations.push(e.violatedDirective+" "+e.blockedURI));',
        );
        return;
      }
      readFile(join(folder, path)).then(
        (body) => {
          response.setHeader('Content-Type', extname(path) === '.js' ? 'text/javascript' : 'text/plain');
          response.end(body);
        },
        () => {
          response.statusCode = 404;
          response.end();
        },
      );
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    return new WidgetLab(await launch(), server, folder);
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** A fresh page, ready for `widgets.show`. */
  async open({ context, ...options }: OpenOptions = {}): Promise<Page> {
    const page = await (
      await this.#browser.newContext({
        viewport: { width: Math.max(280, options.width ?? 440), height: 800 },
        ...context,
      })
    ).newPage();
    await slowDown(page);
    const opened = { page, foreign: [] as string[], failures: [] as string[] };
    this.#opened.push(opened);
    page.on('request', (request) => {
      const url = request.url();
      if (!url.startsWith(this.origin) && !url.startsWith('data:image/')) opened.foreign.push(url);
    });
    page.on('pageerror', (error) => opened.failures.push(String(error)));
    await page.goto(this.origin);
    await page.waitForFunction(() => 'widgets' in globalThis);
    await page.evaluate((given) => globalThis.widgets.open(given), options);
    return page;
  }

  /** Shows widgets and waits until they are drawn. */
  async show(page: Page, ...shown: unknown[]): Promise<void> {
    await page.evaluate((list) => globalThis.widgets.show(...list), shown);
    await page.waitForFunction(() => globalThis.widgets.root().querySelector('.w-loading') === null);
    await page.waitForFunction(() =>
      [...globalThis.widgets.root().querySelectorAll('.w-chart')].every((chart) => chart.children.length > 0),
    );
  }

  async audit(page: Page): Promise<string[]> {
    await page.evaluate(() =>
      Promise.all(
        globalThis.widgets
          .root()
          .getAnimations()
          .filter((animation) => animation.effect?.getComputedTiming().iterations !== Infinity)
          .map((animation) => animation.finished.catch(() => undefined)),
      ),
    );
    await page.evaluate(await axeSource);
    return page.evaluate(async () => {
      const { axe } = globalThis as unknown as {
        axe: {
          run(
            context: Document,
            options: object,
          ): Promise<{
            violations: { id: string; help: string; nodes: { html: string; any: { message: string }[] }[] }[];
          }>;
        };
      };
      // Rules about whole pages are the host page's.
      const { violations } = await axe.run(document, {
        rules: { 'page-has-heading-one': { enabled: false }, 'heading-order': { enabled: false } },
      });
      return violations.flatMap(({ id, help, nodes }) =>
        nodes.map((node) => `${id}: ${help} — ${node.html.slice(0, 200)} ${node.any[0]?.message ?? ''}`),
      );
    });
  }

  /** Closes the pages of a test. Each must have kept to the policy and to its own origin. */
  async closePages(): Promise<void> {
    const opened = this.#opened.splice(0);
    const violations: string[] = [];
    for (const { page } of opened) {
      violations.push(...(await page.evaluate(() => globalThis.violations)));
      await page.context().close();
    }
    expectCalm(opened, violations);
  }

  async stop(): Promise<void> {
    await this.#browser.close();
    this.#server.closeAllConnections();
    await new Promise((resolve) => {
      this.#server.close(resolve);
    });
    await rm(this.#folder, { recursive: true, force: true });
  }
}
