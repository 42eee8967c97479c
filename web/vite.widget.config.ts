import { defineConfig } from 'vite';
import { compactStyles, plainImports, precompressed } from './build/plugins.js';

/** What is needed before the chat is opened: kept small (`npm run size`). */
const FIRST_VIEW =
  /node_modules\/preact|packages\/widget\/src\/options|packages\/client\/src\/site\/(selection|private)|packages\/react\/src\/(icons|labels|launcher|lazy-chatkit-widget|looks|memory|shell|styles|use-color-scheme|use-labels|use-text-selection|when-idle)\./;

// The widget as one script: @parlor/react with Preact in the place of React, which would be three times as large as all
// the rest. Built after the element, into the same folder.
export default defineConfig({
  base: './',
  define: { 'process.env.NODE_ENV': '"production"' },
  resolve: {
    alias: [
      { find: /^react\/jsx-runtime$/, replacement: 'preact/jsx-runtime' },
      { find: /^react-dom\/client$/, replacement: 'preact/compat/client' },
      { find: /^react(-dom)?$/, replacement: 'preact/compat' },
    ],
  },
  build: {
    target: 'es2022',
    outDir: 'dist',
    emptyOutDir: false,
    modulePreload: false,
    reportCompressedSize: false,
    rolldownOptions: {
      input: 'packages/widget/src/index.tsx',
      // `'use client'` in @parlor/react is for frameworks that render on the server.
      onwarn: (warning, warn) => {
        if (warning.code !== 'MODULE_LEVEL_DIRECTIVE') warn(warning);
      },
      output: {
        format: 'es',
        entryFileNames: 'widget.js',
        chunkFileNames: 'chunks/[name]-[hash].js',
        // Not in the entry: what is loaded later shares it, and the entry's address may have a query, with which
        // it would be another module.
        codeSplitting: { groups: [{ name: 'widget-core', test: FIRST_VIEW }] },
      },
    },
  },
  plugins: [compactStyles(), plainImports(), precompressed()],
});
