// The site widget in Chromium: what it is before it is opened, how long the chat takes to be there after the click, and what
// it costs to watch what readers mark.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { siteServer } from '../../examples/serve.mjs';
import { median, quantile, round } from '../lib/figures.mjs';
import { fakeModel, parlor, root, run } from '../lib/processes.mjs';

const OPENINGS = 20;
const SELECTIONS = 2_000;
const require = createRequire(join(root, 'web', 'package.json'));

export async function measure({ openings = OPENINGS, selections = SELECTIONS } = {}) {
  const { stdout } = await run(process.execPath, [join(root, 'web', 'scripts', 'size.mjs')]);
  const [, bytes] = /first load of widget\.js[^]*?together (\d+) bytes brotli/.exec(stdout);
  const rows = [
    { name: 'widget, before it is opened', value: Number(bytes) / 1000, unit: 'kB', most: 15, note: 'brotli' },
  ];

  const { chromium } = require('playwright-core');
  const folder = mkdtempSync(join(tmpdir(), 'parlor-bench-widget-'));
  const model = await fakeModel();
  const server = await parlor('widget.db', model, { PARLOR_AUTH: 'anonymous' });
  const site = siteServer(folder, () => `http://127.0.0.1:${server.port}`);
  await new Promise((resolve) => site.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${site.address().port}`;
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  });
  try {
    for (const [name, preload] of [
      ['loaded when the page was idle', 'idle'],
      ['loaded by the click, from the cache', 'open'],
    ]) {
      writeFileSync(join(folder, `${preload}.html`), page(`data-preload="${preload}"`));
      const times = await openingTimes(browser, `${origin}/${preload}.html`, preload, openings);
      rows.push({
        name: `widget, click to chat, ${name}`,
        value: median(times),
        unit: 'ms',
        most: 300,
        note: `median of ${times.length}; slowest ${round(Math.max(...times))} ms`,
      });
    }
    writeFileSync(join(folder, 'page.js'), await bundled());
    writeFileSync(join(folder, 'long.html'), longPage());
    for (const { name, times } of await selectionTimes(browser, `${origin}/long.html`, selections)) {
      rows.push({
        name: `widget, selection, ${name}`,
        value: quantile(times, 0.99),
        unit: 'ms',
        most: 5,
        note: `99 % of ${times.length} are faster; median ${round(median(times))} ms`,
      });
    }
  } finally {
    await browser.close();
    site.closeAllConnections();
    site.close();
    rmSync(folder, { recursive: true });
  }
  await Promise.all([server.stop(), model.stop()]);
  return rows;
}

const page = (attributes) => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Plans</title><link rel="icon" href="data:,"></head>
<body><main><h1>Plans</h1><p>Every plan has a trial of fourteen days.</p></main>
<script type="module" src="/widget.js" data-greeting="Ask about Acme" ${attributes}></script></body></html>`;

/** Milliseconds from the click to the frame in which the field of the chat can be seen, each in a tab of its own. */
async function openingTimes(browser, address, preload, openings) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const times = [];
  // The first fills the cache.
  for (let opening = 0; opening <= openings; opening += 1) {
    const tab = await context.newPage();
    await tab.goto(address);
    const launcher = tab.locator('.launcher');
    await launcher.waitFor();
    if (preload === 'idle') await tab.waitForFunction(() => customElements.get('openai-chatkit') !== undefined);
    await tab.evaluate(() => {
      const widget = () => document.querySelector('[data-parlor-widget]').shadowRoot;
      globalThis.opened = new Promise((resolve) => {
        const clicked = () => {
          const start = performance.now();
          const look = () => {
            const field = widget().querySelector('openai-chatkit')?.shadowRoot?.querySelector('textarea, [contenteditable]');
            const box = field?.getBoundingClientRect();
            if (box !== undefined && box.height > 0) resolve(performance.now() - start);
            else requestAnimationFrame(look);
          };
          look();
        };
        addEventListener('click', clicked, { capture: true, once: true });
      });
    });
    await launcher.click();
    const time = await tab.evaluate(() => globalThis.opened);
    if (opening > 0) times.push(time);
    await tab.close();
  }
  await context.close();
  return times;
}

/** The client's parts in one script, as \`globalThis.site\`. */
async function bundled() {
  const { build } = await import(require.resolve('vite'));
  const outDir = mkdtempSync(join(tmpdir(), 'parlor-bench-client-'));
  try {
    await build({
      configFile: false,
      logLevel: 'error',
      build: {
        outDir,
        emptyOutDir: true,
        modulePreload: false,
        rolldownOptions: {
          input: join(root, 'web/packages/client/tests/browser/site-page.ts'),
          output: { format: 'es', entryFileNames: 'page.js' },
        },
      },
    });
    return readFileSync(join(outDir, 'page.js'), 'utf8');
  } finally {
    rmSync(outDir, { recursive: true });
  }
}

/** A manual on one page: 1,500 paragraphs under 150 headings, with links, code, and a few private parts. */
function longPage() {
  const paragraph = (number) =>
    `<p>Paragraph ${number} says <a href="#">where</a> the <code>setting_${number}</code> is read, ${'and what becomes of it when nobody has written it down, '.repeat(6)}in the end.</p>`;
  const sections = Array.from({ length: 150 }, (_, section) => {
    const paragraphs = Array.from({ length: 10 }, (_, index) => paragraph(section * 10 + index)).join('');
    const own = section % 30 === 0 ? '<p data-parlor-private>Your own balance.</p>' : '';
    return `<h2>Section ${section}</h2>${paragraphs}${own}`;
  }).join('');
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Manual</title><link rel="icon" href="data:,">
<script type="module" src="/page.js"></script></head><body><main><h1>Manual</h1>${sections}</main></body></html>`;
}

/** Milliseconds that it takes to see what is marked and to find a place beside it, by how much is marked. */
async function selectionTimes(browser, address, selections) {
  const tab = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  await tab.goto(address);
  await tab.waitForFunction(() => globalThis.site !== undefined);
  const kinds = [
    ['a few words', 1],
    ['some paragraphs', 5],
    ['a hundred paragraphs', 100],
  ];
  const measured = [];
  for (const [name, length] of kinds) {
    const times = await tab.evaluate(
      ([many, size]) => {
        const paragraphs = [...document.querySelectorAll('p:not([data-parlor-private])')];
        const found = [];
        // The same ones in every run.
        let seed = 42;
        const random = (most) => {
          seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
          return seed % most;
        };
        for (let count = 0; count < many; count += 1) {
          const first = random(paragraphs.length - size);
          const range = document.createRange();
          const begin = paragraphs[first].lastChild;
          range.setStart(begin, random(20));
          range.setEnd(paragraphs[first + size - 1].lastChild, 60 + random(200));
          const times = [];
          // The middle one of three: the machine may be doing something else in one of them.
          for (let time = 0; time < 3; time += 1) {
            const selection = document.getSelection();
            selection.removeAllRanges();
            selection.addRange(range);
            // What the page does for itself is not ours.
            document.body.getBoundingClientRect();
            const start = performance.now();
            const seen = globalThis.site.currentSelection();
            seen?.place(96, 36);
            times.push(performance.now() - start);
          }
          found.push(times.sort((a, b) => a - b)[1]);
        }
        return found;
      },
      [Math.max(20, Math.round(selections / length)), length],
    );
    measured.push({ name, times });
  }
  await tab.close();
  return measured;
}
