import { useSyncExternalStore } from 'react';

const DARK = '(prefers-color-scheme: dark)';

/** Light or dark, as the site or the user wants it. */
export function useColorScheme(wanted: 'auto' | 'light' | 'dark'): 'light' | 'dark' {
  const dark = useSyncExternalStore(
    (listener) => {
      const query = matchMedia(DARK);
      query.addEventListener('change', listener);
      return () => query.removeEventListener('change', listener);
    },
    () => matchMedia(DARK).matches,
    () => false,
  );
  return wanted === 'auto' ? (dark ? 'dark' : 'light') : wanted;
}
