/** Variants: cells of a group that share one place in the notebook, and which of them the notebook says is active. */
import type { INotebookModel } from '@jupyterlab/notebook';

export interface IVariant {
  readonly group: string;
  readonly name: string;
}

/** A cell that says which variant it is. */
export interface IMember extends IVariant {
  readonly id: string;
}

const LINE = /^([ \t]*#[ \t]*@variant[ \t]+)(\S+)([ \t]+)(\S+)[ \t]*$/i;
const METADATA = 'strata';

/** What the kernel takes for the name of a group or a variant. */
export const isName = (text: string): boolean => /^[\p{L}_][\p{L}\p{N}_]*$/u.test(text);

/** Return the place of a cell's `# @variant` line among its lines; -1 when it has none. */
function lineOf(lines: readonly string[]): number {
  // The head of a cell: comments, blank lines and magics.
  const end = lines.findIndex(line => line.trim() && !/^\s*(#|%%)/.test(line));
  return lines.slice(0, end < 0 ? undefined : end).findIndex(line => LINE.test(line));
}

/** Return what a cell says it is; null for one that is no variant. */
export function variantOf(source: string): IVariant | null {
  if (!source.includes('@variant')) {
    return null;
  }
  const lines = source.split('\n');
  const found = lines[lineOf(lines)]?.match(LINE);
  return found ? { group: found[2], name: found[4] } : null;
}

/** Return the source as that variant: its directive is changed, or added where there is none. */
export function asVariant(source: string, { group, name }: IVariant): string {
  const lines = source.split('\n');
  const place = lineOf(lines);
  if (place >= 0) {
    const change = (_: string, head: string, __: string, blank: string) =>
      head + group + blank + name;
    return lines.with(place, lines[place].replace(LINE, change)).join('\n');
  }
  // A magic stays in the first line, or it is none.
  return lines
    .toSpliced(lines[0].startsWith('%%') ? 1 : 0, 0, `# @variant ${group} ${name}`)
    .join('\n');
}

/** Return the members of each group, in the document's order. */
export function groups(notebook: INotebookModel): Map<string, IMember[]> {
  const found = new Map<string, IMember[]>();
  for (const { id, type, sharedModel } of notebook.cells) {
    const variant = type === 'code' ? variantOf(sharedModel.getSource()) : null;
    if (variant) {
      found.set(variant.group, [...(found.get(variant.group) ?? []), { id, ...variant }]);
    }
  }
  return found;
}

/** Return the active variant of each group that the notebook names one of. */
export function active(notebook: INotebookModel): Record<string, string> {
  const { variants } = (notebook.getMetadata(METADATA) ?? {}) as { variants?: unknown };
  const named = variants && typeof variants === 'object' ? Object.entries(variants) : [];
  return Object.fromEntries(named.filter(([, name]) => typeof name === 'string'));
}

/** Name the active variant of a group in the notebook; null names none. */
export function activate(notebook: INotebookModel, group: string, name: string | null): void {
  const held = (notebook.getMetadata(METADATA) ?? {}) as Record<string, unknown>;
  const variants = active(notebook);
  delete variants[group];
  notebook.setMetadata(METADATA, {
    ...held,
    variants: name === null ? variants : { ...variants, [group]: name }
  });
}
