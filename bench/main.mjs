// Runs the parts that are named, or all, and prints one table. See README.md.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { table } from './lib/figures.mjs';
import { profile, root } from './lib/processes.mjs';

const PARTS = [
  'memory',
  'ready',
  'first',
  'ttft',
  'turns',
  'reads',
  'users',
  'open',
  'streams',
  'thread',
  'side',
  'search',
  'tools',
  'ingest',
  'element',
  'widget',
  'markdown',
];

const STORES = { sqlite: ['SQLite'], postgres: ['PostgreSQL'], both: ['SQLite', 'PostgreSQL'] };

const options = {};
const parts = [];
let json;
for (const argument of process.argv.slice(2)) {
  const option = /^--([a-z]+)=(.+)$/.exec(argument);
  if (option?.[1] === 'json') json = option[2];
  else if (option?.[1] === 'store' && STORES[option[2]]) options.stores = STORES[option[2]];
  else if (option && Number(option[2]) > 0) options[option[1]] = Number(option[2]);
  else if (PARTS.includes(argument)) parts.push(argument);
  else {
    console.error(`bench: \`${argument}\` is no part; choose among ${PARTS.join(', ')}, or none for all`);
    process.exit(2);
  }
}

const git = (...args) => execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim();
let commit = 'unknown';
try {
  const changed = git(
    'status',
    '--porcelain',
    '--untracked-files=no',
    '--',
    'crates',
    'web',
    'Cargo.lock',
    'Cargo.toml',
  );
  commit = git('rev-parse', '--short', 'HEAD') + (changed ? ' with changes' : '');
} catch {
  // A source archive has no history.
}
const processor = /model name\s*: (.+)/.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? process.arch;
const load = () =>
  loadavg()
    .map((value) => value.toFixed(2))
    .join(' ');
console.log(
  `${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC, commit ${commit}, ${profile} build`,
);
console.log(`${cpus().length} cores (${processor}), Node ${process.version}, load average before ${load()}`);

const rows = [];
const tables = [];
let failed = false;
for (const part of parts.length ? parts : PARTS) {
  const began = performance.now();
  try {
    const { measure } = await import(`./parts/${part}.mjs`);
    const measured = await measure(options);
    rows.push(...measured);
    if (measured.markdown) tables.push(measured.markdown);
    console.error(`bench: ${part} took ${((performance.now() - began) / 1000).toFixed(0)} s`);
  } catch (error) {
    failed = true;
    console.error(`bench: ${part} failed: ${error?.stack ?? JSON.stringify(error)}`);
  }
}
console.log(`load average after ${load()}\n`);
console.log(table(rows));
for (const markdown of tables) console.log(`\n${markdown}`);
if (json) writeFileSync(json, `${JSON.stringify({ commit, rows }, null, 2)}\n`);
process.exit(failed ? 1 : 0);
