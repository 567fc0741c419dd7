"""Atomic methods: if one raises, its object stays unchanged."""

import functools
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

Params = ParamSpec("Params")
Result = TypeVar("Result")
Self = TypeVar("Self")


def all_or_nothing(
    method: Callable[Concatenate[Self, Params], Result],
) -> Callable[Concatenate[Self, Params], Result]:
    """Restores all attributes if the method raises; only its last statement may change a state in place."""

    # A compiler that meets this function would guard the identity of Params.args, which is new at each access.
    @functools.wraps(method)
    def whole(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        before = dict(self.__dict__)
        try:
            return method(self, *args, **kwargs)
        except BaseException:
            self.__dict__.update(before)
            for name in self.__dict__.keys() - before.keys():
                del self.__dict__[name]
            raise

    return whole


def whole_call(owner: Any, before: Callable[[], None], call: Callable[Params, Result]) -> Callable[Params, Result]:
    """A function that runs ``before`` and then ``call``, and restores all attributes of ``owner`` if one raises."""

    @all_or_nothing
    def whole(_: Any, /, *args: Any, **kwargs: Any) -> Result:
        before()
        return call(*args, **kwargs)

    return functools.partial(whole, owner)
