/** A panel in the right sidebar: workers, mounts and connections of the notebook, how they are, and changing them. */
import {
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette, Notification } from '@jupyterlab/apputils';
import { ITranslator, nullTranslator, type TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';
import type { Message } from '@lumino/messaging';
import { Poll } from '@lumino/polling';
import * as React from 'react';
import { Catalogue } from '../catalogue';
import type { NotebookModel } from '../model';
import { IRegistry, type Registry } from '../registry';
import type { IDeclared, IHealth, Item, Place } from '../rest';
import { CommandIDs, PACKAGE, UNDER_WAY } from '../tokens';
import { workersIcon } from '../views/icons';
import { namer } from '../views/names';
import { select } from '../views/navigate';
import { fill } from '../views/placeform';
import { PlacesView, type IBusy } from '../views/places';
import { word } from '../views/words';

/** How often workers are asked how they are while the panel is in view, in milliseconds. */
const EVERY = 15_000;

class PlacesPanel extends ReactWidget {
  constructor(
    private readonly _registry: Registry,
    private readonly _trans: TranslationBundle,
    private readonly _commands: CommandRegistry
  ) {
    super();
    this.id = `${PACKAGE}-places`;
    this.addClass('strata-Places');
    this.title.icon = workersIcon;
    this.title.caption = _trans.__('Places: workers, mounts and connections of the notebook');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', _trans.__('Places'));
    this._poll = new Poll({
      name: `${PACKAGE}:places`,
      auto: false,
      factory: () => this._load(),
      frequency: { interval: EVERY, backoff: true },
      standby: () => !this.isVisible || 'when-hidden'
    });
    _registry.currentChanged.connect(this._follow, this);
  }

  override dispose(): void {
    this._poll.dispose();
    super.dispose();
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this._follow();
    void this._poll.refresh();
  }

  protected override onAfterHide(message: Message): void {
    super.onAfterHide(message);
    void this._poll.stop();
  }

  protected override render(): JSX.Element {
    const [bench, declared, catalogue] = [this._registry.current, this._declared, this._catalogue];
    if (!bench || !catalogue || !declared || declared.path !== bench.panel.context.path) {
      return (
        <p className="strata-Places-empty">
          {this._refusal || this._trans.__('Open a notebook with the Strata kernel.')}
        </p>
      );
    }
    const { path } = declared;
    return (
      <PlacesView
        declared={declared.found}
        health={this._health}
        busy={this._busy()}
        reach={name => catalogue.get(name)}
        browsed={this._browsed}
        filters={this._filters}
        trans={this._trans}
        onAdd={place => void this._fill(path, place, null)}
        onEdit={(place, item) => void this._fill(path, place, item)}
        onRemove={(place, name) => void this._remove(path, place, name)}
        onTest={name => void this._test(path, name)}
        onJump={cell => select(bench.panel, cell)}
        onStop={() => void this._commands.execute('notebook:interrupt-kernel')}
        onLook={name => void catalogue.look(name)}
        onBrowse={name => this._browse(catalogue, name)}
        onFilter={(name, text) => {
          this._filters.set(name, text);
          this.update();
        }}
        onToggle={(name, table) =>
          catalogue.get(name).columns.has(table)
            ? catalogue.close(name, table)
            : void catalogue.open(name, table)
        }
      />
    );
  }

  private _busy(): IBusy[] {
    const bench = this._registry.current;
    if (!bench) {
      return [];
    }
    const name = namer(bench.model, bench.panel.context.model);
    return bench.model.nodes.flatMap(({ id }) => {
      const facts = bench.model.cell(id);
      return facts?.worker && UNDER_WAY.has(facts.state)
        ? [
            {
              cell: id,
              label: name(id),
              worker: facts.worker,
              text: word(facts.state, this._trans)
            }
          ]
        : [];
    });
  }

  private _follow(): void {
    const model = this._registry.current?.model ?? null;
    if (model !== this._model) {
      this._model?.cellChanged.disconnect(this._onCell, this);
      this._model = model;
      this._catalogue = model && new Catalogue(model, () => this.update());
      this._browsed.clear();
      this._filters.clear();
      model?.cellChanged.connect(this._onCell, this);
      if (this.isVisible) {
        void this._poll.refresh();
      }
    }
    this.update();
  }

  private _onCell(): void {
    if (this.isVisible) {
      this.update();
    }
  }

  /** Read what is declared, and ask every worker. */
  private async _load(): Promise<void> {
    const path = this._registry.current?.panel.context.path;
    if (!path || !this.isVisible) {
      return;
    }
    try {
      this._take(path, await this._registry.rest.declared(path));
    } catch (error) {
      this._refusal = (error as Error).message;
      this._declared = null;
      this.update();
      return;
    }
    await Promise.all(this._declared!.found.workers.map(({ name }) => this._ask(path, name)));
  }

  private _take(path: string, found: IDeclared): void {
    if (this._declared?.path !== path) {
      this._health.clear();
    }
    this._refusal = '';
    this._declared = { path, found };
    this.update();
  }

  private async _ask(path: string, name: string): Promise<void> {
    let health: IHealth;
    try {
      health = await this._registry.rest.health(path, name);
    } catch (error) {
      const text = (error as Error).message;
      const nothing = { latency: null, active: null, capacity: null };
      health = { state: 'failed', text, ...nothing, python: '', version: '', protocols: [] };
    }
    if (this._declared?.path === path) {
      this._health.set(name, health);
      this.update();
    }
  }

  private async _test(path: string, name: string): Promise<void> {
    this._health.set(name, null);
    this.update();
    await this._ask(path, name);
  }

  /** Show the tables of a connection, which are asked for now, or show them no more. */
  private _browse(catalogue: Catalogue, name: string): void {
    if (!this._browsed.delete(name)) {
      this._browsed.add(name);
      void catalogue.look(name);
    }
    this.update();
  }

  private async _fill(path: string, place: Place, item: Item | null): Promise<void> {
    await fill({
      place,
      item,
      trans: this._trans,
      write: async body => {
        this._take(path, await this._registry.rest.declare(place, path, body));
        this._tell(place, item?.name ?? body.name);
        if (place === 'worker') {
          void this._test(path, body.name);
        } else if (place === 'connection') {
          void this._catalogue?.look(body.name);
        }
      }
    });
  }

  private async _remove(path: string, place: Place, name: string): Promise<void> {
    try {
      this._take(path, await this._registry.rest.withdraw(place, path, name));
      this._health.delete(name);
      this._tell(place, name);
    } catch (error) {
      Notification.error((error as Error).message);
    }
  }

  /** Let the kernel look at the file, and forget what the former declaration reached. */
  private _tell(place: Place, former: string): void {
    this._registry.current?.model.tell({ type: 'settings-changed' });
    if (place === 'connection') {
      this._catalogue?.forget(former);
    }
  }

  private readonly _browsed = new Set<string>();
  private _catalogue: Catalogue | null = null;
  private _declared: { path: string; found: IDeclared } | null = null;
  private readonly _filters = new Map<string, string>();
  private readonly _health = new Map<string, IHealth | null>();
  private _model: NotebookModel | null = null;
  private readonly _poll: Poll;
  private _refusal = '';
}

export const places: JupyterFrontEndPlugin<void> = {
  id: `${PACKAGE}:places`,
  description: 'Shows workers, mounts and connections of the notebook in the right sidebar.',
  autoStart: true,
  requires: [IRegistry],
  optional: [ITranslator, ICommandPalette, ILayoutRestorer],
  activate: (
    app: JupyterFrontEnd,
    registry: Registry,
    translator: ITranslator | null,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null
  ) => {
    const trans = (translator ?? nullTranslator).load(PACKAGE);
    const panel = new PlacesPanel(registry, trans, app.commands);
    app.shell.add(panel, 'right', { rank: 820, type: 'Strata' });
    restorer?.add(panel, panel.id);
    app.commands.addCommand(CommandIDs.showPlaces, {
      label: trans.__('Show Workers, Mounts and Connections'),
      caption: trans.__('Show where cells run, and what they read from elsewhere'),
      icon: workersIcon,
      isEnabled: () => registry.current !== null,
      describedBy: { args: { type: 'object', properties: {} } },
      execute: () => app.shell.activateById(panel.id)
    });
    palette?.addItem({ command: CommandIDs.showPlaces, category: 'Strata' });
  }
};
