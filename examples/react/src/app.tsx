import { ChatKitWidget, type WidgetHandle } from '@parlor/react';
import { useEffect, useRef, useState } from 'react';
import { PAGES } from './pages.tsx';
import { usePath } from './use-path.ts';

type Scheme = 'light' | 'dark';

/** A site with two pages, and the chat on both: it stays as it is while the reader goes from one to the other. */
export function App() {
  const [path, go] = usePath();
  const [scheme, setScheme] = useState<Scheme>(() =>
    matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light',
  );
  const chat = useRef<WidgetHandle>(null);
  const page = PAGES.find((one) => one.path === path) ?? PAGES[0]!;

  useEffect(() => {
    document.title = `${page.title} · Fern`;
  }, [page]);
  useEffect(() => {
    document.documentElement.dataset.scheme = scheme;
  }, [scheme]);

  return (
    <>
      <nav aria-label="Pages">
        <strong>Fern</strong>
        {PAGES.map((one) => (
          <a
            key={one.path}
            href={one.path}
            aria-current={one === page ? 'page' : undefined}
            onClick={(event) => {
              event.preventDefault();
              go(one.path);
            }}
          >
            {one.name}
          </a>
        ))}
        <button type="button" onClick={() => setScheme(scheme === 'dark' ? 'light' : 'dark')}>
          {scheme === 'dark' ? 'Light' : 'Dark'}
        </button>
      </nav>
      <main>
        <h1>{page.title}</h1>
        {page.content}
        <p>
          <button type="button" onClick={() => chat.current?.ask('What is important on this page?')}>
            What is important here?
          </button>
        </p>
      </main>
      <ChatKitWidget
        handle={chat}
        colorScheme={scheme}
        options={{
          startScreen: {
            greeting: 'Ask about our ferns',
            prompts: [{ label: 'Which fern for a bathroom?', prompt: 'Which fern suits a bathroom?' }],
          },
          threadItemActions: { feedback: true, retry: true },
        }}
        userInfo={{ plan: 'visitor' }}
        menu={[
          { label: 'When do you deliver?', message: 'When do you deliver?' },
          { label: 'Delivery and returns', run: () => go('/delivery') },
        ]}
        profile={{ fields: [{ name: 'home', label: 'Where do your plants live?', placeholder: 'A dark bathroom' }] }}
        labels={{ title: 'Ask Fern' }}
      />
    </>
  );
}
