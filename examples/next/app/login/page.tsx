import type { Metadata } from 'next';
import { redirect } from 'next/navigation';
import { returnTo } from '../../lib/return-to';
import { currentUser } from '../../lib/session';
import { signInAction } from './actions';

export const metadata: Metadata = { title: 'Sign in' };

interface Props {
  searchParams: Promise<{ return_to?: string | string[]; failed?: string }>;
}

export default async function Login({ searchParams }: Props) {
  const { return_to, failed } = await searchParams;
  const target = returnTo([return_to].flat()[0]);
  if ((await currentUser()) !== null) redirect(target);
  return (
    <div className="login">
      <h1>Sign in</h1>
      {failed && (
        <p role="alert" className="alert">
          That address and password don’t belong together.
        </p>
      )}
      <form action={signInAction}>
        <input type="hidden" name="return_to" value={target} />
        <label>
          Mail address
          <input name="email" type="email" autoComplete="username" required />
        </label>
        <label>
          Password
          <input name="password" type="password" autoComplete="current-password" required />
        </label>
        <button className="button">Sign in</button>
      </form>
      <p className="muted" data-parlor-private>
        This is a demonstration: <code>ada@example.com</code> with <code>analytical-engine</code>, or{' '}
        <code>linus@example.com</code> with <code>chemical-bond</code>.
      </p>
    </div>
  );
}
