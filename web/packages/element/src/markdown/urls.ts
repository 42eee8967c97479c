const LINK_PROTOCOLS = new Set(['http:', 'https:', 'mailto:', 'tel:', 'chatkit-link:']);

/** A link that may be followed. */
export interface SafeLink {
  href: string;
  /** It leaves the page's origin, so it opens a tab of its own. */
  foreign: boolean;
}

/**
 * Decides whether a link target of model text may become a live link. The browser's own URL parser judges, after
 * entities are decoded, so whitespace, control characters and case cannot hide a scheme.
 */
export function safeLink(href: string, base: string): SafeLink | null {
  const trimmed = href.trim();
  if (trimmed === '') return null;
  let url: URL;
  try {
    url = new URL(trimmed, base);
  } catch {
    return null;
  }
  if (!LINK_PROTOCOLS.has(url.protocol)) return null;
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return { href: url.href, foreign: false };
  if (trimmed.startsWith('#')) return { href: trimmed, foreign: false };
  return { href: url.href, foreign: url.origin !== originOf(base) };
}

/** The address of an image if its host is listed (exactly, or as a subdomain of a listed host), else null. */
export function allowedImage(
  src: string,
  base: string,
  domains: readonly string[] | null | undefined,
): string | null {
  if (!domains || domains.length === 0) return null;
  let url: URL;
  try {
    url = new URL(src.trim(), base);
  } catch {
    return null;
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return null;
  if (url.username !== '' || url.password !== '') return null;
  const host = bareHost(url.hostname);
  const listed = domains.some((domain) => {
    const wanted = bareHost(domain.trim().replace(/^\*\./, ''));
    return wanted !== '' && (host === wanted || host.endsWith(`.${wanted}`));
  });
  return listed ? url.href : null;
}

function bareHost(host: string): string {
  return host.toLowerCase().replace(/\.$/, '');
}

function originOf(base: string): string | null {
  try {
    return new URL(base).origin;
  } catch {
    return null;
  }
}
