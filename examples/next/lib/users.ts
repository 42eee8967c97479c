import 'server-only';
import { scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

export interface User {
  id: string;
  name: string;
  email: string;
  /** What the assistant is told of them. */
  customer: { number: string; plan: string };
}

/** In place of a database. The passwords are on the login page, as this is a demonstration. */
const ACCOUNTS: readonly (User & { salt: string; hash: string })[] = [
  {
    id: 'ada',
    name: 'Ada Lovelace',
    email: 'ada@example.com',
    customer: { number: 'C-1815', plan: 'Two bags a month' },
    salt: '0bcba3b2c2a5ef4be65f0054f19a270f',
    hash: 'a04c05a5f92af248d240e9d9c896fa5e74cbaee4b20ec45029087780343636c0',
  },
  {
    id: 'linus',
    name: 'Linus Pauling',
    email: 'linus@example.com',
    customer: { number: 'C-1901', plan: 'No subscription' },
    salt: '6861d7f5883e0f2a57da794e5c66bee7',
    hash: '4edb6f45cb15e4a91c8bcf7ce3968ea939a262fc40ea0187c4cb6777064b2973',
  },
];

const derive = promisify(scrypt) as (password: string, salt: Buffer, length: number) => Promise<Buffer>;

export function userById(id: string): User | null {
  const account = ACCOUNTS.find((one) => one.id === id);
  if (account === undefined) return null;
  const { salt: _salt, hash: _hash, ...user } = account;
  return user;
}

export async function userByPassword(email: string, password: string): Promise<User | null> {
  const account = ACCOUNTS.find((one) => one.email === email.trim().toLowerCase());
  // As long for a wrong address as for a wrong password, so that the time does not tell who has an account.
  const { salt, hash } = account ?? ACCOUNTS[0]!;
  const derived = await derive(password, Buffer.from(salt, 'hex'), 32);
  const right = timingSafeEqual(derived, Buffer.from(hash, 'hex'));
  return right && account !== undefined ? userById(account.id) : null;
}
