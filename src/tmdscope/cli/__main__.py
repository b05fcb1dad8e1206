"""The command as ``python -m tmdscope.cli``."""

from tmdscope.cli import app

if __name__ == "__main__":
    app()
