"""Photos of one burst, day or trip support each other: a simple rule after Bayes.

In:  what the network makes of photos, when and where they were taken, and the landmarks that
     other photos nearby in time show for sure.
Out: a `Tag` for each photo: the landmark or unknown, how sure that is, and who decided.

The rule. For an unsure photo, each confident neighbour (a photo of a sure landmark, or with a
GPS position; a position of the photo's own counts most) says where the camera may have been.
A landmark at distance d from there gets the weight exp(-d / r), where r is how far one gets in
the time between the two photos: four scales, from a burst to a trip. Neighbours count less the
further they are in time. With probability `stray` a photo has nothing to do with its neighbours:
a clock may be wrong, a neighbour mistaken. So

    prior(l) = stray / L + (1 - stray) * (mean over neighbours of exp(-d / r), summing to 1)
    score(l) ~ photo(l) * prior(l)
    odds that a landmark is in it: those of the photo * sum over l of photo(l) * L * prior(l)

A photo that is sure by itself keeps what it says. A landmark that the photo itself does not
suggest at all is never named. Times are compared as far as they can be: a wall clock with a
wall clock, UTC with UTC; between the two lie up to 14 hours that nobody knows. A photo whose
time nobody knows has no neighbours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from waymark.errors import ConfigError
from waymark.library.near import EARTH_M

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WINDOW_S = 3 * 86_400
"""Neighbours further away in time than this are not asked, in seconds."""
Place = tuple[int | None, tuple[float, float] | None]  # a landmark, and where it is; or GPS

_ZONES_S = 14 * 3_600.0  # by which a wall clock and UTC may differ


@dataclass(frozen=True, kw_only=True, slots=True)
class Tag:
    """What a photo is said to show.

    Attributes:
        landmark: its number; None is unknown.
        score: of the landmark given that one is in the photo, 0 to 1; None where unknown.
        confidence: that the photo shows this landmark: the score times the probability that
            a landmark is in it at all, 0 to 1; None where unknown.
        evidence: `photo`, or `context` where neighbours decided.
    """

    landmark: int | None = None
    score: float | None = None
    confidence: float | None = None
    evidence: Literal["photo", "context"] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """The numbers of the rule; chosen on trips simulated from photos that are not for testing.

    Attributes:
        sure: a photo of at least this confidence is a neighbour to rely on, and keeps its
            own tag.
        stray: probability that a photo has nothing to do with its neighbours, by the scale
            of the nearest in time.
        stray_gps: the same where the photo has a GPS position of its own.
        seconds: the ends of the scales of time.
        metres: how far one gets within each.
        weights: how much a neighbour within each counts.
    """

    sure: float = 0.8
    stray: tuple[float, ...] = (0.3, 0.5, 0.8, 0.98)
    stray_gps: float = 0.05
    seconds: tuple[float, ...] = (600.0, 7_200.0, 43_200.0, float(WINDOW_S))
    metres: tuple[float, ...] = (1_500.0, 15_000.0, 60_000.0, 300_000.0)
    weights: tuple[float, ...] = (1.0, 0.3, 0.1, 0.03)

    def __post_init__(self) -> None:
        """Refuse numbers under which the rule makes no sense."""
        scales = len(self.seconds)
        if {len(self.metres), len(self.weights), len(self.stray)} != {scales} or not scales:
            raise ConfigError("stray, seconds, metres and weights of a Rule must be as long.")
        if not all(0 < share <= 1 for share in (self.sure, *self.stray, self.stray_gps)):
            raise ConfigError(
                f"sure is {self.sure}, stray {self.stray}, stray_gps {self.stray_gps}; "
                "each must be above 0 and at most 1."
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Shot:
    """A photo as the rule sees it.

    Attributes:
        moment: seconds of its clock; None where nobody knows when it was taken: the time of
            a file says when it was copied.
        utc: whether that clock is UTC, not a wall clock.
        guesses: (landmark, score), best first, scores given that a landmark is in the photo.
        unknown_score: 0 to 1.
        gps: degrees north and east, if the camera wrote it.
        said: the landmark that a person said it shows.
        silent: a person said that it shows none, or that its tag is wrong: no neighbour.
    """

    moment: int | None
    utc: bool = False
    guesses: Sequence[tuple[int, float]] = ()
    unknown_score: float = 1.0
    gps: tuple[float, float] | None = None
    said: int | None = None
    silent: bool = False


def alone(guesses: Sequence[tuple[int, float]], unknown_score: float, threshold: float) -> Tag:
    """Return what a photo by itself is said to show."""
    if not guesses or unknown_score > threshold:
        return Tag()
    landmark, score = guesses[0]
    confidence = score * (1 - unknown_score)
    return Tag(landmark=landmark, score=score, confidence=confidence, evidence="photo")


def together(
    shots: Sequence[Shot],
    positions: Mapping[int, tuple[float, float] | None],
    *,
    threshold: float,
    count: int,
    rule: Rule = Rule(),
) -> list[Tag]:
    """Return what photos, seen together, are said to show.

    Args:
        shots: photos; best no more than some thousands.
        positions: of every landmark named in them, and any others of the bundle.
        threshold: a photo alone is unknown above this unknown score.
        count: number of landmarks that the bundle knows.
        rule: the numbers.
    """
    import numpy as np

    tags = [alone(shot.guesses, shot.unknown_score, threshold) for shot in shots]
    sure = [_anchor(shot, tag, rule) for shot, tag in zip(shots, tags, strict=True)]
    index = {number: place for place, number in enumerate(positions)}
    known = _radians(list(positions.values()))
    places, place_of = _places(shots, sure, positions)
    if not places:
        return tags
    timed = [i for i, shot in enumerate(shots) if place_of[i] >= 0 and shot.moment is not None]
    anchors = np.array(timed, dtype=np.intp)
    at = np.asarray(place_of)[anchors]
    moments = np.array([shot.moment for shot in shots], dtype=np.float64)  # None becomes NaN
    utc = np.array([shot.utc for shot in shots])
    kernels = _kernels(places, known, index, rule)
    for i, shot in enumerate(shots):
        own = shot.gps is not None
        if not shot.guesses or sure[i] is not None:
            continue
        apart = np.abs(moments[anchors] - moments[i])
        apart = np.where(utc[anchors] == utc[i], apart, apart + _ZONES_S)
        weight = np.zeros((len(rule.seconds), len(places)))
        low = -1.0
        for scale, end in enumerate(rule.seconds):
            within = (apart > low) & (apart <= end) & (anchors != i)
            np.add.at(weight[scale], at[within], rule.weights[scale])
            low = end
        nearest = int(weight.any(axis=1).argmax())
        stray = rule.stray[nearest]
        if own:  # its own position outweighs all others
            weight[:] = 0
            weight[0, place_of[i]] = 1.0
            stray = rule.stray_gps
        if weight.any():
            # many photos of one place at one time are not many witnesses
            weight = np.minimum(weight, np.asarray(rule.weights)[:, None] * 3)
            near = np.einsum("sp,spl->l", weight, kernels) / weight.sum()
            tags[i] = _shifted(
                shot,
                tags[i],
                near,
                index=index,
                stray=stray,
                threshold=threshold,
                count=count,
            )
    return tags


def _anchor(shot: Shot, tag: Tag, rule: Rule) -> int | None:
    """Return the landmark that a photo shows for sure."""
    if shot.said is not None:
        return shot.said
    if shot.silent or tag.confidence is None or tag.confidence < rule.sure:
        return None
    return tag.landmark


def _places(
    shots: Sequence[Shot],
    sure: Sequence[int | None],
    positions: Mapping[int, tuple[float, float] | None],
) -> tuple[list[Place], list[int]]:
    """Return the distinct places (landmark, position) of the anchors, and each photo's, or -1."""
    numbers: dict[Place, int] = {}
    found = []
    for shot, landmark in zip(shots, sure, strict=True):
        key: Place
        if shot.gps is not None:  # to about a hundred metres
            key = (None, (round(shot.gps[0], 3), round(shot.gps[1], 3)))
        elif landmark is not None:
            key = (landmark, positions.get(landmark))
        else:
            found.append(-1)
            continue
        found.append(numbers.setdefault(key, len(numbers)))
    return list(numbers), found


def _kernels(
    places: Sequence[Place],
    known: NDArray[np.float64],
    index: Mapping[int, int],
    rule: Rule,
) -> NDArray[np.float64]:
    """Return how likely each landmark is seen from near each place, for each scale of time.

    Returns:
        (scales, places, landmarks); each row sums to 1, or to 0 where nothing is known.
    """
    import numpy as np

    here = _radians([position for _, position in places])
    half = np.sin((here[:, None] - known[None]) / 2) ** 2
    cosines = np.cos(here[:, None, 0]) * np.cos(known[None, :, 0])
    distance = (
        2 * EARTH_M * np.arcsin(np.sqrt(np.minimum(half[..., 0] + cosines * half[..., 1], 1)))
    )
    distance = np.where(np.isnan(distance), np.inf, distance)
    for row, (landmark, _) in enumerate(places):
        if landmark is not None and landmark in index:
            distance[row, index[landmark]] = 0.0
    kernels = np.exp(-distance[None] / np.asarray(rule.metres)[:, None, None])
    total = kernels.sum(axis=2, keepdims=True)
    return np.asarray(np.divide(kernels, total, out=np.zeros_like(kernels), where=total > 1e-12))


def _shifted(
    shot: Shot,
    tag: Tag,
    near: NDArray[np.float64],
    *,
    index: Mapping[int, int],
    stray: float,
    threshold: float,
    count: int,
) -> Tag:
    """Apply the rule to one photo.

    Args:
        shot: the photo.
        tag: what it says alone.
        near: (L,) how likely each landmark is, by the neighbours; sums to 1.
        index: place of each landmark in `near`.
        stray: probability that the neighbours mean nothing.
        threshold: of the unknown score.
        count: number of landmarks.
    """
    listed = sum(score for _, score in shot.guesses)
    lifts = {
        number: stray + (1 - stray) * count * float(near[index[number]])
        for number, _ in shot.guesses
    }
    joint = {number: score * lifts[number] for number, score in shot.guesses}
    rest = max(0.0, 1.0 - listed) * stray  # landmarks that the photo hardly suggests
    total = sum(joint.values()) + rest
    best = max(joint, key=lambda number: joint[number])
    score = min(joint[best] / total, 1.0)
    unknown = min(max(shot.unknown_score, 1e-6), 1 - 1e-6)
    odds = (1 - unknown) / unknown * total
    if 1 / (1 + odds) > threshold:
        return Tag()
    return Tag(
        landmark=best,
        score=score,
        confidence=score * odds / (1 + odds),
        evidence="photo" if tag.landmark == best else "context",
    )


def _radians(
    positions: Sequence[tuple[float, float] | None],
) -> NDArray[np.float64]:
    """Return (N, 2) latitudes and longitudes, NaN where there is none."""
    import numpy as np

    rows = [position or (float("nan"), float("nan")) for position in positions]
    return np.radians(np.array(rows, dtype=np.float64).reshape(-1, 2))
