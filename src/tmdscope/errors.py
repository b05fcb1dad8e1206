"""What a user can mend."""

from tmdscope.address import without_secrets


class UserError(ValueError):
    """Something a user can mend; the message names the file, the value and the remedy.

    Passwords and tokens are taken out of it.
    """

    def __init__(self, message: str) -> None:
        super().__init__(without_secrets(message))
