"""The index beside a bundle: which of the photos that it learnt from look like another."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from waymark.bundle.format import read_bundle
from waymark.dataset.index import Photo
from waymark.training.index import LARGEST, index_file, new_index, read_index


def _photos(count: int, label: str = "a") -> list[Photo]:
    return [Photo(path=Path(f"/photos/{label}/{i}.jpg"), label=label) for i in range(count)]


def test_nearest_is_the_same_as_a_plain_search(world_path: Path) -> None:
    """The likest photos are those of a brute-force cosine, in its order."""
    bundle = read_bundle(world_path)
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(300, 1280)).astype(np.float32)
    index = new_index(bundle, 1)
    index.add(_photos(200), vectors[:200])
    index.add(_photos(100, "b"), vectors[200:])
    wanted = vectors[250] + 0.1 * rng.normal(size=1280).astype(np.float32)

    cosines = vectors @ wanted / np.linalg.norm(vectors, axis=1) / np.linalg.norm(wanted)

    found = index.nearest(wanted, 5)
    assert found[0].path == Path("/photos/b/50.jpg")
    np.testing.assert_allclose([f.similarity for f in found], np.sort(cosines)[::-1][:5], atol=2e-3)


def test_it_comes_back_as_it_was_written(world_path: Path, tmp_path: Path) -> None:
    """Names that are no UTF-8 too; and nobody else may read where one's photos are."""
    bundle = read_bundle(world_path)
    photo = Photo(path=Path("/photos/\udcff\n.jpg"), label="a")
    index = new_index(bundle, 1)
    index.add([photo], np.ones((1, 1280), np.float32))
    file = index.write(tmp_path / "b.waymark")

    again = read_index(tmp_path / "b.waymark", bundle)

    assert again is not None
    assert again.nearest(np.ones(1280, np.float32))[0].path == photo.path
    assert file.stat().st_mode & 0o077 == 0


def test_another_network_or_a_damaged_file_is_no_index(world_path: Path, tmp_path: Path) -> None:
    """It only illustrates, so what cannot be used is as good as missing."""
    bundle = read_bundle(world_path)
    index = new_index(bundle, 1)
    index.add(_photos(1), np.ones((1, 1280), np.float32))
    index.network = "another"
    index.write(tmp_path / "b.waymark")
    assert read_index(tmp_path / "b.waymark", bundle) is None

    index_file(tmp_path / "b.waymark").write_bytes(b"no safetensors")
    assert read_index(tmp_path / "b.waymark", bundle) is None
    assert read_index(tmp_path / "none.waymark", bundle) is None


def test_many_photos_are_kept_evenly(world_path: Path) -> None:
    """Beyond the limit every landmark has the same share."""
    index = new_index(read_bundle(world_path), LARGEST // 4)

    index.add(_photos(10, "a") + _photos(10, "b"), np.ones((20, 1280), np.float32))

    assert len(index) == 8
