"""What loops and variants mean, said anew and plainly: by running everything, on copies where cells must not see each other."""

import ast
import copy
import random
import re
import sys
import types

VARIANT = re.compile(r"^# @variant (\w+) (\w+)$", re.MULTILINE)
FAN = re.compile(r"^# @per_variant ?(\w*)$", re.MULTILINE)
LOOP = re.compile(r"^# @loop max_iter=(\d+) carry=([\w,]+)$", re.MULTILINE)
UNTIL = re.compile(r"^# @loop_until (.*)$", re.MULTILINE)
#: What is the same thing in every copy.
SHARED = (types.ModuleType, types.FunctionType, types.BuiltinFunctionType, type)


class Roles:
    """Which cells stand: `out` by place, `lanes` (group, name) of those side by side, `ends` groups by their last place."""

    def __init__(self, cells, active):
        self.out, self.lanes, self.ends = set(), {}, {}
        named = {i: m.groups() for i, source in enumerate(cells) if (m := VARIANT.search(source))}
        for group in {g for g, _ in named.values()}:
            members = [(i, name) for i, (g, name) in sorted(named.items()) if g == group]
            names = [name for _, name in members]
            chosen = active.get(group)
            if chosen == "*":
                self.ends[members[-1][0]] = group
            elif chosen not in names:
                chosen = names[0]
            taken = set()
            for i, name in members:
                if name in taken or chosen not in ("*", name):
                    self.out.add(i)
                elif chosen == "*":
                    self.lanes[i] = (group, name)
                taken.add(name)


class Player:
    """Runs the cells of a document in one shell."""

    def __init__(self, shell, cells, active):
        self.shell, self.cells, self.roles = shell, cells, Roles(cells, active)
        self.initial = set(shell.user_ns)
        #: By group and lane, the names that are taken from there; the names that stand by lane, by group.
        self.taken, self.standing, self.faulty = {}, {}, False
        #: The cells from which the step to the one below is still to be taken.
        self.left = []

    def names(self):
        return {n: v for n, v in self.shell.user_ns.items() if n not in self.initial and not n.startswith("_")}

    def put(self, names):
        for name in self.names().keys() - names.keys():
            del self.shell.user_ns[name]
        self.shell.user_ns.update(names)

    def run(self, i):
        """Run a cell; return what it raised."""
        source = self.cells[i]
        error = None
        if i in self.roles.out:
            self.left.append(i)
            return None
        for place in self.left:
            self.go_on(place)
        self.left = [i]
        if i in self.roles.lanes:
            group, name = self.roles.lanes[i]
            self.lane(group, name, source, {}, back=True)
        elif (group := self.fan(source, i)) is not None:
            self.fanned(group, source)
        else:
            self.bound_anew(stored(source))
            error = self.alone(source)
        return error

    def alone(self, source):
        if (m := LOOP.search(source)) and 0 < int(m[1]) <= 100_000:
            return self.loop(source, int(m[1]), m[2].split(","))
        return self.once(source)

    def bound_anew(self, names):
        for standing in self.standing.values():
            for name in names:
                standing.pop(name, None)

    def go_on(self, i):
        """Take the step from a cell to the one below."""
        if i in self.roles.lanes:
            self.put(self.before)
            self.reset()
        if i in self.roles.ends:
            self.gather(self.roles.ends[i])

    def once(self, source):
        result = self.shell.run_cell(source, store_history=True, silent=False)
        return None if result.success else (result.error_before_exec or result.error_in_exec)

    def generators(self):
        return random.getstate(), sys.modules["numpy"].random.get_state()

    def reset(self):
        random.setstate(self.drawn[0])
        sys.modules["numpy"].random.set_state(self.drawn[1])

    def lane(self, group, name, source, inputs, back):
        """Run a cell on a lane on copies of all that stands; what it binds is kept for those that read it."""
        self.before, self.drawn = self.names(), self.generators()
        self.put(copied(self.before))
        for missing in inputs:
            self.shell.user_ns.pop(missing, None)
        self.shell.user_ns.update(copied({n: v for n, v in inputs.items() if v is not None}))
        start = self.names()
        error = self.once(source)
        now = self.names()
        kept = self.taken.setdefault((group, name), {})
        if error is not None:
            self.faulty = True
            kept["*"] = f"variant {name!r} failed: {type(error).__name__}: {error}"
            kept["error"] = error
            return
        # A name that it may bind and does not is what it was for every reader of this variant alone.
        new = {n for n, v in now.items() if n not in start or v is not start[n]}
        kept.update({n: v for n, v in copied(now).items() if n in new or not isinstance(v, types.ModuleType)})

    def gather(self, group):
        lanes = {n: kept for (g, n), kept in self.taken.items() if g == group}
        bound = {n for i, (g, _) in self.roles.lanes.items() if g == group for n in stored(self.cells[i])}
        self.bind(group, lanes, bound)

    def bind(self, group, lanes, bound):
        made = {}
        self.bound_anew(bound)
        for name in sorted(bound):
            made[name] = {}
            for lane, kept in lanes.items():
                if "*" in kept:
                    made[name][lane] = RuntimeError(kept["*"])
                elif name in kept:
                    made[name][lane] = kept[name]
        modules = {n: v for kept in lanes.values() for n, v in kept.items() if isinstance(v, types.ModuleType)}
        self.shell.user_ns.update(copied({n: v for n, v in made.items() if n not in modules}) | modules)
        self.standing.setdefault(group, {}).update({n: self.shell.user_ns[n] for n in made})

    def fan(self, source, i):
        m = FAN.search(source)
        if m is None or i in self.roles.lanes:
            return None
        above = [g for end, g in self.roles.ends.items() if end < i and m[1] in ("", g)]
        return above[0] if len(above) == 1 else None

    def fanned(self, group, source):
        here = {n for n, v in self.standing.get(group, {}).items() if self.shell.user_ns.get(n) is v}
        lanes = [n for g, n in self.taken if g == group]
        before, made = self.names(), {}
        for lane in lanes:
            kept = self.taken[group, lane]
            if "*" in kept:
                name, text = type(kept["error"]).__name__, kept["error"]
                made[lane] = {"*": f"variant {lane!r} failed: {name}: {text}", "error": text}
                continue
            was, self.taken[group, lane] = dict(kept), {}
            self.lane(group, lane, source, {n: was.get(n) for n in here}, back=True)
            made[lane] = self.taken[group, lane]
            self.taken[group, lane] = {**was, **made[lane]}
            self.put(before)
            self.reset()
        self.bind(group, made, stored(source))

    def loop(self, source, passes, carry):
        until = UNTIL.search(source)
        plain = ".append(" in source and all(isinstance(self.shell.user_ns.get(n), int) for n in carry)
        start = self.names()
        for _ in range(passes):
            along = {n: self.shell.user_ns[n] for n in carry if n in self.shell.user_ns}
            self.put({**(copied(start) if plain else start), **along})
            if (error := self.once(source)) is not None:
                return error
            if until is not None:
                if (error := self.once(f"__until__ = bool({until[1]})")) is not None:
                    return error
                if self.shell.user_ns.pop("__until__"):
                    break
        return None


def array(value, memo):
    """Copy an array; views of one memory stay views of one."""
    numpy = sys.modules["numpy"]
    base = value
    while isinstance(base.base, numpy.ndarray):
        base = base.base
    if base is value or value.dtype.hasobject:
        return value.__deepcopy__(memo)
    offset = value.__array_interface__["data"][0] - base.__array_interface__["data"][0]
    made = numpy.ndarray(value.shape, value.dtype, copy.deepcopy(base, memo), offset, value.strides)
    made.flags.writeable = value.flags.writeable
    return made


def copied(names):
    """Copy values with what they share."""
    copy._deepcopy_dispatch[sys.modules["numpy"].ndarray] = array
    memo = {id(v): v for v in names.values() if isinstance(v, SHARED)}
    return copy.deepcopy(names, memo)


def stored(source):
    """Return the names that a cell may bind."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return set()
    return {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
