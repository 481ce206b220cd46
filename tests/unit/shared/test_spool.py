"""The spool keeps a content whole or not at all."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from postroom.errors import Misconfigured, Permanent, Transient
from postroom.spool import PART_BYTES, Spool


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "spool"


@pytest.fixture
def spool(folder: Path) -> Spool:
    return Spool(folder)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("chunks", [[], [b""], [b"a", b"b" * 3_000_000, b""]])
def test_a_content_comes_back_as_it_went_in(spool: Spool, chunks: list[bytes]) -> None:
    content = b"".join(chunks)
    reference = spool.put(chunks)
    assert reference == f"spool:sha256:{hashlib.sha256(content).hexdigest()}"
    assert spool.get(reference) == content
    with spool.reading(reference) as (size_bytes, parts):
        assert (size_bytes, b"".join(parts)) == (len(content), content)


def test_a_content_is_read_in_parts_of_bounded_size(spool: Spool) -> None:
    reference = spool.put([b"x" * (2 * PART_BYTES + 1)])
    with spool.reading(reference) as (_size_bytes, parts):
        assert [len(part) for part in parts] == [PART_BYTES, PART_BYTES, 1]


@pytest.mark.parametrize("content", [None, b"other"], ids=["missing", "damaged"])
def test_a_content_that_cannot_be_read_in_parts_is_said_to_be(
    spool: Spool, folder: Path, content: bytes | None
) -> None:
    reference = spool.put([b"content"])
    (path,) = files(folder)
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Permanent, match=r"is not in the spool|is damaged"), spool.reading(reference):
        pass


def test_only_the_owner_can_read_it(spool: Spool, folder: Path) -> None:
    spool.put([b"secret"])
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_same_content_is_stored_once_also_by_many_at_once(spool: Spool, folder: Path) -> None:
    content = os.urandom(100_000)
    with ThreadPoolExecutor(8) as pool:
        references = set(pool.map(lambda _number: spool.put([content]), range(40)))
    assert [spool.get(reference) for reference in references] == [content]
    assert len(files(folder)) == 1


def test_a_source_that_fails_leaves_nothing_behind(spool: Spool, folder: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"half"
        raise ConnectionResetError("the mail server is gone")

    with pytest.raises(ConnectionResetError):
        spool.put(chunks())
    assert files(folder) == []


def test_a_damaged_content_is_never_used(spool: Spool, folder: Path) -> None:
    reference = spool.put([b"content"])
    files(folder)[0].write_bytes(b"Content")
    with pytest.raises(Permanent, match=f"^{reference} is damaged: its content has another hash$"):
        spool.get(reference)
    spool.put([b"content"])
    assert spool.get(reference) == b"content"


def test_a_missing_content_is_said_to_be(spool: Spool, folder: Path) -> None:
    reference = spool.put([b"content"])
    spool.remove(reference)
    spool.remove(reference)
    with pytest.raises(Permanent, match=f"^{reference} is not in the spool {folder}$"):
        spool.get(reference)


@pytest.mark.parametrize(
    "reference",
    [
        "",
        "spool:sha256:",
        "spool:sha256:../../etc/passwd",
        f"spool:sha256:{'A' * 64}",
        f"spool:sha256:{'a' * 64}\n",
    ],
)
def test_a_malformed_reference_is_refused(spool: Spool, reference: str) -> None:
    for act in (spool.get, spool.remove):
        with pytest.raises(Permanent, match="is no reference into the spool"):
            act(reference)


def test_what_is_old_goes_and_what_was_stored_again_stays(spool: Spool, folder: Path) -> None:
    old, again = spool.put([b"old"]), spool.put([b"again"])
    (folder / ".draft-1-left-by-a-crash").touch()
    for path in files(folder):
        os.utime(path, (1000, 1000))
    spool.put([b"again"])
    assert spool.remove_before(2000) == 2
    assert spool.get(again) == b"again"
    with pytest.raises(Permanent):
        spool.get(old)


def test_tidying_up_never_takes_what_is_being_stored(spool: Spool, folder: Path) -> None:
    def store(number: int) -> str:
        for path in folder.glob("??/*"):
            try:
                os.utime(path, (1000, 1000))
            except FileNotFoundError:
                continue
        return spool.put([b"%d" % (number % 5)])

    with ThreadPoolExecutor(4) as pool:
        tidying = [pool.submit(spool.remove_before, 2000) for _ in range(50)]
        stored = [pool.submit(store, number) for number in range(100)]
        for job in tidying:
            job.result()
        for each in stored:
            each.result()
    for number in range(5):
        assert spool.get(spool.put([b"%d" % number])) == b"%d" % number


def test_a_folder_that_cannot_be_made_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Misconfigured, match=r"the spool .*/file/spool cannot be made: "):
        Spool(tmp_path / "file" / "spool")


def test_a_spool_that_is_gone_is_worth_another_try(spool: Spool, folder: Path) -> None:
    folder.rmdir()
    with pytest.raises(
        Transient, match=rf"^the spool {folder} cannot be written: No such file or directory$"
    ):
        spool.put([b"x"])
    with pytest.raises(Transient, match=rf"^the spool {folder} cannot be tidied: No such file or directory$"):
        spool.remove_before(0)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("only root can mount a small disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_worth_another_try_and_leaves_nothing_behind(small_disk: Path) -> None:
    spool = Spool(small_disk / "spool")
    with pytest.raises(Transient, match="cannot be written: No space left on device"):
        spool.put([b"x" * 100_000] * 20)
    assert files(small_disk) == []
    assert spool.get(spool.put([b"small"])) == b"small"
