import { html, nothing, type TemplateResult } from 'lit';
import { icon } from '../icons.js';

export interface IconButton {
  icon: string;
  /** What it does: its accessible name, and its tooltip. */
  label: string;
  onClick: (event: MouseEvent) => void;
  small?: boolean;
  part?: string;
  /** Name by which the focus finds it again. */
  focus?: string;
  disabled?: boolean;
  /** Whether what it opens is open. */
  expanded?: boolean;
  /** It opens a menu. */
  menu?: boolean;
}

/** A button that is only an icon. */
export function iconButton(button: IconButton): TemplateResult {
  const { expanded } = button;
  return html`<button
    class=${button.small === true ? 'icon-button small' : 'icon-button'}
    part=${button.part ?? nothing}
    type="button"
    data-focus=${button.focus ?? nothing}
    aria-label=${button.label}
    title=${button.label}
    aria-haspopup=${button.menu === true ? 'menu' : nothing}
    aria-expanded=${expanded === undefined ? nothing : String(expanded)}
    ?disabled=${button.disabled === true}
    @click=${button.onClick}
  >
    ${icon(button.icon)}
  </button>`;
}
