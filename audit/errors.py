"""Exceptions that users may see: each message is one line that names the place, the fact and the way out."""


class AuditError(Exception):
    """Anything that went wrong in a way the user can act on.

    `exit_code` is what the command line returns (documented in docs/cli.md).
    """

    exit_code = 64


class UsageError(AuditError):
    """The command was asked for something that does not exist or does not fit together."""

    exit_code = 64


class SuiteError(AuditError):
    """A suite file is missing, malformed, or fails the linter."""

    exit_code = 65


class ModelError(AuditError):
    """A model cannot be found, fetched, verified, converted or loaded."""

    exit_code = 66


class UnsupportedModelError(ModelError):
    """A model works, but its layers are built so that they cannot be looked into rightly."""


class DictionaryError(AuditError):
    """An SAE cannot be found, fetched or loaded, or does not fit the model."""

    exit_code = 66


class RunError(AuditError):
    """A run folder or a cached shard is incomplete, damaged or of another version."""

    exit_code = 67


class ResourceError(AuditError):
    """The machine lacks what the work needs: disk, memory, a missing optional package."""

    exit_code = 69


class TooFewItems(AuditError):  # noqa: N818 - reads as the fact it states
    """A statistic was asked of fewer independent items than it can be computed from."""

    exit_code = 70

    @property
    def reason(self) -> str:
        """What is lacking, as it was given: a sentence that is kept with its parts stays one."""
        given: str = self.args[0]
        return given


class DeskError(AuditError):
    """The community desk's database cannot be used, or what was asked of it does not fit what it holds."""

    exit_code = 71


class NotAllowedError(DeskError):
    """A person asked for what none of their roles allows."""


class ConflictError(DeskError):
    """Somebody else, or another tab, changed the same thing first; nothing was written."""


class PolicyError(AuditError):
    """A release policy cannot be read or does not hold together."""

    exit_code = 72


class SignatureError(AuditError):
    """A key cannot be made, found or opened, or a signature cannot be made."""

    exit_code = 73
