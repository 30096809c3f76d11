"""Why a request is not done: a status of HTTP and a line for a person."""


class Refusal(Exception):
    """Becomes an `ErrorAnswer`.

    Args:
        status: Of HTTP, such as 404.
        reason: One line.
        details: Other fields of the answer.
        retry_after: Seconds after which to ask again.
    """

    def __init__(
        self, status: int, reason: str, *, details: dict[str, object] | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(reason)
        self.status, self.reason = status, " ".join(reason.split())
        self.details, self.retry_after = details or {}, retry_after
