import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { type DevServer, startDevServer } from '../../../../dev/server.mjs';
import { expect } from 'vitest';
import { expectCalm } from './calm.js';
import { late, launch, slowDown } from './slow.js';

interface HostEvent {
  name: string;
  detail: Record<string, unknown> | null;
}

declare global {
  // What dev/page.js puts on its window.
  var chat: import('@openai/chatkit').OpenAIChatKit & { shadowRoot: ShadowRoot };
  var events: HostEvent[];
  var violations: string[];
  var optionsFor: (change?: object) => import('@openai/chatkit').ChatKitOptions;
}

const axeSource = readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export interface OpenOptions {
  scheme?: 'light' | 'dark';
  endpoint?: string;
  thread?: string;
  options?: object;
  width?: number;
  height?: number;
  path?: string;
  /** What comes with the address. */
  query?: URLSearchParams;
  context?: BrowserContextOptions;
  /** Another tab of the same browser. */
  beside?: ChatPage;
  /** Runs in the page before anything else. */
  before?: () => void;
  /** Requests that fail. */
  block?: RegExp;
}

/** A real browser on the development backend. */
export class Lab {
  readonly browser: Browser;
  readonly server: DevServer;
  readonly #opened: ChatPage[] = [];

  private constructor(browser: Browser, server: DevServer) {
    this.browser = browser;
    this.server = server;
  }

  /** `root` is a folder of further files to serve, `args` are further arguments of the browser. */
  static async start(root: string | null = null, args: readonly string[] = []): Promise<Lab> {
    return new Lab(await launch(args), await startDevServer({ root, late }));
  }

  get world() {
    return this.server.world;
  }

  async open(options: OpenOptions = {}): Promise<ChatPage> {
    const context =
      options.beside?.page.context() ??
      (await this.browser.newContext({
        viewport: { width: options.width ?? 900, height: options.height ?? 700 },
        ...options.context,
      }));
    const page = await context.newPage();
    await slowDown(page);
    if (options.before !== undefined) await page.addInitScript(options.before);
    if (options.block !== undefined) await page.route(options.block, (route) => route.abort());
    const chat = new ChatPage(page, this.server);
    this.#opened.push(chat);
    const query = new URLSearchParams(options.query);
    if (options.scheme !== undefined) query.set('scheme', options.scheme);
    if (options.endpoint !== undefined) query.set('endpoint', options.endpoint);
    if (options.thread !== undefined) query.set('thread', options.thread);
    if (options.options !== undefined) query.set('options', JSON.stringify(options.options));
    await page.goto(`${this.server.url}${options.path ?? '/'}?${query}`);
    if (options.path === undefined) await chat.event('chatkit.ready');
    return chat;
  }

  /** Closes the pages of a test. Each must have kept to the policy and to its own origin. */
  async closePages(): Promise<void> {
    const opened = this.#opened.splice(0);
    const violations: string[] = [];
    for (const { page } of opened) {
      // A test may have closed it, or the tab it was opened beside.
      if (page.isClosed()) continue;
      violations.push(...(await page.evaluate(() => globalThis.violations ?? [])));
      await page.close();
      if (page.context().pages().length === 0) await page.context().close();
    }
    // What a page has asked for at its end must not reach the next test.
    await this.server.settle();
    this.world.threads.length = 0;
    this.world.requests.length = 0;
    this.world.feedback.length = 0;
    this.world.failNext.length = 0;
    this.world.uploadPlans.length = 0;
    this.world.uploads.length = 0;
    this.world.attachments.clear();
    this.world.staleLinks = 0;
    this.world.transcript = 'Hello from the microphone.';
    expectCalm(opened, violations);
  }

  async stop(): Promise<void> {
    await this.browser.close();
    await this.server.close();
  }
}

/** What axe finds wrong with a page, as readable lines. */
export async function violationsOf(page: Page): Promise<string[]> {
  // Injected by the test, past the page's policy.
  await page.evaluate(await axeSource);
  return page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: {
        run(context: Document): Promise<{
          violations: { id: string; help: string; nodes: { html: string; any: { message: string }[] }[] }[];
        }>;
      };
    };
    const { violations } = await axe.run(document);
    return violations.flatMap(({ id, help, nodes }) =>
      nodes.map((node) => `${id}: ${help} — ${node.html.slice(0, 160)} ${node.any[0]?.message ?? ''}`),
    );
  });
}

/** One page with the element, and what tests do with it. */
export class ChatPage {
  readonly page: Page;
  readonly foreign: string[] = [];
  readonly failures: string[] = [];

  constructor(page: Page, server: DevServer) {
    this.page = page;
    page.on('request', (request) => {
      if (!request.url().startsWith(server.url)) this.foreign.push(request.url());
    });
    page.on('pageerror', (error) => this.failures.push(error.message));
  }

  get input() {
    return this.page.getByLabel('Message', { exact: true });
  }

  get answers() {
    return this.page.locator('.assistant .md');
  }

  async ask(text: string): Promise<void> {
    // Enter sends nothing while an answer is being written.
    await this.page.locator('[part=stop-button]').waitFor({ state: 'detached' });
    await this.input.fill(text);
    await this.input.press('Enter');
  }

  /** Asks and waits for the end of the answer. */
  async askAndWait(text: string): Promise<void> {
    const before = await this.count('chatkit.response.end');
    await this.ask(text);
    await this.event('chatkit.response.end', before + 1);
  }

  count(name: string): Promise<number> {
    return this.page.evaluate(
      (wanted) => globalThis.events.filter((event) => event.name === wanted).length,
      name,
    );
  }

  /** Waits until the element has sent an event that often. */
  async event(name: string, times = 1): Promise<void> {
    await this.page.waitForFunction(
      ([wanted, least]) =>
        (globalThis.events ?? []).filter((event) => event.name === wanted).length >= Number(least),
      [name, times] as const,
    );
  }

  /** Waits until nothing on the page moves, grows or scrolls any more; a good many frames in a row. */
  async still(): Promise<void> {
    await this.page.evaluate(async () => {
      const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
      const { shadowRoot } = globalThis.chat;
      const look = () => {
        const scroller = shadowRoot.querySelector('.scroll');
        const boxes = [...shadowRoot.querySelectorAll('.messages > *, .composer, .menu, .preview')].map(
          (box) => {
            const { x, y, width, height } = box.getBoundingClientRect();
            return [x, y, width, height];
          },
        );
        return JSON.stringify([scroller?.scrollTop, scroller?.scrollHeight, boxes]);
      };
      let before = look();
      for (let same = 0; same < 12; same += 1) {
        await frame();
        const now = look();
        if (now !== before) same = -1;
        before = now;
      }
    });
  }

  /** All violations axe knows of, as readable lines. Animations have to be over. */
  async audit(): Promise<string[]> {
    await this.page.evaluate(() =>
      // Some end before their time, when what they move goes away.
      Promise.allSettled(
        globalThis.chat.shadowRoot
          .getAnimations()
          .filter((animation) => animation.effect?.getComputedTiming().iterations !== Infinity)
          .map((animation) => animation.finished),
      ),
    );
    await this.still();
    return violationsOf(this.page);
  }

  /** At a width, waits until neither the page nor the conversation can be scrolled sideways. */
  async fits(width: number, height = 640): Promise<void> {
    await this.page.setViewportSize({ width, height });
    await expect
      .poll(
        () =>
          this.page.evaluate(() => [
            innerWidth,
            ...[
              document.documentElement,
              ...globalThis.chat.shadowRoot.querySelectorAll('.scroll, .root, .drawer-body'),
            ].map((element) => Math.max(0, element.scrollWidth - element.clientWidth)),
          ]),
        { message: `${width} pixels` },
      )
      .toSatisfy(([now, ...overflows]: number[]) => now === width && overflows.every((by) => by === 0));
  }
}
