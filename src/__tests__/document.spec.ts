import type { INotebookModel } from '@jupyterlab/notebook';
import { Signal } from '@lumino/signaling';
import { DocumentFeed, SETTLED, TYPED, difference } from '../document';
import type { FromFrontend } from '../protocol';
import type { IChannel } from '../tokens';

const document = (...cells: [string, string, string?][]) =>
  new Map(cells.map(([id, source, kind = 'code']) => [id, { id, source, kind }]));

describe('difference', () => {
  it('is nothing between equal documents', () => {
    expect(difference(document(['a', '1']), document(['a', '1']))).toBeNull();
  });

  it('holds the edited cells alone', () => {
    const patch = difference(document(['a', '1'], ['b', '2']), document(['a', '1'], ['b', '3']));
    expect(patch).toEqual({
      type: 'document-patch',
      cells: [{ id: 'b', source: '3', kind: 'code' }]
    });
  });

  it('holds the order when a cell comes, goes or moves', () => {
    const [a, b, c] = [
      ['a', '1'],
      ['b', '2'],
      ['c', '3']
    ] as [string, string][];
    expect(difference(document(a, b), document(b, a))).toMatchObject({
      cells: [],
      order: ['b', 'a']
    });
    expect(difference(document(a, b), document(b))).toMatchObject({ cells: [], order: ['b'] });
    expect(difference(document(a, b), document(a, c, b))).toMatchObject({ order: ['a', 'c', 'b'] });
  });

  it('holds the order when a cell becomes code', () => {
    const patch = difference(
      document(['a', '1', 'markdown'], ['b', '2']),
      document(['a', '1'], ['b', '2'])
    );
    expect(patch).toMatchObject({ cells: [{ id: 'a', kind: 'code' }], order: ['a', 'b'] });
  });
});

describe('DocumentFeed', () => {
  const contentChanged = new Signal<object, void>({});
  const sent: FromFrontend[] = [];
  let source = '';
  const type = (text: string, times = 1) => {
    source += text;
    Array.from({ length: times }, () => contentChanged.emit());
  };
  let feed: DocumentFeed;

  beforeEach(() => {
    jest.useFakeTimers();
    source = 'a = 1';
    const cell = { id: 'a', type: 'code', sharedModel: { getSource: () => source } };
    const other = new Signal<object, any>({});
    const notebook = {
      cells: [cell],
      contentChanged,
      metadataChanged: other,
      getMetadata: () => undefined
    };
    const channel = {
      isOpen: true,
      openChanged: other,
      send: (message: FromFrontend) => void sent.push(message)
    };
    feed = new DocumentFeed(notebook as unknown as INotebookModel, channel as unknown as IChannel);
    sent.length = 0;
    jest.advanceTimersByTime(10_000);
  });

  afterEach(() => {
    feed.dispose();
    jest.useRealTimers();
  });

  it('tells a single edit soon, whatever number of signals it takes', () => {
    type('0', 3);
    jest.advanceTimersByTime(SETTLED - 1);
    expect(sent).toEqual([]);
    jest.advanceTimersByTime(1);
    expect(sent).toMatchObject([{ type: 'document-patch', cells: [{ source: 'a = 10' }] }]);
  });

  it('leaves someone who types alone until they pause', () => {
    for (let i = 0; i < 5; i++) {
      type('0');
      jest.advanceTimersByTime(i ? TYPED - 20 : SETTLED - 20);
    }
    expect(sent).toEqual([]);
    jest.advanceTimersByTime(20);
    expect(sent).toMatchObject([{ cells: [{ source: 'a = 100000' }] }]);
  });

  it('tells nothing once it is disposed', () => {
    type('0');
    feed.dispose();
    jest.advanceTimersByTime(1000);
    expect(sent).toEqual([]);
  });
});
