"""The frame of every check: it judges what a learner made, prints one line, returns a verdict.

A check is a function with ``@check``. Its body judges: it raises `Mistake` or `NotAnswered` with
one sentence (no capital letter, no full stop), or returns what the learner hears after "Right.".
The frame takes care of the rest. Whatever the answer is, exactly one line is printed; nothing is
raised; an endless loop ends; random numbers and torch's settings are as they were.

What judges use: `call` for a function of the learner's, `must_be` for a number, `untouched`
around whatever must not change, `draw` and `mixed` for cases that are new each time. Draw all cases
before the first call: an answer may seed the random numbers.

>>> from prune_lab.course.checks import chapter_01 as checks
>>> verdict = checks.conv2_parameters(...)
Not answered yet: replace the ... with your answer and run the cell again.
>>> verdict = checks.conv2_parameters(2400)
Not quite: these are the weights alone; each of the 16 windows has a bias too.
>>> verdict = checks.conv2_parameters(2416)
Right. 16 × 6 × 5 × 5 weights and 16 biases.
>>> verdict, bool(verdict)
(<conv2_parameters: right>, True)
"""

from __future__ import annotations

import functools
import inspect
import io
import math
import numbers
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from prune_lab.course.time_limit import TimeUp, within

SECONDS = 10.0  # that one answer may take
_LONGEST = 240  # characters of a line
_HEAD = {"right": "Right. ", "unanswered": "Not answered yet: ", "wrong": "Not quite: "}

# What a check draws, no answer can foresee: a seed set by an answer does not reach it.
draw = random.SystemRandom()


def mixed(*shape: int) -> Tensor:
    """Draw numbers of both signs, float32, of which the largest magnitude is above 0.

    The lowest are then never those of the largest magnitude: who forgets `abs()` hears just that.
    """
    drawn = torch.randn(shape)
    drawn.view(-1)[drawn.abs().argmax()].abs_()
    return drawn


class Mistake(Exception):
    """What is wrong with an answer, in one sentence."""


class NotAnswered(Exception):
    """What is still missing, in one sentence."""


class WrongAnswer(AssertionError):
    """The answer to a graded exercise is not right; a notebook shows the sentence alone."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


@dataclass(frozen=True)
class Verdict:
    """What a check found: the exercise, "right", "unanswered" or "wrong", and the line it said.

    True when the answer is right. A notebook shows nothing for it: the line was printed already.
    """

    exercise: str
    state: str
    line: str

    def __bool__(self) -> bool:
        return self.state == "right"

    def __repr__(self) -> str:
        return f"<{self.exercise}: {self.state}>"

    def _ipython_display_(self) -> None:
        """Show nothing, and leave no output: nbgrader takes a cell's last value for points."""

    def must_be_right(self) -> None:
        """Raise WrongAnswer unless it is: graders such as nbgrader count what raises."""
        if not self:
            raise WrongAnswer(self.line)


def check(judge: Callable[..., str]) -> Callable[..., Verdict]:
    """Turn a judge of answers into a check that prints one line and returns its verdict."""
    signature = inspect.signature(judge)

    def ask(answers: tuple[Any, ...], named: dict[str, Any]) -> str:
        try:
            given = signature.bind(*answers, **named).arguments
        except TypeError:
            wanted = ", ".join(signature.parameters)
            raise Mistake(f"this check looks at {wanted}: {judge.__name__}({wanted})") from None
        if any(answer is ... for answer in given.values()):
            raise NotAnswered("replace the ... with your answer and run the cell again")
        return judge(**given)

    @functools.wraps(judge)
    def checked(*answers: Any, **named: Any) -> Verdict:
        with _as_it_was(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            state, sentence = _judged(lambda: ask(answers, named))
        line = _HEAD[state] + _sentence(sentence)
        print(line)
        return Verdict(judge.__name__, state, line)

    return checked


def _judged(ask: Callable[[], str]) -> tuple[str, str]:
    try:
        return "right", within(SECONDS, ask)
    except NotAnswered as missing:
        return "unanswered", str(missing)
    except Mistake as mistake:
        return "wrong", str(mistake)
    except TimeUp:
        return "wrong", (
            f"your answer had not come to an end after {SECONDS:g} seconds; "
            "is there a loop that never ends?"
        )
    except KeyboardInterrupt:
        raise  # someone pressed stop
    except BaseException as error:  # answers can be anything; a traceback would teach nothing
        return "wrong", f"your answer {_raised(error)}"


@contextmanager
def _as_it_was() -> Iterator[None]:
    """Give random numbers and settings back, whatever an answer does to them."""
    python, numpy = random.getstate(), np.random.get_state()
    dtype, threads = torch.get_default_dtype(), torch.get_num_threads()
    gradients = torch.is_grad_enabled()
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(draw.getrandbits(63))
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(gradients)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)


# What is said


def _sentence(text: str) -> str:
    """One line with one end, and nothing in it that a terminal could take for an order."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if len(line) > _LONGEST:
        line = line[: _LONGEST - 3].rstrip() + "..."
    return line if line.endswith((".", "?", "!")) else f"{line}."


def _raised(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return "calls exit, which would end Python itself; take that out"
    if isinstance(error, RecursionError):
        return "calls itself without end"
    try:
        message = str(error)
    except Exception:
        message = ""
    return f"raised {type(error).__name__}" + (f": {message}" if message else "")


def a(thing: object) -> str:
    """Name what something is, for a sentence.

    >>> a([1]), a(None), a(nn.Linear(1, 1)), a(nn.Linear)
    ('a list', 'None', 'a Linear', 'the class Linear')
    """
    if thing is None or isinstance(thing, bool):
        return repr(thing)
    if isinstance(thing, type):
        return f"the class {thing.__name__}"
    name = {"str": "text in quotes", "ndarray": "array"}.get(type(thing).__name__)
    name = name or type(thing).__name__
    if name.startswith("text"):
        return name
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


# What judges use


def call(function: Any, *arguments: Any, name: str = "your function", nothing: bool = False) -> Any:
    """Call what the learner wrote; what it raises becomes a Mistake that says so.

    A function that gives ``...``, or None unless `nothing` is what it should give, or raises
    NotImplementedError, is not written yet.
    """
    if not callable(function):
        raise Mistake(f"{name} should be a function, and yours is {a(function)}")
    try:
        got = function(*arguments)
    except NotImplementedError:
        raise NotAnswered(f"{name} is not written yet") from None
    except (Exception, SystemExit) as error:
        raise Mistake(f"{name} {_raised(error)}") from None
    if got is ...:
        raise NotAnswered(f"{name} still gives the ... back")
    if got is None and not nothing:
        raise NotAnswered(f"{name} returns nothing yet")
    return got


def number(answer: object, what: str = "the answer") -> float:
    """Give the number that an answer is; a Mistake says what to write instead."""
    if isinstance(answer, (Tensor, np.ndarray)) and answer.ndim == 0:
        answer = answer.item()
    if isinstance(answer, np.generic):
        answer = answer.item()
    if answer is ...:
        raise NotAnswered("replace the ... with your answer and run the cell again")
    if isinstance(answer, str):
        raise Mistake(f"{what} should be a number, without quotes")
    if isinstance(answer, tuple) and all(isinstance(part, int) for part in answer) and answer:
        written = ",".join(str(part) for part in answer)
        raise Mistake(
            f"{written} with a comma is {len(answer)} numbers in Python; "
            "leave the comma out, or give a single number"
        )
    if isinstance(answer, (list, tuple, Tensor, np.ndarray, set, dict)):
        raise Mistake(f"{what} should be a single number, and yours is {a(answer)}")
    if callable(answer) and not isinstance(answer, nn.Module):
        raise Mistake(f"{what} should be a number, and yours is a function; call it")
    if isinstance(answer, bool) or not isinstance(answer, (numbers.Real, Decimal)):
        raise Mistake(f"{what} should be a number, and yours is {a(answer)}")
    try:
        return float(answer)
    except OverflowError:
        return math.inf


def must_be(
    answer: object,
    right: float,
    mistakes: Mapping[float, str] | None = None,
    *,
    otherwise: str,
    what: str = "the answer",
) -> None:
    """Compare with the right number, and with those that a likely mistake gives.

    A whole number must be met exactly, a float to one part in a thousand.
    """
    got = number(answer, what)
    if _close(got, right):
        return
    for wrong, mistake in (mistakes or {}).items():
        if _close(got, wrong):
            raise Mistake(mistake)
    raise Mistake(otherwise)


def _close(got: float, wanted: float) -> bool:
    return math.isclose(got, wanted, rel_tol=1e-3 if isinstance(wanted, float) else 1e-9)


def must_be_module(answer: object, what: str) -> nn.Module:
    """Give the module that an answer is; a Mistake says what it is instead."""
    if isinstance(answer, type):
        raise Mistake(f"give {what} itself, not {a(answer)}")
    if not isinstance(answer, nn.Module):
        raise Mistake(f"{what} should be a module, and yours is {a(answer)}")
    return answer


@contextmanager
def untouched(*given: nn.Module | Tensor, says: str) -> Iterator[None]:
    """Raise Mistake(says) if a module or tensor is not, afterwards, what it was before."""
    before = [_state(thing) for thing in given]
    yield
    if [_state(thing) for thing in given] != before:
        raise Mistake(says)


def _state(thing: nn.Module | Tensor) -> Any:
    """Everything about a module or a tensor that a learner's code could change, comparable."""
    if isinstance(thing, Tensor):
        numbers_in_it = thing.detach().contiguous().flatten().view(torch.uint8)
        return (
            *(
                tuple(thing.shape),
                thing.dtype,
                thing.requires_grad,
                isinstance(thing, nn.Parameter),
            ),
            *(bytes(numbers_in_it.numpy()), thing.is_leaf and thing.grad is None),
        )
    return [
        (
            *(name, id(module), type(module), module.training),
            [(key, id(parameter)) for key, parameter in module._parameters.items()],
            [_state(t) for t in module._parameters.values() if t is not None],
            [(key, _state(t)) for key, t in module._buffers.items() if t is not None],
            [(key, _state(t)) for key, t in vars(module).items() if isinstance(t, Tensor)],
            [list(h) for key, h in vars(module).items() if key.endswith("_hooks") and h],
        )
        for name, module in thing.named_modules()
    ]


@contextmanager
def quiet(says: str) -> Iterator[None]:
    """Raise Mistake(says) if anything is printed."""
    heard = io.StringIO()
    with redirect_stdout(heard):
        yield
    if heard.getvalue():
        raise Mistake(says)
