import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** One value recorded from the official models. */
export interface FixtureCase {
  name: string;
  model: string;
  json: unknown;
}

// Tests run with the workspace root (web/) as the working directory.
const FOLDER = join(process.cwd(), '..', 'tests', 'fixtures', 'protocol');

export function readFixtures(file: string): FixtureCase[] {
  const { cases } = JSON.parse(readFileSync(join(FOLDER, `${file}.json`), 'utf8')) as {
    cases: FixtureCase[];
  };
  return cases;
}
