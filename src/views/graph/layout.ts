/** Arranges graphs, small ones at once and large ones in a worker; nothing is loaded before it is needed. */
import type { IDisposable } from '@lumino/disposable';
import type { IDrawing, ISketch } from './sketch';

/** From so many boxes on, arranging would be felt while typing. */
const LARGE = 60;

/** Arranges one graph after another; of two that are under way, only the later one counts. */
export class Layout implements IDisposable {
  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Return the drawing, or null when another one was asked for meanwhile. */
  async arrange(sketch: ISketch): Promise<IDrawing | null> {
    const turn = ++this._turn;
    const drawing =
      sketch.nodes.length < LARGE
        ? (await import('./arrange')).arrange(sketch)
        : await this._apart(turn, sketch);
    return turn === this._turn && !this._isDisposed ? drawing : null;
  }

  dispose(): void {
    this._isDisposed = true;
    this._worker?.terminate();
    this._worker = null;
  }

  private _apart(turn: number, sketch: ISketch): Promise<IDrawing | null> {
    const worker = (this._worker ??= new Worker(new URL('./worker.js', import.meta.url)));
    return new Promise(resolve => {
      const onMessage = ({ data }: MessageEvent<{ turn: number; drawing: IDrawing }>) => {
        if (data.turn >= turn) {
          worker.removeEventListener('message', onMessage);
          resolve(data.turn === turn ? data.drawing : null);
        }
      };
      worker.addEventListener('message', onMessage);
      worker.postMessage({ turn, sketch });
    });
  }

  private _isDisposed = false;
  private _turn = 0;
  private _worker: Worker | null = null;
}
