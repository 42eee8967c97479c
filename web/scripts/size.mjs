// Prints what a first visit downloads and fails when it is over budget.
// The first load is chatkit.js and every chunk it imports statically; chunks
// behind `import()` are listed apart.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, gzipSync } from 'node:zlib';

const BUDGET_BYTES = 120_000;
const dist = join(dirname(fileURLToPath(import.meta.url)), '..', 'dist');

const read = (name) => readFileSync(join(dist, name));
const chunks = readdirSync(join(dist, 'chunks'), { withFileTypes: true })
  .filter((entry) => entry.name.endsWith('.js'))
  .map((entry) => `chunks/${entry.name}`);

const first = new Set();
const queue = ['chatkit.js'];
while (queue.length > 0) {
  const name = queue.pop();
  if (first.has(name)) continue;
  first.add(name);
  const code = read(name).toString('utf8');
  for (const match of code.matchAll(/(?:from|import)\s*["'](\.[^"']+\.js)["']/g)) {
    queue.push(normalize(join(dirname(name), match[1])));
  }
}

const total = { raw: 0, gzip: 0, brotli: 0 };
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

console.log(`${''.padEnd(44)}${'raw'.padStart(10)}${'gzip'.padStart(10)}${'brotli'.padStart(10)}`);
console.log('first load');
for (const name of first) {
  const sizes = row(name);
  for (const key of Object.keys(total)) total[key] += sizes[key];
}
console.log('on demand');
for (const name of chunks.filter((chunk) => !first.has(chunk))) row(name);

console.log(
  `\nfirst load: ${total.gzip} bytes gzip, ${total.brotli} bytes brotli (budget ${BUDGET_BYTES} bytes gzip)`,
);
if (total.gzip > BUDGET_BYTES) {
  console.error('The first load is over budget: move code behind a dynamic import.');
  process.exit(1);
}
