/** Arranges large graphs beside the page, which goes on reacting. */
import { arrange } from './arrange';
import type { ISketch } from './sketch';

self.onmessage = ({ data }: MessageEvent<{ turn: number; sketch: ISketch }>) => {
  self.postMessage({ turn: data.turn, drawing: arrange(data.sketch) });
};
