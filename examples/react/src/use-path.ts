import { useSyncExternalStore } from 'react';

function subscribe(listener: () => void): () => void {
  addEventListener('popstate', listener);
  return () => removeEventListener('popstate', listener);
}

/** The path of the open page, and the way to another one: a router as small as they get. */
export function usePath(): [path: string, go: (path: string) => void] {
  const path = useSyncExternalStore(subscribe, () => location.pathname);
  const go = (to: string) => {
    history.pushState(null, '', to);
    dispatchEvent(new PopStateEvent('popstate'));
    scrollTo(0, 0);
  };
  return [path, go];
}
