import { allowedImage } from '../../markdown/urls.js';

/** Pictures only: an SVG may hold script, and has no use in a message. */
const DATA_IMAGE = /^data:image\/(?:png|jpeg|gif|webp|avif);base64,[a-z\d+/=\s]+$/i;

/**
 * The address of a widget's image where it may be loaded, else null: a picture
 * that is part of the widget, or one from a listed host. The rule of images in
 * Markdown: whoever writes a message must not learn who reads it.
 */
export function imageSource(src: unknown, domains: readonly string[] | null | undefined): string | null {
  if (typeof src !== 'string') return null;
  return DATA_IMAGE.test(src) ? src : allowedImage(src, document.baseURI, domains);
}
