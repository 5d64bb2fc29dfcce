"""The reconstruction losses against naive float64 loops, values and gradients."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from train.errors import TrainError
from train.losses import ReconstructionLoss, reconstruction_loss
from train.losses.reconstruction import RECONSTRUCTION_LOSSES, Term, parse_sum

NAMES = ("l1", "mse", "rmse", "mrae", "cosine", "huber", "multiplicative")
_RNG = np.random.default_rng(5)
X = _RNG.uniform(-1, 1, (3, 2, 3, 2))
Y = _RNG.uniform(-1, 1, (3, 2, 3, 2)) * np.array([1.0, 3.0, 0.1]).reshape(3, 1, 1, 1)


def naive_one(name: str, x: list[float], y: list[float]) -> float:
    """One image, the formulas of section 4.2 by hand."""
    n = len(x)
    differences = [abs(a - b) for a, b in zip(x, y, strict=True)]
    match name:
        case "l1":
            return sum(differences) / n
        case "mse":
            return sum(d**2 for d in differences) / n
        case "rmse":
            return math.sqrt(sum(d**2 for d in differences) / n)
        case "mrae":
            return sum(math.sqrt(d) for d in differences) / n
        case "cosine":
            dot = sum(a * b for a, b in zip(x, y, strict=True))
            return 1 - dot / math.sqrt(sum(a**2 for a in x)) / math.sqrt(sum(b**2 for b in y))
        case "huber":
            return sum(d**2 / 2 if d <= 1 else d - 0.5 for d in differences) / n
        case _:
            return sum((a * b) ** 2 for a, b in zip(x, y, strict=True)) / n


def naive(terms: dict[str, float], x: np.ndarray, y: np.ndarray) -> float:
    pairs = [(list(a.ravel()), list(b.ravel())) for a, b in zip(x, y, strict=True)]
    means = {name: sum(naive_one(name, a, b) for a, b in pairs) / len(pairs) for name in terms}
    return sum(weight * means[name] for name, weight in terms.items())


CASES = [
    *(({name: 1.0}, name) for name in NAMES),
    ({"l1": 1.0, "mse": 1.0}, "l1+mse"),
    ({"l1": 1.0, "rmse": 1.0}, "l1+rmse"),
    ({"l1": 1.0, "mrae": 1.0}, " l1 + mrae "),
    ({"l1": 1.0, "cosine": 1.0}, "l1+cosine"),
    ({"l1": 0.4, "cosine": 0.6}, "0.4*l1+0.6*cosine"),
    ({"huber": 2.0, "l1": 0.5, "mse": 1e-1}, "2*huber+.5 * l1+1e-1*mse"),
]


@pytest.mark.parametrize(("terms", "text"), CASES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_value_agrees_with_the_naive_loop(
    terms: dict[str, float], text: str, dtype: torch.dtype
) -> None:
    x, y = (torch.from_numpy(array).to(dtype) for array in (X, Y))
    assert reconstruction_loss(text)(x, y).item() == pytest.approx(naive(terms, X, Y), abs=1e-6)


@pytest.mark.parametrize(("terms", "text"), CASES)
def test_gradient_agrees_with_differences_of_the_naive_loop(
    terms: dict[str, float], text: str
) -> None:
    x = torch.from_numpy(X).requires_grad_()
    reconstruction_loss(text)(x, torch.from_numpy(Y)).backward()
    assert x.grad is not None
    step = 1e-6
    for place in np.ndindex(X.shape):
        ends = []
        for sign in (1, -1):
            moved = X.copy()
            moved[place] += sign * step
            ends.append(naive(terms, moved, Y))
        assert x.grad[place].item() == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=1e-6)


def test_values_worked_out_by_hand() -> None:
    x, y = torch.tensor([[3.0, 0.0], [0.0, 0.0]]), torch.tensor([[0.0, 4.0], [0.25, 0.0]])
    expected = {
        "l1": (3.5 + 0.125) / 2,
        "mse": (12.5 + 0.03125) / 2,
        "rmse": (5 / math.sqrt(2) + 0.25 / math.sqrt(2)) / 2,
        "mrae": ((math.sqrt(3) + 2) / 2 + 0.25) / 2,
        "cosine": 1.0,
        "huber": ((2.5 + 3.5) / 2 + 0.03125 / 2) / 2,
        "multiplicative": 0.0,
    }
    for name, value in expected.items():
        assert reconstruction_loss(name)(x, y).item() == pytest.approx(value, abs=1e-6), name


def test_cosine_of_opposites_is_two() -> None:
    x = torch.tensor([[1.0, -2.0, 3.0]])
    assert reconstruction_loss("cosine")(x, -5 * x).item() == pytest.approx(2.0, abs=1e-6)


_ZERO, _ONE, _RANDOM = torch.zeros(2, 3, 4), torch.ones(2, 3, 4), torch.from_numpy(X).float()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("x", "y"),
    [
        (_ZERO, _ZERO),
        (_ZERO, _ONE),
        (_ONE, _ZERO),
        (_ONE, _ONE),
        (0.5 * _ONE, _ONE),
        (-_ONE, _ONE),
        (_RANDOM, _RANDOM),
        (_RANDOM, _RANDOM + 1e-9),
        (1e-30 * _ONE, _ONE),
        (1e-38 * _ONE, 1e-38 * _ONE),
    ],
)
def test_gradients_are_finite_at_zero_constant_and_equal_images(
    name: str, x: Tensor, y: Tensor
) -> None:
    prediction, target = x.clone().requires_grad_(), y.clone().requires_grad_()
    loss = reconstruction_loss(name)(prediction, target)
    loss.backward()
    assert loss.isfinite()
    assert prediction.grad is not None
    assert target.grad is not None
    assert prediction.grad.isfinite().all()
    assert target.grad.isfinite().all()


@pytest.mark.parametrize("name", ["l1", "mse", "rmse", "mrae", "huber", "cosine"])
def test_equal_images_cost_and_move_nothing(name: str) -> None:
    x = torch.from_numpy(X).requires_grad_()
    loss = reconstruction_loss(name)(x, x.detach().clone())
    loss.backward()
    assert x.grad is not None
    assert loss.item() == pytest.approx(0, abs=1e-12)
    assert x.grad.abs().max() < 1e-12


def test_the_slope_of_mrae_is_bounded_near_equality() -> None:
    x = torch.full((1, 1), 1e-7).requires_grad_()
    loss = reconstruction_loss("mrae")(x, torch.zeros(1, 1))
    loss.backward()
    assert x.grad is not None
    assert loss.item() == pytest.approx(math.sqrt(1e-7), rel=1e-5)
    assert x.grad.item() == pytest.approx(500, rel=1e-5)


def test_a_zero_image_has_no_cosine() -> None:
    x = torch.zeros(1, 4, requires_grad=True)
    loss = reconstruction_loss("cosine")(x, torch.ones(1, 4))
    loss.backward()
    assert x.grad is not None
    assert loss.item() == 1
    assert x.grad.eq(0).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(dtype: torch.dtype) -> None:
    x, y = torch.full((1, 3), 300.0, dtype=dtype), torch.full((1, 3), -300.0, dtype=dtype)
    loss = reconstruction_loss("mse")(x, y)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(360_000, rel=0.01)  # beyond fp16


def test_other_shapes_are_an_error() -> None:
    with pytest.raises(ValueError, match="shapes differ"):
        ReconstructionLoss("l1")(torch.zeros(2, 3), torch.zeros(2, 1))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("l3", "unknown loss 'l3'"),
        ("l1+ssim", "unknown loss 'ssim'"),
        ("", "write a loss"),
        ("   ", "write a loss"),
        ("+l1", "write a loss"),
        ("l1+", "write a loss"),
        ("l1++mse", "write a loss"),
        ("l1 mse", "write a loss"),
        ("l1-mse", "write a loss"),
        ("-1*l1", "write a loss"),
        ("l1*0.4", "write a loss"),
        ("0.4l1", "write a loss"),
        ("0.4*", "write a loss"),
        ("nan*l1", "unknown loss 'nan'"),
        ("0*l1", "weight 0 must be above 0"),
        ("1e999*l1", "weight 1e999 must be above 0"),
        ("٣*l1", "write a loss"),
    ],
)
def test_bad_text_is_told_what_exists(text: str, says: str) -> None:
    with pytest.raises(TrainError, match=f"(?s){says}") as caught:
        reconstruction_loss(text)
    if "weight" not in says:
        assert all(name in str(caught.value) for name in NAMES)


_WEIGHTS = st.floats(1e-300, 1e300, allow_nan=False)
_TERMS = st.lists(st.builds(Term, _WEIGHTS, st.sampled_from(NAMES)), min_size=1, max_size=6)


@given(_TERMS, st.sampled_from(["", " ", "  "]))
def test_what_is_written_is_what_is_read(terms: list[Term], space: str) -> None:
    text = f"{space}+{space}".join(f"{weight!r}{space}*{space}{name}" for weight, name in terms)
    assert parse_sum(text) == tuple(terms)


@given(st.text(alphabet="l1rmse+*. 0e-x", max_size=12))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        terms = parse_sum(text)
    except TrainError:
        return
    assert terms
    assert all(term.name in RECONSTRUCTION_LOSSES and term.weight > 0 for term in terms)
