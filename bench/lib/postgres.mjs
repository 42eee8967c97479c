// A PostgreSQL server of the benchmark's own, as durable as PostgreSQL is without settings.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { binary } from './processes.mjs';

export class Postgres {
  static async start() {
    // Goes away with its input, also when this process dies.
    const child = spawn(binary('parlor-test-postgres'), ['--durable'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const first = await lines.next();
    if (first.done) throw new Error('PostgreSQL did not start');
    return new Postgres(child, lines, first.value);
  }

  constructor(child, lines, url) {
    Object.assign(this, { child, lines, url, asked: Promise.resolve() });
  }

  /** Runs statements as superuser; gives what psql prints, `; ` between lines. */
  sql(statements) {
    // One after the other: each is a line, and so is its answer.
    this.asked = this.asked.then(async () => {
      this.child.stdin.write(`sql ${statements.replace(/\s*\n\s*/g, ' ')}\n`);
      const { value = 'failed it is gone' } = await this.lines.next();
      if (!value.startsWith('ok')) throw new Error(value);
      return value.slice(3);
    });
    return this.asked;
  }

  /** Makes another database; gives its URL. The role's own has Parlor's schema in its search path. */
  async database(name) {
    await this.sql(`CREATE DATABASE ${name} OWNER parlor`);
    return this.url.replace(/[^/]*$/, name);
  }

  async stop() {
    this.child.stdin.end();
    await once(this.child, 'exit');
  }
}

/** Runs a benchmark on each of these stores; `PostgreSQL` comes with a server of its own. */
export async function eachStore(names, run) {
  const rows = [];
  for (const name of names) {
    const postgres = name === 'PostgreSQL' ? await Postgres.start() : undefined;
    try {
      rows.push(...(await run(name, postgres)));
    } finally {
      await postgres?.stop();
    }
  }
  return rows;
}
