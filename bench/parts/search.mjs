// Ranking over 10,000 passages, in the process that holds the index; see bench/search.
import { profile, root, run } from '../lib/processes.mjs';
import { join } from 'node:path';

export async function measure({ pages = 1000 } = {}) {
  const { stdout } = await run(join(root, 'target', profile, 'examples', 'bench_search'), [String(pages)]);
  const figures = Object.fromEntries(
    stdout
      .trim()
      .split('\n')
      .map((line) => line.split(' ')),
  );
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
  return rows;
}
