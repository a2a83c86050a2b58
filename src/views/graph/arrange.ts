/** Puts boxes on levels with dagre; loaded when a graph is first drawn. */
import { Graph, layout } from '@dagrejs/dagre';
import { edgeText, type IBox, type IDrawing, type IPath, type ISketch } from './sketch';

const MARGIN = 16;
/** From so many boxes on, levels are taken as they come, not optimised. */
const LARGE = 60;
/** An edge over more levels is drawn straight: dagre would make a way for it through each of them, at great cost. */
const FAR = 6;
const FAR_IN_LARGE = 2;

type Edge = ISketch['edges'][number];

/** Return the places of boxes and edges, from top to bottom. */
export function arrange({ nodes, edges }: ISketch): IDrawing {
  const graph = new Graph({ multigraph: false });
  const ranker = nodes.length < LARGE ? 'network-simplex' : 'longest-path';
  graph.setGraph({
    rankdir: 'TB',
    nodesep: 18,
    ranksep: 34,
    marginx: MARGIN,
    marginy: MARGIN,
    ranker
  });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const { id, label, width, height } of nodes) {
    graph.setNode(id, { label, width, height });
  }
  const far = distant({ nodes, edges });
  for (const edge of edges.filter(item => !far.has(item))) {
    const text = edgeText(edge.names);
    // The text has a place of its own between the levels, so it never lies on a box.
    const size = { width: text.length * 6, height: text ? 12 : 0 };
    graph.setEdge(edge.source, edge.target, { ...size, labelpos: 'c' });
  }
  layout(graph);
  const { width, height } = graph.graph() as { width?: number; height?: number };
  const boxes = nodes.map(node => {
    const { x, y } = graph.node(node.id) as { x: number; y: number };
    return { ...node, x, y };
  });
  const at = new Map(boxes.map(box => [box.id, box]));
  const paths = edges.map(edge => {
    const points = far.has(edge)
      ? straight(at.get(edge.source)!, at.get(edge.target)!)
      : (graph.edge(edge.source, edge.target) as IPath).points;
    return { ...edge, points };
  });
  return { boxes, paths, width: width ?? 0, height: height ?? 0 };
}

/** Return the edges that span many levels; the one that gives a box its level never does. */
function distant({ nodes, edges }: ISketch): Set<Edge> {
  const level = new Map<string, number>();
  const sources = new Map<string, string[]>();
  edges.forEach(({ source, target }) =>
    sources.set(target, [...(sources.get(target) ?? []), source])
  );
  // Cells come in the document's order, in which nothing depends on what is below it.
  for (const { id } of nodes) {
    const above = (sources.get(id) ?? []).map(source => level.get(source) ?? 0);
    level.set(id, above.length ? Math.max(...above) + 1 : 0);
  }
  const most = nodes.length < LARGE ? FAR : FAR_IN_LARGE;
  return new Set(
    edges.filter(({ source, target }) => level.get(target)! - level.get(source)! > most)
  );
}

function straight(from: IBox, to: IBox): IPath['points'] {
  const [start, end] = [from.y + from.height / 2, to.y - to.height / 2];
  return [
    { x: from.x, y: start },
    { x: (from.x + to.x) / 2 + (to.x > from.x ? 24 : -24), y: (start + end) / 2 },
    { x: to.x, y: end }
  ];
}
