'use client';
import type { ChatKitWidgetProps } from '@parlor/react';
import { LazyChatKitWidget } from '@parlor/react/lazy';
import { useMemo, useState } from 'react';

/** Who has signed in to the site. */
export interface SiteUser {
  /** Tells users apart in what the browser remembers. What they may see is decided by the token alone. */
  readonly id: string;
  readonly name?: string | null | undefined;
}

export interface ParlorChatProps extends Omit<
  ChatKitWidgetProps,
  'server' | 'url' | 'token' | 'headers' | 'credentials' | 'userId'
> {
  /** Where the route handler is; `/api/parlor` by default. With `basePath`, it begins with that. */
  path?: string | undefined;
  /** Who has signed in; null: nobody has, and a login is shown instead of the chat. Left out, everybody may chat. */
  user?: SiteUser | null | undefined;
  /** Address of the login. `{return_to}` stands for the path of this page; see `loginAddress`. */
  login?: string | undefined;
  /** Nonce of the page's Content-Security-Policy. */
  nonce?: string | undefined;
}

/**
 * The chat of `@parlor/react`, over the route handler of this site: its buttons at first, the rest once it is
 * needed or the page has nothing else to do. Everything it needs of a server
 * component is plain data; properties that are functions need a client component around it.
 *
 * When the handler says that the login has ended, the login is shown again.
 */
export function ParlorChat({
  path = '/api/parlor',
  user,
  login = '/login?return_to={return_to}',
  nonce,
  auth,
  script,
  onAuthRequired,
  ...options
}: ParlorChatProps) {
  // An object: who signs in again is given by the server as a new one.
  const [ended, setEnded] = useState<SiteUser | null>(null);
  const gate = useMemo(() => {
    if (user === undefined) return 'none';
    const own = {
      signedIn: user !== null && user !== ended,
      login: () => location.assign(loginAddress(login, location)),
    };
    return user === null ? own : { ...own, user };
  }, [user, ended, login]);
  return (
    <LazyChatKitWidget
      {...options}
      server={path}
      script={nonce === undefined ? script : { nonce, ...script }}
      auth={auth ?? gate}
      onAuthRequired={() => {
        if (user) setEnded(user);
        onAuthRequired?.();
      }}
    />
  );
}

/** The login's address for a page: only a path, so that a login has no reason to send people elsewhere. */
export function loginAddress(login: string, page: Pick<Location, 'pathname' | 'search' | 'hash'>): string {
  return login.replaceAll('{return_to}', encodeURIComponent(page.pathname + page.search + page.hash));
}
