import { AuthSession, type AuthSessionOptions } from '@parlor/client';
import { useCallback, useEffect, useMemo, useState, useSyncExternalStore } from 'react';

/** A login of the site's own. */
export interface OwnAuth {
  /** Null while the site does not know yet. */
  readonly signedIn: boolean | null;
  readonly user?: { readonly id: string; readonly name?: string | null } | undefined;
  /** The address of the login, where `{return_to}` stands for this page, or what begins it. */
  readonly login: string | (() => void);
  readonly logout?: (() => void) | undefined;
}

/** `none`: everybody may chat. `session`: Parlor's own login (`/auth`). Or the site's. */
export type AuthGateOptions = 'none' | 'session' | OwnAuth;

/** `open`: the chat may be shown. `closed`: a login is needed. */
export type GateStatus = 'checking' | 'open' | 'closed' | 'failed';

export interface AuthGate {
  status: GateStatus;
  /** Who has signed in; null for visitors, and where that is not known. */
  user: { id: string; name: string | null } | null;
  /** Goes to the login, and afterwards back to this page. */
  login: () => void;
  /** Whether who asks is a visitor, who may sign in and need not. */
  isVisitor: boolean;
  /** Null where nobody has signed in, or there is no way out. */
  logout: (() => void) | null;
  /** Asks again who has signed in. */
  recheck: () => void;
}

/**
 * Whether the chat may be shown, and the login when it may not.
 *
 * With `session` the server is asked once `enabled`, and again when the page is seen again while
 * the gate is closed: the user may have signed in in another tab.
 */
export function useAuthGate(
  auth: AuthGateOptions,
  { enabled = true, ...options }: AuthSessionOptions & { enabled?: boolean | undefined } = {},
): AuthGate {
  const { url, credentials } = options;
  const session = useMemo(() => new AuthSession({ url, credentials }), [url, credentials]);
  const state = useSyncExternalStore(
    useCallback((listener) => session.subscribe(listener), [session]),
    () => session.state,
    () => session.state,
  );
  const [failed, setFailed] = useState(false);
  const usesSession = auth === 'session';
  const recheck = useCallback(() => {
    if (!usesSession) return;
    setFailed(false);
    session.refresh().catch(() => setFailed(true));
  }, [session, usesSession]);

  useEffect(() => {
    if (enabled) recheck();
  }, [enabled, recheck]);
  const closed = usesSession && state.status === 'signed-out' && !state.visitorsWelcome;
  useEffect(() => {
    if (!closed) return undefined;
    const seen = () => {
      if (document.visibilityState === 'visible') recheck();
    };
    document.addEventListener('visibilitychange', seen);
    return () => document.removeEventListener('visibilitychange', seen);
  }, [closed, recheck]);

  if (auth === 'none')
    return { status: 'open', user: null, login: noop, isVisitor: false, logout: null, recheck };
  if (auth !== 'session') {
    const { signedIn, user, logout } = auth;
    return {
      status: signedIn === null ? 'checking' : signedIn ? 'open' : 'closed',
      user: signedIn === true && user !== undefined ? { id: user.id, name: user.name ?? null } : null,
      login: () => enter(auth.login),
      isVisitor: false,
      logout: signedIn === true && logout !== undefined ? logout : null,
      recheck,
    };
  }
  const leave = () => {
    session.logout().catch(() => setFailed(true));
  };
  const isIn = state.status === 'signed-in';
  return {
    status: failed && !isIn ? 'failed' : state.status === 'unknown' ? 'checking' : closed ? 'closed' : 'open',
    user: isIn ? { id: state.user.id, name: state.user.name } : null,
    login: () => session.login(),
    isVisitor: state.status === 'signed-out' && state.visitorsWelcome,
    logout: isIn ? leave : null,
    recheck,
  };
}

function noop(): void {
  // Nobody has to sign in.
}

function enter(login: OwnAuth['login']): void {
  if (typeof login === 'function') return login();
  location.assign(login.replaceAll('{return_to}', encodeURIComponent(location.href)));
}
