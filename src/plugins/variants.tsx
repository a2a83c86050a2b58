/** Cells that share one place in the notebook: tabs to switch between them, and what is done with them. */
import {
  Dialog,
  InputDialog,
  ReactWidget,
  showDialog,
  showErrorMessage
} from '@jupyterlab/apputils';
import type { Cell } from '@jupyterlab/cells';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import type { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';
import * as React from 'react';
import { plugin } from '../commands';
import { saved, type IBench, type Registry } from '../registry';
import { CommandIDs, PACKAGE } from '../tokens';
import { activate, active, asVariant, groups, isName, variantOf, type IMember } from '../variants';
import { Comparison } from '../views/comparison';
import { select } from '../views/navigate';
import { Strip } from '../views/variants';

const ASIDE = 'strata-mod-aside';

/** What is done with the variants of one notebook. */
class Variants {
  constructor(
    private readonly _bench: IBench,
    private readonly _trans: TranslationBundle
  ) {}

  switch({ id, group, name }: IMember): void {
    activate(this._notebook, group, name);
    this._bench.feed.flush();
    select(this._bench.panel, id);
  }

  /** Add a copy of a cell as another variant; a cell that is none becomes the first of a group. */
  async add(id: string): Promise<void> {
    const cell = this._cell(id);
    const source = cell?.model.sharedModel.getSource() ?? '';
    let variant = variantOf(source);
    if (!cell || !source.trim()) {
      return;
    }
    if (!variant) {
      const title = this._trans.__('Name of the group of variants');
      const group = await this._ask(title, 'choice', new Set(groups(this._notebook).keys()));
      if (!group) {
        return;
      }
      variant = { group, name: 'original' };
    }
    const taken = new Set(
      (groups(this._notebook).get(variant.group) ?? [variant]).map(m => m.name)
    );
    const name = await this._ask(this._trans.__('Name of the new variant'), '', taken);
    const index = this._bench.panel.content.widgets.indexOf(cell);
    if (name && index >= 0) {
      const { group } = variant;
      this._notebook.sharedModel.transact(() => {
        cell.model.sharedModel.setSource(asVariant(source, variant!));
        const copy = { cell_type: 'code' as const, source: asVariant(source, { group, name }) };
        this._notebook.sharedModel.insertCell(index + 1, { ...copy, metadata: {} });
      });
      activate(this._notebook, group, name);
      this._bench.feed.flush();
      this._bench.panel.content.activeCellIndex = index + 1;
    }
  }

  async rename({ id, group, name }: IMember): Promise<void> {
    const members = groups(this._notebook).get(group) ?? [];
    const taken = new Set(members.map(member => member.name).filter(other => other !== name));
    const next = await this._ask(this._trans.__('New name of %1', name), name, taken);
    const model = this._cell(id)?.model.sharedModel;
    if (next && next !== name && model) {
      model.setSource(asVariant(model.getSource(), { group, name: next }));
      if (active(this._notebook)[group] === name) {
        activate(this._notebook, group, next);
      }
      this._bench.feed.flush();
    }
  }

  async remove({ id, group, name }: IMember): Promise<void> {
    const { button } = await showDialog({
      title: this._trans.__('Remove %1?', name),
      body: this._trans.__('Its cell is deleted from the notebook.'),
      buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: this._trans.__('Remove') })]
    });
    const cell = this._cell(id);
    if (button.accept && cell) {
      this._notebook.sharedModel.deleteCell(this._bench.panel.content.widgets.indexOf(cell));
      if (active(this._notebook)[group] === name) {
        activate(this._notebook, group, null);
      }
      this._bench.feed.flush();
    }
  }

  private get _notebook() {
    return this._bench.panel.context.model;
  }

  private _cell(id: string): Cell | undefined {
    return this._bench.panel.content.widgets.find(cell => cell.model.id === id);
  }

  /** Ask for a name until it is one that nobody has; null when there is to be none. */
  private async _ask(title: string, text: string, taken: Set<string>): Promise<string | null> {
    let label = '';
    for (;;) {
      const { button, value } = await InputDialog.getText({ title, text, label });
      if (!button.accept || !value) {
        return null;
      }
      if (isName(value) && !taken.has(value)) {
        return value;
      }
      text = value;
      label = taken.has(value)
        ? this._trans.__('%1 is taken.', value)
        : this._trans.__('A name has letters, digits and underscores.');
    }
  }
}

/** The strips of one view. */
class Strips implements IDisposable {
  constructor(
    private readonly _bench: IBench,
    private readonly _variants: Variants,
    private readonly _trans: TranslationBundle,
    private readonly _commands: CommandRegistry
  ) {
    const notebook = _bench.panel.context.model;
    _bench.feed.told.connect(this._synchronise, this);
    _bench.model.graphChanged.connect(this._synchronise, this);
    notebook.cells.changed.connect(this._synchronise, this);
    this._synchronise();
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    this._isDisposed = true;
    Signal.disconnectReceiver(this);
    this._strips.forEach(strip => strip.dispose());
    this._strips.clear();
  }

  private _synchronise(): void {
    const { panel, model } = this._bench;
    if (panel.isDisposed) {
      return;
    }
    const found = model.isActive ? groups(panel.context.model) : new Map<string, IMember[]>();
    const standing = new Set(model.nodes.map(node => node.id));
    const members = new Map([...found.values()].flat().map(member => [member.id, member]));
    for (const [cell, strip] of this._strips) {
      if (cell.isDisposed || !members.has(cell.model.id)) {
        strip.dispose();
        this._strips.delete(cell);
        cell.removeClass(ASIDE);
      }
    }
    if (members.size === 0) {
      return;
    }
    for (const cell of panel.content.widgets) {
      const here = members.get(cell.model.id);
      const strip = here && (this._strips.get(cell) ?? this._strip(cell));
      if (here && strip) {
        const group = found.get(here.group)!;
        strip.show(group, here, group.find(({ id }) => standing.has(id))?.id ?? null);
        cell.toggleClass(ASIDE, standing.size > 0 && !standing.has(here.id));
      }
    }
  }

  private _strip(cell: Cell): Strip | null {
    const place = cell.node.querySelector('.jp-CellHeader');
    if (!place) {
      return null;
    }
    const here = (): IMember | null => {
      const variant = variantOf(cell.model.sharedModel.getSource());
      return variant && { id: cell.model.id, ...variant };
    };
    const act = (what: (member: IMember) => unknown) => () => {
      const member = here();
      void (member && what(member));
    };
    const strip = new Strip(place, {
      trans: this._trans,
      onSwitch: member => this._variants.switch(member),
      onAdd: act(member => this._variants.add(member.id)),
      onCompare: act(({ id }) => this._commands.execute(CommandIDs.compareVariants, { cell: id })),
      onRename: act(member => this._variants.rename(member)),
      onRemove: act(member => this._variants.remove(member))
    });
    this._strips.set(cell, strip);
    return strip;
  }

  private _isDisposed = false;
  private readonly _strips = new Map<Cell, Strip>();
}

/** Show the variants of a cell's group side by side, else those of the first group. */
async function compare(
  bench: IBench,
  cell: string | null,
  registry: Registry,
  trans: TranslationBundle
): Promise<void> {
  const title = trans.__('Variants');
  try {
    const groups = await registry.rest.variants(await saved(bench));
    const found =
      groups.find(({ variants }) => variants.some(variant => variant.cell === cell)) ?? groups[0];
    const body = found
      ? ReactWidget.create(<Comparison variants={found.variants} trans={trans} />)
      : trans.__('The notebook has no variants: add one to a cell first.');
    await showDialog({
      title: found ? trans.__('Variants of %1', found.group) : title,
      body,
      buttons: [Dialog.okButton({ label: trans.__('Close') })]
    });
  } catch (error) {
    await showErrorMessage(title, error as Error);
  }
}

export const variants = plugin(
  `${PACKAGE}:variants`,
  'Tabs over cells that are variants of each other.',
  ({ app, registry, commands, trans }) => {
    registry.follow(bench => new Strips(bench, new Variants(bench, trans), trans, app.commands));
    commands.add(
      CommandIDs.addVariant,
      trans.__('Add Variant of Cell…'),
      (bench, cell) => cell && new Variants(bench, trans).add(cell),
      {
        caption: trans.__('Add a copy of the cell that takes its place, to switch between the two')
      }
    );
    commands.add(
      CommandIDs.compareVariants,
      trans.__('Compare Variants…'),
      (bench, cell) => compare(bench, cell, registry, trans),
      { caption: trans.__('Show side by side what the variants left and showed') }
    );
  }
);
