import type { MarkdownOptions } from '../markdown/index.js';
import type { ViewContext } from './context.js';

const cache = new WeakMap<object, MarkdownOptions>();
/** Stands for "no thread yet" in the cache. */
const NO_THREAD = {};

/** The Markdown options of the open thread; the same object until the thread's metadata changes. */
export function markdownOptions(view: ViewContext): MarkdownOptions {
  const { thread } = view.state.thread;
  const key = thread ?? NO_THREAD;
  let options = cache.get(key);
  if (options === undefined) {
    options = {
      allowedImageDomains: thread?.allowed_image_domains ?? null,
      onLink: ({ href, originalEvent }) => view.followLink(href, originalEvent),
      strings: { copyCode: view.strings.copyCode, copied: view.strings.copied },
    };
    if (key !== NO_THREAD) cache.set(key, options);
  }
  return options;
}
