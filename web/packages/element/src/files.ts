import type { ChatKitOptions } from '@openai/chatkit';
import { mimeTypeOf } from '@parlor/client';
import type { Strings } from './strings.js';

export type AttachmentOptions = NonNullable<NonNullable<ChatKitOptions['composer']>['attachments']>;

const DEFAULT_MAX_BYTES = 100 * 1024 * 1024;
const DEFAULT_MAX_COUNT = 10;

/** Whether a MIME type is one of a pattern such as `image/*`, `*` or `application/pdf`. */
function matchesType(pattern: string, type: string): boolean {
  const wanted = pattern.trim().toLowerCase();
  if (wanted === '*' || wanted === '*/*') return true;
  return wanted.endsWith('/*') ? type.startsWith(wanted.slice(0, -1)) : wanted === type;
}

/** Whether the options take a file, by its type or by the end of its name. */
export function isAccepted(options: AttachmentOptions, file: { name: string; type: string }): boolean {
  const { accept } = options;
  if (accept === undefined) return true;
  const type = mimeTypeOf(file);
  const name = file.name.toLowerCase();
  return Object.entries(accept).some(
    ([pattern, extensions]) =>
      matchesType(pattern, type) || extensions.some((extension) => name.endsWith(extension.toLowerCase())),
  );
}

/** The largest size of a file in bytes: of its own type, of its kind, of all others. */
export function maxBytes(options: AttachmentOptions, file: { name: string; type: string }): number {
  const { maxSize } = options;
  if (typeof maxSize === 'number') return maxSize;
  if (maxSize === undefined) return DEFAULT_MAX_BYTES;
  const type = mimeTypeOf(file);
  const own = Object.entries(maxSize).find(([pattern]) => pattern.toLowerCase() === type);
  const kind = Object.entries(maxSize).find(
    ([pattern]) => pattern !== '*' && pattern !== '' && matchesType(pattern, type),
  );
  return own?.[1] ?? kind?.[1] ?? maxSize['*'] ?? maxSize[''] ?? DEFAULT_MAX_BYTES;
}

/** The `accept` attribute of a file field; undefined where everything is taken. */
export function acceptAttribute(options: AttachmentOptions): string | undefined {
  const { accept } = options;
  return accept === undefined
    ? undefined
    : Object.entries(accept)
        .flatMap(([type, extensions]) => [type === '*' ? '*/*' : type, ...extensions])
        .join(',');
}

/** Which of the files may be attached beside those that are, and what to say of the others. */
export function sortOut(
  files: readonly File[],
  options: AttachmentOptions,
  attached: number,
  strings: Strings,
  locale: string,
): { taken: File[]; problems: string[] } {
  const taken: File[] = [];
  const problems: string[] = [];
  const leftOut: string[] = [];
  const most = Math.max(0, options.maxCount ?? DEFAULT_MAX_COUNT);
  for (const file of files) {
    if (!isAccepted(options, file)) {
      problems.push(strings.fileType(file.name));
      continue;
    }
    const limit = maxBytes(options, file);
    if (file.size > limit) problems.push(strings.fileTooLarge(file.name, formatBytes(limit, locale)));
    else if (attached + taken.length >= most) leftOut.push(file.name);
    else taken.push(file);
  }
  if (leftOut.length > 0) problems.push(strings.fileCount(most, leftOut.join(', ')));
  return { taken, problems };
}

const UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte'] as const;

/** A size as people read it: `1.4 MB`. */
export function formatBytes(bytes: number, locale: string): string {
  let size = bytes;
  let unit = 0;
  while (size >= 1000 && unit < UNITS.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return new Intl.NumberFormat(locale, {
    style: 'unit',
    unit: UNITS[unit] ?? 'byte',
    unitDisplay: unit === 0 ? 'long' : 'short',
    maximumFractionDigits: size < 10 && unit > 0 ? 1 : 0,
  }).format(size);
}

/** The kind of a file for its tile: the end of its name in capitals, or of its type. */
export function kindOf(file: { name: string; mime_type: string }): string {
  const extension = /\.([a-z0-9]{1,5})$/i.exec(file.name)?.[1];
  return (extension ?? file.mime_type.split('/').at(-1) ?? '').toUpperCase().slice(0, 8);
}

/** The files of a drop or a paste, and the names of folders, which can't be uploaded. */
export function transferred(data: DataTransfer): { files: File[]; folders: string[] } {
  const files: File[] = [];
  const folders: string[] = [];
  for (const item of data.items) {
    if (item.kind !== 'file') continue;
    const entry = item.webkitGetAsEntry();
    const file = item.getAsFile();
    if (entry?.isDirectory === true) folders.push(entry.name);
    else if (file !== null) files.push(file);
  }
  return { files, folders };
}

/** What was pasted as files. Words win: office programs add a picture of the text that was copied. */
export function pastedFiles(data: DataTransfer): File[] {
  return data.getData('text/plain').trim() === '' ? transferred(data).files : [];
}

const THUMB_SIZE = 160;

/**
 * A small picture of an image file, or null where it is none that the browser can
 * draw. A bitmap and not a `blob:` address: a page's policy may not allow those.
 */
export async function thumbnail(file: Blob): Promise<ImageBitmap | null> {
  if (!file.type.startsWith('image/') || typeof createImageBitmap !== 'function') return null;
  try {
    const full = await createImageBitmap(file);
    const scale = THUMB_SIZE / Math.min(full.width, full.height);
    if (scale >= 1) return full;
    const small = await createImageBitmap(full, {
      resizeWidth: Math.max(1, Math.round(full.width * scale)),
      resizeHeight: Math.max(1, Math.round(full.height * scale)),
      resizeQuality: 'medium',
    });
    full.close();
    return small;
  } catch {
    return null;
  }
}
