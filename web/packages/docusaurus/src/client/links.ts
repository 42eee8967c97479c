import routes from '@generated/routes';
import { isRoute } from './routes.js';

/**
 * Links in the chat that lead to pages of the site are followed in the page, as the site's own are: the answer that is
 * being written goes on. Where the chat fills the screen it makes room for the page.
 */
export function followLinks(baseUrl: string, close: () => void): void {
  document.addEventListener('click', (event) => {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const path = event.composedPath();
    if (!path.some((part) => part instanceof HTMLElement && part.dataset.parlorWidget !== undefined)) return;
    const link = path.find((part) => part instanceof HTMLAnchorElement);
    if (link === undefined || link.hasAttribute('download') || !['', '_self'].includes(link.target)) return;
    const url = new URL(link.href);
    if (url.origin !== location.origin || !url.pathname.startsWith(baseUrl)) return;
    // Where it fills the screen, the panel says so to screen readers, too.
    if (path.some((part) => part instanceof Element && part.ariaModal === 'true')) close();
    if (!isRoute(routes, url.pathname)) return;
    event.preventDefault();
    navigate(url);
  });
}

/**
 * Goes to a page of the site. The router's own history is in the site's tree, out of reach; it hears of the browser's, as
 * when somebody goes back and forth.
 */
function navigate(url: URL): void {
  const state = { key: Math.random().toString(36).slice(2, 8) };
  history.pushState(state, '', url);
  dispatchEvent(new PopStateEvent('popstate', { state }));
}
