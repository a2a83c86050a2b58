"""The text of SQL, read as each database reads it: comments, strings, quoted names, `:name` binds, statements.

By hand and not by sqlglot, which forgets what stood between its tokens, writes other queries than it has read (`!=`
becomes `<>`), and takes longer to load than a warm run. What a database is sent is the text as it is normalised here,
and so is what the result is known by: two queries of one key are one to the database, too.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from functools import cache

import msgspec


class Dialect(msgspec.Struct, frozen=True):
    """Where databases differ in what a piece of the text is: what quotes, what escapes, what begins a comment.

    `doubtful` are pieces that a setting of the database gives another meaning, or that it reads in a way of its own:
    a text that has one of them is sent as it is written. `tags`: of dollars, `$tag$` too. `doubles`: double quotes hold
    strings, and three quotes hold those that have quotes in them.
    """

    dollars: bool = True
    tags: bool = True
    escapes: bool = True
    backslashes: bool = False
    doubles: bool = False
    brackets: bool = False
    backticks: bool = False
    lines: str = ""
    doubtful: tuple[str, ...] = ()


STANDARD = Dialect(backticks=True)
DIALECTS = {
    "duckdb": Dialect(),
    # With `standard_conforming_strings` off every string takes backslashes.
    "postgresql": Dialect(doubtful=("\\",)),
    "sqlite": Dialect(dollars=False, escapes=False, brackets=True, backticks=True),
    "snowflake": Dialect(tags=False, escapes=False, backslashes=True, lines="//", doubtful=("\\", "//")),
    "bigquery": Dialect(
        dollars=False,
        escapes=False,
        backslashes=True,
        doubles=True,
        backticks=True,
        lines="#",
        doubtful=("\\", "#", "'''", '"""'),
    ),
}
_SILENT = ("space", "comment")
_KINDS = {"tag": "dollar", "name": "bind", "dollars": "dollar", "escaped": "string", "remark": "comment"}
#: A carriage return alone ends a line in some databases, a vertical tab is a blank behind others in SQLite, and
#: `current_query` returns the very text.
_DOUBTFUL = re.compile(r"\r(?!\n)|\v|\0|current_query", re.IGNORECASE)
_WHOLE = re.compile(r"[^/].*|//.*|/\*(?:(?!/\*|\*/).)*\*/", re.DOTALL)
_ESCAPED = r"'(?:[^'\\]|\\.|'')*(?:'|\Z)"
_DOUBLE = r'"(?:[^"\\]|\\.|"")*(?:"|\Z)'
_TRIPLE = r"""(?P<three>'''|\"\"\")(?:[^\\]|\\.)*?(?:(?P=three)|\Z)"""


@cache
def _pattern(dialect: Dialect) -> re.Pattern[str]:
    string = _ESCAPED if dialect.backslashes else r"'(?:[^']|'')*(?:'|\Z)"
    string = f"{_TRIPLE}|{string}" if dialect.doubles else string
    names = [_DOUBLE if dialect.doubles else r'"(?:[^"]|"")*(?:"|\Z)', r"`(?:[^`]|``)*(?:`|\Z)", r"\[[^\]]*(?:\]|\Z)"]
    quoted = [name for name, there in zip(names, (True, dialect.backticks, dialect.brackets), strict=True) if there]
    parts = [
        # Other blanks are parts of names to some.
        (r"(?P<space>[ \t\n\r\f]+)", True),
        (r"(?P<comment>--[^\n]*|/\*(?:[^*]|\*(?!/))*(?:\*/|\Z))", True),
        (rf"(?P<remark>{dialect.lines}[^\n]*)", bool(dialect.lines)),
        (r"(?P<dollar>\$(?P<tag>[^\W\d]\w*)\$.*?(?:\$(?P=tag)\$|\Z))", dialect.dollars and dialect.tags),
        (r"(?P<dollars>\$\$.*?(?:\$\$|\Z))", dialect.dollars),
        (rf"(?P<escaped>[eE]{_ESCAPED})", dialect.escapes),
        (rf"(?P<string>{string})", True),
        (rf"(?P<quoted>{'|'.join(quoted)})", True),
        (r"(?P<cast>::)", True),
        (r"(?P<bind>(?<![\w:'\"\])`]):(?P<name>[A-Za-z_]\w*))", True),
        (r"(?P<word>[^\W\d][\w$]*)|(?P<number>\d[\w.]*)|(?P<end>;)|(?P<other>.)", True),
    ]
    return re.compile("|".join(part for part, there in parts if there), re.DOTALL)


class Token(msgspec.Struct, frozen=True):
    """A piece of the text: its kind, its text as written, and where it starts."""

    kind: str
    text: str
    start: int


def tokens(text: str, engine: str = "") -> Iterator[Token]:
    """Yield every piece of a query, blanks and comments too; joined again they are the text."""
    for match in _pattern(DIALECTS.get(engine, STANDARD)).finditer(text):
        kind = str(match.lastgroup)
        yield Token(_KINDS.get(kind, kind), match.group(), match.start())


class Statement(msgspec.Struct, frozen=True):
    """A statement as it is sent; `marks` pair places in its text with those in the query that they come from."""

    text: str
    marks: tuple[tuple[int, int], ...] = ((0, 0),)

    def source(self, place: int) -> int:
        """Return where in the query a place of the text comes from."""
        mark = self.marks[max(bisect_right(self.marks, (place, 1 << 62)) - 1, 0)]
        return mark[1] + place - mark[0]

    def behind(self, words: str) -> Statement:
        """Return the statement with words before it."""
        return Statement(words + self.text, tuple((place + len(words), source) for place, source in self.marks))


class Query(msgspec.Struct, frozen=True):
    """A query as it was read.

    `statements` are its parts as they are sent, without comments and with one blank for any run of them, as far as
    that is sure to mean the same; `binds` are the names behind `:`, `words` its identifiers and keywords, quoted or
    not, `texts` the content of its strings.
    """

    binds: tuple[str, ...]
    words: frozenset[str]
    texts: tuple[str, ...]
    statements: tuple[Statement, ...]

    @property
    def canonical(self) -> tuple[str, ...]:
        """What the query is known by."""
        return tuple(s.text for s in self.statements)


def read(text: str, engine: str = "") -> Query:
    """Read a query as an engine does; never raises."""
    pieces = list(tokens(text, engine))
    binds: dict[str, None] = {}
    words: set[str] = set()
    texts: list[str] = []
    for token in pieces:
        inner = token.text[1:-1]
        match token.kind:
            case "bind":
                binds[token.text[1:]] = None
            case "word":
                words.add(token.text)
            case "quoted":
                words.add(inner.replace('""', '"'))
                texts.append(inner)
            case "string":
                texts.append(token.text.lstrip("eE")[1:-1].replace("''", "'"))
            case "dollar":
                texts.append(token.text)
    doubtful = DIALECTS.get(engine, STANDARD).doubtful
    exact = _is_doubtful(pieces) or _DOUBTFUL.search(text) is not None or any(each in text for each in doubtful)
    return Query(tuple(binds), frozenset(words), tuple(texts), tuple(_statements(pieces, exact=exact)))


def _is_doubtful(pieces: list[Token]) -> bool:
    """Tell whether databases, or their settings, may take other pieces apart than we did."""
    before = ""
    for token in pieces:
        # Some databases nest comments, and some let one end with the text.
        if token.kind == "comment" and _WHOLE.fullmatch(token.text) is None:
            return True
        if token.kind in ("dollar", "string") and before == "number":
            return True
        if token.kind == "other" and (token.text in "$`" or token.text.isspace()):
            return True
        if token.kind == "number" and token.text[-1] in "eE":
            return True
        before = token.kind
    return False


def _statements(pieces: list[Token], *, exact: bool) -> Iterator[Statement]:
    text, gap, last, full = "", "", "", False
    marks: list[tuple[int, int]] = []
    for token in [*pieces, Token("end", "", 0)]:
        if token.kind in _SILENT:
            gap += token.text
            continue
        if token.kind == "end":
            if full:
                yield Statement(text + gap * exact, tuple(marks))
            text, gap, last, marks, full = "", "", "", [], False
            continue
        if exact or (last == "string" == token.kind):
            # Strings that only a line's end parts are one.
            text += gap
        elif gap and full:
            text += " "
        marks.append((len(text), token.start))
        text, gap, last, full = text + token.text, "", token.kind, True


def bound(
    text: str, place: Callable[[str], str], escape: Callable[[str], str] = lambda text: text, engine: str = ""
) -> str:
    """Return the text with each bind replaced by what a driver calls it, and the rest escaped for that driver."""
    return "".join(place(t.text[1:]) if t.kind == "bind" else escape(t.text) for t in tokens(text, engine))


def unbound(text: str, spot: int, place: Callable[[str], str], engine: str = "") -> int:
    """Return where in the text a spot of its bound form comes from."""
    reached = 0
    for token in tokens(text, engine):
        length = len(place(token.text[1:]) if token.kind == "bind" else token.text)
        if reached + length > spot:
            return token.start + min(spot - reached, len(token.text) - 1)
        reached += length
    return len(text)
