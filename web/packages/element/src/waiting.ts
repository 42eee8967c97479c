/** How long a wait takes, as people say it. */

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** From so long a wait on, the time of day says more than how long it is. */
const LONG = 6 * HOUR;

/** When a wait is over: after a span of time, or at a time of a day. */
export type Wait = { in: string } | { at: string; day: string | null };

const unit = (count: number, name: 'hour' | 'minute', locale: string) =>
  new Intl.NumberFormat(locale, { style: 'unit', unit: name, unitDisplay: 'short' }).format(count);

/** Days between two times by the calendar of the reader. */
function daysBetween(from: Date, to: Date): number {
  const midnight = (date: Date) => Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());
  return Math.round((midnight(to) - midnight(from)) / (24 * HOUR));
}

/**
 * Says when `until` is, in the language: `0:42` or `59:59` below an hour, `3 hr 12 min` below six,
 * else a time of day with the day it is of, if that is not today. Null once it is over.
 */
export function describeWait(until: number, now: number, locale: string): Wait | null {
  // Rounded up: at 0:00 it is over.
  const seconds = Math.ceil((until - now) / 1000);
  if (seconds <= 0) return null;
  if (seconds < 3600) {
    return { in: `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}` };
  }
  if (until - now < LONG) {
    const minutes = Math.ceil(seconds / 60);
    const rest = minutes % 60;
    const hours = unit(Math.floor(minutes / 60), 'hour', locale);
    return { in: rest === 0 ? hours : `${hours} ${unit(rest, 'minute', locale)}` };
  }
  const [then, today] = [new Date(until), new Date(now)];
  const at = new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit' }).format(then);
  const days = daysBetween(today, then);
  if (days === 0) return { at, day: null };
  if (days === 1) {
    return { at, day: new Intl.RelativeTimeFormat(locale, { numeric: 'auto' }).format(1, 'day') };
  }
  return {
    at,
    day: new Intl.DateTimeFormat(locale, { weekday: 'long', day: 'numeric', month: 'long' }).format(then),
  };
}
