/** A value, or a function that makes it anew for every request; its promise is waited for. */
export type Fresh<T> = T | (() => T | Promise<T>);

/** The value as it is now. */
export function fresh<T>(value: Fresh<T>): T | Promise<T> {
  return typeof value === 'function' ? (value as () => T | Promise<T>)() : value;
}
