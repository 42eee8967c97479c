// What the plugin sees of Docusaurus: the shapes of `@docusaurus/types` 3, as far as they are used here. The package itself
// brings a bundler along.

/** What a plugin is told when it is set up. */
export interface LoadContext {
  /** The folder of the site. */
  siteDir: string;
  /** With the locale, where that has a folder of its own. */
  baseUrl: string;
  i18n: { currentLocale: string; defaultLocale: string; locales: readonly string[] };
  siteConfig: { url: string; baseUrl: string; trailingSlash?: boolean | undefined };
}

/** A text of the site that can be translated: `write-translations` writes it to a file. */
export interface TranslationMessage {
  message: string;
  description?: string;
}

export interface TranslationFile {
  /** Below the plugin's folder in `i18n`, without `.json`. */
  path: string;
  content: Record<string, TranslationMessage>;
}

/** A route of the site; those with `routes` are frames around others. */
export interface RouteConfig {
  path: string;
  component?: string | undefined;
  modules?: Record<string, unknown> | undefined;
  routes?: readonly RouteConfig[] | undefined;
  metadata?: { sourceFilePath?: string | undefined } | undefined;
}

export interface LoadedPlugin {
  name: string;
  content?: unknown;
}

/** What is told after a build, of one locale. */
export interface BuiltSite extends LoadContext {
  /** Where it was built to. */
  outDir: string;
  routes: readonly RouteConfig[];
  plugins: readonly LoadedPlugin[];
}

/** What the docs plugin knows of a version. */
export interface DocsVersion {
  versionName: string;
  isLast: boolean;
  /** Its address, with the base URL. */
  path: string;
}

export interface WebpackConfig {
  resolve?: { alias: Record<string, string> };
  module?: { rules: object[] };
  devServer?: { proxy: object[] };
}

/** A plugin: its hooks, in the order in which they are called. */
export interface Plugin<Content> {
  name: string;
  loadContent(): Content;
  getTranslationFiles(args: { content: Content }): TranslationFile[];
  translateContent(args: { content: Content; translationFiles: TranslationFile[] }): Content;
  contentLoaded(args: {
    content: Content;
    actions: { createData(name: string, data: string): Promise<string> };
  }): Promise<void>;
  getClientModules(): string[];
  getPathsToWatch(): string[];
  configureWebpack(config: unknown, isServer: boolean): WebpackConfig;
  postBuild(site: BuiltSite): Promise<void>;
}
