import type { Token, Tokens } from 'marked';
import { directionIn } from './direction.js';
import { afterReference, decodeEntities } from './entities.js';
import type { BlockLex } from './lexer.js';
import type { MathToken } from './mathSyntax.js';
import { slotKeys } from './morph.js';
import { isFenceClosed, visibleCode } from './repair.js';
import { cellSpans, Span } from './spans.js';
import { allowedImage, safeLink } from './urls.js';

/** A citation waiting to be placed: its position in the source and its key. */
export interface Chip {
  at: number;
  key: string;
}

/** What a unit is rendered with. */
export interface RenderContext {
  /** An inert document: nothing built in it loads or runs. */
  doc: Document;
  /** What relative links are resolved against. */
  base: string;
  /** Whether links to places of the same site open a tab of their own, too. */
  newTabs: boolean;
  allowedImageDomains: readonly string[] | null | undefined;
  copyLabel: string;
  lex: BlockLex;
  /** The text may still grow here: half addresses stay dead, open code stays plain. */
  hot: boolean;
  /** The citations of this unit in order; each is removed when placed. */
  chips: Chip[];
  /** The source as a whole, to tell blanks after a block from the next block's marker. */
  source: string;
}

/** Where leftover citations go: the end of the last inline content that was rendered. */
type Tail = { element: Element | null };

/** Renders one top-level block. */
export function renderBlock(token: Token, start: number, context: RenderContext): HTMLElement | null {
  const holder = context.doc.createElement('div');
  const tail: Tail = { element: null };
  const span = context.chips.length > 0 ? Span.at(token.raw, start) : null;
  renderBlocks([token], holder, span, context, tail);
  const root = holder.firstElementChild as HTMLElement | null;
  if (root) placeRest(root, context, tail);
  return root;
}

/** Renders one item of a top-level list. */
export function renderItem(item: Tokens.ListItem, start: number, context: RenderContext): HTMLElement {
  const tail: Tail = { element: null };
  const span = context.chips.length > 0 ? Span.at(item.raw, start) : null;
  const root = listItem(item, span, context, tail);
  placeRest(root, context, tail);
  return root;
}

/** Renders one row of a top-level table. */
export function renderRow(
  cells: Tokens.TableCell[],
  raw: string,
  start: number,
  context: RenderContext,
): HTMLElement {
  const tail: Tail = { element: null };
  const span = context.chips.length > 0 ? Span.at(raw.split('\n', 1)[0] ?? '', start) : null;
  const root = tableRow(cells, span, context, tail);
  placeRest(root, context, tail);
  return root;
}

/** The frame of a table: a box that scrolls, so that a wide table never widens the page. */
export function tableFrame(doc: Document): { root: HTMLElement; head: HTMLElement; body: HTMLElement } {
  const root = create(doc, 'div', 'ck-table ck-scroll');
  const table = create(doc, 'table');
  const head = create(doc, 'thead');
  const body = create(doc, 'tbody');
  table.append(head, body);
  root.append(table);
  return { root, head, body };
}

/** The frame of a list. */
export function listFrame(list: Tokens.List, doc: Document): HTMLElement {
  const root = create(doc, list.ordered ? 'ol' : 'ul');
  if (list.ordered && typeof list.start === 'number' && list.start !== 1)
    root.setAttribute('start', String(list.start));
  return root;
}

function renderBlocks(
  tokens: Token[],
  parent: Element,
  span: Span | null,
  context: RenderContext,
  tail: Tail,
): void {
  let cursor = 0;
  for (const token of tokens) {
    if (token.type === 'checkbox') continue;
    const at = span ? span.find(token.raw, cursor) : 0;
    const own = span ? span.sub(at, token.raw.length) : null;
    cursor = at + token.raw.length;
    renderOne(token, parent, own, context, tail);
  }
}

function renderOne(
  token: Token,
  parent: Element,
  span: Span | null,
  context: RenderContext,
  tail: Tail,
): void {
  const { doc, lex } = context;
  switch (token.type) {
    case 'space':
    case 'def':
      return;
    case 'hr':
      parent.append(create(doc, 'hr'));
      return;
    case 'heading': {
      const heading = token as Tokens.Heading;
      const element = create(doc, `h${heading.depth}` as 'h1');
      parent.append(element);
      leaf(
        lex.inline(heading.tokens),
        element,
        span?.sub(span.find(heading.text, 0), heading.text.length) ?? null,
        context,
        tail,
      );
      return;
    }
    case 'paragraph':
    case 'text': {
      const paragraph = token as Tokens.Paragraph;
      const element = create(doc, 'p');
      parent.append(element);
      const inline = lex.inline(paragraph.tokens);
      // A task's checkbox is already gone from the item's text.
      const box = inline[0]?.type === 'checkbox' ? inline[0].raw.length : 0;
      leaf(inline, element, span?.lines(paragraph.text.slice(box)) ?? null, context, tail);
      return;
    }
    case 'blockquote': {
      const element = create(doc, 'blockquote');
      parent.append(element);
      renderBlocks(
        token.tokens ?? [],
        element,
        span?.lines((token as Tokens.Blockquote).text) ?? null,
        context,
        tail,
      );
      // Lists and tables in it follow it: the bar and the bullets stand on one side.
      if (!parent.closest('li, blockquote')) direct(element, directionIn(element));
      return;
    }
    case 'list': {
      const list = token as Tokens.List;
      const element = listFrame(list, doc);
      if (list.loose) element.className = 'ck-loose';
      parent.append(element);
      let cursor = 0;
      for (const item of list.items) {
        const at = span ? span.find(item.raw, cursor) : 0;
        cursor = at + item.raw.length;
        element.append(listItem(item, span?.sub(at, item.raw.length) ?? null, context, tail));
      }
      return;
    }
    case 'table': {
      const table = token as Tokens.Table;
      const { root, head, body } = tableFrame(doc);
      parent.append(root);
      const lines = token.raw.split('\n');
      let offset = 0;
      const rows = [table.header, ...table.rows];
      let row = 0;
      lines.forEach((line, number) => {
        const cells = number === 1 ? undefined : rows[row];
        if (cells) {
          (row === 0 ? head : body).append(
            tableRow(cells, span?.sub(offset, line.length) ?? null, context, tail),
          );
          row += 1;
        }
        offset += line.length + 1;
      });
      return;
    }
    case 'code': {
      const element = codeBlock(token as Tokens.Code, context);
      parent.append(element);
      after(element, span, context);
      return;
    }
    case 'math': {
      const math = token as MathToken;
      const element = create(doc, 'div', 'ck-math-block');
      element.append(formula(math, context));
      parent.append(element);
      after(element, span, context);
      return;
    }
    default: {
      const element = create(doc, 'p');
      element.append(token.raw);
      parent.append(element);
    }
  }
}

function listItem(item: Tokens.ListItem, span: Span | null, context: RenderContext, tail: Tail): HTMLElement {
  const element = create(context.doc, 'li');
  renderBlocks(item.tokens, element, span?.lines(item.text) ?? null, context, tail);
  if (item.task) {
    element.className = 'ck-task';
    const box = create(context.doc, 'input');
    box.setAttribute('type', 'checkbox');
    box.setAttribute('disabled', '');
    if (item.checked) box.setAttribute('checked', '');
    const first = element.firstElementChild;
    box.setAttribute('aria-label', (first?.textContent ?? '').trim().slice(0, 120));
    if (first?.localName === 'p') {
      first.prepend(box);
      // The box stands where the list's bullets do.
      first.removeAttribute('dir');
    } else element.prepend(box);
  }
  return element;
}

function tableRow(
  cells: Tokens.TableCell[],
  span: Span | null,
  context: RenderContext,
  tail: Tail,
): HTMLElement {
  const row = create(context.doc, 'tr');
  const spans = span ? cellSpans(span) : null;
  cells.forEach((cell, index) => {
    const element = create(context.doc, cell.header ? 'th' : 'td');
    if (cell.header) element.setAttribute('scope', 'col');
    if (cell.align) element.className = `ck-${cell.align}`;
    row.append(element);
    leaf(context.lex.inline(cell.tokens), element, spans?.[index] ?? null, context, tail, true);
  });
  return row;
}

function codeBlock(code: Tokens.Code, context: RenderContext): HTMLElement {
  const { doc } = context;
  const language = (code.lang ?? '').trim().split(/[\s,{]/, 1)[0] ?? '';
  const root = create(doc, 'div', 'ck-code');
  root.dir = 'ltr';
  const box = create(doc, 'div', 'ck-code-box');
  const head = create(doc, 'div', 'ck-code-head');
  const label = create(doc, 'span', 'ck-code-language');
  label.textContent = language.slice(0, 40);
  const copy = create(doc, 'button', 'ck-code-copy');
  copy.setAttribute('type', 'button');
  copy.textContent = context.copyLabel;
  const status = create(doc, 'span', 'ck-code-status');
  status.setAttribute('role', 'status');
  head.append(label, copy, status);
  const pre = create(doc, 'pre', 'ck-scroll');
  const element = create(doc, 'code');
  const open = context.hot && code.codeBlockStyle !== 'indented' && !isFenceClosed(code.raw);
  element.textContent = open ? visibleCode(code.text) : code.text.replace(/\n+$/, '');
  if (open) root.classList.add('ck-code-open');
  pre.append(element);
  box.append(head, pre);
  root.append(box);
  return root;
}

function formula(math: MathToken, context: RenderContext): HTMLElement {
  const element = create(context.doc, 'span', math.display ? 'ck-math ck-math-display' : 'ck-math');
  element.dir = 'ltr';
  element.textContent = math.closed ? math.raw.trim() : math.text;
  if (!math.closed) element.classList.add('ck-math-open');
  return element;
}

/** Citations inside code or a formula follow it as a line of their own. */
function after(element: Element, span: Span | null, context: RenderContext): void {
  if (!span) return;
  const end = blanksAfter(span.end, context.source);
  if ((context.chips[0]?.at ?? Infinity) > end) return;
  const line = create(context.doc, 'p', 'ck-cites');
  element.append(line);
  placeUpTo(end, line, context);
}

function leaf(
  tokens: Token[],
  parent: Element,
  span: Span | null,
  context: RenderContext,
  tail: Tail,
  cell = false,
): void {
  if (context.hot) markHalfAddresses(tokens);
  renderInline(tokens, parent, span, context, cell);
  direct(parent, directionIn(parent));
  tail.element = parent;
  if (span) placeUpTo(cell ? span.end : blanksAfter(span.end, context.source), parent, context);
}

function renderInline(
  tokens: Token[],
  parent: Element,
  span: Span | null,
  context: RenderContext,
  cell: boolean,
): void {
  const { doc } = context;
  let cursor = 0;
  for (const token of tokens) {
    if (token.type === 'checkbox') continue;
    const at = span ? span.find(token.raw, cursor) : 0;
    cursor = at + token.raw.length;
    if (span) placeUpTo(span.position(at), parent, context);
    switch (token.type) {
      case 'text':
        if ('tokens' in token && token.tokens)
          renderInline(token.tokens, parent, span?.sub(at, token.raw.length) ?? null, context, cell);
        else text(token.raw, parent, span?.sub(at, token.raw.length) ?? null, context, cell);
        break;
      case 'escape':
        appendText(parent, (token as Tokens.Escape).text);
        break;
      case 'strong':
      case 'em':
      case 'del': {
        const inner = token as Tokens.Strong;
        const element = create(doc, token.type as 'strong');
        parent.append(element);
        const lead = (token.raw.length - inner.text.length) / 2;
        const innerSpan = span?.sub(at + lead, inner.text.length) ?? null;
        renderInline(inner.tokens, element, innerSpan, context, cell);
        if (innerSpan) placeUpTo(innerSpan.end, element, context);
        break;
      }
      case 'codespan': {
        const element = create(doc, 'code');
        element.dir = 'ltr';
        element.textContent = (token as Tokens.Codespan).text;
        parent.append(element);
        break;
      }
      case 'br':
        parent.append(create(doc, 'br'));
        break;
      case 'link':
        link(token as Tokens.Link, parent, context, cell);
        break;
      case 'image':
        image(token as Tokens.Image, parent, context);
        break;
      case 'math':
        parent.append(formula(token as MathToken, context));
        break;
      default:
        appendText(parent, token.raw);
    }
  }
}

function text(raw: string, parent: Element, span: Span | null, context: RenderContext, cell: boolean): void {
  let from = 0;
  if (span) {
    for (let next = context.chips[0]; next && next.at < span.end; next = context.chips[0]) {
      let index = from;
      while (index < raw.length && span.position(index) < next.at) index += 1;
      index = afterReference(raw, index);
      if (cell) index = afterLineBreak(raw, index);
      const code = raw.charCodeAt(index);
      if (index > 0 && code >= 0xdc00 && code <= 0xdfff) index += 1;
      words(raw.slice(from, index), parent, context, cell);
      from = index;
      placeUpTo(next.at, parent, context);
    }
  }
  words(raw.slice(from), parent, context, cell);
}

/** The one piece of HTML that is understood: a table cell has no other way to break a line. */
const LINE_BREAK = /<br\s{0,4}\/?>/i;

/** Moves a position inside a line break past it. */
function afterLineBreak(raw: string, index: number): number {
  const open = raw.lastIndexOf('<', index - 1);
  const tag = open < 0 ? null : LINE_BREAK.exec(raw.slice(open, open + 10));
  return tag?.index === 0 ? Math.max(index, open + tag[0].length) : index;
}

function words(raw: string, parent: Element, context: RenderContext, cell: boolean): void {
  const parts = cell && raw.includes('<') ? raw.split(LINE_BREAK) : [raw];
  parts.forEach((part, index) => {
    if (index > 0) parent.append(create(context.doc, 'br'));
    appendText(parent, decodeEntities(part, context.doc));
  });
}

function link(token: Tokens.Link, parent: Element, context: RenderContext, cell: boolean): void {
  const target = safeLink(decodeEntities(token.href ?? '', context.doc), context.base);
  let element: HTMLElement;
  if (!target || parent.closest('a')) {
    element = create(context.doc, 'span');
  } else if ((token as Tokens.Link & HalfAddress).half) {
    element = create(context.doc, 'span', 'ck-link-pending');
  } else {
    element = create(context.doc, 'a');
    element.setAttribute('href', target.href);
    if (token.title) element.title = decodeEntities(token.title, context.doc);
    if (target.foreign || (context.newTabs && /^https?:/.test(target.href))) {
      element.setAttribute('target', '_blank');
      element.setAttribute('rel', 'noopener noreferrer');
    }
  }
  parent.append(element);
  renderInline(token.tokens, element, null, context, cell);
}

function image(token: Tokens.Image, parent: Element, context: RenderContext): void {
  const address = decodeEntities(token.href ?? '', context.doc);
  const alt = decodeEntities(token.text, context.doc);
  const src = allowedImage(address, context.base, context.allowedImageDomains);
  if (src !== null) {
    const element = create(context.doc, 'img');
    element.setAttribute('alt', alt);
    element.setAttribute('loading', 'lazy');
    element.setAttribute('decoding', 'async');
    element.setAttribute('referrerpolicy', 'no-referrer');
    element.setAttribute('src', src);
    if (token.title) element.title = decodeEntities(token.title, context.doc);
    parent.append(element);
    return;
  }
  // Following a link is the reader's decision; loading an image would be the model's.
  const target = safeLink(address, context.base);
  const linked = target !== null && /^https?:/.test(target.href) && !parent.closest('a');
  const element = create(context.doc, linked ? 'a' : 'span', 'ck-image-blocked');
  if (linked) {
    element.setAttribute('href', target.href);
    if (target.foreign) {
      element.setAttribute('target', '_blank');
      element.setAttribute('rel', 'noopener noreferrer');
    }
  }
  element.textContent = alt.trim() !== '' ? alt : linked ? new URL(target.href).host : '';
  parent.append(element);
}

interface HalfAddress {
  half?: boolean;
}

/**
 * An address written out in the text is complete only when a blank follows it: until then "https://example.co"
 * may become "https://example.com". Returns whether a blank was found.
 */
function markHalfAddresses(tokens: Token[]): boolean {
  for (let i = tokens.length - 1; i >= 0; i -= 1) {
    const token = tokens[i];
    if (!token) continue;
    if (token.type === 'link') {
      if (!token.raw.startsWith('[') && !token.raw.startsWith('<')) (token as HalfAddress).half = true;
    } else if ('tokens' in token && token.tokens && markHalfAddresses(token.tokens)) return true;
    if (/\s/.test(token.raw)) return true;
  }
  return false;
}

/** Where the blanks after a position end: what is cited there belongs to the words before them. */
function blanksAfter(position: number, source: string): number {
  let at = position;
  while (at < source.length && /\s/.test(source[at] ?? '')) at += 1;
  return at;
}

function placeUpTo(position: number, parent: Element, context: RenderContext): void {
  for (let chip = context.chips[0]; chip && chip.at <= position; chip = context.chips[0]) {
    context.chips.shift();
    place(chip, parent, context);
  }
}

function placeRest(root: HTMLElement, context: RenderContext, tail: Tail): void {
  if (context.chips.length === 0) return;
  let parent: Element = tail.element ?? root;
  if (!tail.element && root.localName === 'div') {
    parent = root.querySelector(':scope > .ck-cites') ?? create(context.doc, 'p', 'ck-cites');
    root.append(parent);
  }
  for (const chip of context.chips.splice(0)) place(chip, parent, context);
}

function place(chip: Chip, parent: Element, context: RenderContext): void {
  const slot = create(context.doc, 'span', 'ck-cite');
  slotKeys.set(slot, chip.key);
  parent.append(slot);
}

/**
 * Sets a direction, or leaves it to what is around. Not `dir="auto"`: browsers look at the first letter only, which
 * in technical text is often that of a foreign name, and Chromium does not always look again when text grows.
 */
export function direct(element: Element, direction: 'ltr' | 'rtl' | null): void {
  if (direction === null) element.removeAttribute('dir');
  else if (element.getAttribute('dir') !== direction) element.setAttribute('dir', direction);
}

function appendText(parent: Element, value: string): void {
  if (value === '') return;
  const last = parent.lastChild;
  if (last?.nodeType === 3) (last as Text).appendData(value);
  else parent.append(value);
}

function create<K extends keyof HTMLElementTagNameMap>(
  doc: Document,
  name: K,
  className = '',
): HTMLElementTagNameMap[K] {
  const element = doc.createElement(name);
  if (className !== '') element.className = className;
  return element;
}
