/** Questions to the graph of cells, without any state of their own. */
import type { Node } from './protocol';

/** An edge: `target` reads these names from `source`. */
export interface IEdge {
  source: string;
  target: string;
  names: string[];
}

type Nodes = readonly Node[];

/** Return the edges; a name is said to come from the nearest cell above that writes it. */
export function edges(nodes: Nodes): IEdge[] {
  const place = new Map(nodes.map((node, i) => [node.id, i]));
  const found: IEdge[] = [];
  for (const node of nodes) {
    const sources = (node.upstream ?? [])
      .filter(id => place.has(id))
      .sort((a, b) => place.get(b)! - place.get(a)!);
    const open = new Set(node.reads);
    for (const source of sources) {
      const names = (nodes[place.get(source)!].writes ?? []).filter(name => open.delete(name));
      found.push({ source, target: node.id, names });
    }
  }
  return found;
}

/** Return every cell that these depend on, without themselves unless they depend on each other. */
export function ancestors(nodes: Nodes, ids: Iterable<string>): Set<string> {
  const upstream = new Map(nodes.map(node => [node.id, node.upstream ?? []]));
  return reach(ids, id => upstream.get(id) ?? []);
}

/** Return every cell that depends on one of these. */
export function descendants(nodes: Nodes, ids: Iterable<string>): Set<string> {
  const downstream = new Map<string, string[]>();
  for (const node of nodes) {
    for (const id of node.upstream ?? []) {
      downstream.set(id, [...(downstream.get(id) ?? []), node.id]);
    }
  }
  return reach(ids, id => downstream.get(id) ?? []);
}

function reach(ids: Iterable<string>, next: (id: string) => readonly string[]): Set<string> {
  const found = new Set<string>();
  const pending = [...ids];
  for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
    for (const other of next(id)) {
      if (!found.has(other)) {
        found.add(other);
        pending.push(other);
      }
    }
  }
  return found;
}

/** Return the graph as a Mermaid flowchart. */
export function mermaid(nodes: Nodes): string {
  const names = new Map(nodes.map((node, i) => [node.id, `c${i}`]));
  const quote = (text: string) => `"${text.replace(/"/g, '#quot;')}"`;
  return [
    'flowchart TB',
    ...nodes.map(node => `  ${names.get(node.id)}[${quote(node.label || node.id)}]`),
    ...edges(nodes).map(({ source, target, names: read }) => {
      const text = read.length ? `|${quote(read.join(', '))}|` : '';
      return `  ${names.get(source)} -->${text} ${names.get(target)}`;
    }),
    ''
  ].join('\n');
}
