import { createChatKitHandler } from '@parlor/next/server';
import { cookies } from 'next/headers';
import { PARLOR_TOKEN, renewParlorToken } from '../../../../lib/session';

export const { GET, POST, PUT } = createChatKitHandler({
  server: process.env.PARLOR_URL,
  token: async ({ refused }) => {
    const token = refused ? undefined : (await cookies()).get(PARLOR_TOKEN)?.value;
    // Gone with its five minutes, or refused: whoever is still signed in gets a new one.
    return token ?? renewParlorToken();
  },
});
