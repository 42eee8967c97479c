import { getPageContext, type PageContext, type PageContextOptions } from '@parlor/client';
import { useCallback, useEffect, useRef, useState } from 'react';

/**
 * What the assistant is told of the page: null on the server and before the first effect. Read
 * again when the address or the title changes, as they do in sites that navigate in the page.
 */
export function usePageContext(options: PageContextOptions = {}): PageContext | null {
  const [context, setContext] = useState<PageContext | null>(null);
  const latest = useRef(options);
  latest.current = options;
  const read = useCallback(() => setContext(getPageContext(latest.current)), []);
  useEffect(() => {
    read();
    const controller = new AbortController();
    const { signal } = controller;
    addEventListener('popstate', read, { signal });
    addEventListener('hashchange', read, { signal });
    // Where the browser has it, also what `history.pushState` does.
    const { navigation } = globalThis as { navigation?: EventTarget };
    navigation?.addEventListener('currententrychange', read, { signal });
    const title = new MutationObserver(read);
    title.observe(document.head, { childList: true, subtree: true, characterData: true });
    return () => {
      controller.abort();
      title.disconnect();
    };
  }, [read]);
  return context;
}
