import { ancestors, descendants, edges, mermaid } from '../graph';
import type { Node } from '../protocol';
import { arrange } from '../views/graph/arrange';
import { curve, edgeText, sketch } from '../views/graph/sketch';
import { fitted, zoomed } from '../views/graph/viewport';
import { neighbour } from '../views/graph/view';

const NODES: Node[] = [
  { id: 'a', label: 'load "raw"', writes: ['x'] },
  { id: 'b', label: 'b', reads: ['x'], writes: ['x', 'y'], upstream: ['a'] },
  { id: 'c', label: 'c', reads: ['x', 'y'], writes: ['z'], upstream: ['a', 'b'] },
  { id: 'd', label: 'd', upstream: ['gone'] }
];

describe('graph', () => {
  it('says which names an edge carries: from the nearest writer', () => {
    expect(edges(NODES)).toEqual([
      { source: 'a', target: 'b', names: ['x'] },
      { source: 'b', target: 'c', names: ['x', 'y'] },
      { source: 'a', target: 'c', names: [] }
    ]);
  });

  it('walks up and down', () => {
    expect([...ancestors(NODES, ['c'])].sort()).toEqual(['a', 'b']);
    expect([...descendants(NODES, ['a'])].sort()).toEqual(['b', 'c']);
    expect(descendants(NODES, ['d']).size).toBe(0);
  });

  it('becomes a Mermaid flowchart', () => {
    const text = mermaid(NODES);
    expect(text).toContain('c0["load #quot;raw#quot;"]');
    expect(text).toContain('c1 -->|"x, y"| c2');
  });
});

describe('layout', () => {
  it('puts readers below writers and nothing on top of another', () => {
    const { boxes, paths, width, height } = arrange(sketch(NODES));
    const at = new Map(boxes.map(box => [box.id, box]));
    expect(at.get('a')!.y).toBeLessThan(at.get('b')!.y);
    expect(at.get('b')!.y).toBeLessThan(at.get('c')!.y);
    expect(paths).toHaveLength(3);
    for (const box of boxes) {
      expect(box.x + box.width / 2).toBeLessThanOrEqual(width);
      expect(box.y + box.height / 2).toBeLessThanOrEqual(height);
    }
  });

  it('arranges three hundred cells in reasonable time, though all of them read the first', () => {
    const many = Array.from({ length: 300 }, (_, i) => ({
      id: `c${i}`,
      label: `v${i}`,
      reads: i ? ['v0', `v${i - 1}`, `v${Math.floor(i / 2)}`] : [],
      writes: [`v${i}`],
      upstream: i ? [...new Set(['c0', `c${i - 1}`, `c${Math.floor(i / 2)}`])] : []
    }));
    const began = performance.now();
    expect(arrange(sketch(many)).boxes).toHaveLength(300);
    expect(performance.now() - began).toBeLessThan(5000);
  });

  it('is walked with keys', () => {
    const drawing = arrange(sketch(NODES));
    expect(['b', 'c']).toContain(neighbour(drawing, 'a', 'ArrowDown'));
    expect(neighbour(drawing, 'c', 'ArrowUp')).toBeTruthy();
    expect(neighbour(drawing, 'a', 'ArrowUp')).toBeNull();
    expect(neighbour(drawing, 'c', 'Home')).toBe('a');
    expect(neighbour(drawing, 'none', 'End')).toBeNull();
  });

  it('cuts long texts and draws round bends', () => {
    expect(edgeText(['a', 'b', 'c', 'd'])).toBe('a, b +2');
    expect(
      curve([
        { x: 0, y: 0 },
        { x: 1, y: 1 }
      ])
    ).toBe('M0 0L1 1');
    expect(
      curve([
        { x: 0, y: 0 },
        { x: 1, y: 1 },
        { x: 2, y: 0 }
      ])
    ).toBe('M0 0Q1 1 2 0');
  });
});

describe('viewport', () => {
  it('fits a drawing without enlarging it', () => {
    expect(fitted(100, 50, { width: 400, height: 60 }).k).toBe(1);
    expect(fitted(800, 50, { width: 400, height: 400 }).k).toBe(0.5);
  });

  it('zooms around a place that stays where it is', () => {
    const at = { x: 30, y: 40 };
    const { x, y, k } = zoomed({ x: 10, y: 20, k: 1 }, 2, at);
    expect([(at.x - x) / k, (at.y - y) / k]).toEqual([20, 20]);
  });
});
