export interface ChatKitScriptProps {
  /** Where the route handler is; `/api/parlor` by default. With `basePath`, it begins with that. */
  path?: string | undefined;
  /** Nonce of the page's Content-Security-Policy. */
  nonce?: string | undefined;
  /** Hash of the script, as in the attribute `integrity` of script tags. */
  integrity?: string | undefined;
}

/**
 * The script of the chat element, in the head of the page that the server sends: the browser fetches
 * it beside the page's own scripts, so that the element can be there before React is.
 *
 * React moves an `async` script into the head and keeps one of each address, wherever and however
 * often it is rendered. Without this component `<ParlorChat>` loads the element by itself, once the
 * page has nothing else to do.
 */
export function ChatKitScript({ path = '/api/parlor', nonce, integrity }: ChatKitScriptProps) {
  return <script async type="module" src={`${path}/chatkit.js`} nonce={nonce} integrity={integrity} />;
}
