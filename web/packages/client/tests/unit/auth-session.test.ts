import { describe, expect, it, vi } from 'vitest';
import { ApiError, AuthSession } from '../../src/index.js';

function server(...answers: [path: string, body: object, status?: number][]) {
  const asked: string[] = [];
  const fetch = vi.fn(async (input: RequestInfo | URL, init?: RequestInit) => {
    asked.push(`${init?.method ?? 'GET'} ${String(input)}`);
    const [, body, status = 200] = answers.shift() ?? ['', {}, 500];
    return Response.json(body, { status });
  });
  return { asked, fetch: fetch as typeof globalThis.fetch };
}

const ada = { authenticated: true, user: { id: 'ada', name: 'Ada' }, expires_at: '2026-11-23T00:00:00Z' };

describe('a login', () => {
  it('is asked for, and told to who listens', async () => {
    const { asked, fetch } = server(
      ['/session', ada],
      ['/session', ada],
      ['/session', { authenticated: false, anonymous: true }],
    );
    const session = new AuthSession({ fetch });
    const heard = vi.fn();
    session.subscribe(heard);
    expect(session.state).toEqual({ status: 'unknown' });
    expect(await session.refresh()).toEqual({
      status: 'signed-in',
      user: { id: 'ada', name: 'Ada', email: null, roles: [] },
      expiresAt: new Date('2026-11-23T00:00:00Z'),
    });
    await session.refresh();
    expect(heard).toHaveBeenCalledTimes(1);
    expect(await session.refresh()).toEqual({ status: 'signed-out', visitorsWelcome: true });
    expect(heard).toHaveBeenCalledTimes(2);
    expect(asked).toEqual(['GET /auth/session', 'GET /auth/session', 'GET /auth/session']);
  });

  it('is asked for once by many', async () => {
    const { asked, fetch } = server(['/session', ada]);
    const session = new AuthSession({ fetch });
    await Promise.all([session.refresh(), session.refresh()]);
    expect(asked).toHaveLength(1);
  });

  it('stays what it was when the server does not say', async () => {
    const { fetch } = server(
      ['/session', ada],
      ['/session', { error: { code: 'unavailable', message: 'Down.' } }, 503],
    );
    const session = new AuthSession({ fetch });
    await session.refresh();
    const failure = await session.refresh().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ApiError);
    expect(session.state.status).toBe('signed-in');
  });

  it('begins at the login page and comes back to this one', () => {
    const navigate = vi.fn();
    const session = new AuthSession({ url: 'https://chat.example.com/auth/', navigate });
    session.login('/docs/a?b=1#c');
    expect(navigate).toHaveBeenCalledWith(
      'https://chat.example.com/auth/login?return_to=%2Fdocs%2Fa%3Fb%3D1%23c',
    );
  });

  it('comes back to the whole address of a page that is on another origin', () => {
    const there = vi.fn();
    new AuthSession({ url: 'https://chat.example.com/auth', navigate: there }).login();
    expect(there.mock.lastCall?.[0]).toBe(
      `https://chat.example.com/auth/login?return_to=${encodeURIComponent(location.href)}`,
    );
    const here = vi.fn();
    new AuthSession({ navigate: here }).login();
    expect(here.mock.lastCall?.[0]).toBe(`/auth/login?return_to=${encodeURIComponent(location.pathname)}`);
  });

  it('ends here and at the provider', async () => {
    const navigate = vi.fn();
    const { asked, fetch } = server(
      ['/session', ada],
      ['/logout', { provider_logout_url: 'https://id.example.com/end' }],
    );
    const session = new AuthSession({ fetch, navigate });
    await session.refresh();
    await session.logout();
    expect(asked.at(-1)).toBe('POST /auth/logout');
    expect(navigate).toHaveBeenCalledWith('https://id.example.com/end');
    expect(session.state.status).toBe('signed-out');
  });

  it('ends here alone where the provider has no end of its own', async () => {
    const navigate = vi.fn();
    const { fetch } = server(
      ['/logout', { provider_logout_url: null }],
      ['/session', { authenticated: false, anonymous: true }],
    );
    const session = new AuthSession({ fetch, navigate });
    await session.logout();
    expect(session.state).toEqual({ status: 'signed-out', visitorsWelcome: true });
    expect(navigate).not.toHaveBeenCalled();
  });
});
