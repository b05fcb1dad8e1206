"""A user's files are found however their names are encoded, and what is theirs is kept apart from ours."""

import unicodedata
from pathlib import Path

import pytest

from tmdscope.dataset.place import check_apart, find_file, relative_id, user_file, write_new
from tmdscope.errors import UserError

NFC, NFD = (unicodedata.normalize(form, "gr\u00e9/\u00e4.png") for form in ("NFC", "NFD"))


@pytest.fixture
def user(tmp_path: Path) -> Path:
    folder = tmp_path / "data" / "user"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "a.png").write_bytes(b"x")
    return folder


@pytest.mark.parametrize("how", ["absolute", "through a link", "through another", "around", "plain"])
def test_every_path_into_the_folder_is_named_relatively(
    user: Path, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("link", "second"):
        (tmp_path / name).symlink_to(user)
    folder, path = {
        "absolute": (Path("data/user"), str(user / "sub" / "a.png")),
        "through a link": (tmp_path / "link", str(user / "sub" / "a.png")),
        "through another": (tmp_path / "link", str(tmp_path / "second" / "sub" / "a.png")),
        "around": (Path("data/user"), "../../data/user/./sub/../sub/a.png"),
        "plain": (user, "./sub//a.png"),
    }[how]
    assert relative_id(folder, path) == "sub/a.png"
    assert user_file(folder, path)[1].read_bytes() == b"x"


@pytest.mark.parametrize("path", ["/etc/hostname", "../a.png", "sub/../../x.png", "../user2/a.png", ".."])
def test_a_path_out_of_it_is_refused(user: Path, path: str) -> None:
    with pytest.raises(UserError, match="leaves the folder"):
        relative_id(user, path)


@pytest.mark.parametrize(("disk", "named"), [(NFC, NFD), (NFD, NFC), (NFC, NFC), (NFD, NFD)])
def test_another_encoding_of_accents_is_found_and_named_the_same(user: Path, disk: str, named: str) -> None:
    (user / disk).parent.mkdir()
    (user / disk).write_bytes(b"y")
    found = user_file(user, named)
    assert found[0] == NFC
    assert found[1].read_bytes() == b"y"
    assert find_file(user, named) == found[1]


@pytest.mark.parametrize("named", ["Sub/A.png", "sub/a .png".replace(" .", "\u200b."), "SUB/a.PNG"])
def test_another_spelling_is_proposed_not_taken(user: Path, named: str) -> None:
    with pytest.raises(UserError, match=r"no such file in .*; did you mean 'sub/a\.png'"):
        user_file(user, named)


def test_nothing_that_is_there_is_written_to(user: Path) -> None:
    with pytest.raises(FileExistsError):
        write_new(user / "sub" / "a.png", b"new")
    assert (user / "sub" / "a.png").read_bytes() == b"x"


@pytest.mark.parametrize("folder", [".", "data", "data/raw", "data/raw/images", "reports", "data/prepared"])
def test_a_users_folder_and_the_studys_own_are_apart(user: Path, folder: str) -> None:
    root = user.parents[1]
    check_apart(user, root)
    with pytest.raises(UserError, match=r"lie in each other.*data/user"):
        check_apart(root / folder, root)
