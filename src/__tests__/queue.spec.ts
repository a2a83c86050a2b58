import { Queue } from '../queue';
import { FakeChannel, settle } from './kernel';

function opened(matters = true) {
  const channel = new FakeChannel();
  const queue = new Queue(channel, () => matters);
  channel.open();
  return { channel, queue };
}

const queued = (...cells: string[]) => ({ type: 'queued', cells, force: false });

describe('Queue', () => {
  it('tells what is asked for together at once, and that all of it has run', async () => {
    const { channel, queue } = opened();
    ['a', 'b', 'c'].forEach(id => queue.schedule(id));
    await settle();
    expect(channel.sent).toEqual([queued('a', 'b', 'c')]);
    ['a', 'b', 'c'].forEach(id => queue.done([id]));
    expect(channel.sent).toEqual([queued('a', 'b', 'c'), queued()]);
  });

  it('tells what a command is going to run before any of it is asked for', async () => {
    const { channel, queue } = opened();
    queue.expect(['a', 'b']);
    expect(channel.sent).toEqual([queued('a', 'b')]);
    queue.schedule('a');
    queue.schedule('b');
    await settle();
    expect(channel.sent).toHaveLength(1);
  });

  it('adds what is asked for later to what still waits', async () => {
    const { channel, queue } = opened();
    queue.expect(['a', 'b']);
    queue.done(['a']);
    queue.schedule('c');
    await settle();
    expect(channel.sent).toEqual([queued('a', 'b'), queued('b', 'c')]);
  });

  it('says nothing of one cell alone, nor where there are no workers', async () => {
    const alone = opened();
    alone.queue.schedule('a');
    await settle();
    alone.queue.done(['a']);
    const here = opened(false);
    here.queue.expect(['a', 'b']);
    here.queue.done(['a', 'b']);
    expect([...alone.channel.sent, ...here.channel.sent]).toEqual([]);
  });

  it('expects nothing of a new kernel', async () => {
    const { channel, queue } = opened();
    queue.expect(['a', 'b']);
    channel.open();
    queue.schedule('c');
    await settle();
    expect(channel.sent).toEqual([queued('a', 'b')]);
  });
});
