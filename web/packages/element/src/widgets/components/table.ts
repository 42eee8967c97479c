import { html, nothing, type TemplateResult } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import { css } from '../css.js';
import { childrenOf, count, keysOf, token, type WidgetNode } from '../nodes.js';
import { renderChildren } from '../children.js';
import { edges, size } from '../values.js';
import type { Scope } from '../view.js';

const ALIGNMENTS = ['start', 'center', 'end'] as const;

function cell(node: WidgetNode, scope: Scope, head: boolean): TemplateResult {
  const style = css({
    'inline-size': size(node.width),
    ...edges('padding', node.padding),
    'text-align': token(node.align, ALIGNMENTS, undefined) ?? null,
    'vertical-align':
      { start: 'top', center: 'middle', end: 'bottom' }[token(node.vAlign, ALIGNMENTS, 'center')] ?? null,
  });
  const columns = count(node.colSpan, 1, 100) ?? 1;
  const rows = count(node.rowSpan, 1, 1000) ?? 1;
  const width = token(node.colSize, ['xs', 'sm', 'md', 'lg', 'xl'], undefined) ?? nothing;
  const align = token(node.align, ALIGNMENTS, 'start');
  // A component that is no cell still belongs in one.
  const content =
    node.type === 'Table.Cell' ? renderChildren(node, scope, { direction: 'col' }) : scope.draw(node, scope);
  const inner = html`<div class="w-cell" data-align=${align}>${content}</div>`;
  return head
    ? html`<th
        scope="col"
        colspan=${columns === 1 ? nothing : columns}
        rowspan=${rows === 1 ? nothing : rows}
        data-col=${width}
        ${style}
      >
        ${inner}
      </th>`
    : html`<td
        colspan=${columns === 1 ? nothing : columns}
        rowspan=${rows === 1 ? nothing : rows}
        data-col=${width}
        ${style}
      >
        ${inner}
      </td>`;
}

function row(node: WidgetNode, scope: Scope): TemplateResult {
  const cells = childrenOf(node);
  const keys = keysOf(cells);
  const head = node.header === true;
  return html`<tr data-head=${head ? '' : nothing}>
    ${repeat(
      cells,
      (_cell, at) => keys[at],
      (child, at) =>
        cell(child, { ...scope, path: `${scope.path}/${keys[at]}`, depth: scope.depth + 1 }, head),
    )}
  </tr>`;
}

export function table(node: WidgetNode, scope: Scope): TemplateResult {
  const rows = childrenOf(node);
  const keys = keysOf(rows);
  const first = rows.findIndex((entry) => entry.header !== true);
  const heads = first < 0 ? rows.length : first;
  const draw = (from: number, to?: number) =>
    repeat(
      rows.slice(from, to),
      (_row, at) => keys[from + at],
      (entry, at) =>
        scope.view.spend()
          ? row(entry, { ...scope, path: `${scope.path}/${keys[from + at]}`, depth: scope.depth + 1 })
          : nothing,
    );
  return html`<div class="w-table-scroll" tabindex="0" role="group" aria-label=${scope.view.strings.table}>
    <table class="w-table">
      ${
        heads === 0
          ? nothing
          : html`<thead>
              ${draw(0, heads)}
            </thead>`
      }
      <tbody>
        ${draw(heads)}
      </tbody>
    </table>
  </div>`;
}
