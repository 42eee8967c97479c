import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { defineConfig, type Plugin } from 'vite';

/**
 * Writes `.br` and `.gz` beside every text file, so that a server can send
 * them as they are instead of compressing on every request.
 */
function precompressed(): Plugin {
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
function compactStyles(): Plugin {
  return {
    name: 'parlor-compact-styles',
    apply: 'build',
    transform(code, id) {
      if (!id.endsWith('styles.ts')) return null;
      return code.replace(/css`([^`]*)`/g, (_match, css: string) => {
        const compact = css
          .replace(/\/\*[^]*?\*\//g, '')
          .replace(/\s+/g, ' ')
          .replace(/ ?([{};,]) ?/g, '$1');
        return `css\`${compact.trim()}\``;
      });
    },
  };
}

// Not `build.lib`: with ES output it leaves whitespace in. A normal build with
// these options gives one minified entry with a stable name, whose lazy chunks
// follow the URL it was loaded from.
export default defineConfig({
  base: './',
  build: {
    target: 'es2022',
    outDir: 'dist',
    emptyOutDir: true,
    // The polyfill would add an inline-free but useless helper: every browser
    // this bundle targets preloads modules by itself.
    modulePreload: false,
    reportCompressedSize: false,
    rolldownOptions: {
      input: 'packages/element/src/index.ts',
      preserveEntrySignatures: 'strict',
      output: {
        format: 'es',
        entryFileNames: 'chatkit.js',
        chunkFileNames: 'chunks/[name]-[hash].js',
      },
    },
  },
  plugins: [compactStyles(), precompressed()],
});
