import { data, own } from '@parlor/docusaurus/generated';
import type { WidgetHandle } from '@parlor/react';
import { LazyChatKitWidget } from '@parlor/react/lazy';
import { useCallback } from 'react';
import { createRoot } from 'react-dom/client';
import { propsFrom } from './props.js';
import { followLinks } from './links.js';
import { ask, close, open, setHandle, toggle } from './handle.js';
import { useSiteColorScheme } from './use-site-color-scheme.js';

declare global {
  /** What a page can do with the chat. */
  var parlor: WidgetHandle | undefined;
}

const given: unknown = own.default;
// The module does not change while the page lives: the same hooks are called with each rendering.
const useOwn = typeof given === 'function' ? (given as () => object) : () => (given ?? {}) as object;

function Chat() {
  const siteScheme = useSiteColorScheme();
  const { colorScheme = 'site' } = data;
  const handle = useCallback((now: WidgetHandle | null) => setHandle(now), []);
  return (
    <LazyChatKitWidget
      {...propsFrom(data, useOwn())}
      colorScheme={colorScheme === 'site' ? siteScheme : colorScheme}
      handle={handle}
    />
  );
}

/**
 * The chat beside the page's own tree, with which it shares nothing: what the site swizzles or renders on the server is not
 * touched, and it stays when the page changes.
 */
export function mount(): void {
  globalThis.parlor = { open, close, toggle, ask };
  followLinks(data.baseUrl, close);
  // In no page itself: the widget hangs what it shows on the body.
  createRoot(document.createElement('div')).render(<Chat />);
}
