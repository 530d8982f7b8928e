"""What a library holds, in numbers.

In:  a `Store`.
Out: counts of photos by landmark, country, state, evidence, year.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from waymark.library.store import Store
from waymark.library.store_query import landmarks_of
from waymark.library.tagged import GAINSAID, SHOWN


@dataclass(frozen=True, kw_only=True)
class LibraryStats:
    """Numbers of photos; those that are gone count only as `missing`.

    `known`, `dismissed`, `unknown` and `failed` are all of them. Landmarks and what is counted
    by them are those of the known.

    Attributes:
        photos: in the library.
        known: that show a landmark.
        dismissed: with a landmark of which a person said that they do not show it.
        unknown: without a landmark.
        failed: that cannot be read.
        missing: that are gone.
        with_gps: with a position of their own.
        landmarks: by name of landmark, most first.
        countries: by country code, most first.
        categories: by category, most first.
        states: by what a person said.
        evidence: by who decided.
        gps: by whether the position agrees with the tag.
        years: by year of capture, in order.
    """

    photos: int
    known: int
    dismissed: int
    unknown: int
    failed: int
    missing: int
    with_gps: int
    landmarks: dict[str, int]
    countries: dict[str, int]
    categories: dict[str, int]
    states: dict[str, int]
    evidence: dict[str, int]
    gps: dict[str, int]
    years: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def library_stats(store: Store) -> LibraryStats:
    """Count the photos of a library."""
    connection = store.connection
    with store.faults():
        total, known, dismissed, failed, with_gps = connection.execute(
            f"SELECT count(*), count(*) FILTER (WHERE {SHOWN}), "
            f"count(*) FILTER (WHERE {GAINSAID}), count(error), count(lat) "
            "FROM photo WHERE missing = 0"
        ).fetchone()
        (missing,) = connection.execute("SELECT count(*) FROM photo WHERE missing").fetchone()
        names = landmarks_of(store)
        landmarks: dict[str, int] = {}
        countries: dict[str, int] = {}
        categories: dict[str, int] = {}
        for number, count in connection.execute(
            f"SELECT landmark, count(*) FROM photo WHERE missing = 0 AND {SHOWN} GROUP BY landmark"
        ):
            landmark = names[number]
            for counts, key in (
                (landmarks, landmark.name),
                (countries, landmark.country),
                (categories, landmark.category),
            ):
                if key:
                    counts[key] = counts.get(key, 0) + count

        def grouped(column: str, where: str = "1") -> dict[str, int]:
            return dict(
                connection.execute(
                    f"SELECT {column} AS each, count(*) FROM photo WHERE missing = 0 AND {where} "
                    "GROUP BY each HAVING each IS NOT NULL ORDER BY each"
                ).fetchall()
            )

        states = grouped("state")
        evidence, gps = grouped("evidence", SHOWN), grouped("gps_says", SHOWN)
        years = grouped("substr(taken, 1, 4)")
    return LibraryStats(
        photos=total,
        known=known,
        dismissed=dismissed,
        unknown=total - known - dismissed - failed,
        failed=failed,
        missing=missing,
        with_gps=with_gps,
        landmarks=_most_first(landmarks),
        countries=_most_first(countries),
        categories=_most_first(categories),
        states=states,
        evidence=evidence,
        gps=gps,
        years=years,
    )


def _most_first(counts: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
