"""Parts of some work on the workers of a Dask cluster, where `compute.scheduler` names one."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from typing import Any

from tmdscope.errors import UserError
from tmdscope.processes import Mapper, Part, Result
from tmdscope.stage import say

_ANSWER_S = 30.0
"""How long a scheduler may take to answer."""

_AHEAD = 4
"""Parts under way, or done and not yet asked for, for each thread of the workers."""


def cluster_at(scheduler: str) -> Mapper | None:
    """Work wherever the Dask scheduler at an address, ``tcp://HOST:PORT``, sends it; None where it is empty.

    Workers need tmdscope, and files under the same absolute path. Without workers it waits for some. Results
    come as they are asked for, and few parts are ahead of that, so that memory stays flat.
    """
    if not scheduler:
        return None
    try:
        import distributed
    except ImportError as error:
        raise UserError(
            f"compute.scheduler is {scheduler}, but Dask is not installed: pip install 'tmdscope[dask]', "
            "or empty the setting to work on this machine"
        ) from error

    def bring(future: Any) -> Any:
        try:
            return future.result()
        except UserError as error:
            raise UserError(
                f"a worker of {scheduler}: {error} (workers read files under the path they have here)"
            ) from error
        except distributed.KilledWorker as error:
            raise UserError(
                f"workers of {scheduler} died of one part of the work again and again; look into their "
                f"logs, which most often say that memory was short ({error})"
            ) from error

    def map_parts(work: Callable[[Part], Result], parts: Iterable[Part]) -> Iterator[Result]:
        with _connect(scheduler) as client:
            say(f"{scheduler}: {len(client.nthreads()) or 'waiting for'} workers")
            waiting: deque[Any] = deque()
            try:
                for part in parts:
                    waiting.append(client.submit(work, part, pure=False))
                    while len(waiting) >= _AHEAD * max(1, _count_threads(client)):
                        yield bring(waiting.popleft())
                while waiting:
                    yield bring(waiting.popleft())
            except CancelledError as error:
                raise UserError(
                    f"the Dask scheduler at {scheduler} has gone ({error}); start it, and this, again"
                ) from error

    return map_parts


def _connect(scheduler: str) -> Any:
    from distributed import Client

    try:
        return Client(scheduler, timeout=_ANSWER_S)
    except (OSError, ValueError) as error:
        raise UserError(
            f"compute.scheduler: no Dask scheduler answers at {scheduler} ({error}); start one, or "
            "empty the setting to work on this machine"
        ) from error


def _count_threads(client: Any) -> int:
    try:
        return sum(client.nthreads().values())
    except OSError as error:
        raise CancelledError(str(error)) from error  # as of results that nobody will bring
