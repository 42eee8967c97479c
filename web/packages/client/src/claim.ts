/** The right to do something that only one tab may do at a time. */
export interface Claim {
  /** Whether another tab held it when it was asked for, and may have done the work. */
  readonly waited: boolean;
  release(): void;
}

/**
 * Claims a name among all tabs of this origin. Rejects when the signal aborts
 * before it is this tab's turn. Where the browser has no locks (a page on plain
 * http, a sandboxed frame), everybody gets what they ask for.
 */
export async function claim(name: string, signal: AbortSignal): Promise<Claim> {
  const nobodyElse: Claim = { waited: false, release: () => undefined };
  const locks = typeof navigator === 'undefined' ? undefined : (navigator.locks as LockManager | null);
  if (typeof locks?.request !== 'function') return nobodyElse;
  const take = (options: LockOptions, waited: boolean) =>
    new Promise<Claim | null>((resolve, reject) => {
      const held = locks.request(name, options, (lock) => {
        if (lock === null) return resolve(null);
        return new Promise<void>((release) => {
          resolve({ waited, release });
        });
      });
      held.catch(reject);
    });
  try {
    // Without `ifAvailable` there is always a lock in the end.
    return (await take({ ifAvailable: true }, false)) ?? (await take({ signal }, true)) ?? nobodyElse;
  } catch {
    signal.throwIfAborted();
    // A sandboxed page may not use locks; it has no tabs to share them with either.
    return nobodyElse;
  }
}
