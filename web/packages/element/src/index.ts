import { ChatKitElement } from './element.js';

export { ChatKitElement };
export { ChatKitElement as OpenAIChatKitElement };

const TAG = 'openai-chatkit';

// The page may load the script twice, or another implementation may be there.
if (customElements.get(TAG) === undefined) customElements.define(TAG, ChatKitElement);
window.dispatchEvent(new Event('chatkit-script-loaded'));
