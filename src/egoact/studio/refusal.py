"""Why a request is not done: a status of HTTP and a line for a person."""


class Refusal(Exception):
    """Becomes an `ErrorAnswer` with a status of HTTP; other fields of it are details. Ask again after some seconds."""

    def __init__(
        self, status: int, reason: str, *, details: dict[str, object] | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(reason)
        self.status, self.reason = status, " ".join(reason.split())
        self.details, self.retry_after = details or {}, retry_after
