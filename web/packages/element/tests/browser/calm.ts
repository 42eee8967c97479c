import { expect } from 'vitest';

/** What pages of a test kept to: the policy, their own origin, and no error that nobody caught. */
export function expectCalm(
  opened: readonly { readonly foreign: string[]; readonly failures: string[] }[],
  violations: readonly string[],
): void {
  expect(violations, 'violations of the Content-Security-Policy').toEqual([]);
  expect(
    opened.flatMap(({ foreign }) => foreign),
    'requests to other hosts',
  ).toEqual([]);
  expect(
    opened.flatMap(({ failures }) => failures),
    'uncaught errors',
  ).toEqual([]);
}
