import type { ModelOption, ToolOption } from '@openai/chatkit';
import { html, nothing, type TemplateResult } from 'lit';
import { live } from 'lit/directives/live.js';
import { icon } from '../icons.js';
import type { ViewContext } from './context.js';

/** Whether a key event belongs to an input method: `keyCode` 229 is how Safari says so. */
function isComposing(event: KeyboardEvent): boolean {
  return event.isComposing || event.keyCode === 229;
}

function onKeyDown(view: ViewContext, event: KeyboardEvent): void {
  if (event.key !== 'Enter' || event.shiftKey || event.altKey || isComposing(event)) return;
  event.preventDefault();
  if (view.state.turn === null) view.send();
}

/** Moves the focus in a menu as a menu's keyboard does. */
function onMenuKey(view: ViewContext, event: KeyboardEvent): void {
  const menu = event.currentTarget as HTMLElement;
  const entries = [...menu.querySelectorAll<HTMLElement>('[role=menuitemradio]')];
  const root = menu.getRootNode() as ShadowRoot;
  const at = entries.indexOf(root.activeElement as HTMLElement);
  const move: Record<string, number> = {
    ArrowDown: (at + 1) % entries.length,
    ArrowUp: (at - 1 + entries.length) % entries.length,
    Home: 0,
    End: entries.length - 1,
  };
  const to = move[event.key];
  if (to !== undefined) {
    event.preventDefault();
    entries[to]?.focus();
  } else if (event.key === 'Escape' || event.key === 'Tab') {
    if (event.key === 'Escape') event.stopPropagation();
    view.setMenu(null);
  }
}

function toolMenu(view: ViewContext, tools: readonly ToolOption[]): TemplateResult | typeof nothing {
  const { strings, composer } = view;
  const inMenu = tools.filter((tool) => tool.pinned !== true);
  const selected = tools.find((tool) => tool.id === composer.toolId);
  const pinned = tools.filter((tool) => tool.pinned === true);
  return html`${
    inMenu.length === 0
      ? nothing
      : html`<div class="menu-anchor">
          <button
            class="icon-button"
            type="button"
            data-focus="tools"
            aria-label=${strings.tools}
            title=${strings.tools}
            aria-haspopup="menu"
            aria-expanded=${view.openMenu === 'tools' ? 'true' : 'false'}
            @click=${() => view.setMenu(view.openMenu === 'tools' ? null : 'tools')}
          >
            ${icon('plus')}
          </button>
          ${
            view.openMenu === 'tools'
              ? html`<div
                  class="menu"
                  role="menu"
                  aria-label=${strings.tools}
                  @keydown=${(event: KeyboardEvent) => onMenuKey(view, event)}
                >
                  ${inMenu.map(
                    (tool) =>
                      html`<button
                        class="menu-item"
                        role="menuitemradio"
                        type="button"
                        tabindex="-1"
                        aria-checked=${tool.id === composer.toolId ? 'true' : 'false'}
                        @click=${() => view.selectTool(tool.id === composer.toolId ? null : tool.id)}
                      >
                        ${icon(tool.icon)}
                        <span class="menu-label" dir="auto">${tool.label}</span>
                        ${tool.id === composer.toolId ? icon('check') : nothing}
                      </button>`,
                  )}
                </div>`
              : nothing
          }
        </div>`
  }
  ${pinned.map(
    (tool) =>
      html`<button
        class="chip-button"
        type="button"
        aria-pressed=${tool.id === composer.toolId ? 'true' : 'false'}
        @click=${() => view.selectTool(tool.id === composer.toolId ? null : tool.id)}
      >
        ${icon(tool.icon)}<span dir="auto">${tool.shortLabel ?? tool.label}</span>
      </button>`,
  )}
  ${
    selected === undefined || selected.pinned === true
      ? nothing
      : html`<button
          class="chip-button"
          type="button"
          aria-pressed="true"
          aria-label=${strings.removeTool(selected.label)}
          @click=${() => view.selectTool(null)}
        >
          ${icon(selected.icon)}<span dir="auto">${selected.shortLabel ?? selected.label}</span
          >${icon('close')}
        </button>`
  }`;
}

function modelMenu(view: ViewContext, models: readonly ModelOption[]): TemplateResult | typeof nothing {
  const { strings, composer } = view;
  if (models.length === 0) return nothing;
  const selected = models.find((model) => model.id === composer.modelId);
  return html`<div class="menu-anchor">
    <button
      class="text-button"
      type="button"
      data-focus="model"
      aria-haspopup="menu"
      aria-label="${strings.model}: ${selected?.label ?? ''}"
      aria-expanded=${view.openMenu === 'model' ? 'true' : 'false'}
      @click=${() => view.setMenu(view.openMenu === 'model' ? null : 'model')}
    >
      <span dir="auto">${selected?.label ?? strings.model}</span>${icon('chevron-down')}
    </button>
    ${
      view.openMenu === 'model'
        ? html`<div
            class="menu"
            role="menu"
            aria-label=${strings.model}
            @keydown=${(event: KeyboardEvent) => onMenuKey(view, event)}
          >
            ${models.map(
              (model) =>
                html`<button
                  class="menu-item"
                  role="menuitemradio"
                  type="button"
                  tabindex="-1"
                  aria-checked=${model.id === composer.modelId ? 'true' : 'false'}
                  aria-disabled=${model.disabled === true ? 'true' : 'false'}
                  @click=${() => {
                    if (model.disabled !== true) view.selectModel(model.id);
                  }}
                >
                  <span class="menu-label" dir="auto"
                    >${model.label}${
                      model.description === undefined
                        ? nothing
                        : html`<small class="menu-description">${model.description}</small>`
                    }</span
                  >
                  ${model.id === composer.modelId ? icon('check') : nothing}
                </button>`,
            )}
          </div>`
        : nothing
    }
  </div>`;
}

function chips(view: ViewContext): TemplateResult | typeof nothing {
  const { composer, strings } = view;
  if (composer.quote === null && composer.attachments.length === 0 && composer.tags.length === 0)
    return nothing;
  return html`<div class="chips">
    ${
      composer.quote === null
        ? nothing
        : html`<div class="quote-chip">
            ${icon('quote')}
            <span class="quote-text" dir="auto">${composer.quote}</span>
            <button
              class="icon-button small"
              type="button"
              aria-label=${strings.removeQuote}
              @click=${() => {
                composer.quote = null;
                view.changed();
              }}
            >
              ${icon('close')}
            </button>
          </div>`
    }
    ${[...composer.tags, ...composer.attachments].map((entry) => {
      const name = 'text' in entry ? entry.text : entry.name;
      return html`<div class="file-chip">
        ${icon(entry.type === 'input_tag' ? 'name' : 'paperclip')}
        <span dir="auto">${name}</span>
        <button
          class="icon-button small"
          type="button"
          aria-label=${strings.removeAttachment(name)}
          @click=${() => {
            composer.tags = composer.tags.filter((tag) => tag !== entry);
            composer.attachments = composer.attachments.filter((attachment) => attachment !== entry);
            view.changed();
          }}
        >
          ${icon('close')}
        </button>
      </div>`;
    })}
  </div>`;
}

export function composer(view: ViewContext): TemplateResult {
  const { options, strings, composer, state } = view;
  const status = state.thread.thread?.status;
  if (status !== undefined && (status.type === 'locked' || status.type === 'closed')) {
    return html`<div class="sealed" part="sealed" role="note">
      ${icon('lock')}
      <span dir="auto">${status.reason ?? (status.type === 'locked' ? strings.locked : strings.closed)}</span>
    </div>`;
  }
  const tools = options.composer?.tools ?? [];
  const models = options.composer?.models ?? [];
  const tool = tools.find((candidate) => candidate.id === composer.toolId);
  const placeholder = tool?.placeholderOverride ?? options.composer?.placeholder ?? strings.placeholder;
  const running = state.turn !== null;
  const simple = tools.length === 0 && models.length === 0;
  return html`<form
    class="composer"
    part="composer"
    ?data-simple=${simple}
    @submit=${(event: SubmitEvent) => {
      event.preventDefault();
      view.send();
    }}
    @pointerdown=${(event: PointerEvent) => {
      // The whole box is the field: a click beside the text puts the cursor in it.
      const target = event.target as HTMLElement;
      if (target.closest('button, textarea, .menu') !== null) return;
      event.preventDefault();
      (event.currentTarget as HTMLElement).querySelector('textarea')?.focus();
    }}
  >
    ${chips(view)}
    <textarea
      class="input"
      part="input"
      rows="1"
      dir="auto"
      enterkeyhint="send"
      autocomplete="off"
      maxlength="200000"
      aria-label=${strings.message}
      placeholder=${placeholder}
      .value=${live(composer.text)}
      @input=${(event: InputEvent) => view.input((event.target as HTMLTextAreaElement).value)}
      @keydown=${(event: KeyboardEvent) => onKeyDown(view, event)}
    ></textarea>
    <div class="composer-row">
      ${simple ? nothing : html`<div class="composer-tools">${toolMenu(view, tools)}</div>`}
      ${modelMenu(view, models)}
      ${
        running
          ? html`<button
              class="send stop"
              part="stop-button"
              type="button"
              data-focus="send"
              aria-label=${state.turn === 'stopping' ? strings.stopping : strings.stop}
              title=${state.turn === 'stopping' ? strings.stopping : strings.stop}
              ?disabled=${state.turn === 'stopping' || !state.thread.allowCancel}
              @click=${() => view.stop()}
            >
              ${icon('stop')}
            </button>`
          : html`<button
              class="send"
              part="send-button"
              type="submit"
              data-focus="send"
              aria-label=${strings.send}
              title=${strings.send}
              ?disabled=${composer.isEmpty}
            >
              ${icon('arrow-up')}
            </button>`
      }
    </div>
  </form>`;
}
