import { type RefObject, useCallback, useEffect, useSyncExternalStore } from 'react';

/** Where there is room for the chat or for the page, and not for both. The panel's rules have the same condition. */
export const NARROW = '(max-width: 520px), (max-height: 480px)';

/** Whether the screen is so small that the panel fills it. */
export function useIsNarrow(): boolean {
  return useSyncExternalStore(
    useCallback((listener) => {
      const query = matchMedia(NARROW);
      query.addEventListener('change', listener);
      return () => query.removeEventListener('change', listener);
    }, []),
    () => matchMedia(NARROW).matches,
    () => false,
  );
}

/**
 * What a panel that fills the screen takes from the page behind it, until it is closed: scrolling, and the focus, which
 * comes back when it goes there.
 */
export function useFullScreen(panel: RefObject<HTMLElement | null>, isFull: boolean): void {
  useEffect(() => {
    if (!isFull) return undefined;
    const { style } = document.documentElement;
    const before = style.overflow;
    style.overflow = 'hidden';
    const focused = (event: FocusEvent) => {
      if (panel.current !== null && !event.composedPath().includes(panel.current)) {
        panel.current.focus({ preventScroll: true });
      }
    };
    document.addEventListener('focusin', focused);
    return () => {
      style.overflow = before;
      document.removeEventListener('focusin', focused);
    };
  }, [panel, isFull]);
}

/**
 * Keeps the panel in the part of the screen that is to be seen: keyboards on the screen lie over the page, which does not
 * become smaller by them. In the variables `--view-top`, `--view-height` and `--keyboard`.
 */
export function useVisibleViewport(panel: RefObject<HTMLElement | null>, isOpen: boolean): void {
  useEffect(() => {
    const view = window.visualViewport;
    if (!isOpen || view == null) return undefined;
    const measure = () => {
      const style = panel.current?.style;
      // Who has zoomed in wants to see a part of it.
      const keyboard = view.scale > 1.01 ? 0 : Math.round(innerHeight - view.height);
      if (style === undefined) return;
      if (keyboard > 1) {
        style.setProperty('--view-top', `${Math.round(view.offsetTop)}px`);
        style.setProperty('--view-height', `${Math.round(view.height)}px`);
        style.setProperty('--keyboard', `${keyboard}px`);
      } else {
        for (const name of ['--view-top', '--view-height', '--keyboard']) style.removeProperty(name);
      }
    };
    measure();
    view.addEventListener('resize', measure);
    view.addEventListener('scroll', measure);
    return () => {
      view.removeEventListener('resize', measure);
      view.removeEventListener('scroll', measure);
    };
  }, [panel, isOpen]);
}
