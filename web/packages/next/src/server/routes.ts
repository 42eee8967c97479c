/** An address of Parlor's that a site passes on. */
export interface Route {
  /** The path at the site that Parlor's begin after, such as `/api/parlor`; empty for none. */
  readonly prefix: string;
  /** The path at Parlor, such as `/files/atc_1`. */
  readonly path: string;
  readonly methods: readonly string[];
  /** The same for everybody, and needed before anybody has signed in. */
  readonly isPublic: boolean;
  /** Whether the query goes along: the signature of a link. */
  readonly hasQuery: boolean;
}

const READ = ['GET', 'HEAD'];

// Every character is spelt out: what is in no need of being decoded cannot be read in two ways.
const ID = '[\\w-]+';
const NAME = '[\\w-][\\w.-]*';

const ROUTES: readonly [path: string, methods: readonly string[], isPublic: boolean][] = [
  ['/chatkit', ['POST'], false],
  ['/files', ['POST'], false],
  [`/files/${ID}`, [...READ, 'PUT'], false],
  [`/files/${ID}/preview`, READ, false],
  ['/chatkit\\.js', READ, true],
  ['/widget\\.js', READ, true],
  [`/chunks/${NAME}`, READ, true],
];

// The longest prefix wins: a site may have it at `/files`, too.
const TABLE = ROUTES.map(([path, methods, isPublic]) => ({
  pattern: new RegExp(`^((?:/[^/]+)*)(${path})/?$`),
  methods,
  isPublic,
}));

/**
 * What of Parlor's a path of the site means; null for everything else, which is asked of nobody.
 * Whatever comes before is where the site has put it.
 */
export function routeOf(pathname: string): Route | null {
  for (const { pattern, methods, isPublic } of TABLE) {
    const [, prefix, path] = pattern.exec(pathname) ?? [];
    if (prefix === undefined || path === undefined) continue;
    return { prefix, path, methods, isPublic, hasQuery: !isPublic && path.startsWith('/files/') };
  }
  return null;
}
