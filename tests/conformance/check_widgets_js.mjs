// Checks tests/fixtures/protocol/widgets_js.json, which is written by hand, against the published
// types of npm `@openai/chatkit`. Needs `npm ci` in web/.
//
//     node tests/conformance/check_widgets_js.mjs

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '../..');
const modules = path.join(root, 'web/node_modules');
const fixtures = path.join(root, 'tests/fixtures/protocol/widgets_js.json');
const { cases } = JSON.parse(readFileSync(fixtures, 'utf8'));
const roots = ['Card', 'ListView', 'BasicRoot'];

// As source text, not as an import: importing JSON widens "Card" to string.
const types = JSON.stringify(path.join(modules, '@openai/chatkit/types/widgets'));
const source = [
  `import type { WidgetComponent, WidgetRoot } from ${types};`,
  ...cases.map(({ name, model, json }, i) => {
    const type = roots.includes(model) ? 'WidgetRoot' : 'WidgetComponent';
    return `/* ${name} */ export const case${i}: ${type} = ${JSON.stringify(json)};`;
  }),
].join('\n');

const folder = mkdtempSync(path.join(tmpdir(), 'widgets-js-'));
const file = path.join(folder, 'cases.ts');
try {
  writeFileSync(file, source);
  const options = '--noEmit --strict --target es2022 --module esnext --moduleResolution bundler';
  const tsc = path.join(modules, 'typescript/bin/tsc');
  const run = spawnSync(process.execPath, [tsc, ...options.split(' '), file], { encoding: 'utf8' });
  if (run.status === 0) {
    console.log(`${cases.length} hand-written cases fit the published types`);
  } else {
    console.error(run.stdout + run.stderr);
    const lines = new Set([...run.stdout.matchAll(/cases\.ts\((\d+),/g)].map((hit) => +hit[1]));
    console.error(`wrong: ${[...lines].map((line) => cases[line - 2]?.name ?? 'the import').join(', ')}`);
    process.exitCode = 1;
  }
} finally {
  rmSync(folder, { recursive: true });
}
