// A site as its author would write it: a page of text, and the widget. What is asked of it comes with the address.
import { StrictMode } from 'react';
import { createRoot, hydrateRoot } from 'react-dom/client';
import { ChatKitWidget, type ChatKitWidgetProps, type WidgetHandle } from '../../src/index.js';

const query = new URLSearchParams(location.search);
const lang = query.get('lang');
if (lang !== null) document.documentElement.lang = lang;
const props = JSON.parse(query.get('props') ?? '{}') as Partial<ChatKitWidgetProps>;
const seen: unknown[] = [];
Object.assign(globalThis, { seen, violations: [] as string[], widget: { current: null } });
document.addEventListener('securitypolicyviolation', (event) => {
  (globalThis as unknown as { violations: string[] }).violations.push(event.violatedDirective);
});
const { widget } = globalThis as unknown as { widget: { current: WidgetHandle | null } };

const site = (
  <StrictMode>
    <ChatKitWidget
      handle={widget}
      onOpenChange={(open) => void seen.push(open)}
      options={{ startScreen: { greeting: 'Ask about Acme' } }}
      {...props}
      {...(query.has('menu') && {
        menu: [
          { label: 'What is new?', message: 'hello from the menu' },
          { label: 'Handbook', href: '#handbook' },
          { label: 'Call me', run: () => void seen.push('called') },
        ],
        profile: {
          fields: [
            { name: 'name', label: 'Name' },
            { name: 'role', label: 'Role', type: 'select', options: ['Developer', 'Designer'] },
          ],
        },
      })}
    />
  </StrictMode>
);
const place = document.getElementById('root') as HTMLElement;
// What the server has rendered is taken over; otherwise it begins here.
const onRecoverableError = (error: unknown) => void seen.push(String(error));
const root =
  place.dataset.server === undefined ? createRoot(place) : hydrateRoot(place, site, { onRecoverableError });
if (place.dataset.server === undefined) root.render(site);
Object.assign(globalThis, { unmount: () => root.unmount() });
