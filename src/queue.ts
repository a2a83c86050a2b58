/** Tells the kernel which cells are going to run: those on workers then begin ahead of their turns. */
import type { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';
import type { IChannel } from './tokens';

/** The cells of one notebook that were asked for and have not run yet. */
export class Queue implements IDisposable {
  constructor(
    private readonly _channel: IChannel,
    /** Whether cells can run in other places than the kernel: where none can, nothing is said. */
    private readonly _matters: () => boolean
  ) {
    _channel.openChanged.connect(this._onOpen, this);
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Cells are about to be asked for: the kernel is told before it gets the first of them. */
  expect(ids: readonly string[]): void {
    if (this._add(ids)) {
      this._tell();
    }
  }

  /** A cell is being asked for; those that are asked for along with it are told together. */
  schedule(id: string): void {
    if (this._add([id]) && !this._due) {
      this._due = true;
      queueMicrotask(() => {
        this._due = false;
        this._tell();
      });
    }
  }

  /** Cells have run, or are not going to. */
  done(ids: readonly string[]): void {
    ids.forEach(id => this._cells.delete(id));
    // The kernel counts down itself.
    if (this._cells.size === 0 && this._told) {
      this._tell();
    }
  }

  dispose(): void {
    if (!this._isDisposed) {
      this._isDisposed = true;
      Signal.clearData(this);
    }
  }

  private _add(ids: readonly string[]): boolean {
    const before = this._cells.size;
    ids.forEach(id => this._cells.add(id));
    return this._cells.size > before;
  }

  private _tell(): void {
    // One alone has nothing to be ahead of.
    const matters = this._told || (this._cells.size > 1 && this._matters());
    if (matters && !this._isDisposed) {
      this._told = this._cells.size > 0;
      this._channel.send({ type: 'queued', cells: [...this._cells], force: false });
    }
  }

  private _onOpen(): void {
    this._cells.clear();
    this._told = false;
  }

  private readonly _cells = new Set<string>();
  private _due = false;
  private _isDisposed = false;
  private _told = false;
}
