"""Trying mutants against tests: each in a forked child, which ends at the first test that fails.

Two processes stand ready to be forked. The *collected* one has all tests collected and knows which lines each reaches
and how long it takes: a mutant inside a function is put into the living function there, and costs what the tests that
reach it cost, quickest first. The *empty* one has only third parties imported: a mutant that counts on import (a
constant, a default, a field of a class) is imported there with everything that hangs on it.
"""

import functools
import gc
import importlib
import importlib.abc
import importlib.machinery
import inspect
import os
import pickle
import resource
import signal
import sys
import time
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any, Final, TypeAlias

import pytest
from hypothesis import HealthCheck, Phase, settings

from tools.mutate.operators import Mutant, compiled

EXAMPLES: Final = 60
LONGEST_TEST_S: Final = 2.0
"""Processor seconds that a test may take beyond three times its own while measured: an endless loop ends there."""
_MOST_MEMORY_BYTES: Final = 4 << 30
_OPTIONS: Final = (
    *("-q", "--tb=line", "--assert=plain", "--noconftest", "-o", "timeout=0"),
    *("-p", "no:randomly", "-p", "no:cacheprovider"),
)
_KILLED, _SURVIVED = 1, 0


class Verdict(Enum):
    """What became of a mutant."""

    KILLED = "killed"
    TIMEOUT = "timeout"
    SURVIVED = "survived"


@dataclass(frozen=True, slots=True)
class Source:
    """One module under test."""

    module: str
    path: Path
    text: str

    @property
    def filename(self) -> str:
        """What tracebacks and code objects of the module call its file."""
        return str(self.path.resolve())


@dataclass(slots=True)
class Reached:
    """What the tests do where nothing is mutated: the lines that each reaches, and its processor seconds."""

    lines: dict[str, dict[str, frozenset[int]]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    third_parties: tuple[str, ...] = ()

    def tests(self, filename: str, lines: range) -> list[str]:
        """Returns the tests that reach one of these lines, quickest first."""
        found = [test for test, files in self.lines.items() if not files.get(filename, frozenset()).isdisjoint(lines)]
        return sorted(found, key=self.seconds.__getitem__)


class TestsFail(Exception):
    """The tests fail where nothing is mutated, so they can tell nothing of mutants."""


def run_all(
    sources: Sequence[Source], mutants: Sequence[Mutant], tests: Sequence[str], tell: Callable[[Mutant, Verdict], None]
) -> None:
    """Tells what becomes of every mutant.

    Raises:
        TestsFail: without a mutant.
    """
    settings.register_profile(
        "mutation",
        derandomize=True,
        database=None,
        deadline=None,
        max_examples=EXAMPLES,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    settings.load_profile("mutation")
    by_module = {source.module: source for source in sources}
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        inside = [mutant for mutant in mutants if mutant.outer is not None]
        with os.fdopen(writing, "wb") as answers:
            _in_collected(by_module, inside, tests, answers)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answers:
        reached = pickle.load(answers)  # noqa: S301 - our own child wrote it
        if isinstance(reached, str):
            raise TestsFail(reached)
        on_import = {mutant for mutant in mutants if mutant.outer is None}
        while (told := pickle.load(answers)) is not None:  # noqa: S301 - as above
            match told:
                case (Mutant() as mutant, Verdict() as verdict):
                    tell(mutant, verdict)
                case (Mutant() as mutant, None):
                    on_import.add(mutant)
                case failed:
                    raise TestsFail(failed)
    os.waitpid(child, 0)
    for name in reached.third_parties:
        importlib.import_module(name)
    for mutant in mutants:
        if mutant in on_import:
            tell(mutant, _try_import(by_module[mutant.module], mutant, reached, tests))


def _in_collected(by_module: dict[str, Source], mutants: Sequence[Mutant], tests: Sequence[str], answers: Any) -> None:
    """Writes what the tests reach, then a verdict for each mutant, then None; or the text of what failed."""

    def answer(one: object) -> None:
        pickle.dump(one, answers)
        answers.flush()

    plugin = _Collected(by_module, mutants, answer)
    _silence()
    status = pytest.main([*_OPTIONS, *tests], plugins=[plugin])
    if plugin.failures or not plugin.done:
        pickle.dump("\n".join(plugin.failures) or f"pytest ended with {status!r} and ran nothing", answers)


class _Collected:
    """The plugin of the process that has all tests collected."""

    def __init__(
        self, by_module: dict[str, Source], mutants: Sequence[Mutant], answer: Callable[[object], None]
    ) -> None:
        self.by_module = by_module
        self.mutants = mutants
        self.answer = answer
        self.failures: list[str] = []
        self.done = False

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.failures.append(f"{report.nodeid}: {report.longreprtext[-2000:]}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failures.append(f"{report.nodeid}: {report.longreprtext[-2000:]}")

    def pytest_internalerror(self, excrepr: object) -> None:
        self.failures.append(str(excrepr))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """In place of pytest's own loop."""
        if self.failures:
            return True
        reached = self._measured(session)
        if self.failures:
            return True
        self.answer(reached)
        items = {item.nodeid: item for item in session.items}
        functions = _functions(self.by_module)
        for mutant in self.mutants:
            source = self.by_module[mutant.module]
            chosen = [items[test] for test in reached.tests(source.filename, mutant.lines)]
            pairs = list(_places(compiled(source.text, source.filename, mutant), mutant, functions))
            fits = pairs and all(old.__code__.co_freevars == new.co_freevars for old, new in pairs)
            trial = functools.partial(self._trial, pairs, chosen, reached)
            self.answer((mutant, _forked(trial) if fits else None))
        self.answer(None)
        self.done = True
        return True

    def _measured(self, session: pytest.Session) -> Reached:
        reached = Reached(third_parties=_third_parties())
        files = frozenset(source.filename for source in self.by_module.values())
        for item in session.items:
            _forget_cached()
            seen: dict[str, set[int]] = {}
            began = time.process_time()
            sys.settrace(_tracer(files, seen))
            try:
                _run(item)
            finally:
                sys.settrace(None)
            reached.seconds[item.nodeid] = time.process_time() - began
            reached.lines[item.nodeid] = {name: frozenset(lines) for name, lines in seen.items()}
        return reached

    def _trial(
        self, pairs: Sequence[tuple[FunctionType, CodeType]], items: Sequence[pytest.Item], reached: Reached
    ) -> int:
        for function, code in pairs:
            function.__code__ = code
        for item in items:
            _forget_cached()
            _limit(reached.seconds[item.nodeid])
            _run(item)
            if self.failures:
                return _KILLED
        return _SURVIVED


def _run(item: pytest.Item) -> None:
    item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)


def _tracer(files: frozenset[str], seen: dict[str, set[int]]) -> Callable[[FrameType, str, Any], Any]:
    def local(frame: FrameType, event: str, _: object) -> Any:
        if event == "line":
            seen[frame.f_code.co_filename].add(frame.f_lineno)
        return local

    def entered(frame: FrameType, _event: str, _: object) -> Any:
        filename = frame.f_code.co_filename
        if filename not in files:
            return None
        seen.setdefault(filename, set()).add(frame.f_lineno)
        return local

    return entered


_Functions: TypeAlias = dict[tuple[str, str, int], list[FunctionType]]


def _functions(modules: Container[str]) -> _Functions:
    """The living functions of these modules by module, qualified name and first line."""
    found: _Functions = {}
    for one in gc.get_objects():
        if isinstance(one, FunctionType) and one.__module__ in modules:
            found.setdefault((one.__module__, one.__code__.co_qualname, one.__code__.co_firstlineno), []).append(one)
    return found


def _places(module_code: CodeType, mutant: Mutant, functions: _Functions) -> Iterator[tuple[FunctionType, CodeType]]:
    """The living functions of the mutant's outermost function, each with its changed code.

    A change that takes the only `super()` out of a function can't be put in there: it has to be imported.
    """
    for code in _codes(module_code):
        if code.co_qualname == mutant.outer:
            for function in functions.get((mutant.module, code.co_qualname, code.co_firstlineno), ()):
                yield function, code


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


def _forget_cached() -> None:
    """Empties every `lru_cache` of ours: what one test left there would hide a mutant from the next."""
    for cached in _caches(len(sys.modules)):
        cached.cache_clear()


@functools.lru_cache(maxsize=1)
def _caches(_modules: int) -> list[Any]:
    kind = type(_caches)
    return [one for one in gc.get_objects() if type(one) is kind and _is_ours(inspect.getfile(one.__wrapped__))]


def _is_ours(file: str) -> bool:
    return file.startswith(f"{Path.cwd()}{os.sep}") and "site-packages" not in file


def _third_parties() -> tuple[str, ...]:
    """The imported modules that come with the interpreter or its packages, in the order of their import."""
    return tuple(
        name
        for name, module in sys.modules.items()
        if (spec := getattr(module, "__spec__", None)) is not None
        and spec.name == name
        and not _is_ours(spec.origin or str(Path.cwd() / name))
    )


class _Collector:
    """The plugin of a process that has imported a mutant: runs the tests in this order until one fails."""

    def __init__(self, reached: Reached, source: Source) -> None:
        self.reached = reached
        self.source = source
        self.ran = False

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Tests that touch the module come first, of these the quickest."""
        touching = {test for test, files in self.reached.lines.items() if self.source.filename in files}
        items.sort(key=lambda item: (item.nodeid not in touching, self.reached.seconds.get(item.nodeid, 0.0)))

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        _limit(self.reached.seconds.get(item.nodeid, 0.0))


class _Mutated(importlib.abc.MetaPathFinder):
    """Imports one module as its mutant."""

    def __init__(self, source: Source, code: CodeType) -> None:
        self.source = source
        self.code = code

    def find_spec(self, name: str, path: Any, target: ModuleType | None = None) -> Any:
        if name != self.source.module:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None:
            spec.loader = _Loader(name, self.source.filename, self.code)
        return spec


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, path: str, code: CodeType) -> None:
        super().__init__(name, path)
        self.code = code

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 - the base class hands it over
        return self.code


def _try_import(source: Source, mutant: Mutant, reached: Reached, tests: Sequence[str]) -> Verdict:
    """The verdict on a mutant that counts on import: all tests only where the module's own test file passes."""
    code = compiled(source.text, source.filename, mutant)
    own = f"test_{source.path.stem}.py"
    files = sorted({test.split("::")[0] for test in reached.lines})

    def trial(chosen: Sequence[str]) -> int:
        _silence()
        _limit(LONGEST_TEST_S)
        sys.meta_path.insert(0, _Mutated(source, code))
        status = pytest.main([*_OPTIONS, "-x", *chosen], plugins=[_Collector(reached, source)])
        return _SURVIVED if status == pytest.ExitCode.OK else _KILLED

    for chosen in ([file for file in files if file.endswith(f"/{own}")], list(tests)):
        if chosen and (verdict := _forked(functools.partial(trial, chosen))) is not Verdict.SURVIVED:
            return verdict
    return Verdict.SURVIVED


def _forked(trial: Callable[[], int]) -> Verdict:
    """What a trial comes to in a child of its own."""
    child = os.fork()
    if child == 0:
        status = _KILLED
        try:
            resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY_BYTES, _MOST_MEMORY_BYTES))
            status = trial()
        except BaseException:  # noqa: BLE001 - whatever a mutant throws out of a test has been noticed
            status = _KILLED
        os._exit(status)
    _, ended = os.waitpid(child, 0)
    if os.WIFSIGNALED(ended):
        return Verdict.TIMEOUT if os.WTERMSIG(ended) == signal.SIGPROF else Verdict.KILLED
    return Verdict.SURVIVED if os.WEXITSTATUS(ended) == _SURVIVED else Verdict.KILLED


def _limit(usual_s: float) -> None:
    """Lets the kernel end this process after so much processor time of one test."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, LONGEST_TEST_S + 3 * usual_s)


def _silence() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
