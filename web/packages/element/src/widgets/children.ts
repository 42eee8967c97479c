import { html, nothing, type TemplateResult } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import { hasIcon, icon } from '../icons.js';
import { childrenOf, keysOf, type WidgetNode } from './nodes.js';
import type { Scope } from './view.js';

/** Draws the components below a node, each keeping its DOM as long as it keeps its key. */
export function renderChildren(node: WidgetNode, scope: Scope, change: Partial<Scope> = {}): unknown {
  return renderNodes(childrenOf(node), { ...scope, ...change });
}

/** Draws a list of components below `scope`. */
export function renderNodes(
  nodes: readonly WidgetNode[],
  scope: Scope,
  wrap: (content: unknown, node: WidgetNode, scope: Scope, at: number) => unknown = (content) => content,
): unknown {
  const keys = keysOf(nodes);
  return repeat(
    nodes,
    (_node, at) => keys[at],
    (node, at) => {
      const inner = { ...scope, path: `${scope.path}/${keys[at]}`, depth: scope.depth + 1 };
      return wrap(scope.draw(node, inner), node, inner, at);
    },
  );
}

/** An icon by the name a widget gives; one that can't be drawn is left out. */
export function namedIcon(name: unknown): TemplateResult | typeof nothing {
  return typeof name === 'string' && hasIcon(name) ? html`${icon(name)}` : nothing;
}
