import { appendFileSync } from 'node:fs';
import type { Reporter, TestModule } from 'vitest/node';

/** Writes the tests that only passed at a second try into the file that `scripts/second-tries` reads. */
export class SecondTries implements Reporter {
  readonly #file: string | undefined;

  constructor(file = process.env.SECOND_TRIES) {
    this.#file = file;
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    if (this.#file === undefined) return;
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        if (test.diagnostic()?.flaky !== true) continue;
        const reasons = (test.result().errors ?? []).map(({ message }) => message.replaceAll('\n', ' '));
        appendFileSync(this.#file, `${module.relativeModuleId}: ${test.fullName} (${reasons.join('; ')})\n`);
      }
    }
  }
}
