// The element in Chromium: what a first visit downloads, and long tasks while a long answer streams in through Parlor.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { round } from '../lib/figures.mjs';
import { fakeModel, parlor, root, run } from '../lib/processes.mjs';

export async function measure() {
  const { stdout } = await run(process.execPath, [join(root, 'web', 'scripts', 'size.mjs')]);
  const [, gzip] = /first load of chatkit\.js[^]*?together (\d+) bytes gzip/.exec(stdout);
  const rows = [
    {
      name: 'element, first load',
      value: Number(gzip) / 1000,
      unit: 'kB',
      most: 120,
      note: 'gzip',
    },
  ];

  const { chromium } = createRequire(join(root, 'web', 'package.json'))('playwright-core');
  const model = await fakeModel();
  const server = await parlor('element.db', model, { PARLOR_AUTH: 'anonymous' });
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--disable-dev-shm-usage'],
  });
  try {
    for (const [name, question] of [
      ['at once', '/long 60kb'],
      ['in 10 s', '/long 60kb /slow 2'],
    ]) {
      const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
      await page.goto(`http://127.0.0.1:${server.port}/`);
      await page.waitForFunction(
        () => typeof document.querySelector('openai-chatkit')?.sendUserMessage === 'function',
      );
      const trace = await Trace.start(page);
      const seen = await page.evaluate(answer, question);
      const busiest = await trace.busiest();
      await page.close();
      if (seen.characters < 40_000) throw new Error(`only ${seen.characters} characters are on the page`);
      rows.push(
        {
          name: `element, longest task, 60 kB ${name}`,
          value: seen.longest,
          unit: 'ms',
          most: 100,
          note: `0 is none over 50; ${seen.tasks} of them in ${round(seen.seconds)} s; longest pause between frames ${round(seen.pause)} ms`,
        },
        {
          name: '  most processor time in a task',
          value: busiest.longest,
          unit: 'ms',
          most: 100,
          note: `the same without waiting for a processor; ${round(busiest.total / 1000)} s of the main thread in all`,
        },
      );
    }
  } finally {
    await browser.close();
  }
  await Promise.all([server.stop(), model.stop()]);
  return rows;
}

/** What the browser says of its tasks: also how long each had a processor, which a busy machine does not change. */
class Trace {
  static async start(page) {
    const trace = new Trace();
    trace.session = await page.context().newCDPSession(page);
    trace.events = [];
    trace.session.on('Tracing.dataCollected', ({ value }) => trace.events.push(...value));
    const traceConfig = { includedCategories: ['toplevel', 'blink.user_timing'] };
    await trace.session.send('Tracing.start', { transferMode: 'ReportEvents', traceConfig });
    await page.evaluate(() => performance.mark('parlor-bench'));
    return trace;
  }

  async busiest() {
    const complete = new Promise((resolve) => this.session.once('Tracing.tracingComplete', resolve));
    await this.session.send('Tracing.end');
    await complete;
    // The mark tells which thread is the page's.
    const mark = this.events.find((event) => event.name === 'parlor-bench');
    const times = this.events
      .filter((event) => event.ph === 'X' && event.name.endsWith('RunTask'))
      .filter((event) => event.pid === mark.pid && event.tid === mark.tid)
      .map((event) => (event.tdur ?? event.dur) / 1000);
    return { longest: Math.max(0, ...times), total: times.reduce((sum, time) => sum + time, 0) };
  }
}

/** In the page: asks, and watches the main thread until the answer is whole and has been painted. */
async function answer(question) {
  const chat = document.querySelector('openai-chatkit');
  const tasks = [];
  const observer = new PerformanceObserver((list) =>
    tasks.push(...list.getEntries().map((entry) => entry.duration)),
  );
  observer.observe({ entryTypes: ['longtask'] });
  let pause = 0;
  let last = performance.now();
  let over = false;
  const frame = (now) => {
    pause = Math.max(pause, now - last);
    last = now;
    if (!over) requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  const began = performance.now();
  const ended = new Promise((resolve, reject) => {
    chat.addEventListener('chatkit.response.end', resolve, { once: true });
    chat.addEventListener('chatkit.error', (event) => reject(event.detail.error), { once: true });
  });
  await chat.sendUserMessage({ text: question });
  await ended;
  const seconds = (performance.now() - began) / 1000;
  // What the end causes (the last look at the whole text, highlighting) belongs to it.
  await new Promise((resolve) => setTimeout(resolve, 1000));
  over = true;
  tasks.push(...observer.takeRecords().map((entry) => entry.duration));
  const text = (node) => {
    let length = 0;
    for (const element of [node, ...node.querySelectorAll('*')])
      if (element.shadowRoot) length += text(element.shadowRoot);
    return length + (node.textContent?.length ?? 0);
  };
  return { longest: Math.max(0, ...tasks), tasks: tasks.length, pause, seconds, characters: text(chat) };
}
