import { defineConfig } from 'vitest/config';
import { SecondTries } from './second-tries.js';

/** `SLOW=6`: on a machine that is so much slower (see README.md), everything may take so much longer. */
const slower = Math.max(1, Number(process.env.SLOW ?? 1));

/** `TRIES=2`: a browser test that fails is tried once more, and named at the end (see CONTRIBUTING.md). */
const tries = Math.max(1, Number(process.env.TRIES ?? 1));

export default defineConfig({
  test: {
    reporters: ['default', new SecondTries()],
    projects: [
      {
        test: {
          name: 'unit',
          environment: 'happy-dom',
          include: ['packages/*/src/**/*.test.ts', 'packages/*/tests/unit/**/*.test.ts'],
          testTimeout: 60_000,
          expect: { poll: { timeout: 30_000 } },
        },
      },
      {
        test: {
          name: 'browser',
          environment: 'node',
          include: ['packages/*/tests/browser/**/*.test.ts'],
          testTimeout: 120_000 * slower,
          hookTimeout: 120_000 * slower,
          expect: { poll: { timeout: 30_000 * slower } },
          fileParallelism: false,
          retry: tries - 1,
        },
      },
    ],
  },
});
