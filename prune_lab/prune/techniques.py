"""The techniques: each says which entries go first.

Most of them rank: every entry, or every channel, gets a score, and the smallest go. Such a
technique has two methods beside ``compute_mask``: ``order`` tells for each entry of a tensor when
it goes, and ``units`` how many things there are to prune. :func:`pruning_order` reads them.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from .amounts import Amount, _validate_pruning_amount_init, count
from .large import empty_like
from .methods import BasePruningMethod, mask_for, put_on, survivors
from .ranking import keep_largest, positions


class Identity(BasePruningMethod):
    """Prune nothing, but set everything up: a mask of ones (torch's ``Identity``).

    >>> layer = nn.Linear(2, 1)
    >>> hook = Identity.apply(layer, "weight")
    >>> layer.weight_mask
    tensor([[1., 1.]])
    """

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """Return ``default_mask`` itself."""
        return default_mask


class _Unstructured(BasePruningMethod):
    """Single entries go, those of the smallest :meth:`importance` first."""

    PRUNING_TYPE = "unstructured"

    def __init__(self, amount: Amount) -> None:
        _validate_pruning_amount_init(amount)
        self.amount = amount

    @abstractmethod
    def importance(self, t: Tensor) -> Tensor:
        """Return scores of the shape of ``t``, of which the magnitude counts."""

    def units(self, t: Tensor) -> int:
        """Return how many things can be pruned: the entries."""
        return t.numel()

    def order(self, t: Tensor) -> Tensor:
        """Return the position at which each entry goes, int64, shape of ``t``."""
        return positions(self.importance(t))

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """Return ``default_mask`` without the ``amount`` least important entries."""
        k = count(self.amount, self.units(t))
        if k == 0:  # nothing to rank, and no random number to draw
            return default_mask.clone(memory_format=torch.contiguous_format)
        (mask,) = keep_largest([self.importance(t)], k)
        return mask.to(default_mask.dtype).mul_(default_mask)


class RandomUnstructured(_Unstructured):
    """Prune entries drawn at random from torch's global generator.

    Same seed, same mask as torch's ``RandomUnstructured``: one uniform number is drawn for each
    entry, and the largest numbers go. (Where two entries draw the very same number at the cut,
    torch leaves it open which goes; here it is the lower index. In float32 that takes millions
    of entries, in half precision hundreds.)

    Args:
        amount: fraction in [0, 1] or count.
    """

    def importance(self, t: Tensor) -> Tensor:
        """Draw one number per entry; the smaller it is, the more important the entry."""
        # 1 - u is exact for the multiples of 2**-24 that are drawn: no two become equal.
        draws = empty_like(t).uniform_()
        return torch.sub(draws.new_ones(()), draws, out=draws)


class L1Unstructured(_Unstructured):
    """Prune the entries of the smallest absolute value (torch's ``L1Unstructured``).

    Exactly ``amount`` go, never more; NaN goes last. Han et al., *Learning both Weights and
    Connections for Efficient Neural Networks*, 2015.

    Args:
        amount: fraction in [0, 1] or count.

    >>> L1Unstructured(2).compute_mask(torch.tensor([3.0, -1.0, 2.0]), torch.ones(3))
    tensor([1., 0., 0.])
    """

    def importance(self, t: Tensor) -> Tensor:
        """Return ``t``: its magnitude is what counts."""
        return t

    @classmethod
    def apply(  # type: ignore[override]
        cls, module: nn.Module, name: str, amount: Amount, importance_scores: Tensor | None = None
    ) -> BasePruningMethod:
        """Prune ``amount`` of ``module``'s parameter ``name``."""
        return super().apply(module, name, amount=amount, importance_scores=importance_scores)


class _Structured(BasePruningMethod):
    """Whole channels along ``dim`` go, those of the smallest :meth:`importance` first."""

    PRUNING_TYPE = "structured"

    def __init__(self, amount: Amount, dim: int = -1) -> None:
        _validate_pruning_amount_init(amount)
        self.amount = amount
        self.dim = dim

    @abstractmethod
    def importance(self, t: Tensor) -> Tensor:
        """Return one score per channel of ``t``."""

    def units(self, t: Tensor) -> int:
        """Return how many things can be pruned: the channels along ``dim``.

        Raises:
            ValueError: ``t`` has fewer than two dimensions.
            IndexError: ``t`` has no dimension ``dim``.
        """
        _validate_structured_pruning(t)
        _validate_pruning_dim(t, self.dim)
        return t.shape[self.dim]

    def order(self, t: Tensor) -> Tensor:
        """Return the position at which each entry's channel goes, int64, shape of ``t``."""
        self.units(t)
        return self.spread(positions(self.importance(t)), t)

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """Return ``default_mask`` without the ``amount`` least important channels."""
        k = count(self.amount, self.units(t))
        if k == 0:
            return default_mask
        (kept,) = keep_largest([self.importance(t)], k)
        return self.spread(kept, t).to(t.device, t.dtype) * default_mask.to(t.dtype)

    def spread(self, per_channel: Tensor, t: Tensor) -> Tensor:
        """Give every entry of ``t`` its channel's value."""
        shape = [1] * t.dim()
        shape[self.dim] = -1
        return per_channel.view(shape).expand_as(t)


class RandomStructured(_Structured):
    """Prune channels drawn at random (torch's ``RandomStructured``; same seed, same channels).

    Args:
        amount: fraction in [0, 1] or count of channels.
        dim: dimension of the channels.
    """

    def importance(self, t: Tensor) -> Tensor:
        """Draw one number per channel, on the CPU as torch does."""
        return torch.rand(t.shape[self.dim], device="cpu")


class LnStructured(_Structured):
    """Prune the channels of the smallest L_n norm (torch's ``LnStructured``).

    Li et al., *Pruning Filters for Efficient ConvNets*, 2017 (there with n=1 and dim=0).

    Args:
        amount: fraction in [0, 1] or count of channels.
        n: a number, inf, -inf, or "fro" or "nuc" (of the channel as a matrix).
        dim: dimension of the channels.
    """

    def __init__(self, amount: Amount, n: float | str, dim: int = -1) -> None:
        super().__init__(amount, dim)
        self.n = n

    def importance(self, t: Tensor) -> Tensor:
        """Return the L_n norm of every channel."""
        return _compute_norm(t, self.n, self.dim)

    @classmethod
    def apply(  # type: ignore[override]
        cls,
        module: nn.Module,
        name: str,
        amount: Amount,
        n: float | str,
        dim: int,
        importance_scores: Tensor | None = None,
    ) -> BasePruningMethod:
        """Prune ``amount`` channels of ``module``'s parameter ``name``."""
        return super().apply(
            module, name, amount=amount, n=n, dim=dim, importance_scores=importance_scores
        )


class NM(BasePruningMethod):
    """Keep ``n`` of every ``m`` neighbours along the input dimension (N:M, semi-structured).

    2:4 is the pattern that GPUs multiply fast; :func:`torch.sparse.to_sparse_semi_structured`
    takes the result. Mishra et al., *Accelerating Sparse Deep Neural Networks*, 2021. The input
    dimension is dim 1: a linear layer's columns, a convolution's input channels.

    Args:
        n: how many of each group stay, 0 <= n <= m.
        m: size of a group; the input dimension must be a multiple of it.

    >>> NM(1, 2).compute_mask(torch.tensor([[4.0, -5.0, 2.0, 1.0]]), torch.ones(1, 4))
    tensor([[0., 1., 1., 0.]])
    """

    # Groups keep their place, so the tensor must be seen whole, not just its survivors.
    PRUNING_TYPE = "global"

    def __init__(self, n: int = 2, m: int = 4) -> None:
        for word, value in (("n", n), ("m", m)):
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeError(f"{word}={value} should be an int")
        if not 0 <= n <= m or m == 0:
            raise ValueError(f"n={n} and m={m} should satisfy 0 <= n <= m and m > 0")
        self.n, self.m = n, m

    def units(self, t: Tensor) -> int:
        """Return how many entries of a group can go: ``m``.

        Raises:
            ValueError: fewer than two dimensions, or an input dimension that ``m`` does not divide.
        """
        _validate_structured_pruning(t)
        if t.shape[1] % self.m:
            raise ValueError(
                f"{self.n}:{self.m} pruning needs an input dimension (dim 1) that is a multiple "
                f"of {self.m}, found shape {tuple(t.shape)}"
            )
        return self.m

    def order(self, t: Tensor, default_mask: Tensor | None = None) -> Tensor:
        """Return the position at which each entry goes within its group, shape of ``t``.

        Args:
            t: importance scores.
            default_mask: what was pruned before; that goes first, or it would outlive the others.
        """
        self.units(t)
        magnitudes = t.detach().abs()
        if default_mask is not None:
            magnitudes = magnitudes.masked_fill(default_mask == 0, -1)
        groups = magnitudes.transpose(1, -1).unflatten(-1, (-1, self.m))
        return groups.argsort(stable=True).argsort(stable=True).flatten(-2).transpose(1, -1)

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """Return ``default_mask`` without the ``m - n`` smallest entries of each group."""
        kept = self.order(t, default_mask) >= self.m - self.n
        return default_mask * kept.to(default_mask.dtype)


class CustomFromMask(BasePruningMethod):
    """Prune what the caller's mask says (torch's ``CustomFromMask``).

    Args:
        mask: shape of the parameter; 1 keeps, 0 prunes. None for a hook whose mask is in the
            module's buffer already: no second copy stays alive.
    """

    PRUNING_TYPE = "global"

    def __init__(self, mask: Tensor | None) -> None:
        if mask is not None and not isinstance(mask, Tensor):
            raise TypeError(f"mask should be a tensor, not {type(mask).__name__}")
        self.mask = mask

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """Return what both masks keep.

        Raises:
            AssertionError: the shapes differ.
        """
        assert self.mask is not None, "this mask has been applied; it is in the module's buffer"
        if default_mask.shape != self.mask.shape:
            raise AssertionError(
                f"default_mask shape {default_mask.shape} must match "
                f"self.mask shape {self.mask.shape}"
            )
        return default_mask * self.mask.to(dtype=default_mask.dtype)

    @classmethod
    def apply(cls, module: nn.Module, name: str, mask: Tensor) -> BasePruningMethod:  # type: ignore[override]
        """Prune ``module``'s parameter ``name`` by ``mask``."""
        method = cls(mask)
        together = mask_for(method, module, name)
        method.mask = None
        return put_on((method, [(module, name)], together))[0]


def pruning_order(
    method: BasePruningMethod, scores: Tensor, default_mask: Tensor | None = None
) -> Tensor:
    """Return the position at which every entry would be pruned: one ranking, every mask.

    For every count ``k`` of units (entries; channels for structured techniques; entries of each
    group for N:M) the mask that ``method`` computes is ``order >= k``.

    Args:
        method: a technique that ranks; its amount does not matter, so 0 will do. A random one
            draws from torch's global generator just as pruning would.
        scores: importance scores or values, any shape.
        default_mask: same shape, the mask so far; ones if None.

    Returns:
        int64, shape of ``scores``; 0 goes first, -1 is gone already. All entries of a channel
        share a position. O(n log n) time.

    Raises:
        TypeError: ``method`` is no instance of a technique that ranks, or scores are no tensor.
        ValueError: ``default_mask`` has another shape.

    >>> pruning_order(L1Unstructured(0), torch.tensor([0.3, -0.1, 0.2]))
    tensor([2, 0, 1])
    """
    if not isinstance(scores, Tensor):
        raise TypeError(f"scores should be a tensor, not {type(scores).__name__}")
    if not _ranks(method):
        what = method.__name__ if isinstance(method, type) else type(method).__name__
        instance = f"; give an instance, such as {what}(0)" if isinstance(method, type) else ""
        raise TypeError(f"{what} does not rank: it has no position for an entry{instance}")
    ranking: Any = method
    if default_mask is None:
        return ranking.order(scores)
    if not isinstance(default_mask, Tensor) or default_mask.shape != scores.shape:
        shape = tuple(default_mask.shape) if isinstance(default_mask, Tensor) else "no tensor"
        raise ValueError(
            f"default_mask should be a tensor of the scores' shape {tuple(scores.shape)}, "
            f"found {shape}"
        )
    left = survivors(method, default_mask)
    whole = method.PRUNING_TYPE == "global"  # then it sees the pruned entries too
    arguments = (scores, default_mask) if whole else (scores[left],)
    # What an unstructured technique does not look at, such as an entry scaled by 0.5, never goes.
    never = ranking.units(arguments[0])
    result = torch.full(scores.shape, never, dtype=torch.int64, device=scores.device)
    result[left] = ranking.order(*arguments)
    return result.masked_fill_(default_mask == 0, -1)


def _ranks(method: object) -> bool:
    """Tell whether a technique's ``order`` says all: a subclass may mask in a way of its own."""
    if isinstance(method, type) or not hasattr(method, "order"):
        return False
    line = type(method).__mro__
    order = next((c for c in line if "order" in vars(c)), None)
    mask = next((c for c in line if "compute_mask" in vars(c)), None)
    return order is None or mask is None or issubclass(order, mask)


def _validate_structured_pruning(t: Tensor) -> None:
    """Refuse tensors that have no channels (torch's name and error)."""
    if t.dim() <= 1:
        raise ValueError(
            "Structured pruning can only be applied to multidimensional tensors. "
            f"Found tensor of shape {t.shape} with {t.dim()} dims"
        )


def _validate_pruning_dim(t: Tensor, dim: int) -> None:
    """Refuse a dimension that ``t`` does not have (torch's name and error)."""
    if not -t.dim() <= dim < t.dim():
        raise IndexError(f"Invalid index {dim} for tensor of size {t.shape}")


def _compute_norm(t: Tensor, n: float | str, dim: int) -> Tensor:
    """Return the L_n norm over all dimensions but ``dim``, shape (t.shape[dim],)."""
    if isinstance(n, str):  # "fro", "nuc": the norm of each channel as a matrix
        channels = t.detach().movedim(dim, 0)
        rows = channels.shape[1] if t.dim() > 2 else 1
        return torch.linalg.matrix_norm(channels.reshape(len(channels), rows, -1), ord=n)
    others = [d for d in range(t.dim()) if d != dim % t.dim()]
    return torch.norm(t.detach(), p=n, dim=others)
