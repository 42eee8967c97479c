import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import type { Plugin } from 'vite';

/**
 * Writes `.br` and `.gz` beside every text file, so that a server can send
 * them as they are instead of compressing on every request.
 */
export function precompressed(): Plugin {
  return {
    name: 'parlor-precompressed',
    apply: 'build',
    // Of the written files: until then Vite may still replace its placeholders in the bundle.
    async writeBundle({ dir = 'dist' }, bundle) {
      for (const fileName of Object.keys(bundle)) {
        if (!/\.(js|css|svg|json)$/.test(fileName)) continue;
        const file = path.join(dir, fileName);
        const source = await readFile(file);
        const brotli = brotliCompressSync(source, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } });
        await writeFile(`${file}.br`, brotli);
        await writeFile(`${file}.gz`, gzipSync(source, { level: 9 }));
      }
    },
  };
}

/** Takes comments and indentation out of `css` templates, which no minifier of JavaScript looks into. */
export function compactStyles(): Plugin {
  return {
    name: 'parlor-compact-styles',
    apply: 'build',
    transform(code, id) {
      if (!id.endsWith('styles.ts')) return null;
      return code.replace(/(css|STYLES = )`([^`]*)`/g, (_match, tag: string, css: string) => {
        const compact = css
          .replace(/\/\*[^]*?\*\//g, '')
          .replace(/\s+/g, ' ')
          .replace(/ ?([{};,]) ?/g, '$1');
        return `${tag}\`${compact.trim()}\``;
      });
    },
  };
}

/**
 * Leaves `import()` as it is. Vite wraps it in a helper that loads styles first, of which there are none
 * here: they are in the scripts.
 */
export function plainImports(): Plugin {
  return {
    name: 'parlor-plain-imports',
    apply: 'build',
    enforce: 'pre',
    load(id) {
      return id.includes('vite/preload-helper') ? 'export const __vitePreload = (load) => load();' : null;
    },
  };
}
