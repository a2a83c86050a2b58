/** A panel in the right sidebar that explains the selected cell. */
import {
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ITranslator, nullTranslator, type TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import * as React from 'react';
import type { NotebookModel } from '../model';
import type { Inspection } from '../protocol';
import { IRegistry, type Registry } from '../registry';
import { CommandIDs, PACKAGE } from '../tokens';
import { whyIcon } from '../views/icons';
import { namer } from '../views/names';
import { select } from '../views/navigate';
import { WhyView } from '../views/why';

/** Asks the kernel about the selected cell while it is in view. */
class WhyPanel extends ReactWidget {
  constructor(
    private readonly _registry: Registry,
    private readonly _trans: TranslationBundle
  ) {
    super();
    this.id = `${PACKAGE}-why`;
    this.addClass('strata-Why');
    this.title.icon = whyIcon;
    this.title.caption = _trans.__('Why: what the cache decided on the selected cell');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', _trans.__('Why'));
    _registry.currentChanged.connect(this._follow, this);
    _registry.cellSelected.connect(this._ask, this);
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this._follow();
  }

  protected override render(): JSX.Element {
    const bench = this._registry.current;
    const id = this._registry.currentCell;
    const facts = id && bench?.model.cell(id);
    if (!bench || !facts) {
      return (
        <p className="strata-Why-empty">
          {bench
            ? this._trans.__('Select a code cell to see why it is served, or not.')
            : this._trans.__('Open a notebook with the Strata kernel.')}
        </p>
      );
    }
    const name = namer(bench.model, bench.panel.context.model);
    return (
      <WhyView
        facts={facts}
        label={name(facts.id)}
        findings={bench.model.diagnostics(facts.id).map(item => item.message)}
        inspection={this._inspection?.cell === facts.id ? this._inspection : null}
        name={name}
        trans={this._trans}
        onJump={cell => select(bench.panel, cell)}
      />
    );
  }

  private _follow(): void {
    const model = this._registry.current?.model ?? null;
    if (model !== this._model) {
      this._model?.cellChanged.disconnect(this._onCell, this);
      this._model = model;
      model?.cellChanged.connect(this._onCell, this);
    }
    this._ask();
  }

  private _onCell(_: NotebookModel, id: string): void {
    if (id === this._registry.currentCell) {
      this._ask();
    }
  }

  private _ask(): void {
    if (!this.isVisible) {
      return;
    }
    this.update();
    const id = this._registry.currentCell;
    if (id && this._model?.isActive) {
      this._model.inspect(id).then(
        inspection => {
          this._inspection = inspection;
          this.update();
        },
        () => undefined // the kernel went away, and with it what was shown
      );
    }
  }

  private _inspection: Inspection | null = null;
  private _model: NotebookModel | null = null;
}

export const why: JupyterFrontEndPlugin<void> = {
  id: `${PACKAGE}:why`,
  description: 'Explains in the right sidebar what the cache decided on the selected cell.',
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
    const panel = new WhyPanel(registry, trans);
    app.shell.add(panel, 'right', { rank: 800, type: 'Strata' });
    restorer?.add(panel, panel.id);
    app.commands.addCommand(CommandIDs.showWhy, {
      label: trans.__('Show Why'),
      caption: trans.__('Explain what the cache decided on the selected cell'),
      icon: whyIcon,
      isEnabled: () => registry.current !== null,
      describedBy: { args: { type: 'object', properties: {} } },
      execute: () => app.shell.activateById(panel.id)
    });
    palette?.addItem({ command: CommandIDs.showWhy, category: 'Strata' });
  }
};
