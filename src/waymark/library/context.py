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

    near(l)  = mean over neighbours of exp(-d / r), which over all l sums to 1 at most
    prior(l) = stray / L + (1 - stray) * near(l)
    score(l) ~ photo(l) * prior(l)
    odds that a landmark is in it: those of the photo * sum over l of photo(l) * L * prior(l)

Where no landmark is in reach, `near` is next to nothing for all of them: then most likely none
is in the photo. A photo that is sure by itself keeps what it says. A landmark that the photo
itself does not suggest at all is never named. Where the photo names its landmark alone, its
score and confidence stay its own, or fall where the neighbours speak against it; what only
they make likely says so. Times are compared as far as they can be: UTC with UTC where both are
known, else a wall clock with a wall clock; between the two lie up to 14 hours that nobody
knows. A photo whose time nobody knows has no neighbours.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from waymark.errors import ConfigError
from waymark.library.near import EARTH_M, EXTENT_M

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from waymark.gazetteer import Landmark

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
        evidence: `photo`, or `context` where neighbours decided. By `photo` alone, the score
            and the confidence are no higher than the photo's own.
        belief: the confidence with all that the neighbours say for it, too: how little a
            person's answer would change.
    """

    landmark: int | None = None
    score: float | None = None
    confidence: float | None = None
    evidence: Literal["photo", "context"] | None = None
    belief: float | None = None


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
        moment: seconds of the wall clock where it was taken; None where nobody knows: the time
            of a file says when it was copied.
        utc: seconds of UTC, where they are known.
        guesses: (landmark, score), best first, scores given that a landmark is in the photo.
        unknown_score: 0 to 1.
        gps: degrees north and east, if the camera wrote it.
        said: the landmark that a person said it shows.
        silent: a person said that it shows none, or that its tag is wrong: no neighbour.
    """

    moment: int | None
    utc: int | None = None
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
    return Tag(
        landmark=landmark,
        score=score,
        confidence=confidence,
        evidence="photo",
        belief=confidence,
    )


def together(
    shots: Sequence[Shot],
    landmarks: Mapping[int, Landmark],
    *,
    threshold: float,
    others: Mapping[int, Landmark] | None = None,
    rule: Rule = Rule(),
    wanted: range | None = None,
    most: int | None = None,
) -> list[Tag]:
    """Return what photos, seen together, are said to show.

    Args:
        shots: photos; best no more than some thousands.
        landmarks: those that the bundle knows.
        threshold: a photo alone is unknown above this unknown score.
        others: that photos are said to show, though the bundle does not know them.
        rule: the numbers.
        wanted: which of the shots are asked about; of the others is returned what they say
            alone. None is all.
        most: neighbours on either side, the nearest of `shots`, which are in order; those whose
            time nobody knows are none. None is all.
    """
    import numpy as np

    tags = [alone(shot.guesses, shot.unknown_score, threshold) for shot in shots]
    sure = [_anchor(shot, tag, rule) for shot, tag in zip(shots, tags, strict=True)]
    known = {**(others or {}), **landmarks}
    places, place_of = _places(shots, sure, known, set(landmarks))
    if not places:
        return tags
    guessed = {number for shot in shots for number, _ in shot.guesses} - set(landmarks)
    index = {number: column for column, number in enumerate((*landmarks, *guessed))}
    clocks = _Clocks(shots)
    timed = [i for i, place in enumerate(place_of) if place >= 0 and clocks.runs[i]]
    anchors = np.array(timed, dtype=np.intp)
    at = np.asarray(place_of)[anchors]
    rank = np.cumsum(clocks.runs)  # among those that may be neighbours
    kernels = _kernels(places, [known.get(number) for number in index], index, rule)
    for i in wanted if wanted is not None else range(len(shots)):
        shot = shots[i]
        own = shot.gps is not None
        if not shot.guesses or sure[i] is not None:
            continue
        apart = clocks.apart(i, anchors)
        if most is not None:
            apart[np.abs(rank[anchors] - rank[i]) > most] = np.nan
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
            lifts = {
                number: stray + (1 - stray) * len(landmarks) * float(near[index[number]])
                for number, _ in shot.guesses
            }
            tags[i] = _shifted(shot, tags[i], lifts, stray=stray, threshold=threshold)
    return tags


class _Clocks:
    """When photos were taken, as far as it is known, each by two clocks.

    Attributes:
        runs: of each photo, whether anybody knows when it was taken.
    """

    def __init__(self, shots: Sequence[Shot]) -> None:
        import numpy as np

        self._wall = np.array([shot.moment for shot in shots], dtype=np.float64)  # None: NaN
        self._utc = np.array([shot.utc for shot in shots], dtype=np.float64)
        self.runs = ~(np.isnan(self._wall) & np.isnan(self._utc))

    def apart(self, photo: int, others: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return how many seconds lie between a photo and others; NaN where nobody knows."""
        import numpy as np

        wall, utc = self._wall[photo], self._utc[photo]
        walls, utcs = self._wall[others], self._utc[others]
        mixed = np.fmin(np.abs(walls - utc), np.abs(utcs - wall)) + _ZONES_S
        same = np.where(np.isnan(utcs - utc), np.abs(walls - wall), np.abs(utcs - utc))
        return np.asarray(np.where(np.isnan(same), mixed, same))


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
    known: Mapping[int, Landmark],
    ours: Container[int],
) -> tuple[list[Place], list[int]]:
    """Return the distinct places (landmark, position) of the anchors, and each photo's, or -1.

    A landmark whose position nobody knows speaks for itself alone; where it is not one of `ours`,
    it says nothing of them.
    """
    numbers: dict[Place, int] = {}
    found = []
    for shot, landmark in zip(shots, sure, strict=True):
        key: Place
        if shot.gps is not None:  # to about a hundred metres
            key = (None, (round(shot.gps[0], 3), round(shot.gps[1], 3)))
        elif landmark is not None and (landmark in ours or _position(known.get(landmark))):
            key = (landmark, _position(known.get(landmark)))
        else:
            found.append(-1)
            continue
        found.append(numbers.setdefault(key, len(numbers)))
    return list(numbers), found


def _kernels(
    places: Sequence[Place],
    landmarks: Sequence[Landmark | None],
    index: Mapping[int, int],
    rule: Rule,
) -> NDArray[np.float64]:
    """Return how likely each landmark is seen from near each place, for each scale of time.

    Returns:
        (scales, places, landmarks); each row sums to 1 at most, and to next to nothing where no
        landmark is in reach.
    """
    import numpy as np

    here = _radians([position for _, position in places])
    there = _radians([_position(landmark) for landmark in landmarks])
    half = np.sin((here[:, None] - there[None]) / 2) ** 2
    cosines = np.cos(here[:, None, 0]) * np.cos(there[None, :, 0])
    distance = (
        2 * EARTH_M * np.arcsin(np.sqrt(np.minimum(half[..., 0] + cosines * half[..., 1], 1)))
    )
    distance = np.where(np.isnan(distance), np.inf, distance)
    # from its edge: who stands anywhere in Cappadocia may photograph it
    distance = np.maximum(distance - [_extent(landmark) for landmark in landmarks], 0.0)
    for row, (landmark, _) in enumerate(places):
        if landmark is not None and landmark in index:
            distance[row, index[landmark]] = 0.0
    kernels = np.exp(-distance[None] / np.asarray(rule.metres)[:, None, None])
    return np.asarray(kernels / np.maximum(kernels.sum(axis=2, keepdims=True), 1.0))


def _shifted(
    shot: Shot, tag: Tag, lifts: Mapping[int, float], *, stray: float, threshold: float
) -> Tag:
    """Apply the rule to one photo.

    Args:
        shot: the photo.
        tag: what it says alone.
        lifts: by how much the neighbours make each of its guesses likelier than it is anywhere.
        stray: the same for all other landmarks.
        threshold: of the unknown score.
    """
    listed = sum(score for _, score in shot.guesses)
    joint = {number: score * lifts[number] for number, score in shot.guesses}
    rest = max(0.0, 1.0 - listed) * stray  # landmarks that the photo hardly suggests
    total = sum(joint.values()) + rest
    best = max(joint, key=lambda number: joint[number])
    score = min(joint[best] / total, 1.0)
    unknown = min(max(shot.unknown_score, 1e-6), 1 - 1e-6)
    odds = (1 - unknown) / unknown * total
    if 1 / (1 + odds) > threshold:
        return Tag()
    belief = score * odds / (1 + odds)
    if tag.landmark != best or tag.score is None or tag.confidence is None:
        return Tag(landmark=best, score=score, confidence=belief, evidence="context", belief=belief)
    return Tag(
        landmark=best,
        score=min(score, tag.score),
        confidence=min(belief, tag.confidence),
        evidence="photo",
        belief=belief,
    )


def _position(landmark: Landmark | None) -> tuple[float, float] | None:
    if landmark is None or landmark.lat is None or landmark.lon is None:
        return None
    return landmark.lat, landmark.lon


def _extent(landmark: Landmark | None) -> float:
    return max((landmark and landmark.extent_m) or 0.0, EXTENT_M)


def _radians(
    positions: Sequence[tuple[float, float] | None],
) -> NDArray[np.float64]:
    """Return (N, 2) latitudes and longitudes, NaN where there is none."""
    import numpy as np

    rows = [position or (float("nan"), float("nan")) for position in positions]
    return np.radians(np.array(rows, dtype=np.float64).reshape(-1, 2))
