import type { StructuredInput, StructuredInputItem, StructuredInputSubmission } from '@parlor/client';
import { html, nothing, render, type TemplateResult } from 'lit';
import { icon } from '../icons.js';
import { directionOf } from './nodes.js';
import { englishWidgets, type WidgetStrings } from './strings.js';

/** What the questions ask of whoever shows them. */
export interface QuestionsHost {
  readonly strings?: Partial<WidgetStrings>;
  /** Whether answers can be sent now; they can't while an answer is being written. */
  readonly disabled: boolean;
  /** Sends the answers; the form shows its loading state until this settles, and the message of a rejection. */
  onSubmit(submission: StructuredInputSubmission): Promise<void>;
}

interface Draft {
  readonly chosen: Set<string>;
  /** The text field: a freeform answer, or the own answer beside the options. */
  text: string;
  own: boolean;
}

let forms = 0;

/** Questions to the user: a form until they are answered, and the answers from then on. */
export class StructuredInputView {
  readonly #container: HTMLElement;
  readonly #uid = `q${++forms}`;
  readonly #drafts = new Map<string, Draft>();
  #host: QuestionsHost;
  #item: StructuredInputItem | null = null;
  #busy: 'send' | 'skip' | null = null;
  #failure: string | null = null;
  #missing = false;

  constructor(container: HTMLElement, host: QuestionsHost) {
    this.#container = container;
    this.#host = host;
  }

  update(item: StructuredInputItem, host: QuestionsHost = this.#host): void {
    this.#item = item;
    this.#host = host;
    this.#refresh();
  }

  #direction(item: StructuredInputItem): 'ltr' | 'rtl' | typeof nothing {
    return directionOf(item.inputs.map((input) => input.question)) ?? nothing;
  }

  get #strings(): WidgetStrings {
    return { ...englishWidgets, ...this.#host.strings };
  }

  #refresh(): void {
    if (this.#item !== null) render(this.#template(this.#item), this.#container);
  }

  #draft(id: string): Draft {
    let draft = this.#drafts.get(id);
    if (draft === undefined) this.#drafts.set(id, (draft = { chosen: new Set(), text: '', own: false }));
    return draft;
  }

  /** The answer as it stands; an empty one is a question passed over. */
  #valuesOf(input: StructuredInput): string[] {
    const draft = this.#draft(input.id);
    const text = draft.text.trim();
    if (input.type === 'freeform') return text === '' ? [] : [text];
    const chosen = input.options.map((option) => option.value).filter((value) => draft.chosen.has(value));
    return draft.own && text !== '' ? [...chosen, text] : chosen;
  }

  async #send(item: StructuredInputItem, skip: boolean): Promise<void> {
    if (this.#busy !== null || this.#host.disabled) return;
    const answers: StructuredInputSubmission['answers'] = {};
    for (const input of item.inputs) {
      const values = skip ? [] : this.#valuesOf(input);
      answers[input.id] = { values, skipped: values.length === 0 };
    }
    if (!skip && Object.values(answers).every((answer) => answer.skipped === true)) {
      this.#missing = true;
      this.#refresh();
      this.#container.querySelector<HTMLElement>('input, textarea')?.focus();
      return;
    }
    this.#missing = false;
    this.#failure = null;
    this.#busy = skip ? 'skip' : 'send';
    this.#refresh();
    try {
      await this.#host.onSubmit({ status: skip ? 'skipped' : 'answered', answers });
    } catch (error) {
      this.#failure = (error instanceof Error ? error.message : String(error)) || this.#strings.failed;
    } finally {
      this.#busy = null;
      this.#refresh();
    }
  }

  // -------------------------------------------------------------- rendering

  #template(item: StructuredInputItem): TemplateResult {
    return item.status === 'pending' ? this.#form(item) : this.#answers(item);
  }

  #answers(item: StructuredInputItem): TemplateResult {
    const strings = this.#strings;
    return html`<dl
      class="w-card w-answers"
      data-size="md"
      dir=${this.#direction(item)}
      aria-label=${strings.questions}
    >
      ${item.inputs.map((input) => {
        const skipped = item.status === 'skipped' || input.answer == null || input.answer.skipped === true;
        const values = input.answer?.values ?? [];
        return html`<div class="w-answered">
          <dt dir="auto">${input.question}</dt>
          <dd>
            ${
              skipped || values.length === 0
                ? html`<span class="w-skipped">${strings.skipped}</span>`
                : values.map(
                    (value) =>
                      html`<span class="w-given" dir="auto">${icon('check')}<span>${value}</span></span>`,
                  )
            }
          </dd>
        </div>`;
      })}
    </dl>`;
  }

  #form(item: StructuredInputItem): TemplateResult {
    const strings = this.#strings;
    const off = this.#host.disabled || this.#busy !== null;
    const submit = (event: Event) => {
      event.preventDefault();
      void this.#send(item, false);
    };
    const button = (kind: 'send' | 'skip') =>
      html`<button
        class="w-button"
        type=${kind === 'send' ? 'submit' : 'button'}
        data-size="md"
        data-color=${kind === 'send' ? 'primary' : 'secondary'}
        data-variant=${kind === 'send' ? 'solid' : 'ghost'}
        aria-busy=${this.#busy === kind ? 'true' : nothing}
        ?disabled=${off && this.#busy !== kind}
        @click=${kind === 'skip' ? () => void this.#send(item, true) : nothing}
      >
        ${this.#busy === kind ? html`<span class="w-spinner"></span>` : nothing}
        <span class="w-button-label">${kind === 'send' ? strings.send : strings.skip}</span>
      </button>`;
    return html`<form
      class="w-card w-questions"
      data-size="md"
      dir=${this.#direction(item)}
      novalidate
      aria-label=${strings.questions}
      @submit=${submit}
    >
      <div class="w-card-body">
        ${item.inputs.map((input, at) => this.#question(input, at, off))}
        ${
          this.#missing
            ? html`<div class="w-error" role="alert">${icon('warning')}${strings.required}</div>`
            : nothing
        }
        ${
          this.#failure === null
            ? nothing
            : html`<div class="w-alert" role="alert">
                ${icon('warning')}<span class="w-alert-text" dir="auto">${this.#failure}</span>
              </div>`
        }
      </div>
      <div class="w-card-footer">${button('skip')}${button('send')}</div>
    </form>`;
  }

  #question(input: StructuredInput, at: number, off: boolean): TemplateResult {
    const strings = this.#strings;
    const draft = this.#draft(input.id);
    const id = `${this.#uid}-${at}`;
    const write = (event: Event) => {
      draft.text = (event.currentTarget as HTMLInputElement | HTMLTextAreaElement).value;
      if (this.#missing) {
        this.#missing = false;
        this.#refresh();
      }
    };
    if (input.type === 'freeform') {
      const hint = input.description ?? '';
      return html`<div class="w-question">
        <label class="w-question-text" for=${id} dir="auto">${input.question}</label>
        ${hint === '' ? nothing : html`<p class="w-question-hint" id="${id}-hint" dir="auto">${hint}</p>`}
        <textarea
          class="w-control w-textarea"
          id=${id}
          dir="auto"
          rows="2"
          data-size="md"
          data-variant="outline"
          data-grows
          aria-describedby=${hint === '' ? nothing : `${id}-hint`}
          ?disabled=${off}
          .value=${draft.text}
          @input=${write}
        ></textarea>
      </div>`;
    }
    const several = input.multiple === true;
    const choose = (value: string | null) => (event: Event) => {
      const { checked } = event.currentTarget as HTMLInputElement;
      if (!several) {
        draft.chosen.clear();
        draft.own = false;
      }
      if (value === null) draft.own = checked;
      else if (checked) draft.chosen.add(value);
      else draft.chosen.delete(value);
      this.#missing = false;
      this.#refresh();
      if (value === null && checked) {
        this.#container.querySelector<HTMLElement>(`#${id}-own`)?.focus();
      }
    };
    const choice = (value: string | null, label: string) =>
      html`<label class="w-choice">
        <input
          type=${several ? 'checkbox' : 'radio'}
          name=${id}
          ?disabled=${off}
          .checked=${value === null ? draft.own : draft.chosen.has(value)}
          @change=${choose(value)}
        />
        <span dir="auto">${label}</span>
      </label>`;
    return html`<fieldset class="w-question">
      <legend class="w-question-text" dir="auto">${input.question}</legend>
      ${several ? html`<p class="w-question-hint">${strings.severalAllowed}</p>` : nothing}
      <div class="w-choices">
        ${input.options.map((option) => choice(option.value, option.value))}
        ${choice(null, strings.ownAnswer)}
      </div>
      ${
        draft.own
          ? html`<input
              class="w-control w-input"
              id="${id}-own"
              type="text"
              dir="auto"
              data-size="md"
              data-variant="outline"
              aria-label=${strings.ownAnswerFor(input.question)}
              ?disabled=${off}
              .value=${draft.text}
              @input=${write}
            />`
          : nothing
      }
    </fieldset>`;
  }
}
