import { Film, STRETCH } from '../film';
import { NotebookModel } from '../model';
import { reached, span } from '../views/strip';
import { FakeChannel, settle } from './kernel';

function opened() {
  const channel = new FakeChannel();
  const model = new NotebookModel(channel);
  channel.open();
  const changed = jest.fn();
  const film = new Film(model, 'a', changed);
  const asked = () => channel.sent as unknown as { id: string; first: number; count: number }[];
  const answer = (items: (string | null)[]) => {
    const { id, first } = asked()[asked().length - 1];
    channel.say({ type: 'pictures', id, cell: 'a', first, passes: 100_000, items });
    return settle();
  };
  return { channel, film, changed, asked, answer };
}

describe('Film', () => {
  it('fetches what is looked at, one stretch after the other', async () => {
    const { film, changed, asked, answer } = opened();
    film.need(20, 30);
    expect(asked()).toMatchObject([
      { type: 'request-pictures', cell: 'a', first: 0, count: STRETCH }
    ]);
    expect(film.picture(20)).toBeUndefined();
    await answer([...Array(20).fill(null), 'AA', null, null, null]);
    expect(changed).toHaveBeenCalledTimes(1);
    expect(film.isSeen).toBe(true);
    expect(film.picture(20)).toBe('data:image/png;base64,AA');
    expect(film.picture(21)).toBeNull();
    expect(asked()[1].first).toBe(STRETCH);
    await answer(Array(STRETCH).fill(null));
    film.need(0, 47);
    expect(asked()).toHaveLength(2);
  });

  it('asks for what was wished last, and holds a part of it only', async () => {
    const { film, asked, answer } = opened();
    for (const place of [0, 2400, 99_000]) {
      film.need(place, place);
    }
    await answer(['AA']);
    expect(asked().map(({ first }) => first)).toEqual([0, 99_000]);
    await answer(['BB']);
    for (let i = 1; i <= 19; i++) {
      film.need(i * STRETCH, i * STRETCH);
      await answer(['CC']);
    }
    expect(film.picture(0)).toBeUndefined();
    expect(film.picture(99_000)).toContain('BB');
  });

  it('can be asked again after the kernel went away', async () => {
    const { channel, film, asked } = opened();
    film.need(0, 60);
    channel.open(false);
    await settle();
    channel.open();
    film.need(0, 1);
    expect(asked()).toHaveLength(2);
  });
});

describe('a strip', () => {
  it('draws what is in view', () => {
    expect(span(0, 720, 100_000)).toEqual([0, 14]);
    expect(span(7200, 720, 100_000)).toEqual([96, 114]);
    expect(span(7200, 720, 105)).toEqual([96, 104]);
    expect(span(0, 0, 3)).toEqual([0, 2]);
  });

  it.each([
    ['ArrowLeft', 4],
    ['ArrowRight', 6],
    ['Home', 0],
    ['End', 8],
    ['PageUp', 0],
    ['PageDown', 8],
    ['x', null]
  ])('is walked by keys: %s', (key, to) => {
    expect(reached(5, 9, key)).toBe(to);
  });
});
