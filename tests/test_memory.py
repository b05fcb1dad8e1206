import ctypes

import pytest

from tmdscope import memory


def test_the_c_library_is_told_once_per_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    told = []

    class Library:
        def __init__(self, name: None) -> None:
            assert name is None

        @staticmethod
        def mallopt(setting: int, value: int) -> int:
            told.append((setting, value))
            return 1

    monkeypatch.setattr(ctypes, "CDLL", Library)
    assert memory.keep_freed_memory()
    assert {setting for setting, _ in told} == {-1, -2, -4}


def test_a_refusal_and_another_c_library_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing:
        def __init__(self, name: None) -> None:
            self.mallopt = lambda setting, value: 0

    class Other:
        def __init__(self, name: None) -> None:
            pass

    for library in (Refusing, Other):
        monkeypatch.setattr(ctypes, "CDLL", library)
        assert not memory.keep_freed_memory()
        assert not memory.give_back_freed_memory()
