import { type Browser, chromium, type Page } from 'playwright-core';

/**
 * A slow machine, on demand: `SLOW=6` makes the processor of every page six times slower and every answer of
 * the servers late, by a time that is never the same. `SEED` says it again. `LAG` is time that passes between
 * the steps of a test, in milliseconds: there the test is slow, and the page is not.
 */
const { SLOW, SEED, LAG } = process.env;
const MOST_MS = 150;

const seed = Number(SEED ?? Math.floor(Math.random() * 2 ** 32));
if (SLOW !== undefined) console.log(`SLOW=${SLOW} SEED=${seed}`);

let state = seed;
/** A number from 0 to 1, the same ones for the same seed (splitmix32). */
function random(): number {
  state = (state + 0x9e3779b9) | 0;
  let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
  return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
}

/** How late a server is. Nothing is late unless `SLOW` is set. */
export async function late(): Promise<void> {
  if (SLOW === undefined) return;
  await new Promise((resolve) => {
    setTimeout(resolve, random() * MOST_MS);
  });
}

export function launch(args: readonly string[] = []): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--disable-dev-shm-usage', ...args],
    slowMo: Number(LAG ?? 0),
  });
}

/** Call before a page is opened. */
export async function slowDown(page: Page): Promise<void> {
  const rate = Math.max(1, Number(SLOW ?? 1));
  page.setDefaultTimeout(30_000 * rate);
  if (rate === 1) return;
  const session = await page.context().newCDPSession(page);
  await session.send('Emulation.setCPUThrottlingRate', { rate });
}
