import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BuiltSite, DocsVersion, RouteConfig } from './docusaurus.js';
import type { IngestOptions } from './options.js';

/** A built page and where it is on the site. */
export interface Page {
  /** Below the folder of the build, with `/` between the parts. */
  file: string;
  /** With the base URL, and with or without a slash at its end, as the site links to it. */
  url: string;
}

/** What `parlor ingest --pages` reads. */
export interface PageList {
  pages: Page[];
  /** Folders below that of the build which belong to other ingests: the other languages. */
  keep: string[];
}

/**
 * The pages that were built and hold content: docs, posts, and pages of the site's own. Lists of posts, tags and the like only
 * repeat what is elsewhere.
 */
export function listPages(site: BuiltSite, { versions = 'last', exclude = [] }: IngestOptions): PageList {
  const older = versionsOf(site);
  const wanted = (url: string): boolean => {
    if (exclude.some((prefix) => isBelow(url, prefix))) return false;
    const version = versionAt(url, older);
    if (version === undefined || versions === 'all') return true;
    return versions === 'last' ? version.isLast : versions.includes(version.versionName);
  };
  const pages: Page[] = [];
  for (const route of leaves(site.routes)) {
    if (!holdsContent(route) || !wanted(route.path)) continue;
    const file = builtFile(site, route.path);
    if (file !== null && !isUnlisted(join(site.outDir, file))) pages.push({ file, url: route.path });
  }
  const { currentLocale, defaultLocale, locales } = site.i18n;
  return {
    pages,
    keep: currentLocale === defaultLocale ? locales.filter((one) => one !== defaultLocale) : [],
  };
}

function* leaves(routes: readonly RouteConfig[]): Generator<RouteConfig> {
  for (const route of routes) {
    if (route.routes === undefined || route.routes.length === 0) yield route;
    else yield* leaves(route.routes);
  }
}

/** A page made of one source: of Markdown, or of a component of the site. */
function holdsContent({ component, modules, metadata }: RouteConfig): boolean {
  return (
    typeof modules?.content === 'string' ||
    typeof metadata?.sourceFilePath === 'string' ||
    component?.startsWith('@site/') === true
  );
}

/** The file that a page was built to, however the site writes its addresses; null when there is none. */
function builtFile({ outDir, baseUrl }: BuiltSite, url: string): string | null {
  const path = decoded(`/${url}`.startsWith(`/${baseUrl}`) ? url.slice(baseUrl.length) : url).replace(
    /^\/|\/$/g,
    '',
  );
  const candidates = path === '' ? ['index.html'] : [`${path}/index.html`, `${path}.html`, path];
  return candidates.find((file) => /\.html?$/.test(file) && existsSync(join(outDir, file))) ?? null;
}

/** Whether a page asks not to be indexed. The list is published with the site: what is unlisted stays so. */
function isUnlisted(file: string): boolean {
  const tags = readFileSync(file, 'utf8').match(/<meta\b[^>]*>/gi) ?? [];
  return tags.some((tag) => /\bname=["']?robots\b/i.test(tag) && /noindex/i.test(tag));
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/** Of all instances of the docs plugin. */
function versionsOf({ plugins }: BuiltSite): DocsVersion[] {
  return plugins
    .filter(({ name }) => name === 'docusaurus-plugin-content-docs')
    .flatMap(
      ({ content }) => (content as { loadedVersions?: DocsVersion[] } | undefined)?.loadedVersions ?? [],
    );
}

/** The version that a page belongs to: their addresses lie within each other. */
function versionAt(url: string, versions: readonly DocsVersion[]): DocsVersion | undefined {
  return versions
    .filter(({ path }) => isBelow(url, path))
    .reduce<DocsVersion | undefined>(
      (nearest, one) => (nearest === undefined || one.path.length > nearest.path.length ? one : nearest),
      undefined,
    );
}

function isBelow(url: string, folder: string): boolean {
  const bare = folder.replace(/\/$/, '');
  return url === bare || url.startsWith(`${bare}/`);
}
