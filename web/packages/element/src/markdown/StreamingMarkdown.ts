import type { Token, Tokens } from 'marked';
import { directionOf, enough, type Words, wordsOf } from './direction.js';
import { highlight, isLanguageReady, languageOf, loadLanguage } from './highlight.js';
import { BlockLex, type LinkDefinitions } from './lexer.js';
import { isMathReady, loadMath, renderMath } from './math.js';
import { morph, slotKeys } from './morph.js';
import {
  type Chip,
  direct,
  listFrame,
  type RenderContext,
  renderBlock,
  renderItem,
  renderRow,
  tableFrame,
} from './render.js';
import { isFenceClosed, repairTail, visibleCode } from './repair.js';
import { sanitize } from './sanitize.js';

/** A citation to be shown in the text. */
export interface MarkdownAnnotation {
  /** Unicode code points into the source: the position just after the cited words. */
  index: number;
  /** The inline citation chip. Called once for each key; the node is reused. */
  render(): HTMLElement;
  key: string;
}

/** How Markdown is rendered. */
export interface MarkdownOptions {
  /** Hosts whose images (theirs and their subdomains') are loaded. None by default. */
  allowedImageDomains?: readonly string[] | null;
  /** Whether links to places of the same site open a tab of their own, as those to others always do. */
  newTabs?: boolean;
  /** A link was clicked or activated by keyboard. Prevent the event's default to keep the browser from following. */
  onLink?(event: { href: string; originalEvent: MouseEvent }): void;
  strings: { copyCode: string; copied: string };
}

/**
 * Units built in one inert document. The sanitiser leaves a NodeIterator behind in it for each, until a collection of
 * garbage, and a browser asks all of them about every node that moves out: with thousands, that takes longer than
 * everything else.
 */
const MAX_INERT_USES = 32;

/** Work that may take long makes room for other tasks after this. Milliseconds. */
const SLICE = 24;

/** A last line that may underline a heading. */
const UNDERLINE = /(?:^|\n) {0,3}(?:-+|=+)[ \t]*$/;

/** More new text than this is shown in steps. UTF-16 units of source. */
const MAX_AT_ONCE = 6000;
const STEP = 3000;

interface Wanted {
  text: string;
  annotations: readonly MarkdownAnnotation[];
  done: boolean;
}

type Kind = 'block' | 'item' | 'head' | 'row';

/** A list or table, of which each item or row is a unit of its own. */
interface Group {
  start: number;
  token: Tokens.List | Tokens.Table;
  /** A table's header and delimiter row, needed to lex later rows. */
  head: string;
  view: GroupView | null;
}

interface GroupView {
  root: HTMLElement;
  head: HTMLElement;
  body: HTMLElement;
}

/** The smallest piece that is lexed, rendered, sanitised and kept on its own. */
interface Unit {
  kind: Kind;
  start: number;
  raw: string;
  token: Token;
  cells: Tokens.TableCell[] | null;
  group: Group | null;
  lex: BlockLex;
  /** Everything its DOM depends on. */
  rendered: string;
  /** What it says about the direction of its group. */
  words: Words | null;
  element: HTMLElement | null;
}

interface OpenFence {
  code: Text;
  contentStart: number;
  /** Where the last, unfinished line begins: what is before it cannot contain the closing fence. */
  scanned: number;
  close: RegExp;
}

/**
 * Renders Markdown that is still being written.
 *
 * The text is split into units (blocks, list items, table rows). An update lexes from the second last unit on, since
 * nothing before it can change any more, and renders only units that differ from what is shown. Only the display of
 * the last unit is repaired (see `repairTail`); when the text is done it is lexed once as a whole and compared, so
 * that the outcome is the same however the text was cut.
 */
export class StreamingMarkdown {
  private inert = document.implementation.createHTMLDocument('');
  private inertUses = 0;
  private readonly observer: ResizeObserver | null;
  private readonly chipNodes = new Map<string, HTMLElement>();
  private readonly copiedTimers = new Map<Element, ReturnType<typeof setTimeout>>();
  private readonly observed = new Set<Element>();
  private units: Unit[] = [];
  /** Index of the first unit to lex again. */
  private restart = 0;
  private definitions = '';
  private settledDefinitions: LinkDefinitions = Object.create(null) as LinkDefinitions;
  private fence: OpenFence | null = null;
  private raw = '';
  private text = '';
  private removedReturns: number[] = [];
  private done = false;
  private annotations: readonly MarkdownAnnotation[] = [];
  private offsets = new Map<string, { index: number; offset: number }>();
  private checkpoint = { points: 0, units: 0 };
  private annotationSignature = '';
  private alive = true;
  /** What was last asked for. */
  private wanted: Wanted = { text: '', annotations: [], done: false };
  private feeding: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly container: HTMLElement,
    private options: MarkdownOptions,
  ) {
    this.observer =
      typeof ResizeObserver === 'function' ? new ResizeObserver((entries) => this.onResize(entries)) : null;
    container.classList.add('ck-markdown');
    container.addEventListener('click', this.onClick);
    container.addEventListener('auxclick', this.onClick);
  }

  /**
   * Shows `text`, the whole source so far. `done` says that nothing will follow. Text that only grew costs as much
   * as its last block, whatever its length; other changes are rendered anew where they differ. A lot of text at once
   * is shown bit by bit, over several tasks, as if it had been streamed; see `finish`.
   */
  update(text: string, annotations: readonly MarkdownAnnotation[], done: boolean): void {
    if (!this.alive) return;
    this.wanted = { text, annotations, done };
    if (this.feeding === undefined) this.feed();
  }

  /** Shows at once what is still to come of a long text. */
  finish(): void {
    if (this.feeding === undefined) return;
    clearTimeout(this.feeding);
    this.feeding = undefined;
    const { text, annotations, done } = this.wanted;
    this.apply(text, annotations, done);
  }

  private feed(): void {
    this.feeding = undefined;
    const { text, annotations, done } = this.wanted;
    const until = performance.now() + SLICE;
    while (text.length - this.raw.length > MAX_AT_ONCE && text.startsWith(this.raw)) {
      if (performance.now() >= until) {
        this.feeding = setTimeout(() => this.feed());
        return;
      }
      const end = this.stepEnd(text);
      if (end === text.length) break;
      this.apply(
        text.slice(0, end),
        annotations.filter(({ index }) => index <= end),
        false,
      );
    }
    this.apply(text, annotations, done);
  }

  /** Where the next step of a long text ends. */
  private stepEnd(text: string): number {
    const least = this.raw.length + STEP;
    const last = this.units.at(-1);
    if (last && last.token.type !== 'code' && last.raw.length > MAX_AT_ONCE) {
      // A giant paragraph is rendered as a whole at each step, so there must be few.
      const blank = text.indexOf('\n\n', least);
      return blank < 0 ? text.length : blank + 2;
    }
    // At the end of a line, where one is near: nothing half-written is shown that is whole.
    const line = text.indexOf('\n', least);
    return line < 0 || line > least + STEP ? least : line + 1;
  }

  private apply(text: string, annotations: readonly MarkdownAnnotation[], done: boolean): void {
    const grew = text.length >= this.raw.length && text.startsWith(this.raw);
    const sameText = grew && text.length === this.raw.length && done === this.done;
    const before = this.text;
    if (!sameText) this.takeText(text, grew, done);
    const appended = grew && this.text.startsWith(before);
    const annotated = this.takeAnnotations(annotations);
    if (sameText && !annotated) return;
    if (!annotated && !done && appended && this.growFence()) return;
    this.fence = null;
    if (sameText) this.show(this.units, this.units.length, false);
    else this.relex(appended && !done && !this.done ? this.restart : 0, done);
    this.done = done;
  }

  /** Replaces the options and shows the text again under them. */
  setOptions(options: MarkdownOptions): void {
    this.options = options;
    if (!this.alive) return;
    for (const unit of this.units) unit.rendered = '';
    this.fence = null;
    this.show(this.units, this.units.length, !this.done);
  }

  /** Removes everything that was rendered and every listener. */
  destroy(): void {
    this.alive = false;
    clearTimeout(this.feeding);
    this.feeding = undefined;
    this.container.removeEventListener('click', this.onClick);
    this.container.removeEventListener('auxclick', this.onClick);
    this.observer?.disconnect();
    for (const timer of this.copiedTimers.values()) clearTimeout(timer);
    this.copiedTimers.clear();
    this.container.replaceChildren();
    this.units = [];
    this.chipNodes.clear();
  }

  /** Normalises line ends as CommonMark wants them, remembering what was removed so that positions can be mapped. */
  private takeText(text: string, grew: boolean, done: boolean): void {
    if (!grew) {
      this.offsets.clear();
      this.checkpoint = { points: 0, units: 0 };
    }
    this.raw = text;
    let usable = text;
    // Half a character or half a line end waits for its other half.
    if (!done) usable = text.replace(/(?:\r|[\ud800-\udbff])$/, '');
    this.removedReturns = [];
    if (usable.includes('\r')) {
      for (let at = usable.indexOf('\r\n'); at >= 0; at = usable.indexOf('\r\n', at + 2))
        this.removedReturns.push(at);
      usable = usable.replace(/\r\n?/g, '\n');
    }
    this.text = usable.includes('\0') ? usable.replaceAll('\0', '\ufffd') : usable;
  }

  private takeAnnotations(annotations: readonly MarkdownAnnotation[]): boolean {
    const seen = new Set<string>();
    this.annotations = annotations.filter(({ key }) => !seen.has(key) && seen.add(key));
    for (const key of this.chipNodes.keys()) if (!seen.has(key)) this.chipNodes.delete(key);
    const signature = this.annotations.map(({ key, index }) => `${key}@${index}`).join('\n');
    const changed = signature !== this.annotationSignature;
    this.annotationSignature = signature;
    return changed;
  }

  /** While code streams into an open fence, only its text node grows. */
  private growFence(): boolean {
    const { fence } = this;
    const last = this.units.at(-1);
    if (!fence || !last || this.annotations.length > 0) return false;
    fence.close.lastIndex = fence.scanned;
    if (fence.close.test(this.text)) return false;
    fence.scanned = Math.max(fence.scanned, this.text.lastIndexOf('\n') + 1);
    const shown = visibleCode(this.text.slice(fence.contentStart));
    if (shown.startsWith(fence.code.data)) fence.code.appendData(shown.slice(fence.code.data.length));
    else fence.code.data = shown;
    last.rendered = '';
    return true;
  }

  private relex(from: number, done: boolean): void {
    let keep = Math.min(from, this.units.length);
    let lexed = this.lexFrom(keep);
    if (!lexed) {
      // A list or table ended where it was expected to go on: lex it from its beginning.
      const { group } = this.units[keep] as Unit;
      while (keep > 0 && this.units[keep - 1]?.group === group) keep -= 1;
      lexed = this.lexFrom(keep);
    }
    if (!lexed) return;
    const fresh = lexed;
    // marked ends a paragraph before a line that what follows may underline; when it is no underline after all, that
    // line belongs to the paragraph again.
    const open = UNDERLINE.test(this.text.slice(-200)) ? 3 : 2;
    const settled = keep + Math.max(0, fresh.length - open);
    const definitions = this.define(keep, fresh, done);
    const redefined = definitions !== this.definitions;
    this.definitions = definitions;

    const last = fresh.at(-1);
    const shown = [...this.units.slice(0, keep), ...fresh];
    if (last && !done) {
      const display = this.repaired(last, shown.at(-2) ?? null);
      if (display) shown.splice(-1, 1, ...display);
    }
    if (redefined) {
      for (const lex of new Set(shown.filter(({ raw }) => raw.includes('[')).map(({ lex }) => lex))) {
        lex.define(this.settledDefinitions);
        lex.forgetInline();
      }
    }
    this.restart = Math.min(settled, shown.length);
    this.show(shown, redefined ? 0 : keep, !done);
  }

  /** Lexes the text from unit `keep` on. Null: the unit no longer continues the group it belonged to. */
  private lexFrom(keep: number): Unit[] | null {
    const first = this.units[keep];
    // Text before the first unit (blank lines) is part of the first lex.
    const start = keep === 0 ? 0 : (first?.start ?? this.text.length);
    const previous = this.units[keep - 1];
    const group = keep > 0 && first?.group && first.group === previous?.group ? first.group : null;
    return this.lexSlice(this.text.slice(start), start, group);
  }

  private lexSlice(source: string, start: number, group: Group | null): Unit[] | null {
    const prefix = group && group.token.type === 'table' ? `${group.head}\n` : '';
    const lex = new BlockLex(prefix + source);
    if (group && lex.tokens[0]?.type !== group.token.type) return null;
    return this.flatten(lex, prefix + source, start - prefix.length, group);
  }

  /** The units of lexed tokens. `group` is the list or table that the first token continues. */
  private flatten(lex: BlockLex, source: string, start: number, group: Group | null): Unit[] {
    const units: Unit[] = [];
    let at = 0;
    let continued = group;
    for (const token of lex.tokens) {
      const found = source.startsWith(token.raw, at) ? at : source.indexOf(token.raw, at);
      const from = found < 0 ? at : found;
      at = from + token.raw.length;
      if (token.type === 'space') continue;
      const base = {
        start: start + from,
        raw: token.raw,
        token,
        cells: null,
        lex,
        rendered: '',
        words: null,
        element: null,
      };
      if (token.type === 'list') {
        const list = token as Tokens.List;
        const own = continued ?? { start: start + from, token: list, head: '', view: null };
        let offset = from;
        for (const item of list.items) {
          units.push({
            ...base,
            kind: 'item',
            start: start + offset,
            raw: item.raw,
            token: item,
            group: own,
          });
          offset += item.raw.length;
        }
      } else if (token.type === 'table') {
        const table = token as Tokens.Table;
        const lines = token.raw.split('\n');
        const head = lines.slice(0, 2).join('\n');
        const own = continued ?? { start: start + from, token: table, head, view: null };
        if (!continued) units.push({ ...base, kind: 'head', raw: head, cells: table.header, group: own });
        let offset = from + head.length + 1;
        table.rows.forEach((cells, index) => {
          const raw = lines[index + 2] ?? '';
          units.push({ ...base, kind: 'row', start: start + offset, raw, cells, group: own });
          offset += raw.length + 1;
        });
      } else units.push({ ...base, kind: 'block', group: null });
      continued = null;
    }
    return units;
  }

  /** The units to show for the growing last one, or null if it can be shown as it is. */
  private repaired(last: Unit, previous: Unit | null): Unit[] | null {
    const leafToken = last.kind === 'row' || last.kind === 'head' ? null : last.token;
    const ended = this.text.endsWith('\n') && !last.raw.endsWith('\n') ? `${last.raw}\n` : last.raw;
    const afterItem = previous?.kind === 'item' && previous.group !== last.group;
    const display = repairTail(ended, last.kind, leafToken, afterItem);
    if (display === ended) return null;
    const inGroup = last.group && last.group === previous?.group ? last.group : null;
    const units =
      display.trim() === ''
        ? []
        : (this.lexSlice(display, last.start, inGroup) ?? this.lexSlice(display, last.start, null) ?? []);
    for (const unit of units) unit.lex.define(this.settledDefinitions);
    return units;
  }

  /** Collects the reference definitions; half a definition at the end does not count yet. */
  private define(keep: number, fresh: readonly Unit[], done: boolean): string {
    const links = Object.create(null) as LinkDefinitions;
    const all = [...this.units.slice(0, keep), ...fresh];
    const lastUnit = all.at(-1);
    let signature = '';
    for (const unit of all) {
      if (unit.token.type !== 'def') continue;
      if (unit === lastUnit && !done && !this.text.endsWith('\n')) continue;
      const { tag, href, title } = unit.token as Tokens.Def;
      if (links[tag]) continue;
      links[tag] = { href, title: title ?? null };
      signature += `${tag}\n${href}\n${title ?? ''}\n`;
    }
    this.settledDefinitions = links;
    for (const unit of fresh) unit.lex.define(links);
    return signature;
  }

  /** Brings the DOM to `units`, of which the first `keep` are already shown as they are. */
  private show(units: Unit[], keep: number, hot: boolean): void {
    const old = this.units;
    const chips = this.chipsOf(units);
    const from = chips.size > 0 || this.annotationsShown ? 0 : Math.min(keep, units.length);
    this.annotationsShown = chips.size > 0;
    const fresh = units.slice(keep);
    const stale = new Set<Element>();
    for (const unit of old.slice(keep)) {
      if (unit.element) stale.add(unit.element);
      if (unit.group?.view) stale.add(unit.group.view.root);
    }

    // Old elements are handed to the unit that stands in their place now.
    fresh.forEach((unit, index) => {
      const before = old[keep + index];
      if (!before || before === unit || before.kind !== unit.kind) return;
      if (
        unit.group &&
        before.group &&
        unit.group !== before.group &&
        !unit.group.view &&
        sameGroup(unit.group, before.group)
      ) {
        unit.group.view = before.group.view;
      }
      if (unit.group && unit.group.view !== before.group?.view) return;
      unit.element = before.element;
      unit.rendered = before.rendered;
      unit.words = before.words;
    });

    for (let i = from; i < units.length; i += 1) {
      const unit = units[i] as Unit;
      this.renderUnit(unit, chips.get(unit) ?? [], hot && i === units.length - 1);
    }

    for (const unit of fresh) {
      if (unit.element) stale.delete(unit.element);
      if (unit.group?.view) stale.delete(unit.group.view.root);
    }
    const last = units[keep - 1];
    if (last?.group?.view) stale.delete(last.group.view.root);
    for (const element of stale) this.forget(element);

    this.arrange(units, keep);
    this.units = units;
    this.trackFence(hot);
  }

  private annotationsShown = false;

  private renderUnit(unit: Unit, chips: readonly Chip[], hot: boolean): void {
    const signature = `${hot ? 'h' : 'd'}${chips.map(({ at, key }) => `${key}@${at - unit.start}`).join(' ')}\n${unit.token.type}\n${unit.group?.head ?? ''}\n${unit.raw}${unit.raw.includes('[') ? this.definitions : ''}`;
    if (unit.rendered === signature) return;
    unit.rendered = signature;
    this.inertUses += 1;
    if (this.inertUses > MAX_INERT_USES) {
      this.inert = document.implementation.createHTMLDocument('');
      this.inertUses = 0;
    }
    const context: RenderContext = {
      doc: this.inert,
      base: this.container.baseURI,
      newTabs: this.options.newTabs === true,
      allowedImageDomains: this.options.allowedImageDomains,
      copyLabel: this.options.strings.copyCode,
      lex: unit.lex,
      hot,
      chips: [...chips],
      source: this.text,
    };
    let next: HTMLElement | null;
    if (unit.kind === 'item') next = renderItem(unit.token as Tokens.ListItem, unit.start, context);
    else if (unit.cells) next = renderRow(unit.cells, unit.raw, unit.start, context);
    else next = renderBlock(unit.token, unit.start, context);
    unit.words = null;
    if (next) {
      sanitize(next);
      this.fill(next);
    }
    const current = unit.element;
    if (current && next && current.localName === next.localName && current.className === next.className)
      morph(current, next);
    else {
      if (current) this.forget(current);
      unit.element = next;
    }
    if (unit.element) this.settle(unit.element);
  }

  /** Puts units into their places; nodes that are in place are not touched. */
  private arrange(units: readonly Unit[], keep: number): void {
    const before = units[keep - 1];
    const anchor = before && this.lastRoot(units, keep);
    let at: ChildNode | null = anchor ? anchor.nextSibling : this.container.firstChild;
    let group: Group | null = before?.group ?? null;
    let inside = this.afterMembers(units, keep);
    // A new frame is put in when it is filled: members are cheaper to add while nothing has to be laid out.
    let frame: HTMLElement | null = null;
    const placeFrame = () => {
      if (frame) this.container.insertBefore(frame, at);
      frame = null;
    };
    for (const unit of units.slice(keep)) {
      const { element } = unit;
      if (unit.group !== group) placeFrame();
      if (!unit.group) {
        group = null;
        if (!element) continue;
        if (at === element) at = element.nextSibling;
        else this.container.insertBefore(element, at);
        continue;
      }
      const view = (unit.group.view ??= this.createView(unit.group));
      if (unit.group !== group) {
        group = unit.group;
        inside = view.body.firstChild;
        if (at === view.root) at = view.root.nextSibling;
        else if (view.root.parentNode) this.container.insertBefore(view.root, at);
        else frame = view.root;
      }
      if (!element) continue;
      if (unit.kind === 'head') {
        if (view.head.firstChild !== element) view.head.replaceChildren(element);
      } else if (inside === element) inside = element.nextSibling;
      else view.body.insertBefore(element, inside);
    }
    this.loosen(units, keep);
    this.orient(units, keep);
    placeFrame();
  }

  /** Where the next member of the list or table that unit `keep` continues belongs. */
  private afterMembers(units: readonly Unit[], keep: number): ChildNode | null {
    const group = units[keep - 1]?.group;
    if (!group?.view) return null;
    for (let i = keep - 1; units[i]?.group === group; i -= 1) {
      const element = units[i]?.element;
      if (element?.parentElement === group.view.body) return element.nextSibling;
    }
    return group.view.body.firstChild;
  }

  private lastRoot(units: readonly Unit[], keep: number): Element | null {
    for (let i = keep - 1; i >= 0; i -= 1) {
      const root = units[i]?.group?.view?.root ?? units[i]?.element;
      if (root) return root;
    }
    return null;
  }

  private createView(group: Group): GroupView {
    // Not in the inert document: members would take their iterators there (see MAX_INERT_USES).
    const doc = this.container.ownerDocument;
    if (group.token.type === 'list') {
      const root = listFrame(group.token as Tokens.List, doc);
      return { root, head: root, body: root };
    }
    const view = tableFrame(doc);
    this.watch(view.root);
    return view;
  }

  /** A list with blank lines in it gets more air. Judged over all its items, since marked sees only those it lexes. */
  private loosen(units: readonly Unit[], keep: number): void {
    let index = keep;
    while (index > 0 && units[index]?.kind === 'item' && units[index - 1]?.group === units[index]?.group)
      index -= 1;
    const loose = new Map<Group, boolean>();
    for (; index < units.length; index += 1) {
      const unit = units[index] as Unit;
      if (unit.kind !== 'item' || !unit.group) continue;
      const inner =
        unit.token.type === 'list_item' && (unit.token.tokens ?? []).some((token) => token.type === 'space');
      const followed = units[index + 1]?.group === unit.group && /\n[ \t]*\n[ \t]*$/.test(unit.raw);
      loose.set(unit.group, (loose.get(unit.group) ?? false) || inner || followed);
    }
    for (const [group, isLoose] of loose) {
      const root = group.view?.root;
      if (!root) continue;
      if (root.classList.contains('ck-loose') === isLoose) continue;
      if (isLoose) root.className = 'ck-loose';
      else root.removeAttribute('class');
    }
  }

  /** Gives each list and table the direction of its first words, so that all its bullets or columns agree. */
  private orient(units: readonly Unit[], keep: number): void {
    let index = keep;
    while (index > 0 && units[index - 1]?.group && units[index - 1]?.group === units[index]?.group)
      index -= 1;
    while (index < units.length) {
      const group = units[index]?.group;
      const words = { ltr: 0, rtl: 0 };
      for (; units[index]?.group === group && index < units.length; index += 1) {
        const unit = units[index];
        if (!group || !unit?.element || enough(words)) continue;
        unit.words ??= wordsOf(unit.element);
        words.ltr += unit.words.ltr;
        words.rtl += unit.words.rtl;
      }
      if (group?.view) direct(group.view.root, directionOf(words));
    }
  }

  /** Fills in what the sanitiser must not see or has already seen: colours, formulas. */
  private fill(root: HTMLElement): void {
    for (const element of root.querySelectorAll<HTMLElement>('.ck-math')) {
      if (isMathReady()) this.fillFormula(element);
    }
    for (const element of root.querySelectorAll<HTMLElement>('.ck-code-box code')) this.colour(element);
  }

  private fillFormula(element: HTMLElement): void {
    if (element.classList.contains('ck-math-open') || element.firstElementChild) return;
    const tex = (element.textContent ?? '').replace(/^(?:\$\$?|\\[([])|(?:\$\$?|\\[)\]])$/g, '').trim();
    const math = renderMath(tex, element.classList.contains('ck-math-display'), element.ownerDocument);
    if (math) element.replaceChildren(math);
    else element.classList.add('ck-math-failed');
  }

  private colour(element: HTMLElement): void {
    // Coloured already, or still growing.
    if (element.firstElementChild || element.closest('.ck-code-open')) return;
    const language = languageOf(labelOf(element));
    if (language !== undefined && isLanguageReady(language))
      highlight(element, element.textContent ?? '', language);
  }

  /** Starts what the new content of a unit needs: its chips, lazy parts, and overflow watching. */
  private settle(root: HTMLElement): void {
    for (const slot of root.querySelectorAll<HTMLElement>('.ck-cite')) this.fillSlot(slot);
    for (const element of root.querySelectorAll<HTMLElement>('.ck-scroll')) this.watch(element);
    if (!isMathReady() && root.querySelector('.ck-math:not(.ck-math-open)')) {
      void loadMath().then((loaded) => {
        if (!this.alive || !loaded) return;
        this.overTasks([...this.container.querySelectorAll<HTMLElement>('.ck-math')], (element) =>
          this.fillFormula(element),
        );
      });
    }
    for (const element of root.querySelectorAll<HTMLElement>('.ck-code-box code')) {
      const language = languageOf(labelOf(element));
      if (language === undefined || isLanguageReady(language)) continue;
      void loadLanguage(language).then((loaded) => {
        if (!this.alive || !loaded) return;
        this.overTasks([...this.container.querySelectorAll<HTMLElement>('.ck-code-box code')], (code) =>
          this.colour(code),
        );
      });
    }
  }

  /** Does something to many elements without keeping the page from answering. Those that are gone are left out. */
  private overTasks(elements: readonly HTMLElement[], run: (element: HTMLElement) => void): void {
    const until = performance.now() + SLICE;
    let next = 0;
    for (; next < elements.length && (next === 0 || performance.now() < until); next += 1) {
      const element = elements[next] as HTMLElement;
      if (this.container.contains(element)) run(element);
    }
    if (next < elements.length) {
      setTimeout(() => {
        if (this.alive) this.overTasks(elements.slice(next), run);
      });
    }
  }

  private fillSlot(slot: HTMLElement): void {
    const key = slotKeys.get(slot);
    if (key === undefined) return;
    let node = this.chipNodes.get(key);
    if (!node) {
      const annotation = this.annotations.find((candidate) => candidate.key === key);
      if (!annotation) return;
      node = annotation.render();
      this.chipNodes.set(key, node);
    }
    if (node.parentNode !== slot) slot.append(node);
  }

  private forget(element: Element): void {
    for (const watched of [element, ...element.querySelectorAll('.ck-scroll')]) {
      if (this.observed.delete(watched)) this.observer?.unobserve(watched);
    }
    element.remove();
  }

  private watch(element: Element): void {
    if (this.observed.has(element)) return;
    this.observed.add(element);
    this.observer?.observe(element);
    // The content grows without the box changing, so it is watched too.
    if (element.firstElementChild) this.observer?.observe(element.firstElementChild);
  }

  /** A box that scrolls sideways can be reached and scrolled with the keyboard, and says what it is. */
  private onResize(entries: readonly ResizeObserverEntry[]): void {
    const boxes = new Set(
      entries.map(({ target }) => target.closest('.ck-scroll')).filter((box) => box !== null),
    );
    for (const box of boxes) {
      if (!box.isConnected) {
        this.observer?.unobserve(box);
        this.observed.delete(box);
      } else if (box.scrollWidth > box.clientWidth + 1) {
        box.setAttribute('tabindex', '0');
        box.setAttribute('role', 'group');
        const cells = [...box.querySelectorAll('th')].map((cell) => cell.textContent?.trim() ?? '');
        const label = cells.length > 0 ? cells.filter(Boolean).join(', ') : labelOf(box);
        box.setAttribute('aria-label', label === '' ? '…' : label);
      } else {
        for (const name of ['tabindex', 'role', 'aria-label']) box.removeAttribute(name);
      }
    }
  }

  private trackFence(hot: boolean): void {
    this.fence = null;
    const last = this.units.at(-1);
    if (
      !hot ||
      last?.kind !== 'block' ||
      last.token.type !== 'code' ||
      !last.element ||
      this.annotations.length > 0
    )
      return;
    const open = /^(`{3,}|~{3,})[^\n]*\n/.exec(this.text.slice(last.start, last.start + 400));
    const fence = open?.[1];
    if (!open || fence === undefined || isFenceClosed(last.raw)) return;
    const code = last.element.querySelector('pre > code');
    if (!code) return;
    if (!code.firstChild) code.append('');
    const contentStart = last.start + open[0].length;
    this.fence = {
      code: code.firstChild as Text,
      contentStart,
      scanned: Math.max(contentStart, this.text.lastIndexOf('\n') + 1),
      close: new RegExp(`^[ \\t]*${fence[0]}{${fence.length},}[ \\t]*$`, 'gm'),
    };
  }

  /** Which citations each unit shows: those after its beginning, up to and including the next one's. */
  private chipsOf(units: readonly Unit[]): Map<Unit, Chip[]> {
    const result = new Map<Unit, Chip[]>();
    if (this.annotations.length === 0) return result;
    const chips = this.annotations
      .map(({ key, index }) => ({ key, at: this.offsetOf(key, index) }))
      .sort((a, b) => a.at - b.at);
    const holders = units.filter(({ token }) => token.type !== 'def' && token.type !== 'hr');
    let next = 0;
    for (const chip of chips) {
      while (next + 1 < holders.length && (holders[next + 1] as Unit).start < chip.at) next += 1;
      const holder = holders[next];
      if (!holder) break;
      const list = result.get(holder);
      if (list) list.push(chip);
      else result.set(holder, [chip]);
    }
    return result;
  }

  /** The position of a code point index in the normalised text. Known ones are remembered: the text only grows. */
  private offsetOf(key: string, index: number): number {
    const known = this.offsets.get(key);
    let offset: number;
    if (known && known.index === index) ({ offset } = known);
    else {
      if (this.checkpoint.points > index) this.checkpoint = { points: 0, units: 0 };
      let { points, units } = this.checkpoint;
      while (points < index && units < this.raw.length) {
        const code = this.raw.charCodeAt(units);
        const next = this.raw.charCodeAt(units + 1);
        units += code >= 0xd800 && code <= 0xdbff && next >= 0xdc00 && next <= 0xdfff ? 2 : 1;
        points += 1;
      }
      this.checkpoint = { points, units };
      offset = units;
      // The last character may be half of one, so the end is looked at again next time.
      if (points === index && units < this.raw.length) this.offsets.set(key, { index, offset });
      else this.checkpoint = { points: 0, units: 0 };
    }
    let removed = 0;
    while (removed < this.removedReturns.length && (this.removedReturns[removed] as number) < offset)
      removed += 1;
    return offset - removed;
  }

  private readonly onClick = (event: MouseEvent): void => {
    const origin = event.composedPath()[0];
    if (!(origin instanceof Element)) return;
    const copy = event.type === 'click' ? origin.closest('.ck-code-copy') : null;
    if (copy && this.container.contains(copy)) {
      void this.copy(copy);
      return;
    }
    const link = origin.closest('a[href]');
    if (!link || !this.container.contains(link) || link.closest('.ck-cite')) return;
    if (event.type === 'auxclick' && event.button !== 1) return;
    this.options.onLink?.({ href: link.getAttribute('href') ?? '', originalEvent: event });
  };

  private async copy(button: Element): Promise<void> {
    const block = button.closest('.ck-code');
    const code = block?.querySelector('pre > code')?.textContent ?? '';
    if (!(await writeClipboard(code, button)) || !this.alive) return;
    const status = block?.querySelector('.ck-code-status');
    const { copied } = this.options.strings;
    button.textContent = copied;
    button.classList.add('ck-copied');
    if (status) status.textContent = copied;
    const running = this.copiedTimers.get(button);
    if (running !== undefined) clearTimeout(running);
    this.copiedTimers.set(
      button,
      setTimeout(() => {
        this.copiedTimers.delete(button);
        button.textContent = this.options.strings.copyCode;
        button.classList.remove('ck-copied');
        if (status) status.textContent = '';
      }, 2000),
    );
  }
}

/** The language written on the code block that `inside` belongs to. */
function labelOf(inside: Element): string {
  return inside.closest('.ck-code')?.querySelector('.ck-code-language')?.textContent ?? '';
}

function sameGroup(a: Group, b: Group): boolean {
  if (a.start !== b.start || a.token.type !== b.token.type) return false;
  if (a.token.type !== 'list') return true;
  const [x, y] = [a.token as Tokens.List, b.token as Tokens.List];
  return x.ordered === y.ordered && x.start === y.start;
}

/** Copies text; pages without clipboard access (plain http, a frame without permission) get the old way. */
async function writeClipboard(text: string, near: Element): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement('textarea');
    area.value = text;
    area.setAttribute('readonly', '');
    area.className = 'ck-copy-source';
    near.after(area);
    area.select();
    let copied = false;
    try {
      copied = document.execCommand('copy');
    } catch {
      copied = false;
    }
    area.remove();
    if (near instanceof HTMLElement) near.focus();
    return copied;
  }
}
