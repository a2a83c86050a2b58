/** A command that shows how a database would run the query of a sql cell. */
import { Dialog, ReactWidget, showDialog, showErrorMessage } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { plugin } from '../commands';
import type { Explanation } from '../protocol';
import type { IBench } from '../registry';
import { CommandIDs, PACKAGE } from '../tokens';
import { namer } from '../views/names';

/** Ask the kernel for the plan of a cell's query and show it, or why there is none. */
async function explain(bench: IBench, cell: string, trans: TranslationBundle): Promise<void> {
  const { model, panel } = bench;
  try {
    bench.feed.flush();
    const answer = await model.ask(id => ({ type: 'request-explain', id, cell }));
    const { text, reason } = answer as Explanation;
    const name = namer(model, panel.context.model)(cell);
    await showDialog({
      title: trans.__('How %1 would be run', name),
      body: ReactWidget.create(
        <pre
          className="strata-Explanation"
          tabIndex={0}
          role="region"
          aria-label={trans.__('Plan')}
        >
          {text ?? reason}
        </pre>
      ),
      buttons: [Dialog.okButton({ label: trans.__('Close') })]
    });
  } catch (error) {
    await showErrorMessage(trans.__('No plan'), error as Error);
  }
}

export const explains = plugin(
  `${PACKAGE}:explain`,
  'Shows how a database would run the query of a sql cell.',
  ({ app, registry, commands, trans }) => {
    const isQuery: (args: object) => boolean = args => {
      const [bench, cell] = [registry.current, commands.target({ ...args })];
      return !!bench?.model.nodes.some(node => node.id === cell && node.kind === 'sql');
    };
    commands.add(
      CommandIDs.explainQuery,
      trans.__('Explain Query of Cell…'),
      (bench, cell) => cell && explain(bench, cell, trans),
      {
        caption: trans.__('Show how the database would run the query, which it does not'),
        isEnabled: isQuery,
        isVisible: isQuery
      }
    );
    registry.cellSelected.connect(() => app.commands.notifyCommandChanged(CommandIDs.explainQuery));
  }
);
