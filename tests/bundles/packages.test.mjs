// The packages as a project gets them: installed from the tarballs into an empty folder, imported, and type-checked.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

const web = fileURLToPath(new URL("../../web", import.meta.url));
let project;

const run = (command, ...args) =>
  execFileSync(command, args, {
    cwd: project,
    encoding: "utf8",
    stdio: "pipe",
  });

before(() => {
  project = mkdtempSync(join(tmpdir(), "parlor-packages-"));
  writeFileSync(
    join(project, "package.json"),
    JSON.stringify({ private: true, type: "module" }),
  );
  const packed = readdirSync(join(web, "packed")).filter((name) =>
    name.endsWith(".tgz"),
  );
  assert.ok(
    packed.length > 1,
    "web/packed is empty; fill it with `make packages`",
  );
  run(
    "npm",
    "install",
    "--no-fund",
    "--no-audit",
    "--loglevel=error",
    "react@19.3.1",
    "react-dom@19.3.1",
    "@types/react@19.3.0",
    ...packed.map((name) => join(web, "packed", name)),
  );
});

after(() => rmSync(project, { recursive: true, force: true }));

test("what a server imports while it renders needs no browser", () => {
  writeFileSync(
    join(project, "server.mjs"),
    `import { createElement } from 'react';
     import { renderToString } from 'react-dom/server';
     import { createChatKitFetch } from '@parlor/client';
     import { validateOptions } from '@parlor/docusaurus';
     import { ParlorChat } from '@parlor/next';
     import { createChatKitHandler } from '@parlor/next/server';
     import { ChatKitWidget } from '@parlor/react';
     const { GET } = createChatKitHandler({ cookie: 'token' });
     const { status } = await GET(new Request('http://site.example/api/parlor/metrics'));
     console.log(typeof createChatKitFetch, validateOptions({}).id, status, JSON.stringify([ChatKitWidget, ParlorChat].map((part) => renderToString(createElement(part)))));`,
  );
  assert.equal(run("node", "server.mjs").trim(), 'function default 404 ["",""]');
});

for (const resolution of ["bundler", "nodenext"]) {
  test(`the type declarations hold (${resolution})`, () => {
    writeFileSync(
      join(project, "page.tsx"),
      `import { createChatKitFetch, type PageContext } from '@parlor/client';
       import docusaurus, { type Options, type SiteOptions } from '@parlor/docusaurus';
       import { ask } from '@parlor/docusaurus/client';
       import { ChatKitScript, ParlorChat } from '@parlor/next';
       import { createChatKitHandler } from '@parlor/next/server';
       import { ChatKitWidget, useChatKitWidget } from '@parlor/react';
       export const fetcher: typeof fetch = createChatKitFetch({ userId: 'ada', pageContext: (): Partial<PageContext> => ({ title: 'x' }) });
       export const page = <ChatKitWidget mode="panel" options={{ startScreen: { greeting: 'Hello' } }} />;
       // @ts-expect-error: there is no such mode.
       export const wrong = <ChatKitWidget mode="drawer" />;
       export const plugin: [typeof docusaurus, Options] = [docusaurus, { greeting: 'Hello', ingest: { command: false } }];
       export const site: SiteOptions = { token: async ({ refused }) => (refused ? null : 'x') };
       // @ts-expect-error: there is no such option.
       export const misspelt: Options = { greting: 'Hello' };
       export const asks = () => ask('What is it?');
       export const hook = useChatKitWidget;
       export const { GET, POST, PUT } = createChatKitHandler({ token: async ({ refused }) => (refused ? null : 'x') });
       export const next = <><ChatKitScript nonce="n" /><ParlorChat user={{ id: 'ada', name: null }} mode="panel" /></>;
       // @ts-expect-error: the token is nothing for the page.
       export const leak = <ParlorChat token={() => 'x'} />;`,
    );
    writeFileSync(
      join(project, "tsconfig.json"),
      JSON.stringify({
        compilerOptions: {
          strict: true,
          noEmit: true,
          // The types of @openai/chatkit itself don't hold under `nodenext`.
          skipLibCheck: resolution === "nodenext",
          target: "es2022",
          lib: ["es2023", "dom", "dom.iterable"],
          jsx: "react-jsx",
          types: [],
          module: resolution === "bundler" ? "esnext" : "nodenext",
          moduleResolution: resolution,
        },
        files: ["page.tsx"],
      }),
    );
    try {
      run(join(web, "node_modules/.bin/tsc"), "--project", ".");
    } catch (error) {
      assert.fail(error.stdout);
    }
  });
}
