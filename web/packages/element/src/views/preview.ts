import { html, nothing, type TemplateResult } from 'lit';
import { widget } from '../widgets/slot.js';
import type { ViewContext } from './context.js';
import { widgetText } from './items.js';
import { widgetMarkdown } from './markdown-options.js';

/** What the host has to say of an entity, beside its mark. The element places it after it is drawn. */
export function entityPreview(view: ViewContext): TemplateResult | typeof nothing {
  const { preview } = view;
  if (preview === null) return nothing;
  const { entity } = preview;
  const fallback = () => widgetText(preview.widget as Parameters<typeof widgetText>[0]).join('\n');
  return html`<div
    class="preview"
    part="entity-preview"
    role="group"
    aria-label=${view.strings.preview(entity.title)}
    @pointerenter=${() => view.keepPreview()}
    @pointerleave=${() => view.hidePreview()}
  >
    <div
      ${widget(
        { widget: preview.widget, fallback },
        {
          markdown: widgetMarkdown(view),
          theme: view.options.theme,
          ...(view.widgetStrings === undefined ? {} : { strings: view.widgetStrings }),
          onAction: (action) => view.previewAction(entity, preview.widget, action),
          onError: (error) => view.report(error),
          mayFocus: () => false,
        },
      )}
    ></div>
  </div>`;
}
