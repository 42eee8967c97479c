/** Words in the name of a parameter that make its value a secret. */
const NAMES =
  /^(?:code|state|nonce|otp|pin|sid|sig|jwt|auth|hash)$|token|secret|passw|pwd|api[-_]?key|access[-_]?key|auth[-_]?key|credential|signature|session|ticket|invite|assertion|saml/i;

/** Three parts of base64url, as JSON Web Tokens are. */
const JWT = /^[\w-]{8,}\.[\w-]{8,}\.[\w-]*$/;

/** How many characters without a break make a value look random. */
const LONG = 24;

/**
 * An address without what is nobody's business: credentials, parameters that look like a secret,
 * also in the fragment, where some logins put their tokens. Null for what is no address.
 */
export function withoutSecrets(address: string, more: readonly string[] = []): URL | null {
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    return null;
  }
  url.username = '';
  url.password = '';
  const isSecret = (name: string, value: string) =>
    NAMES.test(name) || more.includes(name) || looksSecret(value);
  const secret = Array.from(url.searchParams).filter(([name, value]) => isSecret(name, value));
  for (const [name] of secret) url.searchParams.delete(name);
  url.hash = safeFragment(url.hash, isSecret);
  return url;
}

/** An anchor stays; a fragment with parameters keeps those that are no secret. */
function safeFragment(hash: string, isSecret: (name: string, value: string) => boolean): string {
  const fragment = hash.slice(1);
  if (!fragment.includes('=')) return looksSecret(fragment) ? '' : hash;
  // Some routers live in the fragment: `#/path?name=value`.
  const at = fragment.indexOf('?');
  const [path, query] = at < 0 ? ['', fragment] : [fragment.slice(0, at + 1), fragment.slice(at + 1)];
  const parameters = new URLSearchParams(query);
  const secret = Array.from(parameters).filter(([name, value]) => isSecret(name, value));
  if (secret.length === 0) return hash;
  for (const [name] of secret) parameters.delete(name);
  const rest = parameters.toString();
  return rest === '' ? path.replace(/\?$/, '') : path + rest;
}

/**
 * Long runs of letters and digits, both of them, as keys and tokens are; words, also with hyphens between them, and ids of
 * books are not.
 */
function looksSecret(value: string): boolean {
  if (JWT.test(value)) return true;
  const runs = value.match(/[A-Za-z0-9+/_=-]+/g) ?? [];
  return runs.some((run) => {
    if (run.length < LONG) return false;
    if (run.split('-').some((part) => part.length >= LONG && isMixed(part))) return true;
    // Tokens may have hyphens, too: between words letters and digits rarely change as often.
    const changes = run.match(/[A-Za-z](?=[0-9])|[0-9](?=[A-Za-z])|[a-z](?=[A-Z])/g)?.length ?? 0;
    return isMixed(run) && changes >= 4;
  });
}

function isMixed(run: string): boolean {
  return /[0-9]/.test(run) && /[A-Za-z]/.test(run);
}
