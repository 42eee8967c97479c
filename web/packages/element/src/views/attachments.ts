import type { Attachment, GeneratedImageItem, UploadEntry } from '@parlor/client';
import { html, noChange, nothing, type TemplateResult } from 'lit';
import { Directive, directive, type ElementPart } from 'lit/directive.js';
import { repeat } from 'lit/directives/repeat.js';
import { describeUploadError } from '../describe-error.js';
import { formatBytes, kindOf } from '../files.js';
import { icon } from '../icons.js';
import { safeHref } from '../sources.js';
import type { Strings } from '../strings.js';
import type { ViewContext } from './context.js';
import { iconButton } from './icon-button.js';

class BitmapDirective extends Directive {
  #drawn: ImageBitmap | null = null;

  override render(_bitmap: ImageBitmap): typeof noChange {
    return noChange;
  }

  override update(part: ElementPart, [bitmap]: [ImageBitmap]): typeof noChange {
    if (this.#drawn === bitmap) return noChange;
    this.#drawn = bitmap;
    const canvas = part.element as HTMLCanvasElement;
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
    canvas.getContext('2d')?.drawImage(bitmap, 0, 0);
    return noChange;
  }
}

/** Draws a bitmap on the canvas it is bound to. */
const drawn = directive(BitmapDirective);

/** The address of an image of an attachment, where it is one that may be loaded. */
export function imageUrl(url: string | null | undefined): string | null {
  if (url == null || url === '') return null;
  return /^data:image\/(?:png|jpeg|gif|webp|avif);base64,/i.test(url) ? url : safeHref(url);
}

const downloadUrl = (attachment: Attachment): string | null =>
  attachment.download_url == null ? null : safeHref(attachment.download_url);

/** Longest text that names an image where there is room for a name only. */
const NAME_CHARS = 60;

/** What an image shows, in as many words as there are. */
export function altOf(item: GeneratedImageItem, strings: Strings): string {
  return item.image?.alt?.trim() || strings.generatedImage;
}

/** A generated image as the dialog shows it that is there for images that users send. */
export function asAttachment(item: GeneratedImageItem, strings: Strings): Attachment {
  const alt = altOf(item, strings);
  const url = item.image?.url ?? '';
  return {
    type: 'image',
    id: item.image?.id ?? item.id,
    name: alt.length > NAME_CHARS ? `${alt.slice(0, NAME_CHARS).trimEnd()}…` : alt,
    mime_type: 'image/*',
    preview_url: url,
    download_url: safeHref(url),
  };
}

// ---------------------------------------------------------------- in the composer

function fileState(view: ViewContext, entry: UploadEntry): TemplateResult | string {
  const { strings, locale } = view;
  switch (entry.state) {
    case 'failed':
      return entry.error === null ? strings.errors.generic : describeUploadError(entry.error, strings);
    case 'waiting':
      return strings.uploadWaiting;
    case 'uploading':
      return strings.uploading;
    default: {
      const kind = kindOf({ name: entry.name, mime_type: entry.mimeType });
      return entry.size === null ? kind : `${kind} · ${formatBytes(entry.size, locale)}`;
    }
  }
}

function composerFile(view: ViewContext, entry: UploadEntry): TemplateResult {
  const { strings } = view;
  const busy = entry.state === 'uploading' || entry.state === 'waiting';
  const failed = entry.state === 'failed';
  const thumb = view.thumbOf(entry);
  const preview = entry.attachment?.type === 'image' ? imageUrl(entry.attachment.preview_url) : null;
  const remove = busy ? strings.cancelUpload(entry.name) : strings.removeAttachment(entry.name);
  return html`<div
    class="upload"
    role="listitem"
    part="attachment"
    data-state=${entry.state}
    data-key=${entry.key}
  >
    <span class="upload-picture">
      ${
        thumb !== null
          ? html`<canvas class="thumb" aria-hidden="true" ${drawn(thumb)}></canvas>`
          : preview !== null && !view.isBroken(preview)
            ? html`<img class="thumb" src=${preview} alt="" @error=${() => view.imageFailed('', preview)} />`
            : icon(entry.mimeType.startsWith('image/') ? 'square-image' : 'document')
      }
    </span>
    <span class="upload-text">
      <span class="upload-name" dir="auto" title=${entry.name}>${entry.name}</span>
      <span class="upload-state" dir="auto">${fileState(view, entry)}</span>
    </span>
    ${
      failed
        ? iconButton({
            icon: 'retry',
            label: strings.retryUpload(entry.name),
            small: true,
            onClick: () => view.retryFile(entry.key),
          })
        : nothing
    }
    ${iconButton({
      icon: 'close',
      label: remove,
      small: true,
      focus: entry.key,
      onClick: () => view.removeFile(entry.key),
    })}
    ${
      busy
        ? html`<progress
            class="upload-progress"
            aria-label=${strings.uploadStarted(entry.name)}
            max="1"
            value=${entry.progress ?? nothing}
          ></progress>`
        : nothing
    }
  </div>`;
}

/** The files of the message that is being written. */
export function composerFiles(view: ViewContext): TemplateResult | typeof nothing {
  const { entries } = view.composer.uploads;
  return entries.length === 0
    ? nothing
    : html`<div class="uploads" part="attachments" role="list" aria-label=${view.strings.attachments}>
        ${repeat(
          entries,
          ({ key }) => key,
          (entry) => composerFile(view, entry),
        )}
      </div>`;
}

/** What could not be attached or dictated, and why a message is not sent yet. */
export function composerProblems(view: ViewContext): TemplateResult | typeof nothing {
  const { composer, strings } = view;
  return html`${composer.problems.map(
    (problem) =>
      html`<div class="problem" role="alert" part="composer-problem">
        ${icon('warning')}<span dir="auto">${problem}</span>
        ${iconButton({
          icon: 'close',
          label: strings.dismiss,
          small: true,
          onClick: () => {
            composer.problems = composer.problems.filter((other) => other !== problem);
            view.changed();
          },
        })}
      </div>`,
  )}
  ${
    composer.waiting
      ? html`<div class="problem waiting" role="status">
          <span class="spinner"></span><span>${strings.sendWaits}</span>
          <button class="text-button" type="button" @click=${() => view.stopWaiting()}>
            ${strings.stopWaiting}
          </button>
        </div>`
      : nothing
  }`;
}

/** Shown over the whole element while files are dragged over it. */
export function dropTarget(view: ViewContext): TemplateResult | typeof nothing {
  return view.dragging
    ? html`<div class="drop" part="drop-target">
        <span class="drop-box">${icon('paperclip')}<span>${view.strings.dropHere}</span></span>
      </div>`
    : nothing;
}

// ---------------------------------------------------------------- in a message

function imageTile(view: ViewContext, attachment: Attachment, itemId: string | null): TemplateResult {
  const { strings } = view;
  const { name } = attachment;
  const thumb = view.thumbOf(attachment);
  const url = attachment.type === 'image' ? imageUrl(attachment.preview_url) : null;
  const sound = url !== null && !view.isBroken(url);
  const inner =
    itemId === null && thumb !== null
      ? html`<canvas class="shot-picture" role="img" aria-label=${name} ${drawn(thumb)}></canvas>`
      : sound
        ? html`<img
            class="shot-picture"
            src=${url}
            alt=${name}
            decoding="async"
            @error=${() => view.imageFailed(itemId ?? '', url)}
          />`
        : html`<span
            class="shot-gone"
            role="img"
            aria-label=${strings.imageGone(name)}
            title=${strings.imageGone(name)}
            >${icon('square-image')}<span class="shot-name" dir="auto" aria-hidden="true">${name}</span></span
          >`;
  return itemId === null || !sound
    ? html`<div class="shot" part="image-attachment">${inner}</div>`
    : html`<button
        class="shot"
        part="image-attachment"
        type="button"
        aria-label=${strings.openImage(name)}
        title=${name}
        @click=${() => view.showImage({ attachment, itemId })}
      >
        ${inner}
      </button>`;
}

function fileTile(view: ViewContext, attachment: Attachment, itemId: string | null): TemplateResult {
  const href = itemId === null ? null : downloadUrl(attachment);
  const inner = html`<span class="upload-picture">${icon('document')}</span
    ><span class="upload-text"
      ><span class="upload-name" dir="auto">${attachment.name}</span
      ><span class="upload-state">${kindOf(attachment)}</span></span
    >`;
  return href === null || itemId === null
    ? html`<div class="file" part="file-attachment" title=${attachment.name}>${inner}</div>`
    : html`<a
        class="file"
        part="file-attachment"
        href=${href}
        download=${attachment.name}
        target="_blank"
        rel="noopener noreferrer"
        title=${view.strings.download(attachment.name)}
        @click=${(event: MouseEvent) => view.download(itemId, attachment, event)}
        >${inner}${icon('download')}</a
      >`;
}

/** The images and files of a user message. `itemId` is null while it is not confirmed. */
export function messageFiles(
  view: ViewContext,
  attachments: readonly Attachment[],
  itemId: string | null,
): TemplateResult | typeof nothing {
  if (attachments.length === 0) return nothing;
  const images = attachments.filter(({ type }) => type === 'image');
  const files = attachments.filter(({ type }) => type !== 'image');
  return html`${
    images.length === 0
      ? nothing
      : html`<div class="shots" data-count=${images.length === 1 ? 'one' : 'many'}>
          ${images.map((image) => imageTile(view, image, itemId))}
        </div>`
  }${
    files.length === 0
      ? nothing
      : html`<div class="files">${files.map((file) => fileTile(view, file, itemId))}</div>`
  }`;
}

/** An image as large as there is room for. The element opens the dialog after it is drawn. */
export function lightbox(view: ViewContext): TemplateResult | typeof nothing {
  const { openImage, strings } = view;
  if (openImage === null) return nothing;
  const { itemId } = openImage;
  const item = view.state.thread.items.find(({ id }) => id === itemId);
  // The links of the item as it is now: they may have been read anew since.
  const attachment =
    (item?.type === 'user_message'
      ? item.attachments.find(({ id }) => id === openImage.attachment.id)
      : item?.type === 'generated_image'
        ? asAttachment(item, strings)
        : undefined) ?? openImage.attachment;
  const small = attachment.type === 'image' ? imageUrl(attachment.preview_url) : null;
  const full = downloadUrl(attachment);
  const url = full !== null && !view.isBroken(full) ? full : small;
  return html`<dialog
    class="lightbox"
    part="lightbox"
    aria-label=${attachment.name}
    @close=${() => view.showImage(null)}
    @click=${(event: MouseEvent) => {
      const target = event.target as HTMLElement;
      if (target.closest('img, .lightbox-bar') === null) view.showImage(null);
    }}
  >
    <div class="lightbox-bar">
      <span class="lightbox-name" dir="auto">${attachment.name}</span>
      ${
        full === null
          ? nothing
          : html`<a
              class="icon-button"
              href=${full}
              download=${attachment.name}
              target="_blank"
              rel="noopener noreferrer"
              aria-label=${strings.download(attachment.name)}
              title=${strings.download(attachment.name)}
              @click=${(event: MouseEvent) => view.download(itemId, attachment, event)}
              >${icon('download')}</a
            >`
      }
      ${iconButton({
        icon: 'close',
        label: strings.close,
        onClick: () => view.showImage(null),
      })}
    </div>
    ${
      url === null || view.isBroken(url)
        ? html`<p class="lightbox-gone">${strings.imageGone(attachment.name)}</p>`
        : html`<img
            class="lightbox-image"
            src=${url}
            alt=${attachment.name}
            @error=${() => view.imageFailed(itemId, url)}
          />`
    }
  </dialog>`;
}
