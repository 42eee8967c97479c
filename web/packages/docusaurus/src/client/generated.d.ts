// Modules that exist when a site is built.

declare module '@parlor/docusaurus/generated' {
  export const data: import('./generated-module.js').Generated['data'];
  export const own: import('./generated-module.js').Generated['own'];
}

declare module '@generated/routes' {
  const routes: readonly import('../docusaurus.js').RouteConfig[];
  export default routes;
}
