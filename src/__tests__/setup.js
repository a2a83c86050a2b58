// What browsers have and the tests' DOM does not.
const { deserialize, serialize } = require('node:v8');

globalThis.structuredClone ??= value => deserialize(serialize(value));
