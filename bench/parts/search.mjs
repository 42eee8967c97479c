// Ranking over 10,000 passages, and by words and meaning over 100,000, in the process that holds the index; see
// bench/search.
import { profile, root, run } from '../lib/processes.mjs';
import { join } from 'node:path';

async function figuresOf(...args) {
  const { stdout } = await run(join(root, 'target', profile, 'examples', 'bench_search'), args.map(String));
  const lines = stdout.trim().split('\n');
  return Object.fromEntries(lines.map((line) => line.split(' ')));
}

export async function measure({ pages = 1000, hybridPages = 10_000, dimensions = 384 } = {}) {
  const figures = await figuresOf(pages);
  const kinds = {
    typical: 10,
    identifier: 10,
    one_common_word: 10,
    common_words: 10,
    nothing_found: 10,
    many_words: undefined,
  };
  const rows = Object.entries(kinds)
    .filter(([kind]) => `search.${kind}.median_ms` in figures)
    .map(([kind, most]) => ({
      name: `search, ${kind.replaceAll('_', ' ')}`,
      value: Number(figures[`search.${kind}.median_ms`]),
      unit: 'ms',
      most,
      note: `median over ${figures['ingest.passages']} passages, worst ${figures[`search.${kind}.worst_ms`]} ms`,
    }));
  rows.push({
    name: "another writer's commit during ingest",
    value: Number(figures['ingest.other_writes.median_ms']),
    unit: 'ms',
    most: 100,
    note: `median; longest ${figures['ingest.other_writes.longest_ms']} ms`,
  });
  const hybrid = await figuresOf(hybridPages, dimensions);
  rows.push({
    name: 'search, by words and meaning',
    value: Number(hybrid['hybrid.median_ms']),
    unit: 'ms',
    most: 20,
    note: `median over ${hybrid['ingest.passages']} passages, vectors of ${dimensions} numbers, without the embedding model; worst ${hybrid['hybrid.worst_ms']} ms, the first, which reads all vectors, ${hybrid['hybrid.first_ms']} ms`,
  });
  return rows;
}
