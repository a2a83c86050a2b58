import { NotebookModel } from '../model';
import type { CellStatus, Node } from '../protocol';
import { FakeChannel } from './kernel';

const node = (id: string, upstream: string[] = []): Node => ({ id, label: id, upstream });
const status = (
  id: string,
  state: CellStatus['state'],
  more: Partial<CellStatus> = {}
): CellStatus => ({
  type: 'cell-status',
  id,
  state,
  ...more
});

function opened(...ids: string[]) {
  const channel = new FakeChannel();
  const model = new NotebookModel(channel);
  channel.open();
  channel.say({ type: 'graph', revision: 1, cells: ids.map(id => node(id)) });
  const changed: string[] = [];
  model.cellChanged.connect((_, id) => changed.push(id));
  return { channel, model, changed };
}

describe('NotebookModel', () => {
  it('keeps what it is told of cells, and says which changed', () => {
    const { channel, model, changed } = opened('a', 'b');
    channel.say(status('a', 'served', { hit: true, savedMs: 1500 }));
    expect(model.cell('a')).toMatchObject({ state: 'served', hit: true, savedMs: 1500 });
    expect(model.cell('b')).toBeNull();
    expect(changed).toEqual(['a']);
  });

  it('remembers that a cell was served when its state is told again', () => {
    const { channel, model } = opened('a');
    channel.say(status('a', 'frozen', { hit: true, savedMs: 10 }));
    channel.say(status('a', 'frozen', { runMs: 10 }));
    expect(model.tally()).toMatchObject({ total: 1, served: 1, savedMs: 10 });
  });

  it('knows since when a cell runs', () => {
    const { channel, model } = opened('a');
    channel.say(status('a', 'running'));
    const { began } = model.cell('a')!;
    expect(began).toBeGreaterThan(0);
    channel.say(status('a', 'running', { progress: { done: 1, total: 2 } }));
    expect(model.cell('a')!.began).toBe(began);
    channel.say(status('a', 'fresh', { runMs: 3 }));
    expect(model.cell('a')!.began).toBeNull();
  });

  it('takes the pace of a loop from the passes that really run', () => {
    const now = jest.spyOn(Date, 'now').mockReturnValue(1000);
    const { channel, model } = opened('a');
    const pass = (at: number, done: number) => {
      now.mockReturnValue(at);
      channel.say(status('a', 'running', { progress: { done, total: 40 } }));
      return model.cell('a')!.pace;
    };
    expect(pass(1000, 0)).toEqual({ at: 1000, done: 0 });
    expect(pass(1010, 30)).toEqual({ at: 1010, done: 30 });
    expect(pass(2000, 31)).toEqual({ at: 1010, done: 30 });
    channel.say(status('a', 'fresh'));
    expect(model.cell('a')!.pace).toBeNull();
    expect(pass(9000, 0)).toEqual({ at: 9000, done: 0 });
    now.mockRestore();
  });

  it('shows cells that wait as queued until they run', () => {
    const { channel, model, changed } = opened('a', 'b');
    channel.say(status('a', 'stale'));
    channel.say(status('b', 'stale'));
    model.expect(['a', 'b']);
    expect(model.cell('a')!.state).toBe('queued');
    channel.say(status('a', 'queued'));
    channel.say(status('a', 'running'));
    expect(model.cell('a')!.state).toBe('running');
    expect(model.cell('b')!.state).toBe('queued');
    model.release();
    expect(model.cell('b')!.state).toBe('stale');
    expect(changed).toEqual(['a', 'b', 'a', 'b', 'a', 'a', 'b']);
  });

  it('chooses what to run: the stale, what can be served, and what always runs but has not', () => {
    const { channel, model } = opened('a', 'b', 'c', 'd', 'e', 'f');
    channel.say(status('a', 'fresh'));
    channel.say(status('b', 'edited'));
    channel.say(status('c', 'servable'));
    channel.say(status('d', 'always'));
    channel.say(status('e', 'always', { hit: false }));
    expect(model.stale()).toEqual(['b', 'c', 'd', 'f']);
  });

  it('forgets cells that left the document', () => {
    const { channel, model, changed } = opened('a', 'b');
    channel.say(status('b', 'fresh'));
    channel.say({ type: 'graph', revision: 2, cells: [node('a')] });
    expect(model.cell('b')).toBeNull();
    expect(changed).toEqual(['b', 'b']);
  });

  it('matches answers with questions', async () => {
    const { channel, model } = opened('a');
    const [first, second] = [model.plan(['a']), model.inspect('a')];
    const third = model.ask(id => ({ type: 'request-explain', id, cell: 'a' }));
    const [plan, inspect, explain] = channel.sent as { id: string }[];
    channel.say({ type: 'explanation', id: explain.id, cell: 'a', text: 'SCAN t' });
    channel.say({ type: 'inspection', id: inspect.id, text: 'why' });
    channel.say({ type: 'plan', id: plan.id, steps: [{ cell: 'a', action: 'run' }] });
    expect((await second).text).toBe('why');
    expect((await first).steps).toHaveLength(1);
    expect(await third).toMatchObject({ text: 'SCAN t' });
  });

  it('gives up questions and forgets everything when the kernel goes', async () => {
    const { channel, model, changed } = opened('a');
    channel.say(status('a', 'fresh'));
    const asked = model.plan([]);
    channel.open(false);
    await expect(asked).rejects.toThrow('went away');
    await expect(model.inspect('a')).rejects.toThrow('No Strata kernel');
    expect(model.cell('a')).toBeNull();
    expect(model.nodes).toEqual([]);
    expect(changed).toEqual(['a', 'a']);
  });

  it('ignores what a newer kernel says', () => {
    const { channel, changed } = opened('a');
    channel.say({ type: 'from-the-future' } as never);
    expect(changed).toEqual([]);
  });
});
