import type { RouteConfig } from '../docusaurus.js';

/** Whether the site has a page at this path; the one for what is not found is none. */
export function isRoute(routes: readonly RouteConfig[], pathname: string): boolean {
  const path = bare(decoded(pathname));
  return routes.some((route) => {
    if (route.path === '*') return false;
    const at = bare(decoded(route.path));
    if (route.routes === undefined || route.routes.length === 0) return at === path;
    // A frame: a page only with one within.
    return (path === at || path.startsWith(at === '/' ? '/' : `${at}/`)) && isRoute(route.routes, pathname);
  });
}

/** Without the slash at its end: sites have pages with it, or without. */
function bare(path: string): string {
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
}

function decoded(path: string): string {
  try {
    return decodeURI(path);
  } catch {
    return path;
  }
}
