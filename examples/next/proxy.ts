import { NextResponse, type NextRequest } from 'next/server';

/** A Content-Security-Policy that knows this page's scripts by a nonce, and lets nothing go elsewhere. */
export function proxy(request: NextRequest): NextResponse {
  const nonce = btoa(crypto.randomUUID());
  const development = process.env.NODE_ENV === 'development';
  const policy = [
    "default-src 'self'",
    // What a script with the nonce loads is let through, too: Next.js's own, and the chat's parts.
    `script-src 'nonce-${nonce}' 'strict-dynamic'${development ? " 'unsafe-eval'" : ''}`,
    `style-src 'self'${development ? " 'unsafe-inline'" : ''}`,
    "img-src 'self' blob: data:",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join('; ');
  const headers = new Headers(request.headers);
  headers.set('x-nonce', nonce);
  // Next.js finds the nonce for its own scripts here.
  headers.set('Content-Security-Policy', policy);
  const response = NextResponse.next({ request: { headers } });
  response.headers.set('Content-Security-Policy', policy);
  return response;
}

export const config = {
  // Pages only. The chat's requests don't pass through here: Next.js keeps the body of every request that does,
  // the first 10 MB of it, and uploads are larger.
  matcher: [{ source: '/((?!api/|_next/|icon.svg).*)', missing: [{ type: 'header', key: 'next-router-prefetch' }] }],
};
