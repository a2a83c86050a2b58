import { Connection } from '../connection';
import type { CellOutputs, FromKernel } from '../protocol';
import { FakeKernel, FakeSession, settle } from './kernel';

const WELCOME = { type: 'welcome', protocol: 1, version: '1', options: {} };

async function connected() {
  const kernel = new FakeKernel();
  const session = new FakeSession(kernel);
  const connection = new Connection(session.context, () => 'a.ipynb');
  await settle();
  kernel.comm.say(WELCOME);
  return { kernel, session, connection };
}

describe('Connection', () => {
  it('says hello and opens with the welcome', async () => {
    const kernel = new FakeKernel();
    const connection = new Connection(new FakeSession(kernel).context, () => 'a.ipynb');
    await settle();
    expect(kernel.comm.sent).toEqual([
      { type: 'hello', protocol: 1, path: 'a.ipynb', batches: true }
    ]);
    expect(connection.isOpen).toBe(false);
    kernel.comm.say(WELCOME);
    expect(connection.isOpen).toBe(true);
  });

  it('leaves other kernels alone', async () => {
    const kernel = new FakeKernel('ipython');
    const connection = new Connection(new FakeSession(kernel).context, () => '');
    await settle();
    expect(kernel.comms).toEqual([]);
    connection.send({ type: 'set-option' });
    expect(connection.isOpen).toBe(false);
  });

  it('stays closed without comms, without a kernel and without a welcome', async () => {
    const kernel = new FakeKernel();
    kernel.handleComms = false;
    new Connection(new FakeSession(kernel).context, () => '');
    new Connection(new FakeSession(null).context, () => '');
    await settle();
    expect(kernel.comms).toEqual([]);

    const mute = new FakeKernel();
    const connection = new Connection(new FakeSession(mute).context, () => '');
    await settle();
    mute.comm.say({ type: 'graph', revision: 1, cells: [] });
    connection.send({ type: 'set-option' });
    expect(mute.comm.sent).toHaveLength(1);
  });

  it('passes on what it does not know and what it does', async () => {
    const { kernel, connection } = await connected();
    const heard: FromKernel[] = [];
    connection.received.connect((_, message) => heard.push(message));
    kernel.comm.say({ type: 'from-the-future' });
    kernel.comm.say('nonsense');
    kernel.comm.say(null);
    expect(heard).toEqual([{ type: 'from-the-future' }]);
  });

  it('follows a switch of kernels', async () => {
    const { kernel, session, connection } = await connected();
    session.change(new FakeKernel('ipython'));
    await settle();
    expect(connection.isOpen).toBe(false);
    expect(kernel.comm.isDisposed).toBe(true);
    const next = new FakeKernel();
    session.change(next);
    await settle();
    next.comm.say(WELCOME);
    expect(connection.isOpen).toBe(true);
  });

  it('does not wait for a kernel that was given up before it told what it is', async () => {
    const mute = new FakeKernel();
    Object.defineProperty(mute, 'info', { value: new Promise(() => undefined) });
    const session = new FakeSession(mute);
    new Connection(session.context, () => '');
    await settle();
    const next = new FakeKernel();
    session.change(next);
    await settle();
    expect(next.comm.sent).toHaveLength(1);
  });

  it('follows a switch that is told as a restart before it', async () => {
    const { session } = await connected();
    const next = new FakeKernel();
    session.statusChanged.emit('restarting');
    session.change(next);
    await settle();
    expect(next.comm.sent).toHaveLength(1);
  });

  it('opens anew after a restart, once', async () => {
    const { kernel, session, connection } = await connected();
    session.statusChanged.emit('restarting');
    expect(connection.isOpen).toBe(false);
    session.statusChanged.emit('starting');
    session.statusChanged.emit('busy');
    session.statusChanged.emit('idle');
    await settle();
    expect(kernel.comms).toHaveLength(2);
    kernel.comm.say(WELCOME);
    expect(connection.isOpen).toBe(true);
  });

  it('waits for the end of a restart, whatever the old kernel still says', async () => {
    const { kernel, session } = await connected();
    session.isRestarting = true;
    session.statusChanged.emit('restarting');
    session.statusChanged.emit('busy');
    session.statusChanged.emit('idle');
    await settle();
    expect(kernel.comms).toHaveLength(1);
    session.isRestarting = false;
    session.statusChanged.emit('unknown');
    session.kernelChanged.emit();
    session.statusChanged.emit('starting');
    session.statusChanged.emit('busy');
    session.statusChanged.emit('idle');
    await settle();
    expect(kernel.comms.filter(comm => !comm.isDisposed)).toEqual([kernel.comm]);
    expect(kernel.comm.sent).toHaveLength(1);
  });

  it('lets go of a comm only once its subshell has started: the next one shares it', async () => {
    const kernel = new FakeKernel();
    kernel.supportsSubshells = true;
    let start = () => undefined as void;
    kernel.subshell = new Promise(resolve => (start = resolve));
    const session = new FakeSession(kernel);
    new Connection(session.context, () => 'a.ipynb');
    await settle();
    session.kernelChanged.emit();
    await settle();
    expect(kernel.comms.map(comm => comm.isDisposed)).toEqual([false]);
    start();
    await settle();
    expect(kernel.comms.map(comm => comm.isDisposed)).toEqual([true, false]);
    expect(kernel.comms.map(comm => comm.sent.length)).toEqual([0, 1]);
  });

  it('opens anew after the connection was lost', async () => {
    const { kernel, session, connection } = await connected();
    session.connectionStatusChanged.emit('connecting');
    expect(connection.isOpen).toBe(false);
    session.connectionStatusChanged.emit('connected');
    await settle();
    expect(kernel.comms).toHaveLength(2);
    kernel.comm.say(WELCOME);
    expect(connection.isOpen).toBe(true);
  });

  it.each([
    [false, ['a', 'b']],
    [true, ['b']]
  ])(
    'leaves outputs that another page asked for to that page if it is shared: %s',
    async (shared, wanted) => {
      const kernel = new FakeKernel();
      const connection = new Connection(
        new FakeSession(kernel).context,
        () => '',
        () => shared
      );
      await settle();
      kernel.comm.say(WELCOME);
      const heard: string[] = [];
      connection.received.connect((_, message) => heard.push((message as CellOutputs).id));
      kernel.comm.say({ type: 'cell-outputs', id: 'a', outputs: [] }, 'another');
      kernel.comm.say({ type: 'cell-outputs', id: 'b', outputs: [] }, 'me');
      expect(heard).toEqual(wanted);
    }
  );

  it('closes its comm when it is disposed', async () => {
    const { kernel, connection } = await connected();
    connection.dispose();
    connection.dispose();
    expect(kernel.comm.isDisposed).toBe(true);
    expect(connection.isDisposed).toBe(true);
  });
});
