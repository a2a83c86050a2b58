/** Workers, mounts and connections of a notebook: where its cells run, and what they read from elsewhere. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { refreshIcon, stopIcon } from '@jupyterlab/ui-components';
import * as React from 'react';
import type { IDeclared, IHealth, IMount, IWorker, Item, Place } from '../rest';
import { Connections, type IConnectionsProps } from './connections';
import { STATE_ICONS } from './icons';
import { Button, Change, List } from './placebuttons';
import { bytes, when } from './words';

/** A cell that is on its way to a worker or runs there. */
export interface IBusy {
  cell: string;
  label: string;
  worker: string;
  /** What it does there, in words. */
  text: string;
}

export interface IPlacesProps extends Pick<
  IConnectionsProps,
  'reach' | 'browsed' | 'filters' | 'onLook' | 'onBrowse' | 'onFilter' | 'onToggle'
> {
  declared: IDeclared;
  /** By name of the worker; null while it is being asked. */
  health: ReadonlyMap<string, IHealth | null>;
  busy: readonly IBusy[];
  trans: TranslationBundle;
  onAdd: (place: Place) => void;
  onEdit: (place: Place, item: Item) => void;
  onRemove: (place: Place, name: string) => void;
  onTest: (name: string) => void;
  onJump: (cell: string) => void;
  onStop: () => void;
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
        <Change
          item={worker}
          file={declared.file}
          trans={trans}
          onEdit={() => props.onEdit('worker', worker)}
          onRemove={() => props.onRemove('worker', worker.name)}
        />
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
        <Change
          item={mount}
          file={props.declared.file}
          trans={trans}
          onEdit={() => props.onEdit('mount', mount)}
          onRemove={() => props.onRemove('mount', mount.name)}
        />
      </div>
      <div className="strata-Places-detail">{mount.uri}</div>
      <div className="strata-Places-detail">{keeping(mount, Date.now(), trans)}</div>
    </li>
  );
}

/** All lists. */
export function PlacesView(props: IPlacesProps): JSX.Element {
  const { declared, trans } = props;
  return (
    <div className="strata-Places-body">
      <List
        title={trans.__('Workers')}
        add={trans.__('Add a worker')}
        none={trans.__('All cells run on this machine.')}
        onAdd={() => props.onAdd('worker')}
      >
        {declared.workers.map(worker => (
          <WorkerItem key={worker.name} {...props} worker={worker} />
        ))}
      </List>
      <List
        title={trans.__('Mounts')}
        add={trans.__('Add a mount')}
        none={trans.__('No bucket or folder is declared.')}
        onAdd={() => props.onAdd('mount')}
      >
        {declared.mounts.map(mount => (
          <MountItem key={mount.name} {...props} mount={mount} />
        ))}
      </List>
      <Connections
        {...props}
        file={declared.file}
        connections={declared.connections}
        onAdd={() => props.onAdd('connection')}
        onEdit={item => props.onEdit('connection', item)}
        onRemove={name => props.onRemove('connection', name)}
      />
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
