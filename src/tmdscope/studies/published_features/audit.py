"""Stage `audit`: what a score on the published features is worth."""

from tmdscope.jobs import audit
from tmdscope.jobs.study import Study


def run(study: Study) -> None:
    """Audit the features; the network and the best classifier beside it run in another order of folds."""
    audit.run(study, ("mlp", "svc"))
