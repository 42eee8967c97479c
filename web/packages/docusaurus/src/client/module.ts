// What Docusaurus loads with every page, on the server as well.

let begun = false;

/** Called by Docusaurus once the first page stands, and after every navigation: then the chat is there already. */
export function onRouteDidUpdate(): void {
  if (begun) return;
  begun = true;
  // Not before the page has come to life: what it needs comes first.
  import('./mount.js').then(
    ({ mount }) => mount(),
    (error: unknown) => {
      // Another try with the next page: the network may be back.
      begun = false;
      // oxlint-disable-next-line no-console -- the site's author looks there
      console.warn('parlor: the chat could not be loaded', error);
    },
  );
}
