import type { MarkdownOptions } from '../markdown/index.js';
import type { ViewContext } from './context.js';

const cache = new WeakMap<ViewContext, { domains: string; options: MarkdownOptions }>();

const ofWidgets = new WeakMap<MarkdownOptions, MarkdownOptions>();

/**
 * The Markdown options of widgets. Their links open tabs of their own: who signs in elsewhere on a card's behalf comes
 * back to the conversation.
 */
export function widgetMarkdown(view: ViewContext): MarkdownOptions {
  const options = markdownOptions(view);
  let own = ofWidgets.get(options);
  if (own === undefined) ofWidgets.set(options, (own = { ...options, newTabs: true }));
  return own;
}

/**
 * The Markdown options of the open thread; the same object until the hosts of its images change. New options mean that
 * everything is rendered again, which a new title must not cause.
 */
export function markdownOptions(view: ViewContext): MarkdownOptions {
  const allowedImageDomains = view.state.thread.thread?.allowed_image_domains ?? null;
  const domains = JSON.stringify([allowedImageDomains, view.locale]);
  const known = cache.get(view);
  if (known?.domains === domains) return known.options;
  const options: MarkdownOptions = {
    allowedImageDomains,
    onLink: ({ href, originalEvent }) => view.followLink(href, originalEvent),
    strings: { copyCode: view.strings.copyCode, copied: view.strings.copied },
  };
  cache.set(view, { domains, options });
  return options;
}
