export { ask, close, open, toggle } from './handle.js';
export type { SiteOptions } from './site-options.js';
