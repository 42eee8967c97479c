// A React site with the published wrapper, for `tests/e2e/react.test.mjs`: every kind of option, every
// event, and the methods at hand as `kit`. `?api=URL` names the server and `&user=ID` who asks;
// `&credentials=include` has cookies sent to another origin instead.
import { ChatKit, useChatKit } from '@openai/chatkit-react';
import { StrictMode, useState } from 'react';
import { createRoot } from 'react-dom/client';

const query = new URLSearchParams(location.search);
const told: { name: string; detail: unknown }[] = [];
const tell = (name: string) => (detail: unknown) => void told.push({ name, detail });

function Chat({ dark, count }: { dark: boolean; count: number }) {
  const { control, ref, ...kit } = useChatKit({
    api: {
      url: query.get('api') ?? '/chatkit',
      domainKey: 'local',
      fetch: (input, init) => {
        const headers = new Headers(init?.headers);
        const credentials = query.get('credentials') as RequestCredentials | null;
        const user = query.get('user');
        if (user !== null) headers.set('X-User-ID', user);
        return fetch(input, { ...init, headers, ...(credentials === null ? {} : { credentials }) });
      },
    },
    initialThread: sessionStorage.getItem('thread'),
    theme: {
      colorScheme: dark ? 'dark' : 'light',
      radius: 'sharp',
      density: 'compact',
      color: { accent: { primary: dark ? '#ffd166' : '#8a1c4a', level: 2 } },
      typography: { baseSize: 15 },
    },
    header: { title: { text: `Counted to ${count}` } },
    startScreen: {
      greeting: 'Hello from React',
      prompts: [{ label: 'A first question', prompt: 'What is the first?', icon: 'book-open' }],
    },
    composer: {
      placeholder: 'Write to the site',
      tools: [{ id: 'search', label: 'Search the web', icon: 'search', placeholderOverride: 'Search for' }],
    },
    threadItemActions: { feedback: true, retry: true },
    disclaimer: { text: 'Answers **can** be wrong.' },
    // Of this rendering: a later one has to see its own count.
    onClientTool: ({ name, params }) => ({ name, params, count }),
    widgets: {
      onAction: async (action, item) => tell('widget')({ action, id: item.id, count }),
    },
    onReady: () => tell('ready')(null),
    onError: ({ error }) => tell('error')(error.message),
    onResponseStart: () => tell('response.start')(null),
    onResponseEnd: () => tell('response.end')(null),
    onHistoryOpen: () => tell('history.open')(null),
    onHistoryClose: () => tell('history.close')(null),
    onThreadLoadStart: tell('thread.load.start'),
    onThreadLoadEnd: tell('thread.load.end'),
    onToolChange: tell('tool.change'),
    onEffect: tell('effect'),
    onDeeplink: tell('deeplink'),
    onLog: tell('log'),
    onThreadChange: ({ threadId }) => {
      tell('thread.change')({ threadId });
      if (threadId === null) sessionStorage.removeItem('thread');
      else sessionStorage.setItem('thread', threadId);
    },
  });
  Object.assign(globalThis, { kit, told, element: () => ref.current });
  return <ChatKit control={control} style={{ blockSize: '40rem' }} className="chat" />;
}

function App() {
  const [dark, setDark] = useState(false);
  const [count, setCount] = useState(1);
  return (
    <main>
      <button type="button" onClick={() => setDark(!dark)}>
        Theme
      </button>
      <button type="button" onClick={() => setCount(count + 1)}>
        Count
      </button>
      <Chat dark={dark} count={count} />
    </main>
  );
}

const container = document.createElement('div');
document.body.append(container);
createRoot(container).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
