/** The strip of tabs over a cell that is one of several variants. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { addIcon, closeIcon, editIcon, type LabIcon } from '@jupyterlab/ui-components';
import type { IDisposable } from '@lumino/disposable';
import type { IMember } from '../variants';
import { compareIcon } from './icons';

export interface IStripOptions {
  trans: TranslationBundle;
  onSwitch: (member: IMember) => void;
  onAdd: () => void;
  onCompare: () => void;
  onRename: () => void;
  onRemove: () => void;
}

/** The header of a cell has no height, unless something stands in it. */
const OPEN = 'strata-mod-open';

/** Plain nodes, as in a badge. */
export class Strip implements IDisposable {
  constructor(
    private readonly _place: Element,
    private readonly _options: IStripOptions
  ) {
    this._node.className = 'strata-Variants';
    this._node.addEventListener('keydown', event => this._onKey(event));
    _place.append(this._node);
    _place.classList.add(OPEN);
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    this._isDisposed = true;
    this._node.remove();
    this._place.classList.remove(OPEN);
  }

  /** Show the members of the group of `here`, the cell below; `standing` is the id of the one that counts. */
  show(members: readonly IMember[], here: IMember, standing: string | null): void {
    const shown = JSON.stringify([members, here, standing]);
    if (shown === this._shown) {
      return;
    }
    this._shown = shown;
    const focused = this._node.contains(document.activeElement);
    const { trans, onSwitch, onAdd, onCompare, onRename, onRemove } = this._options;
    const tabs = document.createElement('div');
    tabs.className = 'strata-Variants-tabs';
    tabs.setAttribute('role', 'tablist');
    tabs.setAttribute('aria-label', trans.__('Variants of %1', here.group));
    for (const member of members) {
      const tab = document.createElement('button');
      const selected = member.id === standing;
      tab.type = 'button';
      tab.className = 'strata-Variants-tab';
      tab.textContent = member.name;
      tab.tabIndex = selected ? 0 : -1;
      tab.title = selected
        ? trans.__('%1 is active', member.name)
        : trans.__('Use %1 for %2', member.name, here.group);
      tab.setAttribute('role', 'tab');
      tab.setAttribute('aria-selected', String(selected));
      tab.classList.toggle('strata-mod-here', member.id === here.id);
      tab.addEventListener('click', () => onSwitch(member));
      tabs.append(tab);
    }
    const group = document.createElement('span');
    group.className = 'strata-Variants-group';
    group.textContent = here.group;
    this._node.replaceChildren(
      group,
      tabs,
      button(addIcon, trans.__('Add a variant: a copy of this one'), onAdd),
      button(compareIcon, trans.__('Compare the variants of %1', here.group), onCompare),
      button(editIcon, trans.__('Rename %1', here.name), onRename),
      button(closeIcon, trans.__('Remove %1', here.name), onRemove)
    );
    if (focused) {
      tabs.querySelector<HTMLElement>('[tabindex="0"]')?.focus();
    }
  }

  /** Arrows walk the tabs; the notebook's own keys stay out of it. */
  private _onKey(event: KeyboardEvent): void {
    const tabs = [...this._node.querySelectorAll<HTMLElement>('[role=tab]')];
    const at = tabs.indexOf(event.target as HTMLElement);
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key] ?? 0;
    if (at >= 0 && step) {
      tabs[(at + step + tabs.length) % tabs.length].focus();
      event.preventDefault();
    }
    if (step || event.key === 'Enter' || event.key === ' ') {
      event.stopPropagation();
    }
  }

  private _isDisposed = false;
  private readonly _node = document.createElement('div');
  private _shown = '';
}

function button(icon: LabIcon, title: string, onClick: () => void): HTMLElement {
  const node = document.createElement('button');
  node.type = 'button';
  node.className = 'strata-Variants-action';
  node.title = title;
  node.setAttribute('aria-label', title);
  node.append(icon.element({ tag: 'span', width: '14px', height: '14px' }));
  node.addEventListener('click', onClick);
  return node;
}
