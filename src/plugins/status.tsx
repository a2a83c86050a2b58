/** An item in the status bar: how many cells were served, and what that saved. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Dialog, ReactWidget, showDialog } from '@jupyterlab/apputils';
import { IStatusBar, TextItem } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator, type TranslationBundle } from '@jupyterlab/translation';
import { VDomModel, VDomRenderer } from '@jupyterlab/ui-components';
import * as React from 'react';
import type { ITally, NotebookModel } from '../model';
import { IRegistry, type Registry } from '../registry';
import type { IStore } from '../rest';
import { CommandIDs, PACKAGE } from '../tokens';
import { usage, type IUsage } from '../usage';
import { strataIcon } from '../views/icons';
import { bytes, duration, spent } from '../views/words';

const COLLECT = 'collect';

/** Follows the current notebook's model. */
class Current extends VDomModel {
  constructor(private readonly _registry: Registry) {
    super();
    _registry.currentChanged.connect(this._onCurrent, this);
    this._onCurrent();
  }

  get isActive(): boolean {
    return !!this._model?.isActive;
  }

  get tally(): ITally | null {
    return this._model?.isActive ? this._model.tally() : null;
  }

  /** What the answers of models in this notebook took. */
  get usage(): IUsage | null {
    const model = this._model;
    const cells = model?.nodes.map(node => model.cell(node.id)) ?? [];
    return usage(cells.flatMap(cell => cell?.reasons ?? []));
  }

  private _onCurrent(): void {
    const model = this._registry.current?.model ?? null;
    if (model !== this._model) {
      this._model?.cellChanged.disconnect(this._changed, this);
      this._model?.graphChanged.disconnect(this._changed, this);
      this._model = model;
      model?.cellChanged.connect(this._changed, this);
      model?.graphChanged.connect(this._changed, this);
    }
    this._changed();
  }

  private _changed(): void {
    this.stateChanged.emit();
  }

  private _model: NotebookModel | null = null;
}

/** Say in one line what the cache did, or will do. */
export function line(tally: ITally, took: IUsage | null, trans: TranslationBundle): string {
  const saved = tally.savedMs >= 1 ? trans.__(' · %1 saved', duration(tally.savedMs)) : '';
  const more = spent(took, trans);
  if (tally.served === 0 && tally.servable > 0) {
    return [trans.__('%1 of %2 will be served', tally.servable, tally.total), ...more].join(' · ');
  }
  return [trans.__('%1 of %2 served%3', tally.served, tally.total, saved), ...more].join(' · ');
}

class StatusItem extends VDomRenderer<Current> {
  constructor(
    model: Current,
    private readonly _trans: TranslationBundle,
    private readonly _onClick: () => void
  ) {
    super(model);
    this.addClass('jp-mod-highlighted');
  }

  protected override render(): JSX.Element | null {
    const tally = this.model?.tally;
    if (!tally) {
      return null;
    }
    const text = line(tally, this.model?.usage ?? null, this._trans);
    return (
      <button
        className="strata-Status"
        onClick={this._onClick}
        title={this._trans.__('Strata: show what was served, and what is stale')}
      >
        <strataIcon.react tag="span" className="strata-Status-icon" aria-hidden="true" />
        <TextItem source={text} />
      </button>
    );
  }
}

interface ISummaryProps {
  model: NotebookModel;
  /** Absent where the server does not tell. */
  store: IStore | null;
  trans: TranslationBundle;
}

/** What is told of the store. */
function storeRows(store: IStore, trans: TranslationBundle): [string, string][] {
  const share = Math.round((store.size / Math.max(store.limit, 1)) * 100);
  return [
    [trans.__('Store'), store.path],
    [trans.__('Size'), trans.__('%1 of %2 (%3%)', bytes(store.size), bytes(store.limit), share)],
    [trans.__('Kept runs'), trans.__('%1, %2 pinned', store.entries, store.pins)],
    ...(store.remote ? [[trans.__('Shared store'), store.remote] as [string, string]] : [])
  ];
}

function Summary({ model, store, trans }: ISummaryProps): JSX.Element {
  const tally = model.tally();
  const { cascade, minRuntimeMs } = model.options;
  const rows: [string, string][] = [
    [trans.__('Code cells'), String(tally.total)],
    [trans.__('Served'), String(tally.served)],
    [trans.__('Will be served'), String(tally.servable)],
    [trans.__('Stale or not run'), String(tally.stale)],
    [trans.__('Time saved'), duration(tally.savedMs)],
    [trans.__('Stale cells above a cell that runs'), String(cascade ?? 'auto')],
    [trans.__('Values kept from'), duration(Number(minRuntimeMs ?? 0))],
    [trans.__('Kernel'), `Strata ${model.version}`],
    ...(store ? storeRows(store, trans) : [])
  ];
  return (
    <table className="strata-Summary">
      <tbody>
        {rows.map(([name, value]) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td>{value}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export const status: JupyterFrontEndPlugin<void> = {
  id: `${PACKAGE}:status`,
  description: 'Shows in the status bar how many cells were served and what that saved.',
  autoStart: true,
  requires: [IRegistry],
  optional: [IStatusBar, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    registry: Registry,
    statusBar: IStatusBar | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load(PACKAGE);
    app.commands.addCommand(CommandIDs.showSummary, {
      label: trans.__('Show What Was Served'),
      isEnabled: () => registry.current !== null,
      describedBy: { args: { type: 'object', properties: {} } },
      execute: async () => {
        const bench = registry.current;
        if (bench) {
          const store = await registry.rest.store(bench.panel.context.path).catch(() => null);
          const body = ReactWidget.create(
            <Summary model={bench.model} store={store} trans={trans} />
          );
          const room = Dialog.cancelButton({ label: trans.__('Make Room'), actions: [COLLECT] });
          const { button } = await showDialog({
            title: trans.__('What the cache did here'),
            body,
            buttons: [...(store ? [room] : []), Dialog.okButton()],
            defaultButton: store ? 1 : 0
          });
          if (button.actions.includes(COLLECT)) {
            await app.commands.execute(CommandIDs.collectStore);
          }
        }
      }
    });
    if (statusBar) {
      const model = new Current(registry);
      const item = new StatusItem(
        model,
        trans,
        () => void app.commands.execute(CommandIDs.showSummary)
      );
      statusBar.registerStatusItem(`${PACKAGE}:status`, {
        item,
        align: 'middle',
        rank: 5,
        isActive: () => model.isActive,
        activeStateChanged: model.stateChanged
      });
    }
  }
};
