import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LoadContext, Plugin } from './docusaurus.js';
import { ingest } from './ingest.js';
import { checkOptions, DEFAULT_PROXY, type Options } from './options.js';
import { generatedModule, siteModulePath } from './site-module.js';
import { textsOf, translated, translationFile, type Texts } from './texts.js';

export type { IngestOptions, Options } from './options.js';
export type { SiteOptions } from './client/site-options.js';

/** The plugin: the chat on every page of a Docusaurus site. */
export default function parlor(context: LoadContext, options: Options): Plugin<Texts> {
  const siteModule = siteModulePath(options.module, context.siteDir);
  let generated = '';
  return {
    name: 'parlor-docusaurus',
    loadContent: () => textsOf(options),
    getTranslationFiles: ({ content }) => [translationFile(content)],
    translateContent: ({ content, translationFiles }) => translated(content, translationFiles[0]),
    async contentLoaded({ content, actions }) {
      generated = await actions.createData(
        'site.js',
        generatedModule(options, content, context.baseUrl, siteModule),
      );
    },
    getClientModules: () => [sibling('./client/module')],
    getPathsToWatch: () => (siteModule === null ? [] : [siteModule]),
    configureWebpack: (_, isServer) => ({
      resolve: { alias: { '@parlor/docusaurus/generated': generated } },
      module: {
        // `react-dom/client` and the like: Docusaurus has aliases for them that lead to folders.
        rules: [{ test: /[\\/](@parlor|parlor-)[\\/\w-]+\.js$/, resolve: { fullySpecified: false } }],
      },
      ...(!isServer && passesOn(options) && { devServer: { proxy: [devProxy(options)] } }),
    }),
    postBuild: (site) => ingest(site, options),
  };
}

/** Called by Docusaurus with what the site's configuration says. */
export function validateOptions({ options }: { options: unknown }): Options {
  return checkOptions(options);
}

/** A file of this package: of the sources in this repository, compiled elsewhere. */
function sibling(name: string): string {
  return fileURLToPath(new URL(`${name}${extname(new URL(import.meta.url).pathname)}`, import.meta.url));
}

/** What of Parlor a page asks its own origin for. */
const PATHS = ['/chatkit', '/chatkit.js', '/chunks', '/files', '/auth', '/connect'];

function passesOn({ proxy, server }: Options): boolean {
  return proxy !== false && server === undefined;
}

/** `docusaurus start` passes Parlor's paths on, as the web server of the site does later. */
function devProxy({ proxy, url }: Options): object {
  return {
    context: url?.startsWith('/') === true ? [...PATHS, url] : PATHS,
    target: proxy === undefined ? DEFAULT_PROXY : proxy,
    // The host stays the page's: addresses in answers are made of it.
    changeOrigin: false,
    xfwd: true,
    logLevel: 'warn',
  };
}
