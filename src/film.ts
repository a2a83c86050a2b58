/** The pictures that the passes of a loop showed, fetched a stretch at a time where somebody looks. No DOM. */
import type { NotebookModel } from './model';
import type { Pictures } from './protocol';

/** Pictures that are fetched at once; a kernel gives no more. */
export const STRETCH = 24;

const PNG = 'data:image/png;base64,';

/** Stretches that are held: those that were looked at the longest ago go. */
const HELD = 20;

/** What is known of one loop. */
export class Film {
  constructor(
    private readonly _model: NotebookModel,
    readonly cell: string,
    /** Is called when more is known. */
    private readonly _changed: () => void
  ) {}

  /** Whether any pass that was asked for showed a picture. */
  get isSeen(): boolean {
    return this._isSeen;
  }

  /** Return an address of the picture of a pass: null where it showed none, undefined where that is not known. */
  picture(place: number): string | null | undefined {
    return this._held.get(Math.floor(place / STRETCH))?.[place % STRETCH];
  }

  /** Have these passes there soon; one stretch is asked for after the other, the last wish first. */
  need(first: number, last: number): void {
    const stretches: number[] = [];
    for (let i = Math.floor(first / STRETCH); i <= Math.floor(last / STRETCH); i++) {
      const known = this._held.get(i);
      if (known) {
        this._hold(i, known);
      } else {
        stretches.push(i);
      }
    }
    this._wanted = stretches;
    void this._fetch();
  }

  private async _fetch(): Promise<void> {
    if (this._isAsking) {
      return;
    }
    this._isAsking = true;
    try {
      for (let next = this._wanted.shift(); next !== undefined; next = this._wanted.shift()) {
        const [cell, first] = [this.cell, next * STRETCH];
        const answer = await this._model.ask(id => {
          return { type: 'request-pictures', id, cell, first, count: STRETCH };
        });
        const items = (answer as Pictures).items.map(item => item && PNG + item);
        this._hold(next, items);
        this._isSeen = this._isSeen || items.some(item => item !== null);
        this._changed();
      }
    } catch {
      this._wanted = []; // the kernel went away
    } finally {
      this._isAsking = false;
    }
  }

  private _hold(stretch: number, items: (string | null)[]): void {
    this._held.delete(stretch);
    this._held.set(stretch, items);
    if (this._held.size > HELD) {
      this._held.delete(this._held.keys().next().value!);
    }
  }

  private readonly _held = new Map<number, (string | null)[]>();
  private _isAsking = false;
  private _isSeen = false;
  private _wanted: number[] = [];
}
