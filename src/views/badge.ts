/** The badge of one cell: plain nodes rather than a React root, as a long notebook has hundreds of them. */
import type { CodeCell } from '@jupyterlab/cells';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { IDisposable } from '@lumino/disposable';
import type { NotebookModel } from '../model';
import type { Diagnostic } from '../protocol';
import { STALE, type State } from '../tokens';
import { drawing } from './icons';
import { badge, reason, sentence } from './words';

/** How often a running cell's time is told anew, in milliseconds. */
const TICK = 1000;

export interface IBadgeOptions {
  cell: CodeCell;
  model: NotebookModel;
  trans: TranslationBundle;
  /** Where a cell is. */
  place: (id: string) => string;
  onClick: (cell: CodeCell) => void;
}

/** A button at the lower edge of a cell's editor; it is out of the flow, so nothing ever moves. */
export class Badge implements IDisposable {
  constructor(private readonly _options: IBadgeOptions) {
    this._node.type = 'button';
    this._node.className = 'strata-Badge strata-State';
    this._node.hidden = true;
    this._text.className = 'strata-Badge-text';
    this._node.append(this._icon, this._text);
    this._row.className = 'strata-Badges';
    this._row.append(this._node);
    this._node.addEventListener('click', () => _options.onClick(_options.cell));
    // A press must not take the focus out of an editor that is being typed in.
    this._node.addEventListener('mousedown', event => event.preventDefault());
    // Hundreds of explanations change with one edit, and nobody looks at more than one.
    for (const [begin, end] of [
      ['pointerenter', 'pointerleave'],
      ['focus', 'blur']
    ]) {
      this._node.addEventListener(begin, () => this._explain());
      this._node.addEventListener(end, () => this._node.removeAttribute('title'));
    }
    const { cell } = _options;
    void cell.ready.then(() => {
      if (!this._isDisposed) {
        cell.node.querySelector('.jp-Cell-inputWrapper')?.append(this._row);
        this.update();
      }
    });
  }

  get cell(): CodeCell {
    return this._options.cell;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Show the cell's facts as they are now. */
  update(): void {
    const { cell, model, trans } = this._options;
    const facts = cell.isDisposed ? null : model.cell(cell.model.id);
    this._tick(facts?.began ?? null);
    this._node.hidden = !facts;
    // Not on the cell: the browser passes over what is inside of one that is out of sight.
    this._row.parentElement?.classList.toggle(
      'strata-mod-stale',
      !!facts && STALE.has(facts.state) && facts.state !== 'new'
    );
    if (!facts) {
      return;
    }
    const text = badge(facts, Date.now(), trans);
    if (facts.state !== this._state) {
      this._state = facts.state;
      this._node.dataset.state = facts.state;
      const icon = drawing(facts.state);
      this._icon.replaceWith(icon);
      this._icon = icon;
    }
    this._showFindings(model.diagnostics(facts.id));
    if (text !== this._text.textContent) {
      this._text.textContent = text;
      this._node.setAttribute('aria-label', label(text, trans));
    }
    if (this._node.title) {
      this._explain();
    }
  }

  dispose(): void {
    this._isDisposed = true;
    this._tick(null);
    this._row.parentElement?.classList.remove('strata-mod-stale');
    this._row.remove();
  }

  /** Say in words, to the pointer and to screen readers, what the state means and why it is so. */
  private _explain(): void {
    const { cell, model, place, trans } = this._options;
    const facts = cell.isDisposed ? null : model.cell(cell.model.id);
    if (facts) {
      const words = [
        sentence(facts, trans),
        ...facts.reasons.map(item => reason(item, facts.id, place))
      ];
      this._node.title = [...new Set(words)].join('\n');
    }
  }

  /** A pill beside the badge, there only while something is wrong with what the cell says. */
  private _showFindings(items: readonly Diagnostic[]): void {
    if (items.length === 0) {
      this._pill?.remove();
      this._pill = null;
      return;
    }
    if (!this._pill) {
      const pill = (this._pill = document.createElement('button'));
      pill.type = 'button';
      pill.className = 'strata-Pill';
      pill.addEventListener('click', () => this._options.onClick(this._options.cell));
      pill.addEventListener('mousedown', event => event.preventDefault());
      this._row.prepend(pill);
    }
    const texts = items.map(item => item.message);
    const severity = worst(items);
    this._pill.dataset.severity = severity;
    this._pill.textContent = `${severity === 'info' ? 'i' : '!'} ${items.length}`;
    this._pill.title = texts.join('\n');
    this._pill.setAttribute('aria-label', this._options.trans.__('Strata: %1', texts.join('; ')));
  }

  /** The clock runs only while the cell does. */
  private _tick(began: number | null): void {
    if (began === null && this._timer) {
      clearInterval(this._timer);
      this._timer = 0;
    } else if (began !== null && !this._timer) {
      this._timer = window.setInterval(() => this.update(), TICK);
    }
  }

  private _icon: Element = document.createElement('span');
  private _isDisposed = false;
  private readonly _node = document.createElement('button');
  private _pill: HTMLButtonElement | null = null;
  private readonly _row = document.createElement('div');
  private _state: State | null = null;
  private readonly _text = document.createElement('span');
  private _timer = 0;
}

const labels = new WeakMap<TranslationBundle, string[]>();

/** What a screen reader says; looked up once, as an edit changes hundreds of badges. */
function label(text: string, trans: TranslationBundle): string {
  let parts = labels.get(trans);
  if (!parts) {
    labels.set(trans, (parts = trans.__('Strata: %1. Show why.', '\0').split('\0')));
  }
  return parts.join(text);
}

/** Return the gravest severity of some findings. */
function worst(items: readonly Diagnostic[]): NonNullable<Diagnostic['severity']> {
  const found = items.map(item => item.severity ?? 'warning');
  return found.includes('error') ? 'error' : found.includes('warning') ? 'warning' : 'info';
}
