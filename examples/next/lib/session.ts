import 'server-only';
import { SignJWT, jwtVerify } from 'jose';
import { cookies } from 'next/headers';
import { cache } from 'react';
import { secret } from './secrets';
import { type User, userById } from './users';

// Two cookies, as with an identity provider: one that says who has signed in, and a short-lived token for Parlor that
// is made anew from it. Scripts of the page can read neither.
const SESSION = 'session';
export const PARLOR_TOKEN = 'parlor_token';

const SESSION_SECONDS = 8 * 60 * 60;
const TOKEN_SECONDS = 5 * 60;

const COOKIE = { httpOnly: true, sameSite: 'lax', path: '/' } as const;

/** Whether cookies are kept from plain HTTP: in production, but on this machine. */
const secure = () => process.env.SITE_URL?.startsWith('https:') ?? false;

export async function signIn(user: User): Promise<void> {
  const session = await new SignJWT()
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(user.id)
    .setIssuedAt()
    .setExpirationTime(`${SESSION_SECONDS} s`)
    .sign(secret('SESSION_SECRET'));
  (await cookies()).set(SESSION, session, { ...COOKIE, secure: secure(), maxAge: SESSION_SECONDS });
  await renewParlorToken(user);
}

export async function signOut(): Promise<void> {
  const jar = await cookies();
  jar.delete(SESSION);
  jar.delete(PARLOR_TOKEN);
}

/** Who has signed in; null for nobody. Looked up once for each request. */
export const currentUser = cache(async (): Promise<User | null> => {
  const session = (await cookies()).get(SESSION)?.value;
  if (session === undefined) return null;
  try {
    const { payload } = await jwtVerify(session, secret('SESSION_SECRET'), { algorithms: ['HS256'] });
    return userById(payload.sub ?? '');
  } catch {
    // Changed, or too old.
    return null;
  }
});

/** A new token for Parlor, in its cookie; null where nobody has signed in. Only in route handlers and actions. */
export async function renewParlorToken(user?: User | null): Promise<string | null> {
  const whose = user ?? (await currentUser());
  if (whose === null) return null;
  const token = await new SignJWT({ name: whose.name, email: whose.email })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(whose.id)
    .setIssuer('https://coffee.example')
    .setAudience('parlor')
    .setIssuedAt()
    .setExpirationTime(`${TOKEN_SECONDS} s`)
    .sign(secret('PARLOR_TOKEN_SECRET'));
  (await cookies()).set(PARLOR_TOKEN, token, { ...COOKIE, secure: secure(), maxAge: TOKEN_SECONDS });
  return token;
}
