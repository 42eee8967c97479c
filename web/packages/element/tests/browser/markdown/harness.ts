import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { build } from 'vite';
import { late, launch, slowDown } from '../slow.js';
import type { MarkdownPage } from './page.js';

declare global {
  // The page's own handle, set by page.ts.
  var md: MarkdownPage;
}

/** Everything on the strict page comes from its own origin, and nothing inline runs or applies. */
const STRICT =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; require-trusted-types-for 'script'";

/** A page with the renderer on it, in a real browser. */
export class MarkdownLab {
  private constructor(
    readonly browser: Browser,
    readonly origin: string,
    private readonly server: Server,
    private readonly folder: string,
  ) {}

  static async start(): Promise<MarkdownLab> {
    const folder = await mkdtemp(join(tmpdir(), 'parlor-markdown-'));
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
      if (path === '/' || path === '/strict') {
        if (path === '/strict') response.setHeader('Content-Security-Policy', STRICT);
        response.setHeader('Content-Type', 'text/html; charset=utf-8');
        response.end(
          '<!doctype html><html lang="en"><title>Markdown</title><body><script type="module" src="/page.js"></script>',
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
    return new MarkdownLab(
      await launch(),
      `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      server,
      folder,
    );
  }

  /** A fresh page. `foreign` collects every request that leaves for another place than the renderer's own scripts. */
  async page(
    path = '/',
    options: Parameters<Browser['newPage']>[0] = {},
  ): Promise<{ page: Page; foreign: string[]; errors: string[] }> {
    const page = await this.browser.newPage(options);
    await slowDown(page);
    const foreign: string[] = [];
    const errors: string[] = [];
    const own = new Set([`${this.origin}/`, `${this.origin}/strict`]);
    await page.route('**/*', async (route) => {
      const url = route.request().url();
      if (
        own.has(url) ||
        /^http:\/\/127\.0\.0\.1:\d+\/[\w.-]+\.js$/.test(url) ||
        url.endsWith('/favicon.ico')
      )
        return route.continue();
      foreign.push(url);
      return route.fulfill({
        status: 200,
        contentType: 'image/svg+xml',
        body: '<svg xmlns="http://www.w3.org/2000/svg"/>',
      });
    });
    page.on('pageerror', (error) => errors.push(String(error)));
    page.on('dialog', (dialog) => {
      errors.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    await page.goto(this.origin + path);
    await page.waitForFunction(() => 'md' in globalThis);
    return { page, foreign, errors };
  }

  async stop(): Promise<void> {
    await this.browser.close();
    this.server.closeAllConnections();
    await new Promise((resolve) => {
      this.server.close(resolve);
    });
    await rm(this.folder, { recursive: true, force: true });
  }
}
