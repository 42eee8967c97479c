import { siteOf } from './headers.js';
import { Refusal } from './refusal.js';

/**
 * A page of another site can have its visitor's browser send a request with this site's cookies.
 * Browsers say where a request comes from, and no page can change that; who says nothing is not
 * let through.
 *
 * @throws {Refusal} 403
 */
export function checkOrigin(request: Request): void {
  // Nothing is changed by reading, and pages of other sites cannot see what is read.
  if (request.method === 'GET' || request.method === 'HEAD') return;
  // Only sent over HTTPS and on loopback.
  const site = request.headers.get('sec-fetch-site');
  if (site === 'same-origin') return;
  if (site === null && hostOf(request.headers.get('origin')) === siteOf(request).host) return;
  throw new Refusal(403, 'forbidden', 'requests are taken from pages of this site only');
}

function hostOf(origin: string | null): string | null {
  try {
    return origin === null ? null : new URL(origin).host;
  } catch {
    return null;
  }
}
