import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { without } from './without.js';
import type { Options } from './options.js';
import type { Texts } from './texts.js';
import type { Generated } from './client/generated-module.js';

/** What only the build needs, and the texts, which are there in the language of the site. */
const NOT_FOR_THE_BROWSER = [
  'id',
  'module',
  'proxy',
  'ingest',
  'labels',
  'greeting',
  'prompts',
  'placeholder',
  'heading',
] as const;

const ENDINGS = ['', '.ts', '.tsx', '.js', '.jsx', '.mjs'];

/**
 * Where the site's own module is; null when it has none.
 *
 * @throws Error when there is no such file.
 */
export function siteModulePath(module: string | undefined, siteDir: string): string | null {
  if (module === undefined) return null;
  const path = resolve(siteDir, module.replace(/^@site\//, './'));
  const found = ENDINGS.map((ending) => path + ending).find(
    (file) => /\.\w+$/.test(file) && existsSync(file),
  );
  if (found === undefined) {
    throw new Error(
      `The options of @parlor/docusaurus are not right:\n  - "module" is ${JSON.stringify(module)}, and there is no ${path}; it is the path of a file, from the folder of the site`,
    );
  }
  return found;
}

/** The module that the browser's part imports: the options as data, and the site's own module. */
export function generatedModule(
  options: Options,
  texts: Texts,
  baseUrl: string,
  siteModule: string | null,
): string {
  const data: Generated['data'] = {
    ...without(options, NOT_FOR_THE_BROWSER),
    texts,
    baseUrl,
  };
  return [
    siteModule === null ? 'const own = {};' : `import * as own from ${JSON.stringify(siteModule)};`,
    `export const data = ${JSON.stringify(data)};`,
    'export { own };',
    '',
  ].join('\n');
}
