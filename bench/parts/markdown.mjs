// The Markdown renderer alone in Chromium, on answers of 60 kB of several kinds; see bench/markdown.
import { join } from 'node:path';
import { root, run } from '../lib/processes.mjs';

export async function measure() {
  const { stdout } = await run(
    process.execPath,
    ['--preserve-symlinks', join(root, 'bench', 'markdown', 'stream.mjs')],
    {
      ...(process.env.CHROMIUM && { CHROMIUM: process.env.CHROMIUM }),
    },
  );
  const rows = [];
  for (const line of stdout.trim().split('\n').slice(1)) {
    const [name, updates, first, last, ratio, worst, longest] = line.trim().split(/\s{2,}/);
    rows.push({
      name: `Markdown, longest task, ${name}`,
      value: Number(longest),
      unit: 'ms',
      most: 100,
      note: `0 is none over 50; ${updates} updates, the worst ${worst} ms; last tenth over first tenth ${ratio} (${first} → ${last} ms)`,
    });
  }
  return rows;
}
