import * as site from '../../src/index.js';

// What the tests call from outside.
Object.assign(globalThis, { site });
