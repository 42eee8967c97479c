// What a round of tools costs beside the model and the tool, in one process.
import { join } from 'node:path';
import { profile, root, run } from '../lib/processes.mjs';

export async function measure({ turns = 60 } = {}) {
  const program = join(root, 'target', profile, 'examples', 'bench_tool_rounds');
  const { stdout } = await run(program, [String(turns)]);
  const figures = Object.fromEntries(
    stdout
      .trim()
      .split('\n')
      .map((line) => line.split(' ')),
  );
  return [
    {
      name: 'overhead of a round of tools',
      value: Number(figures['tools.round.median_ms']),
      unit: 'ms',
      most: 2,
      note: `median of ${turns} turns of 20 rounds with 2 calls; 90 %: ${figures['tools.round.p90_ms']} ms`,
    },
  ];
}
