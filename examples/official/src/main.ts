// The official element, loaded from its own address, with what Parlor's packages do around an element: loading it, telling it
// who asks and from which page, asking about marked text.
import type { OpenAIChatKit } from '@openai/chatkit';
import { createChatKitFetch, loadChatKit, observeTextSelection, type TextSelection } from '@parlor/client';

const SCRIPT = 'https://cdn.platform.openai.com/deployments/chatkit/chatkit.js';

const part = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
const state = part('state');
const again = part<HTMLButtonElement>('again');
const ask = part<HTMLButtonElement>('ask');

async function begin(): Promise<void> {
  state.textContent = 'The chat is loading.';
  again.hidden = true;
  try {
    await loadChatKit({ src: SCRIPT, type: 'classic' });
  } catch (error) {
    state.textContent = (error as Error).message;
    again.hidden = false;
    return;
  }
  state.textContent = '';
  place();
}

function place(): void {
  const chat = document.createElement('openai-chatkit') as OpenAIChatKit;
  chat.setOptions({
    api: {
      url: new URL('/chatkit', location.href).href,
      // OpenAI gives one for your domain; the element checks it.
      domainKey: 'domain_pk_from_your_openai_account',
      uploadStrategy: { type: 'two_phase' },
      fetch: createChatKitFetch({
        userInfo: { plan: 'guest of the marsh' },
        onAuthRequired: () => (state.textContent = 'Please sign in to chat.'),
      }),
    },
    initialThread: sessionStorage.getItem('thread'),
    startScreen: {
      greeting: 'Ask about the tides',
      prompts: [{ label: 'When can I cross?', prompt: 'When can I cross the causeway today?', icon: 'clock' }],
    },
    threadItemActions: { feedback: true, retry: true },
  });
  chat.addEventListener('chatkit.thread.change', ({ detail }) => {
    if (detail.threadId === null) sessionStorage.removeItem('thread');
    else sessionStorage.setItem('thread', detail.threadId);
  });
  chat.addEventListener('chatkit.error', ({ detail }) => (state.textContent = detail.error.message));
  document.querySelector('main')?.append(chat);

  let marked: TextSelection | null = null;
  observeTextSelection((selection) => {
    marked = selection;
    ask.hidden = selection === null;
  });
  // The page must not lose its selection to the button.
  ask.addEventListener('pointerdown', (event) => event.preventDefault());
  ask.addEventListener('click', () => {
    if (marked === null) return;
    void chat.sendUserMessage({ text: 'What does this mean?', reply: marked.text });
    marked.clear();
  });
}

again.addEventListener('click', () => void begin());
void begin();
