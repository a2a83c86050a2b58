/** What a run would do, before it does it. */
import { Dialog, ReactWidget, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { Step } from '../protocol';
import { STATE_ICONS } from './icons';
import { duration, reason } from './words';

export interface IPlanProps {
  steps: readonly Step[];
  name: (id: string) => string;
  place: (id: string) => string;
  trans: TranslationBundle;
}

/** Return how long the steps that run took before, in milliseconds. */
export function estimate(steps: readonly Step[]): number {
  const run = steps.filter(step => step.action === 'run');
  return run.reduce((sum, step) => sum + (step.seconds ?? 0) * 1000, 0);
}

function Steps({ steps, name, place, trans }: IPlanProps): JSX.Element {
  const words = { run: trans.__('run'), serve: trans.__('serve'), skip: trans.__('skip') };
  const icons = {
    run: STATE_ICONS.running,
    serve: STATE_ICONS.served,
    skip: STATE_ICONS.blocked
  };
  return (
    <table className="strata-Plan-steps">
      <thead>
        <tr>
          <th scope="col">{trans.__('Cell')}</th>
          <th scope="col">{trans.__('Action')}</th>
          <th scope="col">{trans.__('Before')}</th>
          <th scope="col">{trans.__('Why')}</th>
        </tr>
      </thead>
      <tbody>
        {steps.map(step => {
          const Icon = icons[step.action];
          return (
            <tr key={step.cell} data-action={step.action}>
              <td>{name(step.cell)}</td>
              <td>
                <span className="strata-Plan-action">
                  <Icon.react tag="span" aria-hidden="true" />
                  {words[step.action]}
                </span>
              </td>
              <td className="strata-Plan-number">
                {typeof step.seconds === 'number' ? duration(step.seconds * 1000) : '–'}
              </td>
              <td>{(step.reasons ?? []).map(item => reason(item, step.cell, place)).join('; ')}</td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

/** Show a plan and ask whether it is to be followed. */
export async function confirmPlan(props: IPlanProps): Promise<boolean> {
  const { steps, trans } = props;
  const running = steps.filter(step => step.action === 'run').length;
  const served = steps.filter(step => step.action === 'serve').length;
  const time = estimate(steps);
  const about = time >= 1 ? trans.__(', about %1 by earlier runs', duration(time)) : '';
  const summary = trans.__('%1 to run%2 · %3 to be served', running, about, served);
  const body = ReactWidget.create(
    <div className="strata-Plan">
      <p>{summary}</p>
      <div className="strata-Plan-scroll" tabIndex={0} role="region" aria-label={trans.__('Plan')}>
        <Steps {...props} />
      </div>
    </div>
  );
  const { button } = await showDialog({
    title: trans.__('Plan of the run'),
    body,
    buttons: [Dialog.cancelButton(), Dialog.okButton({ label: trans.__('Run') })]
  });
  return button.accept;
}
