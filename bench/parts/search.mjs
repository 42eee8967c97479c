// Ranking over 10,000 passages, and by words and meaning over 100,000 on either store, in the process that holds the
// index; see bench/search.
import { profile, root, run } from '../lib/processes.mjs';
import { join } from 'node:path';

const program = join(root, 'target', profile, 'examples', 'bench_search');

async function figuresOf(store, ...args) {
  const command = [program, ...args.map(String), store.toLowerCase().replace('postgresql', 'postgres')];
  // PostgreSQL with pgvector, as `make setup` has installed it.
  if (store === 'PostgreSQL') command.unshift(join(root, 'scripts', 'with-newest-postgres'));
  const { stdout } = await run(command[0], command.slice(1));
  const lines = stdout.trim().split('\n');
  return Object.fromEntries(lines.map((line) => line.split(' ')));
}

const KINDS = {
  typical: 10,
  identifier: 10,
  one_common_word: 10,
  common_words: 10,
  nothing_found: 10,
  many_words: undefined,
};

export async function measure({
  pages = 1000,
  hybrid = 10_000,
  dimensions = 384,
  stores = ['SQLite', 'PostgreSQL'],
} = {}) {
  const rows = [];
  for (const store of stores) {
    const figures = await figuresOf(store, pages, 0);
    for (const [kind, most] of Object.entries(KINDS)) {
      rows.push({
        name: `search, ${kind.replaceAll('_', ' ')}, ${store}`,
        value: Number(figures[`search.${kind}.median_ms`]),
        unit: 'ms',
        most,
        note: `median over ${figures['ingest.passages']} passages, worst ${figures[`search.${kind}.worst_ms`]} ms, processor time ${figures[`search.${kind}.mean_cpu_ms`]} ms`,
      });
    }
    if (store === 'SQLite') {
      rows.push({
        name: "another writer's commit during ingest",
        value: Number(figures['ingest.other_writes.median_ms']),
        unit: 'ms',
        most: 100,
        note: `median; longest ${figures['ingest.other_writes.longest_ms']} ms`,
      });
    }
    const both = await figuresOf(store, hybrid, dimensions);
    rows.push({
      name: `search, by words and meaning, ${store}`,
      value: Number(both['hybrid.median_ms']),
      unit: 'ms',
      most: 20,
      note: `median over ${both['ingest.passages']} passages, vectors of ${dimensions} numbers${both['postgres.pgvector'] === '1' ? ' (pgvector)' : ' (in memory)'}, without the embedding model; worst ${both['hybrid.worst_ms']} ms, the first ${both['hybrid.first_ms']} ms, processor time ${both['hybrid.mean_cpu_ms']} ms`,
    });
  }
  return rows;
}
