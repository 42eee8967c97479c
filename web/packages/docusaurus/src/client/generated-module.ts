import type { Options } from '../options.js';
import type { Texts } from '../texts.js';

/** What the plugin tells the browser: a module that it writes when the site is built. */
export interface Generated {
  data: Omit<
    Options,
    'id' | 'module' | 'proxy' | 'ingest' | 'labels' | 'greeting' | 'prompts' | 'placeholder' | 'heading'
  > & { texts: Texts; baseUrl: string };
  /** The site's module, with all its exports; empty where it has none. */
  own: { readonly default?: unknown };
}
