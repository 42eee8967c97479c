import { ChatKitScript, ParlorChat } from '@parlor/next';
import type { Metadata } from 'next';
import { headers } from 'next/headers';
import Link from 'next/link';
import type { ReactNode } from 'react';
import { currentUser } from '../lib/session';
import { signOutAction } from './login/actions';
import './globals.css';

export const metadata: Metadata = {
  title: { default: 'Harbour Coffee', template: '%s · Harbour Coffee' },
  description: 'Coffee, roasted on the day it is sent.',
  icons: { icon: '/icon.svg' },
};

export default async function RootLayout({ children }: { children: ReactNode }) {
  const user = await currentUser();
  const nonce = (await headers()).get('x-nonce') ?? undefined;
  return (
    <html lang="en">
      <body>
        <header className="top">
          <Link href="/" className="brand">
            Harbour Coffee
          </Link>
          <nav aria-label="Main">
            <Link href="/orders">Orders</Link>
            <Link href="/help">Help</Link>
          </nav>
          {user === null ? (
            <Link href="/login" className="button">
              Sign in
            </Link>
          ) : (
            <form action={signOutAction} className="account">
              <span data-testid="account">{user.name}</span>
              <button className="quiet">Sign out</button>
            </form>
          )}
        </header>
        <main>{children}</main>
        <footer>Harbour Coffee is made up. The chat is Parlor’s.</footer>
        <ChatKitScript nonce={nonce} />
        <ParlorChat
          user={user && { id: user.id, name: user.name }}
          userInfo={user && { name: user.name, ...user.customer }}
          nonce={nonce}
          options={{
            theme: { color: { accent: { primary: '#1d6b63', level: 1 } } },
            startScreen: {
              greeting: user === null ? 'What would you like to know?' : `Hello ${user.name.split(' ')[0]}`,
              prompts: [
                { label: 'Where is my order?', prompt: 'Where is my last order?' },
                { label: 'Which grind for a French press?', prompt: 'Which grind do I need for a French press?' },
              ],
            },
            composer: {
              placeholder: 'Ask about coffee, or an order',
              attachments: { enabled: true, maxCount: 3, maxSize: 10_000_000 },
            },
          }}
        />
      </body>
    </html>
  );
}
