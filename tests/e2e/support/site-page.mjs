// The page of a site (tests/e2e/site), as a visitor uses it, and what a scripted server is told to say
// (tests/conformance/scripted.rs).
import { eventually } from './processes.mjs';

/** A picture of one point. */
export const DOT = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==',
  'base64',
);

let names = 0;

/** A finished item. */
export const done = (type, fields) => ({
  type: 'thread.item.done',
  item: { id: `$item:${++names}`, thread_id: '$thread', created_at: '$now', type, ...fields },
});

export const said = (text) => done('assistant_message', { content: [{ type: 'output_text', text, annotations: [] }] });

export const call = (name, args = {}) =>
  done('client_tool_call', { call_id: `call_${++names}`, name, arguments: args, status: 'pending' });

/** A message to a scripted server: the steps of the turns to come. */
export const turns = (...all) => JSON.stringify(all);

export class SitePage {
  #visitor;
  #requests = [];

  /** Opens the page with the server of that name behind it. */
  static async open(visitor, api, query = '') {
    const site = new SitePage();
    site.#visitor = visitor;
    visitor.page.on('request', (request) => {
      if (request.method() === 'POST') site.#requests.push(request.postDataJSON()?.type);
    });
    await visitor.open(`/?api=${api}${query}`);
    return site;
  }

  get #page() {
    return this.#visitor.page;
  }

  /** What the page asked of the server so far. */
  requests() {
    return [...this.#requests];
  }

  /** What the element told the page, by the name of the event. */
  told(name) {
    return this.#page.evaluate((wanted) => window.told.filter((event) => event.name === wanted), name);
  }

  /** Sets the page's client tool, which runs in the page. */
  async setTool(tool) {
    await this.#page.evaluate(`void (window.tool = ${tool})`);
  }

  /** What the element called the page's tool with since the page was loaded. */
  tools() {
    return this.#page.evaluate(() => window.toolCalls);
  }

  /** Changes the element's options; null takes one away. */
  async change(options) {
    await this.#page.evaluate((change) => window.change(change), options);
  }

  /** Waits until no answer is being written. */
  async idle() {
    await this.#visitor.idle();
  }

  /** Chooses files to be sent along. */
  async attach(...files) {
    const [chooser] = await Promise.all([
      this.#page.waitForEvent('filechooser'),
      this.#visitor.chat.getByRole('button', { name: 'Attach files' }).click(),
    ]);
    await chooser.setFiles(files);
  }

  /** Waits until that many files have reached the server. */
  async uploaded(count) {
    const there = this.#visitor.chat.locator('.upload[data-state=done]');
    await eventually(`${count} files are there`, async () => (await there.count()) === count);
  }

  /** The items of the open thread, as the server has them. */
  async items() {
    const answer = await this.#page.evaluate(() =>
      window.post('items.list', { thread_id: sessionStorage.getItem('thread'), order: 'asc', limit: 100 }),
    );
    return answer.data;
  }
}
