import { html, nothing, type TemplateResult } from 'lit';
import { icon } from '../../icons.js';
import { isRecord, optionalText, text, token, type WidgetNode } from '../nodes.js';
import type { Scope } from '../view.js';
import { changed, CONTROL_SIZES, CONTROL_VARIANTS } from './controls.js';
import { describeField, fieldError, humanName } from './field.js';

/** The reference's default: a longer list can be searched. */
const SEARCH_FROM = 15;
const GAP = 4;
const MARGIN = 8;
/** Keys that follow within this time go on spelling the same word. */
const TYPE_AHEAD_MS = 700;

interface Option {
  readonly value: string;
  readonly label: string;
  readonly description: string | undefined;
  readonly disabled: boolean;
}

interface State {
  open: boolean;
  /** What the user picked; undefined until then, so that the default may still change. */
  picked: string | undefined;
  query: string;
  active: number;
  typed: string;
  typedAt: number;
  stop: (() => void) | null;
}

function optionsOf(node: WidgetNode): Option[] {
  return (Array.isArray(node.options) ? node.options : []).filter(isRecord).map((option) => ({
    value: text(option.value),
    label: text(option.label) || text(option.value),
    description: optionalText(option.description),
    disabled: option.disabled === true,
  }));
}

/** A drop-down list. The list lives in the top layer, where no card or scroller cuts it off. */
export function select(node: WidgetNode, scope: Scope): TemplateResult {
  const { view } = scope;
  const { strings } = view;
  const name = text(node.name);
  const field = describeField(scope, { name, placeholder: node.placeholder });
  const accessibleName = field.label ?? humanName(name);
  const listId = view.domId(scope, 'list');
  const valueId = view.domId(scope, 'value');
  const state = view.local<State>(scope.path, () => ({
    open: false,
    picked: undefined,
    query: '',
    active: -1,
    typed: '',
    typedAt: 0,
    stop: null,
  }));
  const options = optionsOf(node);
  const value = state.picked ?? text(node.defaultValue);
  const chosen = options.find((option) => option.value === value && value !== '');
  const searchable = typeof node.searchable === 'boolean' ? node.searchable : options.length > SEARCH_FROM;
  const query = state.query.trim().toLocaleLowerCase();
  const shown =
    query === ''
      ? options
      : options.filter((option) =>
          `${option.label} ${option.description ?? ''}`.toLocaleLowerCase().includes(query),
        );
  const activeId = state.active >= 0 && state.active < shown.length ? `${listId}-${state.active}` : undefined;

  const parts = (event: Event) => {
    const root = (event.currentTarget as Element).closest<HTMLElement>('.w-select');
    return {
      trigger: root?.querySelector<HTMLElement>('.w-select-button') ?? null,
      popup: root?.querySelector<HTMLElement>('.w-popup') ?? null,
    };
  };

  const show = (event: Event) => {
    const { trigger, popup } = parts(event);
    if (trigger === null || popup === null || state.open) return;
    state.open = true;
    state.query = '';
    state.active = Math.max(
      0,
      options.findIndex((option) => option === chosen),
    );
    view.refresh();
    popup.showPopover?.();
    const root = trigger.closest('.w-select');
    const follow = () => {
      if (trigger.isConnected) place(trigger, popup);
      else closed();
    };
    const outside = (press: Event) => {
      if (root === null || !press.composedPath().includes(root)) {
        popup.hidePopover?.();
        closed();
      }
    };
    follow();
    addEventListener('scroll', follow, { capture: true, passive: true });
    addEventListener('resize', follow);
    addEventListener('pointerdown', outside, { capture: true });
    state.stop = () => {
      removeEventListener('scroll', follow, { capture: true });
      removeEventListener('resize', follow);
      removeEventListener('pointerdown', outside, { capture: true });
    };
    popup.querySelector<HTMLElement>('[data-active]')?.scrollIntoView?.({ block: 'nearest' });
    popup.querySelector<HTMLInputElement>('input')?.focus();
  };

  const hide = (event: Event, refocus: boolean) => {
    const { trigger, popup } = parts(event);
    popup?.hidePopover?.();
    closed();
    if (refocus) trigger?.focus();
  };

  const closed = () => {
    state.stop?.();
    state.stop = null;
    if (!state.open) return;
    state.open = false;
    view.refresh();
  };

  const pick = (event: Event, option: Option | undefined) => {
    if (option === undefined || option.disabled) return;
    hide(event, true);
    if (option.value === value) return;
    state.picked = option.value;
    view.edited(field.id);
    view.refresh();
    changed(node, scope, name, option.value);
  };

  const clear = (event: Event) => {
    const { trigger } = parts(event);
    state.picked = '';
    view.refresh();
    trigger?.focus();
    changed(node, scope, name, '');
  };

  const move = (event: Event, to: number) => {
    const step = to >= state.active ? 1 : -1;
    let at = Math.min(shown.length - 1, Math.max(0, to));
    while (shown[at]?.disabled === true && shown[at + step] !== undefined) at += step;
    if (shown[at]?.disabled === true) return;
    state.active = at;
    view.refresh();
    parts(event).popup?.querySelector<HTMLElement>('[data-active]')?.scrollIntoView?.({ block: 'nearest' });
  };

  const typeAhead = (event: KeyboardEvent) => {
    const now = Date.now();
    state.typed = (now - state.typedAt > TYPE_AHEAD_MS ? '' : state.typed) + event.key.toLocaleLowerCase();
    state.typedAt = now;
    const at = shown.findIndex(
      (option) => !option.disabled && option.label.toLocaleLowerCase().startsWith(state.typed),
    );
    if (at >= 0) move(event, at);
  };

  const key = (event: KeyboardEvent) => {
    const inSearch = event.currentTarget instanceof HTMLInputElement;
    if (!state.open) {
      if (['ArrowDown', 'ArrowUp', 'Enter', ' '].includes(event.key)) {
        event.preventDefault();
        show(event);
      }
      return;
    }
    switch (event.key) {
      case 'ArrowDown':
        move(event, state.active + 1);
        break;
      case 'ArrowUp':
        move(event, state.active - 1);
        break;
      case 'Home':
        if (inSearch) return;
        move(event, 0);
        break;
      case 'End':
        if (inSearch) return;
        move(event, shown.length - 1);
        break;
      case 'Escape':
        hide(event, true);
        break;
      case 'Tab':
        hide(event, inSearch);
        return;
      case ' ':
        if (inSearch) return;
        // In the middle of a word it belongs to the word.
        if (state.typed !== '' && Date.now() - state.typedAt <= TYPE_AHEAD_MS) typeAhead(event);
        else pick(event, shown[state.active]);
        break;
      case 'Enter':
        pick(event, shown[state.active]);
        break;
      default:
        if (!inSearch && event.key.length === 1 && !event.ctrlKey && !event.metaKey) typeAhead(event);
        return;
    }
    event.preventDefault();
    event.stopPropagation();
  };

  const search = (event: Event) => {
    state.query = (event.currentTarget as HTMLInputElement).value;
    state.active = 0;
    view.refresh();
  };

  const placeholder = optionalText(node.placeholder) ?? strings.choose;
  return html`<div class="w-field" ?data-block=${node.block === true}>
    <div
      class="w-select"
      data-size=${token(node.size, CONTROL_SIZES, 'md')}
      data-variant=${token(node.variant, CONTROL_VARIANTS, 'outline')}
    >
      <button
        class="w-control w-select-button"
        type="button"
        role="combobox"
        id=${field.id}
        data-size=${token(node.size, CONTROL_SIZES, 'md')}
        data-variant=${token(node.variant, CONTROL_VARIANTS, 'outline')}
        ?data-pill=${node.pill === true}
        ?data-clearable=${node.clearable === true && chosen !== undefined}
        aria-haspopup="listbox"
        aria-expanded=${state.open ? 'true' : 'false'}
        aria-controls=${listId}
        aria-activedescendant=${state.open && !searchable ? (activeId ?? nothing) : nothing}
        aria-label=${field.label === undefined ? nothing : accessibleName}
        aria-labelledby=${field.labelId === undefined ? nothing : `${field.labelId} ${valueId}`}
        aria-describedby=${field.errorId ?? nothing}
        ?disabled=${node.disabled === true}
        @click=${(event: Event) => (state.open ? hide(event, true) : show(event))}
        @keydown=${key}
      >
        <span class="w-select-value" id=${valueId} dir="auto" ?data-placeholder=${chosen === undefined}
          >${chosen?.label ?? placeholder}</span
        >
        ${icon('chevron-down')}
      </button>
      ${
        node.clearable === true && chosen !== undefined && node.disabled !== true
          ? html`<button
              class="w-clear"
              type="button"
              aria-label=${strings.clear(accessibleName)}
              @click=${clear}
            >
              ${icon('close')}
            </button>`
          : nothing
      }
      <input type="hidden" data-field=${name} .value=${chosen?.value ?? ''} />
      <div class="w-popup" popover="manual">
        ${
          searchable
            ? html`<div class="w-search">
                ${icon('search')}
                <input
                  type="text"
                  role="combobox"
                  aria-label=${`${strings.search}: ${accessibleName}`}
                  aria-expanded="true"
                  aria-controls=${listId}
                  aria-autocomplete="list"
                  aria-activedescendant=${activeId ?? nothing}
                  placeholder=${strings.search}
                  autocomplete="off"
                  .value=${state.query}
                  @input=${search}
                  @keydown=${key}
                />
              </div>`
            : nothing
        }
        <ul class="w-options" role="listbox" id=${listId} aria-label=${accessibleName}>
          ${
            state.open
              ? shown.map(
                  (option, at) =>
                    html`<li
                      role="option"
                      id="${listId}-${at}"
                      aria-selected=${option === chosen ? 'true' : 'false'}
                      aria-disabled=${option.disabled ? 'true' : nothing}
                      ?data-active=${at === state.active}
                      @click=${(event: Event) => pick(event, option)}
                      @pointermove=${() => {
                        if (state.active === at || option.disabled) return;
                        state.active = at;
                        view.refresh();
                      }}
                    >
                      <span class="w-option-text">
                        <span dir="auto">${option.label}</span>
                        ${
                          option.description === undefined
                            ? nothing
                            : html`<span class="w-option-description" dir="auto">${option.description}</span>`
                        }
                      </span>
                      ${option === chosen ? icon('check') : nothing}
                    </li>`,
                )
              : nothing
          }
        </ul>
        ${
          state.open && shown.length === 0
            ? html`<p class="w-no-matches" role="status">${strings.noMatches}</p>`
            : nothing
        }
      </div>
    </div>
    ${fieldError(field)}
  </div>`;
}

/** Puts the list under its button, or above it where there is more room. */
function place(trigger: HTMLElement, popup: HTMLElement): void {
  const rect = trigger.getBoundingClientRect();
  const below = innerHeight - rect.bottom - GAP - MARGIN;
  const above = rect.top - GAP - MARGIN;
  const up = below < Math.min(popup.scrollHeight, 220) && above > below;
  const width = Math.min(Math.max(rect.width, 180), innerWidth - 2 * MARGIN);
  const rightToLeft = getComputedStyle(trigger).direction === 'rtl';
  const left = rightToLeft ? rect.right - width : rect.left;
  const { style } = popup;
  style.setProperty('width', `${width}px`);
  style.setProperty('left', `${Math.min(Math.max(left, MARGIN), innerWidth - width - MARGIN)}px`);
  style.setProperty('max-height', `${Math.max(120, Math.min(320, up ? above : below))}px`);
  style.setProperty('top', up ? 'auto' : `${rect.bottom + GAP}px`);
  style.setProperty('bottom', up ? `${innerHeight - rect.top + GAP}px` : 'auto');
}
