/** An object without some of its fields. */
export function without<T extends object, const K extends keyof T>(
  whole: T,
  names: readonly K[],
): Omit<T, K> {
  const left = Object.entries(whole).filter(([name]) => !names.includes(name as K));
  return Object.fromEntries(left) as Omit<T, K>;
}
