// Writes the protocol's types for TypeScript from its JSON Schema (contract/chatkit.schema.json).
// With --check it only says whether the file is as it would be written.
//
// Our own, and not one of the generators on npm: those turn an open union, whose last arm takes any
// `type` that the others don't, into a type that no longer narrows on `type`.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';

const SCHEMA = new URL('../../contract/chatkit.schema.json', import.meta.url);
const TARGET = new URL('../packages/client/src/generated/protocol.ts', import.meta.url);
const COMMENT_WIDTH = 100;

const HEADER = `// Generated from contract/chatkit.schema.json, which is generated from the Rust types. Don't edit:
// change crates/protocol and run \`make contract\`.
//
// The protocol is open: a newer server may send types that are not listed here. Nothing validates or
// strips them, so every \`switch\` over a \`type\` needs a default arm. What the schema calls optional may
// be absent or null.

`;

/** A type expression for a schema. */
function expression(schema) {
  if (typeof schema.$ref === 'string') return schema.$ref.replace('#/$defs/', '');
  if ('const' in schema) return literal(schema.const);
  if (schema.enum) return schema.enum.map(literal).join(' | ');
  const arms = schema.oneOf ?? schema.anyOf;
  if (arms) {
    const known = arms.filter((arm) => !isOpen(arm));
    // A closed list beside any string: an editor still proposes what is in the list.
    const open = known.some((arm) => arm.enum) && known.some((arm) => isPlain(arm, 'string'));
    return [
      ...new Set(
        known.map((arm) =>
          open && isPlain(arm, 'string') ? '(string & NonNullable<unknown>)' : expression(arm),
        ),
      ),
    ].join(' | ');
  }
  if (Array.isArray(schema.type)) {
    return schema.type.map((type) => expression({ ...schema, type })).join(' | ');
  }
  switch (schema.type) {
    case 'string':
    case 'boolean':
    case 'null':
      return schema.type;
    case 'integer':
    case 'number':
      return 'number';
    case 'array':
      return `(${schema.items ? expression(schema.items) : 'unknown'})[]`;
    case 'object':
      return object(schema);
    default:
      return 'unknown';
  }
}

const literal = (value) => JSON.stringify(value);
const isPlain = (schema, type) => schema.type === type && !('const' in schema) && !schema.enum;

/** The arm of a union that takes what the others don't: an object of which only the kind of `type` is known. */
function isOpen(arm) {
  const names = Object.keys(arm.properties ?? {});
  return names.length === 1 && names[0] === 'type' && isPlain(arm.properties.type, 'string');
}

function object(schema) {
  const properties = Object.entries(schema.properties ?? {});
  const others = schema.additionalProperties;
  if (properties.length === 0) {
    return `Record<string, ${typeof others === 'object' ? expression(others) : 'unknown'}>`;
  }
  const lines = properties.map(([name, property]) => {
    const optional = schema.required?.includes(name) ? '' : '?';
    return `${comment(property.description)}${JSON.stringify(name)}${optional}: ${expression(property)};`;
  });
  if (others === true) lines.push('[property: string]: unknown;');
  return `{\n${lines.join('\n')}\n}`;
}

/** A description as a comment, wrapped. */
function comment(text) {
  if (!text) return '';
  const lines = text.split('\n').flatMap((paragraph) => {
    const wrapped = [''];
    for (const word of paragraph.replaceAll('*/', '* /').split(' ')) {
      const line = wrapped.at(-1);
      if (line !== '' && line.length + word.length >= COMMENT_WIDTH) wrapped.push(word);
      else wrapped[wrapped.length - 1] = line === '' ? word : `${line} ${word}`;
    }
    return wrapped;
  });
  return lines.length === 1
    ? `/** ${lines[0]} */\n`
    : `/**\n${lines.map((line) => ` * ${line}`).join('\n')}\n */\n`;
}

function definition([name, schema]) {
  const isInterface = schema.type === 'object' && Object.keys(schema.properties ?? {}).length > 0;
  const body = isInterface ? `interface ${name} ${object(schema)}` : `type ${name} = ${expression(schema)};`;
  return `${comment(schema.description)}export ${body}\n`;
}

const schema = JSON.parse(readFileSync(SCHEMA, 'utf8'));
const source = HEADER + Object.entries(schema.$defs).map(definition).join('\n');
const target = fileURLToPath(TARGET);
const code = await format(source, { ...(await resolveConfig(target)), filepath: target });

if (process.argv.includes('--check')) {
  let written = '';
  try {
    written = readFileSync(TARGET, 'utf8');
  } catch {
    // Not there: not as it would be written, either.
  }
  if (written !== code) {
    console.error('The TypeScript types of the protocol are not those of its schema. Run `make contract`.');
    process.exitCode = 1;
  }
} else {
  writeFileSync(TARGET, code);
}
