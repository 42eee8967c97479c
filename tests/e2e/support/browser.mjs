// A real Chromium whose pages are watched: nothing may leave the origin, nothing may be blocked by the
// content security policy, nothing may end in the console as an error.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { eventually, PATIENCE_MS, ROOT, SLOW } from './processes.mjs';

const require = createRequire(path.join(ROOT, 'web/package.json'));
const { chromium } = require('playwright-core');
const AXE = require.resolve('axe-core/axe.min.js');
const OUTPUT = path.join(ROOT, 'tests/e2e/output');

/** `CHROMIUM`, a path or a command's name, or the first browser that the shell would find. */
function findChromium() {
  const names = process.env.CHROMIUM ? [process.env.CHROMIUM] : ['chromium', 'chromium-browser', 'google-chrome'];
  const folders = (process.env.PATH ?? '').split(path.delimiter);
  const found = names
    .flatMap((name) => (name.includes('/') ? [name] : folders.map((folder) => path.join(folder, name))))
    .find(existsSync);
  if (found === undefined) throw new Error(`no browser found (${names.join(', ')}): install Chromium, or set CHROMIUM to its path`);
  return found;
}

/** What a browser logs when a connection is refused or breaks off. Which of it depends on the moment and the browser. */
export const LOST = /net::ERR_(CONNECTION_\w+|EMPTY_RESPONSE|INCOMPLETE_CHUNKED_ENCODING|SOCKET_NOT_CONNECTED|ABORTED)/;

export async function launchBrowser() {
  return chromium.launch({
    executablePath: findChromium(),
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
    // The first start on a machine reads a few hundred megabytes.
    timeout: 120_000,
  });
}

/** Gives a page a slow processor, if that is asked for. */
async function slowDown(page) {
  if (SLOW === 1) return;
  const session = await page.context().newCDPSession(page);
  await session.send('Emulation.setCPUThrottlingRate', { rate: SLOW });
}

/** A person with a browser of their own. */
export class Visitor {
  /** What went wrong in the page so far. */
  complaints = [];
  /** Console errors that a scene causes on purpose: network failures are logged by the browser itself. */
  expected = [];

  static async enter(browser, origin, options = {}) {
    const visitor = new Visitor();
    visitor.origin = origin;
    visitor.context = await browser.newContext({
      baseURL: origin,
      viewport: { width: 1280, height: 800 },
      // Not that of the machine.
      locale: 'en-US',
      reducedMotion: 'reduce',
      ...options,
    });
    visitor.context.setDefaultTimeout(PATIENCE_MS);
    await visitor.context.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', (event) => {
        console.error(`CSP violation: ${event.violatedDirective} ${event.blockedURI}`);
      });
    });
    visitor.context.on('request', (request) => {
      const { protocol } = new URL(request.url());
      if (protocol === 'data:' || protocol === 'blob:') return;
      if (new URL(request.url()).origin !== origin) visitor.complaints.push(`request to ${request.url()}`);
    });
    visitor.context.on('console', (message) => {
      if (message.type() !== 'error') return;
      const { url } = message.location();
      visitor.complaints.push(`console: ${message.text()} (${url.replace(origin, '')})`);
    });
    visitor.context.on('weberror', (error) => visitor.complaints.push(`uncaught: ${error.error()}`));
    visitor.context.on('dialog', (dialog) => {
      visitor.complaints.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    visitor.page = await visitor.newPage();
    return visitor;
  }

  /** Another tab. */
  async newPage() {
    const page = await this.context.newPage();
    await slowDown(page);
    return page;
  }

  /** Opens a page and waits until the chat can be used. */
  async open(address = '/') {
    await this.page.goto(address);
    await this.ready();
    return this;
  }

  async ready() {
    await this.input.waitFor();
  }

  // ------------------------------------------------------------ the chat

  get chat() {
    return this.page.locator('openai-chatkit');
  }

  get input() {
    return this.chat.getByRole('textbox', { name: 'Message', exact: true });
  }

  get questions() {
    return this.chat.locator('[part~="user-message"] [part~="bubble"]');
  }

  get answers() {
    return this.chat.locator('[part~="assistant-message"]');
  }

  get lastAnswer() {
    return this.answers.last();
  }

  get sources() {
    return this.lastAnswer.locator('[part~="source"]');
  }

  get stopButton() {
    return this.chat.getByRole('button', { name: 'Stop answering' });
  }

  get sendButton() {
    return this.chat.getByRole('button', { name: 'Send message' });
  }

  get banner() {
    return this.chat.locator('[part~="error"]');
  }

  get history() {
    return this.chat.getByRole('dialog', { name: 'Chat history' });
  }

  get actions() {
    return this.lastAnswer.locator('[part~="message-actions"]');
  }

  async send(text) {
    await this.input.fill(text);
    await this.input.press('Enter');
  }

  /** Asks, and waits for the end of the answer. */
  async ask(text) {
    const before = await this.answers.count();
    await this.send(text);
    await this.answered(before + 1);
    return this.lastAnswer;
  }

  /** Waits until that many answers are there, the last one is complete, and no error is shown. */
  async answered(count) {
    await eventually(
      `${count} complete answers, and no error`,
      async () =>
        (await this.answers.count()) === count && (await this.actions.isVisible()) && !(await this.banner.isVisible()),
    );
  }

  /** Waits until nothing is being written. */
  async idle() {
    await this.sendButton.waitFor();
  }

  /** Asks for another try of what failed. */
  async tryAgain() {
    await this.banner.getByRole('button', { name: 'Try again', exact: true }).click();
  }

  /** Waits until the page has drawn what it knows, and done what it was about to do. */
  async settled(page = this.page) {
    await page.evaluate(
      () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(resolve)))),
    );
  }

  /** The visible text of an answer, without its numbers, sources and buttons. */
  async textOf(answer) {
    return answer.locator('[part~="markdown"]').first().innerText();
  }

  async says(text, answer = this.lastAnswer) {
    await eventually(`the answer says “${text}”`, async () => (await answer.innerText().catch(() => '')).includes(text));
  }

  async openHistory() {
    await this.chat.getByRole('button', { name: 'Chat history', exact: true }).click();
    await this.historyIsListed();
  }

  /**
   * Waits until the history is open, has the focus, and lists the conversations, none of which is being changed. They may
   * be as they were when it was last open.
   */
  async historyIsListed() {
    await this.history.waitFor();
    await eventually('the conversations are listed', () =>
      this.history.evaluate(
        (panel) =>
          panel.contains(panel.getRootNode().activeElement) &&
          panel.querySelector('.row-title, [part~="history-empty"]') !== null &&
          panel.querySelector('.row.editing, .row.deleting') === null,
      ),
    );
  }

  async closeHistory() {
    await this.historyIsListed();
    await this.page.keyboard.press('Escape');
    await this.history.waitFor({ state: 'detached' });
  }

  /** Titles in the open history. */
  async threadTitles() {
    return this.history.locator('.row-title').allInnerTexts();
  }

  /** The titles, once there are that many, and none is being changed. */
  async lists(count) {
    const rows = this.history.locator('.row');
    return eventually(`${count} conversations are listed`, async () => {
      const titles = await this.threadTitles();
      return (await rows.count()) === count && titles.length === count && titles;
    });
  }

  async as(persona) {
    await this.page.getByRole('radio', { name: persona, exact: true }).check();
    await this.ready();
  }

  /** Id of the open thread, as the page remembers it. */
  threadId(persona = 'ada') {
    return eventually('a thread is open', () =>
      this.page.evaluate((name) => localStorage.getItem(`parlor.thread.${name}`), persona),
    );
  }

  /** Calls the API as the page would: same cookie, same persona. */
  api(type, params, headers = {}) {
    return this.page.evaluate(
      async (request) => {
        const response = await fetch('/chatkit', {
          method: 'POST',
          headers: { 'content-type': 'application/json', 'x-parlor-persona': 'ada', ...request.headers },
          body: JSON.stringify({ type: request.type, params: request.params }),
        });
        const body = await response.text();
        return { status: response.status, body: body.startsWith('{') ? JSON.parse(body) : body };
      },
      { type, params, headers },
    );
  }

  // ------------------------------------------------------------ looking at it

  /** Accessibility rules that the page breaks must be none. */
  async isAccessible(what, page = this.page) {
    await this.settled(page);
    // Colours are judged when nothing is half faded in.
    await page.evaluate(() => {
      const roots = [document, document.querySelector('openai-chatkit')?.shadowRoot].filter(Boolean);
      return Promise.all(
        roots.flatMap((root) => root.getAnimations?.() ?? []).filter((a) => a.effect?.getTiming().iterations !== Infinity).map((a) => a.finished.catch(() => {})),
      );
    });
    // Added through the debugger, as the page's own policy forbids scripts of others.
    const axe = await page.evaluate(() => 'axe' in window);
    if (!axe) await page.evaluate(await readAxe());
    const results = await page.evaluate(() =>
      window.axe.run(document, { resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }),
    );
    const found = results.violations.map(
      ({ id, help, nodes }) =>
        `${id} (${help}): ${nodes.map((node) => `${node.target.join(' ')} ${node.failureSummary ?? ''}`).join('\n    ')}`,
    );
    assert.deepEqual(found, [], `accessibility of ${what}`);
  }

  async screenshot(name) {
    await mkdir(OUTPUT, { recursive: true });
    await this.page.screenshot({ path: path.join(OUTPUT, `${name}.png`) });
  }

  /** Nothing went wrong that was not expected. */
  assertCalm() {
    const unexpected = this.complaints.filter((text) => !this.expected.some((pattern) => pattern.test(text)));
    assert.deepEqual(unexpected, []);
  }

  async leave() {
    await this.context.close();
  }
}

let axeSource = null;
async function readAxe() {
  const { readFile } = await import('node:fs/promises');
  axeSource ??= readFile(AXE, 'utf8');
  return axeSource;
}
