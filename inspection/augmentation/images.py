"""What each class draws of an image: a turn by its own symmetries, and nuisances of one distribution for all classes.

Only numbers are drawn here; what they do to pixels is `training.image_pipeline`. Any angle but a quarter turn would have to be
interpolated, and a class that alone is interpolated is seen at a glance: of a class's symmetries only those of the square are taken. What
is interpolated at all (a small shift and zoom) is so for every draw of every class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inspection.augmentation.guard.neutral import Bases
from inspection.augmentation.policy import SYMMETRY, policy_for
from inspection.augmentation.turns import draw_turn
from inspection.errors import ParamsError, bounded
from inspection.params import OF_IMAGES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    from inspection.augmentation.policy import Policy
    from inspection.params import Augment
    from inspection.wafer.maps import ImageMap
    from inspection.wafer.taxonomy import Taxonomy


@dataclass(frozen=True, slots=True, eq=False)
class ImageDraw:
    """One draw.

    Attributes
    ----------
    turn : ndarray of shape (2, 2), or None
        A symmetry of the square; None = as it is.
    offset, gain : float
        Added to each grey value, in shares of white; and what its distance from the middle grey is multiplied by.
    shift : (float, float)
        Right and down, in shares of the side.
    zoom : float
        Above 1: larger.
    blur_px : float
        Sigma of the blur, >= 0.
    noise : float
        Sigma of the noise of each pixel, in shares of white, >= 0.
    seed : int
        Of that noise.
    """

    turn: NDArray[np.float64] | None
    offset: float
    gain: float
    shift: tuple[float, float]
    zoom: float
    blur_px: float
    noise: float
    seed: int


def image_policy(taxonomy: Taxonomy, params: Augment) -> Policy:
    """`policy_for` images.

    Raises
    ------
    ParamsError
        As `policy_for`; and an operation that acts on a signature's points, which an image does not have.
    """
    policy = policy_for(taxonomy, params)
    asked = sorted({name for own in policy.created for name in own} | ({"mixup"} if policy.mixup > 0 else set()))
    if asked:
        raise ParamsError(
            f"Cannot augment images by {bounded(asked)}: expected symmetries and nuisances alone, since these act on a signature's points, "
            "which an image does not name (augment.classes, augment.mixup in params.yaml). Set them to 0."
        )
    return policy


def image_operations(policy: Policy, label: int) -> tuple[str, ...]:
    """Names of what an image of class ``label`` may meet, for ``policy.without``."""
    turned = (SYMMETRY,) if policy.symmetries[label] - {"rotation"} else ()
    return (*turned, *(name for name in OF_IMAGES if getattr(policy.nuisance, name) > 0))


def image_bases(images: Sequence[ImageMap], normal: NDArray[np.bool_], lots: NDArray, rng: Generator) -> Bases:
    """``images`` in random order, the normal ones first, for the guard.

    No background can be simulated on an image, so where normal ones are few those of other classes serve: the guard sends the same image
    through every class's policy, and what is in it tells nothing of whose policy it was.

    Parameters
    ----------
    images : sequence of n ImageMap
    normal : ndarray of shape (n,), bool
    lots : ndarray of shape (n,)
        The lot or block of each, any values.
    """
    order = np.concatenate([rng.permutation(np.flatnonzero(of)) for of in (normal, ~normal)])
    _, group = np.unique(lots[order], return_inverse=True)
    return Bases([images[i] for i in order], group.astype(np.int64), len(order))


def draw_image(policy: Policy, label: int, rng: Generator, copies: Sequence[int] | None = None) -> ImageDraw:
    """One draw for an image of class ``label``; the nuisances do not depend on the class.

    ``copies`` as in `Policy.draw`: the seed of its copies, where the class's multiplicity is limited.
    """
    own: Generator | None = np.random.default_rng(int(rng.integers(1 << 63)))  # always drawn: what follows is the same for every class
    limit = policy.multiplicity[label]
    if limit is not None and own is not None:
        copy = int(own.integers(limit + 1))
        own = None if copy == 0 else own if copies is None else np.random.default_rng([*copies, copy])
    strength = policy.nuisance
    drawn = rng.uniform(-1.0, 1.0, len(OF_IMAGES) + 1)
    return ImageDraw(
        turn=None if own is None else draw_turn(policy.symmetries[label] - {"rotation"}, own),
        offset=float(drawn[0] * strength.image_brightness),
        gain=float(1.0 + drawn[1] * strength.image_contrast),
        shift=(float(drawn[2] * strength.image_shift), float(drawn[3] * strength.image_shift)),
        zoom=float(1.0 + drawn[4] * strength.image_zoom),
        blur_px=float(abs(drawn[5]) * strength.image_blur_px),
        noise=float(abs(drawn[6]) * strength.image_noise),
        seed=int(rng.integers(1 << 63)),
    )
