// Measures what streaming a 60 kB answer costs the page: `npm run bench:stream`.
// Prints the longest task and the time the main thread was busy, over five runs.
import { chromium } from 'playwright-core';
import { startDevServer } from './server.mjs';

const server = await startDevServer();
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--disable-dev-shm-usage'],
});
for (let run = 1; run <= 5; run++) {
  const page = await browser.newPage({ viewport: { width: 900, height: 800 } });
  await page.goto(server.url);
  await page.waitForFunction(() => window.events.some(({ name }) => name === 'chatkit.ready'));
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable');
  const metric = async (name) =>
    (await session.send('Performance.getMetrics')).metrics.find((entry) => entry.name === name).value;
  await page.evaluate(() => {
    window.longest = 0;
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) window.longest = Math.max(window.longest, duration);
    }).observe({ entryTypes: ['longtask'] });
  });
  const busyBefore = await metric('TaskDuration');
  const began = performance.now();
  await page.evaluate(() => window.chat.sendUserMessage({ text: 'huge' }));
  const took = performance.now() - began;
  const busy = (await metric('TaskDuration')) - busyBefore;
  const longest = await page.evaluate(() => window.longest);
  console.log(
    `run ${run}: longest task ${longest === 0 ? 'under 50' : Math.round(longest)} ms, ` +
      `main thread busy ${Math.round(busy * 1000)} ms of ${Math.round(took)} ms`,
  );
  await page.close();
}
await browser.close();
await server.close();
