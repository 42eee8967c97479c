import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { BuiltSite } from './docusaurus.js';
import type { IngestOptions, Options } from './options.js';
import { listPages } from './pages.js';

/** Beside the built pages, so that it goes where they go. */
const LIST = 'parlor-pages.json';

/**
 * Indexes the pages that were just built, if the site asks for it.
 *
 * @throws Error when the program is not there, or fails.
 */
export async function ingest(site: BuiltSite, { ingest: wanted, server }: Options): Promise<void> {
  if (wanted === undefined || wanted === false) return;
  const options = wanted === true ? {} : wanted;
  const list = listPages(site, options);
  const file = join(site.outDir, LIST);
  await writeFile(file, `${JSON.stringify(list, null, 1)}\n`);
  const count = `${list.pages.length} pages`;
  if (options.command === false) {
    say(`${count} are listed in ${relative(process.cwd(), file)}, to be indexed`);
    return;
  }
  const [program = 'parlor', ...before] =
    typeof options.command === 'string' ? [options.command] : (options.command ?? []);
  const output = await run(program, [...before, ...argumentsOf(site, options, server, file)]);
  say(`${count} indexed: ${output.trim().replaceAll('\n', '\n  ')}`);
}

function argumentsOf(
  { outDir, siteConfig }: BuiltSite,
  { config, database, url }: IngestOptions,
  server: string | undefined,
  list: string,
): string[] {
  // The chat's own origin would be another site.
  const elsewhere = server !== undefined && /^https?:/.test(server);
  return [
    ...(config === undefined ? [] : ['--config', config]),
    ...(database === undefined ? [] : ['--database-url', database]),
    'ingest',
    outDir,
    '--pages',
    list,
    '--base-url',
    url ?? (elsewhere ? siteConfig.url : '/'),
  ];
}

function run(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let errors = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors += text;
    });
    child.on('error', (error: NodeJS.ErrnoException) => reject(new Error(cannotStart(program, error))));
    child.on('close', (code, signal) => {
      if (code === 0) resolve(output);
      else {
        const how = code === null ? `was ended by ${signal}` : `ended with ${code}`;
        reject(
          new Error(
            `@parlor/docusaurus: the site is built, but its pages are not indexed: \`${[program, ...args].join(' ')}\` ${how}:\n${errors.trim()}`,
          ),
        );
      }
    });
  });
}

function cannotStart(program: string, { code, message }: NodeJS.ErrnoException): string {
  const why =
    code === 'ENOENT'
      ? `there is no program ${JSON.stringify(program)}. Put it on the PATH, or name it in the plugin's options: ingest: { command: '/path/to/parlor' }`
      : `${JSON.stringify(program)} could not be started: ${message}`;
  return `@parlor/docusaurus: the site is built, but its pages are not indexed: ${why}. With { command: false } only a list of pages is written, for \`parlor ingest\` on another machine.`;
}

function say(text: string): void {
  // oxlint-disable-next-line no-console -- it is a build
  console.log(`[parlor] ${text}`);
}
