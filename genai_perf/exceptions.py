"""Every error this program raises on purpose, and the exit code that each ends it with.

    GenAIPerfError
    ├── UsageError            2  the command line, the environment or a config value is wrong
    │   └── InputError        2  an input file is missing or malformed; says file:line
    ├── TokenizerError        2  no tokenizer could be made from what was given
    ├── RunError              1  the run could not be made, or measured nothing
    │   ├── ServerError       1  the server cannot be reached or refuses every request
    │   └── ArtifactError     1  a file of the run cannot be written or read
    └── Interrupted         130  Ctrl-C; what was measured until then has been reported

A request that fails is none of these: it is a `RequestRecord` with an `error`.
"""


class GenAIPerfError(Exception):
    """What went wrong, in one line for a person; `hint` says what would work."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(GenAIPerfError):
    """The command line, the environment or a config value is wrong."""

    exit_code = 2


class InputError(UsageError):
    """An input file is missing or malformed; the message begins with `file:line:` where there is one."""


class TokenizerError(GenAIPerfError):
    """No tokenizer could be made from what was given."""

    exit_code = 2


class RunError(GenAIPerfError):
    """The run could not be made, or measured nothing."""


class ServerError(RunError):
    """The server cannot be reached, or refuses every request."""


class ArtifactError(RunError):
    """A file of the run cannot be written or read."""


class Interrupted(GenAIPerfError):
    """Ctrl-C; what was measured until then has been reported."""

    exit_code = 130
