import ctypes
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

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


def test_a_budget_is_shared_in_order_and_never_exceeded() -> None:
    budget, held, most, lock = memory.Budget(lambda: 10), [0], [0], threading.Lock()

    def work(needed: int) -> int:
        with budget.take(needed):
            with lock:
                held[0] += min(needed, 10)
                most[0] = max(most[0], held[0])
            time.sleep(0.001)
            with lock:
                held[0] -= min(needed, 10)
        return needed

    wanted = [1, 30, 4, 6, 10, 0, 7] * 10
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, wanted)) == wanted
    assert most[0] <= 10


def test_a_budget_is_given_back_after_an_error() -> None:
    budget = memory.Budget(1)
    for _ in range(3):
        with pytest.raises(ValueError, match="of the work"), budget.take(5):
            raise ValueError("of the work")


def test_memory_is_the_least_that_anybody_allows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {
        "meminfo": "MemTotal: 9 kB\nMemAvailable:  8 kB\n",
        "max": "max\n",
        "now": "5",
    }.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(memory, "_PROC", tmp_path)
    monkeypatch.setattr(memory, "_GROUPS", [(tmp_path / "max", tmp_path / "now")])
    assert memory.available_bytes() == 8192
    (tmp_path / "max").write_text("4005\n")
    assert memory.available_bytes() == 4000
