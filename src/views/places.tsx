/** The workers and mounts of a notebook: where its cells run, and what they read from elsewhere. */
import type { TranslationBundle } from '@jupyterlab/translation';
import {
  LabIcon,
  addIcon,
  deleteIcon,
  editIcon,
  refreshIcon,
  stopIcon
} from '@jupyterlab/ui-components';
import * as React from 'react';
import type { IDeclared, IHealth, IMount, IWorker, Place } from '../rest';
import { STATE_ICONS } from './icons';
import { bytes, when } from './words';

/** A cell that is on its way to a worker or runs there. */
export interface IBusy {
  cell: string;
  label: string;
  worker: string;
  /** What it does there, in words. */
  text: string;
}

export interface IPlacesProps {
  declared: IDeclared;
  /** By name of the worker; null while it is being asked. */
  health: ReadonlyMap<string, IHealth | null>;
  busy: readonly IBusy[];
  /** Kernels know the settings as they were when they started. */
  changed: boolean;
  trans: TranslationBundle;
  onAdd: (place: Place) => void;
  onEdit: (place: Place, item: IWorker | IMount) => void;
  onRemove: (place: Place, name: string) => void;
  onTest: (name: string) => void;
  onJump: (cell: string) => void;
  onStop: () => void;
  onRestart: () => void;
}

interface IButtonProps {
  icon: LabIcon;
  label: string;
  disabled?: boolean;
  onClick: () => void;
}

function Button({ icon: Icon, label, disabled, onClick }: IButtonProps): JSX.Element {
  return (
    <button
      type="button"
      className="strata-Places-button jp-mod-minimal"
      title={label}
      aria-label={label}
      disabled={disabled}
      onClick={onClick}
    >
      <Icon.react tag="span" aria-hidden="true" />
    </button>
  );
}

/** Say in one line how a worker is. */
export function condition(health: IHealth | null | undefined, trans: TranslationBundle): string {
  if (!health) {
    return health === null ? trans.__('asking…') : trans.__('not asked');
  }
  if (health.state !== 'ok' && health.state !== 'draining') {
    return health.text.split('\n')[0] || health.state;
  }
  const parts = [
    health.state === 'ok' ? trans.__('ready') : trans.__('ending: takes no more cells')
  ];
  if (health.active !== null && health.capacity !== null) {
    parts.push(trans.__('%1 of %2 busy', health.active, health.capacity));
  }
  if (health.latency !== null) {
    parts.push(trans.__('%1 ms away', health.latency));
  }
  if (health.python) {
    parts.push(trans.__('Python %1', health.python));
  }
  if (health.version) {
    parts.push(trans.__('Strata %1', health.version));
  }
  return [...parts, ...(health.text ? [health.text] : [])].join(' · ');
}

/** Say in one line what is kept of a mount. */
export function keeping(mount: IMount, now: number, trans: TranslationBundle): string {
  const parts = [mount.mode === 'rw' ? trans.__('read and write') : trans.__('read only')];
  if (mount.uri.startsWith('file:')) {
    return [...parts, trans.__('on this machine')].join(' · ');
  }
  parts.push(
    mount.files
      ? trans._n('%2 kept in %1 file', '%2 kept in %1 files', mount.files, bytes(mount.size))
      : trans.__('nothing kept yet')
  );
  if (mount.fetched !== null) {
    parts.push(trans.__('last fetched %1', when(mount.fetched * 1000, now)));
  }
  if (mount.pin !== null) {
    parts.push(trans.__('pinned to %1: not looked at again', mount.pin));
  }
  return parts.join(' · ');
}

const tone = (health: IHealth | null | undefined) =>
  !health
    ? 'new'
    : health.state === 'ok'
      ? 'fresh'
      : health.state === 'draining'
        ? 'stale'
        : 'failed';

function WorkerItem(props: IPlacesProps & { worker: IWorker }): JSX.Element {
  const { worker, health, busy, declared, trans } = props;
  const found = health.get(worker.name);
  const state = tone(found);
  const Icon = STATE_ICONS[state];
  const words = condition(found, trans);
  return (
    <li className="strata-Places-item" data-name={worker.name}>
      <div className="strata-Places-line">
        <span className="strata-Places-icon strata-State" data-state={state}>
          <Icon.react tag="span" aria-hidden="true" />
        </span>
        <span className="strata-Places-name">{worker.name}</span>
        {declared.worker === worker.name && (
          <span className="strata-Places-tag">{trans.__('default')}</span>
        )}
        <Button
          icon={refreshIcon}
          label={trans.__('Ask %1 how it is', worker.name)}
          onClick={() => props.onTest(worker.name)}
        />
        <Change {...props} place="worker" item={worker} />
      </div>
      <div className="strata-Places-detail">
        {worker.backend === 'dask' ? trans.__('Dask, %1', worker.address) : worker.address}
      </div>
      <div className="strata-Places-detail" role="status" title={found?.text || words}>
        {words}
      </div>
      {busy
        .filter(each => each.worker === worker.name)
        .map(each => (
          <div key={each.cell} className="strata-Places-busy">
            <button
              type="button"
              className="strata-Places-jump"
              onClick={() => props.onJump(each.cell)}
            >
              {each.label}
            </button>
            <span>{each.text}</span>
            <Button
              icon={stopIcon}
              label={trans.__('Interrupt %1', each.label)}
              onClick={props.onStop}
            />
          </div>
        ))}
    </li>
  );
}

function MountItem(props: IPlacesProps & { mount: IMount }): JSX.Element {
  const { mount, trans } = props;
  return (
    <li className="strata-Places-item" data-name={mount.name}>
      <div className="strata-Places-line">
        <span className="strata-Places-name">{mount.name}</span>
        <Change {...props} place="mount" item={mount} />
      </div>
      <div className="strata-Places-detail">{mount.uri}</div>
      <div className="strata-Places-detail">{keeping(mount, Date.now(), trans)}</div>
    </li>
  );
}

function Change(props: IPlacesProps & { place: Place; item: IWorker | IMount }): JSX.Element {
  const { place, item, trans } = props;
  const elsewhere = trans.__('%1 is declared elsewhere than in %2', item.name, props.declared.file);
  return (
    <>
      <Button
        icon={editIcon}
        label={item.written ? trans.__('Edit %1', item.name) : elsewhere}
        disabled={!item.written}
        onClick={() => props.onEdit(place, item)}
      />
      <Button
        icon={deleteIcon}
        label={item.written ? trans.__('Remove %1', item.name) : elsewhere}
        disabled={!item.written}
        onClick={() => props.onRemove(place, item.name)}
      />
    </>
  );
}

/** Both lists. */
export function PlacesView(props: IPlacesProps): JSX.Element {
  const { declared, changed, trans } = props;
  return (
    <div className="strata-Places-body">
      {changed && (
        <p className="strata-Places-note" role="status">
          {trans.__('A kernel reads the settings when it starts.')}{' '}
          <button type="button" className="strata-Places-jump" onClick={props.onRestart}>
            {trans.__('Restart it')}
          </button>
        </p>
      )}
      <section aria-label={trans.__('Workers')}>
        <div className="strata-Places-head">
          <h3>{trans.__('Workers')}</h3>
          <Button
            icon={addIcon}
            label={trans.__('Add a worker')}
            onClick={() => props.onAdd('worker')}
          />
        </div>
        {declared.workers.length ? (
          <ul>
            {declared.workers.map(worker => (
              <WorkerItem key={worker.name} {...props} worker={worker} />
            ))}
          </ul>
        ) : (
          <p className="strata-Places-empty">{trans.__('All cells run on this machine.')}</p>
        )}
      </section>
      <section aria-label={trans.__('Mounts')}>
        <div className="strata-Places-head">
          <h3>{trans.__('Mounts')}</h3>
          <Button
            icon={addIcon}
            label={trans.__('Add a mount')}
            onClick={() => props.onAdd('mount')}
          />
        </div>
        {declared.mounts.length ? (
          <ul>
            {declared.mounts.map(mount => (
              <MountItem key={mount.name} {...props} mount={mount} />
            ))}
          </ul>
        ) : (
          <p className="strata-Places-empty">{trans.__('No bucket or folder is declared.')}</p>
        )}
      </section>
      {declared.problems.length > 0 && (
        <ul className="strata-Places-problems" aria-label={trans.__('Problems')}>
          {declared.problems.map(text => (
            <li key={text}>{text}</li>
          ))}
        </ul>
      )}
      <p className="strata-Places-file">{declared.file}</p>
    </div>
  );
}
