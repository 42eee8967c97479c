import type { GeneratedImageItem } from '@parlor/client';
import { html, nothing, type TemplateResult } from 'lit';
import { icon } from '../icons.js';
import { altOf, asAttachment, imageUrl } from './attachments.js';
import type { ViewContext } from './context.js';

function frame(content: unknown, label: string, part: string): TemplateResult {
  return html`<div class="image-frame" part="generated-image" data-state=${part}>
    ${content}<span class="image-note">${label}</span>
  </div>`;
}

/** An image that is made for the user: a frame, then the image as it grows, then the image. */
export function generatedImage(
  view: ViewContext,
  item: GeneratedImageItem,
  streaming: boolean,
): TemplateResult {
  const { strings } = view;
  const url = imageUrl(item.image?.url);
  const progress = Math.min(Math.max(item.progress ?? 0, 0), 1);
  const bar = streaming
    ? html`<progress
        class="upload-progress"
        aria-label=${strings.imageLoading}
        max="1"
        value=${item.progress == null ? nothing : progress}
      ></progress>`
    : nothing;
  if (url === null || view.isBroken(url)) {
    if (streaming) return frame(html`${icon('square-image')}${bar}`, strings.imageLoading, 'begun');
    const label = url === null ? strings.imageFailed : strings.imageGone(altOf(item, strings));
    return frame(icon('square-image'), label, 'failed');
  }
  const alt = altOf(item, strings);
  const picture = html`<img
    class="generated-image"
    src=${url}
    alt=${streaming ? strings.imageLoading : alt}
    decoding="async"
    @error=${() => view.imageFailed(streaming ? '' : item.id, url)}
  />`;
  if (streaming) {
    return html`<div
      class="generated growing"
      part="generated-image"
      data-state="growing"
      data-quarters=${Math.floor(progress * 4)}
    >
      ${picture}${bar}
    </div>`;
  }
  const attachment = asAttachment(item, strings);
  return html`<button
    class="generated"
    part="generated-image"
    data-state="done"
    type="button"
    aria-label=${strings.openImage(alt)}
    title=${attachment.name}
    @click=${() => view.showImage({ attachment, itemId: item.id })}
  >
    ${picture}
  </button>`;
}
