// Prints what a first visit downloads and fails when it is over budget.
// The first load of a script is itself and every chunk it imports statically;
// chunks behind `import()` are listed apart.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, gzipSync } from 'node:zlib';

/** By script: what its first load may be, compressed in this way. */
const BUDGETS = {
  'chatkit.js': { bytes: 120_000, as: 'gzip' },
  // Every browser that runs it takes brotli.
  'widget.js': { bytes: 15_000, as: 'brotli' },
};
const dist = join(dirname(fileURLToPath(import.meta.url)), '..', 'dist');

const read = (name) => readFileSync(join(dist, name));
const chunks = readdirSync(join(dist, 'chunks'), { withFileTypes: true })
  .filter((entry) => entry.name.endsWith('.js'))
  .map((entry) => `chunks/${entry.name}`);

/** A script and all that it imports statically. */
function firstLoad(script) {
  const first = new Set();
  const queue = [script];
  while (queue.length > 0) {
    const name = queue.pop();
    if (first.has(name)) continue;
    first.add(name);
    const code = read(name).toString('utf8');
    for (const match of code.matchAll(/(?:from|import)\s*["'](\.[^"']+\.js)["']/g)) {
      queue.push(normalize(join(dirname(name), match[1])));
    }
  }
  return first;
}

const row = (name) => {
  const source = read(name);
  const sizes = {
    raw: source.length,
    gzip: gzipSync(source, { level: 9 }).length,
    brotli: brotliCompressSync(source).length,
  };
  const cell = (bytes) => `${(bytes / 1000).toFixed(1)} kB`.padStart(10);
  console.log(`${name.padEnd(44)}${cell(sizes.raw)}${cell(sizes.gzip)}${cell(sizes.brotli)}`);
  return sizes;
};

const seen = new Set();
console.log(`${''.padEnd(44)}${'raw'.padStart(10)}${'gzip'.padStart(10)}${'brotli'.padStart(10)}`);
for (const [script, budget] of Object.entries(BUDGETS)) {
  const total = { raw: 0, gzip: 0, brotli: 0 };
  console.log(`first load of ${script}`);
  for (const name of firstLoad(script)) {
    seen.add(name);
    const sizes = row(name);
    for (const key of Object.keys(total)) total[key] += sizes[key];
  }
  console.log(`together ${total[budget.as]} bytes ${budget.as} (budget ${budget.bytes})\n`);
  if (total[budget.as] > budget.bytes) {
    console.error(`The first load of ${script} is over budget: move code behind a dynamic import.`);
    process.exitCode = 1;
  }
}
console.log('on demand');
for (const name of chunks.filter((chunk) => !seen.has(chunk))) row(name);
