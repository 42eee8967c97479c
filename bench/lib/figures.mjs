// Numbers to words.

export const sorted = (values) => [...values].sort((a, b) => a - b);
export const quantile = (values, q) => {
  const all = sorted(values);
  return all[Math.min(all.length - 1, Math.floor(all.length * q))];
};
export const median = (values) => {
  const all = sorted(values);
  const middle = all.length >> 1;
  return all.length % 2 ? all[middle] : (all[middle - 1] + all[middle]) / 2;
};
export const round = (value) => {
  const places = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toFixed(places);
};

/** Rows `{ name, value, unit, most?, least?, note? }` as lines of a table. */
export function table(rows) {
  const cells = rows.map(({ name, value, unit, most, least, note = '' }) => {
    const goal = most !== undefined ? `<= ${most}` : least !== undefined ? `>= ${least}` : '';
    const missed = (most !== undefined && value > most) || (least !== undefined && value < least);
    return [name, `${round(value)} ${unit}`.trim(), goal, goal ? (missed ? 'missed' : 'met') : '', note];
  });
  const head = ['figure', 'measured', 'goal', '', 'how'];
  const widths = head.map((_, i) => Math.max(...[head, ...cells].map((row) => row[i].length)));
  const line = (row) =>
    row
      .map((cell, i) => (i === 1 ? cell.padStart(widths[i]) : cell.padEnd(widths[i])))
      .join('  ')
      .trimEnd();
  return [line(head), widths.map((width) => '-'.repeat(width)).join('  '), ...cells.map(line)].join('\n');
}
