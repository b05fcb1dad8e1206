"""Chunks of images on a Dask cluster."""

from collections.abc import Sequence

from tmdscope.analysis.descriptors.table import Chunk, Mapper, Values, Work
from tmdscope.errors import UserError
from tmdscope.stage import say

_ANSWER_S = 30.0
"""How long a scheduler may take to answer."""


def on_cluster(scheduler: str) -> Mapper:
    """Work on chunks wherever a Dask scheduler, ``tcp://HOST:PORT``, sends them, for `table.describe`.

    Workers need tmdscope, and the files under the same absolute path. Without workers it waits for some.
    """
    try:
        from distributed import Client, KilledWorker
    except ImportError as error:
        raise UserError(
            f"compute.scheduler is {scheduler}, but Dask is not installed: pip install 'tmdscope[dask]', "
            "or empty the setting to work on this machine"
        ) from error

    def map_chunks(work: Work, chunks: Sequence[Chunk]) -> list[Values]:
        try:
            client = Client(scheduler, timeout=_ANSWER_S)
        except (OSError, ValueError) as error:
            raise UserError(
                f"compute.scheduler: no Dask scheduler answers at {scheduler} ({error}); start one, or "
                "empty the setting to work on this machine"
            ) from error
        with client:
            workers = len(client.scheduler_info(n_workers=-1)["workers"])
            say(f"{scheduler}: {len(chunks)} chunks, {workers or 'waiting for'} workers")
            try:
                found: list[Values] = client.gather(client.map(work, chunks, pure=False))
            except UserError as error:
                raise UserError(
                    f"a worker of {scheduler}: {error} (workers read files under the path they have here)"
                ) from error
            except KilledWorker as error:
                raise UserError(
                    f"workers of {scheduler} died of one chunk again and again; look into their logs, which "
                    f"most often say that memory was short ({error})"
                ) from error
        return found

    return map_chunks
