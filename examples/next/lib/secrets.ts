import 'server-only';

/** A secret from the environment: asked for when it is needed, since a build has none. */
export function secret(name: 'SESSION_SECRET' | 'PARLOR_TOKEN_SECRET'): Uint8Array {
  const value = process.env[name] ?? '';
  const bytes = new TextEncoder().encode(value);
  if (bytes.length < 32) {
    throw new Error(`${name} must have at least 32 characters: write the output of \`openssl rand -base64 32\` into .env.local`);
  }
  return bytes;
}
