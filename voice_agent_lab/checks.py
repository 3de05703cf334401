"""What arguments must be: lengths of time, sample rates, shares, objects with certain methods.

Each function takes an argument's name and value, and raises an error unless the value will do; its one
sentence names both and says what would.
"""

import math
from collections.abc import Mapping
from itertools import pairwise
from math import isfinite
from numbers import Real
from typing import TypeVar

import numpy as np

Kind = TypeVar("Kind")
Rate = TypeVar("Rate", int, float)
_LONGEST = 80  # characters
_LOUDEST = 2.0  # a resampled sound may exceed full scale a little; one that is not scaled exceeds it by far


def shown(value: object) -> str:
    """Return a value as an error message shows it: its representation, without the middle of a long one."""
    text = repr(value)
    if len(text) <= _LONGEST:
        return text
    half = _LONGEST // 2
    return f"{text[:half]} ... {text[-half:]} ({len(text):,} characters)"


def check_seconds(name: str, value: float, unit: str = "seconds") -> float:
    """Return `value` if it can be a length of time.

    Raises
    ------
    TypeError
        If it is not a number.
    ValueError
        If it is negative or not finite.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} is {shown(value)}; it must be a number of {unit}")
    if not (isfinite(value) and value >= 0):
        raise ValueError(f"{name} is {shown(value)}; it must be a finite number of {unit}, 0 or more")
    return value


def check_order(shorter: str, short: float, longer: str, long: float) -> None:
    """Raise ValueError if a length of time that must be the longer of two is shorter than the other."""
    if check_seconds(longer, long) < check_seconds(shorter, short):
        raise ValueError(
            f"{longer} is {shown(long)}, less than the {shorter} of {shown(short)}; make it longer"
        )


def check_rate(name: str, value: Rate) -> Rate:
    """Return `value` if it can be a sample rate in Hz, else raise ValueError."""
    if not (isinstance(value, Real) and isfinite(value) and value > 0):
        raise ValueError(f"{name} is {shown(value)}; it must be a positive number of Hz, such as 16000")
    return value


def check_share(name: str, value: float) -> float:
    """Return `value` if it is a number between 0 and 1, else raise TypeError or ValueError."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} is {shown(value)}; it must be a number between 0 and 1")
    if not 0 <= value <= 1:
        raise ValueError(f"{name} is {shown(value)}; it must be between 0 and 1")
    return value


def check_percent(name: str, text: str) -> float:
    """Return the percentile that is written as "p50", "p95" or "p99.9"; raise ValueError if none is."""
    number = text[1:] if isinstance(text, str) and text[:1] == "p" else ""
    if not (number.replace(".", "", 1).isdecimal() and 0 < float(number) < 100):
        raise ValueError(f'{name} has {shown(text)}; write a percentile as "p50", "p95" or "p99.9"')
    return float(number)


def check_percentiles(name: str, seconds: Mapping[str, float]) -> dict[float, float]:
    """Return lengths of time under their percentiles, in order, if they do not fall.

    Raises
    ------
    ValueError
        If there is none, a name is no percentile, or a higher percentile is given less time.
    """
    if not seconds:
        raise ValueError(f'{name} is empty; give at least one percentile, such as {{"p95": 2.5}}')
    known = {
        check_percent(name, percent): check_seconds(f"{name} {percent}", its)
        for percent, its in seconds.items()
    }
    ordered = dict(sorted(known.items()))
    for (low, less), (high, more) in pairwise(ordered.items()):
        if more < less:
            raise ValueError(
                f"{name} has {more!r} s at p{high:g}, less than the {less!r} s at p{low:g}; quantiles cannot fall"
            )
    return ordered


def check_count(name: str, value: int, what: str) -> int:
    """Return `value` if it is a whole number, 1 or more, else raise ValueError; `what` is counted."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name} is {shown(value)}; it must be a whole number of {what}, 1 or more")
    return int(value)


def check_kind(name: str, value: Kind, kind: type[Kind]) -> Kind:
    """Return `value` if it is an instance of `kind`, else raise TypeError."""
    if not isinstance(value, kind):
        raise TypeError(f"{name} is {shown(value)}; it must be an instance of {kind.__name__}")
    return value


def check_component(name: str, value: object, *needed: str) -> None:
    """Raise TypeError if an object lacks one of the methods and attributes that are needed of it."""
    missing = [attribute for attribute in needed if not hasattr(value, attribute)]
    if isinstance(value, type):
        raise TypeError(
            f"{name} is the class {value.__name__}; give an instance of it, such as {value.__name__}()"
        )
    if missing:
        raise TypeError(f"{name} is {shown(value)}, which has no {missing[0]}; it needs {', '.join(needed)}")


def check_sound(name: str, samples: object) -> np.ndarray:
    """Return `samples` if it is sound as stages pass it on: floats of shape (samples,), all finite.

    Raises
    ------
    TypeError, ValueError
        If not; the sentence says what would do.
    """
    if not isinstance(samples, np.ndarray):
        raise TypeError(f"{name} is {shown(samples)}; it must be an ndarray of float32, shape (samples,)")
    if samples.dtype.kind != "f":
        raise TypeError(
            f"{name} has dtype {samples.dtype}; it must be float32 in [-1, 1]: divide 16-bit samples by 32768"
        )
    if samples.ndim != 1:
        raise ValueError(f"{name} has shape {samples.shape}; it must be mono, of shape (samples,)")
    peak = float(np.abs(samples).max(initial=0.0))
    if not math.isfinite(peak):
        raise ValueError(f"{name} holds values that are no finite numbers; each must be in [-1, 1]")
    if peak > _LOUDEST:
        raise ValueError(f"{name} reaches {peak:g}; samples must be in [-1, 1]: divide 16-bit ones by 32768")
    return samples
