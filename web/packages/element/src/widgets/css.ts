import { noChange } from 'lit';
import { Directive, directive, type ElementPart } from 'lit/directive.js';
import type { Declarations } from './values.js';

/**
 * Sets CSS properties of the element it is bound to, through CSSOM: a
 * `style` attribute, which Lit's own directive writes at first, is what a
 * strict `style-src` forbids. A value that the browser refuses leaves its
 * property unset.
 */
class CssDirective extends Directive {
  #applied: Declarations = {};

  override render(_declarations: Declarations): typeof noChange {
    return noChange;
  }

  override update(part: ElementPart, [declarations]: [Declarations]): typeof noChange {
    const { style } = part.element as HTMLElement | SVGElement;
    for (const [name, value] of Object.entries(this.#applied)) {
      if (value !== null && declarations[name] !== value) style.removeProperty(name);
    }
    for (const [name, value] of Object.entries(declarations)) {
      if (value !== null && this.#applied[name] !== value) style.setProperty(name, value);
    }
    this.#applied = declarations;
    return noChange;
  }
}

/** `<div ${css({ color: 'red' })}>` */
export const css = directive(CssDirective);
