/**
 * Generates src/protocol.ts from the schema of the kernel's messages; `--check` fails when it is out of date.
 */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { compile } from 'json-schema-to-typescript';
import { format, resolveConfig } from 'prettier';

const source = new URL('../strata_kernel/protocol.schema.json', import.meta.url);
const target = new URL('../src/protocol.ts', import.meta.url);

const text = readFileSync(source, 'utf-8');
const bannerComment = `/**
 * The messages of the comm \`strata\`. GENERATED from the kernel's records: do not edit, run \`jlpm protocol\`.
 *
 * Schema: sha256 ${createHash('sha256').update(text).digest('hex')}
 */`;
const plain = await compile(JSON.parse(text), 'StrataMessage', {
  additionalProperties: false,
  bannerComment,
  format: false,
  unreachableDefinitions: true
});
const style = await resolveConfig(target);
const generated = await format(plain, { ...style, parser: 'typescript' });

if (!process.argv.includes('--check')) {
  writeFileSync(target, generated);
} else if (readFileSync(target, 'utf-8') !== generated) {
  console.error('src/protocol.ts is out of date: run `jlpm protocol`');
  process.exit(1);
}
