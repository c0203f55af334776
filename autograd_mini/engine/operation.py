"""What an operation is: a name, a function of floats, and a derivative rule for each operand.

Knows no operation in particular, and nothing of `Value`: an `Operand` knows how to compute with itself.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from types import MethodType
from typing import Any

from autograd_mini.engine.arrays import elementwise, has_array, refuse_masked
from autograd_mini.engine.checks import as_float, describe, is_real, to_float
from autograd_mini.engine.ieee import FloatFunction

try:
    import cython
except ImportError:  # needed only to compile
    from autograd_mini.engine import _cython as cython

Rule = Callable[..., Any]
Lowering = str | Rule


@cython.no_gc
@cython.cclass
class Operand:
    """Whatever computes operations on itself."""

    __slots__ = ()

    def refuse_outside(self) -> None:
        """Raise an error if this is a number of a trace, and met where no trace is."""

    def _apply(self, operation: Operation, operands: Sequence[Any]) -> Any:
        """Compute or record an operation on operands of which one is this: what a call of it leads to."""
        raise NotImplementedError(f"{type(self).__name__} does not define _apply")


@cython.cclass
class Recorder:
    """Computes operations on operands of one class: in the compiled engine a shorter way than their `_apply`."""

    def __init__(self, kind: type) -> None:
        self.kind = kind

    def record(self, operation: Operation, operands: Sequence[Any]) -> Any:
        """Compute or record an operation on operands of which the first is of that class."""
        raise NotImplementedError(f"{type(self).__name__} does not define record")

    def record_few(self, operation: Operation, n: cython.Py_ssize_t, x: Any, y: Any, z: Any) -> Any:
        """Record an operation on one to three operands, NotImplemented where that takes a look at them."""
        return NotImplemented

    def compare_few(self, operation: Operation, x: Any, y: Any) -> Any:
        """Say whether a comparison holds between an operand and a number, NotImplemented where that takes a look."""
        return NotImplemented


_recorder = Recorder(object)


def set_recorder(recorder: Recorder) -> None:
    """Let a recorder compute what it can."""
    global _recorder
    _recorder = recorder


@cython.final
@cython.cclass
class Operation:
    """One differentiable operation; call it on Values or numbers.

    Made by `operation`, which documents the arguments.

    Attributes
    ----------
    name : str
        What Python calls it: `"tanh"`.
    symbol : str
        What a drawing calls it: `"*"` for `mul`, else the name.
    notation : str
        How a formula is written with it: `"call"`, `"prefix"`, `"infix"`, or the name of a notation of its own.
    parameters : tuple of str
        The names of its operands; empty for an operation of any number of operands.
    function : callable
        Floats to float, total: nan or inf rather than an exception.
    lowering : str, callable or None
        How it is compiled, where that is not as `function` says.
    bound : float, callable or None
        How large a result can be: always, or given how large the operands can be; None if there is no limit.
    gather : callable or None
        Lists the operands, given the arguments of a call, where these are sequences.
    chooses : bool
        Whether an operand whose local derivative is 0 was not chosen: see choices.py.
    textbook : tuple of callables
        The rules in the form that readers know, where the rules themselves are written for accuracy; else empty.
    """

    def __init__(
        self,
        signature: str,
        function: FloatFunction,
        rules: tuple[Rule, ...],
        *,
        symbol: str | None = None,
        doc: str = "",
        lowering: Lowering | None = None,
        notation: str | None = None,
        bound: FloatFunction | float | None = None,
        gather: Callable[..., list[Any]] | None = None,
        chooses: bool = False,
        textbook: tuple[Rule, ...] = (),
    ) -> None:
        self.name, parsed = _parse_signature(signature)
        names = tuple(parsed.parameters)
        self.is_variadic = parsed.parameters[names[0]].kind is inspect.Parameter.VAR_POSITIONAL
        if not (lowering is None or isinstance(lowering, str) or callable(lowering)):
            raise TypeError(f"the lowering of {signature} must be a function or a name, not {describe(lowering)}")
        for part in (function, *rules):
            if not callable(part):
                raise TypeError(f"{signature} needs functions: what it computes, then its rules, not {describe(part)}")
        if self.is_variadic and len(rules) != 1:
            raise ValueError(f"{signature} needs one rule, for the derivatives of all operands, but got {len(rules)}")
        if not self.is_variadic and len(rules) != len(names):
            raise ValueError(f"{signature} has {len(names)} operands and needs a rule for each, but got {len(rules)}")
        self.parameters = () if self.is_variadic else names
        self.arity = len(self.parameters)
        self.function = function
        self.rules = rules
        self.lowering = lowering
        self.bound = bound
        self.gather = gather
        self.chooses = chooses
        self.textbook = textbook
        # See formula.py: one for each number of operands, False where there may be one that nobody has asked for yet.
        # A formula for many operands is as long as they are many.
        most = 128 if self.is_variadic else self.arity
        self.formulas: list[Any] = [None, *[False if self.is_variadic else None] * (most - 1), False]
        self.symbol = symbol or self.name
        is_operator = not re.search(r"\w", self.symbol) and self.arity in (1, 2)
        self.notation = notation or (("prefix" if self.arity == 1 else "infix") if is_operator else "call")
        self.__name__ = self.__qualname__ = self.name
        self.__module__ = getattr(rules[0], "__module__", None) or "__main__"
        if cython.compiled:  # declared in operation.pxd
            shorten_calls(self, cython.address(self._entry))  # type: ignore[attr-defined, name-defined]  # noqa: F821
        self.__doc__ = doc or f"User-defined operation {signature}."
        self.__signature__ = parsed if gather is None else inspect.signature(gather)
        taken = self.__signature__.parameters.values()  # by a call
        # So many arguments at the most; -1 for any number of them.
        self._most = -1 if self.is_variadic and gather is None else len(taken)
        self._defaults = tuple([p.default for p in taken if p.default is not p.empty])

    def local_derivatives(self, out: Any, operands: Sequence[Any], wanted: Sequence[bool] = ()) -> Sequence[Any]:
        """Give the local derivative for each operand, as the rules say, in the operands' own kind.

        Where only some are wanted, the others are 0, if they have rules of their own.
        """
        if self.is_variadic:
            derivatives = list(self.rules[0](out, *operands))
            if len(derivatives) != len(operands):
                raise ValueError(
                    f"the rule of {self.name} gave {len(derivatives)} derivatives for {len(operands)} operands"
                )
            return derivatives
        if not wanted:
            return [rule(out, *operands) for rule in self.rules]
        return [rule(out, *operands) if is_wanted else 0.0 for rule, is_wanted in zip(self.rules, wanted)]

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        result = NotImplemented if named else _call_in_order(self, arguments)
        if result is NotImplemented:
            try:
                bound = self.__signature__.bind(*arguments, **named)
            except TypeError as error:
                raise TypeError(f"{self.name}{_without_types(self.__signature__)}: {error}") from None
            bound.apply_defaults()
            result = _call_in_order(self, bound.args)
        return result

    def apply(self, operands: Sequence[Any]) -> Any:
        """Compute with operands, in the order in which a node has them.

        For most operations this is a call; `sum`, `dot` and others are called with sequences.
        Arrays are operands of an operation of each element, broadcast as in NumPy.
        """
        try:
            floats = True
            for operand in operands:
                if type(operand) is not float:
                    if cython.compiled and type(operand) is _recorder.kind:
                        return _recorder.record(self, operands)
                    if isinstance(operand, Operand):
                        return operand._apply(self, operands)
                    floats = False
            result = self.function(*(operands if floats else [self.number(operand) for operand in operands]))
            return result if type(result) is float else as_float(result, f"the result of {self.name}")
        except TypeError:
            # Looked for where numbers have failed, so that a call with numbers is as quick as it was.
            if self.gather is not None or not has_array(operands):
                raise
        return elementwise(self, operands)

    def number(self, operand: Any) -> float:
        """Convert an operand to a float, or say that this operation has no use for it."""
        return as_operand(operand, self.name)

    def __get__(self, instance: Any, owner: Any) -> Any:
        """Bind as a method where a class has an operation as attribute, as functions do."""
        return self if instance is None else MethodType(self, instance)

    def __repr__(self) -> str:
        return f"<operation {self.name}{_without_types(self.__signature__)}>"

    def __reduce__(self) -> str:
        return self.name  # pickled by reference, as functions are


def operate(operation: Operation, left: Any, right: Any) -> Any:
    """Apply an operator, or leave it to the class of the operand that is no number."""
    recorded: Any = _recorder.record_few(operation, 2, left, right, None)
    if recorded is not NotImplemented:
        return recorded
    other: Any = right if isinstance(left, Operand) else left
    if isinstance(other, Operand) or is_real(other):
        return operation.apply((left, right))
    refuse_masked(other)
    return NotImplemented


def compare(operation: Operation, left: Any, right: Any) -> Any:
    """Apply a comparison to an operand and whatever it is compared with."""
    found: Any = _recorder.compare_few(operation, left, right)
    return left._compare(operation, right) if found is NotImplemented else found


def _call_few(operation: Any, n: cython.Py_ssize_t, x: Any, y: Any, z: Any) -> Any:
    """Call an operation with up to three arguments; NotImplemented where that takes a look at them."""
    called: Operation = operation
    if called.gather is not None:
        if n > called._most or n + len(called._defaults) < called._most:
            return NotImplemented
        return called.apply(called.gather(x) if n == 1 else called.gather(x, y) if n == 2 else called.gather(x, y, z))
    if n == called.arity or called.is_variadic:
        return _recorder.record_few(called, n, x, y, z)
    if n + 1 == called.arity and called._defaults:  # elu(x)
        last: Any = called._defaults[-1]
        return _recorder.record_few(called, n + 1, x, last if n == 1 else y, last if n == 2 else None)
    return NotImplemented


def _call_in_order(operation: Any, arguments: Any) -> Any:
    """Call an operation that takes so many arguments, the last of which may have defaults; else give NotImplemented."""
    called: Operation = operation
    given: tuple[Any, ...] = arguments
    missing = called._most - len(given)
    if missing and called._most >= 0:
        if not 0 < missing <= len(called._defaults):
            return NotImplemented
        given += called._defaults[-missing:]
    return called.apply(given if called.gather is None else called.gather(*given))


if cython.compiled:
    set_calls(_call_few, _call_in_order)  # type: ignore[name-defined]  # noqa: F821 (declared in operation.pxd)


def as_operand(operand: Any, function: str) -> float:
    """Convert a number to a float, or say that `function` has no use for it."""
    if type(operand) is float:
        return operand
    if is_real(operand):
        try:
            return float(operand)
        except OverflowError:
            return to_float(operand, f"an operand of {function}")
    if isinstance(operand, Operand):
        operand.refuse_outside()
    raise TypeError(f"{function} takes Values and real numbers, not {describe(operand)}")


def _without_types(signature: inspect.Signature) -> inspect.Signature:
    return inspect.Signature([p.replace(annotation=p.empty) for p in signature.parameters.values()])


def _parse_signature(text: str) -> tuple[str, inspect.Signature]:
    """Read `"elu(x, a=1.0)"` or `"hypot(*coordinates)"`."""
    if not isinstance(text, str):
        raise TypeError(f"an operation's signature must be a string, not {describe(text)}")
    try:
        name, rest = text.removesuffix(")").split("(")
        parameters = [_parse_parameter(part) for part in rest.split(",")]
        parsed = inspect.Signature(parameters)
        starred = [p for p in parameters if p.kind is inspect.Parameter.VAR_POSITIONAL]
        if name.isidentifier() and text.endswith(")") and (not starred or len(parameters) == 1):
            return name, parsed
    except (IndexError, ValueError):  # a nameless parameter, a wrong one
        pass
    raise ValueError(f"an operation's signature reads like 'elu(x, a=1.0)' or 'sum(*terms)', not {text!r}")


def _parse_parameter(text: str) -> inspect.Parameter:
    name, equals, default = (piece.strip() for piece in text.partition("="))
    starred = name.startswith("*")
    kind = inspect.Parameter.VAR_POSITIONAL if starred else inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Parameter(
        name.removeprefix("*"), kind, default=float(default) if equals else inspect.Parameter.empty
    )


def operation(
    signature: str,
    function: FloatFunction,
    *rules: Rule,
    symbol: str | None = None,
    doc: str = "",
    lowering: Lowering | None = None,
) -> Operation:
    """Define an operation: what it computes and its derivative, side by side.

    The result is called on Values or numbers like any built-in function. It is drawn,
    differentiated to any order and checked like one.

    Parameters
    ----------
    signature : str
        Name and operands, with defaults where there are any: `"elu(x, a=1.0)"`. One starred
        operand, `"hypot(*coordinates)"`, makes an operation of any number of operands.
    function : callable
        Takes as many floats, gives a float. For an argument outside its domain it should give nan
        or inf; an exception that it raises reaches the caller, with nothing recorded.
    *rules : callable
        One for each operand: takes the result, then all operands, and gives the derivative for
        that operand. Written with arithmetic and this package's functions, never those of `math`,
        so that it can be differentiated again. It may use comparisons as 0 or 1. For a starred
        operand a single rule gives the sequence of all derivatives.
    symbol : str, optional
        What a drawing calls the operation; its name unless given.
    doc : str, optional
        The docstring.
    lowering : callable or str, optional
        How jit compiles it: a function of the operands written as the rules are, or the name of a
        function of C's math library, `"tgamma"`. Not needed where `function` itself is written so,
        with neither functions of `math` nor branches.

    Returns
    -------
    Operation

    Notes
    -----
    A function or rule must not keep a Value that the operation has computed, not by what it takes from around it
    either: the Value leads back to the operation, and the collector of cycles does not look into Values, so neither
    would ever be freed. Keep the number, `value.data`.

    Raises
    ------
    ValueError
        If `signature` can't be read, or there is not one rule for each operand.
    TypeError
        If `signature` is no string, or what should be a function is none.

    Examples
    --------
    >>> from autograd_mini import Value, operation
    >>> cube = operation("cube(x)", lambda x: x * x * x, lambda out, x: 3 * x * x)
    >>> x = Value(2.0)
    >>> cube(x).backward()
    >>> x.grad
    12.0
    """
    return Operation(signature, function, rules, symbol=symbol, doc=doc, lowering=lowering)
