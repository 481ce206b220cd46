"""The settings of a process, from the environment (`POSTROOM_…`). Nothing else reads the environment."""

import os
import secrets
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from postroom.errors import Misconfigured
from postroom.evidence.chain import SigningKeys
from postroom.fault import sentence
from postroom.reply_token import TokenKey, TokenKeys
from postroom.secret_box import Keys, SecretBox, new_key

PREFIX = "POSTROOM_"
KeyName = Literal["token_keys", "tag_keys", "secret_keys", "evidence_keys"]
SECRETS_DIR = Path("/run/secrets")
"""Where containers find secrets: the file `postroom_store_url` there stands for `POSTROOM_STORE_URL`."""


class Settings(BaseSettings):
    """What a process needs to know before it can read anything else."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True)

    data_dir: Path = Field(Path(".postroom"), description="Where embedded broker, SQLite and spool live.")
    broker_url: SecretStr | None = Field(
        None, description="amqp://, amqps:// or embedded:///path; default: embedded, in data_dir."
    )
    broker_management_url: SecretStr | None = Field(
        None, description="http(s) URL of RabbitMQ's management API; without it no policies are set."
    )
    store_url: SecretStr | None = Field(
        None, description="postgresql+psycopg://… or sqlite:///path; default: SQLite, in data_dir."
    )
    spool_dir: Path | None = Field(
        None, description="Folder for mail above inline_limit; default: in data_dir."
    )
    accounts: Path = Field(
        Path("accounts.yaml"),
        description="The accounts file that `postroom up` applies, at its start and whenever it changes.",
    )
    token_keys: SecretStr | None = Field(
        None, description="Keys of reply tokens, newest first: `id:hex,id:hex`, 32 bytes each at least."
    )
    token_keys_file: Path | None = Field(
        None, description="A file with the same; default: made at first start in data_dir."
    )
    tag_keys: SecretStr | None = Field(
        None,
        description="Keys of the tags that mails carry, so that bounces prove themselves; as `token_keys`. "
        "The sender makes tags, the processor looks at them: both need the same keys.",
    )
    tag_keys_file: Path | None = Field(
        None, description="A file with the same; default: made at first start in data_dir."
    )
    secret_keys: SecretStr | None = Field(
        None,
        description="Keys of stored passwords and OAuth 2 tokens, newest first, separated by commas: 32 "
        "bytes each in URL-safe base64.",
    )
    secret_keys_file: Path | None = Field(
        None, description="A file with the same, one a line; default: made at first start in data_dir."
    )
    evidence_keys: SecretStr | None = Field(
        None,
        description="Keys that sign the evidence of decisions (Ed25519), newest first, separated by "
        "commas: 32 bytes each in hex.",
    )
    evidence_keys_file: Path | None = Field(
        None, description="A file with the same, one a line; default: made at first start in data_dir."
    )
    evidence_days: Annotated[int, Field(ge=1)] | None = Field(
        None, description="How long the evidence of ended requests is kept; default: for ever."
    )
    audit_days: Annotated[int, Field(ge=30)] | None = Field(
        None, description="How long the audit of what people did is kept; default: for ever."
    )
    api_token: SecretStr | None = Field(
        None,
        description="The API token of the user who acts on the command line; needed once the accounts file "
        "has `users`.",
    )
    shards: Annotated[int, Field(ge=1, le=256)] = Field(
        4, description="Into how many shards the accounts are divided; the same for all services, for ever."
    )
    http_host: str = Field("0.0.0.0", description="Where /metrics, /livez and /readyz listen.")  # noqa: S104
    http_port: Annotated[int, Field(ge=0, le=65535)] = Field(
        9100, description="Their port; 0 lets the system choose."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level logged.")
    log_format: Literal["json", "text"] = Field("json", description="One JSON object or one text a line.")
    inline_limit_bytes: Annotated[int, Field(ge=1024, le=8 * 1024 * 1024)] = Field(
        64 * 1024, description="Mail up to this size travels in the message, larger mail through the spool."
    )
    max_size_bytes: Annotated[int, Field(ge=64 * 1024)] = Field(
        25 * 1024 * 1024, description="Of larger mail only headers and the first part are read."
    )
    attachments_limit_bytes: Annotated[int, Field(ge=0)] = Field(
        20 * 1024 * 1024,
        description="How large the files of one mail may be together; what is larger is not sent. On the "
        "wire they are a third larger.",
    )
    imap_connections_per_host: Annotated[int, Field(ge=0, le=100_000)] = Field(
        10_000,
        description="How many connections one fetcher has to one IMAP host at most; mailboxes take turns "
        "beyond it. 0: no limit.",
    )
    fetch_budget_bytes: Annotated[int, Field(ge=1024 * 1024)] = Field(
        4 * 1024 * 1024,
        description="Bytes of mail that a fetcher has in memory at once, of all mailboxes together.",
    )
    batch_size: Annotated[int, Field(ge=1, le=1000)] = Field(
        100, description="How many messages are handled in one transaction at most."
    )
    batch_wait_ms: Annotated[int, Field(ge=0, le=1000)] = Field(
        10, description="How long a batch waits for more messages."
    )
    drain_s: Annotated[float, Field(ge=0, le=3600)] = Field(
        20.0, description="How long a stop waits for work in hand."
    )
    send_lifetime_s: Annotated[int, Field(ge=60, le=30 * 86_400)] = Field(
        48 * 3600, description="For how long a mail that its server puts off is tried."
    )
    event_queue_length: Annotated[int, Field(ge=100, le=100_000_000)] = Field(
        100_000,
        description="How many messages a queue of a webhook or campaign holds; beyond it the oldest go to "
        "its quarantine, which holds as many. `postroom topology apply` sets it.",
    )
    retention_days: Annotated[int, Field(ge=1)] = Field(
        30, description="How long handled message ids and spooled mail are kept."
    )

    @cached_property
    def broker(self) -> str:
        """The broker's URL; not for logs."""
        if self.broker_url:
            return self.broker_url.get_secret_value()
        return f"embedded://{quote(str(self._file('broker')))}"

    @cached_property
    def store(self) -> str:
        """The store's URL; not for logs."""
        return self.store_url.get_secret_value() if self.store_url else f"sqlite:///{self._file('store')}"

    @property
    def store_file(self) -> Path:
        """Where the store is unless there is a URL."""
        return self._file("store")

    @property
    def embedded(self) -> bool:
        """Whether the broker is the embedded one."""
        return self.broker.startswith("embedded:")

    @property
    def spool(self) -> Path:
        """The spool's folder."""
        return self.spool_dir or self.data_dir.absolute() / "spool"

    def read_token_keys(self) -> TokenKeys:
        """The keys of reply tokens; made and kept in data_dir where none are given.

        Raises:
            Misconfigured: a key is malformed or the file cannot be read.
        """
        text, where = self._keys("token_keys", lambda: f"1:{secrets.token_hex(32)}\n")
        return _parse_keys(text, where)

    def read_tag_keys(self) -> TokenKeys:
        """The keys of mails' tags, which are not those of reply tokens: the sender decides nothing.

        Raises:
            Misconfigured: a key is malformed or the file cannot be read.
        """
        text, where = self._keys("tag_keys", lambda: f"1:{secrets.token_hex(32)}\n")
        return _parse_keys(text, where, "tag_keys")

    def read_secret_box(self) -> SecretBox:
        """What encrypts stored secrets; its key is made and kept in data_dir where none is given.

        Raises:
            Misconfigured: a key is malformed or the file cannot be read.
        """
        text, where = self._keys("secret_keys", lambda: f"{new_key()}\n")
        try:
            return SecretBox(_split(text), self._secret_keys_again)
        except ValueError:
            raise Misconfigured(
                "secret_keys", f"{where}: expected keys of 32 bytes in URL-safe base64, newest first"
            ) from None

    def read_evidence_keys(self) -> SigningKeys:
        """What signs evidence; its key is made and kept in data_dir where none is given.

        Raises:
            Misconfigured: a key is malformed or the file cannot be read.
        """
        text, where = self._keys("evidence_keys", lambda: f"{secrets.token_hex(32)}\n")
        try:
            return SigningKeys([bytes.fromhex(key) for key in _split(text)])
        except ValueError:
            raise Misconfigured(
                "evidence_keys", f"{where}: expected keys of 32 bytes in hex, newest first"
            ) from None

    def key_file(self, name: KeyName) -> Path:
        """Where the keys lie if they are not in the environment."""
        return getattr(self, f"{name}_file") or self.data_dir.absolute() / name.replace("_", "-")

    def _secret_keys_again(self) -> Keys:
        """The keys as they are now; those of the environment stay what they were."""
        return _split(self._keys("secret_keys", lambda: f"{new_key()}\n")[0])

    def _keys(self, name: KeyName, make: Callable[[], str]) -> tuple[str, str]:
        """The text of the keys and where it comes from."""
        given: SecretStr | None = getattr(self, name)
        if given is not None:
            return given.get_secret_value(), f"{PREFIX}{name.upper()}"
        path = self.key_file(name)
        try:
            if getattr(self, f"{name}_file") is None and not path.exists():
                _make_key_file(path, make())
            return path.read_text("ascii"), str(path)
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not ASCII text"
            raise Misconfigured(name, f"{path}: the keys cannot be read: {reason}") from error

    def _file(self, name: str) -> Path:
        return self.data_dir.absolute() / f"{name}.sqlite3"


def read_settings(*, secrets_dir: Path = SECRETS_DIR, **overrides: object) -> Settings:
    """The settings of this process: the overrides, else the environment, else the files in `secrets_dir`.

    Raises:
        Misconfigured: a variable has a wrong value; the text names each one and what is allowed.
    """
    files = {"_secrets_dir": secrets_dir} if secrets_dir.is_dir() else {}
    try:
        return Settings(**files, **overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        faults = "; ".join(
            f"{PREFIX}{str(fault['loc'][0]).upper()}: {sentence(fault)}"
            for fault in error.errors(include_url=False, include_input=False)
        )
        raise Misconfigured("settings", faults) from None


def _split(text: str) -> Keys:
    return tuple(text.replace(",", " ").split())


def _make_key_file(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Written aside and linked, so that of several processes starting at once one wins and none reads half.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    draft.touch(mode=0o600)
    try:
        with draft.open("w") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _parse_keys(text: str, where: str, name: KeyName = "token_keys") -> TokenKeys:
    keys = []
    for part in text.replace("\n", ",").split(","):
        if not part.strip():
            continue
        key_id, _, secret = part.strip().partition(":")
        try:
            key = TokenKey(int(key_id), bytes.fromhex(secret))
        except ValueError:
            raise Misconfigured(name, f"{where}: expected `id:hex,id:hex`") from None
        if not 0 <= key.key_id <= 255 or len(key.secret) < 32:
            raise Misconfigured(name, f"{where}: ids go from 0 to 255, keys have 32 bytes or more")
        keys.append(key)
    if not keys:
        raise Misconfigured(name, f"{where}: no key found, expected `id:hex`")
    if len({key.key_id for key in keys}) != len(keys):
        raise Misconfigured(name, f"{where}: one key id is given twice")
    return TokenKeys(tuple(keys))
