import { type ReactNode, useEffect, useLayoutEffect, useRef, useState } from 'react';
import { createPortal } from 'react-dom';
import { STYLES } from './styles.js';

// On the server there is no layout to wait for, and React says so.
const useBeforePaint = typeof document === 'undefined' ? useEffect : useLayoutEffect;

export interface ShellProps {
  /** In the page, where it stands; else at the end of the body, above everything. */
  inline: boolean;
  colorScheme: 'light' | 'dark';
  /** Rules beside those for the buttons. */
  styles?: string | undefined;
  children: ReactNode;
}

/**
 * A shadow tree of its own: the page's rules do not reach in, and ours not out. The server renders
 * nothing of it, so that there is nothing to disagree about, and nothing moves in the page.
 */
export function Shell({ inline, colorScheme, styles = '', children }: ShellProps) {
  const place = useRef<HTMLDivElement>(null);
  const [root, setRoot] = useState<ShadowRoot | null>(null);
  useBeforePaint(() => {
    const host = inline ? place.current : document.body.appendChild(document.createElement('div'));
    if (host === null) return undefined;
    host.dataset.parlorWidget = inline ? 'inline' : '';
    setRoot(host.shadowRoot ?? shadowOf(host, STYLES + styles));
    return () => {
      setRoot(null);
      if (!inline) host.remove();
    };
  }, [inline, styles]);
  useEffect(() => {
    const host = root?.host as HTMLElement | undefined;
    if (host !== undefined) host.dataset.colorScheme = colorScheme;
  }, [root, colorScheme]);
  return (
    <>
      {inline && <div ref={place} />}
      {root !== null && createPortal(children, root)}
    </>
  );
}

function shadowOf(host: HTMLElement, styles: string): ShadowRoot {
  const root = host.attachShadow({ mode: 'open' });
  // No style element: a strict Content-Security-Policy would refuse it.
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(styles);
  root.adoptedStyleSheets = [sheet];
  return root;
}
