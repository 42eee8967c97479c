/** Where to go after the login: a path of this site, whatever the address says. */
export function returnTo(address: string | undefined): string {
  const here = 'https://here.invalid';
  const url = address && URL.canParse(address, here) ? new URL(address, here) : null;
  return url?.origin === here ? url.pathname + url.search + url.hash : '/';
}
