import { html, nothing, type TemplateResult } from 'lit';
import { icon } from '../icons.js';
import type { ViewContext } from './context.js';

export function startScreen(view: ViewContext): TemplateResult {
  const { options, strings } = view;
  const prompts = options.startScreen?.prompts ?? [];
  return html`<div class="start" part="start-screen">
    <h2 class="greeting" part="greeting" dir="auto">${options.startScreen?.greeting ?? strings.greeting}</h2>
    ${
      prompts.length === 0
        ? nothing
        : html`<ul class="prompts" part="prompts" aria-label=${strings.starterPrompts}>
            ${prompts.map(
              (prompt, index) =>
                html`<li>
                  <button
                    class="prompt"
                    part="prompt"
                    type="button"
                    ?disabled=${view.state.turn !== null}
                    @click=${() => view.startPrompt(index)}
                  >
                    <span class="prompt-icon">${icon(prompt.icon ?? 'sparkle')}</span>
                    <span class="prompt-label" dir="auto">${prompt.label}</span>
                  </button>
                </li>`,
            )}
          </ul>`
    }
  </div>`;
}
