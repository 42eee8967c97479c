// An OpenID provider for tests, on a free port: npm `oidc-provider` with accounts that need no password, and the
// means to make it difficult. See README.md.
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

/** Whom access tokens for machines are for. */
const AUDIENCE = 'urn:parlor:test';

/** What the provider remembers. It outlives a change of keys, for which the library needs a new instance. */
const memory = new Map();

class Memory {
  constructor(model) {
    this.model = model;
  }

  #key(id) {
    return `${this.model}:${id}`;
  }

  async upsert(id, payload, expiresIn) {
    memory.set(this.#key(id), { payload, until: expiresIn === undefined ? Infinity : Date.now() + expiresIn * 1000 });
  }

  async find(id) {
    const found = memory.get(this.#key(id));
    return found !== undefined && Date.now() < found.until ? found.payload : undefined;
  }

  async #findBy(name, value) {
    for (const [key, { payload }] of memory) {
      if (key.startsWith(`${this.model}:`) && payload[name] === value) return payload;
    }
    return undefined;
  }

  findByUid(uid) {
    return this.#findBy('uid', uid);
  }

  findByUserCode(code) {
    return this.#findBy('userCode', code);
  }

  async consume(id) {
    const payload = await this.find(id);
    if (payload !== undefined) payload.consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    memory.delete(this.#key(id));
  }

  async revokeByGrantId(grantId) {
    for (const [key, { payload }] of memory) {
      if (payload.grantId === grantId) memory.delete(key);
    }
  }
}

/** What can be changed while it runs. */
const state = {
  keys: [newKey()],
  /** Seconds that access and identity tokens are good for. */
  tokenSeconds: 3600,
  away: false,
  /** How often each address was asked. */
  asked: {},
};

function newKey() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig', alg: 'RS256' };
}

const page = (title, body) => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title>
<link rel="icon" href="data:,"></head><body><main><h1>${title}</h1>${body}</main></body></html>`;

const escaped = (text) => String(text).replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

function makeProvider(issuer) {
  const provider = new Provider(issuer, {
    adapter: Memory,
    jwks: { keys: state.keys },
    cookies: { keys: ['only', 'for tests'] },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, name: `${id[0].toUpperCase()}${id.slice(1)}`, email: `${id}@example.com`, roles: ['reader'] }),
    }),
    // As the standard has it: name and mail address are asked for, and not in the identity token.
    claims: { openid: ['sub'], profile: ['name', 'roles'], email: ['email'] },
    pkce: { required: () => true },
    ttl: {
      AccessToken: () => state.tokenSeconds,
      ClientCredentials: () => state.tokenSeconds,
      IdToken: () => state.tokenSeconds,
      Grant: 3600,
      Interaction: 600,
      RefreshToken: 3600,
      Session: 3600,
    },
    issueRefreshToken: (_, client) => client.grantTypeAllowed('refresh_token'),
    // Each is good once: using one twice ends all that was granted with it.
    rotateRefreshToken: true,
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    // Who signs in agrees.
    loadExistingGrant: async (context) => {
      const { oidc } = context;
      const grant = new provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
      grant.addOIDCScope(oidc.requestParamScopes.size > 0 ? [...oidc.requestParamScopes].join(' ') : 'openid');
      await grant.save();
      return grant;
    },
    renderError: (context, out) => {
      context.type = 'html';
      context.body = page('The provider refuses', `<p>${escaped(out.error)}: ${escaped(out.error_description ?? '')}</p>`);
    },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        // Machines get signed tokens, for Parlor; what people's tokens are is nobody's business.
        defaultResource: (context) => (context.oidc.params?.grant_type === 'client_credentials' ? AUDIENCE : undefined),
        getResourceServerInfo: () => ({
          scope: '',
          audience: AUDIENCE,
          accessTokenTTL: state.tokenSeconds,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: (context, form) => {
          context.type = 'html';
          context.body = page(
            'Sign out of the provider',
            `${form}<button type="submit" form="op.logoutForm" name="logout" value="yes">Yes, sign out</button>`,
          );
        },
        postLogoutSuccessSource: (context) => {
          context.type = 'html';
          context.body = page('Signed out of the provider', '');
        },
      },
    },
  });
  provider.on('server_error', (_, error) => console.error(error));
  return provider;
}

async function readBody(request) {
  let body = '';
  for await (const piece of request.setEncoding('utf8')) body += piece;
  return body;
}

/** The page where people say who they are. */
async function interact(request, response) {
  const { prompt, uid } = await provider.interactionDetails(request, response);
  if (request.method !== 'POST') {
    response.writeHead(200, { 'content-type': 'text/html' }).end(
      page(
        'Sign in to the provider',
        `<p>${escaped(prompt.name)}</p><form method="post" action="/interaction/${uid}">
<label>Name <input name="login" autofocus required></label>
<button name="answer" value="yes">Sign in</button>
<button name="answer" value="no" formnovalidate>Cancel</button></form>`,
      ),
    );
    return;
  }
  const form = new URLSearchParams(await readBody(request));
  const result =
    form.get('answer') === 'yes'
      ? { login: { accountId: form.get('login') }, consent: {} }
      : { error: 'access_denied', error_description: 'the user said no' };
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
}

/** What tests ask for. */
const CONTROLS = {
  /** A client: its properties as in dynamic registration, `client_id` among them. */
  client: async (client) => {
    await new Memory('Client').upsert(client.client_id, client);
  },
  /** Signs with a new key from now on. `drop` withdraws the others at once. */
  rotate: ({ drop }) => {
    state.keys = [newKey(), ...(drop === true ? [] : state.keys)];
    provider = makeProvider(url);
  },
  /** `away`, `tokenSeconds` */
  set: (changes) => Object.assign(state, changes),
  /** Forgets what was granted to this account: its refresh tokens are refused. */
  revoke: ({ account }) => {
    for (const [key, { payload }] of memory) {
      if (key.startsWith('RefreshToken:') && payload.accountId === account) memory.delete(key);
    }
  },
  /** How often each address was asked. */
  asked: () => state.asked,
};

let provider;
let url;

const server = createServer(async (request, response) => {
  const { pathname } = new URL(request.url, url);
  try {
    if (pathname.startsWith('/control/')) {
      const body = await readBody(request);
      const answer = await CONTROLS[pathname.slice('/control/'.length)](body === '' ? {} : JSON.parse(body));
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer ?? {}));
      return;
    }
    state.asked[pathname] = (state.asked[pathname] ?? 0) + 1;
    if (state.away) {
      response.writeHead(503).end();
    } else if (pathname.startsWith('/interaction/')) {
      await interact(request, response);
    } else {
      await provider.callback()(request, response);
    }
  } catch (error) {
    console.error(error);
    if (!response.headersSent) response.writeHead(500);
    response.end();
  }
});

server.listen(0, '127.0.0.1', () => {
  url = `http://127.0.0.1:${server.address().port}`;
  provider = makeProvider(url);
  console.log(`listening on ${url}`);
});
