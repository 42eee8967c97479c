/** Calls once the browser has nothing to do. Returns the way to prevent that. */
export function whenIdle(callback: () => void): () => void {
  if (typeof requestIdleCallback === 'function') {
    const handle = requestIdleCallback(callback, { timeout: 10_000 });
    return () => cancelIdleCallback(handle);
  }
  const timer = setTimeout(callback, 2_000);
  return () => clearTimeout(timer);
}
