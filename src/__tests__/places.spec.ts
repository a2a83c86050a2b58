import { nullTranslator } from '@jupyterlab/translation';
import type { IHealth, IMount, IWorker } from '../rest';
import { declaration, shown } from '../views/placeform';
import { condition, keeping } from '../views/places';

const trans = nullTranslator.load('');
const health = (more: Partial<IHealth>): IHealth => ({
  state: 'ok',
  text: '',
  latency: null,
  active: null,
  capacity: null,
  python: '',
  version: '',
  protocols: [],
  ...more
});
const mount = (more: Partial<IMount>): IMount => ({
  name: 'raw',
  uri: 's3://bucket',
  mode: 'ro',
  pin: null,
  options: {},
  written: true,
  files: 0,
  size: 0,
  fetched: null,
  ...more
});
const worker = (more: Partial<IWorker>): IWorker => ({
  name: 'gpu',
  backend: 'http',
  address: '',
  runtime_id: null,
  config: {},
  written: true,
  ...more
});

describe('places', () => {
  it.each([
    [undefined, 'not asked'],
    [null, 'asking…'],
    [health({}), 'ready'],
    [
      health({ active: 1, capacity: 4, latency: 2.6, python: '3.11' }),
      /^ready · 1 of 4 busy · 2.6 ms/
    ],
    [health({ state: 'draining' }), 'ending: takes no more cells'],
    [health({ state: 'unreachable', text: 'cannot be reached\nStart it' }), 'cannot be reached'],
    [health({ state: 'unauthorised' }), 'unauthorised']
  ])('say how a worker is', (found, text) => {
    expect(condition(found, trans)).toMatch(text);
  });

  it('say what is kept of a mount', () => {
    const now = new Date(2026, 1, 3, 12).getTime();
    expect(keeping(mount({}), now, trans)).toBe('read only · nothing kept yet');
    const one = mount({ files: 1, size: 2_500_000, fetched: now / 1000, mode: 'rw', pin: 'v1' });
    expect(keeping(one, now, trans)).toMatch(
      /^read and write · 2.5 MB kept in 1 file · last fetched .*12.* · pinned to v1/
    );
    expect(keeping(mount({ files: 3 }), now, trans)).toContain('in 3 files');
    expect(keeping(mount({ uri: 'file:///data' }), now, trans)).toBe('read only · on this machine');
  });

  it('a form leaves what it does not show', () => {
    const config = { url: 'http://a', token_env: 'T', transport: 'direct' };
    const item = worker({ config, runtime_id: 'cuda' });
    const values = shown(item, 'worker');
    expect(declaration(values, item, 'worker')).toEqual({
      name: 'gpu',
      former: 'gpu',
      backend: 'http',
      runtime_id: 'cuda',
      config
    });
    const dask = { ...values, backend: 'dask', scheduler: 'local', resources: 'GPU=1, RAM=2.5' };
    expect(declaration(dask, item, 'worker').config).toEqual({
      transport: 'direct',
      scheduler: 'local',
      resources: { GPU: 1, RAM: 2.5 }
    });
  });

  it('a form that is emptied takes keys away', () => {
    const item = worker({ config: { url: 'http://a', token_env: 'T' } });
    const values = { ...shown(item, 'worker'), token_env: '' };
    expect(declaration(values, item, 'worker').config).toEqual({ url: 'http://a' });
    const options = { anon: true };
    const bucket = mount({ pin: 'v1', options });
    const emptied = { ...shown(bucket, 'mount'), pin: '' };
    expect(declaration(emptied, bucket, 'mount')).toEqual({
      name: 'raw',
      former: 'raw',
      uri: 's3://bucket',
      mode: 'ro',
      pin: null,
      options
    });
    expect(declaration(shown(null, 'mount'), null, 'mount')).not.toHaveProperty('former');
  });
});
