'use server';
import { redirect } from 'next/navigation';
import { returnTo } from '../../lib/return-to';
import { signIn, signOut } from '../../lib/session';
import { userByPassword } from '../../lib/users';

export async function signInAction(form: FormData): Promise<void> {
  const text = (name: string) => String(form.get(name) ?? '');
  const target = returnTo(text('return_to'));
  const user = await userByPassword(text('email'), text('password'));
  if (user === null) redirect(`/login?failed=1&return_to=${encodeURIComponent(target)}`);
  await signIn(user);
  redirect(target);
}

export async function signOutAction(): Promise<void> {
  await signOut();
  redirect('/');
}
