"""The parameters of a function, and the source text that reads them."""

from __future__ import annotations

import keyword
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_VARARGS = 0x04
_VARKEYWORDS = 0x08


class Parameters:
    """Source texts of a function's parameter list, of the arguments to forward, and of single values.

    A wrapper is compiled with the function's own parameter list, so that each value is a local variable.
    Behind a decorator that takes `*args, **kwargs`, positions come from the signature of the function it
    wraps.
    """

    def __init__(self, function: Callable[..., Any], prefix: str) -> None:
        self._function = function
        self._prefix = prefix
        self._signature: dict[str, tuple[int | None, object]] | None = None
        self.constants: dict[str, object] = {}
        code = function.__code__ if isinstance(function, FunctionType) else None
        if code is None or not _is_plain(code, prefix):
            self._positional_only: list[str] = []
            self._positional: list[str] = []
            self._keyword_only: list[str] = []
            self._rest: str | None = prefix + "args"
            self._keywords: str | None = prefix + "kwargs"
        else:
            names = list(code.co_varnames)
            only, count = code.co_posonlyargcount, code.co_argcount
            self._positional_only, self._positional = names[:only], names[only:count]
            names = names[count:]
            self._keyword_only = [names.pop(0) for _ in range(code.co_kwonlyargcount)]
            self._rest = names.pop(0) if code.co_flags & _VARARGS else None
            self._keywords = names.pop(0) if code.co_flags & _VARKEYWORDS else None

    @property
    def names(self) -> list[str]:
        """All parameters, in the order of declaration."""
        rest = [name for name in (self._rest, self._keywords) if name is not None]
        return [*self._positional_only, *self._positional, *self._keyword_only, *rest]

    @property
    def all_names(self) -> list[str]:
        """All parameters, also those of the function behind a decorator."""
        is_decorated = self._rest == self._prefix + "args" or hasattr(self._function, "__wrapped__")
        return list(dict.fromkeys([*self.names, *(self._described() if is_decorated else ())]))

    @property
    def declaration(self) -> str:
        """The parameter list without defaults, which are set on the wrapper afterwards."""
        parts = [*self._positional_only, *(["/"] if self._positional_only else []), *self._positional]
        if self._rest is not None:
            parts.append("*" + self._rest)
        elif self._keyword_only:
            parts.append("*")
        parts += self._keyword_only
        if self._keywords is not None:
            parts.append("**" + self._keywords)
        return ", ".join(parts)

    @property
    def forward(self) -> str:
        """The argument list that forwards all parameters."""
        parts = [*self._positional_only, *self._positional]
        if self._rest is not None:
            parts.append("*" + self._rest)
        parts += [f"{name}={name}" for name in self._keyword_only]
        if self._keywords is not None:
            parts.append("**" + self._keywords)
        return ", ".join(parts)

    @property
    def bound(self) -> str:
        """A dict of all arguments by name, with defaults and with the items of `**kwargs`."""
        known = {name: name for name in [*self._positional_only, *self._positional, *self._keyword_only]}
        if self._rest is not None:
            for name in self._described():
                known.setdefault(name, self.value(name) or "None")
        parts = [f"{name!r}: {value}" for name, value in known.items()]
        if self._rest is not None and not self._rest.startswith(self._prefix):
            parts.append(f"{self._rest!r}: {self._rest}")
        if self._keywords is not None:
            parts.insert(0, "**" + self._keywords)
        return "{" + ", ".join(parts) + "}"

    def constant(self, value: object) -> str:
        """Returns a name for a value in the wrapper's source text."""
        name = f"{self._prefix}constant{len(self.constants)}"
        self.constants[name] = value
        return name

    def value(self, name: str) -> str | None:
        """Returns the source text of a parameter's value; None for an unknown parameter."""
        if name in self.names:
            return name
        described = self._described() if self._rest is not None or self._keywords is not None else {}
        if name not in described:
            return None if self._keywords is None else f"({self._keywords}.get({name!r}))"
        position, default = described[name]
        text = self.constant(default)
        if position is not None and self._rest is not None:
            index = position - len(self._positional_only) - len(self._positional)
            text = f"{self._rest}[{index}] if {index} < {self._rest}.__len__() else {text}"
        if self._keywords is not None:
            text = f"{self._keywords}[{name!r}] if {name!r} in {self._keywords} else {text}"
        return f"({text})"

    def _described(self) -> dict[str, tuple[int | None, object]]:
        """Returns position (None: by keyword only) and default of each parameter in the signature."""
        if self._signature is None:
            self._signature = _described(self._function)
        return self._signature


def _is_plain(code: CodeType, prefix: str) -> bool:
    """Returns whether the names of the parameters are valid in source text."""
    count = code.co_argcount + code.co_kwonlyargcount
    count += bool(code.co_flags & _VARARGS) + bool(code.co_flags & _VARKEYWORDS)
    names = code.co_varnames[:count]
    return all(n.isidentifier() and not keyword.iskeyword(n) and not n.startswith(prefix) for n in names)


def _described(function: Callable[..., Any]) -> dict[str, tuple[int | None, object]]:
    import inspect

    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return {}
    described: dict[str, tuple[int | None, object]] = {}
    for position, parameter in enumerate(parameters):
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        by_position = position if parameter.kind is not parameter.KEYWORD_ONLY else None
        default = None if parameter.default is parameter.empty else parameter.default
        described[parameter.name] = (by_position, default)
    return described
