"""The mutants of a module: small changes of its syntax tree, each of which some test should notice.

Left alone by rule, since no behaviour that is promised hangs on it: docstrings, annotations, decorators and keywords of
classes, imports, `__all__`, `__slots__`, type variables, assertions and `assert_never` (the type checker's business),
the texts of errors and what f-strings put together, and the cause of a `raise`.
"""

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from types import CodeType
from typing import Final, TypeAlias

Step: TypeAlias = tuple[str, int | None]
_Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef

LONGEST_SHOWN: Final = 160
_LONGEST_CONTEXT: Final = 80
_COMPARED: Final[dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_OPERATED: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
_CALLED: Final = {"min": "max", "max": "min", "any": "all", "all": "any"}
_TYPE_MAKERS: Final = {"NewType", "TypeVar", "assert_never"}
_UNTOUCHED_NAMES: Final = {"__all__", "__slots__"}
_UNTOUCHED_FIELDS: Final = {"annotation", "returns", "decorator_list", "cause", "ctx", "op", "ops"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one module.

    Attributes:
        module: the dotted name.
        function: the qualified name of the innermost function or class around it; '' at the module's level.
        change: what stands there, and what the mutant has in its place; with `#2` where the same stands there again.
        lines: the source lines of the statement, or of its head.
        outer: the qualified name of the outermost function whose body holds it; None where it counts on import.
        path: the way from the module's tree to the changed node.
        choice: which of the node's replacements it is.
    """

    module: str
    function: str
    change: str
    lines: range
    outer: str | None
    path: tuple[Step, ...]
    choice: int

    @property
    def key(self) -> str:
        """The name that an argument for it is kept by; it holds as long as the function's text does."""
        return f"{self.module}:{self.function}: {self.change}"


@dataclass(slots=True)
class _Place:
    """Where the walk is."""

    module: str
    names: tuple[str, ...] = ()
    outer: str | None = None
    path: tuple[Step, ...] = ()
    lines: range = range(1, 2)
    parent: ast.AST = field(default_factory=ast.Pass)

    def below(self, parent: ast.AST, step: Step, **changed: object) -> "_Place":
        kept = {"names": self.names, "outer": self.outer, "lines": self.lines}
        return _Place(self.module, path=(*self.path, step), parent=parent, **(kept | changed))  # type: ignore[arg-type]


def mutants(source: str, module: str) -> list[Mutant]:
    """Returns every mutant of a module, in the order of the source; their keys are distinct."""
    found, seen = [], Counter[str]()
    for mutant in _walk(ast.parse(source), _Place(module)):
        seen[mutant.key] += 1
        again = f" #{seen[mutant.key]}" if seen[mutant.key] > 1 else ""
        found.append(replace(mutant, change=mutant.change + again))
    return found


def compiled(source: str, filename: str, mutant: Mutant) -> CodeType:
    """Returns the code of the whole module with this one change in it."""
    tree = ast.parse(source)
    node: ast.AST = tree
    parent = node
    for step in mutant.path:
        parent, node = node, _child(node, step)
    name, index = mutant.path[-1]
    new = list(_replacements(node, parent, name, inside=mutant.outer is not None))[mutant.choice]
    ast.copy_location(new, node)
    if index is None:
        setattr(parent, name, new)
    else:
        getattr(parent, name)[index] = new
    return compile(ast.fix_missing_locations(tree), filename, "exec", dont_inherit=True)


def _child(node: ast.AST, step: Step) -> ast.AST:
    name, index = step
    found = getattr(node, name)
    child: ast.AST = found if index is None else found[index]
    return child


def _walk(node: ast.AST, place: _Place) -> Iterator[Mutant]:
    for name, index, child in _children(node):
        inner = place.below(node, (name, index), **_entered(node, name, child, place))
        for choice, new in enumerate(_replacements(child, node, name, inside=inner.outer is not None)):
            ast.copy_location(new, child)
            change = _change(child, new, node)
            yield Mutant(place.module, ".".join(inner.names), change, inner.lines, inner.outer, inner.path, choice)
        yield from _walk(child, inner)


def _children(node: ast.AST) -> Iterator[tuple[str, int | None, ast.AST]]:
    """The parts of a node that mutants are looked for in."""
    for name, value in ast.iter_fields(node):
        if name in _UNTOUCHED_FIELDS or (name == "keywords" and isinstance(node, ast.ClassDef)):
            continue
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.AST) and not _untouched(child):
                yield from _opened(node, name, index, child)


def _opened(node: ast.AST, name: str, index: int | None, child: ast.AST) -> Iterator[tuple[str, int | None, ast.AST]]:
    """The child, unless it is the text of an error: of `raise Error(field, text)` only the first may change."""
    if isinstance(node, ast.Call) and getattr(node, "raised", False) and (name != "func"):
        if name == "args" and index == 0 and len(node.args) > 1:
            yield name, index, child
        return
    if isinstance(node, ast.Raise) and isinstance(child, ast.Call):
        child.raised = True  # type: ignore[attr-defined]
    yield name, index, child


def _untouched(node: ast.AST) -> bool:
    match node:
        case ast.Assert() | ast.Import() | ast.ImportFrom() | ast.JoinedStr() | ast.Expr(value=ast.Constant()):
            return True
        case ast.AnnAssign(annotation=ast.Name(id="TypeAlias")):
            return True
        case ast.Expr(value=ast.Call(func=ast.Name(id=name))) | ast.Assign(value=ast.Call(func=ast.Name(id=name))):
            return name in _TYPE_MAKERS
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name in _UNTOUCHED_NAMES
        case ast.match_case(body=[statement]):
            return _untouched(statement)
        case _:
            return False


def _entered(node: ast.AST, name: str, child: ast.AST, place: _Place) -> dict[str, object]:
    """What changes on the way from a node to its child: names, outermost function, lines."""
    entered: dict[str, object] = {}
    if isinstance(node, _Function | ast.ClassDef) and name == "body":
        names = entered["names"] = (*place.names, node.name)
        if isinstance(node, _Function) and place.outer is None:
            entered["outer"] = ".".join(names)
    if isinstance(node, _Function) and name == "args":
        entered["names"] = (*place.names, node.name)
    if isinstance(child, ast.stmt):
        body = getattr(child, "body", None) or getattr(child, "cases", None)
        last = (_first_line(body[0]) - 1) if body else child.end_lineno
        entered["lines"] = range(child.lineno, max(last or 0, child.lineno) + 1)
    elif isinstance(child, ast.match_case | ast.ExceptHandler):
        entered["lines"] = range(_first_line(child), _first_line(child.body[0]))
    return entered


def _first_line(node: ast.AST) -> int:
    line: int = node.pattern.lineno if isinstance(node, ast.match_case) else getattr(node, "lineno", 1)
    return line


def _replacements(node: ast.AST, parent: ast.AST, name: str, *, inside: bool) -> Iterator[ast.AST]:
    """Everything that is put in a node's place, in a fixed order; `inside` a function more may be."""
    match node:
        case ast.expr():
            yield from _of_expression(node)
            if _is_condition(parent, name) and not isinstance(node, ast.Compare | ast.BoolOp | ast.UnaryOp):
                yield ast.UnaryOp(ast.Not(), node)
        case ast.stmt():
            yield from _of_statement(node, inside=inside)
        case ast.match_case() if not isinstance(node.pattern, ast.MatchAs) or node.pattern.pattern is not None:
            yield ast.match_case(node.pattern, ast.Constant(value=False), node.body)


def _is_condition(parent: ast.AST, name: str) -> bool:
    return name in {"ifs", "guard"} or (name == "test" and isinstance(parent, ast.If | ast.While | ast.IfExp))


def _of_expression(node: ast.expr) -> Iterator[ast.expr]:  # noqa: C901 - one arm for each kind of expression
    match node:
        case ast.Compare():
            for index, op in enumerate(node.ops):
                for new in _COMPARED[type(op)]:
                    yield ast.Compare(node.left, [*node.ops[:index], new(), *node.ops[index + 1 :]], node.comparators)
        case ast.BinOp() if type(node.op) in _OPERATED:
            yield ast.BinOp(node.left, _OPERATED[type(node.op)](), node.right)
        case ast.BoolOp():
            yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
            for index in range(len(node.values)):
                left = node.values[:index] + node.values[index + 1 :]
                yield ast.BoolOp(node.op, left) if len(left) > 1 else left[0]
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield node.operand
        case ast.Constant(value=bool()):
            yield ast.Constant(value=not node.value)
        case ast.Constant(value=int() as number):
            yield ast.Constant(value=number + 1)
            yield ast.Constant(value=number - 1)
        case ast.Constant(value=str() as text):
            yield ast.Constant(value=f"XX{text}")
        case ast.Call(func=ast.Name(id=called)) if called in _CALLED:
            yield ast.Call(ast.Name(_CALLED[called], ast.Load()), node.args, node.keywords)
        case ast.Call(func=ast.Name(id="sorted")):
            yield ast.Call(ast.Name("list", ast.Load()), node.args, [])


def _of_statement(node: ast.stmt, *, inside: bool) -> Iterator[ast.stmt]:
    match node:
        case ast.Return(value=ast.expr() as value) if not (isinstance(value, ast.Constant) and value.value is None):
            yield ast.Return(ast.Constant(value=None))
        case ast.AugAssign():
            yield ast.AugAssign(node.target, _OPERATED[type(node.op)](), node.value)
            yield ast.Pass()
        case ast.Assign() if inside and not isinstance(node.value, ast.Constant):
            yield ast.Assign(node.targets, ast.Constant(value=None))
        case ast.AnnAssign(value=ast.expr() as value) if inside and not isinstance(value, ast.Constant):
            yield ast.AnnAssign(node.target, node.annotation, ast.Constant(value=None), node.simple)
        case ast.Expr() | ast.Raise() | ast.Delete():
            yield ast.Pass()
        case ast.Break():
            yield ast.Continue()
        case ast.Continue():
            yield ast.Break()


def _change(old: ast.AST, new: ast.AST, parent: ast.AST) -> str:
    """Both texts; those of a constant with what stands around it, but for an error's text."""
    if isinstance(parent, ast.Call) and getattr(parent, "raised", False) and isinstance(old, ast.Constant):
        error = ast.unparse(parent.func)
        return f"{error}({ast.unparse(old)}, …) -> {error}({ast.unparse(new)}, …)"
    if isinstance(old, ast.Constant) and isinstance(parent, ast.expr | ast.keyword | ast.stmt):
        before, after = ast.unparse(parent), _within(parent, old, new)
        if max(len(before), len(after)) <= _LONGEST_CONTEXT:
            return _cut(before, after)
    if isinstance(old, ast.match_case):
        return f"case {ast.unparse(old.pattern)}: removed"
    if isinstance(old, ast.Raise) and isinstance(old.exc, ast.Call):
        return f"raise {ast.unparse(old.exc.func)}(…): removed"
    if isinstance(new, ast.Pass):
        return f"{_cut(ast.unparse(old))}: removed"
    return _cut(ast.unparse(old), ast.unparse(new))


def _within(parent: ast.AST, old: ast.AST, new: ast.AST) -> str:
    """The parent's text with the new node in the old one's place; the parent stays as it is."""
    for name, value in ast.iter_fields(parent):
        if value is old:
            setattr(parent, name, new)
            text = ast.unparse(parent)
            setattr(parent, name, old)
            return text
        if isinstance(value, list) and any(item is old for item in value):
            index = next(index for index, item in enumerate(value) if item is old)
            value[index] = new
            text = ast.unparse(parent)
            value[index] = old
            return text
    return ast.unparse(new)


def _cut(*texts: str) -> str:
    flat = [" ".join(text.split()) for text in texts]
    return " -> ".join(text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "…" for text in flat)
