import { useSyncExternalStore } from 'react';

type Scheme = 'light' | 'dark' | 'auto';

/** What the switch of the site says: it stands on the root of the page. `auto` where the site has none. */
export function useSiteColorScheme(): Scheme {
  return useSyncExternalStore(watch, read, () => 'auto');
}

function read(): Scheme {
  const { theme } = document.documentElement.dataset;
  return theme === 'light' || theme === 'dark' ? theme : 'auto';
}

function watch(changed: () => void): () => void {
  const observer = new MutationObserver(changed);
  observer.observe(document.documentElement, { attributeFilter: ['data-theme'] });
  return () => observer.disconnect();
}
