import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createElement } from 'react';
import { renderToString } from 'react-dom/server';
import { build } from 'vite';
import { ChatKitWidget } from '../../src/index.js';
import { type ChatPage, Lab, type OpenOptions } from '../../../element/tests/browser/lab.js';

const CSS = `
body { margin: 0; font: 17px/1.6 Georgia, serif; background: #fdfcf9; color: #222 }
main { max-inline-size: 40rem; margin: 3rem auto; padding: 0 1.5rem }
@media (prefers-color-scheme: dark) { body { background: #14161a; color: #ddd } }
/* What pages do to everything. */
button { background: hotpink; text-transform: uppercase; letter-spacing: 4px; float: left }
h2, p, div { margin-block: 2rem }
* { box-sizing: content-box }
`;
/** What no page means to do to the chat, and some do. */
const HOSTILE = `
* { all: revert; letter-spacing: 5px !important; text-transform: uppercase !important; font: italic 30px cursive !important;
  color: red !important; visibility: hidden; line-height: 3 !important; word-spacing: 1em; text-align: right !important }
div, button, section, form { display: none !important; position: static !important; opacity: 0 !important; transform: rotate(20deg);
  pointer-events: none !important; filter: blur(4px); inset: 0; z-index: -1; float: left; margin: 50px !important }
body > div, main > div { content-visibility: hidden; contain: strict; overflow: hidden; max-width: 1px; clip-path: circle(1px) }
/* What is measured in rem follows the reader's own size, and may. */
html { font-size: 16px !important }
svg, path { stroke: lime !important; fill: lime !important; display: none !important }
`;
const PAGE = (attributes: string, root = '<div id="root"></div>') => `<!doctype html>
<html lang="en" ${attributes}>
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="description" content="What each plan includes." />
    <title>Plans of Acme</title>
    <link rel="stylesheet" href="/extra/page.css" />
  </head>
  <body>
    <main>
      <h1>Plans</h1>
      <p id="trial">Every plan has a trial of fourteen days, and no card is needed.</p>
      <h2>Free</h2>
      <p>One project, and as many readers as you like.</p>
      <h2>Team</h2>
      <p>Ten projects, shared history, and support on working days.</p>
      <p><a href="#free" id="link">A link</a></p>
      ${root}
      <p>After the chat.</p>
    </main>
    <script type="module" src="/extra/page.js"></script>
  </body>
</html>`;

/** The widget of this package on a page of somebody's, on the development backend. */
export class WidgetLab {
  readonly lab: Lab;
  readonly #folder: string;

  private constructor(lab: Lab, folder: string) {
    this.lab = lab;
    this.#folder = folder;
  }

  /** `react` is a folder with another React in its `node_modules`. */
  static async start(react?: string): Promise<WidgetLab> {
    const folder = await mkdtemp(join(tmpdir(), 'parlor-widget-'));
    await build({
      configFile: false,
      logLevel: 'error',
      base: './',
      ...(react !== undefined && {
        resolve: {
          alias: Object.fromEntries(
            ['react', 'react-dom'].map((name) => [name, join(react, 'node_modules', name)]),
          ),
        },
      }),
      build: {
        outDir: folder,
        emptyOutDir: true,
        modulePreload: false,
        rolldownOptions: {
          input: join(import.meta.dirname, 'widget-page.tsx'),
          output: { format: 'es', entryFileNames: 'page.js' },
        },
      },
    });
    await writeFile(join(folder, 'page.css'), CSS);
    await writeFile(join(folder, 'page.html'), PAGE(''));
    await writeFile(join(folder, 'rtl.html'), PAGE('dir="rtl"'));
    await writeFile(join(folder, 'hostile.css'), HOSTILE);
    await writeFile(
      join(folder, 'hostile.html'),
      PAGE('').replace('</head>', '<link rel="stylesheet" href="/extra/hostile.css" /></head>'),
    );
    await writeFile(join(folder, 'bare.html'), PAGE('').replace(/<script.*<\/script>/, ''));
    for (const mode of ['popup', 'inline'] as const) {
      const rendered = renderToString(createElement(ChatKitWidget, { mode }));
      await writeFile(
        join(folder, `server-${mode}.html`),
        PAGE('', `<div id="root" data-server>${rendered}</div>`),
      );
    }
    return new WidgetLab(await Lab.start(folder), folder);
  }

  /** Opens the page with these properties of the widget. */
  async open(
    props: object = {},
    options: OpenOptions & { menu?: boolean; page?: string } = {},
  ): Promise<WidgetPage> {
    const query = new URLSearchParams(options.query);
    query.set('props', JSON.stringify(props));
    if (options.menu === true) query.set('menu', '');
    const chat = await this.lab.open({ ...options, path: `/extra/${options.page ?? 'page'}.html`, query });
    return new WidgetPage(chat);
  }

  async stop(): Promise<void> {
    await this.lab.stop();
    await rm(this.#folder, { recursive: true });
  }
}

export class WidgetPage {
  readonly chat: ChatPage;

  constructor(chat: ChatPage) {
    this.chat = chat;
  }

  get page() {
    return this.chat.page;
  }

  get launcher() {
    return this.page.locator('.launcher');
  }

  get panel() {
    return this.page.locator('.panel');
  }

  get input() {
    return this.page.getByLabel('Message', { exact: true });
  }

  /** Marks a passage of the page. */
  async mark(id = 'trial'): Promise<void> {
    await this.page.evaluate((of) => {
      const part = document.getElementById(of);
      if (part !== null) document.getSelection()?.selectAllChildren(part);
    }, id);
  }
}
