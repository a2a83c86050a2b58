import { usage } from '../usage';

const said = (text: string, code = 'usage') => ({ code, text });

describe('usage', () => {
  it('is the sum of what the kernel says', () => {
    expect(usage([said('1,204 tokens in, 96 out, 0.0125'), said('10 tokens in, 2 out')])).toEqual({
      tokens: 1312,
      cost: 0.0125
    });
  });

  it('is nothing where nobody says anything of it', () => {
    expect(usage([said('answered by gpt', 'network'), said('many tokens')])).toBeNull();
    expect(usage([])).toBeNull();
  });
});
