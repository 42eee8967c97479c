// No telemetry, no call to a foreign host: what we serve names no host that it could call.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

// Names that stand in texts and are never called. Each line says where it comes from.
const ALLOWED = [
  'http://www.w3.org/', // XML namespaces
  'https://github.com/markedjs/marked.', // an error message of marked
  'https://github.com/highlightjs/highlight.js/', // warnings of highlight.js
  'https://example.com', // the example in a hint for URL fields
  'https://example.com.', // the same at the end of a sentence
];

function files(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(js|css|html)$/.test(entry.name))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}

/** Every absolute URL with a dotted host, also without a scheme, with what follows it. */
function addresses(text) {
  return text.match(/(?:https?|wss?):\/\/[a-z0-9-]+(?:\.[a-z0-9-]+)+[^\s"'`)]*|["'`(]\/\/[a-z0-9-]+(?:\.[a-z0-9-]+)+/gi) ?? [];
}

/** Whether an address is the allowed one, or lies below it where that ends in a separator. */
function isOf(address, allowed) {
  return address === allowed || (/[./]$/.test(allowed) && address.startsWith(allowed));
}

for (const folder of ['web/dist', 'crates/server/assets']) {
  test(`${folder} names no foreign host`, () => {
    const found = files(join(root, folder));
    assert.ok(found.length > 1, `${folder} is empty; build it with \`make web\``);
    for (const file of found) {
      const foreign = addresses(readFileSync(file, 'utf8')).filter(
        (address) => !ALLOWED.some((allowed) => isOf(address, allowed)),
      );
      assert.deepEqual(foreign, [], `${file} names hosts that it might call`);
    }
  });
}

test('the scan finds what it is for', () => {
  const telemetry = 'fetch("https://stats.example.com/v1"); import("//cdn.example.com/x.js")';
  assert.equal(addresses(telemetry).length, 2);
});
