// Packs the packages for npm: JavaScript and type declarations in the place of the sources that they are developed from.
//
//   packed/parlor-client/       what the tarball holds; a project beside this one can depend on the folder
//   packed/parlor-client.tgz    `npm install …/packed/parlor-client.tgz`
//
// By the compiler alone, a file for a file: whoever uses a package has a bundler, and that one sees what it can leave out.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const WEB = fileURLToPath(new URL('..', import.meta.url));
const PACKED = join(WEB, 'packed');
const TSC = join(WEB, 'node_modules/.bin/tsc');

/** In an order in which each needs only those before it. */
const PACKAGES = ['client', 'react', 'docusaurus', 'next'];

/** `./src/index.ts` as it is called once it is compiled. */
const compiled = (source, ending) => source.replace(/^\.\/src\//, './dist/').replace(/\.tsx?$/, ending);

/** An entry of `exports`: types first, as the first condition that fits wins. */
const entry = (source) => ({
  types: compiled(source, '.d.ts'),
  default: compiled(source, '.js'),
});

/** Where the declarations of a packed package are, for each of its entries. */
function declarationsOf(name) {
  const folder = join(PACKED, `parlor-${name}`);
  const { exports } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  return Object.entries(exports).map(([path, { types }]) => [
    `@parlor/${name}${path.slice(1)}`,
    [join(folder, types)],
  ]);
}

/** Declarations of modules that somebody else makes: nothing imports them by name. */
function ambient(folder) {
  return readdirSync(folder, { recursive: true })
    .filter((file) => file.endsWith('.d.ts'))
    .map((file) => join(folder, file));
}

function pack(name) {
  const source = join(WEB, 'packages', name);
  const target = join(PACKED, `parlor-${name}`);
  mkdirSync(target, { recursive: true });
  const manifest = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8'));
  const exported = Object.entries(manifest.exports);

  const settings = join(PACKED, `tsconfig.${name}.json`);
  writeFileSync(
    settings,
    JSON.stringify({
      extends: '../tsconfig.json',
      compilerOptions: {
        noEmit: false,
        declaration: true,
        rootDir: join(source, 'src'),
        outDir: join(target, 'dist'),
        // The packages before this one as they are packed: their sources belong to them.
        paths: Object.fromEntries(PACKAGES.slice(0, PACKAGES.indexOf(name)).flatMap(declarationsOf)),
      },
      include: [],
      files: [...exported.map(([, file]) => join(source, file)), ...ambient(join(source, 'src'))],
    }),
  );
  execFileSync(TSC, ['--project', settings], { stdio: 'inherit' });
  rmSync(settings);

  writeFileSync(
    join(target, 'package.json'),
    `${JSON.stringify(
      {
        ...manifest,
        exports: Object.fromEntries(exported.map(([path, file]) => [path, entry(file)])),
        // For tools that don't read \`exports\`.
        types: compiled(manifest.exports['.'], '.d.ts'),
        files: ['dist'],
      },
      null,
      2,
    )}\n`,
  );
  cpSync(join(source, 'README.md'), join(target, 'README.md'));
  cpSync(join(WEB, '../LICENSE'), join(target, 'LICENSE'));
  const said = execFileSync('npm', ['pack', '--json', '--pack-destination', PACKED, target], {
    encoding: 'utf8',
  });
  const [{ filename, size }] = JSON.parse(said);
  renameSync(join(PACKED, filename), join(PACKED, `parlor-${name}.tgz`));
  return size;
}

rmSync(PACKED, { recursive: true, force: true });
for (const name of PACKAGES) {
  const size = pack(name);
  console.log(`packed/parlor-${name}.tgz  ${(size / 1000).toFixed(1)} kB`);
}
