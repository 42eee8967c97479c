import type { ModelOption, ToolOption } from '@openai/chatkit';
import { html, nothing, type TemplateResult } from 'lit';
import { live } from 'lit/directives/live.js';
import { acceptAttribute, pastedFiles } from '../files.js';
import { hasIcon, icon } from '../icons.js';
import type { PickerOption } from '../picker.js';
import { describeWait } from '../waiting.js';
import { composerFiles, composerProblems } from './attachments.js';
import type { ViewContext } from './context.js';
import { iconButton } from './icon-button.js';

/** Whether a key event belongs to an input method: `keyCode` 229 is how Safari says so. */
function isComposing(event: KeyboardEvent): boolean {
  return event.isComposing || event.keyCode === 229;
}

function onKeyDown(view: ViewContext, event: KeyboardEvent): void {
  if (event.altKey || event.ctrlKey || event.metaKey || isComposing(event)) return;
  if (!event.shiftKey && view.pickerKey(event.key)) {
    event.preventDefault();
    // Not for what is around: a dialog of the page would close with the list.
    event.stopPropagation();
    return;
  }
  if (event.key !== 'Enter' || event.shiftKey) return;
  event.preventDefault();
  if (view.state.turn === null) view.send();
}

function onPaste(view: ViewContext, event: ClipboardEvent): void {
  if (view.attachmentOptions === null || event.clipboardData === null) return;
  const files = pastedFiles(event.clipboardData);
  if (files.length === 0) return;
  event.preventDefault();
  view.addFiles(files);
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
          ${iconButton({
            icon: 'plus',
            label: strings.tools,
            focus: 'tools',
            menu: true,
            expanded: view.openMenu === 'tools',
            onClick: () => view.setMenu(view.openMenu === 'tools' ? null : 'tools'),
          })}
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

function quoteChip(view: ViewContext): TemplateResult | typeof nothing {
  const { composer, strings } = view;
  if (composer.quote === null) return nothing;
  return html`<div class="chips">
    <div class="quote-chip">
      ${icon('quote')}
      <span class="quote-text" dir="auto">${composer.quote}</span>
      ${iconButton({
        icon: 'close',
        label: strings.removeQuote,
        small: true,
        onClick: () => {
          composer.quote = null;
          view.changed();
        },
      })}
    </div>
  </div>`;
}

/** The text of the field once more, under it, to colour its tags: a text field has one colour. */
function tagMarks(view: ViewContext): TemplateResult | typeof nothing {
  const { text, tags } = view.composer;
  if (tags.length === 0) return nothing;
  const pieces: unknown[] = [];
  let from = 0;
  for (const { start, end } of tags) {
    pieces.push(text.slice(from, start), html`<mark class="tag-mark">${text.slice(start, end)}</mark>`);
    from = end;
  }
  // A line break at the end is only tall with something behind it.
  pieces.push(`${text.slice(from)}\u200b`);
  // prettier-ignore
  return html`<div class="marks" aria-hidden="true" dir="auto">${pieces}</div>`;
}

function suggestion(view: ViewContext, option: PickerOption, at: number): TemplateResult {
  const active = at === view.picker?.active;
  return html`<div
    class="menu-item"
    role="option"
    id="suggestion-${at}"
    aria-selected=${active ? 'true' : 'false'}
    @pointerdown=${(event: PointerEvent) => event.preventDefault()}
    @click=${() => view.choose(at)}
  >
    ${hasIcon(option.icon) ? icon(option.icon as string) : icon(option.does.type === 'tag' ? 'at' : 'bolt')}
    <span class="menu-label" dir="auto"
      >${option.label}${
        option.description === undefined
          ? nothing
          : html`<small class="menu-description">${option.description}</small>`
      }</span
    >
  </div>`;
}

function suggestions(view: ViewContext): TemplateResult | typeof nothing {
  const { picker, strings } = view;
  if (picker === null) return nothing;
  const { options, status, trigger } = picker;
  const groups: { name: string; from: number; options: PickerOption[] }[] = [];
  options.forEach((option, at) => {
    const name = option.group ?? '';
    const last = groups.at(-1);
    if (last?.name === name) last.options.push(option);
    else groups.push({ name, from: at, options: [option] });
  });
  return html`<div class="menu suggestions" part="suggestions">
    ${
      options.length === 0
        ? html`<p class="menu-note">
            ${status === 'failed' ? strings.searchFailed : status === 'searching' ? strings.searching : strings.noMatches}
          </p>`
        : html`<div
            role="listbox"
            id="suggestions"
            aria-label=${trigger.kind === 'tag' ? strings.tags : strings.commands}
            aria-busy=${status === 'searching' ? 'true' : 'false'}
          >
            ${groups.map(({ name, from, options: members }, index) =>
              name === ''
                ? members.map((option, at) => suggestion(view, option, from + at))
                : html`<div role="group" aria-labelledby="suggestion-group-${index}">
                    <div class="menu-group" id="suggestion-group-${index}" role="presentation" dir="auto">
                      ${name}
                    </div>
                    ${members.map((option, at) => suggestion(view, option, from + at))}
                  </div>`,
            )}
          </div>`
    }
    ${options.length > 0 && status === 'failed' ? html`<p class="menu-note">${strings.searchFailed}</p>` : nothing}
  </div>`;
}

/** The button of a hidden file field. */
function attachButton(view: ViewContext): TemplateResult | typeof nothing {
  const { attachmentOptions: options, strings } = view;
  if (options === null) return nothing;
  return html`${iconButton({
      icon: 'paperclip',
      label: strings.attach,
      part: 'attach-button',
      focus: 'attach',
      onClick: (event: MouseEvent) =>
        ((event.currentTarget as HTMLElement).nextElementSibling as HTMLInputElement).click(),
    })}<input
      class="file-field"
      type="file"
      multiple
      hidden
      tabindex="-1"
      aria-label=${strings.attach}
      accept=${acceptAttribute(options) ?? nothing}
      @change=${(event: Event) => {
        const field = event.target as HTMLInputElement;
        view.addFiles([...(field.files ?? [])]);
        // The same file may be chosen again.
        field.value = '';
      }}
    />`;
}

const clock = (seconds: number) => `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;

/** Takes the place of the field's buttons while something is recorded. */
function recorder(view: ViewContext): TemplateResult {
  const { recording, strings } = view;
  const phase = recording?.phase ?? 'starting';
  return html`<div
    class="composer-row recorder"
    part="recorder"
    data-phase=${phase}
    @keydown=${(event: KeyboardEvent) => {
      if (event.key !== 'Escape') return;
      event.stopPropagation();
      view.cancelDictation();
    }}
  >
    ${iconButton({
      icon: 'close',
      label: strings.dictationCancel,
      onClick: () => view.cancelDictation(),
    })}
    ${
      phase === 'recording'
        ? html`<span class="level" aria-hidden="true"
              >${Array.from({ length: 60 }, () => html`<i></i>`)}</span
            >
            <span class="recorder-time" role="timer" aria-label=${strings.dictating}
              >${clock(recording?.seconds ?? 0)}</span
            >`
        : html`<span class="recorder-text shimmer" role="status"
            >${phase === 'starting' ? strings.dictationStarting : strings.dictationTranscribing}</span
          >`
    }
    <button
      class="send"
      part="dictation-done-button"
      type="button"
      data-focus="dictation-done"
      aria-label=${strings.dictationDone}
      title=${strings.dictationDone}
      ?disabled=${phase !== 'recording'}
      @click=${() => view.finishDictation()}
    >
      ${phase === 'transcribing' ? html`<span class="spinner"></span>` : icon('check')}
    </button>
  </div>`;
}

/** When something can be sent again, or null when it can. */
export function sendAgain(view: Pick<ViewContext, 'state' | 'strings' | 'locale' | 'now'>): string | null {
  const { state, strings, locale, now } = view;
  const wait = state.limitedUntil === null ? null : describeWait(state.limitedUntil, now, locale);
  if (wait === null) return null;
  return 'in' in wait ? strings.sendAgainIn(wait.in) : strings.sendAgainAt(wait.at, wait.day);
}

/** Counts down until something can be sent again. It is announced when it begins and ends, not in between. */
function limitedHint(text: string | null): TemplateResult | typeof nothing {
  if (text === null) return nothing;
  return html`<p class="limited" part="limited">
    ${icon('clock')}<span id="limited" role="timer" dir="auto">${text}</span>
  </p>`;
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
  const limited = sendAgain(view);
  const mentions = options.entities?.onTagSearch !== undefined && options.entities.showComposerMenu === true;
  const withTools = tools.length > 0 || view.attachmentOptions !== null || mentions;
  const simple = !withTools && models.length === 0 && !view.canDictate;
  const { picker } = view;
  const listed = picker !== null && picker.options.length > 0;
  return html`<form
    class="composer"
    part="composer"
    ?data-simple=${simple && view.recording === null}
    @submit=${(event: SubmitEvent) => {
      event.preventDefault();
      view.send();
    }}
    @pointerdown=${(event: PointerEvent) => {
      // The whole box is the field: a click beside the text puts the cursor in it.
      const target = event.target as HTMLElement;
      if (target.closest('button, textarea, .menu, .upload, .problem, .recorder') !== null) return;
      event.preventDefault();
      (event.currentTarget as HTMLElement).querySelector('textarea')?.focus();
    }}
  >
    ${suggestions(view)} ${limitedHint(limited)} ${composerProblems(view)} ${quoteChip(view)}
    ${composerFiles(view)}
    <div class="field" ?data-tags=${composer.tags.length > 0}>
      ${tagMarks(view)}
      <textarea
        class="input"
        part="input"
        rows="1"
        dir="auto"
        enterkeyhint="send"
        autocomplete="off"
        maxlength="200000"
        aria-label=${strings.message}
        aria-describedby=${limited === null ? nothing : 'limited'}
        aria-autocomplete=${options.entities?.onTagSearch !== undefined || options.commands?.enabled === true ? 'list' : nothing}
        aria-haspopup=${picker === null ? nothing : 'listbox'}
        aria-controls=${listed ? 'suggestions' : nothing}
        aria-activedescendant=${listed ? `suggestion-${picker.active}` : nothing}
        placeholder=${placeholder}
        .value=${live(composer.text)}
        @input=${(event: InputEvent) => view.input(event.target as HTMLTextAreaElement, event.isComposing)}
        @compositionend=${(event: CompositionEvent) => view.input(event.target as HTMLTextAreaElement, false)}
        @keydown=${(event: KeyboardEvent) => onKeyDown(view, event)}
        @keyup=${(event: KeyboardEvent) => {
          if (/^(?:Arrow|Home|End|Page)/.test(event.key))
            view.caretMoved(event.target as HTMLTextAreaElement);
        }}
        @click=${(event: MouseEvent) => view.caretMoved(event.target as HTMLTextAreaElement)}
        @paste=${(event: ClipboardEvent) => onPaste(view, event)}
        @scroll=${(event: Event) => {
          const field = event.target as HTMLElement;
          const marks = field.parentElement?.querySelector('.marks');
          if (marks != null) marks.scrollTop = field.scrollTop;
        }}
        @blur=${() => view.caretMoved(null)}
      ></textarea>
    </div>
    ${
      view.recording !== null
        ? recorder(view)
        : html`<div class="composer-row">
            ${
              simple
                ? nothing
                : html`<div class="composer-tools">
                    ${attachButton(view)}
                    ${
                      mentions
                        ? iconButton({
                            icon: 'at',
                            label: strings.mention,
                            part: 'mention-button',
                            onClick: () => view.mention(),
                          })
                        : nothing
                    }
                    ${toolMenu(view, tools)}
                  </div>`
            }
            ${modelMenu(view, models)}
            ${
              view.canDictate
                ? iconButton({
                    icon: 'mic',
                    label: strings.dictate,
                    part: 'dictate-button',
                    focus: 'dictate',
                    onClick: () => view.dictate(),
                  })
                : nothing
            }
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
                    ?disabled=${composer.isEmpty || composer.waiting || limited !== null}
                  >
                    ${icon('arrow-up')}
                  </button>`
            }
          </div>`
    }
  </form>`;
}
