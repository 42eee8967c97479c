// `parlor ingest` over generated Markdown pages.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { folder, parlorBinary, run } from '../lib/processes.mjs';

/** Pages of ten sections with prose and code, the same in every run; words as rare and as common as in real texts. */
function writePages(into, pages) {
  let state = 1;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const syllables = [
    'ta',
    'ser',
    'mo',
    'del',
    'in',
    'con',
    'fig',
    're',
    'ad',
    'ver',
    'lo',
    'ka',
    'bu',
    'ni',
    'po',
    'li',
  ];
  const word = () => {
    let rank = Math.floor(20_000 ** random());
    let text = '';
    do {
      text += syllables[rank % 16];
      rank = Math.floor(rank / 16);
    } while (rank > 0);
    return text;
  };
  const words = (count) => Array.from({ length: count }, word).join(' ');
  let bytes = 0;
  for (let page = 0; page < pages; page += 1) {
    let text = `---\ntitle: ${words(3)} ${page}\n---\n# Page ${page}\n\n`;
    for (let section = 0; section < 10; section += 1) {
      text += `## ${words(3)} ${section}\n\nThe server ${words(110)}.\n\n`;
      if (section % 3 === 0) text += `\`\`\`sh\nparlor serve --listen ${words(10)}\n\`\`\`\n\n`;
    }
    const below = join(into, `part${page % 20}`);
    mkdirSync(below, { recursive: true });
    writeFileSync(join(below, `page${page}.md`), text);
    bytes += text.length;
  }
  return bytes;
}

export async function measure({ pages = 1000 } = {}) {
  const documents = join(folder, 'documents');
  const bytes = writePages(documents, pages);
  const args = [
    'ingest',
    documents,
    '--base-url',
    '/docs/',
    '--database-url',
    `sqlite://${join(folder, 'ingest.db')}`,
  ];
  const first = await run(parlorBinary, args, { PARLOR_LOG__FILTER: 'warn' });
  const again = await run(parlorBinary, args, { PARLOR_LOG__FILTER: 'warn' });
  return [
    {
      name: `ingest, ${pages} Markdown pages`,
      value: first.seconds,
      unit: 's',
      most: 30,
      note: `whole command, ${(bytes / 1e6).toFixed(1)} MB of text`,
    },
    { name: 'ingest again, nothing changed', value: again.seconds, unit: 's' },
  ];
}
