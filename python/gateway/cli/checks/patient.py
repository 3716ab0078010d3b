"""Everything that checks look at, gathered beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.broker.permissions import Denied
from gateway.broker.server_facts import ServerFacts
from gateway.settings import Settings


@dataclass(frozen=True, slots=True)
class Patient:
    """A gateway that is to be started here. Immutable. Its `repr` holds neither the environment nor a password.

    Attributes:
        environ: the environment.
        settings: what it makes of the settings; None where they cannot be read.
        complaints: a sentence for each reason of that.
        redis_url: where its Redis is; empty where there is none.
        embedded: whether that is the embedded server of a gateway that runs already, and no setting names one.
        redis_complaint: why Redis could not be asked; empty where it could.
        servers: what each data server says about itself.
        denied: what the user in the URL may not do.
        open_files: the soft and the hard limit of open files; -1 is no limit.
        core_complaint: why the native core cannot be imported; empty where it can.
        embedding_complaint: why an embedded server cannot be started here; empty where one can.
        secret_files: variables that name a file of a secret, and its permission bits, for files that are there.
    """

    environ: Mapping[str, str] = field(repr=False)
    settings: Settings | None
    complaints: tuple[str, ...] = ()
    redis_url: str = field(repr=False, default="")
    embedded: bool = False
    redis_complaint: str = ""
    servers: tuple[ServerFacts, ...] = ()
    denied: tuple[Denied, ...] = ()
    open_files: tuple[int, int] = (1_048_576, 1_048_576)
    core_complaint: str = ""
    embedding_complaint: str = ""
    secret_files: Mapping[str, int] = field(default_factory=dict)

    @property
    def production(self) -> bool:
        """Whether it is meant to go live, even if its settings cannot be read."""
        if self.settings is not None:
            return self.settings.environment == "production"
        return self.environ.get("GATEWAY_ENVIRONMENT") == "production"
