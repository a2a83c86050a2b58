/** The graph as it is to be drawn: what an arrangement starts from and what it returns. */
import { edges, type IEdge } from '../../graph';
import type { Node } from '../../protocol';

/** Boxes with sizes and the edges between them; plain, so that it can go to a worker. */
export interface ISketch {
  nodes: { id: string; label: string; width: number; height: number }[];
  edges: IEdge[];
}

export interface IBox {
  id: string;
  label: string;
  /** The middle. */
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface IPath extends IEdge {
  points: { x: number; y: number }[];
}

export interface IDrawing {
  boxes: IBox[];
  paths: IPath[];
  width: number;
  height: number;
}

const HEIGHT = 38;

/** Return what is to be arranged. */
export function sketch(nodes: readonly Node[]): ISketch {
  return {
    nodes: nodes.map(({ id, label }) => ({
      id,
      label: label || id,
      width: width(label || id),
      height: HEIGHT
    })),
    edges: edges(nodes)
  };
}

/** Return the text at an edge: its names, cut where there are many. */
export function edgeText(names: readonly string[]): string {
  return names.length > 3
    ? `${names.slice(0, 2).join(', ')} +${names.length - 2}`
    : names.join(', ');
}

/** Return the edge as a path of an SVG, round where the points bend. */
export function curve(points: IPath['points']): string {
  if (points.length < 3) {
    return points.map(({ x, y }, i) => `${i ? 'L' : 'M'}${x} ${y}`).join('');
  }
  const parts = [`M${points[0].x} ${points[0].y}`];
  for (let i = 1; i < points.length - 1; i++) {
    const [here, next] = [points[i], points[i + 1]];
    const last = i === points.length - 2;
    const end = last ? next : { x: (here.x + next.x) / 2, y: (here.y + next.y) / 2 };
    parts.push(`Q${here.x} ${here.y} ${end.x} ${end.y}`);
  }
  return parts.join('');
}

function width(label: string): number {
  return Math.min(190, Math.max(150, 40 + label.length * 7));
}
