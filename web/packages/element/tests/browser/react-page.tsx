// A React site as its author would write it: the published wrapper, StrictMode,
// and the element loaded by a script of its own.
import { ChatKit, useChatKit } from '@openai/chatkit-react';
import { StrictMode, useState } from 'react';
import { createRoot } from 'react-dom/client';

interface Seen {
  name: string;
  detail: unknown;
}
const seen: Seen[] = [];
Object.assign(globalThis, { events: seen, violations: [] as string[] });
document.addEventListener('securitypolicyviolation', (event) => {
  (globalThis as unknown as { violations: string[] }).violations.push(event.violatedDirective);
});
const note = (name: string) => (detail: unknown) => void seen.push({ name, detail });

function Chat({ scheme }: { scheme: 'light' | 'dark' }) {
  const { control, sendUserMessage, setThreadId, focusComposer } = useChatKit({
    api: { url: '/chatkit', domainKey: 'local' },
    theme: { colorScheme: scheme },
    startScreen: { greeting: 'Hello from React' },
    onReady: () => note('chatkit.ready')(null),
    onResponseStart: () => note('chatkit.response.start')(null),
    onResponseEnd: () => note('chatkit.response.end')(null),
    onThreadChange: note('chatkit.thread.change'),
    onError: note('chatkit.error'),
  });
  return (
    <>
      <button type="button" onClick={() => void sendUserMessage({ text: 'hello from a button' })}>
        Ask
      </button>
      <button type="button" onClick={() => void setThreadId(null)}>
        New
      </button>
      <button type="button" onClick={() => void focusComposer()}>
        Focus
      </button>
      <ChatKit control={control} />
    </>
  );
}

function App() {
  const [shown, setShown] = useState(true);
  const [scheme, setScheme] = useState<'light' | 'dark'>('light');
  return (
    <main>
      <button type="button" onClick={() => setShown(!shown)}>
        Toggle
      </button>
      <button type="button" onClick={() => setScheme(scheme === 'light' ? 'dark' : 'light')}>
        Theme
      </button>
      {shown ? <Chat scheme={scheme} /> : null}
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
