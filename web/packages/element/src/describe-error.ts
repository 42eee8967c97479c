import { ApiError, type ErrorEvent } from '@parlor/client';
import type { Strings } from './strings.js';

/** How a failure reads to a user: the server's words where it has some, ours otherwise. */
export function describeError(error: ApiError | ErrorEvent, strings: Strings): string {
  const { errors } = strings;
  if (!(error instanceof ApiError)) return error.message || errors.stream;
  switch (error.code) {
    case 'offline':
      return errors.offline;
    case 'network':
      return errors.network;
    case 'connection_lost':
      return errors.connectionLost;
    default:
      break;
  }
  // A code of its own means that the server wrote the message for people.
  if (error.status !== 0 && !error.code.startsWith('http_') && error.message !== '') return error.message;
  switch (error.status) {
    case 401:
      return errors.unauthorized;
    case 403:
      return errors.forbidden;
    case 404:
      return errors.notFound;
    case 409:
      return errors.busy;
    case 413:
      return errors.tooLarge;
    case 429:
      return errors.rateLimited;
    case 502:
    case 503:
    case 504:
      return errors.unavailable;
    default:
      return error.status >= 500 ? errors.server : error.message || errors.generic;
  }
}

/** How a failed upload reads. The same statuses mean something else there than for a message. */
export function describeUploadError(error: ApiError, strings: Strings): string {
  const { errors } = strings;
  if (error.code === 'network') return errors.uploadCut;
  const ownWords = error.status !== 0 && !error.code.startsWith('http_') && error.message !== '';
  if (ownWords) return error.message;
  switch (error.status) {
    case 403:
      return errors.uploadExpired;
    case 404:
    case 405:
      return errors.noUploads;
    case 413:
      return errors.fileTooLarge;
    case 415:
      return errors.fileType;
    default:
      return describeError(error, strings);
  }
}
