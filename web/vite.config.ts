import { defineConfig } from 'vite';
import { compactStyles, plainImports, precompressed } from './build/plugins.js';

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
  plugins: [compactStyles(), plainImports(), precompressed()],
});
