/** Puts boxes on levels with dagre; loaded when a graph is first drawn. */
import { Graph, layout } from '@dagrejs/dagre';
import { edgeText, type IDrawing, type ISketch } from './sketch';

const MARGIN = 16;

/** Return the places of boxes and edges, from top to bottom. */
export function arrange({ nodes, edges }: ISketch): IDrawing {
  const graph = new Graph({ multigraph: false });
  graph.setGraph({ rankdir: 'TB', nodesep: 18, ranksep: 34, marginx: MARGIN, marginy: MARGIN });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const { id, label, width, height } of nodes) {
    graph.setNode(id, { label, width, height });
  }
  for (const { source, target, names } of edges) {
    const text = edgeText(names);
    // The text has a place of its own between the levels, so it never lies on a box.
    graph.setEdge(source, target, { width: text.length * 6, height: text ? 12 : 0, labelpos: 'c' });
  }
  layout(graph);
  const { width, height } = graph.graph() as { width?: number; height?: number };
  return {
    boxes: nodes.map(node => {
      const { x, y } = graph.node(node.id) as { x: number; y: number };
      return { ...node, x, y };
    }),
    paths: edges.map(edge => {
      const { points } = graph.edge(edge.source, edge.target) as { points: { x: number; y: number }[] };
      return { ...edge, points };
    }),
    width: width ?? 0,
    height: height ?? 0
  };
}
